"""A second opinion: Triton's perf_analyzer, another maker's client in C++, measures the same latency as our open loop.

https://github.com/triton-inference-server/perf_analyzer; the wheel of tritonclient has it, for which Debian's libb64-0d
and CUDA's runtime library must be there, though no GPU. Its pins clash with ours: uv unpacks it into a folder.
"""

import contextlib
import csv
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.core import registry
from evaluator.core.records import Signature, TensorSpec
from serving.contract import HOST, Server, Setup
from serving.life import Service, serving
from serving.load.calls import Connect
from serving.load.open_loop import Demand, offer
from serving.ports import free_ports
from tests import children
from tests.containers import launcher_or_skip

pytestmark = [pytest.mark.integration, pytest.mark.alone, pytest.mark.timeout(840)]

LISTED = Path(__file__).with_name("perf_analyzer.txt")
SERVER: Server = registry.load("server", "tensorflow_serving")
SIGNATURE = Signature(
    inputs=(TensorSpec(name="x", dtype="float32", shape=(None, 1024)),),
    outputs=(TensorSpec(name="y", dtype="float32", shape=(None, 1024)),),
)
RATE_PER_S, SECONDS = 6.0, 6.0  # a fifth of what two cores can do: the queues there are do not move the median
ROUNDS, BATCHES = 6, 3


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return an environment in which perf_analyzer is found and starts; skip where it does not."""
    packages = tmp_path_factory.mktemp("analyzer")
    install = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--no-deps", "--no-build"]
    subprocess.run([*install, "--target", str(packages), "--requirements", str(LISTED)], check=True, timeout=120)
    path = f"{packages}/nvidia/cuda_runtime/lib:{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(":")
    found = {**os.environ, "LD_LIBRARY_PATH": path, "PATH": f"{packages}/bin:{os.environ['PATH']}"}
    tried = subprocess.run(
        ["perf_analyzer", "--version"], env=found, capture_output=True, text=True, timeout=30, check=False
    )
    if "error while loading shared libraries" in tried.stderr:
        pytest.skip(f"perf_analyzer does not start: {tried.stderr.strip()}")
    return found


@pytest.fixture(scope="module")
def service(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve a model that computes much and transports little, so that the clients' own work is small beside it."""
    launcher = launcher_or_skip("embedded", SERVER)
    folder = tmp_path_factory.mktemp("analyzed")
    children.run(Path(__file__).with_name("load_model_child.py"), folder)
    (folder / "bundle").mkdir()
    bundle = SERVER.bundle(folder / "model", SIGNATURE, folder / "bundle")
    setup = Setup(ports=free_ports(SERVER.ports))
    with serving(SERVER, launcher, bundle, setup, folder / "run", 60.0) as running:
        yield running


def test_perf_analyzer_measures_the_same(service: Service, environment: dict[str, str], tmp_path: Path) -> None:
    """The medians agree within 10 %, at the same rate (Poisson for both), over rounds in turn (ABBA).

    The median of the rounds' ratios decides. A batch of rounds that a busy host spoilt is repeated, twice at most.
    """

    def connect() -> Any:
        return SERVER.connect("grpc", service.bundle, service.ports)

    with connect() as wire:
        random = np.random.default_rng(0)
        requests = [wire.encode({"x": random.random((1, 1024), np.float32)}) for _ in range(4)]
        wire.call(requests[0])
    ratios = []
    for batch in range(BATCHES):
        folder = tmp_path / str(batch)
        ratios.append(statistics.median(_ratios(connect, requests, service, environment, folder)))
        if 1 / 1.1 <= ratios[-1] <= 1.1:
            return
    pytest.fail(f"median latency, ours over perf_analyzer's: {ratios}")


def _ratios(
    connect: Connect, requests: list[Any], service: Service, environment: dict[str, str], folder: Path
) -> list[float]:
    """Measure with both clients in turn; return our median latency over perf_analyzer's, for each round."""
    folder.mkdir()
    ratios = []
    for number in range(ROUNDS):
        ours, theirs = 0.0, 0.0
        for who in ("ours", "theirs") if number % 2 else ("theirs", "ours"):
            if who == "ours":
                load = offer(connect, requests, Demand(RATE_PER_S, SECONDS), number, folder / str(number))
                assert not load.errors
                ours = statistics.median(load.seconds)
            else:
                theirs = _analyze(service, environment, folder / f"{number}.csv")
        ratios.append(ours / theirs)
    return ratios


def _analyze(service: Service, environment: dict[str, str], table: Path) -> float:
    """Let perf_analyzer send as many requests as we do; return the median latency in seconds."""
    server = ("--service-kind", "tfserving", "-i", "grpc", "-u", f"{HOST}:{service.ports['grpc']}")
    model = ("-m", service.bundle.model, "-b", "1", "--shape", "x:1,1024")
    load = ("--request-rate-range", str(RATE_PER_S), "--request-distribution", "poisson")
    count = ("--request-count", str(round(RATE_PER_S * SECONDS)))
    done = _not_hanging(
        ["perf_analyzer", *server, *model, *load, *count, "--percentile", "50", "-f", str(table)], environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with table.open(newline="") as lines:
        (row,) = csv.DictReader(lines)
    return float(row["p50 latency"]) / 1e6


def _not_hanging(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program whose six seconds now and then never end: it is asked again, three times in all."""
    for _ in range(2):
        with contextlib.suppress(subprocess.TimeoutExpired):
            return _asked(command, environment)
    return _asked(command, environment)


def _asked(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
