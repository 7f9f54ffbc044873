"""Which path to take: who answers which question, who is the best, what separates the next, and who takes no part."""

import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from evaluator.core import registry
from evaluator.core.outcome import Outcome
from evaluator.core.records import Figure, Metrics, Result
from evaluator.core.scorecard import PathChoice
from evaluator.judging import choosing
from evaluator.judging.evidence import Entry, Evidence
from evaluator.judging.questions import QUESTIONS
from evaluator.report import _terminal, html, markdown
from evaluator.report.sections.paths import plugin as section
from tests import fakes

ON_CPU = {"stage": "run", "device": "cpu"}
TORCHSCRIPT = "PyTorch → TorchScript → torch.jit, fp32"
SAVED_MODEL = "TensorFlow → SavedModel → TensorFlow, fp32"
ONNX = "PyTorch → ONNX → ONNX Runtime, fp32"
ONNX_TF = "TensorFlow → ONNX → ONNX Runtime, fp32"
EAGER = "pytorch_eager"


def run_of(seconds: Mapping[str, float], rounds: int = 3) -> Evidence:
    """Return a run in which runtimes took these seconds on the CPU."""
    run = fakes.complete_run(rounds=rounds)
    for runtime, each in seconds.items():
        run = fakes.resample(run, fakes.is_step(**ON_CPU, runtime=runtime), "latency", (each,) * 45)
    return run


def chosen(run: Evidence, question: str, device: str = "cpu") -> PathChoice:
    (found,) = (c for c in choosing.choices(run) if (c.question, c.device) == (question, device))
    return found


def best(choice: PathChoice) -> list[str]:
    return [each.title for each in choice.best]


def with_eager(run: Evidence, seconds: float, *, known: bool = True) -> Evidence:
    """Add the origin as it is, measured in the same turns as TorchScript: no artifact, no proof."""
    jit = [e for e in run.entries if fakes.is_step(**ON_CPU, runtime="torch_jit", control=False)(e.step)]
    changes = {"format": None, "exporter": None, "precision": None, "runtime": EAGER, "standard": False}
    eager = [
        dataclasses.replace(
            each,
            step=msgspec.structs.replace(each.step, id=f"eager-{each.step.round}", **changes),
            folder=f"steps/eager-{each.step.round}",
        )
        for each in jit
    ]
    titles = {**run.catalogue.titles, "runtime": {EAGER: "PyTorch (eager)"}}
    catalogue = msgspec.structs.replace(run.catalogue, titles=titles, baselines=(EAGER,) if known else ())
    more = dataclasses.replace(run, entries=(*run.entries, *eager), catalogue=catalogue)
    return fakes.resample(more, fakes.is_step(runtime=EAGER), "latency", (seconds,) * 45)


LEVELS = {"torch_jit": 0.010, "tensorflow": 0.020, "onnx_runtime": 0.0102}


def test_every_question_is_answered_or_said_to_be_unasked() -> None:
    found = choosing.choices(fakes.complete_run())
    assert [(c.question, c.device) for c in found if c.device == "cpu"] == [(q.name, "cpu") for q in QUESTIONS]
    browser = chosen(fakes.complete_run(), "browser")
    assert (browser.best, browser.separates) == ((), "not asked in this run: fweval export --matrix")
    assert choosing.choices(fakes.empty_run()) == ()


def test_the_best_cannot_be_told_apart_and_the_next_is_so_many_times_behind() -> None:
    found = chosen(run_of(LEVELS), "server_answer")
    assert best(found) == [TORCHSCRIPT, ONNX, ONNX_TF]
    assert [(each.answer, each.baseline) for each in found.best] == [(None, False), *[("equivalent", False)] * 2]
    (next_one,) = found.others
    assert (next_one.title, next_one.answer) == (SAVED_MODEL, "different")
    assert next_one.figure is not None
    assert next_one.ratio is not None
    assert next_one.figure.value == pytest.approx(0.020)
    assert next_one.ratio.value == pytest.approx(2)
    assert found.separates == f"equivalent within ±5 %; the next, {SAVED_MODEL}, takes 2.00 times as long"


def test_formats_for_phones_answer_for_phones_only() -> None:
    run = fakes.complete_run()
    server, phone = chosen(run, "server_answer"), chosen(run, "phone")
    formats = {each.format for each in (*server.best, *server.others)}
    assert formats == {"torchscript", "savedmodel", "onnx"}
    assert {each.format for each in (*phone.best, *phone.others)} == {"torchmobile", "tflite", "onnx"}
    assert "a stand-in for a phone" in phone.caution


def test_what_was_not_measured_in_turns_is_undecided_and_the_best_figure_comes_first() -> None:
    found = chosen(fakes.complete_run(), "phone")
    assert found.best[0].figure is not None
    assert found.best[0].figure.value == pytest.approx(0.024)
    assert (found.others, found.unranked) == ((), ())
    assert found.separates == "undecided between 5: too little was measured for an interval"
    assert {each.answer for each in found.best[1:]} == {"undecided"}


