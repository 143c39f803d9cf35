"""What becomes of options of Octavia's that Lictor does not have: facts, kept in ``octavia.toml``."""

import dataclasses
import functools
import tomllib
from importlib import resources
from typing import Any

from keystoneauth1 import loading

from lictor.config.opts import default

WHOLE = "*"
"""In the place of names: all of a section."""


@dataclasses.dataclass(frozen=True)
class Fate:
    """What becomes of an option; ``to`` is where Lictor has it, if it has, and ``why`` one sentence."""

    why: str
    to: str = ""


Fates = dict[tuple[str, str], Fate]


@functools.cache
def fates() -> Fates:
    """By section and name. The name is ``WHOLE`` for all others of a section."""
    facts = _facts()
    found: Fates = {}
    for group in facts["accounts"]:
        names = {(section, name) for section in group["sections"] for name in account_names()}
        found |= {key: Fate(group["why"]) for key in names - shared()}
    for group in facts["without"]:
        found |= {(section, name): Fate(group["why"]) for section, names in group["options"].items() for name in names}
    for group in facts["renamed"]:
        found |= {(group["section"], name): Fate(group["how"], group["to"]) for name in group["names"]}
    return found


def fate(section: str, name: str) -> Fate | None:
    """What becomes of one option; None if Octavia has none of that name."""
    return fates().get((section, name)) or fates().get((section, WHOLE))


def shared() -> set[tuple[str, str]]:
    """What Lictor has by Octavia's name."""
    return {(section, name) for section, names in _facts()["both"].items() for name in names}


def driver(option: str, name: str) -> str:
    """Our name of a driver by its name in Octavia, whether there is one or not; empty if Octavia has none either."""
    return str(_facts()["drivers"].get(option, {}).get(name, ""))


def account_names() -> list[str]:
    """What keystoneauth lets one say of an account with a password, and of the service to be asked."""
    options = [
        *loading.get_session_conf_options(),
        *loading.get_auth_common_conf_options(),
        *loading.get_adapter_conf_options(include_deprecated=False),
        *loading.get_auth_plugin_conf_options("password"),
        *loading.get_auth_plugin_conf_options("v2password"),
    ]
    older = [each.name for option in options for each in option.deprecated_opts]
    return [name.replace("-", "_") for name in [*(option.dest for option in options), *older] if name]


def other_defaults() -> list[tuple[str, str, str, str]]:
    """Sections, options, Octavia's defaults and ours, where they differ in what Lictor would be to its users."""
    return [
        (section, name, theirs, default(section, name))
        for section, options in _facts()["defaults"].items()
        for name, theirs in options.items()
    ]


@functools.cache
def _facts() -> dict[str, Any]:
    return tomllib.loads(resources.files("lictor.cli").joinpath("octavia.toml").read_text("utf-8"))
