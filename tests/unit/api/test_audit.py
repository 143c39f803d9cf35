"""Who asked for what, and how it ended, is told as CADF events: `[audit]`, as in Octavia."""

import pathlib
from typing import Any

import pytest
from oslo_messaging.notify import _impl_test

from lictor import config
from lictor.api import routes
from lictor.api.audit import Audit
from lictor.api.auth.enforcer import Policies
from lictor.api.auth.keystone import Headers
from tests.lab.deployment import eventually
from tests.unit.api.world import World

pytestmark = pytest.mark.filterwarnings("ignore")  # oslo.messaging's own, about eventlet

ON = "[audit]\nenabled = true\nignore_req_list = HEAD, PUT\n[audit_middleware_notifications]\ndriver = test\n"


def made(tmp_path: pathlib.Path, text: str = ON, **options: Any) -> World:
    (tmp_path / "lictor.conf").write_text(text)
    _impl_test.reset()
    return World(tmp_path, [str(tmp_path / "lictor.conf")], **options)


def events(count: int) -> list[tuple[str, dict[str, Any]]]:
    eventually(lambda: len(_impl_test.NOTIFICATIONS) >= count, 20, "events")
    assert len(_impl_test.NOTIFICATIONS) == count
    return [(message["event_type"], message["payload"]) for _, message, _, _ in _impl_test.NOTIFICATIONS]


def test_a_request_and_its_outcome_are_told_with_who_asked_and_for_what(tmp_path: pathlib.Path) -> None:
    world = made(tmp_path)
    balancer = world.balancer()
    world.get("/loadbalancers/00000000-0000-0000-0000-000000000000", 404)
    told = events(4)
    assert [kind for kind, _ in told] == ["audit.http.request", "audit.http.response"] * 2
    asked, answered, _, missing = [event for _, event in told]
    assert (asked["action"], asked["outcome"]) == ("create", "pending")
    assert asked["initiator"]["id"] == "noauth" and asked["initiator"]["project_id"] == balancer["project_id"]
    assert asked["target"]["typeURI"] == "service/load-balancer/loadbalancers"
    assert asked["requestPath"] == "/v2.0/lbaas/loadbalancers"
    assert (answered["id"], answered["outcome"], answered["reason"]["reasonCode"]) == (asked["id"], "success", "201")
    assert (missing["action"], missing["outcome"], missing["reason"]["reasonCode"]) == ("read", "failure", "404")


def test_what_is_passed_over_or_is_open_to_everybody_is_not_told(tmp_path: pathlib.Path) -> None:
    world = made(tmp_path)
    balancer = world.balancer()
    events(2)
    world.change(f"/loadbalancers/{balancer['id']}", name="x")
    world.call("GET", "/", 200, bare=True)
    world.get("/loadbalancers")
    assert [event["action"] for _, event in events(4)[2:]] == ["read/list"] * 2


def test_a_caller_who_says_that_he_is_somebody_else_is_not_believed_and_no_token_is_told(
    tmp_path: pathlib.Path,
) -> None:
    world = made(tmp_path)
    world.get("/loadbalancers", headers={"X-User-Id": "root", "X-User-Name": "root", "X-Auth-Token": "hunter2" * 9})
    told = events(2)
    assert {event["initiator"]["name"] for _, event in told} == {"noauth"}
    assert "hunter2" not in str(told)


class BehindKeystone(World):
    """As auth_token leaves requests whose token is good."""

    def _app(self, **options: Any) -> Any:
        return super()._app(strategy=Headers(Policies(self.conf)), **options)


def test_the_user_of_a_token_is_told_as_keystone_names_him(tmp_path: pathlib.Path) -> None:
    (tmp_path / "lictor.conf").write_text(ON)
    _impl_test.reset()
    world = BehindKeystone(tmp_path, [str(tmp_path / "lictor.conf")], api_settings__auth_strategy="keystone")
    token = {"X-Auth-Token": "hunter2" * 9, "X-Roles": "member", "X-Identity-Status": "Confirmed"}
    world.get("/loadbalancers", headers={**token, "X-User-Id": "u1", "X-User-Name": "Ann", "X-Project-Id": "p1"})
    world.get("/loadbalancers", 401, headers={"X-User-Id": "u1", "X-Identity-Status": "Invalid"})
    told = [event for _, event in events(2)]
    assert [(each["initiator"]["id"], each["initiator"]["name"]) for each in told] == [("u1", "Ann")] * 2
    assert told[0]["initiator"]["project_id"] == "p1" and "hunter2" not in str(told)


def test_nobody_is_told_and_nothing_loaded_by_default(tmp_path: pathlib.Path) -> None:
    world = made(tmp_path, "[audit_middleware_notifications]\ndriver = test\n")
    world.get("/loadbalancers")
    assert _impl_test.NOTIFICATIONS == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("enabled = true\n", "would go nowhere: set .audit_middleware_notifications. driver"),
        (
            "enabled = true\n[audit_middleware_notifications]\ndriver = log\ntransport_url = hunter2\n",
            "transport_url, or that of .* is no address of a message bus",
        ),
        (f"{ON[8:]}[audit]\naudit_map_file = /nowhere/map.conf\n", "/nowhere/map.conf cannot be read: No such file"),
        (f"{ON[8:]}[audit]\naudit_map_file = {__file__}\n", "is no audit map"),
    ],
)
def test_an_audit_that_cannot_be_is_refused_with_what_would_help(tmp_path: pathlib.Path, text: str, words: str) -> None:
    (tmp_path / "lictor.conf").write_text(f"[audit]\n{text}")
    with pytest.raises(config.Misconfigured, match=words):
        Audit(config.load([str(tmp_path / "lictor.conf")]))


def test_every_path_of_the_api_is_in_the_map() -> None:
    text = pathlib.Path(routes.__file__).with_name("audit_map.conf").read_text()
    paths = [path.split("/")[3:] for path, _ in routes.every() if path.startswith(("/v2.0/lbaas/", "/v2.0/octavia/"))]
    words = {word for path in paths for word in path if not word.startswith("{")}
    assert {word for word in words if f"\n{word} = " not in text} == set()
