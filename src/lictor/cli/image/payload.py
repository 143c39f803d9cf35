"""The agent as it goes into an image: its modules from this installation, and its libraries from a package index.

The libraries are installed from outside, for the image's Python: so the image needs no pip, and there is no
configuration of one inside that could send it elsewhere.
"""

import hashlib
import importlib.metadata
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse
from typing import Any

import lictor
from lictor.cli.image.mirrors import Mirrors
from lictor.cli.refusal import Refusal

LIBRARIES = ("msgspec",)
"""What the agent imports beside the standard library."""

PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")
"""Wheels that run on the C library of every base."""


def put(target: pathlib.Path, python: str, mirrors: Mirrors) -> dict[str, str]:
    """Make the directory, and return the versions of the libraries in it. Raises ``Refusal``."""
    source = pathlib.Path(lictor.__file__).parent
    skip = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(source / "agent", target / "lictor" / "agent", ignore=skip)
    for name in ("__init__.py", "wire.py"):
        shutil.copy(source / name, target / "lictor" / name)
    return _install(target, python, mirrors)


def _install(target: pathlib.Path, python: str, mirrors: Mirrors) -> dict[str, str]:
    report = target.with_name(f"{target.name}.pip.json")
    argv, environment = command(target, python, mirrors, report)
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        why = " ".join((done.stderr or done.stdout).split())[-600:]
        raise Refusal(f"pip could not get {' and '.join(LIBRARIES)} for Python {python}: {why}")
    installed = json.loads(report.read_text())["install"]
    if mirrors.pip_index:
        _refuse_strangers(installed, mirrors)
    shutil.rmtree(target / "bin", ignore_errors=True)
    return {item["metadata"]["name"]: item["metadata"]["version"] for item in installed}


def command(
    target: pathlib.Path, python: str, mirrors: Mirrors, report: pathlib.Path
) -> tuple[list[str], dict[str, str]]:
    """The call of pip and its environment.

    With an index named, pip sees neither its configuration files nor its variables nor what it has cached: each of them
    could bring in another index, ``extra-index-url`` above all, and pip would say nothing of it.
    """
    argv = [sys.executable, "-m", "pip", "install", "--target", str(target), "--python-version", python]
    argv += [word for platform in PLATFORMS for word in ("--platform", platform)]
    argv += ["--implementation", "cp", "--only-binary=:all:", "--no-compile", "--disable-pip-version-check"]
    argv += ["--no-deps", "--no-cache-dir", "--no-input", "--report", str(report)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if mirrors.pip_index:
        argv += ["--isolated", "--index-url", mirrors.pip_index]
        environment = {name: value for name, value in environment.items() if not name.startswith("PIP_")}
        environment["PIP_CONFIG_FILE"] = os.devnull
    return [*argv, *requirements()], environment


def requirements() -> list[str]:
    """The libraries with the versions that Lictor itself asks for."""
    try:
        asked = importlib.metadata.requires("lictor") or []
    except importlib.metadata.PackageNotFoundError:
        asked = []
    known = {re.split(r"[^\w.-]", line, maxsplit=1)[0]: line for line in asked}
    return [known.get(name, name) for name in LIBRARIES]


def _refuse_strangers(installed: list[dict[str, Any]], mirrors: Mirrors) -> None:
    allowed = {urllib.parse.urlsplit(mirrors.pip_index).netloc, *mirrors.pip_hosts}
    for item in installed:
        host = urllib.parse.urlsplit(item["download_info"]["url"]).netloc
        if host not in allowed:
            raise Refusal(
                f"--pip-index-url {mirrors.pip_index} sends to {host} for the files of {item['metadata']['name']}: "
                f"name an index that has them itself, or allow that host with --pip-host {host}"
            )


def digest(target: pathlib.Path) -> str:
    """SHA-256 over names and content of the agent's own modules."""
    return _digest(target, sorted((target / "lictor").rglob("*.py")))


def elements_digest(elements: pathlib.Path) -> str:
    """The same of Lictor's elements: units, services and hardening are theirs."""
    return _digest(elements, sorted(file for file in elements.rglob("*") if file.is_file()))


def _digest(top: pathlib.Path, files: list[pathlib.Path]) -> str:
    found = hashlib.sha256()
    for file in files:
        found.update(f"{file.relative_to(top)}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()
