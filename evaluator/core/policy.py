"""What scoring decides by, as data: it stands inside the scorecard, which alone suffices to compute every score again.

None of it is measured. Another decision may weigh otherwise; the findings stay what they are.
"""

from enum import StrEnum

import msgspec

from evaluator.core.coordinates import DEVICE, Record
from evaluator.core.targets import BANDS, Band


class Risk(StrEnum):
    """How much a finding weighs: OpenSSF Scorecard's levels."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


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
    least_coverage: float = 0.7  # below it the verdict is "insufficient evidence"
    least_score: float = 5.0  # below it the verdict is "not ready"
    # Candidates are compared in the categories of which the least covered has this share of the most covered's
    # evidence, at least: full marks for the one question that was answered are not more than fair marks for twenty.
    comparable_share: float = 0.5
    # What a figure is set against where the scenario declares no target. Scorecards of before there were targets have
    # none, and say what half as good as the better framework cost, of ten.
    bands: dict[str, Band] = msgspec.field(default_factory=dict)
    points_per_halving: float | None = None
    margin: float = 0.05  # a relative difference of less decides nothing, where a scenario does not say otherwise
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

    def risk(self, found: Risk, device: str) -> Risk:
        """Return the risk that a finding weighs by."""
        return found if device == DEVICE else self.risk_beside_cpu


# A path on what is archived has none, and a verdict that is capped.
UPKEEP = {"active": 10.0, "minimal": 7.0, "limited": 5.0, "deprecated": 3.0, "unknown": 3.0, "archived": 0.0}
STANDARD = Policy(bands=BANDS, upkeep=UPKEEP)
