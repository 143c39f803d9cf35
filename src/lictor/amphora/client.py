"""How the control plane talks to an agent: one HTTPS request a connection, and no agent can hold us for ever."""

import http.client
import io
import ipaddress
import socket
import ssl
import time
from typing import TypeVar

import msgspec

from lictor.amphora.pki import Authority
from lictor.model import trail
from lictor.wire import VERSION, DesiredState, Papers, Refusal, Report, Sticks

MAX_ANSWER = 2**20
"""Bytes. A report is a few hundred, 10,000 sticks are 750,000 at most; a refusal quotes a checker's output."""

_STATE = "/1.0/state"
_CERTIFICATE = "/1.0/certificate"
_STICKS = "/1.0/sticks"

Answer = TypeVar("Answer", Report, Sticks)

_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED (openssl-verify(1), "Diagnostics")


class AgentError(Exception):
    """The agent did not do what it was asked. The message is a sentence that names the amphora."""


class AgentUnreachable(AgentError):
    """No connection, not the amphora it should be, no answer in time, or an answer that makes no sense: try again."""


class AgentAbsent(AgentUnreachable):
    """Nobody accepts a connection where the agent should: it has not begun yet, or is no more."""


class AgentExpired(AgentUnreachable):
    """The certificate that the agent shows has expired. So nothing that it says can be trusted any more."""


