"""Who may talk to the API."""

import base64
import os
import pathlib

import bcrypt
import pytest

from lictor.api.auth.context import DEFAULT_PROJECT
from tests.unit.api.world import L, World


def write(path: pathlib.Path, rest: str = "", **users: str) -> None:
    """As `lictor up` does it: whole or not at all."""
    lines = [f"{name}:{bcrypt.hashpw(w.encode(), bcrypt.gensalt(4)).decode()}{rest}\n" for name, w in users.items()]
    fresh = path.with_name("fresh")
    fresh.write_text("".join(lines))
    os.replace(fresh, path)  # noqa: PTH105


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


@pytest.fixture
def guarded(tmp_path: pathlib.Path) -> World:
    write(tmp_path / "htpasswd", admin="secret")
    return World(tmp_path, api_settings__auth_strategy="http_basic")


def test_the_right_password_opens_and_the_wrong_one_does_not(guarded: World) -> None:
    assert guarded.get("/pools", 200, headers=basic("admin", "secret"))
    assert guarded.get("/pools", 200, headers=basic("admin", "secret"))
    for headers in (basic("admin", "wrong"), basic("nobody", "secret"), basic("", ""), {}):
        answer = guarded.http.simulate_get(f"{L}/pools", headers=headers)
        assert answer.status_code == 401
        assert answer.json["error"]["code"] == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")
        assert answer.headers["x-openstack-request-id"]


@pytest.mark.parametrize(
    "header",
    ["Basic", "Basic !!!", "Basic " + base64.b64encode(b"\xff\xfe:x").decode(), "Bearer abc", "Basic YWRtaW4=",
     "Basic " + base64.b64encode(b"admin:" + b"x" * 99).decode(), "Basic " + base64.b64encode(b"admin:a\0b").decode()],
)  # fmt: skip
def test_a_header_that_makes_no_sense_is_401(guarded: World, header: str) -> None:
    assert guarded.get("/pools", 401, headers={"Authorization": header})


def test_discovery_and_health_ask_nobody_who_they_are(guarded: World) -> None:
    assert guarded.http.simulate_get("/").status_code == 200
    assert guarded.http.simulate_get("/healthcheck").status_code == 404  # the operator did not ask for one
    assert guarded.http.simulate_get("/nowhere").status_code == 401
    assert guarded.http.simulate_get("/v2.0/subnets").status_code == 401


def test_a_password_that_was_changed_counts_from_the_next_request_on(guarded: World, tmp_path: pathlib.Path) -> None:
    assert guarded.get("/pools", 200, headers=basic("admin", "secret"))
    write(tmp_path / "htpasswd", admin="changed", other="pass:word")
    assert guarded.get("/pools", 401, headers=basic("admin", "secret"))
    assert guarded.get("/pools", 200, headers=basic("admin", "changed"))
    assert guarded.get("/pools", 200, headers=basic("other", "pass:word"))


def test_without_a_password_file_nobody_comes_in_and_the_log_says_why(guarded: World, tmp_path, caplog) -> None:
    assert guarded.get("/pools", 200, headers=basic("admin", "secret"))
    (tmp_path / "htpasswd").unlink()
    assert guarded.get("/pools", 401, headers=basic("admin", "secret"))
    assert "htpasswd cannot be read" in caplog.text
    write(tmp_path / "htpasswd", admin="secret")
    assert guarded.get("/pools", 200, headers=basic("admin", "secret"))


@pytest.mark.parametrize("line", ["admin:plain", "admin:$2b$99$x", "admin:$2", "admin", ":", "\xff:\xff"])
def test_a_line_that_holds_no_bcrypt_hash_lets_nobody_in(tmp_path: pathlib.Path, line: str) -> None:
    (tmp_path / "htpasswd").write_bytes(line.encode("latin-1"))
    world = World(tmp_path, api_settings__auth_strategy="http_basic")
    assert world.get("/pools", 401, headers=basic("admin", "plain"))


