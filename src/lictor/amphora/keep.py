"""Secrets on disk: a file that is made once, whole or not at all, whoever comes first and wherever he dies."""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Callable


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
        return _read(path)
    except OSError as error:
        raise Unusable(f"{path} cannot be read or made: {error.strerror or error}.") from error


def _create(path: pathlib.Path, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        pathlib.Path(temporary).unlink()
    _sync(path.parent)


def _read(path: pathlib.Path) -> bytes:
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode & 0o777
        if mode & 0o077:
            raise Unusable(f"{path} holds a secret, but others may read or write it (mode {mode:04o}): chmod 600 it.")
        return file.read()


def _sync(directory: pathlib.Path) -> None:
    # Until the directory is on disk too, a power failure takes the new name away again (fsync(2)).
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
