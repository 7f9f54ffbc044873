"""Every probe on a real TorchServe: what it does well, and the faults that it is known for."""

import pytest

from evaluator.core.metrics import number
from evaluator.core.outcome import Outcome
from serving.probing import Field, Reply, by_wire
from tests import probes_field
from tests.integration import torchserve_service as torchserve

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1000)]


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Field:
    launcher = torchserve.launcher("process")
    made = torchserve.made(tmp_path_factory.mktemp("made"))
    subject = (made / "model.pt", torchserve.SIGNATURE, torchserve.golden(made))
    return probes_field.ask_every_probe(torchserve.SERVER, launcher, subject, tmp_path_factory.mktemp("p") / "probes")


@pytest.fixture(scope="module")
def replies(field: Field) -> dict[str, Reply]:
    return probes_field.replies(field)


def test_every_probe_has_replied_and_nothing_is_left(field: Field, replies: dict[str, Reply]) -> None:
    probes_field.assert_every_probe_replied(replies)
    assert probes_field.left(field) == []


@pytest.mark.parametrize(
    "name",
    [
        "authentication",
        "batch_neighbours",
        "exposure",
        "hot_swap",
        "metrics_present",
        "roll_back",
        "server_kill",
        "slow_client",
        "tls",
        "worker_kill",
    ],
)
def test_it_passes(replies: dict[str, Reply], name: str) -> None:
    assert replies[name].outcome is Outcome.PASSED, replies[name]


@pytest.mark.parametrize("name", ["cold_start", "corrupt_bundle"])
def test_ping_says_healthy_without_a_model(replies: dict[str, Reply], name: str) -> None:
    assert replies[name].outcome is Outcome.FAILED, replies[name]
    assert "health endpoint" in replies[name].reason


def test_tokens_are_asked_for_by_default(replies: dict[str, Reply]) -> None:
    assert replies["authentication"].labelled == by_wire("answered", {"rest": "400", "grpc": "PERMISSION_DENIED"})


def test_it_counts_requests_and_has_no_histogram(replies: dict[str, Reply]) -> None:
    figures = replies["metrics_present"].figures
    assert "ts_inference_requests_total" in str(figures["request_counter"])
    assert figures["latency_histogram"] == ()


def test_codes_over_rest_are_right_and_over_grpc_are_not(field: Field, replies: dict[str, Reply]) -> None:
    assert replies["bad_requests"].outcome is Outcome.FAILED
    assert replies["bad_requests"].figures["neighbours_failed"] == 0
    answered = probes_field.bad_requests(field)
    assert {code[0] for case, code in answered.items() if case.startswith("rest")} == {"4"}
    assert answered["rest: oversize"] == "413"
    assert answered["grpc: unknown model"] == answered["grpc: unknown version"] == "INTERNAL"
    assert answered["grpc: wrong dtype"] == "400", "inside an answer whose status is OK"


def test_the_worker_that_was_killed_came_back(replies: dict[str, Reply]) -> None:
    figures = replies["worker_kill"].figures
    assert figures["workers"] == 1
    assert (number(figures["recovered_s"]) or 0.0) > 0


def test_a_stop_is_measured_with_requests_on_their_way(replies: dict[str, Reply]) -> None:
    """Whether some are lost differs from stop to stop: both were seen."""
    figures = replies["graceful_stop"].figures
    assert figures["requests_in_flight"] != 0
    assert figures["leftovers"] == 0


def test_memory_is_told(replies: dict[str, Reply]) -> None:
    probes_field.assert_memory_is_told(replies)
