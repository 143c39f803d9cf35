"""No place at which the control plane can be killed is left out of the crash tests."""

import pathlib
import re

import lictor
from lictor.api import vips
from lictor.control import converge
from lictor.control import vips as ports_of_vips
from lictor.control.upkeep import consumers
from lictor.drivers.compute.nova import management


def test_every_fail_point_in_the_code_is_enumerated():
    files = pathlib.Path(lictor.__file__).parent.rglob("*.py")
    found = {name for file in files for name in re.findall(r'\breach\("([^"]+)"\)', file.read_text())}
    elsewhere = (vips, ports_of_vips, consumers, management)
    assert found <= {*converge.fail_points(), *(point for each in elsewhere for point in each.BETWEEN)}


def test_every_step_has_a_point_before_and_after():
    steps = converge.CONVERGE + converge.DELETE
    assert {f"{w} {s.__name__}" for s in steps for w in ("before", "after")} <= set(converge.fail_points())
