"""What everything of one deployment is called on its host, so that it is found again with nothing but the tag."""

import base64
import dataclasses
import hashlib
import pathlib
import re
import socket

NAMESPACES = pathlib.Path("/run/netns")
"""Where named network namespaces are (ip-netns(8))."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclasses.dataclass(frozen=True)
class Names:
    """The names of the deployment ``tag`` (six hexadecimal digits)."""

    tag: str

    @property
    def private_bridge(self) -> str:
        """The bridge of the user network."""
        return f"licp{self.tag}"

    def further_bridge(self, place: int) -> str:
        """The bridge of the users' network of this number, from 2 on."""
        return f"lic{place}{self.tag}"

    def bridges(self) -> list[str]:
        """The names of all bridges of this deployment that are on the host."""
        return [name for _, name in socket.if_nameindex() if name.startswith("lic") and name.endswith(self.tag)]

    @property
    def management_bridge(self) -> str:
        """The bridge between this host and the agents."""
        return f"licm{self.tag}"

    def namespace(self, amphora_id: str) -> str:
        """The amphora's outer network namespace; also its compute id, and its process 1 carries it as an argument."""
        return f"lictor-{self.tag}-{amphora_id}"

    def path(self, amphora_id: str) -> pathlib.Path:
        """The file of the amphora's outer network namespace."""
        return NAMESPACES / self.namespace(amphora_id)

    def amphora(self, namespace: str) -> str | None:
        """The amphora whose namespace has this name; None if it is not one of this deployment's."""
        prefix, _, amphora_id = namespace.partition(f"lictor-{self.tag}-")
        return amphora_id if not prefix and is_id(amphora_id) else None

    def namespaces(self) -> list[str]:
        """The names of all namespaces of this deployment that exist, half made or whole."""
        return sorted(path.name for path in NAMESPACES.glob(f"lictor-{self.tag}-*"))

    @property
    def link_prefix(self) -> str:
        """What the names of all links of this deployment begin with, but for the bridges."""
        return f"l{self.tag}"

    def amphora_prefix(self, amphora_id: str) -> str:
        """What the names of all links of an amphora begin with. Others' may too: the alias says whose a link is."""
        return self.link_prefix + _short(amphora_id)

    def link(self, amphora_id: str, port_id: str) -> str:
        """The host end of the link for a port: 15 characters, the most the kernel takes (IFNAMSIZ)."""
        return self.amphora_prefix(amphora_id) + _short(port_id)

    def alias(self, amphora_id: str, port_id: str) -> str:
        """The text on a link that says in full what it is for: the name has no room for it."""
        return f"lictor {self.tag} {amphora_id} {port_id}"

    def amphora_of_alias(self, alias: str) -> str | None:
        """The amphora that a link's alias names; None if the link is not one of this deployment's."""
        words = alias.split(" ")
        return words[2] if len(words) == 4 and words[:2] == ["lictor", self.tag] else None


def is_id(text: str) -> bool:
    """Whether a name that was found can be an amphora's id."""
    return _UUID.fullmatch(text) is not None


def _short(identifier: str) -> str:
    """Four characters of base 32: 20 bits."""
    return base64.b32encode(hashlib.sha256(identifier.encode()).digest())[:4].decode().lower()
