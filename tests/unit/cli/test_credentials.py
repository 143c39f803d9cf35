"""htpasswd and openrc."""

import os
import stat
import subprocess

import bcrypt
import pytest

from lictor import config
from lictor.cli import credentials


def conf(tmp_path, **options):
    return config.load(lictor__state_dir=str(tmp_path), **options)


def sourced(openrc, **environment):
    """The OS_ variables of a shell that has sourced the file."""
    result = subprocess.run(
        ["sh", "-c", f". {openrc}; env"],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
    )
    pairs = (line.split("=", 1) for line in result.stdout.splitlines())
    return {name: value for name, value in pairs if name.startswith("OS_")}


def test_a_shell_that_sources_openrc_has_what_the_stock_client_needs_and_nothing_of_another_cloud(tmp_path):
    variables = sourced(credentials.write(conf(tmp_path)), OS_CLOUD="other", OS_AUTH_URL="http://other")
    password = variables.pop("OS_PASSWORD")
    assert variables == {
        "OS_AUTH_TYPE": "http_basic",
        "OS_ENDPOINT": "http://127.0.0.1:9876",
        "OS_USERNAME": "admin",
    }
    user, _, hashed = (tmp_path / "htpasswd").read_text().strip().partition(":")
    assert user == "admin"
    assert bcrypt.checkpw(password.encode(), hashed.encode())


def test_only_the_owner_reads_them(tmp_path):
    credentials.write(conf(tmp_path))
    assert stat.S_IMODE((tmp_path / "openrc").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "htpasswd").stat().st_mode) == 0o600


def test_a_second_start_keeps_the_password_and_follows_the_port(tmp_path):
    first = sourced(credentials.write(conf(tmp_path)))
    second = sourced(credentials.write(conf(tmp_path, api_settings__bind_port=1234)))
    assert second["OS_PASSWORD"] == first["OS_PASSWORD"]
    assert second["OS_ENDPOINT"] == "http://127.0.0.1:1234"


def test_a_lost_openrc_gets_a_new_password_and_other_users_keep_theirs(tmp_path):
    first = sourced(credentials.write(conf(tmp_path)))
    with (tmp_path / "htpasswd").open("a") as users:
        users.write("alice:$2y$05$abcdefghijklmnopqrstuu\n")
    (tmp_path / "openrc").unlink()
    second = sourced(credentials.write(conf(tmp_path)))
    assert second["OS_PASSWORD"] != first["OS_PASSWORD"]
    names = [line.partition(":")[0] for line in (tmp_path / "htpasswd").read_text().splitlines()]
    assert names == ["admin", "alice"]


def test_project_and_roles_of_the_generated_user_are_the_operators_to_set(tmp_path):
    first = sourced(credentials.write(conf(tmp_path)))
    users = tmp_path / "htpasswd"
    users.write_text(users.read_text().strip() + ":alpha:admin\n")
    assert sourced(credentials.write(conf(tmp_path)))["OS_PASSWORD"] == first["OS_PASSWORD"]
    (tmp_path / "openrc").unlink()
    assert sourced(credentials.write(conf(tmp_path)))["OS_PASSWORD"] != first["OS_PASSWORD"]
    assert users.read_text().strip().endswith(":alpha:admin")


def test_with_keystone_there_is_no_password_and_a_cloud_that_was_sourced_before_stays(tmp_path):
    path = credentials.write(conf(tmp_path, api_settings__auth_strategy="keystone"))
    assert sourced(path, OS_AUTH_URL="http://keystone") == {"OS_AUTH_URL": "http://keystone"}
    assert "http://127.0.0.1:9876" in path.read_text()
    assert not (tmp_path / "htpasswd").exists()


def test_without_authentication_there_is_no_password(tmp_path):
    variables = sourced(credentials.write(conf(tmp_path, api_settings__auth_strategy="noauth")))
    assert variables == {"OS_AUTH_TYPE": "none", "OS_ENDPOINT": "http://127.0.0.1:9876"}
    assert not (tmp_path / "htpasswd").exists()


@pytest.mark.parametrize(
    ("host", "url"), [("0.0.0.0", "http://127.0.0.1:9876"), ("::", "http://[::1]:9876"), ("::1", "http://[::1]:9876")]
)
def test_the_endpoint_is_an_address_that_a_client_can_use(tmp_path, host, url):
    assert credentials.endpoint(conf(tmp_path, api_settings__bind_host=host)) == url
