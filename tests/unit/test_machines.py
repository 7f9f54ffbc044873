"""What several kinds of machines measured stands in columns, with what disturbed it, and in no finding or score."""

import dataclasses
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import pytest

from evaluator.contracts.reporting import in_markdown, in_the_terminal, on_the_page
from evaluator.core import registry
from evaluator.core.machines import Disturbed, Fastest, MachineRow, Machines, OnKind
from evaluator.core.outcome import Outcome
from evaluator.core.records import DeviceClass, Figure, Machine, Node, Step
from evaluator.core.scorecard import EdgeFit, Scorecard
from evaluator.core.store import RunFolder
from evaluator.core.turns import Block, Blocks
from evaluator.judging import fitting, machines, replay
from evaluator.judging.evidence import Entry, Evidence
from evaluator.report import markdown
from evaluator.report.sections import edge
from tests import fakes, made_run

ARM = "aarch64-4c-8g-0123ab"
AGAIN = ("train", "verify", "run", "edge", "serve")  # stages that are asked on each kind
SLOWER = 3.0  # times as long does everything take there
PHONE = DeviceClass(
    name="phone", title="Phone", isa="arm64", ram_bytes=10**9, flash_bytes=10**9, latency_s=1.0, slower=(2.0, 50.0)
)
NODES = (
    Node(name="head", kind="local", host="a", isa="x86_64", machine=fakes.complete_run().run.machine),
    Node(
        name="arm",
        kind=ARM,
        host="b",
        isa="aarch64",
        machine=Machine(
            cpu="Cortex-A76",
            cores=4,
            memory_bytes=8 << 30,
            system="Linux",
            python="3.11",
            gpu=None,
            java=None,
            docker=None,
            versions={"torch": "2.13.0", "ai-edge-litert": "2.0.0", "six": "1.0"},
        ),
    ),
    Node(name="old", kind="", refused="other software than here: torch 1.13.0", remedy="install the same there"),
)


def timed(entry: Entry, times: float = 1.0) -> Entry:
    """Return an entry with the medians that stages of today tell, all of its times so many times as long."""
    result, labels = entry.result, ({},) if entry.step.stage != "serve" else ({"wire": "rest"}, {"wire": "grpc"})
    if entry.step.stage in ("run", "edge", "serve"):
        usual = [(each, entry.number("latency_s", statistic="p50", **each)) for each in labels]
        told = [
            Figure(name="latency_s", value=value * times, labels={**each, "statistic": "median"})
            for each, value in usual
            if value is not None
        ]
        result = msgspec.structs.replace(result, figures=(*result.figures, *told))
    if entry.step.stage == "train" and entry.passed:
        step_s = (entry.number("step_s") or 0.0) * times
        result = msgspec.structs.replace(result, metrics={**result.metrics, "step_s": step_s})
    return dataclasses.replace(entry, result=result)


def again(entry: Entry) -> Entry:
    """Return what the other kind measured of the same."""
    step = msgspec.structs.replace(entry.step, id=f"{entry.step.id}-arm", machine=ARM, column=True)
    made = timed(entry, SLOWER)
    metrics = {**made.result.metrics, **({"isa": "aarch64"} if step.stage == "edge" else {})}
    result = msgspec.structs.replace(made.result, step=step.id, node="arm", metrics=metrics)
    samples = made.samples if step.stage == "train" else {}
    return dataclasses.replace(
        made, step=step, result=result, folder=f"steps/{step.id}", samples=samples, blocks=Blocks()
    )


@cache
def cluster(rounds: int = 1) -> Evidence:
    """Return the complete run as two kinds of machines would have made it."""
    run = fakes.complete_run(rounds=rounds)
    here = tuple(
        dataclasses.replace(each, result=msgspec.structs.replace(each.result, node="head"))
        for each in map(timed, run.entries)
    )
    further = (each for each in run.entries if each.step.stage in AGAIN and each.step.device == "cpu")
    record = msgspec.structs.replace(run.run, cluster="ray://head:6379", kind="x86_64-2c-24g-4567cd")
    return dataclasses.replace(
        run, run=record, entries=here, columns=tuple(map(again, further)), nodes=NODES, catalogue=run.catalogue
    )


def told(evidence: Evidence) -> Machines:
    found = machines.told(evidence)
    assert found is not None
    return found


