"""What a listener may be: the rules of reference, 1.7, on what a request says and what was there before.

``named`` is what the request says, nulls resolved; ``after`` is what the listener will be.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg

from lictor.api import errors, tls
from lictor.api.requests.listeners import ListenerInGraph
from lictor.api.resource import Change
from lictor.model import rules

_CLIENTS = ("client_ca_tls_container_ref", "client_authentication", "client_crl_container_ref")
_TLS = frozenset({"default_tls_container_ref", "sni_container_refs", *_CLIENTS})


def check_switches(conf: cfg.ConfigOpts, wanted: ListenerInGraph) -> None:
    """Raises 400 for what this deployment does not allow, or what a listener of the protocol cannot have."""
    if wanted.protocol == "PROMETHEUS":
        if not conf.api_settings.allow_prometheus_listeners:
            raise errors.disabled_option("protocol", wanted.protocol)
        if wanted.default_pool_id or wanted.default_pool or wanted.l7policies:
            raise errors.no_children(wanted.protocol)


def check(change: Change, protocol: str, named: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Raises 400, or brings ``named`` into the form that is stored. ``before`` is empty at creation."""
    _check_headers(protocol, named.get("insert_headers") or {})
    if "allowed_cidrs" in named:
        named["allowed_cidrs"] = list(dict.fromkeys(named["allowed_cidrs"] or [])) or None
        _check_cidrs(change, named["allowed_cidrs"] or [])
    after = {**before, **named}
    if not before or not _TLS.isdisjoint(named):
        _complain(rules.wrong_with_tls(protocol, after))
    _complain(rules.wrong_with_hsts(protocol, named, after.get("hsts_max_age")))
    tls.check(change.api.conf, named)
    if rules.terminates_tls(protocol, after):
        _allow_tls(change.api.conf, protocol, before)
        defaults = tls.defaults(change.api.conf, "listener")
        named.update({name: default for name, default in defaults.items() if after.get(name) is None})
        tls.check_spoken(change.api.conf, {**before, **named})


def _allow_tls(conf: cfg.ConfigOpts, protocol: str, before: Mapping[str, Any]) -> None:
    if conf.api_settings.allow_tls_terminated_listeners or (before and rules.terminates_tls(protocol, before)):
        return
    raise errors.disabled_option("protocol", "PROMETHEUS with TLS" if protocol == "PROMETHEUS" else protocol)


def _complain(sentence: str | None) -> None:
    if sentence is not None:
        raise errors.validation(sentence)


def _check_headers(protocol: str, headers: Mapping[str, str]) -> None:
    if headers and protocol not in rules.HTTP_LISTENERS:
        raise errors.validation(f"insert_headers is not for listeners of protocol {protocol}.")
    for name in headers:
        if not rules.header_fits_listener(name, protocol):
            where = f" of {protocol} listeners" if name in rules.TLS_HEADERS else ""
            raise errors.invalid_option(name, f"insert_headers{where}")


def _check_cidrs(change: Change, cidrs: list[str]) -> None:
    load_balancer = change.load_balancer
    if cidrs and load_balancer.vip_sg_ids:
        raise errors.validation("allowed_cidrs does not go with the load balancer's vip_sg_ids, which say who may in.")
    vips = [load_balancer.vip_address, *(vip.ip_address for vip in load_balancer.additional_vips)]
    families = {ipaddress.ip_address(vip).version for vip in vips if vip}
    for cidr in cidrs:
        if ipaddress.ip_network(cidr).version not in families:
            raise errors.validation(f"allowed_cidrs: {cidr} is of another IP version than the VIP.")
