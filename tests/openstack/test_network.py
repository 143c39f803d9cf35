"""The driver ``neutron``: ports, what users see, who may reach them; asserted by what Neutron says afterwards."""

import dataclasses
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from lictor.drivers.network import base
from lictor.drivers.network.base import AddressUnavailable, Carrier, InvalidAddress, NetworkError, Opening, Protection


class Pair:
    """The ports of a load balancer and two amphorae; removed afterwards."""

    def __init__(self, neutron, tenant, project_id):
        self.id, self.amphorae = str(uuid.uuid4()), [str(uuid.uuid4()) for _ in range(2)]
        self._neutron = neutron
        self.requests = [base.vip_port(self.id, tenant.id, project_id)]
        self.requests += [base.amphora_port(each, tenant.id, project_id) for each in self.amphorae]
        self.vip, *self.ports = neutron.create_ports(self.requests)

    def protection(self, **more):
        carriers = tuple(Carrier(port.id, (self.vip.ip_address,)) for port in self.ports)
        return Protection(self.id, (self.vip.ip_address,), (self.vip.id,), carriers, **{"openings": (), **more})

    def remove(self):
        for port in (self.vip, *self.ports):
            self._neutron.delete_port(port.id)
        self._neutron.unprotect(self.id)


@pytest.fixture
def pair(neutron, tenant, alice):
    made = Pair(neutron, tenant, alice.current_project_id)
    yield made
    made.remove()


def rules(service, pair):
    """The rules of the group that let something in, as short words."""
    (group,) = service.network.security_groups(name=f"lb-{pair.id}")
    found = service.network.security_group_rules(security_group_id=group.id, direction="ingress")
    return {
        (each.ether_type, each.protocol, each.port_range_min, each.port_range_max,
         "group" if each.remote_group_id == group.id else each.remote_ip_prefix)
        for each in found
    }  # fmt: skip


def test_ports_have_octavias_marks_and_the_vips_are_the_users(pair, alice, service, admin):
    vip, port = admin.network.get_port(pair.vip.id), admin.network.get_port(pair.ports[0].id)
    assert (vip.name, vip.device_owner, vip.device_id) == (f"octavia-lb-{pair.id}", "Octavia", f"lb-{pair.id}")
    assert (vip.is_admin_state_up, port.is_admin_state_up) == (False, True)
    assert (port.name, port.device_id) == (f"octavia-lb-vrrp-{pair.amphorae[0]}", ""), "a NIC that Nova may take"
    assert (vip.project_id, port.project_id) == (alice.current_project_id, service.current_project_id)
    assert vip.fixed_ips[0]["ip_address"] == pair.vip.ip_address


def test_what_is_there_is_found_again_and_not_made_twice(neutron, pair, admin, tenant):
    again = neutron.create_ports(pair.requests)
    assert [port.id for port in again] == [port.id for port in (pair.vip, *pair.ports)]
    assert len(list(admin.network.ports(network_id=tenant.network_id))) == 3
    assert {port.id for port in neutron.ports()} == {port.id for port in again}


def test_two_that_made_the_same_port_agree_on_the_first(neutron, pair, admin, tenant):
    request = pair.requests[1]
    time.sleep(1.1)  # Neutron tells whole seconds: of two made within one, the lower id is "first" to everybody.
    neutron._make([request])
    assert len(list(admin.network.ports(name=request.name))) == 2
    neutron._there([request], rid=True)
    assert [each.id for each in admin.network.ports(name=request.name)] == [pair.ports[0].id]


def test_an_address_that_is_taken_or_wrong_is_refused_and_nothing_is_made(neutron, pair, admin, tenant, alice):
    project = alice.current_project_id
    new = base.vip_port(str(uuid.uuid4()), tenant.id, project)
    before = {each.id for each in admin.network.ports(network_id=tenant.network_id)}
    for address, error in ((pair.vip.ip_address, AddressUnavailable), ("10.98.0.1", InvalidAddress)):
        wrong = base.amphora_port(str(uuid.uuid4()), tenant.id, project)
        with pytest.raises(error, match=address):
            neutron.create_ports([new, dataclasses.replace(wrong, ip_address=address)])
    assert {each.id for each in admin.network.ports(network_id=tenant.network_id)} == before


def test_a_subnet_runs_out(neutron, pair, alice, tenant):
    free = neutron.free_addresses(tenant.id)
    requests = [base.amphora_port(str(uuid.uuid4()), tenant.id, alice.current_project_id) for _ in range(free + 1)]
    with pytest.raises(AddressUnavailable):
        neutron.create_ports(requests)
    assert neutron.free_addresses(tenant.id) == free
    made = neutron.create_ports(requests[:free])
    assert neutron.free_addresses(tenant.id) == 0
    for port in made:
        neutron.delete_port(port.id)
        neutron.delete_port(port.id)
    assert neutron.free_addresses(tenant.id) == free


def test_users_see_what_neutron_shows_them(neutron, alice, bob, admin, pair, tenant):
    alices, bobs = (neutron.as_seen_with(each.auth_token) for each in (alice, bob))
    assert alices.subnet(tenant.id).cidr == "10.99.0.0/28"
    assert alices.port(pair.vip.id).ip_address == pair.vip.ip_address
    assert (bobs.subnet(tenant.id), bobs.network(tenant.network_id), bobs.port(pair.vip.id)) == (None, None, None)
    public = admin.network.find_network("public")
    assert bobs.network(public.id).project_id == "", "a shared one is everybody's"
    assert alices.free_addresses(tenant.id) == neutron.free_addresses(tenant.id)
    assert neutron.network(str(uuid.uuid4())) is None


