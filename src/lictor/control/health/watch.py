"""The thread of a health manager that looks for silence."""

import functools
import logging
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import ColumnElement, case, func, select, update
from sqlalchemy.orm import Session

from lictor.control import pulse
from lictor.control.health.silence import Guard, Limits, Look, View, mark, tell
from lictor.model import Amphora, AmphoraHealth
from lictor.model.clock import clock_ms
from lictor.model.statuses import AmphoraStatus
from lictor.model.store import Store

LOG = logging.getLogger(__name__)

CHUNK = 200
"""Amphorae that are marked in one transaction."""

LOUD = 60.0
"""Seconds after which it is said again that nothing is believed."""

_WORDS = {
    View.GRACE: "Silence counts for nothing yet: heartbeats may have been missed.",
    View.BLIND: "This health manager has heard no heartbeat of anybody: it is blind, it seems, and gives nobody up.",
    View.PAUSED: "So many amphorae are silent at once that none is given up for it: look at the network. Limits are "
    "silent_share, silent_least and failover_threshold in [health_manager]; silent_pause is how long they hold.",
    View.SURE: "Silence counts again: who is silent is looked at.",
}

_BELIEVED = (
    "So many amphorae have been silent for as long as silent_pause in [health_manager], while others were heard, that "
    "they are believed to be dead: who does not answer either is replaced, within the budget."
)


def boottime() -> float:
    """Seconds since the machine was started, those in which it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Watch:
    """Looks every ``health_check_interval`` seconds; ``ask`` has the loop look at load balancers."""

    def __init__(self, options: Any, store: Store, ask: Callable[[Collection[str]], None]) -> None:
        """``options`` are those of ``[health_manager]``."""
        self._store = store
        self._ask = ask
        self._interval = options.health_check_interval
        self._timeout_ms = int(options.heartbeat_timeout * 1000)
        limits = Limits(
            options.heartbeat_timeout,
            options.health_check_interval,
            options.silent_share,
            options.silent_least,
            options.failover_threshold,
            options.silent_pause,
        )
        self.heard = boottime()
        """When we ourselves last heard anybody."""
        # Whoever was silent while we were away cannot be blamed yet.
        self._guard = Guard(limits, self.heard)
        self._said = 0.0
        self.view = View.GRACE
        self.look: Look | None = None
        """What was seen last."""

    def distrust(self) -> None:
        """Beats were lost on our side of the network."""
        self._guard.distrust(boottime())

    def paused_for(self) -> float:
        """Seconds for which too many have been silent, as ``silent_pause`` counts them; 0 if they are not."""
        return self._guard.paused_for(boottime())

    def run(self, stopping: threading.Event) -> None:
        """Look until told to stop."""
        with pulse.lasting():
            while not stopping.wait(self._interval):
                self._turn()

    def _turn(self) -> None:
        try:
            with pulse.busy():
                self.turn()
        except Exception as error:
            self.distrust()
            LOG.error("Could not look for silent amphorae: %s", error)

    def turn(self) -> None:
        """Look once, and mark who is silent if that can be believed."""
        look = self._look()
        view = self._guard.judge(look)
        self._say(look, view)
        if view is View.PAUSED and self.view is not View.PAUSED:
            self._store.write(self._tell_of_pause)
        self.look, self.view = look, view
        if view is View.GRACE:
            self._store.write(_forget_the_future)
        if view is View.SURE and look.silent:
            self._mark()

    def _look(self) -> Look:
        silent = func.coalesce(func.sum(case((self._stale(), 1), else_=0)), 0)
        query = select(clock_ms(), func.count(), silent)
        with self._store.look() as connection:
            now, fleet, missing = connection.execute(_expected(query.select_from(AmphoraHealth))).one()
        return Look(int(now), boottime(), self.heard, int(fleet), int(missing))

    def _stale(self) -> ColumnElement[bool]:
        return AmphoraHealth.last_update_ms < clock_ms() - self._timeout_ms

    def _mark(self) -> None:
        query = select(AmphoraHealth.amphora_id, Amphora.load_balancer_id)
        with self._store.look() as connection:
            silent = connection.execute(_expected(query).where(self._stale()))
            owners = dict(silent.all())
        ids = sorted(owners)
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            new = self._store.write(functools.partial(mark, amphora_ids=chunk, timeout_ms=self._timeout_ms))
            for amphora_id in sorted(new):
                LOG.warning("Amphora %s of load balancer %s is silent.", amphora_id, owners[amphora_id])
        self._ask({owner for owner in owners.values() if owner})

    def _tell_of_pause(self, session: Session) -> None:
        silent = session.scalars(_expected(select(AmphoraHealth.amphora_id)).where(self._stale())).all()
        tell(session, silent, "silence_paused", "Amphora {} is silent, but so are many: none is given up for it.")

    def _say(self, look: Look, view: View) -> None:
        again = view in (View.BLIND, View.PAUSED) and look.moment - self._said > LOUD
        if view is self.view and not again:
            return
        self._said = look.moment
        believed = view is View.SURE and self._guard.believed > 0
        level = logging.ERROR if believed or view in (View.BLIND, View.PAUSED) else logging.INFO
        words = _BELIEVED if believed else _WORDS[view]
        LOG.log(level, "%s (%d of %d amphorae are silent.)", words, look.silent, look.fleet)


def _expected(query: Any) -> Any:
    """Of those amphorae that should be heard."""
    mine = query.join(Amphora, Amphora.id == AmphoraHealth.amphora_id)
    return mine.where(Amphora.status == AmphoraStatus.ALLOCATED, Amphora.load_balancer_id.is_not(None))


def _forget_the_future(session: Session) -> None:
    """A clock that was set back must not make anybody look alive until it has caught up."""
    ahead = update(AmphoraHealth).where(AmphoraHealth.last_update_ms > clock_ms() + 1000)
    session.execute(ahead.values(last_update_ms=clock_ms()), execution_options={"synchronize_session": False})