def row(found: Machines, subject: str, **wanted: Any) -> MachineRow:
    """Return the one row of a subject with these fields."""
    (one,) = (
        each
        for each in found.rows
        if each.subject == subject and all(getattr(each, name) == value for name, value in wanted.items())
    )
    return one


def changed(evidence: Evidence, wanted: fakes.Wanted, **fields: Any) -> Evidence:
    """Return the evidence with other columns: the results of the wanted steps have these fields."""

    def one(entry: Entry) -> Entry:
        return dataclasses.replace(entry, result=msgspec.structs.replace(entry.result, **fields))

    columns = tuple(one(each) if wanted(each.step) else each for each in evidence.columns)
    assert columns != evidence.columns
    return dataclasses.replace(evidence, columns=columns)


def card(evidence: Evidence) -> Scorecard:
    return msgspec.structs.replace(
        fakes.scorecard(evidence), titles=machines.titles(evidence), machines=machines.told(evidence)
    )


def test_a_run_on_one_machine_has_none() -> None:
    assert machines.told(fakes.complete_run()) is None
    assert machines.titles(fakes.complete_run()) == fakes.complete_run().catalogue.titles
    assert registry.load("section", "machines").blocks(fakes.scorecard()) == ()


def test_each_machine_is_told_of_also_one_that_was_refused() -> None:
    head, arm, old = told(cluster()).machines
    assert (head.name, head.kind, head.processor) == ("head", "local", "Example CPU, 2 cores")
    assert (arm.isa, arm.memory_bytes, arm.processor) == ("aarch64", 8 << 30, "Cortex-A76, 4 cores")
    assert arm.versions == {"torch": "2.13.0", "ai-edge-litert": "2.0.0"}
    assert (old.refused, old.remedy, old.processor, old.steps) == (NODES[2].refused, NODES[2].remedy, None, 0)
    assert arm.steps == len(cluster().columns)


def test_kinds_begin_with_the_one_that_is_judged_by() -> None:
    found = told(cluster())
    assert found.kinds == ("local", ARM)
    assert found.judged_by == "x86_64-2c-24g-4567cd"
    assert (found.title("local"), found.title(ARM), found.title("gone")) == ("head", "arm", "gone")


def test_a_row_has_the_median_of_the_rounds_their_ends_and_who_measured_them() -> None:
    evidence = cluster(3)
    found = row(told(evidence), "PyTorch → TorchScript → torch.jit, fp32", stage="run", metric="latency_s")
    entries = evidence.select("run", runtime="torch_jit", device="cpu")
    values = [value for each in entries if (value := each.number("latency_s", statistic="median")) is not None]
    assert len(values) == 3
    here, there = found.kinds
    assert here == OnKind(
        kind="local", value=median(values), low=min(values), high=max(values), rounds=3, nodes=("head",)
    )
    assert there.value == pytest.approx(SLOWER * median(values))
    assert (there.rounds, there.nodes) == (3, ("arm",))
    assert (found.path, found.labels, found.unit) == ("server", {"statistic": "median"}, "s")


def test_rows_are_of_trainings_answers_servers_and_one_core() -> None:
    found = told(cluster())
    trained = row(found, "training in PyTorch", device="cpu")
    assert trained.path == "training"
    assert trained.kinds[1].value == pytest.approx(SLOWER * (trained.kinds[0].value or 0))
    served = row(found, "TensorFlow → SavedModel → TensorFlow Serving API (embedded reference server), fp32",
                 labels={"wire": "grpc", "statistic": "median"})  # fmt: skip
    assert [each.value for each in served.kinds] == [0.02, pytest.approx(0.06)]
    assert all(each.reference for each in served.kinds)
    (core,) = (each for each in found.rows if each.stage == "edge" and each.metric == "latency_s"
               and "ai-edge-litert" in each.subject)  # fmt: skip
    assert [each.value for each in core.kinds] == [pytest.approx(0.027), pytest.approx(0.081)]
    assert {each.metric for each in found.rows} == {"step_s", "latency_s", "throughput_per_s", "ram_floor_bytes"}


def test_a_memory_is_of_one_sort_in_a_row() -> None:
    wanted = fakes.is_step(stage="edge", runtime="torch_mobile")
    (entry,) = (each for each in cluster().columns if wanted(each.step))
    less = {name: value for name, value in entry.result.metrics.items() if name != "ram_floor_bytes"}
    found = told(changed(cluster(), wanted, metrics=less))
    subject = "PyTorch → TorchMobile → PyTorch lite interpreter, fp32"
    (memory,) = (each for each in found.rows if each.subject == subject and each.unit == "bytes")
    assert (memory.metric, [each.value for each in memory.kinds]) == ("peak_rss_bytes", [320_000_000, 320_000_000])


