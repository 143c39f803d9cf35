import pathlib

import pytest

from tests.unit.api.world import World


@pytest.fixture
def world(tmp_path: pathlib.Path) -> World:
    return World(tmp_path)


@pytest.fixture
def whole(tmp_path: pathlib.Path) -> World:
    """With the compute driver noop, under which nothing of the API is refused for want of a data plane."""
    return World(tmp_path, controller_worker__compute_driver="noop")
