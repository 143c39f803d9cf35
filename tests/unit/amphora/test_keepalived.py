"""Two amphorae with the same VIPs: what each is told of the other, and whether keepalived, nft and HAProxy take it."""

import dataclasses
import os
import pathlib
import subprocess

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lictor.agent.errors import Refused
from lictor.agent.keepalived.keeper import section
from lictor.agent.validate import validate
from lictor.amphora import haproxy, keepalived, nftables
from lictor.amphora.emitter import Unsafe
from lictor.amphora.keepalived import Timing
from lictor.amphora.pair import Pair, Peer
from lictor.amphora.state import Wiring, desired_state
from lictor.model import AdditionalVip, Amphora, LoadBalancer, new_id

from . import trees
from .test_nftables import complaints as nft_complaints
from .test_state import SETTINGS, VIP_NIC

LIMITED = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
ONE, TWO = Peer("a1b2", "198.18.0.5"), Peer("c3d4", "198.18.0.6")
PAIR = Pair(own=ONE, other=TWO, role="MASTER")
PAIR6 = Pair(own=Peer("a1b2", "2001:db8::5"), other=Peer("c3d4", "2001:db8::6"), role="BACKUP")


def complaints(text: str, directory: pathlib.Path) -> str:
    """What ``keepalived -t`` says of it, beside the agent's own section, where there is the NIC; empty for nothing."""
    (directory / "keepalived.conf").write_text(text)
    (directory / "main.cfg").write_text(section(directory, directory))
    inside = f"ip link add eth1 type veth peer name eth2 && exec keepalived -t -f {directory}/main.cfg"
    command = ["unshare", "--net" if os.geteuid() == 0 else "-rn", "sh", "-c", inside]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return ran.stderr + ("" if ran.returncode == 0 else f"\nexit {ran.returncode}")


@pytest.fixture
def root() -> LoadBalancer:
    root = trees.load_balancer()
    root.additional_vips = [AdditionalVip(ip_address="2001:db8::10", position=0, subnet_id="x")]
    return root


def test_both_say_who_they_are_and_whom_they_listen_to(root: LoadBalancer) -> None:
    text = keepalived.render(root, PAIR, "eth1", Timing())
    assert (
        text
        == """vrrp_instance lictor {
    state BACKUP
    nopreempt
    interface eth1
    virtual_router_id 1
    priority 250
    advert_int 0.1
    accept
    garp_master_refresh 5
    garp_master_refresh_repeat 2
    unicast_src_ip 198.18.0.5
    unicast_peer {
        198.18.0.6
    }
    virtual_ipaddress {
        198.18.0.10/32 dev eth1
    }
    virtual_ipaddress_excluded {
        2001:db8::10/128 dev eth1
    }
    track_file {
        haproxy
    }
}
"""
    )


def test_what_keepalived_does_not_know_would_be_found_out(tmp_path: pathlib.Path, root: LoadBalancer) -> None:
    text = keepalived.render(root, PAIR, "eth1", Timing())
    assert complaints(text, tmp_path) == ""
    assert "Unknown keyword" in complaints(text.replace("nopreempt", "nopreemption"), tmp_path)


def test_the_backup_waits_a_little_longer_and_one_second_is_a_profile(root: LoadBalancer) -> None:
    text = keepalived.render(root, dataclasses.replace(PAIR, role="BACKUP"), "eth1", Timing(1.0, 60, 1))
    for line in ("priority 240", "advert_int 1", "garp_master_refresh 60", "garp_master_refresh_repeat 1"):
        assert f"    {line}\n" in text


VIPS = st.lists(
    st.one_of(st.ip_addresses(network="198.18.0.0/15"), st.ip_addresses(network="2001:db8::/32")).map(str),
    min_size=1,
    max_size=30,
    unique=True,
)


@LIMITED
@given(vips=VIPS, seconds=st.floats(0.02, 40), tree=trees.trees())
def test_every_tree_gives_what_keepalived_and_nft_take_without_a_word(
    vips: list[str], seconds: float, tree: LoadBalancer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tree.vip_address = vips[0]
    tree.additional_vips = [AdditionalVip(ip_address=vip, position=n, subnet_id="x") for n, vip in enumerate(vips[1:])]
    pair = PAIR6 if ":" in vips[0] else PAIR
    assert complaints(keepalived.render(tree, pair, "eth1", Timing(seconds)), tmp_path_factory.mktemp("vrrp")) == ""
    assert nft_complaints(nftables.render(tree, pair, "eth1")) == ""
    directory = tmp_path_factory.mktemp("haproxy")
    assert trees.complaints(haproxy.render(tree, 100, "", pair).config, directory, trees.files(tree)) == ""


@pytest.mark.parametrize("address", ["198.18.0.6\n}", "x", "198.18.0.6 198.18.0.7", "fe80::1%eth1"])
def test_what_is_no_address_never_becomes_a_line(root: LoadBalancer, address: str) -> None:
    with pytest.raises(Unsafe):
        keepalived.render(root, dataclasses.replace(PAIR, other=Peer("c", address)), "eth1", Timing())


def test_the_other_amphora_alone_may_speak_vrrp_and_to_the_peers_port(root: LoadBalancer) -> None:
    text = nftables.render(root, PAIR, "eth1")
    rules = [line.strip() for line in text.split("\n") if line.endswith((" accept", " drop"))]
    assert rules == [
        'iifname "eth1" ip saddr 198.18.0.6 ip daddr 198.18.0.5 meta l4proto 112 accept',
        'meta l4proto 112 counter name "strange_vrrp" drop',
        'iifname "eth1" ip saddr 198.18.0.6 ip daddr 198.18.0.5 tcp dport 1025 accept',
        'iifname != "lo" ip daddr 198.18.0.5 tcp dport 1025 counter name "strange_peers" drop',
    ]


def test_stick_tables_are_told_to_the_other_amphora(root: LoadBalancer) -> None:
    pool = trees.pool(root, session_persistence={"type": "SOURCE_IP"})
    trees.listener(root, default_pool=pool)
    config = haproxy.render(root, 100, "", PAIR).config
    assert "global\n    localpeer a1b2\n" in config
    assert "peers lictor\n    peer a1b2 198.18.0.5:1025\n    peer c3d4 198.18.0.6:1025\n" in config
    assert "127.0.0.1:1025" in haproxy.render(root, 100).config


def test_in_a_pair_the_vips_are_where_keepalived_has_them(root: LoadBalancer) -> None:
    amphora = Amphora(id=new_id())
    state = desired_state(root, amphora, Wiring((VIP_NIC,)), SETTINGS, 4, (), PAIR)
    validate(state, amphora.id)
    (interface,) = state.interfaces
    assert (interface.addresses, interface.floating) == (["198.18.0.5/20"], ["198.18.0.10/32", "2001:db8::10/128"])
    assert "vrrp_instance" in state.keepalived


@pytest.mark.parametrize("line", ["    notify /bin/sh", "include /etc/passwd", "    state $(id)", "vrrp_script x {"])
def test_an_agent_takes_nothing_that_could_run_a_program(root: LoadBalancer, line: str) -> None:
    amphora = Amphora(id=new_id())
    state = desired_state(root, amphora, Wiring((VIP_NIC,)), SETTINGS, 4, (), PAIR)
    with pytest.raises(Refused, match="keepalived"):
        validate(msgspec.structs.replace(state, keepalived=f"{state.keepalived}{line}\n"), amphora.id)
