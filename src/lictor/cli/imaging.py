"""The options of `lictor image`: apart from what it does, so that other commands need not load that."""

import argparse

DEFAULT_SIZE = 2
"""GiB of the image's disk. The root file system is read-only: it need not grow."""


def options(command: argparse.ArgumentParser) -> None:
    """Add the actions and their options."""
    command.set_defaults(module="image", state_dir=None, config_file=[], debug=False)
    actions = command.add_subparsers(required=True, metavar="ACTION", dest="action")
    build = actions.add_parser("build", help="make a bootable image", description="Make a bootable amphora image.")
    _what(build)
    _from_where(build)
    _how(build)
    show = actions.add_parser("show", help="what is in an image")
    show.add_argument("image", metavar="FILE", help="an image, or its manifest")
    diff = actions.add_parser("diff", help="what differs between two images")
    diff.add_argument("image", metavar="A", help="an image, or its manifest")
    diff.add_argument("other", metavar="B", help="another one")


def _what(build: argparse.ArgumentParser) -> None:
    build.add_argument("--output", metavar="FILE", default="amphora.qcow2", help="default: amphora.qcow2")
    build.add_argument("--format", choices=["qcow2", "raw"], default="qcow2", help="default: qcow2")
    build.add_argument("--base", default="debian", help="debian (default), ubuntu, centos-stream or rocky")
    build.add_argument("--release", help="of the base; default: the oldest that Lictor supports")
    build.add_argument("--size", metavar="GiB", type=_size, default=DEFAULT_SIZE, help=f"default: {DEFAULT_SIZE}")
    build.add_argument(
        "--kernel", choices=["cloud", "generic"], default="cloud",
        help="for virtual machines only (default, small), or for any hardware",
    )  # fmt: skip
    build.add_argument("--ssh", action="store_true", help="with sshd, for the key pair that Nova is told")
    build.add_argument("--package", metavar="NAME", action="append", default=[], help="a further one; repeatable")


def _from_where(build: argparse.ArgumentParser) -> None:
    build.add_argument("--apt-mirror", metavar="URL", help="of Debian or Ubuntu; default: what apt uses on this host")
    build.add_argument(
        "--apt-security-mirror", metavar="URL",
        help="Debian's security updates, or 'none'; default: the mirror's URL with -security, or what apt uses here",
    )  # fmt: skip
    build.add_argument("--rpm-repos", metavar="DIR", help="centos-stream, rocky: .repo files with baseurl and gpgkey")
    build.add_argument("--container-image", metavar="REF", help="rocky: what it begins with, HOST/NAME@sha256:DIGEST")
    build.add_argument("--pip-index-url", metavar="URL", help="of Python packages; default: what pip uses here")
    build.add_argument(
        "--pip-host", metavar="HOST", action="append", default=[],
        help="a host that the index may send to for files; repeatable",
    )  # fmt: skip
    build.add_argument("--keyring", metavar="FILE", help="keys that sign the mirror's packages, if not the base's own")


def _how(build: argparse.ArgumentParser) -> None:
    build.add_argument("--work-dir", metavar="DIR", default="/var/tmp", help="for files in between (default: /var/tmp)")
    build.add_argument("--cache", metavar="DIR", help="keep downloaded packages here for the next time")
    build.add_argument("--elements", metavar="DIR", help="Lictor's elements; default: those of this checkout")
    build.add_argument("--check", action="store_true", help="look whether it could be done, and do nothing")


def _size(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: give a whole number of GiB from 1 to 1000")
    return int(text)
