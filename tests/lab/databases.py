"""Real database servers for tests: PostgreSQL, MariaDB and Galera, in a temporary directory, reached by a Unix socket.

    python -m tests.lab.databases postgresql pytest tests/unit/api

starts a server, runs the command with its URL in ``LICTOR_TEST_DATABASE``, ends the server, and passes the exit status
on. ``galera`` is three nodes of MariaDB, of which the variable names the first and ``LICTOR_TEST_GALERA`` all.
"""

import contextlib
import importlib.util
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from tests.lab import galera
from tests.lab.users import as_user, give

VARIABLE = "LICTOR_TEST_DATABASE"
PATIENCE = 60.0
"""Seconds that a server may take to start; it takes one or two on an idle machine."""

# What a power cut would do to a test's rows is of no interest.
_POSTGRESQL_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")
_MARIADB_QUICK = ("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--innodb-flush-method=nosync")


class Server:
    """A server with a directory of its own. ``url`` leads to a database that only serves to make others in."""

    def __init__(self, kind: str, quick: bool = True) -> None:
        """Prepares the directory; ``quick`` gives durability up for speed."""
        self.kind, self._quick = kind, quick
        self._user, prepare, self._command, url = _KINDS[kind]
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"lictor-{kind}-"))
        self.url = url(self.directory)
        self.process: subprocess.Popen[bytes] | None = None
        give(self.directory, self._user)
        self._run(subprocess.run, prepare(self.directory), check=True)

    def _run(self, how: Any, command: list[str], **options: Any) -> Any:
        with (self.directory / "log").open("ab") as log:
            return how(command, stdout=log, stderr=log, cwd=self.directory, **options, **as_user(self._user))

    def start(self) -> None:
        """Start, and wait until it answers."""
        self.process = self._run(subprocess.Popen, self._command(self.directory, self._quick))
        _await(self.url, self.process)

    def stop(self, number: int | None = None) -> None:
        """End it, in order or by the signal of this number, and wait for that."""
        if self.process is None:
            return
        # SIGINT is PostgreSQL's "fast" shutdown, which does not wait for clients. MariaDB never does.
        self.process.send_signal(number or (signal.SIGINT if self.kind == "postgresql" else signal.SIGTERM))
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        self.process = None

    def remove(self) -> None:
        """Remove its directory."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def log(self) -> str:
        """The end of what it said."""
        return (self.directory / "log").read_text(errors="replace")[-3000:]


@contextlib.contextmanager
def server(kind: str, quick: bool = True) -> Iterator[Server]:
    """A running server for the length of the block."""
    made = Server(kind, quick)
    try:
        made.start()
        yield made
    except Exception:
        sys.stderr.write(made.log())
        raise
    finally:
        made.stop()
        made.remove()


def _await(url: str, process: "subprocess.Popen[bytes]") -> None:
    engine = create_engine(url)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            engine.connect().close()
            break
        except OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    engine.dispose()


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def _bin() -> pathlib.Path:
    return max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


def _postgresql_prepare(directory: pathlib.Path) -> list[str]:
    # Sorted as people sort, as most operators have it: what silently relies on the order of bytes must fail here.
    locale = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]
    options = ["--username=lictor", "--auth=trust", "--no-sync", "--encoding=UTF8", *locale]
    return [str(_bin() / "initdb"), f"--pgdata={directory}/data", *options]


def _postgresql_command(directory: pathlib.Path, quick: bool) -> list[str]:
    settings = ("listen_addresses=", f"unix_socket_directories={directory}", "max_connections=400")
    each = [word for setting in (*settings, *(_POSTGRESQL_QUICK if quick else ())) for word in ("-c", setting)]
    return [str(_bin() / "postgres"), "-D", f"{directory}/data", *each]


def _postgresql_url(directory: pathlib.Path) -> str:
    return f"postgresql+psycopg://lictor@/postgres?host={directory}"


# --- MariaDB ---------------------------------------------------------------------------------------------------------


def _mariadb_prepare(directory: pathlib.Path) -> list[str]:
    options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
    return ["mariadb-install-db", "--no-defaults", f"--datadir={directory}/data", *options]


def _mariadb_command(directory: pathlib.Path, quick: bool) -> list[str]:
    # Without Debian's configuration, MariaDB's own defaults hold: latin1, and letters of either case are equal.
    places = [f"--datadir={directory}/data", f"--socket={directory}/sock", f"--pid-file={directory}/pid"]
    # At its start it removes what it takes for its own in the folder for temporary tables: no other one's may be there.
    places.append(f"--tmpdir={directory}")
    options = ["--skip-networking", "--max-connections=400", "--innodb-buffer-pool-size=256M"]
    return ["/usr/sbin/mariadbd", "--no-defaults", *places, *options, *(_MARIADB_QUICK if quick else ())]


def _mariadb_driver() -> str:
    return "mysqldb" if importlib.util.find_spec("MySQLdb") else "pymysql"


def _mariadb_url(directory: pathlib.Path) -> str:
    return galera.url(directory, _mariadb_driver())


_KINDS = {
    "postgresql": ("postgres", _postgresql_prepare, _postgresql_command, _postgresql_url),
    "mariadb": ("mysql", _mariadb_prepare, _mariadb_command, _mariadb_url),
}


@contextlib.contextmanager
def cluster(quick: bool = True) -> Iterator[galera.Cluster]:
    """A running Galera cluster for the length of the block."""
    made = galera.Cluster(_mariadb_driver(), quick)
    try:
        made.start()
        yield made
    except Exception:
        sys.stderr.write(made.log())
        raise
    finally:
        made.stop()
        made.remove()


def main(kind: str, *command: str) -> int:
    """Run a command beside a server, which ends with it even if we are told to end."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    with cluster() if kind == "galera" else server(kind) as made:
        nodes = made.urls if isinstance(made, galera.Cluster) else []
        environment = {VARIABLE: made.url, galera.VARIABLE: " ".join(nodes)}
        return subprocess.run(command, env=os.environ | environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
