"""The same questions to every destination."""

import pytest

from evaluator.contracts import Question, cases
from evaluator.core import registry
from evaluator.destinations._base import Destination


@pytest.mark.parametrize(("question", "plugin"), cases("destination"), ids=lambda each: each.name)
def test_it_answers_what_every_plug_in_is_asked(question: Question, plugin: Destination) -> None:
    todo = question(plugin)
    assert todo is None, f"{question.sentence} {todo}"


def test_each_writes_files_of_its_own() -> None:
    endings = [plugin.ending for plugin in registry.load_all("destination")]
    assert len(set(endings)) == len(endings) >= 5
