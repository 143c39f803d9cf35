"""The page of a PROMETHEUS listener: Octavia's names, and what it costs to be asked."""

import contextlib
import pathlib
import socket
import threading
import zlib

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lictor import wire
from lictor.agent.haproxy.runtime import RuntimeFailed
from lictor.agent.metrics import datagrams
from lictor.agent.metrics.names import NAMES, renamed
from lictor.agent.metrics.page import Page
from lictor.agent.metrics.server import Server

SAID = """\
# HELP haproxy_process_dropped_logs_total Total number of dropped logs.
# TYPE haproxy_process_dropped_logs_total counter
haproxy_process_dropped_logs_total 3
# HELP haproxy_process_connections_total Total number of created sessions.
# TYPE haproxy_process_connections_total counter
haproxy_process_connections_total 1000
# HELP haproxy_process_nbthread Number of threads.
# TYPE haproxy_process_nbthread gauge
haproxy_process_nbthread 2
# HELP haproxy_frontend_bytes_in_total Total number of request bytes of this frontend.
# TYPE haproxy_frontend_bytes_in_total counter
haproxy_frontend_bytes_in_total{proxy="lictor-exporter"} 99
haproxy_frontend_bytes_in_total{proxy="listener-1"} 5
# HELP haproxy_frontend_connections_total Total number of new connections accepted on this frontend.
# TYPE haproxy_frontend_connections_total counter
haproxy_frontend_connections_total{proxy="lictor-exporter"} 50
haproxy_frontend_connections_total{proxy="listener-1"} 6
haproxy_frontend_connections_total{proxy="listener-2"} 7
# HELP haproxy_backend_active_servers Number of active servers of this backend.
# TYPE haproxy_backend_active_servers gauge
haproxy_backend_active_servers{proxy="lictor-metrics"} 1
haproxy_backend_active_servers{proxy="pool-1:listener-1"} 2
# HELP haproxy_server_status Current status of the server.
# TYPE haproxy_server_status gauge
haproxy_server_status{proxy="lictor-metrics",server="agent",state="UP"} 1
haproxy_server_status{proxy="pool-1:listener-1",server="member-1",state="DOWN"} 0
haproxy_server_status{proxy="pool-1:listener-1",server="member-1",state="UP"} 1
"""


class Exporter:
    """Says what HAProxy's exporter would, in pieces of one size, and counts how often it was asked."""

    def __init__(self, path: pathlib.Path, size: int = 65536, status: str = "200 OK", whole: bool = True) -> None:
        self.asked, self._size, self._status, self._whole = 0, size, status, whole
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection, contextlib.suppress(BrokenPipeError):
                self.asked += 1
                connection.recv(4096)
                connection.sendall(f"HTTP/1.1 {self._status}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
                for start in range(0, len(SAID), self._size):
                    piece = SAID[start : start + self._size].encode()
                    connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                if self._whole:
                    connection.sendall(b"0\r\n\r\n")


def text(page: Page) -> str:
    return zlib.decompress(page.compressed(), 31).decode()


def samples(said: str) -> dict[tuple[str, ...], float]:
    found = [sample for family in text_string_to_metric_families(said) for sample in family.samples]
    return {(sample.name, *[value for _, value in sorted(sample.labels.items())]): sample.value for sample in found}


@pytest.mark.parametrize("size", [1, 7, 65536])
def test_haproxys_metrics_have_octavias_names_however_they_arrive(tmp_path, size):
    Exporter(tmp_path / "e", size)
    said = text(Page(tmp_path / "e"))
    found = samples(said)
    assert found.pop(("octavia_loadbalancer_cpu",)) >= 0
    assert 0 < found.pop(("octavia_loadbalancer_memory",)) < 100
    assert found == {
        ("octavia_loadbalancer_dropped_logs_total",): 3,
        ("octavia_listener_bytes_in_total", "listener-1"): 5,
        ("octavia_listener_connections_total", "listener-1"): 6,
        ("octavia_listener_connections_total", "listener-2"): 7,
        ("octavia_loadbalancer_connections_total",): 13,
        ("octavia_pool_active_members", "pool-1:listener-1"): 2,
        ("octavia_member_status", "member-1", "pool-1:listener-1", "DOWN"): 0,
        ("octavia_member_status", "member-1", "pool-1:listener-1", "UP"): 1,
    }
    assert 'octavia_member_status{pool="pool-1:listener-1",member="member-1",state="UP"} 1\n' in said
    assert "# HELP octavia_pool_active_members Number of active members of this pool.\n" in said
    assert "haproxy" not in said and "lictor" not in said


def test_every_metric_of_octavias_is_known_once():
    assert len(NAMES) == len(set(NAMES.values())) == 142
    kinds = [name.split(b"_")[1].decode() for name in NAMES.values()]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "memory": 3, "loadbalancer": 28, "listener": 27, "pool": 44, "member": 40,
    }  # fmt: skip


