"""The memo: one page that says nothing that the scorecard does not hold."""

from datetime import date
from typing import Any

import msgspec
import pytest

from evaluator.core import criteria
from evaluator.core.criteria import CriteriaUsed
from evaluator.core.scorecard import Scorecard
from evaluator.core.upkeep import Component, Detected, Standing, Status, Upkeep
from evaluator.judging import decision
from evaluator.report._memo import cut, memo
from evaluator.report.memo import plugin as text
from evaluator.report.memo_page import plugin as page
from tests import fakes, old_run, sample_scorecard

ORDER = ["Problem", "Drivers", "Options", "Outcome", "Consequences", "Not measured", "Confirmation", "Revisit when"]


def full() -> Scorecard:
    return fakes.scorecard()


def test_it_has_its_sections_in_their_order() -> None:
    assert [title for title, _ in memo(full()).sections] == ORDER


def test_it_says_the_outcome_and_every_reason() -> None:
    card = full()
    assert card.decision is not None
    told = text.render(card)
    assert card.decision.statement in told.replace("\\", "")
    for reason in card.decision.because:
        assert reason in told.replace("\\", "")


@pytest.mark.parametrize("name", ["one framework", "two frameworks"])
def test_the_question_is_about_what_was_asked(name: str) -> None:
    card = full()
    if name == "one framework":
        scores = tuple(each for each in card.scores if each.candidate == "pytorch")
        card = decision.decided(msgspec.structs.replace(card, scores=scores, comparisons=()))
    asked = text.render(card)
    assert ("by which path?" in asked) is (name == "one framework")
    assert ("PyTorch or TensorFlow?" in asked) is (name == "two frameworks")


def test_of_before_there_were_decisions_it_says_how_to_get_one() -> None:
    assert "fweval score makes one of it" in text.render(old_run.scorecard())


def section_of(card: Scorecard, title: str) -> str:
    return text.render(card).split(f"## {title}\n")[1].split("\n## ")[0]


USED = CriteriaUsed(record=criteria.built_in("balanced"), sha256="a" * 64, fixed=True)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Fixed before the first step: “{title}”, decided by {who} on {day}."),
        ({"fixed": False}, "Given after the results: “{title}”, decided by {who} on {day}."),
    ],
)
def test_the_drivers_say_who_decided_when_and_whether_before_the_results(fields: dict[str, bool], said: str) -> None:
    record = msgspec.structs.replace(USED.record, title="Ours", decided_by="the board", decided_on=date(2020, 1, 2))
    used = msgspec.structs.replace(USED, record=record, **fields)
    told = section_of(msgspec.structs.replace(full(), criteria=used), "Drivers")
    assert said.format(title="Ours", who="the board", day="2020-01-02") in told
    long = msgspec.structs.replace(record, title="T" * 900, decided_by="D" * 900, decided_on=date(2099, 1, 2))
    told = section_of(msgspec.structs.replace(full(), criteria=msgspec.structs.replace(used, record=long)), "Drivers")
    assert said[:20] in told
    assert ("on 2099-01-02, after the run began." in told) is used.fixed
    assert "nobody else decided" in section_of(msgspec.structs.replace(full(), criteria=None), "Drivers")


def standing(name: str, checked_on: str, status: Status = "active", *, stale: bool = False) -> Standing:
    said: dict[str, Any] = {"quote": "so it is", "source": "their page", "dated": "2026-01"}
    component = Component(id=name.lower(), title=name, status=status, checked_on=checked_on, **said)
    detected = Detected(answer="agrees", said="")
    counts_as: Status = "unknown" if stale else status
    return Standing(component=component, detected=detected, stale=stale, counts_as=counts_as, points=1.0)


def revisit(*standings: Standing) -> str:
    upkeep = Upkeep(standings=standings) if standings else None
    return section_of(msgspec.structs.replace(full(), upkeep=upkeep), "Revisit when")


def test_it_is_to_be_decided_anew_when_an_entry_of_the_register_goes_stale() -> None:
    later, archived = standing("Later", "2026-11-20"), standing("Gone", "2026-01-01", "archived")
    first = [standing(name, "2026-11-01") for name in ("Anna", "Bert", "Carl")]
    told = revisit(later, *first, archived)
    assert "It is 2027-01-30: nobody has looked for 90 days at who maintains Anna, Bert and 1 more." in told
    assert "A security fault in Gone becomes known" in told
    assert "Later" not in told
    told = revisit(first[0], standing("Old", "2026-02-01", stale=True))
    assert "at who maintains Anna; too long ago already: Old." in told
    assert "- Too long ago already: Old." in revisit(standing("Old", "2026-02-01", stale=True))


def test_without_a_register_it_is_a_time_after_the_run() -> None:
    assert "what was looked up about components is older than 90 days by then" in revisit()
    assert "what was looked up about components is older than 90 days by then" in revisit(
        standing("Gone", "2026-01-01", "archived")
    )


def test_names_are_text_on_the_page() -> None:
    shown = page.render(sample_scorecard.hostile())
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


@pytest.mark.parametrize(
    ("given", "width", "expected"),
    [
        ("short", 5, "short"),
        ("two  \n words", 10, "two words"),
        ("the health endpoint said healthy", 22, "the health endpoint …"),
        ("x" * 40, 20, "x" * 18 + " …"),
        ("W" * 40, 16, "W" * 8 + " …"),
        ("模" * 40, 22, "模" * 8 + " …"),
    ],
)
def test_texts_are_cut_by_the_room_that_they_take(given: str, width: int, expected: str) -> None:
    assert cut(given, width) == expected


def test_it_grows_with_no_name() -> None:
    card = msgspec.json.encode(full()).decode()
    long = msgspec.json.decode(card.replace("ONNX Runtime", "ONNX Runtime " * 60), type=Scorecard)
    assert len(text.render(long)) < 1.3 * len(text.render(full())) + 600
