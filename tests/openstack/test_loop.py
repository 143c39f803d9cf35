"""`lictor up` on the cloud, killed at every place between "made there" and "written down": nothing stays behind.

No agent runs in a server of Nova's fake driver: so a load balancer never becomes ACTIVE here, and has everything else.
"""

import contextlib
import http.client
import json

import pytest

from lictor.control import provision, vips
from tests.lab.deployment import Deployment, Refused, eventually
from tests.openstack.holding import compute_held

QUICK = """
[controller_worker]
lease_duration = 4
poll_interval = 0.5
retry_interval = 0.5
retry_max = 2
[haproxy_amphora]
rest_request_conn_timeout = 1
[health_manager]
controller_ip_port_list = 127.0.0.1:5555
[house_keeping]
cleanup_interval = 1
orphan_expiry_age = 15
"""

WHILE_MADE = [
    "addresses set aside",
    "before ports",
    "after ports",
    "after protect",
    "management port made",
    "instance made",
    "after instances",
]
WHILE_DELETED = ["instance deleted", "after delete_instances", "port deleted", "after delete_ports", "after unprotect"]


PAIRS = """
[controller_worker]
loadbalancer_topology = ACTIVE_STANDBY
[nova]
enable_anti_affinity = true
"""


@contextlib.contextmanager
def up_to_its_end(*texts):
    made = Deployment(*texts)
    try:
        yield made
    finally:
        if made.process and made.process.poll() is None:
            made.stop()


@pytest.fixture
def deployment(tmp_path, configuration):
    with up_to_its_end(tmp_path / "state", _merged(configuration, QUICK)) as made:
        yield made


def _merged(*texts):
    """One text of several in which sections may come again."""
    sections = {}
    for line in "\n".join(texts).splitlines():
        if line.startswith("["):
            section = sections.setdefault(line, [])
        elif line:
            section.append(line)
    return "".join("\n".join([name, *lines, ""]) for name, lines in sections.items())


def offer(deployment, path, name, **data):
    """A flavor or a zone with this data."""
    profile = {"name": "p", "provider_name": "amphora", f"{name}_data": json.dumps(data)}
    root = f"{name}_profile" if path != name else f"{name}profile"
    made = deployment.call("POST", f"/{path}profiles", {root: profile})
    return deployment.call("POST", f"/{path}s", {name: {"name": "x", f"{name}_profile_id": made["id"]}})


def create(deployment, subnet, **more):
    listener = {"protocol": "HTTP", "protocol_port": 80}
    body = {"name": "lb", "vip_subnet_id": subnet.id, "listeners": [listener], **more}
    return deployment.call("POST", "/loadbalancers", {"loadbalancer": body})["id"]


def has_a_server(service, load_balancer_id):
    """Its server in the cloud, with the NIC on the VIP's network."""
    found = [each for each in service.compute.servers() if each.metadata.get("load_balancer_id") == load_balancer_id]
    return found and len(list(service.compute.server_interfaces(found[0]))) == 2


def recorded(deployment, load_balancer_id):
    """Its only amphora, once it is known which server that is."""
    (found,) = deployment.request("GET", f"/v2.0/octavia/amphorae?loadbalancer_id={load_balancer_id}")[1]["amphorae"]
    return found if found["compute_id"] else None


def died(deployment):
    return eventually(lambda: deployment.process.poll() is not None, 150, "it died at the fail point")


def remove(deployment, load_balancer_id):
    with contextlib.suppress(Refused):
        deployment.call("DELETE", f"/loadbalancers/{load_balancer_id}?cascade=true")
    deployment.wait_gone(f"/loadbalancers/{load_balancer_id}", 150)


