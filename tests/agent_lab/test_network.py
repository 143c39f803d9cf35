"""NICs, addresses, routes and rules of the inner namespace, as the kernel and the neighbours see them."""

import json
import pathlib
import socket
import subprocess

import msgspec
import pytest

from lictor import wire
from tests.agent_lab.amphora import eventually, run

ETH_P_ALL = 3


def addresses(amphora, name="eth1"):
    shown = json.loads(amphora.inner(f"-json address show dev {name}"))[0]
    return {f"{a['local']}/{a['prefixlen']}" for a in shown["addr_info"] if a["scope"] != "link"}


def routes(amphora, *family):
    shown = json.loads(amphora.inner(" ".join([*family, "-json route show"])))
    return {(r["dst"], r.get("gateway", ""), r["dev"]) for r in shown if r.get("protocol") != "kernel"}


def with_interface(state, **changes):
    return msgspec.structs.replace(state, interfaces=[msgspec.structs.replace(state.interfaces[0], **changes)])


def test_an_interface_becomes_what_the_state_says_and_again_what_the_next_one_says(amphora, webs):
    servers = [amphora.member(webs[0])]
    amphora.deliver(amphora.state(servers))
    assert addresses(amphora) == {"198.18.0.2/24", "198.18.0.100/32", "fd00:c612::2/64", "fd00:c612::100/128"}
    assert routes(amphora) == {("default", "198.18.0.1", "eth1")}
    worker = amphora.worker()
    more = with_interface(
        amphora.state(servers),
        addresses=["198.18.0.2/24", "198.18.0.3/24", "198.18.0.100/32", "fd00:c612::100/128", "fd00:c612:0:0::2/64"],
        routes=[
            wire.Route(destination="198.51.100.0/24", gateway="198.18.0.1"),
            wire.Route(destination="::/0", gateway="fd00:c612::1"),
            wire.Route(destination="203.0.113.7/32"),
        ],
        mtu=1400,
    )
    amphora.deliver(more)
    assert "198.18.0.3/24" in addresses(amphora)
    assert routes(amphora) == {("198.51.100.0/24", "198.18.0.1", "eth1"), ("203.0.113.7", "", "eth1")}
    assert routes(amphora, "-6") == {("default", "fd00:c612::1", "eth1")}
    assert " mtu 1400 " in amphora.inner("link show dev eth1")
    amphora.deliver(amphora.state(servers))
    assert addresses(amphora) == {"198.18.0.2/24", "198.18.0.100/32", "fd00:c612::2/64", "fd00:c612::100/128"}
    assert routes(amphora) == {("default", "198.18.0.1", "eth1")}
    assert amphora.worker() == worker
    assert amphora.answers(3) == {"first"}


def test_an_mtu_that_the_nic_cannot_have_stops_no_other_change(amphora, webs):
    wanted = with_interface(amphora.state([amphora.member(webs[0])]), mtu=100_000)
    for _ in range(2):
        amphora.deliver(wanted)
        assert " mtu 65535 " in amphora.inner("link show dev eth1")
    assert amphora.answers(3) == {"first"}


def test_an_address_may_change_within_its_subnet(amphora, webs):
    servers = [amphora.member(webs[0])]
    amphora.deliver(amphora.state(servers))
    moved = ["198.18.0.7/24", "198.18.0.100/32", "fd00:c612::2/64", "fd00:c612::100/128"]
    amphora.deliver(with_interface(amphora.state(servers), addresses=moved))
    assert addresses(amphora) == set(moved)
    assert routes(amphora) == {("default", "198.18.0.1", "eth1")}
    assert amphora.answers(3) == {"first"}


def test_a_whole_address_family_may_go_with_its_default_route(amphora):
    six = with_interface(
        amphora.state(),
        addresses=["fd00:c612::2/64", "fd00:c612::100/128"],
        routes=[wire.Route(destination="::/0", gateway="fd00:c612::1")],
    )
    (eth1,) = six.interfaces
    both = with_interface(
        six,
        addresses=[*eth1.addresses, "198.18.0.2/24"],
        routes=[*eth1.routes, wire.Route(destination="0.0.0.0/0", gateway="198.18.0.1")],
    )
    amphora.deliver(both)
    assert routes(amphora) == {("default", "198.18.0.1", "eth1")}
    amphora.deliver(six)
    assert addresses(amphora) == set(eth1.addresses)
    assert routes(amphora) == set()
    assert routes(amphora, "-6") == {("default", "fd00:c612::1", "eth1")}


