"""What `lictor image build` was asked for, as plain values."""

import argparse
import dataclasses
import pathlib
import urllib.parse

from lictor.cli.image import bases
from lictor.cli.image.bases import Base
from lictor.cli.refusal import Refusal

NO_MIRROR = "none"
"""``--apt-security-mirror none``: no security updates, on purpose."""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """One image. URLs are without a slash at the end, and empty where none was given."""

    base: Base
    release: str
    output: pathlib.Path
    format: str
    size: int
    kernel: str
    ssh: bool
    packages: tuple[str, ...]
    apt_mirror: str
    apt_security_mirror: str
    rpm_repos: str
    container_image: str
    pip_index: str
    pip_hosts: tuple[str, ...]
    keyring: pathlib.Path | None
    work: pathlib.Path
    cache: pathlib.Path | None
    elements: pathlib.Path

    @property
    def python(self) -> str:
        """The minor version of the image's Python."""
        return self.base.releases[self.release]

    @property
    def manifest(self) -> pathlib.Path:
        """Where the manifest goes."""
        return self.output.with_name(f"{self.output.name}.json")

    @property
    def log(self) -> pathlib.Path:
        """Where diskimage-builder's words go."""
        return self.output.with_name(f"{self.output.name}.log")


def read(args: argparse.Namespace) -> Wanted:
    """Check what can be checked without looking outside. Raises ``Refusal``, status 2."""
    base, release = bases.find(args.base, args.release)
    _fits(base, args)
    return Wanted(
        base=base, release=release, output=pathlib.Path(args.output).absolute(), format=args.format, size=args.size,
        kernel=args.kernel, ssh=args.ssh, packages=tuple(args.package),
        apt_mirror=_url("--apt-mirror", args.apt_mirror),
        apt_security_mirror=_security(args.apt_security_mirror),
        rpm_repos=args.rpm_repos or "", container_image=args.container_image or "",
        pip_index=_url("--pip-index-url", args.pip_index_url), pip_hosts=tuple(args.pip_host),
        keyring=pathlib.Path(args.keyring).absolute() if args.keyring else None,
        work=pathlib.Path(args.work_dir).absolute(),
        cache=pathlib.Path(args.cache).absolute() if args.cache else None,
        elements=_elements(args.elements),
    )  # fmt: skip


def _fits(base: Base, args: argparse.Namespace) -> None:
    """An option that the base has no use for would be passed over: say so instead."""
    uses = {
        "apt_mirror": bool(base.label),
        "apt_security_mirror": base.name == "debian",
        "rpm_repos": not base.label,
        "container_image": base.name == "rocky",
        "keyring": bool(base.label),
    }
    for name, used in uses.items():
        if getattr(args, name) and not used:
            raise Refusal(f"--{name.replace('_', '-')} has no meaning for --base {base.name}: leave it out", status=2)


def _url(option: str, text: str | None) -> str:
    if not text:
        return ""
    parts = urllib.parse.urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or any(c.isspace() or c in "'\"$`\\" for c in text):
        raise Refusal(f"{option} {text!r} is no URL: give one that begins with http:// or https://", status=2)
    if parts.username or parts.password:
        raise Refusal(
            f"{option} has a user or a password in it, which would be in every amphora: leave it out", status=2
        )
    return text.rstrip("/")


def _security(text: str | None) -> str:
    return NO_MIRROR if text == NO_MIRROR else _url("--apt-security-mirror", text)


def _elements(given: str | None) -> pathlib.Path:
    place = pathlib.Path(given) if given else pathlib.Path(__file__).parents[4] / "image" / "elements"
    if not (place / "lictor-amphora").is_dir():
        raise Refusal(
            f"{place} has no element lictor-amphora: name the folder image/elements of Lictor's sources with "
            "--elements",
            status=2,
        )
    return place.absolute()
