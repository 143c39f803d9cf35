"""Where the time of a creation goes: Lictor's own, the cloud's APIs', Nova's boot. Read from the log of `lictor up`."""

import dataclasses
import datetime
import re
import socket
import threading
import time
import urllib.request

_LINE = re.compile(r"^(\S+ \S+) [A-Z]+ (\S+) \[(req-\S+) [^]]*\] (.*)$", re.MULTILINE)
_SESSION = "keystoneauth.session"
_AGENT = 9443


def fetched(url):
    """The body of one answer, on a connection of its own."""
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=3) as answer:
        return answer.read().decode().strip()


class FirstWord:
    """When the agent of a load balancer's amphora first took a connection: until then, Nova and the machine boot."""

    def __init__(self, admin):
        """``admin`` may list amphorae, which there are none of yet."""
        self._admin, self.at = admin.load_balancer, None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        while self.at is None and not self._over.wait(0.1):
            for each in self._admin.amphorae():
                if each.lb_network_ip and _answers(each.lb_network_ip):
                    self.at = time.time()

    def end(self):
        """Stop looking; the moment, in seconds since the epoch, or None if there was none."""
        self._over.set()
        self._thread.join()
        return self.at


def _answers(address):
    try:
        socket.create_connection((address, _AGENT), 0.5).close()
    except OSError:
        return False
    return True


@dataclasses.dataclass
class Creation:
    """What the log says of one creation, and when the agent first answered.

    ``asked``: of us; ``booting``: Nova was asked for the server; ``delivering``: its agent was told what to be;
    ``active``: it was. All in seconds since the epoch.
    """

    log: str
    load_balancer_id: str
    agent: float

    def __post_init__(self):
        created = re.search(rf"\[(req-\S+) {self.load_balancer_id}\] \S+ POST '/v2.0/lbaas/loadbalancers'", self.log)
        self._lines = [
            (_seconds(when), logger, message)
            for when, logger, request_id, message in _LINE.findall(self.log)
            if request_id == created[1]
        ]
        self.asked = self._lines[0][0]
        self.booting = next(when for when, _, message in self._lines if re.search(r"-X POST \S+/servers ", message))
        self.active = next(
            when for when, logger, message in self._lines if logger == "lictor.control.worker" and " applied" in message
        )
        answers = [when for when, logger, message in self._lines if _is_answer(logger, message) and when < self.active]
        self.delivering = max(self.agent, answers[-1])

    def elsewhere(self, begin, end):
        """Seconds between two moments in which Keystone, Neutron, Nova and Glance were asked and had not answered."""
        total, since = 0.0, None
        for when, logger, message in self._lines:
            if logger == _SESSION and message.startswith("REQ") and begin <= when <= end:
                since = when
            elif _is_answer(logger, message) and since is not None:
                total, since = total + min(when, end) - since, None
        return total

    def told(self):
        """Lines for people."""
        before, after = self.booting - self.asked, self.delivering - self.agent
        apis = self.elsewhere(self.asked, self.booting), self.elsewhere(self.agent, self.delivering)
        return (
            f"create to ACTIVE {self.active - self.asked:.1f} s\n"
            f"  until Nova was asked for a server {before:5.2f} s, of which the cloud's APIs {apis[0]:.2f}\n"
            f"  until its agent answered          {self.agent - self.booting:5.2f} s: Nova, and the machine's boot\n"
            f"  until that was told what to be    {after:5.2f} s, of which the cloud's APIs {apis[1]:.2f}\n"
            f"  until it was that                 {self.active - self.delivering:5.2f} s: inside the emulated machine\n"
            f"Lictor's own share: {before + after - sum(apis):.2f} s; with the cloud's APIs {before + after:.2f} s"
        )


def _is_answer(logger, message):
    return logger == _SESSION and message.startswith("RESP")


def _seconds(when):
    return datetime.datetime.fromisoformat(when).replace(tzinfo=datetime.UTC).timestamp()
