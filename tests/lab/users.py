"""Servers that do not run as root: started by root, they take the user that their Debian package made."""

import os
import pathlib
import pwd
import shutil
from typing import Any


def give(directory: pathlib.Path, user: str) -> None:
    """Make a directory this user's, if we may."""
    directory.chmod(0o755)
    if os.getuid() == 0:
        shutil.chown(directory, user)


def as_user(user: str) -> dict[str, Any]:
    """The options of ``subprocess`` that start a process as this user, if we may."""
    if os.getuid() != 0:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
