"""What a cloud has on its first day, and what a load-balancer service adds to it."""

from openstack.connection import Connection

from tests.bench.processes import eventually
from tests.lab.cloud import settings
from tests.lab.keystone import ROLES, Keystone

SERVICES = {
    "nova": ("compute", "/v2.1"),
    "neutron": ("network", ""),
    "glance": ("image", ""),
    "placement": ("placement", ""),
}
"""Of each account: what it offers, and the path of that."""

PATIENCE = 120.0
"""Seconds until Nova's scheduler has found the compute host."""


def accounts(keystone: Keystone) -> None:
    """The services' accounts and endpoints, and two users with a project each."""
    for name, (kind, path) in SERVICES.items():
        keystone.grant(name, "service", "admin", "service")
        keystone.offer(name, kind, f"http://127.0.0.1:{settings.PORTS[kind]}{path}")
    for name in ("alice", "bob"):
        keystone.grant(name, name, "member")


def resources(admin: Connection) -> None:
    """A network for all; returns when there is a host for servers."""
    eventually(lambda: list(admin.compute.hypervisors()), PATIENCE, "the compute host")
    _network(admin, "public", "172.31.250.0/24", is_shared=True, is_router_external=True)


def balancing(keystone: Keystone) -> None:
    """The account of a load-balancer service (``octavia``), its place in the catalogue, and roles of its users."""
    keystone.grant("octavia", "service", "admin", "service")
    keystone.offer("octavia", "load-balancer", "http://127.0.0.1:9876")
    for role in ROLES:
        keystone.ensure("role", role)
    for name in ("alice", "bob"):
        keystone.grant(name, name, "load-balancer_member")


def amphorae(admin: Connection, service: Connection) -> None:
    """Flavors, a management network, and an image that is none: nothing is booted from it."""
    for name, ram in (("lb.small", 384), ("lb.large", 768)):
        admin.compute.create_flavor(name=name, ram=ram, vcpus=1, disk=1)
    _network(service, "lb-mgmt", "10.250.0.0/24")
    admin.image.create_image(
        name="amphora", disk_format="raw", container_format="bare", visibility="public", tags=["amphora"],
        data=b"an image of an amphora", wait=True, use_import=False, allow_duplicates=True,
    )  # fmt: skip


def _network(owner: Connection, name: str, cidr: str, **more: object) -> None:
    network = owner.network.create_network(name=name, **more)
    owner.network.create_subnet(network_id=network.id, name=name, cidr=cidr, ip_version=4, is_dhcp_enabled=False)
