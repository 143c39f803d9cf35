"""No state needs SQL to be left: whatever a crash or somebody's hand leaves in the rows, the loop heals.

Real workers, on drivers that make nothing. What counts most is tried in every combination; of all the rest together,
every pair of values meets in some load balancer.
"""

import dataclasses
import itertools
import random
import time

import pytest
from sqlalchemy import select

from lictor import config
from lictor.amphora.pki import Authority
from lictor.control.upkeep.mending import Mender
from lictor.control.vault import Vault
from lictor.control.worker import Workers
from lictor.drivers.compute.noop import NoopCompute
from lictor.drivers.network.noop import NoopNetwork
from lictor.drivers.secrets.noop import NoopSecrets
from lictor.model import (
    CHILDREN,
    Amphora,
    AmphoraHealth,
    Event,
    HealthMonitor,
    L7Policy,
    L7Rule,
    Listener,
    LoadBalancer,
    Member,
    Pool,
    new_id,
)
from lictor.model.clock import clock_ms
from lictor.model.statuses import ROLES

STATUSES = ("ACTIVE", "ERROR", "PENDING_CREATE", "PENDING_UPDATE", "PENDING_DELETE")
KINDS = ("listener", "pool", "member", "monitor", "policy", "rule")
PARENTS = {"member": ["pool"], "monitor": ["pool"], "policy": ["listener"], "rule": ["policy", "listener"]}
HOUR = 3_600_000

OPTIONS = {
    "status": STATUSES,
    "generations": ("behind", "equal", "ahead"),
    "lease": ("none", "live, of a dead owner", "run out", "far in the future"),
    "retry": ("past", "soon", "far in the future"),
    **dict.fromkeys(KINDS, STATUSES),
    "children": ("old", "current", "ahead"),
    "topology": ("SINGLE", "ACTIVE_STANDBY"),
    "amphorae": (
        "good", "none", "booting", "in error", "going", "condemned", "condemned, served", "without port",
        "with an unknown port", "without instance", "two of a role", "of no role", "certificate busy",
        "share of the budget", "never heard", "of another boot",
    ),
}  # fmt: skip
FIRST = {name: values[0] for name, values in OPTIONS.items()}


def everything():
    """Every combination of what the loop's own accounts are, and all pairs of the rest."""
    accounts = ("status", "generations", "lease", "retry")
    for values in itertools.product(*(OPTIONS[name] for name in accounts)):
        yield FIRST | dict(zip(accounts, values, strict=True))
    yield from pairs(OPTIONS, random.Random(7))


def pairs(options, dice):
    """Rows in which each two values of different options stand together at least once."""
    names = sorted(options)
    left = {
        frozenset([(one, a), (other, b)])
        for one, other in itertools.combinations(names, 2)
        for a in options[one]
        for b in options[other]
    }
    while left:
        row = dict(dice.choice(sorted(map(sorted, left))))
        for name in dice.sample(names, len(names)):
            if name not in row:
                row[name] = max(options[name], key=lambda value: _new(left, row, name, value))
        left -= {frozenset(pair) for pair in itertools.combinations(row.items(), 2)}
        yield row


def _new(left, row, name, value):
    return sum(frozenset([(name, value), pair]) in left for pair in row.items())


@dataclasses.dataclass
class Case:
    """One load balancer in a state, and the ids of what is below it."""

    row: dict
    id: str = dataclasses.field(default_factory=new_id)
    ids: dict = dataclasses.field(default_factory=lambda: {kind: new_id() for kind in KINDS})

    def stays(self, kind):
        return all(self.row[each] != "PENDING_DELETE" for each in [kind, *PARENTS.get(kind, [])])


