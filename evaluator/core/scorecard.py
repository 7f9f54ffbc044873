"""The scorecard's records: findings, scores, comparisons. `scorecard.json` is the last class here, encoded."""

from typing import Annotated, Literal

import msgspec

from evaluator.core import catalogue, metrics
from evaluator.core.claims import Audited
from evaluator.core.cost import Cost
from evaluator.core.criteria import CriteriaUsed
from evaluator.core.decision import Decision
from evaluator.core.ease import Ease
from evaluator.core.interval import Interval as Interval  # noqa: PLC0414  # taken from here, with what is made of it
from evaluator.core.learning import TimeToQuality
from evaluator.core.machines import Machines
from evaluator.core.matrix import MatrixCell
from evaluator.core.outcome import Outcome
from evaluator.core.policy import STANDARD, Policy
from evaluator.core.policy import Risk as Risk  # noqa: PLC0414  # a finding's; taken from here
from evaluator.core.records import FRAMEWORKS, Cell, DeviceClass, LabelValue, Machine, Plugin, Record
from evaluator.core.targets import Target
from evaluator.core.upkeep import Upkeep
from evaluator.core.utilisation import Utilisation
from evaluator.core.versions import VERSION
from evaluator.core.waivers import Waiver

Reply = Literal["different", "equivalent", "undecided", "disturbed"]
Doubt = Literal["stand-in", "undecided", "disturbed", "unsettled", "no interval"]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Verdict = Literal["fits", "does not fit", "undecided"]
MARGIN = STANDARD.margin
LEAST_EXACT = MARGIN


class EvidenceRef(Record, frozen=True, kw_only=True):
    """A file that a finding rests on, relative to the run folder, with the digest it had when judged."""

    path: str
    sha256: str


class Finding(Record, frozen=True, kw_only=True):
    """The answer of one check about one candidate in one scenario."""

    id: str  # the same in every run: "parity/bert/pytorch/server/cpu/torchscript.fp32.torch_jit"
    check: str
    category: str
    risk: Risk
    candidate: str  # the framework
    scenario: str
    subject: str  # what exactly was looked at, for people: "TorchScript in torch.jit"
    path: str | None = None  # deployment path: "server", "mobile", "portable"; None when the question has none
    device: str = "cpu"
    state: Outcome
    score: float | None  # 0 to 10; None when unmeasured
    reason: str  # one sentence that says why this score
    metric: str | None = None  # that the value is of; see docs/metrics.md
    value: float | None = None
    unit: str | None = None  # the metric's
    interval: Interval | None = None  # of the value; None where it is exact, or nobody knows
    target: Target | None = None  # what it was scored against; see docs/rigour.md, "Scoring"
    baseline: float | None = None  # the figure that has full marks; before there were targets, the better framework's
    formula: str | None = None
    provisional: bool = False  # rests on the embedded reference server: labelled, and lowers the coverage
    gate: bool = False  # a failure here caps the verdict at "not ready"
    remedy: str | None = None
    reproduce: str | None = None
    evidence: tuple[EvidenceRef, ...] = ()

    def counts(self, policy: Policy) -> bool:
        """Tell whether it has a part in a score, measured or missing, by its category, path and state."""
        asked = self.category in policy.categories and policy.about(self.path)
        return asked and self.state is not Outcome.NOT_APPLICABLE


