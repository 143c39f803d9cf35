"""A real API on a database of its own, and a client that says what it expects."""

import pathlib
from collections.abc import Sequence
from typing import Any

import falcon.testing
from sqlalchemy import delete, select, update

from lictor import config
from lictor.api.app import create_app
from lictor.drivers.network.local import LocalNetwork
from lictor.drivers.secrets.files import FileSecrets
from lictor.model import Amphora, LoadBalancer
from lictor.model.store import Store
from tests.unit import database
from tests.unit.api import contract

L = "/v2.0/lbaas"


def singular(plural: str) -> str:
    """The envelope of one of them."""
    return f"{plural.removesuffix('ies')}y" if plural.endswith("ies") else plural.removesuffix("s")


class World:
    """The API, its database, and what it told the loop."""

    def __init__(
        self,
        directory: pathlib.Path,
        files: Sequence[str] = (),
        store: Store | None = None,
        **overrides: object,
    ) -> None:
        settings = {"api_settings__auth_strategy": "noauth"} | overrides
        self.conf = config.load(list(files), lictor__state_dir=str(directory), **settings)
        self.store = store or database.store(directory)
        self.networking = self._connect()
        self.wakes = 0
        self.app = self._app()
        self.http = falcon.testing.TestClient(lambda environ, start: self.app(environ, start))
        self.subnet = self.networking.subnets()[0]
        self.secrets = config.secrets_dir(self.conf)

    def _app(self, **options: Any) -> Any:
        return create_app(self.conf, self.store, self.networking, FileSecrets(self.conf), self._wake, **options)

    def _connect(self) -> LocalNetwork:
        return LocalNetwork(self.conf, self.store)

    def _wake(self) -> None:
        self.wakes += 1

    def call(self, method: str, path: str, status: int, body: Any = None, **options: Any) -> Any:
        """The JSON of the answer, whose status must be ``status``."""
        if body is not None:
            options["json"] = body
        if not path.startswith("/v2") and not options.pop("bare", False):
            path = L + path
        answer = self.http.simulate_request(method, path, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status} {answer.text}"
        document = answer.json if answer.content else None
        contract.check(method, path, status, document)
        return document

    def get(self, path: str, status: int = 200, **options: Any) -> Any:
        return self.call("GET", path, status, **options)

    def create(self, kind: str, status: int = 201, path: str = "", **values: Any) -> Any:
        """POST one object; the object, or the sentence that refuses it."""
        single = singular(kind.rsplit("/", 1)[-1])
        answer = self.call("POST", f"/{kind}", status, {single: values})
        return answer[single] if status == 201 else answer["faultstring"]

    def change(self, path: str, status: int = 200, **values: Any) -> Any:
        """PUT one object; the object, or the sentence that refuses it."""
        single = singular(path.strip("/").split("/")[-2])
        answer = self.call("PUT", path, status, {single: values})
        return answer[single] if status == 200 else answer["faultstring"]

    def delete(self, path: str, status: int = 204) -> Any:
        answer = self.call("DELETE", path, status)
        return answer["faultstring"] if answer else None

    def balancer(self, **values: Any) -> Any:
        return self.create("loadbalancers", **({"vip_subnet_id": self.subnet.id} | values))

    def listener(self, balancer: Any, port: int = 80, **values: Any) -> Any:
        return self.create(
            "listeners", **({"loadbalancer_id": balancer["id"], "protocol": "HTTP", "protocol_port": port} | values)
        )

    def pool(self, balancer: Any, **values: Any) -> Any:
        wanted = {"loadbalancer_id": balancer["id"], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
        return self.create("pools", **(wanted | values))

    def member(self, pool: Any, address: str = "198.18.0.10", **values: Any) -> Any:
        return self.create(f"pools/{pool['id']}/members", **({"address": address, "protocol_port": 80} | values))

    def monitor(self, pool: Any, **values: Any) -> Any:
        wanted = {"pool_id": pool["id"], "type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2}
        return self.create("healthmonitors", **(wanted | values))

    def secret(self, name: str, content: bytes, project: str = "") -> str:
        """Have the operator put a file where references find it; the reference."""
        path = self.secrets / project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path.stem

    def policy(self, listener: Any, **values: Any) -> Any:
        return self.create("l7policies", **({"listener_id": listener["id"], "action": "REJECT"} | values))

    def rule(self, policy: Any, **values: Any) -> Any:
        wanted = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/x"}
        return self.create(f"l7policies/{policy['id']}/rules", **(wanted | values))

    def settle(self) -> None:
        """What the loop does when all is applied, as far as the API can see it."""
        from lictor.model import CHILDREN, Tag

        with self.store.engine.connect().execution_options(lictor_write=True) as connection:
            for table in CHILDREN:
                gone = select(table.id).where(table.provisioning_status == "PENDING_DELETE")
                connection.execute(Tag.__table__.delete().where(Tag.resource_id.in_(gone)))
                connection.execute(table.__table__.delete().where(table.provisioning_status == "PENDING_DELETE"))
                connection.execute(update(table).values(provisioning_status="ACTIVE", updated_at=table.updated_at))
            values = {"provisioning_status": "ACTIVE", "observed_generation": LoadBalancer.generation}
            connection.execute(update(LoadBalancer).values(**values, updated_at=LoadBalancer.updated_at))
            connection.commit()

    def gone(self, balancer: Any) -> None:
        """What the loop does when nothing of a load balancer is left outside."""
        with self.store.engine.connect().execution_options(lictor_write=True) as connection:
            connection.execute(delete(Amphora).where(Amphora.load_balancer_id == balancer["id"]))
            connection.execute(delete(LoadBalancer).where(LoadBalancer.id == balancer["id"]))
            connection.commit()

    def row(self, balancer: Any) -> LoadBalancer:
        with self.store.read() as session:
            found = session.get(LoadBalancer, balancer["id"])
            assert found is not None
            return found
