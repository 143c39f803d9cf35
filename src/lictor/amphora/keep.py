"""Secrets on disk: a file that is made once, whole or not at all, whoever comes first and wherever he dies."""

import contextlib
import fcntl
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator


class Unusable(Exception):
    """A file or directory that cannot serve as what it is meant to be; the message names it and says what is right."""


def keep(path: pathlib.Path, make: Callable[[], bytes]) -> bytes:
    """The content of ``path``; if there is no such file it is made, with mode 0600 and the content of ``make()``.

    The content reaches the disk under a temporary name and is then linked to ``path``, which fails if another process
    was first: so all processes see one content, and none a part of it. Raises ``Unusable``.
    """
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _create(path, make())
        return read(path)
    except OSError as error:
        raise Unusable(f"{path} cannot be read or made: {error.strerror or error}.") from error


def swap(path: pathlib.Path, before: bytes, after: bytes) -> bool:
    """Replace the content of ``path``, whole or not at all, if it still is ``before``. Raises ``Unusable``."""
    try:
        with _alone(path.parent):
            if read(path) != before:
                return False
            with _written(path, after) as temporary:
                temporary.replace(path)
                _sync(path.parent)
            return True
    except OSError as error:
        raise Unusable(f"{path} cannot be replaced: {error.strerror or error}.") from error


def _create(path: pathlib.Path, content: bytes) -> None:
    with _written(path, content) as temporary:
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
        _sync(path.parent)


@contextlib.contextmanager
def _written(path: pathlib.Path, content: bytes) -> Iterator[pathlib.Path]:
    """The content on disk under a temporary name beside ``path``, which is gone afterwards."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield pathlib.Path(temporary)
    finally:
        pathlib.Path(temporary).unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(directory: pathlib.Path) -> Iterator[None]:
    """Whoever else on this host wants to replace something in it waits. The lock goes with the process."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def read(path: pathlib.Path) -> bytes:
    """The content of a secret file. Raises ``Unusable``, also if others may read it."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            if mode & 0o077:
                raise Unusable(
                    f"{path} holds a secret, but others may read or write it (mode {mode:04o}): chmod 600 it."
                )
            return file.read()
    except OSError as error:
        raise Unusable(f"{path} cannot be read or made: {error.strerror or error}.") from error


def _sync(directory: pathlib.Path) -> None:
    # Until the directory is on disk too, a power failure takes the new name away again (fsync(2)).
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
