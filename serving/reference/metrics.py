"""What the reference server tells Prometheus, under TF Serving's names.

Names, labels and buckets: tensorflow_serving/servables/tensorflow/util.cc and saved_model_warmup_util.cc,
batching/batching_session.cc and batching_util.h. A name such as /tensorflow/serving/request_count is shown as
:tensorflow:serving:request_count (util/prometheus_exporter.cc), and durations are in microseconds.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest

from serving.reference.status import Code

DEFAULT_PATH = "/monitoring/prometheus/metrics"
_US_PER_S = 1e6
_PREFIX = ":tensorflow:serving:"
_REGISTRY = CollectorRegistry()

disable_created_metrics()  # type: ignore[no-untyped-call]  # the real server does not tell when a series began


def _growing(first: float, factor: float, count: int) -> tuple[float, ...]:
    return tuple(first * factor**power for power in range(count))


_CALL_US = _growing(10, 1.8, 33)  # up to about 20 minutes
_QUEUE_US = _growing(100, 1.2, 52)  # up to about a second
_SIZES = _growing(1, 2, 14)


def _counter(name: str, says: str, labels: tuple[str, ...] = ()) -> Counter:
    return Counter(_PREFIX + name, says, labels, registry=_REGISTRY)


def _histogram(name: str, says: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Histogram:
    return Histogram(_PREFIX + name, says, labels, buckets=buckets, registry=_REGISTRY)


_requests = _counter("request_count", "The total number of requests.", ("model_name", "status"))
_request_latency = _histogram(
    "request_latency", "Wall time of requests in microseconds.", ("model_name", "API", "entrypoint"), _CALL_US
)
_runtime_latency = _histogram(
    "runtime_latency", "Wall time of the runtime in microseconds.", ("model_name", "API", "runtime"), _CALL_US
)
_warmup_latency = _histogram(
    "model_warmup_latency", "Wall time of warming a model up in microseconds.", ("model_path", "status"), _CALL_US
)
_queuing_latency = _histogram(
    "batching_session:queuing_latency", "Wall time in the queue in microseconds.", ("thread_pool_name",), _QUEUE_US
)
_batches = _counter("batching_session:wrapped_run_count", "Calls of the model with a batch.")
_input_sizes = _histogram("batching_session:input_batch_size", "Rows of a request.", (), _SIZES)
_processed_sizes = _histogram("batching_session:processed_batch_size", "Rows of an executed batch.", (), _SIZES)


def request(model: str, api: str, entrypoint: str, seconds: float, error: Code | None = None) -> None:
    """Count an answered request; its latency counts only when it succeeded, as upstream has it.

    `api` is "Predict" with the entrypoint "GRPC", and the word in the URL with "REST".
    """
    _requests.labels(model, "OK" if error is None else error.name).inc()
    if error is None:
        _request_latency.labels(model, api, entrypoint).observe(seconds * _US_PER_S)


@contextmanager
def runtime(model: str) -> Iterator[None]:
    """Time the model's own part of a request. A failure counts nothing."""
    begin = time.perf_counter()
    yield
    _runtime_latency.labels(model, "Predict", "TF1").observe((time.perf_counter() - begin) * _US_PER_S)


def warmup(model_path: str, seconds: float, error: Code | None = None) -> None:
    """Record how long a version was warmed up, and how that ended."""
    _warmup_latency.labels(model_path, "OK" if error is None else error.name).observe(seconds * _US_PER_S)


def queued(pool: str, rows: int, seconds: float) -> None:
    """Record a request that was batched with others: its rows, and how long it waited for them."""
    _input_sizes.observe(rows)
    _queuing_latency.labels(pool).observe(seconds * _US_PER_S)


def batch(rows: int) -> None:
    """Record a batch that was executed, padding included."""
    _batches.inc()
    _processed_sizes.observe(rows)


def page() -> bytes:
    """Write everything in Prometheus' text format; the library ends counters with `_total`, upstream does not."""
    return re.sub(rb"(:\w+_count)_total\b", rb"\1", generate_latest(_REGISTRY))
