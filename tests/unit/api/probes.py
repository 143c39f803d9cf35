"""For each policy rule a request that it decides, and what whoever may do that is answered."""

import dataclasses
import uuid
from collections.abc import Callable
from typing import Any

from sqlalchemy import update

from lictor.model import Amphora
from tests.unit.api import offers
from tests.unit.api.callers import FOREIGN, OWN, Guarded

Ids = dict[str, str]

NOBODYS = "00000000-0000-0000-0000-00000000dead"
"""An id that nothing has."""


@dataclasses.dataclass(frozen=True)
class Probe:
    """A request; words in angle brackets stand for ids. ``good`` is the answer's status for whoever may do that.

    ``fresh`` makes what the request destroys, and says its id for ``<fresh>``.
    """

    method: str
    path: str
    good: int
    body: Any = None
    fresh: Callable[[Guarded, Ids], str] | None = None


def ids_of(world: Guarded, project_id: str) -> Ids:
    """One of everything that a project can have."""
    balancer = world.balancer(project_id=project_id)
    pool, listener = world.pool(balancer), world.listener(balancer)
    ids = {"lb": balancer["id"], "pool": pool["id"], "listener": listener["id"], "project": project_id}
    ids |= {"member": world.member(pool)["id"], "monitor": world.monitor(pool)["id"], "amphora": _amphora(world, ids)}
    ids["policy"] = _policy(world, ids)
    ids["rule"] = _rule(world, ids)
    _quota(world, ids)
    return ids


def shared_ids(world: Guarded) -> Ids:
    """What belongs to nobody."""
    ids = {"flavor": offers.flavor(world)["id"], "zone": offers.zone(world)["name"], "subnet": world.subnet.id}
    return ids | {"profile": _flavor_profile(world, ids), "zoneprofile": _zone_profile(world, ids)}


def fill(value: Any, ids: Ids) -> Any:
    """Put ids in the place of words."""
    if isinstance(value, dict):
        return {name: fill(each, ids) for name, each in value.items()}
    if isinstance(value, list):
        return [fill(each, ids) for each in value]
    if isinstance(value, str):
        for word, known in ids.items():
            value = value.replace(f"<{word}>", known)
    return value


def sees_everybodys(world: Guarded, plural: str, headers: dict[str, str]) -> bool:
    """Whether a list without a project shows what others own."""
    answer = world.http.simulate_get(f"/v2.0/lbaas/{plural}", headers=headers)
    assert answer.status_code in (200, 403), answer.text
    found = {each["project_id"] for each in answer.json[plural]} if answer.status_code == 200 else set()
    assert found <= {OWN, FOREIGN}
    return FOREIGN in found


# --- what requests destroy -------------------------------------------------------------------------------------------


def _amphora(world: Guarded, ids: Ids) -> str:
    made = str(uuid.uuid4())
    world.store.write(lambda session: session.add(Amphora(id=made, load_balancer_id=ids["lb"], status="ALLOCATED")))
    return made


def _broken_amphora(world: Guarded, ids: Ids) -> str:
    made = _amphora(world, ids)
    world.store.write(lambda session: session.execute(update(Amphora).where(Amphora.id == made).values(status="ERROR")))
    return made


def _policy(world: Guarded, ids: Ids) -> str:
    return str(offers.post(world, "l7policies", "l7policy", listener_id=ids["listener"], action="REJECT")["id"])


