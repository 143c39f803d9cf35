"""What an instance makes of its config drive."""

import base64
import ipaddress
import json
import pathlib
import tempfile

import msgspec
import pytest

from lictor import wire
from lictor.agent import firstboot, settings
from lictor.amphora.pki import Authority

ID = "00000000-0000-4000-8000-000000000001"
MAC = "fa:16:3e:00:00:01"
STEPS = wire.FirstSteps(amphora_id=ID, certificate="CERT", private_key="KEY", client_ca="CA")
LINK = {"id": "tap1", "vif_id": "p1", "type": "ovs", "mtu": 1450, "ethernet_mac_address": MAC.upper()}
IPV4 = {
    "id": "network0", "type": "ipv4", "link": "tap1", "ip_address": "192.0.2.5", "netmask": "255.255.255.0",
    "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "192.0.2.1"}], "network_id": "n",
}  # fmt: skip
IPV6 = {
    "id": "network1", "type": "ipv6", "link": "tap1", "ip_address": "2001:db8::5",
    "netmask": "ffff:ffff:ffff:ffff::", "routes": [], "network_id": "n",
}  # fmt: skip


def drive(top, steps=STEPS, network=None, meta=None):
    folder = top / "openstack" / "latest"
    folder.mkdir(parents=True)
    (folder / "user_data").write_bytes(steps if isinstance(steps, bytes) else msgspec.json.encode(steps))
    network = {"links": [LINK], "networks": [IPV4, IPV6]} if network is None else network
    (folder / "network_data.json").write_text(json.dumps(network))
    (folder / "meta_data.json").write_text(json.dumps(meta or {"hostname": "amphora-1.novalocal"}))
    return top


def test_addresses_routes_and_mtu_are_those_of_novas_network_data(tmp_path):
    (nic,) = firstboot.read(drive(tmp_path)).nics
    assert nic == wire.Interface(
        name="eth0",
        mac=MAC,
        mtu=1450,
        addresses=["192.0.2.5/24", "2001:db8::5/64"],
        routes=[wire.Route(destination="0.0.0.0/0", gateway="192.0.2.1")],
    )
    assert firstboot.commands(nic, "eth0").splitlines() == [
        "link set dev eth0 mtu 1450 up",
        "addr replace 192.0.2.5/24 dev eth0",
        "addr replace 2001:db8::5/64 dev eth0 nodad",
        "route replace 0.0.0.0/0 via 192.0.2.1 dev eth0",
    ]


def test_where_nova_names_no_mtu_the_device_keeps_its_own(tmp_path):
    """Nova does so on networks with DHCP; a device refuses more than its hypervisor gave it."""
    (nic,) = firstboot.read(drive(tmp_path, network={"links": [LINK | {"mtu": None}], "networks": [IPV4]})).nics
    assert firstboot.commands(nic, "eth0").splitlines()[0] == "link set dev eth0 up"


def test_what_the_control_plane_says_of_the_management_nic_comes_before_what_nova_says(tmp_path):
    told = wire.Interface(name="eth0", mac=MAC, addresses=["198.51.100.7/24"])
    found = firstboot.read(drive(tmp_path, msgspec.structs.replace(STEPS, management=told)))
    assert found.nics == [told]


def test_nics_that_are_for_load_balancers_are_left_alone(tmp_path):
    other = "fa:16:3e:00:00:02"
    links = [LINK, {**LINK, "id": "tap2", "ethernet_mac_address": other}]
    network = {"links": links, "networks": [IPV4, {**IPV4, "link": "tap2", "ip_address": "198.51.100.9"}]}
    assert [nic.mac for nic in firstboot.read(drive(tmp_path / "one", network=network)).nics] == [MAC]
    both = msgspec.structs.replace(STEPS, boot_nics=2)
    assert [nic.mac for nic in firstboot.read(drive(tmp_path / "two", both, network)).nics] == [MAC, other]


def test_further_networks_of_the_operators_are_set_up_beside_the_nic_that_is_told(tmp_path):
    links = [LINK] + [{**LINK, "id": f"tap{n}", "ethernet_mac_address": f"fa:16:3e:00:00:0{n}"} for n in (2, 3)]
    networks = [{**IPV4, "link": f"tap{n}", "ip_address": f"198.51.100.{n}"} for n in (1, 2, 3)]
    told = wire.Interface(name="eth0", mac=MAC, addresses=["198.51.100.7/24"])
    steps = msgspec.structs.replace(STEPS, management=told, boot_nics=2)
    found = firstboot.read(drive(tmp_path, steps, {"links": links, "networks": networks}))
    assert [(nic.mac, nic.addresses) for nic in found.nics] == [
        (MAC, ["198.51.100.7/24"]), ("fa:16:3e:00:00:02", ["198.51.100.2/24"]),
    ]  # fmt: skip


