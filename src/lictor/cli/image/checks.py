"""Can an image be built here? Asked before the long work begins; each answer says what to do."""

import importlib.util
import os
import pathlib
import shutil
import subprocess

from lictor.cli.image.bases import Base
from lictor.cli.image.wanted import Wanted
from lictor.cli.refusal import Refusal

PROGRAMS = {
    "sudo": "sudo", "unshare": "util-linux", "losetup": "mount", "tar": "tar", "qemu-img": "qemu-utils",
    "mke2fs": "e2fsprogs", "mkfs.vfat": "dosfstools", "mcopy": "mtools", "syslinux": "syslinux",
}  # fmt: skip
"""What diskimage-builder and we call, and the Debian packages it is in."""

BOOT_SECTOR = pathlib.Path("/usr/lib/syslinux/mbr/mbr.bin")
"""Debian's package syslinux-common has it there."""

WORK_GIB = 6
"""Free space that the work needs beside the image's own size: the tree, twice, and its archive."""


def check(wanted: Wanted) -> None:
    """Raises ``Refusal`` with the first thing that is missing."""
    if os.geteuid() != 0:
        raise Refusal(
            "an image is made with mounts and chroot, which needs root: run it as root, for example with sudo"
        )
    _check_diskimage_builder()
    _check_programs(wanted.base)
    _check_keyring(wanted)
    _check_loop()
    for place, gib, what in ((wanted.work, WORK_GIB, "--work-dir"), (wanted.output.parent, wanted.size, "--output")):
        _check_space(place, gib, what)


def _check_diskimage_builder() -> None:
    if importlib.util.find_spec("diskimage_builder") is None:
        raise Refusal(
            "diskimage-builder is not installed: pip install 'lictor[image]', or pip install diskimage-builder"
        )
    if importlib.util.find_spec("pip") is None:
        raise Refusal("this Python has no pip, which gets the agent's libraries: python3 -m ensurepip")


def _check_programs(base: Base) -> None:
    wanted = {**PROGRAMS, **base.programs}
    missing = {program: package for program, package in wanted.items() if shutil.which(program) is None}
    if not BOOT_SECTOR.is_file():
        missing[str(BOOT_SECTOR)] = "syslinux-common"
    if "dnf" in wanted and "dnf" not in missing and not _can_download():
        missing["dnf download"] = "dnf-plugins-core"
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        verb = "is" if len(missing) == 1 else "are"
        raise Refusal(f"{', '.join(missing)} {verb} missing on this host: apt-get install {packages}")


def _can_download() -> bool:
    """Whether dnf has the plugin by which diskimage-builder gets the first packages."""
    return subprocess.run(["dnf", "download", "--help"], capture_output=True, check=False).returncode == 0


def _check_keyring(wanted: Wanted) -> None:
    """debootstrap without a keyring goes on without checking anything, and says so in one line among hundreds."""
    if not wanted.base.label:
        return
    keyring = wanted.keyring or pathlib.Path(wanted.base.keyring)
    if not keyring.is_file():
        cure = (
            "name another file"
            if wanted.keyring
            else f"apt-get install {wanted.base.keyring_package}; where there is no such package, copy the file "
            f"from a host with {wanted.base.label}, or name it, or the keys of your mirror, with --keyring"
        )
        raise Refusal(
            f"the packages of {wanted.base.name} cannot be verified, the keyring {keyring} is not there: {cure}"
        )


def _check_loop() -> None:
    """diskimage-builder puts its tree on a loop device, without partitions: so it needs no device mapper."""
    if not pathlib.Path("/dev/loop-control").exists():
        raise Refusal(
            "this host has no loop devices, which diskimage-builder needs: modprobe loop; in a container, give it "
            "/dev/loop-control and /dev/loop*"
        )


def _check_space(place: pathlib.Path, gib: int, option: str) -> None:
    if not place.is_dir():
        raise Refusal(f"{option}: {place} is no directory", status=2)
    free = shutil.disk_usage(place).free
    if free < gib * 2**30:
        raise Refusal(f"{option}: {place} has {free / 2**30:.1f} GiB free, {gib} are needed: name another place")
