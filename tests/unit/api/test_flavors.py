"""Flavors and their profiles: made by administrators, checked by the provider."""

import pytest
from sqlalchemy import select

from lictor.model import Amphora
from tests.unit.api.offers import NOWHERE, flavor, flavor_profile, put
from tests.unit.api.world import World


def names(world: World, path: str, query: str = "") -> list[str]:
    root = path.strip("/")
    return [each["name"] for each in world.get(path, query_string=query)[root]]


def test_a_profile_is_kept_as_it_was_written(world: World) -> None:
    text = '{"loadbalancer_topology":  "SINGLE"}'
    profile = flavor_profile(world, name="small", provider="octavia", data=text)
    assert set(profile) == {"id", "name", "provider_name", "flavor_data"}
    assert (profile["name"], profile["provider_name"], profile["flavor_data"]) == ("small", "octavia", text)
    assert world.get(f"/flavorprofiles/{profile['id']}")["flavorprofile"] == profile
    shown = world.get(f"/flavorprofiles/{profile['id']}", query_string="fields=name")["flavorprofile"]
    assert shown == {"name": "small"}


def test_a_flavor_shows_its_profile_and_is_enabled_at_first(world: World) -> None:
    made = flavor(world)
    assert set(made) == {"id", "name", "description", "enabled", "flavor_profile_id"}
    assert (made["description"], made["enabled"]) == ("", True)
    assert world.get(f"/flavors/{made['id']}")["flavor"] == made


@pytest.mark.parametrize(
    ("status", "data", "text"),
    [
        (400, "{", "{ is not a valid option for flavor_data"),
        (400, "", " is not a valid option for flavor_data"),
        (400, '{"a": NaN}', '{"a": NaN} is not a valid option for flavor_data'),
        (400, "[1]", "Invalid input for field/attribute flavor_data. Value: '[1]'. Value should be a JSON object"),
        (400, "null", "Invalid input for field/attribute flavor_data. Value: 'null'. Value should be a JSON object"),
        (501, {"colour": "red"}, "Provider 'amphora' does not support a requested option: flavor_data: 'colour' is"),
        (400, {"loadbalancer_topology": "TRIPLE"}, "flavor_data.loadbalancer_topology. Value: 'TRIPLE'. Value should"),
        (400, {"loadbalancer_topology": []}, "flavor_data.loadbalancer_topology. Value: '[]'"),
        (400, {"sriov_vip": "yes"}, "flavor_data.sriov_vip. Value: 'yes'. Value should be true or false."),
        (400, {"allow_member_sriov": 1}, "flavor_data.allow_member_sriov. Value: '1'. Value should be true or false."),
        (400, {"compute_flavor": 7}, "flavor_data.compute_flavor. Value: '7'. Value should be text"),
        (400, {"amp_image_tag": ""}, "flavor_data.amp_image_tag. Value: ''. Value should be text of 1"),
        (400, " " * 4095 + "{}", "Value should be a JSON object in text form, of at most 4096 characters"),
    ],
)
def test_data_that_the_provider_cannot_use_is_refused(world: World, status: int, data: object, text: str) -> None:
    assert text in flavor_profile(world, status, data=data)
    assert names(world, "/flavorprofiles") == []


def test_each_provider_has_capabilities_of_its_own(tmp_path) -> None:
    drivers = {"amphora": "", "noop_driver": ""}
    world = World(tmp_path, api_settings__enabled_provider_drivers=drivers)
    flavor_profile(world, provider="noop_driver", data={"loadbalancer_topology": "SINGLE"})
    assert "'sriov_vip' is none of" in flavor_profile(world, 501, provider="noop_driver", data={"sriov_vip": True})


@pytest.mark.parametrize("name", ["name", "provider_name", "flavor_data"])
def test_what_a_profile_needs_is_named(world: World, name: str) -> None:
    text = f"Invalid input for field/attribute {name}. Value: 'None'. Mandatory field missing."
    assert flavor_profile(world, 400, **{name: None}) == text
    profile = flavor_profile(world)
    assert put(world, f"/flavorprofiles/{profile['id']}", "flavorprofile", 400, **{name: None}) == text


