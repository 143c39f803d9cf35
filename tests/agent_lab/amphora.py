"""One amphora in a sealed lab: a NIC, web servers as members, papers, and the real agent as a process."""

import contextlib
import http.client
import http.server
import itertools
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid

import msgspec

from lictor import wire
from lictor.agent.haproxy.runtime import RuntimeFailed, Session, worker_pid
from lictor.amphora.pki import Authority

KEY = "5a" * 32
_NUMBERS = itertools.count(1)


def eventually(condition, seconds=10.0):
    """The first true value of ``condition``; errors of the network and assertions count as not yet."""
    deadline = time.monotonic() + seconds
    last = None
    while time.monotonic() < deadline:
        try:
            last = condition()
            if last:
                return last
        except (OSError, http.client.HTTPException, AssertionError, RuntimeFailed, LookupError) as error:
            last = error
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s; last: {last!r}")


class Web:
    """A member: answers its name, holds ``/slow`` until told, fails ``/healthy`` when told."""

    def __init__(self, name, address="198.18.0.1"):
        self.healthy, self.release = True, threading.Event()
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if self.path == "/slow":
                    web.release.wait(20)
                status = 503 if self.path == "/healthy" and not web.healthy else 200
                self.send_response(status)
                self.send_header("Content-Length", str(len(name)))
                self.end_headers()
                self.wfile.write(name.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Amphora:
    def __init__(self, directory: pathlib.Path):
        self.number = next(_NUMBERS)
        self.id = str(uuid.uuid4())
        self.lb = str(uuid.uuid4())
        self.listener = str(uuid.uuid4())
        self.pool = str(uuid.uuid4())
        self.backend = f"{self.pool}:{self.listener}"
        self.vip = "198.18.0.100"
        self.vip6 = "fd00:c612::100"
        self.namespace = f"inner{self.number}"
        self.mac = f"fa:16:3e:00:01:{self.number:02x}"
        self.port = 9443 + self.number
        self.home = directory / "agent"
        self.directory = directory
        self.authority = Authority.open(directory / "ca")
        self.argv = [sys.executable, "-P", "-m", "lictor.agent.main", "--config", str(directory / "agent.json")]
        self.process = None
        self.generation = 0
        self.log = (directory / "agent.log").open("ab")
        self._papers()

    def _papers(self):
        papers = self.authority.issue_server(self.id, 3600)
        files = {"certificate": papers.certificate, "private_key": papers.private_key}
        files["client_ca"] = self.authority.ca_pem
        for name, text in files.items():
            (self.directory / name).write_text(text)
        config = {name: str(self.directory / name) for name in files}
        config |= {"amphora_id": self.id, "bind_address": "127.0.0.1", "bind_port": self.port}
        config |= {"directory": str(self.home), "namespace": self.namespace}
        (self.directory / "agent.json").write_text(json.dumps(config))

    def plug(self):
        nic, peer = f"nic{self.number}", f"peer{self.number}"
        run(f"ip link add {nic} address {self.mac} type veth peer name {peer}")
        run(f"ip address add 198.18.0.1/24 dev {peer}")
        run(f"ip -6 address add fd00:c612::1/64 dev {peer} nodad")
        run(f"ip link set {peer} up")

    def start(self, **environment):
        self.process = subprocess.Popen(self.argv, stderr=self.log, env={**os.environ, **environment})
        eventually(self.report)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(15)

    def close(self):
        with contextlib.suppress(Exception):
            self.end(signal.SIGKILL)
        for pid in self.haproxy_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        subprocess.run(["ip", "link", "del", f"peer{self.number}"], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", self.namespace], capture_output=True, check=False)

    # --- talking with it

    def call(self, method, body=b"", path="/1.0/state", context=None):
        context = context or self.authority.client_context()
        raw = socket.create_connection(("127.0.0.1", self.port), 10)
        raw.settimeout(30)
        with context.wrap_socket(raw, server_hostname=self.id) as tls:
            head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
            tls.sendall(head.encode() + body)
            answer = http.client.HTTPResponse(tls)
            answer.begin()
            return answer.status, answer.read()

    def report(self):
        status, body = self.call("GET")
        assert status == 200, body
        return msgspec.json.decode(body, type=wire.Report)

    def put(self, state):
        return self.call("PUT", msgspec.json.encode(state))

    def deliver(self, state):
        status, body = self.put(state)
        assert status == 200, body
        return msgspec.json.decode(body, type=wire.Report)

    def refused(self, state, status=400):
        got, body = self.put(state)
        assert got == status, (got, body)
        return msgspec.json.decode(body, type=wire.Refusal).reason

    # --- states

    def member(self, web, **changes):
        fields = {"backend": self.backend, "name": str(uuid.uuid4()), "address": "198.18.0.1", "port": web.port}
        return wire.Server(**{**fields, **changes})

    def state(self, servers=(), backend_lines=(), frontend_lines=(), epoch=1, target=None, **changes):
        self.generation += 1
        vip6 = [f"    bind [{self.vip6}]:80"]
        lines = ["defaults", "    mode http", "    timeout connect 2s", "    timeout client 50s"]
        lines += ["    timeout server 50s", "    load-server-state-from-file global", f"frontend {self.listener}"]
        lines += [f"    bind {self.vip}:80", *vip6, *frontend_lines, f"    default_backend {self.backend}"]
        lines += [f"backend {self.backend}", "    balance roundrobin", *backend_lines]
        lines += [f"    {server.line()}" for server in servers]
        interface = wire.Interface(
            name="eth1",
            mac=self.mac,
            addresses=["198.18.0.2/24", f"{self.vip}/32", "fd00:c612::2/64", f"{self.vip6}/128"],
            routes=[wire.Route(destination="0.0.0.0/0", gateway="198.18.0.1")],
        )
        fields = {
            "amphora_id": self.id,
            "loadbalancer_id": self.lb,
            "generation": self.generation,
            "epoch": epoch,
            "interfaces": [interface],
            "haproxy": wire.HAProxy(config="\n".join(lines) + "\n", servers=list(servers)),
        }
        if target:
            fields["heartbeat"] = wire.HeartbeatTarget(addresses=target, key=KEY, interval=0.5)
        return wire.DesiredState(**{**fields, **changes})

    # --- looking at it

    def get(self, path="/", vip=None, seconds=3):
        connection = http.client.HTTPConnection(vip or self.vip, 80, timeout=seconds)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def answers(self, times=12):
        return {self.get()[1] for _ in range(times)}

    def worker(self):
        return worker_pid(self.home / "haproxy.sock")

    def haproxy(self, command):
        with Session(self.home / "haproxy.sock") as session:
            return session.ask(command)

    def haproxy_pids(self):
        """Master first."""
        found = subprocess.run(["pgrep", "-f", f"^haproxy .*{self.home}/haproxy.pid"], capture_output=True, text=True)
        return sorted(int(pid) for pid in found.stdout.split())

    def cpu_seconds(self):
        """What the agent has used of the processors so far."""
        words = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def inner(self, command):
        return run(f"ip -n {self.namespace} {command}")


@contextlib.contextmanager
def traffic(amphora):
    """One client that opens a connection for each request; yields the lists of answers and of faults."""
    answers, faults, over = [], [], threading.Event()

    def ask():
        while not over.wait(0.001):
            try:
                answers.append(amphora.get()[0])
            except (OSError, http.client.HTTPException) as error:
                faults.append(error)

    client = threading.Thread(target=ask)
    client.start()
    try:
        yield answers, faults
    finally:
        over.set()
        client.join(10)


def run(command):
    done = subprocess.run(command.split(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def unsafe_context(amphora, certificate, key):
    """A client that shows another certificate than the controller's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=amphora.authority.ca_pem)
    if certificate:
        file = amphora.directory / "other.pem"
        file.write_text(certificate + key)
        context.load_cert_chain(file)
    return context
