"""No place at which the loop can be killed is left out of the crash tests."""

import pathlib
import re

from lictor.control import converge


def test_every_fail_point_in_the_code_is_enumerated():
    package = pathlib.Path(converge.__file__).parent
    found = {name for file in package.glob("*.py") for name in re.findall(r'\breach\("([^"]+)"\)', file.read_text())}
    assert found <= set(converge.fail_points())


def test_every_step_has_a_point_before_and_after():
    steps = converge.CONVERGE + converge.DELETE
    assert {f"{w} {s.__name__}" for s in steps for w in ("before", "after")} <= set(converge.fail_points())
