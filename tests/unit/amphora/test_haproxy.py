"""One load balancer in HAProxy's words: what each attribute becomes."""

import pathlib

import pytest

from lictor.amphora import haproxy
from lictor.amphora.emitter import Unsafe
from lictor.amphora.tree import Unsupported
from lictor.model import AdditionalVip, LoadBalancer, Pool
from lictor.wire import HAProxy, Ping, ServerState

from . import trees


@pytest.fixture
def root() -> LoadBalancer:
    return trees.load_balancer()


@pytest.fixture
def pool(root: LoadBalancer) -> Pool:
    return trees.pool(root)


def render(root: LoadBalancer) -> HAProxy:
    return haproxy.render(root, 50000)


def lines(root: LoadBalancer) -> list[str]:
    return [line.strip() for line in render(root).config.split("\n")]


def test_a_load_balancer_without_listeners_is_a_text_without_frontends(
    root: LoadBalancer, tmp_path: pathlib.Path
) -> None:
    assert "frontend" not in render(root).config
    assert trees.complaints(render(root).config, tmp_path) == ""


def test_names_are_those_that_the_agent_reports(root: LoadBalancer, pool: Pool) -> None:
    listener, member = trees.listener(root, default_pool=pool), trees.member(pool)
    assert f"frontend {listener.id}" in lines(root)
    assert f"backend {pool.id}:{listener.id}" in lines(root)
    assert f"default_backend {pool.id}:{listener.id}" in lines(root)
    assert f"server {member.id} 198.18.0.100:80 weight 1" in lines(root)


def test_a_listener_listens_on_every_vip(root: LoadBalancer) -> None:
    root.additional_vips = [AdditionalVip(ip_address="fd00::10", position=0)]
    trees.listener(root, protocol_port=8080)
    assert {"bind 198.18.0.10:8080", "bind [fd00::10]:8080"} <= set(lines(root))


def test_a_prometheus_listener_answers_nothing_but_metrics(root: LoadBalancer, tmp_path: pathlib.Path) -> None:
    trees.listener(root, protocol="PROMETHEUS", protocol_port=8088)
    said = lines(root)
    assert "http-request return status 404 unless { path / /metrics }" in said
    assert "default_backend lictor-metrics" in said, "the agent's own section has it"
    assert trees.complaints(render(root).config, tmp_path) == ""


def test_a_pool_has_a_backend_for_each_listener_that_uses_it(root: LoadBalancer, pool: Pool) -> None:
    trees.member(pool)
    for port in (80, 81):
        trees.listener(root, default_pool=pool, protocol_port=port)
    assert len([line for line in lines(root) if line.startswith(f"backend {pool.id}:")]) == 2
    assert len({server.backend for server in render(root).servers}) == 2


@pytest.mark.parametrize(("protocol", "mode"), [("HTTP", "http"), ("TCP", "tcp"), ("HTTPS", "tcp")])
def test_each_listener_protocol_has_its_mode(root: LoadBalancer, protocol: str, mode: str) -> None:
    trees.listener(root, protocol=protocol)
    assert f"mode {mode}" in lines(root)


@pytest.mark.parametrize("limit", [-1, 0])
def test_no_connection_limit_is_the_default_one(root: LoadBalancer, limit: int) -> None:
    trees.listener(root, connection_limit=limit)
    assert "maxconn 50000" in lines(root)


def test_a_connection_limit_is_the_frontends(root: LoadBalancer) -> None:
    trees.listener(root, connection_limit=7)
    assert "maxconn 7" in lines(root)


def test_timeouts_are_the_listeners(root: LoadBalancer, pool: Pool) -> None:
    trees.listener(
        root,
        default_pool=pool,
        timeout_client_data=1,
        timeout_member_connect=2,
        timeout_member_data=3,
        timeout_tcp_inspect=4,
    )
    expected = {"timeout client 1", "timeout connect 2", "timeout server 3", "tcp-request inspect-delay 4"}
    assert expected <= set(lines(root))


