"""The birth of an amphora: its namespaces and its process 1, which is told on its standard input what to be.

Certificate and key go through that pipe onto a tmpfs only the amphora sees; they never touch this host's disk nor a
command line. When we die before all is said, the shell reads end-of-file and ends, and everything of it with it.
"""

import contextlib
import dataclasses
import ipaddress
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator

from lictor.drivers.compute.base import Boot, ComputeError
from lictor.drivers.compute.netns.host import SEARCH_PATH
from lictor.drivers.compute.netns.processes import readable

TIMEOUT = 20.0
"""Seconds for a step of the shell inside; each takes milliseconds on an idle host."""

RESTART_PAUSE = 1
"""Seconds before an agent that died is started again."""

LOG_LIMIT = 1_000_000
"""Bytes of agent.log at which it is emptied."""

_FILES = "/run/lictor/boot"


@dataclasses.dataclass(frozen=True)
class Birth:
    """What the shell is told: the amphora's papers, its management address (``ip/prefix``), the agent's TCP port, and
    the log file on this host."""

    boot: Boot
    address: str
    port: int
    log: pathlib.Path


class Newborn:
    """The shell between ``unshare`` and its orders. Used by ``newborn`` only."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._said = b""

    def order(self, script: str, answer: str) -> None:
        """Have the shell run ``script`` and wait until it says ``answer`` on a line. Raises ``ComputeError``."""
        assert self._process.stdin is not None
        # Once the shell is gone, what it said last is the better error than our broken pipe.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(script.encode())
            self._process.stdin.flush()
        deadline = time.monotonic() + TIMEOUT
        self._said = b""
        while f"{answer}\n".encode() not in self._said:
            self._listen(deadline)

    def _listen(self, deadline: float) -> None:
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        ready = readable(output, max(0.0, deadline - time.monotonic()))
        heard = os.read(output, 4096) if ready else b""
        self._said += heard
        if not heard:
            why = "ended" if ready else f"did not answer within {TIMEOUT:.0f} s"
            words = self._said.decode(errors="replace").strip() or "nothing"
            raise ComputeError(f"The amphora could not be started: its first process {why}, having said: {words}")


@contextlib.contextmanager
def newborn(namespace: pathlib.Path, argv: list[str]) -> Iterator[Newborn]:
    """Make the namespaces and start ``argv`` (a shell that obeys its standard input) in them as process 1.

    The network namespace is named by the file ``namespace``. Leaving the block without an exception lets the shell
    live on its own; with one, it ends. Raises ``ComputeError``.
    """
    namespace.touch(exist_ok=False)
    # Propagation "slave": what this host unmounts is unmounted inside too, so that no amphora keeps a disk or another
    # amphora's namespace busy; what is mounted inside stays inside.
    command = ["unshare", f"--net={namespace}", "--mount", "--propagation", "slave", "--pid", "--fork", "--mount-proc"]
    process = subprocess.Popen(
        [*command, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
        env=_environment(), start_new_session=True,
    )  # fmt: skip
    try:
        shell = Newborn(process)
        shell.order("echo ready\n", "ready")
        _await_name(namespace, process)
        yield shell
    finally:
        with contextlib.suppress(BrokenPipeError), process:
            # unshare only waits for the shell. It goes, for memory's sake; the shell, if it was told to live, stays.
            process.kill()


def _await_name(namespace: pathlib.Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the file is the namespace: unshare(1) names it while its child already runs."""
    deadline = time.monotonic() + TIMEOUT
    while namespace.stat().st_dev == namespace.parent.stat().st_dev:
        if process.poll() is not None or time.monotonic() > deadline:
            raise ComputeError(f"The amphora could not be started: its network namespace was not named {namespace}.")
        time.sleep(0.0005)


def _environment() -> dict[str, str]:
    # Ours may hold passwords. PYTHONPATH is kept for those who run Lictor from a checkout.
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    return {"PATH": SEARCH_PATH, "LANG": "C.UTF-8", **kept}


def orders(birth: Birth) -> str:
    """The script that makes an amphora of a fresh shell; it says ``booted`` when the agent is about to be started."""
    boot = birth.boot
    config = {
        "amphora_id": boot.amphora_id,
        "bind_address": str(ipaddress.ip_interface(birth.address).ip),
        "bind_port": birth.port,
        "certificate": f"{_FILES}/certificate.pem",
        "private_key": f"{_FILES}/private_key.pem",
        "client_ca": f"{_FILES}/client_ca.pem",
        "directory": "/run/lictor/agent",
        "namespace": "amphora-haproxy",
    }
    files = {
        "agent.json": json.dumps(config),
        "certificate.pem": boot.certificate,
        "private_key.pem": boot.private_key,
        "client_ca.pem": boot.client_ca,
    }
    writes = "\n".join(f"printf %s {shlex.quote(text)} >{_FILES}/{name}" for name, text in files.items())
    return _ORDERS.format(
        log=shlex.quote(str(birth.log)), files=_FILES, writes=writes, address=birth.address,
        nodad=" nodad" if ":" in birth.address else "", limit=LOG_LIMIT, pause=RESTART_PAUSE,
        # -P: nobody else's modules from the working directory.
        agent=f"{shlex.quote(sys.executable)} -P -m lictor.agent.main --config {_FILES}/agent.json",
    )  # fmt: skip


# arp_notify, ndisc_notify: the interface announces its address when it comes up, so that this host forgets the MAC of
# an amphora that had the address before. The last compound command is read whole before it runs, so it may close the
# input.
_ORDERS = """\
set -e
exec 3>>{log}
umount -l -R /run/netns 2>/dev/null || true
mount -t tmpfs -o mode=755,size=64m lictor /run
mkdir -p /run/netns {files}
umask 077
mkdir /run/lictor/agent
{writes}
umask 022
{{ echo 1 >/proc/sys/net/ipv4/conf/all/arp_notify; }} 2>/dev/null || true
{{ echo 1 >/proc/sys/net/ipv6/conf/all/ndisc_notify; }} 2>/dev/null || true
ip -batch - <<BATCH
link set lo up
addr add {address} dev eth0{nodad}
link set eth0 up
BATCH
{{
  echo booted
  exec </dev/null >&3 2>&1
  set +e
  while :; do
    [ "$(stat -L -c %s /proc/self/fd/3)" -lt {limit} ] || : >/proc/self/fd/3
    {agent} 3>&- &
    wait $!
    echo "The agent ended with status $?; it is started again in {pause} s."
    sleep {pause}
  done
}}
"""
