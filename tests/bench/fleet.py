"""A fleet made in the database: pairs of amphorae that serve, each load balancer with a listener, a pool and members.

Creating it by requests would take an hour. The columns are those of a load balancer that the loop has settled.
"""

import dataclasses
import datetime
import uuid

from sqlalchemy import insert, update

from lictor.amphora.keys import heartbeat_key
from lictor.model import Amphora, AmphoraHealth, Listener, LoadBalancer, Member, Pool, now
from lictor.model.clock import clock_ms
from lictor.wire import Heartbeat, ListenerReport, ListenerStatistics, PoolReport

PROJECT = "f" * 32
SUBNET = "7a1f1b5c-0000-4000-8000-000000000001"
MEMBERS = 3
BATCH = 500
LIFE = datetime.timedelta(days=29)
"""Of certificates, less than which is left of none: nobody needs a new one."""
DIGEST = "d" * 64
BOOT = "boot"


@dataclasses.dataclass(frozen=True)
class Balancer:
    """One of the fleet, by its ids."""

    id: str
    listener: str
    pool: str
    members: list[str]
    amphorae: list[str]


def make(count: int) -> list[Balancer]:
    """New ids."""
    return [
        Balancer(_id(), _id(), _id(), [_id() for _ in range(MEMBERS)], [_id() for _ in range(2)]) for _ in range(count)
    ]


def address(amphora_id: str) -> str:
    """Where the agent of an amphora is spoken to: RFC 3849, inside the sealed laboratory only."""
    return f"2001:db8:{amphora_id[:4]}:{amphora_id[4:8]}:{amphora_id[9:13]}:{amphora_id[14:18]}:0:1"


def write(store, fleet: list[Balancer]) -> None:
    """Insert all rows."""
    for start in range(0, len(fleet), BATCH):
        tables = _rows(fleet[start : start + BATCH])

        def transaction(session, tables=tables):
            for table, rows in tables.items():
                session.connection().execute(insert(table.__table__), rows)

        store.write(transaction)
    refresh(store)


def refresh(store) -> None:
    """All were heard just now."""

    def transaction(session):
        session.execute(update(AmphoraHealth).values(last_update_ms=clock_ms()))

    store.write(transaction)


def _rows(fleet):
    live = {"provisioning_status": "ACTIVE", "operating_status": "ONLINE", "project_id": PROJECT, "name": "scale"}
    rows = {table: [] for table in (LoadBalancer, Pool, Listener, Member, Amphora, AmphoraHealth)}
    for each in fleet:
        below = {**live, "load_balancer_id": each.id, "generation": 1}
        rows[LoadBalancer].append({
            **live, "id": each.id, "provider": "amphora", "topology": "ACTIVE_STANDBY", "generation": 1,
            "observed_generation": 1, "vip_subnet_id": SUBNET, "vip_network_id": SUBNET, "vip_port_id": _id(),
            "vip_address": "198.51.100.1", "created_at": now(), "updated_at": now(),
        })  # fmt: skip
        rows[Pool].append({**below, "id": each.pool, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"})
        rows[Listener].append(
            {**below, "id": each.listener, "protocol": "HTTP", "protocol_port": 80, "default_pool_id": each.pool}
        )
        rows[Member] += [
            {**below, "id": member, "pool_id": each.pool, "address": f"192.0.2.{number + 1}", "protocol_port": 80}
            for number, member in enumerate(each.members)
        ]
        for role, amphora_id in zip(("MASTER", "BACKUP"), each.amphorae, strict=True):
            rows[Amphora].append({
                "id": amphora_id, "load_balancer_id": each.id, "role": role, "status": "ALLOCATED",
                "compute_id": amphora_id, "lb_network_ip": address(amphora_id), "vrrp_port_id": _id(),
                "vrrp_ip": "198.51.100.2", "vrrp_interface": "eth1", "vrrp_id": 1, "ha_ip": "198.51.100.1",
                "cert_expiration": now() + LIFE,
            })  # fmt: skip
            rows[AmphoraHealth].append({"amphora_id": amphora_id, "boot_id": BOOT, "digest": DIGEST})
    return rows


def beat(balancer: Balancer, amphora_id: str, number: int, requests: int) -> Heartbeat:
    """What an agent would tell, having served so many requests since it was started."""
    counted = ListenerStatistics(
        bytes_in=100 * requests, bytes_out=1000 * requests, total_connections=requests, active_connections=3
    )
    members = dict.fromkeys(balancer.members, "UP")
    return Heartbeat(
        amphora_id=amphora_id,
        boot_id=BOOT,
        sequence=number,
        beat=number,
        generation=1,
        digest=DIGEST,
        haproxy_running=True,
        listeners={balancer.listener: ListenerReport(status="OPEN", statistics=counted)},
        pools={f"{balancer.pool}:{balancer.listener}": PoolReport(status="UP", members=members)},
    )


def keys(secret: bytes, fleet: list[Balancer]) -> dict[str, bytes]:
    """The key of each amphora, derived as the real ones are."""
    return {amphora_id: heartbeat_key(secret, amphora_id) for each in fleet for amphora_id in each.amphorae}


def _id() -> str:
    return str(uuid.uuid4())
