"""Every probe against a server that does what it is told: what it finds, and by which figures."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.core import files, registry
from evaluator.core.errors import FwevalError, Unavailable, Unsupported
from evaluator.core.metrics import number
from evaluator.core.outcome import Outcome
from evaluator.core.records import Signature, TensorSpec
from evaluator.core.tensors import Array, Arrays
from serving.contract import Bundle, Ports
from serving.errors import BundleError, NotReady, ServerError
from serving.load.calls import Call
from serving.probes._mistakes import wrong_inputs
from serving.probes._shipped import is_loopback
from serving.probes._under_load import Noticed
from serving.probes.bad_requests import right
from serving.probes.memory_growth import MATERIAL_BYTES, growth, judge
from serving.probes.metrics_present import samples
from serving.probing import REPLIES, Field, Harm, Probe, Reply, ask_all, by_wire, passed
from tests import scripted_server
from tests.scripted_server import SIGNATURE, ScriptedAdmin, ScriptedLauncher, ScriptedRunning, ScriptedServer, X
from tests.waiting import until

Make = Callable[..., Field]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Field] = []

    def one(server: ScriptedServer, prepare: Callable[[ScriptedRunning], Any] = lambda running: None) -> Field:
        made.append(scripted_server.field(server, tmp_path, prepare))
        return made[-1]

    yield one
    for field in made:
        field.close()
        server = field.server
        assert isinstance(server, ScriptedServer)
        assert not any(running.is_alive for running in server.launched), "a server was left running"


def ask(name: str, field: Field) -> Reply:
    field.folder.mkdir(parents=True, exist_ok=True)
    probe: Probe = registry.load("probe", name)
    return probe.ask(field)


def probe(called: str, hurts: Harm, does: Callable[[Field], Reply]) -> Probe:
    class Made(Probe):
        name, title, question, risk, harm = called, called, f"{called}?", "low", hurts

        def ask(self, field: Field) -> Reply:
            return does(field)

    return Made()


def raises(error: Exception) -> Callable[[Field], Reply]:
    def does(field: Field) -> Reply:
        raise error

    return does


# The field, and asking all


def test_the_harmless_come_first_and_every_reply_is_kept(make: Make) -> None:
    field = make(ScriptedServer())
    seen: list[list[str]] = []

    def does(field: Field) -> Reply:
        written = field.folder / REPLIES
        seen.append(sorted(files.read_record(written, dict)) if written.exists() else [])
        return passed("fine", answered=1)

    probes = [
        probe("a", "ends", does),
        probe("e", "kills", does),
        probe("b", "changes", does),
        probe("c", "none", does),
        probe("d", "none", does),
    ]
    told: list[str] = []
    replies = ask_all(field, probes, lambda probe, reply: told.append(probe.name))
    assert list(replies) == told == ["c", "d", "b", "e", "a"]
    assert seen == [[], ["c"], ["c", "d"], ["b", "c", "d"], ["b", "c", "d", "e"]]
    kept = files.read_record(field.folder / REPLIES, dict[str, Reply])
    assert kept == replies


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (Unsupported("no", remedy="buy"), Outcome.UNSUPPORTED, "no"),
        (Unavailable("no", remedy="buy"), Outcome.UNAVAILABLE, "no"),
        (FwevalError("no", remedy="buy"), Outcome.FAILED, "no"),
        (NotReady("it ended; it last wrote:\nlots\nof lines", remedy="buy"), Outcome.FAILED, "it ended"),
    ],
)
def test_what_a_probe_raises_is_its_reply(make: Make, error: FwevalError, outcome: Outcome, reason: str) -> None:
    replies = ask_all(make(ScriptedServer()), [probe("a", "none", raises(error))])
    assert replies == {"a": Reply(outcome=outcome, reason=reason, remedy="buy", figures={})}


def test_a_bug_of_ours_is_no_reply_and_leaves_no_server(make: Make) -> None:
    field = make(ScriptedServer())

    def does(field: Field) -> Reply:
        assert field.service.running.alive()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask_all(field, [probe("a", "none", does)])
    assert isinstance(field.server, ScriptedServer)
    assert [running.is_alive for running in field.server.launched] == [False]


def test_the_shared_instance_is_replaced_when_it_has_died(make: Make) -> None:
    field = make(ScriptedServer())
    first = field.service
    assert field.service is first
    first.running.kill()
    second = field.service
    assert second is not first
    assert second.running.alive()


def test_the_shared_instance_is_replaced_when_it_answers_wrongly(make: Make) -> None:
    class Breaks(ScriptedServer):
        def answer(self, running: ScriptedRunning, bundle: Bundle, request: dict[str, Array]) -> Arrays:
            return {"y": 2 * X if running is self.launched[-1] and len(self.launched) > 1 else 3 * X}

    field = make(Breaks())
    first = field.service
    problem = field.problem(first)
    assert problem is not None
    assert problem.code == "WRONG"
    assert field.service is not first


def test_a_restart_keeps_the_ports(make: Make) -> None:
    field = make(ScriptedServer())
    before = field.service
    ended, new = field.restart()
    assert ended is before
    assert ended.stop_s == 0.25
    assert new.ports == before.ports


# What callers notice


def test_gaps_and_failures_are_counted_exactly() -> None:
    calls = (
        Call(0.0, 1.0, None),
        Call(1.0, 0.5, None),
        Call(1.5, 0.1, "500"),
        Call(2.0, 2.0, None),
        Call(4.0, 0.1, "WRONG"),
    )
    noticed = Noticed(begin=0.5, end=5.0, calls=calls)
    assert noticed.longest_gap_s == 2.5  # from 1.5 to 4
    assert noticed.call_s == 1.0
    assert noticed.figures() == {
        "requests_answered": 3,
        "requests_failed": 1,
        "requests_wrong": 1,
        "longest_gap_s": 2.5,
    }
    assert noticed.summary() == "2 of 5 requests failed (500, WRONG)"


def test_no_answer_at_all_is_one_gap() -> None:
    assert Noticed(begin=1.0, end=4.0, calls=()).longest_gap_s == 3.0


def test_each_mistake_is_one_mistake() -> None:
    signature = Signature(
        inputs=(
            TensorSpec(name="x", dtype="float32", shape=(None, 5, 3)),
            TensorSpec(name="flag", dtype="bool", shape=(None,)),
        ),
        outputs=SIGNATURE.outputs,
    )
    good = {"x": np.zeros((1, 5, 3), np.float32), "flag": np.zeros(1, np.bool_)}
    found = wrong_inputs(signature, good)
    assert {name: sorted(arrays) for name, arrays in found.items()} == {
        "wrong rank": ["flag", "x"],
        "wrong dtype": ["flag", "x"],
        "wrong name": ["flag", "not_x"],
        "missing input": ["flag"],
        "wrong shape": ["flag", "x"],
    }
    assert found["wrong rank"]["x"].shape == (1, 5, 3, 1)
    assert found["wrong dtype"]["x"].dtype == np.bool_
    assert found["wrong shape"]["x"].shape == (1, 5, 4)


def test_a_signature_whose_sizes_are_free_has_no_wrong_shape() -> None:
    free = Signature(inputs=(TensorSpec(name="t", dtype="bool", shape=(None, None)),), outputs=SIGNATURE.outputs)
    found = wrong_inputs(free, {"t": np.zeros((1, 4), np.bool_)})
    assert "wrong shape" not in found
    assert found["wrong dtype"]["t"].dtype == np.float32


# Changes of the version


@pytest.mark.parametrize(("name", "version"), [("hot_swap", 2), ("roll_back", 1)])
def test_a_change_that_nobody_notices_passes(make: Make, name: str, version: int) -> None:
    reply = ask(name, make(ScriptedServer()))
    assert reply.outcome is Outcome.PASSED, reply
    assert reply.figures["answering_version"] == version
    assert reply.figures["requests_failed"] == reply.figures["requests_wrong"] == 0


@pytest.mark.parametrize("name", ["hot_swap", "roll_back"])
@pytest.mark.parametrize("wrong", [True, False])
def test_a_change_that_costs_requests_fails(make: Make, name: str, *, wrong: bool) -> None:
    class Slow(ScriptedAdmin):
        def deploy(self, artifact: Path, version: int) -> None:
            super().deploy(artifact, version)
            self._change("hot_swap")

        def roll_back(self, version: int) -> None:
            super().roll_back(version)
            self._change("roll_back")

        def _change(self, now: str) -> None:
            if now == name:
                server.changing = True
                until(lambda: server.noticed)
                server.changing = False

    class Server(ScriptedServer):
        changing = noticed = False

        def operator(self) -> ScriptedAdmin:
            return Slow(self.last)

        def answer(self, running: ScriptedRunning, bundle: Bundle, request: dict[str, Array]) -> Arrays:
            if not self.changing:
                return super().answer(running, bundle, request)
            self.noticed = True
            if wrong:
                return {"y": X}
            raise ServerError("INTERNAL", "changing")

    server = Server()
    reply = ask(name, make(server))
    assert reply.outcome is Outcome.FAILED
    assert (reply.figures["requests_wrong"] != 0) == wrong
    assert (reply.figures["requests_failed"] == 0) == wrong
    assert ("WRONG" if wrong else "INTERNAL") in reply.reason


def test_a_deployment_that_does_not_answer_fails(make: Make) -> None:
    class Lazy(ScriptedAdmin):
        def deploy(self, artifact: Path, version: int) -> None:
            """Do nothing."""

    class Server(ScriptedServer):
        def operator(self) -> ScriptedAdmin:
            return Lazy(self.last)

    reply = ask("hot_swap", make(Server()))
    assert reply.outcome is Outcome.FAILED
    assert reply.figures["answering_version"] == 1


# Deaths


def test_a_server_without_workers_is_not_asked(make: Make) -> None:
    field = make(ScriptedServer())
    assert ask("worker_kill", field).outcome is Outcome.NOT_APPLICABLE
    assert isinstance(field.server, ScriptedServer)
    assert field.server.last.killed == []


def test_a_worker_that_is_replaced_passes(make: Make) -> None:
    class Supervised(ScriptedAdmin):
        def workers(self) -> tuple[int, ...]:
            if 7 in self._running.killed:
                self._running.workers = (8, 9)
            return super().workers()

    class Server(ScriptedServer):
        def operator(self) -> ScriptedAdmin:
            return Supervised(self.last)

    field = make(Server(), lambda running: setattr(running, "workers", (7, 8)))
    reply = ask("worker_kill", field)
    assert reply.outcome is Outcome.PASSED, reply
    assert reply.figures["workers"] == 2
    assert isinstance(field.server, ScriptedServer)
    assert field.server.last.killed == [7]


def test_a_death_that_fails_the_requests_of_others_fails(make: Make) -> None:
    class Server(ScriptedServer):
        failures = 3  # one more than there are callers

        def operator(self) -> ScriptedAdmin:
            self.last.workers = (8,) if 7 in self.last.killed else (7,)
            return ScriptedAdmin(self.last)

        def answer(self, running: ScriptedRunning, bundle: Bundle, request: dict[str, Array]) -> Arrays:
            if 7 in running.killed and self.failures > 0:
                self.failures -= 1
                if self.failures == 0:  # before that, nobody but the callers asks
                    running.workers = (8,)
                raise ServerError("500", "Worker died.")
            return super().answer(running, bundle, request)

    reply = ask("worker_kill", make(Server()))
    assert reply.outcome is Outcome.FAILED, reply
    assert reply.figures["requests_failed"] == 3
    assert "500" in reply.reason


def test_a_killed_server_that_leaves_nothing_passes(make: Make) -> None:
    field = make(ScriptedServer())
    reply = ask("server_kill", field)
    assert reply.outcome is Outcome.PASSED, reply
    assert isinstance(field.server, ScriptedServer)
    assert field.server.launched[0].killed == [None]
    assert reply.figures["requests_lost"] in {1, 2}  # one for each caller that had one on its way
    assert len(field.server.launched) == 2


def test_a_killed_server_that_leaves_something_fails(make: Make) -> None:
    reply = ask("server_kill", make(ScriptedServer(), lambda running: setattr(running, "left", ("process 7 (java)",))))
    assert reply.outcome is Outcome.FAILED
    assert "process 7 (java)" in reply.reason
    assert reply.figures["leftovers"] == 1


@pytest.mark.parametrize("drains", [True, False])
def test_what_is_on_its_way_when_the_server_is_told_to_stop(make: Make, *, drains: bool) -> None:
    class Server(ScriptedServer):
        def answer(self, running: ScriptedRunning, bundle: Bundle, request: dict[str, Array]) -> Arrays:
            if running.calls > 8:  # the first are answered at once, later ones are on their way when it is told
                until(lambda: not running.is_alive)
            if not running.is_alive and not drains:
                raise ServerError("UNAVAILABLE", "Socket closed")
            return super().answer(running, bundle, request)

    field = make(Server())
    field.seconds = 0.4  # time for the callers to begin
    reply = ask("graceful_stop", field)
    assert reply.outcome is (Outcome.PASSED if drains else Outcome.FAILED), reply
    in_flight = reply.figures["requests_in_flight"]
    assert in_flight != 0
    assert reply.figures["requests_lost"] == (0 if drains else in_flight)
    assert reply.figures["stop_s"] == 0.25


# Bad requests


@pytest.mark.parametrize(
    ("wire", "code", "fine"),
    [
        ("rest", "400", True),
        ("rest", "404", True),
        ("rest", "413", True),
        ("rest", "200", False),
        ("rest", "500", False),
        ("rest", "503", False),
        ("rest", "UNREACHABLE", False),
        ("grpc", "INVALID_ARGUMENT", True),
        ("grpc", "NOT_FOUND", True),
        ("grpc", "INTERNAL", False),
        ("grpc", "400", False),
        ("grpc", "UNAVAILABLE", False),
    ],
)
def test_whose_fault_a_code_says_it_is(wire: str, code: str, *, fine: bool) -> None:
    assert right(wire, code) is fine


def test_a_server_that_refuses_everything_rightly_passes(make: Make) -> None:
    reply = ask("bad_requests", make(ScriptedServer()))
    assert reply.outcome is Outcome.PASSED, reply
    assert reply.figures["bad_requests"] == reply.figures["refused_rightly"] == 8
    assert reply.figures["server_deaths"] == 0


def test_a_wrong_code_is_named(make: Make) -> None:
    class Server(ScriptedServer):
        def answer(self, running: ScriptedRunning, bundle: Bundle, request: dict[str, Array]) -> Arrays:
            if bundle.version is not None:
                raise ServerError("INTERNAL", "no such version")
            return super().answer(running, bundle, request)

    reply = ask("bad_requests", make(Server()))
    assert reply.outcome is Outcome.FAILED
    assert reply.figures["refused_rightly"] == 7
    assert "gRPC unknown version: INTERNAL" in reply.reason


def test_a_server_that_dies_of_a_request_is_restarted_and_told_on(make: Make) -> None:
    class Server(ScriptedServer):
        def answer(self, running: ScriptedRunning, bundle: Bundle, request: dict[str, Array]) -> Arrays:
            if "x" in request and request["x"].ndim > 2:
                running.kill()
                raise ServerError("UNAVAILABLE", "Socket closed")
            return super().answer(running, bundle, request)

    field = make(Server())
    reply = ask("bad_requests", field)
    assert reply.outcome is Outcome.FAILED
    assert reply.figures["server_deaths"] == 1
    assert reply.figures["refused_rightly"] == 7
    assert "wrong rank: UNAVAILABLE; then the server was gone" in reply.reason
    assert isinstance(field.server, ScriptedServer)
    assert len(field.server.launched) == 2


@pytest.mark.parametrize("careful", [True, False])
def test_neighbours_of_a_bad_request(make: Make, *, careful: bool) -> None:
    class Server(ScriptedServer):
        bad = 0

        def answer(self, running: ScriptedRunning, bundle: Bundle, request: dict[str, Array]) -> Arrays:
            if not careful and request["x"].shape == X.shape and self.bad < 4:
                self.bad += 1
                raise ServerError("INTERNAL", "the batch failed")
            return super().answer(running, bundle, request)

    field = make(Server())
    reply = ask("batch_neighbours", field)
    assert reply.outcome is (Outcome.PASSED if careful else Outcome.FAILED)
    assert reply.figures == {
        "rounds": 3,
        "neighbours": 21,
        "neighbours_failed": 0 if careful else 4,
        "bad_accepted": 0,
    }
    assert isinstance(field.server, ScriptedServer)
    batching = field.server.last.setup.batching
    assert batching is not None
    assert batching.max_size == 8


# Starts


def test_an_honest_start_passes(make: Make) -> None:
    reply = ask("cold_start", make(ScriptedServer()))
    assert reply.outcome is Outcome.PASSED
    assert reply.figures["healthy_lead_s"] == 0
    assert reply.figures["starts"] == 1


def test_a_health_endpoint_that_runs_ahead_fails(make: Make) -> None:
    class Server(ScriptedServer):
        begin = 0.0

        def ready(self, bundle: Bundle, ports: Ports) -> bool:
            self.begin = self.begin or time.perf_counter()
            return time.perf_counter() - self.begin > 1.0

    field = make(Server())
    field.ready_within_s = 5.0
    reply = ask("cold_start", field)
    assert reply.outcome is Outcome.FAILED
    assert (number(reply.figures["healthy_lead_s"]) or 0.0) > 0.5


def test_a_server_that_never_becomes_ready(make: Make) -> None:
    class Server(ScriptedServer):
        def ready(self, bundle: Bundle, ports: Ports) -> bool:
            return False

    with pytest.raises(NotReady, match="not ready after"):
        ask("cold_start", make(Server()))


def test_a_damaged_model_that_ends_the_server_passes(make: Make) -> None:
    damaged: list[bytes] = []

    class Server(ScriptedServer):
        def bundle(self, artifact: Path, signature: Signature, folder: Path) -> Bundle:
            damaged.append(artifact.read_bytes())
            return super().bundle(artifact, signature, folder)

    field = make(Server(), lambda running: running.kill())
    reply = ask("corrupt_bundle", field)
    assert reply.outcome is Outcome.PASSED, reply
    assert damaged == [b"01234"]
    assert field.artifact.read_bytes() == b"0123456789"
    assert not list(field.folder.glob("damaged*"))


def test_a_damaged_model_that_is_served_fails(make: Make) -> None:
    reply = ask("corrupt_bundle", make(ScriptedServer()))
    assert reply.outcome is Outcome.FAILED
    assert "says that the damaged model is ready" in reply.reason


def test_healthy_without_the_model_fails(make: Make) -> None:
    class Server(ScriptedServer):
        def ready(self, bundle: Bundle, ports: Ports) -> bool:
            raise ServerError("404", "no such model")

    reply = ask("corrupt_bundle", make(Server()))
    assert reply.outcome is Outcome.FAILED
    assert reply.reason == "its health endpoint says healthy without the model"
    assert reply.figures["healthy"] is True


def test_a_damaged_model_that_cannot_be_packed_passes(make: Make) -> None:
    class Server(ScriptedServer):
        def bundle(self, artifact: Path, signature: Signature, folder: Path) -> Bundle:
            raise BundleError("it is cut short")

    field = make(Server())
    reply = ask("corrupt_bundle", field)
    assert reply.outcome is Outcome.PASSED
    assert "it is cut short" in reply.reason
    assert isinstance(field.server, ScriptedServer)
    assert field.server.launched == []


# Memory, metrics, defaults


def test_the_slope_is_in_bytes_per_thousand_requests() -> None:
    served = list(range(0, 400, 20))
    assert growth(served, [5_000 + 7 * count for count in served]) == (7_000, 7_000, 7_000)


def test_level_memory_has_no_slope_also_where_samples_saw_nothing_served_between_them() -> None:
    assert growth([0, 40, 40, 40, 40, 80], [7_000] * 6) == (0, 0, 0)


@pytest.mark.parametrize(
    ("factor", "seconds", "outcome"),
    [
        (0.0, 2.0, Outcome.PASSED),
        (0.9, 2.0, Outcome.PASSED),
        (1.1, 2.0, Outcome.UNAVAILABLE),
        (1.1, 30.0, Outcome.FAILED),
        (-5.0, 30.0, Outcome.PASSED),
    ],
)
def test_what_growth_is_material(factor: float, seconds: float, outcome: Outcome) -> None:
    served = list(range(0, 800, 20))
    memory = [(1 << 30) + round(factor * MATERIAL_BYTES * count / 1_000) for count in served]
    reply = judge(served, memory, seconds)
    assert reply.outcome is outcome
    assert number(reply.labelled[0].value) == pytest.approx(factor * MATERIAL_BYTES, abs=100)


def test_growth_that_ends_with_the_warm_up_is_none() -> None:
    served = list(range(0, 800, 20))
    assert judge(served, [min(count, 400) << 20 for count in served], 30.0).outcome is Outcome.PASSED


def test_too_few_requests_tell_nothing_of_growth() -> None:
    reply = judge([0, 1, 1, 1], [1, 2, 3, 4], 30.0)
    assert reply.outcome is Outcome.UNAVAILABLE
    assert reply.figures == {"memory_bytes": 4, "requests": 1, "soak_s": 30.0}, "what was seen is told"


def test_memory_is_sampled_under_load(make: Make) -> None:
    field = make(ScriptedServer(), lambda running: setattr(running, "memory", lambda: 2_000_000))
    field.seconds = 0.5  # calls enough for a slope, however busy this machine is
    reply = ask("memory_growth", field)
    assert reply.outcome is Outcome.PASSED, reply
    assert reply.figures["memory_bytes"] == 2_000_000
    assert reply.labelled[0].value == 0


def test_samples_of_one_name_are_summed() -> None:
    text = '# TYPE a counter\na_total{m="1"} 2\na_total{m="2"} 3\n# TYPE b gauge\nb 7\n'
    assert samples(text) == {"a_total": 5, "b": 7}


def test_a_counter_that_counts_is_found(make: Make) -> None:
    reply = ask("metrics_present", make(ScriptedServer()))
    assert reply.outcome is Outcome.PASSED
    assert reply.figures["request_counter"] == ("calls_total",)
    assert reply.figures["latency_histogram"] == ()
    assert "percentiles must come from clients" in reply.reason


def test_a_histogram_that_counts_is_found(make: Make) -> None:
    class Admin(ScriptedAdmin):
        def metrics(self) -> str:
            count = self._running.calls
            return f'# TYPE t histogram\nt_bucket{{le="+Inf"}} {count}\nt_count {count}\nt_sum 1\n'

    class Server(ScriptedServer):
        def operator(self) -> ScriptedAdmin:
            return Admin(self.last)

    reply = ask("metrics_present", make(Server()))
    assert reply.outcome is Outcome.PASSED
    assert reply.figures["latency_histogram"] == ("t_count",)


def test_metrics_that_do_not_move_fail(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    class Admin(ScriptedAdmin):
        def metrics(self) -> str:
            return "# TYPE calls counter\ncalls_total 5\n"

    class Server(ScriptedServer):
        def operator(self) -> ScriptedAdmin:
            return Admin(self.last)

    monkeypatch.setattr("serving.probes.metrics_present._WITHIN_S", 0.1)
    assert ask("metrics_present", make(Server())).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("UNAUTHENTICATED", Outcome.PASSED),
        ("PERMISSION_DENIED", Outcome.PASSED),
        (None, Outcome.FAILED),
        ("INTERNAL", Outcome.FAILED),
    ],
)
def test_calls_without_credentials(make: Make, code: str | None, outcome: Outcome) -> None:
    class Server(ScriptedServer):
        def answer(self, running: ScriptedRunning, bundle: Bundle, request: dict[str, Array]) -> Arrays:
            if running.calls == 1:
                raise ServerError("UNAVAILABLE", "no worker yet")
            if code is not None:
                raise ServerError(code, "no")
            return super().answer(running, bundle, request)

    field = make(Server())
    reply = ask("authentication", field)
    assert reply.outcome is outcome
    assert reply.labelled == by_wire("answered", {"grpc": code or "answered"})
    assert isinstance(field.server, ScriptedServer)
    assert field.server.last.setup.defaults


def test_a_call_into_a_container_does_not_reach_its_loopback(make: Make) -> None:
    class Server(ScriptedServer):
        def answer(self, running: ScriptedRunning, bundle: Bundle, request: dict[str, Array]) -> Arrays:
            raise ServerError("UNAVAILABLE", "reset by peer")

    field = make(Server())
    assert isinstance(field.launcher, ScriptedLauncher)
    field.launcher.contained = True
    with pytest.raises(Unavailable, match="loopback inside its container"):
        ask("authentication", field)


def test_a_container_may_be_exposed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    class Server(ScriptedServer):
        def exposed_by_default(self, launcher: str) -> bool:
            return True

    monkeypatch.setattr("serving.probes.exposure._SETTLED_S", 0.1)
    field = make(Server(), lambda running: setattr(running, "sockets", ("0.0.0.0:80",)))
    assert isinstance(field.launcher, ScriptedLauncher)
    field.launcher.contained = True
    assert ask("exposure", field).figures["exposed"] == 1


@pytest.mark.parametrize("name", ["authentication", "exposure"])
def test_a_server_that_would_be_exposed_is_never_started(make: Make, name: str) -> None:
    class Server(ScriptedServer):
        def exposed_by_default(self, launcher: str) -> bool:
            return True

    field = make(Server())
    with pytest.raises(Unavailable, match="would listen beyond this machine"):
        ask(name, field)
    assert isinstance(field.server, ScriptedServer)
    assert field.server.launched == []


@pytest.mark.parametrize(
    ("sockets", "exposed"),
    [(("127.0.0.1:80", "[::1]:81", "::ffff:127.0.0.1:82"), 0), (("127.0.0.1:80", "0.0.0.0:81", ":::82"), 2)],
)
def test_sockets_beyond_the_machine_are_counted(
    make: Make, monkeypatch: pytest.MonkeyPatch, sockets: tuple[str, ...], exposed: int
) -> None:
    monkeypatch.setattr("serving.probes.exposure._SETTLED_S", 0.1)
    reply = ask("exposure", make(ScriptedServer(), lambda running: setattr(running, "sockets", sockets)))
    assert reply.outcome is (Outcome.FAILED if exposed else Outcome.PASSED)
    assert reply.figures["exposed"] == exposed


@pytest.mark.parametrize(
    ("listening", "loopback"),
    [("127.0.0.1:80", True), ("127.8.8.8:80", True), (":::80", False), ("::ffff:10.0.0.1:80", False), ("::1:80", True)],
)
def test_which_addresses_are_loopback(listening: str, *, loopback: bool) -> None:
    assert is_loopback(listening) is loopback
