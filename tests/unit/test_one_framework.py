"""A model of one framework is unavailable in the other, and what a tool says it has not implemented is the tool's."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from evaluator.core import registry
from evaluator.core.errors import Unavailable
from evaluator.core.store import RunFolder
from evaluator.judging import replay, scoring
from exports.exporters import litert_torch
from scenarios.contract import Framework, Model, defined
from tests import fakes

MODEL = cast("Model", SimpleNamespace(name="mine"))
FRAMEWORK = cast("Framework", SimpleNamespace(title="PyTorch"))
COMPUTED = "Shapes must be 1D sequences of concrete values of integer type, got (JitTracer<int32[]>,). While executing"


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


@pytest.mark.parametrize(
    ("said", "operator", "remedy"),
    [
        (f"size {-(1 << 63)} of call_function[target=torch.ops.aten.topk.default]", "aten.topk.default", "onnx2tf"),
        (
            f"{COMPUTED} %view : call_function[target=torch.ops.aten.view.default](args = (%c, [%s, -1]))",
            "aten.view.default",
            "x.view(-1",
        ),
    ],
)
def test_sizes_that_litert_torch_wants_as_numbers_are_its_limit(said: str, operator: str, remedy: str) -> None:
    found = litert_torch.fixed_only(said)
    assert found is not None
    assert operator in found.message
    assert remedy in str(found.remedy)
    assert litert_torch.fixed_only("unsupported operand type(s) for +: 'int' and 'str'") is None


def test_a_scorecard_of_one_framework_names_it_and_compares_it_with_nothing(tmp_path: Path) -> None:
    both = fakes.complete_run()
    alone = msgspec.structs.replace(both.run, frameworks=("pytorch",))
    evidence = replace(
        both, run=alone, entries=tuple(each for each in both.entries if each.step.framework == "pytorch")
    )
    folder = cast("RunFolder", SimpleNamespace(path=tmp_path, demand_writing=lambda: None))
    assert replay.judge(folder, both).comparisons
    judgement = replay.judge(folder, evidence)
    assert judgement.comparisons == ()
    card = scoring.assemble(evidence, judgement.findings, judgement.comparisons, ())
    text = registry.load("report", "markdown").render(card)
    assert text.startswith("# Deployment readiness: PyTorch\n")
    assert "TensorFlow is missing" not in text
    assert "Nothing was compared" not in text
    page = registry.load("report", "html").render(card)
    assert "<h1>Deployment readiness: PyTorch</h1>" in page
    assert "Who is ahead" not in page