class Comparison(Record, frozen=True, kw_only=True):
    """PyTorch against TensorFlow on one question, on the same evidence or not at all.

    `answer` is "different" where the interval of the ratio lies beyond the margin on either side of 1, "equivalent"
    where it lies inside, "disturbed" where the machine was not quiet enough to tell, else "undecided". It is None where
    nothing was compared, and in scorecards of before there were answers, which are judged by the rules of their day.
    """

    id: str  # the same in every run: "latency/bert/server/cpu"
    scenario: str
    question: str  # "training time", "latency", …
    path: str | None
    device: str
    metric: str  # that is compared, and in `labels` which of its figures; see docs/metrics.md
    labels: dict[str, LabelValue] = msgspec.field(default_factory=dict)
    unit: str  # the metric's: "s", "bytes", "1/s"
    lower_is_better: bool
    subjects: dict[str, str]  # framework -> what was measured
    values: dict[str, Interval]  # framework -> the median of all that was measured
    ratio: Interval | None  # pytorch / tensorflow; of the pairs that were measured in turns, where there are any
    # Relative difference of the one A/A pair that a run had before every candidate was its own: `repeats`.
    noise_floor: Annotated[float, msgspec.Meta(ge=0)] | None = None
    winner: str | None  # the framework that is shown to be ahead; None where nobody is, or not so that it is sure
    statement: str  # one sentence: "PyTorch is 1.8 times faster", "equivalent: …", "not comparable: …"
    provisional: bool = False
    rounds: int = 0  # that the side with fewer has; 0 where nobody counted them
    unsettled: tuple[str, ...] = ()  # frameworks of which a measurement had not settled; before there were answers
    answer: Reply | None = None
    margin: Annotated[float, msgspec.Meta(gt=0)] = MARGIN  # a relative difference of less decides nothing
    # Framework -> the ratio of its odd to its even blocks, with its 99 % interval: where that leaves out 1, the machine
    # was not quiet enough to tell anything apart.
    repeats: dict[str, Interval] = msgspec.field(default_factory=dict)
    pairs: int = 0  # of blocks that the ratio rests on
    disturbed: Share | None = None  # of the blocks that others on this machine spoiled: left out; of the worse side
    others: Share | None = None  # of this machine's time that went to others while it was measured
    guests: int = 0  # processes of others that computed on its device meanwhile, at most at once
    more: float | None = None  # how many times as much would have to be measured; None where more of it would not help

    @property
    def counted(self) -> bool:
        """Whether both values are exact: bytes on disk, say, which no second round would change."""
        about = metrics.METRICS.get(self.metric)
        return about is not None and about.provenance == metrics.COUNTED

    @property
    def better(self) -> str | None:
        """The framework that measured better by more than noise, whether that is sure or not."""
        if self.ratio is None or self.answer in ("equivalent", "disturbed") or self.ratio.value == 1:
            return None
        if self.answer is None and not distinguishable(self.ratio, self.noise_floor):
            return None
        return FRAMEWORKS[0] if (self.ratio.value < 1) is self.lower_is_better else FRAMEWORKS[1]

    @property
    def slight(self) -> bool:
        """Whether exact figures differ by so little that it decides nothing."""
        return self.counted and self.ratio is not None and relative_difference(self.ratio.value) <= self.margin

    @property
    def doubt(self) -> Doubt | None:
        """What keeps a difference from being sure; None where nothing does."""
        if self.counted:
            return None
        if self.provisional:
            return "stand-in"
        if self.answer is not None:
            return self.answer if self.answer in ("undecided", "disturbed") else None
        if self.unsettled:
            return "unsettled"
        return "no interval" if self.ratio is None or self.ratio.low is None else None

    @property
    def ahead(self) -> str | None:
        """The framework that is shown to be better; None where one measured better, but not so that it is sure.

        What is sampled needs an interval that lies beyond the margin, of what is asked about and not of a stand-in.
        What is counted needs none, and a difference that matters.
        """
        return None if self.slight or self.doubt else self.better


def relative_difference(ratio: float) -> float:
    """Return how much the larger exceeds the smaller: 0.25 for a ratio of 1.25 as well as for 0.8."""
    return max(ratio, 1 / ratio) - 1


def distinguishable(ratio: Interval, floor: float | None) -> bool:
    """Tell whether a ratio is more than noise: outside the noise floor, and with an interval that leaves out 1."""
    if floor is not None and relative_difference(ratio.value) <= floor:
        return False
    if ratio.low is None or ratio.high is None:
        return ratio.value != 1
    return not ratio.low <= 1 <= ratio.high


class Ranking(Record, frozen=True, kw_only=True):
    """Which of all candidates for one question in one scenario are the best, with one error rate over all of them.

    Candidates are named as people name them: "TorchScript in torch.jit". Of those in `best` none is shown to be worse
    than another candidate; each of `slower` is.
    """

    scenario: str
    device: str
    question: str  # "latency", "throughput", "latency on one core"
    best: tuple[str, ...]
    slower: tuple[str, ...]
    statement: str  # one sentence: "these three cannot be told apart, the others are slower: …"
    unranked: tuple[str, ...] = ()  # measured, but not in turns with the others, or the machine was not quiet enough
    ratios: dict[str, Interval] = msgspec.field(default_factory=dict)  # candidate -> times what the best figure is
    error: float = 0.05  # how probable it is that any of `slower` is not


class Candidate(Record, frozen=True, kw_only=True):
    """One path: from an origin by an exporter to an artifact, in a runtime or behind a server."""

    title: str  # as people write it: origin, exporter, runtime or server, precision
    framework: str
    exporter: str | None = None
    format: str | None = None
    precision: str | None = None
    runtime: str | None = None
    server: str | None = None
    launcher: str | None = None
    variant: str | None = None
    baseline: bool = False  # the origin as it is, in its own framework
    figure: Interval | None = None  # None where it is proven only
    ratio: Interval | None = None  # how many times as bad as the first of the best; None where that is not known
    answer: Reply | None = None  # against the first of the best; None for that one
    evidence: str  # the folder of the step, or of its first round


class Absent(Record, frozen=True, kw_only=True):
    """Paths that take no part in a question, and why."""

    why: str  # "computes something else", "refused by the runtime", "not exported", ...
    titles: tuple[str, ...]


