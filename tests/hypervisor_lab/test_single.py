"""A load balancer whose amphora is a virtual machine, made and used with the stock client."""

import base64
import time

import pytest

from tests.hypervisor_lab import phases
from tests.lab.deployment import eventually
from tests.unit.certs import Identity

ROOT = Identity("root", ca=True, usage=True)
WEB = Identity("www.example.com", issuer=ROOT, alternative=("www.example.com",))


@pytest.fixture(scope="module")
def before(alice, service, admin, hosts, deployment):
    """What alice's project, and the service's, have before the first load balancer."""
    return things(alice, service, admin)


def things(alice, service, admin):
    """Whatever a load balancer could leave behind, in the cloud's words."""
    project = alice.current_project_id
    return {
        "ports": {each.id for each in admin.network.ports() if each.device_owner != "network:dhcp"},
        "security groups": {each.id for each in admin.network.security_groups()},
        "floating IPs": {each.id for each in admin.network.ips(project_id=project)},
        "servers": {each.id for each in admin.compute.servers(all_projects=True)},
        "server groups": {each.id for each in service.compute.server_groups()},
        "secrets": {each.secret_ref for each in alice.key_manager.secrets()},
    }


@pytest.fixture(scope="module")
def balancer(before, openstack, admin, tenant, hosts, deployment):
    """Typed as in Octavia's cookbook: a web server on the VIP's subnet and one on another subnet. The last test of this
    file deletes it."""
    first_word = phases.FirstWord(admin)
    made = openstack.shown(f"create --name lb1 --vip-subnet-id {tenant.first.name} --wait")
    print("\n" + phases.Creation(deployment.log.read_text(), made["id"], first_word.end()).told())
    openstack("listener create --name web --protocol HTTP --protocol-port 80 --wait lb1")
    openstack("pool create --name servers --protocol HTTP --lb-algorithm ROUND_ROBIN --listener web --wait")
    for host in (hosts.web1, hosts.web2):
        openstack(
            f"member create --name {host.name} --address {host.address} --protocol-port 80 "
            f"--subnet-id {host.subnet.id} --wait servers"
        )
    return made


def test_it_is_active_and_its_members_answer_through_the_vip(balancer, hosts):
    answers = [hosts.client.get(f"http://{balancer['vip_address']}/") for _ in range(6)]
    assert set(answers) == {"web1", "web2"}


def test_the_member_on_another_subnet_is_reached_from_that_subnet(balancer, hosts, service):
    """A NIC was plugged into the running machine: its port is on the member's network, and of that subnet."""
    ports = list(service.network.ports(network_id=hosts.web2.subnet.network_id))
    assert [each.device_owner for each in ports if each.name.startswith("octavia-lb-member-")] == ["compute:nova"]


def test_a_certificate_out_of_barbican(balancer, openstack, hosts, tmp_path):
    bundle = tmp_path / "www.p12"
    bundle.write_bytes(WEB.pkcs12())
    payload = base64.b64encode(bundle.read_bytes()).decode()
    stored = openstack.succeeds(
        f"secret store --name www -t 'application/octet-stream' -e base64 --payload={payload} -f value -c 'Secret href'"
    ).strip()
    openstack(
        f"listener create --name tls --protocol TERMINATED_HTTPS --protocol-port 443 --default-pool servers "
        f"--default-tls-container-ref {stored} --wait lb1"
    )
    (authority := tmp_path / "root.pem").write_bytes(ROOT.pem)
    resolve = f"www.example.com:443:{balancer['vip_address']}"
    answer = hosts.client.get("https://www.example.com/", "--cacert", str(authority), "--resolve", resolve)
    assert answer in {"web1", "web2"}
    openstack("listener delete --wait tls")
    openstack.succeeds(f"secret delete {stored}")


def test_the_kernel_of_the_image_has_sctp(balancer, openstack):
    listener = openstack.shown("listener create --name sigtran --protocol SCTP --protocol-port 2905 --wait lb1")
    assert listener["provisioning_status"] == "ACTIVE"
    openstack("listener delete --wait sigtran")


def test_a_floating_ip(balancer, openstack, hosts):
    made = openstack.succeeds(
        f"floating ip create --port {balancer['vip_port_id']} public -f value -c floating_ip_address"
    ).strip()
    try:
        eventually(lambda: phases.fetched(f"http://{made}/") in {"web1", "web2"}, 60, "it answers at its floating IP")
    finally:
        openstack.succeeds(f"floating ip delete {made}")


def test_cascade_delete_leaves_the_cloud_as_it_was(before, balancer, openstack, alice, service, admin):
    assert things(alice, service, admin) != before
    began = time.monotonic()
    openstack("delete --cascade --wait lb1")
    print(f"\ndeleted with all it had after {time.monotonic() - began:.1f} s")
    assert things(alice, service, admin) == before
