"""UDP listeners of a real agent: what only the kernel's rules and connections can show."""

import concurrent.futures
import contextlib
import json
import signal
import socket
import subprocess
import threading
import time
import uuid
from random import Random

import pytest

from lictor import wire
from lictor.agent.udp import chains, ruleset
from lictor.agent.udp.probes import sctp_missing
from lictor.agent.udp.rules import Rules
from tests.agent_lab.amphora import eventually, run

PORT = 5300
MONITOR = wire.UdpMonitor(type="UDP-CONNECT", delay=1, timeout=1, rise=1, fall=1)


class Server:
    """A member on this host: answers with its name."""

    def __init__(self, name):
        self.name, self.id = name, str(uuid.uuid4())
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("198.18.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                said, client = self._socket.recvfrom(100)
                if said:
                    self._socket.sendto(self.name.encode(), client)

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread, though it says ENOTCONN
        self._socket.close()


@pytest.fixture
def servers(bare):
    found = [Server("one"), Server("two")]
    yield found
    for server in found:
        server.close()


def member(number, server, **changes):
    given = {"id": server.id, "address": "198.18.0.1", "port": server.port, "mark": 1 << 31 | number}
    return wire.UdpMember(**{**given, "check_address": "198.18.0.1", "check_port": given["port"], **changes})


def state(amphora, *members, **changes):
    listener = wire.UdpListener(
        **{
            "id": amphora.listener, "protocol": "udp", "port": PORT, "vips": [amphora.vip], "limit": 50000,
            "pool": amphora.pool, "members": list(members), **changes,
        }
    )  # fmt: skip
    return amphora.state(udp=[listener])


def client(amphora, seconds=1.0):
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    found.settimeout(seconds)
    found.connect((amphora.vip, PORT))
    return found


def ask(amphora, found=None, seconds=1.0):
    with contextlib.ExitStack() as stack:
        speaker = found or stack.enter_context(client(amphora, seconds))
        try:
            speaker.send(b"who?")
            return speaker.recv(100).decode()
        except OSError:
            return None


def inside(amphora, command):
    return run(f"ip netns exec {amphora.namespace} {command}")


def test_no_datagram_is_lost_while_rules_change(amphora, servers):
    amphora.deliver(state(amphora, *(member(n, server) for n, server in enumerate(servers))))
    answers, over = [], threading.Event()

    def go_on():
        while not over.is_set():
            answers.append(ask(amphora))

    with concurrent.futures.ThreadPoolExecutor() as pool, contextlib.ExitStack() as stack:
        stack.callback(over.set)
        for _ in range(2):
            pool.submit(go_on)
        for weight in range(1, 13):
            amphora.deliver(state(amphora, member(0, servers[0], weight=weight), member(1, servers[1])))
    assert len(answers) > 100
    assert [answers.count(None), set(answers)] == [0, {"one", "two"}]
    eventually(lambda: inside(amphora, "nft list chains").count("chain pick") == 1, 3)


def test_who_spoke_before_there_was_a_listener_is_served_as_soon_as_there_is_one(amphora, servers):
    amphora.deliver(amphora.state())
    with client(amphora, 0.2) as early:
        assert [ask(amphora, early) for _ in range(3)] == [None] * 3
        amphora.deliver(state(amphora, member(0, servers[0])))
        eventually(lambda: ask(amphora, early) == "one", 2)


def test_rules_that_somebody_removed_are_back_soon_and_figures_do_not_fall(amphora, servers):
    amphora.deliver(state(amphora, member(0, servers[0])))
    assert [ask(amphora) for _ in range(5)] == ["one"] * 5
    time.sleep(1.2)
    inside(amphora, "nft delete table inet lictor_udp")
    eventually(lambda: ask(amphora, seconds=0.2) == "one", 5)


def test_what_was_down_is_down_for_the_next_agent_too(amphora, servers):
    both = [member(n, server) for n, server in enumerate(servers)]
    amphora.deliver(state(amphora, *both, monitor=MONITOR))
    eventually(lambda: {ask(amphora, seconds=0.2) for _ in range(2)} == {"one", "two"}, 5)
    servers[1].close()
    eventually(lambda: [ask(amphora, seconds=0.2) for _ in range(4)] == ["one"] * 4, 5)
    amphora.end(signal.SIGKILL)
    amphora.start()
    assert [ask(amphora) for _ in range(6)] == ["one"] * 6


def test_a_member_whose_host_is_off_is_found_out(amphora, servers):
    gone = member(1, servers[1], address="198.18.0.200", check_address="198.18.0.200")
    amphora.deliver(state(amphora, member(0, servers[0]), gone, monitor=MONITOR))
    eventually(lambda: [ask(amphora, seconds=0.1) for _ in range(4)] == ["one"] * 4, 12)
    for _ in range(30):
        assert ask(amphora, seconds=0.1) == "one", "and stays found out"
        time.sleep(0.1)


def test_the_last_listener_takes_rules_and_forwarding_with_it(amphora, servers):
    forwards = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding"
    amphora.deliver(state(amphora, member(0, servers[0])))
    with client(amphora) as living:
        assert ask(amphora, living) == "one"
        assert inside(amphora, forwards).split() == ["1", "0"]
        amphora.deliver(amphora.state())
        assert inside(amphora, forwards).split() == ["0", "0"]
        assert inside(amphora, "nft list tables") == ""
        eventually(lambda: "mark=2147483648" not in inside(amphora, "conntrack -L"), 3)


def test_an_amphora_does_not_answer_for_the_gateway_of_its_subnet(amphora):
    six = wire.UdpMember(
        id=str(uuid.uuid4()), address="fd00:c612::1", port=9, mark=1 << 31, check_address="fd00:c612::1", check_port=9
    )
    amphora.deliver(state(amphora, six, vips=[amphora.vip6]))
    assert inside(amphora, "cat /proc/sys/net/ipv6/conf/all/forwarding").split() == ["1"]
    gateway = "fd00:c612::"
    for address in (gateway, "fd00:c612::2"):
        subprocess.run(["ping", "-6", "-c", "1", "-W", "2", address], capture_output=True, check=False)
    found = {line.split()[0]: line.split()[-1] for line in run("ip -6 neigh show").splitlines()}
    assert found[gateway] in ("FAILED", "INCOMPLETE")
    assert found["fd00:c612::2"] in ("REACHABLE", "DELAY", "STALE")


def test_an_amphora_hands_on_what_is_its_listeners_and_nothing_else(amphora, servers):
    amphora.deliver(state(amphora, member(0, servers[0])))
    run("ip route add 203.0.113.9/32 via 198.18.0.2")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"on, please", ("203.0.113.9", 9))
            eventually(lambda: "203.0.113.9" not in inside(amphora, "conntrack -L"), 3)
    finally:
        run("ip route del 203.0.113.9/32")


