"""Syslog servers on the operator's network hear of every connection, and of what amphorae do."""

import contextlib
import re
import socket
import threading

import pytest

from tests.e2e.balancer import HTTP_MONITOR, listener, pool
from tests.lab.deployment import eventually

GATEWAY = "198.19.0.1"
"""This host on the management network: Lictor's own default."""

FLOWS, FLOWS_TOO, OPERATORS = 10514, 10515, 10516

CONFIG = f"""
[amphora_agent]
tenant_log_targets = {GATEWAY}:{FLOWS}, {GATEWAY}:{FLOWS_TOO}
admin_log_targets = {GATEWAY}:{OPERATORS}
log_protocol = TCP
log_retry_count = 0
user_log_facility = 3
administrative_log_facility = 5
"""

HEAD = r"<{priority}>[A-Z][a-z]{{2}} [ 0-9]\d \d\d:\d\d:\d\d amphora-[0-9a-f-]{{36}} {program}\[\d+\]: "
FLOW = HEAD.format(priority=8 * (16 + 3) + 6, program="haproxy")


class Syslog:
    """A TCP syslog server (RFC 6587, 3.4.2)."""

    def __init__(self, port):
        self.lines, self._port, self._connections = [], port, []
        self.start()

    def start(self):
        self._listener = socket.create_server((GATEWAY, self._port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self):
        for each in (self._listener, *self._connections):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self._connections.append(connection)
                threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection):
        with contextlib.suppress(OSError, ValueError), connection.makefile("r") as stream:
            self.lines += (line.rstrip("\n") for line in stream)

    def find(self, pattern):
        """The lines that match, as soon as there are any."""

        def found():
            seen = [match for line in self.lines if (match := re.fullmatch(pattern, line))]
            assert seen, self.lines[-5:]
            return seen

        return eventually(found, 20, pattern)


@pytest.fixture
def servers_of_logs(deployment):
    with contextlib.ExitStack() as stack:
        made = {port: Syslog(port) for port in (FLOWS, FLOWS_TOO, OPERATORS)}
        for each in made.values():
            stack.callback(each.stop)
        yield made


def test_flows_and_words_of_amphorae_reach_the_operators_servers(balancer, web, deployment, servers_of_logs):
    flows, spare, operators = servers_of_logs.values()
    lb = balancer(
        listener(pool(web.addresses[:1], healthmonitor=HTTP_MONITOR)),
        listener(pool(web.addresses[1:2], protocol="TCP", name="tcp", members=[{"name": "t1"}]), "TCP", 81),
    )
    lb.becomes(m1="ONLINE")
    begins = FLOW + re.escape(f"{lb.itself()['project_id']} {lb.id} ")
    an_http_request(lb, flows, begins)
    a_tcp_connection(lb, flows, begins)
    a_user_cannot_add_a_line(lb, flows, begins)
    web.servers[0].healthy(False)
    lb.becomes(m1="ERROR")
    words = HEAD.format(priority=r"\d+", program="haproxy") + ".*is DOWN.*"
    assert lb.member("m1")["id"] in operators.find(words)[0][0]
    assert all(re.match(FLOW, line) for line in flows.lines), "no words of HAProxy's among users' lines"
    assert not spare.lines
    another_server_takes_over(lb, flows, spare)
    words = HEAD.format(priority=8 * (16 + 5) + 6, program="lictor-agent")
    operators.find(words + f"logs: {GATEWAY}:{FLOWS} takes none: .*")
    operators.find(words + f"logs: {GATEWAY}:{FLOWS} takes them again")


def another_server_takes_over(lb, flows, spare):
    flows.stop()

    def heard():
        lb.answers(1, port=81)
        return len(spare.lines) > 3

    eventually(heard)
    flows.start()
    flows.lines.clear()
    eventually(lambda: lb.answers(1, port=81) and flows.lines, 20, "the first server is the first again")


def an_http_request(lb, flows, begins):
    source = sent(lb.vip, 80, b"GET /some?thing=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    (one,) = lb.pools()[0]["members"] if lb.pools()[0]["name"] == "pool" else lb.pools()[1]["members"]
    (line,) = flows.find(
        begins + rf"{lb.listener_at(80)['id']} [\d.]+ {source} \d+/[A-Z][a-z]+/\d{{4}}:[\d:.]+ "
        rf'"GET /some\?thing=1 HTTP/1\.1" 200 \d+ \d+ - "" [0-9a-f-]+:{lb.listener_at(80)["id"]} {one["id"]} \d+ ----'
    )
    assert line


def a_tcp_connection(lb, flows, begins):
    source = sent(lb.vip, 81, b"GET / HTTP/1.0\r\n\r\n")
    flows.find(begins + rf'{lb.listener_at(81)["id"]} [\d.]+ {source} \S+ - \d+ \d+ \d+ - "" \S+ \S+ \d+ --')


def a_user_cannot_add_a_line(lb, flows, begins):
    """What is no request at all is logged too, in words of ours, and its bytes are no line of their own."""
    before = len(flows.lines)
    sent(lb.vip, 80, b'GET /"\r\n<1>Nov 24 00:00:00 forged\r\n\r\n')
    flows.find(begins + r'\S+ \S+ \S+ \S+ "<BADREQ>" 400 .*')
    assert not [line for line in flows.lines[before:] if not re.match(begins, line)]


def sent(vip, port, request):
    """Send it and read to the end; the port that it came from."""
    with socket.create_connection((vip, port), 5) as connection:
        connection.sendall(request)
        while connection.recv(65536):
            pass
        return connection.getsockname()[1]


def test_logs_of_connections_can_be_switched_off(balancer, web, deployment, servers_of_logs):
    flows, _, operators = servers_of_logs.values()
    deployment.stop()
    with deployment.config.open("a") as config:
        config.write("[haproxy_amphora]\nconnection_logging = False\n")
    deployment.start()
    lb = balancer(listener(pool(web.addresses[:1], healthmonitor=HTTP_MONITOR)))
    lb.becomes(m1="ONLINE")
    assert lb.answers(3)
    web.servers[0].healthy(False)
    operators.find(HEAD.format(priority=r"\d+", program="haproxy") + f".*{lb.member('m1')['id']} is DOWN.*")
    assert not flows.lines, "those for the operator come still, and these were earlier"
