"""``make conformance-tempest-cloud``: upstream's suites against Lictor on a real Keystone, Neutron, Nova and Glance.

Nova's hypervisor is the lab's (``tests/lab/cloud/plugin/lictor_lab_hypervisor.py``): amphorae are Lictor's own agents
with real HAProxy in namespaces, and so are the web servers of the scenario tests, with an SSH server in them. At the
end the cloud has to be as it was.
"""

import argparse
import configparser
import contextlib
import io
import sys
import tempfile
import time
from pathlib import Path

from lictor.api.kernel import has_sctp
from tests.conformance.tempest.__main__ import API, BUG, closing, report
from tests.conformance.tempest.workspace import BIN, PROVIDERS, Workspace, configuration
from tests.lab.barbican import Barbican
from tests.lab.cloud import cloud, connect, there_already
from tests.lab.cloud.settings import AUTH_URL, NAMESPACES, OCTAVIA
from tests.lab.deployment import Deployment, eventually
from tests.lab.keystone import PASSWORD, Accounts

SUITES = {
    "api": API,
    "scenario": r"^octavia_tempest_plugin\.tests\.scenario\..*",
    "pair": r"^octavia_tempest_plugin\.tests\.act_stdby_scenario\..*",
    "tls": r"^octavia_tempest_plugin\.tests\.barbican_scenario\..*",
}
"""What may be asked for; ``pair`` with two amphorae for each load balancer."""

PATIENCE = "heartbeat_timeout = 60\ninstance_check_interval = 3600"
"""Octavia's, which learns of it by silence alone. The fail-over's test sends requests for 20 s after a server was
deleted, and then waits until its replacement begins: Lictor's would be over by then."""

MANAGER = "10.250.0.1:5555"
"""Where amphorae find the health manager: this host, as the router of ``lb-mgmt``."""


def main():
    options = parse()
    directory = Path(tempfile.mkdtemp(prefix="lictor-tempest-cloud-"))
    print(f"{options.suite} in {directory}", flush=True)
    began = time.monotonic()
    with (
        contextlib.nullcontext() if there_already() else cloud(directory / "cloud", NAMESPACES),
        Barbican(directory / "barbican", accounts()),
    ):
        results, left = suite(directory, options)
    failed = report(results)
    print(f"{time.monotonic() - began:.0f} s")
    for what in left:
        print(f"LEFT in the cloud: {what}")
    return closing(results, directory, failed or bool(left))


def parse():
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.tempest.cloud")
    parser.add_argument("tests", nargs="?", default="", help="regular expression that picks some of the tests")
    parser.add_argument("--suite", default="api", choices=sorted(SUITES))
    parser.add_argument("--concurrency", type=int, default=4, help="of API tests; the others are one at a time")
    return parser.parse_args()


def accounts():
    """Keystone's, with one for Barbican."""
    known = Accounts(AUTH_URL)
    known.sign_in()
    known.grant("lictor", "service", "admin", "service")
    return known


def suite(directory, options):
    """The results, and what was there afterwards that had not been there before."""
    admin = connect("admin", "admin")
    upload(admin)
    before = inventory(admin)
    lictor = Deployment(directory / "state")
    lictor.config.write_text(settings(admin, options.suite))
    lictor.start()
    try:
        results = rounds(directory, admin, options)
        with contextlib.suppress(AssertionError):  # what is removed in the background
            eventually(lambda: not inventory(admin) - before, 60, "the cloud is as it was", poll=2)
    finally:
        lictor.stop()
    return results, sorted(inventory(admin) - before)


def upload(admin):
    """The image of a web server. (What it does is in ``tests/lab/cloud/machines.py``.)"""
    admin.image.create_image(
        name="webserver", disk_format="raw", container_format="bare", visibility="public",
        data=b"an image of a web server", wait=True, use_import=False, allow_duplicates=True,
    )  # fmt: skip