def test_a_provider_that_is_not_enabled_has_no_profiles(world: World) -> None:
    assert flavor_profile(world, 400, provider="f5") == "Provider 'f5' is not enabled."
    path = f"/flavorprofiles/{flavor_profile(world)['id']}"
    assert put(world, path, "flavorprofile", 400, provider_name="f5") == "Provider 'f5' is not enabled."


def test_an_unused_profile_can_change_and_is_checked_again(world: World) -> None:
    path = f"/flavorprofiles/{flavor_profile(world)['id']}"
    after = put(world, path, "flavorprofile", name="x", provider_name="octavia", flavor_data='{"sriov_vip": true}')
    assert (after["name"], after["provider_name"]) == ("x", "octavia")
    assert "sriov_vip" in put(world, path, "flavorprofile", 400, flavor_data='{"sriov_vip": 3}')
    assert world.get(path)["flavorprofile"] == after


def test_a_profile_in_use_keeps_what_load_balancers_were_made_of(world: World) -> None:
    profile = flavor_profile(world)
    path = f"/flavorprofiles/{profile['id']}"
    made = flavor(world, flavor_profile_id=profile["id"])
    text = f"Flavor profile {profile['id']} is in use and cannot be modified."
    assert put(world, path, "flavorprofile", 409, flavor_data='{"sriov_vip": true}') == text
    assert put(world, path, "flavorprofile", 409, provider_name="octavia") == text
    assert world.delete(path, 409) == text
    assert put(world, path, "flavorprofile", name="x", provider_name="amphora", flavor_data="{}")["name"] == "x"
    world.delete(f"/flavors/{made['id']}")
    world.delete(path)
    assert world.get(path, 404)["faultstring"] == f"Flavor profile {profile['id']} not found."


def test_a_flavor_of_no_profile_is_refused_without_a_word_of_sql(world: World) -> None:
    assert flavor(world, 400, flavor_profile_id=NOWHERE) == f"Flavor profile {NOWHERE} not found."
    assert "a UUID" in flavor(world, 400, flavor_profile_id="mine")
    assert names(world, "/flavors") == []


def test_flavors_have_names_of_their_own_but_profiles_need_not(world: World) -> None:
    one, two = flavor(world, name="one"), flavor(world, name="two")
    assert flavor(world, 409, name="one") == "A flavor of one already exists."
    assert put(world, f"/flavors/{two['id']}", "flavor", 409, name="one") == "A flavor of one already exists."
    assert put(world, f"/flavors/{one['id']}", "flavor", name="one", description="x")["description"] == "x"
    assert names(world, "/flavorprofiles") == ["profile"] * 3


def test_a_flavor_can_be_renamed_described_and_closed(world: World) -> None:
    path = f"/flavors/{flavor(world)['id']}"
    after = put(world, path, "flavor", name="x", description="y", enabled="no")
    assert (after["name"], after["description"], after["enabled"]) == ("x", "y", False)
    assert put(world, path, "flavor", description=None, enabled=None) == after | {"description": "", "enabled": True}
    refused = "Unknown attribute for argument flavor_.flavor: flavor_profile_id"
    assert put(world, path, "flavor", 400, flavor_profile_id=NOWHERE) == refused
    assert put(world, path, "flavor", 400, id=NOWHERE).endswith("flavor_.flavor: id")


@pytest.mark.parametrize("path", ["/flavors", "/flavorprofiles"])
def test_what_is_not_there_is_404(world: World, path: str) -> None:
    root = path.strip("/").removesuffix("s")
    for key in (NOWHERE, "x", "00000000-0000-0000-0000-000000000000", "%00"):
        for method, body in (("GET", None), ("PUT", {root: {}}), ("DELETE", None)):
            assert world.call(method, f"{path}/{key}", 404, body)["faultstring"].startswith("Flavor")


def test_lists_are_filtered_sorted_and_paged_like_all_others(world: World) -> None:
    profile = flavor_profile(world)["id"]
    for name in ("b", "a", "c"):
        flavor(world, name=name, enabled=name != "c", flavor_profile_id=profile)
    assert names(world, "/flavors", "sort=name") == ["a", "b", "c"]
    assert names(world, "/flavors", "sort=name:desc&enabled=true") == ["b", "a"]
    assert len(names(world, "/flavors", f"flavor_profile_id={profile}")) == 3
    by_id = sorted(world.get("/flavors")["flavors"], key=lambda each: each["id"])
    assert world.get("/flavors")["flavors"] == by_id
    first = world.get("/flavors", query_string="limit=1&enabled=true")
    (link,) = first["flavors_links"]
    assert link["rel"] == "next"
    assert "enabled=true" in link["href"]
    assert world.get("/flavors", query_string="fields=name&name=a")["flavors"] == [{"name": "a"}]
    for query in ("colour=red", "tags=a", "project_id=x", "sort=created_at", "name=a&name=b"):
        assert world.get("/flavors", 400, query_string=query)


