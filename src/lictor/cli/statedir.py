"""The state directory: what outlives one `lictor up`, how it is made, claimed, checked and emptied."""

import errno
import os
import pathlib
import shutil
import tempfile
from types import TracebackType

from lictor.cli.lockfile import Locked, LockFile
from lictor.cli.refusal import Refusal

VERSION = 1
"""Of the directory's layout. Raised when an older release could no longer make sense of it."""

ROOM = 32 * 2**20
"""Bytes that must be free on its disk: a database whose disk is full loses nothing, but takes nothing either."""

CONTENTS = (
    "openrc", "htpasswd", "secret", "pki", "amphorae", "lictor.db-wal", "lictor.db-shm", "lictor.db", "compute_driver",
    "version",
)  # fmt: skip
"""Everything that Lictor makes in it, besides the lock."""


class StateDir:
    """One state directory. As a context manager it is claimed for this process, and given back at the end.

    A ``shared`` one is claimed together with other processes that share it.
    """

    def __init__(self, path: pathlib.Path, shared: bool = False) -> None:
        self.path = path
        self.shared = shared
        self.lock = LockFile(path / "lock", shared)
        self._fresh = False
        self._made: list[pathlib.Path] = []

    def check(self) -> None:
        """Raises ``Refusal`` if the directory cannot be used. Changes nothing."""
        self._check_place()
        self._check_free()
        self._check_version()

    def __enter__(self) -> "StateDir":
        """Make the directory if need be, and lock it. Raises ``Refusal``."""
        try:
            self._make()
            self.lock.acquire()
            self._check_version()
            self._write_version()
        except Locked as locked:
            raise Refusal(taken(self.path, locked.pid)) from None
        except OSError as error:
            self.forget()
            raise Refusal(unwritable(self.path, error)) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Refusal):
            self.forget()
        self.lock.release()

    def forget(self) -> None:
        """Undo what ``__enter__`` began, unless the directory was in use before: a refused start changes nothing."""
        if self.shared:
            return  # Another process may have come since.
        if self._fresh:
            self._remove_contents()
        for path in self._made:
            path.rmdir()

    def note_driver(self, compute: str) -> None:
        """Keep the name of the compute driver whose amphorae the database here is about."""
        if self._driver() != compute:
            write_private(self.path / "compute_driver", f"{compute}\n")

    def check_driver(self, compute: str) -> None:
        """Raises ``Refusal`` if another driver's amphorae would be forgotten with this directory."""
        if (known := self._driver()) not in ("", compute):
            raise Refusal(
                f"{self.path} was used with [controller_worker] compute_driver = {known}, and now it is {compute}: its "
                "amphorae would stay behind. Name the configuration that it was used with (--config-file)"
            )

    def _driver(self) -> str:
        try:
            return (self.path / "compute_driver").read_text(errors="replace").strip()
        except OSError:
            return ""

    def empty(self) -> list[str]:
        """Remove what Lictor made in it, then the directory itself. Returns the names of what else lay there."""
        if self._ours():
            self._remove_contents()
        try:
            self.path.rmdir()
        except FileNotFoundError:
            return []
        except OSError:
            return sorted(entry.name for entry in self.path.iterdir())
        return []

    def _ours(self) -> bool:
        # Somebody's "secret" and "pki" are not ours to remove only because a --state-dir was mistyped.
        return any((self.path / name).exists() for name in ("version", "lictor.db"))

    def _remove_contents(self) -> None:
        # "version" and "lock" go last, so that an emptying that was cut short can be told from a stranger's directory.
        for name in CONTENTS:
            for leftover in self.path.glob(f".{name}.*"):
                remove(leftover)
            remove(self.path / name)
        remove(self.path / "lock")

    def _check_place(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise Refusal(f"the state directory {self.path} is a file: name another place with --state-dir")
        place = next(parent for parent in (self.path, *self.path.parents) if parent.exists())
        try:
            # access(2) tells root nothing about a read-only file system; making a file does.
            with tempfile.TemporaryFile(dir=place) as file:
                file.write(b"\0" * 65536)
                file.flush()
        except OSError as error:
            raise Refusal(unwritable(self.path, error)) from None
        if shutil.disk_usage(place).free < ROOM:
            raise Refusal(unwritable(self.path, OSError(errno.ENOSPC, "")))

    def _check_free(self) -> None:
        if pid := self.lock.holder():
            raise Refusal(taken(self.path, pid))

    def _check_version(self) -> None:
        path = self.path / "version"
        if not path.exists():
            self._check_unused()
            return
        text = path.read_text(errors="replace").strip()
        if not text.isdigit():
            raise Refusal(
                f"{path} holds {text[:20]!r} instead of a number: {self.path} is no state directory of Lictor's"
            )
        if int(text) > VERSION:
            raise Refusal(
                f"the state directory {self.path} is of version {text}, made by a newer release of Lictor (this one "
                f"knows {VERSION}): start that release, or name another directory with --state-dir"
            )

    def _check_unused(self) -> None:
        # Listed before we ask whose it is: another process that shares it may be making it at this moment.
        others = {entry.name for entry in self.path.iterdir()} if self.path.exists() else set()
        strangers = {name for name in others - {"lock", "lost+found"} if not name.startswith(".version.")}
        if strangers and not self._ours():
            raise Refusal(
                f"{self.path} is not empty and no state directory of Lictor's: name another one with --state-dir"
            )

    def _make(self) -> None:
        missing = [place for place in (self.path, *self.path.parents) if not place.exists()]
        if missing:
            self.path.mkdir(mode=0o700, parents=True)
        self._made = missing
        self.path.chmod(0o700)

    def _write_version(self) -> None:
        path = self.path / "version"
        if not path.exists():
            self._fresh = not self._ours()
            write_private(path, f"{VERSION}\n")


def taken(path: pathlib.Path, pid: int) -> str:
    """The sentence for a directory that another process works on."""
    return f"another lictor (process {pid}) works on {path}: stop it with lictor down, or name another --state-dir"


def unwritable(path: pathlib.Path, error: OSError) -> str:
    """The sentence for a directory that cannot be written to."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk of the state directory {path} is full: free {ROOM // 2**20} MiB, or name another --state-dir"
    return (
        f"the state directory {path} is not writable ({os.strerror(error.errno or 0)}): name another with --state-dir"
    )


def write_private(path: pathlib.Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all, so that a crash leaves no half of a secret."""
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(fd, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        pathlib.Path(name).replace(path)
    except BaseException:
        pathlib.Path(name).unlink(missing_ok=True)
        raise


def remove(path: pathlib.Path) -> None:
    """Remove a file or a tree; one that is not there is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
