"""What a client of a PROMETHEUS listener gets from one amphora, and what it costs."""

import contextlib
import http.client
import os
import signal
import time
import zlib

from prometheus_client.parser import text_string_to_metric_families

from lictor import wire
from tests.agent_lab.amphora import eventually

METRICS = [
    "frontend scrape",
    "    mode http",
    "    bind {vip}:8088",
    "    http-request return status 404 unless {{ path / /metrics }}",
    "    http-request return status 405 hdr Allow GET unless METH_GET",
    f"    default_backend {wire.METRICS_BACKEND}",
]


def state(amphora, servers):
    made = amphora.state(servers)
    config = made.haproxy.config + "\n".join(METRICS).format(vip=amphora.vip) + "\n"
    return wire.DesiredState(
        **{
            name: getattr(made, name) for name in ("amphora_id", "loadbalancer_id", "generation", "epoch", "interfaces")
        },
        haproxy=wire.HAProxy(config=config, servers=made.haproxy.servers),
    )


def ask(amphora, path="/metrics", method="GET", **headers):
    connection = http.client.HTTPConnection(amphora.vip, 8088, timeout=20)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def samples(text):
    return {
        (sample.name, *[value for _, value in sorted(sample.labels.items())]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_an_amphora_tells_octavias_metrics_and_nothing_else(amphora, webs):
    members = [amphora.member(web) for web in webs]
    amphora.deliver(state(amphora, members))
    for _ in range(10):
        assert amphora.get()[0] == 200
    status, body = ask(amphora)
    assert status == 200
    found = samples(body.decode())
    assert found["octavia_listener_http_requests_total", amphora.listener] == 10
    assert found["octavia_pool_status", amphora.backend, "UP"] == 1
    for member in members:
        assert found["octavia_member_http_responses_total", "2xx", member.name, amphora.backend] == 5
    assert not [name for name in found if "haproxy" in name[0] or any("lictor" in label for label in name[1:])]
    assert [ask(amphora, path)[0] for path in ("/metrics/", "/stats", "/metrics2")] == [404] * 3
    assert ask(amphora, "/")[0] == 200
    assert ask(amphora, method="POST")[0] == 405
    assert ask(amphora, "/metrics?collect[]=x")[0] == 200


def test_metrics_of_a_thousand_members_are_right_and_told_once_a_second(amphora, webs):
    members = [amphora.member(webs[0], weight=1 + number % 256) for number in range(1000)]
    amphora.deliver(state(amphora, members))
    status, packed = ask(amphora, **{"Accept-Encoding": "gzip"})
    assert status == 200
    found = samples(zlib.decompress(packed, 31).decode())
    assert all(found["octavia_member_weight", member.name, amphora.backend] == member.weight for member in members)
    before, spent, began, asked = made(amphora), amphora.cpu_seconds(), time.monotonic(), 0
    while time.monotonic() < began + 1.5:
        assert ask(amphora, **{"Accept-Encoding": "gzip"})[0] == 200
        asked += 1
    print(f"asked {asked} times, made {made(amphora) - before}, {amphora.cpu_seconds() - spent:.2f} s of CPU")
    assert made(amphora) - before <= 2 < asked
    assert ask(amphora)[1].startswith(b"# HELP octavia_loadbalancer_cpu"), "it can be had as text too"


def made(amphora):
    """How often HAProxy's exporter was asked."""
    (row,) = [
        line.split(",") for line in amphora.haproxy("show stat").split("\n") if line.startswith("lictor-exporter,F")
    ]
    return int(row[7])


def test_metrics_go_on_over_a_restart_of_the_agent_and_of_haproxy(amphora, webs):
    amphora.deliver(state(amphora, [amphora.member(webs[0])]))
    amphora.end()
    assert ask(amphora)[0] == 503
    amphora.start()
    assert eventually(lambda: ask(amphora)[0] == 200)
    for pid in amphora.haproxy_pids():
        with contextlib.suppress(ProcessLookupError):  # workers end by themselves when their master is gone
            os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: ask(amphora)[0] == 200)
