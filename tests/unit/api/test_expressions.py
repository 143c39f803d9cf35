"""Regular expressions of L7 rules: HAProxy is asked where the API's host has one, before anything is written."""

import pathlib
from typing import Any

import falcon
import pytest

from lictor.api import expressions
from tests.unit.api.world import World

WRONG = r"^/(a)\1$"  # groups are not counted in HAProxy, so that nothing can refer to them
SENTENCE = f"Error parsing L7Rule: '{WRONG}' is not a regular expression: reference to non-existent subpattern"


def rule(value: str = WRONG, compare_type: str = "REGEX") -> dict[str, Any]:
    return {"type": "PATH", "compare_type": compare_type, "value": value}


def test_what_only_python_takes_is_refused_at_every_door(whole: World) -> None:
    balancer = whole.balancer()
    listener = whole.listener(balancer)
    made = whole.policy(listener)
    nested = [{"action": "REJECT", "rules": [rule("good"), rule()]}]
    wakes = whole.wakes
    tree = {"vip_subnet_id": balancer["vip_subnet_id"]}
    port = {"protocol": "HTTP", "protocol_port": 81}
    found = [
        whole.create(f"l7policies/{made['id']}/rules", 400, **rule()),
        whole.create("l7policies", 400, listener_id=listener["id"], **nested[0]),
        whole.create("listeners", 400, loadbalancer_id=balancer["id"], l7policies=nested, **port),
        whole.create("loadbalancers", 400, listeners=[port | {"l7policies": nested}], **tree),
    ]
    assert set(found) == {SENTENCE}
    assert whole.wakes == wakes


@pytest.mark.parametrize("values", [{"value": WRONG, "compare_type": "REGEX"}, {"compare_type": "REGEX"}])
def test_a_change_to_one_is_refused_by_what_the_rule_would_be(whole: World, values: dict) -> None:
    made = whole.policy(whole.listener(whole.balancer()))
    one = whole.rule(made, **rule(WRONG, "EQUAL_TO"))
    path = f"/l7policies/{made['id']}/rules/{one['id']}"
    assert whole.change(path, 400, **values) == SENTENCE
    assert whole.get(path)["rule"]["compare_type"] == "EQUAL_TO"
    assert whole.change(path, type="PATH")["value"] == WRONG


@pytest.mark.parametrize(
    "value", ["(?<year>[0-9]+)", r'"a b"', "a#b'c\"$HOME ${x} \\\\", "é+", "(?i)x", "\t", "[[:alpha:]]"]
)
def test_what_haproxy_takes_is_taken_as_it_is(value: str) -> None:
    expressions.check([value])


def test_many_are_asked_about_at_once_and_the_wrong_one_is_named() -> None:
    good = [f"^/{number}$" for number in range(1500)]
    expressions.check(good)
    with pytest.raises(falcon.HTTPError) as refusal:
        expressions.check([*good[:900], "wrong[", *good[900:]])
    assert "'wrong[' is not a regular expression: missing terminating" in str(refusal.value.description)


def test_one_that_haproxy_has_no_room_for_is_refused() -> None:
    with pytest.raises(falcon.HTTPError) as refusal:
        expressions.check(["((((a{1,100}){1,100}){1,100}){1,10})"])
    assert str(refusal.value.description).endswith("is not a regular expression: regular expression is too large")


def test_without_a_haproxy_that_works_the_amphora_is_the_one_to_refuse(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr(expressions, "PLACES", str(tmp_path))
    expressions.check([WRONG])
    (tmp_path / "haproxy").write_text("#!/bin/sh\nexit 9\n")
    (tmp_path / "haproxy").chmod(0o755)
    expressions.check([WRONG])
