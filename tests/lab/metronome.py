"""A client that opens a new connection every 10 ms, whatever became of those before, in a process of its own."""

import asyncio
import contextlib
import dataclasses
import itertools
import json
import subprocess
import sys
import threading
import time

INTERVAL = 0.01
TOO_LATE = 0.5
"""Seconds after which a request counts as lost: TCP would send its first packet again after one."""

REQUEST = b"GET / HTTP/1.0\r\nHost: a\r\n\r\n"


@dataclasses.dataclass(frozen=True)
class Result:
    """``gap`` is the longest time (seconds) without an answer, ``lost`` are requests without one in time.

    ``until`` is when the gap ended, as ``time.time`` has it.
    """

    sent: int
    lost: int
    gap: float
    until: float
    words: list[str]


class Metronome:
    """Ticks for the length of a ``with`` block; then ``result`` is there."""

    def __init__(self, vip, port=80):
        self._command = [sys.executable, "-m", "tests.lab.metronome", vip, str(port)]
        self.result = None

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "ticking\n"
        return self

    def __exit__(self, *_):
        said, _ = self._process.communicate("stop\n", timeout=30)
        self.result = Result(**json.loads(said))


class _Client:
    def __init__(self, vip, port):
        self._vip, self._port = vip, port
        self.answered, self.bad, self.sent, self.end = [], [], 0, 0.0

    async def run(self, over):
        tasks, due = set(), time.monotonic()
        while not over.is_set():
            task = asyncio.create_task(self._one())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            due = max(due + INTERVAL, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
        self.end = time.monotonic()
        await asyncio.gather(*tasks)

    async def _one(self):
        self.sent += 1
        try:
            async with asyncio.timeout(TOO_LATE):
                await self._ask()
            self.answered.append(time.monotonic())
        except (OSError, ValueError) as error:
            self.bad.append(f"{type(error).__name__} {error}".strip())

    async def _ask(self):
        reader, writer = await asyncio.open_connection(self._vip, self._port)
        try:
            writer.write(REQUEST)
            head = (await reader.read()).split(b"\r\n")[0]
            if b" 200 " not in head + b" ":
                raise ValueError(head.decode(errors="replace"))
        finally:
            with contextlib.suppress(OSError):
                writer.transport.abort()


def main():
    client, over = _Client(sys.argv[1], int(sys.argv[2])), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(client.run(over)), daemon=True)
    thread.start()
    while not client.answered:
        time.sleep(0.01)
    print("ticking", flush=True)
    sys.stdin.readline()
    over.set()
    thread.join()
    gap, ended = max((late - early, late) for early, late in itertools.pairwise([*client.answered, client.end]))
    until = time.time() - time.monotonic() + ended
    words = [f"{word} ({client.bad.count(word)})" for word in dict.fromkeys(client.bad)]
    print(json.dumps({"sent": client.sent, "lost": len(client.bad), "gap": gap, "until": until, "words": words}))


if __name__ == "__main__":
    main()
