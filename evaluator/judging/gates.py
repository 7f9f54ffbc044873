"""Must-haves of the criteria: gates, never weights. Whether findings keep them, break them, or do not tell. Pure.

"Must-haves are gates": a requirement that a tender calls essential is met or not, and no other merit makes up for it
(23 CFR 636.212 has weaknesses that cannot be bought out named on their own). What nobody could measure neither keeps
nor breaks a must-have: it stays open, and so does the verdict.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from evaluator.core.coordinates import DEVICE
from evaluator.core.outcome import Outcome
from evaluator.core.policy import Gate
from evaluator.core.quantities import quantity
from evaluator.core.scorecard import Finding
from evaluator.core.targets import FIGURES

Answer = Literal["kept", "broken", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Sentences about the must-haves that are broken, and about those that nothing answers."""

    failed: tuple[str, ...] = ()
    open: tuple[str, ...] = ()


def judge(gates: Iterable[Gate], findings: Sequence[Finding], scenarios: Sequence[str]) -> Judged:
    """Judge every gate in every scenario that it is about, from one candidate's findings."""
    failed: list[str] = []
    unanswered: list[str] = []
    for gate in gates:
        for scenario in scenarios:
            if gate.scenario in (None, scenario):
                answer, sentence = _one(gate, findings, scenario)
                if answer != "kept":
                    (failed if answer == "broken" else unanswered).append(f"{scenario}: {sentence}")
    return Judged(failed=tuple(failed), open=tuple(unanswered))


def stood_in(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield a sentence for each must-have of a check that nothing but a stand-in answers."""
    found: dict[tuple[str, str], list[Finding]] = {}
    for each in findings:
        if each.gate and each.device == DEVICE:
            found.setdefault((each.scenario, each.check), []).append(each)
    for (scenario, check), asked in found.items():
        if all(each.provisional and each.state is Outcome.PASSED for each in asked):
            said = check.replace("_", " ")
            yield f"{scenario}: only a stand-in answers the must-have {said} ({asked[0].subject})"


def answers(found: Finding, figure: str) -> bool:
    """Tell whether a finding is about a figure that targets and gates are declared for."""
    about = FIGURES[figure]
    if found.check != about.check:
        return False
    return about.check != "memory" or about.of_training is (found.path is None)


def _one(gate: Gate, findings: Sequence[Finding], scenario: str) -> tuple[Answer, str]:
    """Return what the findings in one scenario say of a gate, and the sentence that says so."""
    asked = [
        found
        for found in findings
        if (found.scenario, found.device, found.check) == (scenario, gate.device, gate.asked)
        and gate.path in (None, found.path)
        and (not gate.figure or answers(found, gate.figure))
        and found.state is not Outcome.NOT_APPLICABLE
    ]
    told = [(_answer(gate, found), found) for found in asked]
    broken = [found for answer, found in told if answer == "broken"]
    unknown = [found for answer, found in told if answer == "open"]
    if gate.needs == "one" and any(answer == "kept" for answer, _ in told):
        return "kept", ""
    if gate.needs == "one" and unknown:
        broken = []
    if broken:
        return "broken", "; ".join(_said(gate, found) for found in broken)
    if unknown or not asked:
        where = f" on the {gate.path} path" if gate.path else ""
        why = f" ({unknown[0].subject}: {unknown[0].reason})" if unknown else ""
        return "open", f"nothing answers the must-have {_words(gate)}{where}{why}"
    return "kept", ""


def _answer(gate: Gate, found: Finding) -> Answer:
    """Return what one finding says; that a stand-in for a server passes says nothing of the server."""
    passed = found.state is Outcome.PASSED
    if not found.state.is_answer or (found.provisional and (passed or gate.figure)):
        return "open"
    if not gate.figure or found.value is None:
        return "kept" if passed and not gate.figure else "open" if passed else "broken"
    interval = found.interval
    low = found.value if interval is None or interval.low is None else interval.low
    high = found.value if interval is None or interval.high is None else interval.high
    if FIGURES[gate.figure].more_is_better:
        return "kept" if low >= gate.limit else "broken" if high < gate.limit else "open"
    return "kept" if high <= gate.limit else "broken" if low > gate.limit else "open"


def _said(gate: Gate, found: Finding) -> str:
    if not gate.figure or found.value is None:
        return f"must-have {_words(gate)}, {found.subject}: {found.reason}"
    figure = FIGURES[gate.figure]
    side = "below" if figure.more_is_better else "above"
    return f"must-have {_words(gate)}, {found.subject}: {quantity(found.value, figure.unit)} is {side} it"


def _words(gate: Gate) -> str:
    """Name a must-have for people."""
    if not gate.figure:
        return gate.check.replace("_", " ")
    figure = FIGURES[gate.figure]
    side = "at least" if figure.more_is_better else "at most"
    return f"{gate.figure.replace('_', ' ')} of {side} {quantity(gate.limit, figure.unit)}"
