"""Renewal: where the content behind a reference has changed, the loop is asked to deliver it.

The reference stays as it was, so no write tells of it: somebody has to look. What was there when a reference is seen
for the first time is not known here, so the loop is asked then, too; where nothing has changed, nothing happens.
"""

import logging
from collections.abc import Callable, Iterable, Iterator

from oslo_config import cfg
from sqlalchemy import select
from sqlalchemy.orm import Session

from lictor.amphora.certificates import Wanted, of_listener, of_pool
from lictor.control import asking
from lictor.control.periodic import Periodic
from lictor.control.vault import Vault
from lictor.drivers.secrets.base import Away, SecretError
from lictor.model import Listener, Pool
from lictor.model.rules import TLS_LISTENERS
from lictor.model.statuses import Provisioning
from lictor.model.store import Store

LOG = logging.getLogger(__name__)

_Key = tuple[str, str, str]


class Forgetting(Periodic):
    """Takes secrets that are no longer in use out of memory, every ``[certificates] renewal_interval`` seconds."""

    trouble = "Could not look which certificates are in use"

    def __init__(self, conf: cfg.ConfigOpts, store: Store, vault: Vault) -> None:
        super().__init__("renewal", conf.certificates.renewal_interval)
        self._store = store
        self._vault = vault

    def turn(self) -> None:
        """Look which are in use."""
        self._vault.forget(self._used().keys())

    def _used(self) -> dict[_Key, set[str]]:
        """Every secret in use, with the load balancers that use it."""
        used: dict[_Key, set[str]] = {}
        with self._store.read() as session:
            for owner, wanted in in_use(session):
                key = (wanted.kind, owner.project_id, wanted.reference)
                used.setdefault(key, set()).add(owner.load_balancer_id)
        return used


class Renewal(Forgetting):
    """Looks as often whether they have changed."""

    trouble = "Could not look for renewed certificates"

    def __init__(self, conf: cfg.ConfigOpts, store: Store, vault: Vault, wake: Callable[[], None]) -> None:
        super().__init__(conf, store, vault)
        self._wake = wake
        self._seen: dict[_Key, str] = {}

    def turn(self) -> None:
        """Look at every secret that is in use, and ask the loop to look where one is not as it was."""
        used = self._used()
        found = self._versions(used.keys())
        changed = [key for key, version in found.items() if self._seen.get(key) != version]
        if changed:
            LOG.info("The secrets %s are new or have changed.", sorted({reference for _, _, reference in changed}))
            users = {user for key in changed for user in used[key]}
            asking.ask(self._store, users, asking.again)
            self._wake()
        self._seen = {key: version for key, version in (self._seen | found).items() if key in used}
        self._vault.forget(used.keys())

    def _versions(self, keys: Iterable[_Key]) -> dict[_Key, str]:
        """As far as they can be had: of what cannot be looked at nobody knows that it is not as it was."""
        found = {}
        for key in keys:
            try:
                found[key] = self._version(key)
            except Away as error:
                LOG.warning("Could not look for renewed secrets: %s.", error)
                break  # The others would have to wait just as long for the same answer.
        return found

    def _version(self, key: _Key) -> str:
        _kind, project_id, reference = key
        try:
            return self._vault.version(project_id, reference)
        except Away:
            raise
        except SecretError as error:
            return str(error)


def in_use(
    session: Session, going: bool = False, load_balancer_id: str = ""
) -> Iterator[tuple[Listener | Pool, Wanted]]:
    """Every use of a secret, or one load balancer's; by what is being deleted only if ``going``."""
    gone = () if going else (Provisioning.PENDING_DELETE,)
    listeners = select(Listener).where(Listener.protocol.in_(TLS_LISTENERS), Listener.provisioning_status.not_in(gone))
    pools = select(Pool).where(Pool.tls_enabled, Pool.provisioning_status.not_in(gone))
    if load_balancer_id:
        listeners = listeners.where(Listener.load_balancer_id == load_balancer_id)
        pools = pools.where(Pool.load_balancer_id == load_balancer_id)
    for listener in session.scalars(listeners):
        yield from ((listener, wanted) for wanted in of_listener(listener))
    for pool in session.scalars(pools):
        yield from ((pool, wanted) for wanted in of_pool(pool))
