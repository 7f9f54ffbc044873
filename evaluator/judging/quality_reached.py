"""Whether a training that is set up in a certain way got to its scenario's target: a faster wrong step is no step."""

from evaluator.judging import learning
from evaluator.judging.evidence import Evidence


def reached(evidence: Evidence, scenario: str, framework: str, device: str, variant: str | None) -> bool | None:
    """Tell whether it did with all of its seeds but one at the most, of several; None where nobody tried, or could."""
    entries = [
        entry
        for entry in evidence.everything(learning.STAGE, scenario)
        if (entry.step.framework, entry.step.device, entry.step.variant) == (framework, device, variant)
    ]
    known = [got for entry in entries if (got := learning.reached(entry)) is not None]
    if not known:
        return None
    return any(known) and known.count(False) <= learning.MOST_MISSED
