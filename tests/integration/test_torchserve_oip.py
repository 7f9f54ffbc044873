"""The Open Inference Protocol as TorchServe 0.12 has it, for real: what works, and what it lacks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.core.tensors import Arrays
from serving.errors import ServerError
from serving.life import Service
from serving.servers._torchserve_admin import TorchServeAdmin
from serving.wires import rpc, torchserve_protos
from serving.wires.http import Http
from tests.integration import torchserve_service as torchserve
from tests.integration.torchserve_service import LAUNCHERS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

GRPC = "/org.pytorch.serve.grpc.openinference.GRPCInferenceService/"
INFER = "/v2/models/model/infer"


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
    with torchserve.serve(how, torchserve.pack(made / "model.pt", folder), folder) as running:
        yield running


@pytest.fixture
def http(service: Service) -> Iterator[Http]:
    with Http(service.ports["rest"]) as connection:
        yield connection


def _request(golden: Arrays, **changes: Any) -> bytes:
    """Write a request of one row with nested data, which the protocol allows beside flat."""
    image = {"name": "image", "shape": [1, 3, 32, 32], "datatype": "FP32", "data": golden["image"][:1].tolist()}
    tokens = {"name": "tokens", "shape": [1, 7], "datatype": "INT64", "data": golden["tokens"][:1].tolist()}
    return json.dumps({"id": "mine", "inputs": [image, {**tokens, **changes}]}).encode()


def test_infer_answers_in_the_words_of_the_protocol(http: Http, golden: Arrays) -> None:
    answer = json.loads(http.post(INFER, _request(golden)))
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("mine", "model", "1")
    logits, label = answer["outputs"]
    assert (logits["name"], logits["datatype"], logits["shape"]) == ("logits", "FP32", [1, 5])
    assert np.allclose(logits["data"], golden["logits"][0], rtol=1e-6, atol=1e-6)
    assert (label["name"], label["datatype"], label["shape"], label["data"]) == (
        *("label", "INT64", [1]),
        [golden["label"][0]],
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"datatype": "FP32"}, "input tokens is FP32; the model takes INT64"),
        ({"shape": [1, 9]}, "cannot reshape array of size 7 into shape (1,9)"),
        ({"data": [[0.5] * 7]}, "input tokens is float64; the model takes int64"),
        ({"name": "words"}, "inputs are image, words; the model takes image, tokens"),
        ({"data": [[99] * 7]}, "index out of range in self"),
    ],
    ids=["datatype", "shape", "data", "name", "vocabulary"],
)
def test_a_bad_request_is_refused(http: Http, golden: Arrays, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ServerError) as raised:
        http.post(INFER, _request(golden, **change))
    assert raised.value.code == "400"
    assert raised.value.said.endswith(said)


def test_a_refusal_over_grpc_leaves_the_worker_alive(service: Service, golden: Arrays) -> None:
    given = torchserve.inputs(golden, 0, 1)
    with TorchServeAdmin(service.bundle, service.ports) as admin:
        before = admin.workers()
        with pytest.raises(ServerError, match=r"400: .*index out of range in self"):
            torchserve.ask(service, "oip_grpc", {**given, "tokens": np.full((1, 7), 99)})
        assert admin.workers() == before
    assert np.allclose(torchserve.ask(service, "oip_grpc", given)["logits"], golden["logits"][:1], atol=1e-6)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/v2", {"name": "Torchserve", "version": "0.12.0", "extenstion": ["kserve", "kubeflow"]}),  # so misspelt
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
    ],
)
def test_what_it_says_of_itself(http: Http, path: str, wanted: object) -> None:
    assert json.loads(http.get(path)) == wanted


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v2/models/model", "404"),
        ("/v2/models/model/ready", "404"),
        ("/v2/models/model/versions/1", "501"),
        ("/v2/models/model/versions/1/ready", "501"),
        ("/v2/models/model/versions/1/infer", "501"),
    ],
)
def test_what_it_lacks_over_rest(http: Http, golden: Arrays, path: str, code: str) -> None:
    with pytest.raises(ServerError) as raised:
        http.post(path, _request(golden)) if path.endswith("infer") else http.get(path)
    assert raised.value.code == code


def _ask(service: Service, method: str, **fields: str) -> Any:
    kinds = torchserve_protos.messages(f"openinference.{method}Request", f"openinference.{method}Response")
    with rpc.method(service.ports["grpc"], GRPC + method, *kinds) as call:
        return call(kinds[0](**fields))


def test_what_it_says_over_grpc(service: Service) -> None:
    assert _ask(service, "ServerLive").live
    assert _ask(service, "ServerReady").ready
    assert _ask(service, "ModelReady", name="model", version="1").ready
    described = _ask(service, "ModelMetadata", name="model")
    assert (list(described.versions), list(described.inputs), list(described.outputs)) == (["1"], [], [])


@pytest.mark.parametrize(
    ("method", "fields", "code"),
    [
        ("ServerMetadata", {}, "UNIMPLEMENTED"),
        ("ModelReady", {"name": "nope"}, "NOT_FOUND"),
        ("ModelMetadata", {"name": "nope"}, "NOT_FOUND"),
        ("ModelInfer", {"model_name": "nope"}, "INTERNAL"),
    ],
)
def test_refusals_over_grpc(service: Service, method: str, fields: dict[str, str], code: str) -> None:
    with pytest.raises(ServerError) as raised:
        _ask(service, method, **fields)
    assert raised.value.code == code


def test_clients_of_the_standard_do_not_find_the_service(service: Service) -> None:
    kinds = torchserve_protos.messages("openinference.ServerLiveRequest", "openinference.ServerLiveResponse")
    path = "/inference.GRPCInferenceService/ServerLive"
    with rpc.method(service.ports["grpc"], path, *kinds) as call, pytest.raises(ServerError) as raised:
        call(kinds[0]())
    assert raised.value.code == "UNIMPLEMENTED"
