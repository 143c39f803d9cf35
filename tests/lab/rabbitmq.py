"""A real RabbitMQ on the loopback device of a laboratory, with a directory of its own."""

import contextlib
import os
import pathlib
import shutil
import subprocess
from collections.abc import Iterator

from tests.bench.processes import end, eventually

URL = "rabbit://guest:guest@127.0.0.1:5672/"
PATIENCE = 90.0
"""Seconds that it may take to start; on an idle machine it takes four."""

_BIN = pathlib.Path("/usr/lib/rabbitmq/bin")
_NODE = "lab@localhost"


class RabbitMQ:
    """One broker. What is durable outlives ``kill``."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._home = directory / "rabbit"
        self._home.mkdir()
        (self._home / "plugins").write_text("[].\n")
        (self._home / "env").write_text("")
        (self._home / "rabbitmq.conf").write_text("listeners.tcp.local = 127.0.0.1:5672\n")
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start, and wait until it serves."""
        # It finds its node by the port mapper, which would otherwise be started as a daemon and listen everywhere.
        self._running = [self._run(shutil.which("epmd"), "-address", "127.0.0.1"), self._run(_BIN / "rabbitmq-server")]
        eventually(self._is_up, PATIENCE, "RabbitMQ")

    def control(self, *words: str) -> str:
        """What ``rabbitmqctl`` prints. Raises ``CalledProcessError``."""
        command = [_BIN / "rabbitmqctl", "-q", "-n", _NODE, *words]
        return subprocess.run(
            command, env=self._environment(), check=True, capture_output=True, text=True, timeout=60
        ).stdout

    def stop(self) -> None:
        """End it in order."""
        for process in reversed(self._running):
            end(process)
        self._running = []

    def kill(self) -> None:
        """As a power cut would."""
        for process in self._running:
            os.killpg(process.pid, 9)
        self.stop()

    def _run(self, *command: object) -> "subprocess.Popen[bytes]":
        with (self._home / "output").open("ab") as output:
            return subprocess.Popen(
                [str(word) for word in command],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=self._environment(),
            )

    def _is_up(self) -> bool:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.control("await_startup")
            return True
        return False

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "RABBITMQ_NODENAME": _NODE, "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": f"{self._home}/mnesia", "RABBITMQ_LOG_BASE": f"{self._home}/log",
            "RABBITMQ_PID_FILE": f"{self._home}/pid", "RABBITMQ_CONFIG_FILE": f"{self._home}/rabbitmq",
            "RABBITMQ_CONF_ENV_FILE": f"{self._home}/env", "RABBITMQ_ENABLED_PLUGINS_FILE": f"{self._home}/plugins",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_ADDRESS": "127.0.0.1", "HOME": str(self._home),
        }  # fmt: skip


@contextlib.contextmanager
def rabbitmq(directory: pathlib.Path) -> Iterator[RabbitMQ]:
    """A running broker for the length of the block."""
    made = RabbitMQ(directory)
    try:
        made.start()
        yield made
    finally:
        made.stop()
