"""An operator's policy files: what Octavia's sample files say holds here as well."""

import http.server
import pathlib
import re
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from lictor import config
from lictor.api.auth.context import Context, authorize
from lictor.api.auth.enforcer import Policies
from lictor.model import LoadBalancer
from tests.unit.api.callers import FOREIGN, OWN, Guarded, caller

# The overrides that Octavia's documentation names, as its operators have them.
ADMIN_OR_OWNER = """
"context_is_admin": "role:admin or role:load-balancer_admin"
"admin_or_owner": "is_admin:True or project_id:%(project_id)s"
"load-balancer:read": "rule:admin_or_owner"
"load-balancer:read-global": "is_admin:True"
"load-balancer:write": "rule:admin_or_owner"
"load-balancer:read-quota": "rule:admin_or_owner"
"load-balancer:read-quota-global": "is_admin:True"
"load-balancer:write-quota": "is_admin:True"
"""
ADVANCED = """
"context_is_admin": "role:admin or role:load-balancer_admin"
"load-balancer:owner": "project_id:%(project_id)s"
"load-balancer:admin": "is_admin:True or role:admin or role:load-balancer_admin"
"load-balancer:observer_and_owner": "role:load-balancer_observer and rule:load-balancer:owner"
"load-balancer:global_observer": "role:load-balancer_global_observer"
"load-balancer:member_and_owner": "role:load-balancer_member and rule:load-balancer:owner"
"""
SCOPED = """
"system_admin": "role:admin and system_scope:all"
"system_reader": "role:reader and system_scope:all"
"project_reader": "role:reader and project_id:%(project_id)s"
"project_member": "role:member and project_id:%(project_id)s"
"context_is_admin": "role:admin and system_scope:all"
"load-balancer:admin": "is_admin:True or rule:system_admin or role:load-balancer_admin"
"load-balancer:read": "is_admin:True or rule:system_reader or rule:project_reader"
"load-balancer:read-global": "is_admin:True or rule:system_reader"
"load-balancer:write": "is_admin:True or rule:project_member"
"""
SYSTEM = {"project_id": "", "Openstack-System-Scope": "all"}
GROUP = "11111111-1111-1111-1111-111111111111"


def governed(directory: pathlib.Path, text: str, **overrides: object) -> Guarded:
    path = directory / "policy.yaml"
    path.write_text(text)
    return Guarded(directory, oslo_policy__policy_file=str(path), **overrides)


def allowed(world: Guarded, who: dict[str, str], project_id: str = OWN) -> str:
    """Which of reading and writing a load balancer of that project a caller may do."""
    with world.store.read() as session:
        found = session.scalar(select(LoadBalancer.id).where(LoadBalancer.project_id == project_id))
    path = f"/loadbalancers/{found}"
    read = world.status("GET", path, who) == 200
    write = world.status("PUT", path, who, {"loadbalancer": {"name": "x"}}) == 200
    return ("r" if read else "-") + ("w" if write else "-")


def with_balancers(world: Guarded, who: dict[str, str]) -> Guarded:
    for project_id in (OWN, FOREIGN):
        body = {"loadbalancer": {"vip_subnet_id": world.subnet.id, "project_id": project_id}}
        world.call("POST", "/loadbalancers", 201, body, headers=who)
    return world


def test_admin_or_owner(tmp_path: pathlib.Path) -> None:
    world = with_balancers(governed(tmp_path, ADMIN_OR_OWNER), caller("admin"))
    for role in ("", "reader", "whatever"):
        assert allowed(world, caller(role)) == "rw"
        assert allowed(world, caller(role), FOREIGN) == "--"
        assert world.status("PUT", f"/quotas/{OWN}", caller(role), {"quota": {"pool": 1}}) == 403
    assert allowed(world, caller("load-balancer_admin"), FOREIGN) == "rw"
    assert allowed(world, caller("load-balancer_global_observer"), FOREIGN) == "--"


def test_advanced_rbac_leaves_keystones_default_roles_without_rights(tmp_path: pathlib.Path) -> None:
    world = with_balancers(governed(tmp_path, ADVANCED), caller("admin"))
    expected = {"member": "--", "reader": "--", "load-balancer_member": "rw", "load-balancer_observer": "r-"}
    assert {role: allowed(world, caller(role)) for role in expected} == expected
    assert allowed(world, caller("load-balancer_global_observer"), FOREIGN) == "r-"
    assert allowed(world, caller("load-balancer_admin"), FOREIGN) == "rw"


def test_scoped_default_roles(tmp_path: pathlib.Path) -> None:
    world = with_balancers(governed(tmp_path, SCOPED), caller("admin", **SYSTEM))
    assert allowed(world, caller("admin")) == "--"
    assert allowed(world, caller("admin", **SYSTEM), FOREIGN) == "rw"
    assert allowed(world, caller("reader", **SYSTEM), FOREIGN) == "r-"
    assert (allowed(world, caller("member", "reader")), allowed(world, caller("reader"))) == ("rw", "r-")
    assert allowed(world, caller("member", "reader"), FOREIGN) == "--"