@pytest.mark.parametrize(
    ("algorithm", "balance"),
    [
        ("ROUND_ROBIN", "roundrobin"),
        ("LEAST_CONNECTIONS", "leastconn"),
        ("SOURCE_IP", "source"),
        ("SOURCE_IP_PORT", "hash var(txn.client)"),
    ],
)
def test_each_algorithm_is_one_of_haproxys_dynamic_ones(root, pool, algorithm: str, balance: str) -> None:
    pool.lb_algorithm = algorithm
    trees.listener(root, default_pool=pool)
    assert f"balance {balance}" in lines(root)
    assert ("hash-type consistent" in lines(root)) == algorithm.startswith("SOURCE_IP")


@pytest.mark.parametrize("algorithm", ["SOURCE_IP", "SOURCE_IP_PORT"])
def test_a_members_place_by_source_address_does_not_depend_on_the_others(root, pool, algorithm: str) -> None:
    pool.lb_algorithm = algorithm
    trees.listener(root, default_pool=pool)
    members = [trees.member(pool, protocol_port=port) for port in range(80, 90)]
    before = {server.name: server for server in render(root).servers}
    pool.members.remove(members[0])
    assert {server.name: server for server in render(root).servers} == {m.id: before[m.id] for m in members[1:]}


def test_a_cookie_that_was_given_over_tls_is_not_shown_elsewhere(root: LoadBalancer, pool: Pool) -> None:
    pool.session_persistence = {"type": "HTTP_COOKIE"}
    trees.listener(root, default_pool=pool)
    given = "http-response add-header Set-Cookie 'SRV=%[srv_name]; path=/; HttpOnly"
    assert {f"{given}' if !stays !{{ ssl_fc }}", f"{given}; Secure' if !stays {{ ssl_fc }}"} <= set(lines(root))


PERSISTENCE = [{"type": "SOURCE_IP"}, {"type": "APP_COOKIE", "cookie_name": "JSESSIONID"}]


@pytest.mark.parametrize("persistence", PERSISTENCE)
def test_a_stick_table_forgets_after_a_day_and_outlives_a_reload(root, pool, persistence: dict[str, str]) -> None:
    trees.listener(root, default_pool=pool)
    member = trees.member(pool)
    assert "peers lictor" not in lines(root)
    pool.session_persistence = persistence
    assert {"localpeer local", "peers lictor", "peer local 127.0.0.1:1025"} <= set(lines(root))
    (table,) = [line for line in lines(root) if line.startswith("stick-table")]
    assert table.endswith(" size 10k expire 24h peers lictor")
    # Peers tell each other of servers by their numbers: those must not follow from the others' places.
    assert f"server {member.id} 198.18.0.100:80 weight 1 id " in render(root).config


def test_members_with_the_same_place_get_different_ones(root: LoadBalancer, pool: Pool) -> None:
    pool.lb_algorithm = "SOURCE_IP"
    trees.listener(root, default_pool=pool)
    for digit in "012":  # all are the same modulo 2^20 - 1
        number = int(digit) * (2**20 - 1) + 2**20 - 2
        trees.member(pool, id=f"00000000-0000-0000-0000-{number:012x}", protocol_port=80 + int(digit))
    assert [server.options for server in render(root).servers] == ["id 1048575", "id 1", "id 2"]


def test_a_member_is_a_server(root: LoadBalancer, pool: Pool) -> None:
    trees.listener(root, default_pool=pool)
    member = trees.member(pool, address="2001:DB8::9", protocol_port=8080, weight=0, backup=True, admin_state_up=False)
    [server] = render(root).servers
    assert (server.name, server.address, server.port) == (member.id, "2001:db8::9", 8080)
    assert (server.weight, server.state, server.options) == (0, ServerState.MAINT, "backup")


def test_backup_members_share_the_load(root: LoadBalancer, pool: Pool) -> None:
    trees.listener(root, default_pool=pool)
    assert "option allbackups" in lines(root)


@pytest.mark.parametrize(("protocol", "words"), [("PROXY", "send-proxy"), ("PROXYV2", "send-proxy-v2")])
def test_proxy_pools_speak_the_proxy_protocol_in_the_listeners_mode(root, protocol: str, words: str) -> None:
    for port, listener in ((80, "HTTP"), (81, "TCP")):
        pool = trees.pool(root, protocol=protocol)
        trees.listener(root, default_pool=pool, protocol=listener, protocol_port=port)
        trees.member(pool)
    assert [server.options for server in render(root).servers] == [words, words]
    assert lines(root).count("mode http") == 2
    assert lines(root).count("mode tcp") == 2


