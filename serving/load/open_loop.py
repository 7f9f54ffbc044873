"""An open loop: requests are due at random times (Poisson), and are sent whether or not earlier ones were answered.

The arrivals and the latencies are those of MLPerf's loadgen in its Server scenario
(https://github.com/mlcommons/inference/tree/master/loadgen): a latency counts from when the request was due, so that a
server that stalls is charged for everybody who had to wait. loadgen's logs stay as evidence. Single latencies are only
in its trace, which numbers queries in the order in which it hands them out.
"""

import gzip
import re
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evaluator.measure.load import Load
from serving.load.calls import Connect, undisturbed
from serving.load.senders import senders_for

LONGEST_QUEUE_S = 2.0  # what is in flight never amounts to more than this time's requests: then the load is aborted
MOST_IN_FLIGHT = 512
_LEAST_IN_FLIGHT = 32
_TRACE = "mlperf_log_trace.json"
_DETAIL = "mlperf_log_detail.txt"
_ABORTED = "Ending early: Too many outstanding queries"
_SAMPLE = re.compile(  # the begin of a sample: when it was due (µs), its number, and ns from then until sent and done
    r'\{"name":"Sample","cat":"default","ph":"b",.*"ts":([\d.]+),'
    r'.*"query_seq":(\d+),.*"issue_start_ns":(\d+),"complete_ns":(\d+)\}'
)


class Query(NamedTuple):
    """A query in loadgen's trace; seconds from when it was due, which itself counts from the first."""

    due_s: float
    issued_s: float
    done_s: float


class Demand(NamedTuple):
    """A rate to be offered, and for how long: both minima hold, or the most seconds end it."""

    rate_per_s: float
    seconds: float
    queries: int = 1
    most_seconds: float = 0.0  # 0: no end but that of the minima


def offer(connect: Connect, requests: Sequence[Any], demand: Demand, seed: int, folder: Path) -> Load:
    """Offer requests at a rate for a while; the same seed gives the same schedule. The logs go to `folder`.

    There are as many connections as requests in flight at a time. When more are in flight than arrive in two seconds
    (at most 512), no more are sent and the load is `aborted`: an overload ends in bounded time.
    """
    import mlperf_loadgen as loadgen

    folder.mkdir(parents=True, exist_ok=True)
    most = max(_LEAST_IN_FLIGHT, min(MOST_IN_FLIGHT, int(demand.rate_per_s * LONGEST_QUEUE_S)))
    senders = senders_for(connect, requests, most)
    sut = loadgen.ConstructFastSUT(senders.issue, lambda: None)
    library = loadgen.ConstructQSL(len(requests), len(requests), lambda _: None, lambda _: None)
    settings = _settings(demand, seed, most)
    try:
        with undisturbed():
            cpu = time.process_time()
            loadgen.StartTestWithLogSettings(sut, library, settings, _log_settings(folder), "")
            client_cpu_s = time.process_time() - cpu
    finally:
        senders.over = True
        senders.end()
    loadgen.DestroyQSL(library)
    loadgen.DestroyFastSUT(sut)
    _compress(folder / _TRACE)
    queries, calls = read_trace(folder), senders.calls
    issued_late_s = sum(query.issued_s for query in queries) / len(queries)
    return Load(
        kind="open",
        rate_per_s=demand.rate_per_s,
        clients=senders.connections,
        seconds=tuple(query.done_s for query, call in zip(queries, calls, strict=True) if call.code is None),
        errors=dict(Counter(call.code for call in calls if call.code is not None)),
        wall_s=max(query.due_s + query.done_s for query in queries),
        client_cpu_s=client_cpu_s,
        scheduled_s=queries[-1].due_s,
        late_s=issued_late_s + senders.late_s,
        aborted=_ABORTED in (folder / _DETAIL).read_text(encoding="utf-8"),
    )


def read_trace(folder: Path) -> list[Query]:
    """Read the queries from the compressed trace in a folder of `offer`, in the order in which they were due."""
    found = {}
    with gzip.open(folder / f"{_TRACE}.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            sample = _SAMPLE.match(line)
            if sample:
                due_us, number, issued_ns, done_ns = sample.groups()
                found[int(number)] = (float(due_us) / 1e6, int(issued_ns) / 1e9, int(done_ns) / 1e9)
    first = found[0][0]
    return [Query(due - first, issued, done) for _, (due, issued, done) in sorted(found.items())]


def _compress(path: Path) -> None:
    """Replace a file by `….gz`: a trace takes a kilobyte per query, and there may be a hundred thousand."""
    with path.open("rb") as source, gzip.open(f"{path}.gz", "wb", compresslevel=1) as target:
        shutil.copyfileobj(source, target)
    path.unlink()


def _settings(demand: Demand, seed: int, most: int) -> Any:
    import mlperf_loadgen as loadgen

    settings = loadgen.TestSettings()
    settings.scenario = loadgen.TestScenario.Server
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.server_target_qps = demand.rate_per_s
    settings.server_max_async_queries = most
    settings.min_duration_ms = round(demand.seconds * 1000)
    settings.max_duration_ms = round(demand.most_seconds * 1000)
    settings.min_query_count = demand.queries
    settings.schedule_rng_seed = settings.sample_index_rng_seed = settings.qsl_rng_seed = seed
    return settings


def _log_settings(folder: Path) -> Any:
    import mlperf_loadgen as loadgen

    settings = loadgen.LogSettings()
    settings.log_output = loadgen.LogOutputSettings()
    settings.log_output.outdir = str(folder)
    settings.log_output.copy_summary_to_stdout = False
    settings.enable_trace = True
    return settings
