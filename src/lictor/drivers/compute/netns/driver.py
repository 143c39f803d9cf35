"""The compute driver ``netns``: see the package's docstring for the picture."""

import contextlib
import ipaddress
import pathlib
import shutil
import subprocess
import threading
from collections.abc import Iterator

from oslo_config import cfg
from pyroute2 import IPRoute
from sqlalchemy.exc import SQLAlchemyError

from lictor import config
from lictor.drivers.compute.base import Boot, ComputeError, Instance
from lictor.drivers.compute.netns import boot as birth
from lictor.drivers.compute.netns import bridges, host, links, processes
from lictor.drivers.compute.netns.names import NAMESPACES, Names, is_id
from lictor.drivers.inventory import Anything
from lictor.drivers.network.base import NetworkError, Port, Subnet
from lictor.drivers.network.local import LocalNetwork


class NetnsCompute:
    """Implements ``drivers.compute.base.Compute`` with namespaces of this host. Thread-safe.

    The directory ``<state_dir>/amphorae/<amphora id>`` is made before anything else of an amphora and removed after
    everything else: whatever lies in between is found again by its name.
    """

    has_agents = True
    inventory = Anything
    needs_root = True

    def __init__(self, conf: cfg.ConfigOpts, networking: LocalNetwork) -> None:
        """Does nothing to the host yet."""
        self._conf = conf
        self._networking = networking
        self._names = Names(config.deployment(conf))
        self._directory = config.state_dir(conf) / "amphorae"
        self._known: dict[str, processes.Process] = {}
        # Two calls for one amphora wait for each other; for different ones, seldom.
        self._locks = [threading.Lock() for _ in range(64)]

    # --- the host ---

    def prepare(self) -> None:
        """Check that this host can run amphorae, and make or repair the bridges. Idempotent.

        Raises ``HostNotReady``, or ``BadNetworkConfiguration`` if ports still have addresses of another range.
        """
        host.check(self._names.namespace("probe"))
        self._networking.check_ports()
        with links.rtnetlink() as ipr:
            self._check_ranges(ipr)
            for name, subnets in self._bridges().items():
                addresses = tuple(f"{each.gateway_ip}/{each.cidr.partition('/')[2]}" for each in subnets)
                bridges.ensure(ipr, bridges.Bridge(name, addresses, self._conf.local_network.mtu))
        bridges.spare_from_firewalls()

    def _bridges(self) -> dict[str, list[Subnet]]:
        """The bridges that should be there, with the subnets on each."""
        found: dict[str, list[Subnet]] = {}
        for _, subnet in self._networking.ranges():
            found.setdefault(self._bridge(subnet.network_id), []).append(subnet)
        return found

    def _bridge(self, network_id: str) -> str:
        if network_id == self._networking.management_network.id:
            return self._names.management_bridge
        place = [network.id for network in self._networking.networks()].index(network_id)
        return self._names.further_bridge(place + 1) if place else self._names.private_bridge

    def _check_ranges(self, ipr: IPRoute) -> None:
        found = (links.get(ipr, name) for name in self._bridges())
        own = {link.index for link in found if link is not None}
        for option, subnet in self._networking.ranges():
            host.check_range(ipr, option, ipaddress.ip_network(subnet.cidr), own)

    def purge(self) -> None:
        """Remove every amphora, link, bridge, namespace and directory of this deployment, found by its tag alone.

        The address book is left as it is: it goes with the database, which may be gone already.
        """
        for process in processes.scan(self._names).values():
            processes.kill(process)
        with links.rtnetlink() as ipr:
            for name in links.names(self._names.link_prefix):
                links.delete(ipr, name)
            for name in self._names.bridges():
                links.delete(ipr, name)
        for namespace in self._names.namespaces():
            _remove_namespace(namespace)
        _remove_directory(self._directory)
        self._known.clear()

    # --- amphorae ---

    def find(self, amphora_id: str) -> Instance | None:
        """The instance of this amphora, or None if nothing of it is left.

        It is ``running`` if its process 1 lives in the namespace of its name, with the management link attached.
        """
        if not self._place(amphora_id).exists() and not self._names.path(amphora_id).exists():
            return None
        port = self._networking.management_port(amphora_id)
        return self._instance(amphora_id, port, port is not None and self._whole(amphora_id, port))

    def _whole(self, amphora_id: str, port: Port) -> bool:
        process = self._process(amphora_id)
        linked = links.exists(self._names.link(amphora_id, port.id))
        return process is not None and process.within(self._names.path(amphora_id)) and linked

    def create(self, boot: Boot) -> Instance:
        """Make the instance afresh and return without waiting for its agent.

        Whatever was there of it before, whole or half made, is replaced; only its management address stays.
        """
        with self._lock(boot.amphora_id), _explained():
            self._make_room(boot.amphora_id)
            port = self._networking.create_management_port(boot.amphora_id)
            self._start(boot, port)
            return self._instance(boot.amphora_id, port, running=True)

    def _make_room(self, amphora_id: str) -> None:
        place = self._place(amphora_id)
        if place.exists() or self._names.path(amphora_id).exists():
            self._clear(amphora_id)
        place.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _start(self, boot: Boot, port: Port) -> None:
        prefix = ipaddress.ip_network(self._networking.management_subnet.cidr).prefixlen
        log = self._place(boot.amphora_id) / "agent.log"
        told = birth.Birth(boot, f"{port.ip_address}/{prefix}", self._conf.haproxy_amphora.bind_port, log)
        argv = processes.argument(self._names, boot.amphora_id)
        with birth.newborn(self._names.path(boot.amphora_id), argv) as shell:
            with links.rtnetlink() as ipr:
                links.ensure_veth(ipr, self._veth(boot.amphora_id, port, "eth0"))
            shell.order(birth.orders(told), "booted")

    def delete(self, amphora_id: str) -> None:
        """Remove the instance and all its NICs; on return nothing of it is left, also if it was half gone before."""
        with self._lock(amphora_id):
            self._clear(amphora_id)
            port = self._networking.management_port(amphora_id)
            if port is not None:
                self._networking.delete_port(port.id)
            _remove_directory(self._place(amphora_id))

    def _clear(self, amphora_id: str) -> None:
        """Remove processes, links and namespace."""
        process = self._process(amphora_id)
        if process is not None:
            processes.kill(process)
        self._known.pop(amphora_id, None)
        with links.rtnetlink() as ipr:
            for link in links.owned(ipr, self._names.amphora_prefix(amphora_id)):
                if link.alias == "" or self._names.amphora_of_alias(link.alias) == amphora_id:
                    links.delete(ipr, link.name)
        _remove_namespace(self._names.namespace(amphora_id))

    def forget(self, load_balancer_id: str) -> None:
        """Nothing to do: they share nothing."""

    def instances(self) -> list[Instance]:
        """Everything of this deployment that is on the host or in the address book, also if the latter is gone."""
        running = processes.scan(self._names)
        self._known.update(running)
        ports = self._management_ports()
        found = self._traces(running.keys() | ports.keys())
        return [self._instance(each, ports.get(each), each in running) for each in sorted(found)]

    def _traces(self, known: set[str]) -> set[str]:
        """The known amphorae, and those of which there is but a namespace, a directory or a link."""
        found = known | {each for name in self._names.namespaces() if (each := self._names.amphora(name))}
        with contextlib.suppress(FileNotFoundError):
            found |= {path.name for path in self._directory.iterdir() if is_id(path.name)}
        explained = tuple(self._names.amphora_prefix(amphora_id) for amphora_id in found)
        with links.rtnetlink() as ipr:
            # Only links of nobody found so far are worth a question: of the others there may be thousands.
            strange = [name for name in links.names(self._names.link_prefix) if not name.startswith(explained)]
            asked = [link for name in strange if (link := links.get(ipr, name))]
        return found | {each for link in asked if (each := self._names.amphora_of_alias(link.alias))}

    def _management_ports(self) -> dict[str, Port]:
        try:
            return {port.device_id: port for port in self._networking.management_ports()}
        except SQLAlchemyError:
            return {}

    # --- NICs ---

    def attach(self, amphora_id: str, port: Port) -> None:
        """See that the amphora has a NIC for this port of the user network: in its outer namespace, with its MAC."""
        with self._lock(amphora_id), links.rtnetlink() as ipr:
            name = self._names.link(amphora_id, port.id)
            links.ensure_veth(ipr, self._veth(amphora_id, port, name))

    def detach(self, amphora_id: str, port: Port) -> None:
        """See that it has none."""
        with self._lock(amphora_id), links.rtnetlink() as ipr:
            link = links.get(ipr, self._names.link(amphora_id, port.id))
            if link is not None and link.alias in ("", self._names.alias(amphora_id, port.id)):
                links.delete(ipr, link.name)

    def _veth(self, amphora_id: str, port: Port, peer: str) -> links.Veth:
        return links.Veth(
            name=self._names.link(amphora_id, port.id), alias=self._names.alias(amphora_id, port.id),
            bridge=self._bridge(port.network_id), mtu=self._conf.local_network.mtu, peer=peer,
            peer_mac=port.mac_address, path=self._names.path(amphora_id),
        )  # fmt: skip

    # --- small things ---

    def _place(self, amphora_id: str) -> pathlib.Path:
        return self._directory / amphora_id

    def _lock(self, amphora_id: str) -> threading.Lock:
        return self._locks[hash(amphora_id) % len(self._locks)]

    def _instance(self, amphora_id: str, port: Port | None, running: bool) -> Instance:
        return Instance(amphora_id, self._names.namespace(amphora_id), port.ip_address if port else "", running)

    def _process(self, amphora_id: str) -> processes.Process | None:
        """The amphora's process 1 if it lives. Looked for among all processes only when we do not know it."""
        known = self._known.get(amphora_id)
        if known is None or not known.alive():
            self._known.pop(amphora_id, None)
            self._known.update(processes.scan(self._names))
        return self._known.get(amphora_id)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Say what failed in the words of the contract."""
    try:
        yield
    except NetworkError as error:
        raise ComputeError(f"The amphora has no management address: {error}") from error
    except OSError as error:
        raise ComputeError(f"The amphora could not be made on this host: {error}.") from error


def _remove_namespace(name: str) -> None:
    path = NAMESPACES / name
    if path.exists():
        command, env = ["ip", "netns", "del", name], {"PATH": host.SEARCH_PATH}
        result = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=30)
        if path.exists():
            raise ComputeError(f"The network namespace {path} could not be removed: {result.stderr.strip()}")


def _remove_directory(path: pathlib.Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)
