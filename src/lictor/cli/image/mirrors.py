"""Mirrors: do they answer, who signed what they have, and was nothing else asked?"""

import dataclasses
import pathlib
import re
import subprocess
import tempfile
import urllib.parse
from collections.abc import Iterable, Set

from lictor.cli.image import rpm
from lictor.cli.image.fetch import fetch, get
from lictor.cli.image.wanted import NO_MIRROR, Wanted
from lictor.cli.refusal import Refusal

_ASKED = re.compile(r"^(?:> )?(?:Get|Hit|Ign|Err):\d+ (\w+)://([^/\s]+)")
"""A line in which apt says where it was (apt-get(8), with -q or without a terminal)."""


@dataclasses.dataclass(frozen=True)
class Suite:
    """One line of apt's sources: ``deb url suite components``."""

    name: str
    url: str
    suite: str


@dataclasses.dataclass(frozen=True)
class Mirrors:
    """Where the build gets packages, and nowhere else."""

    suites: tuple[Suite, ...]
    pip_index: str
    pip_hosts: tuple[str, ...]

    @property
    def apt_hosts(self) -> set[str]:
        """The hosts that apt may ask, with their ports if those are given."""
        return {urllib.parse.urlsplit(suite.url).netloc for suite in self.suites}

    def sources(self, components: str) -> str:
        """What diskimage-builder's ``DIB_APT_SOURCES_CONF`` has: a name, a colon and a line of apt's each."""
        words = components.replace(",", " ")
        return "\n".join(f"{suite.name}:deb {suite.url} {suite.suite} {words}" for suite in self.suites)


def check(wanted: Wanted, library: str) -> Mirrors:
    """Ask every mirror for what the build will want of it. Raises ``Refusal``: which one, what it said, what to do."""
    if wanted.pip_index:
        fetch("--pip-index-url", f"{wanted.pip_index}/{library}/", "a Python package index has a page of this name")
    rpm.check(wanted)
    suites = []
    keyring = wanted.keyring or pathlib.Path(wanted.base.keyring)
    for suite in _suites(wanted):
        _check_signature(suite, keyring, wanted)
        suites.append(suite)
    return Mirrors(tuple(suites), wanted.pip_index, wanted.pip_hosts)


def _suites(wanted: Wanted) -> Iterable[Suite]:
    """What apt will have, one after the other: where security updates are is asked of a mirror that was looked at."""
    if not wanted.base.label:
        return
    main = wanted.apt_mirror or _of_this_host(wanted.base.label)
    if not main:
        raise Refusal(f"apt on this host uses no mirror of {wanted.base.label}: name one with --apt-mirror URL")
    yield Suite("default", main, wanted.release)
    yield Suite("updates", main, f"{wanted.release}-updates")
    security = main if wanted.base.name == "ubuntu" else _security(wanted, main)
    if security != NO_MIRROR:
        yield Suite("security", security, f"{wanted.release}-security")


def _security(wanted: Wanted, main: str) -> str:
    """Never the distribution's own host just because nobody named another one: that would be a mirror ignored."""
    if wanted.apt_security_mirror:
        return wanted.apt_security_mirror
    if not wanted.apt_mirror and (found := _of_this_host(f"{wanted.base.label}-Security")):
        return found
    guess = f"{main}-security"
    try:
        get(release_file(Suite("", guess, f"{wanted.release}-security")))
    except OSError:
        raise Refusal(
            f"--apt-mirror {main} has no security updates beside it ({guess} does not answer): name their mirror with "
            f"--apt-security-mirror URL, or do without them with --apt-security-mirror {NO_MIRROR}"
        ) from None
    return guess


def _of_this_host(label: str) -> str:
    """The mirror from which apt on this host gets the distribution that calls itself so."""
    command = ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout
    except OSError:
        return ""
    found = (line.split() for line in listed.splitlines())
    return next((words[1].rstrip("/") for words in found if len(words) == 2 and words[0] == label), "")


def release_file(suite: Suite) -> str:
    """The URL of a suite's signed table of contents."""
    return f"{suite.url}/dists/{suite.suite}/InRelease"


def _check_signature(suite: Suite, keyring: pathlib.Path, wanted: Wanted) -> None:
    option = "--apt-security-mirror" if suite.name == "security" and wanted.apt_security_mirror else "--apt-mirror"
    text = fetch(option, release_file(suite), f"a mirror of {wanted.base.label} with {suite.suite} has it")
    if why := unsigned(text, keyring):
        raise Refusal(
            f"{release_file(suite)} is not signed by a key in {keyring} ({why}): if the mirror signs with a key of its "
            f"own, name its file with --keyring; if it is {wanted.base.label}'s own archive, the keyring is too old: "
            f"apt-get install --only-upgrade {wanted.base.keyring_package}"
        )


def unsigned(text: bytes, keyring: pathlib.Path) -> str:
    """Why a signed text cannot be trusted, in gpgv's words; empty if it can: one good signature will do, as for apt."""
    with tempfile.TemporaryDirectory() as place:
        file = pathlib.Path(place) / "InRelease"
        file.write_bytes(text)
        command = ["gpgv", "--status-fd", "1", "--keyring", str(keyring), str(file)]
        said = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if "[GNUPG:] VALIDSIG " in said.stdout and "[GNUPG:] BADSIG " not in said.stdout:
        return ""
    return " ".join(said.stderr.split()) or "no signature in it"


# --- afterwards --------------------------------------------------------------------------------------------------


def strangers_asked(log: Iterable[str], allowed: Set[str]) -> set[str]:
    """The hosts that apt asked according to the build's log, and should not have."""
    matches = (_ASKED.match(line) for line in log)
    return {match[2] for match in matches if match and match[2] not in allowed}


def strangers_configured(tree: pathlib.Path, allowed: Set[str]) -> set[str]:
    """The hosts that are in the image's configuration of apt and pip, and should not be."""
    files = [tree / "etc/apt/sources.list", *(tree / "etc/apt/sources.list.d").glob("*")]
    files += [tree / "etc/pip.conf", tree / "root/.config/pip/pip.conf", tree / "root/.pip/pip.conf"]
    text = "\n".join(file.read_text(errors="replace") for file in files if file.is_file())
    used = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {host for host in re.findall(r"https?://([^/\s]+)", used) if host not in allowed}
