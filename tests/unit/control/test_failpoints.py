"""No place at which the control plane can be killed is left out of the crash tests."""

import pathlib
import re

import lictor
from lictor.api import vips
from lictor.control import converge
from lictor.control.upkeep import consumers


def test_every_fail_point_in_the_code_is_enumerated():
    files = pathlib.Path(lictor.__file__).parent.rglob("*.py")
    found = {name for file in files for name in re.findall(r'\breach\("([^"]+)"\)', file.read_text())}
    assert found <= {*converge.fail_points(), *vips.BETWEEN, *consumers.BETWEEN}


def test_every_step_has_a_point_before_and_after():
    steps = converge.CONVERGE + converge.DELETE
    assert {f"{w} {s.__name__}" for s in steps for w in ("before", "after")} <= set(converge.fail_points())
