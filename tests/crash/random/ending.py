"""After the last fault: everything becomes as it was asked for, and with the last load balancer nothing is left."""

import itertools
import time
from typing import Any

from sqlalchemy import func, select, text

from lictor.model import Base, LoadBalancer
from lictor.model.store import Store
from tests.crash.random.garden import ATTRIBUTES, BATCHED, Unknown, request
from tests.crash.random.site import API_PORTS, Site
from tests.lab.deployment import http_get, world

WITHIN = 60.0
"""Seconds after the last fault until which everything has converged."""

KEPT = {"alembic_version", "event", "quota", "replacement", "replacement_budget", "flavor", "flavor_profile"}
"""Tables that may have rows when nothing is there any more: what is remembered for a time, and counted once."""


class Ending:
    """What there is, as the API says it."""

    def __init__(self, site: Site, names: dict[str, str], accuse) -> None:
        """``names`` are those of the web servers by address."""
        self._site, self._names, self._accuse = site, names, accuse

    def get(self, path: str) -> Any:
        """What an API process answers, which must do so."""
        status, answer = request(API_PORTS[0], "GET", path)
        if status != 200:
            raise Unknown(f"GET {path}: {status} {answer}")
        return answer

    # --- converged ---

    def converges(self) -> float:
        """Wait until all is ACTIVE and served as it should be; the seconds that it took."""
        began = time.monotonic()
        wrong: list[str] = ["not looked at yet"]
        while wrong and time.monotonic() < began + WITHIN:
            try:
                wrong = self._unsettled() or self._unserved()
            except Exception as error:
                wrong = [repr(error)]
            time.sleep(0.3 if wrong else 0)
        for sentence in wrong:
            self._accuse(f"not converged {WITHIN:.0f} s after the last fault: {sentence}")
        return time.monotonic() - began

    def _unsettled(self) -> list[str]:
        found = []
        for plural in ("loadbalancers", "listeners", "pools", "healthmonitors", "l7policies"):
            for each in self.get(f"/{plural}")[plural]:
                if each["provisioning_status"] != "ACTIVE":
                    found.append(f"{plural} {each['name']} {each['id']} is {each['provisioning_status']}")
        return found

    def _unserved(self) -> list[str]:
        pools = {pool["id"]: pool for pool in self.get("/pools")["pools"]}
        vips = {lb["id"]: lb["vip_address"] for lb in self.get("/loadbalancers")["loadbalancers"]}
        wrong = []
        for listener in self.get("/listeners")["listeners"]:
            vip = vips[listener["loadbalancers"][0]["id"]]
            wanted = self._servers(pools.get(listener["default_pool_id"]))
            answered = _answers(vip, listener["protocol_port"])
            if answered != wanted:
                wrong.append(f"{listener['name']} at {vip}:{listener['protocol_port']}: {answered}, not {wanted}")
            wrong += self._unruled(vip, listener)
        return wrong

    def _servers(self, pool: dict[str, Any] | None) -> set[str]:
        members = self.get(f"/pools/{pool['id']}/members")["members"] if pool else []
        return {self._names[each["address"]] for each in members if each["weight"]} or {"503"}

    def _unruled(self, vip: str, listener: dict[str, Any]) -> list[str]:
        wrong = []
        for policy in listener["l7policies"]:
            rules = self.get(f"/l7policies/{policy['id']}/rules")["rules"]
            if len(rules) == 1 and (status := http_get(vip, listener["protocol_port"], rules[0]["value"])[0]) != 403:
                wrong.append(f"{rules[0]['value']} of {listener['name']} is answered {status}")
        return wrong

    # --- what is there ---

    def found(self) -> dict[Any, Any]:
        """The registers of everything that there is."""
        registers: dict[Any, Any] = {}
        names: dict[str, str] = {}
        for kind, plural, parents in _TREE:
            for each in self.get(f"/{plural}")[plural]:
                parent = each[parents][0]["id"] if parents else None
                path = names[each["id"]] = _add(registers, kind, each, names[parent] if parent else "")
                if kind == "pool":
                    self._add_members(registers, each, path)
        for policy in self.get("/l7policies")["l7policies"]:
            path = _add(registers, "l7policy", policy, names[policy["listener_id"]])
            for rule in self.get(f"/l7policies/{policy['id']}/rules")["rules"]:
                _add(registers, "l7rule", rule | {"name": rule["value"].strip("/")}, path)
        return registers

    def _add_members(self, registers: dict[Any, Any], pool: dict[str, Any], path: str) -> None:
        members = self.get(f"/pools/{pool['id']}/members")["members"]
        for member in [each for each in members if each["address"] != BATCHED]:
            _add(registers, "member", member, path)
        registers["value", path, "members"] = tuple(
            sorted(each["protocol_port"] for each in members if each["address"] == BATCHED)
        )

    # --- nothing left ---

    def delete_all(self, before: dict[str, Any]) -> None:
        """Delete every load balancer; then nothing of any is left on this host or in the database."""
        for lb in self.get("/loadbalancers")["loadbalancers"]:
            request(API_PORTS[1], "DELETE", f"/loadbalancers/{lb['id']}?cascade=true")
        deadline, left = time.monotonic() + WITHIN, ["not looked at yet"]
        while left and time.monotonic() < deadline:
            left = self._left(before)
            time.sleep(0.3 if left else 0)
        for sentence in left:
            self._accuse(f"left behind after everything was deleted: {sentence}")

    def _left(self, before: dict[str, Any]) -> list[str]:
        now = world()
        left = [f"{what} {sorted(now[what] - before[what])}" for what in now if now[what] - before[what]]
        return left + self._rows()

    def _rows(self) -> list[str]:
        store = Store(self._site.database.url(0))
        try:
            with store.read() as session:
                tables = [table for table in Base.metadata.sorted_tables if table.name not in KEPT]
                counts = {table: session.scalar(select(func.count()).select_from(table)) for table in tables}
            return [f"{count} rows of {table.name}" for table, count in counts.items() if count]
        finally:
            store.dispose()

    def leases(self) -> None:
        """Where all is settled nobody holds a load balancer."""
        store = Store(self._site.database.url(0))
        with store.read() as session:
            query = select(LoadBalancer.id, LoadBalancer.lease_owner).where(LoadBalancer.lease_owner.is_not(None))
            held = session.execute(query.where(text("generation = observed_generation"))).all()
        store.dispose()
        for lb, owner in held:
            self._accuse(f"load balancer {lb} is settled and still leased to {owner}")


