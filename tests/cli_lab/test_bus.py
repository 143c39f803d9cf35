"""A real RabbitMQ wakes workers in other processes, and carries notifications to whoever listens.

When it is killed, work is found by looking for it, and load balancers become as they should be all the same.
"""

import contextlib
import queue
import threading

import oslo_messaging
import pytest
from oslo_config import cfg

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

NOTIFYING = """[oslo_messaging_notifications]
driver = messagingv2
topics = octavia-notifications
"""

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


@contextlib.contextmanager
def listening():
    """Whoever bills: a queue of event, name and status, by oslo.messaging as any other service has it."""
    heard = queue.Queue()

    class Endpoint:
        def info(self, _context, _publisher, event, payload, _metadata):
            heard.put((event, payload["name"], payload["provisioning_status"]))

    cfg.CONF(args=[], default_config_files=[])
    transport = oslo_messaging.get_notification_transport(cfg.CONF, url=URL)
    target = oslo_messaging.Target(topic="octavia-notifications", exchange="octavia")
    listener = oslo_messaging.get_notification_listener(transport, [target], [Endpoint()], executor="threading")
    listener.start()
    try:
        yield heard
    finally:
        # It would wait for a broker that is away.
        stopping = threading.Thread(target=listener.stop, daemon=True)
        stopping.start()
        stopping.join(10)


def test_who_listens_is_told_of_load_balancers_and_a_bus_that_dies_is_in_nobodys_way(many, broker, tmp_path):
    (tmp_path / "notifying.conf").write_text(NOTIFYING)
    api, worker = many.of("api")[0], many.of("worker")[0]
    worker.command += ["--config-file", str(tmp_path / "notifying.conf")]
    for each in (api, worker):
        each.start()
    for each in (api, worker):
        each.wait_ready()
    with listening() as heard:
        made = create(many, "shop")
        many.wait_active(made, 60)
        assert heard.get(timeout=60) == ("octavia.loadbalancer.create.end", "shop", "ACTIVE")
        many.call("PUT", f"/loadbalancers/{made}", {"loadbalancer": {"name": "store"}})
        assert heard.get(timeout=60) == ("octavia.loadbalancer.update.end", "store", "ACTIVE")

        broker.kill()
        many.wait_active(create(many, "late"), 60)
        assert worker.ask("/readyz") == (200, "ok\n")
        broker.start()
        assert heard.get(timeout=120) == ("octavia.loadbalancer.create.end", "late", "ACTIVE")
        many.call("DELETE", f"/loadbalancers/{made}")
        assert heard.get(timeout=60) == ("octavia.loadbalancer.delete.end", "store", "DELETED")
    assert worker.figure("notifications_total", result="lost") == 0
