"""What schemathesis cannot read in the document: Octavia's leniency, rules between values, that deletion takes time.

Loaded by the command line of schemathesis (``SCHEMATHESIS_HOOKS``). Three of its checks are replaced by ones of the
same purpose that know more about this API; all others run as they are.
"""

import functools
import ipaddress
import os
import re
import time
import zlib
from typing import Any

import jsonschema_rs
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.specs.openapi import checks

from lictor.api import routes
from lictor.api.document import openapi
from lictor.api.fields import lenient
from tests.conformance.openapi.garden import Garden

AUTH = (os.environ["OS_USERNAME"], os.environ["OS_PASSWORD"])
GONE_WITHIN = 30.0
"""Seconds that a deleted object may go on being shown as PENDING_DELETE."""

MALFORMED = re.compile(r"Unknown attribute |Invalid input|Request is not in valid JSON|One or more arguments are ")
"""How a sentence begins that is about one value: the document should have said it. All others are about values that do
not go together, and about what is there."""

UNSAID = re.compile(
    r"Invalid input for field/attribute ("
    # A pool inside another object is either a name or a definition, which has both of these; an update may leave the
    # type of a session persistence out if there is one.
    r"[\w.\[\]]*(protocol|lb_algorithm|session_persistence\.type)\. Value: 'None'|"
    # What a text holds that is JSON itself, no schema can say.
    r"(flavor|availability_zone)_data\. |"
    # Limits can be asked for by any name (Octavia's "defaults" is one), but set for what can be a project only.
    r"project_id\. .* Value should be the id of a project)",
    re.DOTALL,
)
"""Sentences of that kind about what the document does not, or cannot, say."""

schemathesis.openapi.format(
    "cidr",
    st.ip_addresses(v=4).map(lambda address: f"{address}/24") | st.ip_addresses(v=6).map(lambda each: f"{each}/64"),
)
schemathesis.openapi.format(
    "netmask", st.integers(0, 32).map(lambda bits: str(ipaddress.ip_network(f"0.0.0.0/{bits}").netmask))
)


@functools.cache
def _components() -> Any:
    return openapi.build()["components"]


def _body_schema(case: Any) -> Any:
    content = case.operation.definition.raw["requestBody"]["content"]
    return content["application/json"]["schema"] | {"components": _components()}


def _as_understood(case: Any) -> Any:
    """The body of a request after WSME's leniency: what the API has for it (reference, 1.1)."""
    route = next(route for path, route in routes.every() if path == case.operation.path)
    body = route.operations[case.method.lower()].body
    if body is None or not isinstance(case.body, dict):
        return case.body
    below = case.body.get(body.root)
    shown = [lenient(body.wanted, each) for each in below] if isinstance(below, list) else lenient(body.wanted, below)
    return case.body | {body.root: shown}


def _is_good_after_all(case: Any) -> bool:
    try:
        return bool(jsonschema_rs.is_valid(_body_schema(case), _as_understood(case), validate_formats=True))
    except (KeyError, TypeError):
        return False


@schemathesis.check
def refuses_bad_data(ctx: Any, response: Any, case: Any) -> None:
    """``negative_data_rejection``, except for bodies that Octavia's leniency makes good ones."""
    if response.status_code >= 300 or not _is_good_after_all(case):
        checks.negative_data_rejection(ctx, response, case)


@schemathesis.check
def takes_good_data(ctx: Any, response: Any, case: Any) -> None:
    """``positive_data_acceptance``, but a 400 must be about how values go together, never about one of them."""
    if response.status_code == 400:
        sentence = response.json()["faultstring"]
        if UNSAID.match(sentence) or not MALFORMED.match(sentence):
            return
    checks.positive_data_acceptance(ctx, response, case)


@schemathesis.check
def finds_what_was_created(ctx: Any, response: Any, case: Any) -> None:
    """``ensure_resource_availability``, but what hung on something that was deleted went with it."""
    if not any(GARDEN.is_gone(str(value)) for value in (case.path_parameters or {}).values()):
        checks.ensure_resource_availability(ctx, response, case)


LEAN: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "post_loadbalancers": ("loadbalancer", ("name", "description", "admin_state_up", "tags", "vip_subnet_id"),
                           {"vip_subnet_id": "1b2c3d4e-0000-4000-8000-000000000001"}),
    "post_listeners": ("listener", ("loadbalancer_id", "protocol_port", "name", "admin_state_up", "tags",
                                    "connection_limit", "timeout_client_data"), {"protocol": "HTTP"}),
    "post_pools": ("pool", ("loadbalancer_id", "name", "description", "admin_state_up", "tags", "lb_algorithm"),
                   {"protocol": "HTTP"}),
    "post_pools_pool_id_members": ("member", ("address", "protocol_port", "name", "weight", "backup", "tags"), {}),
    "post_healthmonitors": ("healthmonitor", ("pool_id", "delay", "timeout", "max_retries", "name", "tags"),
                            {"type": "TCP"}),
    "post_l7policies": ("l7policy", ("listener_id", "name", "description", "admin_state_up", "position", "tags"),
                        {"action": "REJECT"}),
    "post_l7policies_l7policy_id_rules": ("rule", ("invert", "admin_state_up", "tags"),
                                          {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/x"}),
    "post_flavorprofiles": ("flavorprofile", ("name",), {"provider_name": "amphora", "flavor_data": "{}"}),
    "post_availabilityzoneprofiles": ("availability_zone_profile", ("name",),
                                      {"provider_name": "amphora", "availability_zone_data": "{}"}),
}  # fmt: skip
"""By operation: the envelope, what is kept of a random body, and what is given in its stead."""


GARDEN = Garden(os.environ["OS_ENDPOINT"], AUTH)


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Most good requests are plain ones about what is there, and succeed: else nothing would grow, or be found."""
    if case.meta and case.meta.generation.mode.is_positive:
        _plain(case)
        GARDEN.point(case)


def _plain(case: Any) -> None:
    lean = LEAN.get(case.operation.definition.raw.get("operationId"))
    if lean is None or not isinstance(case.body, dict):
        return
    root, kept, given = lean
    if zlib.crc32(repr(case.body).encode()) % 4 and isinstance(case.body.get(root), dict):
        below = case.body[root]
        case.body = {root: given | {name: below[name] for name in kept if below.get(name) is not None}}


@schemathesis.hook
def after_call(_context: Any, case: Any, response: Any) -> None:
    """A client waits until what it deleted is gone (reference, 1.3); so does this one."""
    if response.status_code == 201:
        GARDEN.remember(case.path, case.path_parameters or {}, response.json())
    if case.method.upper() == "DELETE" and response.status_code == 204:
        GARDEN.forget(case.path_parameters)
        _wait_until_gone(response.request.url)


def _wait_until_gone(url: str) -> None:
    deadline = time.monotonic() + GONE_WITHIN
    while time.monotonic() < deadline:
        if requests.get(url, auth=AUTH, timeout=10).status_code == 404:
            return
        time.sleep(0.05)
    raise AssertionError(f"{url} was deleted, and is still there after {GONE_WITHIN} seconds")
