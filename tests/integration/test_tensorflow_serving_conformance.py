"""TF Serving's contract, asked of whatever serves it: the reference server, its container, the real binary.

What the reference server has of it: Predict, status, metadata, reload, metrics; the table of errors over gRPC and REST.
Nothing here knows who answers: only ports are given. Sources, all in https://github.com/tensorflow/serving:
http_rest_api_handler_test.cc, json_tensor_test.cc, server_core_test.cc, predict_util.cc.
"""

import json
import math
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

from serving.contract import HOST
from tests import children
from tests.integration import tensorflow_service
from tests.integration.tensorflow_service import CHILD, ENVIRONMENT, LAUNCHERS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(360)]

LABELS = {"stable": "1", "canary": "2"}


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A running server: its ports, and a child that asks over gRPC with the official stubs."""

    rest: int
    grpc: int
    base: Path  # the folder of versions, as the server sees it
    child: "subprocess.Popen[str]"

    def get(self, path: str) -> tuple[int, Any]:
        return self.send("GET", path)

    def post(self, path: str, body: object) -> tuple[int, Any]:
        return self.send("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode())

    def send(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        answer = urllib3.request(method, f"http://{HOST}:{self.rest}{path}", body=body, retries=False, timeout=30)
        assert answer.headers["Content-Type"] == "application/json"
        return answer.status, json.loads(answer.data)

    def ask(self, method: str, request: Mapping[str, Any]) -> tuple[str, str, Any]:
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        print(json.dumps([method, request]), file=self.child.stdin, flush=True)
        code, said, answer = json.loads(self.child.stdout.readline())
        return code, said, answer


@pytest.fixture(scope="module", params=LAUNCHERS)
def endpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Serve both versions, with the labels "stable" (1) and "canary" (2)."""
    how = tensorflow_service.launcher(request.param)
    versions = tensorflow_service.versions(tmp_path_factory.getbasetemp())
    folder = tmp_path_factory.mktemp(request.param)
    bundle = tensorflow_service.pack(versions / "1", folder)
    shutil.copytree(versions / "2", bundle.folder / "2")
    with tensorflow_service.serve(how, bundle, folder) as service:
        rest, grpc = service.ports["rest"], service.ports["grpc"]
        with children.started(
            [*CHILD, "ask", str(grpc)], env=ENVIRONMENT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child:
            served = Endpoint(rest=rest, grpc=grpc, base=bundle.folder, child=child)
            _serve_both(served)
            yield served
            assert child.stdin is not None
            child.stdin.close()


def _serve_both(served: Endpoint) -> None:
    """Only the newest version is served by default; a reload is how an operator asks for more, and sets labels."""
    assert [row["version"] for row in served.get("/v1/models/model")[1]["model_version_status"]] == ["2"]
    assert _reload(served, _both(served.base))[0] == "OK"
    assert _reload(served, {**_both(served.base), "versionLabels": LABELS})[0] == "OK"


def _both(base: Path) -> dict[str, Any]:
    policy = {"specific": {"versions": ["1", "2"]}}
    return {"name": "model", "basePath": str(base), "modelPlatform": "tensorflow", "modelVersionPolicy": policy}


def _reload(served: Endpoint, model: Mapping[str, Any]) -> tuple[str, str, Any]:
    return served.ask("HandleReloadConfigRequest", {"config": {"modelConfigList": {"config": [model]}}})


def _floats(*values: float, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"dtype": "DT_FLOAT", **_shaped(shape), "floatVal": list(values)}


def _longs(*values: int, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"dtype": "DT_INT64", **_shaped(shape), "int64Val": list(values)}


def _shaped(shape: tuple[int, ...]) -> dict[str, Any]:
    return {"tensorShape": {"dim": [{"size": size} for size in shape]}}


def _spec(signature: str = "", name: str = "model", **which: object) -> dict[str, Any]:
    return {"name": name, "signatureName": signature, **which}


X = _floats(1.5, 2.5, shape=(1, 2))
TORN = {"dtype": "DT_FLOAT", **_shaped((1, 2)), "tensorContent": "AAA="}
TWO = {"a": _floats(1, shape=(1,)), "b": _longs(2, shape=(1,))}

# ---------------------------------------------------------------------------------------------------- what goes right


@pytest.mark.parametrize(
    ("which", "factor"),
    [
        ({}, 2),
        ({"version": 1}, 1),
        ({"version": 2}, 2),
        ({"versionLabel": "stable"}, 1),
        ({"versionLabel": "canary"}, 2),
    ],
)
def test_predict_over_grpc(endpoint: Endpoint, which: dict[str, Any], factor: int) -> None:
    code, said, answer = endpoint.ask("Predict", {"modelSpec": _spec(**which), "inputs": {"x": X}})
    assert (code, said) == ("OK", "")
    assert answer["outputs"]["y"]["floatVal"] == [1.5 * factor, 2.5 * factor]
    assert answer["modelSpec"] == {"name": "model", "version": str(factor), "signatureName": "serving_default"}


@pytest.mark.parametrize(
    ("path", "factor"),
    [
        ("model", 2),
        ("model/versions/1", 1),
        ("model/versions/2", 2),
        ("model/labels/stable", 1),
        ("model/labels/canary", 2),
        ("m%6fdel/labels/st%61ble", 1),
    ],
)
def test_predict_over_rest(endpoint: Endpoint, path: str, factor: int) -> None:
    rows = {"predictions": [[1.5 * factor, 2.5 * factor]]}
    assert endpoint.post(f"/v1/models/{path}:predict", {"instances": [[1.5, 2.5]]}) == (200, rows)
    assert endpoint.post(f"/V1/MODELS/{path}:predict", {"instances": [{"x": [1.5, 2.5]}]}) == (200, rows)
    columns = {"outputs": [[1.5 * factor, 2.5 * factor]]}
    assert endpoint.post(f"/v1/models/{path}:predict", {"inputs": [[1.5, 2.5]]}) == (200, columns)
    assert endpoint.post(f"/v1/models/{path}:predict", {"inputs": {"x": [[1.5, 2.5]]}}) == (200, columns)


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (
            {"signature_name": "two", "instances": [{"a": 1, "b": 2}, {"a": 0.5, "b": 3}]},
            {"predictions": [{"sum": 3.0, "twice": 4}, {"sum": 3.5, "twice": 6}]},
        ),
        (
            {"signature_name": "two", "inputs": {"a": [1, 0.5], "b": [2, 3]}},
            {"outputs": {"sum": [3.0, 3.5], "twice": [4, 6]}},
        ),
        (
            {"signature_name": "text", "instances": ["plain", {"b64": "w6k="}]},
            {
                "predictions": [
                    {"said": "plain", "said_bytes": {"b64": "cGxhaW4="}},
                    {"said": "é", "said_bytes": {"b64": "w6k="}},
                ]
            },
        ),
        (
            {"signature_name": "text", "inputs": {"text": [{"b64": "/w=="}]}},
            {"outputs": {"said": ["\ufffd"], "said_bytes": [{"b64": "/w=="}]}},
        ),
        ({"signature_name": "total", "inputs": [[1, 2], [3, 4]]}, {"outputs": 10.0}),
    ],
)
def test_row_and_column_formats(endpoint: Endpoint, body: object, answer: dict[str, Any]) -> None:
    assert endpoint.post("/v1/models/model:predict", body) == (200, answer)


