"""Flavor and availability zone profiles: what they name must be in Nova, Glance and Neutron (reference, 1.15)."""

import contextlib
import json
import uuid

import falcon.testing
import pytest

from lictor.cli import application
from tests.unit import database

ATTRIBUTE = {"flavorprofiles": "flavor_data", "availabilityzoneprofiles": "availability_zone_data"}
ROOT = {"flavorprofiles": "flavorprofile", "availabilityzoneprofiles": "availability_zone_profile"}
NOWHERE = str(uuid.uuid4())


class Api:
    """The API as `lictor api` puts it together, on a database of its own."""

    def __init__(self, conf, directory):
        store = database.store(directory)
        app = application.build(conf, store, application.networking(conf, store), lambda: None)
        self._http = falcon.testing.TestClient(app)

    def post(self, kind, **data):
        """The answer to a profile with this data: its status, and the sentence if it is refused."""
        values = {"name": "profile", "provider_name": "amphora", ATTRIBUTE[kind]: json.dumps(data)}
        answer = self._http.simulate_post(f"/v2.0/lbaas/{kind}", json={ROOT[kind]: values})
        return answer.status_code, answer.json.get("faultstring", "")

    def there(self):
        """The data of all profiles that there are."""
        return [
            json.loads(each[ATTRIBUTE[kind]])
            for kind in ATTRIBUTE
            for each in self._http.simulate_get(f"/v2.0/lbaas/{kind}").json[kind.replace("tyzonep", "ty_zone_p")]
        ]


@pytest.fixture
def api(configured, tmp_path):
    """Builds an API from the configuration and more."""
    return lambda more="": Api(configured("[api_settings]\nauth_strategy = noauth\n" + more), tmp_path)


@pytest.fixture
def elsewhere(admin):
    """An image of another project's than the service account's."""
    image = admin.image.create_image(
        name="elsewhere", disk_format="raw", container_format="bare", visibility="public", tags=["elsewhere"],
        data=b"image", wait=True, use_import=False, allow_duplicates=True,
    )  # fmt: skip
    yield image
    with contextlib.suppress(Exception):
        admin.image.delete_image(image)


def test_what_the_cloud_has_is_taken(api, admin, management, tenant):
    this = api()
    flavor = {"compute_flavor": admin.compute.find_flavor("lb.small").id, "amp_image_tag": "amphora"}
    zone = {"compute_zone": "nova", "management_network": management.id, "valid_vip_networks": [tenant.network_id]}
    assert this.post("flavorprofiles", **flavor) == (201, "")
    assert this.post("availabilityzoneprofiles", **zone) == (201, "")
    assert this.there() == [flavor, zone]


@pytest.mark.parametrize(
    ("kind", "data", "title"),
    [
        ("flavorprofiles", {"compute_flavor": "lb.small"}, "Nova flavor lb.small"),  # its name is no id
        ("flavorprofiles", {"compute_flavor": NOWHERE}, f"Nova flavor {NOWHERE}"),
        ("flavorprofiles", {"compute_flavor": "../servers"}, "Nova flavor ../servers"),
        ("flavorprofiles", {"compute_flavor": ".."}, "Nova flavor .."),
        ("flavorprofiles", {"compute_flavor": "a b"}, "Nova flavor a b"),
        ("flavorprofiles", {"amp_image_tag": "none-such"}, "Image with the tag none-such"),
        ("flavorprofiles", {"amp_image_tag": "a\u0000b"}, "Image with the tag a\u0000b"),
        ("flavorprofiles", {"amp_image_tag": "Löwe & Bär?#"}, "Image with the tag Löwe & Bär?#"),
        ("flavorprofiles", {"amp_image_tag": "\U0001f981"}, "Image with the tag \U0001f981"),
        ("availabilityzoneprofiles", {"compute_zone": "mars"}, "Nova availability zone mars"),
        ("availabilityzoneprofiles", {"compute_zone": "nova:lab"}, "Nova availability zone nova:lab"),
        ("availabilityzoneprofiles", {"management_network": NOWHERE}, f"Network {NOWHERE}"),
        ("availabilityzoneprofiles", {"valid_vip_networks": [NOWHERE]}, f"Network {NOWHERE}"),
    ],
)
def test_what_it_does_not_have_is_refused_by_name(api, kind, data, title):
    this = api()
    (key,) = data
    status, text = this.post(kind, **data)
    assert (status, text.startswith(f"{title} not found: {ATTRIBUTE[kind]}.{key} should be ")) == (400, True), text
    assert this.there() == []


def test_an_image_must_be_the_owners_that_is_configured(api, service, elsewhere):
    assert api().post("flavorprofiles", amp_image_tag="elsewhere") == (201, "")
    picky = f"[controller_worker]\namp_image_owner_id = {service.current_project_id}\n"
    assert api(picky).post("flavorprofiles", amp_image_tag="elsewhere")[0] == 400


@pytest.mark.parametrize(
    ("name", "kind", "data"),
    [
        ("nova", "flavorprofiles", {"compute_flavor": "1"}),
        ("glance", "flavorprofiles", {"amp_image_tag": "amphora"}),
        ("nova", "availabilityzoneprofiles", {"compute_zone": "nova"}),
        ("neutron", "availabilityzoneprofiles", {"valid_vip_networks": [NOWHERE]}),
    ],
)
def test_a_service_that_is_away_is_named_and_nothing_is_made(api, name, kind, data):
    this = api(f"[{name}]\nendpoint = http://127.0.0.1:9\n")
    status, text = this.post(kind, **data)
    assert (status, text.partition(" ")[0]) == (503, name.capitalize())
    assert this.there() == []
