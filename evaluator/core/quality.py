"""How good answers are by the measure of whoever brought a model, and what an artifact lost of that; in words, too.

A step keeps it as figures whose label `measure` names the measure: a unit of its own, which only that name tells.
"""

from evaluator.core import metrics
from evaluator.core.metrics import Row, number
from evaluator.core.quantities import significant
from evaluator.core.records import Figure, Record

_NOTHING = 1e-3  # of what may be lost: what rounding makes of the same answers


class Quality(Record, frozen=True, kw_only=True):
    """A quality on so many labelled rows; of an artifact, beside its origin's."""

    measure: str  # its name: "top1", "mine.py:price_error"
    value: float
    low: float | None = None  # the ends of its 95 % interval, where there is one
    high: float | None = None
    origin: float | None = None  # the origin's on the same rows; None of the origin itself, as all below
    loss: float | None = None  # in the measure's unit; above zero where the artifact is worse
    loss_low: float | None = None
    loss_high: float | None = None
    allowed: float | None = None  # of the loss
    verdict: str = ""  # "kept", "lost" or "in doubt"
    rows: int = 0
    doubt: str = ""  # why there is no interval, or no verdict

    @property
    def short(self) -> str:
        """Return the figure with the measure's name."""
        return f"{self.measure} {significant(self.value)}"

    @property
    def words(self) -> str:
        """Say all of it in a line."""
        rows = f"on {self.rows:,} labelled rows"
        if self.origin is None or self.loss is None or self.allowed is None:
            return f"{self.short}{_ends(self.low, self.high)} {rows}{self._doubt}"
        lost = f"a loss of {significant(self.loss)}{_ends(self.loss_low, self.loss_high)}"
        ends = (self.loss, self.loss_low, self.loss_high)
        if all(each is not None and abs(each) <= _NOTHING * self.allowed for each in ends):
            lost = "nothing lost"
        beside = f"{self.short} (origin {significant(self.origin)})"
        return f"{beside}: {lost}, allowed {significant(self.allowed)}, {rows}{self._doubt}"

    @property
    def _doubt(self) -> str:
        why = self.doubt
        if self.verdict == "in doubt":
            why = f"in doubt: {why or 'the interval holds what is allowed, more labelled rows would tell'}"
        return f"; {why}" if why else ""


def read(row: Row) -> Quality | None:
    """Return the quality that a step kept; None where nobody asked for one, or it has no value."""
    (value,) = _figures(row, "quality") or (None,)
    if value is None or (known := number(value.value)) is None:
        return None
    (loss,) = _figures(row, "quality_loss") or (None,)
    rows = number(row.metrics.get("quality_rows"))
    return Quality(
        measure=str(value.labels.get("measure", "")),
        value=known,
        low=value.low,
        high=value.high,
        origin=_number(row, "origin_quality"),
        loss=None if loss is None else number(loss.value),
        loss_low=None if loss is None else loss.low,
        loss_high=None if loss is None else loss.high,
        allowed=_number(row, "allowed_loss"),
        verdict=str(row.metrics.get("quality_verdict", "")),
        rows=0 if rows is None else int(rows),
        doubt=str(row.metrics.get("quality_doubt", "")),
    )


def _figures(row: Row, name: str) -> tuple[Figure, ...]:
    return metrics.select(row.figures, name)[:1]


def _number(row: Row, name: str) -> float | None:
    return next((number(figure.value) for figure in _figures(row, name)), None)


def _ends(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({significant(low)} to {significant(high)})"