def test_the_group_lets_in_what_listeners_are_for_and_no_more(neutron, pair, service, admin):
    web = Opening("tcp", 80)
    office = Opening("udp", 53, ("198.51.100.0/24", "2001:db8::/32"))
    neutron.protect(pair.protection(openings=(web, office)))
    assert rules(service, pair) == {
        ("IPv4", "tcp", 80, 80, None),
        ("IPv4", "udp", 53, 53, "198.51.100.0/24"),
    }
    neutron.protect(pair.protection(openings=(dataclasses.replace(web, port=81),)))
    assert rules(service, pair) == {("IPv4", "tcp", 81, 81, None)}
    (group,) = service.network.security_groups(name=f"lb-{pair.id}")
    for port in (pair.vip, *pair.ports):
        assert admin.network.get_port(port.id).security_group_ids == [group.id]


def test_only_the_two_of_a_pair_may_speak_as_peers(neutron, pair, service):
    neutron.protect(pair.protection(peers_port=1025))
    assert rules(service, pair) == {("IPv4", "112", None, None, "group"), ("IPv4", "tcp", 1025, 1025, "group")}


def test_ports_of_amphorae_carry_the_vips(neutron, pair, admin):
    wanted = pair.protection()
    neutron.protect(wanted)
    seen = admin.network.get_port(pair.ports[0].id)
    assert [each["ip_address"] for each in seen.allowed_address_pairs] == [pair.vip.ip_address]
    carriers = tuple(dataclasses.replace(each, addresses=("10.99.0.9", "10.99.0.10")) for each in wanted.carriers)
    neutron.protect(dataclasses.replace(wanted, carriers=carriers))
    seen = admin.network.get_port(pair.ports[0].id)
    assert {each["ip_address"] for each in seen.allowed_address_pairs} == {"10.99.0.9", "10.99.0.10"}


def test_what_was_changed_by_hand_is_put_right_and_what_is_right_is_left_alone(neutron, pair, service, admin):
    wanted = pair.protection(openings=(Opening("tcp", 80),), peers_port=1025)
    neutron.protect(wanted)
    right = rules(service, pair)
    before = admin.network.get_port(pair.ports[0].id)
    neutron.protect(wanted)
    assert admin.network.get_port(pair.ports[0].id).revision_number == before.revision_number
    (group,) = service.network.security_groups(name=f"lb-{pair.id}")
    admin.network.create_security_group_rule(
        security_group_id=group.id, direction="ingress", ether_type="IPv4", protocol="tcp", port_range_min=22,
        port_range_max=22,
    )  # fmt: skip
    admin.network.update_port(before, allowed_address_pairs=[], security_group_ids=[])
    neutron.protect(wanted)
    assert rules(service, pair) == right
    after = admin.network.get_port(before.id)
    assert (after.security_group_ids, len(after.allowed_address_pairs)) == ([group.id], 1)


def test_groups_of_the_users_own_take_the_place_of_the_listeners_rules(neutron, pair, service, alice, admin):
    own = alice.network.create_security_group(name="own")
    neutron.protect(pair.protection(openings=(Opening("tcp", 80),), security_group_ids=(own.id,)))
    assert admin.network.get_port(pair.ports[0].id).security_group_ids == [own.id]
    wanted = pair.protection(openings=(Opening("tcp", 80),), security_group_ids=(own.id,), peers_port=1025)
    neutron.protect(wanted)
    assert len(admin.network.get_port(pair.ports[0].id).security_group_ids) == 2
    assert {rule[1] for rule in rules(service, pair)} == {"112", "tcp"}
    assert ("IPv4", "tcp", 80, 80, None) not in rules(service, pair)
    pair.remove()
    alice.network.delete_security_group(own)


def test_a_qos_policy_comes_and_goes(neutron, pair, admin):
    policy = admin.network.create_qos_policy(name="test", is_shared=True)
    neutron.protect(pair.protection(qos_policy_id=policy.id))
    assert admin.network.get_port(pair.ports[1].id).qos_policy_id == policy.id
    neutron.protect(pair.protection())
    assert admin.network.get_port(pair.ports[1].id).qos_policy_id is None
    assert neutron.qos_policy(policy.id).name == "test"
    admin.network.delete_qos_policy(policy)
    assert neutron.qos_policy(policy.id) is None


def test_a_neutron_that_is_away_is_said_to_be(configured):
    from lictor.drivers.network.neutron import NeutronNetwork

    away = NeutronNetwork(configured("[neutron]\nendpoint = http://127.0.0.1:9\n"), None)
    with pytest.raises(NetworkError, match="Neutron could not show"):
        away.subnet(str(uuid.uuid4()))


def test_users_share_connections_and_versions_and_neither_tokens_nor_cookies(neutron, alice, bob, tenant):
    """Side by side, as threads of the API do it: nobody ever sees what only another one may."""
    tokens, sent, lock = {"alice": alice.auth_token, "bob": bob.auth_token}, [], threading.Lock()
    http = neutron._users._nobodys.session

    def look(who):
        seen = neutron.as_seen_with(tokens[who])
        return who, seen.network(tenant.network_id) is not None

    def remember(answer, *_, **__):
        answer.raw._original_response.msg["Set-Cookie"] = "who=me"  # as a proxy before Neutron might
        with lock:
            sent.append((answer.request.path_url, answer.request.headers.get("X-Auth-Token")))

    http.hooks["response"].append(remember)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(look, ["alice", "bob"] * 20))
    assert set(found) == {("alice", True), ("bob", False)}
    looks = [each for each in sent if each[0].startswith("/v2.0/networks/")]
    assert {token for _, token in looks} == set(tokens.values())
    # Threads that are first together each ask for the versions; nobody does later.
    sent.clear()
    look("bob"), look("alice")
    assert [token for _, token in sent] == [tokens["bob"], tokens["alice"]]
    assert not http.cookies
