"""The configuration files of the services, over those of Debian's packages.

All hosts have the same files but for their own name and address, and reach the services at ``CONTROLLER``.
"""

import pathlib
from typing import Any

from tests.lab.cloud.settings import Sections, account, ini
from tests.lab.keystone import PASSWORD

VENV = pathlib.Path(__file__).parents[3] / ".venv-hypervisor"
"""Where ``build`` has made ``root`` and ``guest``, and where ``seeded`` is kept."""

PORTS = {
    "identity": 5000, "image": 9292, "placement": 8778, "network": 9696, "compute": 8774, "key-manager": 9311,
}  # fmt: skip

CONTROLLER = "10.255.0.1"
"""The first host's address in the network below the tenants' networks; all services are there."""

DATABASES = ("keystone", "glance", "placement", "barbican", "neutron", "nova", "nova_api", "nova_cell0")

PUBLIC = "br-ext"
"""The bridge of the network ``public``, on the first host."""

_BUS = f"rabbit://guest:guest@{CONTROLLER}:5672/"
_AUTH_URL = f"http://{CONTROLLER}:{PORTS['identity']}/v3"
_PATIENCE = 240
"""Seconds that services wait for each other: a busy machine is no reason to give up."""

_METADATA_SECRET = "lab"
_STATE = "/var/lib/lab"


def name(number: int) -> str:
    """The name of a host, counted from 1; Nova and Neutron call it so too."""
    return f"hypervisor-{number}"


def address(number: int) -> str:
    """Where the tunnels of a host end."""
    return f"10.255.0.{number}"


def write(etc: pathlib.Path, number: int) -> None:
    """Write the configuration of one host below its ``/etc``."""
    for path, sections in _services(number).items():
        _write(etc / path, ini(sections))
    for path, text in _plain(number).items():
        _write(etc / path, text)