def test_bcrypt_is_paid_for_once_only(guarded: World, monkeypatch) -> None:
    guarded.get("/pools", 200, headers=basic("admin", "secret"))
    monkeypatch.setattr(bcrypt, "checkpw", lambda _password, _stored: False)
    guarded.get("/pools", 200, headers=basic("admin", "secret"))


def test_the_project_of_a_new_load_balancer_is_the_callers_or_the_one_asked_for(guarded: World) -> None:
    admin = basic("admin", "secret")
    subnet = {"vip_subnet_id": guarded.subnet.id}

    def project(headers: dict[str, str], **values: str) -> str:
        body = {"loadbalancer": subnet | values}
        return guarded.call("POST", "/loadbalancers", 201, body, headers=admin | headers)["loadbalancer"]["project_id"]

    default = project({})
    assert len(default) == 32
    assert project({"X-Project-Id": "alpha"}) == "alpha"
    assert project({"X-Tenant-Id": "beta"}) == "beta"
    assert project({"X-Project-Id": "alpha"}, project_id="gamma") == "gamma"
    assert project({"X-Project-Id": "alpha"}, tenant_id="delta") == "delta"
    assert guarded.get("/pools", 400, headers=admin | {"X-Project-Id": "x" * 37})
    assert guarded.get("/pools", 400, headers=admin | {"X-Project-Id": "a\xffb"})


def test_a_user_acts_for_the_project_and_with_the_roles_of_the_password_file(tmp_path: pathlib.Path) -> None:
    world = World(tmp_path, api_settings__auth_strategy="noauth")
    foreign = world.balancer(project_id="beta")
    own = world.balancer(project_id="alpha")
    write(tmp_path / "htpasswd", ":alpha:reader", eve="secret")
    world = World(tmp_path, api_settings__auth_strategy="http_basic")
    eve = basic("eve", "secret")
    assert [each["id"] for each in world.get("/loadbalancers", headers=eve)["loadbalancers"]] == [own["id"]]
    assert world.get(f"/loadbalancers/{own['id']}", headers=eve)
    assert world.call("DELETE", f"/loadbalancers/{own['id']}", 403, headers=eve)
    assert world.get(f"/loadbalancers/{foreign['id']}", 403, headers=eve)
    write(tmp_path / "htpasswd", ":alpha:member", eve="secret")
    assert world.call("PUT", f"/loadbalancers/{own['id']}", 200, {"loadbalancer": {}}, headers=eve)
    write(tmp_path / "htpasswd", ":alpha:admin", eve="secret")
    assert world.get(f"/loadbalancers/{foreign['id']}", headers=eve)


def test_a_user_without_roles_is_a_member_unless_the_name_is_admin(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "htpasswd", admin="secret", eve="secret")
    world = World(tmp_path, api_settings__auth_strategy="http_basic")
    admin, eve = basic("admin", "secret"), basic("eve", "secret")
    body = {"loadbalancer": {"vip_subnet_id": world.subnet.id}}
    foreign = world.call("POST", "/loadbalancers", 201, body, headers=admin | {"X-Project-Id": "beta"})
    own = world.call("POST", "/loadbalancers", 201, body, headers=eve)["loadbalancer"]
    assert own["project_id"] == DEFAULT_PROJECT
    assert [each["id"] for each in world.get("/loadbalancers", headers=eve)["loadbalancers"]] == [own["id"]]
    assert len(world.get("/loadbalancers", headers=admin)["loadbalancers"]) == 2
    assert world.get(f"/loadbalancers/{foreign['loadbalancer']['id']}", 403, headers=eve)
    assert world.call("POST", "/loadbalancers", 403, body, headers=eve | {"X-Project-Id": "beta"})
    body["loadbalancer"]["project_id"] = "beta"
    assert world.call("POST", "/loadbalancers", 403, body, headers=eve)


def test_a_line_whose_project_makes_no_sense_lets_nobody_in_and_the_log_says_why(tmp_path, caplog) -> None:
    write(tmp_path / "htpasswd", ":not a project", eve="secret")
    world = World(tmp_path, api_settings__auth_strategy="http_basic")
    assert world.get("/pools", 401, headers=basic("eve", "secret"))
    assert "'not a project' is no project's id" in caplog.text
