"""Can an image be built here? Asked before the long work begins; each answer says what to do."""

import configparser
import importlib.util
import os
import pathlib
import shutil
import urllib.parse

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
    _check_repositories(wanted)
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
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise Refusal(f"{', '.join(missing)} are missing on this host: apt-get install {packages}")


def _check_keyring(wanted: Wanted) -> None:
    """debootstrap without a keyring goes on without checking anything, and says so in one line among hundreds."""
    if not wanted.base.label:
        return
    keyring = wanted.keyring or pathlib.Path(wanted.base.keyring)
    if not keyring.is_file():
        cure = "name another file" if wanted.keyring else f"apt-get install {wanted.base.keyring_package}"
        raise Refusal(
            f"the packages of {wanted.base.name} cannot be verified, the keyring {keyring} is not there: {cure}"
            f"{'' if wanted.keyring else ', or name the keys of your mirror with --keyring'}"
        )


def _check_repositories(wanted: Wanted) -> None:
    """diskimage-builder's own repositories for CentOS have ``gpgcheck=0``: we take none that do not check."""
    if wanted.base.name != "centos-stream":
        return
    files = sorted(pathlib.Path(wanted.rpm_repos).glob("*.repo")) if wanted.rpm_repos else []
    if not files:
        raise Refusal(
            "--base centos-stream needs --rpm-repos DIR with .repo files that have baseurl, gpgcheck=1 and gpgkey: "
            "those of diskimage-builder do not verify packages"
        )
    for file in files:
        for section, values in _sections(file):
            for key, good in (("baseurl", True), ("gpgkey", True), ("mirrorlist", False), ("metalink", False)):
                if bool(values.get(key)) is not good:
                    raise Refusal(f"{file}: [{section}] {'needs' if good else 'must not have'} {key}")
            if values.get("gpgcheck") != "1":
                raise Refusal(f"{file}: [{section}] has gpgcheck={values.get('gpgcheck')}: it must be 1")


def _sections(file: pathlib.Path) -> list[tuple[str, dict[str, str]]]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(file.read_text())
    except (configparser.Error, OSError, ValueError) as error:
        raise Refusal(f"{file} is no repository file: {error}") from None
    return [(name, dict(parser[name])) for name in parser.sections()]


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


def rpm_hosts(wanted: Wanted) -> list[str]:
    """Where the packages of a base without apt come from."""
    urls = [wanted.rpm_mirror] if wanted.rpm_mirror else []
    if wanted.rpm_repos:
        for file in sorted(pathlib.Path(wanted.rpm_repos).glob("*.repo")):
            urls += [values["baseurl"] for _, values in _sections(file)]
    return sorted({urllib.parse.urlsplit(url).netloc for url in urls})