def test_a_load_balancer_has_ports_a_group_and_a_server_and_takes_them_along(deployment, service, tenant):
    deployment.start()
    made = create(deployment, tenant)
    eventually(lambda: has_a_server(service, made), 150, "a server with two NICs")
    (group,) = service.network.security_groups(name=f"lb-{made}")
    rules = service.network.security_group_rules(security_group_id=group.id, direction="ingress")
    assert [(each.protocol, each.port_range_min) for each in rules] == [("tcp", 80)]
    shown = deployment.call("GET", f"/loadbalancers/{made}")
    vip = service.network.get_port(shown["vip_port_id"])
    assert vip.fixed_ips[0]["ip_address"] == shown["vip_address"]
    amphora = eventually(lambda: recorded(deployment, made), 90, "the server is written down")
    port = service.network.get_port(amphora["vrrp_port_id"])
    assert [each["ip_address"] for each in port.allowed_address_pairs] == [shown["vip_address"]]
    eventually(lambda: service.compute.get_server(amphora["compute_id"]).status == "ACTIVE", 90, "it runs")
    remove(deployment, made)


def test_a_slow_boot_is_told_from_one_that_nova_gave_up(tmp_path, configuration, service, tenant):
    slow = "[controller_worker]\namp_active_wait_sec = 2\n"
    with up_to_its_end(tmp_path / "state", _merged(configuration, QUICK, PAIRS, slow)) as deployment:
        deployment.start()
        made = create(deployment, tenant)  # there is one host, and no two of a pair may be on it

        def told(kind):
            found = deployment.call("GET", f"/loadbalancers/{made}/events")
            return [each["message"] for each in found if each["kind"] == kind]

        eventually(lambda: told("failed"), 150, "one of them failed")
        assert "could not be started. Server" in told("failed")[0]
        # Nova's word for it depends on whether it noticed before or after it had chosen the host.
        assert "No valid host" in told("failed")[0] or "Exhausted all hosts" in told("failed")[0]
        eventually(lambda: servers(service, made, "ACTIVE"), 150, "the other one runs")
        remove(deployment, made)
    assert not servers(service, made)


def servers(service, load_balancer_id, *states):
    mine = [each for each in service.compute.servers() if each.metadata.get("load_balancer_id") == load_balancer_id]
    return [each for each in mine if not states or each.status in states]


def test_an_agent_that_does_not_answer_is_no_failure_as_long_as_nova_says_none(deployment, service, tenant):
    deployment.config.write_text(
        _merged(deployment.config.read_text(), "[controller_worker]\namp_active_wait_sec = 2\n")
    )
    deployment.start()
    made = create(deployment, tenant)

    def slow():
        found = deployment.call("GET", f"/loadbalancers/{made}/events")
        return {each["kind"]: each["message"] for each in found}.get("slow_boot")

    message = eventually(slow, 150, "users are told")
    (server,) = servers(service, made)
    assert f"Its server {server.id} is in " in message and "no failure" in message
    assert deployment.call("GET", f"/loadbalancers/{made}")["provisioning_status"] == "PENDING_CREATE"
    remove(deployment, made)


def test_its_flavor_and_zone_say_what_its_server_is_made_of(deployment, service, admin, tenant, management):
    big = admin.compute.find_flavor("lb.large")
    deployment.start()
    flavor = offer(deployment, "flavor", "flavor", compute_flavor=big.id, amp_image_tag="amphora")
    zone = offer(
        deployment, "availabilityzone", "availability_zone", compute_zone="nova", management_network=management.id
    )
    made = create(deployment, tenant, flavor_id=flavor["id"], availability_zone=zone["name"])
    amphora = eventually(lambda: recorded(deployment, made), 60, "the server is written down")
    assert (amphora["compute_flavor"], amphora["cached_zone"]) == (big.id, "nova")
    server = admin.compute.get_server(amphora["compute_id"])
    assert (server.flavor.name, server.availability_zone) == ("lb.large", "nova")
    remove(deployment, made)


