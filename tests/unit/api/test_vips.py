"""Which port, subnet and network a creation means, row by row (reference, 1.6 "VIP resolution")."""

import concurrent.futures
import pathlib
import threading

import pytest

from lictor.control import settle
from lictor.drivers.network.base import PortRequest
from lictor.model import AdditionalVip
from tests.unit.api.site import GROUP, INHERITED, POLICY, Site
from tests.unit.control.conftest import begin_task

NOWHERE = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def site(tmp_path: pathlib.Path) -> Site:
    return Site(tmp_path)


def refused(site: Site, status: int = 400, **values: object) -> str:
    """The sentence with which a creation is refused, after which nothing may be there."""
    before = site.networking.names()
    sentence = str(site.create("loadbalancers", status, **values))
    assert site.networking.names() == before
    assert site.get("/loadbalancers")["loadbalancers"] == []
    assert site.wakes == 0
    return sentence


def fill(site: Site, left: int) -> None:
    """Use the addresses of the small subnet up, but for so many."""
    small = site.networking.small
    count = (site.networking.free_addresses(small.id) or 0) - left
    site.networking.create_ports([PortRequest(f"other-{number}", small.id) for number in range(count)])


# --- by network ------------------------------------------------------------------------------------------------------


def test_by_network_alone_the_address_is_an_ipv4_one(site: Site) -> None:
    made = site.create("loadbalancers", vip_network_id=site.networking.home.id)
    assert made["vip_subnet_id"] in (site.networking.four.id, site.networking.small.id)
    assert made["vip_network_id"] == site.networking.home.id
    assert "." in made["vip_address"]


def test_by_network_and_address_it_is_the_subnet_that_contains_the_address(site: Site) -> None:
    for subnet, address in ((site.networking.six, "2001:db8::77"), (site.networking.small, "192.0.2.9")):
        made = site.create("loadbalancers", vip_network_id=site.networking.home.id, vip_address=address)
        assert (made["vip_subnet_id"], made["vip_address"]) == (subnet.id, address)
    home = site.networking.home.id
    assert "holds the VIP address 203.0.113.1" in site.create(
        "loadbalancers", 400, vip_network_id=home, vip_address="203.0.113.1"
    )


@pytest.mark.parametrize(("topology", "needed"), [("SINGLE", 2), ("ACTIVE_STANDBY", 3)])
def test_by_network_subnets_without_enough_free_addresses_are_passed_over(
    tmp_path: pathlib.Path, topology: str, needed: int
) -> None:
    site = Site(tmp_path, controller_worker__loadbalancer_topology=topology)
    fill(site, needed - 1)
    for _ in range(3):
        made = site.create("loadbalancers", vip_network_id=site.networking.home.id)
        assert made["vip_subnet_id"] == site.networking.four.id


def test_a_network_none_of_whose_subnets_has_room_is_refused(tmp_path: pathlib.Path) -> None:
    site = Site(tmp_path, local_network__cidr="198.18.0.0/28")
    home, wanted = site.networking.home, {"vip_network_id": site.networking.home.id}
    made = [site.create("loadbalancers", **wanted) for _ in range(11)]
    assert {each["vip_subnet_id"] for each in made} == set(home.subnet_ids)
    site.networking.home = site.networking.home.__class__(home.id, "home", 1500, home.subnet_ids[1:])
    assert "has 2 free addresses" in site.create("loadbalancers", 400, **wanted)


# --- by subnet -------------------------------------------------------------------------------------------------------


def test_by_subnet_the_network_is_derived_and_must_match_one_that_is_given(site: Site) -> None:
    network = site.networking
    made = site.create("loadbalancers", vip_subnet_id=network.six.id)
    assert (made["vip_network_id"], ":" in made["vip_address"]) == (network.home.id, True)
    both = site.create("loadbalancers", vip_subnet_id=network.small.id, vip_network_id=network.home.id)
    assert both["vip_subnet_id"] == network.small.id
    text = site.create("loadbalancers", 400, vip_subnet_id=network.small.id, vip_network_id=network.open.id)
    assert f"VIP subnet {network.small.id} is not on network {network.open.id}" in text


# --- by port ---------------------------------------------------------------------------------------------------------