def test_as_it_is_takes_part_without_a_proof() -> None:
    found = chosen(with_eager(run_of(LEVELS), 0.030), "server_answer")
    assert best(found) == [TORCHSCRIPT, ONNX, ONNX_TF]
    eager = found.others[-1]
    assert (eager.title, eager.baseline, eager.runtime) == ("PyTorch as it is", True, EAGER)
    assert eager.ratio is not None
    assert eager.ratio.value == pytest.approx(3)
    first = chosen(with_eager(run_of(LEVELS), 0.005), "server_answer")
    assert best(first) == ["PyTorch as it is"]
    assert first.separates.startswith(f"the next, {TORCHSCRIPT}, takes 2.00 times as long")
    unknown = chosen(with_eager(run_of(LEVELS), 0.005, known=False), "server_answer")
    assert best(unknown) == [TORCHSCRIPT, ONNX, ONNX_TF], "what is no baseline needs a proof"


def test_what_is_wrong_or_not_proven_takes_no_part_and_is_counted_with_its_reason() -> None:
    proof = fakes.is_step(stage="verify", runtime="torch_jit")
    broken = fakes.end(run_of(LEVELS), proof, Outcome.FAILED)
    assert [each.why for each in chosen(broken, "server_answer").absent] == ["failed in the runtime"], (
        "nothing compared"
    )
    run = fakes.change(broken, proof, tolerance=1e-4)
    run = fakes.end(run, fakes.is_step(stage="verify", runtime="tensorflow"), Outcome.UNSUPPORTED)
    found = chosen(run, "server_answer")
    assert best(found) == [ONNX, ONNX_TF]
    assert {each.why: each.titles for each in found.absent} == {
        "computes something else": (TORCHSCRIPT,),
        "refused by the runtime": (SAVED_MODEL,),
    }
    smallest = chosen(run, "smallest")
    assert "PyTorch → TorchScript, fp32" not in best(smallest), "a broken artifact may be tiny"
    gone = fakes.end(run_of(LEVELS), fakes.is_step(stage="export", format="torchscript"), Outcome.FAILED)
    assert [(each.why, each.titles) for each in chosen(gone, "server_answer").absent] == [
        ("not exported", (TORCHSCRIPT,))
    ]
    crashed = fakes.end(run_of(LEVELS), fakes.is_step(**ON_CPU, runtime="torch_jit", round=2), Outcome.CRASHED)
    assert [each.why for each in chosen(crashed, "server_answer").absent] == ["not measured"]


def test_who_is_too_disturbed_is_not_ranked() -> None:
    run = fakes.disturb(run_of(LEVELS, rounds=1), fakes.is_step(**ON_CPU, runtime="torch_jit"), range(14))
    found = chosen(run, "server_answer")
    assert best(found) == [ONNX, ONNX_TF]
    assert [each.title for each in found.unranked] == [TORCHSCRIPT]
    unlike = tuple(0.010 if turn % 4 in (1, 2) else 0.013 for turn in range(15))
    itself = fakes.resample(run_of(LEVELS, rounds=1), fakes.is_step(**ON_CPU, runtime="torch_jit"), "latency", unlike)
    assert [each.title for each in chosen(itself, "server_answer").unranked] == [TORCHSCRIPT]
    everyone = fakes.disturb(run_of(LEVELS, rounds=1), lambda step: step.stage == "run", range(14))
    nobody = chosen(everyone, "server_answer")
    assert (nobody.best, len(nobody.unranked)) == ((), 4)
    assert nobody.separates.startswith("too disturbed to rank: ")


def test_the_smallest_is_counted_and_exact() -> None:
    run = fakes.change(fakes.complete_run(), fakes.is_step(stage="export", format="tflite"), size_bytes=25_000_000)
    found = chosen(run, "smallest")
    assert best(found) == ["TensorFlow → TFLite, fp32"]
    next_one = found.others[0]
    assert next_one.ratio is not None
    assert next_one.ratio.value == next_one.ratio.low == pytest.approx(int(1.01 * 94.3e6) / 25e6)
    assert found.separates.endswith("is 3.81 times as large")


def test_the_least_memory_is_that_of_a_process() -> None:
    steps = fakes.is_step(**ON_CPU, runtime="tflite_runtime")
    found = chosen(fakes.change(fakes.complete_run(), steps, peak_rss_bytes=100_000_000), "least_memory")
    assert best(found) == ["TensorFlow → TFLite → tflite-runtime, fp32"]
    assert "takes 4.64 times as much" in found.separates


def test_a_stand_in_is_no_path() -> None:
    found = chosen(fakes.complete_run(), "server_load")
    assert best(found) == ["PyTorch → TorchScript → TorchServe (process on this machine), fp32"]
    assert "a stand-in answered for the server" in {each.why for each in found.absent}
    served = chosen(fakes.really_served(), "server_load")
    assert len((*served.best, *served.others)) == 2


