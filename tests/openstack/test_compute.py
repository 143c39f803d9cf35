"""The driver ``nova``: servers, what they are made from, their NICs; asserted by what Nova says afterwards."""

import base64
import concurrent.futures
import contextlib
import dataclasses
import time
import types
import uuid

import msgspec
import pytest

from lictor import config, wire
from lictor.control import handover
from lictor.drivers.compute.base import Boot, ComputeError, HostNotReady, StillLeaving
from lictor.drivers.compute.nova import NovaCompute, driver
from lictor.drivers.network import base
from lictor.model import Amphora
from tests.lab.deployment import eventually
from tests.openstack.holding import compute_held


@pytest.fixture
def boot(nova):
    """Orders for amphorae of one load balancer; what they made is gone afterwards."""
    load_balancer_id, ordered = str(uuid.uuid4()), []

    def order(**more):
        papers = {"certificate": "certificate", "private_key": "key", "client_ca": "ca"}
        ordered.append(Boot(str(uuid.uuid4()), load_balancer_id, **papers, **more))
        return ordered[-1]

    yield order
    for each in ordered:
        gone(nova, each.amphora_id)
    nova.forget(load_balancer_id)


def gone(nova, amphora_id):
    """Delete, as often as it takes."""
    to_the_end(nova.delete, amphora_id)


def to_the_end(remove, *what):
    """Call it until nothing is leaving any more."""

    def done():
        with contextlib.suppress(StillLeaving):
            remove(*what)
            return True

    eventually(done, 60, "it is gone")


def built(service, made):
    """The server, once Nova has made it with its NICs: ``create`` returns when the order is taken."""
    return service.compute.wait_for_server(service.compute.get_server(made.compute_id), interval=0.5, wait=120)


def test_a_server_is_made_as_ordered_and_found_again_by_the_amphoras_id(nova, boot, service, management):
    order = boot()
    assert nova.find(order.amphora_id) is None
    made = nova.create(order)
    assert (made.amphora_id, made.running) == (order.amphora_id, True)
    server = built(service, made)
    assert server.name == f"amphora-{order.amphora_id}"
    assert [each["addr"] for each in server.addresses[management.name]] == [made.lb_network_ip]
    (nic,) = service.compute.server_interfaces(server)
    (port,) = service.network.ports(name=f"octavia-lb-mgmt-{order.amphora_id}")
    assert nic.port_id == port.id
    assert server.metadata["load_balancer_id"] == order.load_balancer_id
    assert server.has_config_drive
    for found in (nova.find(order.amphora_id), *nova.instances()):
        assert (found.compute_id, found.lb_network_ip, found.running) == (server.id, made.lb_network_ip, True)


@pytest.fixture
def wide(service):
    """A management network with two subnets of which one has a gateway and host routes, and an MTU of its own."""
    network = service.network.create_network(name="wide", mtu=1400)
    routes = [{"destination": "10.252.0.0/16", "nexthop": "10.251.0.9"}]
    four = {"cidr": "10.251.0.0/24", "ip_version": 4, "gateway_ip": "10.251.0.1", "host_routes": routes}
    six = {"cidr": "fd00:251::/64", "ip_version": 6, "gateway_ip": None}
    for each in (four, six):
        service.network.create_subnet(network_id=network.id, is_dhcp_enabled=False, **each)
    yield network
    for each in service.network.ports(network_id=network.id):
        service.network.delete_port(each)
    service.network.delete_network(network)


def told(admin, made):
    """The first steps of a server."""
    text = admin.compute.get_server(made.compute_id).user_data
    return msgspec.json.decode(base64.b64decode(text), type=wire.FirstSteps)


def test_the_management_port_is_ours_and_the_guest_need_not_ask_for_its_address(nova, boot, admin, wide):
    order = boot(management_networks=(wide.id,))
    made = nova.create(order)
    (port,) = admin.network.ports(name=f"octavia-lb-mgmt-{order.amphora_id}")
    addresses = {each["ip_address"] for each in port.fixed_ips}
    assert (len(addresses), made.lb_network_ip in addresses) == (2, True)
    steps = told(admin, made)
    assert (steps.boot_nics, steps.management.mac, steps.management.mtu) == (1, port.mac_address, 1400)
    first, second = (each.partition("/") for each in steps.management.addresses)
    assert first[0] == made.lb_network_ip, "the agent listens at the first one"
    assert {first[0], second[0]} == addresses
    assert {first[2], second[2]} == {"24", "64"}
    assert {(each.destination, each.gateway) for each in steps.management.routes} == {
        ("0.0.0.0/0", "10.251.0.1"), ("10.252.0.0/16", "10.251.0.9"),
    }  # fmt: skip


