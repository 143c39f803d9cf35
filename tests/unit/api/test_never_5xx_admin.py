"""What administrators may send gives no 5xx either."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lictor.api.requests import catalogue, loadbalancers, quotas
from lictor.api.views import AVAILABILITY_ZONE_PROFILES, AVAILABILITY_ZONES, FLAVOR_PROFILES, FLAVORS, QUOTAS
from tests.unit.api import offers
from tests.unit.api.test_never_5xx import PRINTED, Tree, check, scalars

TARGETS = (
    ("POST", "/loadbalancers", "loadbalancer", loadbalancers.LoadBalancerPost),
    ("PUT", "/quotas/project", "quota", quotas.QuotaPut),
    ("POST", "/flavors", "flavor", catalogue.FlavorPost),
    ("PUT", "/flavors/FLAVOR", "flavor", catalogue.FlavorPut),
    ("POST", "/flavorprofiles", "flavorprofile", catalogue.FlavorProfilePost),
    ("PUT", "/flavorprofiles/PROFILE", "flavorprofile", catalogue.FlavorProfilePut),
    ("POST", "/availabilityzones", "availability_zone", catalogue.AvailabilityZonePost),
    ("PUT", "/availabilityzones/a", "availability_zone", catalogue.AvailabilityZonePut),
    ("POST", "/availabilityzoneprofiles", "availability_zone_profile", catalogue.AvailabilityZoneProfilePost),
    (
        "PUT",
        "/availabilityzoneprofiles/ZONE PROFILE",
        "availability_zone_profile",
        catalogue.AvailabilityZoneProfilePut,
    ),
)
LISTS = (
    "/quotas", "/quotas/project", "/quotas/project/default", "/flavors", "/flavors/FLAVOR", "/flavorprofiles",
    "/availabilityzones", "/availabilityzones/a", "/availabilityzoneprofiles", "/providers",
    "/providers/amphora/flavor_capabilities", "/providers/octavia/availability_zone_capabilities",
)  # fmt: skip
VIEWS = (QUOTAS, FLAVORS, FLAVOR_PROFILES, AVAILABILITY_ZONES, AVAILABILITY_ZONE_PROFILES)
COLUMNS = sorted({name for view in VIEWS for name in view.columns})


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    tree = Tree(tmp_path_factory.mktemp("shop"))
    flavor, zone = offers.flavor(tree, name="a"), offers.zone(tree, name="a")
    tree.ids |= {"FLAVOR": flavor["id"], "PROFILE": flavor["flavor_profile_id"]}
    tree.ids["ZONE PROFILE"] = zone["availability_zone_profile_id"]
    yield tree


data = st.sampled_from(
    ["{}", "[", "[]", "1e999", '{"sriov_vip": true}', '{"sriov_vip": 1}', '{"loadbalancer_topology": "SINGLE"}',
     '{"loadbalancer_topology": {}}', '{"valid_vip_networks": [[]]}', '{"valid_vip_networks": ["x"]}',
     '{"compute_zone": "\\u0000"}', '{"compute_flavor": "\\ud800"}', "[" * 4000, "\ud7ff"]
)  # fmt: skip
some = st.sampled_from(["a", "b", "amphora", "octavia", "", "é", "x" * 256]) | scalars
bodies = st.fixed_dictionaries(
    {},
    optional={
        "name": some, "description": some, "enabled": some, "provider_name": some, "provider": some,
        "flavor_data": data | some, "availability_zone_data": data | some,
        "flavor_profile_id": st.just("PROFILE") | some, "availability_zone_profile_id": st.just("ZONE PROFILE") | some,
        "flavor_id": st.just("FLAVOR") | some, "availability_zone": st.just("a") | some,
        "vip_subnet_id": st.just("SUBNET"), "pool": some, "load_balancer": some, "loadbalancer": some, "member": some,
    },
)  # fmt: skip


@PRINTED
@given(target=st.sampled_from(TARGETS), body=bodies)
def test_no_body_gives_a_5xx(shop: Tree, target: tuple, body: dict) -> None:
    method, path, root, kind = target
    known = {name: value for name, value in body.items() if name in kind.__struct_fields__}
    for content in (known, body):
        check(shop.http.simulate_request(method, shop.path(path), json={root: shop.fill(content)}))


@PRINTED
@given(path=st.sampled_from(LISTS), query=st.lists(st.tuples(st.sampled_from(COLUMNS), some), max_size=3))
def test_no_query_gives_a_5xx(shop: Tree, path: str, query: list[tuple[str, object]]) -> None:
    text = "&".join(f"{name}={quote(str(value))}" for name, value in query)
    check(shop.http.simulate_get(shop.path(path), query_string=text))
    check(shop.http.simulate_get(shop.path(path), query_string=f"sort={COLUMNS[len(text) % len(COLUMNS)]}&limit=1"))


@PRINTED
@given(segment=st.text(max_size=12), method=st.sampled_from(["GET", "PUT", "DELETE"]))
def test_no_key_gives_a_5xx(shop: Tree, segment: str, method: str) -> None:
    for collection, root in (("quotas", "quota"), ("flavors", "flavor"), ("availabilityzones", "availability_zone")):
        body = {"json": {root: {}}} if method == "PUT" else {}
        answer = shop.http.simulate_request(method, shop.path(f"/{collection}/") + quote(segment, safe=""), **body)
        assert answer.status_code < 500, answer.text