_TREE = (
    ("loadbalancer", "loadbalancers", ""),
    ("listener", "listeners", "loadbalancers"),
    ("pool", "pools", "loadbalancers"),
    ("healthmonitor", "healthmonitors", "pools"),
)
"""Kind, plural, and where an object says what it hangs on."""


def _add(registers: dict[Any, Any], kind: str, each: dict[str, Any], parent: str) -> str:
    path = f"{parent}/{each['name']}" if parent else str(each["name"])
    registers["exists", path, ""] = True
    if kind in ATTRIBUTES:
        registers["value", path, ATTRIBUTES[kind]] = each[ATTRIBUTES[kind]]
    return path


def _answers(vip: str, port: int) -> set[str]:
    """Who answers a dozen requests; statuses other than 200 as they are."""
    found = set()
    for _ in range(12):
        status, body = http_get(vip, port)
        found.add(body.strip() if status == 200 else str(status))
    return found


def contested(claims: list[tuple[str, int, str]]) -> list[str]:
    """Epochs of a load balancer that two workers took for theirs."""
    owners: dict[tuple[str, int], set[str]] = {}
    for lb, epoch, worker in claims:
        owners.setdefault((lb, epoch), set()).add(worker)
    return [
        f"epoch {epoch} of {lb} was claimed by {sorted(who)}" for (lb, epoch), who in owners.items() if len(who) > 1
    ]


def unfenced(applied: dict[str, list[tuple[int, int]]]) -> list[str]:
    """Amphorae that took an older state after a newer one."""
    return [
        f"amphora {amphora} went from epoch and generation {before} back to {after}"
        for amphora, taken in applied.items()
        for before, after in itertools.pairwise(taken)
        if after < before
    ]
