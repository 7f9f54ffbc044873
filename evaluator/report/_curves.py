"""Which curves are drawn over common axes."""

from evaluator.core.scorecard import Curve, Scorecard

STEP = "step"  # what the curves of a training run along
SECOND = "second"  # the same


def together(card: Scorecard, scenario: str, along: str | None = None) -> tuple[tuple[Curve, ...], ...]:
    """Return a scenario's curves along a quantity (None: all but those of training), those together that share axes."""
    groups: dict[tuple[str, str, str], list[Curve]] = {}
    for curve in card.curves:
        fits = curve.x_name == along if along else curve.x_name not in (STEP, SECOND)
        if curve.scenario == scenario and curve.y and fits:
            groups.setdefault((curve.name, curve.unit, curve.device), []).append(curve)
    return tuple(tuple(groups[key]) for key in sorted(groups))
