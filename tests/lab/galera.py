"""A real Galera cluster for tests: three nodes of MariaDB in a temporary directory.

They speak to each other on ports of the loopback device, and to clients by a Unix socket each. ``GALERA`` in the
environment names the URLs of all nodes, for tests that write to more than one.
"""

import contextlib
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from tests.lab.users import as_user, give

VARIABLE = "LICTOR_TEST_GALERA"
NODES = 3
PATIENCE = 90.0
"""Seconds that a node may take until it has all that the others have."""
RECOVERY = 20.0
"""Seconds that a killed node may take to find out how far it had come."""

# The silence after which a node is taken for dead is 5 s by default; tests kill nodes often.
_PROVIDER = "gcache.size=64M;pc.recovery=false;evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT2S"
_QUICK = ("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--innodb-flush-method=nosync")


def url(directory: pathlib.Path, driver: str) -> str:
    """Of the database ``mysql`` of the node with this directory."""
    return f"mysql+{driver}://root@/mysql?unix_socket={directory}/sock"


class Node:
    """One node. It outlives ``SIGKILL``: ``start`` finds out what it had, and fetches the rest from the others."""

    def __init__(self, directory: pathlib.Path, number: int, ports: list[int], driver: str, quick: bool) -> None:
        self.directory, self.number, self._ports, self._quick = directory, number, ports, quick
        self.url = url(directory, driver)
        self.process: subprocess.Popen[bytes] | None = None
        directory.mkdir()
        (directory / "data").mkdir()
        give(directory, "mysql")
        give(directory / "data", "mysql")

    def install(self) -> None:
        """Make the tables of the server itself. Only the first node needs it; the others are given them."""
        options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        self._run(
            subprocess.run,
            ["mariadb-install-db", "--no-defaults", f"--datadir={self.directory}/data", *options],
            check=True,
        )

    def start(self, alone: bool = False) -> None:
        """Start; ``alone`` makes a new cluster. Returns at once."""
        peers = "" if alone else ",".join(f"127.0.0.1:{port}" for port in self._ports[:NODES])
        self.process = self._run(subprocess.Popen, [*self._command(), *self._position(), *self._wsrep(peers)])

    def await_synced(self) -> None:
        """Until it answers with all that the others have."""
        deadline = time.monotonic() + PATIENCE
        while not self.synced():
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"node {self.number} does not join: {self.log()}")
            time.sleep(0.05)

    def synced(self) -> bool:
        """Whether it answers with all that the others have."""
        engine = create_engine(self.url)
        try:
            with engine.connect() as connection:
                row = connection.execute(text("SHOW STATUS LIKE 'wsrep_local_state_comment'")).one()
                return bool(row[1] == "Synced")
        except OperationalError:
            return False
        finally:
            engine.dispose()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it by the signal of this number, and wait for that."""
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        self.process = None

    def log(self) -> str:
        """The end of what it said."""
        return (self.directory / "log").read_text(errors="replace")[-3000:]

    def _run(self, how: Any, command: list[str], **options: Any) -> Any:
        with (self.directory / "log").open("ab") as log:
            return how(command, stdout=log, stderr=log, cwd=self.directory, **options, **as_user("mysql"))

    def _command(self) -> list[str]:
        places = [f"--{name}={self.directory}/{file}" for name, file in _PLACES.items()]
        sizes = ["--max-connections=400", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M"]
        return ["/usr/sbin/mariadbd", "--no-defaults", "--skip-networking", *places, *sizes, *_QUICK * self._quick]

    def _wsrep(self, peers: str) -> list[str]:
        group, transfer, whole = self._ports[self.number :: NODES]
        provider = f"gmcast.listen_addr=tcp://127.0.0.1:{group};ist.recv_addr=127.0.0.1:{transfer};{_PROVIDER}"
        return [
            "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2",
            "--wsrep-on=ON",
            "--wsrep-provider=/usr/lib/galera/libgalera_smm.so",
            f"--wsrep-cluster-address=gcomm://{peers}",
            f"--wsrep-node-name=node{self.number}",
            f"--wsrep-node-address=127.0.0.1:{group}",
            "--wsrep-sst-method=rsync",
            f"--wsrep-sst-receive-address=127.0.0.1:{whole}",
            f"--wsrep-provider-options={provider}",
        ]

    def _position(self) -> list[str]:
        """How far it had come before it was killed, which only InnoDB knows; else it would ask for everything."""
        if not (self.directory / "data" / "ibdata1").exists() or not (self.directory / "data/grastate.dat").exists():
            return []
        recovered = self.directory / "recovered.err"
        recovered.unlink(missing_ok=True)
        recover = [*self._command(), *self._wsrep(""), "--wsrep-recover", f"--log-error={recovered}"]
        # It takes 0.2 s, and has been seen to hang for ever: then the others give it everything.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._run(subprocess.run, recover, check=False, timeout=RECOVERY)
        said = recovered.read_text(errors="replace") if recovered.exists() else ""
        found = re.findall(r"Recovered position: (\S+)", said)
        return [f"--wsrep-start-position={found[-1]}"] if found else []


_PLACES = {"datadir": "data", "socket": "sock", "pid-file": "pid", "tmpdir": "."}


class Cluster:
    """Three nodes with a directory of their own. ``url`` leads to the first."""

    def __init__(self, driver: str, quick: bool = True) -> None:
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="lictor-galera-"))
        self.directory.chmod(0o755)
        ports = _free_ports(3 * NODES)
        self.nodes = [Node(self.directory / f"node{n}", n, ports, driver, quick) for n in range(NODES)]
        self.url = self.nodes[0].url
        self.urls = [node.url for node in self.nodes]
        self.nodes[0].install()

    def start(self) -> None:
        """Start all of them anew; the first one's rows are those of the cluster."""
        for node in self.nodes:
            node.start(alone=node.number == 0)
            node.await_synced()

    def stop(self) -> None:
        """End all, the first one last: it is the one to begin with."""
        for node in reversed(self.nodes):
            node.stop()

    def log(self) -> str:
        """The end of what each said."""
        return "\n".join(f"--- node {node.number}\n{node.log()}" for node in self.nodes)

    def remove(self) -> None:
        """Remove the directory."""
        shutil.rmtree(self.directory, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    """Ports below the range that connections are given, so that none of them takes one meanwhile."""
    found: list[int] = []
    for port in range(21000, 32000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError("no ports are free")
