"""What a worker says of a pass that ended as nobody expected."""

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from lictor import config
from lictor.amphora.pki import Authority
from lictor.control.vault import Vault
from lictor.control.worker import Workers
from lictor.drivers.compute.noop import NoopCompute
from lictor.drivers.network.noop import NoopNetwork
from lictor.drivers.secrets.noop import NoopSecrets
from lictor.model import Event, LoadBalancer
from tests.lab.deployment import eventually

from .conftest import row

LOST = OperationalError(
    "UPDATE amphora SET condemned=%s", ("secret",), Exception("(2013, 'Lost connection to server')")
)


class Failing(NoopCompute):
    """Where a step of a pass meets what nobody expects."""

    error: Exception = LOST

    def find(self, amphora_id):
        raise self.error


@pytest.mark.parametrize(
    ("error", "start"),
    [
        (LOST, "The database failed (OperationalError); the log of worker "),
        (KeyError("secret"), "Something unexpected happened (KeyError); the log of worker "),
    ],
)
def test_users_are_told_that_something_failed_and_the_log_has_the_words(
    store, load_balancer, tmp_path, caplog, error, start
):
    conf = config.load(lictor__state_dir=str(tmp_path), controller_worker__poll_interval=0.02)
    networking = NoopNetwork(conf, store)
    compute, authority = Failing(conf, networking), Authority.open(tmp_path / "pki")
    compute.error = error
    workers = Workers(conf, store, compute, networking, authority, b"secret", Vault(NoopSecrets(conf)))
    workers.start()
    try:
        fault = eventually(lambda: row(store, LoadBalancer, "lb").fault, 30)
    finally:
        workers.stop()
    with store.read() as session:
        said = [fault, *session.scalars(select(Event.message).where(Event.kind == "failed"))]
    assert len(said) > 1
    for each in said:
        assert each.startswith(start) and not any(word in each for word in ("UPDATE", "2013", "secret")), each
    assert "secret" in caplog.text
