"""Three answers to "which is better?": what each of them lets a comparison say."""

import msgspec
import pytest

from evaluator.core.scorecard import Comparison, Interval, Reply
from evaluator.report import _claims
from tests import sample_scorecard

CARD = sample_scorecard.scorecard()
FIRST = next(each for each in CARD.comparisons if (each.question, each.path) == ("latency", "portable"))


def compared(answer: Reply | None, ratio: Interval, **changes: object) -> Comparison:
    return msgspec.structs.replace(FIRST, answer=answer, ratio=ratio, noise_floor=None, **changes)


CLEAR = Interval(value=0.5, low=0.4, high=0.6)


@pytest.mark.parametrize(
    ("answer", "ahead", "better", "doubt"),
    [
        ("different", "pytorch", "pytorch", None),
        ("equivalent", None, None, None),
        ("undecided", None, "pytorch", "undecided"),
        ("disturbed", None, None, "disturbed"),
    ],
)
def test_only_what_is_different_has_somebody_ahead(
    answer: Reply, ahead: str | None, better: str | None, doubt: str | None
) -> None:
    found = compared(answer, CLEAR)
    assert (found.ahead, found.better, found.doubt) == (ahead, better, doubt)


def test_a_stand_in_leads_nobody_ahead_and_what_is_counted_needs_no_interval() -> None:
    assert compared("different", CLEAR, provisional=True).ahead is None
    exact = Interval(value=2.0, low=None, high=None)
    assert compared("different", exact, metric="size_bytes").ahead == "tensorflow"


def test_a_scorecard_without_answers_is_judged_by_the_rules_of_its_day() -> None:
    assert compared(None, CLEAR).ahead == "pytorch"
    assert compared(None, CLEAR, unsettled=("pytorch",)).doubt == "unsettled"
    assert compared("different", CLEAR, unsettled=("pytorch",)).doubt is None


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("different", "ahead"),
        ("equivalent", "no difference"),
        ("undecided", "not sure"),
        ("disturbed", "not compared"),
    ],
)
def test_a_claim_is_of_the_answers_kind(answer: Reply, kind: str) -> None:
    assert _claims.claim(CARD, compared(answer, CLEAR)).kind == kind
