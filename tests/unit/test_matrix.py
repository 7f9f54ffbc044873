"""The export matrix is worked out from a run folder: states, diagnoses, and remedies that were tried."""

import io
import json
import re
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console

from evaluator import cli, pipeline
from evaluator.core import catalogue, files, registry
from evaluator.core.matrix import Diagnosis, MatrixCell
from evaluator.core.outcome import Outcome
from evaluator.core.records import Anatomy, Metrics, Result, Step
from evaluator.judging import matrix
from evaluator.judging.evidence import RESULT, Entry, Evidence
from evaluator.planning.selection import Options
from evaluator.report import _matrix, markdown
from evaluator.report import _terminal as terminal
from evaluator.report.html import plugin as html
from evaluator.report.sections import exports, gaps
from evaluator.report.sections import matrix as section
from tests import sample_scorecard

TOO_NEW = "the interpreter refuses model.tflite: Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'."
CARD = sample_scorecard.scorecard()


def entry(stage: str, exporter: str, precision: str, outcome: Outcome | None = Outcome.PASSED, **more: object) -> Entry:
    """Make the entry of a step about a TFLite artifact; with no outcome it has not ended."""
    runtime = more.get("runtime")
    name = "-".join(str(part) for part in (stage, exporter, precision, runtime, more.get("device")) if part)
    step = Step(
        id=name,
        stage=stage,
        scenario="tiny",
        framework="tensorflow",
        format="tflite",
        exporter=exporter,
        precision=precision,
        runtime=None if runtime is None else str(runtime),
        device=str(more.get("device", "cpu")),
        standard=False,
    )
    if outcome is None:
        return Entry.unfinished(step, f"steps/{name}")
    metrics: Metrics = {"size_bytes": 1000, "accuracy": 0.5, "batch_sizes": (1, 3), "peak_rss_bytes": 7}
    if more.get("emulated"):
        metrics["emulated"] = True
    reason = None if outcome is Outcome.PASSED else str(more.get("reason", "it says no"))
    result = Result(step=name, outcome=outcome, reason=reason, metrics=metrics, files={"anatomy": "anatomy.json"})
    return Entry(step=step, result=result, folder=f"steps/{name}", digests={RESULT: "0"})


def build(folder: Path, *entries: Entry) -> dict[tuple[str, str], MatrixCell]:
    evidence = Evidence(run=None, entries=entries, catalogue=catalogue.collect())  # type: ignore[arg-type]  # nothing here asks the run
    return {(cell.exporter, cell.precision): cell for cell in matrix.build(evidence, folder)}


def test_a_runtime_that_refuses_is_explained_with_what_was_tried(tmp_path: Path) -> None:
    cells = build(
        tmp_path,
        entry("export", "keras_tflite", "int8_dynamic"),
        entry("export", "keras_tflite_per_tensor", "int8_dynamic"),
        entry(
            "verify",
            "keras_tflite",
            "int8_dynamic",
            Outcome.UNSUPPORTED,
            runtime="tflite_runtime",
            reason=TOO_NEW,
        ),
        entry("verify", "keras_tflite", "int8_dynamic", runtime="ai_edge_litert"),
        entry("verify", "keras_tflite_per_tensor", "int8_dynamic", runtime="tflite_runtime"),
    )
    cell = cells["keras_tflite", "int8_dynamic"]
    assert cell.state == "passed in part"
    refused, passed = cell.proofs
    assert refused.diagnosis is not None
    assert (refused.diagnosis.kind, refused.diagnosis.culprit) == ("version mismatch", "FULLY_CONNECTED version '12'")
    assert refused.tried == (
        "this artifact in LiteRT (ai-edge-litert): passed",
        "TFLite converter (dense per tensor), int8 dynamic, in tflite-runtime: passed",
    )
    assert passed.diagnosis is None
    assert passed.batch_sizes == (1, 3)
    assert cells["keras_tflite_per_tensor", "int8_dynamic"].state == "passed"


def test_what_one_proof_says_of_an_emulated_device_holds_for_all_on_it(tmp_path: Path) -> None:
    cells = build(
        tmp_path,
        entry("export", "keras_tflite", "fp32"),
        entry("verify", "keras_tflite", "fp32", runtime="tflite_runtime", device="arm64", emulated=True),
        entry("verify", "keras_tflite", "fp32", runtime="tflite_runtime"),
        entry("export", "keras_tflite", "int8"),
        entry("verify", "keras_tflite", "int8", Outcome.FAILED, runtime="tflite_runtime", device="arm64"),
    )
    assert _matrix.runtimes(cells.values()) == (
        ("tflite-runtime", 1, 0, 0),
        ("tflite-runtime on ARM64 (emulated)", 1, 1, 0),
    )


