"""Members, one at a time and by the batch."""

import pytest

from tests.unit.api.world import World

NOWHERE = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def pool(world: World) -> dict:
    return world.pool(world.balancer(vip_address="198.18.5.5"))


def batch(world: World, pool: dict, *members: dict, status: int = 202, query: str = "") -> str | None:
    answer = world.call("PUT", f"/pools/{pool['id']}/members{query}", status, {"members": list(members)})
    return answer["faultstring"] if answer else None


def at(last: int, **values: object) -> dict:
    return {"address": f"10.0.0.{last}", "protocol_port": 80} | values


def shown(world: World, pool: dict) -> dict[str, dict]:
    members = world.get(f"/pools/{pool['id']}/members")["members"]
    assert len({member["address"] for member in members}) == len(members)
    return {member["address"].rsplit(".", 1)[1]: member for member in members}


def test_a_new_member_has_the_attributes_of_the_reference(world: World, pool: dict) -> None:
    member = world.member(pool, subnet_id=world.subnet.id)
    defaults = {
        "name": "", "admin_state_up": True, "address": "198.18.0.10", "protocol_port": 80, "weight": 1, "backup": False,
        "subnet_id": world.subnet.id, "monitor_address": None, "monitor_port": None, "vnic_type": "normal", "tags": [],
        "operating_status": "NO_MONITOR", "provisioning_status": "PENDING_CREATE", "updated_at": None,
    }  # fmt: skip
    assert {name: member[name] for name in defaults} == defaults
    assert set(member) == {*defaults, "id", "project_id", "tenant_id", "created_at"}


def test_a_member_of_a_monitored_pool_begins_offline(world: World, pool: dict) -> None:
    monitor = world.monitor(pool)
    assert world.member(pool, "10.0.0.1")["operating_status"] == "OFFLINE"
    world.delete(f"/healthmonitors/{monitor['id']}")
    assert world.member(pool, "10.0.0.2")["operating_status"] == "NO_MONITOR"


@pytest.mark.parametrize("address", ["198.18.5.5", "::ffff:198.18.5.5", "::FFFF:C612:505"])
def test_the_vip_cannot_be_a_member(world: World, pool: dict, address: str) -> None:
    assert "loop" in world.create(f"pools/{pool['id']}/members", 400, address=address, protocol_port=80)
    assert "loop" in str(batch(world, pool, {"address": address, "protocol_port": 80}, status=400))


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254"])
def test_reserved_addresses_can_be_neither_served_nor_checked(world: World, pool: dict, address: str) -> None:
    path = f"pools/{pool['id']}/members"
    sentence = "169.254.169.254 is not a valid option for member address"
    assert world.create(path, 400, address=address, protocol_port=80) == sentence
    assert batch(world, pool, {"address": address, "protocol_port": 80}, status=400) == sentence
    world.create(path, 400, address="10.0.0.1", protocol_port=80, monitor_address=address)
    world.change(f"/{path}/{world.member(pool)['id']}", 400, monitor_address=address)


@pytest.mark.parametrize("address", ["web", "10.0.0", "10.0.0.1/32", "fe80::1%eth0", "", "10.0.0.01", " 10.0.0.1"])
def test_an_address_is_an_ip_address(world: World, pool: dict, address: str) -> None:
    text = world.create(f"pools/{pool['id']}/members", 400, address=address, protocol_port=80)
    assert "an IPv4 or IPv6 address" in text


def test_a_subnet_that_is_not_there_is_404(world: World, pool: dict) -> None:
    path = f"pools/{pool['id']}/members"
    text = world.create(path, 404, address="10.0.0.1", protocol_port=1, subnet_id=NOWHERE)
    assert text == f"Subnet {NOWHERE} not found."
    assert batch(world, pool, at(1, subnet_id=NOWHERE), status=404) == text


