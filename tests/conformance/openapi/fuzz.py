"""schemathesis on the API's own document, against a `lictor up` without a data plane; by hand: `make fuzz-openapi`."""

import os
import pathlib
import subprocess
import sys
import tempfile

from tests.lab.deployment import PORT, Deployment

NOOP = """
[controller_worker]
compute_driver = noop
network_driver = noop
[certificates]
cert_manager = noop
[api_settings]
healthcheck_enabled = true
"""

REPLACED = "negative_data_rejection,positive_data_acceptance,ensure_resource_availability"
"""In their place stand ``refuses_bad_data``, ``takes_good_data`` and ``finds_what_was_created``; see hooks.py."""


def run(deployment: Deployment, *options: str, **streams: object) -> "subprocess.CompletedProcess[str]":
    """One run with all checks on; options are those of `schemathesis run`."""
    who = deployment.credentials()
    root = pathlib.Path(__file__).parents[3]
    command = [
        str(pathlib.Path(sys.executable).with_name("schemathesis")), "run", f"http://127.0.0.1:{PORT}/openapi.json",
        "--auth", f"{who['OS_USERNAME']}:{who['OS_PASSWORD']}", "--checks", "all", "--exclude-checks", REPLACED,
        "--continue-on-failure", "--no-color", *options,
    ]  # fmt: skip
    hooks = {"PYTHONPATH": str(root), "SCHEMATHESIS_HOOKS": "tests.conformance.openapi.hooks"}
    directory = deployment.state_dir.parent  # where schemathesis keeps what it learnt, for no later run to find
    return subprocess.run(command, env={**os.environ, **who, **hooks}, cwd=directory, text=True, **streams)  # type: ignore[call-overload,no-any-return]


def main() -> int:
    """A run of as many seconds as the first argument says."""
    seconds = sys.argv[1] if len(sys.argv) > 1 else "600"
    with tempfile.TemporaryDirectory() as directory:
        deployment = Deployment(pathlib.Path(directory, "state"), NOOP).start()
        try:
            return run(deployment, "--max-time", seconds, "--max-examples", "100").returncode
        finally:
            deployment.stop()


if __name__ == "__main__":
    sys.exit(main())
