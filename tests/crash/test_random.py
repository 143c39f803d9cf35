"""A short run of random operations and faults, with a seed that is the same each time; `make crash-random` for more."""

import os

import pytest

from tests.crash.random.run import run


@pytest.mark.timeout(400)
def test_whatever_fails_nothing_acknowledged_is_lost_and_all_heals(tmp_path):
    outcome = run(tmp_path, "postgresql", seed=int(os.environ.get("SEED", "5")), seconds=20.0)
    print(outcome)
    assert outcome.violations == [], f"seed {outcome.seed}: the logs are in {tmp_path}"
