"""MNN's files, converted from ONNX: what they compute in MNN, what they are made of, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from exports.exporters import mnn_from_onnx
from exports.formats import mnn
from tests.phones import child, computed

pytestmark = pytest.mark.integration

# Of the largest output. 8 bits are wide: the networks are small and their weights random.
TOLERANCE = {"fp32": 1e-5, "fp16": 5e-3, "int8_dynamic": 0.05}
# The tiny network: three convolutions and a dense layer.
NUMBERS, BIASES = 9 * (1 * 16 + 16 * 32 + 32 * 48) + 48 * 10, 16 + 32 + 48 + 10


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return computed("mnn", tmp_path_factory.mktemp("mnn"), "mnn_from_onnx", "mnn")


@pytest.mark.parametrize("precision", sorted(TOLERANCE))
@pytest.mark.parametrize("network", ["tiny", "several"])
def test_every_output_is_the_networks_in_every_batch_size(made: dict[str, Any], precision: str, network: str) -> None:
    told = made[f"{precision}/{network}"]
    assert list(told["off"]) == (["logits"] if network == "tiny" else ["scores", "seen", "boxes"])
    assert max(told["off"].values()) < TOLERANCE[precision], told
    assert told["files"] == ["model.mnn"]


def test_it_has_no_way_to_calibrated_integers() -> None:
    assert set(mnn_from_onnx.plugin.cannot) == {"int8"}


def test_the_weights_have_the_precision(made: dict[str, Any]) -> None:
    plain, half, eight = (
        mnn.plugin.anatomy(Path(made[f"{each}/tiny"]["artifact"])).weights for each in ("fp32", "fp16", "int8_dynamic")
    )
    assert plain["float32"] == 4 * (NUMBERS + BIASES)
    assert half["float16"] >= 2 * NUMBERS
    assert NUMBERS <= eight["int8"] < 1.2 * NUMBERS  # a head for each operator
    assert max(half.get("float32", 0), eight["float32"]) < 0.1 * plain["float32"]


def test_names_and_types_are_the_signatures(made: dict[str, Any]) -> None:
    artifact = Path(made["fp32/several"]["artifact"])
    assert mnn.plugin.recognises(artifact)
    said = mnn.plugin.anatomy(artifact)
    assert [(each.name, each.dtype) for each in said.inputs] == [
        ("image", "float32"),
        ("words", "int32"),
        ("unused", "float32"),
        ("mask", "int32"),
    ]
    assert [each.name for each in said.outputs] == ["scores", "seen", "boxes"]
    assert said.version == "3.6.1"
    parts = said.graph_bytes + said.metadata_bytes + sum(said.weights.values())
    assert parts == artifact.stat().st_size


def test_the_runtime_says_that_it_cannot_read_a_file(made: dict[str, Any], tmp_path: Path) -> None:
    whole = Path(made["fp32/tiny"]["artifact"]).read_bytes()
    cut = tmp_path / "cut.mnn"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError):
        mnn.plugin.anatomy(cut)
    assert child("mnn", "load", "mnn", str(cut))[str(cut)].startswith("ValueError: ")
