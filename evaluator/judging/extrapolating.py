"""What somebody claims that a whole training takes, in seconds, set against what was measured of a few steps. Pure.

Whoever gives totals without the steps that they are of can be checked in their ratio only. So the first framework's
total is turned into steps by what a step costs here, and as many steps of the other one are put beside its total.
"""

from collections.abc import Mapping

from evaluator.core.quantities import seconds, significant
from evaluator.core.scorecard import Reply
from evaluator.measure.training import Cost


def sentence(costs: Mapping[str, Cost], claimed: Mapping[str, float], by: str, reply: Reply | None) -> str:
    """Say it with the arithmetic; `costs` and `claimed` by title, in the order of the ratio. Empty where it cannot be.

    It cannot without both frameworks, nor where the total is over before a first step would be.
    """
    known = [title for title in costs if title in claimed]
    if len(known) != 2 or claimed[known[0]] < costs[known[0]].start_s:
        return ""
    first, second = known
    a, b = costs[first], costs[second]
    steps = (claimed[first] - a.fixed_s) / a.step_s
    total = b.total_s(steps)
    doubt = "" if reply in ("different", "equivalent") else "; whose step is shorter is not decided"
    return (
        f"{by} gives {_exact(claimed[first])} for {first} and {_exact(claimed[second])} for {second}, without their "
        f"steps: a ratio of {significant(claimed[first] / claimed[second])}. On this machine {first} takes "
        f"{_exact(claimed[first])} for {steps:,.0f} steps ({seconds(a.fixed_s)} fixed + {steps:,.0f} steps of "
        f"{seconds(a.step_s)}). {second} takes {_exact(total)} for as many ({seconds(b.fixed_s)} fixed + {steps:,.0f} "
        f"steps of {seconds(b.step_s)}): a ratio of {significant(claimed[first] / total)}{doubt}"
    )


def _exact(value: float) -> str:
    """Write seconds as the claim has them."""
    return f"{value:,.0f} s"
