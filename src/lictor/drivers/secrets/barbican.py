"""Secrets in OpenStack's key manager: the driver ``barbican``.

A reference is the URL of a secret or of a container in Barbican; of it, only the kind and the id count, as tokens go to
no other place than the key manager of this cloud. What may be behind it:

- a secret: a certificate with its key as PKCS12 or PEM, CA certificates, or revocation lists;
- a container of the type *certificate*: certificate, private_key, private_key_passphrase and intermediates;
- a *generic* container of secrets with these names, or of a single secret of any name, which is as good as that secret.

Secrets and certificate containers never change, so nobody looks whether they have. What is in a generic container can
be replaced: that is how a certificate is renewed without a word to Lictor.

Whose a secret is, only Barbican knows. So the project that Lictor reads for says nothing here; but the API lets a
caller name only what the caller's own token opens, and gives Lictor's account the right to read it with that token.
"""

import contextlib
import dataclasses
import functools
import hashlib
import logging
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from barbicanclient import client, exceptions
from barbicanclient.v1.containers import CertificateContainer, Container
from keystoneauth1.exceptions.connection import ConnectionError
from keystoneauth1.exceptions.discovery import DiscoveryFailure
from keystoneauth1.token_endpoint import Token
from oslo_config import cfg

from lictor.drivers import cloud
from lictor.drivers.secrets import x509
from lictor.drivers.secrets.base import Authority, Away, Certificate, Revocations, SecretError

LOG = logging.getLogger(__name__)
# It calls every refusal an error. What matters of them is in the sentences below.
logging.getLogger("barbicanclient.client").setLevel(logging.CRITICAL)
_SILENT = logging.getLogger(f"{__name__}.silent")
"""For keystoneauth, which would write answers into the log when it is asked to debug: private keys are among them."""
_SILENT.setLevel(logging.CRITICAL)

SERVICE = "load-balancer"
"""As whom secrets know their consumer: the type of this service in Keystone's catalogue."""

QUIET = 2.0
"""Seconds without a request after one to which nobody answered: else each secret of many costs a timeout of its own."""

PARTS = frozenset({"certificate", "private_key", "private_key_passphrase", "intermediates"})

_REFERENCE = re.compile(
    r"(?:https?://[^\s?#]+/)?(?P<kind>secrets|containers)/(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/?", re.I
)
_AWAY = "Barbican cannot be asked at the moment"
_NOT_YOURS = "Barbican does not let the caller read it, or what is in it"


@dataclasses.dataclass(frozen=True)
class _Place:
    kind: str
    id: str

    def __str__(self) -> str:
        return f"/{self.kind}/{self.id}"


