"""The program that HAProxy runs for PING monitors; the renderer names it, the agent provides it."""

import pathlib

from lictor.agent.errors import log

PATH = pathlib.Path("/run/lictor/ping-check")
"""As ``lictor.amphora.monitor`` writes it into configurations."""

# HAProxy's arguments: proxy address, proxy port, server address, server port ("external-check command" in its manual).
# It gives no PATH, and kills the program when `timeout check` is over.
_PROGRAM = """\
#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec ping -n -q -c 1 "$3" >/dev/null 2>&1
"""


def provide() -> None:
    """Put the program where configurations expect it, if it is not there."""
    try:
        if PATH.exists() and PATH.read_text() == _PROGRAM:
            return
        PATH.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        temporary = PATH.with_name("ping-check.new")
        temporary.write_text(_PROGRAM)
        temporary.chmod(0o755)
        temporary.replace(PATH)
    except OSError as error:
        log(f"PING monitors will fail, {PATH} cannot be written: {error}")
