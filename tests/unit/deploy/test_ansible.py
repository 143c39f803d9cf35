"""The Ansible role, as far as it can be judged without a cloud: `make test-ansible` plays it."""

import pathlib
import re

import pytest
import yaml

from lictor.cli import checking
from lictor.cli.conffile import read
from tests.unit.deploy.test_units import UNITS

ROLE = pathlib.Path(__file__).parents[3] / "deploy/ansible/roles/lictor"
EXAMPLE = ROLE.parents[1] / "inventory.example"
SAID_BY_THE_OPERATOR = {"lictor_admin_cloud", "lictor_internal_url", "lictor_admin_url"}


def load(name):
    return yaml.safe_load((ROLE / name).read_text())


def names(text):
    return set(re.findall(r"\blictor_[a-z_]+\b", text))


def must_be_said():
    specs = load("meta/argument_specs.yml")["argument_specs"].values()
    return {name for spec in specs for name in spec["options"]}


@pytest.fixture(scope="module")
def tasks():
    return "".join(path.read_text() for path in sorted([*ROLE.glob("*/*.yml"), *ROLE.glob("templates/*")]))


def test_every_variable_has_a_default_or_must_be_said_or_is_made(tasks):
    made = set(re.findall(r"^ *(?:register: |)(lictor_\w+)(?:\n|:)", tasks, re.MULTILINE))
    unknown = names(tasks) - made - set(load("defaults/main.yml")) - must_be_said() - {"lictor_controllers"}
    assert unknown - SAID_BY_THE_OPERATOR == set()


def test_what_must_be_said_has_no_default_and_is_explained_in_the_example():
    assert must_be_said() & set(load("defaults/main.yml")) == set()
    example = names("".join(path.read_text() for path in EXAMPLE.rglob("*.yml")))
    assert must_be_said() - example == set()


def test_the_example_says_only_what_there_is(tasks):
    said = set(yaml.safe_load((EXAMPLE / "group_vars/all.yml").read_text()))
    assert said - set(load("defaults/main.yml")) - must_be_said() - {"lictor_admin_cloud"} == set()


def test_lictor_has_every_option_that_the_role_writes(tmp_path):
    sections = load("vars/main.yml")["lictor_derived_config"]
    plain = {name: options for name, options in sections.items() if isinstance(options, dict)}
    file = tmp_path / "lictor.conf"
    file.write_text("".join(f"[{name}]\n" + "".join(f"{o} = 1\n" for o in options) for name, options in plain.items()))
    judged = list(checking.judged(file, read(file)))
    assert len(judged) > 15
    assert [line.key for line, verdict in judged if verdict.word not in (checking.USED, checking.WRONG)] == []


def test_the_role_starts_every_unit_but_the_one_for_a_single_host():
    started = load("vars/main.yml")["lictor_services"]
    assert {unit.stem for unit in UNITS if unit.stem not in started} == {"lictor-up"}
