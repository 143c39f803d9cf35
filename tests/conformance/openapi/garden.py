"""What there is for a run of schemathesis to look at, change and delete: from random ids alone nothing would be found.

Whatever a request creates is remembered under its collection, and a tree is planted where there is nothing left. Good
requests are pointed at what is there, three times out of four.
"""

import re
import zlib
from typing import Any
from urllib.parse import unquote

import requests

from lictor.api import routes
from lictor.api.document import steps
from lictor.api.document.operations import Operation

L = "/v2.0/lbaas"
SUBNET = "1b2c3d4e-0000-4000-8000-000000000001"
"""With the network driver noop, a subnet with any id exists."""

TABLE = list(routes.every())
CREATIONS: dict[str, Operation] = {
    path: route.operations["post"] for path, route in TABLE if "post" in route.operations
}

Bed = dict[str, list[dict[str, str]]]


class Garden:
    """The objects of each collection, as values of the parameters in the path of one."""

    def __init__(self, endpoint: str, auth: tuple[str, str]) -> None:
        self._endpoint, self._auth = endpoint, auth
        self._found: Bed = {}
        self._parents: dict[str, str] = {}
        self._deleted: set[str] = set()

    def remember(self, path: str, parameters: dict[str, Any], document: Any) -> None:
        """Something was created by a POST on ``path``."""
        made = CREATIONS[path].answer
        view = made and made.view
        if made is None or view is None:
            return
        (name,) = {found for each, _ in TABLE if (found := _last(each, path))}
        outer = {key: str(value) for key, value in parameters.items()}
        shown = document[made.root]
        self._found.setdefault(path, []).append({**outer, name: shown[view.key]})
        above = shown.get("loadbalancers") or shown.get("pools") or []
        parents = [*outer.values(), shown.get("listener_id"), *(each.get("id") for each in above)]
        self._parents[shown[view.key]] = next((parent for parent in parents if parent), "")

    def forget(self, parameters: dict[str, Any]) -> None:
        """Something was deleted."""
        key = str(list(parameters.values())[-1])
        self._deleted |= {key, unquote(key)}  # schemathesis writes what it made up as it will stand in the path

    def is_gone(self, key: str) -> bool:
        """Whether it was deleted, alone or with what it hung on."""
        above = self._parents.get(key)
        return key in self._deleted or (bool(above) and self.is_gone(str(above)))

    def point(self, case: Any) -> None:
        """Have a request speak of something that is there."""
        chance = zlib.crc32(repr((case.path_parameters, case.body)).encode())
        if chance % 4:
            owner = max((path for path in CREATIONS if case.path.startswith(path + "/{")), key=len, default=None)
            linked = case._override and case._override.path_parameters  # it follows a link, to what was just made
            if owner and not linked and (found := self._some(owner)):
                case.path_parameters = dict(case.path_parameters or {}) | found[chance % len(found)]
            self._name_parents(case, chance)

    def _name_parents(self, case: Any, chance: int) -> None:
        root = next(iter(case.body), None) if isinstance(case.body, dict) else None
        below = case.body.get(root) if root else None
        if not isinstance(below, dict):
            return
        for path, operation in CREATIONS.items():
            view = operation.answer and operation.answer.view
            for name in [each for each in below if view and below[each] and steps.is_of(each, view)]:
                if found := self._some(path):
                    below[name] = list(found[chance % len(found)].values())[-1]

    def _some(self, path: str) -> list[dict[str, str]]:
        if not self._living(path):
            self._plant()
        return self._living(path)

    def _living(self, path: str) -> list[dict[str, str]]:
        self._found[path] = [each for each in self._found.get(path, ()) if not any(map(self.is_gone, each.values()))]
        return self._found[path]

    def _plant(self) -> None:
        """One of everything, with a second pool and listener that nothing hangs on."""
        balancer = self._make(f"{L}/loadbalancers", {}, vip_subnet_id=SUBNET)
        of = {"loadbalancer_id": balancer}
        self._make(f"{L}/pools", {}, **of, protocol="TCP", lb_algorithm="SOURCE_IP")
        self._make(f"{L}/listeners", {}, **of, protocol="TCP", protocol_port=8080)
        pool = self._make(f"{L}/pools", {}, **of, protocol="HTTP", lb_algorithm="ROUND_ROBIN")
        listener = self._make(f"{L}/listeners", {}, **of, protocol="HTTP", protocol_port=80)
        self._make(f"{L}/pools/{{pool_id}}/members", {"pool_id": pool}, address="192.0.2.1", protocol_port=80)
        self._make(f"{L}/healthmonitors", {}, pool_id=pool, type="TCP", delay=5, timeout=3, max_retries=3)
        policy = self._make(f"{L}/l7policies", {}, listener_id=listener, action="REJECT")
        rule = {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"}
        self._make(f"{L}/l7policies/{{l7policy_id}}/rules", {"l7policy_id": policy}, **rule)
        profile = self._make(f"{L}/flavorprofiles", {}, name="f", provider_name="amphora", flavor_data="{}")
        self._make(f"{L}/flavors", {}, name=f"f-{profile}", flavor_profile_id=profile)
        zones = {"name": "z", "provider_name": "amphora", "availability_zone_data": "{}"}
        profile = self._make(f"{L}/availabilityzoneprofiles", {}, **zones)
        self._make(f"{L}/availabilityzones", {}, name=f"z-{profile}", availability_zone_profile_id=profile)

    def _make(self, path: str, parameters: dict[str, str], **values: Any) -> str:
        body = CREATIONS[path].body
        assert body is not None, path
        url = self._endpoint + path.format(**parameters)
        answer = requests.post(url, json={body.root: values}, auth=self._auth, timeout=30)
        assert answer.status_code == 201, f"{url}: {answer.text}"
        self.remember(path, parameters, answer.json())
        return list(self._found[path][-1].values())[-1]


def _last(path: str, collection: str) -> str | None:
    found = re.fullmatch(re.escape(collection) + r"/{(\w+)}", path)
    return found and found[1]
