"""Small web servers, each in a network namespace of its own on the private bridge: members for load balancers.

In a test (inside tests/lab/sealed, after ``NetnsCompute.prepare()`` or ``lictor up`` made the bridge)::

    with WebServers(state_dir, names=["web1", "web2"]) as web:
        web.addresses                   # ["198.18.0.16", …]: of the subnet's lower quarter, which ports never get
        web.servers[0].healthy(False)   # GET /healthy now answers 503
        web.servers[0].stop()           # the process dies, the namespace stays; start() brings it back

As a command: ``web.py --state-dir DIR --count 2`` prints one JSON object per server once all answer (name, address,
and the ports), and serves until it is told to end (SIGINT, SIGTERM) or its parent closes its standard input (--watch).

Each server listens on 80 (HTTP), 443 (the same over TLS, self-signed) and 7 (says its name and a newline, then echoes).
HTTP/1.1 with keep-alive; every answer carries ``X-Server: NAME``:

    /            NAME and a newline           /headers    the request's headers, as a JSON object
    /healthy     200, or what PUT /healthy    /bytes?n=N  N bytes
                 with a number as body set    /slow?s=S   NAME, after S seconds
    /hits        requests so far, but for /healthy and /hits
    /cookie?n=N  NAME, and sets the cookie N to NAME
"""

import argparse
import dataclasses
import datetime
import hashlib
import http.server
import ipaddress
import json
import os
import pathlib
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable

HTTP, HTTPS, ECHO = 80, 443, 7
DEFAULT_CIDR = "198.18.0.0/20"


@dataclasses.dataclass
class Server:
    """One server: a namespace, an address, a process (when it runs)."""

    name: str
    address: str
    namespace: str
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start the process and return when all its ports are open."""
        command = ["ip", "netns", "exec", self.namespace, sys.executable, "-P", str(pathlib.Path(__file__).resolve())]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([*command, "--serve", self.name, self.address], **pipes)
        if self.process.stdout.readline() != b"serving\n":
            raise RuntimeError(f"{self.name} did not start (exit code {self.process.wait()})")

    def stop(self) -> None:
        """Kill the process: connections break, new ones are refused. The namespace and its address stay."""
        if self.process is not None:
            with self.process:
                self.process.kill()
        self.process = None

    def healthy(self, yes: bool = True) -> None:
        """Have /healthy answer 200 or 503 from now on."""
        request = urllib.request.Request(self.url("/healthy"), b"200" if yes else b"503", method="PUT")
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()

    def hits(self) -> int:
        """Requests so far, but for health checks."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.url("/hits"), timeout=10) as answer:
            return int(answer.read())

    def url(self, path: str = "/") -> str:
        """Where the server answers directly, not through a load balancer."""
        return f"http://{self.address if ':' not in self.address else f'[{self.address}]'}{path}"