def inventory(admin):
    """Everything there that tests or Lictor could leave, as words."""
    network, compute = admin.network, admin.compute
    found = {
        "port": network.ports(), "network": network.networks(), "subnet": network.subnets(),
        "router": network.routers(), "floating IP": network.ips(), "security group": network.security_groups(),
        "server": compute.servers(all_projects=True), "server group": compute.server_groups(all_projects=True),
    }  # fmt: skip
    # Neutron gives each project a group when it is first asked about groups, and nobody takes it away.
    return {f"{kind} {each.id} {each.name}" for kind, all_ in found.items() for each in all_ if each.name != "default"}


def settings(admin, suite_name):
    """Lictor's configuration."""
    return f"""
[lictor]
deployment = tempest
[service_auth]
{OCTAVIA}
[keystone_authtoken]
www_authenticate_uri = {AUTH_URL}
{OCTAVIA}
[api_settings]
auth_strategy = keystone
enabled_provider_drivers = {",".join(f"{name}:{text}" for name, text in PROVIDERS.items())}
[certificates]
cert_manager = barbican
[controller_worker]
compute_driver = nova
network_driver = neutron
loadbalancer_topology = {"ACTIVE_STANDBY" if suite_name == "pair" else "SINGLE"}
amp_image_tag = amphora
amp_flavor_id = {admin.compute.find_flavor("lb.small").id}
amp_boot_network_list = {admin.network.find_network("lb-mgmt").id}
[health_manager]
controller_ip_port_list = {MANAGER}
{PATIENCE if suite_name == "pair" else ""}
[nova]
enable_anti_affinity = False
"""


def rounds(directory, admin, options):
    """The chosen tests; and those that UDP over IPv6 made the plugin skip (bug 2003329) again with VIPs of IPv4."""
    results = round_of(directory / "first", admin, options, f"{SUITES[options.suite]}({options.tests})")
    again = [name for name, (word, why) in results.items() if word == "skipped" and BUG in why]
    if again:
        results |= round_of(directory / "second", admin, options, again, ipv6=False)
    return results


def round_of(directory, admin, options, tests, ipv6=True):
    """Amphorae here have the kernel of this machine; with what it lacks, whole classes of tests would end in ERROR."""
    but = None if has_sctp() else "(?i)sctp"
    if but:
        print("left out: tests with SCTP in their names, as this kernel has no SCTP", flush=True)
    concurrency = options.concurrency if options.suite == "api" else 1
    workspace = Workspace(directory, tempest_conf(directory, admin, options.suite, ipv6))
    return workspace.run(tests, concurrency, but)


def tempest_conf(directory, admin, suite_name, ipv6):
    """tempest.conf: what ``make conformance-tempest`` has, but for a cloud in which everything is real."""
    conf = configparser.ConfigParser(interpolation=None)
    conf.optionxform = str
    conf.read_string(configuration(directory, AUTH_URL, PASSWORD, "octavia", "keystone_default_roles"))
    for name in ("availability_zone", "availability_zone2", "availability_zone3"):
        # The tests that have zones name a management network at random, which a real Neutron does not have.
        conf.remove_option("load_balancer", name)
    changes = {
        "service_available": {"barbican": True, "glance": True, "neutron": True, "nova": True},
        "compute": {
            "image_ref": admin.image.find_image("webserver").id,
            "flavor_ref": admin.compute.find_flavor("lb.small").id,
        },
        "network": {"public_network_id": admin.network.find_network("public").id},
        # IPv6 addresses are reached as they are: the lab's host is every tenant network's router.
        "validation": {
            "run_validation": suite_name != "api",
            "connect_method": "floating",
            "image_ssh_user": "root",
            "ssh_timeout": 60,
        },
        "load_balancer": {
            "test_with_noop": False,
            "test_with_ipv6": ipv6,
            "test_server_path": BIN.parent / "test_server.bin",
            "loadbalancer_topology": "ACTIVE_STANDBY" if suite_name == "pair" else "SINGLE",
            "build_interval": 0.5, "check_interval": 0.5, "lb_build_interval": 0.5,
            "build_timeout": 300, "check_timeout": 300, "lb_build_timeout": 300,
        },
    }  # fmt: skip
    for section, values in changes.items():
        conf.read_dict({section: values})
    text = io.StringIO()
    conf.write(text)
    return text.getvalue()


if __name__ == "__main__":
    sys.exit(main())
