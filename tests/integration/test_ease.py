"""Every mistake is made for real in both frameworks; whether it is noticed is the frameworks' business, not ours."""

from pathlib import Path

import pytest

from evaluator.core import registry
from evaluator.core.ease import NOTICED
from evaluator.stages import _mistakes

pytestmark = pytest.mark.integration
NAMES = registry.names("mistake")


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_every_mistake_has_a_whole_row_and_its_corrected_lines_are_clean(tmp_path: Path, framework: str) -> None:
    _, made = _mistakes.make(framework, NAMES, tmp_path / "mistakes", 300.0)
    assert tuple(each.mistake for each in made) == NAMES
    assert {each.mistake: each.corrected for each in made if not each.clean} == {}
    for each in made:
        if each.came in NOTICED:
            assert each.said
            assert each.seconds is not None
        else:
            assert each.outcome, "what came of it is known"