def test_the_links_of_profiles_have_the_name_that_clients_look_for(world: World) -> None:
    for name in "ab":
        flavor_profile(world, name=name)
    page = world.get("/flavorprofiles", query_string="limit=1")
    assert set(page) == {"flavorprofiles", "flavorprofile_links"}
    assert page["flavorprofile_links"][0]["rel"] == "next"
    assert names(world, "/flavorprofiles", "name=b&provider_name=amphora") == ["b"]


# --- load balancers of a flavor --------------------------------------------------------------------------------------


def refuse(world: World, status: int, **values: object) -> str:
    text = world.create("loadbalancers", status, **({"vip_subnet_id": world.subnet.id} | values))
    assert world.get("/loadbalancers")["loadbalancers"] == []
    assert world.networking.ports() == []
    return str(text)


def test_a_load_balancer_shows_its_flavor_and_keeps_it_from_going(world: World) -> None:
    made = flavor(world, data={"loadbalancer_topology": "SINGLE"})
    balancer = world.balancer(flavor_id=made["id"])
    assert (balancer["flavor_id"], balancer["vip_vnic_type"]) == (made["id"], "normal")
    assert (
        world.get("/loadbalancers", query_string=f"flavor_id={made['id']}")["loadbalancers"][0]["id"] == balancer["id"]
    )
    path = f"/flavors/{made['id']}"
    assert world.delete(path, 409) == f"Flavor {made['id']} is in use and cannot be modified."
    assert put(world, path, "flavor", enabled=False)["enabled"] is False
    world.delete(f"/loadbalancers/{balancer['id']}")
    assert world.delete(path, 409)
    world.gone(balancer)
    world.delete(path)


def test_a_closed_flavor_is_for_nobody(world: World) -> None:
    closed = flavor(world, enabled=False)["id"]
    assert refuse(world, 400, flavor_id=closed) == f"The selected flavor is not allowed in this deployment: {closed}"


def test_the_flavor_says_the_provider(tmp_path) -> None:
    world = World(tmp_path, api_settings__enabled_provider_drivers={"amphora": "", "octavia": "", "noop_driver": ""})
    idle, real = flavor(world, name="idle", provider="noop_driver")["id"], flavor(world, provider="octavia")["id"]
    text = f"Flavor '{idle}' is not compatible with provider 'octavia'"
    assert refuse(world, 400, flavor_id=idle, provider="octavia") == text
    assert world.balancer(flavor_id=idle)["provider"] == "noop_driver"
    assert world.balancer(flavor_id=idle, provider="noop_driver")["provider"] == "noop_driver"
    assert world.balancer(flavor_id=real, provider="amphora")["provider"] == "amphora"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"compute_flavor": "m1.small"}, "flavor compute_flavor"),
        ({"amp_image_tag": "amphora"}, "flavor amp_image_tag"),
        ({"sriov_vip": True}, "flavor sriov_vip"),
        ({"allow_member_sriov": True}, "flavor allow_member_sriov"),
    ],
)
def test_what_the_data_plane_cannot_keep_is_not_promised(world: World, data: dict, text: str) -> None:
    made = flavor(world, data=data)["id"]
    assert text + " is not yet supported" in refuse(world, 501, flavor_id=made)


def test_in_a_cloud_a_flavor_says_what_amphorae_are_made_of(tmp_path) -> None:
    world = World(tmp_path, controller_worker__compute_driver="nova")
    made = flavor(world, data={"compute_flavor": "m1.small", "amp_image_tag": "amphora"})["id"]
    balancer = world.balancer(flavor_id=made)
    with world.store.read() as session:
        mine = select(Amphora.compute_flavor).where(Amphora.load_balancer_id == balancer["id"])
        assert session.scalars(mine).all() == ["m1.small"]
    made = flavor(world, name="fast", data={"sriov_vip": True})["id"]
    text = world.create("loadbalancers", 501, vip_subnet_id=world.subnet.id, flavor_id=made)
    assert "flavor sriov_vip is not yet supported" in text