def test_address_and_port_are_one_members_only(world: World, pool: dict) -> None:
    world.member(pool, "2001:db8::1")
    path = f"pools/{pool['id']}/members"
    text = world.create(path, 409, address="2001:DB8:0:0::1", protocol_port=80)
    assert text == "Another member on this pool is already using ip 2001:DB8:0:0::1 on protocol_port 80"
    world.member(pool, "2001:db8::1", protocol_port=81)
    world.member(world.pool({"id": pool["loadbalancers"][0]["id"]}), "2001:db8::1")


def test_a_member_can_be_deleted_and_made_again_at_once(world: World, pool: dict) -> None:
    world.settle()
    old = world.member(pool, name="a", tags=["old"])
    world.delete(f"/pools/{pool['id']}/members/{old['id']}")
    assert shown(world, pool)["10"]["provisioning_status"] == "PENDING_DELETE"
    new = world.member(pool, name="b")
    assert new["id"] != old["id"]
    assert new["tags"] == []
    assert [member["id"] for member in shown(world, pool).values()] == [new["id"]]


def test_an_update_changes_what_may_change(world: World, pool: dict) -> None:
    path = f"/pools/{pool['id']}/members/{world.member(pool)['id']}"
    world.settle()
    after = world.change(path, weight=0, backup="yes", name="x", monitor_port=81, monitor_address="10.0.0.9")
    assert (after["weight"], after["backup"], after["monitor_port"]) == (0, True, 81)
    assert after["provisioning_status"] == "PENDING_UPDATE"
    assert world.get(f"/pools/{pool['id']}")["pool"]["provisioning_status"] == "PENDING_UPDATE"
    back = world.change(path, weight=None, backup=None, monitor_port=None)
    assert (back["weight"], back["backup"], back["monitor_port"]) == (1, False, None)
    for attribute in ("address", "protocol_port", "subnet_id", "request_sriov"):
        assert "Unknown attribute for argument member_.member" in world.change(path, 400, **{attribute: 1})


def test_a_member_is_found_in_its_own_pool_only(world: World, pool: dict) -> None:
    member, other = world.member(pool), world.pool({"id": pool["loadbalancers"][0]["id"]})
    world.get(f"/pools/{pool['id']}/members/{member['id']}")
    for pool_id in (other["id"], NOWHERE, "x"):
        path = f"/pools/{pool_id}/members/{member['id']}"
        world.get(path, 404)
        world.change(path, 404, weight=2)
        world.delete(path, 404)
    assert world.get(f"/pools/{NOWHERE}/members", 404)["faultstring"] == f"Pool {NOWHERE} not found."
    assert world.create(f"pools/{NOWHERE}/members", 404, address="10.0.0.1", protocol_port=1)


def test_a_batch_makes_the_pool_what_it_says(world: World, pool: dict) -> None:
    batch(world, pool, at(1, name="one", tags=["t"]), at(2, weight=5), at(3))
    first = shown(world, pool)
    assert set(first) == {"1", "2", "3"}
    world.settle()
    batch(world, pool, at(1, weight=9), at(2), at(4))
    after = shown(world, pool)
    statuses = {last: member["provisioning_status"] for last, member in after.items()}
    assert statuses == {"1": "PENDING_UPDATE", "2": "PENDING_UPDATE", "3": "PENDING_DELETE", "4": "PENDING_CREATE"}
    assert (after["1"]["weight"], after["1"]["name"], after["1"]["tags"]) == (9, "one", ["t"])
    assert after["2"]["weight"] == 1
    assert after["1"]["id"] == first["1"]["id"]


def test_an_additive_batch_takes_nothing_away(world: World, pool: dict) -> None:
    batch(world, pool, at(1), at(2))
    world.settle()
    batch(world, pool, at(2, weight=3), at(3), query="?additive_only=true")
    statuses = {last: member["provisioning_status"] for last, member in shown(world, pool).items()}
    assert statuses == {"1": "ACTIVE", "2": "PENDING_UPDATE", "3": "PENDING_CREATE"}


