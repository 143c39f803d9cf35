"""`lictor config check`: what becomes of every line of an octavia.conf, or a lictor.conf, before anything runs by it.

A line is *used*, *renamed* (Lictor has the option elsewhere), of *no meaning here* (Octavia has it, and Lictor does not
need it), *wrong* (its value is none) or *unknown*. Values are not printed, but those that are wrong and are no secrets.
"""

import argparse
import collections
import copy
import dataclasses
import difflib
import logging
import pathlib
import re
import warnings
from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import Final

from keystoneauth1 import loading
from keystoneauth1.exceptions import NoMatchingPlugin
from oslo_config import cfg

from lictor.api.auth import keystone
from lictor.cli import octavia, options
from lictor.cli.conffile import Line, read

USED: Final = "used"
RENAMED: Final = "renamed"
WITHOUT: Final = "no meaning here"
WRONG: Final = "wrong"
UNKNOWN: Final = "unknown"

DRIVERS: dict[tuple[str, str], str] = {
    ("controller_worker", "compute_driver"): "lictor.compute.drivers",
    ("controller_worker", "network_driver"): "lictor.network.drivers",
    ("certificates", "cert_manager"): "lictor.secrets.drivers",
}
"""Options whose values are names of entry points, and the group of those."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What becomes of a line, in a word and a sentence."""

    word: str
    sentence: str = ""

    def __str__(self) -> str:
        return f"{self.word}: {self.sentence}" if self.sentence else self.word


def run(args: argparse.Namespace, _conf: cfg.ConfigOpts) -> int:
    """Print what becomes of each line. Exit status 1 if one is wrong or unknown. Raises ``Refusal``, status 2."""
    logging.getLogger("oslo_config").setLevel(logging.ERROR)  # It would tell of old names too, on stderr.
    files = {path: read(path) for path in map(pathlib.Path, args.files)}
    counted: collections.Counter[str] = collections.Counter()
    for path, lines in files.items():
        for line, verdict in judged(path, lines):
            counted[verdict.word] += 1
            print(f"{path}:{line.number}: [{line.section}] {line.name}: {verdict}")
    if counted[WITHOUT]:
        for sentence in _left_to_defaults(line.key for lines in files.values() for line in lines):
            print(sentence)
    print(", ".join(f"{counted[word]} {word}" for word in (USED, RENAMED, WITHOUT, WRONG, UNKNOWN)))
    return int(counted[WRONG] + counted[UNKNOWN] > 0)


def _left_to_defaults(said: Iterable[tuple[str, str]]) -> list[str]:
    """What an octavia.conf need not say, and Lictor would take for something else."""
    keys = set(said)
    return [
        f"[{section}] {name} is not set: Octavia then takes {theirs}, and Lictor {ours}."
        for section, name, theirs, ours in octavia.other_defaults()
        if (section, name) not in keys
    ]


def judged(path: pathlib.Path, lines: list[Line]) -> Iterator[tuple[Line, Verdict]]:
    """Every line with what becomes of it."""
    known = Known([*ours(), *_account(lines)])
    values = known.load(path)
    last = {line.key: line for line in lines}
    for line in lines:
        yield line, _judge(known, values, line, last[line.key])


