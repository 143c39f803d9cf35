"""What the rendered text does: a real HAProxy on loopback, between real clients and real members."""

import collections
import pathlib
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from lictor.amphora import haproxy
from lictor.amphora.pki import Authority
from lictor.model import LoadBalancer, Member, Pool
from lictor.wire import Server

from . import trees
from .world import Website, eventually, free_port, get, running

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def root() -> LoadBalancer:
    return trees.load_balancer(vip_address="127.0.0.1")


@pytest.fixture
def sites() -> Iterator[list[Website]]:
    made = [Website(name) for name in ("one", "two", "three")]
    yield made
    for site in made:
        site.shutdown()
        site.server_close()


def listen(root: LoadBalancer, pool: Pool, **values) -> int:
    port = free_port()
    trees.listener(root, protocol_port=port, default_pool=pool, **values)
    return port


def join(pool: Pool, site: Website, **values) -> Member:
    return trees.member(pool, address="127.0.0.1", protocol_port=site.port, **values)


def server_of(root: LoadBalancer, member: Member) -> Server:
    return next(server for server in haproxy.render(root, 100).servers if server.name == member.id)


def who(port: int, count: int, headers: dict[str, str] | None = None) -> collections.Counter[str]:
    return collections.Counter(get(port, headers)[0] for _ in range(count))


def test_members_answer_in_turn_and_by_weight(root: LoadBalancer, sites: list[Website]) -> None:
    pool = trees.pool(root)
    port = listen(root, pool)
    for site, weight in zip(sites, (1, 3, 0), strict=True):
        join(pool, site, weight=weight)
    with running(root):
        assert who(port, 8) == {"one": 2, "two": 6}


def test_source_ip_port_spreads_the_connections_of_one_client_and_weighs_members(root, sites: list[Website]) -> None:
    pool = trees.pool(root, lb_algorithm="SOURCE_IP_PORT")
    port = listen(root, pool)
    for site, weight in zip(sites, (1, 3, 0), strict=True):
        join(pool, site, weight=weight)
    with running(root):
        seen = who(port, 200)
        # Shares on a ring of 64 places (16 for each unit of weight): a quarter of 200, within four standard deviations.
        assert set(seen) == {"one", "two"} and 5 < seen["one"] < 100, seen


def test_backup_members_answer_only_when_no_other_can(root: LoadBalancer, sites: list[Website]) -> None:
    pool = trees.pool(root)
    port = listen(root, pool)
    member = join(pool, sites[0])
    for site in sites[1:]:
        join(pool, site, backup=True)
    with running(root) as proxy:
        assert who(port, 4) == {"one": 4}
        proxy.ask(f"set server {server_of(root, member).backend}/{member.id} state maint")
        assert who(port, 4) == {"two": 2, "three": 2}


def test_a_disabled_member_gets_nothing(root: LoadBalancer, sites: list[Website]) -> None:
    pool = trees.pool(root)
    port = listen(root, pool)
    join(pool, sites[0])
    join(pool, sites[1], admin_state_up=False)
    with running(root):
        assert who(port, 4) == {"one": 4}


def test_members_hear_who_asked(root: LoadBalancer, sites: list[Website]) -> None:
    pool = trees.pool(root)
    port = listen(root, pool, insert_headers=dict.fromkeys(trees.HEADERS, "true"))
    join(pool, sites[0])
    with running(root):
        get(port, {"X-Forwarded-Port": "forged", "X-Real-IP": "forged"})
    heard = {name.lower(): value for name, value in sites[0].heard[0][3].items()}
    assert (heard["x-forwarded-port"], heard["x-forwarded-proto"]) == (str(port), "http")
    assert {heard[f"x-{name}"] for name in ("forwarded-for", "forwarded-ip", "client-ip", "real-ip")} == {"127.0.0.1"}


def test_the_cookie_keeps_a_client_at_a_member_even_one_added_later(root: LoadBalancer, sites: list[Website]) -> None:
    pool = trees.pool(root, session_persistence={"type": "HTTP_COOKIE"})
    port = listen(root, pool)
    join(pool, sites[0])
    with running(root) as proxy:
        late = join(pool, sites[1])
        proxy.add(server_of(root, late))
        cookies = {body: headers["Set-Cookie"] for body, headers in (get(port) for _ in range(4))}
        assert cookies["two"] == f"SRV={late.id}; path=/; HttpOnly"
        assert who(port, 4, {"Cookie": f"SRV={late.id}"}) == {"two": 4}
        assert get(port, {"Cookie": f"a=b; SRV={late.id}"})[1]["Set-Cookie"] is None
        assert set(who(port, 4, {"Cookie": "SRV=%[src]'\\\""})) == {"one", "two"}
        proxy.ask(f"set server {server_of(root, late).backend}/{late.id} state maint")
        assert who(port, 4, {"Cookie": f"SRV={late.id}"}) == {"one": 4}


