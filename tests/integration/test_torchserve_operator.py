"""What an operator does to TorchServe, for real: versions, workers, metrics, over REST and over gRPC."""

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.core.tensors import Arrays
from serving.contract import Batching, Wire
from serving.errors import ServerError
from serving.life import Service
from serving.load.closed_loop import Calls, calling
from serving.servers import _torchserve_archive as archive
from serving.servers._torchserve_admin import TorchServeAdmin
from serving.wires import rpc, torchserve_protos
from serving.wires.http import JSON, Http
from tests.integration import torchserve_service as torchserve
from tests.integration.torchserve_service import LAUNCHERS, SERVER, SIGNATURE
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(360)]

BATCHING = Batching(max_size=4, max_delay_s=0.02)
MANAGEMENT = "/org.pytorch.serve.grpc.management.ManagementAPIsService/"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torchserve.launcher("process")
    return torchserve.made(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def golden(made: Path) -> Arrays:
    return torchserve.golden(made)


@pytest.fixture(scope="module", params=LAUNCHERS)
def service(request: pytest.FixtureRequest, made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    how = torchserve.launcher(request.param)
    with torchserve.serve(how, torchserve.pack(made / "model.pt", folder), folder, batching=BATCHING) as running:
        yield running


@pytest.fixture
def admin(service: Service) -> Iterator[TorchServeAdmin]:
    """Give an operator; afterwards version 1 is the only one, with one worker."""
    with TorchServeAdmin(service.bundle, service.ports) as operator:
        yield operator
        _until_ready(service)
        operator.roll_back(1)
        operator.scale(1)


def _right(service: Service, golden: Arrays, wire: str = "rest") -> bool:
    answer = torchserve.ask(service, wire, torchserve.inputs(golden, 0, 1))
    return np.allclose(answer["logits"], golden["logits"][:1], rtol=1e-5, atol=1e-6)


def _until_ready(service: Service) -> None:
    until(lambda: SERVER.ready(service.bundle, service.ports), within_s=60.0, said=lambda: "the worker never came back")


def _workers(admin: TorchServeAdmin, count: int) -> tuple[int, ...]:
    """Return that many workers; TorchServe answers before it lists what a "synchronous" request came to."""
    return until(admin.workers, lambda found: len(set(found)) == count, said=lambda: f"{count} workers")


@contextmanager
def _calling(service: Service, golden: Arrays, wire: str) -> Iterator[Calls]:
    """Let clients ask all the time, until the end of the block."""

    def connect() -> AbstractContextManager[Wire]:
        return SERVER.connect(wire, service.bundle, service.ports)

    with connect() as connection:
        request = connection.encode(torchserve.inputs(golden, 0, 1))
    with calling(connect, [request], clients=3) as calls:
        yield calls


@pytest.mark.parametrize("wire", ["raw", "grpc"])
def test_versions_come_and_go_under_load_without_a_failed_request(
    service: Service, admin: TorchServeAdmin, made: Path, golden: Arrays, wire: str
) -> None:
    with _calling(service, golden, wire) as calls:
        admin.deploy(made / "model.pt", 2)
        assert admin.answering() == 2
        _workers(admin, 2)  # the former version keeps its own
        between = len(calls.taken)
        admin.roll_back(1)
        assert admin.answering() == 1
        assert [one["modelVersion"] for one in admin.describe("all")] == ["1"]
        time.sleep(0.5)
    assert [call for call in calls.taken if call.code is not None] == []
    assert len(calls.taken) > between > 0


def test_a_version_that_cannot_be_loaded_leaves_the_present_one(
    service: Service, admin: TorchServeAdmin, golden: Arrays, tmp_path: Path
) -> None:
    (tmp_path / "junk.pt").write_bytes(b"no archive" * 100)
    with pytest.raises(ServerError, match="Failed to start workers for model model version: 3") as raised:
        admin.deploy(tmp_path / "junk.pt", 3)
    assert raised.value.code == "500"
    assert [one["modelVersion"] for one in admin.describe("all")] == ["1"]
    assert _right(service, golden)


def test_what_torchserve_itself_leaves_of_a_junk_model(
    admin: TorchServeAdmin, service: Service, tmp_path: Path
) -> None:
    (tmp_path / "junk.pt").write_bytes(b"no archive" * 100)
    archive.pack(tmp_path / "junk.pt", SIGNATURE, 4, service.bundle.folder)
    with pytest.raises(ServerError, match="500: Failed to start workers"):
        admin.register(archive.name(4))

    def workers() -> list[object]:
        return [worker for one in admin.describe("all") if one["modelVersion"] == "4" for worker in one["workers"]]

    until(lambda: not workers())  # most times it stays registered, with no worker; now and then it is gone


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda admin: admin.register("nope.mar"), "404: Model not found at: nope.mar"),
        (lambda admin: admin.register("../model-1.mar"), "404: Relative path is not allowed in url"),
        (lambda admin: admin.register("broken.mar"), "400: Model name is not defined"),
        (lambda admin: admin.register("model-1.mar"), "409: Model version 1 is already registered for model model"),
        (lambda admin: admin.roll_back(9), "404: Model version 9 does not exist"),
        (lambda admin: admin.unregister(9), "404: Model version: 9 does not exist"),
        (lambda admin: admin.scale(1, 9), "404: Model version: 9 does not exist"),
    ],
    ids=["absent", "outside", "broken", "twice", "roll back", "unregister", "scale"],
)
def test_refusals(service: Service, admin: TorchServeAdmin, ask: Any, said: str) -> None:
    (service.bundle.folder / "broken.mar").write_bytes(b"no zip")
    with pytest.raises(ServerError, match=said):
        ask(admin)


