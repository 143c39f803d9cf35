"""``SEED=n SECONDS_TO_RUN=3600 DATABASE=sqlite|postgresql|mariadb|galera make crash-random``.

The last line counts operations, faults and violations. With a violation the exit status is 1, the seed is said, and the
logs of all processes stay in the directory that is named.
"""

import os
import pathlib
import random
import sys
import tempfile

from tests.crash.random.run import run, say


def main() -> int:
    """One run."""
    if os.environ.get("LICTOR_SEALED") != "1":
        print("run this below tests/lab/sealed: it makes links and kills processes", file=sys.stderr)
        return 2
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    seconds = float(os.environ.get("SECONDS_TO_RUN") or 120)
    kind = os.environ.get("DATABASE") or "postgresql"
    directory = pathlib.Path(tempfile.mkdtemp(prefix="lictor-crash-"))
    directory.chmod(0o755)
    print(f"crash-random: database {kind}, seed {seed}, {seconds:.0f} s, in {directory}", flush=True)
    outcome = run(directory, kind, seed, seconds)
    if outcome.violations:
        print(f"the logs are in {directory}")
    else:
        for file in directory.glob("*.*"):
            file.unlink()
    say(outcome)
    return int(bool(outcome.violations))


if __name__ == "__main__":
    sys.exit(main())
