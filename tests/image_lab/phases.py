"""What a boot spends its time on: the same image with a kernel that talks, and a watch that notes when it said what."""

import re
import subprocess
import threading
import time

QUIET = re.compile(r"\bquiet loglevel=\d|systemd\.show_status=\w+")
LOUD = "loglevel=7 earlyprintk=ttyS0,115200 systemd.log_target=kmsg systemd.log_level=info"
"""The kernel and systemd say what they do, from the first instruction on; this costs the boot itself a little."""

BOOT_FILES = ("syslinux.cfg", "loader/entries/lictor.conf")
"""Where the command line stands, for BIOS and UEFI."""

MARKS = (
    ("firmware", r"Booting from Hard Disk|Decompressing Linux|Linux version"),
    ("boot loader", r"Decompressing Linux|Linux version"),
    ("kernel unpacks itself", r"Linux version"),
    ("kernel", r"Run /init as init process"),
    ("initrd", r"systemd\[1\]: systemd \d+.* running in system mode"),
    ("systemd", r"Started lictor-agent"),
    ("Python; config drive found and read", r"this is amphora"),
    ("management NIC is set up", r"the agent listens on"),
)
"""The parts of a boot, each with what is said at its end; two more end with the agent's answer and its heartbeat."""


def loud(image, directory):
    """A copy of the image whose command line is loud."""
    raw = directory / "loud.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", str(image), str(raw)], check=True)
    partition = f"{raw}@@1M"
    for name in BOOT_FILES:
        file = directory / "file.txt"
        if subprocess.run(["mcopy", "-n", "-i", partition, f"::{name}", str(file)], check=False).returncode == 0:
            file.write_text(QUIET.sub("", file.read_text()).replace("root=LABEL", f"{LOUD} root=LABEL"))
            subprocess.run(["mcopy", "-o", "-i", partition, str(file), f"::{name}"], check=True)
            file.unlink()
    return raw


class Watch(threading.Thread):
    """Notes for each mark the seconds that went by, and those that the emulator had of the processor."""

    def __init__(self, machine):
        super().__init__(daemon=True)
        self._machine, self._start = machine, time.monotonic()
        self._ended = threading.Event()
        self.notes = []

    def run(self):
        marks = list(MARKS)
        while marks and not self._ended.wait(0.02):
            said = self._machine.firmware.read_text(errors="replace") if self._machine.firmware.exists() else ""
            said += self._machine.said()
            while marks and re.search(marks[0][1], said):
                self.note(marks.pop(0)[0])

    def note(self, name):
        """Something has just ended."""
        self.notes.append((name, time.monotonic() - self._start, self._machine.seconds_of_processor()))

    def end(self):
        """No further marks are looked for."""
        self._ended.set()
        self.join()

    def table(self):
        """The parts in lines: seconds, seconds of the processor, and the share of these in all."""
        total = self.notes[-1][2]
        before = ("", 0.0, 0.0)
        yield f"{'':34} {'seconds':>8} {'of processor':>13} {'share':>6}"
        for note in self.notes:
            spent = note[2] - before[2]
            yield f"{note[0]:34} {note[1] - before[1]:8.1f} {spent:13.1f} {spent / total:6.0%}"
            before = note
        yield f"{'all':34} {before[1]:8.1f} {total:13.1f}"
