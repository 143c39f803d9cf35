"""Clients that ask for random things over HTTP, and write down what they asked for and what they were told."""

import random
import threading
from typing import Any

from tests.crash.random.garden import ATTRIBUTES, BATCHED, Garden, Thing, Unknown, request
from tests.crash.random.history import GONE
from tests.crash.random.site import API_PORTS

MOST = {"loadbalancer": 4, "listener": 12, "pool": 12, "member": 40, "healthmonitor": 6, "l7policy": 8, "l7rule": 8}
"""How many of a kind there may be at a time."""


class Client(threading.Thread):
    """Asks for one thing after the other until told to stop."""

    def __init__(self, garden: Garden, seed: int, number: int) -> None:
        super().__init__(name=f"client-{number}", daemon=True)
        self._garden, self._history = garden, garden.history
        self._random = random.Random(f"{seed} client {number}")
        self.stopping = threading.Event()

    def run(self) -> None:
        """Until ``stopping``."""
        choices = [
            (self.create_balancer, 3), (self.create_listener, 3), (self.create_pool, 3), (self.create_member, 8),
            (self.create_monitor, 2), (self.create_policy, 3), (self.create_rule, 3), (self.batch, 4),
            (self.change, 24), (self.delete, 8), (self.failover, 1), (self.look, 12),
        ]  # fmt: skip
        works, weights = zip(*choices, strict=True)
        while not self.stopping.is_set():
            (work,) = self._random.choices(works, weights)
            try:
                work()
            except Exception as error:
                self._garden.accuse(f"a client failed: {work.__name__}: {error!r}")
            self.stopping.wait(self._random.uniform(0, 0.25))

    # --- the frame of every request ---

    def _ask(self, thing: Thing | None, method: str, path: str, body: Any, registers: dict[Any, Any]) -> Any:
        """The answer's body if it was acknowledged, else None."""
        writes = self._history.sent(registers)
        outcome, answer, status = "unknown", None, 0
        try:
            status, answer = request(self._random.choice(API_PORTS), method, path, body)
            outcome = "acknowledged" if status < 300 else "refused" if status < 500 else "unknown"
        except ConnectionRefusedError:
            outcome = "refused"
            status = -1
        except Unknown:
            pass
        self._history.answered(writes, outcome)
        self._history.count("away" if status == -1 else outcome)
        self._judge(thing, f"{method} {path}", status, answer)
        return (answer or {}) if outcome == "acknowledged" else None

    def _judge(self, thing: Thing | None, what: str, status: int, answer: Any) -> None:
        if status in (400, 401, 403, 405, 500, 501):
            self._garden.accuse(f"{what} was answered {status}: {answer}")
        if status == 404 and thing is not None:
            if not self._history.may_be_gone(thing.path):
                self._garden.accuse(f"{what}: {thing.path} was acknowledged and nobody deleted it: {answer}")
            self._garden.forget(thing.path)

    def _one(self, kind: str) -> Thing | None:
        things = self._garden.all(kind)
        return self._random.choice(things) if things else None

    def _full(self, kind: str) -> bool:
        return len(self._garden.all(kind)) >= MOST[kind]

    def _create(self, kind: str, parent: Thing, url: str, body: dict[str, Any], root: str, pool_id: str = "") -> None:
        """Create one object below ``parent``; its attribute, if it is one that is changed, is in the body."""
        path = f"{parent.path}/{body.get('name') or body['value'].strip('/')}"
        registers = {("exists", path, ""): True}
        if (attribute := ATTRIBUTES.get(kind)) in body:
            registers["value", path, attribute] = body[attribute]
        answer = self._ask(parent, "POST", url, {root: body}, registers)
        if answer is not None:
            self._garden.add(Thing(kind, answer[root]["id"], path, pool_id))

    # --- what is asked for ---

    def create_balancer(self) -> None:
        """With a listener, a pool and the members that really serve, in one call."""
        if self._full("loadbalancer"):
            return
        n = self._garden.number()
        members = [
            {"name": f"served{place}", "address": address, "protocol_port": 80, "weight": self._random.randrange(3)}
            for place, address in enumerate(self._garden.addresses)
        ]
        pool = {
            "name": f"pool{n}",
            "description": "new",
            "protocol": "HTTP",
            "lb_algorithm": "ROUND_ROBIN",
            "members": members,
        }
        listener = {"name": f"listener{n}", "protocol": "HTTP", "protocol_port": 80, "connection_limit": 1000}
        listener["default_pool"] = pool
        lb = f"lb{n}"
        registers = _made_as(lb, "description", "new") | _made_as(f"{lb}/pool{n}", "description", "new")
        registers |= _made_as(f"{lb}/listener{n}", "connection_limit", 1000)
        for member in members:
            registers |= _made_as(f"{lb}/pool{n}/{member['name']}", "weight", member["weight"])
        body = {"name": lb, "description": "new", "vip_subnet_id": self._garden.subnet_id, "listeners": [listener]}
        flavor = self._random.choice((None, self._garden.pairs))
        answer = self._ask(None, "POST", "/loadbalancers", {"loadbalancer": body | {"flavor_id": flavor}}, registers)
        if answer is not None:
            self._made(lb, n, answer["loadbalancer"])

    def _made(self, lb: str, n: int, made: dict[str, Any]) -> None:
        self._garden.add(Thing("loadbalancer", made["id"], lb))
        (listener,) = made["listeners"]
        self._garden.add(Thing("listener", listener["id"], f"{lb}/listener{n}"))
        (pool,) = made["pools"]
        self._garden.add(Thing("pool", pool["id"], f"{lb}/pool{n}"))
        for member in pool["members"]:
            self._garden.add(Thing("member", member["id"], f"{lb}/pool{n}/{member['name']}", pool["id"]))

    def create_listener(self) -> None:
        """On a port of its own."""
        lb = self._one("loadbalancer")
        if lb and not self._full("listener"):
            n = self._garden.number()
            body = {
                "name": f"listener{n}", "protocol": "HTTP", "protocol_port": 1000 + n, "loadbalancer_id": lb.id,
                "connection_limit": 1000,
            }  # fmt: skip
            self._create("listener", lb, "/listeners", body, "listener")

    def create_pool(self) -> None:
        """One that no listener uses."""
        lb = self._one("loadbalancer")
        if lb and not self._full("pool"):
            name = f"spare{self._garden.number()}"
            body = {"name": name, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "loadbalancer_id": lb.id}
            self._create("pool", lb, "/pools", body | {"description": "new"}, "pool")

    def _spare_pool(self, batch: bool) -> Thing | None:
        """A pool that carries no traffic; half of them have their members set all at once."""
        pools = [thing for thing in self._garden.all("pool") if "/spare" in thing.path]
        pools = [thing for thing in pools if (int(thing.path.rpartition("spare")[2]) % 2 == 0) == batch]
        return self._random.choice(pools) if pools else None

    def create_member(self) -> None:
        """With an address that nobody has."""
        pool = self._spare_pool(batch=False)
        if pool and not self._full("member"):
            n = self._garden.number()
            body = {"name": f"member{n}", "address": "198.18.1.1", "protocol_port": 1 + n % 65535, "weight": 1}
            self._create("member", pool, f"/pools/{pool.id}/members", body, "member", pool.id)

    def batch(self) -> None:
        """The whole set of a pool's members at once."""
        pool = self._spare_pool(batch=True)
        if pool:
            ports = sorted(self._random.sample(range(1, 30), self._random.randint(0, 6)))
            members = [{"address": BATCHED, "protocol_port": port, "weight": port} for port in ports]
            registers = {("value", pool.path, "members"): tuple(ports)}
            self._ask(pool, "PUT", f"/pools/{pool.id}/members", {"members": members}, registers)

    def create_monitor(self) -> None:
        """Of a pool that carries no traffic."""
        pool = self._spare_pool(batch=False)
        if pool and not self._full("healthmonitor") and not self._has(pool, "monitor"):
            body = {
                "name": f"monitor{self._garden.number()}", "type": "TCP", "delay": 5, "timeout": 2, "max_retries": 2,
                "pool_id": pool.id,
            }  # fmt: skip
            self._create("healthmonitor", pool, "/healthmonitors", body, "healthmonitor")

    def _has(self, parent: Thing, word: str) -> bool:
        return any(thing.path.startswith(f"{parent.path}/{word}") for thing in self._garden.all("healthmonitor"))

    def create_policy(self) -> None:
        """That rejects requests, as soon as it has a rule."""
        listener = self._one("listener")
        if listener and not self._full("l7policy"):
            body = {"name": f"policy{self._garden.number()}", "action": "REJECT", "listener_id": listener.id}
            self._create("l7policy", listener, "/l7policies", body | {"description": "new"}, "l7policy")

    def create_rule(self) -> None:
        """Which requests: those for a path that is its name."""
        policy = self._one("l7policy")
        if policy and not self._full("l7rule"):
            value = f"/rule{self._garden.number()}"
            body = {"type": "PATH", "compare_type": "EQUAL_TO", "value": value}
            self._create("l7rule", policy, f"/l7policies/{policy.id}/rules", body, "rule")

    def change(self) -> None:
        """One attribute of anything."""
        thing = self._one(self._random.choice(list(ATTRIBUTES)))
        if thing is None:
            return
        attribute, value = ATTRIBUTES[thing.kind], self._value(thing.kind)
        self._ask(thing, "PUT", thing.url, {thing.kind: {attribute: value}}, {("value", thing.path, attribute): value})

    def _value(self, kind: str) -> Any:
        n = self._garden.number()
        return {"listener": 1000 + n, "member": n % 3, "healthmonitor": 5 + n % 100}.get(kind, f"change {n}")

    def delete(self) -> None:
        """Anything but what serves; seldom a load balancer with all that is below it."""
        kinds = ("loadbalancer", "listener", "pool", "member", "healthmonitor", "l7policy")
        thing = self._one(self._random.choices(kinds, (1, 3, 3, 8, 3, 4))[0])
        if thing is None or (thing.kind in ("pool", "member") and self._random.random() < 0.5):
            return
        url = f"{thing.url}?cascade=true" if thing.kind == "loadbalancer" else thing.url
        self._garden.forget(thing.path)
        self._ask(thing, "DELETE", url, None, {("exists", thing.path, ""): GONE})

    def failover(self) -> None:
        """All amphorae of a load balancer are replaced."""
        lb = self._one("loadbalancer")
        if lb:
            self._ask(lb, "PUT", f"/loadbalancers/{lb.id}/failover", {}, {})

    def look(self) -> None:
        """Read an object through any API process: it must be what somebody made it."""
        thing = self._one(self._random.choice(list(ATTRIBUTES)))
        if thing is None:
            return
        start = self._history.now()
        answer = self._ask(thing, "GET", thing.url, None, {})
        end = self._history.now()
        attribute = ATTRIBUTES[thing.kind]
        register = ("value", thing.path, attribute)
        if answer is not None and self._history.knows(register):
            possible = self._history.possible(register, start, end)
            if answer[thing.kind][attribute] not in possible:
                shown = answer[thing.kind][attribute]
                self._garden.accuse(f"{thing.path} was read as {attribute} = {shown!r}, which can only be {possible!r}")


def _made_as(path: str, attribute: str, value: Any) -> dict[Any, Any]:
    """The registers of a new object."""
    return {("exists", path, ""): True, ("value", path, attribute): value}
