"""The words that the control plane and an amphora's agent share.

Three messages cross the management network:

* ``DesiredState``, control plane to agent: ``PUT /1.0/state`` over mutual TLS. It is complete: whatever it does not
  name must not be there afterwards.
* ``Report``, agent to control plane: the answer to that call and to ``GET /1.0/state``.
* ``Heartbeat``, agent to health manager: UDP datagrams, see ``lictor.wire.seal`` and ``lictor.wire.unseal``.

The agent imports nothing else of Lictor, so that an agent of one version can talk with a control plane of another:
fields may be added with a default, never removed or given another meaning; anything else raises ``VERSION``.
"""

import enum
import hashlib
import hmac
import struct
import zlib

import msgspec

VERSION = 1

AGENT_PORT = 9443
"""TCP port of the agent's HTTPS server, as Octavia's amphora agent has it."""

HEARTBEAT_PORT = 5555
"""UDP port of a health manager, as Octavia's has it."""


class Frozen(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of all messages: immutable, and what equals its default is not sent."""


# --- desired state: control plane -> agent -----------------------------------------------------------------------


class Route(Frozen, frozen=True, kw_only=True):
    """One route: ``destination`` in CIDR notation (``0.0.0.0/0`` for the default), ``gateway`` empty for on-link."""

    destination: str
    gateway: str = ""


class Interface(Frozen, frozen=True, kw_only=True):
    """One NIC of the inner namespace, found by its MAC address and renamed to ``name``.

    ``addresses`` are ``ip/prefix`` strings; the VIP is an address like the others (with a /32 or /128 prefix).
    """

    name: str
    mac: str
    addresses: list[str] = []
    routes: list[Route] = []
    mtu: int = 1500


class ServerState(enum.Enum):
    """What HAProxy should do with a server: take traffic, or be in maintenance (a disabled member)."""

    READY = "ready"
    MAINT = "maint"


class Server(Frozen, frozen=True, kw_only=True):
    """One member inside one backend; the structured twin of a ``server`` line in the configuration.

    ``backend`` is ``<pool id>:<listener id>`` and ``name`` the member's id: one pool has a backend for each listener.

    ``options`` is everything that HAProxy's ``server`` keyword takes after ``address:port`` other than weight and
    state (``check inter 1s fall 3 rise 2``, ``backup``), in the form that ``add server`` accepts as well.
    """

    backend: str
    name: str
    address: str
    port: int
    weight: int = 1
    state: ServerState = ServerState.READY
    options: str = ""

    def parameters(self) -> str:
        """What follows the server's name, both in the file and in ``add server`` of the runtime API."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        words = [f"{host}:{self.port}", f"weight {self.weight}", self.options]
        return " ".join(word for word in words if word)

    def line(self) -> str:
        """The line in haproxy.cfg, without indentation and line end."""
        disabled = " disabled" if self.state is ServerState.MAINT else ""
        return f"server {self.name} {self.parameters()}{disabled}"


class HAProxy(Frozen, frozen=True, kw_only=True):
    """HAProxy's part: the whole configuration text and, as data, those of its servers that may change at run time.

    Servers that HAProxy cannot change without a reload (those with external checks) stand in the text alone. Each
    server's ``line()`` stands in ``config`` on a line of its own, indented by four spaces, inside the backend it names.
    The agent compares the text without these lines: equal means that the change can go through the runtime API.
    """

    config: str
    servers: list[Server] = []

    def skeleton(self) -> str:
        """The configuration without its server lines: what cannot change without a reload."""
        lines = {f"    {server.line()}" for server in self.servers}
        return "\n".join(line for line in self.config.split("\n") if line not in lines)


class File(Frozen, frozen=True, kw_only=True):
    """A file that a configuration names (a certificate, a CRL): kept in memory only, mode 0600.

    ``name`` is a bare file name below the agent's ``certs`` directory.
    """

    name: str
    content: str


class HeartbeatTarget(Frozen, frozen=True, kw_only=True):
    """Where the agent sends its heartbeats, how often (seconds), and the key that seals them (hexadecimal)."""

    addresses: list[str]
    key: str
    interval: float = 10.0


class DesiredState(Frozen, frozen=True, kw_only=True):
    """Everything one amphora should be, as of ``generation`` and decided by the holder of lease ``epoch``.

    The pair (epoch, generation) is the fence: an agent refuses (409) any state whose pair is smaller than the one it
    has applied, so that a worker that lost its lease cannot undo its successor's work.
    """

    version: int = VERSION
    amphora_id: str
    loadbalancer_id: str
    generation: int
    epoch: int
    interfaces: list[Interface] = []
    haproxy: HAProxy | None = None
    keepalived: str = ""
    nftables: str = ""
    files: list[File] = []
    heartbeat: HeartbeatTarget | None = None

    def digest(self) -> str:
        """SHA-256 over everything but the fence: equal digests mean that the same things should be there."""
        bare = msgspec.structs.replace(self, generation=0, epoch=0)
        return hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()


# --- report: agent -> control plane ------------------------------------------------------------------------------


class Report(Frozen, frozen=True, kw_only=True):
    """What an agent has applied and what runs. ``digest`` is empty when it holds no state (fresh, or rebooted).

    ``sequence`` is the number that a heartbeat of this moment would have: one with a lower number looked at an older
    state, however late it arrives.
    """

    version: int = VERSION
    amphora_id: str
    boot_id: str
    sequence: int = 0
    generation: int = 0
    epoch: int = 0
    digest: str = ""
    haproxy_running: bool = False
    haproxy_version: str = ""
    reloads: int = 0


class Refusal(Frozen, frozen=True, kw_only=True):
    """The body of a 4xx answer of the agent: ``reason`` holds the checker's own words (``haproxy -c``, ``nft -c``)."""

    reason: str


# --- heartbeat: agent -> health manager --------------------------------------------------------------------------


class ListenerStatistics(Frozen, frozen=True, kw_only=True):
    """Monotonic counters of one listener since ``Heartbeat.boot_id`` began; only ``active_connections`` is a gauge.

    The agent carries counters over HAProxy's reloads and restarts, so that the receiver sees them only rise.
    """

    bytes_in: int = 0
    bytes_out: int = 0
    active_connections: int = 0
    total_connections: int = 0
    request_errors: int = 0


class ListenerReport(Frozen, frozen=True, kw_only=True):
    """``status`` is HAProxy's: OPEN, FULL (connection limit reached)."""

    status: str
    statistics: ListenerStatistics = ListenerStatistics()


class PoolReport(Frozen, frozen=True, kw_only=True):
    """``status`` is UP or DOWN; ``members`` maps a member's id to UP, DOWN, DRAIN, MAINT, "no check" or RESTARTING."""

    status: str
    members: dict[str, str] = {}


class Heartbeat(Frozen, frozen=True, kw_only=True):
    """One beat, or one part of one: a beat of a large load balancer is split by listener and pool to fit an MTU.

    ``listeners`` are keyed by frontend name (the listener's id), ``pools`` by backend name
    (``<pool id>:<listener id>``).

    ``parts`` beats with the same ``beat`` make the whole; each has a ``sequence`` of its own, which rises by one with
    every datagram of a boot. A member is "absent" only when all parts of a beat have arrived.
    """

    amphora_id: str
    boot_id: str
    sequence: int
    beat: int
    part: int = 0
    parts: int = 1
    generation: int = 0
    digest: str = ""
    haproxy_running: bool = False
    listeners: dict[str, ListenerReport] = {}
    pools: dict[str, PoolReport] = {}


MAX_DATAGRAM = 1200
"""Bytes: below IPv6's minimum MTU (RFC 8200, section 5) less the headers, so that no network fragments a beat."""

_MAGIC = b"LICT"
_HEADER = struct.Struct("!4sB16s")  # magic, VERSION, amphora id
_TAG = 32  # HMAC-SHA256


class BadSeal(ValueError):
    """A datagram that is not a heartbeat of ours, or not sealed with the sender's key."""


def seal(beat: Heartbeat, key: bytes) -> bytes:
    """Pack a heartbeat into a datagram: header, deflated JSON, HMAC-SHA256 over both (RFC 2104) with ``key``."""
    header = _HEADER.pack(_MAGIC, VERSION, bytes.fromhex(beat.amphora_id.replace("-", "")))
    body = header + zlib.compress(msgspec.json.encode(beat))
    return body + hmac.digest(key, body, "sha256")


def sender(datagram: bytes) -> str:
    """The amphora id a datagram claims to come from, by which its key is found. Raises ``BadSeal``."""
    if len(datagram) < _HEADER.size + _TAG:
        raise BadSeal("too short for a heartbeat")
    magic, version, raw = _HEADER.unpack_from(datagram)
    if magic != _MAGIC or version != VERSION:
        raise BadSeal("not a heartbeat of this version")
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def unseal(datagram: bytes, key: bytes) -> Heartbeat:
    """Check the seal, then decode. Raises ``BadSeal``; nothing is decompressed before the seal was found good."""
    claimed = sender(datagram)
    body, tag = datagram[:-_TAG], datagram[-_TAG:]
    if not hmac.compare_digest(hmac.digest(key, body, "sha256"), tag):
        raise BadSeal("wrong key")
    try:
        beat = msgspec.json.decode(zlib.decompress(body[_HEADER.size :]), type=Heartbeat)
    except (zlib.error, msgspec.DecodeError) as error:
        raise BadSeal(f"sealed nonsense: {error}") from None
    if beat.amphora_id != claimed:
        raise BadSeal("header and body name different amphorae")
    return beat
