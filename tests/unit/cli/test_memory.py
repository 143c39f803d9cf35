"""A process of the API is as small as what it is asked for lets it be: many of them run on one host."""

import json
import os
import subprocess
import sys

import pytest

from tests.unit import database

FOR_TLS, FOR_A_DATA_PLANE, FOR_UPGRADES = {"cryptography", "bcrypt"}, {"pyroute2"}, {"alembic"}
FOR_PROXIES_AND_CHECKS, FOR_POLICY_SERVERS = {"oslo_middleware", "webob", "jinja2"}, {"requests", "urllib3"}
PRINT = "import json, sys, lictor.wsgi; print(json.dumps(sorted(sys.modules)))"


@pytest.mark.skipif(not database.ON_SQLITE, reason="has nothing to do with the database")
def test_what_nobody_asked_for_is_not_loaded(tmp_path) -> None:
    database.store(tmp_path)
    (tmp_path / "lictor.conf").write_text(
        f"[lictor]\nstate_dir = {tmp_path}\n[api_settings]\nauth_strategy = noauth\n"
        "[controller_worker]\ncompute_driver = noop\nnetwork_driver = noop\n"
    )
    environment = {**os.environ, "LICTOR_CONFIG": str(tmp_path / "lictor.conf")}
    done = subprocess.run([sys.executable, "-c", PRINT], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert {"falcon", "sqlalchemy"} <= loaded
    needless = FOR_TLS | FOR_A_DATA_PLANE | FOR_UPGRADES | FOR_PROXIES_AND_CHECKS | FOR_POLICY_SERVERS
    assert loaded & needless == set()
