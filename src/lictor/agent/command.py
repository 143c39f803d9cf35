"""Running the tools of the machine, here or in the inner network namespace."""

import os
import subprocess

from lictor.agent.errors import Broken, CommandFailed

_TIMEOUT = 15.0
_LONGEST_WORDS = 4000


def run(argv: list[str], text: str = "") -> str:
    """Run a command with ``text`` on its standard input and return what it printed.

    Raises ``CommandFailed`` with the command's words, ``Broken`` if it is not installed or does not end.
    """
    try:
        done = subprocess.run(
            argv, input=text, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT, check=False
        )
    except FileNotFoundError:
        raise Broken(f"{argv[0]} is not installed in this amphora") from None
    except subprocess.TimeoutExpired:
        raise Broken(f"{argv[0]} did not end within {_TIMEOUT:g} s") from None
    if done.returncode:
        words = _complaint(done.stderr) or done.stdout.strip()[-_LONGEST_WORDS:]
        raise CommandFailed(f"{argv[0]}: {words or f'ended with code {done.returncode}'}")
    return done.stdout


def _complaint(text: str) -> str:
    """What matters of an error output: HAProxy wraps its alerts in notices and warnings."""
    lines = text.strip().split("\n")
    return "\n".join([line for line in lines if "[ALERT]" in line] or lines)[-_LONGEST_WORDS:]


def inside(namespace: str, argv: list[str]) -> list[str]:
    """The command line that runs ``argv`` in the inner namespace. nsenter executes it in place: the pid stays."""
    return ["nsenter", f"--net={path(namespace)}", "--", *argv]


def path(namespace: str) -> str:
    """The file that names a network namespace, where ``ip netns`` has it."""
    return os.path.join("/run/netns", namespace)  # noqa: PTH118