def test_an_export_that_failed_names_other_ways_that_work(tmp_path: Path) -> None:
    folder = tmp_path / "steps" / "export-keras_tflite-int8"
    folder.mkdir(parents=True)
    (folder / "stderr").write_text("noise\nerror: 'tf.Erfc' op is neither a custom op nor a flex op\n")
    cells = build(
        tmp_path,
        entry("export", "keras_tflite", "fp32"),
        entry("verify", "keras_tflite", "fp32", runtime="ai_edge_litert"),
        entry("export", "keras_tflite", "fp16", Outcome.FAILED),
        entry("export", "keras_tflite", "int8", Outcome.FAILED, reason="exporting with TFLite converter: Exception:"),
        entry("export", "keras_tflite_per_tensor", "int8", Outcome.TIMED_OUT),
    )
    cell = cells["keras_tflite", "int8"]
    assert cell.state == "failed"
    assert cell.diagnosis is not None
    assert (cell.diagnosis.kind, cell.diagnosis.culprit) == ("unsupported operator", "tf.Erfc")
    assert cell.tried == (
        "TFLite converter, fp32: passed",
        "TFLite converter (dense per tensor), int8: failed",
    )


def test_what_an_exporter_declares_impossible_is_an_unsupported_precision(tmp_path: Path) -> None:
    said = registry.load("exporter", "keras_tflite_per_tensor").cannot["fp16"]
    cells = build(tmp_path, entry("export", "keras_tflite_per_tensor", "fp16", Outcome.UNSUPPORTED, reason=said))
    cell = cells["keras_tflite_per_tensor", "fp16"]
    assert cell.state == "unsupported"
    assert cell.diagnosis is not None
    assert cell.diagnosis.kind == "unsupported precision"


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ((Outcome.PASSED, Outcome.UNAVAILABLE), "passed"),
        ((Outcome.PASSED, Outcome.CRASHED), "passed in part"),
        ((Outcome.UNSUPPORTED, Outcome.UNSUPPORTED), "unsupported"),
        ((Outcome.UNSUPPORTED, Outcome.FAILED), "failed"),
        ((Outcome.UNAVAILABLE,), "unavailable"),
        ((Outcome.ERROR,), "not run"),
        ((None,), "not run"),
        ((), "not run"),
    ],
)
def test_the_state_follows_from_all_runtimes_that_answered(
    outcomes: tuple[Outcome | None, ...], state: str, tmp_path: Path
) -> None:
    runtimes = ("ai_edge_litert", "tflite_runtime")
    proofs = [
        entry("verify", "keras_tflite", "fp32", outcome, runtime=runtime)
        for runtime, outcome in zip(runtimes, outcomes, strict=False)
    ]
    cells = build(tmp_path, entry("export", "keras_tflite", "fp32"), *proofs)
    assert cells["keras_tflite", "fp32"].state == state


def test_an_export_that_has_not_ended_is_not_run_and_nobody_is_blamed(tmp_path: Path) -> None:
    cell = build(tmp_path, entry("export", "keras_tflite", "fp32", None))["keras_tflite", "fp32"]
    assert (cell.state, cell.diagnosis) == ("not run", None)


def test_what_an_artifact_is_made_of_comes_along(tmp_path: Path) -> None:
    folder = tmp_path / "steps" / "export-keras_tflite-fp32"
    folder.mkdir(parents=True)
    files.write_record(folder / "anatomy.json", Anatomy(version="schema 3", operators={"CONV_2D": 2}))
    cell = build(tmp_path, entry("export", "keras_tflite", "fp32"))["keras_tflite", "fp32"]
    assert (cell.version, cell.operators, cell.size_bytes) == ("schema 3", {"CONV_2D": 2}, 1000)


def test_each_cell_stands_in_its_place() -> None:
    columns = _matrix.columns(CARD.matrix)
    assert len(columns) == len(set(columns))
    shown = [cell for group in _matrix.groups(CARD.matrix) for row in group.rows for cell in row.cells if cell]
    assert sorted(shown, key=_matrix.anchor) == sorted(CARD.matrix, key=_matrix.anchor)
    for group in _matrix.groups(CARD.matrix):
        for row in group.rows:
            assert [(cell.scenario, cell.precision) for cell in row.cells if cell] == list(columns)


def test_counts_add_up() -> None:
    assert _matrix.counts(CARD.matrix) == (
        "12 cells: 4 passed, 2 passed in part, 2 failed, 2 unsupported, 2 unavailable"
    )
    assert _matrix.classes(CARD.matrix) == "6 tool bug, 2 version mismatch"
    assert _matrix.runtimes(CARD.matrix) == (("ai_edge_litert", 6, 0, 0), ("tflite_runtime", 4, 2, 0))