def test_a_port_with_one_address_says_everything_and_stays_when_the_load_balancer_goes(site: Site) -> None:
    port = site.networking.bring("mine", site.networking.small)
    made = site.create("loadbalancers", vip_port_id=port.id)
    found = made["vip_address"], made["vip_subnet_id"], made["vip_network_id"], made["vip_port_id"]
    assert found == (port.ip_address, site.networking.small.id, site.networking.home.id, port.id)
    assert site.row(made).vip_port_owned is False


def test_a_port_with_two_addresses_needs_a_word_on_which_is_meant(site: Site) -> None:
    network = site.networking
    port = network.bring("two", network.small)
    text = refused(site, vip_port_id=port.id)
    assert port.ip_address in text
    assert "2001:db8::5" in text
    by_subnet = site.create("loadbalancers", vip_port_id=port.id, vip_subnet_id=network.six.id)
    assert (by_subnet["vip_address"], by_subnet["vip_subnet_id"]) == ("2001:db8::5", network.six.id)


def test_a_port_s_address_can_be_named_by_itself(site: Site) -> None:
    port = site.networking.bring("two", site.networking.small)
    made = site.create("loadbalancers", vip_port_id=port.id, vip_address=port.ip_address)
    assert (made["vip_address"], made["vip_subnet_id"]) == (port.ip_address, site.networking.small.id)


def test_what_contradicts_a_port_is_refused(site: Site) -> None:
    network = site.networking
    port = network.bring("mine", network.small)
    assert "203.0.113.1" in refused(site, vip_port_id=port.id, vip_address="203.0.113.1")
    assert network.six.id in refused(site, vip_port_id=port.id, vip_subnet_id=network.six.id)
    assert network.open.id in refused(site, vip_port_id=port.id, vip_network_id=network.open.id)
    busy = network.bring("busy", network.small, device_id="server-1")
    assert f"VIP port {busy.id} is already used by device server-1." in refused(site, vip_port_id=busy.id)
    assert f"Port {NOWHERE} not found." in refused(site, vip_port_id=NOWHERE)


def test_one_port_is_the_vip_of_one_load_balancer(site: Site) -> None:
    network = site.networking
    port, other = network.bring("mine", network.small), network.bring("other", network.four)
    more = [{"subnet_id": network.four.id, "port_id": other.id}]
    first = site.create("loadbalancers", vip_port_id=port.id, additional_vips=more)
    before = network.names()
    for given in (port, other):
        again = {"subnet_id": given.subnet_id, "port_id": given.id}
        for values in (
            {"vip_port_id": given.id},
            {"vip_subnet_id": network.six.id, "additional_vips": [again]},
        ):
            text = site.create("loadbalancers", 409, **values)
            assert text == f"Port {given.id} is the VIP of load balancer {first['id']} already."
    assert network.names() == before


def test_one_port_with_two_addresses_can_be_both_vips_of_its_load_balancer(site: Site) -> None:
    network = site.networking
    port = network.bring("two", network.small)
    more = [{"subnet_id": network.six.id, "port_id": port.id}]
    made = site.create("loadbalancers", vip_port_id=port.id, vip_subnet_id=network.small.id, additional_vips=more)
    assert (made["vip_address"], made["additional_vips"][0]["ip_address"]) == (port.ip_address, "2001:db8::5")


@pytest.mark.parametrize("wanted", [["main"], ["additional"], ["main", "additional"]])
def test_of_many_who_want_one_port_at_the_same_time_one_gets_it(site: Site, wanted: list[str]) -> None:
    network, barrier = site.networking, threading.Barrier(6)
    port = network.bring("mine", network.small)
    more = [{"subnet_id": network.small.id, "port_id": port.id}]
    ways = {
        "main": {"vip_port_id": port.id},
        "additional": {"vip_subnet_id": network.four.id, "additional_vips": more},
    }

    def create(number: int) -> int:
        body = {"loadbalancer": ways[wanted[number % len(wanted)]]}
        barrier.wait(30)
        return site.http.simulate_post("/v2/loadbalancers", json=body).status_code

    with concurrent.futures.ThreadPoolExecutor(6) as crowd:
        answers = list(crowd.map(create, range(6)))
    assert sorted(answers) == [201, 409, 409, 409, 409, 409]
    (made,) = site.get("/loadbalancers")["loadbalancers"]
    assert port.id in (made["vip_port_id"], *(vip["port_id"] for vip in made["additional_vips"]))
    (amphora,) = site.get("/v2.0/octavia/amphorae")["amphorae"]
    left = network.names() - {f"octavia-lb-{made['id']}"}
    assert left == {"mine", f"octavia-lb-vrrp-{amphora['id']}"}, "the others gave back what they took"


