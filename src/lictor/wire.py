"""The words that the control plane and an amphora's agent share.

Five messages cross the management network, and ``FirstSteps`` waits on an instance's config drive before there is one:

* ``DesiredState``, control plane to agent: ``PUT /1.0/state`` over mutual TLS. It is complete: whatever it does not
  name must not be there afterwards.
* ``Report``, agent to control plane: the answer to that call and to ``GET /1.0/state``.
* ``Papers``, control plane to agent: ``PUT /1.0/certificate``, likewise answered with a ``Report``.
* ``Sticks``, from one agent (``GET /1.0/sticks``) to another (``PUT``), which answers with a ``Report``.
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
    ``floating`` are addresses that keepalived gives and takes: they are neither added nor removed by the agent, unless
    keepalived is dead.
    """

    name: str
    mac: str
    addresses: list[str] = []
    floating: list[str] = []
    routes: list[Route] = []
    mtu: int = 1500


INTERNAL = "lictor-"
"""What the names of the agent's own sections of HAProxy's configuration begin with; no heartbeat tells of them."""

METRICS_BACKEND = f"{INTERNAL}metrics"
"""The backend of the agent's own section that answers ``/metrics``: PROMETHEUS listeners send their requests there."""


class ServerState(enum.Enum):
    """What HAProxy should do with a server: take traffic, or be in maintenance (a disabled member)."""

    READY = "ready"
    MAINT = "maint"


class Ping(Frozen, frozen=True, kw_only=True):
    """How the agent itself checks a server by ICMP echo: HAProxy could only do it by running a program.

    ``interval`` and ``timeout`` are in seconds; ``rise`` and ``fall`` are HAProxy's words for how many good and bad
    results in a row change the server's state.
    """

    address: str
    interval: float
    timeout: float
    rise: int = 1
    fall: int = 1


class Server(Frozen, frozen=True, kw_only=True):
    """One member inside one backend; the structured twin of a ``server`` line in the configuration.

    ``backend`` is ``<pool id>:<listener id>`` and ``name`` the member's id: one pool has a backend for each listener.

    ``options`` is everything that HAProxy's ``server`` keyword takes after ``address:port`` other than weight and
    state (``check inter 1s fall 3 rise 2``, ``backup``), in the form that ``add server`` accepts as well.

    ``ping`` has the agent check the server, and tell HAProxy.
    """

    backend: str
    name: str
    address: str
    port: int
    weight: int = 1
    state: ServerState = ServerState.READY
    options: str = ""
    ping: Ping | None = None

    def parameters(self) -> str:
        """What follows the server's name, both in the file and in ``add server`` of the runtime API."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        words = [f"{host}:{self.port}", f"weight {self.weight}", self.options]
        return " ".join(word for word in words if word)

    def line(self) -> str:
        """The line in haproxy.cfg, without indentation and line end."""
        disabled = " disabled" if self.state is ServerState.MAINT else ""
        return f"server {self.name} {self.parameters()}{disabled}"


def quoted(text: str) -> str:
    """A string in HAProxy's strong quotes, in which nothing is interpreted (configuration manual, 2.2)."""
    # A ' has no place in them, so it stands escaped between two pairs.
    return "'" + text.replace("'", r"'\''") + "'"


class Pattern(Frozen, frozen=True, kw_only=True):
    """What an L7 rule compares with: the structured twin of an ``acl`` line in the configuration.

    ``number`` is by what the runtime API knows the ACL's list of patterns, ``value`` the one pattern in that list;
    ``test`` is all of the line before it (``acl r7 path -m beg -u 7 --``).
    """

    number: int
    test: str
    value: str

    def line(self) -> str:
        """The line in haproxy.cfg, without indentation and line end."""
        return f"{self.test} {quoted(self.value)}"


class Limit(Frozen, frozen=True, kw_only=True):
    """How many connections a frontend serves at once: the structured twin of its ``maxconn`` line."""

    frontend: str
    connections: int

    def line(self) -> str:
        """The line in haproxy.cfg, without indentation and line end."""
        return f"maxconn {self.connections}"


