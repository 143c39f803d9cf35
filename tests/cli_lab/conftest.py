"""A deployment of its own for each test, whose traces are looked for afterwards."""

import pytest

from tests.lab.deployment import Deployment, world


@pytest.fixture
def deployment(tmp_path):
    before = world()
    deployment = Deployment(tmp_path / "state")
    yield deployment
    if deployment.process and deployment.process.poll() is None:
        deployment.kill()
    deployment.down("--purge")
    assert world() == before, "the deployment left something behind"
    assert not deployment.state_dir.exists()
