"""``python -m lictor.agent.firstboot``: an instance learns from its config drive who it is, then its agent runs.

A config drive (Nova's documentation, "Config drives") is a small disk or CD labelled ``config-2``. On it are
``user_data``, which for us is a ``wire.FirstSteps``, ``network_data.json`` and ``meta_data.json``. What we read goes to
``/run``, a tmpfs: no key touches the instance's disk. A second start finds it there and goes straight to the agent.
"""

import contextlib
import importlib
import ipaddress
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from lictor import wire
from lictor.agent.settings import Settings

HOME = pathlib.Path("/run/lictor/boot")
"""Where the agent's configuration and papers go. The agent itself works in ``agent`` beside it."""

CONFIGURATION = "agent.json"
"""Written last: when it is there, everything is."""

LABELS = ("config-2", "CONFIG-2")
"""The second is what some tools make of it on a VFAT disk."""

MODULES = ("virtio_net", "virtio_scsi", "sr_mod", "isofs")
"""What an instance nearly always has: NIC, CD, its file system. Loaded here, so that we need not wait for udev."""

MORE = ("ata_piix", "ahci", "sd_mod", "usb_storage", "vfat")
"""What else a config drive may come with. Loaded when it does not come otherwise: looking at them all costs time."""

PATIENCE = 60.0
"""Seconds that drive and NIC are waited for: the kernel finds hardware while we already run."""

_STEP = 0.02

_USUAL = 0.5
"""Seconds after which hardware that has not shown up is looked for by other means."""


class Untold(Exception):
    """The instance cannot learn what to be. The message is one sentence for whoever reads its console log."""


class Drive(msgspec.Struct, kw_only=True):
    """What stood on the config drive: the first steps, the NICs it describes, and Nova's words about the instance."""

    steps: wire.FirstSteps
    nics: list[wire.Interface] = []
    hostname: str = ""
    ssh_keys: list[str] = []


def main() -> None:
    """Prepare once, then be the agent. Exits with 1 and a sentence when the drive says nothing of use."""
    file = HOME / CONFIGURATION
    try:
        if not file.exists():
            prepare()
    except (Untold, OSError) as error:
        sys.exit(f"lictor-firstboot: {error}")
    sys.argv[1:] = ["--config", str(file)]
    # In this process: a second interpreter would cost the boot another start.
    from lictor.agent import main as agent

    agent.main()


def prepare() -> None:
    """Read the drive, set up the NIC, and write what the agent reads. Raises ``Untold`` and ``OSError``."""
    with _begin("modprobe", "--all", "--quiet", *MODULES):
        # The kernel finds hardware meanwhile; what is imported here is what ``main`` goes on with.
        importlib.import_module("lictor.agent.main")
    with mounted(_await_drive()) as top:
        drive = read(top)
    say(f"this is amphora {drive.steps.amphora_id}")
    if drive.hostname:
        with contextlib.suppress(OSError):
            socket.sethostname(drive.hostname.partition(".")[0])
    pathlib.Path("/run/netns").mkdir(parents=True, exist_ok=True)
    settle(drive, listen(drive), HOME)


def say(sentence: str) -> None:
    """Write one line for the console, with the seconds since the kernel's start."""
    print(f"lictor-firstboot: {time.clock_gettime(time.CLOCK_BOOTTIME):.2f} s: {sentence}", file=sys.stderr, flush=True)


# --- the drive ---------------------------------------------------------------------------------------------------


def _await_drive() -> str:
    looked_at, again = set[str](), 0.0
    for waited in _looks(otherwise=("modprobe", "--all", "--quiet", *MORE)):
        devices = _block_devices()
        # Whoever was there already is asked once a second: a medium may take longer than its drive.
        if devices != looked_at or waited > again:
            looked_at, again = devices, waited + 1.0
            if device := labelled(_quietly("blkid", "-c", "/dev/null", "-s", "LABEL", *sorted(devices))):
                return device
    raise Untold(
        f"no drive labelled {LABELS[0]} was found within {PATIENCE:.0f} s: boot the instance with a config drive, and "
        "on machine type q35 from an image with the properties hw_cdrom_bus=scsi and hw_scsi_model=virtio-scsi"
    )


def _looks(otherwise: tuple[str, ...]) -> Iterator[float]:
    """The seconds that went by, at every look that is due; ``otherwise`` is run when the usual time is over."""
    start = time.monotonic()
    while (waited := time.monotonic() - start) < PATIENCE:
        yield waited
        time.sleep(_STEP)
        if otherwise and waited > _USUAL:
            _quietly(*otherwise)
            otherwise = ()


def _block_devices() -> set[str]:
    ours = ("loop", "ram", "dm-", "zram")
    return {f"/dev/{name}" for name in os.listdir("/sys/class/block") if not name.startswith(ours)}  # noqa: PTH208