def test_with_new_defaults_alone_the_roles_of_octavia_count_for_nothing(tmp_path: pathlib.Path) -> None:
    world = with_balancers(Guarded(tmp_path, oslo_policy__enforce_new_defaults=True), caller("admin"))
    assert allowed(world, caller("load-balancer_member")) == allowed(world, caller("load-balancer_admin")) == "--"
    assert (allowed(world, caller("member")), allowed(world, caller("reader"))) == ("rw", "r-")


def test_who_administers_a_domain_administers_no_load_balancers_unless_scopes_do_not_count(tmp_path) -> None:
    domain = caller("admin", project_id="", **{"X-Domain-Id": "default"})
    world = with_balancers(Guarded(tmp_path), caller("admin"))
    assert allowed(world, domain) == "--"
    assert allowed(Guarded(tmp_path, oslo_policy__enforce_scope=False), domain) == "rw"


def test_a_token_for_no_project_must_say_whose_a_load_balancer_is_and_owns_nothing(tmp_path: pathlib.Path) -> None:
    world = with_balancers(Guarded(tmp_path), caller("admin", **SYSTEM))
    body = {"loadbalancer": {"vip_subnet_id": world.subnet.id}}
    answer = world.call("POST", "/loadbalancers", 400, body, headers=caller("admin", **SYSTEM))
    assert answer["faultstring"].startswith("Missing project ID in request where one is required")
    assert world.status("POST", "/loadbalancers", caller("member", **SYSTEM), body) == 400
    assert world.status("GET", "/loadbalancers", caller("reader", **SYSTEM)) == 403
    body["loadbalancer"]["project_id"] = "None"
    assert world.status("POST", "/loadbalancers", caller("member", **SYSTEM), body) == 403


def test_files_of_the_policy_directories_count_too(tmp_path: pathlib.Path) -> None:
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d" / "10.yaml").write_text('"load-balancer:write": "role:writer"')
    world = with_balancers(Guarded(tmp_path), caller("admin"))
    world = Guarded(tmp_path, oslo_policy__policy_dirs=[str(tmp_path / "rules.d")])
    assert (allowed(world, caller("member")), allowed(world, caller("member", "writer"))) == ("r-", "rw")


def test_what_an_operator_forbids_by_its_own_rule_is_forbidden(tmp_path: pathlib.Path) -> None:
    forbidden = ("loadbalancer:post:vip_sg_ids", "loadbalancer:put:vip_sg_ids", "member:delete", "quota:get_defaults")
    world = governed(tmp_path, "\n".join(f'"os_load-balancer_api:{rule}": "!"' for rule in forbidden))
    balancer = world.balancer(project_id=OWN)
    body = {"loadbalancer": {"vip_subnet_id": world.subnet.id, "vip_sg_ids": [GROUP]}}
    assert world.status("POST", "/loadbalancers", caller("member"), body) == 403
    path = f"/loadbalancers/{balancer['id']}"
    assert world.status("PUT", path, caller("member"), {"loadbalancer": {"vip_sg_ids": []}}) == 403
    assert world.status("PUT", path, caller("member"), {"loadbalancer": {"name": "x"}}) == 200


@pytest.mark.parametrize(
    ("rule", "replace", "add"), [("post", 403, 403), ("put", 403, 403), ("delete", 403, 202), ("get_all", 202, 202)]
)
def test_a_batch_of_members_takes_the_rights_to_all_that_it_does(tmp_path, rule: str, replace: int, add: int) -> None:
    world = governed(tmp_path, f'"os_load-balancer_api:member:{rule}": "!"')
    pool = world.pool(world.balancer(project_id=OWN))
    body = {"members": [{"address": "198.18.0.10", "protocol_port": 80}]}
    path = f"/pools/{pool['id']}/members"
    assert world.status("PUT", path, caller("member"), body) == replace
    assert world.status("PUT", f"{path}?additive_only=true", caller("member"), body) == add


def test_a_list_of_another_project_is_for_those_whom_the_rules_let_read_it(tmp_path: pathlib.Path) -> None:
    world = with_balancers(governed(tmp_path, '"load-balancer:read": "role:auditor"'), caller("admin"))
    listed = world.get("/loadbalancers", headers=caller("auditor"), query_string=f"project_id={FOREIGN}")
    assert [each["project_id"] for each in listed["loadbalancers"]] == [FOREIGN]
    assert world.status("GET", f"/loadbalancers?project_id={FOREIGN}", caller("member")) == 403


def eventually(world: Guarded, who: dict[str, str], expected: str) -> None:
    deadline = time.monotonic() + 10
    while allowed(world, who) != expected:
        assert time.monotonic() < deadline, f"still {allowed(world, who)}"
        time.sleep(0.1)


