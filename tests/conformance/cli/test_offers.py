"""What administrators offer: `provider`, `flavor`, `flavorprofile`, `availabilityzone`, `...profile`, `quota`."""

import json

from .conftest import ANY_SUBNET


def test_providers_and_what_they_can_do_are_listed(shown):
    assert "amphora" in [each["name"] for each in shown("provider list")]
    found = shown("provider capability list amphora")
    assert {"flavor", "availability_zone"} == {each["type"] for each in found}
    assert "loadbalancer_topology" in [each["name"] for each in shown("provider capability list --flavor amphora")]


def test_a_flavor_and_its_profile_are_created_shown_set_unset_and_deleted(cli, shown, refused, settled):
    data = json.dumps(json.dumps({"loadbalancer_topology": "ACTIVE_STANDBY"}))
    profile = shown(f"flavorprofile create --name pair --provider amphora --flavor-data {data}")
    assert [each["id"] for each in shown("flavorprofile list --name pair")] == [profile["id"]]
    cli("flavorprofile set --name two pair")
    assert "ACTIVE_STANDBY" in shown("flavorprofile show two")["flavor_data"]
    made = shown("flavor create --name twins --flavorprofile two --description d --enable")
    assert [each["id"] for each in shown("flavor list --name twins")] == [made["id"]]
    cli("flavor set --description other --disable twins")
    assert made["id"] in refused(f"create --vip-subnet-id {ANY_SUBNET} --flavor twins")
    cli("flavor unset --description twins")
    cli("flavor set --enable twins")
    found = shown("flavor show twins")
    assert (found["description"], found["enabled"]) == ("", True)
    shown(f"create --name paired --vip-subnet-id {ANY_SUBNET} --flavor twins")
    settled("paired")
    assert {each["role"] for each in shown("amphora list --loadbalancer paired")} == {"MASTER", "BACKUP"}
    assert "in use" in refused("flavor delete twins")
    cli("delete --wait paired")
    cli("flavor delete twins")
    cli("flavorprofile delete two")
    assert refused("flavorprofile show two") == "Unable to locate two in flavorprofiles"


def test_an_availability_zone_and_its_profile_are_created_shown_set_unset_and_deleted(cli, shown, refused):
    data = json.dumps(json.dumps({"compute_zone": "nova"}))
    profile = shown(f"availabilityzoneprofile create --name p --provider amphora --availability-zone-data {data}")
    assert [each["id"] for each in shown("availabilityzoneprofile list --name p")] == [profile["id"]]
    cli("availabilityzoneprofile set --name q p")
    assert "nova" in shown("availabilityzoneprofile show q")["availability_zone_data"]
    made = shown("availabilityzone create --name here --availabilityzoneprofile q --description d")
    assert (made["name"], made["enabled"]) == ("here", True)
    assert "here" in [each["name"] for each in shown("availabilityzone list")]
    cli("availabilityzone set --description other --disable here")
    found = shown("availabilityzone show here")
    assert (found["description"], found["enabled"]) == ("other", False)
    cli("availabilityzone unset --description here")
    assert shown("availabilityzone show here")["description"] == ""
    cli("availabilityzone delete here")
    cli("availabilityzoneprofile delete q")
    assert refused("availabilityzoneprofile show q") == "Unable to locate q in availability_zone_profiles"


def test_a_quota_is_set_shown_unset_and_reset(cli, shown, balancer):
    project = balancer["project_id"]
    default = shown("quota defaults show")["load_balancer"]
    cli(f"quota set --loadbalancer 30 --member 90 {project}")
    found = shown(f"quota show {project}")
    assert (found["load_balancer"], found["member"]) == (30, 90)
    assert project in [each["project_id"] for each in shown("quota list")]
    cli(f"quota unset --loadbalancer {project}")
    assert shown(f"quota show {project}")["load_balancer"] == default
    cli(f"quota reset {project}")
    assert shown(f"quota show {project}")["member"] == default
