"""The driver ``nova``: servers, what they are made from, their NICs; asserted by what Nova says afterwards."""

import time
import uuid

import pytest

from lictor.drivers.compute.base import Boot, ComputeError, HostNotReady
from lictor.drivers.compute.nova import NovaCompute
from lictor.drivers.network import base


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
        nova.delete(each.amphora_id)
    nova.forget(load_balancer_id)


def test_a_server_is_made_as_ordered_and_found_again_by_the_amphoras_id(nova, boot, service, management):
    order = boot()
    assert nova.find(order.amphora_id) is None
    made = nova.create(order)
    assert (made.amphora_id, made.running) == (order.amphora_id, True)
    server = service.compute.get_server(made.compute_id)
    assert server.name == f"amphora-{order.amphora_id}"
    assert [each["addr"] for each in server.addresses[management.name]] == [made.lb_network_ip]
    assert server.metadata["load_balancer_id"] == order.load_balancer_id
    assert server.has_config_drive
    assert nova.find(order.amphora_id) == made
    assert made in nova.instances()


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


def test_a_pair_that_must_not_share_the_only_host_fails_with_novas_words(nova, boot):
    nova.create(boot(anti_affinity="anti-affinity"))
    order = boot(anti_affinity="anti-affinity")
    with pytest.raises(ComputeError, match="No valid host"):
        nova.create(order)
    found = nova.find(order.amphora_id)
    assert found is None or not found.running


def test_nics_come_and_go_and_ports_outlive_their_servers(nova, neutron, boot, service, tenant, alice, admin):
    order = boot()
    first = base.amphora_port(order.amphora_id, tenant.id, alice.current_project_id)
    second = base.member_port(order.amphora_id, tenant.id, alice.current_project_id)
    vrrp, member = neutron.create_ports([first, second])
    made = nova.create(boot(ports=(vrrp,)))
    amphora_id = made.amphora_id

    def plugged():
        return {each.port_id for each in service.compute.server_interfaces(made.compute_id)} & {vrrp.id, member.id}

    assert plugged() == {vrrp.id}
    for _ in range(2):
        nova.attach(amphora_id, vrrp)
        nova.attach(amphora_id, member)
        assert plugged() == {vrrp.id, member.id}
    assert {port.id for port in neutron.ports()} == {vrrp.id, member.id}, "Nova's marks do not hide them"
    for _ in range(2):
        nova.detach(amphora_id, member)
        assert plugged() == {vrrp.id}
    nova.delete(amphora_id)
    nova.delete(amphora_id)
    assert {each.id for each in admin.network.ports(network_id=tenant.network_id)} == {vrrp.id, member.id}
    for port in (vrrp, member):
        neutron.delete_port(port.id)
