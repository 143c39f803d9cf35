"""What can go wrong with a delivery, by whose fault it is, and the log of the agent."""

import sys
import time


class AgentError(Exception):
    """Base of the agent's own errors; the message is for the operator to read."""


class Refused(AgentError):
    """The state itself is wrong; nothing was changed. Answered with 400."""


class Fenced(AgentError):
    """The state is older than the one applied; nothing was changed. Answered with 409."""


class Broken(AgentError):
    """The machine failed (no space, no binary, no NIC); the last good state stays. Answered with 500."""


class CommandFailed(AgentError):
    """A command ended with an error; the message is its own words."""


def log(sentence: str) -> None:
    """Write one line to standard error, with the time (UTC). ``logging`` would cost each amphora 0.7 MiB."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(f"{stamp} lictor-agent: {sentence}\n")
    sys.stderr.flush()
