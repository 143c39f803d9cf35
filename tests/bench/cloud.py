"""What Lictor asks of OpenStack: requests of one API call and of one pass of the loop, on ``tests/lab/cloud``.

    make .venv-keystone/.ready .venv-cloud/.ready && make bench-cloud

API and loop run here, on the drivers ``nova`` and ``neutron``, so that what they send can be counted; agents are
those of ``tests.bench.simulator``, as Nova's fake hypervisor boots none, and the management network leads to this host.
``CLOUD_WORDS=1`` lists the requests.
"""

import collections
import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid

import falcon.testing
from requests.adapters import HTTPAdapter

from lictor import config
from lictor.cli import application, database
from lictor.cli.statedir import StateDir
from lictor.cli.street import Street
from tests.bench.processes import background, eventually
from tests.lab import cloud
from tests.lab.cloud.settings import AUTH_URL, OCTAVIA, PORTS

SERVICES = {port: name for name, port in PORTS.items()}
LOOKS = 20

CONFIGURATION = f"""
[lictor]
deployment = {uuid.uuid4().hex[:8]}
[api_settings]
auth_strategy = keystone
[keystone_authtoken]
www_authenticate_uri = {AUTH_URL}
{OCTAVIA}[service_auth]
{OCTAVIA}[controller_worker]
compute_driver = nova
network_driver = neutron
amp_image_tag = amphora
amp_flavor_id = %(flavor)s
amp_boot_network_list = %(network)s
poll_interval = 0.2
[health_manager]
controller_ip_port_list = 127.0.0.1:5555
[nova]
enable_anti_affinity = true
anti_affinity_policy = soft-anti-affinity
"""


class Count:
    """Requests that this process sends, by whose thread sends them."""

    def __init__(self) -> None:
        self._seen: list[tuple[bool, str, str]] = []
        self._send = HTTPAdapter.send
        HTTPAdapter.send = lambda adapter, request, **more: self._counted(adapter, request, more)

    def _counted(self, adapter, request, more):
        url = urllib.parse.urlsplit(request.url)
        path = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", url.path) + ("?…" if url.query else "")
        here = threading.current_thread() is threading.main_thread()
        self._seen.append((here, SERVICES.get(url.port, url.netloc), f"{request.method} {path}"))
        return self._send(adapter, request, **more)

    def take(self, of_api: bool) -> collections.Counter:
        """Those of the API's thread, or those of the loop's, since the last time."""
        taken = [each for each in self._seen if each[0] is of_api]
        self._seen = [each for each in self._seen if each[0] is not of_api]
        return collections.Counter(each[1:] for each in taken)


def show(what: str, counted: collections.Counter, seconds: float) -> None:
    """One line, and one for each kind of request if they are asked for."""
    sums = collections.Counter()
    for (service, _), number in counted.items():
        sums[service] += number
    columns = " ".join(f"{sums[name]:>8}" for name in ("identity", "network", "compute", "image"))
    print(f"{what:44} {columns} {seconds * 1000:>8.0f}", flush=True)
    if os.environ.get("CLOUD_WORDS"):
        for (service, words), number in sorted(counted.items()):
            print(f"    {number:3} {service} {words}")