def test_the_port_of_a_load_balancer_that_is_gone_is_free_again(site: Site) -> None:
    port = site.networking.bring("mine", site.networking.small)
    for _ in range(2):
        made = site.create("loadbalancers", vip_port_id=port.id)
        site.delete(f"/loadbalancers/{made['id']}")
        settle.deleted(begin_task(site.store, site.conf))


# --- what the operator allows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["vip_port_id", "vip_network_id", "vip_subnet_id"])
def test_each_way_to_say_it_can_be_ruled_out(tmp_path: pathlib.Path, source: str) -> None:
    site = Site(tmp_path, **{f"networking__allow_{source}": False})
    text = refused(site, **{source: NOWHERE})
    assert text == f"The selected {source} is not allowed in this deployment: {NOWHERE}"
    others = [each for each in ("vip_port_id", "vip_network_id", "vip_subnet_id") if each != source]
    assert refused(site) == f"Validation failure: VIP must contain one of: {', '.join(others)}."


def test_only_valid_networks_that_are_not_denied_have_vips(tmp_path: pathlib.Path) -> None:
    for option, sentence in (("valid_vip_networks", [NOWHERE]), ("denylist_vip_networks", None)):
        directory = tmp_path / option
        directory.mkdir()
        home = Site(directory).networking.home.id
        site = Site(directory, **{f"networking__{option}": sentence or [home.upper()]})
        for values in ({"vip_network_id": home}, {"vip_subnet_id": site.networking.four.id}):
            assert f"No VIP may be on network {home}" in refused(site, **values)
        port = site.networking.bring("mine", site.networking.small)
        assert f"No VIP may be on network {home}" in refused(site, vip_port_id=port.id)


def test_a_network_without_port_security_has_no_vips(site: Site) -> None:
    assert "port security" in refused(site, vip_subnet_id=site.networking.lonely.id)


# --- additional VIPs -------------------------------------------------------------------------------------------------


def test_additional_vips_have_ports_of_their_own_and_are_shown(site: Site) -> None:
    network = site.networking
    port = network.bring("mine", network.small)
    more = [
        {"subnet_id": network.six.id, "ip_address": "2001:db8::99"},
        {"subnet_id": network.small.id, "port_id": port.id},
    ]
    made = site.create("loadbalancers", vip_subnet_id=network.four.id, additional_vips=more)
    six, small = made["additional_vips"]
    assert (six["subnet_id"], six["ip_address"]) == (network.six.id, "2001:db8::99")
    assert small == {"subnet_id": network.small.id, "ip_address": port.ip_address, "port_id": port.id}
    assert site.get(f"/loadbalancers/{made['id']}")["loadbalancer"]["additional_vips"] == [six, small]
    (mine,) = [each for each in network.names() if each.startswith("octavia-lb-vip-")]
    assert mine == f"octavia-lb-vip-1-{made['id']}"
    with site.store.read() as session:
        owned = [session.get_one(AdditionalVip, (made["id"], each["subnet_id"])).port_owned for each in (six, small)]
    assert owned == [True, False]


def test_by_network_the_main_vip_keeps_off_the_subnets_of_additional_ones(site: Site) -> None:
    network = site.networking
    more = [{"subnet_id": network.four.id}, {"subnet_id": network.small.id}]
    made = site.create("loadbalancers", vip_network_id=network.home.id, additional_vips=more)
    assert made["vip_subnet_id"] == network.six.id
    assert [vip["subnet_id"] for vip in made["additional_vips"]] == [network.four.id, network.small.id]


def test_additional_vips_that_cannot_be_are_refused_and_leave_nothing(site: Site) -> None:
    network = site.networking
    port = network.bring("mine", network.small)
    busy = network.bring("busy", network.small, device_id="server-1")
    taken = network.bring("taken", network.six, ip_address="2001:db8::7")
    for status, sentence, *more in (
        (400, "named twice", {"subnet_id": network.four.id}),
        (400, "named twice", {"subnet_id": network.six.id}, {"subnet_id": network.six.id}),
        (400, f"Subnet {NOWHERE} not found.", {"subnet_id": NOWHERE}),
        (400, "is not on network", {"subnet_id": network.lonely.id}),
        (400, f"Port {NOWHERE} not found.", {"subnet_id": network.six.id, "port_id": NOWHERE}),
        (400, "does not have", {"subnet_id": network.six.id, "port_id": port.id}),
        (400, "does not have", {"subnet_id": network.small.id, "port_id": port.id, "ip_address": "192.0.2.3"}),
        (400, "used by device server-1", {"subnet_id": network.small.id, "port_id": busy.id}),
        (400, "203.0.113.1", {"subnet_id": network.small.id, "ip_address": "203.0.113.1"}),
        (409, taken.ip_address, {"subnet_id": network.six.id, "ip_address": taken.ip_address}),
        (400, "subnet_id. Value: 'None'. Mandatory", {"ip_address": "192.0.2.3"}),
    ):
        assert sentence in refused(site, status, vip_subnet_id=network.four.id, additional_vips=list(more))


