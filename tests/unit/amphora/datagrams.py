"""Trees with UDP and SCTP listeners, as the API would accept them."""

import ipaddress
from typing import Any

from hypothesis import strategies as st

from lictor.model import AdditionalVip, HealthMonitor, Listener, LoadBalancer, Member, Pool, new_id

from . import trees

ALGORITHMS = ["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT"]
MASKS = st.one_of(
    st.none(),
    st.integers(0, 32).map(lambda ones: str(ipaddress.ip_network(f"0.0.0.0/{ones}").netmask)),
    st.integers(0, 128).map(lambda ones: str(ipaddress.ip_network(f"::/{ones}").netmask)),
)


def listener(root: LoadBalancer, pool: Pool | None = None, **values: Any) -> Listener:
    return trees.listener(root, **({"protocol": "UDP", "protocol_port": 53, "default_pool": pool} | values))


def pool(root: LoadBalancer, **values: Any) -> Pool:
    return trees.pool(root, **({"protocol": "UDP"} | values))


def member(of: Pool, address: str = "198.51.100.7", **values: Any) -> Member:
    return trees.member(of, **({"address": address, "protocol_port": 5353} | values))


def monitor(of: Pool, **values: Any) -> HealthMonitor:
    return trees.monitor(of, **({"type": "UDP-CONNECT", "url_path": None} | values))


@st.composite
def mixed(draw: st.DrawFn) -> LoadBalancer:
    """Whatever trees there are, and UDP and SCTP listeners beside."""
    root: LoadBalancer = draw(trees.trees())
    if draw(st.booleans()):
        root.additional_vips = [AdditionalVip(ip_address=draw(trees.ADDRESSES), subnet_id=new_id())]
    vips = [root.vip_address, *(vip.ip_address for vip in root.additional_vips)]
    reachable = trees.ADDRESSES.filter(lambda address: any((":" in address) == (":" in vip) for vip in vips))
    for protocol in draw(st.lists(st.sampled_from(["UDP", "SCTP"]), max_size=3)):
        pools = [_pool(draw, root, protocol, reachable), None]
        for port in draw(st.lists(trees.PORTS, max_size=2, unique=True)):
            listener(
                root,
                draw(st.sampled_from(pools)),
                protocol=protocol,
                protocol_port=port,
                connection_limit=draw(st.one_of(st.integers(-1, 10), st.integers(0, 2**31 - 1))),
                allowed_cidrs=draw(st.one_of(st.none(), st.lists(trees.NETWORKS, max_size=5))),
                **trees._common(draw),
            )
    return root


def _pool(draw: st.DrawFn, root: LoadBalancer, protocol: str, reachable: st.SearchStrategy[str]) -> Pool:
    sticky = st.fixed_dictionaries(
        {"type": st.just("SOURCE_IP")},
        optional={
            "persistence_timeout": st.one_of(st.none(), st.integers(0, 2**31 - 1)),
            "persistence_granularity": MASKS,
        },
    )
    made = pool(
        root,
        protocol=protocol,
        lb_algorithm=draw(st.sampled_from(ALGORITHMS)),
        session_persistence=draw(st.one_of(st.none(), sticky)),
        **trees._common(draw),
    )
    if draw(st.booleans()):
        kinds = st.sampled_from(["UDP-CONNECT", "SCTP", "TCP", "HTTP"])
        monitor(made, **(trees._monitor(draw) | {"type": draw(kinds)}), **trees._common(draw))
    for address, port in draw(st.lists(st.tuples(reachable, trees.PORTS), max_size=5, unique=True)):
        trees._member(draw, made, address, port)
    return made
