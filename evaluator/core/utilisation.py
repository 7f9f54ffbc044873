"""How much of what a machine can compute a training or an artifact makes use of: one row of the scorecard."""

from typing import Annotated, Literal

import msgspec

from evaluator.core.coordinates import Coordinates

Per = Literal["step", "answer", "batch"]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Utilisation(Coordinates, frozen=True, kw_only=True):
    """How close to the machine's limit a training step, an answer or a batch of answers comes, in the middle round."""

    per: Per
    examples: int = 1  # that are answered at once
    computed_in: str  # the precision, in which the limit was measured, too
    seconds: float  # the median call
    flops: int | None = None  # floating point operations of a call; None where they are not known
    peak_flops_per_s: float | None = None  # the best that a kernel reached in the same turns
    peak_kernel: str = ""
    peak_framework: str = ""  # whose kernel it was
    mfu: Share | None = None  # flops / (seconds * peak_flops_per_s): above 0, at most 1
    disturbed_share: float | None = None  # of the blocks that it was measured in; None: it took no turns
    reason: str = ""  # why mfu is not known