def test_cidrs_of_the_family_of_any_vip_are_accepted(site: Site) -> None:
    network = site.networking
    balancer = site.create(
        "loadbalancers", vip_subnet_id=network.four.id, additional_vips=[{"subnet_id": network.six.id}]
    )
    assert site.listener(balancer, 80, allowed_cidrs=["2001:db8:1::/64"])["allowed_cidrs"] == ["2001:db8:1::/64"]


# --- QoS policies and security groups --------------------------------------------------------------------------------


def test_a_qos_policy_is_the_one_asked_for_or_that_of_the_port(site: Site) -> None:
    network = site.networking
    slow, slower = network.bring("slow", network.small), network.bring("slow", network.four)
    assert site.balancer(vip_qos_policy_id=POLICY)["vip_qos_policy_id"] == POLICY
    assert site.create("loadbalancers", vip_port_id=slow.id)["vip_qos_policy_id"] == INHERITED
    named = site.create("loadbalancers", vip_port_id=slower.id, vip_qos_policy_id=POLICY)
    assert named["vip_qos_policy_id"] == POLICY
    path = f"/loadbalancers/{named['id']}"
    assert site.change(path, vip_qos_policy_id=None)["vip_qos_policy_id"] is None
    assert site.change(path, vip_qos_policy_id=POLICY)["vip_qos_policy_id"] == POLICY
    assert site.change(path, 400, vip_qos_policy_id=NOWHERE) == f"QoS policy {NOWHERE} not found."
    assert site.get(path)["loadbalancer"]["vip_qos_policy_id"] == POLICY


def test_security_groups_are_stored_changed_and_taken_away(site: Site) -> None:
    balancer = site.balancer(vip_sg_ids=[GROUP])
    path = f"/loadbalancers/{balancer['id']}"
    assert balancer["vip_sg_ids"] == [GROUP]
    assert site.change(path, vip_sg_ids=[])["vip_sg_ids"] == []
    assert site.change(path, vip_sg_ids=[GROUP])["vip_sg_ids"] == [GROUP]
    assert site.change(path, vip_sg_ids=None)["vip_sg_ids"] == []
    assert site.change(path, 400, vip_sg_ids=[NOWHERE]) == f"Security group {NOWHERE} not found."


def test_security_groups_and_allowed_cidrs_exclude_each_other(site: Site) -> None:
    cidrs, listener = ["203.0.113.0/24"], {"protocol": "HTTP", "protocol_port": 80}
    listeners = [listener | {"allowed_cidrs": cidrs}]
    assert "vip_sg_ids" in refused(site, vip_subnet_id=site.subnet.id, vip_sg_ids=[GROUP], listeners=listeners)
    balancer = site.balancer(vip_sg_ids=[GROUP])
    plain = site.listener(balancer)
    wanted = listener | {"loadbalancer_id": balancer["id"], "protocol_port": 81, "allowed_cidrs": cidrs}
    assert "vip_sg_ids" in site.create("listeners", 400, **wanted)
    assert "vip_sg_ids" in site.change(f"/listeners/{plain['id']}", 400, allowed_cidrs=cidrs)
    other = site.balancer()
    limited = site.listener(other, allowed_cidrs=cidrs)
    assert "allowed_cidrs" in site.change(f"/loadbalancers/{other['id']}", 400, vip_sg_ids=[GROUP])
    assert site.change(f"/loadbalancers/{other['id']}", vip_sg_ids=[])["vip_sg_ids"] == []
    site.delete(f"/listeners/{limited['id']}")
    assert site.change(f"/loadbalancers/{other['id']}", vip_sg_ids=[GROUP])["vip_sg_ids"] == [GROUP]
