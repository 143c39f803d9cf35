"""Amphorae that die, hang or cannot serve are replaced without anybody asking, also in a crowd; pairs one by one."""

import contextlib
import subprocess
import time

import pytest

from tests.e2e.balancer import listener, pool
from tests.e2e.test_failover import kinds, put
from tests.lab.amphorae import Watch, amphorae, carrier, go_without_sharing, has_the_vip
from tests.lab.deployment import eventually
from tests.lab.metronome import Metronome
from tests.lab.processes import stopped

CONFIG = """
[controller_worker]
replacements_at_once = 1
retry_interval = 0.3
retry_max = 1
[health_manager]
heartbeat_interval = 0.5
heartbeat_timeout = 2.5
health_check_interval = 0.3
instance_check_interval = 1
"""
REPLACED = ["failover_started", "amphora_booted", "amphora_replaced"]
HANGS = 30.0
"""Seconds in which every replacement here is over, with room for a busy machine."""


@pytest.fixture(scope="module")
def pairs(deployment):
    """The flavor of load balancers with two amphorae."""
    profile = {
        "name": "pair",
        "provider_name": "amphora",
        "flavor_data": '{"loadbalancer_topology": "ACTIVE_STANDBY"}',
    }
    made = deployment.call("POST", "/flavorprofiles", {"flavorprofile": profile})
    flavor = {"name": "pair", "flavor_profile_id": made["id"]}
    return {"flavor_id": deployment.call("POST", "/flavors", {"flavor": flavor})["id"]}


def steps(deployment, lb):
    """What was done to its amphorae since it was made, the oldest first."""
    return [kind for kind in reversed(kinds(deployment, lb)) if kind in REPLACED][len(amphorae(deployment, lb)) :]


def others(deployment, lb, *before):
    """Wait until none of these is left, all changes are applied, and there are as many as before; returns them."""

    def replaced():
        found = amphorae(deployment, lb)
        ids = {each.id for each in found}
        return len(found) == len(before) and not ids & {each.id for each in before} and found

    found = eventually(replaced, HANGS, "other amphorae")
    lb.wait_active()
    return found


def test_instances_that_die_in_a_crowd_are_started_anew_one_after_the_other(deployment, balancer, web):
    crowd = [balancer(listener(pool(web.addresses[:1])), name=f"lb-{number}") for number in range(3)]
    before = [amphorae(deployment, lb)[0] for lb in crowd]
    for amphora in before:
        amphora.die()
    for lb in crowd:
        lb.served_by("web1", seconds=HANGS)
    for lb, amphora in zip(crowd, before, strict=True):
        lb.wait_active()
        assert [each.id for each in amphorae(deployment, lb)] == [amphora.id], "the same one, started anew"
        assert "failover_started" in kinds(deployment, lb)
    assert any("failover_waits" in kinds(deployment, lb) for lb in crowd), "the budget is one at a time"


def test_an_amphora_whose_agent_hangs_is_replaced_and_cut_off(deployment, balancer, web):
    lb = balancer(listener(pool(web.addresses[:2])))
    (before,) = amphorae(deployment, lb)
    with Metronome(lb.vip) as client, stopped(before.pids("lictor.agent")):
        (after,) = others(deployment, lb, before)
    assert client.result.gap < 3.0, client.result
    lb.served_by("web1", "web2")
    assert after.carries()
    assert [kind for kind in reversed(kinds(deployment, lb)) if kind in ("amphora_condemned", *REPLACED)][-4:] == [
        "amphora_condemned",
        *REPLACED,
    ]
    assert "failover_unsafe" not in kinds(deployment, lb)
    print(client.result)