def test_a_file_that_was_changed_counts_soon_and_one_that_makes_no_sense_not_at_all(tmp_path, caplog) -> None:
    world = with_balancers(governed(tmp_path, ""), caller("admin"))
    path = tmp_path / "policy.yaml"
    assert allowed(world, caller("member")) == "rw"
    path.write_text('"load-balancer:write": "!"')
    eventually(world, caller("member"), "r-")
    path.write_text('"load-balancer:write": ["')
    deadline = time.monotonic() + 10
    while "The policy rules stay as they were" not in caplog.text:
        assert time.monotonic() < deadline
        assert allowed(world, caller("member")) == "r-"
        time.sleep(0.1)
    path.unlink()
    eventually(world, caller("member"), "rw")


@pytest.mark.parametrize("text", ['"a": ["', "- a\n- b\n", "7"])
def test_files_that_make_no_sense_at_the_start_are_refused_with_a_sentence(tmp_path, text: str) -> None:
    with pytest.raises(config.Misconfigured, match=r"^\[oslo_policy\] policy_file or policy_dirs cannot be used: "):
        governed(tmp_path, text)


def test_a_rule_that_no_file_of_ours_names_is_an_error_and_no_right(tmp_path: pathlib.Path) -> None:
    policies = Policies(config.load(lictor__state_dir=str(tmp_path)))
    with pytest.raises(LookupError, match=r"os_load-balancer_api:pool:paint is missing in api/auth/policies\.py"):
        authorize(Context("user", OWN, ("admin",), policies), "os_load-balancer_api:pool:paint", OWN)


def test_old_roles_cause_no_warnings(tmp_path: pathlib.Path, caplog) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        world = with_balancers(Guarded(tmp_path), caller("load-balancer_admin"))
    assert allowed(world, caller("load-balancer_member")) == "rw"
    assert not [record for record in caplog.records if "deprecated" in record.getMessage()]


def test_the_example_of_the_operator_guide_does_what_it_says(tmp_path: pathlib.Path) -> None:
    guide = (pathlib.Path(__file__).parents[3] / "docs/operator.md").read_text()
    example = re.findall(r"^    ((?:# .*fail their|\"os_load).*)$", guide, re.MULTILINE)
    assert len(example) == 3
    world = with_balancers(governed(tmp_path, "\n".join(example)), caller("admin"))
    own = world.get("/loadbalancers", headers=caller("member"))["loadbalancers"][0]["id"]
    assert world.status("PUT", f"/loadbalancers/{own}/failover", caller("member")) == 202
    assert world.status("PUT", f"/loadbalancers/{own}/failover", caller("reader")) == 403
    assert world.status("DELETE", f"/loadbalancers/{own}", caller("admin")) == 403


class PolicyServer:
    """Answers what it is told to whoever asks about a rule."""

    def __init__(self) -> None:
        self.answer, self.asked = b"True", 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.asked += 1
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", str(len(outer.answer)))
                self.end_headers()
                self.wfile.write(outer.answer)

            def log_message(self, *_args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def server() -> Iterator[PolicyServer]:
    started = PolicyServer()
    yield started
    started.stop()


def test_a_policy_server_is_asked_each_time_and_refuses_when_it_is_gone(tmp_path, server: PolicyServer) -> None:
    where = f"http://127.0.0.1:{server.server.server_port}/%(project_id)s"
    world = with_balancers(governed(tmp_path, f'"load-balancer:write": "{where}"'), caller("admin"))
    assert allowed(world, caller("member")) == "rw"
    server.answer = b"False"
    assert allowed(world, caller("member")) == "r-"
    server.answer = b"True"
    assert allowed(world, caller("member")) == "rw"
    asked = server.asked
    server.stop()
    assert allowed(world, caller("member")) == "r-"
    assert server.asked == asked


def command(name: str, *args: str) -> str:
    path = pathlib.Path(sys.executable).with_name(name)
    done = subprocess.run([path, "--namespace", "lictor", *args], capture_output=True, text=True, check=True)
    return done.stdout


def test_the_commands_of_oslo_policy_know_our_rules_and_the_operators_files(tmp_path: pathlib.Path) -> None:
    sample = command("oslopolicy-sample-generator")
    assert '#"os_load-balancer_api:loadbalancer:put_failover": "rule:load-balancer:admin"' in sample
    assert "# PUT  /v2/lbaas/loadbalancers/{loadbalancer_id}/failover" in sample
    (tmp_path / "policy.yaml").write_text('"load-balancer:write-quota": "!"\n"project-reader": "role:auditor"\n')
    (tmp_path / "lictor.conf").write_text(f"[oslo_policy]\npolicy_file = {tmp_path}/policy.yaml\n")
    merged = command("oslopolicy-policy-generator", "--config-file", str(tmp_path / "lictor.conf"))
    assert '"project-reader": "role:auditor"' in merged
    (tmp_path / "policy.yaml").write_text('"project-member": "role:member and project_id:%(project_id)s"\n')
    redundant = command("oslopolicy-list-redundant", "--config-file", str(tmp_path / "lictor.conf"))
    assert redundant.startswith('"project-member"')
