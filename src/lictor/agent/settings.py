"""What an agent is told at birth: who it is, where it listens, whom it obeys."""

import pathlib

import msgspec

_LONGEST_DIRECTORY = 80
"""Bytes: a UNIX socket's path has 107 at most (unix(7)), and HAProxy binds ``haproxy.sock.<pid>.tmp`` first."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration file, JSON. ``certificate``, ``private_key`` and ``client_ca`` are paths of PEM files.

    ``directory`` should be a tmpfs: the agent keeps the last good state there, with the keys in it.
    """

    amphora_id: str
    bind_address: str
    bind_port: int
    certificate: str
    private_key: str
    client_ca: str
    directory: str
    namespace: str = "amphora-haproxy"

    @property
    def home(self) -> pathlib.Path:
        """The working directory."""
        return pathlib.Path(self.directory)


def load(file: str) -> Settings:
    """Read and check the configuration file. Raises ``ValueError`` with a sentence that names file and field."""
    try:
        settings = msgspec.json.decode(pathlib.Path(file).read_bytes(), type=Settings)
    except OSError as error:
        raise ValueError(f"cannot read the configuration {file}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise ValueError(f"{file}: {error}") from None
    if not settings.directory.startswith("/") or len(settings.directory.encode()) > _LONGEST_DIRECTORY:
        raise ValueError(
            f"{file}: directory {settings.directory!r} must be an absolute path of at most {_LONGEST_DIRECTORY} bytes"
        )
    return settings