class WebServers:
    """Servers of these names on the private bridge of the deployment in ``state_dir``, which must have been made."""

    def __init__(
        self,
        state_dir: str | os.PathLike[str],
        names: Iterable[str] = ("web1", "web2"),
        *,
        cidr: str = DEFAULT_CIDR,
        first: int = 16,
        network: str = "p",
    ) -> None:
        """``cidr`` is ``[local_network] cidr``; ``first`` is the number of the first server's address in it.

        ``network`` is 2 for the first of ``further_networks``.
        """
        # As lictor.config.deployment() has it; this file is used without Lictor installed, too.
        self.tag = hashlib.sha256(str(pathlib.Path(state_dir).resolve()).encode()).hexdigest()[:6]
        self.bridge = f"lic{network}{self.tag}"
        self.network = ipaddress.ip_network(cidr)
        self._first = first
        self.servers = [
            Server(name, str(self.network[number]), f"{name}-{self.tag}") for number, name in enumerate(names, first)
        ]

    @property
    def addresses(self) -> list[str]:
        """The servers' addresses, in the order of their names."""
        return [server.address for server in self.servers]

    def __enter__(self) -> "WebServers":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Make the namespaces and start all servers at the same time."""
        try:
            for number, server in enumerate(self.servers, self._first):
                self._plug(number, server)
            threads = [threading.Thread(target=server.start) for server in self.servers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for server in self.servers:
                if server.process is None or server.process.poll() is not None:
                    raise RuntimeError(f"{server.name} did not start")
        except BaseException:
            self.stop()
            raise

    def _plug(self, number: int, server: Server) -> None:
        link, nodad = self._link(number), " nodad" if ":" in server.address else ""
        attach(self.bridge, server.namespace, link, f"{server.address}/{self.network.prefixlen}{nodad}")

    def _link(self, number: int) -> str:
        return f"w{self.tag}{number:x}"

    def stop(self) -> None:
        """Kill all servers; remove namespaces and links."""
        for number, server in enumerate(self.servers, self._first):
            server.stop()
            subprocess.run(["ip", "link", "del", self._link(number)], stderr=subprocess.DEVNULL)
            subprocess.run(["ip", "netns", "del", server.namespace], stderr=subprocess.DEVNULL)


def attach(bridge: str, namespace: str, link: str, address: str) -> None:
    """Make a namespace whose eth0 has ``address`` (ip/prefix) and is on ``bridge`` through the host end ``link``."""
    mtu = pathlib.Path(f"/sys/class/net/{bridge}/mtu")
    mtu_words = f"mtu {mtu.read_text().strip()}" if mtu.exists() else ""
    batch = [
        f"netns add {namespace}",
        f"link add {link} {mtu_words} type veth peer name eth0 {mtu_words} netns {namespace}",
        f"link set {link} master {bridge} up",
    ]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(batch).encode(), check=True)
    inside = ["link set lo up", f"addr add {address} dev eth0", "link set eth0 up"]
    subprocess.run(["ip", "-n", namespace, "-batch", "-"], input="\n".join(inside).encode(), check=True)


# --- inside the namespace ---


class Handler(http.server.BaseHTTPRequestHandler):
    """See the top of the file for what it answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one packet
    server_name = ""
    health = 200
    count = 0
    lock = threading.Lock()

    def answer(self) -> None:
        """Answer any method."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path not in ("/healthy", "/hits"):
            with self.lock:
                Handler.count += 1
        if self.command == "PUT" and url.path == "/healthy":
            Handler.health = int(body)
        if url.path == "/slow":
            time.sleep(float(query.get("s", "1")))
        status, content = self.content(url.path, query)
        self.send_response(status)
        self.send_header("X-Server", self.server_name)
        if url.path == "/cookie":
            self.send_header("Set-Cookie", f"{query['n']}={self.server_name}; Path=/")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer  # noqa: N815

    def content(self, path: str, query: dict[str, str]) -> tuple[int, bytes]:
        """Status and body for a path."""
        name = f"{self.server_name}\n".encode()
        if path == "/healthy":
            return (200, name) if self.command == "PUT" else (Handler.health, name)
        if path == "/headers":
            return 200, json.dumps(dict(self.headers.items())).encode()
        if path == "/bytes":
            return 200, b"x" * int(query.get("n", "1024"))
        if path == "/hits":
            return 200, str(Handler.count).encode()
        return 200, name

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Echo(socketserver.BaseRequestHandler):
    """Says its name and a newline, then echoes."""

    def handle(self) -> None:
        """Serve one connection."""
        self.request.sendall(f"{Handler.server_name}\n".encode())
        while data := self.request.recv(65536):
            self.request.sendall(data)


class Quiet:
    """What the three listeners have in common."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 1024

    def handle_error(self, *_: object) -> None:
        """A client that goes away is nothing to speak of."""


class HTTPServer(Quiet, http.server.ThreadingHTTPServer):
    """HTTP on 80."""

    def server_bind(self) -> None:
        """Bind without asking DNS for the name of the address, as the base class does."""
        socketserver.TCPServer.server_bind(self)


class HTTPSServer(HTTPServer):
    """HTTP over TLS on 443; the handshake is made in the connection's own thread."""

    context: ssl.SSLContext

    def finish_request(self, request, client_address) -> None:
        """Shake hands, then serve."""
        with self.context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)


class EchoServer(Quiet, socketserver.ThreadingTCPServer):
    """Echo on 7."""


def serve(name: str, address: str) -> None:
    """Serve until standard input is closed."""
    Handler.server_name = name
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for kind, port, handler in ((HTTPServer, HTTP, Handler), (HTTPSServer, HTTPS, Handler), (EchoServer, ECHO, Echo)):
        kind.address_family = family
        server = kind((address, port), handler)
        if kind is HTTPSServer:
            server.context = tls_context(name, address)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()


def tls_context(name: str, address: str) -> ssl.SSLContext:
    """A server context with a fresh self-signed certificate."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(address))]
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(
        subject, subject, key.public_key(), x509.random_serial_number(), now - day, now + day
    )
    certificate = builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(key, hashes.SHA256())
    encoding = serialization.Encoding.PEM
    pem = certificate.public_bytes(encoding) + key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def main() -> None:
    """The command line; see the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state-dir", default="/var/lib/lictor", help="whose private bridge to use")
    parser.add_argument("--count", type=int, default=2)
    parser.add_argument("--cidr", default=DEFAULT_CIDR, help="[local_network] cidr of that deployment")
    parser.add_argument("--first", type=int, default=16, help="number of the first address in the range")
    parser.add_argument("--prefix", default="web", help="what the servers' names begin with")
    parser.add_argument("--watch", action="store_true", help="end when standard input is closed")
    parser.add_argument("--serve", nargs=2, metavar=("NAME", "ADDRESS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(*options.serve)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    names = [f"{options.prefix}{number}" for number in range(1, options.count + 1)]
    with WebServers(options.state_dir, names, cidr=options.cidr, first=options.first) as web:
        for server in web.servers:
            facts = {"name": server.name, "address": server.address, "http": HTTP, "https": HTTPS, "echo": ECHO}
            print(json.dumps(facts), flush=True)
        if options.watch:
            sys.stdin.buffer.read()
        else:
            signal.pause()
    return None


if __name__ == "__main__":
    main()
