"""HAProxy's runtime API over its UNIX socket, one session for many commands (HAProxy management guide, section 9.3)."""

import pathlib
import socket
import types

from lictor.agent.errors import AgentError

_TIMEOUT = 5.0
_PROMPT = b"\n> "


class RuntimeFailed(AgentError):
    """A command was not carried out, or HAProxy did not answer."""


class Session:
    """An interactive session: ``with Session(socket) as session: session.ask("show info")``."""

    def __init__(self, path: pathlib.Path, timeout: float = _TIMEOUT) -> None:
        self._path = str(path)
        self._timeout = timeout

    def __enter__(self) -> "Session":
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(self._timeout)
        try:
            self._socket.connect(self._path)
            self.ask("prompt")
        except BaseException as error:
            self._socket.close()
            if isinstance(error, OSError):
                raise RuntimeFailed(f"haproxy does not answer on {self._path}: {error}") from None
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session."""
        self._socket.close()

    def ask(self, command: str, payload: str = "") -> str:
        """Send one command and return the answer, stripped. Raises ``RuntimeFailed`` when none comes.

        ``payload`` are lines that go with the command, none of them empty (management guide, 9.3 "<<").
        """
        text = f"{command} <<\n{payload}\n\n" if payload else f"{command}\n"
        try:
            self._socket.sendall(text.encode())
            answer = bytearray()
            while not answer.endswith(_PROMPT):
                piece = self._socket.recv(65536)
                if not piece:
                    raise RuntimeFailed(f"haproxy hung up on {command!r}")
                answer += piece
        except OSError as error:
            raise RuntimeFailed(f"haproxy did not answer {command!r}: {error}") from None
        found = answer[: -len(_PROMPT)].decode(errors="replace").strip()
        return found.lstrip("+ ") if payload else found  # "+ " asks for each further line of a payload


def worker_pid(path: pathlib.Path, timeout: float = 1.0) -> int:
    """The pid of the worker that serves now. Raises ``RuntimeFailed``."""
    with Session(path, timeout) as session:
        return pid_of(session.ask("show info"))


def version_of(info: str) -> str:
    """The version in an answer to ``show info``, such as ``2.6.12``; empty if it names none."""
    lines = (line for line in info.split("\n") if line.startswith("Version: "))
    return next(lines, "").removeprefix("Version: ").split("-")[0].strip()


def pid_of(info: str) -> int:
    """The worker's pid in an answer to ``show info``."""
    for line in info.split("\n"):
        if line.startswith("Pid: "):
            return int(line[5:])
    raise RuntimeFailed("haproxy's answer to 'show info' names no pid")