def test_what_has_no_value_says_why() -> None:
    wanted = fakes.is_step(stage="run", runtime="torch_jit")
    told_to: dict[str, Any] = {"outcome": Outcome.FAILED, "reason": "it fell over", "metrics": {}, "figures": ()}
    subject = "PyTorch → TorchScript → torch.jit, fp32"
    found = row(told(changed(cluster(), wanted, **told_to)), subject, stage="run", device="cpu", metric="latency_s")
    assert found.kinds[1] == OnKind(kind=ARM, outcome=Outcome.FAILED, reason="it fell over")
    ahead = tuple(Entry.unfinished(e.step, e.folder) if wanted(e.step) else e for e in cluster().columns)
    unfinished = dataclasses.replace(cluster(), columns=ahead)
    found = row(told(unfinished), subject, stage="run", device="cpu", metric="latency_s")
    assert found.kinds[1].outcome is Outcome.UNAVAILABLE
    assert found.kinds[1].reason == "this step has not ended"
    nowhere = dataclasses.replace(cluster(), columns=tuple(e for e in cluster().columns if not wanted(e.step)))
    found = row(told(nowhere), subject, stage="run", device="cpu", metric="latency_s")
    assert found.kinds[1] == OnKind(kind=ARM, reason="not planned there")


def test_a_kind_without_any_value_has_nothing_fastest() -> None:
    found = told(changed(cluster(), lambda _: True, outcome=Outcome.UNAVAILABLE, reason="lost", figures=()))
    assert found.paths
    assert all(each.kinds[1] == Fastest(kind=ARM) for each in found.paths)
    assert all(each.kinds[0].value is not None for each in found.paths if each.device == "cpu")


def test_the_fastest_of_a_path_is_of_what_was_proven_on_that_kind() -> None:
    portable = next(each for each in told(cluster()).paths if (each.path, each.device) == ("portable", "cpu"))
    assert [each.framework for each in portable.kinds] == ["pytorch", "pytorch"]
    wrong = fakes.is_step(stage="verify", framework="pytorch", runtime="onnx_runtime")
    unproven = changed(cluster(), wrong, outcome=Outcome.FAILED, reason="computes something else")
    portable = next(each for each in told(unproven).paths if (each.path, each.device) == ("portable", "cpu"))
    assert [each.framework for each in portable.kinds] == ["pytorch", "tensorflow"]
    assert portable.kinds[1].subject == "TensorFlow → ONNX → ONNX Runtime, fp32"


def test_paths_are_those_of_training_server_mobile_and_portable() -> None:
    found = [each for each in told(cluster()).paths if each.device == "cpu"]
    assert [each.path for each in found] == ["training", "server", "mobile", "portable"]
    assert [each.metric for each in found] == ["step_s", "latency_s", "latency_s", "latency_s"]
    training, _, mobile, _ = found
    assert [each.subject for each in training.kinds] == ["training in PyTorch"] * 2
    assert [each.value for each in mobile.kinds] == [pytest.approx(0.027), pytest.approx(0.081)]


def test_what_disturbed_a_machine_is_weighed_by_the_length_of_blocks() -> None:
    first = next(each for each in cluster().columns if each.step.stage == "run")
    about: dict[str, Any] = {"track": "latency", "calls": 1, "begin_s": 0.0}
    blocks = (
        Block(**about, turn=0, elapsed_s=1.0, others_cores=1.0, steal_cores=0.5, engine_cores=0.3),
        Block(**about, turn=1, elapsed_s=3.0, others_cores=0.1, engine_cores=0.1, quiet=False),
        Block(**about, turn=2, elapsed_s=9.0),  # of which nobody knows
        Block(**about, turn=3, elapsed_s=0.0, others_cores=2.0),
    )
    measured = dataclasses.replace(first, blocks=Blocks(blocks=blocks))
    found = told(dataclasses.replace(cluster(), entries=(), columns=(measured,))).machines
    assert found[0].disturbed is None
    disturbed = found[1].disturbed
    assert disturbed is not None
    assert (disturbed.blocks, disturbed.spoiled) == (4, 0.25)
    assert disturbed.others_cores == pytest.approx(0.45)
    assert disturbed.engine_cores == pytest.approx(0.15)


