"""The configuration files of the services, as small as they can be: whatever is not here is as its makers would."""

import pathlib
from collections.abc import Mapping
from typing import Any

from tests.lab.keystone import PASSWORD
from tests.lab.rabbitmq import URL as BUS

VENV = pathlib.Path(__file__).parents[3] / ".venv-cloud"
"""Of the services: what they require contradicts what the clients require."""

PORTS = {"identity": 5000, "image": 9292, "placement": 8778, "network": 9696, "compute": 8774}
AUTH_URL = f"http://127.0.0.1:{PORTS['identity']}/v3"

HOST = "lab"
"""The name of the compute host."""

DATABASES = ("glance", "placement", "neutron", "nova", "nova_api", "nova_cell0")

Sections = Mapping[str, Mapping[str, Any]]


FAKE, NAMESPACES = "fake.FakeDriver", "lictor_lab_hypervisor.Namespaces"
"""Nova's hypervisors: one boots nothing, the other one namespaces (``plugin/lictor_lab_hypervisor.py``)."""


def write(directory: pathlib.Path, socket_directory: pathlib.Path, hypervisor: str = FAKE) -> None:
    """Write the configuration of all services to ``directory``/etc."""
    etc = directory / "etc"
    etc.mkdir()
    urls = {name: url(socket_directory, name) for name in DATABASES}
    (etc / "api-paste.ini").write_text((VENV / "etc/nova/api-paste.ini").read_text())
    for name, sections in (
        ("glance-api", _glance(directory, urls)),
        ("placement", _placement(urls)),
        ("neutron", _neutron(directory, urls, hypervisor)),
        ("nova", _nova(directory, urls, hypervisor)),
    ):
        (etc / f"{name}.conf").write_text(ini(sections))


def url(socket_directory: pathlib.Path, name: str) -> str:
    """Where a service finds its database."""
    return f"mysql+pymysql://root@/{name}?unix_socket={socket_directory}/sock&charset=utf8"


def ini(sections: Sections) -> str:
    """The text of a configuration file."""
    return "".join(
        f"[{name}]\n" + "".join(f"{option} = {value}\n" for option, value in options.items())
        for name, options in sections.items()
    )


def account(user: str, auth_url: str = AUTH_URL) -> dict[str, Any]:
    """How a service speaks with others, as itself."""
    return {
        "auth_type": "password", "auth_url": auth_url, "username": user, "password": PASSWORD,
        "project_name": "service", "user_domain_id": "default", "project_domain_id": "default",
        "region_name": "RegionOne",
    }  # fmt: skip


OCTAVIA = "".join(f"{name} = {value}\n" for name, value in account("octavia").items())
"""The account of the load-balancer service, as a section of lictor.conf has it."""


def _authtoken(user: str) -> dict[str, Any]:
    """How a service has tokens checked."""
    return account(user) | {"www_authenticate_uri": AUTH_URL}


def _glance(directory: pathlib.Path, urls: Mapping[str, str]) -> Sections:
    stores = {"file": "images", "os_glance_staging_store": "staging", "os_glance_tasks_store": "tasks"}
    return {
        "DEFAULT": {"enabled_backends": "file:file"},
        "database": {"connection": urls["glance"]},
        "glance_store": {"default_backend": "file"},
        **{name: {"filesystem_store_datadir": directory / "glance" / place} for name, place in stores.items()},
        "paste_deploy": {"flavor": "keystone", "config_file": VENV / "etc/glance/glance-api-paste.ini"},
        "keystone_authtoken": _authtoken("glance"),
    }


def _placement(urls: Mapping[str, str]) -> Sections:
    return {
        "placement_database": {"connection": urls["placement"]},
        "keystone_authtoken": _authtoken("placement"),
    }


def _neutron(directory: pathlib.Path, urls: Mapping[str, str], hypervisor: str) -> Sections:
    unlimited = ("port", "network", "subnet", "security_group", "security_group_rule")
    return {
        "DEFAULT": {
            "core_plugin": "ml2",
            # Where no packet flows, floating IPs are rows.
            "service_plugins": "qos," + ("router" if hypervisor == FAKE else "lictor_lab_router"),
            "transport_url": BUS,
            "state_path": directory / "neutron",
            "api_paste_config": VENV / "etc/neutron/api-paste.ini",
        },
        "ml2": {
            "type_drivers": "local",
            "tenant_network_types": "local",
            "mechanism_drivers": "lictor_lab",
            "extension_drivers": "port_security,qos,tag_ports_during_bulk_creation",
        },
        "quotas": {f"quota_{name}": -1 for name in unlimited},
        "database": {"connection": urls["neutron"]},
        "oslo_concurrency": {"lock_path": directory / "neutron/lock"},
        "nova": account("nova"),
        "keystone_authtoken": _authtoken("neutron"),
    }


def _nova(directory: pathlib.Path, urls: Mapping[str, str], hypervisor: str) -> Sections:
    unlimited = ("instances", "cores", "ram", "server_groups", "server_group_members")
    return {
        "DEFAULT": {
            "host": HOST,
            "my_ip": "127.0.0.1",
            "transport_url": BUS,
            "state_path": directory / "nova",
            "compute_driver": hypervisor,
            # Nobody wires anything, so nobody says that it is done.
            "vif_plugging_is_fatal": False,
            "vif_plugging_timeout": 0,
            # A busy machine is no reason to take the only host for dead.
            "service_down_time": 600,
            # By default the scheduler looks for hosts after up to a minute.
            "periodic_fuzzy_delay": 0,
        },
        "database": {"connection": urls["nova"]},
        "api_database": {"connection": urls["nova_api"]},
        "conductor": {"workers": 1},
        "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": 2},
        "quota": dict.fromkeys(unlimited, -1),
        "glance": {"endpoint_override": f"http://127.0.0.1:{PORTS['image']}"},
        "neutron": account("neutron"),
        "placement": account("placement"),
        "service_user": {"send_service_user_token": True, **account("nova")},
        "vnc": {"enabled": False},
        "oslo_concurrency": {"lock_path": directory / "nova/lock"},
        "keystone_authtoken": _authtoken("nova"),
    }
