"""A virtual machine of an amphora image, with a config drive as Nova makes it; emulated, so without a hypervisor."""

import json
import os
import pathlib
import signal
import subprocess

import msgspec

MAC = "fa:16:3e:00:00:15"
NET, HOST, ADDRESS = "198.18.5.0/24", "198.18.5.2", "198.18.5.15"
"""QEMU's own user-mode network: nothing of it is seen outside the process. ``HOST`` is this machine's loopback."""


def config_drive(directory, steps, network):
    """The CD ``config-2``."""
    folder = directory / "drive" / "openstack" / "latest"
    folder.mkdir(parents=True)
    (folder / "user_data").write_bytes(msgspec.json.encode(steps))
    (folder / "network_data.json").write_text(json.dumps(network))
    (folder / "meta_data.json").write_text(json.dumps({"hostname": "amphora-under-test.novalocal"}))
    file = directory / "config.iso"
    command = ["genisoimage", "-quiet", "-R", "-J", "-V", "config-2", "-o", file, directory / "drive"]
    subprocess.run(command, check=True, capture_output=True)
    return file


class Machine:
    """Runs until ``close``. Its agent's port is forwarded to ``port`` of this host's loopback."""

    def __init__(self, image, drive, directory, port):
        self.console = pathlib.Path(directory) / "console.log"
        argv = ["qemu-system-x86_64", "-machine", "pc,accel=tcg", "-cpu", "max", "-smp", "2", "-m", "512"]
        argv += ["-display", "none", "-serial", f"file:{self.console}", "-no-reboot", "-snapshot"]
        argv += ["-drive", f"file={image},if=virtio", "-device", "virtio-rng-pci"]
        # As the image's properties ask Nova for: hw_cdrom_bus=scsi, hw_scsi_model=virtio-scsi.
        argv += ["-device", "virtio-scsi-pci", "-drive", f"file={drive},if=none,id=cd,media=cdrom,readonly=on"]
        argv += ["-device", "scsi-cd,drive=cd"]
        forward = f"hostfwd=tcp:127.0.0.1:{port}-{ADDRESS}:9443"
        argv += ["-netdev", f"user,id=net,net={NET},host={HOST},dhcpstart={ADDRESS},{forward}"]
        argv += ["-device", f"virtio-net-pci,netdev=net,mac={MAC}"]
        environment = {**os.environ, "TMPDIR": str(directory)}
        self.process = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL)

    def said(self):
        """All that is on its console."""
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def seconds_of_processor(self):
        """What it has cost so far: a sturdier figure than the time that went by, on a host with other things to do."""
        words = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        """End it, and wait until it has ended."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
