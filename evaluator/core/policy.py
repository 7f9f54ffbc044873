"""What scoring decides by, as data: it stands inside the scorecard, which alone suffices to compute every score again.

None of it is measured. Another decision may weigh otherwise; the findings stay what they are.
"""

from enum import StrEnum
from typing import Literal, get_args

import msgspec

from evaluator.core.coordinates import DEVICE, Record
from evaluator.core.targets import BANDS, FIGURES, Amount, Band, Target


class Risk(StrEnum):
    """How much a finding weighs: OpenSSF Scorecard's levels."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


# Every category that a check may belong to, in the order in which they are shown.
CATEGORIES = ("training", "performance", "footprint", "portability", "serving", "upkeep", "ease")


DeploymentPath = Literal["server", "mobile", "portable", "web"]  # where what is trained is to compute
PATHS: tuple[DeploymentPath, ...] = get_args(DeploymentPath)


class Gate(Record, frozen=True, kw_only=True):
    """A must-have: it caps the verdict, and no weight buys it out. Of a check, or a limit to a figure.

    What a must-have is about and nobody measured leaves the verdict open.
    """

    check: str = ""  # that has to pass
    figure: str = ""  # or one of `core.targets.FIGURES`, which has to keep to the limit in its unit
    at_most_s: Amount | None = None
    at_most_bytes: Amount | None = None
    at_least_per_s: Amount | None = None
    path: DeploymentPath | None = None  # None: on each
    scenario: str | None = None  # None: in each
    device: str = DEVICE
    needs: Literal["all", "one"] = "all"  # of what was looked at in a scenario: "one" artifact that passes will do
    why: str = ""

    def __post_init__(self) -> None:
        """Refuse a gate that asks for nothing, for two things, or for a limit in another unit."""
        if bool(self.check) is bool(self.figure):
            raise ValueError("a gate names either a check or a figure")
        if self.figure and self.figure not in FIGURES:
            raise ValueError(f"unknown figure '{self.figure}'; known here: {', '.join(FIGURES)}")
        wanted = {FIGURES[self.figure].limit} if self.figure else set()
        given = {name for name in LIMITS if getattr(self, name) is not None}
        if given != wanted:
            raise ValueError(
                f"a gate on {self.figure} has its limit in {FIGURES[self.figure].limit}, and no other"
                if self.figure
                else f"a gate on a check has no limit, and not {', '.join(sorted(given))}"
            )

    @property
    def limit(self) -> float:
        """The limit to its figure; zero for a check."""
        found: float | None = getattr(self, FIGURES[self.figure].limit) if self.figure else None
        return found or 0.0

    @property
    def asked(self) -> str:
        """The check whose findings answer it."""
        return FIGURES[self.figure].check if self.figure else self.check


LIMITS = tuple(name for name in Gate.__struct_fields__ if name.startswith("at_"))


class Policy(Record, frozen=True, kw_only=True):
    """Weights, thresholds and the targets that turn figures into points."""

    categories: dict[str, float] = msgspec.field(
        default_factory=lambda: {
            "training": 1.0,
            "performance": 2.0,
            "footprint": 1.0,
            "portability": 2.0,
            "serving": 2.0,
        }
    )  # category -> its weight in the overall score
    risks: dict[Risk, float] = msgspec.field(
        default_factory=lambda: {Risk.CRITICAL: 10.0, Risk.HIGH: 7.5, Risk.MEDIUM: 5.0, Risk.LOW: 2.5}
    )  # risk -> the weight of a finding in its category's mean
    # Of every finding on another device than the CPU, whatever the check says: the scenarios ask about the CPU, and
    # about a GPU where there is one.
    risk_beside_cpu: Risk = Risk.LOW
    provisional_share: float = 0.5  # of its weight that a figure of a reference server counts as measured
    # Whether a must-have of a check that only a stand-in answers is kept. It was, before there were criteria.
    stand_in_suffices: bool = True
    least_coverage: float = 0.7  # below it the verdict is "insufficient evidence"
    least_score: float = 5.0  # below it the verdict is "not ready"
    # Candidates are compared in the categories of which the least covered has this share of the most covered's
    # evidence, at least: full marks for the one question that was answered are not more than fair marks for twenty.
    comparable_share: float = 0.5
    # What a figure is set against where the scenario declares no target. Scorecards of before there were targets have
    # none, and say what half as good as the better framework cost, of ten.
    bands: dict[str, Band] = msgspec.field(default_factory=dict)
    points_per_halving: float | None = None
    targets: dict[str, Target] = msgspec.field(default_factory=dict)  # of the criteria: before any other
    gates: tuple[Gate, ...] = ()  # of the criteria, beside those that checks bring
    paths: tuple[
        DeploymentPath, ...
    ] = ()  # that the decision is about: what lies on others counts for nothing; none: on all
    margin: float = 0.05  # a relative difference of less decides nothing, where a scenario does not say otherwise
    margin_declared: bool = False  # by the criteria: then it holds whatever a scenario says
    # How far two trainings may lie apart and still be the same, relative: their outputs before the first step
    # (rigour.md: fp32; a scenario can set `start_tolerance`), and their first losses. Seen on equal trainings: losses
    # 1e-7 (tiny), 1e-4 (BERT), 1e-2 (ResNet-50, AdamW) apart.
    start_tolerance: float = 1e-4
    first_losses_tolerance: float = 0.05
    # Status of the weakest component that a path rests on -> points. What is not known has no more than what is
    # deprecated, so that not looking never helps.
    upkeep: dict[str, float] = msgspec.field(default_factory=dict)
    draws: int = 10_000  # random weightings of the categories that the answer must be robust against
    seed: int = 20_240_229  # of these

    def about(self, path: str | None) -> bool:
        """Tell whether a finding on a path matters to the decision; what is on no path always does."""
        return path is None or not self.paths or path in self.paths

    def risk(self, found: Risk, device: str) -> Risk:
        """Return the risk that a finding weighs by."""
        return found if device == DEVICE else self.risk_beside_cpu


# A path on what is archived has none, and a verdict that is capped.
UPKEEP = {"active": 10.0, "minimal": 7.0, "limited": 5.0, "deprecated": 3.0, "unknown": 3.0, "archived": 0.0}
STANDARD = Policy(bands=BANDS, upkeep=UPKEEP)
