"""How many heartbeats one process of Octavia's health manager writes: started by ``scale``, in Octavia's environment.

    octavia_health.py CONFIG BALANCERS SECONDS DATABASE

makes that many load balancers as ``tests.bench.fleet`` does (with Octavia's own models), feeds ``UpdateHealthDb`` and
the statistics driver with one heartbeat of each amphora after the other, and prints how many a second it wrote, the
microseconds of CPU each took here and in the process DATABASE, and how many rows of health and of statistics there are.
"""

import os
import pathlib
import sys
import time
import uuid

from octavia.amphorae.backends.health_daemon import status_message
from octavia.amphorae.drivers.health import heartbeat_udp
from octavia.common import service
from octavia.db import api as db_api
from octavia.db import models

PROJECT = "f" * 32
KEY = "insecure"


def main(config, balancers, seconds, database):
    service.prepare_service(["octavia-health-manager", "--config-file", config])
    session = db_api.get_session()
    with session.begin():
        fleet = [make(session) for _ in range(int(balancers))]
    beats = [beat(number, *ids) for ids in fleet for number in range(2)]
    updater = heartbeat_udp.UpdateHealthDb()
    for each in beats[:20]:
        take(updater, each)  # what is only done once is done
    began, written = time.monotonic(), 0
    before = time.process_time(), used(database)
    while (past := time.monotonic() - began) < float(seconds):
        take(updater, beats[written % len(beats)])
        written += 1
    spent = time.process_time() - before[0], used(database) - before[1]
    print(f"{written / past:.1f}", *(f"{each / written * 1e6:.0f}" for each in spent), check(session, fleet))


def used(pid):
    """Seconds of CPU that a process has used so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def take(updater, datagram):
    """What ``UDPStatusGetter.check`` has done for each datagram that came."""
    health = status_message.unwrap_envelope(datagram, KEY)
    health["recv_time"] = time.time()
    updater.update_health(health, "192.0.2.9")
    heartbeat_udp.update_stats(health)


def make(session):
    """The rows of one load balancer that is ACTIVE; its ids."""
    balancer, listener, pool = (str(uuid.uuid4()) for _ in range(3))
    members, amphorae = ([str(uuid.uuid4()) for _ in range(count)] for count in (3, 2))
    live = {"provisioning_status": "ACTIVE", "operating_status": "ONLINE", "project_id": PROJECT, "enabled": True}
    session.add(models.LoadBalancer(id=balancer, name="scale", topology="ACTIVE_STANDBY", provider="amphora", **live))
    session.flush()
    session.add(models.Vip(load_balancer_id=balancer, ip_address="198.51.100.1", vnic_type="normal"))
    session.add(models.Pool(id=pool, load_balancer_id=balancer, protocol="HTTP", lb_algorithm="ROUND_ROBIN", **live))
    session.flush()
    below = {"load_balancer_id": balancer, "default_pool_id": pool}
    session.add(models.Listener(id=listener, protocol="HTTP", protocol_port=80, **below, **live))
    for number, member in enumerate(members):
        place = {
            "ip_address": f"192.0.2.{number + 1}",
            "protocol_port": 80,
            "weight": 1,
            "backup": False,
            "vnic_type": "normal",
        }
        session.add(models.Member(id=member, pool_id=pool, **place, **live))
    for role, amphora in zip(("MASTER", "BACKUP"), amphorae, strict=True):
        session.add(models.Amphora(id=amphora, load_balancer_id=balancer, role=role, status="ALLOCATED"))
    session.flush()
    return listener, pool, members, amphorae


def beat(number, listener, pool, members, amphorae):
    """One heartbeat of the newest form, in which statistics are what came since the last."""
    figures = {"tx": 1000, "rx": 100, "conns": 3, "totconns": 1, "ereq": 0}
    told = {
        "id": amphorae[number],
        "seq": 1,
        "ver": 3,
        "listeners": {listener: {"status": "OPEN", "stats": figures}},
        "pools": {f"{pool}:{listener}": {"status": "UP", "members": dict.fromkeys(members, "UP")}},
    }
    return status_message.wrap_envelope(told, KEY)


def check(session, fleet):
    """How many rows of health and of statistics there are: what was counted has to have been written."""
    with session.begin():
        return f"{session.query(models.AmphoraHealth).count()} {session.query(models.ListenerStatistics).count()}"


if __name__ == "__main__":
    main(*sys.argv[1:])