def test_numbers_without_a_json_spelling_survive(endpoint: Endpoint) -> None:
    _, answer = endpoint.post("/v1/models/model:predict", b'{"signature_name": "inverse", "instances": [[0, NaN]]}')
    infinite, nothing = answer["predictions"][0]
    assert math.isinf(infinite)
    assert math.isnan(nothing)


def test_floats_are_as_short_as_they_can_be(endpoint: Endpoint) -> None:
    path = f"http://{HOST}:{endpoint.rest}/v1/models/model/versions/1:predict"
    said = urllib3.request("POST", path, body=b'{"instances": [[0.1, 3]]}').data
    assert b"".join(said.split()) == b'{"predictions":[[0.1,3.0]]}'


def test_only_the_outputs_asked_for(endpoint: Endpoint) -> None:
    request = {"modelSpec": _spec("two"), "inputs": TWO, "outputFilter": ["sum"]}
    assert set(endpoint.ask("Predict", request)[2]["outputs"]) == {"sum"}


def test_status_prints_its_defaults(endpoint: Endpoint) -> None:
    def available(version: str) -> dict[str, Any]:
        return {"version": version, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}

    assert endpoint.get("/v1/models/model") == (200, {"model_version_status": [available("2"), available("1")]})
    assert endpoint.get("/v1/models/model/versions/1") == (200, {"model_version_status": [available("1")]})
    # A label is part of the URL's grammar and of the documentation, but upstream's status does not look at it.
    assert endpoint.get("/v1/models/model/labels/canary") == endpoint.get("/v1/models/model")
    answer = endpoint.ask("GetModelStatus", {"modelSpec": _spec(version=1)})[2]
    assert answer == {"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": {}}]}


