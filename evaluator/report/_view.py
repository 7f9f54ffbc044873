"""What several outputs show, worked out once: the answer, the matrix, the plots' rows, what could not be measured."""

import statistics
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from evaluator.core.coordinates import PARTS, Part
from evaluator.core.outcome import Outcome
from evaluator.core.records import FRAMEWORKS, Cell, DeviceClass
from evaluator.core.scorecard import CandidateScore, CategoryScore, Comparison, Curve, EdgeFit, Finding, Scorecard
from evaluator.report import _format

PROVISIONAL = "provisional: measured on the embedded reference server, not on tensorflow_model_server"
NO_REASON = "no reason was recorded"
NEEDED_COVERAGE = 0.7  # RIGOUR, "Scoring": below this the verdict is "insufficient evidence"
Columns = tuple[tuple[str, tuple[str, ...]], ...]  # a title, and the metrics that stand below each other
# The figures of a serving step.
SERVING: Columns = (
    ("Ready after", ("ready_s",)),
    ("REST", ("rest_p50_s", "rest_p90_s")),
    ("gRPC", ("grpc_p50_s", "grpc_p90_s")),
    ("Largest difference, REST and gRPC", ("parity_rest_max_abs_diff", "parity_grpc_max_abs_diff")),
    ("Raw bytes over REST", ("raw_p50_s", "raw_p90_s")),
    ("Open Inference Protocol, REST and gRPC", ("oip_p50_s", "oip_grpc_p50_s")),
    ("Server adds to the call in process, REST and gRPC", ("rest_overhead_s", "grpc_overhead_s")),
    ("Stopped in", ("stop_s",)),
)
# The figures of a load step.
LOAD: Columns = (
    ("In time, REST and gRPC", ("rest_in_time_per_s", "grpc_in_time_per_s")),
    ("Knee, REST and gRPC", ("rest_knee_per_s", "grpc_knee_per_s")),
    ("Saturated, REST and gRPC", ("rest_saturation_per_s", "grpc_saturation_per_s")),
    ("Saturated with batching, REST and gRPC", ("rest_batched_saturation_per_s", "grpc_batched_saturation_per_s")),
    ("Client CPU per 1,000 requests", ("rest_client_cpu_per_1000_s", "grpc_client_cpu_per_1000_s")),
)
# The figures of an edge step.
EDGE: Columns = (
    ("Artifact, runtime's packages", ("size_bytes", "runtime_bytes")),
    ("Least memory, the model's own at most", ("ram_floor_bytes", "model_ram_bytes")),
    ("One core, cold start", ("latency_p50_s", "cold_start_s")),
)
IMAGE = (
    *("image", "image_digest", "image_architecture", "image_size_bytes", "image_os", "image_end_of_life"),
    *("image_long_term_end", "image_user", "image_packages"),
)
STEP = "step"  # what the curves of a training run along
_SUBJECT: tuple[Part, ...] = tuple(part for part in PARTS if part != "repeat")  # of cells that are rounds of the same
_ABOUT: tuple[Part, ...] = ("artifact", "place")  # what tells the cells of a stage, scenario and framework apart

