"""No command of python-octaviaclient is left out, also not one that a later release brings."""

import pathlib
from importlib.metadata import entry_points

from tests.conformance.calls import texts_given


def test_every_command_is_typed_by_a_test():
    names = [each.name for each in entry_points(group="openstack.load_balancer.v2")]
    commands = {" ".join(name.split("_")[1:]) for name in names}
    assert len(commands) >= 82
    typed = texts_given(pathlib.Path(__file__).parent, {"cli", "shown", "refused"})
    assert {each for each in commands if not any(f"{line} ".startswith(f"{each} ") for line in typed)} == set()
