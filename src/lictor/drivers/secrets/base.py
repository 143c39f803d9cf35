"""The seam to whatever keeps certificates and keys: Barbican's and Octavia's ``cert_manager`` by their other name.

Entry points of the group ``lictor.secrets.drivers`` name a class that is built with the configuration. A reference is
what a user wrote into ``default_tls_container_ref`` and its like; what it means is the driver's affair. It is read on
behalf of a project, the load balancer's, and whatever that project may not use is not there for it.
"""

import dataclasses
import datetime
from typing import Protocol


class SecretError(Exception):
    """A secret is not there, cannot be read, or is not what it has to be. The message is for the user to read.

    It says what is wrong and what would be right, and nothing about paths or about what is inside.
    """


class Away(SecretError):
    """Whoever keeps secrets cannot be asked: nothing is known about the secret, and trying again may help."""


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A certificate for a server or a client, with its private key; all texts are PEM, the key is not encrypted.

    ``intermediates`` lead from the certificate's issuer towards the root. ``names`` are its common name and
    alternative names, each once. ``not_after`` has a time zone.
    """

    certificate: str
    private_key: str = dataclasses.field(repr=False)
    intermediates: tuple[str, ...]
    names: tuple[str, ...]
    not_after: datetime.datetime


@dataclasses.dataclass(frozen=True)
class Authority:
    """One or more certificates of authorities that peers are checked against, as PEM; the earliest end of them."""

    certificates: str
    not_after: datetime.datetime


@dataclasses.dataclass(frozen=True)
class Revocations:
    """One or more certificate revocation lists, as PEM, and when the first of them is to be replaced, if it says so."""

    lists: str
    next_update: datetime.datetime | None


class Secrets(Protocol):
    """What the API and the loop ask of a secrets driver. All methods may be slow, and all raise ``SecretError``.

    ``lapsed`` is for whoever uses a secret that was accepted long ago: then it may have run out meanwhile.
    ``has_consumers`` says whether those who keep a secret are told who uses it: if not, nobody calls ``register``.
    """

    has_consumers: bool

    def share(self, token: str | None, reference: str) -> None:
        """See that a caller may use a secret, and that Lictor may read it from now on, on the caller's word.

        ``token`` is the caller's, of Keystone, or None where callers have none. May be repeated.
        """

    def register(self, reference: str, load_balancer_id: str) -> None:
        """Tell that a load balancer uses a secret. May be repeated."""

    def unregister(self, reference: str, load_balancer_id: str) -> None:
        """Tell that it does no more. May be repeated, and the secret may be gone."""

    def version(self, project_id: str, reference: str) -> str:
        """Something that is another one when the content is, and takes less time to have than that."""

    def certificate(self, project_id: str, reference: str, lapsed: bool = False) -> Certificate:
        """A certificate that is good today, and the key that belongs to it."""

    def authority(self, project_id: str, reference: str, lapsed: bool = False) -> Authority:
        """Certificates of authorities that are good today."""

    def revocations(self, project_id: str, reference: str, lapsed: bool = False) -> Revocations:
        """Revocation lists that are not overdue."""
