"""What amphorae cannot have because the kernel of this host, which embedded ones share, does not have it."""

import errno
import functools
import socket

_SCTP = 132
"""Of IP protocols (IANA); Python names it only where its build found the header."""


@functools.cache
def has_sctp() -> bool:
    """Whether there are SCTP sockets: asked once, as they do not come by themselves."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, _SCTP).close()
    except OSError as error:
        return error.errno not in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT)
    return True
