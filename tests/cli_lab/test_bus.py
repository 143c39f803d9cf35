"""Workers in other processes are woken by a real RabbitMQ. When it is killed, work is found by looking for it."""

import pytest

from tests.lab.deployment import NOOP, eventually
from tests.lab.processes import Many
from tests.lab.rabbitmq import URL, rabbitmq

CONFIG = f"""{NOOP}
[DEFAULT]
transport_url = {URL}
[controller_worker]
poll_interval = 0.5
"""

# Nothing but a hint explains what a worker does that looks so seldom.
NEVER = "[controller_worker]\npoll_interval = 3600\n"

SUBNET = "7a1f1b5c-0000-4000-8000-000000000001"


@pytest.fixture
def broker(tmp_path):
    with rabbitmq(tmp_path) as made:
        yield made


@pytest.fixture
def many(tmp_path, broker):
    made = Many(tmp_path / "state", CONFIG)
    made.prepare()
    yield made
    made.stop_all()


def create(many, name):
    return many.call("POST", "/loadbalancers", {"loadbalancer": {"name": name, "vip_subnet_id": SUBNET}})["id"]


def told(many):
    many.wait_active(create(many, "told"), 3)
    return True


def test_a_worker_is_woken_by_the_bus_and_without_it_work_is_done_a_little_later(many, broker, tmp_path):
    (tmp_path / "never.conf").write_text(NEVER)
    api, (dozing, looking) = many.of("api")[0], many.of("worker")
    dozing.command += ["--config-file", str(tmp_path / "never.conf")]
    for each in (api, dozing):
        each.start()
    for each in (api, dozing):
        each.wait_ready()
    eventually(lambda: told(many), 60, "who dozes is told")

    broker.kill()
    late = create(many, "late")
    looking.start()
    many.wait_active(late, 60)
    assert api.ask("/readyz") == looking.ask("/readyz") == (200, "ok\n")
    assert dozing.process.poll() is None

    looking.kill()
    broker.start()
    eventually(lambda: told(many), 60, "who dozes is told again")
