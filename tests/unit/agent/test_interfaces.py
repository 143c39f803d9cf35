from lictor import wire
from lictor.agent.interfaces import plan
from lictor.agent.links import Address, KernelRoute, Link

MAC = "fa:16:3e:00:00:01"
ETH1 = wire.Interface(
    name="eth1",
    mac=MAC.upper(),
    addresses=["192.0.2.2/24", "2001:db8:0:0::5/128"],
    routes=[wire.Route(destination="0.0.0.0/0", gateway="192.0.2.1")],
)
THERE = Link(
    ifname="eth1",
    ifindex=7,
    address=MAC,
    mtu=1500,
    flags=["UP"],
    addr_info=[
        Address("192.0.2.2", 24, "global"),
        Address("2001:db8::5", 128, "global"),
        Address("fe80::1", 64, "link"),
    ],
)
DEFAULT = (4, KernelRoute(dst="default", dev="eth1", gateway="192.0.2.1", protocol="static"))


def change(value, **changes):
    return type(value)(**{**{name: getattr(value, name) for name in value.__struct_fields__}, **changes})


def test_nothing_is_done_where_nothing_differs_however_it_is_spelled():
    todo = plan([ETH1], [THERE], [], [DEFAULT])
    assert (todo.outer, todo.inner, todo.announce) == ([], [], [])


def test_a_new_nic_is_moved_named_and_given_all_and_its_vip_is_announced():
    outside = Link(ifname="eth5", ifindex=9, address=MAC, mtu=1500, flags=["UP"])
    todo = plan([ETH1], [], [outside], [])
    assert todo.outer == ["link set dev eth5 netns {namespace} name new9"]
    assert todo.inner == [
        "link set dev new9 name eth1",
        "link set dev eth1 mtu 1500 up",
        "address replace 192.0.2.2/24 dev eth1",
        "address replace 2001:db8:0:0::5/128 dev eth1 nodad preferred_lft 0",
        "route replace 0.0.0.0/0 via 192.0.2.1 dev eth1 proto static",
    ]
    assert todo.announce == [("eth1", "2001:db8:0:0::5/128")]


def test_an_address_that_goes_takes_routes_and_others_of_its_subnet_with_it_so_they_are_set_again():
    old = change(THERE, addr_info=[*THERE.addr_info, Address("192.0.2.9", 24, "global")])
    todo = plan([ETH1], [old], [], [DEFAULT])
    assert todo.inner == [
        "address del 192.0.2.9/24 dev eth1",
        "address replace 192.0.2.2/24 dev eth1",
        "address replace 2001:db8:0:0::5/128 dev eth1 nodad preferred_lft 0",
        "route replace 0.0.0.0/0 via 192.0.2.1 dev eth1 proto static",
    ]


def test_routes_that_are_not_named_go_in_both_families():
    six = (6, KernelRoute(dst="default", dev="eth1", gateway="2001:db8::1", protocol="static"))
    todo = plan([change(ETH1, routes=[])], [THERE], [], [DEFAULT, six])
    assert todo.inner == [
        "route del 0.0.0.0/0 via 192.0.2.1 dev eth1",
        "route del ::/0 via 2001:db8::1 dev eth1",
    ]


def test_a_route_is_removed_before_the_address_that_it_may_go_with():
    old = change(THERE, addr_info=[*THERE.addr_info, Address("198.51.100.9", 24, "global")])
    way = (4, KernelRoute(dst="203.0.113.0/24", dev="eth1", gateway="198.51.100.1", protocol="static"))
    assert plan([ETH1], [old], [], [DEFAULT, way]).inner[:2] == [
        "route del 203.0.113.0/24 via 198.51.100.1 dev eth1",
        "address del 198.51.100.9/24 dev eth1",
    ]


def test_routes_that_went_with_a_link_are_not_removed():
    way = (4, KernelRoute(dst="203.0.113.0/24", dev="eth1", gateway="198.51.100.1", protocol="static"))
    other = Link(ifname="eth1", ifindex=8, address="fa:16:3e:00:00:02", mtu=1500, flags=["UP"])
    commands = plan([ETH1], [change(THERE, ifname="eth2"), other], [], [DEFAULT, way]).inner
    assert not [each for each in commands if each.startswith("route del")]


def test_a_nic_that_is_not_named_gives_up_addresses_and_name():
    assert plan([], [THERE], [], []).inner == [
        "address flush dev eth1",
        "link set dev eth1 down",
        "link set dev eth1 name was7",
    ]
    gone = Link(ifname="was7", ifindex=7, address=MAC)
    assert plan([], [gone], [], []).inner == []


def test_names_are_given_up_before_they_are_taken():
    other = Link(ifname="eth2", ifindex=8, address="fa:16:3e:00:00:02", mtu=1500, flags=["UP"])
    wanted = [
        wire.Interface(name="eth2", mac=MAC),
        wire.Interface(name="eth1", mac=other.address),
    ]
    commands = plan(wanted, [change(THERE, addr_info=[]), other], [], []).inner
    taken = [index for index, c in enumerate(commands) if c.endswith(("name eth1", "name eth2"))]
    given = [index for index, c in enumerate(commands) if " name was" in c]
    assert len(taken) == len(given) == 2
    assert max(given) < min(taken)


def test_an_address_that_floats_is_neither_given_nor_taken():
    floating = change(ETH1, addresses=["192.0.2.2/24"], floating=["2001:db8::5/128", "198.51.100.7/32"])
    without = change(THERE, addr_info=THERE.addr_info[:1])
    for there in (THERE, without):
        todo = plan([floating], [there], [], [DEFAULT])
        assert (todo.inner, todo.announce) == ([], [])
