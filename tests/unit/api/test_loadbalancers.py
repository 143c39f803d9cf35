"""Load balancers: creation alone and with a graph, VIPs, updates, deletion, statuses, statistics."""

import pytest
from sqlalchemy import select, update

from lictor.drivers.network.base import PortRequest
from lictor.model import Amphora, ListenerStatistics, LoadBalancer
from tests.unit.api.world import World

NOWHERE = "11111111-1111-1111-1111-111111111111"


def ports(world: World) -> list[str]:
    return [port.name for port in world.networking.ports()]


def test_a_new_load_balancer_is_pending_and_has_addresses_and_ports_named_after_it(world: World) -> None:
    balancer = world.balancer(name="x", description="d", tags=["b", "a", "b"])
    assert balancer["provisioning_status"] == "PENDING_CREATE"
    assert balancer["operating_status"] == "OFFLINE"
    assert balancer["tags"] == ["a", "b"]
    assert balancer["tenant_id"] == balancer["project_id"]
    assert balancer["updated_at"] is None
    vip, other = sorted(world.networking.ports(), key=lambda port: len(port.name))
    assert vip.name == f"octavia-lb-{balancer['id']}"
    assert (vip.ip_address, vip.id) == (balancer["vip_address"], balancer["vip_port_id"])
    with world.store.read() as session:
        (amphora,) = session.scalars(select(Amphora)).all()
    assert (amphora.load_balancer_id, amphora.role, amphora.status) == (balancer["id"], "STANDALONE", "BOOTING")
    assert other.name == f"octavia-lb-vrrp-{amphora.id}"
    assert (other.ip_address, other.id) == (amphora.vrrp_ip, amphora.vrrp_port_id)
    row = world.row(balancer)
    assert row.generation > row.observed_generation
    assert world.wakes == 1


def test_a_change_of_the_load_balancer_itself_is_told_from_one_below_it(world: World) -> None:
    balancer = world.balancer()
    assert (world.row(balancer).own_generation, world.row(balancer).told_generation) == (1, 0)
    world.pool(balancer)
    row = world.row(balancer)
    assert row.generation > row.own_generation == 1
    world.change(f"/loadbalancers/{balancer['id']}", name="new")
    row = world.row(balancer)
    assert row.own_generation == row.generation


def test_the_answer_has_the_attributes_of_the_reference_and_no_others(world: World) -> None:
    expected = """id name description admin_state_up project_id tenant_id provider flavor_id availability_zone tags
        vip_address vip_subnet_id vip_network_id vip_port_id vip_qos_policy_id vip_sg_ids vip_vnic_type additional_vips
        listeners pools provisioning_status operating_status created_at updated_at"""
    assert set(world.balancer()) == set(expected.split())


def test_the_vip_can_be_given_by_network_by_address_or_by_port(world: World) -> None:
    by_network = world.create("loadbalancers", vip_network_id=world.subnet.network_id)
    assert by_network["vip_subnet_id"] == world.subnet.id
    assert world.balancer(vip_address="198.18.5.5")["vip_address"] == "198.18.5.5"
    network = world.subnet.network_id
    assert (
        world.create("loadbalancers", vip_network_id=network, vip_address="198.18.5.6")["vip_address"] == "198.18.5.6"
    )
    assert world.balancer(vip_network_id=network)["vip_network_id"] == network
    (port,) = world.networking.create_ports([PortRequest(name="mine", subnet_id=world.subnet.id, device_owner="")])
    balancer = world.create("loadbalancers", vip_port_id=port.id)
    assert balancer["vip_address"] == port.ip_address
    assert world.row(balancer).vip_port_owned is False
    assert "is the VIP of load balancer" in world.create("loadbalancers", 409, vip_port_id=port.id)
    assert world.networking.port(port.id) is not None