def test_the_terminal_names_marks_reasons_and_what_was_tried() -> None:
    out = io.StringIO()
    Console(file=out, width=110, color_system=None).print(terminal.rendered(section.short(CARD.matrix)))
    text = " ".join(out.getvalue().split())
    for expected in (
        "P 25.6 MB",
        "½ 25.6 MB",
        "½ passed in part",
        (
            "2 cells, such as resnet50 · TensorFlow · keras tflite · int8 dynamic: tflite_runtime: version mismatch "
            "(FULLY_CONNECTED version '12')"
        ),
        "Tried: this artifact in LiteRT (ai-edge-litert): passed",
    ):
        assert expected in text


def test_what_differs_in_figures_only_is_one_cause() -> None:
    first = next(cell for cell in CARD.matrix if cell.diagnosis is None)
    cells = [
        msgspec.structs.replace(
            first,
            scenario=scenario,
            state="failed",
            diagnosis=Diagnosis(kind="precision without effect", said=f"left {left} % of the weights"),
            tried=(tried,),
            proofs=(),
        )
        for scenario, left, tried in (("bert", 97.5, "one way"), ("tiny", 95, "another"))
    ]
    (cause,) = _matrix.causes(cells)
    assert cause.said == "precision without effect: left 97.5 % of the weights"
    assert [place.partition(" · ")[0] for place in cause.cells] == ["bert", "tiny"]
    assert [place.partition("Tried: ")[2] for place in cause.cells] == ["one way", "another"]
    refused = [cell for cell in CARD.matrix if cell.state == "passed in part"]
    (of_runtime,) = _matrix.causes(refused)
    assert all(" in tflite_runtime" in place for place in of_runtime.cells)


def test_a_text_gives_the_reason_of_many_cells_once() -> None:
    unproven = [cell for cell in CARD.matrix if cell.diagnosis is not None][:2]
    said = Diagnosis(kind="tool bug", said="the very same sentence")
    cells = tuple(msgspec.structs.replace(cell, state="failed", diagnosis=said) for cell in unproven)
    text = markdown.plugin.render(msgspec.structs.replace(CARD, matrix=cells, cells=(), findings=()))
    assert text.count("the very same sentence") == 1
    assert "\n".join(markdown.write((section.reasons(cells),))).count("the very same sentence") == 1


def test_a_run_of_standard_exports_has_no_matrix_to_show() -> None:
    standard = tuple(msgspec.structs.replace(cell, standard=True) for cell in CARD.matrix)
    assert section.shown(msgspec.structs.replace(CARD, matrix=standard)) == ()
    assert section.shown(CARD) == CARD.matrix


def test_each_mark_of_the_page_tells_its_reason_and_leads_to_it() -> None:
    page = html.render(CARD)
    marks = re.findall(r'<a class="tile \w+" href="#([^"]+)"', page)
    assert marks == [
        _matrix.anchor(cell)
        for group in _matrix.groups(CARD.matrix)
        for row in group.rows
        for cell in row.cells
        if cell is not None
    ]
    assert all(page.count(f'<li id="{anchor}">') == 1 for anchor in marks)
    told = [re.search(rf'<li id="{anchor}">(.*?)</li>', page, flags=re.DOTALL) for anchor in marks]
    assert sum("no way there" in found[1] for found in told if found) == 6


def test_what_is_only_in_the_matrix_is_in_no_other_table() -> None:
    ended = (Outcome.FAILED, Outcome.UNAVAILABLE)
    extra = tuple(
        sample_scorecard.cell(
            "export", "bert", "pytorch", format="pte", outcome=outcome, reason="only there", standard=False
        )
        for outcome in ended
    )
    card = msgspec.structs.replace(CARD, cells=(*CARD.cells, *extra))
    assert exports.plugin.blocks(card) == exports.plugin.blocks(CARD)
    assert exports.plugin.brief(card) == exports.plugin.brief(CARD)
    assert gaps.plugin.blocks(card) == gaps.plugin.blocks(CARD)


def test_the_page_of_a_real_run_knows_every_exporter() -> None:
    page = (Path(__file__).parents[2] / "docs" / "matrix.md").read_text(encoding="utf-8")
    absent = [plugin.title for plugin in registry.load_all("exporter") if _escaped(plugin.title) not in page]
    assert absent == [], "write it anew: fweval export --matrix --out RUN; python docs/generate.py RUN"
    assert "](/" not in page


def _escaped(title: str) -> str:
    return title.replace("_", r"\_")


def test_everything_is_exported_whatever_the_profile_says(tmp_path: Path) -> None:
    options = Options(everything=True)
    _, record = pipeline.begin(("tiny",), "smoke", options, out=tmp_path / "run", command=("fweval",))
    assert record.profile.exports == "all"


def test_json_is_the_form_of_the_matrix_alone() -> None:
    done = CliRunner().invoke(cli.app, ["export", "tiny", "--json"])
    assert done.exit_code == 2
    assert "--matrix" in done.output


def test_it_travels_in_the_scorecard() -> None:
    told = json.loads(msgspec.json.encode(CARD))["matrix"]
    assert [cell["state"] for cell in told] == [cell.state for cell in CARD.matrix]
