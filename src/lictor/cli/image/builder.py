"""Running diskimage-builder: it makes the tree of files, and we make a disk of that.

Its own way to a disk needs the device mapper (kpartx), which containers and many build machines have not.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable

from lictor.cli.image import rpm
from lictor.cli.image.mirrors import Mirrors
from lictor.cli.image.wanted import Wanted
from lictor.cli.refusal import Refusal

Say = Callable[[str], None]
"""Tells the operator how it goes on."""

_PHASE = re.compile(r"Running (?:hooks from )?\S*/([a-z-]+)\.d(?:/(\S+))?")

_WORDS = {
    "root": "the base system is installed",
    "extra-data": "the agent is copied",
    "pre-install": "the base system is prepared",
    "install": "packages are installed",
    "post-install": "the agent is compiled and tried, services are chosen",
    "finalise": "what only the build needed is removed",
}

_ERROR = re.compile(
    r"(?:> )?(?:E: |Err:\d|W: GPG|\*\*\* |[Ee]rrors?\b|ERROR|Failed to|No such command|GPG "
    r"|.*(?:Status code|Curl error|No space left|signature))"
)
"""How apt, dnf, podman and diskimage-builder itself begin a complaint."""

_CURES = (
    (
        re.compile(r"GPG signature verification|NO_PUBKEY|not signed|GPG check FAILED|key is not installed"),
        ", as what a mirror has is not signed by the keys named (--keyring, or gpgkey in a .repo file)",
    ),
    (re.compile(r"No space left on device"), ", as the disk is full: name another --work-dir"),
)
"""Causes that say little to whoever does not know apt and dnf, and what to do."""

_LAST = 15
"""Lines of the log that are shown when it fails."""


def run(wanted: Wanted, mirrors: Mirrors, payload: pathlib.Path, work: pathlib.Path, say: Say) -> pathlib.Path:
    """Make the tree and return its directory. Raises ``Refusal`` with the last words of a build that failed."""
    name = work / "root"
    for place in ("cache", "locks", "keys"):
        (work / place).mkdir()
    process = subprocess.Popen(
        command(wanted, name), env=environment(wanted, mirrors, payload, work), cwd=work, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    assert process.stdout is not None
    with process, wanted.log.open("w", encoding="utf-8") as log:
        follow(process.stdout, log.write, say)
    archive = name.with_suffix(".tar")
    if process.returncode or not archive.exists():
        raise Refusal(failure(wanted.log))
    say("the tree is unpacked")
    return unpack(archive, work / "tree")


def command(wanted: Wanted, name: pathlib.Path) -> list[str]:
    """The call: in a mount namespace of its own, so that whatever becomes of it, no mount stays."""
    program = pathlib.Path(sys.executable).with_name("disk-image-create")
    words = ["unshare", "--mount", "--propagation", "private", "--", str(program)]
    words += ["-a", "amd64", "-o", str(name), "-t", "tar", "-n"]
    for package in wanted.packages:
        words += ["-p", package]
    return [*words, wanted.base.element, "lictor-amphora"]


def environment(wanted: Wanted, mirrors: Mirrors, payload: pathlib.Path, work: pathlib.Path) -> dict[str, str]:
    """What it and the elements are told. Of ours only the way through a proxy is kept: ``DIB_*`` could change all."""
    kept = ("http_proxy", "https_proxy", "no_proxy")
    found = {name: os.environ[name] for name in kept if name in os.environ}
    found |= {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(work), "USER": "root"}
    found |= {
        "TMP_DIR": str(work), "DIB_IMAGE_CACHE": str(wanted.cache or work / "cache"),
        "DIB_LOCKFILES": str(work / "locks"), "DIB_NO_TIMESTAMP": "1", "DIB_DEBUG_TRACE": "0",
        "DIB_PYTHON_EXEC": sys.executable, "ELEMENTS_PATH": str(wanted.elements),
        "DIB_RELEASE": wanted.base.dib_release(wanted.release), "LICTOR_AGENT_TREE": str(payload),
        "LICTOR_KERNEL": wanted.kernel, "LICTOR_SSH": str(int(wanted.ssh)), "LICTOR_PYTHON": wanted.python,
        "DEBIAN_FRONTEND": "noninteractive",
    }  # fmt: skip
    return found | (_apt(wanted, mirrors, work) if wanted.base.label else _rpm(wanted, work))


def _apt(wanted: Wanted, mirrors: Mirrors, work: pathlib.Path) -> dict[str, str]:
    keyring = wanted.keyring or wanted.base.keyring
    if wanted.keyring:
        shutil.copy(wanted.keyring, work / "keys" / "mirror.gpg")
    kernels = {"cloud": "linux-image-virtual", "generic": "linux-image-generic"}
    return {
        "DIB_DISTRIBUTION_MIRROR": mirrors.suites[0].url,
        "DIB_DEBIAN_COMPONENTS": wanted.base.components,
        "DIB_APT_SOURCES_CONF": mirrors.sources(wanted.base.components),
        # Without the first, debootstrap goes on unchecked when it has no keyring.
        "DIB_DEBOOTSTRAP_EXTRA_ARGS": f"--force-check-gpg --keyring={keyring}{_debootstrap_cache(wanted)}",
        "DIB_MMDEBSTRAP_EXTRA_ARGS": f"--keyring={keyring}",
        "DIB_ADD_APT_KEYS": str(work / "keys") if wanted.keyring else "",
        "DIB_UBUNTU_KERNEL": kernels[wanted.kernel],
        "DIB_UBUNTU_MIRROR_DISTS": "updates,security",
    }


def _debootstrap_cache(wanted: Wanted) -> str:
    """Packages only, which are verified each time; a whole base system kept would be one of another day or mirror."""
    if not wanted.cache:
        return ""
    place = wanted.cache / "debootstrap"
    place.mkdir(parents=True, exist_ok=True)
    return f" --cache-dir={place}"


def _rpm(wanted: Wanted, work: pathlib.Path) -> dict[str, str]:
    context = work / "container"
    shutil.copytree(wanted.rpm_repos, context)
    file = context / "Containerfile"
    file.write_text(rpm.containerfile(wanted.container_image, wanted.python))
    return {
        "DIB_YUM_MINIMAL_BOOTSTRAP_REPOS": wanted.rpm_repos,
        "DIB_CONTAINERFILE_RUNTIME_ROOT": "1",
        "DIB_CONTAINERFILE_DOCKERFILE": str(file),
        "DIB_CONTAINER_CONTEXT": str(context),
    }


def follow(lines: Iterable[str], write: Callable[[str], object], say: Say) -> None:
    """Keep every line, and say when another part of the work begins."""
    present = ""
    for line in lines:
        write(line)
        match = _PHASE.search(line)
        words = _WORDS.get(match[1], "") if match else ""
        if words and words != present:
            present = words
            say(words)


def failure(log: pathlib.Path) -> str:
    """The sentence for a build that failed, with its last words: the first lines that speak of an error, or the end."""
    lines = [line.rstrip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.match(line)]
    shown = "\n  ".join((errors or lines)[-_LAST:])
    cure = next((cure for cause, cure in _CURES if cause.search(shown)), "")
    return f"diskimage-builder failed{cure}; all it said is in {log}:\n  {shown}"


def unpack(archive: pathlib.Path, tree: pathlib.Path) -> pathlib.Path:
    """The archive's files, without this host's devices, which diskimage-builder had mounted there."""
    tree.mkdir(mode=0o755)
    subprocess.run(
        ["tar", "--extract", "--file", archive, "--directory", tree, "--numeric-owner", "--preserve-permissions",
         "--xattrs", "--xattrs-include=*", "--exclude=./dev/*", "--exclude=./proc/*", "--exclude=./sys/*"],
        check=True,
    )  # fmt: skip
    archive.unlink()
    # diskimage-builder's own: the environment and arguments of this build, which are no amphora's business.
    shutil.rmtree(tree / "etc/dib-manifests", ignore_errors=True)
    for name in ("dev", "proc", "sys", "run", "tmp"):
        (tree / name).mkdir(exist_ok=True)
    (tree / "tmp").chmod(0o1777)
    return tree
