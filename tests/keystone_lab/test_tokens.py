"""Tokens of a real Keystone: who is let in, with which rights, and what happens when Keystone is not there."""

import json
import pathlib
import re
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from lictor import config
from tests.lab.keystone import PASSWORD, Keystone, free_port
from tests.unit.api.world import World

NO_CACHE = "token_cache_time = -1\n"


@pytest.fixture(scope="module")
def keystone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystone]:
    with Keystone(tmp_path_factory.mktemp("keystone") / "state") as started:
        started.seed("http://127.0.0.1:9876")
        started.grant("alice", "alpha", "member")
        started.grant("alice", "beta", "reader")
        started.grant("olga", "beta", "load-balancer_observer")
        started.grant("otto", "alpha", "something-else")
        yield started


class Cloud(World):
    """An API that asks this Keystone."""

    def __init__(self, directory: pathlib.Path, keystone: Keystone, more: str = "") -> None:
        path = directory / "lictor.conf"
        path.write_text(keystone.authtoken() + more)
        super().__init__(directory, files=[str(path)], api_settings__auth_strategy="keystone")

    def status(self, token: str, method: str = "GET", path: str = "/loadbalancers", **options: Any) -> int:
        headers = {"X-Auth-Token": token} | options.pop("headers", {})
        answer = self.http.simulate_request(method, f"/v2.0/lbaas{path}", headers=headers, **options)
        return int(answer.status_code)

    def new(self, token: str, status: int = 201, **values: Any) -> Any:
        body = {"loadbalancer": {"vip_subnet_id": self.subnet.id} | values}
        return self.call("POST", "/loadbalancers", status, body, headers={"X-Auth-Token": token})


@pytest.fixture
def cloud(tmp_path: pathlib.Path, keystone: Keystone) -> Cloud:
    return Cloud(tmp_path, keystone)


def test_a_token_acts_for_its_project_with_the_roles_that_keystone_gives(cloud: Cloud, keystone: Keystone) -> None:
    member, reader = keystone.token("alice", "alpha"), keystone.token("alice", "beta")
    own = cloud.new(member)["loadbalancer"]
    assert own["project_id"] == keystone.ensure("project", "alpha")
    assert cloud.new(reader, 403)["faultstring"] == "Policy does not allow this request to be performed."
    admin = keystone.token("admin", "admin")
    foreign = cloud.new(admin, project_id=keystone.ensure("project", "beta"))["loadbalancer"]
    seen = {name: cloud.get("/loadbalancers", headers={"X-Auth-Token": token})["loadbalancers"]
            for name, token in (("member", member), ("reader", reader), ("admin", admin))}  # fmt: skip
    assert {name: {each["id"] for each in found} for name, found in seen.items()} == {
        "member": {own["id"]}, "reader": {foreign["id"]}, "admin": {own["id"], foreign["id"]},
    }  # fmt: skip
    assert cloud.status(member, path=f"/loadbalancers/{foreign['id']}") == 403
    assert cloud.status(reader, path=f"/loadbalancers/{foreign['id']}") == 200
    assert cloud.status(keystone.token("olga", "beta"), path=f"/loadbalancers/{foreign['id']}") == 200
    assert cloud.status(keystone.token("otto", "alpha"), path=f"/loadbalancers/{own['id']}") == 403


@pytest.mark.parametrize(
    "token", [None, "", "nonsense", "gAAAAAB" + "x" * 200, "x" * 9000, "t\xf6k\xe9n", "a b", "%00"]
)
def test_what_is_no_token_is_401_and_says_where_to_get_one(cloud: Cloud, keystone: Keystone, token: str | None) -> None:
    headers = {} if token is None else {"X-Auth-Token": token}
    answer = cloud.http.simulate_get("/v2.0/lbaas/loadbalancers", headers=headers)
    assert answer.status_code == 401
    message = "The request you have made requires authentication."
    assert answer.json == {"error": {"code": 401, "title": "Unauthorized", "message": message}}
    assert answer.headers["www-authenticate"] == f'Keystone uri="{keystone.url}"'
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-openstack-request-id"]


def test_open_paths_ask_for_no_token(cloud: Cloud) -> None:
    assert [cloud.http.simulate_get(path).status_code for path in ("/", "/load-balancer/", "/v2.0")] == [200, 200, 401]


def test_what_a_caller_says_about_itself_counts_for_nothing(cloud: Cloud, keystone: Keystone) -> None:
    spoofed = {
        "X-Identity-Status": "Confirmed", "X-Roles": "admin", "X-User-Id": "root", "X-Project-Id": "alpha",
        "Openstack-System-Scope": "all", "X-Service-Roles": "service",
    }  # fmt: skip
    answer = cloud.http.simulate_get("/v2.0/lbaas/loadbalancers", headers=spoofed)
    assert answer.status_code == 401
    assert cloud.status(keystone.token("otto", "alpha"), headers=spoofed) == 403


def test_a_revoked_token_opens_nothing_more(tmp_path: pathlib.Path, keystone: Keystone) -> None:
    cloud = Cloud(tmp_path, keystone, NO_CACHE)
    token = keystone.token("alice", "alpha")
    assert cloud.status(token) == 200
    revoke(keystone, token)
    assert cloud.status(token) == 401


def revoke(keystone: Keystone, token: str) -> None:
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}
    request = urllib.request.Request(f"{keystone.url}/auth/tokens", headers=headers, method="DELETE")
    with urllib.request.urlopen(request, timeout=60):
        pass