def test_wrong_answers_through_a_wire_are_no_path() -> None:
    wrong = Figure(name="max_rel_diff", value=0.5, labels={"wire": "rest"})
    run = fakes.change(fakes.complete_run(), fakes.is_step(stage="serve", server="torchserve"), wrong)
    run = fakes.end(run, fakes.is_step(stage="serve", launcher="container"), Outcome.UNAVAILABLE)
    found = chosen(run, "server_load")
    assert found.best == ()
    assert "computes something else" in {each.why for each in found.absent}


def test_in_browsers_proof_is_what_there_is() -> None:
    run = fakes.complete_run()
    (proof,) = (
        each
        for each in run.select("verify", framework="pytorch", format="onnx", device="cpu")
        if each.step.runtime == "onnx_runtime"
    )

    def in_browser(name: str, framework: str, outcome: Outcome, figures: Metrics) -> Entry:
        step = msgspec.structs.replace(proof.step, id=name, runtime=name, framework=framework, standard=False)
        result = Result(step=name, outcome=outcome, metrics=figures)
        return dataclasses.replace(proof, step=step, result=result, folder=f"steps/{name}", samples={})

    more = (
        in_browser("ort_web_chromium", "pytorch", Outcome.PASSED, {"latency_in_js_s": 0.004}),
        in_browser("ort_web_node", "pytorch", Outcome.PASSED, {}),
        in_browser("tfjs_chromium", "tensorflow", Outcome.FAILED, {"tolerance": 1e-4}),
    )
    names = tuple(each.step.id for each in more)
    catalogue = msgspec.structs.replace(run.catalogue, browsers=names)
    run = dataclasses.replace(run, entries=(*run.entries, *more), catalogue=catalogue)
    found = chosen(run, "browser")
    assert [each.runtime for each in found.best] == ["ort_web_chromium", "ort_web_node"]
    assert [each.figure is None for each in found.best] == [False, True]
    assert [each.why for each in found.absent] == ["computes something else"]
    assert "undecided between 2" in found.separates
    assert all(each.runtime not in names for each in chosen(run, "server_answer").best)


def test_a_variant_is_a_path_of_its_own() -> None:
    run = run_of(LEVELS)
    entry = next(e for e in run.select("run", runtime="torch_jit", device="cpu") if e.step.round == 1)
    step = msgspec.structs.replace(entry.step, id="v", variant="one_thread")
    varied = dataclasses.replace(entry, step=step, folder="steps/v")
    titles = {**run.catalogue.titles, "variant": {"one_thread": "one thread"}}
    run = dataclasses.replace(
        run, entries=(*run.entries, varied), catalogue=msgspec.structs.replace(run.catalogue, titles=titles)
    )
    run = fakes.resample(run, fakes.is_step(id="v"), "latency", (0.005,) * 45)
    found = chosen(run, "server_answer")
    assert best(found) == [f"{TORCHSCRIPT}, one thread"]


def test_one_candidate_more_changes_no_others_figure() -> None:
    run = run_of(LEVELS)
    fewer = dataclasses.replace(run, entries=tuple(e for e in run.entries if e.step.runtime != "tensorflow"))
    more, less = chosen(run, "server_answer"), chosen(fewer, "server_answer")
    figures = [{each.title: each.figure for each in (*c.best, *c.others)} for c in (more, less)]
    assert figures[1].items() <= figures[0].items()
    assert best(more) == best(less)


def test_web_runtimes_say_that_they_are_for_browsers() -> None:
    runtimes = registry.load_all("runtime")
    assert {each.name for each in runtimes if each.browser} == {
        each.name for each in runtimes if each.environment == "web"
    }


def test_the_first_screen_says_which_path_to_take() -> None:
    card = fakes.scorecard(with_eager(run_of(LEVELS), 0.030))
    page = html.plugin.render(card)
    assert page.index('<section id="paths">') < page.index('<section id="ahead">') < page.index('<section id="scores">')
    assert page.count('id="paths"') == 1
    assert card.decision is not None
    assert page.index(card.decision.statement) < page.index('<section id="paths">')
    text = markdown.plugin.render(card).partition("## Which path to take")[2].partition("\n## ")[0]
    assert f"| Server, one answer | **{TORCHSCRIPT}**: 10.0 ms" in text
    assert "PyTorch as it is: 3.00 times the best" in text
    assert "Not asked in this run: fweval export --matrix" in text
    out = io.StringIO()
    Console(file=out, width=80).print(_terminal.summary(card, Path("x")))
    said = " ".join(out.getvalue().split())
    assert f"Server, one answer {TORCHSCRIPT} (10.0 ms), or 2 more that may be as good" in said
    assert "Best of all candidates" not in said


def test_nothing_is_shown_where_nobody_asked() -> None:
    card = fakes.scorecard(fakes.empty_run())
    assert (section.blocks(card), section.brief(card)) == ((), ())
