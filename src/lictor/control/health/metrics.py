"""What a health manager of this process tells Prometheus: how it keeps up, and whether it believes what it sees."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lictor.control.health.manager import HealthManager
from lictor.control.health.silence import View


class Heartbeats(Collector):
    """Reads its figures at every scrape."""

    def __init__(self, manager: HealthManager) -> None:
        self._manager = manager

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        figures, watch = self._manager.figures, self._manager.watch
        refused = self._manager.receiver.refused
        yield CounterMetricFamily("lictor_heartbeats", "Heartbeats that were written.", value=figures.written)
        yield CounterMetricFamily("lictor_heartbeats_lost", "Those that could not be.", value=figures.lost)
        yield CounterMetricFamily("lictor_datagrams_refused", "Datagrams that were no heartbeats.", value=refused)
        about = "From waiting for the last batch of heartbeats to its COMMIT."
        yield GaugeMetricFamily("lictor_heartbeat_write_seconds", about, value=figures.lag)
        view = GaugeMetricFamily(
            "lictor_health_view",
            "How this health manager sees the fleet: 1 for what holds. Silence counts while it is sure, and only then.",
            labels=["view"],
        )
        for each in View:
            view.add_metric([each.value], float(watch.view is each))
        yield view
        about = "Whether so many amphorae are silent, or this health manager hears so little, that none is given up."
        yield GaugeMetricFamily("lictor_blind", about, value=float(watch.view in (View.BLIND, View.PAUSED)))
        about = "For how long too many have been silent: after silent_pause they are given up all the same."
        yield GaugeMetricFamily("lictor_silence_paused_seconds", about, value=watch.paused_for())
