"""A real `lictor up` in a process of its own, and what a test needs to watch it from outside."""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pyroute2

PORT = 9876

NOOP = """
[controller_worker]
compute_driver = noop
network_driver = noop
[certificates]
cert_manager = noop
"""
"""Configuration of a deployment without a data plane, which needs no root and may run beside others."""


def eventually(condition, seconds=20.0, what="", poll=0.05):
    """The first true value of ``condition``, or a failure that says what never came. Errors count as not yet."""
    deadline = time.monotonic() + seconds
    last = None
    while time.monotonic() < deadline:
        try:
            last = condition()
            if last:
                return last
        except (OSError, http.client.HTTPException, KeyError, AssertionError) as error:
            last = error
        time.sleep(poll)
    raise AssertionError(f"not within {seconds} s: {what or condition} (last: {last!r})")


class Refused(AssertionError):
    """The API answered with an error."""

    def __init__(self, status, body):
        super().__init__(f"HTTP {status}: {body}")
        self.status, self.body = status, body


class Deployment:
    """One state directory; `lictor up` may be started, stopped and killed on it as often as a test likes."""

    def __init__(self, state_dir, config_text="", port=PORT):
        self.state_dir = pathlib.Path(state_dir)
        self.log = self.state_dir.parent / f"{self.state_dir.name}.log"
        self.config = self.state_dir.parent / f"{self.state_dir.name}.conf"
        self.config.write_text(config_text)
        self.port = port
        self.process = None

    def command(self, *words):
        return [sys.executable, "-m", "lictor.cli.main", *words, "--state-dir", str(self.state_dir)]

    def start(self, failpoint="", wait=True):
        """Start `lictor up`, with one fail point armed if named, and wait until the API answers."""
        environment = {**os.environ, "LICTOR_FAILPOINT": failpoint}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.command("up", "--config-file", str(self.config), "--port", str(self.port)),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            eventually(self._answers, 30, f"the API answers; the log says: {self.log.read_text()[-2000:]}")
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"lictor up ended with {self.process.returncode}: {self.log.read_text()[-3000:]}")
        return self.request("GET", "/")[0] == 200

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def kill(self):
        """kill -9, as a power cut would."""
        self.process.kill()
        self.process.wait(10)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def down(self, *words):
        return subprocess.run(self.command("down", *words), capture_output=True, text=True, timeout=120, check=True)

    def credentials(self):
        text = (self.state_dir / "openrc").read_text()
        return dict(re.findall(r"^export (\w+)=(\S+)$", text, re.MULTILINE))

    def request(self, method, path, body=None):
        """One API call; returns status and decoded body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            headers = {"Content-Type": "application/json", **self._proof()}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None

    def _proof(self):
        who = self.credentials()
        if "OS_PASSWORD" not in who:  # noauth, or Keystone's to say
            return {}
        token = base64.b64encode(f"{who['OS_USERNAME']}:{who['OS_PASSWORD']}".encode()).decode()
        return {"Authorization": f"Basic {token}"}

    def call(self, method, path, body=None):
        """One API call that must succeed; returns what is inside the envelope."""
        status, answer = self.request(method, f"/v2.0/lbaas{path}", body)
        if status >= 400:
            raise Refused(status, answer)
        return next(iter(answer.values())) if answer else None

    def create(self, addresses, name="lb", port=80, **more):
        """A fully populated load balancer in one call: HTTP listener, pool, members, health monitor."""
        pool = {
            "name": f"{name}-pool",
            "protocol": "HTTP",
            "lb_algorithm": "ROUND_ROBIN",
            "members": [{"name": f"m{n}", "address": a, "protocol_port": 80} for n, a in enumerate(addresses)],
            **more,
        }
        listener = {"name": f"{name}-listener", "protocol": "HTTP", "protocol_port": port, "default_pool": pool}
        body = {"name": name, "vip_subnet_id": self.subnet(), "listeners": [listener]}
        return self.call("POST", "/loadbalancers", {"loadbalancer": body})

    def subnet(self):
        return self.request("GET", "/v2.0/subnets?name=private-subnet")[1]["subnets"][0]["id"]

    def wait_active(self, lb_id, seconds=30):
        def active():
            return self.call("GET", f"/loadbalancers/{lb_id}")["provisioning_status"] == "ACTIVE"

        eventually(active, seconds, f"load balancer {lb_id} is ACTIVE; {self.log}")

    def gone(self, path):
        return self.request("GET", f"/v2.0/lbaas{path}")[0] == 404

    def wait_gone(self, path, seconds=30):
        eventually(lambda: self.gone(path), seconds, f"{path} is gone; {self.log}")


def http_get(address, port=80, path="/", timeout=2.0):
    """Status and body of one request on a connection of its own."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def who_answers(vip, port=80, requests=10):
    """The bodies of so many requests, sorted and without repetition; every one must be answered with 200."""
    answers = [http_get(vip, port) for _ in range(requests)]
    assert all(status == 200 for status, _ in answers), answers
    return sorted({body.strip() for _, body in answers})


def world():
    """What a deployment could leave on this host: named namespaces, links, and processes of amphorae."""
    with pyroute2.IPRoute() as ip:
        links = {link.get("ifname") for link in ip.get_links()}
    return {
        "namespaces": {path.name for path in pathlib.Path("/run/netns").iterdir()},
        "links": links,
        "processes": {(pid, name) for pid, name in processes() if name in ("haproxy", "keepalived", "lictor-agent")},
    }


def processes():
    """Pid and name of every process we can see; agents are told by their command line."""
    for proc in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            name = (proc / "comm").read_text().strip()
            yield int(proc.name), "lictor-agent" if b"lictor.agent" in (proc / "cmdline").read_bytes() else name
