"""A cloud without load balancers, and a bare machine with systemd, for each file of tests."""

import pathlib

import pytest

from tests.ansible_lab.site import Site, image, public_key, wheel
from tests.lab import cloud, databases
from tests.systemd_lab.machine import Machine


def pytest_collection_modifyitems(items):
    """The first test of a file waits for the cloud, whose start takes a minute or two, and more on a busy machine."""
    for each in items:
        if each.path.is_relative_to(pathlib.Path(__file__).parent):
            each.add_marker(pytest.mark.timeout(1500))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    directory = tmp_path_factory.mktemp("site")
    with cloud.cloud(directory / "cloud", balancing=False), databases.server("postgresql") as server:
        server.directory.chmod(0o755)  # Lictor's processes are not root there.
        machine = Machine(server.directory, bare=True)
        try:
            machine.wait_up()
            yield Site(machine, directory, image(directory), wheel(directory), public_key())
        finally:
            machine.remove()
