"""Steady traffic while something changes: who answered, what failed, and whether HAProxy was reloaded."""

import contextlib
import http.client
import pathlib
import ssl
import threading
import time

from lictor import config
from lictor.amphora.client import AgentClient
from lictor.amphora.pki import Authority
from lictor.model import Amphora
from lictor.model.store import Store
from tests.lab.deployment import eventually, http_get, processes

PAUSE = 0.01
"""Seconds between the requests of one client."""

LONGEST = 600.0
"""Seconds: the load ends by itself, whatever happens."""

PATIENCE = 5
"""Seconds after which a request that is not answered has failed."""


def fresh(address, port=80, path="/"):
    """Asks on a connection of its own each time."""
    return lambda: lambda: http_get(address, port, path, timeout=PATIENCE)


def fresh_tls(address, port=443, path="/"):
    """The same over TLS, with a handshake each time."""
    return lambda: lambda: _once(http.client.HTTPSConnection(address, port, timeout=PATIENCE, context=_anyone()), path)


def kept(address, port=80, path="/"):
    """Asks on one connection for as long as the server keeps it.

    A server may close a kept connection at any time, also while a request is on its way to it: a request that met that
    before any byte of an answer is sent once more on a new connection, as all clients do (RFC 9112, section 9.3.1).
    """

    def client():
        connection = http.client.HTTPConnection(address, port, timeout=PATIENCE)
        used = False

        def ask():
            nonlocal used
            again, used = used, True
            try:
                return _ask(connection, path)
            except (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected):
                if not again:
                    raise
                connection.close()
                return _ask(connection, path)

        return ask

    return client


def _once(connection, path):
    with contextlib.closing(connection):
        return _ask(connection, path)


def _ask(connection, path):
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def _anyone():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Load:
    """Clients of one kind, until told to end. ``served`` is who answered when, ``failures`` what went wrong."""

    def __init__(self, kind, clients):
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(kind(),), daemon=True) for _ in range(clients)]
        self.served, self.failures = [], []

    def _run(self, ask):
        deadline = time.monotonic() + LONGEST
        while not self._over.wait(PAUSE) and time.monotonic() < deadline:
            began = time.monotonic()
            try:
                status, body = ask()
                failure = "" if status == 200 else f"HTTP {status}"
            except (OSError, http.client.HTTPException) as error:
                body, failure = "", type(error).__name__
            # Appending is atomic: no lock is needed.
            if failure:
                self.failures.append(failure)
            else:
                self.served.append((body.strip(), began, time.monotonic()))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(10)


class Workers:
    """Looks now and then which HAProxy worker processes there are: a reload would leave a new one behind."""

    def __init__(self):
        self.seen = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._over.wait(0.2):
            haproxy = {pid for pid, name in processes() if name == "haproxy"}
            self.seen |= {pid for pid in haproxy if _parent(pid) in haproxy}

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(10)


def _parent(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def applied(lictor, load_balancer_id):
    """Wait until all changes of a load balancer are."""
    path = f"/loadbalancers/{load_balancer_id}?fields=provisioning_status"
    eventually(lambda: lictor.call("GET", path)["provisioning_status"] == "ACTIVE", 30, poll=0.01)


def reloads(lictor):
    """How many reloads the agents count; asked as the control plane asks them."""
    conf = config.load([str(lictor.config)], lictor__state_dir=str(lictor.state_dir))
    client = AgentClient(Authority.open(lictor.state_dir / "pki"), conf.haproxy_amphora.bind_port, 5.0, 5.0)
    with Store(config.database_url(conf)).read() as session:
        amphorae = [(row.lb_network_ip, row.id) for row in session.query(Amphora)]
    return sum(client.report(*amphora).reloads for amphora in amphorae)
