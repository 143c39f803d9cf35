"""One run: clients and faults for so many seconds, then peace, and the look at what became of it."""

import dataclasses
import pathlib
import sys
import time

from lictor import config
from lictor.drivers.compute.netns import NetnsCompute
from lictor.drivers.network.local import LocalNetwork
from lictor.model import schema
from lictor.model.store import Store
from tests.crash.random import ending, faults
from tests.crash.random.amphorae import Watch
from tests.crash.random.clients import Client
from tests.crash.random.garden import Garden, request
from tests.crash.random.history import History, violations
from tests.crash.random.site import API_PORTS, Site
from tests.lab.deployment import world
from tests.lab.web import WebServers

CLIENTS = 3


@dataclasses.dataclass
class Outcome:
    """What a run came to."""

    seed: int
    kind: str
    seconds: float
    operations: dict[str, int]
    faults: dict[str, int]
    violations: list[str]
    converged: float
    samples: int
    claims: int
    deliveries: int

    def __str__(self) -> str:
        requests = ", ".join(f"{count} {what}" for what, count in sorted(self.operations.items()))
        kinds = ", ".join(f"{count} {what}" for what, count in sorted(self.faults.items()))
        return (
            f"crash-random: database {self.kind}, seed {self.seed}, {self.seconds:.0f} s: "
            f"{sum(self.operations.values())} operations ({requests}), {sum(self.faults.values())} faults ({kinds}), "
            f"{self.claims} claims, {self.deliveries} deliveries, {self.samples} looks at VIPs, "
            f"converged {self.converged:.1f} s after the last fault, {len(self.violations)} violations"
        )


def run(directory: pathlib.Path, kind: str, seed: int, seconds: float) -> Outcome:
    """Run, and remove everything. Raises only what makes the run itself impossible."""
    site = Site(directory, kind)
    try:
        _bridges(site, directory)
        with WebServers(site.state_dir, names=["web1", "web2", "web3"]) as web:
            site.start()
            return _run(site, web, seed, seconds)
    finally:
        site.remove()


def _bridges(site: Site, directory: pathlib.Path) -> None:
    """The web servers need the deployment's bridges, which workers then find made."""
    conf = config.load([], lictor__state_dir=str(site.state_dir))
    store = Store(f"sqlite:///{directory}/empty.db")
    schema.upgrade(store)
    NetnsCompute(conf, LocalNetwork(conf, store)).prepare()


def _run(site: Site, web: WebServers, seed: int, seconds: float) -> Outcome:
    history, before = History(), world()
    garden = Garden(history, web.addresses, *_inventory())
    watch = Watch(site.state_dir, site.directory, garden.accuse)
    clients = [Client(garden, seed, number) for number in range(CLIENTS)]
    trouble = faults.Faults(site, seed, garden.accuse)
    began = time.monotonic()
    for thread in (watch, *clients):
        thread.start()
    time.sleep(min(4.0, seconds / 4))
    trouble.start()
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    for thread in (trouble, *clients):
        thread.stopping.set()
    for thread in (trouble, *clients):
        thread.join(300)
    took = _look(site, web, garden, watch, before)
    (site.directory / "faults.log").write_text("\n".join(trouble.log))
    return Outcome(
        seed, site.database.kind, time.monotonic() - began, dict(history.operations), dict(trouble.counts),
        garden.violations, took, watch.samples, len(site.claims()), sum(map(len, watch.applied.values())),
    )  # fmt: skip


def _look(site: Site, web: WebServers, garden: Garden, watch: Watch, before: dict) -> float:
    faults.settle(site, garden.accuse)
    names = {server.address: server.name for server in web.servers}
    end = ending.Ending(site, names, garden.accuse)
    took = end.converges()
    garden.violations += violations(garden.history, end.found())
    end.leases()
    watch.stopping.set()
    watch.join(10)
    watch.read_logs()
    garden.violations += ending.contested(site.claims()) + ending.unfenced(watch.applied)
    if not garden.violations:
        end.delete_all(before)
        site.stop()
    return took


def _inventory() -> tuple[str, str]:
    """The ids of the subnet of all VIPs, and of the flavor of pairs."""
    (subnet,) = request(API_PORTS[0], "GET", "/v2.0/subnets?name=private-subnet", base="")[1]["subnets"]
    profile = {
        "name": "pairs",
        "provider_name": "amphora",
        "flavor_data": '{"loadbalancer_topology": "ACTIVE_STANDBY"}',
    }
    made = request(API_PORTS[0], "POST", "/flavorprofiles", {"flavorprofile": profile})[1]["flavorprofile"]
    flavor = {"name": "pairs", "flavor_profile_id": made["id"], "enabled": True}
    return subnet["id"], request(API_PORTS[0], "POST", "/flavors", {"flavor": flavor})[1]["flavor"]["id"]


def say(outcome: Outcome, out=sys.stdout) -> None:
    """The violations, and the last line."""
    for sentence in outcome.violations:
        print(f"VIOLATION (seed {outcome.seed}): {sentence}", file=out)
    print(outcome, file=out, flush=True)
