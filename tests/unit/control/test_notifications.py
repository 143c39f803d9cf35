"""Who listens on the message bus is told of load balancers as Octavia's users know it, and never in the way of work."""

import dataclasses
import logging
import queue
import threading
import time

import oslo_messaging
import pytest
from oslo_messaging.notify import _impl_test

from lictor import bus, config
from lictor.control import notifications, settle
from lictor.control.notifications.notices import Notice, Notices
from lictor.model import LoadBalancer, Pool, Tag, changes

from .conftest import add_load_balancer, begin_task, row

pytestmark = pytest.mark.filterwarnings("ignore")  # oslo.messaging's own, about eventlet

IN_MEMORY = "[oslo_messaging_notifications]\ndriver = test\n"


class Heard:
    """Whoever is told, in this process."""

    def __init__(self, room=1000):
        self.notices = queue.Queue()
        self.told = Notices(self.notices.put, room)

    def next(self):
        return self.notices.get(timeout=10)

    def nothing(self):
        self.told.stop()
        return self.notices.empty()


@pytest.fixture
def heard():
    made = Heard()
    made.told.start()
    yield made
    made.told.stop()


@pytest.fixture
def task_of(store, conf, heard):
    """The next pass, whose end is told of."""

    def begin():
        return telling(begin_task(store, conf), heard.told)

    return begin


def telling(task, told):
    """The same pass, whose end is told of."""
    return dataclasses.replace(task, tools=dataclasses.replace(task.tools, notices=told))


def change_itself(session):
    lb = changes.begin(session, "lb")
    lb.own_generation = lb.generation
    lb.name = "new"


def change_below(session):
    changes.mark_updated(changes.begin(session, "lb"), session.get(Pool, "lb-pool"))


def test_a_load_balancer_that_is_made_changed_and_deleted_is_told_of_once_each(store, load_balancer, task_of, heard):
    settle.success(task_of())
    store.write(change_itself)
    settle.success(task_of())
    store.write(change_below)
    settle.success(task_of())
    store.write(lambda s: setattr(changes.begin(s, "lb"), "provisioning_status", "PENDING_DELETE"))
    settle.deleted(task_of())
    told = [heard.next() for _ in range(3)]
    assert [each.event for each in told] == [
        "octavia.loadbalancer.create.end",
        "octavia.loadbalancer.update.end",
        "octavia.loadbalancer.delete.end",
    ]
    assert [each.payload["provisioning_status"] for each in told] == ["ACTIVE", "ACTIVE", "DELETED"]
    assert [each.payload["name"] for each in told] == ["", "new", "new"]
    assert heard.nothing()


def test_one_that_is_made_after_failures_is_told_of_when_it_is_made(store, conf, load_balancer, task_of, heard):
    conf.set_override("retry_interval", 0.01, group="controller_worker")
    conf.set_override("error_after", 1, group="controller_worker")
    settle.failure(task_of(), OSError("x"), "The hypervisor is on fire.")
    time.sleep(0.1)
    settle.success(task_of())
    assert heard.next().event == "octavia.loadbalancer.create.end"


def test_repairs_and_changes_below_are_not_told_of(store, load_balancer, task_of, heard):
    settle.success(task_of())
    assert heard.next().event == "octavia.loadbalancer.create.end"
    store.write(lambda s: changes.ask_again(s, "lb"))
    settle.success(task_of())
    assert heard.nothing()


def test_a_change_that_came_meanwhile_is_told_of_when_it_is_applied(store, load_balancer, task_of, heard):
    task = task_of()
    store.write(change_itself)
    settle.success(task)
    assert heard.next().payload["name"] == ""
    settle.success(task_of())
    assert (told := heard.next()).event == "octavia.loadbalancer.update.end" and told.payload["name"] == "new"


def test_a_worker_that_lost_its_lease_tells_nobody(store, load_balancer, task_of, heard):
    task = task_of()
    task.claim.owner = "another"
    with pytest.raises(settle.LeaseLostError):
        settle.success(task)
    assert heard.nothing()


def test_the_payload_has_the_documented_names_and_those_of_newer_releases(store, load_balancer, task_of, heard):
    def more(session):
        lb = session.get(LoadBalancer, "lb")
        lb.vip_address, lb.vip_subnet_id, lb.requests = "192.0.2.7", "subnet", "req-1 req-2"
        session.add(Tag(resource_id="lb", tag="blue", load_balancer_id="lb"))

    store.write(more)
    settle.success(task_of())
    notice = heard.next()
    told = notice.payload
    assert told["id"] == told["loadbalancer_id"] == "lb"
    assert told["enabled"] is told["admin_state_up"] is True
    assert told["vip"]["ip_address"] == told["vip_address"] == "192.0.2.7"
    assert told["vip"]["subnet_id"] == told["vip_subnet_id"] == "subnet"
    assert (told["tags"], told["project_id"], told["provider"]) == (["blue"], "p", "amphora")
    assert [listener["listener_id"] for listener in told["listeners"]] == ["lb-listener"]
    assert [m["address"] for m in told["pools"][0]["members"]] == ["192.0.2.1", "192.0.2.2"]
    assert told["created_at"][:2] == "20" and "generation" not in told["listeners"][0]
    assert (notice.project_id, notice.request_id) == ("p", "req-2")


