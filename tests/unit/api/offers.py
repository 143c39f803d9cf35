"""What administrators make, as tests need it: flavors and availability zones with their profiles."""

import json
from typing import Any

from tests.unit.api.world import World

NOWHERE = "11111111-1111-1111-1111-111111111111"


def post(world: World, kind: str, root: str, status: int = 201, **values: Any) -> Any:
    """The new object, or the sentence that refuses it."""
    answer = world.call("POST", f"/{kind}", status, {root: values})
    return answer[root] if status == 201 else answer["faultstring"]


def put(world: World, path: str, root: str, status: int = 200, **values: Any) -> Any:
    answer = world.call("PUT", path, status, {root: values})
    return answer[root] if status == 200 else answer["faultstring"]


def flavor_profile(world: World, status: int = 201, provider: str = "amphora", data: Any = None, **values: Any) -> Any:
    text = data if isinstance(data, str) else json.dumps(data or {})
    wanted = {"name": "profile", "provider_name": provider, "flavor_data": text}
    return post(world, "flavorprofiles", "flavorprofile", status, **(wanted | values))


def flavor(world: World, status: int = 201, name: str = "gold", data: Any = None, **values: Any) -> Any:
    if "flavor_profile_id" not in values:
        provider = values.pop("provider", "amphora")
        values["flavor_profile_id"] = flavor_profile(world, provider=provider, data=data)["id"]
    return post(world, "flavors", "flavor", status, name=name, **values)


def zone_profile(world: World, status: int = 201, provider: str = "amphora", data: Any = None, **values: Any) -> Any:
    text = data if isinstance(data, str) else json.dumps(data or {})
    wanted = {"name": "profile", "provider_name": provider, "availability_zone_data": text}
    return post(world, "availabilityzoneprofiles", "availability_zone_profile", status, **(wanted | values))


def zone(world: World, status: int = 201, name: str = "az1", data: Any = None, **values: Any) -> Any:
    if "availability_zone_profile_id" not in values:
        values["availability_zone_profile_id"] = zone_profile(world, data=data)["id"]
    return post(world, "availabilityzones", "availability_zone", status, name=name, **values)
