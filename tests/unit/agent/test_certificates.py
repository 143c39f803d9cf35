"""Which commands give a running HAProxy other certificates."""

import pathlib

import pytest

from lictor import wire
from lictor.agent.agent import complete
from lictor.agent.errors import Refused
from lictor.agent.haproxy import certificates
from lictor.agent.haproxy.changes import Step
from lictor.agent.validate import validate

PLACE = pathlib.Path("/run/certs")
ID = "00000000-0000-4000-8000-000000000001"


def file(name: str, content: str = "one\n", kind: str = wire.CERTIFICATE) -> wire.File:
    return wire.File(name=name, content=content, kind=kind)


def listed(*names: str) -> wire.File:
    return file("l.list", "".join(f"{name}\n" for name in names), wire.CRT_LIST)


def plan(old: list[wire.File], new: list[wire.File], *loaded: str) -> certificates.Change | None:
    kinds = {each.name: each.kind for each in old + new}
    known = {kind: {f"{PLACE}/{n}" for n in loaded if kinds[n] == kind} for kind in certificates.STORES}
    return certificates.plan(old, new, known, PLACE)


def commands(steps: list[Step]) -> list[str]:
    return [step.command for step in steps]


def test_what_stayed_as_it_was_and_is_loaded_needs_nothing() -> None:
    change = plan([file("a.pem"), listed("a.pem")], [file("a.pem"), listed("a.pem")], "a.pem")
    assert change == certificates.Change([], [])


@pytest.mark.parametrize("kind", certificates.STORES)
def test_new_content_is_set_and_committed_under_the_old_name(kind: str) -> None:
    change = plan([file("a", "one\n", kind)], [file("a", "two\n\nthree\n", kind)], "a")
    assert commands(change.before) == [f"set ssl {kind} /run/certs/a", f"commit ssl {kind} /run/certs/a"]
    assert change.before[0].payload == "two\nthree", "an empty line would end what is sent"
    assert change.after == []


def test_what_haproxy_does_not_know_yet_is_made_first() -> None:
    change = plan([file("a.pem")], [file("a.pem")])
    assert commands(change.before) == [
        "new ssl cert /run/certs/a.pem", "set ssl cert /run/certs/a.pem", "commit ssl cert /run/certs/a.pem",
    ]  # fmt: skip


def test_certificates_come_before_and_go_after_whatever_else_changes() -> None:
    old = [listed("a.pem", "b.pem"), file("a.pem"), file("b.pem")]
    new = [listed("a.pem", "c.pem"), file("a.pem"), file("c.pem")]
    change = plan(old, new, "a.pem", "b.pem")
    assert commands(change.before)[-1] == "add ssl crt-list l.list /run/certs/c.pem"
    assert commands(change.after) == ["del ssl crt-list l.list /run/certs/b.pem", "del ssl cert /run/certs/b.pem"]


def test_files_of_an_unknown_kind_need_a_reload_when_they_change() -> None:
    assert plan([file("x", "one", "")], [file("x", "two", "")]) is None
    assert plan([file("x", "one", "")], [file("x", "one", "")]) == certificates.Change([], [])


CONFIG = """backend b
    server a 192.0.2.1:1 weight 1 ssl ca-file a.ca verify required crl-file a.crl
    server b 192.0.2.1:2 weight 1 ssl crt b.pem ca-file b.ca verify required
"""


def test_what_a_server_without_a_certificate_checks_against_needs_a_reload_when_it_changes() -> None:
    assert certificates.fixed(CONFIG) == {"a.ca", "a.crl"}
    old, new = [file("a.ca", "one", wire.AUTHORITY)], [file("a.ca", "two", wire.AUTHORITY)]
    loaded = {kind: {"/run/certs/a.ca"} for kind in certificates.STORES}
    assert certificates.plan(old, new, loaded, PLACE, {"a.ca"}) is None
    assert certificates.plan(old, old, loaded, PLACE, {"a.ca"}) == certificates.Change([], [])
    assert certificates.plan([], new, loaded, PLACE, {"a.ca"}) is not None


@pytest.mark.parametrize(
    ("verb", "answer", "done"),
    [
        ("new", "New empty certificate store '/run/certs/a.pem'!", True),
        ("new", "Certificate '/run/certs/a.pem' already exists!", False),
        ("set", "Transaction created for certificate /run/certs/a.pem!", True),
        ("set", "unable to load certificate from file", False),
        ("commit", "Committing /run/certs/a.pem.\nSuccess!", True),
        ("commit", "Committing /run/certs/a.pem.\nFailed!", False),
    ],
)
def test_only_the_right_answers_count(verb: str, answer: str, done: bool) -> None:
    step = next(s for s in plan([], [file("a.pem")]).before if s.command.startswith(verb))
    assert step.done(answer) is done


def test_a_step_does_not_show_the_key_it_carries() -> None:
    assert "hunter2" not in repr(plan([], [file("a.pem", "hunter2\n")]))


def test_the_paths_that_haproxy_shows_are_read() -> None:
    class Shown:
        def ask(self, command: str) -> str:
            return {
                "show ssl cert": "# transaction\n*/run/x\n# filename\n/run/certs/a.pem",
                "show ssl ca-file": "# filename\n/run/certs/a.ca - 2 certificate(s)\n@system-ca - 144 certificate(s)",
                "show ssl crl-file": "# filename",
            }[command]

    found = certificates.loaded(Shown(), [file("a.pem")])  # type: ignore[arg-type]
    assert found == {"cert": {"/run/certs/a.pem"}, "ca-file": {"/run/certs/a.ca"}, "crl-file": set()}


def test_files_that_are_to_be_kept_stay_as_they_are_and_cannot_be_where_they_were_not() -> None:
    def state(*files: wire.File) -> wire.DesiredState:
        return wire.DesiredState(amphora_id=ID, loadbalancer_id=ID, generation=1, epoch=1, files=list(files))

    kept = wire.File(name="a.pem", content="", kind=wire.CERTIFICATE, kept=True)
    old = state(file("a.pem"), file("b.pem"))
    assert complete(state(kept, file("c.pem")), old) == state(file("a.pem"), file("c.pem"))
    for nothing in (None, state(file("b.pem"))):
        with pytest.raises(Refused, match=r"a\.pem"):
            complete(state(kept), nothing)


@pytest.mark.parametrize("line", ["../x.pem", "a.pem [alpn h2]", "a.pem; shutdown", ".x"])
def test_a_line_of_a_crt_list_is_a_files_name_and_nothing_else(line: str) -> None:
    state = wire.DesiredState(amphora_id=ID, loadbalancer_id=ID, generation=1, epoch=1, files=[listed(line)])
    with pytest.raises(Refused, match=r"files\.name"):
        validate(state, ID)