def test_an_empty_batch_takes_all_and_they_can_come_back_at_once(world: World, pool: dict) -> None:
    batch(world, pool, at(1), at(2))
    batch(world, pool)
    assert {member["provisioning_status"] for member in shown(world, pool).values()} == {"PENDING_DELETE"}
    batch(world, pool, at(2))
    statuses = {last: member["provisioning_status"] for last, member in shown(world, pool).items()}
    assert statuses == {"1": "PENDING_DELETE", "2": "PENDING_CREATE"}


def test_a_batch_that_changes_nothing_disturbs_nobody(world: World, pool: dict) -> None:
    batch(world, pool, at(1, tags=["a"]), at(2, subnet_id=world.subnet.id))
    world.settle()
    wakes = world.wakes
    batch(world, pool, at(1, tags=["a"]), at(2, subnet_id=world.subnet.id))
    batch(world, pool, at(1), query="?additive_only=true")
    balancer = world.get("/loadbalancers")["loadbalancers"][0]
    assert balancer["provisioning_status"] == "ACTIVE"
    assert world.wakes == wakes


def test_a_batch_with_a_mistake_changes_nothing(world: World, pool: dict) -> None:
    batch(world, pool, at(1))
    world.settle()
    assert "more than once" in str(batch(world, pool, at(1), at(1), status=400))
    assert "more than once" in str(batch(world, pool, at(2), at(2), status=409))
    assert "members[1].weight" in str(batch(world, pool, at(2), at(3, weight=257), status=400))
    assert "members[0]" in str(batch(world, pool, at(2, colour="red"), status=400))
    for body in ({}, {"members": None}, {"members": {}}, {"members": "x"}, {"members": [None]}, {"member": []}, []):
        world.call("PUT", f"/pools/{pool['id']}/members", 400, body)
    assert {last: member["provisioning_status"] for last, member in shown(world, pool).items()} == {"1": "ACTIVE"}


def test_sriov_ports_are_refused_as_the_flavor_does(world: World, pool: dict) -> None:
    text = world.create(f"pools/{pool['id']}/members", 400, address="10.0.0.1", protocol_port=1, request_sriov=True)
    assert text == "The load balancer flavor does not allow SR-IOV member ports."


def test_an_ipv6_address_comes_back_as_it_was_written_and_is_compared_by_what_it_means(world):
    pool = world.pool(world.balancer())
    written = "2001:db8:0:0:0:0:0:1"
    made = world.member(pool, written, monitor_address="2001:0DB8::2")
    assert (made["address"], made["monitor_address"]) == (written, "2001:0DB8::2")
    path = f"/pools/{pool['id']}/members"
    assert [each["id"] for each in world.get(path, query_string=f"address={written}")["members"]] == [made["id"]]
    same = {"address": "2001:db8::1", "protocol_port": 80, "weight": 7, "monitor_address": "2001:db8::2"}
    world.call("PUT", path, 202, {"members": [same]})
    (after,) = world.get(path)["members"]
    assert (after["id"], after["address"], after["weight"]) == (made["id"], written, 7)


def test_ipv4_in_ipv6s_clothes_is_undressed(world):
    pool = world.pool(world.balancer())
    assert world.member(pool, "::ffff:192.0.2.1")["address"] == "192.0.2.1"
    path = f"pools/{pool['id']}/members"
    assert "already using" in world.create(path, 409, address="192.0.2.1", protocol_port=80)


def test_a_batch_sets_back_what_it_leaves_out_and_has_a_default(world: World, pool: dict) -> None:
    everything = {
        "name": "one", "tags": ["t"], "weight": 5, "backup": True, "admin_state_up": False, "monitor_port": 81,
        "monitor_address": "10.0.0.9", "subnet_id": world.subnet.id,
    }  # fmt: skip
    batch(world, pool, at(1, **everything))
    batch(world, pool, at(1))
    after = shown(world, pool)["1"]
    back = {"weight": 1, "backup": False, "admin_state_up": True, "monitor_port": None, "monitor_address": None}
    assert {name: after[name] for name in everything} == everything | back


