"""Secrets on their way from where they are kept to the amphorae that use them.

Whatever cannot be read is a fault that is recorded and tried again. Until then the content that was read last stands in
for it: a key manager that is away must not keep a load balancer from changing its members. If this process has read
none yet, amphorae are told to keep what they have. What has run out is delivered all the same: it was good when it was
accepted, and clients say what they think.
"""

from collections.abc import Callable, Collection

from lictor.amphora.certificates import Wanted
from lictor.drivers.secrets.base import Certificate, SecretError, Secrets
from lictor.wire import AUTHORITY, CERTIFICATE, REVOCATIONS, File


class Vault:
    """Reads secrets that have changed, and remembers what it read. For use by several threads."""

    def __init__(self, secrets: Secrets) -> None:
        self.secrets = secrets
        self._read: dict[str, Callable[[str, str], str]] = {
            CERTIFICATE: lambda project, ref: _bundle(secrets.certificate(project, ref, lapsed=True)),
            AUTHORITY: lambda project, ref: secrets.authority(project, ref, lapsed=True).certificates,
            REVOCATIONS: lambda project, ref: secrets.revocations(project, ref, lapsed=True).lists,
        }
        self._known: dict[tuple[str, str, str], tuple[str, str]] = {}

    def file(self, project_id: str, wanted: Wanted, faults: list[str]) -> File:
        """The file with its content of now.

        If that cannot be had, it is one with an older content, or one to be kept, and a sentence is added to
        ``faults`` that names the secret and who uses it.
        """
        try:
            content = self._content(project_id, wanted)
        except SecretError as error:
            faults.append(f"Secret '{wanted.reference}' of {wanted.user} cannot be used: {error}.")
            known = self._known.get((wanted.kind, project_id, wanted.reference))
            if known is None:
                return File(name=wanted.name, kind=wanted.kind, content="", kept=True)
            content = known[1]
        return File(name=wanted.name, kind=wanted.kind, content=content)

    def _content(self, project_id: str, wanted: Wanted) -> str:
        """To read a key and to check it takes up to 40 ms, so that is done once for each content."""
        key, version = (wanted.kind, project_id, wanted.reference), self.version(project_id, wanted.reference)
        known = self._known.get(key)
        if known is None or known[0] != version:
            # The content may be newer than its version: then it is read once more, with the next change.
            known = self._known[key] = version, self._read[wanted.kind](project_id, wanted.reference)
        return known[1]

    def version(self, project_id: str, reference: str) -> str:
        """Something that differs when the content does. Raises ``SecretError``."""
        return self.secrets.version(project_id, reference)

    def forget(self, used: Collection[tuple[str, str, str]]) -> None:
        """Keep in memory only what is in use: (kind, project id, reference)."""
        for key in set(self._known) - set(used):
            self._known.pop(key, None)


def _bundle(read: Certificate) -> str:
    """A certificate as HAProxy takes it (manual, 5.1 "crt"): itself, what leads to its root, its key."""
    return "".join([read.certificate, *read.intermediates, read.private_key])