def write(session, case, clock):
    """Put the rows into the state."""
    row, generation = case.row, 5
    observed = {"behind": 3, "equal": 5, "ahead": 9}[row["generations"]]
    lease = {"none": 0, "live, of a dead owner": clock + 1500, "run out": clock - 5000}.get(row["lease"], clock + HOUR)
    session.add(
        LoadBalancer(
            id=case.id, project_id="p", provider="amphora", topology=row["topology"], generation=generation,
            observed_generation=observed, provisioning_status=row["status"], lease_expires_ms=lease,
            lease_owner=None if row["lease"] == "none" else "dead", lease_epoch=4, fault="It was bad.", attempts=2,
            retry_at_ms={"past": 0, "soon": clock + 500}.get(row["retry"], clock + 30 * 24 * HOUR),
            vip_subnet_id=new_id(), vip_network_id=new_id(), vip_address="198.18.0.9", vip_port_id=new_id(),
        )
    )  # fmt: skip
    session.flush()
    children(session, case, {"old": 2, "current": 5, "ahead": 8}[row["children"]])
    for role in ROLES[row["topology"]]:
        amphorae(session, case, role, clock)


def children(session, case, generation):
    def common(kind):
        below = {"load_balancer_id": case.id, "project_id": "p", "generation": generation}
        return {"id": case.ids[kind], "provisioning_status": case.row[kind], **below}

    pool, listener, policy = (case.ids[kind] for kind in ("pool", "listener", "policy"))
    session.add(Pool(protocol="HTTP", lb_algorithm="ROUND_ROBIN", **common("pool")))
    session.flush()
    session.add(Listener(protocol="HTTP", protocol_port=80, default_pool_id=pool, **common("listener")))
    session.add(Member(pool_id=pool, address="192.0.2.1", protocol_port=80, **common("member")))
    session.add(HealthMonitor(pool_id=pool, type="HTTP", delay=1, timeout=1, max_retries=1, **common("monitor")))
    session.flush()
    forward = {"listener_id": listener, "redirect_pool_id": pool, "action": "REDIRECT_TO_POOL", "position": 1}
    session.add(L7Policy(**forward, **common("policy")))
    session.flush()
    session.add(L7Rule(l7policy_id=policy, type="PATH", compare_type="EQUAL_TO", value="/", **common("rule")))


def amphorae(session, case, role, clock):
    kind = case.row["amphorae"]
    fields = {
        "load_balancer_id": case.id, "role": role, "status": "ALLOCATED", "compute_id": "c",
        "lb_network_ip": "198.19.0.9", "vrrp_port_id": new_id(), "vrrp_ip": "198.18.0.8",
    } | {
        "booting": {"status": "BOOTING"}, "in error": {"status": "ERROR"}, "going": {"status": "PENDING_DELETE"},
        "condemned": {"condemned": True}, "condemned, served": {"condemned": True},
        "without port": {"vrrp_port_id": None},
        "with an unknown port": {"vrrp_port_id": "nowhere"}, "without instance": {"compute_id": None},
        "of no role": {"role": None}, "certificate busy": {"cert_busy": True},
        "share of the budget": {"replacing_ms": clock - 100, "condemned": True},
    }.get(kind, {})  # fmt: skip
    for _ in range({"none": 0, "two of a role": 2}.get(kind, 1)):
        amphora = Amphora(id=new_id(), **fields)
        session.add(amphora)
        session.flush()
        if kind not in ("never heard", "condemned"):
            boot = "another" if kind == "of another boot" else "boot"
            session.add(AmphoraHealth(amphora_id=amphora.id, boot_id=boot, last_update_ms=clock))


@pytest.fixture
def conf(tmp_path):
    return config.load(
        lictor__state_dir=str(tmp_path),
        controller_worker__compute_driver="noop",
        controller_worker__lease_duration=10.0,
        controller_worker__poll_interval=0.02,
        controller_worker__retry_interval=0.05,
        controller_worker__retry_max=0.2,
        controller_worker__replacements_at_once=0,
        controller_worker__replacements_per_minute=0,
        controller_worker__replacement_pause=0.0,
        controller_worker__replacement_pause_max=0.0,
        house_keeping__cleanup_interval=0.5,
    )