def test_the_management_port_has_the_marks_of_all_ports_and_goes_with_its_amphora(nova, neutron, boot, service, conf):
    order = boot()
    nova.create(order)
    (port,) = service.network.ports(name=f"octavia-lb-mgmt-{order.amphora_id}")
    assert port.project_id == service.current_project_id
    assert (port.description, port.tags) == (config.deployment_mark(conf), [config.deployment_tag(conf)])
    (listed,) = neutron.ports()
    assert (listed.id, listed.device_id, base.is_ours(listed)) == (port.id, order.amphora_id, True)
    for _ in range(2):
        gone(nova, order.amphora_id)
        assert list(service.network.ports(name=port.name)) == []


def test_what_the_cloud_does_not_make_a_server_of_leaves_no_port_once_it_is_deleted(nova, boot, service):
    order = boot(compute_flavor="none-such")
    with pytest.raises(ComputeError, match="none-such"):
        nova.create(order)
    gone(nova, order.amphora_id)
    assert list(service.network.ports(name=f"octavia-lb-mgmt-{order.amphora_id}")) == []


def test_the_groups_of_the_configuration_and_no_others_say_who_may_manage(configured, neutron, boot, service, nova):
    groups = [service.network.create_security_group(name=f"manage-{number}") for number in range(2)]
    try:
        listed = f"[controller_worker]\namp_secgroup_list = {groups[0].name}, {groups[1].id}\n"
        order = boot()
        NovaCompute(configured(listed), neutron).create(order)
        (port,) = service.network.ports(name=f"octavia-lb-mgmt-{order.amphora_id}")
        assert sorted(port.security_group_ids) == sorted(each.id for each in groups)
        wrong = NovaCompute(configured("[controller_worker]\namp_secgroup_list = none-such\n"), neutron)
        with pytest.raises(ComputeError, match="no security group of the name or id 'none-such'"):
            wrong.create(boot())
    finally:
        gone(nova, order.amphora_id)
        for each in groups:
            service.network.delete_security_group(each)


def test_further_networks_get_nics_after_the_one_for_management_and_before_load_balancers(
    configured, neutron, boot, service, admin, management, wide, tenant, alice
):
    nova = NovaCompute(
        configured(f"[controller_worker]\namp_boot_network_list = {management.id}, {wide.id}\n"), neutron
    )
    order = boot()
    (vrrp,) = neutron.create_ports([base.amphora_port(order.amphora_id, tenant.id, alice.current_project_id)])
    order = dataclasses.replace(order, ports=(vrrp,))
    made = nova.create(order)
    assert told(admin, made).boot_nics == 2
    built(service, made)
    networks = {each.net_id: each.port_id for each in service.compute.server_interfaces(made.compute_id)}
    assert set(networks) == {management.id, wide.id, tenant.network_id}
    assert service.network.get_port(networks[wide.id]).name == "", "Nova's own, as for Octavia"
    gone(nova, order.amphora_id)
    assert list(service.network.ports(network_id=wide.id)) == []
    neutron.delete_port(vrrp.id)


def test_what_a_dead_attempt_left_is_replaced(nova, boot, service):
    order = boot()
    first, second = nova.create(order), nova.create(order)
    assert first.compute_id != second.compute_id
    names = [each.id for each in service.compute.servers(name=f"amphora-{order.amphora_id}")]
    assert names == [second.compute_id]


def test_another_deployments_servers_are_not_ours(nova, boot, configured, neutron):
    order = boot()
    nova.create(order)
    other = NovaCompute(configured("[lictor]\ndeployment = other\n"), neutron)
    assert other.find(order.amphora_id) is None
    assert other.instances() == []


def test_the_newest_image_with_the_tag_is_taken(nova, boot, admin):
    images = []
    for number in range(2):
        time.sleep(1.1)  # Glance tells their ages in seconds
        image = admin.image.create_image(
            name=f"amphora-{number}", disk_format="raw", container_format="bare", visibility="public",
            tags=["newest"], data=b"image", wait=True, use_import=False, allow_duplicates=True,
        )  # fmt: skip
        images.append(image.id)
    made = nova.create(boot(image_tag="newest"))
    assert admin.compute.get_server(made.compute_id).image.id == images[1]
    for image in images:
        admin.image.delete_image(image)


def test_what_the_cloud_does_not_have_is_named(nova, boot):
    with pytest.raises(ComputeError, match="no active image with the tag 'none-such'"):
        nova.create(boot(image_tag="none-such"))
    with pytest.raises(ComputeError, match="none-such"):
        nova.create(boot(compute_flavor="none-such"))
    with pytest.raises(ComputeError, match="none-such"):
        nova.create(boot(availability_zone="none-such"))


def test_what_is_not_configured_is_named(configured, neutron):
    with pytest.raises(HostNotReady, match="amp_image_tag"):
        NovaCompute(configured("[controller_worker]\namp_image_tag =\n"), neutron).prepare()


