"""A project whose quota row is held for long: on a server, one row is held and not the whole database."""

import pytest
from sqlalchemy.orm import Session

from lictor.model import engine
from lictor.model import store as store_module
from lictor.model.quotas import hold
from tests.unit import database
from tests.unit.api.callers import FOREIGN, OWN, Guarded, caller

pytestmark = pytest.mark.skipif(database.ON_SQLITE, reason="run by `make databases`")


@pytest.mark.parametrize("row", ["is there", "is being made"])
def test_who_cannot_lock_the_project_is_told_to_try_again_and_other_projects_go_on(tmp_path, monkeypatch, row) -> None:
    monkeypatch.setattr(engine, "LOCK_TIMEOUT", 1)
    monkeypatch.setattr(store_module, "ATTEMPTS", 2)
    world = Guarded(tmp_path, api_settings__auth_strategy="keystone", quotas__default_load_balancer_quota=1)
    if row == "is there":
        world.call("PUT", f"/quotas/{OWN}", 202, {"quota": {"loadbalancer": 1}})
    body = {"loadbalancer": {"vip_subnet_id": world.subnet.id}}

    def create(status: int, project_id: str = OWN):
        return world.call("POST", "/loadbalancers", status, body, headers=caller("member", project_id=project_id))

    def busy(session: Session) -> None:
        hold(session, OWN)
        text = "Project busy. Unable to lock the project. Please try again."
        assert create(503) == {"faultcode": "Server", "faultstring": text, "debuginfo": None}
        create(201, FOREIGN)

    world.store.write(busy)
    assert len(world.networking.ports()) == 2, "who was refused gave back what it took"
    create(201)
