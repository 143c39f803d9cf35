"""Looking into the finished tree: what is in it, and is it as it should be?"""

import pathlib
import re
import subprocess

from lictor.cli.image.disk import ROOT_LABEL
from lictor.cli.image.manifest import digest
from lictor.cli.image.mirrors import Mirrors, strangers_asked, strangers_configured
from lictor.cli.image.wanted import Wanted
from lictor.cli.refusal import Refusal

_UNITS = "etc/systemd/system"


def check(tree: pathlib.Path, wanted: Wanted, mirrors: Mirrors) -> None:
    """Raises ``Refusal`` if another mirror was used than those named, or something secret or open is in the image."""
    if wanted.base.label:
        allowed = mirrors.apt_hosts
        with wanted.log.open(encoding="utf-8", errors="replace") as log:
            asked = strangers_asked(log, allowed)
        _refuse(asked, f"was asked for packages during the build (see {wanted.log}), and is none of the mirrors named")
        _refuse(
            strangers_configured(tree, allowed), "is in the image's configuration of apt or pip, and is no mirror named"
        )
    _refuse(secrets(tree), "is in the image, and would be the same in every amphora")
    if f"LABEL={ROOT_LABEL} / ext4 ro" not in (tree / "etc/fstab").read_text():
        raise Refusal("something during the build put another /etc/fstab in the place of Lictor's: see the log")
    if not wanted.ssh and (tree / "usr/sbin/sshd").exists():
        raise Refusal("an sshd got into the image, though --ssh was not given: which --package brought it?")


def _refuse(found: set[str], why: str) -> None:
    if found:
        raise Refusal(f"{', '.join(sorted(found))} {why}")


def secrets(tree: pathlib.Path) -> set[str]:
    """Keys, and passwords with which somebody could log in."""
    found = {str(file.relative_to(tree)) for file in (tree / "etc/ssh").glob("ssh_host_*")}
    found |= {str(file.relative_to(tree)) for file in (tree / "root/.ssh").glob("*")}
    for line in (tree / "etc/shadow").read_text().splitlines():
        name, password = line.split(":")[:2]
        if not password.startswith(("*", "!")):
            found.add(f"a password of {name}")
    return found


def packages(tree: pathlib.Path) -> dict[str, str]:
    """Names and versions, as the image's own package manager says."""
    if (tree / "var/lib/dpkg/status").exists():
        command = ["dpkg-query", "--show", "--showformat", "${Package} ${Version}\n"]
    else:
        command = ["rpm", "--query", "--all", "--queryformat", "%{NAME} %{VERSION}-%{RELEASE}\n"]
    listed = subprocess.run(["chroot", str(tree), *command], capture_output=True, text=True, check=True).stdout
    found = dict(line.split(" ", 1) for line in listed.splitlines())
    return dict(sorted(found.items()))


def files(tree: pathlib.Path) -> list[str]:
    """Every file: SHA-256 of its content (or where a link leads), mode, owner and path. Times are left out."""
    found = [file for file in tree.rglob("*") if not file.is_relative_to(tree / "run")]
    return [_line(file, f"/{file.relative_to(tree)}") for file in sorted(found)]


def _line(file: pathlib.Path, path: str) -> str:
    status = file.lstat()
    what = "-"
    if file.is_symlink():
        what, path = "link", f"{path} -> {file.readlink()}"
    elif file.is_file():
        what = digest(file)
    return f"{what} {status.st_mode & 0o7777:04o} {status.st_uid}:{status.st_gid} {path}"


def settings(tree: pathlib.Path) -> dict[str, str]:
    """The kernel settings of Lictor's own file (sysctl.d(5))."""
    return parse_settings((tree / "etc/sysctl.d/60-lictor.conf").read_text())


def parse_settings(text: str) -> dict[str, str]:
    """Keys and values of a file as sysctl.d(5) has it."""
    matches = (re.match(r"([\w./-]+)\s*=\s*(.*)", line) for line in text.splitlines())
    return {match[1]: match[2].strip() for match in matches if match}


def enabled(tree: pathlib.Path) -> list[str]:
    """The units that systemd starts by its configuration in /etc."""
    return sorted({link.name for link in (tree / _UNITS).glob("*.wants/*") if not _masked(tree, link.name)})


def _masked(tree: pathlib.Path, unit: str) -> bool:
    link = tree / _UNITS / unit
    return link.is_symlink() and str(link.readlink()) == "/dev/null"
