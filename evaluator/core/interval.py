"""An estimate and how sure it is: what findings, comparisons and everything that follows from them are made of."""

from evaluator.core.coordinates import Record


class Interval(Record, frozen=True, kw_only=True):
    """An estimate with the two ends of its confidence interval; the ends are None when it cannot be known."""

    value: float
    low: float | None
    high: float | None
