"""`lictor roll`: new amphorae in the place of old ones, fleet-wide, some at a time.

It only says which amphorae are to go; the loop replaces them, within its budget. All it knows is in the database: it
can be killed at any moment, and the next `lictor roll` goes on.
"""

import argparse
import functools
import time

from oslo_config import cfg
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from lictor.cli import database
from lictor.cli.refusal import Refusal
from lictor.model import LoadBalancer, roll
from lictor.model.roll import Progress, Selection
from lictor.model.store import Store

FAILING = 1
"""Exit status: a replacement fails. The roll is not over; it can be gone on with."""

UNFINISHED = 3
"""Exit status of `--status`: there is something left to do, and nothing fails."""

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""

POLL = 0.3
"""Seconds between looks."""


def run(args: argparse.Namespace, conf: cfg.ConfigOpts) -> int:
    """Exit status 0 when nothing is left to do. Raises ``Refusal``."""
    store = database.as_it_is(conf)
    wanted = Selection(args.all, args.image_older_than, args.image, args.expiring, tuple(args.load_balancer))
    try:
        if args.status:
            return _status(store)
        if args.cancel:
            return _cancel(store)
        _check(store, wanted)
        return _dry_run(store, wanted) if args.dry_run else _roll(store, wanted, args.at_once, args.keep_going)
    except SQLAlchemyError as error:
        raise Refusal(database.unusable(conf, error)) from None
    except KeyboardInterrupt:
        print("Stopped. What was begun comes to its end; `lictor roll` goes on with the rest.", flush=True)
        return INTERRUPTED


def _check(store: Store, wanted: Selection) -> None:
    """Whether there is something to do, and it can be told what. Raises ``Refusal``, status 2."""
    with store.read() as session:
        present = roll.unfinished(session)
        known = set(session.scalars(select(LoadBalancer.id).where(LoadBalancer.id.in_(wanted.load_balancers))))
    if strangers := sorted(set(wanted.load_balancers) - known):
        raise Refusal(f"there is no load balancer {strangers[0]}: give its id", status=2)
    if present is None and wanted == Selection():
        raise Refusal("there is no roll to go on with: say which amphorae, for example --all", status=2)
    if present is not None and wanted != Selection() and wanted.words() != present.wanted:
        raise Refusal(
            f"a roll of amphorae {present.wanted} is not over: run `lictor roll` to go on with it, or "
            "`lictor roll --cancel` first",
            status=2,
        )


def _dry_run(store: Store, wanted: Selection) -> int:
    with store.read() as session:
        present = roll.unfinished(session)
        found = roll.selected(session, wanted) if present is None else roll.left(session, present)
    for amphora in found:
        print(f"{amphora.id} {amphora.role} of load balancer {amphora.load_balancer_id}")
    print(f"{len(found)} amphorae would be replaced.")
    return 0


def _status(store: Store) -> int:
    with store.read() as session:
        present = roll.unfinished(session)
        seen = roll.progress(session, present) if present else None
    if present is None or seen is None:
        print("No roll is under way.")
        return 0
    print(f"A roll of amphorae {present.wanted}: {_words(seen)}.")
    return _tell_of_trouble(seen) or UNFINISHED


def _cancel(store: Store) -> int:
    with store.read() as session:
        present = roll.unfinished(session)
    left = store.write(functools.partial(roll.cancel, roll=present)) if present else 0
    print(f"{left} amphorae stay as they are. What was begun comes to its end.")
    return 0


def _roll(store: Store, wanted: Selection, at_once: int, keep_going: bool) -> int:
    present = store.write(functools.partial(roll.begin, wanted=wanted))
    print(f"A roll of amphorae {present.wanted}, {at_once} at a time.", flush=True)
    said = ""
    while True:
        with store.read() as session:
            seen = roll.progress(session, present)
        if (words := _words(seen)) != said:
            said = words
            print(words, flush=True)
        if seen.over:
            return 0
        if seen.trouble and not keep_going:
            return _tell_of_trouble(seen)
        store.write(functools.partial(roll.step, roll=present, at_once=at_once))
        time.sleep(POLL)


def _words(seen: Progress) -> str:
    return f"{seen.done} of {seen.total} replaced, {seen.under_way} under way, {seen.to_do} to go"


def _tell_of_trouble(seen: Progress) -> int:
    for lb_id, fault in sorted(seen.trouble.items()):
        print(f"Load balancer {lb_id}: {fault}")
    if seen.trouble:
        print("The replacement is tried again and again. `lictor roll` goes on when that succeeded.", flush=True)
    return FAILING if seen.trouble else 0
