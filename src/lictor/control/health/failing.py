"""Amphorae whose HAProxy fails over and over: their agents say so, and the loop is told to replace them."""

from collections.abc import Iterable

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from lictor.model import Amphora, AmphoraHealth, replacement
from lictor.wire import Heartbeat


def condemn(session: Session, beats: Iterable[Heartbeat]) -> set[str]:
    """Condemn those whose newest heartbeat is one of these; returns the load balancers of those that were not yet."""
    found = set()
    for beat in sorted(beats, key=lambda each: each.amphora_id):
        for load_balancer_id in session.scalars(_owner(beat)).all():
            why = f"Its HAProxy failed {beat.haproxy_failures} times within a minute."
            if replacement.condemn(session, str(load_balancer_id), replacement.HAPROXY, why, beat.amphora_id):
                found.add(str(load_balancer_id))
    return found


def _owner(beat: Heartbeat) -> Select[str | None]:
    """A heartbeat that was overtaken, or is played back, is not the one that was written last."""
    mine = select(Amphora.load_balancer_id).join(AmphoraHealth, AmphoraHealth.amphora_id == Amphora.id)
    newest = AmphoraHealth.boot_id == beat.boot_id, AmphoraHealth.sequence == beat.sequence
    return mine.where(Amphora.id == beat.amphora_id, Amphora.condemned.is_(False), *newest)
