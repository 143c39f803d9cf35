"""The files that the TLS of a load balancer needs beside its configuration: their names, and what each is to hold.

Names follow from the objects that use the files, not from what is in them: so another certificate in a file's place is
new content under an old name, which HAProxy takes while it runs. Only the certificates that a listener chooses among by
SNI are named by their references, as they come and go one by one in its crt-list.
"""

import dataclasses
import hashlib
from collections.abc import Iterator

from lictor.amphora import tree
from lictor.amphora.emitter import Word, identifier
from lictor.model import Listener, LoadBalancer, Pool
from lictor.model.rules import terminates_tls
from lictor.wire import AUTHORITY, CERTIFICATE, CRT_LIST, REVOCATIONS, File


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A file that is to hold the secret behind ``reference``; ``kind`` is one of ``wire``'s, ``user`` is for people."""

    name: str
    kind: str
    reference: str
    user: str


def crt_list(listener: Listener) -> Word:
    """The list of a listener's certificates."""
    return identifier(f"{listener.id}.list")


def certificate(owner: Listener | Pool) -> Word:
    """The certificate that a listener shows to clients which ask for no name it knows, or a pool to its members."""
    return identifier(f"{owner.id}.pem")


def authority(owner: Listener | Pool) -> Word:
    """The authorities that a listener's clients, or a pool's members, are checked against."""
    return identifier(f"{owner.id}.ca")


def revocations(owner: Listener | Pool) -> Word:
    """What those authorities have revoked."""
    return identifier(f"{owner.id}.crl")


def terminates(listener: Listener) -> bool:
    """Whether a listener speaks TLS with its clients."""
    references = {
        "default_tls_container_ref": listener.default_tls_container_ref,
        "sni_container_refs": listener.sni_container_refs,
    }
    return terminates_tls(listener.protocol, references)


def lists(load_balancer: LoadBalancer) -> list[File]:
    """The crt-lists (manual, 5.1 "crt-list"): the default certificate comes first, by SNI HAProxy finds the others."""
    return [
        File(
            name=str(crt_list(listener)),
            kind=CRT_LIST,
            content="".join(f"{name}\n" for name in (certificate(listener), *_by_name(listener))),
        )
        for listener in tree.listeners(load_balancer)
        if terminates(listener)
    ]


def wanted(load_balancer: LoadBalancer) -> list[Wanted]:
    """What has to be read for a load balancer, each file once."""
    listeners = tree.listeners(load_balancer)
    found = [one for listener in listeners for one in of_listener(listener)]
    found += [one for listener in listeners for pool in tree.used(listener) for one in of_pool(pool)]
    return list({one.name: one for one in found}.values())


def of_listener(listener: Listener) -> Iterator[Wanted]:
    """What has to be read for a listener."""
    if not terminates(listener):
        return
    user = f"listener {listener.id}"
    default, *_others = _references(listener)
    yield Wanted(str(certificate(listener)), CERTIFICATE, default, user)
    for name, reference in _by_name(listener).items():
        yield Wanted(str(name), CERTIFICATE, reference, user)
    if listener.client_authentication != "NONE":
        yield from _checks(listener, listener.client_ca_tls_container_ref, listener.client_crl_container_ref, user)


def of_pool(pool: Pool) -> Iterator[Wanted]:
    """What has to be read for a pool."""
    if not pool.tls_enabled:
        return
    user = f"pool {pool.id}"
    if pool.tls_container_ref:
        yield Wanted(str(certificate(pool)), CERTIFICATE, pool.tls_container_ref, user)
    yield from _checks(pool, pool.ca_tls_container_ref, pool.crl_container_ref, user)


def _checks(owner: Listener | Pool, issuers: str | None, revoked: str | None, user: str) -> Iterator[Wanted]:
    if issuers:
        yield Wanted(str(authority(owner)), AUTHORITY, issuers, user)
    if revoked:
        yield Wanted(str(revocations(owner)), REVOCATIONS, revoked, user)


def _references(listener: Listener) -> list[str]:
    """The default first; a listener without one shows the first of the others to clients that name none of them.

    Raises ``tree.Unsupported`` if there is none.
    """
    default = [listener.default_tls_container_ref] if listener.default_tls_container_ref else []
    found = list(dict.fromkeys([*default, *(listener.sni_container_refs or [])]))
    if not found:
        raise tree.Unsupported(f"Listener {listener.id}: it has no certificate.")
    return found


def _by_name(listener: Listener) -> dict[Word, str]:
    """The files of the certificates below the default one in the crt-list, and their references."""
    return {_sni(reference): reference for reference in _references(listener)[1:]}


def _sni(reference: str) -> Word:
    # A reference may hold any character; 128 bits of its hash are a name for it.
    return identifier(f"sni-{hashlib.sha256(reference.encode()).hexdigest()[:32]}.pem")
