"""What profiles name of other services is there, or the profile is not made."""

import pytest

from lictor.api.app import create_app
from lictor.drivers.inventory import InventoryError
from lictor.drivers.secrets.files import FileSecrets
from tests.unit.api.offers import NOWHERE, flavor, flavor_profile, put, zone_profile
from tests.unit.api.world import World


class Stock:
    """Has one of each, and calls ``meanwhile`` when it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.meanwhile = lambda: None

    def has_flavor(self, flavor_id: str) -> bool:
        return self._has(flavor_id, "small")

    def has_image(self, tag: str) -> bool:
        return self._has(tag, "amphora")

    def has_zone(self, name: str) -> bool:
        return self._has(name, "nova")

    def _has(self, value: str, mine: str) -> bool:
        self.asked.append(value)
        self.meanwhile()
        return value == mine


class Shop(World):
    def _app(self, **options):
        self.stock = Stock()
        parts = (self.conf, self.store, self.networking, FileSecrets(self.conf), self._wake)
        return create_app(*parts, inventory=self.stock, **options)


@pytest.fixture
def shop(tmp_path) -> Shop:
    drivers = {"amphora": "", "octavia": "", "noop_driver": ""}
    return Shop(tmp_path, api_settings__enabled_provider_drivers=drivers)


def fail(words: str):
    def meanwhile() -> None:
        raise InventoryError(words)

    return meanwhile


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            {"compute_flavor": "big"},
            "Nova flavor big not found: flavor_data.compute_flavor should be the id of a flavor that Lictor's account "
            "sees in Nova.",
        ),
        (
            {"compute_flavor": "small", "amp_image_tag": "x"},
            "Image with the tag x not found: flavor_data.amp_image_tag should be a tag of an active image in Glance, "
            "of [controller_worker] amp_image_owner_id if that is set.",
        ),
    ],
)
def test_a_flavor_of_what_the_cloud_does_not_have_is_refused(shop: Shop, data: object, sentence: str) -> None:
    assert flavor_profile(shop, 400, data=data) == sentence
    profile = flavor_profile(shop, data={"compute_flavor": "small", "amp_image_tag": "amphora"})
    assert shop.get("/flavorprofiles")["flavorprofiles"] == [profile]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            {"compute_zone": "mars"},
            "Nova availability zone mars not found: availability_zone_data.compute_zone should be the name of an "
            "availability zone in Nova.",
        ),
        (
            {"compute_zone": "nova", "management_network": NOWHERE},
            f"Network {NOWHERE} not found: availability_zone_data.management_network should be the id of a network "
            "that exists.",
        ),
        (
            {"valid_vip_networks": [NOWHERE]},
            f"Network {NOWHERE} not found: availability_zone_data.valid_vip_networks should be the id of a network "
            "that exists.",
        ),
    ],
)
def test_a_zone_of_what_the_cloud_does_not_have_is_refused(shop: Shop, data: object, sentence: str) -> None:
    assert zone_profile(shop, 400, data=data) == sentence
    assert shop.get("/availabilityzoneprofiles")["availability_zone_profiles"] == []


def test_networks_are_those_of_users_and_that_of_the_management(shop: Shop) -> None:
    networks = {"management_network": shop.networking.management_network.id}
    zone_profile(shop, data=networks | {"valid_vip_networks": [shop.subnet.network_id.upper()]})


def test_what_is_changed_is_asked_about_and_what_stays_is_not(shop: Shop) -> None:
    path = f"/flavorprofiles/{flavor_profile(shop, data={'compute_flavor': 'small'})['id']}"
    before = shop.get(path)
    shop.stock.asked.clear()
    put(shop, path, "flavorprofile", name="x", flavor_data='{"compute_flavor": "small"}')
    assert shop.stock.asked == []
    assert "Nova flavor big" in put(shop, path, "flavorprofile", 400, flavor_data='{"compute_flavor": "big"}')
    assert shop.get(path)["flavorprofile"] == before["flavorprofile"] | {"name": "x"}
    put(shop, path, "flavorprofile", provider_name="octavia")
    assert shop.stock.asked == ["big", "small"]


def test_nobody_is_asked_about_what_is_refused_anyway(shop: Shop) -> None:
    profile = flavor_profile(shop)
    flavor(shop, flavor_profile_id=profile["id"])
    path, data = f"/flavorprofiles/{profile['id']}", '{"compute_flavor": "big"}'
    assert "in use" in put(shop, path, "flavorprofile", 409, flavor_data=data)
    put(shop, f"/flavorprofiles/{NOWHERE}", "flavorprofile", 404, flavor_data=data)
    flavor_profile(shop, 501, data={"compute_flavor": "big", "colour": "red"})
    flavor_profile(shop, provider="noop_driver", data={"amp_image_tag": "whatever"})
    assert shop.stock.asked == []


def test_a_service_that_is_away_is_503_in_its_words_and_nothing_is_changed(shop: Shop) -> None:
    path = f"/flavorprofiles/{flavor_profile(shop)['id']}"
    before = shop.get("/flavorprofiles")
    shop.stock.meanwhile = fail("Nova could not show flavor 'small': gone")
    data = '{"compute_flavor": "small"}'
    assert flavor_profile(shop, 503, data=data) == "Nova could not show flavor 'small': gone"
    assert put(shop, path, "flavorprofile", 503, flavor_data=data) == "Nova could not show flavor 'small': gone"
    assert shop.get("/flavorprofiles") == before


def test_a_slow_service_holds_nobody_up_and_what_was_changed_meanwhile_is_seen(shop: Shop) -> None:
    """Were it asked within the transaction, the other request would wait for it."""
    path = f"/flavorprofiles/{flavor_profile(shop)['id']}"

    def meanwhile() -> None:
        shop.stock.meanwhile = lambda: None
        put(shop, path, "flavorprofile", provider_name="octavia")

    shop.stock.meanwhile = meanwhile
    text = put(shop, path, "flavorprofile", 409, flavor_data='{"compute_flavor": "small"}')
    assert text == "Another request changed the same objects at the same time. Please try again."
    after = shop.get(path)["flavorprofile"]
    assert (after["provider_name"], after["flavor_data"]) == ("octavia", "{}")
    put(shop, path, "flavorprofile", flavor_data='{"compute_flavor": "small"}')