def test_a_bus_that_hangs_costs_neither_time_nor_correctness(store, conf, caplog):
    hangs = threading.Event()
    told = Notices(lambda _notice: hangs.wait(60), 2)
    told.start()
    try:
        begun = time.monotonic()
        for n in range(6):
            add_load_balancer(store, f"lb{n}")
            settle.success(telling(begin_task(store, conf), told))
            assert row(store, LoadBalancer, f"lb{n}").provisioning_status == "ACTIVE"
        assert time.monotonic() - begun < 30
        assert [r.getMessage() for r in caplog.records if "Notifications are lost" in r.getMessage()] == [
            "Notifications are lost (too many wait); load balancers are well."
        ]
    finally:
        hangs.set()
        told.stop()


def test_who_cannot_be_told_is_told_of_the_next(caplog):
    caplog.set_level(logging.INFO)
    heard, away = queue.Queue(), [OSError("the bus is away")]

    def tell(notice):
        if away:
            raise away.pop()
        heard.put(notice)

    told = Notices(tell)
    told.start()
    for event in "abc":
        told.send(Notice(event, {}, "p", ""))
    assert [heard.get(timeout=10).event for _ in range(2)] == ["b", "c"]
    told.stop()
    assert [r.getMessage() for r in caplog.records if r.name.endswith("outbox")] == [
        "Notifications are lost (the bus is away); load balancers are well.",
        "Notifications are sent again.",
    ]


def test_what_waits_when_the_process_ends_is_told(heard):
    for event in "abc":
        heard.told.send(Notice(event, {}, "p", ""))
    heard.told.stop()
    assert heard.notices.qsize() == 3


def loaded(tmp_path, text):
    (tmp_path / "lictor.conf").write_text(text)
    return config.load([str(tmp_path / "lictor.conf")], lictor__state_dir=str(tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[DEFAULT]\ntransport_url = fake://\n",
        "[oslo_messaging_notifications]\ntopics = mine\n",
        "[oslo_messaging_notifications]\ndriver = noop\n",
        f"[controller_worker]\nevent_notifications = false\n{IN_MEMORY}",
    ],
)
def test_nobody_is_told_unless_a_driver_is_named(tmp_path, store, load_balancer, text):
    told = notifications.notices(loaded(tmp_path, text))
    told.start()
    with store.read() as session:
        assert told.about(store, session.get(LoadBalancer, "lb"), notifications.CREATED, "ACTIVE") is None
    assert "notifications" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("driver = messagingv2\n", "needs a message bus: give transport_url there or in .DEFAULT."),
        (
            "driver = messagingv2\ntransport_url = pigeon://hunter2@a\n",
            "is no address of a message bus: write it as in",
        ),
        ("driver = messagingv2\ntransport_url = hunter2\n", "is no address of a message bus: write it as in"),
        ("driver = messagingv2\ntransport_url = rabbit://a:hunter2@b:c/\n", "is no address of a message bus"),
        ("driver = pigeon\n", "driver is 'pigeon': it must be one of log, messaging"),
    ],
)
def test_a_driver_that_cannot_work_is_refused_with_what_would(tmp_path, text, words):
    with pytest.raises(config.Misconfigured, match=words) as told:
        notifications.notices(loaded(tmp_path, f"[oslo_messaging_notifications]\n{text}"))
    assert "hunter2" not in str(told.value)


def test_oslo_messagings_driver_gets_event_payload_and_context(tmp_path, store, conf, load_balancer):
    _impl_test.reset()
    told = notifications.notices(loaded(tmp_path, IN_MEMORY))
    told.start()
    settle.success(telling(begin_task(store, conf), told))
    told.stop()
    [(context, message, priority, _retry)] = _impl_test.NOTIFICATIONS
    assert (message["event_type"], priority) == ("octavia.loadbalancer.create.end", "INFO")
    assert message["payload"]["id"] == "lb" and message["publisher_id"].startswith("lictor.")
    assert context.project_id == "p"


def test_a_listener_hears_it_on_the_bus_by_octavias_exchange(tmp_path, store, conf, load_balancer):
    told = notifications.notices(
        loaded(
            tmp_path,
            "[DEFAULT]\ntransport_url = kombu+memory:////\n"
            "[oslo_messaging_notifications]\ndriver = messagingv2\ntopics = octavia-notifications\n",
        )
    )
    heard = queue.Queue()

    class Endpoint:
        def info(self, context, _publisher, event, payload, _metadata):
            heard.put((event, payload["id"], context["project_id"]))

    options = bus.configuration(config.load([str(tmp_path / "lictor.conf")]))
    transport = oslo_messaging.get_notification_transport(options)
    assert options.control_exchange == "octavia"
    target = oslo_messaging.Target(topic="octavia-notifications", exchange="octavia")
    listener = oslo_messaging.get_notification_listener(transport, [target], [Endpoint()], executor="threading")
    listener.start()
    told.start()
    try:
        settle.success(telling(begin_task(store, conf), told))
        assert heard.get(timeout=20) == ("octavia.loadbalancer.create.end", "lb", "p")
    finally:
        told.stop()
        listener.stop()
        listener.wait()


def test_what_was_settled_is_told_of_no_more_when_notifications_are_switched_on(store, conf, load_balancer, heard):
    settle.success(begin_task(store, conf))
    assert row(store, LoadBalancer, "lb").told_generation == 1
    store.write(change_below)
    settle.success(telling(begin_task(store, conf), heard.told))
    assert heard.nothing()
