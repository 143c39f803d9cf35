"""The database of a run, as something that can fail: SQLite in the state directory, a server, or three nodes of Galera.

What only holds on one machine that never loses power is given up for speed elsewhere; here it is what is tried.
"""

import pathlib
import signal
import subprocess

from sqlalchemy import make_url

from tests.lab import databases
from tests.lab.galera import Cluster
from tests.unit.database import created


class Sqlite:
    """No server to be killed."""

    kind = "sqlite"

    def __init__(self, directory: pathlib.Path) -> None:
        self._url = f"sqlite:///{directory}/lictor.db"

    def url(self, number: int) -> str:
        """For the process of this number."""
        return self._url

    def stop(self) -> None:
        """Nothing is to be stopped."""


class Server:
    """PostgreSQL or MariaDB."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.server = databases.Server(kind, quick=False)
        self.server.start()
        self._url = created(self.server.url).render_as_string(hide_password=False)

    def url(self, number: int) -> str:
        """For the process of this number."""
        return self._url

    def restart(self, number: int, pause) -> None:
        """End it by this signal, and start it again after ``pause()``."""
        self.server.stop(number)
        pause()
        self.server.start()

    def stop(self) -> None:
        """For good."""
        self.server.stop()
        self.server.remove()


class Galera:
    """Three nodes, and the HAProxy that an operator puts before them: each process has a favourite node."""

    kind = "galera"

    def __init__(self) -> None:
        self.cluster = Cluster("mysqldb", quick=False)
        self.cluster.start()
        self._database = created(self.cluster.url).database
        config = self.cluster.directory / "haproxy.cfg"
        config.write_text(self._config())
        with (self.cluster.directory / "haproxy.log").open("wb") as log:
            command = ["haproxy", "-db", "-f", str(config)]
            self._proxy = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _config(self) -> str:
        nodes = self.cluster.nodes
        lines = ["defaults", " mode tcp", " timeout connect 2s", " timeout client 1h", " timeout server 1h"]
        for first in range(len(nodes)):
            lines += [f"listen l{first}", f" bind unix@{self.cluster.directory}/front{first} mode 666"]
            for place in range(len(nodes)):
                node = nodes[(first + place) % len(nodes)]
                options = "check inter 200 fall 2 rise 3 on-marked-down shutdown-sessions"
                lines.append(f" server n{node.number} unix@{node.directory}/sock {options}{' backup' * bool(place)}")
        return "\n".join([*lines, ""])

    def url(self, number: int) -> str:
        """For the process of this number."""
        socket = self.cluster.directory / f"front{number % len(self.cluster.nodes)}"
        url = make_url(self.cluster.url).set(database=self._database).set(query={"unix_socket": str(socket)})
        return url.render_as_string(hide_password=False)

    def restart(self, number: int, pause) -> None:
        """End a node by this signal, and start it again after ``pause()``; the run's seed says which."""
        node = self.cluster.nodes[pause() % len(self.cluster.nodes)]
        node.stop(number)
        pause()
        node.start()
        node.await_synced()

    def stop(self) -> None:
        """For good."""
        self._proxy.send_signal(signal.SIGKILL)
        self._proxy.wait()
        self.cluster.stop()
        self.cluster.remove()


def of(kind: str, directory: pathlib.Path) -> Sqlite | Server | Galera:
    """The database of this kind, running."""
    return Sqlite(directory) if kind == "sqlite" else Galera() if kind == "galera" else Server(kind)