def test_members_are_checked_only_by_an_enabled_monitor(root: LoadBalancer, pool: Pool) -> None:
    trees.listener(root, default_pool=pool)
    trees.member(pool)
    assert "check" not in render(root).config
    monitor = trees.monitor(pool, delay=5, timeout=3, max_retries=2, max_retries_down=4)
    assert render(root).servers[0].options == "check inter 5000 fall 4 rise 2"
    assert "timeout check 3000" in lines(root)
    monitor.admin_state_up = False
    assert "check" not in render(root).config


def test_a_member_may_be_checked_elsewhere(root: LoadBalancer, pool: Pool) -> None:
    trees.listener(root, default_pool=pool)
    trees.monitor(pool, type="TCP")
    trees.member(pool, monitor_address="fd00::5", monitor_port=99)
    assert render(root).servers[0].options.endswith(" addr [fd00::5] port 99")


def test_an_http_monitor_asks_what_it_was_told_to(root: LoadBalancer, pool: Pool) -> None:
    trees.listener(root, default_pool=pool)
    given = {"http_method": "HEAD", "url_path": "/a?b=%20'c'", "http_version": 1.1, "domain_name": "www.example.com"}
    trees.monitor(pool, expected_codes="200-204", **given)
    assert r"""http-check send meth 'HEAD' uri '/a?b=%20'\''c'\''' ver HTTP/1.1 hdr Host 'www.example.com'""" in lines(
        root
    )
    assert "http-check expect status 200-204" in lines(root)


def test_an_http_1_1_monitor_without_a_name_asks_for_the_vip(root: LoadBalancer, pool: Pool) -> None:
    trees.listener(root, default_pool=pool)
    trees.monitor(pool, http_version=1.1)
    assert "http-check send meth 'GET' uri '/healthy' ver HTTP/1.1 hdr Host '198.18.0.10'" in lines(root)


def test_https_and_tls_hello_monitors_shake_hands(root: LoadBalancer, pool: Pool) -> None:
    trees.listener(root, default_pool=pool)
    trees.member(pool)
    monitor = trees.monitor(pool, type="HTTPS", domain_name="www.example.com", http_version=1.1)
    assert render(root).servers[0].options.endswith(" check-ssl verify none check-sni www.example.com")
    monitor.type, monitor.domain_name = "TLS-HELLO", None
    assert render(root).servers[0].options.endswith(" check-ssl verify none")
    assert "option httpchk" not in lines(root)


def test_members_that_are_pinged_are_the_agents_to_check(root: LoadBalancer, pool: Pool) -> None:
    trees.listener(root, default_pool=pool)
    member = trees.member(pool, address="2001:DB8::9")
    trees.monitor(pool, type="PING", delay=5, timeout=3, max_retries=2, max_retries_down=4)
    [server] = render(root).servers
    assert server.ping == Ping(address="2001:db8::9", interval=5, timeout=3, rise=2, fall=4)
    assert "check" not in render(root).config
    member.monitor_address = "192.0.2.7"
    [server] = render(root).servers
    assert server.ping and server.ping.address == "192.0.2.7"


@pytest.mark.parametrize("listens", ["HTTP", "TERMINATED_HTTPS"])
@pytest.mark.parametrize("speaks", ["HTTP", "PROXY", "PROXYV2"])
def test_headers_are_inserted_whatever_the_pool_speaks(root: LoadBalancer, listens: str, speaks: str) -> None:
    pool = trees.pool(root, protocol=speaks)
    wanted = dict.fromkeys(trees.HEADERS, "true")
    tls = {"default_tls_container_ref": "x"} if listens == "TERMINATED_HTTPS" else {}
    trees.listener(root, default_pool=pool, protocol=listens, insert_headers=wanted, **tls)
    found = lines(root)
    assert "option forwardfor" in found
    for name in trees.HEADERS[1:]:
        assert [line for line in found if line.startswith(f"http-request set-header {name} ")]


