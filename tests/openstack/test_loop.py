"""`lictor up` on the cloud, killed at every place between "made there" and "written down": nothing stays behind.

No agent runs in a server of Nova's fake driver: so a load balancer never becomes ACTIVE here, and has everything else.
"""

import contextlib
import http.client

import pytest

from lictor.control import provision
from tests.lab.deployment import Deployment, Refused, eventually

QUICK = """
[controller_worker]
lease_duration = 4
poll_interval = 0.5
retry_interval = 0.5
retry_max = 2
[haproxy_amphora]
connection_timeout = 1
rest_request_conn_timeout = 1
[health_manager]
controller_ip_port_list = 127.0.0.1:5555
[house_keeping]
cleanup_interval = 1
orphan_expiry_age = 3
"""

WHILE_MADE = ["addresses set aside", "before ports", "after ports", "after protect", "instance made", "after instances"]
WHILE_DELETED = ["instance deleted", "after delete_instances", "port deleted", "after delete_ports", "after unprotect"]


@pytest.fixture
def deployment(tmp_path, configuration):
    made = Deployment(tmp_path / "state", _merged(configuration, QUICK))
    yield made
    if made.process and made.process.poll() is None:
        made.stop()


def _merged(*texts):
    """One text of several in which sections may come again."""
    sections = {}
    for line in "\n".join(texts).splitlines():
        if line.startswith("["):
            section = sections.setdefault(line, [])
        elif line:
            section.append(line)
    return "".join("\n".join([name, *lines, ""]) for name, lines in sections.items())


def create(deployment, subnet):
    listener = {"protocol": "HTTP", "protocol_port": 80}
    body = {"name": "lb", "vip_subnet_id": subnet.id, "listeners": [listener]}
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
    return eventually(lambda: deployment.process.poll() is not None, 60, "it died at the fail point")


def remove(deployment, load_balancer_id):
    with contextlib.suppress(Refused):
        deployment.call("DELETE", f"/loadbalancers/{load_balancer_id}?cascade=true")
    deployment.wait_gone(f"/loadbalancers/{load_balancer_id}", 90)


def test_a_load_balancer_has_ports_a_group_and_a_server_and_takes_them_along(deployment, service, tenant):
    deployment.start()
    made = create(deployment, tenant)
    eventually(lambda: has_a_server(service, made), 60, "a server with two NICs")
    (group,) = service.network.security_groups(name=f"lb-{made}")
    rules = service.network.security_group_rules(security_group_id=group.id, direction="ingress")
    assert [(each.protocol, each.port_range_min) for each in rules] == [("tcp", 80)]
    shown = deployment.call("GET", f"/loadbalancers/{made}")
    vip = service.network.get_port(shown["vip_port_id"])
    assert vip.fixed_ips[0]["ip_address"] == shown["vip_address"]
    amphora = eventually(lambda: recorded(deployment, made), 30, "the server is written down")
    port = service.network.get_port(amphora["vrrp_port_id"])
    assert [each["ip_address"] for each in port.allowed_address_pairs] == [shown["vip_address"]]
    assert service.compute.get_server(amphora["compute_id"]).status == "ACTIVE"
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
        eventually(lambda: has_a_server(service, made), 90, "it is gone on with")
        remove(deployment, made)
    eventually(lambda: not list(service.network.ports(network_id=tenant.network_id)), 30, "its ports are collected")


@pytest.mark.parametrize("point", WHILE_DELETED)
def test_killed_while_it_is_deleted(deployment, service, tenant, point):
    assert {"instance deleted", "port deleted"} <= set(provision.BETWEEN)
    deployment.start()
    made = create(deployment, tenant)
    eventually(lambda: has_a_server(service, made), 60, "a server with two NICs")
    deployment.stop()
    deployment.start(failpoint=point)
    with contextlib.suppress(OSError, http.client.HTTPException):
        deployment.call("DELETE", f"/loadbalancers/{made}?cascade=true")
    died(deployment)
    deployment.start()
    remove(deployment, made)
