"""Who is let in: the ruleset that an amphora's inner namespace gets, as text and as nft reads it."""

import copy
import os
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lictor.amphora import nftables
from lictor.model import AdditionalVip, LoadBalancer

from . import trees

LIMITED = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def complaints(text: str) -> str:
    """What ``nft -c`` says, in a namespace of its own; empty when it is content."""
    command = ["unshare", "--net" if os.geteuid() == 0 else "-rn", "nft", "-c", "-f", "-"]
    ran = subprocess.run(command, input=text, capture_output=True, text=True, timeout=20, check=False)
    return ran.stderr + ("" if ran.returncode == 0 else f"\nexit {ran.returncode}")


@pytest.fixture
def root() -> LoadBalancer:
    return trees.load_balancer(vip_address="192.0.2.10")


def rules(root: LoadBalancer) -> list[str]:
    return [line.strip() for line in nftables.render(root).split("\n") if line.endswith(" drop")]


def test_where_everybody_may_in_there_is_no_ruleset(root: LoadBalancer) -> None:
    trees.listener(root)
    trees.listener(root, protocol_port=81, allowed_cidrs=[])
    assert nftables.render(root) == ""


def test_whoever_is_not_allowed_is_dropped_and_counted(root: LoadBalancer) -> None:
    listener = trees.listener(root, allowed_cidrs=["198.51.100.0/24", "203.0.113.7/32"])
    counter = f"refused_{listener.id.replace('-', '')}"
    assert f"counter {counter} {{ }}" in nftables.render(root)
    allowed = "{ 198.51.100.0/24, 203.0.113.7/32 }"
    assert rules(root) == [
        f'ip daddr {{ 192.0.2.10 }} tcp dport 80 ip saddr != {allowed} counter name "{counter}" drop'
    ]


@pytest.mark.parametrize(("protocol", "word"), [("UDP", "udp"), ("SCTP", "sctp"), ("HTTPS", "tcp")])
def test_the_filter_is_of_the_listeners_transport(root: LoadBalancer, protocol: str, word: str) -> None:
    trees.listener(root, protocol=protocol, protocol_port=53, allowed_cidrs=["198.51.100.0/24"])
    assert f" {word} dport 53 " in rules(root)[0]
    assert complaints(nftables.render(root)) == ""


def test_an_ip_version_of_which_nobody_is_allowed_is_closed(root: LoadBalancer) -> None:
    root.additional_vips = [AdditionalVip(ip_address="2001:db8::10", subnet_id="x")]
    trees.listener(root, allowed_cidrs=["198.51.100.0/24"])
    four, six = rules(root)
    assert "ip saddr != { 198.51.100.0/24 }" in four
    assert six.startswith("ip6 daddr { 2001:db8::10 } tcp dport 80 counter ")


def test_an_ip_version_of_which_everybody_is_allowed_is_open(root: LoadBalancer) -> None:
    listener = trees.listener(root, allowed_cidrs=["0.0.0.0/0", "198.51.100.0/24"])
    assert rules(root) == []
    listener.allowed_cidrs = ["0.0.0.0/1", "128.0.0.0/1"]
    assert rules(root) == []


def test_a_listener_switched_off_and_one_that_goes_have_no_rules(root: LoadBalancer) -> None:
    trees.listener(root, allowed_cidrs=["198.51.100.0/24"], admin_state_up=False)
    trees.listener(root, protocol_port=81, allowed_cidrs=["198.51.100.0/24"], provisioning_status="PENDING_DELETE")
    assert nftables.render(root) == ""


@LIMITED
@given(tree=trees.trees())
def test_nft_accepts_every_tree(tree: LoadBalancer) -> None:
    assert complaints(nftables.render(tree)) == ""


@LIMITED
@given(tree=trees.trees(), data=st.data())
def test_the_order_in_which_rows_were_read_does_not_show(tree: LoadBalancer, data: st.DataObject) -> None:
    before = copy.copy(nftables.render(tree))
    tree.listeners = data.draw(st.permutations(tree.listeners))
    assert nftables.render(tree) == before