def test_what_is_not_known_of_a_disturbance_is_none() -> None:
    first = next(each for each in cluster().columns if each.step.stage == "run")
    block = Block(track="latency", turn=0, calls=1, begin_s=0.0, elapsed_s=1.0)
    measured = dataclasses.replace(first, blocks=Blocks(blocks=(block,)))
    found = told(dataclasses.replace(cluster(), entries=(), columns=(measured,))).machines[1]
    assert found.disturbed == Disturbed(blocks=1, spoiled=0.0)


def test_columns_change_no_finding_no_comparison_and_no_score() -> None:
    alone = dataclasses.replace(cluster(), columns=())
    assert msgspec.json.encode(replay.judged(cluster())) == msgspec.json.encode(replay.judged(alone))
    one, other = fakes.scorecard(cluster()), fakes.scorecard(alone)
    for name in ("findings", "comparisons", "scores", "rankings", "paths", "trainings", "warnings", "cells"):
        assert msgspec.json.encode(getattr(one, name)) == msgspec.json.encode(getattr(other, name)), name


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, RunFolder]:
    """Return the same run on disk, with and without what the other kind measured."""
    where = tmp_path_factory.mktemp("runs")
    alone = dataclasses.replace(cluster(), columns=())
    return made_run.write(where / "both", cluster()), made_run.write(where / "alone", alone)


def test_a_folder_with_columns_is_judged_as_without(folders: tuple[RunFolder, RunFolder]) -> None:
    both, alone = folders
    findings = [(each.path / replay.FINDINGS).read_bytes() for each in folders]
    assert findings[0] == findings[1]
    with_them, without = map(replay.read_scorecard, folders)
    for name in ("scores", "decision", "robustness", "matrix", "ease", "upkeep", "cells", "utilisation"):
        assert getattr(with_them, name) == getattr(without, name), name
    assert with_them.machines is not None
    assert len(with_them.machines.cells) == len(cluster().columns)
    assert replay.undecided(both, ["latency"]) == replay.undecided(alone, ["latency"])
    assert len(replay.cells(both)) == len(replay.cells(alone)) + len(cluster().columns)
    assert {each.node for each in replay.cells(both)} == {"head", "arm"}


def test_what_needs_both_frameworks_is_told_of_no_column(folders: tuple[RunFolder, RunFolder]) -> None:
    trained = [each for each in replay.cells(folders[0]) if each.stage == "train" and each.machine == ARM]
    assert trained
    assert not any("turning_point_steps" in each.metrics for each in trained)


def test_scoring_again_gives_the_same_bytes(folders: tuple[RunFolder, RunFolder]) -> None:
    before = (folders[0].path / "scorecard.json").read_bytes()
    replay.score(folders[0])
    assert (folders[0].path / "scorecard.json").read_bytes() == before


@pytest.mark.parametrize("name", ["scorecard.html", "scorecard.md"])
def test_reports_name_machines_and_what_they_measured(folders: tuple[RunFolder, RunFolder], name: str) -> None:
    both, alone = ((each.path / name).read_text() for each in folders)
    for said in ("head", "arm", "old", "torch 1.13.0", "Cortex-A76, 4 cores", "81.0 ms", "27.0 ms", "not compared"):
        assert said in both
    assert "nothing to set side by side" in alone


def test_every_output_shows_the_section() -> None:
    section = registry.load("section", "machines")
    for show in (on_the_page, in_markdown, in_the_terminal):
        shown = " ".join(show(section, card(cluster())).split())
        assert "stands beside theirs, in columns" in shown
        assert all(said in shown for said in ("head", "arm", "old", "not used", "81.0 ms", "Which machine for which"))


def test_a_node_that_was_lost_is_shown_with_what_it_measured() -> None:
    lost = msgspec.structs.replace(NODES[1], refused="node lost: it was switched off", remedy="start it again")
    shown = in_markdown(
        registry.load("section", "machines"), card(dataclasses.replace(cluster(), nodes=(NODES[0], lost)))
    )
    assert "not used any more" in shown
    assert "node lost: it was switched off" in shown
    assert "81.0 ms" in shown


