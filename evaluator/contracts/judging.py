"""What checks are asked: whatever the evidence, their findings are whole."""

from collections.abc import Iterator

from evaluator.contracts import paper
from evaluator.contracts.asking import Answer, first, known, question
from evaluator.core.outcome import Outcome
from evaluator.core.policy import CATEGORIES
from evaluator.core.records import FRAMEWORKS
from evaluator.core.scorecard import Comparison, Finding
from evaluator.judging.contract import Check
from evaluator.judging.evidence import Evidence

_NOBODY = ("equivalent", "undecided: ", "too disturbed to rank: ", "not comparable: ", "not shown: ")


@question("check")
def introduces_itself(check: Check) -> Answer:
    """It belongs to a category of the policy, and asks a question."""
    return first(
        known("category", check.category, CATEGORIES),
        None if check.question.endswith("?") else "question: ends with a question mark",
    )


@question("check")
def measures_nothing_without_evidence(check: Check) -> Answer:
    """Where nothing has ended, no finding has a score, and no comparison a ratio."""
    evidence = paper.run("in which nothing has ended")
    scored = [each.id for each in check.judge(evidence) if each.score is not None]
    compared = [each.id for each in check.compare(evidence) if each.ratio is not None]
    wrong = (*scored, *compared)
    return f"{wrong[0]} has a figure: unmeasured is None, neither zero nor full marks" if wrong else None


@question("check")
def finds_something_whole_about_each_candidate_whatever_the_evidence(check: Check) -> Answer:
    """It judges every framework of a run, with reasons and remedies, and the same again when asked again."""
    answers = ((name, findings_are_whole(check, paper.run(name))) for name in paper.RUNS)
    return first(*(f"of a run {name}: {answer}" if answer else None for name, answer in answers))


@question("check")
def states_a_winner_or_why_there_is_none(check: Check) -> Answer:
    """A comparison names its winner in its statement, or says why there is none."""
    answers = ((name, comparisons_are_whole(check, paper.run(name))) for name in paper.RUNS)
    return first(*(f"of a run {name}: {answer}" if answer else None for name, answer in answers))


def findings_are_whole(check: Check, evidence: Evidence) -> Answer:
    """Say what is amiss with a check's findings about some evidence."""
    findings = check.judge(evidence)
    if check.stage and not any(entry.step.stage == check.stage for entry in evidence.entries):
        return f"the run planned no step of the stage '{check.stage}': do not ask it" if findings else None
    judged = {each.candidate for each in findings}
    absent = sorted(set(evidence.frameworks) ^ judged)
    twice = len({each.id for each in findings}) < len(findings)
    return first(
        f"judge {' and '.join(evidence.frameworks)}, each and nobody else, not {', '.join(sorted(judged)) or 'nobody'}"
        if absent
        else None,
        *(f"{each.id}: {said}" for each in findings for said in _amiss(check, each)),
        "two findings have one id: tell them apart by Subject.topic" if twice else None,
        None if findings == check.judge(evidence) else "the same evidence gave another answer the second time",
    )


def _amiss(check: Check, found: Finding) -> Iterator[str]:
    if (found.check, found.category) != (check.name, check.category):
        yield "make it by self.finding(…)"
    if not (found.reason and found.subject):
        yield "give it a reason and a subject"
    if found.state is not Outcome.PASSED and not found.remedy:
        yield "give it a remedy"
    if found.score is not None and not 0 <= found.score <= 10:
        yield f"its score is {found.score}: 0 to 10"
    if (found.score is None) is found.state.is_answer:
        yield f"its state is {found.state.value}, its score {found.score}: a score goes with what is an answer"


def comparisons_are_whole(check: Check, evidence: Evidence) -> Answer:
    """Say what is amiss with a check's comparisons of some evidence."""
    return first(*(_unsaid(each, evidence) for each in check.compare(evidence)))


def _unsaid(one: Comparison, evidence: Evidence) -> Answer:
    if one.subjects.keys() != set(FRAMEWORKS):
        return f"{one.id}: set {' and '.join(FRAMEWORKS)} side by side"
    if one.winner != one.ahead:
        return f"{one.id}: its winner is not who is ahead"
    if one.winner is None:
        return None if one.statement.startswith(_NOBODY) else f"{one.id}: say why there is no winner"
    told = evidence.title(one.winner) in one.statement and one.ratio is not None
    return None if told else f"{one.id}: name the winner, and the ratio"
