"""Many processes of Lictor on one database: each started, killed and asked how it does from outside."""

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys

from tests.lab.deployment import Deployment, eventually

FIRST = 9900


@contextlib.contextmanager
def stopped(pids):
    """Processes that hang; those that are still there go on afterwards."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


class Process:
    """`lictor HOUSE`, with a port of its own for probes and metrics, and a log of its own."""

    def __init__(self, deployment, house, number, *words):
        self.house = house
        self.log = deployment.state_dir.parent / f"{house}-{number}.log"
        self.probes = FIRST + number
        files = ["--config-file", str(deployment.config)]
        self.command = deployment.command(house, *files, *words, "--metrics-bind", f"127.0.0.1:{self.probes}")
        self.process = None

    def start(self):
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        return self

    def ask(self, path):
        """Status and text of a probe."""
        connection = http.client.HTTPConnection("127.0.0.1", self.probes, timeout=20)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def wait_ready(self, seconds=60):
        def ready():
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            return self.ask("/readyz")[0] == 200

        eventually(ready, seconds, f"{self.house} is ready; {self.log}")
        return self

    def figure(self, name, **labels):
        """One figure of /metrics, or None."""
        words = ",".join(f'{key}="{value}"' for key, value in labels.items())
        pattern = rf"^lictor_{name}{re.escape('{' + words + '}') if words else ''} (\S+)$"
        found = re.search(pattern, self.ask("/metrics")[1], re.MULTILINE)
        return float(found[1]) if found else None

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def stop(self):
        """As systemd does; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


class Many(Deployment):
    """Two of everything on one database. The API is asked at ``port``, which may be that of either."""

    def __init__(self, state_dir, config_text, ports=(9876, 9886), beats=(5555, 5556)):
        super().__init__(state_dir, config_text)
        self.ports = ports
        self.processes = [
            *(Process(self, "api", n, "--port", str(port)) for n, port in enumerate(ports)),
            *(Process(self, "worker", n) for n in (2, 3)),
            *(Process(self, "health", n, "--port", str(port)) for n, port in enumerate(beats, 4)),
            *(Process(self, "housekeeping", n) for n in (6, 7)),
        ]

    def of(self, house):
        return [each for each in self.processes if each.house == house]

    def prepare(self):
        """Make the schema."""
        command = [sys.executable, "-m", "lictor.cli.main", "db", "upgrade", "--config-file", str(self.config)]
        subprocess.run([*command, "--state-dir", str(self.state_dir)], check=True, timeout=60, env=os.environ)

    def start_all(self):
        for each in self.processes:
            each.start()
        for each in self.processes:
            each.wait_ready()
        return self

    def stop_all(self):
        """The exit statuses of all that still run."""
        running = [each for each in self.processes if each.process and each.process.poll() is None]
        for each in running:
            each.process.send_signal(signal.SIGTERM)
        return [each.process.wait(30) for each in running]

    def words(self, house):
        """What all processes of a kind logged."""
        return "".join(each.log.read_text() for each in self.of(house))