def test_a_flavor_asks_for_two_amphorae(world: World) -> None:
    made = flavor(world, data={"loadbalancer_topology": "ACTIVE_STANDBY"})["id"]
    balancer = world.balancer(flavor_id=made)
    with world.store.read() as session:
        mine = select(Amphora.role, Amphora.vrrp_priority).where(Amphora.load_balancer_id == balancer["id"])
        assert sorted(session.execute(mine).all()) == [("BACKUP", 90), ("MASTER", 100)]


def test_without_a_data_plane_a_flavor_has_its_say(whole: World) -> None:
    made = flavor(whole, data={"loadbalancer_topology": "ACTIVE_STANDBY", "sriov_vip": True})["id"]
    balancer = whole.balancer(flavor_id=made)
    assert (balancer["vip_vnic_type"], whole.row(balancer).topology) == ("direct", "ACTIVE_STANDBY")
    text = whole.create("loadbalancers", 400, vip_subnet_id=whole.subnet.id, flavor_id=made, vip_sg_ids=[NOWHERE])
    assert "vip_sg_ids" in text


def test_amphorae_show_the_compute_flavor_that_the_flavor_says(whole: World) -> None:
    made = flavor(whole, data={"loadbalancer_topology": "ACTIVE_STANDBY", "compute_flavor": "m1.small"})["id"]
    balancer = whole.balancer(flavor_id=made)
    with whole.store.read() as session:
        mine = select(Amphora.compute_flavor).where(Amphora.load_balancer_id == balancer["id"])
        assert session.scalars(mine).all() == ["m1.small"] * 2


def test_members_have_sriov_ports_where_the_flavor_allows_them(whole: World) -> None:
    some, none = flavor(whole, data={"allow_member_sriov": True})["id"], flavor(whole, name="none")["id"]
    wanted = {"address": "192.0.2.1", "protocol_port": 80, "request_sriov": True}
    tree = {"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": [wanted]}
    balancer = whole.balancer(flavor_id=some, pools=[tree])
    assert balancer["pools"][0]["members"][0]["vnic_type"] == "direct"
    pool = whole.pool(balancer)
    assert whole.member(pool, request_sriov=True)["vnic_type"] == "direct"
    assert whole.member(pool, "192.0.2.9")["vnic_type"] == "normal"
    text = "The load balancer flavor does not allow SR-IOV member ports."
    for flavor_id in (none, None):
        values = {"vip_subnet_id": whole.subnet.id, "flavor_id": flavor_id}
        assert whole.create("loadbalancers", 400, **values, pools=[tree]) == text
        other = whole.pool(whole.balancer(flavor_id=flavor_id))
        assert whole.create(f"pools/{other['id']}/members", 400, **wanted) == text
        assert whole.call("PUT", f"/pools/{other['id']}/members", 400, {"members": [wanted]})["faultstring"] == text


def test_a_batch_leaves_the_kind_of_a_members_port_as_it_is(whole: World) -> None:
    made = flavor(whole, data={"allow_member_sriov": True})["id"]
    pool = whole.pool(whole.balancer(flavor_id=made))
    whole.member(pool, "192.0.2.1", request_sriov=True)
    whole.member(pool, "192.0.2.2")
    path = f"/pools/{pool['id']}/members"
    batch = [{"address": f"192.0.2.{n}", "protocol_port": 80, "weight": 2} for n in (1, 2)]
    whole.call("PUT", path, 202, {"members": batch})
    assert [each["vnic_type"] for each in whole.get(path, query_string="sort=address")["members"]] == [
        "direct",
        "normal",
    ]
    batch[1]["request_sriov"] = True
    assert "cannot change" in whole.call("PUT", path, 400, {"members": batch})["faultstring"]


def test_a_provider_that_makes_nothing_has_no_amphorae(tmp_path) -> None:
    world = World(tmp_path, api_settings__enabled_provider_drivers={"noop_driver": ""})
    balancer = world.balancer(provider="noop_driver")
    assert [port.id for port in world.networking.ports()] == [balancer["vip_port_id"]]
    with world.store.read() as session:
        assert session.scalars(select(Amphora)).all() == []
