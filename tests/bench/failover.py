"""How long users wait while something dies: a client opens a connection every 10 ms all the while.

``make bench-failover``, in about two minutes. A request counts as lost without an answer within half a second; the gap
is the longest time in which none was answered.
"""

import datetime
import os
import signal
import subprocess
import sys
import time

from tests.bench.report import Goal, conclude, deployment, table
from tests.e2e.balancer import Balancer, listener, pool
from tests.lab.amphorae import amphorae, carrier
from tests.lab.deployment import eventually
from tests.lab.heartbeats import Heartbeats
from tests.lab.metronome import Metronome

TIMEOUT = 4
BEAT = 1
CONFIG = f"""
[health_manager]
heartbeat_interval = {BEAT}
heartbeat_timeout = {TIMEOUT}
[house_keeping]
cert_interval = 1
"""

NOTICED = {"amphora_silent", "amphora_condemned", "failover_started"}
"""Events by which an amphora's death is first told: by silence, or by a look at what runs."""


class Bench:
    """One deployment, its web servers, a pair and a single amphora."""

    def __init__(self, made, web):
        self.made = made
        tree = [listener(pool(web.addresses[:2]))]
        self.pair = Balancer(made, "pair", tree, {"flavor_id": _flavor(made)}).wait_active()
        self.single = Balancer(made, "single", tree, {}).wait_active()
        self.rows, self.results, self.lag, self.noticed = [], {}, 0.0, 0.0

    def measure(self, title, lb, act):
        """The row of what ``act`` does to a load balancer's users, when all is well again."""
        self.healed(lb)
        time.sleep(1)
        with Metronome(lb.vip) as client:
            act()
            time.sleep(1)
            self.healed(lb)
        result = client.result
        self.results[title] = result
        self.rows.append([title, result.sent, result.lost, f"{1000 * result.gap:.0f}"])
        print(f"{title}: {result}", file=sys.stderr)

    def healed(self, lb):
        """Its amphorae all run, are nobody's to replace, and one of them has the VIP."""
        lb.wait_active()
        wanted = 2 if lb is self.pair else 1

        def whole():
            found = amphorae(self.made, lb)
            running = all(each.status == "ALLOCATED" and each.pids("haproxy.pid") for each in found)
            return len(found) == wanted and running and sum(each.carries() for each in found) == 1

        eventually(whole, 60, f"{wanted} amphorae of {lb.made['name']}")

    def active(self):
        """The amphora of the pair that has the VIP."""
        return carrier(self.made, self.pair)[0]

    def fail_over(self, lb):
        """By the API; returns when all of its amphorae are other ones."""
        before = {each.id for each in amphorae(self.made, lb)}
        status, answer = self.made.request("PUT", f"/v2.0/lbaas/loadbalancers/{lb.id}/failover")
        assert status == 202, answer
        eventually(lambda: not before & {each.id for each in amphorae(self.made, lb)}, 90, "other amphorae")

    def roll(self, lb):
        """New amphorae, by the operator's command."""
        subprocess.run(self.made.command("roll", "--load-balancer", lb.id, "--all"), check=True, capture_output=True)

    def rotate(self):
        """Other certificates for all agents, of another authority, until none trusts the old one."""
        command = self.made.command("ca", "roll", "--wait")
        with Heartbeats() as beats:
            subprocess.run([*command, "--config-file", str(self.made.config)], check=True, capture_output=True)
            time.sleep(2 * BEAT)
        self.lag = max(self.lag, beats.lag)

    def hang(self):
        """HAProxy lives, and does nothing."""
        one = self.active()
        for pid in one.pids("haproxy.pid"):
            os.kill(pid, signal.SIGSTOP)
        eventually(lambda: not one.carries(), 20, "the other one has the VIP")

    def gone(self, lb, one):
        """An amphora loses its power; returns when it is found out and another one is there."""
        one.die()
        eventually(lambda: one.pid or one.id not in {each.id for each in amphorae(self.made, lb)}, 60, "a new one")

    def cut(self):
        one = self.active()
        one.cut()
        time.sleep(1)
        one.join()
        time.sleep(1)

    def reboot_both(self):
        for one in amphorae(self.made, self.pair):
            self.gone(self.pair, one)
            self.healed(self.pair)

    def silent(self):
        """From an amphora's death until another one serves; ``noticed`` is when Lictor knew, by its own events."""
        (one,) = amphorae(self.made, self.single)
        self.gone(self.single, one)
        events = self.made.call("GET", f"/loadbalancers/{self.single.id}/events")
        told = [each["created_at"] for each in events if each["amphora_id"] == one.id and each["kind"] in NOTICED]
        self.noticed = datetime.datetime.fromisoformat(min(told)).replace(tzinfo=datetime.UTC).timestamp()


def main():
    """Measure, print, and say which goals are met."""
    with deployment(["web1", "web2"], CONFIG) as (made, web):
        bench = Bench(made, web)
        pair, single = bench.pair, bench.single
        bench.measure("pair: haproxy killed", pair, lambda: bench.active().kill("haproxy.pid"))
        bench.measure("pair: haproxy hangs", pair, bench.hang)
        bench.measure("pair: keepalived killed", pair, lambda: bench.active().kill("keepalived.pid"))
        bench.measure("pair: agent killed", pair, lambda: bench.active().kill("lictor.agent"))
        bench.measure("pair: master's network cut", pair, bench.cut)
        bench.measure("pair: master's namespace gone", pair, lambda: bench.gone(pair, bench.active()))
        bench.measure("pair: both rebooted", pair, bench.reboot_both)
        bench.measure("pair: API fail-over", pair, lambda: bench.fail_over(pair))
        bench.measure("pair: lictor roll", pair, lambda: bench.roll(pair))
        bench.measure("pair: certificate rotation", pair, bench.rotate)
        bench.measure("single: certificate rotation", single, bench.rotate)
        bench.measure("single: API fail-over", single, lambda: bench.fail_over(single))
        bench.measure("single: gone, replaced", single, bench.silent)
        table("A client that connects every 10 ms", ["what happens", "requests", "lost", "longest gap, ms"], bench.rows)
    return conclude(_goals(bench.results, bench.lag, bench.noticed))


def _goals(results, lag, noticed):
    def gap(title):
        return results[title].gap

    single = results["single: gone, replaced"]
    print(f"single: its death was noticed after {noticed - (single.until - single.gap):.2f} s", file=sys.stderr)
    return [
        Goal("node loss", max(gap("pair: master's namespace gone"), gap("pair: master's network cut")), "s", 0.5),
        Goal("haproxy killed", gap("pair: haproxy killed"), "s", 0.1),
        Goal("planned fail-over of a pair", gap("pair: API fail-over"), "s", 0.2),
        Goal("single, after detection", single.until - noticed, "s", 3.0),
        Goal("certificate rotation, lost requests", _rotated(results), "requests", 0, exact=True),
        Goal("certificate rotation, without a heartbeat", lag, "s", 2.0 * BEAT),
    ]


def _rotated(results):
    return sum(results[f"{which}: certificate rotation"].lost for which in ("pair", "single"))


def _flavor(made):
    profile = {"name": "pair", "provider_name": "amphora", "flavor_data": '{"loadbalancer_topology": "ACTIVE_STANDBY"}'}
    profile_id = made.call("POST", "/flavorprofiles", {"flavorprofile": profile})["id"]
    return made.call("POST", "/flavors", {"flavor": {"name": "pair", "flavor_profile_id": profile_id}})["id"]


if __name__ == "__main__":
    sys.exit(main())