def ours() -> options.Options:
    """Sections with all options that are there without an account's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of what libraries of libraries import.
        return options.list_opts()


def _judge(known: "Known", values: cfg.ConfigOpts, line: Line, last: Line) -> Verdict:
    found = known.find(line.key)
    if found is None:
        return _not_ours(known, line)
    group, option = found
    if last is not line and not option.multi:
        return Verdict(WITHOUT, f"Line {last.number} says it again, and counts.")
    wrong = _fault(values, group, option, line)
    if wrong:
        return Verdict(WRONG, wrong)
    if line.key != (group, option.dest):
        return Verdict(RENAMED, f"It is read; write [{group}] {option.dest}.")
    return Verdict(USED)


def _fault(values: cfg.ConfigOpts, group: str, option: cfg.Opt, line: Line) -> str:
    """What is wrong with a value, and what would be right; empty if it is good."""
    try:
        value = getattr(values[group], option.dest)
    except (cfg.Error, ValueError) as error:
        reason = " ".join(str(error).rpartition("is not valid: ")[2].split())
        return f"{_HIDDEN if _is_secret(option) else _sentence(reason)} {_right(option)}"
    drivers = DRIVERS.get((group, option.dest))
    return _no_driver(drivers, option.dest, str(value)) if drivers else _no_account(line)


_HIDDEN: Final = "It cannot be read (and is a secret, so it is not shown); a dollar sign is written twice."
_SECRET: Final = re.compile("passw|passphrase|secret|token|key|url|connection")


def _is_secret(option: cfg.Opt) -> bool:
    """Not every library says it of each of its passwords."""
    return option.secret or bool(_SECRET.search(option.dest))


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _right(option: cfg.Opt) -> str:
    default = "" if option.default is None or option.secret else f" Default: {option.default}."
    return f"It is to be: {_sentence(' '.join((option.help or option.dest).split()))}{default}"


def _no_driver(group: str, option: str, name: str) -> str:
    there = sorted(metadata.entry_points(group=group).names)
    if name in there:
        return ""
    ours = octavia.driver(option, name)
    cure = f"write {option} = {ours}" if ours in there else f"there are {', '.join(there)}"
    return f"Lictor has no driver {name!r}: {cure}."


def _no_account(line: Line) -> str:
    if line.name != "auth_type" or _plugin(line.value) is not None:
        return ""
    return f"keystoneauth has no {line.value!r}: the usual one is password."


def _not_ours(known: "Known", line: Line) -> Verdict:
    fate = octavia.fate(*line.key)
    if fate is None:
        return Verdict(UNKNOWN, _nearest(known, line))
    if fate.to:
        return Verdict(RENAMED, f"{fate.to}: {fate.why}.")
    return Verdict(WITHOUT, fate.why)


def _nearest(known: "Known", line: Line) -> str:
    """Where it may have been meant to stand, or what it may have been meant to be."""
    section, name = line.key
    names = known.names()
    sections = {group for group, _ in names}
    alike = [] if section in sections else difflib.get_close_matches(section, sections, 1)
    if alike:
        return f"Is the section [{alike[0]}]?"
    near = difflib.get_close_matches(name, [each for group, each in names if group == section], 1)
    if near:
        return f"Is it {near[0]}?"
    elsewhere = sorted(group for group, each in names if each == name)
    return f"It is one of [{'], ['.join(elsewhere)}]." if elsewhere else "Neither Lictor nor Octavia has one like it."


class Known:
    """Every option that Lictor reads, by each of its names."""

    def __init__(self, sections: options.Options) -> None:
        self._sections = sections
        self._found: dict[tuple[str, str], tuple[str, cfg.Opt]] = {}
        for group, found in sections:
            for option in found:
                for name in _names(group, option):
                    self._found.setdefault(name, (group, option))
        for group, found in sections:  # Today's names go before those of the past.
            self._found |= {(group, option.dest): (group, option) for option in found}

    def find(self, key: tuple[str, str]) -> tuple[str, cfg.Opt] | None:
        """An option and its section, by a section and a name."""
        return self._found.get(key)

    def names(self) -> set[tuple[str, str]]:
        """All that may be written, Octavia's too."""
        return {key for key in [*self._found, *octavia.fates()] if key[1] != octavia.WHOLE}

    def load(self, path: pathlib.Path) -> cfg.ConfigOpts:
        """The values of a file alone: without those of the environment."""
        conf = cfg.ConfigOpts()
        for group, found in self._sections:
            conf.register_opts([_optional(option) for option in found], group=group)
        conf(args=[], project="lictor", default_config_files=[str(path)], default_config_dirs=[], use_env=False)
        return conf


def _optional(option: cfg.Opt) -> cfg.Opt:
    """The same option; a file may leave out what another one says, or the environment."""
    made = copy.copy(option)
    made.required = False
    return made


def _names(group: str, option: cfg.Opt) -> list[tuple[str, str]]:
    older = [(each.group or group, each.name or option.dest) for each in option.deprecated_opts]
    return [(group, option.dest), *((group if group == "DEFAULT" else group.lower(), name) for group, name in older)]


def _account(lines: list[Line]) -> options.Options:
    """keystoneauth's options of the account by which tokens are checked: they follow from its type."""
    said = {line.key: line.value for line in lines}
    section = said.get((keystone.GROUP, "auth_section"), keystone.GROUP)
    common = [] if section == keystone.GROUP else loading.get_auth_common_conf_options()
    plugin = _plugin(said.get((section, "auth_type"), "password"))
    return [(section, [*common, *(plugin or [])])]


def _plugin(auth_type: str) -> list[cfg.Opt] | None:
    """The options of a type of accounts; None if there is no such type."""
    try:
        found: list[cfg.Opt] = loading.get_auth_plugin_conf_options(auth_type)
    except NoMatchingPlugin:
        return None
    return found