def test_a_network_with_dhcp_has_no_addresses_yet(tmp_path):
    dhcp = {"id": "network0", "type": "ipv4_dhcp", "link": "tap1", "network_id": "n"}
    (nic,) = firstboot.read(drive(tmp_path, network={"links": [LINK], "networks": [dhcp]})).nics
    assert (nic.addresses, nic.routes) == ([], [])


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (b"#cloud-config\n", "user_data is no FirstSteps document"),
        (b'{"amphora_id": "x"}', "missing required field `certificate`"),
        (msgspec.json.encode(msgspec.structs.replace(STEPS, version=99)), "version 99, this image's agent 1"),
    ],
)
def test_user_data_that_is_something_else_is_named(tmp_path, steps, words):
    with pytest.raises(firstboot.Untold, match=words):
        firstboot.read(drive(tmp_path, steps))


def test_a_drive_without_user_data_says_what_to_do(tmp_path):
    (drive(tmp_path) / "openstack" / "latest" / "user_data").unlink()
    with pytest.raises(firstboot.Untold, match="boot the instance with a FirstSteps document"):
        firstboot.read(tmp_path)


@pytest.mark.parametrize(
    "network",
    [
        {"links": [], "networks": [IPV4]},
        {"links": [LINK], "networks": [{**IPV4, "ip_address": "nowhere"}]},
        {"links": [LINK], "networks": [{**IPV4, "netmask": None}]},
        {"links": 5},
        {"links": [LINK], "networks": ["x"]},
    ],
)
def test_network_data_that_is_not_novas_is_refused_in_one_sentence(tmp_path, network):
    with pytest.raises(firstboot.Untold, match=r"network_data\.json is not as Nova writes it"):
        firstboot.read(drive(tmp_path, network=network))


def test_an_instance_without_a_network_says_so(tmp_path):
    with pytest.raises(firstboot.Untold, match="describes no network"):
        firstboot.listen(firstboot.read(drive(tmp_path, network={})))


@pytest.fixture
def short():
    """A directory with a short name: the agent refuses those in which no socket could be bound."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield pathlib.Path(name)


def test_the_agent_can_read_what_is_written_and_nobody_else(tmp_path, short):
    home = short / "lictor" / "boot"
    found = firstboot.read(drive(tmp_path / "drive", meta={"public_keys": {"operator": "ssh-ed25519 AAAA me\n"}}))
    firstboot.settle(found, "192.0.2.5", home)
    told = settings.load(str(home / firstboot.CONFIGURATION))
    assert (told.amphora_id, told.bind_address, told.bind_port) == (ID, "192.0.2.5", wire.AGENT_PORT)
    assert told.home == short / "lictor" / "agent"
    assert (home / "private_key.pem").read_text() == "KEY"
    assert (home / "authorized_keys").read_text() == "ssh-ed25519 AAAA me\n"
    assert home.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in home.iterdir()} == {0o600}


def test_settling_twice_leaves_the_same(tmp_path):
    found = firstboot.read(drive(tmp_path / "drive"))
    firstboot.settle(found, "192.0.2.5", tmp_path / "boot")
    before = {file.name: file.read_bytes() for file in (tmp_path / "boot").iterdir()}
    firstboot.settle(found, "192.0.2.5", tmp_path / "boot")
    assert {file.name: file.read_bytes() for file in (tmp_path / "boot").iterdir()} == before


def test_no_key_is_printed_with_the_first_steps():
    assert "KEY" not in repr(STEPS)


def test_prefixes_are_counted_from_netmasks():
    for prefix in range(129):
        mask = ipaddress.ip_network(f"::/{prefix}").netmask
        assert firstboot._cidr("2001:db8::1", str(mask)) == f"2001:db8::1/{prefix}"


def test_the_first_steps_with_two_authorities_fit_into_novas_user_data(tmp_path):
    authority = Authority.open(tmp_path / "ca")
    papers = authority.issue_server(ID, 3600)
    steps = wire.FirstSteps(
        amphora_id=ID, certificate=papers.certificate, private_key=papers.private_key, client_ca=2 * authority.ca_pem,
        management=wire.Interface(name="eth0", mac=MAC, addresses=["192.0.2.5/24"]),
    )  # fmt: skip
    assert len(base64.b64encode(msgspec.json.encode(steps))) < 65535 / 4


@pytest.mark.parametrize(
    ("listed", "device"),
    [
        ('/dev/vda2: LABEL="lictor-root"\n/dev/sr0: LABEL="config-2"\n', "/dev/sr0"),
        ('/dev/vdb: LABEL="CONFIG-2"\n', "/dev/vdb"),
        ('/dev/vdb: LABEL="config-20"\n/dev/vda1:\n', ""),
        ("", ""),
    ],
)
def test_the_drive_is_the_one_with_the_label(listed, device):
    assert firstboot.labelled(listed) == device


def test_what_does_not_show_up_is_looked_for_once_by_other_means(monkeypatch, tmp_path):
    monkeypatch.setattr(firstboot, "PATIENCE", 0.3)
    monkeypatch.setattr(firstboot, "_USUAL", 0.1)
    marks = tmp_path / "marks"
    looks = list(firstboot._looks(("sh", "-c", f"echo x >>{marks}")))
    assert marks.read_text() == "x\n"
    assert len(looks) > 3
    assert looks == sorted(looks)
