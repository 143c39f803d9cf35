"""`lictor ca`: the certificate authorities between control plane and amphorae, and how one takes the other's place.

Whatever is done here changes one file, and can be repeated; the running control plane notices the file and brings the
amphorae after it, each with a lease as for any other change.
"""

import argparse
import functools
import pathlib
import time

from oslo_config import cfg
from sqlalchemy.orm import Session

from lictor import config
from lictor.amphora.keep import Unusable
from lictor.amphora.pki import AUTHORITY_FILE, Authority
from lictor.amphora.ring import ANNOUNCED, MOVING, SETTLED, Ring
from lictor.cli import database, shared
from lictor.cli.drivers import compute_class
from lictor.cli.refusal import Refusal
from lictor.cli.statedir import StateDir
from lictor.control.upkeep import rotation
from lictor.model import Amphora, replacement
from lictor.model.store import Store

POLL = 1.0
"""Seconds between looks of ``roll --wait``."""

_NEXT = {
    SETTLED: "every amphora trusts it alone",
    ANNOUNCED: "amphorae are told to trust both; then run lictor ca roll again, and certificates come from the new one",
    MOVING: "amphorae get certificates of the new one; then run lictor ca roll again, and the old one is dropped",
}


def run(args: argparse.Namespace, conf: cfg.ConfigOpts) -> int:
    """Make the first one, print how it stands, begin a change, take its next step, or end it. Raises ``Refusal``."""
    try:
        if args.action == "create":
            return _create(conf)
        place = config.state_dir(conf) / "pki" / AUTHORITY_FILE
        store = database.as_it_is(conf)
        authority = _open(place)
        if args.action == "roll":
            _roll(conf, store, authority, args.wait)
        elif args.action == "retire":
            _retire(conf, store, authority, args.force)
        for line in status(authority.ring, _waiting(conf, store, authority.ring)):
            print(line)
    except Unusable as error:
        raise Refusal(str(error)) from None
    return 0


def _create(conf: cfg.ConfigOpts) -> int:
    """The first authority, which there may be already: of many hosts one makes it, before any process runs."""
    state = StateDir(config.state_dir(conf), shared=True)
    state.check()
    with state, state.lock.making():
        made = shared.authority(conf, state.path / "pki")
    print("\n".join(status(made.ring, [])))
    return 0


def _open(place: pathlib.Path) -> Authority:
    try:
        there = place.exists()
    except PermissionError:
        raise Refusal(f"{place} is readable for root only: run it as root, for example with sudo") from None
    if not there:
        raise Refusal(f"{place} is not there: lictor up, the first worker, or lictor ca create makes it")
    return Authority(place)


def status(ring: Ring, waiting: list[str]) -> list[str]:
    """How it stands, in lines to print."""
    words = {SETTLED: ["signs"], ANNOUNCED: ["signs", "trusted, signs next"], MOVING: ["signs", "trusted, goes"]}
    lines = [
        f"{name}: {word}, good until {certificate.not_valid_after_utc:%Y-%m-%d}"
        for name, certificate, word in zip(ring.names, ring.certificates, words[ring.stage], strict=True)
    ]
    who = f"; {len(waiting)} amphorae need other papers first, {waiting[0]} among them" if waiting else ""
    return [*lines, f"{ring.stage}: {_NEXT[ring.stage]}{who}"]


def _waiting(conf: cfg.ConfigOpts, store: Store, ring: Ring) -> list[str]:
    # Where no agent runs, nobody has a certificate.
    return rotation.waiting(store, ring) if compute_class(conf).has_agents else []


def _roll(conf: cfg.ConfigOpts, store: Store, authority: Authority, wait: bool) -> None:
    agents = compute_class(conf).has_agents
    if authority.ring.stage == SETTLED:
        ring = authority.ring
        authority.replace(ring, ring.next())
    else:
        rotation.advance(store, authority, agents)
    while wait and (authority.ring.stage != SETTLED or _waiting(conf, store, authority.ring)):
        time.sleep(POLL)
        rotation.advance(store, authority, agents)


def _retire(conf: cfg.ConfigOpts, store: Store, authority: Authority, force: bool) -> None:
    ring = authority.ring
    if ring.stage == SETTLED:
        return
    if ring.stage == ANNOUNCED:
        raise Refusal("the new authority does not sign yet: run lictor ca roll until it does")
    waiting = _waiting(conf, store, ring)
    if waiting and not force:
        raise Refusal(
            f"{len(waiting)} amphorae have certificates of the old authority, {waiting[0]} among them: wait until they "
            "have others, or have them replaced with --force"
        )
    store.write(functools.partial(_condemn, amphora_ids=waiting))
    authority.replace(ring, ring.next())


def _condemn(session: Session, amphora_ids: list[str]) -> None:
    for amphora_id in amphora_ids:
        amphora = session.get(Amphora, amphora_id)
        if amphora is not None and amphora.load_balancer_id:
            why = f"The authority that signed the certificate of amphora {amphora_id} is trusted no more."
            replacement.condemn(session, amphora.load_balancer_id, replacement.CERTIFICATE, why, amphora_id)
