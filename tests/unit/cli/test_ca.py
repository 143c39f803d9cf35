"""`lictor ca`: every step can be repeated, and none is taken while an amphora stands in its way."""

import re

import pytest
from sqlalchemy import update

from lictor.amphora.pki import Authority
from lictor.cli import main
from lictor.model import Amphora, LoadBalancer
from tests.unit import database


class Place:
    def __init__(self, directory, capsys):
        self.directory, self._capsys = directory, capsys
        self.store = database.store(directory)
        self.authority = Authority.open(directory / "pki")

    def type(self, *words):
        status = main.main(["ca", *words, "--state-dir", str(self.directory), "--config-file", str(self.config)])
        said = self._capsys.readouterr()
        return status, said.out + said.err

    @property
    def config(self):
        file = self.directory / "lictor.conf"
        file.write_text(f"[database]\nconnection = {self.store.engine.url.render_as_string(hide_password=False)}\n")
        return file

    def amphora(self, **values):
        self.store.write(lambda session: session.execute(update(Amphora).values(**values)))

    def renewed(self):
        """What the loop does meanwhile."""
        self.amphora(papers=self.authority.ring.papers)


@pytest.fixture
def place(tmp_path, capsys):
    made = Place(tmp_path, capsys)

    def rows(session):
        session.add(LoadBalancer(id="lb", project_id="p", provider="amphora", provisioning_status="ACTIVE"))
        session.flush()
        session.add(Amphora(id="first", load_balancer_id="lb", status="ALLOCATED"))

    made.store.write(rows)
    return made


def test_a_roll_begins_waits_goes_on_and_ends(place):
    (old,) = place.authority.ring.names
    status, said = place.type("status")
    assert (status, said.count("\n")) == (0, 2) and said.startswith(f"{old}: signs, good until 20")
    for stage in ("announced", "moving"):
        status, said = place.type("roll")
        assert status == 0 and f"{stage}: " in said
        assert "1 amphorae need other papers first, first among them" in said
        assert f"{stage}: " in place.type("roll")[1], "it waits"
        assert len(place.authority.ring.names) == 2
        place.renewed()
    status, said = place.type("roll")
    assert status == 0 and "settled: " in said and old not in said
    assert place.authority.ring.names[0] != old


def test_the_old_one_is_not_dropped_while_amphorae_depend_on_it(place):
    place.type("roll")
    assert place.type("retire")[0] == 1, "the new one does not sign yet"
    place.renewed()
    place.type("roll")
    status, said = place.type("retire")
    assert status == 1 and "1 amphorae have certificates of the old authority, first among them" in said
    assert place.authority.ring.stage == "moving"
    place.renewed()
    assert place.type("retire")[0] == 0
    assert place.authority.ring.stage == "settled"
    assert place.type("retire")[0] == 0, "it can be repeated"


def test_the_first_one_is_made_before_anything_runs_and_stays(tmp_path, capsys):
    place = tmp_path / "state"
    for _ in range(2):
        assert main.main(["ca", "create", "--state-dir", str(place)]) == 0
    first, second = re.findall(r"^(.+): signs, good until 20\d\d-", capsys.readouterr().out, re.MULTILINE)
    assert [first] == [second] == Authority.open(place / "pki").ring.names
    assert (place / "pki/authority.pem").stat().st_mode & 0o777 == 0o600
    assert (place / "version").read_text() == "1\n"


def test_a_strangers_directory_gets_none(tmp_path, capsys):
    (tmp_path / "letters").write_text("Dear")
    assert main.main(["ca", "create", "--state-dir", str(tmp_path)]) == 1
    assert "no state directory of Lictor's" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["letters"]


def test_forced_what_depends_on_the_old_one_is_replaced(place):
    place.type("roll")
    place.renewed()
    place.type("roll")
    assert place.type("retire", "--force")[0] == 0
    assert place.authority.ring.stage == "settled"
    with place.store.read() as session:
        first = session.get(Amphora, "first")
        assert (first.condemned, first.condemned_by) == (True, "certificate")
        assert session.get(LoadBalancer, "lb").provisioning_status == "PENDING_UPDATE"


def test_without_an_authority_it_says_who_makes_it(place):
    (place.directory / "pki" / "authority.pem").unlink()
    status, said = place.type("status")
    assert status == 1 and "lictor up, the first worker, or lictor ca create makes it" in said


def test_of_two_that_take_the_same_step_one_does(place):
    ring = place.authority.ring
    announced = ring.next()
    assert place.authority.replace(ring, announced)
    assert not place.authority.replace(ring, ring.next())
    assert place.authority.ring.names == announced.names
