"""A tree of files becomes a bootable disk: without loop devices, mounts, or a boot loader's installer.

sector 0      syslinux' boot code (BIOS) and the table of partitions
1 MiB         FAT, active, type EFI: kernel, initrd, syslinux for BIOS, systemd-boot for UEFI where the base has it
after that    ext4, the root file system, read-only and therefore without a journal
"""

import math
import pathlib
import shutil
import struct
import subprocess

from lictor.cli.image.checks import BOOT_SECTOR
from lictor.cli.refusal import Refusal

ROOT_LABEL = "lictor-root"
COMMAND_LINE = (
    f"root=LABEL={ROOT_LABEL} ro rootfstype=ext4 console=tty0 console=ttyS0,115200n8 quiet loglevel=4 net.ifnames=0 "
    "no_timer_check panic=10 fsck.mode=skip selinux=0 systemd.show_status=false"
)
"""``net.ifnames=0``: NICs are told apart by MAC addresses. ``no_timer_check``: a hypervisor's timer is not a PC's."""

_MIB = 2**20
_SECTOR = 512
_FIRST = _MIB
_EFI_SYSTEM, _LINUX = 0xEF, 0x83
_UEFI_LOADER = "usr/lib/systemd/boot/efi/systemd-bootx64.efi"


def kernel(tree: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """The tree's kernel and its initrd. Raises ``Refusal`` if it has not exactly one of each."""
    kernels = sorted((tree / "boot").glob("vmlinuz-*"))
    initrds = sorted([*(tree / "boot").glob("initrd.img-*"), *(tree / "boot").glob("initramfs-*.img")])
    kernels = [file for file in kernels if "rescue" not in file.name]
    initrds = [file for file in initrds if "rescue" not in file.name and "kdump" not in file.name]
    if len(kernels) != 1 or len(initrds) != 1:
        names = ", ".join(file.name for file in (*kernels, *initrds)) or "nothing"
        raise Refusal(f"the image needs one kernel and one initrd, its /boot has: {names}")
    return kernels[0], initrds[0]


def assemble(tree: pathlib.Path, work: pathlib.Path, gib: int) -> pathlib.Path:
    """Make the raw disk and return it. The kernel moves out of the tree. Raises ``Refusal``."""
    files = kernel(tree)
    boot = _boot(work / "boot.fat", files, tree / _UEFI_LOADER)
    for file in files:
        file.unlink()
    raw = work / "disk.raw"
    with raw.open("wb") as disk:
        disk.truncate(gib * 2**30)
    start = _FIRST + boot.stat().st_size
    _root(tree, raw, start, gib)
    with raw.open("r+b") as disk:
        disk.write(sector_zero(BOOT_SECTOR.read_bytes(), boot.stat().st_size, gib * 2**30))
        disk.seek(_FIRST)
        with boot.open("rb") as source:
            shutil.copyfileobj(source, disk, _MIB)
    return raw


def sector_zero(code: bytes, boot: int, disk: int) -> bytes:
    """Boot code and the table: an active partition of ``boot`` bytes at 1 MiB, and the root's, to the disk's end."""
    first, second = _FIRST // _SECTOR, (_FIRST + boot) // _SECTOR
    # Cylinders, heads and sectors mean nothing any more: 0xFE 0xFF 0xFF says so.
    entries = [
        struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", _EFI_SYSTEM, b"\xfe\xff\xff", first, second - first),
        struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", _LINUX, b"\xfe\xff\xff", second, disk // _SECTOR - second),
    ]
    return code[:440].ljust(446, b"\0") + b"".join(entries).ljust(64, b"\0") + b"\x55\xaa"


def _boot(image: pathlib.Path, files: tuple[pathlib.Path, pathlib.Path], uefi: pathlib.Path) -> pathlib.Path:
    used = sum(file.stat().st_size for file in files)
    size = max(34, math.ceil(used * 1.05 / _MIB) + 4)  # FAT16 is what syslinux and firmwares know best
    with image.open("wb") as disk:
        disk.truncate(size * _MIB)
    # A fixed serial number: the same content gives the same image.
    _run("mkfs.vfat", "-F", "16", "-n", "LICTORBOOT", "-i", "4c494354", str(image))
    for file, name in zip(files, ("vmlinuz", "initrd.img"), strict=True):
        _run("mcopy", "-i", str(image), str(file), f"::{name}")
    _text(image, "syslinux.cfg", f"DEFAULT lictor\nPROMPT 0\nTIMEOUT 0\n{_SYSLINUX}")
    _run("syslinux", "--install", str(image))
    if uefi.exists():
        _uefi(image, uefi)
    return image


_SYSLINUX = f"LABEL lictor\n KERNEL vmlinuz\n INITRD initrd.img\n APPEND {COMMAND_LINE}\n"


def _uefi(image: pathlib.Path, loader: pathlib.Path) -> None:
    _run("mmd", "-i", str(image), "::EFI", "::EFI/BOOT", "::loader", "::loader/entries")
    _run("mcopy", "-i", str(image), str(loader), "::EFI/BOOT/BOOTX64.EFI")
    _text(image, "loader/loader.conf", "default lictor.conf\ntimeout 0\neditor no\n")
    entry = f"title Lictor\nlinux /vmlinuz\ninitrd /initrd.img\noptions {COMMAND_LINE}\n"
    _text(image, "loader/entries/lictor.conf", entry)


def _text(image: pathlib.Path, name: str, text: str) -> None:
    file = image.with_name("file.txt")
    file.write_text(text)
    _run("mcopy", "-i", str(image), str(file), f"::{name}")


def _root(tree: pathlib.Path, raw: pathlib.Path, start: int, gib: int) -> None:
    kib = (gib * 2**30 - start) // 1024
    used = _used(tree)
    if used * 1.05 > kib * 1024:
        raise Refusal(f"--size {gib} is too small: the files alone take {used / 2**30:.1f} GiB", status=2)
    _run(
        "mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-L", ROOT_LABEL, "-d", str(tree),
        "-E", f"offset={start},root_owner=0:0,lazy_itable_init=0", str(raw), f"{kib}k",
    )  # fmt: skip


def _used(tree: pathlib.Path) -> int:
    return int(_run("du", "-s", "--block-size=1", str(tree)).split()[0])


def convert(raw: pathlib.Path, output: pathlib.Path, form: str) -> None:
    """Write the image; it is there in full or not at all. Raises ``Refusal``."""
    new = output.with_name(f"{output.name}.new")
    compress = ["-c"] if form == "qcow2" else []
    _run("qemu-img", "convert", "-f", "raw", "-O", form, *compress, str(raw), str(new))
    new.replace(output)


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise Refusal(f"{argv[0]} failed: {(done.stderr or done.stdout).strip() or done.returncode}")
    return done.stdout