def drawn(random, vips):
    """Some listeners, as a load balancer might have them one after the other."""
    found = []
    for number in random.sample(range(3), random.randint(0, 3)):
        members = [
            wire.UdpMember(
                id=f"{number}-{n}", address="2001:db8::7" if n == 2 else f"198.51.100.{n}", port=53,
                mark=1 << 31 | number << 8 | n, check_address="192.0.2.1", check_port=1,
            )
            for n in random.sample(range(4), random.randint(0, 4))
        ]  # fmt: skip
        found.append(
            wire.UdpListener(
                id=f"l-{number}", protocol="udp", port=53 + number, vips=random.sample(vips, random.randint(1, 2)),
                limit=random.choice([1, 2]), persistence=random.choice([0, 5]), members=members,
            )
        )  # fmt: skip
    slots = {
        (each.id, family): [m.mark for m in each.members if chains.version(m.address) == family] * random.randint(0, 3)
        for each in found
        for family in (4, 6)
    }
    return ruleset.render(found, slots)


def shown(namespace):
    """What is in the table: names, the chains that VIPs lead to, and the rules of hooks."""
    objects = json.loads(run(f"ip netns exec {namespace} nft -j list ruleset"))["nftables"]
    names, places, rules = set(), {}, 0
    for kind, each in [pair for one in objects for pair in one.items()]:
        rules += kind == "rule" and each["chain"] in ("forward", "translated")
        if kind in ("chain", "map", "set", "ct timeout", "counter"):
            names.add((kind, each["name"]))
        if kind == "map" and each["name"].startswith("places"):
            for key, verdict in each.get("elem", []):
                places[each["name"], " . ".join(map(str, key["concat"]))] = f"goto {verdict['goto']['target']}"
    return names, places, rules


def test_whatever_was_there_before_the_kernel_ends_up_with_what_is_wanted(bare):
    random = Random(7)
    run(f"ip netns add {bare.namespace}")
    rules = Rules(bare.namespace)
    for _ in range(40):
        wanted = drawn(random, ["192.0.2.1", "192.0.2.2", "2001:db8::1"])
        rules.make(wanted, force=random.random() < 0.15)
        if random.random() < 0.7:
            rules.tidy()
            names, places, lines = shown(bare.namespace)
            assert names == wanted.named.keys() | {("chain", title) for title in wanted.hooks}
            assert places == wanted.places
            hooks = [wanted.hooks[title] for title in ("forward", "translated") if wanted.hooks]
            assert lines == sum(body.count("\n") - 2 for body in hooks)


@pytest.mark.skipif(not sctp_missing(), reason="this kernel has SCTP")
def test_sctp_is_refused_where_the_kernel_has_none(amphora, servers):
    checked = wire.UdpMonitor(type="SCTP", delay=1, timeout=1, rise=1, fall=1)
    for changes in ({"protocol": "sctp"}, {"monitor": checked}):
        wanted = state(amphora, member(0, servers[0]), **changes)
        assert amphora.refused(wanted) == "SCTP: the kernel of this amphora has no SCTP"
