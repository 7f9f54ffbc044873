"""How easy is it to use, as far as that can be measured? Mistakes made for real, installation, import, warnings, code.

Each part is scored by itself, against targets that are declared here or by shares; the frameworks are not measured
against each other. It weighs little: what a team knows already matters more than any of it, and is not measured.
"""

from collections.abc import Iterator

from evaluator.core.outcome import Outcome
from evaluator.core.quantities import quantity
from evaluator.core.scorecard import Finding, Interval, Risk
from evaluator.core.targets import FORMULA, Target
from evaluator.judging import ease
from evaluator.judging.contract import Answer, Check, Subject, not_asked
from evaluator.judging.evidence import Entry, Evidence

# Of one mistake: what was noticed has half of the marks (a warning, which is overlooked, a quarter), a quarter more at
# the faulty line, a quarter more for naming what is wrong. What does no harm has all.
MISTAKES = (
    "10 * (0.5 * exceptions + 0.25 * warnings + 0.25 * at the faulty line + 0.25 * naming what is wrong + harmless) "
    "/ mistakes"
)
_INSTALLED = Target(full=100e6, none=10e9, source="built in: 100 MB and 10 GB, installed")
_IMPORT = Target(full=0.5, none=30.0, source="built in: half a second, and 30, on the machine of the run")
_NAMES = Target(full=25.0, none=250.0, source="built in: 25 and 250 names to know")
_WARNINGS = "10 - 2 * warnings, at least 0"


class Ease(Check):
    """What can be measured of ease of use."""

    name = "ease"
    category = "ease"
    risk = Risk.LOW
    title = "Ease of use (what can be measured of it)"
    question = "What does it take to begin, and what becomes of mistakes?"
    stage = ease.STAGE

    def judge(self, evidence: Evidence) -> tuple[Finding, ...]:
        """Answer for every framework in every scenario; a run whose plan had no such stage is not asked."""
        if not ease.asked(evidence):
            return ()
        return tuple(
            finding
            for scenario in evidence.scenarios
            for framework in evidence.frameworks
            for finding in self._framework(evidence, scenario, framework)
        )

    def _framework(self, evidence: Evidence, scenario: str, framework: str) -> Iterator[Finding]:
        once = ease.common(evidence, framework)
        of_code = next(iter(evidence.select(ease.STAGE, scenario=scenario, framework=framework)), None)
        asked = (
            ("mistakes", "deliberate mistakes", once, _mistakes, Risk.MEDIUM),
            ("installation", "installation", once, _installation, Risk.LOW),
            ("import", "import", once, _import, Risk.LOW),
            ("warnings", "warnings on the way to a first step", once, _warnings, Risk.LOW),
            ("code", "code", of_code, _code, Risk.LOW),
        )
        for topic, text, entry, answer, risk in asked:
            subject = Subject(
                scenario=scenario, candidate=framework, text=f"{evidence.title(framework)}: {text}", topic=topic
            )
            if entry is None:
                yield self.finding(subject, not_asked(text, risk), ())
            elif not entry.passed:
                yield self.finding(subject, _unknown(entry, risk), (entry,))
            else:
                yield self.finding(subject, answer(entry), (entry,))


def _unknown(entry: Entry, risk: Risk) -> Answer:
    """Answer for a step that did not come to its end: that is missing, and no answer about the framework."""
    ended, reason = entry.result.outcome, entry.result.reason or f"the step ended as {entry.result.outcome.value}"
    return Answer(state=Outcome.UNAVAILABLE if ended.is_answer else ended, score=None, reason=reason, risk=risk)


def _mistakes(entry: Entry) -> Answer:
    names = ("", "_raised", "_warned", "_at_line", "_named", "_harmless", "_silent", "_fatal")
    made, raised, warned, at_line, named, harmless, silent, fatal = (
        _number(entry, f"mistakes{each}") for each in names
    )
    if not made:
        return Answer(state=Outcome.UNAVAILABLE, score=None, reason="no mistake was made", risk=Risk.MEDIUM)
    points = 0.5 * raised + 0.25 * (warned + at_line + named) + harmless
    reason = (
        f"of {made:g} mistakes {raised + warned:g} are noticed ({at_line:g} at the faulty line, "
        f"{named:g} with what is wrong named), {harmless:g} do no harm, {silent:g} are silent"
    )
    return Answer(
        state=Outcome.PASSED,
        score=10 * points / made,
        reason=reason + (f", {fatal:g} end the process" if fatal else ""),
        metric="mistakes_silent",
        value=silent,
        formula=MISTAKES,
        risk=Risk.MEDIUM,
    )


def _installation(entry: Entry) -> Answer:
    size, count = _number(entry, "installed_bytes"), _number(entry, "packages_installed")
    return Answer(
        state=Outcome.PASSED,
        score=_INSTALLED.points(size),
        reason=f"{quantity(size, 'bytes')} in {count:g} packages, as installed on the machine of the run",
        metric="installed_bytes",
        value=size,
        target=_INSTALLED,
        formula=FORMULA,
    )


def _import(entry: Entry) -> Answer:
    found = ease.import_time(entry)
    if found is None:
        return Answer(state=Outcome.UNAVAILABLE, score=None, reason="no import was timed")
    return Answer(
        state=Outcome.PASSED,
        score=_IMPORT.points(found.median_s),
        reason=f"{quantity(found.median_s, 's')}, the median of {found.count} fresh processes on the run's machine",
        metric="import_s",
        value=found.median_s,
        interval=Interval(value=found.median_s, low=found.low_s, high=found.high_s),
        target=_IMPORT,
        formula=FORMULA,
    )


def _warnings(entry: Entry) -> Answer:
    shown, hidden = _number(entry, "warnings_shown"), _number(entry, "deprecations_hidden")
    return Answer(
        state=Outcome.PASSED,
        score=max(0.0, 10 - 2 * shown),
        reason=f"{shown:g} warnings are shown on the way to a first step, {hidden:g} more are hidden by Python",
        metric="warnings_shown",
        value=shown,
        formula=_WARNINGS,
    )


def _code(entry: Entry) -> Answer:
    purposes = ("train", "export", "serve")
    names, lines = (_labelled(entry, name, purposes) for name in ("api_names", "logical_lines"))
    total = float(sum(names.values()))
    if not names:
        return Answer(state=Outcome.UNAVAILABLE, score=None, reason="there is no code to count")
    told = ", ".join(f"{each}: {names[each]:g} in {lines.get(each, 0):g} logical lines" for each in names)
    return Answer(
        state=Outcome.PASSED,
        score=_NAMES.points(total),
        reason=f"{total:g} names of the framework and its tools ({told})",
        metric="api_names",
        value=total,
        target=_NAMES,
        formula=FORMULA,
    )


def _number(entry: Entry, name: str) -> float:
    """Return a count as a float, which every finding has: an integer would be written otherwise than it is read."""
    return float(entry.number(name) or 0)


def _labelled(entry: Entry, name: str, purposes: tuple[str, ...]) -> dict[str, float]:
    found = {purpose: entry.number(name, purpose=purpose) for purpose in purposes}
    return {purpose: value for purpose, value in found.items() if value is not None}


plugin = Ease()
