"""Real members and a real HAProxy on loopback, for what only traffic can show."""

import contextlib
import http.client
import http.server
import pathlib
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

from lictor.amphora import haproxy
from lictor.model import LoadBalancer
from lictor.wire import Server

PATIENCE = 15.0


class Website(http.server.ThreadingHTTPServer):
    """A member: answers with its name; what it heard stands in ``heard``."""

    daemon_threads = True

    def __init__(self, name: str, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name, self.context, self.status, self.heard = name, context, 200, []
        self.cookie = ""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def port(self) -> int:
        return self.server_address[1]

    def finish_request(self, request, client_address) -> None:
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address) -> None:
        """Checks close connections as they like."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Website

    def do_GET(self) -> None:
        self.server.heard.append((self.command, self.path, self.request_version, dict(self.headers)))
        self.send_response(self.server.status)
        if self.server.cookie:
            self.send_header("Set-Cookie", self.server.cookie)
        self.end_headers()
        self.wfile.write(self.server.name.encode())

    def log_message(self, *_: object) -> None:
        pass


class Proxy:
    """A HAProxy that runs what was rendered from a tree."""

    def __init__(self, socket_path: str) -> None:
        self._socket = socket_path

    def ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(self._socket)
            connection.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode().strip()

    def add(self, server: Server) -> None:
        name = f"{server.backend}/{server.name}"
        answer = self.ask(f"experimental-mode on; add server {name} {server.parameters()}")
        assert answer == "New server registered."
        if "check" in server.options.split():
            self.ask(f"enable health {name}")
        self.ask(f"enable server {name}")

    def statuses(self) -> dict[str, str]:
        rows = [line.split(",") for line in self.ask("show stat").split("\n")]
        return {row[1]: row[17] for row in rows if len(row) > 17}


@contextlib.contextmanager
def running(tree: LoadBalancer) -> Iterator[Proxy]:
    with tempfile.TemporaryDirectory(prefix="lictor") as name:
        directory = pathlib.Path(name)
        (directory / "state").write_text("1\n")
        (directory / "global.cfg").write_text(
            f"global\n    stats socket {name}/s level admin\n    maxconn 200\n    server-state-file {name}/state\n"
        )
        (directory / "haproxy.cfg").write_text(haproxy.render(tree, 100).config)
        command = ["haproxy", "-db", "-f", f"{name}/global.cfg", "-f", f"{name}/haproxy.cfg"]
        with (directory / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                proxy = Proxy(f"{name}/s")
                eventually(lambda: answers(proxy), lambda: (directory / "log").read_text())
                yield proxy
            finally:
                process.kill()


def answers(proxy: Proxy) -> bool:
    with contextlib.suppress(OSError):
        return bool(proxy.ask("show info"))
    return False


def eventually(true: Callable[[], object], words: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {words()}"
        time.sleep(0.02)


def get(port: int, headers: dict[str, str] | None = None) -> tuple[str, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("GET", "/", headers=headers or {})
        response = connection.getresponse()
        return response.read().decode(), response.headers


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
