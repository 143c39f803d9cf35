"""Whatever schemathesis thinks of, the answer is one that the document of the API knows, and no 5xx."""

import re

import pytest

from tests.conformance.openapi import fuzz
from tests.lab.deployment import Deployment


@pytest.fixture
def deployment(tmp_path):
    found = Deployment(tmp_path / "state", fuzz.NOOP).start()
    yield found
    found.stop()


@pytest.mark.timeout(900)  # It is bounded by examples: a bound in seconds leaves phases out on a busy machine.
def test_no_request_gets_an_answer_that_the_document_does_not_know(deployment):
    done = fuzz.run(deployment, "--max-examples", "5", "--seed", "20261124", capture_output=True)
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-3000:]
    tested = re.search(r"Selected: (\d+)/\1\n +Tested: \1\n", done.stdout)
    assert tested, done.stdout[-3000:]
    for phase in ("Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in done.stdout, done.stdout[-3000:]
