"""What administrators offer: providers, flavors, availability zones, quotas."""

import contextlib

import pytest
from openstack.exceptions import ConflictException, NotFoundException

from .conftest import ANY_SUBNET, active


@contextlib.contextmanager
def flavor_profile(lb):
    made = lb.create_flavor_profile(
        name="sdk-profile", provider_name="amphora", flavor_data='{"loadbalancer_topology": "ACTIVE_STANDBY"}'
    )
    yield made
    lb.delete_flavor_profile(made)


@contextlib.contextmanager
def zone_profile(lb):
    made = lb.create_availability_zone_profile(
        name="sdk-zone-profile", provider_name="amphora", availability_zone_data='{"compute_zone": "nova"}'
    )
    yield made
    lb.delete_availability_zone_profile(made)


def test_providers_and_what_they_can_do_are_listed(lb):
    assert "amphora" in {each.name for each in lb.providers()}
    assert "loadbalancer_topology" in {each.name for each in lb.provider_flavor_capabilities("amphora")}


def test_a_flavor_profile_is_created_found_changed_and_deleted(lb):
    with flavor_profile(lb) as made:
        assert lb.find_flavor_profile("sdk-profile").id == made.id
        assert made.id in {each.id for each in lb.flavor_profiles(provider_name="amphora")}
        assert lb.update_flavor_profile(made, name="sdk-other").name == "sdk-other"
        assert "ACTIVE_STANDBY" in lb.get_flavor_profile(made.id).flavor_data
    with pytest.raises(NotFoundException):
        lb.get_flavor_profile(made.id)


def test_a_flavor_decides_about_load_balancers_that_have_it(lb):
    with flavor_profile(lb) as profile:
        flavor = lb.create_flavor(name="sdk-pair", flavor_profile_id=profile.id, is_enabled=True)
        assert lb.find_flavor("sdk-pair").id == lb.get_flavor(flavor.id).id == flavor.id
        assert flavor.id in {each.id for each in lb.flavors(flavor_profile_id=profile.id)}
        assert lb.update_flavor(flavor, description="two of them").description == "two of them"
        made = active(lb, lb.create_load_balancer(vip_subnet_id=ANY_SUBNET, flavor_id=flavor.id))
        assert {each.role for each in lb.amphorae(loadbalancer_id=made.id)} == {"MASTER", "BACKUP"}
        with pytest.raises(ConflictException, match="in use"):
            lb.delete_flavor(flavor)
        lb.delete_load_balancer(made)
        lb.wait_for_delete(made, interval=0.05, wait=20)
        lb.delete_flavor(flavor)
        assert lb.find_flavor("sdk-pair") is None


def test_an_availability_zone_profile_is_created_found_changed_and_deleted(lb):
    with zone_profile(lb) as made:
        assert lb.find_availability_zone_profile("sdk-zone-profile").id == made.id
        assert made.id in {each.id for each in lb.availability_zone_profiles()}
        assert lb.update_availability_zone_profile(made, name="sdk-other").name == "sdk-other"
        assert "nova" in lb.get_availability_zone_profile(made.id).availability_zone_data
    assert lb.find_availability_zone_profile(made.id) is None


def test_an_availability_zone_is_created_found_changed_and_deleted(lb):
    with zone_profile(lb) as profile:
        made = lb.create_availability_zone(name="sdk-zone", availability_zone_profile_id=profile.id, is_enabled=True)
        assert lb.find_availability_zone("sdk-zone").name == lb.get_availability_zone("sdk-zone").name == made.name
        assert "sdk-zone" in {each.name for each in lb.availability_zones()}
        assert lb.update_availability_zone("sdk-zone", description="here").description == "here"
        balancer = active(lb, lb.create_load_balancer(vip_subnet_id=ANY_SUBNET, availability_zone="sdk-zone"))
        assert balancer.availability_zone == "sdk-zone"
        lb.delete_load_balancer(balancer)
        lb.wait_for_delete(balancer, interval=0.05, wait=20)
        lb.delete_availability_zone("sdk-zone")
        assert lb.find_availability_zone("sdk-zone") is None


def test_a_quota_is_set_listed_and_reset(lb):
    project = "a0b1c2d3e4f5a0b1c2d3e4f5a0b1c2d3"
    default = lb.get_quota_default()
    assert default.load_balancers == -1
    assert lb.update_quota(project, load_balancers=3, members=9).load_balancers == 3
    assert (lb.get_quota(project).members, lb.get_quota(project).pools) == (9, default.pools)
    assert project in {each.project_id for each in lb.quotas()}
    lb.delete_quota(project)
    assert lb.get_quota(project).load_balancers == default.load_balancers
