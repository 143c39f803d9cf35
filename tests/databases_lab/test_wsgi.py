"""The API under uWSGI: processes that were forked after the application was loaded, each with threads."""

import contextlib
import json
import pathlib
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from lictor.model import LoadBalancer
from tests.lab.uwsgi import free_port, uwsgi
from tests.unit import database

UWSGI = pathlib.Path(sys.executable).parent / "uwsgi"
SUBNET = "7a1f1b5c-0000-4000-8000-000000000001"


@pytest.fixture
def store(tmp_path):
    return database.store(tmp_path)


@pytest.fixture
def config(tmp_path, store):
    url = store.engine.url.render_as_string(hide_password=False)
    file = tmp_path / "lictor.conf"
    file.write_text(
        f"[lictor]\nstate_dir = {tmp_path}\n[database]\nconnection = {url}\n[api_settings]\nauth_strategy = noauth\n"
        "[controller_worker]\ncompute_driver = noop\nnetwork_driver = noop\n"
        "[certificates]\ncert_manager = noop\n"
    )
    return file


def call(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def metrics(first):
    """What each process tells of itself, on the ports from the first one on."""
    for port in range(first, first + 10 * 10, 10):
        with contextlib.suppress(urllib.error.URLError):
            yield urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30).read().decode()


def counted(page, name):
    return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(f"{name} "))


def test_processes_and_threads_share_a_database_and_lose_nothing_and_each_tells_how_it_does(config, store, tmp_path):
    first = free_port()
    config.write_text(config.read_text() + f"[lictor]\nmetrics_bind = 127.0.0.1:{first}\n")
    with uwsgi(UWSGI, "lictor.wsgi", config, tmp_path / "log", ["--processes=3", "--threads=3"]) as served:
        lists = f"{served.url}/v2/lbaas/loadbalancers"

        def work(number):
            made = call(lists, {"loadbalancer": {"name": f"lb{number}", "vip_subnet_id": SUBNET}})["loadbalancer"]
            return made, call(f"{lists}/{made['id']}")["loadbalancer"]

        with ThreadPoolExecutor(9) as threads:
            pairs = list(threads.map(work, range(45)))
        assert all(made["vip_address"] == shown["vip_address"] for made, shown in pairs)
        assert len({made["vip_address"] for made, _ in pairs}) == 45
        assert len(call(lists)["loadbalancers"]) == 45
        pages = list(metrics(first))
        assert 1 < len(pages) <= 3, "each process that has answered has a port"
        assert sum(counted(page, 'lictor_api_requests_total{method="POST",status="201"}') for page in pages) == 45
        assert sum(counted(page, 'lictor_api_requests_total{method="GET",status="200"}') for page in pages) >= 46
    with store.read() as session:
        assert session.scalar(select(func.count()).select_from(LoadBalancer)) == 45


def test_a_database_without_the_schema_is_refused_with_what_to_do(config, tmp_path):
    blank = database.blank(tmp_path).engine.url.render_as_string(hide_password=False)
    file = tmp_path / "blank.conf"
    file.write_text(config.read_text() + f"[database]\nconnection = {blank}\n")
    with (
        pytest.raises(AssertionError, match=r"lictor: the database is at schema revision none.*lictor db upgrade"),
        uwsgi(UWSGI, "lictor.wsgi", file, tmp_path / "log"),
    ):
        pass
