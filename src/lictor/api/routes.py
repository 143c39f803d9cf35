"""Every path of the API, what answers there, and what it takes and answers (reference, 1.1 and 1.3).

The application is built from this table, and so is the document at ``/openapi.json``: an ``on_*`` method without its
operation here, or the other way round, is refused when the table is read.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, Final

from lictor.api import answers, availabilityzones, catalogue, discovery, flavors, health, neutron
from lictor.api.amphorae import AMPHORAE, AmphoraCollection, AmphoraConfig, AmphoraFailover, AmphoraItem, AmphoraStats
from lictor.api.document import docs
from lictor.api.document.operations import (
    FIELDS,
    READ_ERRORS,
    WRITE_ERRORS,
    Answer,
    Body,
    Operation,
    Parameter,
    creates,
    deletes,
    lists,
    reads,
    shows,
    starts,
    updates,
)
from lictor.api.events import EVENTS, LoadBalancerEvents
from lictor.api.failover import LoadBalancerFailover
from lictor.api.forms import FULL_LOAD_BALANCER
from lictor.api.healthmonitors import MonitorCollection, MonitorItem
from lictor.api.l7policies import PolicyCollection, PolicyItem
from lictor.api.l7rules import RuleCollection, RuleItem
from lictor.api.listeners import ListenerCollection, ListenerItem, ListenerStats
from lictor.api.loadbalancers import LoadBalancerCollection, LoadBalancerItem, LoadBalancerStats, LoadBalancerStatus
from lictor.api.members import MemberCollection, MemberItem
from lictor.api.pools import PoolCollection, PoolItem
from lictor.api.providers import (
    AvailabilityZoneCapabilities,
    FlavorCapabilities,
    ProviderCollection,
    ProviderItem,
)
from lictor.api.quotas import QuotaCollection, QuotaDefaults, QuotaItem
from lictor.api.requests.healthmonitors import MonitorPost, MonitorPut
from lictor.api.requests.l7 import L7PolicyPost, L7PolicyPut, L7RulePost, L7RulePut
from lictor.api.requests.listeners import ListenerPost, ListenerPut
from lictor.api.requests.loadbalancers import LoadBalancerPost, LoadBalancerPut
from lictor.api.requests.members import MemberInBatch, MemberPost, MemberPut
from lictor.api.requests.pools import PoolPost, PoolPut
from lictor.api.requests.quotas import QuotaPut
from lictor.api.resource import Api
from lictor.api.views import L7POLICIES, L7RULES, LISTENERS, LOAD_BALANCERS, MEMBERS, MONITORS, POOLS, QUOTAS

_VERBS = ("get", "head", "post", "put", "delete")


class Route:
    """A path and what answers there. ``build`` makes the resource of the Api."""

    def __init__(self, path: str, build: Callable[[Api], Any], **operations: Operation) -> None:
        self.path, self.build, self.operations = path, build, operations
        self.resource: type[Any] = build.func if isinstance(build, functools.partial) else build  # type: ignore[assignment]
        handled = {verb for verb in _VERBS if hasattr(self.resource, f"on_{verb}")}
        if handled != set(operations):
            raise TypeError(f"{path}: operations for {sorted(operations)}, but handlers for {sorted(handled)}")

    def handler(self, verb: str) -> Any:
        """The method that answers a verb."""
        return getattr(self.resource, f"on_{verb}")


_FLAG = {"type": "string", "examples": ["true"]}
_CASCADE = Parameter("cascade", "If true, all that is below goes too; any unknown word is false.", _FLAG)
_ADDITIVE = Parameter("additive_only", "If true, members that the request does not name stay.", _FLAG)
_NAME = Parameter("name", "Only what has this name is listed.", {"type": "string"}, True)
_DESCRIPTION = Parameter("description", "Only what has this description is listed.", {"type": "string"}, True)


def _words(root: str, *errors: int) -> Operation:
    """Names with descriptions."""
    listed = reads(root, answers.Provider, _NAME, _DESCRIPTION, FIELDS, many=True)
    return dataclasses.replace(listed, errors=(*READ_ERRORS, *errors))


def _catalogue(path: str, kind: catalogue.Kind) -> tuple[Route, Route]:
    """A collection that administrators keep, and its items."""
    collection = functools.partial(catalogue.Collection, kind=kind)
    item = functools.partial(catalogue.Item, kind=kind)
    changes = updates(kind.view, kind.put, kind.post)
    return (
        Route(path, collection, get=lists(kind.view), post=creates(kind.view, kind.post)),
        Route(f"{path}/{{key}}", item, get=shows(kind.view), put=changes, delete=deletes()),
    )


_QUOTA = "/quotas/{project_id}"
_PROVIDER = "/providers/{provider}"
_BALANCER, _LISTENER, _POOL = "/loadbalancers/{load_balancer_id}", "/listeners/{listener_id}", "/pools/{pool_id}"
_POLICY = "/l7policies/{l7policy_id}"

LBAAS: Final = (
    Route(
        "/loadbalancers",
        LoadBalancerCollection,
        get=lists(LOAD_BALANCERS),
        post=creates(LOAD_BALANCERS, LoadBalancerPost, FULL_LOAD_BALANCER),
    ),
    Route(
        _BALANCER,
        LoadBalancerItem,
        get=shows(LOAD_BALANCERS),
        put=updates(LOAD_BALANCERS, LoadBalancerPut, LoadBalancerPost),
        delete=deletes(_CASCADE),
    ),
    Route(f"{_BALANCER}/events", LoadBalancerEvents, get=lists(EVENTS, 404)),
    Route(f"{_BALANCER}/failover", LoadBalancerFailover, put=starts()),
    Route(f"{_BALANCER}/stats", LoadBalancerStats, get=reads("stats", answers.Stats)),
    Route(f"{_BALANCER}/status", LoadBalancerStatus, get=reads("statuses", answers.StatusTree)),
    Route(f"{_BALANCER}/statuses", LoadBalancerStatus, get=reads("statuses", answers.StatusTree)),
    Route("/listeners", ListenerCollection, get=lists(LISTENERS), post=creates(LISTENERS, ListenerPost)),
    Route(
        _LISTENER,
        ListenerItem,
        get=shows(LISTENERS),
        put=updates(LISTENERS, ListenerPut, ListenerPost),
        delete=deletes(),
    ),
    Route(f"{_LISTENER}/stats", ListenerStats, get=reads("stats", answers.Stats)),
    Route("/pools", PoolCollection, get=lists(POOLS), post=creates(POOLS, PoolPost)),
    Route(_POOL, PoolItem, get=shows(POOLS), put=updates(POOLS, PoolPut, PoolPost), delete=deletes()),
    Route(
        f"{_POOL}/members",
        MemberCollection,
        get=lists(MEMBERS, 404),
        post=creates(MEMBERS, MemberPost),
        put=Operation(202, body=Body("members", MemberInBatch, many=True), query=(_ADDITIVE,), errors=WRITE_ERRORS),
    ),
    Route(
        f"{_POOL}/members/{{member_id}}",
        MemberItem,
        get=shows(MEMBERS),
        put=updates(MEMBERS, MemberPut, MemberPost),
        delete=deletes(),
    ),
    Route("/healthmonitors", MonitorCollection, get=lists(MONITORS), post=creates(MONITORS, MonitorPost)),
    Route(
        "/healthmonitors/{monitor_id}",
        MonitorItem,
        get=shows(MONITORS),
        put=updates(MONITORS, MonitorPut, MonitorPost),
        delete=deletes(),
    ),
    Route("/l7policies", PolicyCollection, get=lists(L7POLICIES), post=creates(L7POLICIES, L7PolicyPost)),
    Route(
        _POLICY,
        PolicyItem,
        get=shows(L7POLICIES),
        put=updates(L7POLICIES, L7PolicyPut, L7PolicyPost),
        delete=deletes(),
    ),
    Route(f"{_POLICY}/rules", RuleCollection, get=lists(L7RULES, 404), post=creates(L7RULES, L7RulePost)),
    Route(
        f"{_POLICY}/rules/{{rule_id}}",
        RuleItem,
        get=shows(L7RULES),
        put=updates(L7RULES, L7RulePut, L7RulePost),
        delete=deletes(),
    ),
    Route("/quotas", QuotaCollection, get=lists(QUOTAS)),
    Route(
        _QUOTA,
        QuotaItem,
        get=reads("quota", answers.Quota),
        put=Operation(202, Answer(answers.Quota, "quota"), Body("quota", QuotaPut, QuotaPut), errors=WRITE_ERRORS),
        delete=deletes(status=202),
    ),
    Route(f"{_QUOTA}/default", QuotaDefaults, get=reads("quota", answers.Quota)),
    *_catalogue("/flavors", flavors.KIND),
    *_catalogue("/flavorprofiles", flavors.PROFILES_OF_FLAVORS),
    *_catalogue("/availabilityzones", availabilityzones.KIND),
    *_catalogue("/availabilityzoneprofiles", availabilityzones.PROFILES_OF_ZONES),
    Route("/providers", ProviderCollection, get=_words("providers")),
    Route(_PROVIDER, ProviderItem),
    Route(f"{_PROVIDER}/flavor_capabilities", FlavorCapabilities, get=_words("flavor_capabilities", 501)),
    Route(
        f"{_PROVIDER}/availability_zone_capabilities",
        AvailabilityZoneCapabilities,
        get=_words("availability_zone_capabilities", 501),
    ),
)
"""Below ``/lbaas``, and without it too."""

_AMPHORA = "/amphorae/{amphora_id}"

OCTAVIA: Final = (
    Route("/amphorae", AmphoraCollection, get=lists(AMPHORAE)),
    Route(_AMPHORA, AmphoraItem, get=shows(AMPHORAE), delete=deletes()),
    Route(f"{_AMPHORA}/stats", AmphoraStats, get=reads("amphora_stats", answers.AmphoraStats, many=True)),
    Route(f"{_AMPHORA}/config", AmphoraConfig, put=starts()),
    Route(f"{_AMPHORA}/failover", AmphoraFailover, put=starts()),
)
"""Below ``/octavia``."""

_OPEN = Operation(answer=Answer(answers.Versions), errors=(406,), secured=False)
_HEALTH = Operation(
    answer=Answer(answers.Health, texts=("text/plain", "text/html")), errors=(404,), secured=False, alike=(503,)
)
_HEALTH_HEAD = Operation(204, errors=(404,), secured=False, alike=(503,))
_PAGE = Operation(answer=Answer(None, texts=("text/html",)), errors=(), secured=False)


def _look_up(kind: neutron.Kind) -> tuple[Route, Route]:
    listed = Operation(answer=Answer(dict, kind.plural, many=True), errors=READ_ERRORS)
    return (
        Route(f"/{kind.path}", functools.partial(neutron.Collection, kind=kind), get=listed),
        Route(f"/{kind.path}/{{object_id}}", functools.partial(neutron.Item, kind=kind), get=reads(kind.single, dict)),
    )


NEUTRON: Final = tuple(route for kind in neutron.NETWORK_KINDS for route in _look_up(kind))
"""Below the version alone."""

ROOT: Final = (
    Route("/", discovery.Root, get=_OPEN),
    Route("/load-balancer", discovery.Root, get=_OPEN),
    Route("/healthcheck", health.Healthcheck, get=_HEALTH, head=_HEALTH_HEAD),
    Route("/load-balancer/healthcheck", health.Healthcheck, get=_HEALTH, head=_HEALTH_HEAD),
    Route("/openapi.json", docs.Document, get=Operation(answer=Answer(dict), errors=(406,), secured=False)),
    Route("/docs", docs.Page, get=_PAGE),
    *_look_up(neutron.PROJECTS),
)
"""As they stand."""


def _nodes() -> Iterator[Route]:
    """Paths that only lead to others."""
    for path in ("/v2", "/v2.0", "/v2.0/lbaas", "/v2.0/octavia"):
        build = functools.partial(discovery.Node, name=path.rsplit("/", 1)[1])
        yield Route(path, build, get=Operation(answer=Answer(str), errors=(401, 406)))


def every() -> Iterator[tuple[str, Route]]:
    """Each route once, with its path as documents name it; ``one_name`` leads there from all others."""
    trees = (("", (*ROOT, *_nodes())), ("/v2.0/lbaas", LBAAS), ("/v2.0/octavia", OCTAVIA), ("/v2.0", NEUTRON))
    for prefix, routes in trees:
        for route in routes:
            yield prefix + route.path, route


_WORDS = frozenset(route.path.split("/")[1] for route in LBAAS)


def one_name(path: str) -> str:
    """The path by which a route is found that has several: ``/v2`` is ``/v2.0``, and ``/lbaas`` may be left out."""
    words = path.split("/", 3)
    if len(words) < 3 or words[1] not in ("v2", "v2.0"):
        return path
    words[1] = "v2.0/lbaas" if words[2] in _WORDS else "v2.0"
    return "/".join(words)
