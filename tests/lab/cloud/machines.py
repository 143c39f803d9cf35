"""What the images of the lab's hypervisor do: ``python -m tests.lab.cloud.machines IMAGE DIRECTORY`` in a machine.

The directory has the config drive in ``drive``, and in ``leases.json`` what a DHCP server would say.
"""

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

from lictor.agent import firstboot

SSHD = """
Port 22
HostKey /run/sshd/key
AuthorizedKeysFile /run/sshd/authorized_keys
PermitRootLogin prohibit-password
PubkeyAcceptedAlgorithms +ssh-rsa
UsePAM no
UseDNS no
PidFile /run/sshd/pid
"""


def amphora(directory: pathlib.Path) -> None:
    """Lictor's image: the agent, which learns from the config drive what it is to be."""
    file = firstboot.HOME / firstboot.CONFIGURATION
    if not file.exists():
        drive = firstboot.read(directory / "drive")
        firstboot.settle(drive, firstboot.listen(drive), firstboot.HOME)
    os.execv(sys.executable, [sys.executable, "-P", "-m", "lictor.agent.main", "--config", str(file)])


def webserver(directory: pathlib.Path) -> None:
    """A user's: addresses by DHCP, and an SSH server for whoever has the key that Nova was given."""
    for lease in json.loads((directory / "leases.json").read_text()):
        _configure(lease)
    home = pathlib.Path("/run/sshd")
    home.mkdir(mode=0o755, exist_ok=True)
    pathlib.Path("/run/screen").mkdir(exist_ok=True)
    pathlib.Path("/run/screen").chmod(0o1777)
    keys = json.loads((directory / "drive/openstack/latest/meta_data.json").read_text()).get("public_keys", {})
    (home / "authorized_keys").write_text("".join(f"{key.strip()}\n" for key in keys.values()))
    (home / "config").write_text(SSHD)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "key"], check=True)
    os.execv("/usr/sbin/sshd", ["/usr/sbin/sshd", "-D", "-e", "-f", str(home / "config")])


def _configure(lease: dict[str, Any]) -> None:
    """As CirrOS would, which the tests expect: they add IPv6 addresses themselves."""
    device = firstboot.device_of(lease["mac"])
    lines = [f"link set {device} up", *(f"addr replace {each} dev {device}" for each in lease["addresses"])]
    if lease["gateway"]:
        lines.append(f"route replace default via {lease['gateway']}")
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)


if __name__ == "__main__":
    {"amphora": amphora, "webserver": webserver}[sys.argv[1]](pathlib.Path(sys.argv[2]))
