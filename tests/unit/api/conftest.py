import pathlib

import pytest

from tests.unit.api.world import World


@pytest.fixture
def world(tmp_path: pathlib.Path) -> World:
    return World(tmp_path)
