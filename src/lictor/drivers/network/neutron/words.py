"""Neutron's objects and errors in the words of ``drivers.network.base``."""

import contextlib
from collections.abc import Iterator
from typing import Any

from lictor.drivers import sdk
from lictor.drivers.network.base import (
    AddressUnavailable,
    FixedIp,
    InvalidAddress,
    Named,
    Network,
    NetworkError,
    Port,
    Subnet,
)

_TAKEN = {
    "IpAddressAlreadyAllocated",
    "IpAddressGenerationFailure",
    "IpAddressGenerationFailureAllSubnets",
    "IpAddressGenerationFailureNoMatchingSubnet",
    "IpAddressInUse",
}
_WRONG = {"InvalidIpForNetwork", "InvalidIpForSubnet", "IPAddressOnBoundary", "InvalidIpForSubnetGateway"}


@contextlib.contextmanager
def asked(what: str) -> Iterator[None]:
    """Say what failed in the words of the contract; ``what`` is what Neutron was asked to do."""
    try:
        yield
    except sdk.FAULTS as error:
        kind, message = sdk.said(error)
        wrong = AddressUnavailable if kind in _TAKEN else InvalidAddress if kind in _WRONG else NetworkError
        raise wrong(f"Neutron could not {what}: {message}") from error


def network(found: Any) -> Network:
    """A network."""
    return Network(
        id=found.id,
        name=found.name or "",
        mtu=found.mtu or 1500,
        subnet_ids=tuple(found.subnet_ids or ()),
        project_id=found.project_id or "",
        port_security_enabled=found.is_port_security_enabled is not False,
    )


def subnet(found: Any) -> Subnet:
    """A subnet."""
    return Subnet(
        id=found.id,
        name=found.name or "",
        network_id=found.network_id,
        cidr=found.cidr,
        gateway_ip=found.gateway_ip or "",
        allocation_pools=tuple((pool["start"], pool["end"]) for pool in found.allocation_pools or ()),
        project_id=found.project_id or "",
        host_routes=tuple((route["destination"], route["nexthop"]) for route in found.host_routes or ()),
    )


def port(found: Any) -> Port:
    """A port."""
    addresses = [FixedIp(each["subnet_id"], each["ip_address"]) for each in found.fixed_ips or ()]
    first = addresses[0] if addresses else FixedIp("", "")
    return Port(
        id=found.id,
        name=found.name or "",
        network_id=found.network_id,
        subnet_id=first.subnet_id,
        ip_address=first.ip_address,
        mac_address=found.mac_address,
        device_id=found.device_id or "",
        device_owner=found.device_owner or "",
        project_id=found.project_id or "",
        qos_policy_id=found.qos_policy_id or "",
        others=tuple(addresses[1:]),
    )


def named(found: Any) -> Named:
    """A QoS policy or a security group."""
    return Named(found.id, found.name or "", found.project_id or "")