@pytest.fixture
def control_plane(store, conf, tmp_path):
    """The loop and what looks after it, to be started."""
    networking = NoopNetwork(conf, store)
    compute, vault = NoopCompute(conf, networking), Vault(NoopSecrets(conf))
    workers = Workers(conf, store, compute, networking, Authority.open(tmp_path / "pki"), b"secret", vault)
    services = [workers, Mender(conf, store, networking, workers.wake)]
    yield services
    for service in reversed(services):
        service.stop()


def wrong(store, cases):
    """What is not as it should be, by case; nothing when all is healed."""
    ids = [case.id for case in cases]
    with store.read() as session:
        rows = {row.id: row for row in session.scalars(select(LoadBalancer).where(LoadBalancer.id.in_(ids)))}
        children = [select(table).where(table.load_balancer_id.in_(ids)) for table in CHILDREN]
        below = {child.id: child for query in children for child in session.scalars(query)}
        fleet = {}
        for amphora in session.scalars(select(Amphora).where(Amphora.load_balancer_id.in_(ids))):
            fleet.setdefault(amphora.load_balancer_id, []).append(amphora)
    found = {}
    for case in cases:
        if complaint := look(case, rows.get(case.id), below, fleet.get(case.id, [])):
            found[case.id] = (complaint, case.row)
    return found


def look(case, row, below, fleet):
    """What is wrong with one; the first that is found."""
    if case.row["status"] == "PENDING_DELETE":
        return "is not gone" if row or fleet or any(each in below for each in case.ids.values()) else ""
    if row is None:
        return "is gone"
    accounts = (row.provisioning_status, row.fault, row.lease_owner, row.retry_at_ms, row.attempts)
    if accounts != ("ACTIVE", None, None, 0, 0) or row.observed_generation != row.generation:
        return f"{accounts}, generation {row.generation}, observed {row.observed_generation}"
    return look_below(case, below) or look_at_amphorae(row, fleet)


def look_below(case, below):
    for kind, child_id in case.ids.items():
        child = below.get(child_id)
        if (child is not None) != case.stays(kind):
            return f"{kind} is {'there' if child else 'gone'}"
        if child is not None and child.provisioning_status != "ACTIVE":
            return f"{kind} is {child.provisioning_status}"
    return ""


def look_at_amphorae(row, fleet):
    if sorted(str(each.role) for each in fleet) != sorted(ROLES[row.topology]):
        return f"amphorae {[each.role for each in fleet]}"
    if any((a.status, a.condemned, a.replacing_ms) != ("ALLOCATED", False, None) for a in fleet):
        return f"amphorae {[(a.status, a.condemned, a.replacing_ms) for a in fleet]}"
    if not all(a.compute_id and a.vrrp_port_id and a.vrrp_port_id != "nowhere" for a in fleet):
        return "an amphora is half made"
    return ""


def test_whatever_is_left_in_the_rows_heals(store, conf, control_plane):
    cases = [Case(row) for row in everything()]
    with store.read() as session:
        clock = session.scalar(select(clock_ms()))
    for part in range(0, len(cases), 50):
        store.write(lambda session, part=part: [write(session, each, clock) for each in cases[part : part + 50]])
    for service in control_plane:
        service.start()
    pending, deadline = cases, time.monotonic() + 240
    while pending and time.monotonic() < deadline:
        time.sleep(0.5)
        bad = wrong(store, pending)
        pending = [case for case in pending if case.id in bad]
    left = wrong(store, cases)
    sample = "\n".join(f"{words}: {row}" for words, row in list(left.values())[:10])
    assert not left, f"{len(left)} of {len(cases)} do not heal, for example\n{sample}"
    with store.read() as session:
        assert not [event.message for event in session.scalars(select(Event)) if "Unexpected" in event.message]
