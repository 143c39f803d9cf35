"""UDP and SCTP listeners, as the agent is told of them."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lictor.amphora import haproxy, tree, udp
from lictor.model import AdditionalVip, LoadBalancer, Pool
from lictor.wire import UdpListener, UdpMonitor

from . import datagrams, trees

LIMITED = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def root() -> LoadBalancer:
    return trees.load_balancer(vip_address="192.0.2.10")


@pytest.fixture
def pool(root: LoadBalancer) -> Pool:
    return datagrams.pool(root)


def only(root: LoadBalancer) -> UdpListener:
    (one,) = udp.render(root, 50000)
    return one


def test_a_listener_says_where_it_is_and_who_serves_it(root: LoadBalancer, pool: Pool) -> None:
    root.additional_vips = [AdditionalVip(ip_address="2001:db8:0::10", subnet_id="x")]
    listener = datagrams.listener(root, pool, connection_limit=7)
    members = [datagrams.member(pool, weight=3), datagrams.member(pool, "2001:db8:0:0::7", backup=True)]
    members.append(datagrams.member(pool, "198.51.100.8", admin_state_up=False))
    datagrams.member(pool, "198.51.100.9", provisioning_status="PENDING_DELETE")
    made = only(root)
    assert (made.id, made.protocol, made.port, made.limit) == (listener.id, "udp", 53, 7)
    assert (made.pool, made.algorithm, made.monitor) == (pool.id, "ROUND_ROBIN", None)
    assert made.vips == ["192.0.2.10", "2001:db8::10"]
    assert [each.id for each in made.members] == [each.id for each in members]
    assert [each.address for each in made.members] == ["198.51.100.7", "2001:db8::7", "198.51.100.8"]
    assert [(each.weight, each.backup, each.disabled) for each in made.members] == [
        (3, False, False), (1, True, False), (1, False, True)
    ]  # fmt: skip


@pytest.mark.parametrize(("asked", "seconds"), [(50000, 50), (1, 1), (2001, 3), (0, 24 * 86400)])
def test_a_connection_ends_with_the_silence_that_a_listener_allows(
    root: LoadBalancer, asked: int, seconds: int
) -> None:
    datagrams.listener(root, timeout_client_data=asked)
    assert only(root).idle == seconds


@pytest.mark.parametrize("limit", [-1, 0])
def test_no_limit_is_the_data_planes_own(root: LoadBalancer, limit: int) -> None:
    datagrams.listener(root, connection_limit=limit)
    assert only(root).limit == 50000


def test_haproxy_hears_nothing_of_it(root: LoadBalancer, pool: Pool) -> None:
    before = haproxy.render(root, 50000)
    datagrams.listener(root, pool)
    assert haproxy.render(root, 50000) == before


def test_a_mark_stays_when_others_come_and_go(root: LoadBalancer, pool: Pool) -> None:
    datagrams.listener(root, pool)
    first, second = datagrams.member(pool), datagrams.member(pool, "198.51.100.8")
    before = {each.id: each.mark for each in only(root).members}
    first.provisioning_status = "PENDING_DELETE"
    third = datagrams.member(pool, "198.51.100.9")
    after = {each.id: each.mark for each in only(root).members}
    assert after[second.id] == before[second.id]
    assert after[third.id] not in before.values()


def test_members_of_a_shared_pool_have_a_mark_for_each_listener(root: LoadBalancer, pool: Pool) -> None:
    for port in (53, 54):
        datagrams.listener(root, pool, protocol_port=port)
    datagrams.member(pool)
    one, other = udp.render(root, 50000)
    assert one.members[0].mark != other.members[0].mark


@pytest.mark.parametrize(
    ("asked", "seconds", "prefixes"),
    [
        (None, 0, (32, 128)),
        ({"type": "SOURCE_IP"}, 360, (32, 128)),
        ({"type": "SOURCE_IP", "persistence_timeout": 20, "persistence_granularity": "255.255.0.0"}, 20, (16, 128)),
        ({"type": "SOURCE_IP", "persistence_timeout": None, "persistence_granularity": "ffff::"}, 360, (32, 16)),
        ({"type": "SOURCE_IP", "persistence_timeout": 0, "persistence_granularity": "0.0.0.0"}, 1, (0, 128)),
    ],
)
def test_persistence_has_a_time_and_a_network(root, pool, asked, seconds: int, prefixes: tuple[int, int]) -> None:
    pool.session_persistence = asked
    datagrams.listener(root, pool)
    made = only(root)
    assert (made.persistence, (made.prefix4, made.prefix6)) == (seconds, prefixes)


def test_what_is_no_netmask_is_no_granularity() -> None:
    with pytest.raises(tree.Unsupported, match=r"255\.0\.255\.0 is not a netmask"):
        udp.prefix("255.0.255.0")


def test_a_monitor_asks_where_its_member_says(root: LoadBalancer, pool: Pool) -> None:
    datagrams.listener(root, pool)
    datagrams.member(pool)
    datagrams.member(pool, "198.51.100.8", monitor_address="2001:db8:0::8", monitor_port=80)
    datagrams.monitor(pool, delay=0, timeout=7, max_retries=4, max_retries_down=5)
    made = only(root)
    assert made.monitor == UdpMonitor(type="UDP-CONNECT", delay=1, timeout=7, rise=4, fall=5)
    assert [(each.check_address, each.check_port) for each in made.members] == [
        ("198.51.100.7", 5353), ("2001:db8::8", 80)
    ]  # fmt: skip


def test_a_request_is_written_here_and_only_sent_there(root: LoadBalancer, pool: Pool) -> None:
    datagrams.listener(root, pool)
    monitor = datagrams.monitor(pool, type="HTTP", url_path="/a?b", expected_codes="200, 404")
    assert only(root).monitor.request == "GET /a?b HTTP/1.0\r\n\r\n"
    assert only(root).monitor.codes == [(200, 200), (404, 404)]
    monitor.http_method, monitor.http_version, monitor.domain_name = "HEAD", 1.1, "www.example.com"
    monitor.expected_codes = "204-200"
    wanted = "HEAD /a?b HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n"
    assert only(root).monitor.request == wanted
    assert only(root).monitor.codes == [(200, 204)]
    monitor.domain_name = None
    assert "\r\nHost: 192.0.2.10\r\n" in only(root).monitor.request


@LIMITED
@given(tree=datagrams.mixed(), data=st.data())
def test_equal_trees_give_equal_words_whatever_order_they_were_read_in(tree: LoadBalancer, data: st.DataObject) -> None:
    before = udp.render(tree, 50000)
    assert msgspec.json.decode(msgspec.json.encode(before), type=list[UdpListener]) == before
    tree.listeners = data.draw(st.permutations(tree.listeners))
    assert udp.render(tree, 50000) == before
    marks = [member.mark for each in before for member in each.members]
    assert len(set(marks)) == len(marks)
    assert all(1 << 31 <= mark < 1 << 32 for mark in marks)
