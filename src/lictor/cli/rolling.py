"""The options of `lictor roll`, apart from what it does: that is loaded when it is done."""

import argparse


def options(command: argparse.ArgumentParser) -> None:
    """What may be said after `lictor roll`."""
    which = command.add_argument_group("which amphorae; those of a roll that is not over if none is named")
    which.add_argument("--all", action="store_true", help="all")
    which.add_argument("--image-older-than", type=_days, metavar="DAYS", help="made longer ago than that")
    which.add_argument("--image", metavar="ID", help="not of this image")
    which.add_argument("--expiring", type=_days, metavar="DAYS", help="whose certificates run out within so many days")
    which.add_argument(
        "--load-balancer", action="append", default=[], metavar="ID", help="of this one only; may be given repeatedly"
    )
    command.add_argument("--at-once", type=_count, default=5, metavar="N", help="so many at a time (default: 5)")
    command.add_argument("--keep-going", action="store_true", help="do not stop when a replacement fails")
    what = command.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="only print which it would be")
    what.add_argument("--status", action="store_true", help="only print how far it is")
    what.add_argument("--cancel", action="store_true", help="leave alone those that were not begun")


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days: give one from 0 to 100000")
    return days


def _count(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of amphorae: give one from 1 to 10000")
    return int(text)
