"""The secrets that TLS attributes refer to: read and checked before the transaction, as that may be slow.

The project whose secrets they are is the load balancer's, so whoever may not write below it is refused first. Where
secrets have owners of their own, as in Barbican, the caller must be one who may use them, and lets Lictor read them.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from lictor.api import errors
from lictor.api.auth.context import Context, authorize
from lictor.api.fields import Wire
from lictor.api.requests.listeners import ListenerInGraph
from lictor.api.requests.pools import PoolInGraph
from lictor.api.resource import Api, owner_below
from lictor.drivers.secrets.base import Away, SecretError
from lictor.model import Child


@dataclasses.dataclass(frozen=True)
class Columns:
    """Which attributes of a kind of object refer to what."""

    certificates: tuple[str, ...]
    authority: str
    revocations: str

    def named(self, values: Mapping[str, Any]) -> bool:
        """Whether an update says anything of these attributes."""
        return not values.keys().isdisjoint((*self.certificates, self.authority, self.revocations))


LISTENER = Columns(
    ("default_tls_container_ref", "sni_container_refs"), "client_ca_tls_container_ref", "client_crl_container_ref"
)
POOL = Columns(("tls_container_ref",), "ca_tls_container_ref", "crl_container_ref")


@dataclasses.dataclass(frozen=True)
class References:
    """What one object refers to. The lists of revocations count for the authority beside them."""

    certificates: tuple[str, ...] = ()
    authority: str | None = None
    revocations: str | None = None


def check_new(api: Api, context: Context, project_id: str, wanted: Wire) -> None:
    """Check all references in the creation of an object and of what is below it. Raises 400 and 503."""
    _check(api, context, project_id, _of_request(wanted))


def check_new_below(api: Api, context: Context, rule: str, load_balancer_id: str | None, wanted: Wire) -> None:
    """The same for a load balancer's new child. Raises 403 too; that there is no such parent is found out later."""
    found = _of_request(wanted)
    if not found:
        return
    project_id = owner_below(api, context, rule, load_balancer_id)
    if project_id is not None:
        _check(api, context, project_id, found)


def check_update(
    api: Api, context: Context, rule: str, columns: Columns, model: type[Child], row_id: str, values: Mapping[str, Any]
) -> Callable[[Child], None]:
    """Check the references that an update changes. Raises 400, 403 and 503.

    Returns what is to be called in the transaction, with the row after the update: it raises 409 if another request
    has changed the other half of the pair of authority and revocations that was checked here.
    """
    if not columns.named(values):
        return lambda row: None
    names = (columns.authority, columns.revocations)
    with api.store.read() as session:
        row = session.get(model, row_id)
    if row is None:
        return lambda row: None  # The transaction says so.
    authorize(context, rule, row.project_id)
    pair = tuple(values.get(name, getattr(row, name)) for name in names)
    changed = not values.keys().isdisjoint(names)
    _check(api, context, row.project_id, [References(_refs(columns, values), *(pair if changed else ()))])

    def confirm(row: Child) -> None:
        if changed and tuple(getattr(row, name) for name in names) != pair:
            raise errors.conflict("Another request changed the same objects at the same time. Please try again.")

    return confirm


def _below(wanted: Any) -> Iterator[Wire]:
    """The listeners and pools in a request, wherever they stand."""
    if isinstance(wanted, ListenerInGraph | PoolInGraph):
        yield wanted
    for name in ("listeners", "pools", "default_pool", "l7policies", "redirect_pool"):
        below = getattr(wanted, name, None) or []
        for each in below if isinstance(below, list) else [below]:
            yield from _below(each)


def _of_request(wanted: Wire) -> list[References]:
    """The references in a request."""
    found = []
    for each in _below(wanted):
        columns = LISTENER if isinstance(each, ListenerInGraph) else POOL
        names = (*columns.certificates, columns.authority, columns.revocations)
        values = {name: value for name in names if (value := getattr(each, name))}
        if values:
            found.append(
                References(_refs(columns, values), values.get(columns.authority), values.get(columns.revocations))
            )
    return found


def _refs(columns: Columns, values: Mapping[str, Any]) -> tuple[str, ...]:
    asked = [values.get(name) or [] for name in columns.certificates]
    return tuple(ref for each in asked for ref in ([each] if isinstance(each, str) else each))


def _check(api: Api, context: Context, project_id: str, references: Iterable[References]) -> None:
    failures: dict[str, str] = {}

    def read(reference: str | None, how: Callable[[str, str], Any]) -> Any:
        try:
            return _read(api, context, project_id, reference, how) if reference else None
        except SecretError as error:
            failures[reference or ""] = str(error)
            return None

    for wanted in references:
        for ref in dict.fromkeys(wanted.certificates):
            read(ref, api.secrets.certificate)
        issuers = read(wanted.authority, api.secrets.authority)
        revoked = read(wanted.revocations, api.secrets.revocations)
        if issuers and revoked:
            _verify(issuers, revoked, wanted)
    if failures:
        told = failures.values() if len(failures) == 1 else [f"{ref}: {why}" for ref, why in failures.items()]
        raise errors.bad_request(f"Could not retrieve certificate: {list(failures)}: {'; '.join(told)}.")


def _read(api: Api, context: Context, project_id: str, reference: str, how: Callable[[str, str], Any]) -> Any:
    try:
        api.secrets.share(context.token, reference)
        return how(project_id, reference)
    except Away as error:
        raise errors.unavailable(f"Could not retrieve certificate: ['{reference}']: {error}.") from None


def _verify(issuers: Any, revoked: Any, wanted: References) -> None:
    from lictor.drivers.secrets import x509  # As the drivers load it: not before anybody asks for TLS.

    try:
        x509.check_issuer(issuers, revoked)
    except SecretError:
        raise errors.validation(
            f"The revocation list '{wanted.revocations}' is not signed by the CA '{wanted.authority}'."
        ) from None