def test_what_somebody_else_changed_is_repaired_by_the_same_state(amphora, webs):
    state = amphora.state([amphora.member(webs[0])])
    amphora.deliver(state)
    amphora.inner("address del 198.18.0.100/32 dev eth1")
    amphora.inner("route del default")
    amphora.inner("address add 203.0.113.9/24 dev eth1")
    amphora.deliver(state)
    assert addresses(amphora) == set(state.interfaces[0].addresses)
    assert routes(amphora) == {("default", "198.18.0.1", "eth1")}
    assert amphora.answers(3) == {"first"}


def test_nics_that_swap_names_keep_their_addresses(amphora):
    mac = "fa:16:3e:00:02:01"
    run(f"ip link add second address {mac} type veth peer name secondpeer")
    one = wire.Interface(name="eth1", mac=amphora.mac, addresses=["198.18.0.2/24"])
    two = wire.Interface(name="eth2", mac=mac.upper(), addresses=["203.0.113.2/24"])
    amphora.deliver(amphora.state(interfaces=[one, two]))
    assert (addresses(amphora, "eth1"), addresses(amphora, "eth2")) == ({"198.18.0.2/24"}, {"203.0.113.2/24"})
    change = msgspec.structs.replace
    amphora.deliver(amphora.state(interfaces=[change(one, name="eth2"), change(two, name="eth1")]))
    assert (addresses(amphora, "eth2"), addresses(amphora, "eth1")) == ({"198.18.0.2/24"}, {"203.0.113.2/24"})
    # One goes, the other gets its name; what is gone has no address and is down.
    amphora.deliver(amphora.state(interfaces=[one]))
    links = json.loads(amphora.inner("-json address show"))
    gone = next(link for link in links if link.get("address") == mac)
    assert gone["addr_info"] == []
    assert "UP" not in gone["flags"]
    run("ip link del secondpeer")


def test_a_nic_that_a_dead_agent_left_half_way_is_taken_up(amphora, webs):
    amphora.end(9)
    if amphora.namespace not in run("ip netns list"):
        run(f"ip netns add {amphora.namespace}")
    run(f"ip link set dev nic{amphora.number} netns {amphora.namespace} name new7")
    amphora.start()
    amphora.deliver(amphora.state([amphora.member(webs[0])]))
    assert amphora.answers(3) == {"first"}


def test_the_nic_that_the_agent_is_reached_by_cannot_be_taken(amphora):
    mac = "fa:16:3e:00:03:01"
    run(f"ip link add management address {mac} type veth peer name managementpeer")
    run("ip address add 127.0.0.1/32 dev management")
    try:
        interface = wire.Interface(name="eth1", mac=mac)
        assert "management" in amphora.refused(amphora.state(interfaces=[interface]))
        assert "management" in run("ip -br link")
    finally:
        run("ip link del management")


def test_neighbours_are_told_of_a_new_vip(amphora):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as tap:
        tap.bind((f"peer{amphora.number}", 0))
        amphora.deliver(amphora.state())
        amphora.deliver(with_interface(amphora.state(), addresses=["198.18.0.2/24", "198.18.0.101/32", "fd00::9/128"]))
        tap.settimeout(0.5)
        frames = []
        with pytest.raises(TimeoutError):
            while True:
                frames.append(tap.recv(2000))
    mac = bytes.fromhex(amphora.mac.replace(":", ""))
    for vip in ("198.18.0.100", "198.18.0.101"):
        packed = socket.inet_aton(vip)
        assert any(f[12:14] == b"\x08\x06" and f[22:28] == mac and f[28:32] == packed == f[38:42] for f in frames)
    for vip in (amphora.vip6, "fd00::9"):
        packed = socket.inet_pton(socket.AF_INET6, vip)
        assert any(f[12:14] == b"\x86\xdd" and f[54] == 136 and f[62:78] == packed and f[80:86] == mac for f in frames)
    neighbours = json.loads(run(f"ip -json -6 neigh show dev peer{amphora.number}"))
    assert all(n.get("lladdr", amphora.mac) == amphora.mac for n in neighbours)


