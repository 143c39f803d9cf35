"""Providers: which there are, and what their flavors and availability zones may say."""

import pytest

from tests.unit.api.world import World

FLAVOR = ["loadbalancer_topology", "compute_flavor", "amp_image_tag", "sriov_vip", "allow_member_sriov"]
ZONE = ["compute_zone", "volume_zone", "management_network", "valid_vip_networks"]


@pytest.fixture
def many(tmp_path) -> World:
    """With every provider enabled, and one that nobody installed."""
    names = ("amphora", "octavia", "amphorav2", "lictor", "noop_driver", "noop_driver-alt", "f5")
    return World(tmp_path, api_settings__enabled_provider_drivers={name: f"It is {name}." for name in names})


def test_providers_are_listed_by_name_and_description(world: World) -> None:
    providers = world.get("/providers")["providers"]
    assert [each["name"] for each in providers] == ["amphora", "octavia"]
    assert all(set(each) == {"name", "description"} and each["description"] for each in providers)
    assert world.get("/providers", query_string="fields=name")["providers"] == [
        {"name": "amphora"},
        {"name": "octavia"},
    ]
    assert world.get("/providers", query_string="name=octavia&fields=name")["providers"] == [{"name": "octavia"}]
    assert world.get("/providers", query_string="name=x")["providers"] == []


def test_the_operator_says_which_providers_there_are_and_what_they_are_called(many: World) -> None:
    providers = many.get("/providers")["providers"]
    assert providers[2] == {"name": "amphorav2", "description": "It is amphorav2."}
    assert many.get("/providers", query_string="description=It is f5.")["providers"][0]["name"] == "f5"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
def test_a_single_provider_has_no_page_of_its_own(world: World, method: str) -> None:
    assert world.call(method, "/providers/amphora", 405)["faultcode"] == "Client"


@pytest.mark.parametrize("provider", ["amphora", "octavia", "amphorav2", "lictor"])
def test_capabilities_are_listed_with_descriptions(many: World, provider: str) -> None:
    for kind, names in (("flavor_capabilities", FLAVOR), ("availability_zone_capabilities", ZONE)):
        path = f"/providers/{provider}/{kind}"
        found = many.get(path)[kind]
        assert [each["name"] for each in found] == names
        assert all(each["description"].endswith(".") for each in found)
        assert many.get(path, query_string="fields=name")[kind] == [{"name": name} for name in names]
        query = f"fields=description&name={names[0]}"
        assert many.get(path, query_string=query)[kind] == [{"description": found[0]["description"]}]


@pytest.mark.parametrize("kind", ["flavor_capabilities", "availability_zone_capabilities"])
def test_capabilities_of_what_is_not_there_are_refused(many: World, kind: str) -> None:
    assert many.get(f"/providers/x/{kind}", 400)["faultstring"] == "Provider 'x' is not enabled."
    assert many.get(f"/providers/f5/{kind}", 501)["faultstring"] == "Provider 'f5' was not found."
    for method in ("PUT", "POST", "DELETE"):
        many.call(method, f"/providers/amphora/{kind}", 405)


def test_a_provider_without_availability_zones_says_so(many: World) -> None:
    answer = many.get("/providers/noop_driver/availability_zone_capabilities", 501)
    assert answer["faultstring"].startswith("Provider 'noop_driver' does not support a requested action: ")
    assert many.get("/providers/noop_driver/flavor_capabilities")["flavor_capabilities"]


@pytest.mark.parametrize("provider", ["amphora", "octavia", "amphorav2", "noop_driver-alt"])
def test_a_load_balancer_shows_the_provider_that_its_user_named(many: World, provider: str) -> None:
    assert many.balancer(provider=provider)["provider"] == provider


def test_a_flavor_of_one_name_of_a_provider_is_good_under_its_other_names(whole: World) -> None:
    data = '{"loadbalancer_topology": "SINGLE"}'
    profile = {"name": "p", "provider_name": "amphora", "flavor_data": data}
    profile_id = whole.call("POST", "/flavorprofiles", 201, {"flavorprofile": profile})["flavorprofile"]["id"]
    flavor_id = whole.create("flavors", name="f", flavor_profile_id=profile_id)["id"]
    assert whole.balancer(provider="octavia", flavor_id=flavor_id)["provider"] == "octavia"
    assert whole.balancer(flavor_id=flavor_id)["provider"] == "amphora"


def test_the_default_provider_is_the_operators(tmp_path) -> None:
    world = World(
        tmp_path,
        api_settings__enabled_provider_drivers={"noop_driver": "Nothing."},
        api_settings__default_provider_driver="noop_driver",
    )
    assert world.balancer()["provider"] == "noop_driver"
    text = "Provider 'amphora' is not enabled."
    assert world.create("loadbalancers", 400, vip_subnet_id=world.subnet.id, provider="amphora") == text
