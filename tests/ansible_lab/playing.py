"""The playbook of deploy/ansible, played for a site."""

import os
import re
import subprocess

import yaml

from tests.ansible_lab.site import ENTER, KEY, URL, VENV, WHEELS, environment
from tests.lab.cloud.settings import AUTH_URL
from tests.lab.keystone import PASSWORD
from tests.systemd_lab.machine import CHECKOUT

PLAYBOOK = CHECKOUT / "deploy/ansible"


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

    def __init__(self, site, variables):
        """Runs it, as the cloud's administrator."""
        inventory = site.directory / "inventory"
        inventory.mkdir(exist_ok=True)
        machine = {
            "ansible_connection": "community.general.chroot",
            "ansible_chroot_exe": str(ENTER),
            "ansible_host": f"/proc/{site.machine.init}/root",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_become": False,
            "lictor_management_address": "10.250.0.11",
        }
        told = {"lictor_controllers": {"hosts": {"controller1": machine}}, "all": {"vars": variables}}
        (inventory / "hosts.yml").write_text(yaml.safe_dump(told))
        done = subprocess.run(
            [VENV / "bin/ansible-playbook", "--inventory", inventory, "site.yml"],
            cwd=PLAYBOOK, env=self._environment(site), capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip
        self.status, self.output = done.returncode, done.stdout + done.stderr
        recap = re.findall(r"^(\S+) +: ok=(\d+) +changed=(\d+).* failed=(\d+)", self.output, re.MULTILINE)
        self.changed = {host: int(changed) for host, _, changed, _ in recap}

    def _environment(self, site):
        home = site.directory / "home"
        home.mkdir(exist_ok=True)
        without = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
        return without | {"HOME": str(home), "PATH": f"{VENV}/bin:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