@pytest.mark.parametrize("body", [{}, {"members": None}, {"members": 5}, {"member": {}}])
def test_a_batch_without_a_list_is_refused_with_a_sentence(world: World, pool: dict, body: dict) -> None:
    member = world.member(pool)
    text = world.call("PUT", f"/pools/{pool['id']}/members", 400, body)["faultstring"]
    assert "member" in text
    world.get(f"/pools/{pool['id']}/members/{member['id']}")


BAD = [
    {"weight": 257}, {"weight": -1}, {"protocol_port": 0}, {"protocol_port": 65536}, {"address": None},
    {"address": "www.example.com"}, {"address": "192.0.2.0/24"}, {"monitor_port": 0}, {"monitor_address": "x"},
    {"subnet_id": "x"}, {"name": "x" * 256}, {"backup": "perhaps"}, {"tags": ["x" * 256]}, {"description": "x"},
    {"vnic_type": "direct"}, {"protocol_port": None},
]  # fmt: skip
"""What is wrong with one attribute each."""


def test_attributes_out_of_their_range_are_refused(world: World, pool: dict) -> None:
    for values in BAD:
        (name,) = values
        assert name in world.create(f"pools/{pool['id']}/members", 400, **(at(1) | values))
        assert name in str(batch(world, pool, at(1) | values, status=400))
    assert shown(world, pool) == {}


def test_weight_has_both_ends_of_its_range(world: World, pool: dict) -> None:
    batch(world, pool, at(1, weight=0), at(2, weight="256"))
    assert {last: member["weight"] for last, member in shown(world, pool).items()} == {"1": 0, "2": 256}


def test_members_of_udp_pools_that_are_used_are_of_the_vips_ip_version(world: World) -> None:
    balancer = world.balancer()
    pool = world.pool(balancer, protocol="UDP")
    world.listener(balancer, protocol="UDP", default_pool_id=pool["id"])
    world.member(pool, "192.0.2.7", monitor_address="2001:db8::7")
    path = f"pools/{pool['id']}/members"
    text = world.create(path, 400, address="2001:db8::1", protocol_port=53)
    assert text.startswith("Validation failure: Member address 2001:db8::1 is of another IP version than the load")
    batch = [{"address": "192.0.2.7", "protocol_port": 80}, {"address": "2001:db8::1", "protocol_port": 53}]
    assert "another IP version" in world.call("PUT", f"/{path}", 400, {"members": batch})["faultstring"]
    assert [each["address"] for each in world.get(f"/{path}")["members"]] == ["192.0.2.7"]
    world.member(world.pool(balancer), "2001:db8::1")


def test_a_udp_pool_with_members_of_another_ip_version_cannot_be_used(world: World) -> None:
    balancer = world.balancer()
    six = [{"address": "2001:db8::1", "protocol_port": 53}]
    wanted = {"protocol": "UDP", "lb_algorithm": "ROUND_ROBIN", "members": six}
    pool = world.create("pools", loadbalancer_id=balancer["id"], **wanted)
    assert [each["address"] for each in world.get(f"/pools/{pool['id']}/members")["members"]] == ["2001:db8::1"]
    ask = {"loadbalancer_id": balancer["id"], "protocol": "UDP", "protocol_port": 53}
    assert "another IP version" in world.create("listeners", 400, **ask, default_pool_id=pool["id"])
    assert "another IP version" in world.create("listeners", 400, **ask, default_pool=wanted)
    listener = world.create("listeners", **ask)
    assert "another IP version" in world.create("pools", 400, listener_id=listener["id"], **wanted)
    change = {"listener": {"default_pool_id": pool["id"]}}
    assert "another IP version" in world.call("PUT", f"/listeners/{listener['id']}", 400, change)["faultstring"]
    assert world.get(f"/listeners/{listener['id']}")["listener"]["default_pool_id"] is None