@pytest.mark.parametrize("name", ["JSESSIONID", "a'$HOME%#b", '"(a)[b]{c}"'])
def test_the_applications_cookie_keeps_a_client_at_a_member(root, sites: list[Website], name: str) -> None:
    pool = trees.pool(root, session_persistence={"type": "APP_COOKIE", "cookie_name": name})
    port = listen(root, pool)
    for site in sites:
        join(pool, site)
        site.cookie = f"{name}={site.name}"
    with running(root):
        assert set(who(port, 6)) == {"one", "two", "three"}
        for site in sites:
            assert who(port, 4, {"Cookie": f"{name}={site.name}"}) == {site.name: 4}


@pytest.mark.parametrize("pool", [{"lb_algorithm": "SOURCE_IP"}, {"session_persistence": {"type": "SOURCE_IP"}}])
def test_a_client_stays_at_one_member_by_its_address(root: LoadBalancer, sites: list[Website], pool) -> None:
    made = trees.pool(root, **pool)
    port = listen(root, made, protocol="TCP")
    for site in sites[:2]:
        join(made, site)
    with running(root) as proxy:
        [first] = who(port, 4)
        proxy.add(server_of(root, join(made, sites[2], weight=1)))
        assert len(who(port, 4)) == 1
        assert first in ("one", "two")


def test_a_member_that_fails_its_check_gets_nothing_until_it_comes_back(
    root: LoadBalancer, sites: list[Website]
) -> None:
    pool = trees.pool(root)
    port = listen(root, pool)
    asked = {"url_path": "/health'y?a=$HOME%[src]\"#", "http_version": 1.1, "domain_name": "www.example.com"}
    trees.monitor(pool, delay=1, timeout=1, max_retries=1, max_retries_down=1, expected_codes="200,204", **asked)
    good, bad = join(pool, sites[0]), join(pool, sites[1])
    sites[1].status = 500
    with running(root) as proxy:
        eventually(lambda: proxy.statuses()[bad.id] == "DOWN")
        assert proxy.statuses()[good.id].startswith("UP")
        assert who(port, 4) == {"one": 4}
        sites[1].status = 204
        eventually(lambda: proxy.statuses()[bad.id] == "UP")
    method, path, version, headers = sites[1].heard[0]
    assert (method, path, version) == ("GET", asked["url_path"], "HTTP/1.1")
    assert headers["host"] == "www.example.com"


def test_tls_checks_tell_servers_that_speak_tls_from_others(
    root: LoadBalancer, sites: list[Website], tmp_path: pathlib.Path
) -> None:
    context = _server_context(tmp_path)
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    secure = Website("secure", context)
    members = {}
    for kind in ("HTTPS", "TLS-HELLO"):
        pool = trees.pool(root, protocol="HTTPS")
        listen(root, pool, protocol="HTTPS")
        trees.monitor(pool, type=kind, delay=1, timeout=1, max_retries=1, max_retries_down=1)
        members[kind] = join(pool, secure), join(pool, sites[0])
    root.pools[0].health_monitor.http_version, root.pools[0].health_monitor.domain_name = 1.1, "www.example.com"
    with running(root) as proxy:
        for good, bad in members.values():
            eventually(lambda bad=bad: proxy.statuses()[bad.id] == "DOWN", proxy.statuses)
            eventually(lambda good=good: proxy.statuses()[good.id] == "UP", proxy.statuses)
        eventually(lambda: secure.heard)
        eventually(lambda: "www.example.com" in names)
    secure.shutdown()


def _server_context(directory: pathlib.Path) -> ssl.SSLContext:
    issued = Authority.open(directory / "pki").issue_server("www.example.com", 3600)
    (directory / "server.pem").write_text(issued.private_key + issued.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem")
    return context


@pytest.mark.parametrize(
    ("protocol", "greeting"), [("PROXY", b"PROXY TCP4 127.0.0.1 127.0.0.1 "), ("PROXYV2", b"\r\n\r\n\0\r\nQUIT\n")]
)
def test_proxy_pools_tell_members_the_clients_address(root: LoadBalancer, protocol: str, greeting: bytes) -> None:
    pool = trees.pool(root, protocol=protocol)
    port = listen(root, pool, protocol="TCP")
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        trees.member(pool, address="127.0.0.1", protocol_port=listener.getsockname()[1])
        thread = threading.Thread(target=lambda: heard.append(_first_bytes(listener)), daemon=True)
        thread.start()
        with running(root), socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(b"hello")
            thread.join(20)
    assert heard[0].startswith(greeting)


def _first_bytes(listener: socket.socket) -> bytes:
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(20)
        return connection.recv(4096)
