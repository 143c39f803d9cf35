"""What prepare() makes of a host, repairs on it, and refuses with a sentence."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from pyroute2 import IPRoute

from lictor.drivers.compute.base import HostNotReady
from lictor.drivers.compute.netns import host
from lictor.drivers.network.local import BadNetworkConfiguration
from tests.drivers_lab.conftest import Deployment, sh, world


def addresses(bridge: str) -> list[str]:
    words = sh(f"ip -br addr show {bridge}").split()
    return [word for word in words[2:] if not word.startswith("fe80")]


def test_the_host_gets_the_first_address_of_each_network_on_a_bridge(make) -> None:
    deployment = make(local_network__mtu=1400)
    deployment.compute.prepare()
    assert addresses(deployment.names.private_bridge) == ["198.18.0.1/20"]
    assert addresses(deployment.names.management_bridge) == ["198.19.0.1/20"]
    for bridge in (deployment.names.private_bridge, deployment.names.management_bridge):
        assert "mtu 1400 " in sh(f"ip link show {bridge}") and ",UP" in sh(f"ip link show {bridge}")


def test_preparing_again_changes_nothing_and_disturbs_no_amphora(deployment: Deployment) -> None:
    amphora = deployment.create()
    before = sh("ip -o link; ip -o addr; ip route")
    deployment.restart()
    deployment.compute.prepare()
    assert sh("ip -o link; ip -o addr; ip route") == before
    sh(f"ping -c 1 -W 2 {deployment.compute.find(amphora).lb_network_ip}")


@pytest.mark.parametrize(
    "damage",
    [
        "ip link set BRIDGE down",
        "ip addr flush dev BRIDGE",
        "ip addr add 10.1.1.1/24 dev BRIDGE",
        "ip link set BRIDGE mtu 1300",
        "ip link set BRIDGE address 02:00:00:00:00:01",
        "ip link del BRIDGE",
        "ip link del BRIDGE && ip link add BRIDGE type bridge",
    ],
)
def test_a_damaged_bridge_is_repaired(deployment: Deployment, damage: str) -> None:
    bridge = deployment.names.private_bridge
    before = sh(f"ip -o link show {bridge} | cut -d' ' -f3-; ip -br -4 addr show {bridge}")
    sh(damage.replace("BRIDGE", bridge))
    deployment.compute.prepare()
    assert sh(f"ip -o link show {bridge} | cut -d' ' -f3-; ip -br -4 addr show {bridge}") == before


def test_the_bridges_mac_stays_when_ports_come_and_go(deployment: Deployment) -> None:
    def mac() -> str:
        return sh(f"cat /sys/class/net/{deployment.names.management_bridge}/address")

    before = mac()
    amphora = deployment.create()
    assert mac() == before
    deployment.compute.delete(amphora)
    assert mac() == before


def test_iptables_is_kept_out_of_the_bridges(deployment: Deployment) -> None:
    for knob in pathlib.Path("/proc/sys/net/bridge").glob("bridge-nf-call-*"):
        knob.write_text("1")
    deployment.compute.prepare()
    assert {knob.read_text() for knob in pathlib.Path("/proc/sys/net/bridge").glob("bridge-nf-call-*")} <= {"0\n"}


def test_a_link_that_has_the_bridges_name_but_is_none_is_refused(make) -> None:
    deployment = make()
    sh(f"ip link add {deployment.names.private_bridge} type veth peer name other")
    with pytest.raises(HostNotReady, match=f"a link named {deployment.names.private_bridge} that is not a bridge"):
        deployment.compute.prepare()
    sh("ip link del other")


@pytest.mark.parametrize(
    ("setup", "words"),
    [
        ("ip addr add 198.18.7.7/24 dev busy0", "cidr = 198.18.0.0/20 is in use on this host: the interface busy0 has"),
        ("ip addr add 198.19.0.9/32 dev busy0", "management_cidr = 198.19.0.0/20 is in use .* busy0 has 198.19.0.9/32"),
        ("ip addr add 198.16.0.9/12 dev busy0", "cidr = .* is in use .* busy0 has 198.16.0.9/12"),
        ("ip addr add 10.9.9.9 peer 198.18.3.3 dev busy0", "cidr = .* is in use .* busy0 has 198.18.3.3/32"),
        ("ip route add 198.18.0.0/15 dev busy0", "there is a route to 198.18.0.0/15 through busy0; set cidr to a free"),
        ("ip route add blackhole 198.18.1.0/24", "there is a route to 198.18.1.0/24; set cidr to a free range"),
        ("ip route add 198.18.1.0/24 dev busy0 table 77", "there is a route to 198.18.1.0/24 through busy0"),
    ],
)
def test_a_range_the_host_uses_is_refused_and_the_user_of_it_named(make, setup: str, words: str) -> None:
    deployment = make()
    sh(f"ip link add busy0 type veth peer name busy1 && ip link set busy0 up && ip link set busy1 up && {setup}")
    before = world(deployment)
    with pytest.raises(HostNotReady, match=words):
        deployment.compute.prepare()
    assert world(deployment) == before
    sh("ip link del busy0; ip route flush table 77; ip route flush type blackhole")


def test_other_addresses_and_halves_of_a_default_route_do_no_harm(make) -> None:
    deployment = make()
    sh("ip link add busy0 type veth peer name busy1 && ip link set busy0 up && ip link set busy1 up")
    sh("ip addr add 10.5.5.5/24 dev busy0 && ip addr add fd00::5/64 dev busy0 && ip route add 128.0.0.0/1 dev busy0")
    deployment.compute.prepare()
    sh("ip link del busy0")


def test_a_second_deployment_on_the_same_range_is_refused_and_told_who_has_it(deployment: Deployment, make) -> None:
    second = make("second")
    with pytest.raises(HostNotReady, match=f"the interface {deployment.names.private_bridge} has 198.18.0.1/20"):
        second.compute.prepare()


def test_a_range_changed_under_living_ports_is_refused(deployment: Deployment, make) -> None:
    deployment.port("vip")
    changed = make("state", local_network__cidr="10.44.0.0/24")
    with pytest.raises(BadNetworkConfiguration, match="1 port"):
        changed.compute.prepare()


def programs(directory: pathlib.Path, without: str = "", **scripts: str) -> str:
    """A folder with the programs an amphora needs, but for one, or with others of the same name."""
    for name in host.PROGRAMS:
        found = shutil.which(name, path=host.SEARCH_PATH)
        if name != without and name not in scripts:
            (directory / name).symlink_to(found)
    for name, text in scripts.items():
        (directory / name).write_text(f"#!/bin/sh\n{text}\n")
        (directory / name).chmod(0o755)
    return str(directory)


@pytest.mark.parametrize("missing", sorted(host.PROGRAMS))
def test_a_missing_program_is_named_with_its_package(make, tmp_path, monkeypatch, missing: str) -> None:
    monkeypatch.setattr(host, "SEARCH_PATH", programs(tmp_path, without=missing))
    with pytest.raises(HostNotReady, match=f"'{missing}' is missing; .*apt-get install {host.PROGRAMS[missing]}"):
        make().compute.prepare()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'HA-Proxy version 2.2.9-2+deb11u6 2023/12/31'", "HAProxy 2.2 is too old; install 2.6 or newer"),
        ("echo 'HAProxy version 1.8.0'", "HAProxy 1.8 is too old"),
        ("echo what?; exit 1", "says no version but 'what\\?'; install HAProxy 2.6 or newer"),
        ("exit 1", "says no version but 'nothing'"),
        ("kill -9 $$", "says no version"),
    ],
)
def test_an_unfit_haproxy_is_refused(make, tmp_path, monkeypatch, script: str, words: str) -> None:
    monkeypatch.setattr(host, "SEARCH_PATH", programs(tmp_path, haproxy=script))
    with pytest.raises(HostNotReady, match=words):
        make().compute.prepare()


@pytest.mark.parametrize("version", ["2.6.12-1+deb12u1", "2.10.0", "3.0.11-1", "2.9-dev5"])
def test_newer_haproxies_are_fine(make, tmp_path, monkeypatch, version: str) -> None:
    search = f"{programs(tmp_path, haproxy=f'echo HAProxy version {version} 2026/01/01')}:{host.SEARCH_PATH}"
    monkeypatch.setattr(host, "SEARCH_PATH", search)
    make().compute.prepare()


def test_a_kernel_that_refuses_namespaces_is_quoted(make, tmp_path, monkeypatch) -> None:
    refusal = "echo 'unshare: unshare failed: Operation not permitted' >&2; exit 1"
    monkeypatch.setattr(host, "SEARCH_PATH", f"{programs(tmp_path, unshare=refusal)}:{host.SEARCH_PATH}")
    with pytest.raises(HostNotReady, match=r"refuses namespaces .*Operation not permitted.*privileged"):
        make().compute.prepare()


def test_anyone_but_root_is_told_to_become_root() -> None:
    code = "import os; from lictor.drivers.compute.netns import host; os.setuid(65534); host.check('x')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ})
    assert "HostNotReady: Lictor must run as root" in done.stderr


def test_a_link_that_went_while_the_host_was_looked_at_is_named_by_its_number():
    with IPRoute() as ipr:
        assert host._name(ipr, 2**30) == f"number {2**30}"