def labelled(listed: str) -> str:
    """The device with one of the labels, of those that blkid has listed; empty if there is none."""
    for line in listed.splitlines():
        device, _, tags = line.partition(":")
        if any(f'LABEL="{label}"' in tags.split() for label in LABELS):
            return device
    return ""


@contextlib.contextmanager
def mounted(device: str) -> Iterator[pathlib.Path]:
    """The directory in which the drive is mounted, read-only, and only for as long as it is read."""
    place = HOME.parent / "drive"
    HOME.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    place.mkdir(mode=0o700, exist_ok=True)
    _run("mount", "-t", "iso9660,vfat", "-o", "ro,nosuid,nodev,noexec", device, str(place))
    try:
        yield place
    finally:
        _run("umount", str(place))
        place.rmdir()


def read(top: pathlib.Path) -> Drive:
    """What the drive mounted at ``top`` says. Raises ``Untold`` with the file and what is wrong in it."""
    folder = top / "openstack" / "latest"
    steps = _first_steps(folder / "user_data")
    meta = _json(folder / "meta_data.json")
    keys = meta.get("public_keys") or {}
    return Drive(
        steps=steps,
        nics=_nics(steps, folder / "network_data.json"),
        hostname=str(meta.get("hostname") or ""),
        ssh_keys=[str(key).strip() for key in keys.values()] if isinstance(keys, dict) else [],
    )


def _first_steps(file: pathlib.Path) -> wire.FirstSteps:
    try:
        steps = msgspec.json.decode(file.read_bytes(), type=wire.FirstSteps)
    except FileNotFoundError:
        raise Untold("the config drive has no user_data: boot the instance with a FirstSteps document there") from None
    except (ValueError, msgspec.DecodeError) as error:
        raise Untold(f"the config drive's user_data is no FirstSteps document: {error}") from None
    if steps.version != wire.VERSION:
        raise Untold(f"the config drive's user_data has version {steps.version}, this image's agent {wire.VERSION}")
    return steps


