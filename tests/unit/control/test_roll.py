"""`lictor roll`: all that were marked are replaced, some at a time, also by a command that comes after a killed one."""

import datetime
import signal
import subprocess
import sys

import pytest
from sqlalchemy import update

from lictor.cli import main
from lictor.model import Amphora, LoadBalancer, now, roll
from lictor.model.roll import Selection
from tests.lab.deployment import eventually

from .test_budget import Fleet


def progress(store):
    with store.read() as session:
        present = roll.unfinished(session)
        return roll.progress(session, present) if present else None


@pytest.fixture
def fleet(store, tmp_path):
    with Fleet(store, tmp_path, 8) as fleet:
        fleet.active()
        yield fleet


def command(fleet, tmp_path, *words):
    """The command line, as an operator types it."""
    config = tmp_path / "lictor.conf"
    config.write_text(f"[database]\nconnection = {fleet.store.engine.url.render_as_string(hide_password=False)}\n")
    return ["roll", "--state-dir", str(tmp_path), "--config-file", str(config), *words]


def run(capsys, fleet, tmp_path, *words):
    status = main.main(command(fleet, tmp_path, *words))
    shown = capsys.readouterr()
    return status, shown.out.splitlines(), shown.err


def test_all_are_replaced_and_no_more_than_so_many_at_once(fleet, tmp_path, capsys):
    before = {row.id for row in fleet.rows()}
    fleet.compute.most = 0
    status, said, _ = run(capsys, fleet, tmp_path, "--all", "--at-once", "2")
    assert status == 0
    assert said[0] == "A roll of amphorae all, 2 at a time."
    assert said[1] == "0 of 8 replaced, 0 under way, 8 to go" and said[-1] == "8 of 8 replaced, 0 under way, 0 to go"
    assert not before & {row.id for row in fleet.rows()}
    assert fleet.compute.most <= 2
    assert run(capsys, fleet, tmp_path, "--status")[:2] == (0, ["No roll is under way."])


def test_a_roll_whose_command_is_killed_is_gone_on_with_and_means_the_same_amphorae(fleet, tmp_path, capsys):
    before = {row.id for row in fleet.rows()}
    words = command(fleet, tmp_path, "--all", "--at-once", "1")
    with subprocess.Popen([sys.executable, "-m", "lictor.cli.main", *words], stdout=subprocess.DEVNULL) as process:
        eventually(lambda: (seen := progress(fleet.store)) and 1 <= seen.done < 6, 30, "it has begun", poll=0.01)
        process.send_signal(signal.SIGKILL)
    fleet.active()
    middle = {row.id for row in fleet.rows()}
    assert middle & before and middle - before, "some are new, some are not"
    status, said, _ = run(capsys, fleet, tmp_path, "--status")
    assert status == 3 and f"{len(middle - before)} of 8 replaced" in said[0]
    status, said, _ = run(capsys, fleet, tmp_path, "--at-once", "3")
    assert (status, said[-1]) == (0, "8 of 8 replaced, 0 under way, 0 to go")
    after = {row.id for row in fleet.rows()}
    assert not after & before and after >= middle - before, "those that were new are not replaced once more"


def test_what_was_not_begun_can_be_left_alone(fleet, tmp_path, capsys):
    fleet.store.write(lambda session: roll.begin(session, Selection(everything=True)))
    assert run(capsys, fleet, tmp_path, "--cancel")[:2] == (
        0, ["8 amphorae stay as they are. What was begun comes to its end."]
    )  # fmt: skip
    assert progress(fleet.store) is None


def test_only_those_that_are_meant_are_replaced(fleet, tmp_path, capsys):
    rows = {row.load_balancer_id: row.id for row in fleet.rows()}

    def change(session):
        for lb_id, values in (
            ("lb-0", {"created_at": now() - datetime.timedelta(days=40)}),
            ("lb-1", {"cert_expiration": now() + datetime.timedelta(days=3)}),
        ):
            session.execute(update(Amphora).where(Amphora.load_balancer_id == lb_id).values(**values))

    fleet.store.write(change)
    for words, meant in (
        (["--image-older-than", "30"], ["lb-0"]),
        (["--expiring", "7"], ["lb-1"]),
        (["--image-older-than", "30", "--expiring", "7"], ["lb-0", "lb-1"]),
        (["--load-balancer", "lb-5"], ["lb-5"]),
        (["--load-balancer", "lb-1", "--image-older-than", "30"], []),
        (["--image", "11111111-1111-1111-1111-111111111111"], sorted(rows)),
    ):
        status, said, _ = run(capsys, fleet, tmp_path, "--dry-run", *words)
        assert status == 0
        assert said == [
            *(f"{rows[lb_id]} STANDALONE of load balancer {lb_id}" for lb_id in meant),
            f"{len(meant)} amphorae would be replaced.",
        ]
    assert run(capsys, fleet, tmp_path, "--expiring", "7")[0] == 0
    after = {row.load_balancer_id: row.id for row in fleet.rows()}
    assert {lb_id for lb_id in rows if rows[lb_id] != after[lb_id]} == {"lb-1"}


def test_what_makes_no_sense_is_refused_with_a_sentence(fleet, tmp_path, capsys):
    for words, sentence in (
        ([], "lictor: there is no roll to go on with: say which amphorae, for example --all\n"),
        (["--load-balancer", "lb-9"], "lictor: there is no load balancer lb-9: give its id\n"),
    ):
        assert run(capsys, fleet, tmp_path, *words) == (2, [], sentence)
    fleet.store.write(lambda session: roll.begin(session, Selection(everything=True)))
    status, _, said = run(capsys, fleet, tmp_path, "--expiring", "3")
    assert (status, said) == (
        2,
        "lictor: a roll of amphorae all is not over: run `lictor roll` to go on with it, or `lictor roll --cancel` "
        "first\n",
    )


def test_a_replacement_that_fails_stops_the_roll_and_says_why(store, tmp_path, capsys):
    with Fleet(store, tmp_path, 4, error_after=1, retry_interval=30.0) as fleet:
        fleet.active()
        before = {row.id for row in fleet.rows()}
        fleet.compute.broken = True
        status, said, _ = run(capsys, fleet, tmp_path, "--all", "--at-once", "1")
        assert status == 1
        assert said[-2].endswith(": No host has room.")
        rows = fleet.rows()
        assert {row.id for row in rows} >= before, "all that served still do"
        assert sum(row.condemned for row in rows) == 1, "no other one was begun"
        status, said, _ = run(capsys, fleet, tmp_path, "--status")
        assert (status, said[0]) == (1, "A roll of amphorae all: 0 of 4 replaced, 1 under way, 3 to go.")
        fleet.compute.broken = False
        store.write(lambda session: session.execute(update(LoadBalancer).values(retry_at_ms=0)))
        fleet.active()
        assert run(capsys, fleet, tmp_path)[0] == 0
        assert not before & {row.id for row in fleet.rows()}


def test_of_a_pair_never_both(store, tmp_path):
    with Fleet(store, tmp_path, 2, topology="ACTIVE_STANDBY") as fleet:
        fleet.active()
    present = store.write(lambda session: roll.begin(session, Selection(everything=True)))
    begun = store.write(lambda session: roll.step(session, present, 10))
    rows = {row.id: row for row in fleet.rows()}
    assert {(rows[one].load_balancer_id, rows[one].role) for one in begun} == {("lb-0", "BACKUP"), ("lb-1", "BACKUP")}
    assert store.write(lambda session: roll.step(session, present, 10)) == []
