"""The few questions that the stock CLI asks of Neutron and Keystone, which a standalone deployment answers itself.

``--vip-subnet-id private-subnet`` makes the CLI ask ``/v2.0/subnets?id=`` and ``?name=``, ``--project`` makes it ask
``/projects`` (reference, 8.2). A network driver that knows more objects than it lists, as ``noop`` does, is asked for
those that are named by id.
"""

import dataclasses
import ipaddress
from collections.abc import Callable
from typing import Any

import falcon
from sqlalchemy import select

from lictor.api import errors, listing
from lictor.api.auth.context import DEFAULT_PROJECT, DEFAULT_PROJECT_NAME, LISTS_ALL, context_of, may_use, sees_all
from lictor.api.resource import Api, answer
from lictor.drivers.network.base import Named, Network, Port, Subnet
from lictor.model import LoadBalancer

Document = dict[str, Any]
_PROJECT_NAMES = {DEFAULT_PROJECT: DEFAULT_PROJECT_NAME}
_PAGING = frozenset({"limit", "marker", "fields", "sort_key", "sort_dir", "page_reverse"})


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of object: how its collection is called in paths and in bodies, and where the objects come from.

    ``objects`` lists them, ``find`` is for one by id.
    """

    path: str
    single: str
    plural: str
    title: str
    objects: Callable[[Api, falcon.Request], list[Document]]
    find: Callable[[Api, falcon.Request, str], Document | None]


class Collection:
    """A list; every attribute can be filtered by."""

    def __init__(self, api: Api, kind: Kind) -> None:
        self._api, self._kind = api, kind

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List."""
        wanted = {name: req.get_param_as_list(name) or [""] for name in req.params if name not in _PAGING}
        objects = self._objects(req, wanted.get("id"))
        found = [each for each in objects if all(str(each.get(name, "")) in wanted[name] for name in wanted)]
        fields = req.get_param_as_list("fields") or []
        answer(resp, {self._kind.plural: [listing.select_fields(each, fields) for each in found]})

    def _objects(self, req: falcon.Request, ids: list[str] | None) -> list[Document]:
        if ids is None:
            return self._kind.objects(self._api, req)
        return [each for object_id in ids if (each := self._kind.find(self._api, req, object_id))]


class Item:
    """One object."""

    def __init__(self, api: Api, kind: Kind) -> None:
        self._api, self._kind = api, kind

    def on_get(self, req: falcon.Request, resp: falcon.Response, object_id: str) -> None:
        """Show."""
        found = self._kind.find(self._api, req, object_id)
        if found is None:
            raise errors.not_found(self._kind.title, object_id)
        answer(resp, {self._kind.single: found})


def _subnets(api: Api, _req: falcon.Request) -> list[Document]:
    return [_subnet(each) for each in api.networking.subnets()]


def _find_subnet(api: Api, _req: falcon.Request, subnet_id: str) -> Document | None:
    found = api.networking.subnet(subnet_id)
    return _subnet(found) if found else None


def _subnet(each: Subnet) -> Document:
    return {
        "id": each.id,
        "name": each.name,
        "network_id": each.network_id,
        "cidr": each.cidr,
        "ip_version": ipaddress.ip_network(each.cidr).version,
        "gateway_ip": each.gateway_ip or None,
        "allocation_pools": [{"start": start, "end": end} for start, end in each.allocation_pools],
        "enable_dhcp": False,
        **_project(each.project_id),
    }


def _networks(api: Api, _req: falcon.Request) -> list[Document]:
    return [_network(each) for each in api.networking.networks()]


def _find_network(api: Api, _req: falcon.Request, network_id: str) -> Document | None:
    found = api.networking.network(network_id)
    return _network(found) if found else None


def _network(each: Network) -> Document:
    return {
        "id": each.id,
        "name": each.name,
        "mtu": each.mtu,
        "subnets": list(each.subnet_ids),
        "status": "ACTIVE",
        "admin_state_up": True,
        "shared": True,
        **_project(each.project_id),
    }


def _ports(api: Api, req: falcon.Request) -> list[Document]:
    context = context_of(req)
    return [_port(each) for each in api.networking.ports() if may_use(context, each)]


def _find_port(api: Api, req: falcon.Request, port_id: str) -> Document | None:
    found = api.networking.port(port_id)
    return _port(found) if found and may_use(context_of(req), found) else None


def _port(each: Port) -> Document:
    return {
        "id": each.id,
        "name": each.name,
        "network_id": each.network_id,
        "fixed_ips": [{"subnet_id": ip.subnet_id, "ip_address": ip.ip_address} for ip in each.fixed_ips],
        "mac_address": each.mac_address,
        "device_id": each.device_id,
        "device_owner": each.device_owner,
        "status": "ACTIVE",
        "admin_state_up": True,
        **_project(each.project_id),
    }


def _project(project_id: str) -> Document:
    return {"project_id": project_id, "tenant_id": project_id}


def _nothing(_api: Api, _req: falcon.Request) -> list[Document]:
    return []


def _find_policy(api: Api, req: falcon.Request, policy_id: str) -> Document | None:
    return _named(req, api.networking.qos_policy(policy_id))


def _find_group(api: Api, req: falcon.Request, group_id: str) -> Document | None:
    return _named(req, api.networking.security_group(group_id))


def _named(req: falcon.Request, each: Named | None) -> Document | None:
    if each is None or not may_use(context_of(req), each):
        return None
    return {"id": each.id, "name": each.name, **_project(each.project_id)}


def _projects(api: Api, req: falcon.Request) -> list[Document]:
    """The caller's project, and for those who see all the default one and every one that has a load balancer."""
    context = context_of(req)
    projects = {context.project_id} if context.project_id else set()
    if sees_all(context, LISTS_ALL):
        with api.store.read() as session:
            projects |= {DEFAULT_PROJECT, *session.scalars(select(LoadBalancer.project_id).distinct())}
    return [_identity(each, _PROJECT_NAMES.get(each, each)) for each in sorted(projects)]


def _find_project(api: Api, req: falcon.Request, project_id: str) -> Document | None:
    return next((each for each in _projects(api, req) if each["id"] == project_id), None)


def _identity(project_id: str, name: str) -> Document:
    return {"id": project_id, "name": name, "enabled": True, "domain_id": "default", "links": {}}


NETWORK_KINDS = (
    Kind("subnets", "subnet", "subnets", "Subnet", _subnets, _find_subnet),
    Kind("networks", "network", "networks", "Network", _networks, _find_network),
    Kind("ports", "port", "ports", "Port", _ports, _find_port),
    Kind("qos/policies", "policy", "policies", "QoS policy", _nothing, _find_policy),
    Kind("security-groups", "security_group", "security_groups", "Security group", _nothing, _find_group),
)
PROJECTS = Kind("projects", "project", "projects", "Project", _projects, _find_project)
