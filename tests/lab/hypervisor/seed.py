"""What the cloud has on its first day: all that ``tests.lab.cloud`` has, by the same names, and more networks."""

import contextlib
import json
import pathlib
from collections.abc import Iterator

from openstack import exceptions
from openstack.connection import Connection

from lictor.cli.image import manifest
from tests.bench.processes import eventually
from tests.lab.cloud import seed as cloud_seed
from tests.lab.cloud.settings import AUTH_URL
from tests.lab.hypervisor import settings
from tests.lab.hypervisor.wires import GATEWAY
from tests.lab.keystone import Accounts

PATIENCE = 240.0
"""Seconds until hypervisors and agents have said that they are there; on an idle machine it takes fifteen."""

AMPHORA = pathlib.Path(__file__).parents[3] / "build/amphora.qcow2"
"""The image that ``make image`` builds; without it there are no amphorae, and the rest of the lab is as it is."""

GUEST = "guest"
"""The image of the small guest: it asks DHCP, and answers at port 9443 with its name."""

TENANT, MEMBERS = "10.10.0.0/24", "10.20.0.0/24"
"""Alice's networks ``tenant``, behind a router to ``public``, and ``members``, which has no way out."""

_SERVED = 3
"""Networks with DHCP: ``lb-mgmt``, and Alice's."""


def accounts() -> None:
    """The accounts and endpoints of ``tests.lab.cloud``, and Barbican's."""
    keystone = Accounts(AUTH_URL)
    keystone.sign_in()
    cloud_seed.accounts(keystone)
    cloud_seed.balancing(keystone)
    keystone.grant("barbican", "service", "admin", "service")
    keystone.offer("barbican", "key-manager", f"http://127.0.0.1:{settings.PORTS['key-manager']}")
    for name in ("alice", "bob"):
        keystone.grant(name, name, "creator")


def resources(admin: Connection, service: Connection, alice: Connection) -> None:
    """Flavors and networks."""
    for name, ram in (("lb.small", manifest.MIN_RAM), ("lb.large", 2 * manifest.MIN_RAM)):
        admin.compute.create_flavor(name=name, ram=ram, vcpus=1, disk=2)
    _subnet(service, "lb-mgmt", "10.250.0.0/24", gateway_ip=None)
    public = _public(admin)
    tenant = _subnet(alice, "tenant", TENANT)
    _subnet(alice, "members", MEMBERS, gateway_ip=None)
    router = alice.network.create_router(name="tenant", external_gateway_info={"network_id": public})
    alice.network.add_interface_to_router(router, subnet_id=tenant)


def _subnet(owner: Connection, name: str, cidr: str, **more: object) -> str:
    """A network with one subnet of the same name, of which this is the id."""
    network = owner.network.create_network(name=name)
    subnet: str = owner.network.create_subnet(network_id=network.id, name=name, cidr=cidr, ip_version=4, **more).id
    return subnet


def _public(admin: Connection) -> str:
    network = admin.network.create_network(
        name="public", is_router_external=True, is_shared=True, provider_network_type="flat",
        provider_physical_network="public",
    )  # fmt: skip
    admin.network.create_subnet(
        network_id=network.id, name="public", cidr="172.31.250.0/24", ip_version=4, is_dhcp_enabled=False,
        gateway_ip=GATEWAY, allocation_pools=[{"start": "172.31.250.100", "end": "172.31.250.250"}],
    )  # fmt: skip
    return str(network.id)


def images(admin: Connection) -> None:
    """The small guest, and the amphora image if there is one."""
    parts = {
        f"{name}_id": _image(admin, f"{GUEST}-{name}", kind, settings.VENV / "guest" / file)
        for name, kind, file in (("kernel", "aki", "vmlinuz"), ("ramdisk", "ari", "initrd"))
    }
    _image(admin, GUEST, "raw", settings.VENV / "guest/disk", os_command_line="console=ttyS0 quiet", **parts)
    if AMPHORA.exists():
        properties = json.loads(AMPHORA.with_name(f"{AMPHORA.name}.json").read_text())["glance"]
        _image(admin, "amphora", "qcow2", AMPHORA, tags=["amphora"], **properties)


def _image(admin: Connection, name: str, kind: str, file: pathlib.Path, **properties: object) -> str:
    """Its id."""
    container = kind if kind in ("aki", "ari") else "bare"
    with file.open("rb") as data:
        made = admin.image.create_image(
            name=name, disk_format=kind, container_format=container, visibility="public", data=data, wait=True,
            use_import=False, allow_duplicates=True, **properties,
        )  # fmt: skip
    return str(made.id)


def await_bridges(admin: Connection, hosts: int) -> None:
    """Wait for the agent of each host: before it is there, no port can be bound to the host."""
    wanted = {("Linux bridge agent", settings.name(number)) for number in range(1, hosts + 1)}
    eventually(lambda: wanted <= set(_agents(admin)), PATIENCE, f"{wanted} are alive")


def await_hypervisors(admin: Connection, hosts: int) -> None:
    """Wait until the scheduler knows all hypervisors."""
    eventually(lambda: len(_up(admin)) == hosts, PATIENCE, f"{hosts} hypervisors are up")


def await_networks(admin: Connection) -> None:
    """Wait until DHCP and the router are wired.

    A port that is made while the DHCP agent still reads its networks is passed over by it, and never becomes ACTIVE.
    """
    _serve(admin)

    def wired() -> bool:
        ports = [port for port in admin.network.ports() if port.device_owner.startswith("network:")]
        owners = [port.device_owner for port in ports if port.status == "ACTIVE"]
        return len(owners) == len(ports) and owners.count("network:dhcp") == _SERVED

    eventually(wired, PATIENCE, "DHCP and the router are wired")


def _serve(admin: Connection) -> None:
    """Give the DHCP agent the networks that it was not given when it began.

    It asks for them once. If Neutron does not know it yet at that moment, there are none for it.
    """
    agents = "DHCP agent"
    agent = eventually(lambda: next(admin.network.agents(agent_type=agents, is_alive=True), None), PATIENCE, agents)
    served = {each.id for each in admin.network.dhcp_agent_hosting_networks(agent)}
    for network in admin.network.networks(is_router_external=False):
        if network.id not in served:
            with contextlib.suppress(exceptions.ConflictException):  # it has it after all
                admin.network.add_dhcp_agent_to_network(agent, network)


def _up(admin: Connection) -> list[str]:
    """The hypervisors that the scheduler may choose."""
    services = {each.host for each in admin.compute.services(binary="nova-compute") if each.state == "up"}
    return [each.name for each in admin.compute.hypervisors() if each.name in services]


def _agents(admin: Connection) -> Iterator[tuple[str, str]]:
    for agent in admin.network.agents():
        if agent.is_alive:
            yield agent.agent_type, agent.host