def _json(file: pathlib.Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise Untold(f"the config drive's {file.name} is no JSON: {error}") from None
    return found if isinstance(found, dict) else {}


# --- NICs --------------------------------------------------------------------------------------------------------


def _nics(steps: wire.FirstSteps, file: pathlib.Path) -> list[wire.Interface]:
    """Those of the control plane's networks. What it says of the management NIC comes before what Nova says."""
    told = steps.management
    if told and steps.boot_nics == 1:
        return [told]
    found = nics(_json(file))[: steps.boot_nics]
    return [told, *(nic for nic in found if nic.mac != told.mac.lower())] if told else found


def nics(network_data: dict[str, Any]) -> list[wire.Interface]:
    """The NICs that Nova describes, the management NIC first; one without addresses is to ask for them by DHCP.

    Raises ``Untold`` if something is not as Nova writes it.
    """
    found: dict[str, wire.Interface] = {}
    try:
        links = {link["id"]: link for link in network_data.get("links", [])}
        for network in network_data.get("networks", []):
            link = links[network["link"]]
            mac = link["ethernet_mac_address"].lower()
            nic = found.get(mac) or wire.Interface(name=f"eth{len(found)}", mac=mac, mtu=link.get("mtu") or 0)
            found[mac] = _with_addresses(nic, network)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Untold(f"the config drive's network_data.json is not as Nova writes it: {error!r}") from None
    return list(found.values())


def _with_addresses(nic: wire.Interface, network: dict[str, Any]) -> wire.Interface:
    if network["type"] not in ("ipv4", "ipv6"):
        return nic  # ipv4_dhcp and the like
    routes = [
        wire.Route(destination=_cidr(route["network"], route["netmask"]), gateway=route.get("gateway") or "")
        for route in network.get("routes", [])
    ]
    address = _cidr(network["ip_address"], network["netmask"])
    return msgspec.structs.replace(nic, addresses=[*nic.addresses, address], routes=[*nic.routes, *routes])


def _cidr(address: str, netmask: str) -> str:
    """``ip/prefix`` of Nova's address and netmask, which it writes as an address for IPv6 too."""
    if "/" in address:
        return address
    return f"{ipaddress.ip_address(address)}/{int(ipaddress.ip_address(netmask)).bit_count()}"


def listen(drive: Drive) -> str:
    """Set up the NICs and return the address at which the agent listens. Raises ``Untold``."""
    if not drive.nics:
        raise Untold("the config drive describes no network: give the instance a NIC on the management network")
    address = ""
    for nic in drive.nics:
        device = _await_nic(nic.mac)
        _run("ip", "-batch", "-", text=commands(_possible(nic, device), device))
        address = address or (nic.addresses or _leased(device))[0]
    say(f"the agent listens on {address}")
    return address.partition("/")[0]


def _possible(nic: wire.Interface, device: str) -> wire.Interface:
    """The same with an MTU that the device can have, as the agent does for NICs that come later."""
    (link,) = json.loads(_run("ip", "-json", "-details", "link", "show", "dev", device))
    return msgspec.structs.replace(nic, mtu=min(nic.mtu, link.get("max_mtu") or nic.mtu))


def commands(nic: wire.Interface, device: str) -> str:
    """What ``ip -batch`` is to do for this NIC; doing it again changes nothing."""
    # Where Nova names none, the device has the right one from its hypervisor, and may refuse a greater.
    mtu = f" mtu {nic.mtu}" if nic.mtu else ""
    lines = [f"link set dev {device}{mtu} up"]
    # An address must serve at once; the network's owner sees to it that it is there once.
    lines += [f"addr replace {each} dev {device}{' nodad' if ':' in each else ''}" for each in nic.addresses]
    for route in nic.routes:
        via = f" via {route.gateway}" if route.gateway else ""
        lines.append(f"route replace {route.destination}{via} dev {device}")
    return "".join(f"{line}\n" for line in lines)


def _await_nic(mac: str) -> str:
    # NICs of other kinds than the usual one (a device of the host's, say) get their drivers from udev.
    for _ in _looks(otherwise=("udevadm", "trigger", "--action=add", "--subsystem-match=pci")):
        if name := device_of(mac):
            return name
    raise Untold(f"the instance has no NIC {mac}, which its config drive describes")


def device_of(mac: str) -> str:
    """The name of the interface with this MAC address; empty if there is none (yet)."""
    for place in pathlib.Path("/sys/class/net").iterdir():
        with contextlib.suppress(OSError):
            if (place / "address").read_text().strip() == mac.lower():
                return place.name
    return ""


def _leased(device: str) -> list[str]:
    """Ask for addresses. The lease is not kept up: a cloud's port keeps its address for as long as it is there."""
    _run(*_dhcp_client(device))
    (link,) = json.loads(_run("ip", "-json", "-4", "addr", "show", "dev", device))
    found = [f"{each['local']}/{each['prefixlen']}" for each in link.get("addr_info", [])]
    if not found:
        raise Untold(f"the DHCP server of {device}'s network gave no address")
    return found


def _dhcp_client(device: str) -> list[str]:
    """The call of whichever client the image has: busybox' is in Debian and Ubuntu, ISC's in those with RPM."""
    if shutil.which("udhcpc"):
        return ["udhcpc", "-i", device, "-f", "-n", "-q", "-t", "20", "-T", "1", "-s", "/etc/udhcpc/lictor.script"]
    return ["dhclient", "-4", "-1", "-q", "-lf", "/run/dhclient.leases", "-pf", "/run/dhclient.pid", device]


# --- what the agent reads ----------------------------------------------------------------------------------------


def settle(drive: Drive, address: str, home: pathlib.Path) -> None:
    """Write papers and configuration, so that a death on any line leaves a start that begins anew."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    steps = drive.steps
    papers = {
        "certificate.pem": steps.certificate,
        "private_key.pem": steps.private_key,
        "client_ca.pem": steps.client_ca,
        "authorized_keys": "".join(f"{key}\n" for key in drive.ssh_keys),
    }
    for name, text in papers.items():
        _write(home / name, text.encode())
    _write(home / CONFIGURATION, msgspec.json.encode(_settings(steps, address, home)))


def _settings(steps: wire.FirstSteps, address: str, home: pathlib.Path) -> Settings:
    return Settings(
        amphora_id=steps.amphora_id,
        bind_address=address,
        bind_port=steps.bind_port,
        certificate=str(home / "certificate.pem"),
        private_key=str(home / "private_key.pem"),
        client_ca=str(home / "client_ca.pem"),
        directory=str(home.parent / "agent"),
    )


def _write(file: pathlib.Path, content: bytes) -> None:
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
    new.replace(file)


# --- programs ----------------------------------------------------------------------------------------------------


def _run(*argv: str, text: str = "") -> str:
    """What the program printed. Raises ``Untold`` with its words if it fails or is not there."""
    try:
        done = subprocess.run(argv, input=text, capture_output=True, text=True, errors="replace", check=False)
    except FileNotFoundError:
        raise Untold(f"this image has no {argv[0]}") from None
    if done.returncode:
        raise Untold(f"{' '.join(argv)}: {(done.stderr or done.stdout).strip() or f'ended with {done.returncode}'}")
    return done.stdout


def _quietly(*argv: str) -> str:
    """What the program printed, whether it succeeded or not."""
    with _begin(*argv) as program:
        return program.communicate()[0]


def _begin(*argv: str) -> subprocess.Popen[str]:
    """Start a program whose failure shows in what comes after it. Raises ``Untold`` if it is not there."""
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
    except FileNotFoundError:
        raise Untold(f"this image has no {argv[0]}") from None


if __name__ == "__main__":
    main()