def test_requests_and_tunnels_have_limits_of_their_own(root: LoadBalancer, pool: Pool) -> None:
    trees.listener(root, default_pool=pool, timeout_client_data=7000)
    expected = {"timeout http-request 10000", "timeout http-keep-alive 7000", "timeout tunnel 3600000"}
    assert expected <= set(lines(root))
    assert not [line for line in lines(root) if "accept-invalid" in line]


def test_bytes_that_pass_through_keep_the_listeners_limits(root: LoadBalancer, pool: Pool) -> None:
    pool.protocol = "TCP"
    trees.listener(root, default_pool=pool, protocol="TCP")
    assert not [line for line in lines(root) if line.startswith(("timeout tunnel", "timeout http"))]


def test_a_tunnel_may_be_idle_at_least_as_long_as_anything_else(root: LoadBalancer, pool: Pool) -> None:
    trees.listener(root, default_pool=pool, timeout_client_data=3_600_001, timeout_member_data=0)
    assert f"timeout tunnel {24 * 86400 * 1000}" in lines(root)


def test_only_headers_that_are_true_are_inserted(root: LoadBalancer) -> None:
    trees.listener(root, insert_headers={"X-Forwarded-For": "TRUE", "X-Forwarded-Port": "true", "X-Real-IP": "false"})
    assert {"option forwardfor", "http-request set-header X-Forwarded-Port %[dst_port]"} <= set(lines(root))
    assert "X-Real-IP" not in render(root).config


LEFT_OUT = ["load_balancer", "listener", "pool", "monitor"]


@pytest.mark.parametrize("which", LEFT_OUT)
def test_what_is_disabled_is_not_rendered(root: LoadBalancer, pool: Pool, which: str) -> None:
    listener, monitor = trees.listener(root, default_pool=pool), trees.monitor(pool)
    trees.member(pool)
    {"load_balancer": root, "listener": listener, "pool": pool, "monitor": monitor}[which].admin_state_up = False
    config = render(root).config
    assert (f"frontend {listener.id}" in config) == (which in ("pool", "monitor"))
    assert (f"backend {pool.id}" in config) == (which == "monitor")
    assert "httpchk" not in config


@pytest.mark.parametrize("which", ["listener", "pool", "monitor", "member"])
def test_what_is_being_deleted_is_not_rendered(root: LoadBalancer, pool: Pool, which: str) -> None:
    listener, monitor, member = trees.listener(root, default_pool=pool), trees.monitor(pool), trees.member(pool)
    rows = {"listener": listener, "pool": pool, "monitor": monitor, "member": member}
    rows[which].provisioning_status = "PENDING_DELETE"
    config = render(root).config
    assert (f"frontend {listener.id}" in config) == (which != "listener")
    assert (f"backend {pool.id}" in config) == (which in ("monitor", "member"))
    assert ("httpchk" in config) == (which == "member")
    assert (member.id in config) == (which == "monitor")


def test_a_listener_that_amphorae_cannot_carry_is_named(root: LoadBalancer) -> None:
    listener = trees.listener(root, protocol="GOPHER")
    with pytest.raises(Unsupported, match=f"Listener {listener.id}: protocol GOPHER is not supported"):
        render(root)


def test_a_pool_that_amphorae_cannot_carry_is_named(root: LoadBalancer, pool: Pool) -> None:
    trees.listener(root, default_pool=pool)
    pool.lb_algorithm = "FASTEST"
    with pytest.raises(Unsupported, match=f"Pool {pool.id}: lb_algorithm FASTEST is not supported"):
        render(root)


def test_a_header_that_amphorae_cannot_insert_is_named(root: LoadBalancer) -> None:
    listener = trees.listener(root, insert_headers={"X-Other": "true"})
    with pytest.raises(Unsupported, match=f"Listener {listener.id}: .*X-Other"):
        render(root)


@pytest.mark.parametrize("path", ["/a b", "/a\nhttp-check send hdr X y", "/a\r\nX: y", "/é", "no-slash", "/\x00"])
def test_a_path_that_could_say_more_than_a_path_is_refused(root: LoadBalancer, pool: Pool, path: str) -> None:
    trees.listener(root, default_pool=pool)
    trees.monitor(pool, url_path=path)
    with pytest.raises(Unsafe, match="not a URL path"):
        render(root)
