import os
import pathlib
import tempfile

import pytest

from tests.agent_lab.amphora import Amphora, Web


def pytest_collection_modifyitems(items):
    if os.environ.get("LICTOR_SEALED") != "1":
        mark = pytest.mark.skip(reason="run it in the laboratory: tests/lab/sealed .venv/bin/pytest tests/agent_lab")
        for item in items:
            if "agent_lab" in str(item.path):
                item.add_marker(mark)


@pytest.fixture
def bare():
    """An amphora with a NIC whose agent has not been started."""
    directory = pathlib.Path(tempfile.mkdtemp(dir="/run"))
    directory.chmod(0o755)
    amphora = Amphora(directory)
    amphora.plug()
    yield amphora
    amphora.close()
    print((directory / "agent.log").read_text())
    if (directory / "agent" / "haproxy.log").exists():
        print((directory / "agent" / "haproxy.log").read_text()[-3000:])


@pytest.fixture
def amphora(bare):
    bare.start()
    return bare


@pytest.fixture
def webs(bare):
    return [Web("first"), Web("second")]
