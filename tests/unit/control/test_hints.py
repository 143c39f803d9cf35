"""Hints of work from process to process: what there is where no way for them is, and what a bus carries."""

import threading

import pytest

from lictor import config
from lictor.control import hints


def test_without_a_way_nobody_is_told_and_nobody_listens(store, tmp_path):
    conf = config.load(lictor__state_dir=str(tmp_path))
    if store.engine.driver != "psycopg":
        assert hints.ways(conf, store) == ""
        sender = hints.sender(conf, store)
        sender.send()
        sender.stop()
        assert hints.listener(conf, store, lambda: None) == []
        assert "hints" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.filterwarnings("ignore")  # oslo.messaging's own, about eventlet
def test_what_is_cast_on_the_message_bus_is_heard_by_every_listener(store, tmp_path):
    (tmp_path / "lictor.conf").write_text("[DEFAULT]\ntransport_url = kombu+memory:////\n")
    conf = config.load([str(tmp_path / "lictor.conf")])
    heard = [threading.Semaphore(0), threading.Semaphore(0)]
    listeners = [one for each in heard for one in hints.listener(conf, store, each.release)]
    sender = hints.sender(conf, store)
    for listener in listeners:
        listener.start()
    try:
        for each in heard:
            assert each.acquire(timeout=20), "who begins to listen looks at once"
        sender.send()
        for each in heard:
            assert each.acquire(timeout=20), "told"
    finally:
        for part in (sender, *listeners):
            part.stop()


def test_who_cannot_tell_tries_again_with_the_next_hint(monkeypatch):
    monkeypatch.setattr(hints.base, "AGAIN", 0.01)
    told, away = threading.Semaphore(0), [OSError("the bus is away")] * 3

    def tell():
        if away:
            raise away.pop()
        told.release()

    sender = hints.Sender("hints", tell)
    for _ in range(100):
        sender.send()
        if told.acquire(timeout=0.2):
            break
    assert not away
    sender.stop()
