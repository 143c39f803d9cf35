"""A cloud without load balancers, and a bare machine with systemd, for each file of tests."""

import pathlib

import pytest

from tests.ansible_lab.site import standing


def pytest_collection_modifyitems(items):
    """The first test of a file waits for the cloud, whose start takes a minute or two, and more on a busy machine."""
    for each in items:
        if each.path.is_relative_to(pathlib.Path(__file__).parent):
            each.add_marker(pytest.mark.timeout(1500))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with standing(tmp_path_factory.mktemp("site"), "postgresql") as made:
        yield made