def test_a_new_version_is_batched_like_the_former_and_the_default_one_stays(admin: TorchServeAdmin, made: Path) -> None:
    admin.deploy(made / "model.pt", 2)
    for version in (1, 2):
        (described,) = admin.describe(version)
        assert (described["batchSize"], described["maxBatchDelay"]) == (4, 20)
    with pytest.raises(ServerError, match="403: Cannot remove default version for model model"):
        admin.unregister(2)
    admin.unregister(1)
    assert [one["modelVersion"] for one in admin.describe("all")] == ["2"]
    admin.deploy(made / "model.pt", 1)
    assert admin.answering() == 1
    admin.unregister(2)


def test_registering_with_a_content_type_and_no_body_is_torchserves_own_error(service: Service) -> None:
    with Http(service.ports["management"]) as http, pytest.raises(ServerError) as raised:
        http.post("/models?url=model-1.mar", b"", JSON)
    assert raised.value.code == "500"


def test_workers_are_scaled(service: Service, admin: TorchServeAdmin, golden: Arrays) -> None:
    admin.scale(2)
    _workers(admin, 2)
    assert _right(service, golden)
    admin.scale(0)
    _workers(admin, 0)
    assert not SERVER.ready(service.bundle, service.ports)
    assert SERVER.healthy(service.ports), "it says so although nobody would answer"
    with pytest.raises(ServerError, match='503: Model "model" has no worker to serve inference request'):
        _right(service, golden)
    admin.scale(1)
    assert _right(service, golden)


def test_a_killed_worker_comes_back(service: Service, admin: TorchServeAdmin, golden: Arrays) -> None:
    (former,) = _workers(admin, 1)
    service.running.kill(former)
    # What arrives before TorchServe notices is lost: 500 or 507 at once, or no answer until its responseTimeout.
    until(lambda: former not in admin.workers(), within_s=30.0, said=lambda: "TorchServe never noticed")
    assert SERVER.healthy(service.ports), "it says so although nobody answers now"
    assert _right(service, golden), "queued until the next worker was there"
    (present,) = _workers(admin, 1)
    assert present != former


def test_metrics_count_requests(service: Service, admin: TorchServeAdmin, golden: Arrays) -> None:
    def total() -> float:
        lines = [line for line in admin.metrics().splitlines() if line.startswith("ts_inference_requests_total{")]
        return sum(float(line.split()[-1]) for line in lines)

    _right(service, golden)
    before = total()
    for wire in SERVER.wires:
        assert _right(service, golden, wire)
    # The Open Inference Protocol's gRPC requests are not counted.
    assert total() - before == len(SERVER.wires) - 1
    assert "Requests2XX{" in admin.metrics()


def _management(service: Service, method: str, **fields: Any) -> Any:
    kinds = torchserve_protos.messages(f"management.{method}Request", "management.ManagementResponse")
    with rpc.method(service.ports["grpc_management"], MANAGEMENT + method, *kinds) as call:
        return call(kinds[0](**fields)).msg


def test_the_management_api_over_grpc(service: Service, admin: TorchServeAdmin, made: Path) -> None:
    archive.pack(made / "model.pt", SIGNATURE, 2, service.bundle.folder)
    told = _management(service, "RegisterModel", url="model-2.mar", initial_workers=1, synchronous=True)
    assert told == 'Model "model" Version: 2 registered with 1 initial workers'
    _management(service, "SetDefault", model_name="model", model_version="2")
    (described,) = json.loads(_management(service, "DescribeModel", model_name="model"))
    assert described["modelVersion"] == "2"
    _management(service, "ScaleWorker", model_name="model", min_worker=2, max_worker=2, synchronous=True)
    _workers(admin, 3)
    _management(service, "SetDefault", model_name="model", model_version="1")
    _management(service, "UnregisterModel", model_name="model", model_version="2")
    assert [one["modelVersion"] for one in admin.describe("all")] == ["1"]


@pytest.mark.parametrize(
    ("method", "fields", "code"),
    [
        ("RegisterModel", {"url": "nope.mar"}, "NOT_FOUND"),
        ("RegisterModel", {"url": "model-1.mar"}, "UNKNOWN"),  # over REST: 409, and why
        ("SetDefault", {"model_name": "model", "model_version": "9"}, "NOT_FOUND"),
        ("UnregisterModel", {"model_name": "nope"}, "NOT_FOUND"),
        ("DescribeModel", {"model_name": "nope"}, "NOT_FOUND"),
    ],
)
def test_refusals_over_grpc(service: Service, method: str, fields: dict[str, str], code: str) -> None:
    with pytest.raises(ServerError) as raised:
        _management(service, method, **fields)
    assert raised.value.code == code


def test_grpc_cannot_scale_to_nothing(service: Service, admin: TorchServeAdmin) -> None:
    # A zero is what proto3 leaves out, and TorchServe takes what is left out for a one.
    told = _management(service, "ScaleWorker", model_name="model", min_worker=0, max_worker=0, synchronous=True)
    assert told == "Workers scaled to 1 for model: model"
    _workers(admin, 1)
