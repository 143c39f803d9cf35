"""Consumers: who keeps a secret is told which load balancers use it, so that nobody deletes it unawares.

What should be told follows from listeners and pools, what was told from rows of its own. Such a row is there before
anything is told, and goes after it was taken back: whoever dies in between is followed by somebody who finds the row
and does the same again, which changes nothing. Any number of housekeepers may do this at the same time.
"""

import dataclasses
import datetime
import functools
import logging
import time

from oslo_config import cfg
from sqlalchemy import delete, insert, select, update

from lictor.control.periodic import Periodic
from lictor.control.upkeep.renewal import in_use
from lictor.drivers.secrets.base import Away, SecretError, Secrets
from lictor.failpoints import reach
from lictor.model import SecretConsumer, new_id, now
from lictor.model.store import Store, rows_changed

LOG = logging.getLogger(__name__)

BETWEEN = ("consumer noted", "consumer registered", "consumer unregistered")
"""Fail points between what is said outside and what is written down."""

UNDER_WAY = datetime.timedelta(seconds=300)
"""For how long whoever wrote a row may be about to tell: it is not dropped so soon, even if it says what is wrong."""


AGAIN = datetime.timedelta(hours=1)
"""After which what was told is told again: somebody may have taken it back who is none of us."""

GIVE_UP = datetime.timedelta(days=1)
"""For how long something is taken back that is refused. Only who may read a secret may do that; its owner, who may have
changed that by mistake, has so long to notice."""


@dataclasses.dataclass(frozen=True)
class _Use:
    load_balancer_id: str
    reference: str


@dataclasses.dataclass(frozen=True)
class _Note:
    """A row of ``SecretConsumer``: when it was told, or since when it is being taken back, if either."""

    id: str
    use: _Use
    created_at: datetime.datetime
    told_at: datetime.datetime | None = None
    untold_at: datetime.datetime | None = None


class Consumers(Periodic):
    """Looks every ``[house_keeping] cleanup_interval`` seconds."""

    trouble = "Could not tell who uses which secrets"

    def __init__(self, conf: cfg.ConfigOpts, store: Store, secrets: Secrets) -> None:
        super().__init__("consumers", conf.house_keeping.cleanup_interval)
        self._store = store
        self._secrets = secrets
        self._complaints: dict[_Use, str] = {}

    def turn(self) -> None:
        """Tell what is new, and take back what is so no more. What fails is tried again at the next turn."""
        used, notes = self._look()
        notes += self._note(used - {note.use for note in notes})
        for note in notes:
            try:
                self._settle(note, note.use in used)
            except Away as error:
                LOG.warning("Nobody can be told who uses which secrets: %s.", error)
                break  # Everybody else would have to wait just as long for the same answer.
            except SecretError as error:
                self._refused(note, note.use in used, str(error))
        self._complaints = {use: said for use, said in self._complaints.items() if use in {each.use for each in notes}}

    def _look(self) -> tuple[set[_Use], list[_Note]]:
        """Who uses what, and what was told of it."""
        with self._store.read() as session:
            used = {_Use(owner.load_balancer_id, wanted.reference) for owner, wanted in in_use(session, going=True)}
            rows = session.scalars(select(SecretConsumer).order_by(SecretConsumer.created_at))
            return used, [_of(row) for row in rows]

    def _note(self, uses: set[_Use]) -> list[_Note]:
        """Write down what is about to be told."""
        if not uses:
            return []
        notes = [_Note(new_id(), use, now()) for use in uses]
        self._store.write(lambda session: session.execute(insert(SecretConsumer), [_row(note) for note in notes]))
        reach("consumer noted")
        return notes

    def _settle(self, note: _Note, used: bool) -> None:
        if used and not _since(note.told_at, AGAIN):
            self._tell(note)
        elif not used and (note.told_at or not _since(note.created_at, UNDER_WAY)):
            _take_back(self._store, self._secrets, note)

    def _refused(self, note: _Note, used: bool, why: str) -> None:
        """Say so, but not at every turn; what has been refused for long enough is nobody's work any more."""
        begun = now() if note.told_at else note.untold_at or note.created_at
        if not used and not _since(begun, GIVE_UP):
            LOG.warning(
                "Secret '%s' goes on counting load balancer %s among its consumers, as this cannot be taken back: %s. "
                "It is not tried any more; the owner can do it (openstack secret consumer delete).",
                note.use.reference,
                note.use.load_balancer_id,
                why,
            )
            _erase(self._store, note)
        elif self._complaints.get(note.use) != why:
            self._complaints[note.use] = why
            LOG.warning("Secret '%s' cannot be told of its user: %s.", note.use.reference, why)

    def _tell(self, note: _Note) -> None:
        self._secrets.register(note.use.reference, note.use.load_balancer_id)
        reach("consumer registered")
        if not self._told(note):
            # Another housekeeper has taken it back meanwhile, before it was told.
            self._secrets.unregister(note.use.reference, note.use.load_balancer_id)

    def _told(self, note: _Note) -> int:
        """How many rows there are to mark: one, or none."""
        marked = update(SecretConsumer).where(SecretConsumer.id == note.id).values(registered=True)
        return self._store.write(functools.partial(rows_changed, statement=marked))