def test_rules_are_replaced_as_a_whole(amphora):
    def listed():
        command = ["ip", "netns", "exec", amphora.namespace, "nft", "list", "ruleset"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    amphora.deliver(amphora.state(nftables="table inet one {\n chain c {\n }\n}"))
    assert "table inet one" in listed()
    amphora.deliver(amphora.state(nftables="table inet two {\n chain c {\n }\n}"))
    assert "table inet two" in listed()
    assert "table inet one" not in listed()
    amphora.deliver(amphora.state())
    assert listed() == ""


def test_counters_go_on_counting_when_the_rules_around_them_change(amphora, webs):
    def rules(verdict, *counters):
        names = "".join(f" counter {name} {{ }}\n" for name in counters)
        hook = "type filter hook input priority 0"
        rule = f'tcp dport 80 counter name "{counters[0]}" {verdict}'
        return f"table inet some {{\n{names} chain c {{\n {hook}\n {rule}\n }}\n}}"

    def packets(name):
        shown = run(f"ip netns exec {amphora.namespace} nft -j list counter inet some {name}")
        return json.loads(shown)["nftables"][1]["counter"]["packets"]

    servers = [amphora.member(webs[0])]
    amphora.deliver(amphora.state(servers, nftables=rules("accept", "old", "spare")))
    assert amphora.answers(2) == {"first"}
    counted = packets("old")
    assert counted > 0
    worker = amphora.worker()
    amphora.deliver(amphora.state(servers, nftables=rules("drop", "old")))
    with pytest.raises(OSError):
        amphora.get(seconds=0.3)
    assert packets("old") > counted
    assert amphora.worker() == worker
    with pytest.raises(AssertionError, match="No such file"):
        packets("spare")
    amphora.deliver(amphora.state(servers, nftables=rules("drop", "other").replace("input", "output")))
    assert amphora.answers(2) == {"first"}, "a chain may move to another hook"


def test_files_are_found_by_their_bare_names_and_only_root_may_read_them(amphora, webs):
    servers = [amphora.member(webs[0])]
    deny = ["    http-request deny if { path -f paths.txt }"]
    amphora.deliver(amphora.state(servers, frontend_lines=deny, files=[wire.File(name="paths.txt", content="/no\n")]))
    assert amphora.get("/no")[0] == 403
    assert amphora.get("/yes")[0] == 200
    amphora.deliver(amphora.state(servers, frontend_lines=deny, files=[wire.File(name="paths.txt", content="/yes\n")]))
    assert amphora.get("/no")[0] == 200
    assert amphora.get("/yes")[0] == 403
    assert amphora.home.stat().st_mode & 0o777 == 0o710, "HAProxy's workers may pass through it, to sockets"
    for file in (amphora.home / "current").resolve().rglob("*"):
        assert file.stat().st_mode & 0o077 == 0, file
    amphora.deliver(amphora.state(servers))
    assert list((amphora.home / "current" / "certs").iterdir()) == []


def test_pings_are_the_agents_and_need_no_reload(amphora, webs):
    def pinged(web, address):
        ping = wire.Ping(address=address, interval=0.2, timeout=0.4, rise=2, fall=2)
        return msgspec.structs.replace(amphora.member(web), ping=ping)

    near, far = pinged(webs[0], "198.18.0.1"), pinged(webs[1], "198.18.0.200")
    plain = amphora.member(webs[1])
    amphora.deliver(amphora.state([near, far]))
    eventually(lambda: amphora.answers() == {"first"})

    def statuses():
        rows = [line.split(",") for line in amphora.haproxy("show stat").split("\n")]
        return {row[1]: row[17] for row in rows if len(row) > 17}

    assert statuses()[far.name] == "DOWN"
    amphora.deliver(amphora.state([near, far, plain]))
    assert amphora.answers() == {"first", "second"}
    run("ip addr add 198.18.0.200/32 dev lo")
    eventually(lambda: statuses()[far.name] == "no check")
    run("ip addr del 198.18.0.200/32 dev lo")
    eventually(lambda: statuses()[far.name] == "DOWN")
    amphora.deliver(amphora.state([near, msgspec.structs.replace(far, ping=None), plain]))
    assert statuses()[far.name] == "no check", "nobody says any more that it is down"
    amphora.deliver(amphora.state([near, far, plain]))
    eventually(lambda: statuses()[far.name] == "DOWN")
    assert amphora.report().reloads == 0
    amphora.deliver(amphora.state([near, far, plain], ["    fullconn 99"]))
    assert statuses()[far.name] == "DOWN", "also after a reload"
    eventually(lambda: len(amphora.haproxy_pids()) == 2)  # the worker from before the reload has ended
    assert "\nUid:\t65534" in pathlib.Path(f"/proc/{amphora.haproxy_pids()[1]}/status").read_text()
