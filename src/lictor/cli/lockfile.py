"""One `lictor up` per state directory, or many of the separate commands: a lock that dies with its process.

It is a POSIX record lock (fcntl(2)): children do not inherit it, unlike one made by flock(2), so that an amphora that
outlives the control plane does not keep it. The kernel names its holder, so no stale number is ever believed. The
first byte stands for the directory, the second for the making of what its processes share.
"""

import contextlib
import errno
import fcntl
import os
import pathlib
import struct
from collections.abc import Iterator

_FLOCK = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid


class Locked(Exception):
    """Another process holds the lock; ``pid`` is its number."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"locked by process {pid}")
        self.pid = pid


class LockFile:
    """The file ``lock`` of a state directory. Use one object per process: closing a second one would free the lock.

    A ``shared`` lock keeps out those that are not, and they keep out it.
    """

    def __init__(self, path: pathlib.Path, shared: bool = False) -> None:
        self.path = path
        self._shared = shared
        self._fd = -1

    def acquire(self) -> None:
        """Take the lock, and write our pid into the file if it is ours alone. Raises ``Locked`` if it is taken."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(fd, (fcntl.LOCK_SH if self._shared else fcntl.LOCK_EX) | fcntl.LOCK_NB, 1)
            os.ftruncate(fd, 0)
            if not self._shared:
                os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            os.close(fd)
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise Locked(self.holder() or 0) from None
            raise
        self._fd = fd

    def release(self) -> None:
        """Give the lock back. The file stays: removing it would let two processes lock two files of one name."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = -1

    @contextlib.contextmanager
    def making(self) -> Iterator[None]:
        """One process at a time, of those that have the lock together: others wait."""
        fcntl.lockf(self._fd, fcntl.LOCK_EX, 1, 1)
        try:
            yield
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, 1)

    def holder(self) -> int | None:
        """The process that holds the lock, or one that is in the way of ours, or None.

        Changes nothing and creates no file.
        """
        wanted = fcntl.F_RDLCK if self._shared else fcntl.F_WRLCK
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            kind, _, _, _, pid = _FLOCK.unpack(
                fcntl.fcntl(fd, fcntl.F_GETLK, _FLOCK.pack(wanted, os.SEEK_SET, 0, 1, 0))
            )
            return None if kind == fcntl.F_UNLCK else pid or self._written(fd)
        finally:
            os.close(fd)

    @staticmethod
    def _written(fd: int) -> int:
        # The kernel says 0 for a holder in a pid namespace that we do not see.
        text = os.pread(fd, 32, 0).strip()
        return int(text) if text.isdigit() else 0