class Bench:
    """API and loop, and alice, who has two subnets."""

    def __init__(self, directory: pathlib.Path, conf, street: Street, count: Count) -> None:
        self.conf, self.street, self.count = conf, street, count
        self._alice = cloud.connect("alice", "alice")
        self._http = falcon.testing.TestClient(
            application.build(conf, street.store, street.networking, street.wake),
            headers={"X-Auth-Token": self._alice.auth_token},
        )
        self.token = self._alice.auth_token
        self.subnets = [self._subnet(number) for number in (1, 2)]

    def _subnet(self, number: int):
        network = self._alice.network.create_network(name=f"bench-{number}")
        return self._alice.network.create_subnet(
            network_id=network.id, name="bench", cidr=f"10.98.{number}.0/24", ip_version=4, is_dhcp_enabled=False
        )

    def call(self, what: str, method: str, path: str, body=None):
        """One API call, and what it took; then the loop's pass, and what that took."""
        self.count.take(True), self.count.take(False)
        began = time.monotonic()
        answer = self._http.simulate_request(method, f"/v2.0/lbaas{path}", json=body)
        assert answer.status_code < 300, answer.text
        show(f"API   {what}", self.count.take(True), time.monotonic() - began)
        began = time.monotonic()
        eventually(self._is_settled, 120, "settled")
        self.street.workers  # noqa: B018
        time.sleep(0.5)
        show(f"loop  {what}", self.count.take(False), time.monotonic() - began - 0.5)
        return next(iter(answer.json.values())) if answer.content else None

    def _is_settled(self) -> bool:
        rows = self._http.simulate_get("/v2.0/lbaas/loadbalancers").json["loadbalancers"]
        assert not any(each["provisioning_status"] == "ERROR" for each in rows), rows
        return all(each["provisioning_status"] == "ACTIVE" for each in rows)

    def look(self) -> None:
        """A subnet, as the owner of a token sees it: the first time, and later."""
        for what, number in (("first", 1), ("later", LOOKS)):
            began = time.monotonic()
            for _ in range(number):
                assert self.street.networking.as_seen_with(self.token).subnet(self.subnets[0].id)
            show(f"as_seen_with, {what} ({number}x)", self.count.take(True), time.monotonic() - began)

    def life(self, topology: str) -> None:
        """A load balancer from its creation to its end."""
        self.conf.set_override("loadbalancer_topology", topology, "controller_worker")
        near, far = (each.id for each in self.subnets)
        listener = {"protocol": "HTTP", "protocol_port": 80}
        pool = {"name": "pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
        balancer = {"vip_subnet_id": near, "listeners": [listener | {"default_pool": pool}]}
        made = self.call(f"create {topology}", "POST", "/loadbalancers", {"loadbalancer": balancer})
        members = f"/pools/{made['pools'][0]['id']}/members"
        for what, address, subnet in (
            ("", "10.98.1.99", None),
            (", subnet named", "10.98.1.98", near),
            (" on another subnet", "10.98.2.99", far),
            (" there", "10.98.2.98", far),
        ):
            body = {"address": address, "protocol_port": 80} | ({"subnet_id": subnet} if subnet else {})
            self.call(f"add a member{what}", "POST", members, {"member": body})
        self.call("rename the load balancer", "PUT", f"/loadbalancers/{made['id']}", {"loadbalancer": {"name": "x"}})
        self.call("delete", "DELETE", f"/loadbalancers/{made['id']}?cascade=true")


def main(directory: pathlib.Path) -> None:
    """All of it."""
    admin, service = cloud.connect("admin", "admin"), cloud.connect("octavia", "service")
    network = service.network.find_network("lb-mgmt", ignore_missing=False)
    for subnet in service.network.subnets(network_id=network.id):
        subprocess.run(["ip", "route", "replace", "local", subnet.cidr, "dev", "lo"], check=True)
    file = directory / "lictor.conf"
    values = {"flavor": admin.compute.find_flavor("lb.small", ignore_missing=False).id, "network": network.id}
    file.write_text(CONFIGURATION % values)
    conf = config.load([str(file)], lictor__state_dir=str(directory / "state"))
    with contextlib.ExitStack() as stack:
        state = stack.enter_context(StateDir(config.state_dir(conf)))
        street = Street(conf, state, database.upgraded(conf), lambda: None)
        street.authority, street.secret  # noqa: B018 - which the simulator reads
        fleet = directory / "fleet"
        fleet.write_text("[]")
        command = [
            sys.executable,
            "-m",
            "tests.bench.simulator",
            config.state_dir(conf),
            5555,
            60,
            fleet,
            directory / "no",
        ]
        stack.enter_context(background(command, directory / "simulator.log"))
        eventually(lambda: (directory / "simulator.log").read_text() == "up\n", 30, "agents")
        street.workers.start()
        stack.callback(street.workers.stop)
        count = Count()
        bench = Bench(directory, conf, street, count)
        print(f"{'':44} Keystone  Neutron     Nova   Glance       ms")
        count.take(True)
        bench.look()
        for topology in ("SINGLE", "ACTIVE_STANDBY"):
            bench.life(topology)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="bench-cloud-") as place:
        directory = pathlib.Path(place)
        with contextlib.nullcontext() if cloud.there_already() else cloud.cloud(directory / "cloud"):
            main(directory)
