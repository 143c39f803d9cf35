"""What one pass of the loop has seen of the network service, so that no step asks again for what another one has seen.

It lives as long as the pass, and no longer: the next one looks anew, which is what makes the loop notice what others
change. What the pass itself changes is not remembered as it was: a port that it deletes is forgotten, and of ports only
that is told which never changes while they exist.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeVar

from lictor.drivers.network.base import Network, Plumbing, Port, PortRequest, Protection, Subnet

O = TypeVar("O", Network, Subnet, Port)  # noqa: E741 - an object of the network service's


class Memo:
    """Implements ``drivers.network.base.Plumbing`` with another one. For the threads of one pass.

    What is not there is asked for again each time.
    """

    def __init__(self, behind: Plumbing) -> None:
        self._behind = behind
        self._networks: dict[str, Network] = {}
        self._subnets: dict[str, Subnet] = {}
        self._ports: dict[str, Port] = {}

    def network(self, network_id: str) -> Network | None:
        """One network by id, or None."""
        return _seen(self._networks, network_id, self._behind.network)

    def subnet(self, subnet_id: str) -> Subnet | None:
        """One subnet by id, or None."""
        return _seen(self._subnets, subnet_id, self._behind.subnet)

    def port(self, port_id: str) -> Port | None:
        """Which port this is and where, without who uses it; or None."""
        return _seen(self._ports, port_id, lambda which: _lasting(self._behind.port(which)))

    def create_ports(self, requests: Sequence[PortRequest]) -> list[Port]:
        """Make each port, or take the one of its name on its subnet; all of them or none."""
        made = self._behind.create_ports(requests)
        self._ports |= {port.id: lasting for port in made if (lasting := _lasting(port))}
        return made

    def delete_port(self, port_id: str) -> None:
        """Remove the port and free its address; a port that is gone is no error."""
        self._ports.pop(port_id, None)
        self._behind.delete_port(port_id)

    def protect(self, wanted: Protection) -> None:
        """See that a load balancer's ports carry its VIPs, and are open to those who may speak to it."""
        self._behind.protect(wanted)

    def unprotect(self, load_balancer_id: str) -> None:
        """Remove whatever ``protect`` made besides."""
        self._behind.unprotect(load_balancer_id)


def _seen(known: dict[str, O], which: str, look: Callable[[str], O | None]) -> O | None:
    if which not in known:
        found = look(which)
        if found is None:
            return None
        known[which] = found
    return known[which]


def _lasting(port: Port | None) -> Port | None:
    return dataclasses.replace(port, device_id="", device_owner="", qos_policy_id="") if port else None