class PathChoice(Record, frozen=True, kw_only=True):
    """Which path to take for one question, in one scenario on one device, and what separates the next.

    Of those in `best` none is shown to be worse than another by more than the margin; each of `others` is. The first of
    the best is the one with the best figure. Nothing is said across questions.
    """

    question: str  # "server_answer", "server_load", "phone", "browser", "smallest", "least_memory"
    title: str
    scenario: str
    device: str
    metric: str
    unit: str
    lower_is_better: bool
    best: tuple[Candidate, ...] = ()
    others: tuple[Candidate, ...] = ()  # the nearest first
    unranked: tuple[Candidate, ...] = ()  # measured, but too disturbed, or not in turns with the others
    absent: tuple[Absent, ...] = ()
    separates: str  # one sentence: what separates the next
    caution: str = ""  # what the figures are not: "on one core of this machine, a stand-in for a phone's"
    margin: Annotated[float, msgspec.Meta(gt=0)] = MARGIN
    error: float = 0.05  # how probable it is that any of `others` is not worse


class TrainingCost(Record, frozen=True, kw_only=True):
    """What one framework's training costs: what is paid once, what each step takes, and the sum for what is planned."""

    import_s: float | None = None  # of the framework; None in runs that did not measure it
    build_s: float | None = None  # of the network and its optimizer
    first_step_s: float  # with tracing and compiling
    step_s: float  # in steady state
    evaluation_s: float | None = None  # of all held-out examples; no part of the sum
    fixed_s: float  # import, build and first step, less one step in steady state
    planned_s: float  # fixed_s + steps * step_s
    arithmetic: str  # the same as a sentence, with its numbers


class VariantCost(Record, frozen=True, kw_only=True):
    """What training costs in one way to take a step, on one device: the default of a framework, or a variant of it."""

    framework: str
    variant: str | None = None  # None: the framework's default
    precision: str = "fp32"  # that it computes in: like is compared with like
    outcome: Outcome
    reason: str = ""  # why there are no figures
    remedy: str = ""
    step_s: Interval | None = None  # in steady state
    fixed_s: float | None = None
    planned_s: float | None = None
    ratio: Interval | None = None  # of a step to one of the framework's default, in the same turns
    answer: Reply | None = None
    pays_from_steps: int | None = None  # from so many steps on it takes less than the default, what it costs included
    pays: str = ""  # the same as a sentence
    blind: float = 0.0  # the share of its numbers' comparisons that could not have failed, and were left out
    parity: float | None = None  # its largest difference from the default's first steps, as a share of what is allowed
    best: bool = False  # the one that took least, of its framework and precision, in the half of blocks that chose


class Training(Record, frozen=True, kw_only=True):
    """The training that a scenario plans, and what it would cost in each framework, on one device of this machine."""

    scenario: str
    device: str
    examples: int
    epochs: int
    batch_size: int
    source: str  # where examples and epochs come from
    steps: int  # examples / batch_size, rounded up, times epochs
    arithmetic: str  # the same as a sentence
    costs: dict[str, TrainingCost]  # framework -> what it costs; without those whose training does not count
    step_ratio: Interval | None = None  # of the steps, pytorch / tensorflow
    turning_point_steps: int | None = None  # from so many steps on the other framework is ahead; None where none is
    extrapolated: str = ""  # to totals that somebody claims, as a sentence with its arithmetic; empty where nobody does
    turning_point: str = ""  # one sentence: "PyTorch is ahead below 1,900 steps, TensorFlow above …"
    variants: tuple[VariantCost, ...] = ()  # every way to take a step, the defaults too; none in older runs


def comparison_id(question: str, scenario: str, path: str | None, device: str) -> str:
    """Name a comparison by what it asks, so that it has the same name in every run."""
    return "/".join(part.replace(" ", "_").lower() for part in (question, scenario, path, device) if part)


class CategoryScore(Record, frozen=True, kw_only=True):
    """The weighted mean of what was measured in one category, with the bounds that missing evidence leaves."""

    category: str
    weight: float
    score: float | None
    lower: float
    upper: float
    coverage: float


class CandidateScore(Record, frozen=True, kw_only=True):
    """A framework's scores in one scenario, or over all of them (`scenario` None)."""

    candidate: str
    scenario: str | None
    overall: float | None
    lower: float
    upper: float
    coverage: float
    weakest: str | None  # the category with the lowest score: a weak one cannot be bought out
    weakest_score: float | None
    verdict: Literal["ready", "not ready", "insufficient evidence"]
    gates: tuple[str, ...]  # why the verdict is capped, if it is
    open_gates: tuple[str, ...] = ()  # must-haves of the criteria that nothing answers: the verdict cannot be "ready"
    categories: tuple[CategoryScore, ...]


