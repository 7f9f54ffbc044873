"""The same questions to every report."""

from collections.abc import Callable

import pytest

from evaluator.core import registry
from evaluator.core.scorecard import Scorecard
from evaluator.report._base import Report
from tests import sample_scorecard

NAMES = registry.names("report")


@pytest.mark.parametrize("name", NAMES)
def test_file_name_is_the_name(name: str) -> None:
    plugin = registry.load("report", name)
    assert isinstance(plugin, Report)
    assert plugin.name == name
    assert plugin.filename.startswith("scorecard.")


def test_each_writes_a_file_of_its_own() -> None:
    filenames = [registry.load("report", name).filename for name in NAMES]
    assert len(set(filenames)) == len(filenames) >= 5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", [sample_scorecard.empty, sample_scorecard.scorecard, sample_scorecard.hostile])
def test_renders_any_scorecard(name: str, make: Callable[[], Scorecard]) -> None:
    assert registry.load("report", name).render(make()).endswith("\n")
