"""The memo: one page that says nothing that the scorecard does not hold."""

import msgspec
import pytest

from evaluator.core.scorecard import Scorecard
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
