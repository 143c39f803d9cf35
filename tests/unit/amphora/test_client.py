"""Talking with agents over real sockets: who is trusted, and what a bad agent can do to us (nothing)."""

import contextlib
import datetime
import pathlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

import msgspec
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from lictor.amphora import pki
from lictor.amphora.client import MAX_ANSWER, AgentClient, AgentFenced, AgentRefused, AgentUnreachable
from lictor.amphora.pki import Authority
from lictor.model import new_id
from lictor.wire import DesiredState, Refusal, Report

AMPHORA = new_id()
STATE = DesiredState(amphora_id=AMPHORA, loadbalancer_id=new_id(), generation=3, epoch=2)
REPORT = Report(amphora_id=AMPHORA, boot_id=new_id(), generation=3, epoch=2, digest="d")

Answer = Callable[[ssl.SSLSocket, bytes], None]

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.open(tmp_path_factory.mktemp("pki"))


def server_context(authority: Authority, where: pathlib.Path, name: str = AMPHORA) -> ssl.SSLContext:
    """As an agent has it: obeys only clients of this authority."""
    issued = authority.issue_server(name, 3600)
    (where / "server.pem").write_text(issued.private_key + issued.certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=authority.ca_pem)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_cert_chain(where / "server.pem")
    return context


@contextlib.contextmanager
def agent(context: ssl.SSLContext, answer: Answer) -> Iterator[int]:
    """A server for one connection; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            connection.settimeout(20)
            with connection, context.wrap_socket(connection, server_side=True) as secure:
                answer(secure, request(secure))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.close()
    thread.join(30)


def request(connection: ssl.SSLSocket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields.get(b"Content-Length", 0)):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def says(status: str, body: bytes, more: str = "") -> Answer:
    def answer(connection: ssl.SSLSocket, _: bytes) -> None:
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body)

    return answer


def client(authority: Authority, port: int, seconds: float = 5.0) -> AgentClient:
    return AgentClient(authority, port, seconds, seconds)


def call(authority: Authority, where: pathlib.Path, answer: Answer, seconds: float = 5.0) -> Report:
    with agent(server_context(authority, where), answer) as port:
        return client(authority, port, seconds).deliver("127.0.0.1", STATE)


def test_a_state_reaches_the_agent_whole_and_its_report_comes_back(
    authority: Authority, tmp_path: pathlib.Path
) -> None:
    heard = []

    def answer(connection: ssl.SSLSocket, request: bytes) -> None:
        heard.append(request)
        says("200 OK", msgspec.json.encode(REPORT))(connection, b"")

    assert call(authority, tmp_path, answer) == REPORT
    assert heard[0].startswith(b"PUT /1.0/state HTTP/1.1\r\n")
    assert msgspec.json.decode(heard[0].partition(b"\r\n\r\n")[2], type=DesiredState) == STATE


def test_a_report_is_asked_for(authority: Authority, tmp_path: pathlib.Path) -> None:
    heard = []

    def answer(connection: ssl.SSLSocket, request: bytes) -> None:
        heard.append(request)
        says("200 OK", msgspec.json.encode(REPORT))(connection, b"")

    with agent(server_context(authority, tmp_path), answer) as port:
        assert client(authority, port).report("127.0.0.1", AMPHORA) == REPORT
    assert heard[0].startswith(b"GET /1.0/state HTTP/1.1\r\n")


def test_a_large_state_crosses_in_one_piece(authority: Authority, tmp_path: pathlib.Path) -> None:
    large = msgspec.structs.replace(STATE, keepalived="x" * 3_000_000)
    heard = []

    def answer(connection: ssl.SSLSocket, request: bytes) -> None:
        heard.append(msgspec.json.decode(request.partition(b"\r\n\r\n")[2], type=DesiredState))
        says("200 OK", msgspec.json.encode(REPORT))(connection, b"")

    with agent(server_context(authority, tmp_path), answer) as port:
        client(authority, port).deliver("127.0.0.1", large)
    assert heard == [large]


def test_a_refusal_carries_the_checkers_words(authority: Authority, tmp_path: pathlib.Path) -> None:
    answer = says("400 Bad Request", msgspec.json.encode(Refusal(reason="unknown keyword 'foo'")))
    with pytest.raises(AgentRefused, match="refused the state: unknown keyword 'foo'") as raised:
        call(authority, tmp_path, answer)
    assert raised.value.reason == "unknown keyword 'foo'"


def test_a_fenced_delivery_says_so(authority: Authority, tmp_path: pathlib.Path) -> None:
    answer = says("409 Conflict", msgspec.json.encode(Refusal(reason="generation 9 is here")))
    with pytest.raises(AgentFenced, match=r"newer state.*generation 9"):
        call(authority, tmp_path, answer)


NONSENSE = {
    "not JSON": says("200 OK", b"hello"),
    "not a report": says("200 OK", b'{"amphora_id": 3}'),
    "not text": says("200 OK", b'"\xff\xff"'),
    "empty": says("200 OK", b""),
    "another amphora": says("200 OK", msgspec.json.encode(msgspec.structs.replace(REPORT, amphora_id=new_id()))),
    "another version": says("200 OK", msgspec.json.encode(msgspec.structs.replace(REPORT, version=2))),
    "broken": says("500 Internal Server Error", b"<html>"),
    "redirect": says("302 Found", b"", "Location: https://127.0.0.1/\r\n"),
    "not HTTP": lambda connection, _: connection.sendall(b"220 smtp ready\r\n"),
    "nothing": lambda connection, _: None,
    "cut short": lambda connection, _: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
    "too many headers": lambda connection, _: connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 5000),
    "bad length": lambda connection, _: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{"),
    "bad chunks": lambda connection, _: connection.sendall(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    ),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_an_answer_that_makes_no_sense_is_an_agent_out_of_reach(
    authority: Authority, tmp_path: pathlib.Path, kind: str
) -> None:
    with pytest.raises(AgentUnreachable, match=f"The agent of amphora {AMPHORA} at 127.0.0.1 port"):
        call(authority, tmp_path, NONSENSE[kind])


def test_an_endless_answer_is_cut_off(authority: Authority, tmp_path: pathlib.Path) -> None:
    sent = [0]

    def flood(connection: ssl.SSLSocket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while sent[0] < 50 * MAX_ANSWER:
            connection.sendall(b" " * 65536)
            sent[0] += 65536

    with pytest.raises(AgentUnreachable, match="answer is longer than"):
        call(authority, tmp_path, flood, seconds=20)
    assert sent[0] < 50 * MAX_ANSWER


def drip(connection: ssl.SSLSocket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(200):
        connection.sendall(b" ")
        time.sleep(0.05)


def drip_headers(connection: ssl.SSLSocket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 ")
    for _ in range(200):
        connection.sendall(b"2")
        time.sleep(0.05)


def silence(connection: ssl.SSLSocket, _: bytes) -> None:
    with contextlib.suppress(OSError):
        connection.recv(1)


@pytest.mark.parametrize("answer", [drip, drip_headers, silence])
def test_a_slow_agent_does_not_hold_us(authority: Authority, tmp_path: pathlib.Path, answer: Answer) -> None:
    with pytest.raises(AgentUnreachable, match="did not answer in time"):
        call(authority, tmp_path, answer, seconds=0.5)


def test_a_server_that_never_shakes_hands_does_not_hold_us(authority: Authority) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        pytest.raises(AgentUnreachable, match="did not answer in time"),
    ):
        client(authority, mute.getsockname()[1], 0.3).deliver("127.0.0.1", STATE)


def test_nobody_listening_is_an_agent_out_of_reach(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(AgentUnreachable, match="refused"):
        client(authority, port).report("127.0.0.1", AMPHORA)


@pytest.mark.parametrize("address", ["", "not an address", "None"])
def test_an_address_that_is_none_is_an_agent_out_of_reach(authority: Authority, address: str) -> None:
    with pytest.raises(AgentUnreachable):
        client(authority, 1).report(address, AMPHORA)


def test_an_amphora_of_another_name_is_not_talked_to(authority: Authority, tmp_path: pathlib.Path) -> None:
    heard = []
    other = server_context(authority, tmp_path, name=new_id())
    with agent(other, lambda _, request: heard.append(request)) as port, pytest.raises(AgentUnreachable, match="TLS"):
        client(authority, port).deliver("127.0.0.1", STATE)
    assert heard == []


def test_a_server_of_another_authority_is_not_talked_to(authority: Authority, tmp_path: pathlib.Path) -> None:
    heard = []
    stranger = server_context(Authority.open(tmp_path / "other"), tmp_path)
    with (
        agent(stranger, lambda _, request: heard.append(request)) as port,
        pytest.raises(AgentUnreachable, match="TLS"),
    ):
        client(authority, port).deliver("127.0.0.1", STATE)
    assert heard == []


def test_an_agent_obeys_no_controller_of_another_authority(authority: Authority, tmp_path: pathlib.Path) -> None:
    heard = []
    other = Authority.open(tmp_path / "other")
    context = server_context(authority, tmp_path)
    issued = other.client_context()
    issued.load_verify_locations(cadata=authority.ca_pem)  # so that it is the agent that says no
    with agent(context, lambda _, request: heard.append(request)) as port, pytest.raises(AgentUnreachable):
        client(other, port).deliver("127.0.0.1", STATE)
    assert heard == []


def test_an_amphoras_certificate_is_no_key_to_another_amphora(authority: Authority, tmp_path: pathlib.Path) -> None:
    heard = []
    issued = authority.issue_server(new_id(), 3600)
    (tmp_path / "stolen.pem").write_text(issued.private_key + issued.certificate)
    thief = ssl.create_default_context(cadata=authority.ca_pem)
    thief.load_cert_chain(tmp_path / "stolen.pem")
    context = server_context(authority, tmp_path)
    with agent(context, lambda _, request: heard.append(request)) as port, pytest.raises(OSError):
        steal(thief, port)
    assert heard == []


def steal(thief: ssl.SSLContext, port: int) -> None:
    with (
        socket.create_connection(("127.0.0.1", port), 10) as raw,
        thief.wrap_socket(raw, server_hostname=AMPHORA) as connection,
    ):
        connection.sendall(b"PUT /1.0/state HTTP/1.1\r\n\r\n")
        if not connection.recv(1):
            raise ConnectionError("closed without a word")


def test_a_client_certificate_is_no_servers(authority: Authority, tmp_path: pathlib.Path) -> None:
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    issued = pki._issue(authority.ring, AMPHORA, usage, datetime.timedelta(hours=1))
    (tmp_path / "posing.pem").write_text(issued.private_key + issued.certificate)
    posing = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    posing.load_cert_chain(tmp_path / "posing.pem")
    with agent(posing, lambda *_: None) as port, pytest.raises(AgentUnreachable, match="TLS"):
        client(authority, port).deliver("127.0.0.1", STATE)