def test_an_amphora_whose_haproxy_dies_over_and_over_is_replaced(deployment, balancer, web):
    lb = balancer(listener(pool(web.addresses[:2])))
    (before,) = amphorae(deployment, lb)

    def kill_until_replaced():
        with contextlib.suppress(IndexError, ProcessLookupError):
            before.kill("haproxy -W")
        return before.id not in {each.id for each in amphorae(deployment, lb)}

    eventually(kill_until_replaced, HANGS, "it is replaced", poll=0.3)
    lb.wait_active()
    lb.served_by("web1", "web2")
    messages = [each["message"] for each in deployment.call("GET", f"/loadbalancers/{lb.id}/events")]
    assert any("Its HAProxy failed" in message for message in messages), messages


def test_both_of_a_healthy_pair_are_replaced_the_backup_first_and_nobody_notices(deployment, balancer, web, pairs):
    lb = balancer(listener(pool(web.addresses[:2])), **pairs)
    before = amphorae(deployment, lb)
    carrier(deployment, lb)
    with Metronome(lb.vip) as client, Watch.of(before) as watch:
        put(deployment, f"/v2.0/lbaas/loadbalancers/{lb.id}/failover")
        after = others(deployment, lb, *before)
        time.sleep(0.5)
    assert client.result.gap < 1.0, client.result
    assert watch.both == 0
    assert sorted(each.role for each in after) == ["BACKUP", "MASTER"]
    assert steps(deployment, lb) == [*REPLACED, *REPLACED]
    events = deployment.call("GET", f"/loadbalancers/{lb.id}/events")
    began = [each["amphora_id"] for each in reversed(events) if each["kind"] == "failover_started"]
    assert began == [each.id for each in sorted(before, key=lambda each: each.role)], "the backup first"
    carrier(deployment, lb)
    lb.served_by("web1", "web2")
    print(client.result)


def test_of_a_pair_the_one_that_hangs_is_replaced_and_the_other_one_stays(deployment, balancer, web, pairs):
    lb = balancer(listener(pool(web.addresses[:2])), **pairs)
    bad, good = carrier(deployment, lb)
    with Metronome(lb.vip) as client, stopped(bad.pids("lictor.agent")):
        eventually(lambda: bad.id not in {each.id for each in amphorae(deployment, lb)}, HANGS, "it is replaced")
    assert client.result.gap < 3.0, client.result
    lb.wait_active()
    assert good.id in {each.id for each in amphorae(deployment, lb)}
    carrier(deployment, lb)
    lb.served_by("web1", "web2")
    print(client.result)


def test_of_a_pair_to_be_replaced_one_that_hangs_does_not_keep_the_vip_beside_the_new_one(
    deployment, balancer, web, pairs
):
    """It cannot be told of the new one, so neither hears the other: only its network can be taken from it."""
    lb = balancer(listener(pool(web.addresses[:2])), **pairs)
    before = amphorae(deployment, lb)
    master = next(each for each in before if each.role == "MASTER")
    has_the_vip(deployment, lb, master)
    with Metronome(lb.vip) as client, stopped(master.pids("lictor.agent")):
        put(deployment, f"/v2.0/lbaas/loadbalancers/{lb.id}/failover")
        go_without_sharing(deployment, lb, {each.id for each in before}, HANGS)
    assert client.result.gap < 3.0, client.result
    lb.wait_active()
    carrier(deployment, lb)
    lb.served_by("web1", "web2")
    print(client.result)


def test_a_roll_replaces_all_amphorae_under_traffic(deployment, balancer, web, pairs):
    crowd = [balancer(listener(pool(web.addresses[:2])), name="one"), balancer(listener(pool(web.addresses)), **pairs)]
    before = [amphorae(deployment, lb) for lb in crowd]
    with Metronome(crowd[0].vip) as single, Metronome(crowd[1].vip) as pair:
        command = [*deployment.command("roll", "--all", "--at-once", "2"), "--config-file", str(deployment.config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * HANGS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "3 of 3 replaced, 0 under way, 0 to go"
    for lb, old in zip(crowd, before, strict=True):
        others(deployment, lb, *old)
    assert single.result.gap < 3.0 and pair.result.gap < 1.0, (single.result, pair.result)
    print(single.result, pair.result)
