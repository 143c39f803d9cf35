"""Whether heartbeats of amphorae get through all the while, as the health manager's metrics show it."""

import contextlib
import re
import threading
import urllib.request

_LAG = re.compile(r"^lictor_heartbeat_lag_seconds (\S+)$", re.MULTILINE)


class Heartbeats(threading.Thread):
    """Looks, for the length of a ``with`` block; then ``lag`` is the longest time (seconds) without one of an amphora.

    One that got lost would make it twice ``[health_manager] heartbeat_interval``.
    """

    def __init__(self, port=9877):
        super().__init__(daemon=True)
        self._place = f"http://127.0.0.1:{port}/metrics"
        self._over = threading.Event()
        self.looks, self.lag = 0, 0.0

    def run(self):
        while not self._over.wait(0.1):
            with contextlib.suppress(OSError), urllib.request.urlopen(self._place, timeout=5) as answer:
                self.lag = max(self.lag, float(_LAG.search(answer.read().decode())[1]))
                self.looks += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self.join()
