from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import msgspec

from evaluator.core import registry
from evaluator.core.outcome import Outcome
from evaluator.judging.evidence import Entry
from tests import fakes


def test_steps_are_selected_by_field_and_path() -> None:
    run = fakes.complete_run()
    found = run.select("verify", framework="tensorflow", path="mobile", device="cpu")
    assert {entry.step.runtime for entry in found} == {"ai_edge_litert", "tflite_runtime"}


def test_repeats_are_kept_apart() -> None:
    run = fakes.complete_run(rounds=2)
    assert len(run.select("run", runtime="torch_jit", device="cpu")) == 2
    assert len(run.select("run", runtime="torch_jit", device="cpu", control=True)) == 2


def test_a_variant_is_never_taken_for_the_default() -> None:
    run = fakes.complete_run(rounds=2)
    first, second = run.select("run", runtime="torch_jit", device="cpu")
    varied = replace(first, step=msgspec.structs.replace(first.step, id="varied", variant="half_threads"))
    run = replace(run, entries=(*run.entries, varied))
    assert run.select("run", runtime="torch_jit", device="cpu") == (first, second)
    assert run.select("run", runtime="torch_jit", variant="half_threads") == (varied,)
    assert (run.variants(first), run.variants(second)) == ((varied,), ())


def test_a_step_that_has_not_ended_is_visible() -> None:
    step = fakes.complete_run().entries[0].step
    entry = Entry.unfinished(step, "steps/x")
    assert entry.result.outcome is Outcome.UNAVAILABLE
    assert entry.result.remedy
    assert not entry.passed


def test_values_are_samples_or_else_the_metric() -> None:
    entry = fakes.complete_run().select("run", runtime="torch_jit", round=1)[0]
    assert len(entry.values("latency")) > 1
    assert entry.values("load_s") == (entry.number("load_s"),)
    assert entry.values("nothing") == ()
    assert entry.number("capped") is None


def test_settings_are_read_from_the_scenario() -> None:
    run = fakes.complete_run()
    assert run.setting("resnet50", "start_tolerance", default=1.0) == 1e-4
    assert run.setting("resnet50", "tolerance", "fp32", default=0.5) == 0.5
    assert run.setting("nobody", "tolerance", default=0.5) == 0.5


def test_a_reference_server_never_passes_for_the_real_one() -> None:
    run = fakes.change(fakes.complete_run(), fakes.is_step(stage="serve", server="torchserve"), reference=True)
    (entry,) = [entry for entry in run.select("serve", server="torchserve") if entry.passed]
    assert run.server(entry) == "TorchServe (process on this machine, reference server)"
    (embedded,) = [entry for entry in run.select("serve", launcher="embedded") if entry.passed]
    assert run.server(embedded).count("reference") == 1


class Counted(tuple[Entry, ...]):
    """Entries that count how often somebody goes through all of them."""

    __slots__ = ()
    walks: ClassVar[int] = 0

    def __iter__(self) -> Iterator[Entry]:
        Counted.walks += 1
        return super().__iter__()


def test_judging_goes_through_all_entries_as_often_for_many_scenarios_as_for_one() -> None:
    """Once for every place was 37 s for 5,000 findings, and four times that for twice as many."""
    walks = []
    for scenarios in (("a",), ("a", "b", "c", "d")):
        run = fakes.complete_run(scenarios=scenarios, rounds=1)
        Counted.walks = 0
        watched = replace(run, entries=Counted(run.entries))
        for check in registry.load_all("check"):
            check.judge(watched)
            check.compare(watched)
        walks.append(Counted.walks)
    assert walks[0] == walks[1]
