"""What nothing reads is said to be too large: it is not damaged, and no better when it is got again."""

from pathlib import Path

import pytest

from evaluator.core.errors import FwevalError
from evaluator.stages.inspect import look


def test_a_graph_of_more_than_2_gb_is_said_to_be_over_2_gb(tmp_path: Path) -> None:
    with (tmp_path / "saved_model.pb").open("wb") as file:
        file.write(b"\x08\x01\x12")
        file.truncate(2_300_000_000)  # a sparse file: it takes no room
    with pytest.raises(
        FwevalError, match=r"saved_model\.pb has 2\.3 GB: nothing reads a graph of more than 2 GB"
    ) as found:
        look(tmp_path)
    assert "variables" in str(found.value.remedy)
