"""A machine whose process 1 is systemd, made of namespaces and an overlay of this one, to install Lictor's units on."""

import os
import pathlib
import subprocess
import uuid

from tests.lab.deployment import eventually

CHECKOUT = pathlib.Path(__file__).parents[2]
UNITS = CHECKOUT / "deploy" / "systemd"

# A cgroup of its own is what systemd shall take for the root of all.
_ENTER = """
echo $$ >"$1/cgroup.procs"
exec nsenter --net="$2" unshare --cgroup --pid --mount --uts --ipc --fork --kill-child "${@:3}"
"""


class Machine:
    """It shares the network of the laboratory, so its ports and virtual IPs are reached as if it were this host.

    With a ``network``, it has that one instead.
    """

    def __init__(self, database, bare=False, network=None):
        """``database`` is a directory that is ``/srv/database`` there. A ``bare`` machine has no Lictor yet."""
        self.network = network
        name = f"lictor-systemd-{uuid.uuid4().hex[:8]}"  # in process ids of their own, pids are alike
        self._cgroups = pathlib.Path("/run") / name
        self._cgroups.mkdir()
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", self._cgroups], check=True)
        self._cgroup = self._cgroups / name
        self._cgroup.mkdir()
        boot = [pathlib.Path(__file__).parent / "boot", CHECKOUT, database, *(["bare"] if bare else [])]
        where = [self._cgroup, network.path if network else "/proc/self/ns/net"]
        self._unshare = subprocess.Popen(["bash", "-c", _ENTER, "enter", *where, *boot], stdin=subprocess.DEVNULL)

    @property
    def init(self):
        """Process 1 of the machine, as we see it."""
        children = pathlib.Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children").read_text().split()
        assert children, "the machine has ended, or not begun"
        return int(children[0])

    @property
    def root(self):
        """Its file system, as we see it."""
        return pathlib.Path(f"/proc/{self.init}/root")

    def wait_up(self):
        """Until systemd says that nothing is left to do."""
        eventually(lambda: self.run("systemctl", "is-system-running", check=False) == "running", 30, "it has booted")

    def run(self, *command, check=True):
        """Run a command there; returns what it printed. If it fails, the end of the journal is told."""
        enter = ["nsenter", f"--target={self.init}", "--mount", "--pid", "--cgroup", "--uts", "--ipc", "--net"]
        done = subprocess.run([*enter, *command], capture_output=True, text=True, timeout=120, check=False)
        if check and done.returncode:
            journal = self.run("journalctl", "--no-pager", "--lines=100", check=False)
            raise AssertionError(f"{command}: {done.stdout}{done.stderr}\n{journal}")
        return done.stdout.strip()

    def systemctl(self, *words):
        """A command of systemctl's that succeeds."""
        return self.run("systemctl", *words)

    def property(self, unit, name):
        """What systemd knows of a unit."""
        return self.systemctl("show", "--value", f"--property={name}", unit)

    def state(self, unit):
        """``active``, ``failed``, ``activating`` ..."""
        return self.property(unit, "ActiveState")

    def log(self, unit):
        """What a unit wrote to the journal."""
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}")

    def remove(self):
        """End all of it, and remove its cgroups and its network."""
        self._unshare.kill()  # and with it process 1, and with that all others
        self._unshare.wait(20)
        for folder, _, _ in os.walk(self._cgroup, topdown=False):
            eventually(lambda folder=folder: not pathlib.Path(folder).rmdir(), 10, "its processes are gone")
        subprocess.run(["umount", self._cgroups], check=True)
        self._cgroups.rmdir()
        if self.network:
            self.network.remove()