class AgentRefused(AgentError):
    """The agent found the state bad (HTTP 400) and kept its last good one; ``reason`` holds the checker's words."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(f"{message} {reason}")
        self.reason = reason


class AgentFenced(AgentError):
    """The agent has applied a newer state (HTTP 409): another worker acts on this load balancer."""


class AgentClient:
    """Talks to agents as the controller. Thread-safe; holds no connection between calls."""

    def __init__(
        self,
        authority: Authority,
        port: int,
        connect_timeout: float,
        read_timeout: float,
        accept_timeout: float | None = None,
    ) -> None:
        """``connect_timeout`` covers TCP and TLS, ``read_timeout`` the request and its whole answer (seconds).

        ``accept_timeout`` is for TCP alone, if that is less.
        """
        self._authority = authority
        self._port = port
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._accept_timeout = min(connect_timeout, accept_timeout or connect_timeout)

    def report(self, address: str, amphora_id: str) -> Report:
        """What the agent has applied and what runs. Raises ``AgentUnreachable``."""
        return self._call(address, amphora_id, "GET", _STATE, b"", Report)

    def hurried(self, connect_timeout: float) -> "AgentClient":
        """The same, for agents that are thought to be dead: they get no more than so many seconds to connect."""
        wait = min(connect_timeout, self._connect_timeout)
        return AgentClient(self._authority, self._port, wait, self._read_timeout)

    def knocking(self, accept_timeout: float) -> "AgentClient":
        """The same, for agents that may not have begun yet: whether one has shows within so many seconds."""
        return AgentClient(self._authority, self._port, self._connect_timeout, self._read_timeout, accept_timeout)

    def deliver(self, address: str, state: DesiredState) -> Report:
        """Have the agent converge to ``state`` and report. Raises the subclasses of ``AgentError``."""
        return self._call(address, state.amphora_id, "PUT", _STATE, msgspec.json.encode(state), Report)

    def renew(self, address: str, papers: Papers) -> Report:
        """Have the agent show another certificate from now on. Raises the subclasses of ``AgentError``."""
        return self._call(address, papers.amphora_id, "PUT", _CERTIFICATE, msgspec.json.encode(papers), Report)

    def sticks(self, address: str, amphora_id: str) -> Sticks:
        """Which client stays with which server there. Raises the subclasses of ``AgentError``."""
        return self._call(address, amphora_id, "GET", _STICKS, b"", Sticks)

    def stick(self, address: str, sticks: Sticks) -> Report:
        """Have clients stay with their servers here as well. Raises the subclasses of ``AgentError``."""
        return self._call(address, sticks.amphora_id, "PUT", _STICKS, msgspec.json.encode(sticks), Report)

    def _call(self, address: str, amphora_id: str, method: str, path: str, body: bytes, kind: type[Answer]) -> Answer:
        who = f"The agent of amphora {amphora_id} at {address} port {self._port}"
        try:
            with self._connect(who, address, amphora_id) as connection:
                stream = _Stream(connection, self._read_timeout)
                stream.send(_request(method, path, amphora_id, body))
                status, answer = _answer(stream)
        except TimeoutError as error:
            raise AgentUnreachable(f"{who} did not answer in time.") from error
        except ssl.SSLError as error:
            expired = isinstance(error, ssl.SSLCertVerificationError) and error.verify_code == _EXPIRED
            raise (AgentExpired if expired else AgentUnreachable)(
                f"{who} and we do not agree in TLS: {error}."
            ) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise AgentUnreachable(f"{who} cannot be talked with: {error or type(error).__name__}.") from error
        return _judge(who, amphora_id, status, answer, kind)

    def _connect(self, who: str, address: str, amphora_id: str) -> ssl.SSLSocket:
        deadline = time.monotonic() + self._connect_timeout
        ipaddress.ip_address(address)  # a name would be looked up, by whoever serves this host's DNS
        try:
            connection = socket.create_connection((address, self._port), self._accept_timeout)
        except TimeoutError as error:
            raise AgentAbsent(f"{who} did not answer in time.") from error
        except OSError as error:
            raise AgentAbsent(f"{who} cannot be talked with: {error}.") from error
        try:
            connection.settimeout(_left(deadline))
            # We connect to an address, but whoever answers must prove to be this amphora.
            return self._authority.client_context().wrap_socket(connection, server_hostname=amphora_id)
        except BaseException:
            connection.close()
            raise


class _Stream(io.RawIOBase):
    """A connection with one deadline for all that is sent and read: a byte now and then does not prolong it."""

    def __init__(self, connection: ssl.SSLSocket, seconds: float) -> None:
        self._connection = connection
        self._deadline = time.monotonic() + seconds

    def send(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                self._connection.settimeout(_left(self._deadline))
                rest = rest[self._connection.send(rest) :]
        except (BrokenPipeError, ConnectionResetError):
            return  # an agent may refuse before it has read everything: its answer says why

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._connection.settimeout(_left(self._deadline))
        return self._connection.recv_into(buffer)

    def makefile(self, *_: object) -> io.BufferedReader:
        """What ``http.client.HTTPResponse`` asks of a socket."""
        return io.BufferedReader(self)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _request(method: str, path: str, amphora_id: str, body: bytes) -> bytes:
    head = [f"{method} {path} HTTP/1.1", f"Host: {amphora_id}", "Accept: application/json", "Connection: close"]
    if request_ids := trail.current():
        head.append(f"X-Openstack-Request-Id: {request_ids}")
    if body:
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


def _answer(stream: _Stream) -> tuple[int, bytes]:
    response = http.client.HTTPResponse(stream)  # type: ignore[arg-type]
    response.begin()
    answer = response.read(MAX_ANSWER + 1)
    if len(answer) > MAX_ANSWER:
        raise http.client.HTTPException(f"its answer is longer than {MAX_ANSWER} bytes")
    return response.status, answer


def _judge(who: str, amphora_id: str, status: int, answer: bytes, kind: type[Answer]) -> Answer:
    if status == http.client.OK:
        return _read(who, amphora_id, answer, kind)
    reason = _reason(answer)
    if status == http.client.BAD_REQUEST:
        raise AgentRefused(f"{who} refused the state:", reason)
    if status == http.client.CONFLICT:
        raise AgentFenced(f"{who} has applied a newer state. {reason}")
    raise AgentUnreachable(f"{who} answered HTTP {status}: {reason}")


def _read(who: str, amphora_id: str, answer: bytes, kind: type[Answer]) -> Answer:
    try:
        report = msgspec.json.decode(answer, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AgentUnreachable(f"{who} answered what is no {kind.__name__.lower()}: {error}") from error
    if report.amphora_id != amphora_id:
        raise AgentUnreachable(f"{who} calls itself {report.amphora_id}.")
    if report.version != VERSION:
        raise AgentUnreachable(f"{who} speaks version {report.version} of the wire; we speak {VERSION}.")
    return report


def _reason(answer: bytes) -> str:
    try:
        return msgspec.json.decode(answer, type=Refusal).reason
    except (msgspec.DecodeError, UnicodeDecodeError):
        return answer[:200].decode(errors="replace")
