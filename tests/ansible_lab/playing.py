"""The playbook of deploy/ansible, played for a site."""

import os
import re
import subprocess

import yaml

from tests.ansible_lab.site import ENTER, KEY, URL, VENV, WHEELS, environment
from tests.lab.cloud import connect
from tests.lab.cloud.settings import AUTH_URL
from tests.lab.keystone import PASSWORD
from tests.systemd_lab.machine import CHECKOUT

PLAYBOOK = CHECKOUT / "deploy/ansible"
ADDRESSES = ("10.250.0.11", "10.250.0.12")
"""Of controllers, on the management network."""


def said(site):
    """What an inventory has to say, and how to do without a network."""
    return {
        "lictor_auth_url": AUTH_URL,
        "lictor_interface": "public",
        "lictor_service_password": PASSWORD,
        "lictor_public_url": "http://127.0.0.1:9876",
        "lictor_heartbeat_key": KEY,
        "lictor_database_connection": URL,
        "lictor_management_cidr": "10.250.0.0/24",
        "lictor_management_pool": {"start": "10.250.0.100", "end": "10.250.0.250"},
        "lictor_image_file": str(site.image),
        "lictor_wheel": str(site.wheel),
        "lictor_pip_options": f"--no-index --find-links {WHEELS}",
    }


class Played:
    """One run of the playbook: what it printed, and what changed by host."""

    def __init__(self, site, variables, controllers=1):
        """Runs it for so many of the site's machines, as the cloud's administrator."""
        inventory = site.directory / "inventory"
        inventory.mkdir(exist_ok=True)
        hosts = {
            f"controller{number}": self._host(machine, address)
            for number, (machine, address) in enumerate(zip(site.machines[:controllers], ADDRESSES, strict=False), 1)
        }
        told = {"lictor_controllers": {"hosts": hosts}, "all": {"vars": variables}}
        (inventory / "hosts.yml").write_text(yaml.safe_dump(told))
        done = subprocess.run(
            [VENV / "bin/ansible-playbook", "--inventory", inventory, "site.yml"],
            cwd=PLAYBOOK, env=self._environment(site), capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip
        self.status, self.output = done.returncode, done.stdout + done.stderr
        recap = re.findall(r"^(\S+) +: ok=(\d+) +changed=(\d+).* failed=(\d+)", self.output, re.MULTILINE)
        self.changed = {host: int(changed) for host, _, changed, _ in recap}

    def _host(self, machine, address):
        return {
            "ansible_connection": "community.general.chroot",
            "ansible_chroot_exe": str(ENTER),
            "ansible_host": f"/proc/{machine.init}/root",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_become": False,
            "lictor_management_address": address,
        }

    def _environment(self, site):
        home = site.directory / "home"
        home.mkdir(exist_ok=True)
        without = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
        return without | {"HOME": str(home), "PATH": f"{VENV}/bin:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}


def agent_rules():
    """Who may speak with agents, and whom they may tell how they are, as Neutron knows it."""
    service = connect("octavia", "service").network
    group = service.find_security_group("lb-mgmt-sec-grp")
    return {
        (each.direction, each.protocol, each.port_range_min, each.port_range_max, each.remote_ip_prefix)
        for each in service.security_group_rules(security_group_id=group.id)
    }