def test_metadata(endpoint: Endpoint) -> None:
    status, shown = endpoint.get("/v1/models/model/versions/1/metadata")
    assert (status, shown["model_spec"]) == (200, {"name": "model", "signature_name": "", "version": "1"})
    assert set(shown["metadata"]) == {"signature_def"}
    signatures = shown["metadata"]["signature_def"]["signature_def"]
    assert {"serving_default", "two", "text", "total", "inverse"} <= set(signatures)
    assert signatures["two"]["method_name"] == "tensorflow/serving/predict"
    x = signatures["serving_default"]["inputs"]["x"]
    assert (x["dtype"], x["name"]) == ("DT_FLOAT", "x:0")
    assert x["tensor_shape"] == {"dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}], "unknown_rank": False}
    request = {"modelSpec": _spec(versionLabel="stable"), "metadataField": ["signature_def"]}
    answer = endpoint.ask("GetModelMetadata", request)[2]
    assert answer["modelSpec"] == {"name": "model", "version": "1"}
    assert set(answer["metadata"]["signature_def"]["signatureDef"]) == set(signatures)


def test_the_official_example_client_works_unchanged(endpoint: Endpoint) -> None:
    done = subprocess.run(
        [*CHILD, "plain", str(endpoint.grpc)], env=ENVIRONMENT, capture_output=True, text=True, timeout=100, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [[3.0, 5.0]]


# ---------------------------------------------------------------------------------------------------- what goes wrong


def _predict(signature: str = "", inputs: Mapping[str, Any] | None = None, **which: object) -> dict[str, Any]:
    return {"modelSpec": _spec(signature, **which), "inputs": {"x": X} if inputs is None else inputs}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "request_", "code", "words"),
    [
        ("Predict", _predict(name="foo"), "NOT_FOUND", "Servable not found for request: Latest(foo)"),
        ("Predict", _predict(version=50), "NOT_FOUND", "Servable not found for request: Specific(model, 50)"),
        ("Predict", _predict(versionLabel="L"), "INVALID_ARGUMENT", "Unrecognized servable version label: L"),
        ("Predict", {"inputs": {"x": X}}, "INVALID_ARGUMENT", "Missing ModelSpec"),
        ("Predict", _predict("zz"), "FAILED_PRECONDITION", 'Serving signature key "zz" not found.'),
        (
            "Predict",
            _predict("two", {"a": TWO["a"]}),
            "INVALID_ARGUMENT",
            "signature: 1!=2 len({a}) != len({a,b}). Sent extra: {}. Missing but required: {b}.",
        ),
        ("Predict", _predict(inputs={"bad": X}), "INVALID_ARGUMENT", "Inputs expected to be in the request {bad}"),
        ("Predict", _predict(inputs={}), "INVALID_ARGUMENT", "Missing but required: {x}."),
        ("Predict", {**_predict(), "outputFilter": ["no"]}, "INVALID_ARGUMENT", "alias not found in signature: no"),
        (
            "Predict",
            _predict(inputs={"x": _longs(1, 2, shape=(1, 2))}),
            "INVALID_ARGUMENT",
            "Expects arg[0] to be float but int64 is provided",
        ),
        ("Predict", _predict(inputs={"x": _floats(1, 2, shape=(1, 2, 1))}), "INVALID_ARGUMENT", ""),
        ("Predict", _predict(inputs={"x": TORN}), "INVALID_ARGUMENT", "tensor parsing error: x"),
        ("GetModelStatus", {"modelSpec": _spec(name="X")}, "NOT_FOUND", "Could not find any versions of model X"),
        ("GetModelStatus", {"modelSpec": _spec(version=9)}, "NOT_FOUND", "Could not find version 9 of model model"),
        ("GetModelMetadata", {"modelSpec": _spec()}, "INVALID_ARGUMENT", "must specify at least one metadata_field"),
        ("GetModelMetadata", {"metadataField": ["signature_def"]}, "INVALID_ARGUMENT", "Missing ModelSpec"),
        (
            "GetModelMetadata",
            {"modelSpec": _spec(), "metadataField": ["other"]},
            "INVALID_ARGUMENT",
            "Metadata field other is not supported",
        ),
        (
            "HandleReloadConfigRequest",
            {"config": {"modelConfigList": {"config": [{"name": "model", "modelPlatform": "tensorflow"}]}}},
            "INVALID_ARGUMENT",
            "",
        ),
    ],
)
def test_the_error_table_over_grpc(
    endpoint: Endpoint, method: str, request_: dict[str, Any], code: str, words: str
) -> None:
    answered, said, _ = endpoint.ask(method, request_)
    assert answered == code, said
    assert words in said
    assert endpoint.ask("Predict", _predict())[0] == "OK"


