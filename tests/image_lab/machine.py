"""A virtual machine of an amphora image, with a config drive as Nova makes it; emulated, so without a hypervisor."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess

import msgspec

MAC = "fa:16:3e:00:00:15"
NET, HOST, ADDRESS = "198.18.5.0/24", "198.18.5.2", "198.18.5.15"
"""QEMU's own user-mode network: nothing of it is seen outside the process. ``HOST`` is this machine's loopback."""

OVMF = (pathlib.Path("/usr/share/OVMF/OVMF_CODE.fd"), pathlib.Path("/usr/share/OVMF/OVMF_VARS.fd"))
"""UEFI for QEMU: the code, and the variables as they are at first (Debian's package ovmf)."""


def config_drive(directory, steps, network, **meta):
    """The CD ``config-2``."""
    folder = directory / "drive" / "openstack" / "latest"
    folder.mkdir(parents=True)
    (folder / "user_data").write_bytes(msgspec.json.encode(steps))
    (folder / "network_data.json").write_text(json.dumps(network))
    (folder / "meta_data.json").write_text(json.dumps({"hostname": "amphora-under-test.novalocal", **meta}))
    file = directory / "config.iso"
    command = ["genisoimage", "-quiet", "-R", "-J", "-V", "config-2", "-o", file, directory / "drive"]
    subprocess.run(command, check=True, capture_output=True)
    return file


class Machine:
    """Runs until ``close``. Its agent's port is forwarded to ``port`` of this host's loopback, and so are ``ports``.

    What it writes to its disk goes into ``disk``, a layer over the image.
    """

    def __init__(self, image, drive, directory, port, *, uefi=False, ports=None):
        self.directory = pathlib.Path(directory)
        self.console, self.firmware = self.directory / "console.log", self.directory / "firmware.log"
        argv = ["qemu-system-x86_64", "-machine", "pc,accel=tcg", "-cpu", "max", "-smp", "2", "-m", "512"]
        argv += ["-display", "none", "-serial", f"file:{self.console}"]
        argv += ["-qmp", f"unix:{self.directory / 'qmp'},server=on,wait=off"]
        argv += ["-chardev", f"file,id=firmware,path={self.firmware}"]
        argv += ["-device", "isa-debugcon,iobase=0x402,chardev=firmware"]
        argv += self._uefi() if uefi else []
        self.disk = _layer(image, self.directory / "disk.qcow2")
        argv += ["-drive", f"file={self.disk},if=virtio", "-device", "virtio-rng-pci"]
        # As the image's properties ask Nova for: hw_cdrom_bus=scsi, hw_scsi_model=virtio-scsi.
        argv += ["-device", "virtio-scsi-pci", "-drive", f"file={drive},if=none,id=cd,media=cdrom,readonly=on"]
        argv += ["-device", "scsi-cd,drive=cd"]
        forwards = {port: 9443, **(ports or {})}
        told = ",".join(f"hostfwd=tcp:127.0.0.1:{here}-{ADDRESS}:{there}" for here, there in forwards.items())
        argv += ["-netdev", f"user,id=net,net={NET},host={HOST},dhcpstart={ADDRESS},{told}"]
        argv += ["-device", f"virtio-net-pci,netdev=net,mac={MAC}"]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)

    def _uefi(self):
        code, variables = OVMF
        own = self.directory / "variables.fd"
        own.write_bytes(variables.read_bytes())
        return [
            "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}",
            "-drive", f"if=pflash,format=raw,unit=1,file={own}",
        ]  # fmt: skip

    def said(self):
        """All that is on its console."""
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def seconds_of_processor(self):
        """What it has cost so far: a sturdier figure than the time that went by, on a host with other things to do."""
        words = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def command(self, name, **arguments):
        """One command of QEMU's machine protocol (QMP); what it returns. Raises ``RuntimeError`` with QEMU's words."""
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as line:
            line.settimeout(30)
            line.connect(str(self.directory / "qmp"))
            stream = line.makefile("rw")
            stream.readline()  # its greeting
            for each in ({"execute": "qmp_capabilities"}, {"execute": name, "arguments": arguments}):
                stream.write(json.dumps(each) + "\n")
                stream.flush()
                answer = _answer(stream)
        return answer

    def plug(self, name, mac, network):
        """Attach a NIC while it runs, as Nova does it. ``network``: arguments of QEMU's user-mode network."""
        self.command("netdev_add", type="user", id=name, **network)
        self.command("device_add", driver="virtio-net-pci", netdev=name, id=f"nic-{name}", mac=mac)

    def unplug(self, name):
        """The NIC is taken away again; it goes when the machine's kernel has let go of it."""
        self.command("device_del", id=f"nic-{name}")

    def cut_power(self):
        """Power off and on, without a word to those who run in it: memory is empty, as after the host's crash."""
        self.command("system_reset")

    def disk_is_as_it_was(self):
        """Whether it has written nothing at all to its disk: what its layer holds of its own."""
        found = subprocess.run(
            ["qemu-img", "map", "--output=json", "--force-share", self.disk], check=True, capture_output=True
        )
        return not [part for part in json.loads(found.stdout) if part["depth"] == 0]

    def close(self):
        """End it, and wait until it has ended."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def _layer(image, file):
    kind = "qcow2" if str(image).endswith(".qcow2") else "raw"
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", kind, "-b", str(image), str(file)]
    subprocess.run(command, check=True)
    return file


def _answer(stream):
    """Events come between commands and answers."""
    while line := stream.readline():
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"]["desc"])
        if "return" in answer:
            return answer["return"]
    raise RuntimeError("QEMU has closed the line")
