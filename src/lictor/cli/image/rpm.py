"""Repositories of the bases that use RPM: are they the ones named, do they answer, are their packages verified?

diskimage-builder's own repositories for CentOS have ``gpgcheck=0``, and its Rocky begins with a container image and
with lists of mirrors of its distribution's hosts. So both take yours, and nothing else.
"""

import configparser
import pathlib
import re
import urllib.parse

from lictor.cli.image.fetch import fetch
from lictor.cli.image.wanted import Wanted
from lictor.cli.refusal import Refusal

MUST_BE_1 = {
    "gpgcheck": "verifies the packages",
    # dnf downloads the first packages, among them those with the keys, without looking at their signatures.
    "repo_gpgcheck": "verifies the list of packages, and by it the first ones, which bring dnf its keys",
}

_DIGEST = re.compile(r"[\w.-]+(?::\d+)?/\S+@sha256:[0-9a-f]{64}")


def check(wanted: Wanted) -> None:
    """Raises ``Refusal`` with the first thing that is missing, wrong, or does not answer."""
    if wanted.base.label:
        return
    if wanted.base.name == "rocky":
        _check_container_image(wanted.container_image)
    for file, section, values in repositories(wanted):
        where = f"{file}: [{section}]"
        _check_words(where, values)
        for url in values["gpgkey"].split():
            _check_key(where, _filled(url, wanted.release))
        base = _filled(values["baseurl"], wanted.release).rstrip("/")
        fetch(f"{where} baseurl", f"{base}/repodata/repomd.xml", "a repository of packages has it")
        fetch(f"{where} repo_gpgcheck", f"{base}/repodata/repomd.xml.asc", "a repository that is signed has it")


def repositories(wanted: Wanted) -> list[tuple[pathlib.Path, str, dict[str, str]]]:
    """File, section and values of each repository named. Raises ``Refusal`` if there is none, or no such file."""
    files = sorted(pathlib.Path(wanted.rpm_repos).glob("*.repo")) if wanted.rpm_repos else []
    if not files:
        raise Refusal(
            f"--base {wanted.base.name} needs --rpm-repos DIR with .repo files that have baseurl, gpgkey, gpgcheck=1 "
            "and repo_gpgcheck=1: those of diskimage-builder do not verify packages, or lead to the distribution itself"
        )
    return [(file, name, values) for file in files for name, values in _sections(file)]


def hosts(wanted: Wanted) -> list[str]:
    """Where the packages come from, and for Rocky the container image that it begins with."""
    found = {urllib.parse.urlsplit(values["baseurl"]).netloc for _, _, values in repositories(wanted)}
    return sorted(found | ({wanted.container_image.partition("/")[0]} if wanted.container_image else set()))


def containerfile(image: str, python: str) -> str:
    """What diskimage-builder's element for container images begins with: Rocky with no repositories but those named."""
    packages = f"dnf systemd findutils util-linux sudo python3 python{python} curl"
    return (
        f"FROM {image}\nRUN rm -f /etc/yum.repos.d/*\nCOPY *.repo /etc/yum.repos.d/\n"
        f"RUN dnf install -y --allowerasing {packages} && systemd-machine-id-setup\n"
    )


def _check_container_image(name: str) -> None:
    if not _DIGEST.fullmatch(name):
        given = f"{name!r} is none" if name else "none was given"
        raise Refusal(
            "--base rocky begins with Rocky's container image; name yours, with its digest, by --container-image "
            f"HOST/NAME@sha256:DIGEST: {given}",
            status=2,
        )


def _check_words(where: str, values: dict[str, str]) -> None:
    for key, good in (("baseurl", True), ("gpgkey", True), ("mirrorlist", False), ("metalink", False)):
        if bool(values.get(key)) is not good:
            raise Refusal(f"{where} {'needs' if good else 'must not have'} {key}")
    for key, why in MUST_BE_1.items():
        if values.get(key) != "1":
            raise Refusal(f"{where} has {key}={values.get(key)}: it must be 1, which {why}")


def _check_key(where: str, url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme in ("http", "https"):
        fetch(f"{where} gpgkey", url, "name the address or the file (file:///…) of the keys that sign its packages")
    elif not pathlib.Path(parts.path).is_file():
        raise Refusal(
            f"{where} the packages cannot be verified, the keys {parts.path} are not on this host: copy them from the "
            "package that has them (centos-gpg-keys, rocky-gpg-keys) or name their address in gpgkey"
        )


def _filled(url: str, release: str) -> str:
    for name, value in (("releasever", release), ("stream", f"{release}-stream"), ("basearch", "x86_64")):
        url = url.replace(f"${name}", value).replace(f"${{{name}}}", value)
    return url


def _sections(file: pathlib.Path) -> list[tuple[str, dict[str, str]]]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(file.read_text())
    except (configparser.Error, OSError, ValueError) as error:
        raise Refusal(f"{file} is no repository file: {' '.join(str(error).split())}") from None
    return [(name, dict(parser[name])) for name in parser.sections()]