class HAProxy(Frozen, frozen=True, kw_only=True):
    """HAProxy's part: the whole configuration text and, as data, those of its parts that may change at run time.

    Those are servers, the patterns of L7 rules, and the connection limits of frontends. Each ``line()`` of one of these
    stands in ``config`` on a line of its own, indented by four spaces. The agent compares the text without these lines:
    equal means that the change can go through the runtime API.
    """

    config: str
    servers: list[Server] = []
    patterns: list[Pattern] = []
    limits: list[Limit] = []

    def skeleton(self) -> str:
        """The configuration without the lines of these: what cannot change without a reload."""
        data: list[Server | Pattern | Limit] = [*self.servers, *self.patterns, *self.limits]
        lines = {f"    {each.line()}" for each in data}
        return "\n".join(line for line in self.config.split("\n") if line not in lines)


CERTIFICATE, AUTHORITY, REVOCATIONS, CRT_LIST = "cert", "ca-file", "crl-file", "crt-list"
"""Kinds of files, by the words of HAProxy's runtime API (``show ssl cert`` and so on)."""


class File(Frozen, frozen=True, kw_only=True):
    """A file that a configuration names (a certificate, a CRL): kept in memory only, mode 0600.

    ``name`` is a bare file name below the agent's ``certs`` directory. ``kind`` says how HAProxy takes a new content
    while it runs; of a kind that the agent does not know, it reloads. ``kept`` is for a content that the control plane
    cannot have any more: it stays as the agent has it.
    """

    name: str
    content: str
    kind: str = ""
    kept: bool = False


class UdpMonitor(Frozen, frozen=True, kw_only=True):
    """How members of a pool are checked: ``type`` is UDP-CONNECT, SCTP, TCP or HTTP, ``delay`` and ``timeout`` seconds.

    ``rise`` and ``fall`` are the numbers of good and bad checks in a row that turn a member. The rest is for HTTP:
    ``request`` is what is sent, ``codes`` are ranges of good statuses.
    """

    type: str
    delay: int
    timeout: int
    rise: int
    fall: int
    request: str = ""
    codes: list[tuple[int, int]] = []


MARKED = 1 << 31
"""The bit that all members' marks have: it tells the connections of UDP and SCTP listeners from all others."""


class UdpMember(Frozen, frozen=True, kw_only=True):
    """One member. ``mark`` is its number in the kernel's table of connections, unlike all others, with ``MARKED`` set.

    ``check_address`` and ``check_port`` are what a monitor asks. ``weight`` 0 drains, ``disabled`` cuts off.
    """

    id: str
    address: str
    port: int
    mark: int
    weight: int = 1
    backup: bool = False
    disabled: bool = False
    check_address: str
    check_port: int


class UdpListener(Frozen, frozen=True, kw_only=True):
    """One listener whose datagrams the kernel hands on: ``protocol`` is "udp" or "sctp".

    ``limit`` is of connections at a time, and one is over when nothing came for ``idle`` seconds. ``persistence`` is
    how long (seconds) a client stays with a member, 0 for not at all, and the prefixes are of the networks whose hosts
    count as one client.
    """

    id: str
    protocol: str
    port: int
    vips: list[str]
    limit: int
    idle: int = 50
    pool: str = ""
    algorithm: str = "ROUND_ROBIN"
    persistence: int = 0
    prefix4: int = 32
    prefix6: int = 128
    members: list[UdpMember] = []
    monitor: UdpMonitor | None = None


class HeartbeatTarget(Frozen, frozen=True, kw_only=True):
    """Where the agent sends its heartbeats, how often (seconds), and the key that seals them (hexadecimal)."""

    addresses: list[str]
    key: str
    interval: float = 10.0


class LogTarget(Frozen, frozen=True, kw_only=True):
    """Syslog servers that one kind of log goes to: the first of ``addresses`` (``ip:port``) that takes lines.

    ``protocol`` is UDP or TCP, ``facility`` the number of a LOCAL one. A server that fails is tried ``retry_count``
    times more, every ``retry_interval`` seconds, before the next one is; ``queue_size`` lines wait at most.
    """

    addresses: list[str]
    protocol: str = "UDP"
    facility: int = 0
    retry_count: int = 5
    retry_interval: float = 2.0
    queue_size: int = 10_000