def test_a_pair_that_can_share_a_host_is_in_one_group(nova, boot, service):
    made = [nova.create(boot(anti_affinity="soft-anti-affinity")) for _ in range(2)]
    (group,) = service.compute.server_groups()
    assert group.policy == "soft-anti-affinity"
    assert set(group.member_ids) == {each.compute_id for each in made}


def test_a_pair_that_must_not_share_the_only_host_fails_with_novas_words(nova, neutron, boot, service, tenant, alice):
    built(service, nova.create(boot(anti_affinity="anti-affinity")))
    order = boot(anti_affinity="anti-affinity")
    nova.create(order)
    found = eventually(lambda: (seen := nova.find(order.amphora_id)) and not seen.running and seen, 60, "it failed")
    assert "No valid host" in found.fault
    (port,) = neutron.create_ports([base.amphora_port(order.amphora_id, tenant.id, alice.current_project_id)])
    nova.attach(order.amphora_id, port)  # Nova refuses that for such a server, and this would hide why it failed.
    assert nova.find(order.amphora_id).fault == found.fault
    neutron.delete_port(port.id)


def test_nics_come_and_go_and_ports_outlive_their_servers(nova, neutron, boot, service, tenant, alice, admin):
    order = boot()
    first = base.amphora_port(order.amphora_id, tenant.id, alice.current_project_id)
    second = base.member_port(order.amphora_id, tenant.id, alice.current_project_id)
    vrrp, member = neutron.create_ports([first, second])
    made = nova.create(boot(ports=(vrrp,)))
    amphora_id = made.amphora_id

    def plugged():
        return {each.port_id for each in service.compute.server_interfaces(made.compute_id)} & {vrrp.id, member.id}

    built(service, made)
    assert plugged() == {vrrp.id}
    for _ in range(2):
        nova.attach(amphora_id, vrrp)
        nova.attach(amphora_id, member)
        assert plugged() == {vrrp.id, member.id}
    users = {port.id for port in neutron.ports() if not port.name.startswith("octavia-lb-mgmt-")}
    assert users == {vrrp.id, member.id}, "Nova's marks do not hide them"
    for _ in range(2):
        to_the_end(nova.detach, amphora_id, member)
        assert plugged() == {vrrp.id}
    gone(nova, amphora_id)
    gone(nova, amphora_id)
    assert {each.id for each in admin.network.ports(network_id=tenant.network_id)} == {vrrp.id, member.id}
    for port in (vrrp, member):
        neutron.delete_port(port.id)


def test_a_server_that_goes_slowly_holds_nobody_up_and_keeps_its_port(nova, boot, service):
    order = boot()
    made = nova.create(order)
    built(service, made)
    name = f"octavia-lb-mgmt-{order.amphora_id}"
    with compute_held():
        with pytest.raises(StillLeaving, match=made.compute_id):
            nova.delete(order.amphora_id)
        assert not nova.find(order.amphora_id).running
        assert len(list(service.network.ports(name=name))) == 1
    gone(nova, order.amphora_id)
    assert nova.find(order.amphora_id) is None
    assert list(service.network.ports(name=name)) == []


@pytest.fixture
def plugged(nova, neutron, boot, service, tenant, alice):
    """An amphora's id, and the port of its NIC."""
    order = boot()
    (port,) = neutron.create_ports([base.amphora_port(order.amphora_id, tenant.id, alice.current_project_id)])
    built(service, nova.create(dataclasses.replace(order, ports=(port,))))
    yield order.amphora_id, port
    gone(nova, order.amphora_id)
    neutron.delete_port(port.id)


def test_a_nic_that_goes_slowly_holds_nobody_up_until_it_took_too_long(nova, plugged, service, monkeypatch):
    amphora_id, port = plugged
    with compute_held():
        with pytest.raises(StillLeaving, match=port.id):
            nova.detach(amphora_id, port)
        monkeypatch.setattr(driver, "_GONE", 1.0)
        with pytest.raises(ComputeError, match=f"has not removed port {port.id}") as late:
            nova.detach(amphora_id, port)
        assert not isinstance(late.value, StillLeaving)
    to_the_end(nova.detach, amphora_id, port)
    assert service.network.get_port(port.id).device_id == ""


def test_who_may_not_have_the_vip_any_more_is_cut_off_to_the_end(nova, neutron, plugged, service):
    """A worker waits for that: an amphora that still has its NIC would answer beside its successor."""
    amphora_id, port = plugged
    held = types.SimpleNamespace(check=lambda: None)
    task = types.SimpleNamespace(claim=held, tools=types.SimpleNamespace(compute=nova, networking=neutron))
    amphora = Amphora(id=amphora_id, vrrp_port_id=port.id)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with compute_held():
            cut = pool.submit(handover._cut, task, amphora)
            with pytest.raises(TimeoutError):
                cut.result(2 * driver._PATIENCE + 2)
        cut.result(60)
    assert service.network.get_port(port.id).device_id == ""
