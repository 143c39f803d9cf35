"""The schemas and the processes of the services."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import create_engine, text

from tests.bench.processes import background, eventually
from tests.bench.processes import run as run_to_end
from tests.lab.cloud import settings
from tests.lab.databases import Server
from tests.lab.uwsgi import OPTIONS

PATIENCE = 180.0
"""Seconds that a service may take to answer; on an idle machine it takes five to ten."""

_BIN = settings.VENV / "bin"
_ROOT = pathlib.Path(__file__).parents[3]
_PLUGIN = pathlib.Path(__file__).parent / "plugin"

APIS = {
    "image": "glance.wsgi.api",
    "placement": "placement.wsgi.api",
    "network": "neutron.wsgi.api",
    "compute": "nova.wsgi.osapi_compute",
}
"""The WSGI applications, by the kind of their service."""

DAEMONS = ("nova-conductor", "nova-scheduler", "nova-compute")

_PROGRAMS = {"nova-compute": [_BIN / "python", "-m", "lictor_lab_compute"]}
"""Those that are not started by their name: this one can have the lab's hypervisor."""

_CONFIGURED = {"neutron": "neutron", "nova": "nova", "glance": "glance-api", "placement": "placement"}
"""The name of the configuration file of a program, by what the program's name begins with."""

_CELLS = ("cell_v2 map_cell0 --database_connection {cell0}", "cell_v2 create_cell --name cell1")

_KEPT = settings.VENV / "schemas.sql"
"""All databases as they were when they had been made: making them takes a minute of processor time. It is as old as
the environment that it lies in, and goes with it."""

_PLACE = "@SOCKET-DIRECTORY@"
"""In that file for where the database is; Nova keeps URLs of databases in a table."""


def make_schemas(directory: pathlib.Path, logs: pathlib.Path, database: Server) -> None:
    """Make all databases. Raises with what a command said if it fails."""
    if not _KEPT.exists():
        _make(directory, logs, database)
        _keep(database)
    else:
        sql = _KEPT.read_text().replace(_PLACE, str(database.directory))
        subprocess.run(["mariadb", *_here(database)], input=sql, text=True, check=True)


def _make(directory: pathlib.Path, logs: pathlib.Path, database: Server) -> None:
    engine = create_engine(database.url)
    with engine.begin() as connection:
        for name in settings.DATABASES:
            connection.execute(text(f"CREATE DATABASE {name} CHARACTER SET utf8"))
    engine.dispose()
    cell0 = settings.url(database.directory, "nova_cell0")
    nova = ["nova-manage api_db sync", *(f"nova-manage {each.format(cell0=cell0)}" for each in _CELLS)]
    _in_parallel(
        lambda: _manage(directory, logs, "neutron-db-manage upgrade heads"),
        lambda: _manage(directory, logs, *nova, "nova-manage db sync"),
        lambda: _manage(directory, logs, "glance-manage db_sync"),
        lambda: _manage(directory, logs, "placement-manage db sync"),
    )


def _keep(database: Server) -> None:
    sql = run_to_end("mariadb-dump", *_here(database), "--databases", *settings.DATABASES)
    part = _KEPT.with_suffix(".part")
    part.write_text(sql.replace(str(database.directory), _PLACE))
    part.rename(_KEPT)


def _here(database: Server) -> tuple[str, ...]:
    return ("--no-defaults", "--user=root", f"--socket={database.directory}/sock")


def _in_parallel(*steps: Callable[[], object]) -> None:
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for future in [pool.submit(step) for step in steps]:
            future.result()


def _manage(directory: pathlib.Path, logs: pathlib.Path, *commands: str) -> None:
    for command in commands:
        program, *words = command.split()
        conf = directory / "etc" / f"{_CONFIGURED[program.partition('-')[0]]}.conf"
        said = run_to_end(_BIN / program, "--config-file", conf, *words, env=_environment(directory))
        with (logs / "schemas.log").open("a") as log:
            log.write(f"== {command}\n{said}")


def _environment(directory: pathlib.Path) -> dict[str, str]:
    etc = str(directory / "etc")
    places = {f"OS_{name}_CONFIG_DIR": etc for name in ("GLANCE", "PLACEMENT", "NEUTRON", "NOVA")}
    more = {"OS_NEUTRON_CONFIG_FILES": "neutron.conf", "PYTHONPATH": str(_PLUGIN), "PYTHONWARNINGS": "ignore"}
    # For machines of the lab's hypervisor, which run Lictor's code and not the services'.
    guests = {"LICTOR_LAB_PYTHON": sys.executable, "LICTOR_LAB_PYTHONPATH": f"{_ROOT}/src:{_ROOT}"}
    return os.environ | places | more | guests


def run(stack: contextlib.ExitStack, directory: pathlib.Path, logs: pathlib.Path) -> None:
    """Start everything until the end of ``stack``, and wait until it answers."""

    def start(name: str, command: Iterable[object]) -> "subprocess.Popen[bytes]":
        process = stack.enter_context(background(list(command), logs / f"{name}.log", env=_environment(directory)))
        stack.callback(process.kill)  # Nova's take half a minute to end in order, and nothing is to be kept.
        return process

    apis = {kind: start(kind, _uwsgi(kind, module)) for kind, module in APIS.items()}
    for name in DAEMONS:
        if name == "nova-compute":
            # It says at once what the host has; if nobody hears it then, it says so again in a minute.
            _await("placement", apis["placement"], logs)
        start(name, [*_PROGRAMS.get(name, [_BIN / name]), "--config-file", directory / "etc/nova.conf"])
    for kind, process in apis.items():
        _await(kind, process, logs)


def _uwsgi(kind: str, module: str) -> Iterable[object]:
    address = f"127.0.0.1:{settings.PORTS[kind]}"
    where = (f"--http-socket={address}", f"--module={module}:application")
    return (_BIN / "uwsgi", *where, "--threads=8", "--lazy-apps", *OPTIONS)


def _await(kind: str, process: "subprocess.Popen[bytes]", logs: pathlib.Path) -> None:
    log, address = logs / f"{kind}.log", ("127.0.0.1", settings.PORTS[kind])

    def answers() -> bool:
        if process.poll() is not None:
            raise AssertionError(f"{kind} ended: {log.read_text(errors='replace')[-3000:]}")
        with contextlib.suppress(OSError), socket.create_connection(address, 1) as connection:
            connection.settimeout(PATIENCE)
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.recv(12).startswith(b"HTTP/")
        return False

    eventually(answers, PATIENCE, f"{kind} answers, see {log}")