class Robustness(Record, frozen=True, kw_only=True):
    """How often each candidate scores highest when weights, and figures within their intervals, are drawn at random."""

    draws: int
    seed: int
    over: Literal["weights", "weights and intervals"] = "weights"  # what is drawn; weights alone in older runs
    first: dict[str, float]  # framework -> share of the draws in which it is first
    error: dict[str, float] = msgspec.field(default_factory=dict)  # of that: see `decision.Acceptability`
    compared: tuple[str, ...] = ()  # categories of which there is the same evidence of all; unknown in older runs
    statement: str


class Curve(Record, frozen=True, kw_only=True):
    """A line to draw: the loss of one training step by step, the latency of one server rate by rate."""

    scenario: str
    framework: str
    device: str
    name: str
    unit: str  # of y
    x_name: str  # what runs along the axis: "step"
    subject: str = ""  # what is drawn where a framework has several: "TorchServe (process)"
    x: Annotated[tuple[float, ...], msgspec.Meta(min_length=1)]
    y: Annotated[tuple[float, ...], msgspec.Meta(min_length=1)]

    def __post_init__(self) -> None:
        """Refuse a line whose points have but one coordinate."""
        if len(self.x) != len(self.y):
            raise ValueError(f"a curve has {len(self.x)} places and {len(self.y)} values")


class EdgeFit(Record, frozen=True, kw_only=True):
    """Whether one artifact, in one runtime, fits one class of devices."""

    evidence: str  # the folder of the edge step that measured it, as in its cell
    device: str  # name of the class
    verdict: Verdict
    reason: str
    estimated: bool = False  # rests on an estimate of the device's speed


class Scorecard(Record, frozen=True, kw_only=True):
    """Everything that a board signs: findings, scores, coverage, and the cells they rest on."""

    version: int = VERSION  # of the files of a run, of which it is one
    fweval: str
    run: str
    created_at: str
    profile: str
    policy: Policy = STANDARD  # what the scores were computed by
    scenarios: dict[str, str]  # name -> one-line summary
    machine: Machine
    scores: tuple[CandidateScore, ...]
    comparisons: tuple[Comparison, ...]
    robustness: Robustness | None
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]
    curves: tuple[Curve, ...]
    cells: tuple[Cell, ...]
    device_classes: tuple[DeviceClass, ...] = ()
    rankings: tuple[Ranking, ...] = ()
    paths: tuple[PathChoice, ...] = ()  # which path to take, question by question
    trainings: tuple[Training, ...] = ()  # what each planned training would cost
    times_to_quality: tuple[TimeToQuality, ...] = ()  # how long each framework takes to the target
    utilisation: tuple[Utilisation, ...] = ()  # of the machine's limit; none in runs that did not look
    ease: Ease | None = None  # what can be measured of ease of use; None where the run did not ask
    edge: tuple[EdgeFit, ...] = ()  # artifact by artifact, class by class
    matrix: tuple[MatrixCell, ...] = ()  # every exporter at every precision
    cost: Cost | None = None  # of training and serving, where a price sheet was given
    titles: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)  # kind of plug-in -> name -> in words
    archived: dict[str, str] = msgspec.field(default_factory=dict)  # server -> where its makers say so
    decision: Decision | None = None  # who is to be taken, and how firm that is; None in runs of before
    plugins: tuple[Plugin, ...] = ()  # from outside: what the run used, and the checks that judged it
    waivers: dict[str, Waiver] = msgspec.field(default_factory=dict)  # what somebody answers for: changes no score
    upkeep: Upkeep | None = None  # who maintains what; None in runs that did not look
    claims: tuple[Audited, ...] = ()  # that others made, and what this run says of them
    criteria: CriteriaUsed | None = None  # that it was made by; None in runs that had no criteria record
    machines: Machines | None = None  # of a cluster, side by side; None for a run on one machine

    def __post_init__(self) -> None:
        """Refuse verdicts on devices of which it says nothing, and two of one artifact on the same."""
        strange = {fit.device for fit in self.edge} - {device.name for device in self.device_classes}
        if strange:
            raise ValueError(f"a verdict is about '{min(strange)}', which is none of its classes of devices")
        if len({(fit.evidence, fit.device) for fit in self.edge}) < len(self.edge):
            raise ValueError("one artifact has two verdicts on a class of devices")

    @property
    def every_cell(self) -> tuple[Cell, ...]:
        """All steps: also what was measured again on further kinds of machines, in no finding and in no score."""
        return self.cells if self.machines is None else (*self.cells, *self.machines.cells)

    @property
    def names(self) -> dict[str, str]:
        """Any name that a coordinate may have -> as people write it."""
        return catalogue.flat(self.titles)

    def title(self, kind: str, name: str) -> str:
        """Return what people call a plug-in; its name in words when the run's catalogue has no title for it."""
        return self.titles.get(kind, {}).get(name, name.replace("_", " "))
