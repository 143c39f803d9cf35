"""The disk that a tree becomes: looked into with the tools of its file systems, without mounting anything."""

import pathlib
import shutil
import struct
import subprocess

import pytest

from lictor.cli.host import extend_path
from lictor.cli.image import checks, disk
from lictor.cli.refusal import Refusal

extend_path()
NEEDS_TOOLS = pytest.mark.skipif(
    not all(shutil.which(name) for name in ("mke2fs", "debugfs", "mkfs.vfat", "mcopy", "syslinux", "qemu-img"))
    or not checks.BOOT_SECTOR.exists(),
    reason="needs e2fsprogs, dosfstools, mtools, syslinux and qemu-utils",
)


@pytest.fixture
def a_tree(tmp_path):
    tree = tmp_path / "tree"
    for name in ("boot", "etc", "usr/lib/systemd/boot/efi"):
        (tree / name).mkdir(parents=True)
    (tree / "boot/vmlinuz-6.1").write_bytes(b"kernel" * 1000)
    (tree / "boot/initrd.img-6.1").write_bytes(b"initrd" * 1000)
    (tree / "etc/hostname").write_text("amphora\n")
    (tree / "usr/lib/systemd/boot/efi/systemd-bootx64.efi").write_bytes(b"loader")
    return tree


def test_a_tree_without_a_kernel_or_with_two_is_refused(a_tree):
    (a_tree / "boot/vmlinuz-6.2").write_bytes(b"")
    with pytest.raises(Refusal, match=r"vmlinuz-6\.1, vmlinuz-6\.2, initrd"):
        disk.kernel(a_tree)
    shutil.rmtree(a_tree / "boot")
    with pytest.raises(Refusal, match="its /boot has: nothing"):
        disk.kernel(a_tree)


def test_the_first_sector_has_boot_code_and_an_active_partition_that_firmwares_take_for_theirs():
    sector = disk.sector_zero(b"\xeb" * 440, 34 * 2**20, 2**30)
    assert (len(sector), sector[:440], sector[510:]) == (512, b"\xeb" * 440, b"\x55\xaa")
    active, kind, start, length = struct.unpack("<B3xB3xII", sector[446:462])
    assert (active, kind, start, length) == (0x80, 0xEF, 2048, 34 * 2048)
    active, kind, start, length = struct.unpack("<B3xB3xII", sector[462:478])
    assert (active, kind, start, length) == (0, 0x83, 35 * 2048, 2**21 - 35 * 2048)


@NEEDS_TOOLS
def test_kernel_and_boot_loaders_are_in_the_first_partition_and_the_files_in_the_second(a_tree, tmp_path):
    raw = disk.assemble(a_tree, tmp_path, 1)
    assert raw.stat().st_size == 2**30
    boot = f"{raw}@@1M"
    listed = subprocess.run(
        ["mdir", "-a", "-/", "-b", "-i", boot, "::"], capture_output=True, text=True, check=True
    ).stdout
    for name in ("vmlinuz", "initrd.img", "syslinux.cfg", "ldlinux.sys", "EFI/BOOT/BOOTX64.EFI", "loader/entries/"):
        assert f"::/{name}" in listed
    told = subprocess.run(["mtype", "-i", boot, "::syslinux.cfg"], capture_output=True, text=True, check=True).stdout
    assert f"APPEND root=LABEL={disk.ROOT_LABEL} ro " in told
    with raw.open("rb") as stream:
        start = struct.unpack("<I", stream.read(512)[470:474])[0] * 512
    root = f"{raw}?offset={start}"
    shown = subprocess.run(["debugfs", "-R", "cat /etc/hostname", root], capture_output=True, text=True, check=False)
    assert shown.stdout == "amphora\n"
    there = subprocess.run(["debugfs", "-R", "ls -p /boot", root], capture_output=True, text=True, check=False).stdout
    assert "vmlinuz" not in there
    checked = subprocess.run(["e2fsck", "-fn", root], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


@NEEDS_TOOLS
def test_a_tree_that_does_not_fit_says_how_large_it_is(a_tree, tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "_used", lambda _: 3 * 2**30)
    with pytest.raises(Refusal, match=r"--size 1 is too small: the files alone take 3\.0 GiB"):
        disk.assemble(a_tree, tmp_path, 1)


@NEEDS_TOOLS
def test_an_image_is_there_in_full_or_not_at_all(tmp_path):
    raw, output = tmp_path / "disk.raw", tmp_path / "image.qcow2"
    raw.write_bytes(b"x" * 4096)
    disk.convert(raw, output, "qcow2")
    assert output.read_bytes()[:4] == b"QFI\xfb"
    with pytest.raises(Refusal, match="qemu-img failed"):
        disk.convert(pathlib.Path("/nowhere.raw"), output, "qcow2")
    assert output.read_bytes()[:4] == b"QFI\xfb"
