"""A load balancer made in one call, and short ways to say what it should be and to see what it is."""

from tests.lab.deployment import eventually, http_get

HTTP_MONITOR = {
    "type": "HTTP",
    "delay": 1,
    "timeout": 1,
    "max_retries": 1,
    "max_retries_down": 1,
    "url_path": "/healthy",
}


def listener(pool=None, protocol="HTTP", port=80, **more):
    """The body of a listener."""
    found = {"name": f"listener-{port}", "protocol": protocol, "protocol_port": port, **more}
    return found | ({"default_pool": pool} if pool else {})


def pool(addresses, protocol="HTTP", algorithm="ROUND_ROBIN", port=80, members=None, **more):
    """The body of a pool; ``members`` are attributes of single ones, in the order of the addresses."""
    specials = members or [{}] * len(addresses)
    return {
        "name": "pool",
        "protocol": protocol,
        "lb_algorithm": algorithm,
        "members": [
            {"name": f"m{n}", "address": address, "protocol_port": port, **special}
            for n, (address, special) in enumerate(zip(addresses, specials, strict=True), 1)
        ],
        **more,
    }


class Balancer:
    """One load balancer."""

    def __init__(self, deployment, name, listeners, more):
        self._deployment = deployment
        body = {"name": name, "vip_subnet_id": deployment.subnet(), "listeners": listeners, **more}
        self.made = deployment.call("POST", "/loadbalancers", {"loadbalancer": body})
        self.id, self.vip = self.made["id"], self.made["vip_address"]

    def wait_active(self):
        """Until all changes are applied."""
        self._deployment.wait_active(self.id)
        return self

    def delete(self):
        """With all that is below it; returns when it is gone."""
        if not self._deployment.gone(f"/loadbalancers/{self.id}"):
            self._deployment.call("DELETE", f"/loadbalancers/{self.id}?cascade=true")
        self._deployment.wait_gone(f"/loadbalancers/{self.id}")

    # --- the objects below ---

    def ids(self, kind):
        """The ids of its "listeners" or "pools"."""
        found = self._deployment.call("GET", f"/loadbalancers/{self.id}")
        return [each["id"] for each in found[kind]]

    def listener(self, **changes):
        """Show its first listener, after changes if there are any."""
        return self._object(f"/listeners/{self.ids('listeners')[0]}", "listener", changes)

    def change_listener(self, listener_id, **changes):
        """Show one of its listeners, after changes if there are any."""
        return self._object(f"/listeners/{listener_id}", "listener", changes)

    def listener_at(self, port, **changes):
        """Show its listener on a port, after changes if there are any."""
        found = [self._object(f"/listeners/{each}", "listener", {}) for each in self.ids("listeners")]
        (one,) = [each for each in found if each["protocol_port"] == port]
        return self._object(f"/listeners/{one['id']}", "listener", changes)

    def pools(self):
        """All its pools."""
        return [self._object(f"/pools/{each}", "pool", {}) for each in self.ids("pools")]

    def pool(self, **changes):
        """Show its first pool, after changes if there are any."""
        return self._object(f"/pools/{self.ids('pools')[0]}", "pool", changes)

    def member(self, name, **changes):
        """Show a member of its first pool, after changes if there are any."""
        place = f"/pools/{self.ids('pools')[0]}/members"
        (member,) = [each for each in self._deployment.call("GET", place) if each["name"] == name]
        return self._object(f"{place}/{member['id']}", "member", changes)

    def itself(self, **changes):
        """Show it, after changes if there are any."""
        return self._object(f"/loadbalancers/{self.id}", "loadbalancer", changes)

    def _object(self, path, root, changes):
        if changes:
            self._deployment.call("PUT", path, {root: changes})
            self.wait_active()
        return self._deployment.call("GET", path)

    # --- what is seen of it ---

    def statuses(self):
        """Operating statuses: of itself as "lb", of listeners, pools and members by name."""
        tree = self._deployment.call("GET", f"/loadbalancers/{self.id}/status")["loadbalancer"]
        found = {"lb": tree["operating_status"]}
        for listener in tree["listeners"]:
            found[listener["name"]] = listener["operating_status"]
            for pool in listener["pools"]:
                found[pool["name"]] = pool["operating_status"]
                found |= {member["name"]: member["operating_status"] for member in pool["members"]}
        return found

    def becomes(self, seconds=15, **wanted):
        """Wait until these are among its operating statuses; "-" in a name is written "_"."""
        expected = {name.replace("_", "-"): status for name, status in wanted.items()}

        def as_wanted():
            seen = self.statuses()
            assert {name: seen.get(name) for name in expected} == expected
            return True

        eventually(as_wanted, seconds, f"{expected}")

    def answers(self, count=10, port=80, path="/"):
        """Who answers so many requests, one after the other; every one must be answered with 200."""
        found = [http_get(self.vip, port, path) for _ in range(count)]
        assert all(status == 200 for status, _ in found), found
        return [body.strip() for _, body in found]

    def served_by(self, *names, seconds=15):
        """Wait until exactly these answer."""
        eventually(lambda: set(self.answers()) == set(names), seconds, f"{names} answer")
