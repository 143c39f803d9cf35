"""`lictor image`: makes amphora images, and says what is in them.

    wanted ─▶ checks, mirrors ─▶ payload (the agent) ─▶ builder (diskimage-builder: a tree)
           ─▶ tree (is it as it should be?) ─▶ disk ─▶ manifest

Nothing outside the work directory, the output and its log and manifest is written; mounts are in a namespace that ends.
"""

import argparse
import os
import pathlib
import shutil
import tempfile
import time

from oslo_config import cfg

import lictor
from lictor.cli.host import extend_path
from lictor.cli.image import builder, checks, disk, manifest, mirrors, payload, rpm, tree
from lictor.cli.image.manifest import Manifest
from lictor.cli.image.wanted import Wanted, read
from lictor.cli.refusal import Refusal

DIFFERENT = 1
"""Exit status of `diff` when there is a difference, as diff(1) has it."""


def run(args: argparse.Namespace, conf: cfg.ConfigOpts) -> int:
    """Do one action. Raises ``Refusal``."""
    extend_path()
    if args.action == "show":
        return _show(args.image)
    if args.action == "diff":
        return _diff(args.image, args.other)
    return _build(read(args), args.check)


def _show(name: str) -> int:
    found = manifest.load(name)
    print(*manifest.lines(found), sep="\n")
    if wrong := manifest.check(name, found):
        raise Refusal(wrong)
    return 0


def _diff(one: str, other: str) -> int:
    found = manifest.diff(manifest.load(one), manifest.load(other))
    print(*(found or ["nothing differs"]), sep="\n")
    return DIFFERENT if found else 0


class _Clock:
    """Tells what is being done, and remembers how long each part took."""

    def __init__(self) -> None:
        self._start = self._since = time.monotonic()
        self._present = ""
        self.seconds: dict[str, float] = {}

    def say(self, words: str) -> None:
        self.stop()
        self._present = words
        print(f"[{self._since - self._start:4.0f} s] {words}", flush=True)

    def stop(self) -> None:
        now = time.monotonic()
        if self._present:
            self.seconds[self._present] = round(self.seconds.get(self._present, 0.0) + now - self._since, 1)
        self._since = now


def _build(wanted: Wanted, only_check: bool) -> int:
    clock = _Clock()
    clock.say("host and mirrors are looked at")
    checks.check(wanted)
    found = mirrors.check(wanted, payload.LIBRARIES[0])
    if only_check:
        clock.say(f"an image of {wanted.base.name} {wanted.release} can be built here")
        return 0
    # Directories in the image are made with ours; root's may be 077.
    os.umask(0o022)
    work = pathlib.Path(tempfile.mkdtemp(prefix="lictor-image-", dir=wanted.work))
    try:
        _make(wanted, found, work, clock)
    except KeyboardInterrupt:
        raise Refusal("stopped; nothing is left of it", status=130) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    clock.say(f"{wanted.output} is ready; what is in it: {wanted.manifest}")
    return 0


def _make(wanted: Wanted, found: mirrors.Mirrors, work: pathlib.Path, clock: _Clock) -> None:
    clock.say("the agent is put together")
    agent = work / "agent"
    libraries = payload.put(agent, wanted.python, found)
    place = builder.run(wanted, found, agent, work, clock.say)
    clock.say("the tree is looked into")
    tree.check(place, wanted, found)
    written = _describe(wanted, place, found)
    written.agent = manifest.Agent(
        version=lictor.__version__, sha256=payload.digest(agent), python=wanted.python, libraries=libraries
    )
    clock.say("the disk is put together")
    raw = disk.assemble(place, work, wanted.size)
    clock.say("the image is written")
    disk.convert(raw, wanted.output, wanted.format)
    clock.stop()
    written.sha256, written.bytes = manifest.digest(wanted.output), wanted.output.stat().st_size
    written.seconds = clock.seconds
    manifest.write(written, wanted.manifest)


def _describe(wanted: Wanted, place: pathlib.Path, found: mirrors.Mirrors) -> Manifest:
    """Everything but what is known later: the image's own size and hash, and the agent."""
    hosts = sorted(found.apt_hosts) or rpm.hosts(wanted)
    return Manifest(
        image=wanted.output.name, sha256="", bytes=0, disk_gib=wanted.size,
        base=wanted.base.name, release=wanted.release,
        kernel=disk.kernel(place)[0].name.removeprefix("vmlinuz-"), command_line=disk.COMMAND_LINE,
        built=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        agent=manifest.Agent(version="", sha256="", python="", libraries={}),
        packages=tree.packages(place), settings=tree.settings(place), enabled=tree.enabled(place), sshd=wanted.ssh,
        mirrors=[*hosts, found.pip_index or "the index that pip uses on the host that built it"],
        glance=manifest.glance(wanted.base.name), elements=payload.elements_digest(wanted.elements),
        files=tree.files(place),
    )  # fmt: skip
