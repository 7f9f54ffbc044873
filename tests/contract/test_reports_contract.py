"""The same questions to every report."""

from collections.abc import Callable

import pytest

from evaluator.contracts import Question, cases
from evaluator.core import registry
from evaluator.core.scorecard import Scorecard
from evaluator.report._base import Report, Section
from tests import sample_scorecard

NAMES = registry.names("report")


@pytest.mark.parametrize(("question", "plugin"), cases("report", "section"), ids=lambda each: each.name)
def test_it_answers_what_every_plug_in_is_asked(question: Question, plugin: Report | Section) -> None:
    todo = question(plugin)
    assert todo is None, f"{question.sentence} {todo}"


def test_each_writes_a_file_of_its_own() -> None:
    filenames = [registry.load("report", name).filename for name in NAMES]
    assert len(set(filenames)) == len(filenames) >= 5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", [sample_scorecard.empty, sample_scorecard.scorecard, sample_scorecard.hostile])
def test_renders_any_scorecard(name: str, make: Callable[[], Scorecard]) -> None:
    assert registry.load("report", name).render(make()).endswith("\n")
