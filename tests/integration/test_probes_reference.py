"""Every probe on the embedded reference server: it does what is expected of it, but for what TF Serving lacks."""

import os
import subprocess
import sys
from pathlib import Path

import probes_field
import pytest

from evaluator.core import registry
from evaluator.core.outcome import Outcome
from evaluator.core.records import Signature, TensorSpec
from evaluator.core.tensors import read_arrays
from serving.contract import Server
from serving.launchers.embedded import EmbeddedLauncher
from serving.probing import Field, Reply

pytestmark = [pytest.mark.integration, pytest.mark.timeout(500)]

HERE = Path(__file__).parent
SERVER: Server = registry.load("server", "tensorflow_serving")
SIGNATURE = Signature(
    inputs=(
        TensorSpec(name="image", dtype="float32", shape=(None, 32, 32, 3)),
        TensorSpec(name="shift", dtype="int32", shape=(None,)),
    ),
    outputs=(
        TensorSpec(name="logits", dtype="float32", shape=(None, 5)),
        TensorSpec(name="label", dtype="int64", shape=(None,)),
    ),
)


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Field:
    launcher = EmbeddedLauncher()
    lacking = launcher.missing(SERVER, ())
    if lacking is not None:
        pytest.skip(lacking[0])
    made = tmp_path_factory.mktemp("tensorflow")
    environment = {"PYTHONPATH": str(HERE.parents[1]), "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    subprocess.run(
        [sys.executable, "-P", str(HERE / "serving_child.py"), "tensorflow", str(made)],
        env={**os.environ, **environment},
        check=True,
        timeout=200,
    )
    subject = (made / "model", SIGNATURE, read_arrays(made / "golden.npz"))
    return probes_field.ask_every_probe(SERVER, launcher, subject, tmp_path_factory.mktemp("p") / "probes")


@pytest.fixture(scope="module")
def replies(field: Field) -> dict[str, Reply]:
    return probes_field.replies(field)


def test_every_probe_has_replied_and_nothing_is_left(field: Field, replies: dict[str, Reply]) -> None:
    assert sorted(replies) == sorted(registry.names("probe"))
    assert probes_field.left(field) == []
    for reply in replies.values():
        assert reply.outcome is not Outcome.FAILED or reply.remedy


@pytest.mark.parametrize(
    "name",
    [
        "bad_requests",
        "batch_neighbours",
        "cold_start",
        "corrupt_bundle",
        "exposure",
        "graceful_stop",
        "hot_swap",
        "metrics_present",
        "roll_back",
        "server_kill",
        "slow_client",
    ],
)
def test_it_passes(replies: dict[str, Reply], name: str) -> None:
    assert replies[name].outcome is Outcome.PASSED, replies[name]


def test_it_has_no_workers(replies: dict[str, Reply]) -> None:
    assert replies["worker_kill"].outcome is Outcome.NOT_APPLICABLE


def test_rest_has_no_tls(replies: dict[str, Reply]) -> None:
    figures = replies["tls"].figures
    assert replies["tls"].outcome is Outcome.FAILED
    assert (figures["grpc_tls"], figures["rest_tls"], figures["plain_text"]) == ("TLSv1.3", "none", "rest")


def test_everybody_may_ask(replies: dict[str, Reply]) -> None:
    assert replies["authentication"].outcome is Outcome.FAILED
    assert replies["authentication"].figures == {"rest_answered": "answered", "grpc_answered": "answered"}


def test_codes_are_those_of_tf_serving(field: Field) -> None:
    answered = probes_field.bad_requests(field)
    assert answered["rest: unknown model"] == "404"
    assert answered["grpc: unknown version"] == "NOT_FOUND"
    assert answered["rest: malformed JSON"] == "400"
    assert answered["grpc: wrong rank"] == "INVALID_ARGUMENT"


def test_memory_is_told(replies: dict[str, Reply]) -> None:
    reply = replies["memory_growth"]
    assert reply.outcome in {Outcome.PASSED, Outcome.UNAVAILABLE}  # a second cannot convict
    assert reply.figures["memory_bytes"]
