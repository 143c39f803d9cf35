"""The management NIC of an instance, set up as its config drive says."""

import json
import subprocess

import pytest

from lictor import wire
from lictor.agent import firstboot

MAC = "fa:16:3e:00:02:01"


@pytest.fixture
def nic():
    add = ["ip", "link", "add", "boot0", "address", MAC, "type", "veth", "peer", "name", "boot1"]
    subprocess.run(add, check=True)
    subprocess.run(["ip", "link", "set", "boot1", "up"], check=True)
    yield "boot0"
    subprocess.run(["ip", "link", "del", "boot0"], check=True)


def drive(*nics):
    steps = wire.FirstSteps(amphora_id="a", certificate="", private_key="", client_ca="")
    return firstboot.Drive(steps=steps, nics=list(nics))


def ip(*words):
    return json.loads(subprocess.run(["ip", "-json", *words], capture_output=True, text=True, check=True).stdout)


def test_the_nic_with_the_mac_address_gets_addresses_mtu_and_routes_and_once_more_changes_nothing(nic):
    told = wire.Interface(
        name="eth0", mac=MAC.upper(), mtu=1400, addresses=["198.18.2.5/24", "fd00:c612:2::5/64"],
        routes=[wire.Route(destination="198.18.9.0/24", gateway="198.18.2.1")],
    )  # fmt: skip
    for _ in range(2):
        assert firstboot.listen(drive(told)) == "198.18.2.5"
        (link,) = ip("addr", "show", "dev", nic)
        addresses = {f"{each['local']}/{each['prefixlen']}" for each in link["addr_info"] if each["scope"] == "global"}
        assert addresses == {"198.18.2.5/24", "fd00:c612:2::5/64"}
        assert (link["mtu"], "UP" in link["flags"]) == (1400, True)
        (route,) = ip("route", "show", "198.18.9.0/24")
        assert (route["gateway"], route["dev"]) == ("198.18.2.1", nic)


def test_an_mtu_that_the_nic_cannot_have_keeps_nobody_from_booting(nic):
    told = wire.Interface(name="eth0", mac=MAC, mtu=100_000, addresses=["198.18.2.5/24"])
    for _ in range(2):
        firstboot.listen(drive(told))
        (link,) = ip("-details", "link", "show", "dev", nic)
        assert link["mtu"] == link["max_mtu"] == 65535


def test_a_nic_that_never_comes_is_named(monkeypatch):
    monkeypatch.setattr(firstboot, "PATIENCE", 0.1)
    told = wire.Interface(name="eth0", mac="fa:16:3e:ff:ff:ff", addresses=["198.18.2.5/24"])
    with pytest.raises(firstboot.Untold, match="has no NIC fa:16:3e:ff:ff:ff"):
        firstboot.listen(drive(told))


def test_what_ip_refuses_is_told_in_its_own_words(nic):
    told = wire.Interface(
        name="eth0", mac=MAC, addresses=["198.18.2.5/24"],
        routes=[wire.Route(destination="198.18.9.0/24", gateway="203.0.113.1")],
    )  # fmt: skip
    with pytest.raises(firstboot.Untold, match=r"^ip -batch -: Error: .*(invalid gateway|unreachable)"):
        firstboot.listen(drive(told))
