"""An agent takes another certificate while it serves, and nothing else notices."""

import contextlib
import http.client
import signal
import socket
import ssl
import threading
import time

import msgspec
import pytest
from cryptography import x509

from lictor import wire
from tests.agent_lab.amphora import KEY, eventually

PLACE = "/1.0/certificate"


class Watched:
    """Requests, calls of the controller and heartbeats while something happens: what failed, and the longest pauses."""

    def __init__(self, amphora):
        self.amphora, self.over, self.failed, self.beats, self.sequences = amphora, threading.Event(), [], [], []
        self.count = {"requests": 0, "reports": 0}
        self.receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.receiver.bind(("127.0.0.1", 0))
        self.receiver.settimeout(0.2)
        self.target = [f"127.0.0.1:{self.receiver.getsockname()[1]}"]
        loops = (lambda: self._ask("requests", self._request), lambda: self._ask("reports", amphora.report), self._hear)
        self.threads = [threading.Thread(target=loop, daemon=True) for loop in loops]

    def _request(self):
        assert self.amphora.get()[0] == 200

    def _ask(self, name, call):
        while not self.over.is_set():
            try:
                call()
                self.count[name] += 1
            except (OSError, AssertionError, http.client.HTTPException) as error:
                self.failed.append(f"{name}: {error!r}")
            time.sleep(0.01)

    def _hear(self):
        while not self.over.is_set():
            with contextlib.suppress(TimeoutError):
                self.sequences.append(wire.unseal(self.receiver.recv(65536), bytes.fromhex(KEY)).sequence)
                self.beats.append(time.monotonic())

    def longest_silence(self):
        return max(after - before for before, after in zip(self.beats, self.beats[1:], strict=False))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        eventually(lambda: len(self.beats) > 1)
        return self

    def __exit__(self, *_):
        seen = len(self.beats)
        eventually(lambda: len(self.beats) > seen + 1)
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.receiver.close()


@pytest.fixture
def serving(amphora, webs):
    amphora.deliver(amphora.state([amphora.member(webs[0])]))
    return amphora


def papers(amphora, epoch=1, **changes):
    issued = amphora.authority.issue_server(amphora.id, changes.pop("seconds", 3600))
    fields = {"certificate": issued.certificate, "private_key": issued.private_key, "client_ca": issued.client_ca}
    return wire.Papers(amphora_id=amphora.id, epoch=epoch, **(fields | changes))


def put(amphora, what):
    status, body = amphora.call("PUT", what if isinstance(what, bytes) else msgspec.json.encode(what), PLACE)
    return status, body.decode()


def shown(amphora):
    """The certificate that the agent shows to a new connection."""
    with (
        socket.create_connection(("127.0.0.1", amphora.port), 5) as raw,
        amphora.authority.client_context().wrap_socket(raw, server_hostname=amphora.id) as tls,
    ):
        return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True))


def same(certificate, what):
    return certificate == x509.load_pem_x509_certificate(what.certificate.encode())


def test_a_new_certificate_costs_no_request_no_heartbeat_and_no_connection(serving, webs):
    watched = Watched(serving)
    serving.deliver(serving.state([serving.member(webs[0])], target=watched.target))
    pids, reloads = serving.haproxy_pids(), serving.report().reloads
    open_one = socket.create_connection(("127.0.0.1", serving.port), 5)
    tls = serving.authority.client_context().wrap_socket(open_one, server_hostname=serving.id)
    tls.sendall(b"GET /1.0/state HTTP/1.1\r\nHost: a\r\n")  # half a request, begun before
    with watched:
        for _ in range(5):
            new = papers(serving)
            status, body = put(serving, new)
            assert status == 200 and msgspec.json.decode(body, type=wire.Report).amphora_id == serving.id
            assert same(shown(serving), new)
        tls.sendall(b"\r\n")
        assert tls.recv(1000).startswith(b"HTTP/1.1 200")
    assert watched.failed == []
    assert min(watched.count.values()) > 20
    assert watched.sequences == sorted(watched.sequences)
    assert watched.longest_silence() < 1.0, "one comes every half second"
    report = serving.report()
    assert (serving.haproxy_pids(), report.reloads, report.haproxy_running) == (pids, reloads, True)


def test_it_is_on_no_disk_but_the_tmpfs_and_for_root_alone_and_outlives_the_agent(serving):
    new = papers(serving)
    put(serving, new)
    file = serving.home / "papers.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert new.private_key not in (serving.directory / "agent.log").read_text()
    serving.end(signal.SIGKILL)
    serving.start()
    assert same(shown(serving), new)


@pytest.mark.parametrize("text", ["", "{", '{"amphora_id": 1}'])
def test_papers_on_file_that_cannot_be_read_give_way_to_those_of_birth(serving, text):
    put(serving, papers(serving))
    serving.end(signal.SIGKILL)
    (serving.home / "papers.json").write_text(text)
    serving.start()
    birth = (serving.directory / "certificate").read_bytes()
    assert shown(serving) == x509.load_pem_x509_certificate(birth)


def test_papers_that_would_lock_the_controller_out_are_refused_and_the_old_ones_stay(serving, tmp_path):
    before = shown(serving)
    stranger = type(serving.authority).open(tmp_path / "other").issue_server(serving.id, 3600)
    named = serving.authority.issue_server("4b7f5e1c-0000-4000-8000-000000000000", 3600)
    other = serving.authority.issue_server(serving.id, 3600)
    bad = {
        "certificate verify failed": papers(
            serving, certificate=stranger.certificate, private_key=stranger.private_key
        ),
        "Hostname mismatch": papers(serving, certificate=named.certificate, private_key=named.private_key),
        "has expired": papers(serving, seconds=-60),
        "KEY_VALUES_MISMATCH": papers(serving, private_key=other.private_key),
        "are not for this one": msgspec.structs.replace(papers(serving), amphora_id=str(serving.lb)),
        "no start line": papers(serving, client_ca="nonsense"),
        "cannot be read": b'{"amphora_id": "x"}',
    }
    for words, what in bad.items():
        status, body = put(serving, what)
        assert status == 400 and words in body, (words, body)
        assert shown(serving) == before
    assert not (serving.home / "papers.json").exists()


def test_papers_of_a_worker_that_lost_its_lease_are_refused(serving):
    put(serving, papers(serving, epoch=7))
    before = shown(serving)
    for epoch in (0, 6):
        status, body = put(serving, papers(serving, epoch=epoch))
        assert status == 409 and "older than what is applied" in body
    serving.end(signal.SIGKILL)
    serving.start()
    assert put(serving, papers(serving, epoch=6))[0] == 409, "the successor remembers"
    assert shown(serving) == before


def test_a_full_tmpfs_leaves_the_old_certificate_in_use(serving):
    before = shown(serving)
    blocked = serving.home / "papers.json.new"
    blocked.mkdir()
    status, body = put(serving, papers(serving))
    assert status == 500 and "cannot keep the papers" in body
    assert shown(serving) == before
    blocked.rmdir()
    assert put(serving, papers(serving))[0] == 200


def test_authorities_change_and_the_old_one_is_obeyed_until_it_is_dropped(serving):
    authority, old = serving.authority, serving.authority.client_context()
    for stage in ("announced", "moving", "settled"):
        assert authority.replace(authority.ring, authority.ring.next())
        assert authority.ring.stage == stage
        assert put(serving, papers(serving))[0] == 200
        assert serving.report().amphora_id == serving.id
        if stage == "announced":
            assert serving.call("GET", context=old)[0] == 200
    assert authority.ring.names[0] in shown(serving).issuer.rfc4514_string()
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        serving.call("GET", context=old)