class BarbicanSecrets:
    """The driver ``barbican``. For use by several threads."""

    has_consumers = True

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        """Asks nobody yet. Raises ``config.Misconfigured``."""
        self._session = cloud.session(conf, "certificates")
        self._endpoint_options = cloud.endpoint(conf, "certificates")
        self._given_endpoint = conf.certificates.endpoint
        self._unchanging: set[str] = set()
        self._quiet_until = 0.0

    def version(self, project_id: str, reference: str) -> str:
        """The reference itself, as what is behind it cannot change; of a generic container, what is in it."""
        place = _place(reference)
        if place.kind == "secrets" or place.id in self._unchanging:
            return reference
        container = self._container(self._own, place)
        if isinstance(container, CertificateContainer):
            self._unchanging.add(place.id)
            return reference
        return hashlib.sha256(repr(sorted(container.secret_refs.items())).encode()).hexdigest()

    def certificate(self, project_id: str, reference: str, lapsed: bool = False) -> Certificate:
        """The certificate and key in a secret or a container."""
        return x509.certificate(self._bundle(_place(reference)), lapsed)

    def authority(self, project_id: str, reference: str, lapsed: bool = False) -> Authority:
        """The CA certificates in a secret."""
        return x509.authority(self._single(_place(reference)), lapsed)

    def revocations(self, project_id: str, reference: str, lapsed: bool = False) -> Revocations:
        """The revocation lists in a secret."""
        return x509.revocations(self._single(_place(reference)), lapsed)

    def share(self, token: str | None, reference: str) -> None:
        """Let Lictor's account read a secret, or a container and all that is in it."""
        if token is None:
            raise SecretError("what is in Barbican can only be used with a token of Keystone")
        theirs = self._client(auth=Token(self._endpoint, token))
        for each in self._opened(theirs, _place(reference)):
            self._grant(theirs, each)

    def register(self, reference: str, load_balancer_id: str) -> None:
        """Add a load balancer to the consumers of a secret or container."""
        place, own = _place(reference), self._own
        with self._asking("it", self._closed):
            if place.kind == "containers":
                own.containers.register_consumer(str(place), SERVICE, _url(load_balancer_id))
            elif _counts_consumers(own):
                own.secrets.register_consumer(str(place), SERVICE, "loadbalancer", load_balancer_id)

    def unregister(self, reference: str, load_balancer_id: str) -> None:
        """Take it out of them."""
        place, own = _place(reference), self._own
        with self._asking("it", self._closed), _gone():
            if place.kind == "containers":
                own.containers.remove_consumer(str(place), SERVICE, _url(load_balancer_id))
            elif _counts_consumers(own):
                own.secrets.remove_consumer(str(place), SERVICE, "loadbalancer", load_balancer_id)

    @functools.cached_property
    def _own(self) -> Any:
        """barbicanclient with Lictor's account."""
        return self._client()

    @functools.cached_property
    def _endpoint(self) -> str:
        """Where Barbican is, without its version."""
        with self._asking("it"):
            found = self._given_endpoint or self._session.get_endpoint(
                service_type="key-manager", **self._endpoint_options
            )
        if not found:
            raise Away("Keystone's catalogue has no key manager")
        return re.sub(r"/v1/?$", "", str(found))

    @functools.cached_property
    def _user_id(self) -> str:
        with self._asking("it"):
            return str(self._session.get_user_id())

    @contextlib.contextmanager
    def _asking(self, what: str, closed: str = "Barbican refuses it") -> Iterator[None]:
        """What Barbican answers, as a sentence about ``what``; ``closed`` is that for whoever may not have it."""
        if time.monotonic() < self._quiet_until:
            raise Away(_AWAY)
        try:
            yield
        except SecretError:
            raise
        except exceptions.HTTPClientError as error:
            told = {403: closed, 404: f"{what} is not in Barbican, or has expired there"}.get(error.status_code)
            raise SecretError(told or f"Barbican refuses to show {what}: {error}") from None
        except Exception as error:  # Something may answer that is not Barbican, and keystoneauth raises anything.
            if isinstance(error, ConnectionError | DiscoveryFailure):
                self._quiet_until = time.monotonic() + QUIET
            LOG.warning("Barbican cannot be asked: %s: %s", type(error).__name__, error)
            raise Away(_AWAY) from None

    @property
    def _closed(self) -> str:
        return (
            "Barbican does not let Lictor read it, or what is in it; whoever owns it can allow that to Lictor's user, "
            f"which is {self._user_id} (openstack acl user add --user ID REFERENCE)"
        )

    def _client(self, **options: Any) -> Any:
        """barbicanclient; it asks Barbican for its version."""
        with self._asking("it"):
            return client.Client(session=self._session, endpoint=self._endpoint, logger=_SILENT, **options)

    def _bundle(self, place: _Place) -> bytes:
        if place.kind == "secrets":
            return self._payload(place)
        parts = self._parts(place)
        if {"certificate", "private_key"} <= parts.keys() <= PARTS:
            read = {name: self._payload(part, f"its {name}") for name, part in parts.items()}
            passphrase, intermediates = read.get("private_key_passphrase"), read.get("intermediates")
            return x509.bundle(read["certificate"], read["private_key"], passphrase, intermediates)
        return self._payload(_only(parts))

    def _single(self, place: _Place) -> bytes:
        return self._payload(place if place.kind == "secrets" else _only(self._parts(place)))

    def _parts(self, place: _Place) -> dict[str, _Place]:
        return _secrets_of(self._container(self._own, place))

    def _container(self, whose: Any, place: _Place, closed: str | None = None) -> Container:
        with self._asking("it", closed or self._closed):
            return whose.containers.get(str(place))

    def _payload(self, place: _Place, what: str = "it") -> bytes:
        with self._asking(what, self._closed):
            found = self._own.secrets.get(str(place)).payload
        if not found:
            raise SecretError(f"{what} has no payload")
        return found.encode() if isinstance(found, str) else bytes(found)

    def _opened(self, theirs: Any, place: _Place) -> list[_Place]:
        """A secret; or a container and what is in it. Raises if the caller may not read all of it."""
        if place.kind == "containers":
            inside = _secrets_of(self._container(theirs, place, _NOT_YOURS)).values()
            return [place, *(each for part in inside for each in self._opened(theirs, part))]
        with self._asking("it", _NOT_YOURS):
            _status = theirs.secrets.get(str(place)).status
        return [place]

    def _grant(self, theirs: Any, place: _Place) -> None:
        """A caller who may use a secret need not be one who may share it: reading tells later whether that matters."""
        try:
            with self._asking("it"):
                acl = theirs.acls.get(str(place))
                read = acl.get("read")
                users, whole = (read.users, read.project_access) if read else ([], True)
                if self._user_id not in users:
                    acl.add_operation_acl([*users, self._user_id], whole, "read")
                    acl.submit()
        except Away:
            raise
        except SecretError as error:
            LOG.debug("The caller cannot share %s: %s", place, error)


def _place(reference: str) -> _Place:
    found = _REFERENCE.fullmatch(reference)
    if not found:
        raise SecretError("it is not the URL of a secret or a container in Barbican, as https://HOST/v1/secrets/ID is")
    return _Place(found["kind"].lower(), found["id"].lower())


def _secrets_of(container: Container) -> dict[str, _Place]:
    return {name: _place(reference) for name, reference in (container.secret_refs or {}).items()}


def _only(parts: Mapping[str, _Place]) -> _Place:
    if len(parts) == 1:
        return next(iter(parts.values()))
    held = ", ".join(sorted(parts)) or "nothing"
    raise SecretError(
        f"the container holds {held}; for a certificate it must hold certificate and private_key, and may hold "
        "private_key_passphrase and intermediates, and for anything else one secret alone"
    )


def _url(load_balancer_id: str) -> str:
    """A load balancer, where consumers are URLs: that of the API is the clients' affair, and may change."""
    return f"{SERVICE}://loadbalancers/{load_balancer_id}"


def _counts_consumers(own: Any) -> bool:
    """Secrets have them since version 1.1 of Barbican's API; containers always had."""
    return bool(own.client.is_supported_microversion("1.1"))


@contextlib.contextmanager
def _gone() -> Iterator[None]:
    try:
        yield
    except exceptions.HTTPClientError as error:
        if error.status_code != 404:
            raise