def test_the_section_about_the_machine_says_which_are_judged_by() -> None:
    shown = in_markdown(registry.load("section", "machine"), card(cluster()))
    assert "Scores, findings and comparisons" in shown
    assert "of head, of the kind x86\\_64-2c-24g-4567cd" in shown
    assert "Scores, findings" not in in_markdown(registry.load("section", "machine"), fakes.scorecard())


def test_a_device_that_is_judged_elsewhere_is_said_to_be() -> None:
    def on_gpu(step: Step) -> bool:
        return step.device == "gpu" and step.stage == "run"

    moved = tuple(
        dataclasses.replace(e, step=msgspec.structs.replace(e.step, machine=ARM)) if on_gpu(e.step) else e
        for e in cluster().entries
    )
    shown = in_markdown(registry.load("section", "machines"), card(dataclasses.replace(cluster(), entries=moved)))
    assert "head; on gpu, arm" in shown


def test_all_steps_have_their_machine_and_node() -> None:
    shown = on_the_page(registry.load("section", "cells"), card(cluster()))
    assert "Node" in shown
    assert "on arm" in shown
    assert "Node" not in on_the_page(registry.load("section", "cells"), fakes.scorecard())


def with_phone(evidence: Evidence) -> Evidence:
    classes = (*evidence.run.device_classes, PHONE)
    return dataclasses.replace(evidence, run=msgspec.structs.replace(evidence.run, device_classes=classes))


def verdicts(evidence: Evidence) -> list[EdgeFit]:
    return [each for each in fitting.table(evidence) if each.device == "phone"]


def test_a_class_is_judged_by_the_machine_of_its_instruction_set() -> None:
    found = verdicts(with_phone(cluster()))
    assert found
    for each in found:
        assert each.evidence.endswith("-arm")
        assert not each.estimated
        assert each.verdict == "fits"
        assert each.reason.endswith("; measured on arm (Cortex-A76, 4 cores)")
    others = [each for each in fitting.table(with_phone(cluster())) if each.device == "gateway"]
    assert not any(each.evidence.endswith("-arm") for each in others)


def test_without_a_figure_there_or_with_the_instruction_set_here_the_usual_machine_decides() -> None:
    evidence = with_phone(cluster())
    failed = changed(evidence, fakes.is_step(stage="edge"), outcome=Outcome.FAILED, reason="no")
    assert verdicts(failed) == verdicts(dataclasses.replace(evidence, columns=()))
    beside = msgspec.structs.replace(NODES[1], name="here", kind="local")
    same = dataclasses.replace(evidence, nodes=(*NODES, beside))
    assert not any(each.evidence.endswith("-arm") for each in verdicts(same))


def test_the_section_about_devices_finds_the_other_machine() -> None:
    made = card(with_phone(cluster()))
    rows = edge.judged(made.every_cell, made.edge, made.names)
    there = [each for each in rows if each.cell.machine == ARM]
    assert len(there) == len(rows) // 2 > 0
    assert all(each.elsewhere == {"gateway"} for each in there)
    assert all(each.made.endswith("on arm") for each in there)
    shown = in_markdown(registry.load("section", "edge"), made)
    assert "measured on arm (Cortex-A76, 4 cores)" in shown
    assert "by its figures on another machine" in shown
    assert edge.ELSEWHERE in " ".join(shown.split())
    assert edge.ELSEWHERE not in in_markdown(registry.load("section", "edge"), fakes.scorecard())


def test_the_spreadsheet_has_every_step() -> None:
    found = card(cluster())
    text = registry.load("report", "csv").render(found)
    assert text.count(f",{ARM},") == len(cluster().columns)


def test_a_run_on_one_machine_is_reported_as_before(tmp_path: Path) -> None:
    folder = made_run.write(tmp_path / "run")
    found = replay.read_scorecard(folder)
    assert (found.machines, found.every_cell) == (None, found.cells)
    assert "Machines" not in [line.removeprefix("## ") for line in markdown.plugin.render(found).splitlines()]


def test_a_training_that_learns_nothing_there_is_not_the_fastest_there() -> None:
    wanted = fakes.is_step(stage="train", framework="pytorch")
    (entry,) = (each for each in cluster().columns if wanted(each.step))
    worse = changed(cluster(), wanted, metrics={**entry.result.metrics, "heldout_accuracy": 0.1})
    training = next(each for each in told(worse).paths if each.path == "training")
    assert [each.framework for each in training.kinds] == ["pytorch", "tensorflow"]