# From the best to the worst: what one word for several rounds is chosen by.
_BADNESS = (
    Outcome.PASSED,
    Outcome.NOT_APPLICABLE,
    Outcome.UNAVAILABLE,
    Outcome.UNSUPPORTED,
    Outcome.ERROR,
    Outcome.TIMED_OUT,
    Outcome.FAILED,
    Outcome.CRASHED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The headline: one sentence for the board, and how far it can be relied on."""

    sentence: str
    support: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """One framework in one scenario: the steps of each format, in the order of the matrix's formats."""

    scenario: str
    framework: str
    steps: tuple[tuple[Cell, ...], ...]  # one tuple per format; empty where the framework has no such export


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeRow:
    """One artifact in one runtime: its figures, and a verdict for each class of devices, in their order."""

    cell: Cell
    fits: tuple[EdgeFit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something that could not be measured: why, what would change that, and what it concerns."""

    reason: str
    remedy: str | None
    affected: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row of a plot: from zero to `value`, or from `value` to `end` when there is an end."""

    label: str
    framework: str
    value: float
    end: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Bars on one axis: of one quantity, in one scenario."""

    title: str
    unit: str
    log: bool
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What one probe showed on one server."""

    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRow:
    """One probe: its replies in the order of the servers that were probed."""

    probe: str
    replies: tuple[Reply, ...]


def overall_scores(card: Scorecard) -> tuple[CandidateScore, ...]:
    """Return each framework's score over all scenarios; with a single scenario, that one's."""
    over_all = tuple(s for s in card.scores if s.scenario is None)
    if over_all or len({s.scenario for s in card.scores}) != 1:
        return over_all
    return card.scores


def scenario_scores(card: Scorecard) -> dict[str, tuple[CandidateScore, ...]]:
    """Return the scores of each scenario; empty when they would only repeat the overall ones."""
    names = dict.fromkeys(s.scenario for s in card.scores if s.scenario is not None)
    if len(names) < 2:
        return {}
    return {name: tuple(s for s in card.scores if s.scenario == name) for name in names}


def scenarios(card: Scorecard) -> tuple[str, ...]:
    """Return every scenario that occurs, the declared ones first."""
    found = [*card.scenarios, *(c.scenario for c in card.cells), *(c.scenario for c in card.comparisons)]
    return tuple(dict.fromkeys(found))


def answer(card: Scorecard) -> Answer:
    """Say in one sentence who comes first, or that the evidence does not suffice to say so."""
    scored = sorted((s for s in overall_scores(card) if s.overall is not None), key=_rank)
    if not scored:
        return Answer(
            sentence="Insufficient evidence: nothing could be scored.",
            support="What could not be measured, and how to get it, is listed below.",
        )
    short = [s for s in scored if s.verdict == "insufficient evidence"]
    if short:
        covered = " and ".join(f"{_format.percent(s.coverage)} for {_format.framework(s.candidate)}" for s in short)
        return Answer(
            sentence="Insufficient evidence to decide.",
            support=f"The evidence covers {covered}; {_format.percent(NEEDED_COVERAGE)} is needed. "
            f"On what was measured: {_ranking(scored)}",
        )
    verdicts = "; ".join(f"{_format.framework(s.candidate)} is {s.verdict}" for s in scored)
    support = [f"{verdicts}.", *_reliance(scored)]
    if card.robustness is not None and len(scored) > 1:
        support.append(card.robustness.statement)
    return Answer(sentence=_ranking(scored), support=" ".join(support))


def _rank(score: CandidateScore) -> tuple[float, str]:
    return -(score.overall or 0.0), score.candidate


def _ranking(scored: list[CandidateScore]) -> str:
    first, *others = scored
    name, points = _format.framework(first.candidate), _format.score(first.overall)
    if not others:
        return f"{name} scores {points} of 10."
    second = others[0]
    other = _format.framework(second.candidate)
    if points == _format.score(second.overall):
        return f"{name} and {other} are level at {points} of 10."
    if second.verdict == "ready" != first.verdict:
        return f"{name} scores {points} against {_format.score(second.overall)}, but only {other} is ready."
    # Missing evidence may still turn the order: then it is a lead, not a result.
    place = "leads so far" if _reversible(first, second) else "comes first"
    return f"{name} {place}: {points} of 10, against {_format.score(second.overall)} for {other}."


def _reliance(scored: list[CandidateScore]) -> tuple[str, ...]:
    if len(scored) < 2:
        return ()
    if _reversible(scored[0], scored[1]):
        return ("Their bounds overlap: evidence that is still missing could reverse the order.",)
    return ("No evidence that is still missing could reverse the order.",)


def _reversible(first: CandidateScore, second: CandidateScore) -> bool:
    return second.upper > first.lower


def subject(cell: Cell) -> str:
    """Name what a cell is about in raw names: "onnx · onnxruntime · gpu"."""
    return cell.title(parts=_ABOUT, separator=" · ")


def formats(card: Scorecard) -> tuple[str, ...]:
    """Return the formats that occur in every run, in the order of the plan."""
    return tuple(dict.fromkeys(c.format for c in select(card, "export") if c.format))


def matrix(card: Scorecard) -> tuple[MatrixRow, ...]:
    """Return what became of every export: its export, verify and run steps by scenario, framework and format.

    Several rounds of a step are one entry: the worst of them.
    """
    made = [c for c in card.cells if c.standard and c.stage in ("export", "verify", "run")]
    steps = [max(same, key=lambda c: _BADNESS.index(c.outcome)) for same in _by_subject(made)]
    rows = dict.fromkeys(
        (scenario, c.framework) for scenario in scenarios(card) for c in steps if c.scenario == scenario
    )
    return tuple(
        MatrixRow(
            scenario=scenario,
            framework=framework,
            steps=tuple(
                tuple(c for c in steps if (c.scenario, c.framework, c.format) == (scenario, framework, name))
                for name in formats(card)
            ),
        )
        for scenario, framework in rows
    )


def not_passed(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """Return the cells that say something against their subject: failed, unsupported, crashed, timed out."""
    return tuple(c for c in cells if c.standard and c.outcome.is_answer and c.outcome is not Outcome.PASSED)


def comparisons(card: Scorecard, scenario: str) -> tuple[Comparison, ...]:
    """Return a scenario's comparisons that have a value to show, those that could be made first."""
    shown = [c for c in card.comparisons if c.scenario == scenario and c.values]
    return tuple(sorted(shown, key=lambda comparison: comparison.ratio is None))


def incomparable(card: Scorecard, scenario: str) -> tuple[Comparison, ...]:
    """Return a scenario's comparisons of which neither side was measured."""
    return tuple(c for c in card.comparisons if c.scenario == scenario and not c.values)


def question(comparison: Comparison) -> str:
    """Name what is compared, and where: "latency (server, gpu)"."""
    place = ", ".join(part for part in (comparison.path, comparison.device) if part and part != "cpu")
    return f"{comparison.question} ({place})" if place else comparison.question


def provisional_sides(card: Scorecard, comparison: Comparison) -> tuple[str, ...]:
    """Return the frameworks whose figure in a provisional comparison comes from a reference server.

    The provisional findings of the same place tell; where they do not, both sides are labelled.
    """
    if not comparison.provisional:
        return ()
    place = (comparison.scenario, comparison.device)
    known = {f.candidate for f in card.findings if f.provisional and (f.scenario, f.device) == place}
    return tuple(name for name in comparison.values if name in known) or tuple(comparison.values)


def category_rows(scores: tuple[CandidateScore, ...]) -> tuple[tuple[CategoryScore | None, ...], ...]:
    """Return one row per category, with a score for each candidate in their order (None where it has none)."""
    names = dict.fromkeys(category.category for score in scores for category in score.categories)
    by_name = [{category.category: category for category in score.categories} for score in scores]
    return tuple(tuple(each.get(name) for each in by_name) for name in names)


def categories(card: Scorecard) -> dict[str, tuple[Finding, ...]]:
    """Return the findings by category; inside, what went worst comes first and what is unmeasured last."""
    by_category: dict[str, list[Finding]] = {}
    for finding in card.findings:
        by_category.setdefault(finding.category, []).append(finding)
    return {name: tuple(sorted(found, key=_worst_first)) for name, found in by_category.items()}


def _worst_first(finding: Finding) -> tuple[bool, float]:
    return finding.score is None, finding.score or 0.0


def gaps(card: Scorecard) -> tuple[Gap, ...]:
    """Return what could not be measured, grouped by reason and remedy; findings only where no cell says the same."""
    affected: dict[tuple[str, str | None], list[str]] = {}
    for cell in card.cells:
        if cell.standard and not cell.outcome.is_answer and cell.outcome is not Outcome.NOT_APPLICABLE:
            what = (cell.stage, cell.scenario, _format.framework(cell.framework), subject(cell))
            affected.setdefault((cell.reason or NO_REASON, cell.remedy), []).append(_joined(what))
    known = {reason for reason, _ in affected}
    for finding in card.findings:
        unmeasured = finding.score is None and finding.state is not Outcome.NOT_APPLICABLE
        if unmeasured and finding.reason not in known:
            what = (finding.check, finding.scenario, _format.framework(finding.candidate), finding.subject)
            affected.setdefault((finding.reason, finding.remedy), []).append(_joined(what))
    return tuple(Gap(reason=why, remedy=how, affected=tuple(what)) for (why, how), what in affected.items())


def _joined(parts: Iterable[str]) -> str:
    return " · ".join(part for part in parts if part)


def plots(card: Scorecard, scenario: str) -> tuple[Plot, ...]:
    """Return the plots of a scenario: latency, size against the raw weights, training time, memory."""
    trained = select(card, "train", scenario)
    latency = bars(select(card, "run", scenario), "latency_p50_s", "latency_p90_s")
    memory = tuple(
        replace(bar, label=_joined((stage, bar.label)))
        for stage in ("train", "run", "serve")
        for bar in bars(select(card, stage, scenario), "peak_rss_bytes")
    )
    return (
        Plot(title="Latency of a warm call, p50 to p90", unit="s", log=True, bars=latency),
        Plot(title="Size on disk", unit="bytes", log=False, bars=_sizes(trained, select(card, "export", scenario))),
        Plot(title="Training time", unit="s", log=False, bars=bars(trained, "train_s")),
        Plot(title="Peak memory", unit="bytes", log=False, bars=memory),
    )


def curves(card: Scorecard, scenario: str, *, of_training: bool) -> tuple[tuple[Curve, ...], ...]:
    """Return a scenario's curves, of training or of servers, those together that share name, unit and device."""
    groups: dict[tuple[str, str, str], list[Curve]] = {}
    for curve in card.curves:
        if curve.scenario == scenario and curve.y and (curve.x_name == STEP) is of_training:
            groups.setdefault((curve.name, curve.unit, curve.device), []).append(curve)
    return tuple(tuple(groups[key]) for key in sorted(groups))


def _sizes(trained: Iterable[Cell], exported: Iterable[Cell]) -> tuple[Bar, ...]:
    """Return the artifacts' sizes, each as a factor of its framework's raw weights, after those."""
    weights = bars(trained, "weights_bytes")
    raw = {bar.framework: bar.value for bar in weights}
    artifacts = bars(exported, "size_bytes")
    return (
        *(replace(bar, label="raw weights") for bar in weights),
        *(
            replace(bar, note=f"{_format.ratio(bar.value / raw[bar.framework])} the weights")
            if raw.get(bar.framework)
            else bar
            for bar in artifacts
        ),
    )


def bars(cells: Iterable[Cell], metric: str, end: str | None = None) -> tuple[Bar, ...]:
    """Return one bar for each subject that has the metric: the median where it was measured in several rounds."""
    found = []
    for same in _by_subject(cells):
        values, ends = _numbers(same, metric), _numbers(same, end) if end else []
        if values:
            found.append(
                Bar(
                    label=subject(same[0]),
                    framework=same[0].framework,
                    value=statistics.median(values),
                    end=statistics.median(ends) if ends else None,
                )
            )
    return tuple(sorted(found, key=lambda bar: _place(bar.framework)))


def _place(framework: str) -> int:
    """Return a framework's place in a list; the plan interleaves them, readers want each one's rows together."""
    return FRAMEWORKS.index(framework) if framework in FRAMEWORKS else len(FRAMEWORKS)


def _by_subject(cells: Iterable[Cell]) -> Collection[list[Cell]]:
    """Group the rounds of each subject; repeats that only serve to learn the noise are left out."""
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        if not cell.control:
            groups.setdefault(cell.key(*_SUBJECT), []).append(cell)
    return groups.values()


def _numbers(cells: Iterable[Cell], metric: str) -> list[float]:
    found = (cell.metrics.get(metric) for cell in cells)
    return [float(v) for v in found if isinstance(v, (int, float)) and not isinstance(v, bool)]


def select(card: Scorecard, stage: str, scenario: str | None = None) -> tuple[Cell, ...]:
    """Return the cells of a stage, of one scenario or of all; those of the export matrix have a place of their own."""
    return tuple(c for c in card.cells if c.standard and c.stage == stage and scenario in (None, c.scenario))


def served(card: Scorecard, stage: str = "serve") -> tuple[Cell, ...]:
    """Return the cells of a stage that starts servers, those of one scenario and framework together.

    Under load and probes, only what was tried: why the others were not stands in the rows of `serve`.
    """
    order = scenarios(card)
    cells = [cell for cell in select(card, stage) if stage == "serve" or cell.outcome.is_answer]
    return tuple(sorted(cells, key=lambda cell: (order.index(cell.scenario), _place(cell.framework))))


def edge(cells: Iterable[Cell], fits: Collection[EdgeFit]) -> tuple[EdgeRow, ...]:
    """Return the artifacts that were judged by classes of devices, framework by framework."""
    rows = [EdgeRow(cell=cell, fits=tuple(fit for fit in fits if fit.evidence == cell.evidence)) for cell in cells]
    judged = [row for row in rows if row.fits]
    scenarios_of = list(dict.fromkeys(row.cell.scenario for row in judged))
    return tuple(sorted(judged, key=lambda row: (scenarios_of.index(row.cell.scenario), _place(row.cell.framework))))


def made(cell: Cell) -> str:
    """Name an artifact by what made it, and its runtime: "keras_tflite · fp16 · ai_edge_litert"."""
    return cell.title(parts=_ABOUT, separator=" · ", by_exporter=True)


def device(card: Scorecard, fit: EdgeFit) -> DeviceClass:
    """Return the class of devices that a verdict is about."""
    return next(device for device in card.device_classes if device.name == fit.device)


def budgets(device: DeviceClass) -> str:
    """Write the budgets of a class of devices in a line."""
    ram, flash = _format.size(device.ram_bytes), _format.size(device.flash_bytes)
    cores = "one core" if device.threads == 1 else f"{device.threads} cores"
    speed = ""
    if device.slower is not None:
        low, high = (_format.significant(factor) for factor in device.slower)
        speed = f"; a core takes {low} to {high} times as long as one of this machine"
    source = f". {device.source}" if device.source else ""
    latency = _format.seconds(device.latency_s)
    return f"{ram} of memory, {flash} of storage, {latency} for an answer on {cores} ({device.isa}){speed}{source}."


def probes(card: Scorecard) -> tuple[ProbeRow, ...]:
    """Return what each probe showed on each server that was probed, probe by probe."""
    cells = served(card, "probe")
    names = dict.fromkeys(
        name.removesuffix("_outcome") for cell in cells for name in cell.metrics if name.endswith("_outcome")
    )
    return tuple(
        ProbeRow(
            probe=name,
            replies=tuple(
                Reply(
                    outcome=Outcome(str(cell.metrics.get(f"{name}_outcome", Outcome.UNAVAILABLE.value))),
                    reason=str(cell.metrics.get(f"{name}_reason", NO_REASON)),
                )
                for cell in cells
            ),
        )
        for name in names
    )


def images(card: Scorecard) -> tuple[Cell, ...]:
    """Return one serving cell for each container image that was started."""
    cells = {cell.metrics["image"]: cell for cell in select(card, "serve") if "image" in cell.metrics}
    return tuple(cells.values())


def figure(cell: Cell, name: str) -> str:
    """Write a metric of a cell, with the ends of its interval where it has one (`x_low_s` and `x_high_s` of `x_s`)."""
    value = _format.metric(name, cell.metrics.get(name))
    stem = name.removesuffix("_s")
    ends = [
        _format.metric(name, cell.metrics[end]) for end in (f"{stem}_low_s", f"{stem}_high_s") if end in cell.metrics
    ]
    return f"{value} ({' to '.join(ends)})" if len(ends) == 2 else value


def is_provisional(card: Scorecard, cell: Cell) -> bool:
    """Tell whether a cell comes from a reference server: it says so, or a provisional finding rests on it."""
    cited = (ref.path for f in card.findings if f.provisional for ref in f.evidence)
    return cell.metrics.get("reference") is True or any(f"{path}/".startswith(f"{cell.evidence}/") for path in cited)
