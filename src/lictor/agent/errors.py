"""What can go wrong with a delivery, by whose fault it is, and the log of the agent."""

import sys
import threading
import time
from collections.abc import Callable


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


class _Log:
    local = True
    forward: Callable[[str], None] | None = None


class _Thread(threading.local):
    requests = ""


_thread = _Thread()


def work_for(requests: str) -> None:
    """What this thread logs from now on names these requests: the ids that users have in the API's answers."""
    _thread.requests = "".join(letter for letter in requests if letter.isascii() and letter.isprintable())[:1000]


def log_to(forward: Callable[[str], None] | None, local: bool) -> None:
    """Where ``log`` writes from now on: to standard error if ``local``, and to ``forward`` if there is one."""
    _Log.forward, _Log.local = forward, local


def log(sentence: str) -> None:
    """Write one line to standard error, with the time (UTC). ``logging`` would cost each amphora 0.7 MiB."""
    if _thread.requests:
        sentence = f"[{_thread.requests}] {sentence}"
    if _Log.local:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        sys.stderr.write(f"{stamp} lictor-agent: {sentence}\n")
        sys.stderr.flush()
    if _Log.forward:
        _Log.forward(sentence)
