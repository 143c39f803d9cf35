"""The distributions of which an amphora can be made, and what diskimage-builder needs for each."""

import dataclasses
from collections.abc import Mapping

from lictor.cli.refusal import Refusal


@dataclasses.dataclass(frozen=True)
class Base:
    """One distribution.

    ``releases`` are the names users give, with the minor version of the Python there that runs the agent. ``programs``
    are needed on this host beside those of every base, with the Debian packages they are in.
    """

    name: str
    element: str
    releases: Mapping[str, str]
    programs: Mapping[str, str]
    label: str = ""
    """What apt calls it (Release file, field Origin); empty where apt is not used."""

    keyring: str = ""
    keyring_package: str = ""
    components: str = "main"

    def dib_release(self, release: str) -> str:
        """What diskimage-builder calls a release."""
        return f"{release}-stream" if self.name == "centos-stream" else release


_DEBOOTSTRAP = {"debootstrap": "debootstrap", "gpgv": "gpgv"}
_KEYRINGS = "/usr/share/keyrings"

BASES = {
    base.name: base
    for base in (
        Base(
            "debian", "lictor-debian", {"bookworm": "3.11", "trixie": "3.13"}, _DEBOOTSTRAP, "Debian",
            f"{_KEYRINGS}/debian-archive-keyring.gpg", "debian-archive-keyring",
        ),
        Base(
            "ubuntu", "ubuntu-minimal", {"noble": "3.12"}, _DEBOOTSTRAP, "Ubuntu",
            f"{_KEYRINGS}/ubuntu-archive-keyring.gpg", "ubuntu-keyring", "main,universe",
        ),
        Base("centos-stream", "centos-minimal", {"9": "3.12", "10": "3.12"}, {"dnf": "dnf", "rpm": "rpm"}),
        Base("rocky", "rocky-container", {"9": "3.12", "10": "3.12"}, {"podman": "podman"}),
    )
}  # fmt: skip


def find(name: str, release: str | None) -> tuple[Base, str]:
    """The base of this name and its release, the first one if none is named. Raises ``Refusal``, status 2."""
    base = BASES.get(name)
    if base is None:
        raise Refusal(f"--base {name} is unknown: give {', '.join(BASES)}", status=2)
    chosen = release or next(iter(base.releases))
    if chosen not in base.releases:
        raise Refusal(f"--release {release} of {name} is not supported: give {' or '.join(base.releases)}", status=2)
    return base, chosen