@pytest.mark.parametrize(
    ("status", "values", "sentence"),
    [
        (400, {}, "VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id"),
        (400, {"vip_address": "198.18.5.5"}, "VIP must contain one of"),
        (400, {"vip_subnet_id": NOWHERE}, f"Subnet {NOWHERE} not found."),
        (400, {"vip_network_id": NOWHERE}, f"Network {NOWHERE} not found."),
        (400, {"vip_port_id": NOWHERE}, f"Port {NOWHERE} not found."),
        (400, {"vip_subnet_id": "SUBNET", "vip_network_id": NOWHERE}, f"Network {NOWHERE} not found."),
        (400, {"vip_subnet_id": "SUBNET", "vip_address": "10.0.0.1"}, "10.0.0.1"),
        (400, {"vip_subnet_id": "SUBNET", "vip_address": "198.18.0.1"}, "198.18.0.1"),
        (400, {"vip_network_id": "NETWORK", "vip_address": "10.0.0.1"}, "holds the VIP address 10.0.0.1"),
        (400, {"vip_subnet_id": "SUBNET", "vip_qos_policy_id": NOWHERE}, f"QoS policy {NOWHERE} not found."),
        (400, {"vip_subnet_id": "SUBNET", "vip_sg_ids": [NOWHERE]}, f"Security group {NOWHERE} not found."),
        (400, {"vip_subnet_id": "SUBNET", "provider": "f5"}, "Provider 'f5' is not enabled."),
        (400, {"vip_subnet_id": "SUBNET", "flavor_id": NOWHERE}, f"Flavor {NOWHERE} not found."),
        (400, {"vip_subnet_id": "SUBNET", "flavor_id": "gold"}, "a UUID"),
        (400, {"vip_subnet_id": "SUBNET", "availability_zone": "az1"}, "Availability Zone az1 not found."),
        (400, {"vip_subnet_id": "SUBNET", "additional_vips": [{"subnet_id": NOWHERE}]}, f"Subnet {NOWHERE} not found."),
        (404, {"vip_subnet_id": "SUBNET", "pools": [{"members": [
            {"address": "10.0.0.1", "protocol_port": 80, "subnet_id": NOWHERE}]}]}, f"Subnet {NOWHERE} not found."),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_leaves_nothing(world: World, status: int, values: dict, sentence: str) -> None:
    places = {"SUBNET": world.subnet.id, "NETWORK": world.subnet.network_id}
    wanted = {name: places.get(value, value) if isinstance(value, str) else value for name, value in values.items()}
    assert sentence in world.create("loadbalancers", status, **wanted)
    assert world.get("/loadbalancers")["loadbalancers"] == []
    assert ports(world) == []
    assert world.wakes == 0


def test_an_address_or_port_that_is_taken_is_409_and_says_by_whom(world: World) -> None:
    first = world.balancer(vip_address="198.18.5.5")
    text = world.create("loadbalancers", 409, vip_subnet_id=world.subnet.id, vip_address="198.18.5.5")
    assert "198.18.5.5" in text
    assert first["id"] in text
    text = world.create("loadbalancers", 400, vip_port_id=first["vip_port_id"])
    assert "already used by device" in text
    assert len(ports(world)) == 2


def test_an_exhausted_pool_of_addresses_is_409(tmp_path) -> None:
    world = World(tmp_path, local_network__cidr="198.18.0.0/28")
    for _ in range(5):  # Eleven addresses, two for each.
        world.balancer()
    assert "No address is left" in world.create("loadbalancers", 409, vip_subnet_id=world.subnet.id)
    assert len(ports(world)) == 10, "a refusal sets no address aside"
    (last,) = world.networking.create_ports([PortRequest(name="mine", subnet_id=world.subnet.id, device_owner="")])
    assert "No address is left" in world.create("loadbalancers", 409, vip_port_id=last.id)
    assert len(world.get("/loadbalancers")["loadbalancers"]) == 5


def graph(world: World, **values: object) -> dict:
    member = {"address": "198.18.0.10", "protocol_port": 80, "tags": ["m"]}
    monitor = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 2}
    shared = {"name": "shared", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": [member]}
    inline = {"name": "inline", "protocol": "TCP", "lb_algorithm": "SOURCE_IP", "healthmonitor": monitor}
    listeners = [
        {"protocol": "HTTP", "protocol_port": 80, "default_pool": {"name": "shared"}},
        {"protocol": "HTTP", "protocol_port": 81, "default_pool": {"name": "shared"}},
        {"protocol": "TCP", "protocol_port": 82, "default_pool": inline},
        {"protocol": "HTTPS", "protocol_port": 83},
    ]
    return {"vip_subnet_id": world.subnet.id, "listeners": listeners, "pools": [shared]} | values


def test_a_whole_graph_is_made_in_one_call_and_shown_in_full(world: World) -> None:
    made = world.create("loadbalancers", **graph(world))
    assert [listener["protocol_port"] for listener in made["listeners"]] == [80, 81, 82, 83]
    shared, inline = made["pools"]
    pools = [listener["default_pool_id"] for listener in made["listeners"]]
    assert pools == [shared["id"], shared["id"], inline["id"], None]
    assert [member["address"] for member in shared["members"]] == ["198.18.0.10"]
    assert shared["members"][0]["operating_status"] == "NO_MONITOR"
    assert shared["members"][0]["tags"] == ["m"]
    assert inline["healthmonitor"]["type"] == "HTTP"
    assert "healthmonitor" not in shared
    for child in (*made["listeners"], *made["pools"]):
        assert "loadbalancers" not in child
        assert child["provisioning_status"] == "PENDING_CREATE"
        assert child["project_id"] == made["project_id"]
    assert "healthmonitor_id" not in inline
    shown = world.get(f"/loadbalancers/{made['id']}")["loadbalancer"]
    assert shown["pools"] == [{"id": shared["id"]}, {"id": inline["id"]}]
    assert world.wakes == 1


@pytest.mark.parametrize(
    ("status", "values", "sentence"),
    [
        (400, {"pools": []}, "Pool 'shared' is not defined"),
        (400, {"pools": [{"name": "shared", "protocol": "HTTP"}]}, "lb_algorithm. Value: 'None'. Mandatory"),
        (400, {"pools": [{"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}]}, "must be named"),
        (400, {"pools": [{"name": "shared", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}] * 2}, "given twice"),
        (400, {"pools": [{"name": "shared", "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}]}, "'TCP' is invalid"),
        (404, {"listeners": [{"protocol": "TCP", "protocol_port": 1, "default_pool_id": NOWHERE}]}, "Pool"),
        (409, {"listeners": [{"protocol": "TCP", "protocol_port": 1}, {"protocol": "HTTP", "protocol_port": 1}]},
         "already using"),
        (409, {"pools": [{"name": "shared", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN",
                          "members": [{"address": "10.0.0.1", "protocol_port": 1}] * 2}]}, "Another member"),
        (501, {"listeners": [{"protocol": "TCP", "protocol_port": 1, "l7policies": [{"action": "REJECT"}]}]},
         "does not support L7 policies on listeners of protocol TCP"),
    ],
)  # fmt: skip
def test_a_graph_with_one_mistake_makes_nothing_at_all(world: World, status: int, values: dict, sentence: str) -> None:
    assert sentence in world.create("loadbalancers", status, **graph(world, **values))
    for kind in ("loadbalancers", "listeners", "pools", "healthmonitors"):
        assert world.get(f"/{kind}")[kind] == []
    assert ports(world) == []
    assert world.wakes == 0


def test_a_member_of_a_graph_cannot_be_the_address_that_was_asked_for(world: World) -> None:
    pools = [{"name": "shared", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN",
              "members": [{"address": "::ffff:198.18.5.5", "protocol_port": 80}]}]  # fmt: skip
    assert "loop" in world.create("loadbalancers", 400, **graph(world, pools=pools, vip_address="198.18.5.5"))
    assert ports(world) == []


def test_an_update_changes_what_it_names_and_nothing_else(world: World) -> None:
    balancer = world.balancer(name="x", description="d", tags=["a"])
    world.settle()
    after = world.change(f"/loadbalancers/{balancer['id']}", name="y", admin_state_up=False)
    assert (after["name"], after["description"], after["tags"]) == ("y", "d", ["a"])
    assert after["admin_state_up"] is False
    assert after["provisioning_status"] == "PENDING_UPDATE"
    assert after["updated_at"] is not None
    assert world.row(balancer).generation == world.row(balancer).observed_generation + 1
    assert world.change(f"/loadbalancers/{balancer['id']}", description=None, tags=["b"])["tags"] == ["b"]


@pytest.mark.parametrize("status", ["PENDING_CREATE", "PENDING_UPDATE", "ACTIVE", "ERROR"])
def test_writes_are_accepted_in_every_state_but_pending_delete(world: World, status: str) -> None:
    balancer = world.balancer()
    world.store.write(lambda session: session.execute(update(LoadBalancer).values(provisioning_status=status)))
    assert world.change(f"/loadbalancers/{balancer['id']}", name="y")["name"] == "y"
    pool = world.pool(balancer)
    world.listener(balancer)
    world.delete(f"/pools/{pool['id']}")
    expected = "PENDING_CREATE" if status == "PENDING_CREATE" else "PENDING_UPDATE"
    assert world.row(balancer).provisioning_status == expected


def test_a_load_balancer_being_deleted_is_shown_and_refuses_everything(world: World) -> None:
    balancer = world.create("loadbalancers", **graph(world))
    pool, path = balancer["pools"][0], f"/loadbalancers/{balancer['id']}"
    world.call("DELETE", path, 204, params={"cascade": "true"})
    assert world.get(path)["loadbalancer"]["provisioning_status"] == "PENDING_DELETE"
    itself = f"Invalid state PENDING_DELETE of loadbalancer resource {balancer['id']}"
    refusal = f"Load Balancer {balancer['id']} is immutable and cannot be updated."
    generation, wakes = world.row(balancer).generation, world.wakes
    assert world.change(path, 409, name="x") == itself
    assert world.delete(path, 409) == itself
    assert world.change(f"/pools/{pool['id']}", 409, name="x") == refusal
    assert (
        world.create("pools", 409, loadbalancer_id=balancer["id"], protocol="TCP", lb_algorithm="SOURCE_IP") == refusal
    )
    assert world.delete(f"/listeners/{balancer['listeners'][0]['id']}", 409) == refusal
    assert (world.row(balancer).generation, world.wakes) == (generation, wakes)


@pytest.mark.parametrize("cascade", ["", "?cascade=false", "?cascade=perhaps", "?cascade"])
def test_children_stand_in_the_way_of_a_deletion_without_cascade(world: World, cascade: str) -> None:
    balancer = world.balancer()
    world.listener(balancer)
    generation = world.row(balancer).generation
    text = world.delete(f"/loadbalancers/{balancer['id']}{cascade}", 400)
    assert text.endswith(f"Cannot delete Load Balancer {balancer['id']} - it has children")
    assert world.row(balancer).generation == generation
    assert world.row(balancer).provisioning_status == "PENDING_CREATE"


def test_children_that_are_going_themselves_do_not(world: World) -> None:
    balancer = world.balancer()
    world.delete(f"/listeners/{world.listener(balancer)['id']}")
    world.delete(f"/pools/{world.pool(balancer)['id']}")
    world.delete(f"/loadbalancers/{balancer['id']}")
    assert world.row(balancer).provisioning_status == "PENDING_DELETE"


def test_cascade_marks_all_that_is_below(world: World) -> None:
    balancer = world.create("loadbalancers", **graph(world))
    other = world.create("loadbalancers", **graph(world))
    world.call("DELETE", f"/loadbalancers/{balancer['id']}?cascade=True", 204)
    for kind in ("listeners", "pools", "healthmonitors"):
        for balancer_id, status in ((balancer["id"], "PENDING_DELETE"), (other["id"], "PENDING_CREATE")):
            rows = world.get(f"/{kind}", query_string=f"loadbalancer_id={balancer_id}")[kind]
            assert {row["provisioning_status"] for row in rows} == {status}
    members = world.get(f"/pools/{balancer['pools'][0]['id']}/members")["members"]
    assert members[0]["provisioning_status"] == "PENDING_DELETE"


@pytest.mark.parametrize("name", ["x", NOWHERE, "%00", "%FF", "a" * 5000])
def test_a_load_balancer_that_is_not_there_is_404(world: World, name: str) -> None:
    for method, end in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/stats"), ("GET", "/status")):
        body = {"loadbalancer": {}} if method == "PUT" else None
        answer = world.call(method, f"/loadbalancers/{name}{end}", 404, body)
        assert answer["faultstring"].startswith("Load Balancer ")


def test_the_status_tree_shows_what_hangs_where_and_why_it_failed(world: World) -> None:
    balancer = world.create("loadbalancers", **graph(world))
    path = f"/loadbalancers/{balancer['id']}"
    tree = world.get(f"{path}/status")["statuses"]["loadbalancer"]
    assert tree == world.get(f"{path}/statuses")["statuses"]["loadbalancer"]
    assert set(tree) == {"id", "name", "operating_status", "provisioning_status", "listeners"}
    assert [[pool["name"] for pool in listener["pools"]] for listener in tree["listeners"]] == [
        ["shared"], ["shared"], ["inline"], [],
    ]  # fmt: skip
    shared, inline = tree["listeners"][0]["pools"][0], tree["listeners"][2]["pools"][0]
    assert shared["members"][0]["address"] == "198.18.0.10"
    assert "health_monitor" not in shared
    assert inline["health_monitor"]["type"] == "HTTP"
    world.store.write(lambda session: session.execute(update(LoadBalancer).values(fault="No host has room.")))
    assert world.get(f"{path}/status")["statuses"]["loadbalancer"]["fault"] == "No host has room."


def test_statistics_are_summed_and_dead_amphorae_have_no_connections(world: World) -> None:
    balancer = world.create("loadbalancers", **graph(world))
    one, two = (listener["id"] for listener in balancer["listeners"][:2])

    def fill(session) -> None:
        session.add(Amphora(id="alive", load_balancer_id=balancer["id"], status="ALLOCATED"))
        session.flush()
        for listener, amphora in ((one, "alive"), (one, "dead"), (two, "alive")):
            session.add(
                ListenerStatistics(
                    listener_id=listener, amphora_id=amphora, load_balancer_id=balancer["id"], bytes_in=1, bytes_out=2,
                    active_connections=3, total_connections=4, request_errors=5,
                )
            )  # fmt: skip

    world.store.write(fill)
    assert world.get(f"/loadbalancers/{balancer['id']}/stats")["stats"] == {
        "bytes_in": 3, "bytes_out": 6, "active_connections": 6, "total_connections": 12, "request_errors": 15,
    }  # fmt: skip
    assert world.get(f"/listeners/{one}/stats")["stats"] == {
        "bytes_in": 2, "bytes_out": 4, "active_connections": 3, "total_connections": 8, "request_errors": 10,
    }  # fmt: skip
    assert set(world.get(f"/listeners/{balancer['listeners'][3]['id']}/stats")["stats"].values()) == {0}
    world.get(f"/listeners/{NOWHERE}/stats", 404)
