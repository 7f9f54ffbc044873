"""What the server tells Prometheus about requests.

Without a counter of requests nobody is paged; without a histogram of latencies percentiles must come from the clients.
Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import time

from evaluator.core.records import Metrics
from serving.probing import Field, Probe, Reply, failed, passed

Samples = dict[str, float]

_CALLS = 20
_WITHIN_S = 3.0  # some servers publish with a delay
_LOOK_EVERY_S = 0.2
_REMEDY = "measure at the proxy in front of the server"


class MetricsPresent(Probe):
    """Makes a known number of calls and reads the metrics before and after."""

    name = "metrics_present"
    title = "Metrics"
    question = "Do its metrics count requests, and tell latencies?"
    risk = "medium"
    harm = "none"

    def ask(self, field: Field) -> Reply:
        """Look for samples that moved by exactly the number of calls."""
        service = field.service
        with field.server.admin(service.bundle, service.ports) as admin, field.asking(service) as ask:
            ask()  # some metrics exist from the first call on
            before = samples(admin.metrics())
            for _ in range(_CALLS):
                ask()
            deadline = time.perf_counter() + _WITHIN_S * field.time_factor
            while not (moved := _moved(before, after := samples(admin.metrics()))) and time.perf_counter() < deadline:
                time.sleep(_LOOK_EVERY_S)
        histograms = [name for name in moved if f"{name.removesuffix('_count')}_bucket" in after]
        counters = [name for name in moved if name not in histograms]
        figures: Metrics = {
            "metrics": len(after),
            "calls": _CALLS,
            "request_counter": tuple(counters),
            "latency_histogram": tuple(histograms),
        }
        if not counters and not histograms:
            return failed(f"none of {len(after)} metrics moved by the {_CALLS} calls made", _REMEDY, **figures)
        told = f"{', '.join(counters or histograms)} moved by the {_CALLS} calls made"
        if not histograms:
            return passed(f"{told}; there is no histogram of latencies: percentiles must come from clients", **figures)
        return passed(f"{told}; latencies are in {', '.join(histograms)}", **figures)


def samples(text: str) -> Samples:
    """Read Prometheus's text format; samples of one name are summed over their labels."""
    from prometheus_client.parser import text_string_to_metric_families

    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def _moved(before: Samples, after: Samples) -> list[str]:
    """Name the samples that moved by exactly the number of calls; buckets of histograms belong to their count."""
    names = (name for name in after if not name.endswith("_bucket"))
    return sorted(name for name in names if after[name] - before.get(name, 0.0) == _CALLS)


plugin = MetricsPresent()
