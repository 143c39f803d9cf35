"""Loaded by nova-compute (``lictor_lab_compute``): a hypervisor whose machines are namespaces of this host.

All but the processor's emulation is as on any other: a server gets the NICs that Neutron gave it, on a bridge for each
network, and the config drive that Nova wrote for it; NICs come and go while it runs. What an image "contains" is the
function of its name in ``tests/lab/cloud/machines.py``. This host is the router of every subnet, as Neutron's L3 agent
would be, as far as addresses of several networks do not collide. Security groups and address pairs are not enforced.
"""

import ipaddress
import json
import os
import pathlib
import subprocess

from nova.api.metadata import base as metadata
from nova.virt import fake
from oslo_concurrency import lockutils, processutils
from oslo_config import cfg

MACHINE = pathlib.Path(__file__).parents[1] / "machine"


class Namespaces(fake.FakeDriver):
    """Nova's fake driver, but servers run."""

    def __init__(self, *words, **more):
        super().__init__(*words, **more)
        self._top = pathlib.Path(cfg.CONF.state_path) / "machines"
        self._machines = {}

    def init_host(self, host):
        """Be a router."""
        super().init_host(host)
        for knob in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            pathlib.Path("/proc/sys/net", knob).write_text("1")

    def spawn(self, context, instance, image_meta, injected_files, admin_password, allocations, network_info=None, **_):
        """Boot it."""
        super().spawn(context, instance, image_meta, injected_files, admin_password, allocations, network_info)
        machine = Machine(instance.uuid, self._top / instance.uuid)
        self._machines[instance.uuid] = machine
        machine.prepare(instance, injected_files, network_info)
        for vif in network_info or ():
            machine.plug(vif)
        machine.start(image_meta.name)

    def destroy(self, context, instance, network_info, *words, **more):
        """Switch it off for good."""
        super().destroy(context, instance, network_info, *words, **more)
        machine = self._machines.pop(instance.uuid, None)
        if machine:
            for port_id in machine.nics:
                self._interfaces.pop(port_id, None)
            machine.end()

    def attach_interface(self, context, instance, image_meta, vif):
        """Plug a NIC."""
        super().attach_interface(context, instance, image_meta, vif)
        self._machines[instance.uuid].plug(vif)

    def detach_interface(self, context, instance, vif):
        """Unplug it."""
        super().detach_interface(context, instance, vif)
        self._machines[instance.uuid].unplug(vif["id"])

    def get_console_output(self, context, instance):
        """What it has printed."""
        return (self._top / instance.uuid / "console.log").read_bytes()


class Machine:
    """One server. ``nics`` are the bridges that its ports are on, by the port's id."""

    def __init__(self, name, directory):
        self.nics = {}
        self._name, self._directory, self._process, self._count = name, directory, None, 0

    def prepare(self, instance, injected_files, network_info):
        """Write the config drive, and what a DHCP server would say; make the network namespace."""
        self._directory.mkdir(parents=True)
        told = metadata.InstanceMetadata(instance, content=injected_files, network_info=network_info)
        for place, content in told.metadata_for_config_drive():
            file = self._directory / "drive" / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        (self._directory / "leases.json").write_text(json.dumps([_lease(vif) for vif in network_info or ()]))
        processutils.execute("ip", "netns", "add", self._name)

    def plug(self, vif):
        """Give it a NIC on the bridge of the port's network."""
        nic, bridge = f"eth{self._count}", _bridge(vif)
        self._count += 1
        _ip(
            f"link add {vif['devname']} master {bridge} mtu {_mtu(vif)} up type veth"
            f" peer {nic} address {vif['address']} mtu {_mtu(vif)} netns {self._name}"
        )
        self.nics[vif["id"]] = (bridge, vif["devname"])

    def unplug(self, port_id):
        """Take the NIC away, in whichever namespace it is by now."""
        bridge, device = self.nics.pop(port_id)
        # It is gone already if the machine's inner namespace has ended, with the other end in it.
        processutils.execute("ip", "link", "del", device, check_exit_code=False)
        _remove_if_empty(bridge)

    def start(self, image):
        """Let it run."""
        unshare = "unshare --mount --propagation slave --uts --ipc --pid --fork --kill-child=SIGKILL --mount-proc"
        command = ["nsenter", f"--net=/run/netns/{self._name}", *unshare.split(), str(MACHINE)]
        with (self._directory / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                [*command, image, str(self._directory)],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True, cwd="/",
                env={"PATH": os.environ["PATH"], "PYTHONPATH": os.environ["LICTOR_LAB_PYTHONPATH"],
                     "PYTHON": os.environ["LICTOR_LAB_PYTHON"], "LANG": "C.UTF-8"},
            )  # fmt: skip

    def end(self):
        """Nothing of it is left on return but its console log."""
        for port_id in list(self.nics):
            self.unplug(port_id)
        if self._process:
            self._process.kill()
            self._process.wait()
        processutils.execute("ip", "netns", "del", self._name)


def _lease(vif):
    """What a DHCP server would say on this NIC: of IPv4, as that is all that CirrOS asks about."""
    subnets = [each for each in vif["network"]["subnets"] if each["version"] == 4]
    return {
        "mac": vif["address"],
        "addresses": [f"{ip['address']}/{_prefix(each)}" for each in subnets for ip in each["ips"]],
        "gateway": next((each["gateway"]["address"] for each in subnets if each["gateway"]["address"]), ""),
    }


def _prefix(subnet):
    return subnet["cidr"].partition("/")[2]


def _mtu(vif):
    return vif["network"].get_meta("mtu") or 1500


def _ip(*lines):
    processutils.execute("ip", "-batch", "-", process_input="".join(f"{line}\n" for line in lines))


# --- bridges ---

_gateways = {}
"""The bridges by the addresses that this host has there as a router: each address once."""

_ONE_AT_A_TIME = lockutils.synchronized("lictor_lab_bridges")


@_ONE_AT_A_TIME
def _bridge(vif):
    """The bridge of a port's network, made if it is missing."""
    name = f"br{vif['network']['id'][:11]}"
    lines = []
    if not pathlib.Path("/sys/class/net", name).exists():
        # With an address of its own: else it takes that of a NIC, and another one when that goes.
        mac = bytes.fromhex("02" + vif["network"]["id"].replace("-", "")[:10]).hex(":")
        lines.append(f"link add {name} address {mac} up type bridge")
    for subnet in vif["network"]["subnets"]:
        gateway = subnet["gateway"]["address"]
        if gateway and gateway not in _gateways:
            _gateways[gateway] = name
            lines += [f"addr add {each} dev {name}" for each in _as_router(gateway, subnet["cidr"])]
    if lines:
        _ip(*lines)
    return name


def _as_router(gateway, cidr):
    """The addresses of this host as a subnet's router."""
    network = ipaddress.ip_network(cidr)
    if network.version == 4:
        return [f"{gateway}/{network.prefixlen}"]
    # Neutron's default is the subnet's anycast address of all routers (RFC 4291, 2.6.1). Nobody speaks from that.
    own = f"{network[-2]}/{network.prefixlen} nodad"
    return [f"{gateway}/{network.prefixlen} nodad preferred_lft 0", own]


@_ONE_AT_A_TIME
def _remove_if_empty(bridge):
    if not any(pathlib.Path("/sys/class/net", bridge, "brif").iterdir()):
        _ip(f"link del {bridge}")
        for gateway in [each for each, place in _gateways.items() if place == bridge]:
            del _gateways[gateway]