def test_a_label_for_a_version_that_is_not_available_is_refused(endpoint: Endpoint) -> None:
    code, said, _ = _reload(
        endpoint, {**_both(endpoint.base), "versionLabels": {"stable": "1", "canary": "2", "future": "3"}}
    )
    assert code == "FAILED_PRECONDITION"
    assert "Request to assign label to version 3 of model model, which is not currently available for inference" in said
    assert endpoint.ask("Predict", _predict(versionLabel="stable"))[0] == "OK"
    assert _reload(endpoint, {**_both(endpoint.base), "versionLabels": LABELS})[0] == "OK"


def test_long_messages_are_cut_over_grpc(endpoint: Endpoint) -> None:
    said = endpoint.ask("Predict", _predict("z" * 2000))[1]
    assert said == f'Serving signature key "{"z" * 2000}'[:1024] + "...TRUNCATED"


MALFORMED: tuple[object, ...] = (
    {"signature_name": 5, "inputs": 1},
    {"instances": [{"bad": 1}]},
    {"signature_name": "two", "instances": [{"a": 1, "b": 2}, {"a": 1}]},
    {"inputs": {"bad": 1}},
    {"inputs": [["x", 1]]},
    {"inputs": [[True, 1]]},
    {"signature_name": "two", "inputs": {"a": [1], "b": [1.0]}},
    {"inputs": [[1, 2], [3]]},
    {"instances": [[1, 2], [3]]},
    b"nonsense",
    b"",
    {"signature_name": ""},
    {"instances": [], "inputs": []},
    {"signature_name": "total", "instances": [[1, 2]]},
    {"signature_name": "two", "instances": [1]},
)


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("foo:predict", {"instances": [[1, 2]]}, 404, "Servable not found for request: Latest(foo)"),
        (
            "model/versions/50:predict",
            {"instances": [[1, 2]]},
            404,
            "Servable not found for request: Specific(model, 50)",
        ),
        ("model/labels/L:predict", {"instances": [[1, 2]]}, 400, "Unrecognized servable version label: L"),
        (
            "model:predict",
            {"signature_name": "zz", "instances": [[1, 2]]},
            400,
            'Serving signature name: "zz" not found in signature def',
        ),
        *(("model:predict", body, 400, "") for body in MALFORMED),
    ],
)
def test_the_error_table_over_rest(endpoint: Endpoint, path: str, body: object, status: int, words: str) -> None:
    answered, document = endpoint.post(f"/v1/models/{path}", body)
    assert (answered, list(document)) == (status, ["error"]), document
    assert words in document["error"]
    assert endpoint.post("/v1/models/model:predict", {"inputs": [[1, 2]]})[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/v1/models/x:predict", 400, "Malformed request: GET /v1/models/x:predict"),
        ("POST", "/v1/models/model", 400, "Malformed request: POST /v1/models/model"),
        ("POST", "/v1/models/model:explain", 400, "Malformed request: POST /v1/models/model:explain"),
        ("DELETE", "/v1/models/model", 400, "Malformed request: DELETE /v1/models/model"),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/models/X", 404, "Could not find any versions of model X"),
        ("GET", "/v1/models/model/versions/9", 404, "Could not find version 9 of model model"),
        ("GET", "/v1/models/model/labels/L/metadata", 400, "Unrecognized servable version label: L"),
        ("GET", "/v1/models/X/metadata", 404, "Servable not found for request: Latest(X)"),
    ],
)
def test_urls_that_find_nothing(endpoint: Endpoint, method: str, path: str, status: int, said: str) -> None:
    assert endpoint.send(method, path) == (status, {"error": said})


def test_an_error_body_is_printed_over_several_lines(endpoint: Endpoint) -> None:
    said = urllib3.request("GET", f"http://{HOST}:{endpoint.rest}/v1/models/X").data
    assert said == b'{\n    "error": "Could not find any versions of model X"\n}'


def test_metrics_have_the_names_of_tensorflow_serving(endpoint: Endpoint) -> None:
    """Prometheus' page is there, and requests of both kinds are counted in it."""
    endpoint.ask("Predict", _predict())
    endpoint.post("/v1/models/model:predict", {"inputs": [[1, 2]]})
    page = urllib3.request("GET", f"http://{HOST}:{endpoint.rest}/monitoring/prometheus/metrics").data.decode()
    counts = [line for line in page.splitlines() if line.startswith(":tensorflow:serving:request_count{")]
    assert any('model_name="model"' in line and 'status="OK"' in line for line in counts)
    latencies = [line for line in page.splitlines() if line.startswith(":tensorflow:serving:request_latency_count{")]
    assert {line.partition('entrypoint="')[2].partition('"')[0] for line in latencies} >= {"GRPC", "REST"}
    assert ":tensorflow:serving:runtime_latency_bucket{" in page
