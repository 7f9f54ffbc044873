"""Names that held structure become metrics with labels, and a whole run of format 1 has none that nobody knows."""

import json
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from evaluator.core import metrics, metrics_1
from evaluator.core.records import Figure, Metrics, Value

KEPT = Path(__file__).parents[1] / "data" / "run-format-1.tar.xz"


def updated(old: dict[str, Any]) -> dict[str, Value]:
    flat, figures = metrics_1.update(old)
    stored, labelled = msgspec.convert(flat, Metrics), msgspec.convert(figures, tuple[Figure, ...])
    assert metrics.misfits(stored, labelled) == {}
    return metrics.flat(stored, labelled)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"latency_p99.9_s": 0.2, "load_s": 1.5}, {"load_s": 1.5, "latency_s statistic=p99.9": 0.2}),
        ({"oip_grpc_p50_s": 0.1}, {"latency_s wire=oip_grpc statistic=p50": 0.1}),
        ({"in_process_queries": 7}, {"queries wire=in_process": 7}),
        (
            {"rest_overhead_low_s": 0.1, "rest_overhead_s": 0.2, "rest_overhead_high_s": 0.3},
            {
                "overhead_s wire=rest": 0.2,
                "overhead_s wire=rest end=low": 0.1,
                "overhead_s wire=rest end=high": 0.3,
            },
        ),
        ({"parity_oip_grpc_max_rel_diff": 1e-7}, {"max_rel_diff wire=oip_grpc": 1e-7}),
        ({"start_cosine": 1.0}, {"cosine between=frameworks": 1.0}),
        ({"self_noise_max_rel_diff": 0.0}, {"max_rel_diff between=repeats": 0.0}),
        ({"rest_at_60_p90_s": 0.1}, {"latency_s wire=rest share=0.6 statistic=p90": 0.1}),
        ({"grpc_at_130_keeps_up": False}, {"keeps_up wire=grpc share=1.3": False}),
        ({"rest_saturation_per_s": 9.0}, {"saturation_per_s wire=rest batching=no": 9.0}),
        ({"rest_batched_saturation_per_s": 9.0}, {"saturation_per_s wire=rest batching=yes": 9.0}),
        ({"rest_not_in_time_per_s": 9.0}, {"not_in_time_per_s wire=rest": 9.0}),
        ({"rest_client_cpu_per_1000_s": 0.3}, {"client_cpu_per_1000_s wire=rest": 0.3}),
        ({"batch_sizes": "1, 3, 32", "diverges_at": "a, b"}, {"batch_sizes": (1, 3, 32), "diverges_at": ("a", "b")}),
        (
            {"refused_batch_sizes": "3: ValueError: 1 is fixed; not 3; 32: ValueError: no"},
            {"refusal batch=3": "ValueError: 1 is fixed; not 3", "refusal batch=32": "ValueError: no"},
        ),
        (
            {"placement": "CPU 2, CPU, its own kernels 4"},
            {"placed_operators place=CPU": 2, "placed_operators place=CPU, its own kernels": 4},
        ),
        ({"ram_floor_provenance": "measured: containers under a limit that kills"}, {}),
        (
            {"cold_start_outcome": "passed", "cold_start_ready_s": 2.0, "reference": True},
            {"reference": True, "outcome probe=cold_start": "passed", "first_answer_s probe=cold_start": 2.0},
        ),
        (
            {
                "hot_swap_outcome": "passed",
                "hot_swap_requests_answered": 5,
                "tls_outcome": "failed",
                "tls_rest_tls": "none",
            },
            {
                "outcome probe=hot_swap": "passed",
                "requests_answered probe=hot_swap": 5,
                "outcome probe=tls": "failed",
                "tls_version probe=tls wire=rest": "none",
            },
        ),
        ({"cold_start_s": 0.9}, {"cold_start_s": 0.9}),  # of an edge step, not of the probe
    ],
)
def test_structure_leaves_the_names(old: dict[str, Any], new: dict[str, Value]) -> None:
    assert updated(old) == new


def test_a_whole_run_of_format_1_is_understood() -> None:
    with tarfile.open(KEPT) as archive:
        results = [
            json.loads(file.read())
            for member in archive.getmembers()
            if member.name.endswith("/result.json") and (file := archive.extractfile(member)) is not None
        ]
    assert len(results) > 100
    assert {name.split(" ")[0] for result in results for name in updated(result["metrics"])} <= set(metrics.METRICS)


def test_comparisons_and_proofs_of_format_1_get_what_they_lacked() -> None:
    old = {"question": "latency over REST", "scenario": "bert", "path": "server", "device": "cpu"}
    assert metrics_1.comparison(old) == {
        **old,
        "id": "latency_over_rest/bert/server/cpu",
        "metric": "latency_s",
        "labels": {"wire": "rest"},
    }
    proof = {"runtime": "x", "batch_sizes": "1, 3", "refused_batch_sizes": "32: no", "placement": "XNNPACK 7"}
    now = {"runtime": "x", "batch_sizes": [1, 3], "refusals": {"32": "no"}, "placement": {"XNNPACK": 7}}
    assert metrics_1.proof(proof) == now
