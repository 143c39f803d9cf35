"""The schemas and the processes of the services: all of them on the first host, and what every hypervisor has."""

import contextlib
import socket
from concurrent.futures import ThreadPoolExecutor

from tests.bench.processes import eventually
from tests.lab.cloud.settings import AUTH_URL
from tests.lab.hypervisor import settings
from tests.lab.hypervisor.host import Host
from tests.lab.keystone import PASSWORD
from tests.lab.uwsgi import OPTIONS

PATIENCE = 240.0
"""Seconds that a service may take to answer; on an idle machine it takes five to fifteen."""

_NEUTRON = ("--config-file", "/etc/neutron/neutron.conf")
_ML2 = "/etc/neutron/plugins/ml2"

_KEYSTONE = "/usr/bin/keystone-wsgi-public"
_APPLICATIONS = {
    "placement": "/usr/bin/placement-api",
    "key-manager": "/usr/bin/barbican-wsgi-api",
}
"""What else uWSGI serves, by the kind of service."""

_SCHEMAS = (
    (
        "install -d -o keystone -g keystone -m 700 /etc/keystone/fernet-keys /etc/keystone/credential-keys",
        "keystone-manage db_sync",
        "keystone-manage fernet_setup --keystone-user keystone --keystone-group keystone",
        "keystone-manage credential_setup --keystone-user keystone --keystone-group keystone",
        f"keystone-manage bootstrap --bootstrap-password {PASSWORD} --bootstrap-region-id RegionOne"
        + "".join(f" --bootstrap-{interface}-url {AUTH_URL}" for interface in ("admin", "internal", "public")),
    ),
    (f"neutron-db-manage --config-file /etc/neutron/neutron.conf --config-file {_ML2}/ml2_conf.ini upgrade heads",),
    (
        "nova-manage api_db sync",
        f"nova-manage cell_v2 map_cell0 --database_connection {settings.url('nova_cell0')}",
        "nova-manage cell_v2 create_cell --name cell1",
        "nova-manage db sync",
    ),
    ("glance-manage db_sync", "placement-manage db sync", "barbican-manage db upgrade"),
)
"""Commands that follow each other; the rows may go side by side."""


def base(host: Host) -> None:
    """Start the database and the message bus, and wait for both."""
    host.start("mariadb", "mariadbd", "--user=mysql")
    host.start("memcached", "memcached", "-u", "memcache", "-l", "127.0.0.1", "-m", "64")
    host.start("rabbitmq", "rabbitmq-server")
    answers(host, "MariaDB", 3306)


def make_schemas(host: Host) -> None:
    """Make all databases. Raises with what a command said if it fails."""
    made = "".join(f"CREATE DATABASE {name} CHARACTER SET utf8;" for name in settings.DATABASES)
    host.run("mariadb", "-e", f"{made} GRANT ALL ON *.* TO 'lab'@'%' IDENTIFIED BY '{PASSWORD}'")
    with ThreadPoolExecutor(len(_SCHEMAS)) as pool:
        for future in [pool.submit(_one_by_one, host, row) for row in _SCHEMAS]:
            future.result()


def _one_by_one(host: Host, commands: tuple[str, ...]) -> None:
    for command in commands:
        said = host.run(*command.split())
        with (host.logs / "schemas.log").open("a") as log:
            log.write(f"== {command}\n{said}")


def identity(host: Host) -> None:
    """Start Keystone, and wait for it: Nova's scheduler ends if it cannot sign in when it starts."""
    _serve(host, "identity", _KEYSTONE)
    answers(host, "Keystone", settings.PORTS["identity"])


def _serve(host: Host, kind: str, program: str) -> None:
    listen = f"--http-socket=0.0.0.0:{settings.PORTS[kind]}"
    host.start(kind, "uwsgi_python3", listen, "--wsgi-file", program, "--threads=8", "--lazy-apps", *OPTIONS)


def apis(host: Host) -> None:
    """Start all other APIs, whose accounts must be there, and wait until they answer."""
    for kind, program in _APPLICATIONS.items():
        _serve(host, kind, program)
    host.start("image", "glance-api", "--config-file", "/etc/glance/glance-api.conf")
    answers(host, "RabbitMQ", 5672)
    host.start("network", "neutron-server", *_NEUTRON, "--config-file", f"{_ML2}/ml2_conf.ini")
    for daemon in ("nova-api", "nova-conductor", "nova-scheduler"):
        host.start(daemon, daemon)
    for kind, port in settings.PORTS.items():
        answers(host, kind, port)


def network_agents(host: Host) -> None:
    """Start routers, DHCP and metadata."""
    for name in ("dhcp", "l3", "metadata"):
        host.start(
            f"neutron-{name}", f"neutron-{name}-agent", *_NEUTRON, "--config-file", f"/etc/neutron/{name}_agent.ini"
        )


def compute(host: Host) -> None:
    """Start what makes a host a hypervisor."""
    host.start("libvirtd", "libvirtd")
    host.start(
        "neutron-linuxbridge", "neutron-linuxbridge-agent", *_NEUTRON, "--config-file", f"{_ML2}/linuxbridge_agent.ini"
    )
    host.start("nova-compute", "nova-compute")


def answers(host: Host, what: str, port: int) -> None:
    """Wait until somebody listens at a port of the first host. Raises with the log of a service that has ended."""

    def listens() -> bool:
        host.check()
        with contextlib.suppress(OSError), socket.create_connection((settings.CONTROLLER, port), 1):
            return True
        return False

    eventually(listens, PATIENCE, f"{what} listens, see {host.logs}")
