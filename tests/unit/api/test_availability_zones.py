"""Availability zones, known by their names, and their profiles."""

import pytest

from tests.unit.api.offers import NOWHERE, put, zone, zone_profile
from tests.unit.api.world import World


def names(world: World, query: str = "") -> list[str]:
    return [each["name"] for each in world.get("/availabilityzones", query_string=query)["availability_zones"]]


def test_a_zone_is_known_by_its_name(world: World) -> None:
    made = zone(world, name="Zone 1 (ü)", description="x")
    assert set(made) == {"name", "description", "enabled", "availability_zone_profile_id"}
    assert world.get("/availabilityzones/Zone 1 (ü)")["availability_zone"] == made
    assert zone(world, 409, name="Zone 1 (ü)") == "A availability zone of Zone 1 (ü) already exists."


@pytest.mark.parametrize("name", ["", "a/b", "x" * 256, None])
def test_a_name_that_no_path_could_hold_is_refused(world: World, name: object) -> None:
    assert "Invalid input for field/attribute name." in zone(world, 400, name=name)
    assert names(world) == []


def test_a_profile_is_kept_as_it_was_written(world: World) -> None:
    data = {"compute_zone": "nova", "volume_zone": "cinder", "management_network": world.subnet.network_id}
    profile = zone_profile(world, data=data | {"valid_vip_networks": [world.subnet.network_id]})
    assert set(profile) == {"id", "name", "provider_name", "availability_zone_data"}
    path = f"/availabilityzoneprofiles/{profile['id']}"
    assert world.get(path)["availability_zone_profile"] == profile


@pytest.mark.parametrize(
    ("status", "data", "text"),
    [
        (400, "{", "{ is not a valid option for availability_zone_data"),
        (400, '"x"', "Value should be a JSON object in text form"),
        (501, {"colour": 1}, "does not support a requested option: availability_zone_data: 'colour' is none of"),
        (400, {"management_network": "mgmt"}, "availability_zone_data.management_network. Value: 'mgmt'. Value should"),
        (400, {"valid_vip_networks": NOWHERE}, "Value should be a list of UUIDs."),
        (400, {"valid_vip_networks": ["x"]}, "Value should be a list of UUIDs."),
        (400, {"compute_zone": None}, "availability_zone_data.compute_zone. Value: 'None'."),
    ],
)
def test_data_that_the_provider_cannot_use_is_refused(world: World, status: int, data: object, text: str) -> None:
    assert text in zone_profile(world, status, data=data)


def test_a_provider_without_zones_has_no_profiles_of_them(tmp_path) -> None:
    world = World(tmp_path, api_settings__enabled_provider_drivers={"noop_driver": ""})
    assert "it has no availability zones" in zone_profile(world, 501, provider="noop_driver")


def test_a_profile_in_use_keeps_what_load_balancers_were_made_of(world: World) -> None:
    profile = zone_profile(world)
    path = f"/availabilityzoneprofiles/{profile['id']}"
    zone(world, availability_zone_profile_id=profile["id"])
    text = f"Availability Zone Profile {profile['id']} is in use and cannot be modified."
    changed = {"availability_zone_data": '{"compute_zone": "x"}'}
    assert put(world, path, "availability_zone_profile", 409, **changed) == text
    assert world.delete(path, 409) == text
    assert put(world, path, "availability_zone_profile", name="x")["name"] == "x"
    world.delete("/availabilityzones/az1")
    assert put(world, path, "availability_zone_profile", **changed)["availability_zone_data"] == '{"compute_zone": "x"}'
    world.delete(path)


def test_a_zone_of_no_profile_is_refused(world: World) -> None:
    text = f"Availability Zone Profile {NOWHERE} not found."
    assert zone(world, 400, availability_zone_profile_id=NOWHERE) == text
    assert names(world) == []


def test_a_zone_can_be_described_and_closed_but_not_renamed(world: World) -> None:
    zone(world)
    path = "/availabilityzones/az1"
    after = put(world, path, "availability_zone", description="y", enabled=False)
    assert (after["description"], after["enabled"]) == ("y", False)
    refused = "Unknown attribute for argument availability_zone_.availability_zone: "
    for attribute in ("name", "availability_zone_profile_id"):
        assert put(world, path, "availability_zone", 400, **{attribute: "x"}) == refused + attribute
    world.delete(path)
    assert world.get(path, 404)["faultstring"] == "Availability Zone az1 not found."


@pytest.mark.parametrize("key", ["x", "%00", "%FF", "a" * 5000])
def test_what_is_not_there_is_404(world: World, key: str) -> None:
    for method, body in (("GET", None), ("PUT", {"availability_zone": {}}), ("DELETE", None)):
        assert world.call(method, f"/availabilityzones/{key}", 404, body)["faultcode"] == "Client"
        body = {"availability_zone_profile": {}} if body else None
        assert world.call(method, f"/availabilityzoneprofiles/{key}", 404, body)["faultcode"] == "Client"


