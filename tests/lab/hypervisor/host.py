"""A host: the tree that ``build`` has made, with its own name, processes, mounts and, but for the first, network."""

import contextlib
import pathlib
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence

from tests.bench.processes import eventually
from tests.bench.processes import run as run_to_end
from tests.lab.hypervisor import settings

PATIENCE = 60.0
"""Seconds that a host may take until its mounts are there, and to be gone; both take well under one."""

_EBTABLES = pathlib.Path(__file__).with_name("ebtables")
_ENTER = pathlib.Path(__file__).with_name("enter")
_ENVIRONMENT = {
    "HOME": "/root", "LC_ALL": "C.UTF-8", "PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONWARNINGS": "ignore",
}  # fmt: skip


class Host:
    """One host, numbered from 1. What it changes is in ``directory``; what was built stays as it is."""

    def __init__(
        self, number: int, directory: pathlib.Path, logs: pathlib.Path, layers: Sequence[pathlib.Path]
    ) -> None:
        """``layers`` are the trees below it, the uppermost first."""
        self.number, self.name, self.directory = number, settings.name(number), directory
        self.logs = logs
        self._layers = ":".join(str(layer) for layer in layers)
        self._first = 0
        self._services: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def upper(self) -> pathlib.Path:
        """What this host has changed of its files."""
        return self.directory / "upper"

    @contextlib.contextmanager
    def running(self) -> "Iterator[Host]":
        """The host for the length of the block; afterwards none of its processes, mounts and files are left."""
        self._furnish()
        outer = self._begin()
        try:
            self._first = eventually(lambda: self._whole(outer), PATIENCE, f"{self.name}, see {self.logs}/enter.log")
            yield self
        finally:
            self._end(outer)

    def _furnish(self) -> None:
        settings.write(self.upper / "etc", self.number)
        programs = self.upper / "usr/local/sbin"
        programs.mkdir(parents=True)
        shutil.copy(_EBTABLES, programs)

    def _begin(self) -> "subprocess.Popen[bytes]":
        """``unshare``, with which the host's first process ends, and with that everything."""
        own = ["--net"] if self.number > 1 else []  # The first is where the test is.
        spaces = ["--mount", "--uts", "--ipc", "--pid", *own, "--fork", "--kill-child=SIGKILL"]
        words = [self.directory, self._layers, self.name, self.logs / "qemu"]
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / "enter.log").open("ab") as log:
            return subprocess.Popen(
                ["unshare", *spaces, _ENTER, *words],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=_ENVIRONMENT,
            )  # fmt: skip

    def _whole(self, outer: "subprocess.Popen[bytes]") -> int:
        """The id of its first process when its mounts are there, or 0."""
        assert outer.poll() is None, (self.logs / "enter.log").read_text()[-3000:]
        with contextlib.suppress(OSError, ValueError):
            first = int(pathlib.Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text())
            if pathlib.Path(f"/proc/{first}/root/run/whole").exists():
                return first
        return 0

    def _end(self, outer: "subprocess.Popen[bytes]") -> None:
        first, self._first = self._first, 0
        outer.kill()
        outer.wait(PATIENCE)
        for service in self._services.values():
            service.kill()
            service.wait(PATIENCE)
        eventually(lambda: not first or not pathlib.Path(f"/proc/{first}").exists(), PATIENCE, f"{self.name} is gone")
        shutil.rmtree(self.directory)

    @property
    def first(self) -> int:
        """The id of its first process, by which others enter its namespaces."""
        assert self._first, f"{self.name} does not run"
        return self._first

    def command(self, words: Iterable[object]) -> list[str]:
        """What runs ``words`` on this host."""
        enter = ["nsenter", f"--target={self.first}", "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd"]
        return [*enter, *(str(word) for word in words)]

    def run(self, *words: object) -> str:
        """Run a command on this host to its end; what it printed. Raises with what it said if it fails."""
        return run_to_end(*self.command(words), env=_ENVIRONMENT)

    def start(self, service: str, *words: object) -> None:
        """Run a service until this host ends. Its log has its name."""
        with (self.logs / f"{service}.log").open("ab") as log:
            self._services[service] = subprocess.Popen(
                self.command(words),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=_ENVIRONMENT,
            )  # fmt: skip

    def check(self) -> None:
        """Raise with the end of its log if a service has ended."""
        for name, process in self._services.items():
            if process.poll() is not None:
                said = (self.logs / f"{name}.log").read_text(errors="replace")[-3000:]
                raise AssertionError(f"{name} of {self.name} ended ({process.returncode}): {said}")

    def ended(self, service: str) -> bool:
        """Whether a service has ended, which is as it should be: it is not looked after any more."""
        if self._services[service].poll() is None:
            return False
        del self._services[service]
        return True