def release(store: Store, secrets: Secrets, load_balancer_id: str) -> None:
    """Take back at once what one load balancer was told to use, and uses no more: its owner may want to delete it now.

    What cannot be taken back at this moment is left to ``Consumers``.
    """
    if not secrets.has_consumers:
        return
    for note in _over(store, load_balancer_id):
        try:
            _take_back(store, secrets, note)
        except SecretError as error:
            LOG.info("Secret '%s' is told later that it is used no more: %s.", note.use.reference, error)
            return


def _over(store: Store, lb_id: str) -> list[_Note]:
    """What was told of this load balancer, and is true no more."""
    with store.read() as session:
        mine = (SecretConsumer.load_balancer_id == lb_id) & SecretConsumer.registered
        notes = [_of(row) for row in session.scalars(select(SecretConsumer).where(mine))]
        used = {wanted.reference for _, wanted in in_use(session, load_balancer_id=lb_id)} if notes else set()
    return [note for note in notes if note.use.reference not in used]


def _take_back(store: Store, secrets: Secrets, note: _Note) -> None:
    # First of all nobody may believe any more that it was told: it may be used again before we have done.
    _untold(store, note)
    secrets.unregister(note.use.reference, note.use.load_balancer_id)
    reach("consumer unregistered")
    _erase(store, note)


def _untold(store: Store, note: _Note) -> None:
    """Only the first time, as the row says since when it is being taken back."""
    mine = (SecretConsumer.id == note.id) & SecretConsumer.registered
    marked = update(SecretConsumer).where(mine).values(registered=False)
    store.write(functools.partial(rows_changed, statement=marked))


def take_all_back(store: Store, secrets: Secrets, seconds: float) -> tuple[int, str]:
    """Take back all that was ever told, for a deployment that ends; for no longer than about so many seconds.

    Returns how much could not be taken back, and why, in a sentence without its full stop.
    """
    with store.read() as session:
        notes = [_of(row) for row in session.scalars(select(SecretConsumer))]
    if not secrets.has_consumers:
        return len(notes), "the configuration names no key manager that could be told (--config-file)"
    deadline, left, why = time.monotonic() + seconds, 0, ""
    for done, note in enumerate(notes):
        if time.monotonic() > deadline:
            return left + len(notes) - done, f"it takes longer than {seconds:.0f} s"
        try:
            secrets.unregister(note.use.reference, note.use.load_balancer_id)
            _erase(store, note)
        except Away as error:
            return left + len(notes) - done, str(error)
        except SecretError as error:
            left, why = left + 1, f"{note.use.reference}: {error}"
    return left, why


def _erase(store: Store, note: _Note) -> None:
    gone = delete(SecretConsumer).where(SecretConsumer.id == note.id)
    store.write(functools.partial(rows_changed, statement=gone))


def _since(moment: datetime.datetime | None, span: datetime.timedelta) -> bool:
    """Whether a moment is no longer ago than this."""
    return moment is not None and now() - moment <= span


def _of(row: SecretConsumer) -> _Note:
    use = _Use(row.load_balancer_id, row.reference)
    told, untold = (row.updated_at, None) if row.registered else (None, row.updated_at)
    return _Note(row.id, use, row.created_at, told, untold)


def _row(note: _Note) -> dict[str, object]:
    return {"id": note.id, **dataclasses.asdict(note.use), "registered": False, "created_at": note.created_at}