def test_lists_are_filtered_sorted_and_paged_by_name(world: World) -> None:
    profile = zone_profile(world)["id"]
    for name in ("b", "a", "c"):
        zone(world, name=name, enabled=name != "c", availability_zone_profile_id=profile)
    assert names(world) == ["a", "b", "c"]
    assert names(world, "sort=name:desc&enabled=True") == ["b", "a"]
    assert names(world, "limit=1&marker=a") == ["b"]
    page = world.get("/availabilityzones", query_string="limit=2&fields=description")
    assert page["availability_zones"] == [{"description": ""}] * 2
    assert "marker=b" in page["availability_zones_links"][0]["href"]
    for query in ("id=x", "tags=a", "marker=x", "sort=id"):
        assert world.get("/availabilityzones", 400, query_string=query)


def test_the_links_of_profiles_have_the_name_that_clients_look_for(world: World) -> None:
    for name in "ab":
        zone_profile(world, name=name)
    page = world.get("/availabilityzoneprofiles", query_string="limit=1")
    assert set(page) == {"availability_zone_profiles", "availability_zone_profile_links"}
    assert page["availability_zone_profile_links"][0]["rel"] == "next"


# --- load balancers in a zone ----------------------------------------------------------------------------------------


def refuse(world: World, status: int, **values: object) -> str:
    text = world.create("loadbalancers", status, **({"vip_subnet_id": world.subnet.id} | values))
    assert world.get("/loadbalancers")["loadbalancers"] == []
    assert world.networking.ports() == []
    return str(text)


def test_a_load_balancer_shows_its_zone_and_keeps_it_from_going(world: World) -> None:
    zone(world)
    balancer = world.balancer(availability_zone="az1")
    assert balancer["availability_zone"] == "az1"
    found = world.get("/loadbalancers", query_string="availability_zone=az1")["loadbalancers"]
    assert [each["id"] for each in found] == [balancer["id"]]
    assert world.delete("/availabilityzones/az1", 409) == "Availability Zone az1 is in use and cannot be modified."
    world.delete(f"/loadbalancers/{balancer['id']}")
    world.gone(balancer)
    world.delete("/availabilityzones/az1")


def test_a_closed_zone_is_for_nobody(world: World) -> None:
    zone(world, enabled=False)
    text = "The selected availability_zone is not allowed in this deployment: az1"
    assert refuse(world, 400, availability_zone="az1") == text


@pytest.mark.parametrize("key", ["compute_zone", "volume_zone", "management_network"])
def test_what_the_data_plane_cannot_keep_is_not_promised(world: World, key: str) -> None:
    zone(world, data={key: world.networking.management_network.id})
    assert f"availability_zone {key} is not yet supported" in refuse(world, 501, availability_zone="az1")


def test_in_a_cloud_a_zone_says_where_amphorae_are(tmp_path) -> None:
    world = World(tmp_path, controller_worker__compute_driver="nova")
    zone(world, data={"compute_zone": "nova", "management_network": world.networking.management_network.id})
    assert world.balancer(availability_zone="az1")["availability_zone"] == "az1"
    zone(world, name="az2", data={"volume_zone": "cinder"})
    text = world.create("loadbalancers", 501, vip_subnet_id=world.subnet.id, availability_zone="az2")
    assert "availability_zone volume_zone is not yet supported" in text


def test_without_a_data_plane_all_of_a_zone_is_accepted(whole: World) -> None:
    network_id = whole.subnet.network_id
    zone(whole, data={"compute_zone": "nova", "volume_zone": "cinder", "management_network": network_id})
    assert whole.balancer(availability_zone="az1")["availability_zone"] == "az1"


def test_a_zone_of_another_provider_is_refused(tmp_path) -> None:
    world = World(tmp_path, api_settings__enabled_provider_drivers={"amphora": "", "noop_driver": ""})
    zone(world)
    text = "Availability zone 'az1' is not compatible with provider 'noop_driver'"
    assert refuse(world, 400, availability_zone="az1", provider="noop_driver") == text


def test_the_zone_says_which_networks_a_vip_may_be_on(tmp_path) -> None:
    world = World(tmp_path, local_network__further_networks=["198.18.128.0/24"])
    here, there = (each.id for each in world.networking.networks())
    zone(world, name="here", data={"valid_vip_networks": [there, here.upper()]})
    zone(world, name="elsewhere", data={"valid_vip_networks": [there]})
    zone(world, name="anywhere", data={"valid_vip_networks": []})
    text = f"Validation failure: No VIP may be on network {here} in this availability zone."
    for source in ({}, {"vip_subnet_id": None, "vip_network_id": here}):
        assert refuse(world, 400, availability_zone="elsewhere", **source) == text
    for name in ("here", "anywhere"):
        assert world.balancer(availability_zone=name)["vip_network_id"] == here