@pytest.mark.parametrize("point", WHILE_MADE)
def test_killed_while_it_is_made(deployment, service, tenant, point):
    deployment.start(failpoint=point)
    made = None
    with contextlib.suppress(OSError, http.client.HTTPException):
        made = create(deployment, tenant)
    died(deployment)
    deployment.start()
    if made:
        eventually(lambda: has_a_server(service, made), 150, "it is gone on with")
        remove(deployment, made)
    eventually(lambda: not list(service.network.ports(network_id=tenant.network_id)), 150, "its ports are collected")


@pytest.mark.parametrize("point", WHILE_DELETED)
def test_killed_while_it_is_deleted(deployment, service, tenant, point):
    assert {"instance deleted", "port deleted"} <= set(provision.BETWEEN)
    deployment.start()
    made = create(deployment, tenant)
    eventually(lambda: has_a_server(service, made), 150, "a server with two NICs")
    deployment.stop()
    deployment.start(failpoint=point)
    with contextlib.suppress(OSError, http.client.HTTPException):
        deployment.call("DELETE", f"/loadbalancers/{made}?cascade=true")
    died(deployment)
    deployment.start()
    remove(deployment, made)


def test_a_server_that_goes_slowly_holds_up_no_other_load_balancer(tmp_path, configuration, service, tenant):
    alone = _merged(configuration, QUICK, "[controller_worker]\nworkers = 1\n")
    with up_to_its_end(tmp_path / "state", alone) as deployment:
        deployment.start()
        made = create(deployment, tenant)
        eventually(lambda: has_a_server(service, made), 150, "a server with two NICs")
        with compute_held():
            deployment.call("DELETE", f"/loadbalancers/{made}?cascade=true")
            eventually(lambda: servers(service, made)[0].task_state == "deleting", 60, "Nova has been told")
            other = create(deployment, tenant)
            eventually(lambda: recorded(deployment, other), 60, "the only worker has asked for another server")
            assert deployment.call("GET", f"/loadbalancers/{made}")["provisioning_status"] == "PENDING_DELETE"
            kinds = [each["kind"] for each in deployment.call("GET", f"/loadbalancers/{made}/events")]
            assert "failed" not in kinds
        deployment.wait_gone(f"/loadbalancers/{made}", 150)
        remove(deployment, other)


@pytest.mark.parametrize("point", ["", *vips.BETWEEN], ids=["", "and killed meanwhile"])
def test_a_vips_port_that_is_deleted_is_made_anew_at_its_address(deployment, service, admin, tenant, point):
    deployment.start()
    made = create(deployment, tenant)
    eventually(lambda: recorded(deployment, made), 60, "the server is written down")
    before = deployment.call("GET", f"/loadbalancers/{made}")
    deployment.stop()
    admin.network.delete_port(before["vip_port_id"])
    deployment.start(failpoint=point)
    if point:
        died(deployment)
        deployment.start()

    def other():
        found = deployment.call("GET", f"/loadbalancers/{made}")
        return found if found["vip_port_id"] != before["vip_port_id"] else None

    after = eventually(other, 60, "another port is written down")
    port = service.network.get_port(after["vip_port_id"])
    assert [each["ip_address"] for each in port.fixed_ips] == [before["vip_address"]]
    assert len(list(service.network.ports(name=port.name))) == 1
    remove(deployment, made)


def test_a_purge_leaves_nothing_in_the_cloud(deployment, service, tenant):
    deployment.start()
    made = create(deployment, tenant)
    eventually(lambda: has_a_server(service, made), 60, "a server with two NICs")
    deployment.stop()
    done = deployment.down("--purge", "--config-file", str(deployment.config))
    assert done.stdout.endswith("nothing of it is left\n")
    assert not deployment.state_dir.exists()
    assert list(service.network.ports(network_id=tenant.network_id)) == []
    assert list(service.network.security_groups(name=f"lb-{made}")) == []
    assert [each for each in service.compute.servers() if each.metadata.get("load_balancer_id") == made] == []