def _write(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _services(number: int) -> dict[str, Sections]:
    return {
        "keystone/keystone.conf": _keystone(),
        "glance/glance-api.conf": _glance(),
        "placement/placement.conf": _placement(),
        "barbican/barbican.conf": _barbican(),
        "neutron/neutron.conf": _neutron(number),
        "neutron/plugins/ml2/ml2_conf.ini": _ml2(),
        "neutron/plugins/ml2/linuxbridge_agent.ini": _linuxbridge(number),
        "neutron/dhcp_agent.ini": {"DEFAULT": {"enable_isolated_metadata": True, "resync_interval": 5}},
        "neutron/l3_agent.ini": {"DEFAULT": {}},
        "neutron/metadata_agent.ini": _metadata(),
        "nova/nova.conf": _nova(number),
        "nova/nova-compute.conf": {},
        "mysql/mariadb.conf.d/99-lab.cnf": _mariadb(),
    }


def _plain(number: int) -> dict[str, str]:
    hosts = "".join(f"{address(n)} {name(n)}\n" for n in (1, 2))
    # QEMU is root's, and what libvirt would set up around it (users, labels, cgroups, namespaces) cannot be had here.
    qemu = ('user = "root"', 'group = "root"', 'security_driver = "none"', "remember_owner = 0", "namespaces = []",
            "cgroup_controllers = []", 'stdio_handler = "file"')  # fmt: skip
    libvirtd = ('auth_unix_rw = "none"', 'unix_sock_group = "root"', f'host_uuid = "{number:032x}"')
    return {
        "hostname": f"{name(number)}\n",
        "hosts": f"127.0.0.1 localhost\n{hosts}",
        "resolv.conf": "",
        "libvirt/qemu.conf": "\n".join(qemu) + "\n",
        "libvirt/libvirtd.conf": "\n".join(libvirtd) + "\n",
        "rabbitmq/rabbitmq-env.conf": "NODENAME=rabbit@localhost\n",
        "rabbitmq/rabbitmq.conf": "loopback_users = none\nvm_memory_high_watermark.absolute = 400MB\n",
    }


def url(database: str) -> str:
    """Where a service finds its database."""
    return f"mysql+pymysql://lab:{PASSWORD}@{CONTROLLER}/{database}?charset=utf8"


def _account(user: str) -> dict[str, Any]:
    return account(user, _AUTH_URL)


def _at(kind: str) -> dict[str, str]:
    """Where a service is: the catalogue says loopback, which is so on the first host only."""
    return {"endpoint_override": f"http://{CONTROLLER}:{PORTS[kind]}"}


def _authtoken(user: str) -> dict[str, Any]:
    """How a service has tokens checked."""
    return _account(user) | {"www_authenticate_uri": _AUTH_URL, "memcached_servers": "127.0.0.1:11211"}


def _mariadb() -> Sections:
    # Nothing of it is to outlive a power cut.
    quick = {"innodb_flush_log_at_trx_commit": 0, "innodb_flush_method": "nosync", "innodb_doublewrite": 0}
    small = {"innodb_buffer_pool_size": "256M", "innodb_log_file_size": "16M", "performance_schema": "off"}
    return {
        "mysqld": {"bind-address": "0.0.0.0", "skip-name-resolve": 1, "max_connections": 500, **quick, **small}
    }  # fmt: skip


def _keystone() -> Sections:
    return {
        "DEFAULT": {"use_stderr": True},
        "database": {"connection": url("keystone")},
        "token": {"provider": "fernet"},
        "cache": {"enabled": True, "backend": "oslo_cache.memcache_pool", "memcache_servers": "127.0.0.1:11211"},
    }


def _glance() -> Sections:
    stores = {"file": "images", "os_glance_staging_store": "staging", "os_glance_tasks_store": "tasks"}
    return {
        "DEFAULT": {"bind_host": "0.0.0.0", "workers": 0, "enabled_backends": "file:file"},
        "database": {"connection": url("glance")},
        "glance_store": {"default_backend": "file"},
        **{store: {"filesystem_store_datadir": f"{_STATE}/glance/{place}"} for store, place in stores.items()},
        "paste_deploy": {"flavor": "keystone"},
        "keystone_authtoken": _authtoken("glance"),
    }


def _placement() -> Sections:
    return {
        "api": {"auth_strategy": "keystone"},
        "placement_database": {"connection": url("placement")},
        "keystone_authtoken": _authtoken("placement"),
    }


def _barbican() -> Sections:
    return {
        "DEFAULT": {
            "sql_connection": url("barbican"),
            "db_auto_create": False,
            "host_href": f"http://127.0.0.1:{PORTS['key-manager']}",
            "use_stderr": True,
        },
        "secretstore": {
            "namespace": "barbican.secretstore.plugin", "enabled_secretstore_plugins": "store_crypto",
        },
        "crypto": {"namespace": "barbican.crypto.plugin", "enabled_crypto_plugins": "simple_crypto"},
        "simple_crypto_plugin": {"kek": "'bGFib3JhdG9yeS1rZXktbm90LXRvLWJlLXVzZWQtLS0='"},
        "queue": {"enable": False},
        "keystone_authtoken": _authtoken("barbican"),
    }  # fmt: skip


def _neutron(number: int) -> Sections:
    unlimited = ("port", "network", "subnet", "security_group", "security_group_rule")
    return {
        "DEFAULT": {
            "host": name(number),
            "core_plugin": "ml2",
            "service_plugins": "router,qos",
            "transport_url": _BUS,
            "rpc_response_timeout": _PATIENCE,
            "api_workers": 1,
            "rpc_workers": 1,
            "rpc_state_report_workers": 0,
            # Nova hears at once that a port is wired.
            "send_events_interval": 0,
            # A busy machine is no reason to take an agent for dead.
            "agent_down_time": 600,
            "bind_host": "0.0.0.0",
            "state_path": f"{_STATE}/neutron",
            "interface_driver": "linuxbridge",
        },
        "agent": {"root_helper": "/usr/bin/env", "root_helper_daemon": "", "report_interval": 10},
        "database": {"connection": url("neutron")},
        "oslo_concurrency": {"lock_path": f"{_STATE}/neutron/lock"},
        "nova": _account("nova"),
        "placement": _account("placement"),
        "quotas": {f"quota_{kind}": -1 for kind in unlimited},
        # So Neutron calls what has no maintainer.
        "experimental": {"linuxbridge": True},
        "keystone_authtoken": _authtoken("neutron"),
    }


def _ml2() -> Sections:
    return {
        "ml2": {
            "type_drivers": "flat,vxlan",
            "tenant_network_types": "vxlan",
            "mechanism_drivers": "linuxbridge",
            "extension_drivers": "port_security,qos",
        },
        "ml2_type_flat": {"flat_networks": "public"},
        "ml2_type_vxlan": {"vni_ranges": "1:1000"},
        "securitygroup": {"enable_security_group": True, "enable_ipset": True},
    }


def _linuxbridge(number: int) -> Sections:
    return {
        "linux_bridge": {"bridge_mappings": f"public:{PUBLIC}" if number == 1 else ""},
        "vxlan": {"enable_vxlan": True, "local_ip": address(number), "udp_dstport": 4789},
        "agent": {"polling_interval": 1, "extensions": "qos"},
        "securitygroup": {"firewall_driver": "iptables", "enable_ipset": True},
    }


def _metadata() -> Sections:
    return {
        "DEFAULT": {
            "nova_metadata_host": CONTROLLER, "metadata_proxy_shared_secret": _METADATA_SECRET, "metadata_workers": 0,
        }
    }  # fmt: skip


def _nova(number: int) -> Sections:
    unlimited = ("instances", "cores", "ram", "server_groups", "server_group_members")
    metadata = {"service_metadata_proxy": True, "metadata_proxy_shared_secret": _METADATA_SECRET}
    return {
        "DEFAULT": {
            "host": name(number),
            "my_ip": address(number),
            "transport_url": _BUS,
            "state_path": f"{_STATE}/nova",
            "instances_path": f"{_STATE}/nova/instances",
            "enabled_apis": "osapi_compute,metadata",
            "osapi_compute_workers": 1,
            "metadata_workers": 1,
            "compute_driver": "libvirt.LibvirtDriver",
            "force_config_drive": True,
            "force_raw_images": False,
            "cpu_allocation_ratio": 16,
            "ram_allocation_ratio": 4,
            "disk_allocation_ratio": 10,
            "reserved_host_memory_mb": 0,
            "vif_plugging_timeout": _PATIENCE,
            "rpc_response_timeout": _PATIENCE,
            "service_down_time": 600,
            # By default the scheduler looks for hosts after up to a minute.
            "periodic_fuzzy_delay": 0,
        },
        "api": {"auth_strategy": "keystone"},
        "api_database": {"connection": url("nova_api")},
        "database": {"connection": url("nova")},
        "conductor": {"workers": 1},
        "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": 2},
        "glance": _at("image"),
        "neutron": {**metadata, **_at("network"), **_account("neutron")},
        "placement": {**_at("placement"), **_account("placement")},
        "service_user": {"send_service_user_token": True, **_account("nova")},
        # /dev/kvm runs nothing here but its BIOS.
        "libvirt": {"virt_type": "qemu", "cpu_mode": "none", "hw_machine_type": "x86_64=pc"},
        "vnc": {"enabled": False},
        "quota": dict.fromkeys(unlimited, -1),
        "oslo_concurrency": {"lock_path": f"{_STATE}/nova/lock"},
        "workarounds": {"disable_rootwrap": True},
        "keystone_authtoken": _authtoken("nova"),
    }
