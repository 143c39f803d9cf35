"""What is in an image: a JSON file beside it, to read, to compare, and to tell Glance."""

import contextlib
import hashlib
import pathlib
from collections.abc import Iterator

import msgspec

from lictor.cli.refusal import Refusal

FORMAT = 1

MIN_RAM = 512
"""MiB of memory that an amphora needs."""


class Agent(msgspec.Struct, kw_only=True):
    """The agent in the image. ``sha256`` is over its modules: a checkout's version number says little."""

    version: str
    sha256: str
    python: str
    libraries: dict[str, str]


class Manifest(msgspec.Struct, kw_only=True):
    """Everything worth knowing of an image. ``seconds`` are how long the parts of its build took."""

    format: int = FORMAT
    image: str
    sha256: str
    bytes: int
    disk_gib: int
    base: str
    release: str
    kernel: str
    command_line: str
    built: str
    agent: Agent
    packages: dict[str, str]
    settings: dict[str, str]
    enabled: list[str]
    sshd: bool
    mirrors: list[str]
    glance: dict[str, str]
    seconds: dict[str, float] = {}
    elements: str = ""
    """SHA-256 over Lictor's elements."""

    files: list[str] = []
    """What ``tree.files`` says; kept beside the manifest, in a file of its own (``listing``)."""


def glance(base: str) -> dict[str, str]:
    """Properties for the image in Glance (its "useful image properties").

    The config drive is a CD: on q35 Nova would attach it by SATA, for which cloud kernels have no driver.
    """
    return {
        "os_type": "linux", "os_distro": {"centos-stream": "centos"}.get(base, base), "architecture": "x86_64",
        "hw_disk_bus": "virtio", "hw_vif_model": "virtio", "hw_cdrom_bus": "scsi", "hw_scsi_model": "virtio-scsi",
        "hw_rng_model": "virtio", "hw_vif_multiqueue_enabled": "true",
    }  # fmt: skip


def write(manifest: Manifest, file: pathlib.Path) -> None:
    """Write it for people and programs: one value a line, sorted."""
    bare = msgspec.structs.replace(manifest, files=[])
    text = msgspec.json.format(msgspec.json.encode(bare, order="sorted"), indent=2)
    new = file.with_name(f"{file.name}.new")
    listing(file).write_text("".join(f"{line}\n" for line in manifest.files), errors="surrogateescape")
    new.write_bytes(text + b"\n")
    new.replace(file)


def listing(file: pathlib.Path) -> pathlib.Path:
    """Where the files in the image are listed, given the manifest's own file."""
    return file.with_suffix(".files")


def load(name: str) -> Manifest:
    """The manifest of this name, or of the image of this name. Raises ``Refusal``."""
    given = pathlib.Path(name)
    file = given if given.suffix == ".json" else given.with_name(f"{given.name}.json")
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Manifest)
    except OSError as error:
        raise Refusal(f"{file} cannot be read ({error.strerror}): give an image that lictor image build made") from None
    except msgspec.DecodeError as error:
        raise Refusal(f"{file} is no manifest of an image: {error}") from None
    if found.format != FORMAT:
        raise Refusal(f"{file} has format {found.format}, this Lictor knows {FORMAT}: use the lictor that made it")
    with contextlib.suppress(OSError):  # an older Lictor wrote none
        found.files = listing(file).read_text(errors="surrogateescape").splitlines()
    return found


def check(name: str, manifest: Manifest) -> str:
    """What is wrong if the image named by ``name`` is not the manifest's; empty if it is, or is elsewhere."""
    image = pathlib.Path(name)
    if image.suffix == ".json":
        image = image.with_name(manifest.image)
    if not image.exists():
        return ""
    return "" if digest(image) == manifest.sha256 else f"{image} is not the image of this manifest: its SHA-256 differs"


def digest(file: pathlib.Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def lines(manifest: Manifest) -> Iterator[str]:
    """What there is to say of one image."""
    m, agent = manifest, manifest.agent
    yield f"image     {m.image}, {m.bytes / 2**20:.0f} MiB, disk of {m.disk_gib} GiB, built {m.built}"
    yield f"sha256    {m.sha256}"
    yield f"base      {m.base} {m.release}, kernel {m.kernel}"
    yield f"agent     {agent.version} ({agent.sha256[:12]}), Python {agent.python}, {_pairs(agent.libraries)}"
    yield f"programs  {_pairs({name: m.packages[name] for name in _PROGRAMS if name in m.packages})}"
    yield f"packages  {len(m.packages)}, from {', '.join(m.mirrors)}"
    yield f"services  {', '.join(m.enabled)}; sshd: {'yes' if m.sshd else 'no'}"
    yield f"settings  {len(m.settings)} of the kernel; command line: {m.command_line}"
    properties = " ".join(f"--property {name}={value}" for name, value in m.glance.items())
    yield f"glance    --min-disk {m.disk_gib} --min-ram {MIN_RAM} {properties}"


_PROGRAMS = ("haproxy", "keepalived", "nftables")


def _pairs(values: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def diff(one: Manifest, other: Manifest) -> list[str]:
    """What differs, in lines: ``-`` is gone, ``+`` is new, ``~`` has changed."""
    found = []
    for title, before, after in _parts(one, other):
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                found.append(_change(title, name, before.get(name), after.get(name)))
    return found + (_files(one.files, other.files) if one.files and other.files else [])


_SHOWN = 40
"""Files that are named; a new release of a base changes thousands."""


def _files(one: list[str], other: list[str]) -> list[str]:
    """The files that differ in content, mode or owner, and are in packages or were made during the build."""
    before, after = _by_path(one), _by_path(other)
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    found = [_sign(name in before, name in after) + f" file /{name}" for name in names[:_SHOWN]]
    return [*found, f"~ {len(names) - _SHOWN} more files"] if len(names) > _SHOWN else found


def _by_path(files: list[str]) -> dict[str, str]:
    return {path: words for words, _, path in (line.partition(" /") for line in files)}


def _sign(before: bool, after: bool) -> str:
    if before and after:
        return "~"
    return "-" if before else "+"


def _parts(one: Manifest, other: Manifest) -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    yield "image", _plain(one), _plain(other)
    yield "package", one.packages, other.packages
    yield "library", one.agent.libraries, other.agent.libraries
    yield "setting", one.settings, other.settings
    yield "glance", one.glance, other.glance
    yield "service", dict.fromkeys(one.enabled, "enabled"), dict.fromkeys(other.enabled, "enabled")


def _plain(manifest: Manifest) -> dict[str, str]:
    names = ("base", "release", "kernel", "command_line", "disk_gib", "sshd")
    found = {name: str(getattr(manifest, name)) for name in names}
    found["elements"] = manifest.elements[:12]
    return found | {
        "agent": f"{manifest.agent.version} ({manifest.agent.sha256[:12]})",
        "python": manifest.agent.python,
    }


def _change(title: str, name: str, before: str | None, after: str | None) -> str:
    if before is None:
        return f"+ {title} {name} {after}"
    if after is None:
        return f"- {title} {name} {before}"
    return f"~ {title} {name} {before} -> {after}"
