"""Every probe on the embedded reference server: it does what is expected of it, but for what TF Serving lacks."""

import pytest

from evaluator.core import registry
from evaluator.core.outcome import Outcome
from evaluator.core.tensors import read_arrays
from serving.contract import Server
from serving.probing import Field, Reply, by_wire
from tests import probes_field
from tests.containers import launcher_or_skip
from tests.integration import served_models

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1000)]

SERVER: Server = registry.load("server", "tensorflow_serving")


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Field:
    launcher = launcher_or_skip("embedded", SERVER)
    made = tmp_path_factory.mktemp("tensorflow")
    artifact = served_models.make("tensorflow", made)
    subject = (artifact, served_models.SIGNATURES["tensorflow"], read_arrays(made / "golden.npz"))
    return probes_field.ask_every_probe(SERVER, launcher, subject, tmp_path_factory.mktemp("p") / "probes")


@pytest.fixture(scope="module")
def replies(field: Field) -> dict[str, Reply]:
    return probes_field.replies(field)


def test_every_probe_has_replied_and_nothing_is_left(field: Field, replies: dict[str, Reply]) -> None:
    probes_field.assert_every_probe_replied(replies)
    assert probes_field.left(field) == []


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
    assert replies[name].outcome is Outcome.PASSED, replies[name].reason


def test_it_has_no_workers(replies: dict[str, Reply]) -> None:
    assert replies["worker_kill"].outcome is Outcome.NOT_APPLICABLE


def test_rest_has_no_tls(replies: dict[str, Reply]) -> None:
    assert replies["tls"].outcome is Outcome.FAILED
    assert replies["tls"].labelled == by_wire("tls_version", {"rest": "none", "grpc": "TLSv1.3"})
    assert replies["tls"].figures["plain_text"] == ("rest",)


def test_everybody_may_ask(replies: dict[str, Reply]) -> None:
    assert replies["authentication"].outcome is Outcome.FAILED
    assert replies["authentication"].labelled == by_wire("answered", {"rest": "answered", "grpc": "answered"})


def test_codes_are_those_of_tf_serving(field: Field) -> None:
    answered = probes_field.bad_requests(field)
    assert answered["rest: unknown model"] == "404"
    assert answered["grpc: unknown version"] == "NOT_FOUND"
    assert answered["rest: malformed JSON"] == "400"
    assert answered["grpc: wrong rank"] == "INVALID_ARGUMENT"


def test_memory_is_told(replies: dict[str, Reply]) -> None:
    probes_field.assert_memory_is_told(replies)