class Logs(Frozen, frozen=True, kw_only=True):
    """Where logs go: ``flow`` those of users' connections, ``administrative`` those of HAProxy and the agent.

    ``local`` is whether the agent writes its own where the amphora keeps them.
    """

    flow: LogTarget | None = None
    administrative: LogTarget | None = None
    local: bool = True


class DesiredState(Frozen, frozen=True, kw_only=True):
    """Everything one amphora should be, as of ``generation`` and decided by the holder of lease ``epoch``.

    The pair (epoch, generation) is the fence: an agent refuses (409) any state whose pair is smaller than the one it
    has applied, so that a worker that lost its lease cannot undo its successor's work.

    ``keepalived`` is the ``vrrp_instance`` of an amphora that shares its VIPs with another one; empty for one that does
    not. It tracks the file ``haproxy``, which the agent writes.

    ``nftables`` declares all tables of the inner namespace but the agent's own (``lictor_udp``). Its sets have no
    names, or are filled by packets: the agent keeps what is in a named one while it is declared.
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
    udp: list[UdpListener] = []
    files: list[File] = []
    heartbeat: HeartbeatTarget | None = None
    logs: Logs = Logs()

    def digest(self) -> str:
        """SHA-256 over everything but the fence: equal digests mean that the same things should be there."""
        bare = msgspec.structs.replace(self, generation=0, epoch=0)
        return hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()


class FirstSteps(Frozen, frozen=True, kw_only=True):
    """What an instance's agent is told at birth, as the user data (JSON) of its config drive.

    ``management`` is the NIC on which it listens, at the first of its addresses. Without it, the config drive's
    ``network_data.json`` says which that is; DHCP there costs a second of the boot. Of the NICs described there the
    first ``boot_nics`` are on networks of the operator's (``management`` is one of them), and set up as it is written
    there; what comes after them is for load balancers, and left alone.
    """

    version: int = VERSION
    amphora_id: str
    certificate: str
    private_key: str
    client_ca: str
    bind_port: int = AGENT_PORT
    management: Interface | None = None
    boot_nics: int = 1

    def __repr__(self) -> str:
        """Without the key: what is printed ends in a log."""
        return f"FirstSteps(amphora_id={self.amphora_id!r}, management={self.management!r})"


class Papers(Frozen, frozen=True, kw_only=True):
    """What an agent shows to the control plane and whom it obeys: its certificate, its key, and CAs of clients (PEM).

    ``epoch`` is the fence, as in ``DesiredState``. Connections that are open keep what they began with.
    """

    version: int = VERSION
    amphora_id: str
    certificate: str
    private_key: str
    client_ca: str
    epoch: int = 0

    def __repr__(self) -> str:
        """Without the key: what is printed ends in a log."""
        return f"Papers(amphora_id={self.amphora_id!r}, epoch={self.epoch})"


# --- report: agent -> control plane ------------------------------------------------------------------------------


class Report(Frozen, frozen=True, kw_only=True):
    """What an agent has applied and what runs. ``digest`` is empty when it holds no state (fresh, or rebooted).

    ``sequence`` is the number that a heartbeat of this moment would have: one with a lower number looked at an older
    state, however late it arrives. ``standby`` is as in a heartbeat.
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
    standby: bool = False


class Sticks(Frozen, frozen=True, kw_only=True):
    """Which client stays with which server, for the amphora that takes the place of this one.

    ``tables`` are keyed by backend, and each by an address or a cookie; the number is that of the ``server``'s ``id``.
    ``epoch`` is the fence, as in ``DesiredState``.
    """

    version: int = VERSION
    amphora_id: str
    epoch: int = 0
    tables: dict[str, dict[str, int]] = {}

    def __repr__(self) -> str:
        """Without what clients say: a cookie may be all that a session needs, and what is printed ends in a log."""
        return f"Sticks(amphora_id={self.amphora_id!r}, {sum(map(len, self.tables.values()))} entries)"


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

    ``haproxy_failures`` is how often HAProxy died, or did not start, within the last minute.
    ``standby`` says that the VIP is shared and not here: what counts for users is what the other amphora sees.
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
    haproxy_failures: int = 0
    standby: bool = False
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
