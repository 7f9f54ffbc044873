"""Two small networks in both frameworks: honest trainings pass, and each difference that is planted is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from evaluator.measure.parity import PARTS, ROUNDING
from scenarios.variants._processor import without_compiler
from tests import children

pytestmark = pytest.mark.integration

CHILD = Path(__file__).with_name("equivalence_child.py")

HONEST = ("honest images", "honest text")
SAME = {
    "pytorch": ("fused", "fused text", "channels last", "autocast", "autocast text"),
    "tensorflow": (*HONEST, "xla", "eager", "fit", "mixed", "mixed text"),
}
FORWARD, GRADIENT = (
    "what the network computes for 'logits' before any step differs by",
    "the gradient of '{}' in the first",
)
UPDATE, CURVE = "what the first step makes of '{}' differs by", "the loss of {} differs by"
CHANGED = "what the first step makes of '{}', which has no gradient, differs by"
LACKING = "only the default has the gradient of '{}' in the first step"
# case -> the first words of its breach
BREACHES: dict[str, str] = {
    "gelu": FORWARD,
    "batch norm's momentum": CHANGED.format("bn1.running_mean"),
    "batch norm's epsilon": FORWARD,
    "padding": FORWARD,
    "shuffled": FORWARD,
    "shuffled later": CURVE.format("step 3"),
    "one weight": FORWARD,
    "one weight of a word": FORWARD,
    "Adam's epsilon": UPDATE.format("bn1.bias"),
    "frozen": LACKING.format("fc.weight"),
    "no decay": UPDATE.format("bn1.weight"),
    "coupled decay": GRADIENT.format("conv1.weight"),
    "label smoothing": GRADIENT.format("embedding.weight"),
    "slices": UPDATE.format("embedding.weight"),
    "fit text": UPDATE.format("embedding.weight"),  # Keras' own loop does not add the slices up
    "mixed, taken for fp32": FORWARD,
    "mixed, label smoothing": GRADIENT.format("embedding.weight"),
    "mixed, frozen": LACKING.format("fc.weight"),
    "mixed, batch norm's momentum": CHANGED.format("bn1.running_mean"),
    "mixed, slices": UPDATE.format("embedding.weight"),
}
BREACHES_IN_PYTORCH: dict[str, str] = {
    "autocast, taken for fp32": GRADIENT.format("bn1.weight"),
    "autocast text, taken for fp32": GRADIENT.format("embedding.weight"),
    "learning rate": UPDATE.format("bn1.bias"),
    "autocast, learning rate": UPDATE.format("bn1.bias"),
}
DROPOUT = ("dropout", "dropout text")

Told = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Let PyTorch leave its traces, then TensorFlow compare with them."""
    made = tmp_path_factory.mktemp("equivalence")
    for framework in ("pytorch", "tensorflow"):
        children.run(CHILD, framework, made, timeout_s=400)
    return made


@pytest.fixture(scope="module")
def told(folder: Path) -> dict[str, Told]:
    return {framework: read(folder, framework) for framework in SAME}


def read(folder: Path, name: str) -> Told:
    found: Told = json.loads((folder / f"{name}.json").read_text())
    return found


def assert_same(found: dict[str, Any]) -> None:
    assert found["breach"] == ""
    compared = {each["part"] for each in found["rows"]}
    assert compared >= {"forward", "gradient", "update", "curve"}
    for each in found["rows"]:
        assert each["difference"] <= each["allowed"], each


@pytest.mark.parametrize(("framework", "case"), [(each, case) for each, cases in SAME.items() for case in cases])
def test_the_same_step_passes(told: dict[str, Told], framework: str, case: str) -> None:
    assert_same(told[framework][case])
    assert told[framework][case]["blind"] == []  # nothing was left out: all of it could have failed


@pytest.mark.parametrize("case", HONEST)
def test_two_frameworks_are_far_from_what_is_allowed(told: dict[str, Told], case: str) -> None:
    assert told["tensorflow"][case]["undecidable"] is None
    assert max(filter(None, told["tensorflow"][case]["worst"].values())) < 0.5


@pytest.mark.parametrize("case", BREACHES)
def test_a_planted_difference_is_named(told: dict[str, Told], case: str) -> None:
    found = told["tensorflow"][case]
    assert found["breach"].startswith(BREACHES[case])
    assert found.get("undecidable") is None


@pytest.mark.parametrize("case", BREACHES_IN_PYTORCH)
def test_a_variant_that_takes_another_step_is_named(told: dict[str, Told], case: str) -> None:
    assert told["pytorch"][case]["breach"].startswith(BREACHES_IN_PYTORCH[case])


def test_nothing_is_planted_that_no_test_asks_for(told: dict[str, Told]) -> None:
    assert set(told["tensorflow"]) == {*SAME["tensorflow"], *BREACHES, *DROPOUT}
    assert set(told["pytorch"]) == {*SAME["pytorch"], *BREACHES_IN_PYTORCH}


@pytest.mark.parametrize("case", DROPOUT)
def test_a_training_that_draws_numbers_is_undecidable(told: dict[str, Told], case: str) -> None:
    assert "of the same training differ" in told["tensorflow"][case]["undecidable"]


def test_what_comes_before_a_difference_is_the_same(told: dict[str, Told]) -> None:
    """A difference in the optimizer is none in the gradients, and one in later batches is none in the first step."""
    for case, part in {
        "batch norm's momentum": "statistics",
        "Adam's epsilon": "update",
        "no decay": "update",
        "slices": "update",
        "shuffled later": "curve",
    }.items():
        worst = told["tensorflow"][case]["worst"]
        before = PARTS[: PARTS.index(part)]
        assert all((worst[each] or 0) <= 1 for each in before), case
        assert worst[part] > 10, case


def test_bfloat16_is_allowed_less_than_a_quarter_of_a_gradient(told: dict[str, Told]) -> None:
    """What would pass whatever it computes shows nothing."""
    rows = [
        each
        for case in ("autocast", "autocast text")
        for each in told["pytorch"][case]["rows"]
        if each["part"] == "gradient"
    ]
    assert len(rows) == 13
    assert all(ROUNDING["bfloat16"] < each["allowed"] < 0.25 for each in rows)


def test_a_compiled_network_takes_the_same_step(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it compiles is its own: a compiler that was stopped leaves half a file where the next one finds it."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")  # no pool of processes for a handful of kernels
    lacking = without_compiler(cuda=False)
    if lacking is not None:
        pytest.skip(lacking[0])
    children.run(CHILD, "pytorch", folder, "compiled", timeout_s=300)
    assert_same(read(folder, "pytorch-compiled")["compiled"])