def test_who_lost_a_role_has_its_rights_no_longer(tmp_path: pathlib.Path, keystone: Keystone) -> None:
    cloud = Cloud(tmp_path, keystone, NO_CACHE)
    user = keystone.grant("bob", "alpha", "member", "reader")
    project, role = keystone.ensure("project", "alpha"), keystone.ensure("role", "member")
    cloud.new(keystone.token("bob", "alpha"))
    keystone.call("DELETE", f"/projects/{project}/users/{user}/roles/{role}")
    assert cloud.new(keystone.token("bob", "alpha"), 403)


def test_a_token_of_the_whole_system_must_name_a_project_to_create(cloud: Cloud, keystone: Keystone) -> None:
    keystone.call("PUT", f"/system/users/{keystone.ensure('user', 'admin')}/roles/{keystone.ensure('role', 'admin')}")
    domain = {"domain": {"id": "default"}}
    password = {"user": {"name": "admin", "password": PASSWORD, **domain}}
    scope = {"system": {"all": True}}
    body = {"auth": {"identity": {"methods": ["password"], "password": password}, "scope": scope}}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{keystone.url}/auth/tokens", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        token = answer.headers["X-Subject-Token"]
    assert cloud.new(token, 400)["faultstring"].startswith("Missing project ID in request where one is required")
    assert cloud.new(token, project_id="alpha")["loadbalancer"]["project_id"] == "alpha"


@pytest.fixture
def brief(tmp_path: pathlib.Path) -> Iterator[Keystone]:
    """One whose tokens run out within seconds."""
    keystone = Keystone(tmp_path / "brief")
    with keystone:
        keystone.seed("http://127.0.0.1:9876")
        keystone.grant("alice", "alpha", "member")
    conf = keystone.directory / "keystone.conf"
    conf.write_text(re.sub(r"(?m)^expiration = .*", "expiration = 4", conf.read_text()))
    with keystone:
        yield keystone


def test_an_expired_token_opens_nothing_unless_a_service_vouches_for_it(tmp_path, brief: Keystone) -> None:
    cloud, token = Cloud(tmp_path, brief), brief.token("alice", "alpha")
    assert cloud.status(token) == 200
    deadline = time.monotonic() + 30
    while cloud.status(token) != 401:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    service = {"X-Service-Token": brief.token("lictor", "service")}
    assert cloud.status(token, headers=service) == 200
    friend = {"X-Service-Token": brief.token("alice", "alpha")}
    assert cloud.status(token, headers=friend) == 401
    assert cloud.status("nonsense", headers=service) == 401
    assert cloud.status(brief.token("alice", "alpha"), headers={"X-Service-Token": "nonsense"}) == 401


def test_a_keystone_that_is_down_is_503_and_nobody_notices_once_it_is_back(tmp_path: pathlib.Path, keystone) -> None:
    cloud, other = Cloud(tmp_path, keystone), keystone.token("alice", "beta")
    known = keystone.token("alice", "alpha")
    assert cloud.status(known) == 200
    keystone.stop()
    try:
        assert cloud.status(known) == 200
        answer = cloud.http.simulate_get("/v2.0/lbaas/loadbalancers", headers={"X-Auth-Token": other})
        assert answer.status_code == 503
        assert answer.json["faultcode"] == "Server"
        assert answer.json["faultstring"].startswith("Keystone cannot be asked at the moment")
    finally:
        keystone.start()
    assert cloud.status(other) == 200


def test_a_password_of_lictors_own_that_keystone_does_not_take_is_503_and_lets_nobody_in(tmp_path, keystone) -> None:
    path = tmp_path / "lictor.conf"
    path.write_text(keystone.authtoken().replace(f"password = {PASSWORD}", "password = wrong"))
    cloud = World(tmp_path, files=[str(path)], api_settings__auth_strategy="keystone")
    headers = {"X-Auth-Token": keystone.token("admin", "admin")}
    assert cloud.get("/loadbalancers", 503, headers=headers)["faultcode"] == "Server"


def test_nobody_at_the_address_of_keystone_is_503(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "lictor.conf"
    path.write_text(Keystone(tmp_path / "nowhere", free_port()).authtoken())
    cloud = World(tmp_path, files=[str(path)], api_settings__auth_strategy="keystone")
    assert cloud.get("/loadbalancers", 503, headers={"X-Auth-Token": "x"})
    assert cloud.http.simulate_get("/").status_code == 200


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", r"\[keystone_authtoken\] auth_type is missing"),
        ("[keystone_authtoken]\nauth_type = magic\n", r"\[keystone_authtoken\] cannot be used: .*magic"),
        ("[keystone_authtoken]\nauth_type = password\n", r"\[keystone_authtoken\] cannot be used: .*auth.url"),
        ("[keystone_authtoken]\nauth_type = none\ntoken_cache_time = soon\n", r"\[keystone_authtoken\] cannot.*soon"),
    ],
)
def test_options_that_cannot_work_are_refused_at_the_start(tmp_path: pathlib.Path, text: str, why: str) -> None:
    (tmp_path / "lictor.conf").write_text(text)
    with pytest.raises(config.Misconfigured, match=why):
        World(tmp_path, files=[str(tmp_path / "lictor.conf")], api_settings__auth_strategy="keystone")
