"""What the agent remembers: the last good state, as one directory that a symbolic link names.

    states/7/           state.json, haproxy.cfg, nftables.conf, certs/ …, written in full before anything is changed
    current -> states/7 switched by one rename, so that all of it changes at once, and back again, also on a full disk
    applying            there while a change is under way: what runs may be half of it

The directory should be a tmpfs; then all of this is gone after a reboot, as it should be.
"""

import os
import pathlib
import shutil

import msgspec

from lictor import wire
from lictor.agent.errors import log


class Store:
    """The working directory of one agent. Methods raise ``OSError`` when the machine fails (no space left)."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.current = directory / "current"
        self._states = directory / "states"
        self._applying = directory / "applying"
        self._states.mkdir(mode=0o700, parents=True, exist_ok=True)

    def boot_id(self) -> str:
        """Random, made once per boot of the amphora: the directory does not outlive one."""
        file = self.directory / "boot_id"
        try:
            known = file.read_text().strip()
        except OSError:
            known = ""
        return known or _replace(file, os.urandom(16).hex())

    def load(self) -> wire.DesiredState | None:
        """The last good state; None if there is none, or none that can be read."""
        try:
            state = msgspec.json.decode((self.current / "state.json").read_bytes(), type=wire.DesiredState)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, ValueError) as error:
            log(f"the state on disk cannot be read, going on without: {error}")
            return None
        return state if state.version == wire.VERSION else None

    def stage(self, state: wire.DesiredState) -> pathlib.Path:
        """Write a state beside the current one. What a failure leaves half written is swept with the next change."""
        self.sweep()
        place = self._states / str(
            1 + max((int(p.name) for p in self._states.iterdir() if p.name.isdecimal()), default=0)
        )
        (place / "certs").mkdir(mode=0o700, parents=True)
        for file in state.files:
            write(place / "certs" / file.name, file.content)
        write(place / "haproxy.cfg", state.haproxy.config if state.haproxy else "")
        write(place / "nftables.conf", state.nftables)
        write(place / "keepalived.conf", state.keepalived)
        self.remember(state, place)
        return place

    def remember(self, state: wire.DesiredState, place: pathlib.Path | None = None) -> None:
        """Write the state itself, atomically."""
        _replace((place or self.current) / "state.json", msgspec.json.encode(state).decode())

    def place(self) -> pathlib.Path | None:
        """The directory of the current state."""
        return self.current.resolve() if self.current.is_symlink() else None

    def switch(self, place: pathlib.Path | None) -> None:
        """Make a staged state the current one, or none at all."""
        if place is None:
            self.current.unlink(missing_ok=True)
            return
        link = self.directory / "current.new"
        link.unlink(missing_ok=True)
        link.symlink_to(pathlib.Path("states") / place.name)
        link.replace(self.current)

    def begin(self) -> None:
        """From now on what runs may differ from the current state, until ``settle``."""
        self._applying.touch(mode=0o600)

    def settle(self) -> None:
        """What runs is the current state."""
        self._applying.unlink(missing_ok=True)

    def unsettled(self) -> bool:
        """Whether a change was begun and not settled: by this process, or by one that died in between."""
        return self._applying.exists()

    def sweep(self) -> None:
        """Remove all states but the current one."""
        current = self.place()
        for place in self._states.iterdir():
            if place != current:
                shutil.rmtree(place, ignore_errors=True)


def write(file: pathlib.Path, text: str) -> None:
    """Write a file that only root may read, whatever the umask says."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
        stream.write(text)


def _replace(file: pathlib.Path, text: str) -> str:
    temporary = file.with_name(f"{file.name}.new")
    write(temporary, text)
    temporary.replace(file)
    return text


replace = _replace
