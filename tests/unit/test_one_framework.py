"""A model of one framework is unavailable in the other, and what a tool says it has not implemented is the tool's."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from evaluator.core.errors import Unavailable
from scenarios.contract import Framework, Model, defined

MODEL = cast("Model", SimpleNamespace(name="mine"))
FRAMEWORK = cast("Framework", SimpleNamespace(title="PyTorch"))


def build(raised: Exception | None) -> Any:
    with defined(MODEL, FRAMEWORK):
        if raised is not None:
            raise raised
        return "network"


def test_a_model_of_one_framework_is_not_defined_in_the_other() -> None:
    assert build(None) == "network"
    with pytest.raises(Unavailable, match="the model 'mine' is not defined in PyTorch") as found:
        build(NotImplementedError())
    assert "--framework" in str(found.value.remedy)
    with pytest.raises(NotImplementedError, match="aten::x"):
        build(NotImplementedError("aten::x is not implemented"))
