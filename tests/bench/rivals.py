"""Who else could carry the traffic: a hand-written minimal HAProxy, nginx, and the member itself.

Each lives in a namespace on the private bridge. The balancers' are plugged in with a veth pair as the kernel makes it
(MTU 1500), which is what somebody gets who types the commands; the member's packets are as large as its network takes.
"""

import contextlib
import dataclasses
import functools
import ipaddress
import json
import pathlib
import subprocess
from collections.abc import Callable, Iterable, Iterator

from tests.bench.processes import background, descendants
from tests.bench.report import ip

PORTS = {"http": 80, "tcp": 81, "rsa": 443, "ecdsa": 444, "udp": 5353}
"""What every side listens on; "rsa" and "ecdsa" are HTTPS with a certificate of that kind."""

DEFAULT_MTU = 1500
"""Of a veth pair as the kernel makes it."""

MEMBER, HAPROXY, NGINX = 230, 240, 241
"""Numbers of addresses in the lower quarter of the subnet, which Lictor gives to nobody."""

_HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend http
    bind {address}:80
    default_backend http
backend http
    server s1 {member}:80
frontend tcp
    mode tcp
    bind {address}:81
    default_backend tcp
backend tcp
    mode tcp
    server s1 {member}:80
frontend rsa
    bind {address}:443 ssl crt {directory}/rsa.pem
    default_backend http
frontend ecdsa
    bind {address}:444 ssl crt {directory}/ecdsa.pem
    default_backend http
"""

_NGINX = """
daemon off;
pid {directory}/nginx-{name}.pid;
error_log {directory}/nginx-{name}.log crit;
worker_processes auto;
load_module modules/ngx_stream_module.so;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path {directory}/{name}-body; proxy_temp_path {directory}/{name}-proxy;
    fastcgi_temp_path {directory}/{name}-f; uwsgi_temp_path {directory}/{name}-u; scgi_temp_path {directory}/{name}-s;
    {upstream}
    server {{
        listen {address}:80 backlog=4096;
        listen {address}:443 ssl; ssl_certificate {directory}/rsa.pem; ssl_certificate_key {directory}/rsa.pem;
        location / {{ {location} }}
    }}
    server {{
        listen {address}:444 ssl; ssl_certificate {directory}/ecdsa.pem; ssl_certificate_key {directory}/ecdsa.pem;
        location / {{ {location} }}
    }}
}}
stream {{ {stream} }}
"""


# Datagrams are counted where they come to the member, and dropped: a process would have to be waited for.
_COUNT = f"""
table inet bench {{
    counter arrived {{ }}
    chain arrive {{
        type filter hook prerouting priority raw
        udp dport {PORTS["udp"]} counter name arrived drop
    }}
}}
"""
_INSIDE_MEMBER = ("ip", "netns", "exec", "bench-direct")


def arrived() -> int:
    """Datagrams that came to the member so far."""
    command = [*_INSIDE_MEMBER, "nft", "-j", "list", "counter", "inet", "bench", "arrived"]
    shown = subprocess.run(command, capture_output=True, check=True).stdout
    return int(json.loads(shown)["nftables"][1]["counter"]["packets"])


@dataclasses.dataclass(frozen=True)
class Side:
    """One way to the member: its address, and the processes whose time is counted (none: there is no balancer)."""

    name: str
    address: str
    pids: Callable[[], Iterable[int]] = tuple

    def seconds(self) -> float:
        """Of processor that all threads of the processes have used."""
        files = [file for pid in self.pids() for file in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")]
        return sum(int(file.read_text().split()[0]) for file in files) / 1e9


@contextlib.contextmanager
def namespace(name: str, bridge: str, address: str, prefix: int, mtu: int) -> Iterator[list[str]]:
    """A namespace on the bridge for the length of the block; the words that run a command in it."""
    link = f"b-{name}"
    try:
        ip(f"netns add {name}", f"link add {link} mtu {mtu} type veth peer name eth1 mtu {mtu} netns {name}")
        ip(f"link set {link} master {bridge} up")
        ip("link set lo up", f"addr add {address}/{prefix} dev eth1", "link set eth1 up", namespace=name)
        yield ["ip", "netns", "exec", name]
    finally:
        for command in (["link", "del", link], ["netns", "del", name]):
            subprocess.run(["ip", *command], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["ip", "neigh", "flush", "to", address], stderr=subprocess.DEVNULL, check=False)


def _mtu(link: str) -> int:
    return int(pathlib.Path(f"/sys/class/net/{link}/mtu").read_text())


@contextlib.contextmanager
def sides(directory: pathlib.Path, network: str, bridge: str) -> Iterator[dict[str, Side]]:
    """The member ("direct"), "minimal" HAProxy and "nginx" before it. ``directory`` holds rsa.pem and ecdsa.pem."""
    net = ipaddress.ip_network(network)
    directory.chmod(0o755)
    for size in (1, 64):
        (directory / f"{size}k").write_bytes(b"x" * 1024 * size)
    member = str(net[MEMBER])
    stream = f"server {{ listen {net[NGINX]}:81; proxy_pass {member}:80; }}"
    stream += f"server {{ listen {net[NGINX]}:5353 udp; proxy_pass {member}:5353; }}"
    serve = f"root {directory};"
    proxy = 'proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";'
    upstream = f"upstream up {{ server {member}:80; keepalive 64; }}"
    with contextlib.ExitStack() as stack:

        def start(name: str, number: int, *command: str) -> Side:
            mtu = _mtu(bridge) if number == MEMBER else DEFAULT_MTU
            inside = stack.enter_context(namespace(f"bench-{name}", bridge, str(net[number]), net.prefixlen, mtu))
            log = directory / f"{name}.out"
            process = stack.enter_context(background([*inside, *command], log))
            return Side(name, str(net[number]), functools.partial(descendants, process))

        def nginx(name: str, number: int, location: str, upstream: str = "", stream: str = "") -> Side:
            words = {"location": location, "upstream": upstream, "stream": stream}
            text = _NGINX.format(directory=directory, name=name, address=net[number], **words)
            (directory / f"{name}.conf").write_text(text)
            return start(name, number, "nginx", "-c", f"{directory}/{name}.conf")

        found = {"direct": nginx("direct", MEMBER, serve)}
        subprocess.run([*_INSIDE_MEMBER, "nft", "-f", "-"], input=_COUNT.encode(), check=True)
        (directory / "minimal.cfg").write_text(
            _HAPROXY.format(address=net[HAPROXY], member=member, directory=directory)
        )
        found["minimal"] = start("minimal", HAPROXY, "haproxy", "-f", f"{directory}/minimal.cfg")
        found["nginx"] = nginx("nginx", NGINX, proxy, upstream, stream)
        yield found