def _rule(world: Guarded, ids: Ids) -> str:
    values = {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/x"}
    return str(offers.post(world, f"l7policies/{ids['policy']}/rules", "rule", **values)["id"])


def _empty_balancer(world: Guarded, ids: Ids) -> str:
    return str(world.balancer(project_id=ids["project"])["id"])


def _pool(world: Guarded, ids: Ids) -> str:
    return str(world.pool({"id": ids["lb"]})["id"])


def _listener(world: Guarded, ids: Ids) -> str:
    taken = world.get("/listeners", query_string=f"loadbalancer_id={ids['lb']}&sort=protocol_port:desc&limit=1")
    return str(world.listener({"id": ids["lb"]}, port=taken["listeners"][0]["protocol_port"] + 1)["id"])


def _member(world: Guarded, ids: Ids) -> str:
    return str(world.member({"id": ids["pool"]}, address=_address())["id"])


def _monitor(world: Guarded, ids: Ids) -> str:
    return str(world.monitor({"id": _pool(world, ids)})["id"])


def _flavor(world: Guarded, _ids: Ids) -> str:
    return str(offers.flavor(world, name=str(uuid.uuid4()))["id"])


def _flavor_profile(world: Guarded, _ids: Ids) -> str:
    return str(offers.flavor_profile(world)["id"])


def _zone(world: Guarded, _ids: Ids) -> str:
    return str(offers.zone(world, name=str(uuid.uuid4()))["name"])


def _zone_profile(world: Guarded, _ids: Ids) -> str:
    return str(offers.zone_profile(world)["id"])


def _quota(world: Guarded, ids: Ids) -> str:
    world.call("PUT", f"/quotas/{ids['project']}", 202, {"quota": {"pool": -1}})
    return ids["project"]


def _address() -> str:
    return f"2001:db8::{uuid.uuid4().hex[:4]}:{uuid.uuid4().hex[:4]}"


# --- the requests ----------------------------------------------------------------------------------------------------

_NAMED = {"name": "renamed"}
_MEMBER = {"address": "198.18.0.10", "protocol_port": 80}
_POOL = {"loadbalancer_id": "<lb>", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
_MONITOR = {"pool_id": "<pool>", "type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2}
_LISTENER = {"loadbalancer_id": "<lb>", "protocol": "HTTP", "protocol_port": 80}
_BALANCER = {"project_id": "<project>", "vip_subnet_id": "<subnet>"}
_RULE = {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/x"}
_AMPHORA = "/v2.0/octavia/amphorae/<amphora>"
_GROUP = "11111111-1111-1111-1111-111111111111"


def _basics(collection: str, item: str, single: str, post: Any, posted: int, put: Any, fresh: Any) -> dict[str, Probe]:
    """A list, and the four things that are done to one object."""
    return {
        "get_all": Probe("GET", f"{collection}?project_id=<project>", 200),
        "get_one": Probe("GET", f"{collection}/<{item}>", 200),
        "post": Probe("POST", collection, posted, {single: post}),
        "put": Probe("PUT", f"{collection}/<{item}>", 200, {single: put}),
        "delete": Probe("DELETE", f"{collection}/<fresh>", 204, fresh=fresh),
    }


def _listed(collection: str) -> dict[str, Probe]:
    return {"get_all": Probe("GET", collection, 200)}


def _profile(data: str) -> dict[str, str]:
    return {"name": "another", "provider_name": "amphora", data: "{}"}


PROBES: dict[str, dict[str, Probe]] = {
    "loadbalancer": _basics("/loadbalancers", "lb", "loadbalancer", _BALANCER, 201, _NAMED, _empty_balancer)
    | {
        # There is no such group here, which is looked at after the right to name one.
        "post:vip_sg_ids": Probe("POST", "/loadbalancers", 400, {"loadbalancer": _BALANCER | {"vip_sg_ids": [_GROUP]}}),
        "put:vip_sg_ids": Probe("PUT", "/loadbalancers/<lb>", 200, {"loadbalancer": {"vip_sg_ids": []}}),
        "get_stats": Probe("GET", "/loadbalancers/<lb>/stats", 200),
        "get_status": Probe("GET", "/loadbalancers/<lb>/status", 200),
        "get_events": Probe("GET", "/loadbalancers/<lb>/events", 200),
        "put_failover": Probe("PUT", "/loadbalancers/<lb>/failover", 202),
    },
    # The port, the monitor and the member are there already, which is looked at after the right to make one.
    "listener": _basics("/listeners", "listener", "listener", _LISTENER, 409, _NAMED, _listener)
    | {"get_stats": Probe("GET", "/listeners/<listener>/stats", 200)},
    "pool": _basics("/pools", "pool", "pool", _POOL, 201, _NAMED, _pool),
    "healthmonitor": _basics("/healthmonitors", "monitor", "healthmonitor", _MONITOR, 409, _NAMED, _monitor),
    "member": _basics("/pools/<pool>/members", "member", "member", _MEMBER, 409, _NAMED, _member)
    | _listed("/pools/<pool>/members"),
    "l7policy": _basics(
        "/l7policies", "policy", "l7policy", {"listener_id": "<listener>", "action": "REJECT"}, 201, _NAMED, _policy
    ),
    "l7rule": _basics("/l7policies/<policy>/rules", "rule", "rule", _RULE, 201, {"value": "/y"}, _rule)
    | _listed("/l7policies/<policy>/rules"),
    "quota": {
        "get_all": Probe("GET", "/quotas?project_id=<project>", 200),
        "get_one": Probe("GET", "/quotas/<project>", 200),
        "get_defaults": Probe("GET", "/quotas/<project>/default", 200),
        "put": Probe("PUT", "/quotas/<project>", 202, {"quota": {"pool": -1}}),
        "delete": Probe("DELETE", "/quotas/<fresh>", 202, fresh=_quota),
    },
    "provider": _listed("/providers"),
    "provider-flavor": _listed("/providers/amphora/flavor_capabilities"),
    "provider-availability-zone": _listed("/providers/amphora/availability_zone_capabilities"),
    "flavor": _basics(
        "/flavors", "flavor", "flavor", {"name": "gold", "flavor_profile_id": "<profile>"}, 409, {}, _flavor
    )
    | _listed("/flavors"),
    "availability-zone": _basics(
        "/availabilityzones", "zone", "availability_zone",
        {"name": "az1", "availability_zone_profile_id": "<zoneprofile>"}, 409, {}, _zone,
    )
    | _listed("/availabilityzones"),
    "flavor-profile": _basics(
        "/flavorprofiles", "profile", "flavorprofile", _profile("flavor_data"), 201, _NAMED, _flavor_profile
    )
    | _listed("/flavorprofiles"),
    "availability-zone-profile": _basics(
        "/availabilityzoneprofiles", "zoneprofile", "availability_zone_profile",
        _profile("availability_zone_data"), 201, _NAMED, _zone_profile,
    )
    | _listed("/availabilityzoneprofiles"),
    "amphora": {
        "get_all": Probe("GET", "/v2.0/octavia/amphorae", 200),
        "get_one": Probe("GET", _AMPHORA, 200),
        "delete": Probe("DELETE", "/v2.0/octavia/amphorae/<fresh>", 204, fresh=_broken_amphora),
        "put_config": Probe("PUT", f"{_AMPHORA}/config", 202),
        "put_failover": Probe("PUT", f"{_AMPHORA}/failover", 202),
        "get_stats": Probe("GET", f"{_AMPHORA}/stats", 200),
    },
}  # fmt: skip
