"""No project can see, name or touch another's objects."""

import pathlib
from typing import Any

import pytest
from sqlalchemy import select

from lictor.drivers.network.base import Named, PortRequest
from lictor.drivers.network.local import LocalNetwork
from lictor.model import Base
from tests.unit.api import probes
from tests.unit.api.callers import FOREIGN, OWN, Guarded, caller

MEMBER = caller("member", "reader")
REFUSED = "Policy does not allow this request to be performed."
POOL = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
MONITOR = {"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2}
LISTENER = {"protocol": "HTTP", "protocol_port": 8080}
ADDRESS = {"address": "198.18.0.20", "protocol_port": 80}
NOWHERE = "11111111-1111-1111-1111-111111111111"
ELSEWHERE = ADDRESS | {"subnet_id": NOWHERE}
TO_POOL = {"action": "REDIRECT_TO_POOL"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    return Guarded(tmp_path_factory.mktemp("foreign"))


@pytest.fixture(scope="module")
def ids(world: Guarded) -> probes.Ids:
    """What the caller's project has, and with ``foreign-`` in front what another has."""
    foreign = {f"foreign-{name}": known for name, known in probes.ids_of(world, FOREIGN).items()}
    return probes.ids_of(world, OWN) | foreign | {"subnet": world.subnet.id}


def everything(world: Guarded) -> list[Any]:
    """All rows of all tables but the counters of statistics: what a request that is refused must not change."""
    with world.store.engine.connect() as connection:
        return [connection.execute(select(table)).fetchall() for table in Base.metadata.sorted_tables]


NAMED = [
    # A parent of another project's: that is a write below its load balancer.
    (403, "POST", "/listeners", {"listener": LISTENER | {"loadbalancer_id": "<foreign-lb>"}}),
    (403, "POST", "/pools", {"pool": POOL | {"loadbalancer_id": "<foreign-lb>"}}),
    (403, "POST", "/pools", {"pool": POOL | {"listener_id": "<foreign-listener>"}}),
    (403, "POST", "/pools", {"pool": POOL | {"loadbalancer_id": "<foreign-lb>", "listener_id": "<listener>"}}),
    (403, "POST", "/healthmonitors", {"healthmonitor": MONITOR | {"pool_id": "<foreign-pool>"}}),
    (403, "POST", "/l7policies", {"l7policy": {"action": "REJECT", "listener_id": "<foreign-listener>"}}),
    (403, "POST", "/pools/<foreign-pool>/members", {"member": ADDRESS}),
    (403, "PUT", "/pools/<foreign-pool>/members", {"members": [ADDRESS]}),
    (403, "PUT", "/pools/<foreign-pool>/members", {"members": []}),
    (403, "POST", "/loadbalancers", {"loadbalancer": {"vip_subnet_id": "<subnet>", "project_id": FOREIGN}}),
    (403, "POST", "/loadbalancers", {"loadbalancer": {"vip_subnet_id": "<subnet>", "tenant_id": FOREIGN}}),
    # Whoever may not write is not told either what else is there.
    (403, "PUT", "/loadbalancers/<foreign-lb>", {"loadbalancer": {"vip_qos_policy_id": NOWHERE}}),
    (403, "PUT", "/loadbalancers/<foreign-lb>", {"loadbalancer": {"vip_sg_ids": [NOWHERE]}}),
    (403, "POST", "/pools/<foreign-pool>/members", {"member": ELSEWHERE}),
    (403, "PUT", "/pools/<foreign-pool>/members", {"members": [ELSEWHERE]}),
    (403, "POST", "/pools", {"pool": POOL | {"loadbalancer_id": "<foreign-lb>", "members": [ELSEWHERE]}}),
    (403, "POST", "/listeners", {"listener": LISTENER | {
        "loadbalancer_id": "<foreign-lb>", "default_pool": POOL | {"members": [ELSEWHERE]}}}),
    (403, "POST", "/l7policies", {"l7policy": TO_POOL | {
        "listener_id": "<foreign-listener>", "redirect_pool": POOL | {"members": [ELSEWHERE]}}}),
    (404, "PUT", f"/loadbalancers/{NOWHERE}", {"loadbalancer": {"vip_sg_ids": [NOWHERE]}}),
    # An object of another project's beside one's own: as far as this load balancer goes it does not exist.
    (404, "POST", "/pools", {"pool": POOL | {"loadbalancer_id": "<lb>", "listener_id": "<foreign-listener>"}}),
    (404, "POST", "/listeners",
     {"listener": LISTENER | {"loadbalancer_id": "<lb>", "default_pool_id": "<foreign-pool>"}}),
    (404, "PUT", "/listeners/<listener>", {"listener": {"default_pool_id": "<foreign-pool>"}}),
    (404, "POST", "/l7policies",
     {"l7policy": TO_POOL | {"listener_id": "<listener>", "redirect_pool_id": "<foreign-pool>"}}),
    (404, "PUT", "/l7policies/<policy>", {"l7policy": TO_POOL | {"redirect_pool_id": "<foreign-pool>"}}),
    (404, "PUT", "/l7policies/<policy>", {"l7policy": {"redirect_pool_id": "<foreign-pool>"}}),
    (404, "POST", "/loadbalancers",
     {"loadbalancer": {
         "vip_subnet_id": "<subnet>", "listeners": [LISTENER | {"default_pool_id": "<foreign-pool>"}]}}),
    (404, "POST", "/listeners", {"listener": LISTENER | {
        "loadbalancer_id": "<lb>",
        "l7policies": [TO_POOL | {"redirect_pool_id": "<foreign-pool>"}]}}),
    # A way to another project's object by one's own.
    (404, "PUT", "/pools/<pool>/members/<foreign-member>", {"member": {"weight": 0}}),
    (404, "DELETE", "/pools/<pool>/members/<foreign-member>", None),
    (404, "GET", "/pools/<pool>/members/<foreign-member>", None),
    (404, "PUT", "/l7policies/<policy>/rules/<foreign-rule>", {"rule": {"value": "/z"}}),
    (404, "DELETE", "/l7policies/<policy>/rules/<foreign-rule>", None),
    (404, "GET", "/l7policies/<policy>/rules/<foreign-rule>", None),
    # Children belong to the project of their load balancer, and cannot be given away.
    (400, "POST", "/listeners", {"listener": LISTENER | {"loadbalancer_id": "<lb>", "project_id": FOREIGN}}),
    (400, "POST", "/pools", {"pool": POOL | {"loadbalancer_id": "<lb>", "tenant_id": FOREIGN}}),
    (400, "PUT", "/loadbalancers/<lb>", {"loadbalancer": {"project_id": FOREIGN}}),
    (400, "PUT", "/pools/<pool>", {"pool": {"tenant_id": FOREIGN}}),
]  # fmt: skip


@pytest.mark.parametrize(("status", "method", "path", "body"), NAMED)
def test_a_request_that_names_another_projects_object_is_refused(
    world: Guarded, ids: probes.Ids, status: int, method: str, path: str, body: Any
) -> None:
    before = everything(world)
    answer = world.call(method, probes.fill(path, ids), status, probes.fill(body, ids), headers=MEMBER)
    assert everything(world) == before
    if status == 403:
        assert answer["faultstring"] == REFUSED
    if status == 404:
        assert answer["faultstring"].endswith(" not found.")


TOUCHED = [
    "/loadbalancers/<foreign-lb>", "/listeners/<foreign-listener>", "/pools/<foreign-pool>",
    "/healthmonitors/<foreign-monitor>", "/l7policies/<foreign-policy>",
    "/pools/<foreign-pool>/members/<foreign-member>", "/l7policies/<foreign-policy>/rules/<foreign-rule>",
]  # fmt: skip
READ = [
    "/loadbalancers/<foreign-lb>/stats", "/loadbalancers/<foreign-lb>/status", "/loadbalancers/<foreign-lb>/statuses",
    "/loadbalancers/<foreign-lb>/events", "/listeners/<foreign-listener>/stats", "/pools/<foreign-pool>/members",
    "/l7policies/<foreign-policy>/rules", f"/quotas/{FOREIGN}", f"/quotas/{FOREIGN}/default",
]  # fmt: skip


@pytest.mark.parametrize("path", TOUCHED)
def test_another_projects_objects_are_not_shown_changed_or_deleted(world: Guarded, ids: probes.Ids, path: str) -> None:
    path, single = probes.fill(path, ids), path.strip("/").split("/")[-2]
    root = {"l7policies": "l7policy"}.get(single, single.removesuffix("s"))
    before = everything(world)
    for method, body in (("GET", None), ("PUT", {root: {"admin_state_up": False}}), ("DELETE", None)):
        assert world.call(method, path, 403, body, headers=MEMBER)["faultstring"] == REFUSED
    assert everything(world) == before


@pytest.mark.parametrize("path", READ)
def test_what_another_projects_objects_do_is_not_told(world: Guarded, ids: probes.Ids, path: str) -> None:
    assert world.get(probes.fill(path, ids), 403, headers=MEMBER)["faultstring"] == REFUSED


@pytest.mark.parametrize("kind", ["loadbalancer", "listener", "pool", "healthmonitor", "l7policy"])
def test_lists_show_nothing_of_another_project_whatever_the_filter(world: Guarded, ids: probes.Ids, kind: str) -> None:
    plural = "l7policies" if kind == "l7policy" else f"{kind}s"
    names = {"loadbalancer": "lb", "healthmonitor": "monitor", "l7policy": "policy"}
    foreign = ids[f"foreign-{names.get(kind, kind)}"]
    everybodys = world.get(f"/{plural}")[plural]
    assert {each["project_id"] for each in everybodys} == {OWN, FOREIGN}
    for query in ("", f"id={foreign}", f"project_id={OWN}", "admin_state_up=true", "not-tags=x", "sort=id:desc"):
        shown = world.get(f"/{plural}", headers=MEMBER, query_string=query)[plural]
        assert {each["project_id"] for each in shown} <= {OWN}, query
    assert world.get(f"/{plural}", 403, headers=MEMBER, query_string=f"project_id={FOREIGN}")
    refused = world.get(f"/{plural}", 400, headers=MEMBER, query_string=f"marker={foreign}")["faultstring"]
    nothing = world.get(f"/{plural}", 400, headers=MEMBER, query_string=f"marker={probes.NOBODYS}")["faultstring"]
    assert refused.replace(foreign, "x") == nothing.replace(probes.NOBODYS, "x")


def test_filters_by_what_others_own_find_nothing(world: Guarded, ids: probes.Ids) -> None:
    for plural, query in (
        ("listeners", "loadbalancer_id=<foreign-lb>"), ("pools", "loadbalancer_id=<foreign-lb>"),
        ("pools", "listener_id=<foreign-listener>"), ("listeners", "default_pool_id=<foreign-pool>"),
        ("healthmonitors", "pool_id=<foreign-pool>"), ("l7policies", "listener_id=<foreign-listener>"),
    ):  # fmt: skip
        assert world.get(f"/{plural}", headers=MEMBER, query_string=probes.fill(query, ids))[plural] == []


def test_a_members_marker_from_another_pool_is_no_marker(world: Guarded, ids: probes.Ids) -> None:
    path = probes.fill("/pools/<pool>/members", ids)
    assert world.get(path, 400, headers=MEMBER, query_string=f"marker={ids['foreign-member']}")
    assert world.get(path, 200, headers=MEMBER, query_string=f"marker={ids['member']}")


def test_ports_and_projects_of_others_are_not_among_those_that_look_ups_find(world: Guarded, ids: probes.Ids) -> None:
    assert {each["id"] for each in world.get("/projects", bare=True)["projects"]} >= {OWN, FOREIGN}
    assert {each["project_id"] for each in world.get("/v2.0/ports")["ports"]} >= {OWN, FOREIGN}
    assert [each["id"] for each in world.get("/projects", bare=True, headers=MEMBER)["projects"]] == [OWN]
    assert {each["project_id"] for each in world.get("/v2.0/ports", headers=MEMBER)["ports"]} == {OWN}
    foreign = world.get("/v2.0/ports", query_string=f"project_id={FOREIGN}")["ports"][0]["id"]
    assert world.get(f"/v2.0/ports/{foreign}", 404, headers=MEMBER)
    assert world.get(f"/projects/{FOREIGN}", 404, bare=True, headers=MEMBER)


def brought(world: Guarded, project_id: str) -> str:
    """A port that a user made."""
    name = f"of {project_id} {len(world.networking.ports())}"
    wanted = PortRequest(name=name, subnet_id=world.subnet.id, project_id=project_id)
    return str(world.networking.create_ports([wanted])[0].id)


def test_a_port_of_another_project_is_no_port_and_one_of_ones_own_is(tmp_path: pathlib.Path) -> None:
    world = Guarded(tmp_path)
    foreign, own = brought(world, FOREIGN), brought(world, OWN)
    used = world.balancer(project_id=FOREIGN)["vip_port_id"]
    for port_id in (foreign, used):
        body = {"loadbalancer": {"vip_port_id": port_id}}
        answer = world.call("POST", "/loadbalancers", 400, body, headers=MEMBER)
        assert answer["faultstring"] == f"Port {port_id} not found."
    body = {"loadbalancer": {"vip_port_id": own}}
    assert world.call("POST", "/loadbalancers", 201, body, headers=MEMBER)["loadbalancer"]["vip_port_id"] == own
    body = {"loadbalancer": {"vip_port_id": foreign}}
    assert world.call("POST", "/loadbalancers", 201, body)["loadbalancer"]["project_id"] == OWN


class Groups(LocalNetwork):
    """A network with a security group and a QoS policy of another project."""

    def security_group(self, group_id: str) -> Named | None:
        return Named(group_id, "theirs", FOREIGN)

    qos_policy = security_group


class GuardedGroups(Guarded):
    def _connect(self) -> LocalNetwork:
        return Groups(self.conf, self.store)


def test_security_groups_and_policies_of_another_project_are_none(tmp_path: pathlib.Path) -> None:
    world = GuardedGroups(tmp_path)
    path = f"/loadbalancers/{world.balancer(project_id=OWN)['id']}"
    subnet = {"vip_subnet_id": world.subnet.id}
    for values, title in (
        ({"vip_sg_ids": [probes.NOBODYS]}, "Security group"), ({"vip_qos_policy_id": probes.NOBODYS}, "QoS policy"),
    ):  # fmt: skip
        for method, where, body in (("POST", "/loadbalancers", subnet | values), ("PUT", path, values)):
            answer = world.call(method, where, 400, {"loadbalancer": body}, headers=MEMBER)
            assert answer["faultstring"] == f"{title} {probes.NOBODYS} not found."
        world.call("PUT", path, 200, {"loadbalancer": values})
    for kind in ("security-groups", "qos/policies"):
        assert world.get(f"/v2.0/{kind}/{probes.NOBODYS}", 404, headers=MEMBER)
        assert world.get(f"/v2.0/{kind}/{probes.NOBODYS}")


def test_what_happened_to_a_load_balancer_that_is_gone_is_told_to_its_project_alone(tmp_path: pathlib.Path) -> None:
    world = Guarded(tmp_path)
    gone = world.balancer(project_id=FOREIGN)["id"]
    world.call("PUT", f"/loadbalancers/{gone}/failover", 202)
    with world.store.engine.connect().execution_options(lictor_write=True) as connection:
        for table in ("amphora", "load_balancer"):
            column = "id" if table == "load_balancer" else "load_balancer_id"
            connection.exec_driver_sql(f"DELETE FROM {table} WHERE {column} = '{gone}'")
        connection.commit()
    assert world.get(f"/loadbalancers/{gone}/events", headers=caller("reader", project_id=FOREIGN))["events"]
    assert world.get(f"/loadbalancers/{gone}/events", 403, headers=MEMBER)
