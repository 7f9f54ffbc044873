"""Claims that others made, as data, and what a run says of each: the records of `fweval claims`.

A claim has a source, a date and one or several tests of a small fixed vocabulary; a file of claims is TOML, read
strictly (`evaluator.claims.reading`, docs/claims.md). What a run says is a verdict with what it rests on.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from evaluator.core.coordinates import Record
from evaluator.core.records import LabelValue, Name, Title

# "undecided": it was measured, and does not decide. "not testable here": it was not measured.
Verdict = Literal["supported", "contradicted", "mixed", "undecided", "not testable here"]
SUPPORTED: Verdict = "supported"
CONTRADICTED: Verdict = "contradicted"
MIXED: Verdict = "mixed"
UNDECIDED: Verdict = "undecided"
NOT_TESTABLE: Verdict = "not testable here"
VERDICTS: tuple[Verdict, ...] = (SUPPORTED, CONTRADICTED, MIXED, UNDECIDED, NOT_TESTABLE)

# What a person may write an amount in -> how much it is of the metric's own unit.
UNITS: Mapping[str, Mapping[str, float]] = {
    "s": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6},
    "bytes": {"bytes": 1.0, "B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9},
    "share": {"share": 1.0, "%": 0.01},
}
Framework = Literal["pytorch", "tensorflow"]
Need = Literal["all", "most"]  # of the places that a test is asked in; "most": more than half
Same = Literal["scenario", "framework", "format", "precision", "runtime", "server", "launcher", "device"]
Text = Annotated[str, msgspec.Meta(max_length=2000)]
Pattern = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]  # as file names are matched: "latency over *"
Amount = Annotated[float, msgspec.Meta(ge=-1e18, le=1e18)]
Ratio = Annotated[float, msgspec.Meta(gt=0, le=1e9)]


class Cited(Record, frozen=True, kw_only=True):
    """A sentence of somebody else's, with where it stands and when it was said."""

    quote: Text
    source: Text
    date: Text = ""


class Where(Record, frozen=True, kw_only=True):
    """Which cells are meant, by their coordinates; each value is a pattern, and what is not named may be anything.

    Cells of the export matrix take part only where an exporter or a precision is named, runtimes that are set up
    otherwise than their users have them only where a variant is.
    """

    stage: Pattern | None = None
    scenario: Pattern | None = None
    framework: Pattern | None = None
    format: Pattern | None = None
    exporter: Pattern | None = None
    precision: Pattern | None = None
    runtime: Pattern | None = None
    server: Pattern | None = None
    launcher: Pattern | None = None
    device: Pattern | None = None
    variant: Pattern | None = None


class _Test(Record, frozen=True, kw_only=True, tag_field="kind"):
    """What all tests have: how the claim's words are read, and in how many of the places it must hold."""

    reading: Text = ""  # "'significantly' is read as at least twice as fast"
    need: Need = "all"


class ComparisonTest(_Test, frozen=True, kw_only=True, tag="comparison"):
    """Which framework is ahead in a question of the comparison, in every scenario, path and device that is meant."""

    question: Pattern
    ahead: Framework
    scenario: Pattern = "*"
    path: Pattern | None = None  # "server", "mobile", "portable"; None: any, or none
    device: Pattern = "*"
    tie: Literal["contradicts", "supports"] = "contradicts"  # what it says of the claim that both are equivalent
    claimed: Ratio | None = None  # PyTorch / TensorFlow, of the question's figure


class RatioTest(_Test, frozen=True, kw_only=True, tag="ratio"):
    """The ratio of a figure between two selections of cells that are otherwise the same: GPU to CPU, server to server.

    One of `is`, `above` and `below` says what is claimed; `is` goes by the margin, the others by their number.
    """

    metric: Name
    labels: dict[str, LabelValue] = msgspec.field(default_factory=dict)
    of: Where
    to: Where
    same: tuple[Same, ...] = ("scenario", "framework")  # what both sides have in common
    direction: Literal["higher", "lower"] | None = msgspec.field(default=None, name="is")
    above: Ratio | None = None
    below: Ratio | None = None
    claimed: Ratio | None = None


