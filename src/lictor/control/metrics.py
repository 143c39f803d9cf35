"""What this process counts of its own doing, for Prometheus. What follows from rows is in ``metrics_rows``.

The text format, escaping and its rules are prometheus_client's; it costs a process 0.6 MiB.
"""

import platform
from collections.abc import Iterator

from prometheus_client import Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

import lictor
from lictor.control import pulse
from lictor.model import schema

disable_created_metrics()  # type: ignore[no-untyped-call]  # When a counter was made is of no use to anybody.

REGISTRY = CollectorRegistry(auto_describe=True)
"""All that is shown on ``/metrics`` of this process."""

PASSES = Counter(
    "lictor_passes", "Passes of the loop over a load balancer, by how they ended.", ["result"], registry=REGISTRY
)
PASS_SECONDS = Histogram(
    "lictor_pass_duration_seconds",
    "How long passes took.",
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
    registry=REGISTRY,
)
FAILURES = Counter(
    "lictor_failures", "Passes that failed, by the kind of error; the load balancer's events say more.", ["reason"],
    registry=REGISTRY,
)  # fmt: skip
NOTIFICATIONS = Counter(
    "lictor_notifications", "Notifications of load balancers, by what became of them.", ["result"], registry=REGISTRY
)
REQUESTS = Counter("lictor_api_requests", "Requests that the API answered.", ["method", "status"], registry=REGISTRY)
REQUEST_SECONDS = Histogram(
    "lictor_api_request_duration_seconds",
    "How long the API took to answer.",
    ["method"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)

for _result in ("applied", "deleted", "failed", "waiting", "booting", "leaving", "lost"):
    PASSES.labels(_result)
for _result in ("sent", "lost"):
    NOTIFICATIONS.labels(_result)


class _Threads(Collector):
    """For how long each thread has been at what it does, and what this process is."""

    def collect(self) -> Iterator[Metric]:
        version, python, wanted = lictor.__version__, platform.python_version(), schema.head()
        yield InfoMetricFamily("lictor_build", "What runs.", {"version": version, "python": python, "schema": wanted})
        busy = GaugeMetricFamily(
            "lictor_thread_busy_seconds", "Seconds at one thing; 0 if it waits.", labels=["thread"]
        )
        for name, seconds in pulse.times():
            busy.add_metric([name], seconds)
        yield busy
        dead = len(pulse.dead())
        yield GaugeMetricFamily("lictor_threads_dead", "Threads that should be there and are not.", value=dead)


REGISTRY.register(_Threads())
ProcessCollector(registry=REGISTRY)
