"""uWSGI, as operators run it: a master and its processes, on a port of this host."""

import contextlib
import pathlib
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from typing import NamedTuple

PATIENCE = 60.0
"""Seconds that the application may take to load."""

# uWSGI's own HTTP socket mishandles connections that are kept alive: it answers one request on each, and reads each
# body even where the application does not. A client that sends nothing for four seconds, as one may on a busy machine,
# is dropped without an answer unless it is told to wait longer.
OPTIONS = (
    "--master", "--die-on-term", "--need-app", "--enable-threads", "--listen=100", "--buffer-size=65535",
    "--post-buffering=65536", "--disable-logging", "--add-header=Connection: close", "--socket-timeout=60",
)  # fmt: skip


class Served(NamedTuple):
    """A running server; ``process`` is the master, of which the others are children."""

    url: str
    process: "subprocess.Popen[bytes]"


@contextlib.contextmanager
def uwsgi(
    program: pathlib.Path, module: str, config: pathlib.Path, log: pathlib.Path, more: Sequence[str] = ()
) -> Iterator[Served]:
    """Serve ``module`` with a configuration file for the length of the block; ``more`` are options of uWSGI's."""
    port = free_port()
    command = [str(program), f"--http-socket=127.0.0.1:{port}", f"--module={module}:application"]
    command += [f"--pyargv=--config-file {config}", *OPTIONS, *more]
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        await_answer(f"http://127.0.0.1:{port}/", process, log)
        yield Served(f"http://127.0.0.1:{port}", process)
    except BaseException as error:
        error.add_note(f"the end of the log of uWSGI:\n{log.read_text(errors='replace')[-3000:]}")
        raise
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


def await_answer(url: str, process: "subprocess.Popen[bytes]", log: pathlib.Path) -> None:
    """Until the server answers anything at all. Raises with the end of its log if it ends, or takes too long."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(url, timeout=PATIENCE).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(log.read_text(errors="replace")[-3000:]) from None
            time.sleep(0.05)


def free_port() -> int:
    """A TCP port on which nobody listens at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