class AmountTest(_Test, frozen=True, kw_only=True, tag="amount"):
    """A figure of cells against a number: "p99 below 5 ms". One of `above` and `below` is given, with its unit."""

    metric: Name
    labels: dict[str, LabelValue] = msgspec.field(default_factory=dict)
    where: Where = Where()
    above: Amount | None = None
    below: Amount | None = None
    unit: Title
    claimed: Amount | None = None


class ExportsTest(_Test, frozen=True, kw_only=True, tag="exports"):
    """From which framework a larger share of the exports that were tried is proven right."""

    ahead: Framework
    scenario: Pattern = "*"
    tie: Literal["contradicts", "supports"] = "contradicts"


class ScoreTest(_Test, frozen=True, kw_only=True, tag="score"):
    """Which framework scores higher in a category, or over all where none is named."""

    ahead: Framework
    category: Name | None = None
    scenario: Pattern | None = None  # None: over all scenarios
    tie: Literal["contradicts", "supports"] = "contradicts"


class CriteriaTest(_Test, frozen=True, kw_only=True, tag="criteria"):
    """Which framework scores higher when the run's findings are weighed by other criteria, built-in ones.

    A category that the criteria weigh and the run was not asked about is missing evidence.
    """

    criteria: Name
    ahead: Framework
    tie: Literal["contradicts", "supports"] = "contradicts"


class FindingTest(_Test, frozen=True, kw_only=True, tag="finding"):
    """Which framework has the better figure among the findings of a check; of those without figures, more points."""

    check: Name
    ahead: Framework
    metric: Name | None = None
    scenario: Pattern = "*"
    path: Pattern | None = None
    device: Pattern = "*"
    # What it says of the claim that both are equivalent: "tells nothing" where what was tried is too easy for both.
    tie: Literal["contradicts", "supports", "tells nothing"] = "contradicts"


class MaintainedTest(_Test, frozen=True, kw_only=True, tag="maintained"):
    """Whether the makers of a server, or of a component of the register, still maintain it: cited, with its source."""

    server: Name | None = None  # one of these two
    component: Name | None = None


class FactTest(_Test, frozen=True, kw_only=True, tag="fact"):
    """What no run can measure: the claim stands with what others said, and is tested by nothing.

    With `part`, it is a part of a claim whose other parts are tested: without it, the claim is never supported.
    """

    why: Text
    part: bool = False


AnyTest = (
    ComparisonTest
    | RatioTest
    | AmountTest
    | ExportsTest
    | ScoreTest
    | CriteriaTest
    | FindingTest
    | MaintainedTest
    | FactTest
)


class Claim(Record, frozen=True, kw_only=True):
    """One claim, where it stands, and what tests it."""

    id: Name
    statement: Text
    source: Text
    date: Text = ""
    figure: Text = ""  # as the source gives it: "1100 s / 1200 s"
    tests: Annotated[tuple[AnyTest, ...], msgspec.Meta(min_length=1, max_length=50)]
    cites: tuple[Cited, ...] = ()  # facts that belong to it, with their dates


class Claims(Record, frozen=True, kw_only=True):
    """A file of claims."""

    title: Title
    claims: Annotated[tuple[Claim, ...], msgspec.Meta(min_length=1, max_length=500)]


class Instance(Record, frozen=True, kw_only=True):
    """What one test found in one place."""

    asked: str  # "training time, bert"
    verdict: Verdict
    reason: str  # one sentence
    value: float | None = None  # what was measured, with the ends of its interval; none of an exact figure
    low: float | None = None
    high: float | None = None
    unit: str | None = None  # None: a ratio,
    ratio: str = ""  # and of what: "PyTorch / TensorFlow"
    claimed: float | None = None
    inside: bool | None = None  # whether what is claimed lies in the interval
    evidence: tuple[str, ...] = ()  # ids of comparisons and findings, folders of steps
    missing: str = ""  # what to do to have it tested, or decided


class Audited(Record, frozen=True, kw_only=True):
    """A claim with its verdict."""

    file: str  # the title of the file that it stands in
    id: str
    statement: str
    source: str
    date: str = ""
    figure: str = ""
    verdict: Verdict
    reason: str
    tests: tuple[Instance, ...] = ()
    readings: tuple[str, ...] = ()  # how its words were read
    cites: tuple[Cited, ...] = ()