def test_what_octavia_does_not_tell_is_left_out():
    block = b"# HELP haproxy_server_check_code x\n# TYPE haproxy_server_check_code gauge\nhaproxy_server_check_code 1\n"
    assert renamed(block) == (b"", b"")


def test_many_who_ask_at_once_cost_one_page(tmp_path):
    exporter = Exporter(tmp_path / "e")
    page = Page(tmp_path / "e")
    threads = [threading.Thread(target=page.compressed) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert exporter.asked == 1


def test_what_haproxy_does_not_know_stands_with_its_metric(tmp_path):
    Exporter(tmp_path / "e")
    more = {b"octavia_listener_bytes_in_total": [b'octavia_listener_bytes_in_total{listener="udp-1"} 7\n']}
    found = samples(text(Page(tmp_path / "e", more=lambda: more, dropped=lambda: 4)))
    assert found["octavia_listener_bytes_in_total", "udp-1"] == 7
    assert found["octavia_loadbalancer_dropped_logs_total",] == 7, "3 of HAProxy's, 4 of the agent's"


def test_udp_listeners_are_told_in_the_same_words(tmp_path):
    Exporter(tmp_path / "e")
    figures = wire.ListenerStatistics(bytes_in=1, bytes_out=2, active_connections=3, total_connections=4)
    members = {"m1": "UP", "m2": "DOWN", "m3": "DRAIN", "m4": "MAINT", "m5": "no check", "m6": "RESTARTING"}
    more = datagrams.samples(
        {"udp-1": wire.ListenerReport(status="FULL", statistics=figures)},
        {"p:udp-1": wire.PoolReport(status="DOWN", members=members)},
    )
    assert set(more) <= set(NAMES.values())
    found = samples(text(Page(tmp_path / "e", more=lambda: more)))
    assert found["octavia_listener_bytes_in_total", "udp-1"] == 1
    assert found["octavia_pool_active_members", "p:udp-1"] == 2
    true = [labels for (name, *labels), value in found.items() if name == "octavia_member_status" and value]
    said = {member: state for member, pool, state in true if pool == "p:udp-1"}
    assert said == {"m1": "UP", "m2": "DOWN", "m3": "DRAIN", "m4": "MAINT", "m5": "UP"}


@pytest.mark.parametrize("given", [None, {"status": "503 Service Unavailable"}, {"whole": False}])
def test_a_page_that_haproxy_does_not_give_whole_is_an_error(tmp_path, given):
    if given:
        Exporter(tmp_path / "e", **given)
    with pytest.raises(RuntimeFailed, match="exporter"):
        Page(tmp_path / "e").compressed()


def ask(path: pathlib.Path, request: str) -> tuple[str, bytes]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(f"{request}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), body


def test_clients_get_text_or_gzip_as_they_like(tmp_path, monkeypatch):
    monkeypatch.setattr("os.chown", lambda *_: None)  # unit tests need no root
    Exporter(tmp_path / "e")
    server = Server(tmp_path / "m", Page(tmp_path / "e"))
    threading.Thread(target=server.run, daemon=True).start()
    head, body = ask(tmp_path / "m", "GET /metrics HTTP/1.1\r\nHost: x")
    assert head.startswith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4")
    assert samples(body.decode())["octavia_listener_bytes_in_total", "listener-1"] == 5
    for accepted, coded in (("deflate, gzip;q=0.5", True), ("gzip;q=0", False), ("br", False)):
        head, other = ask(tmp_path / "m", f"GET /metrics HTTP/1.1\r\nAccept-Encoding: {accepted}")
        assert ("Content-Encoding: gzip" in head) == coded
        assert (zlib.decompress(other, 31) if coded else other) == body
    assert ask(tmp_path / "m", "HEAD /metrics HTTP/1.1")[1] == b""


def test_a_page_that_cannot_be_had_is_a_bad_gateway(tmp_path, monkeypatch):
    monkeypatch.setattr("os.chown", lambda *_: None)
    server = Server(tmp_path / "m", Page(tmp_path / "e"))
    threading.Thread(target=server.run, daemon=True).start()
    assert ask(tmp_path / "m", "GET /metrics HTTP/1.1")[0].startswith("HTTP/1.1 502")
