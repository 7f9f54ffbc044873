"""ncnn's files, made by PNNX: what they compute in ncnn, what they are made of, and what is refused, by whom."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from exports.exporters import ncnn_pnnx
from exports.formats import ncnn
from tests.phones import child, computed

pytestmark = pytest.mark.integration

# Of the largest output.
TOLERANCE = {"fp32": 1e-5, "fp16": 2e-3}
# What the tiny network has in the type of the precision: three convolutions and a dense layer. Biases stay 32 bits:
# those of the convolutions are the normalisations', folded in.
NUMBERS, BIASES = 9 * (1 * 16 + 16 * 32 + 32 * 48) + 48 * 10, 16 + 32 + 48 + 10


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return computed("ncnn", tmp_path_factory.mktemp("ncnn"), "ncnn_pnnx", "ncnn")


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("network", ["tiny", "several"])
def test_every_output_is_the_networks_in_every_batch_size(made: dict[str, Any], precision: str, network: str) -> None:
    off = made[f"{precision}/{network}"]["off"]
    assert list(off) == (["logits"] if network == "tiny" else ["scores", "seen", "boxes"])
    assert max(off.values()) < TOLERANCE[precision], off


def test_it_has_a_way_to_floats_only() -> None:
    assert set(ncnn_pnnx.plugin.cannot) == {"int8_dynamic", "int8"}


def test_another_size_is_refused_where_ncnn_would_compute_something_else(made: dict[str, Any]) -> None:
    assert "refused: the file takes 'image' in the sizes (1, 16, 16) only" in made["fp32/tiny"]["other"]


def test_the_artifact_is_two_files_and_no_code_of_pnnx(made: dict[str, Any]) -> None:
    told = made["fp32/several"]
    assert told["files"] == ["model.bin", "model.param"]
    assert [path.name for path in ncnn.plugin.files(Path(told["artifact"]))] == ["model.param", "model.bin"]


def test_the_weights_have_the_precision_to_the_byte(made: dict[str, Any]) -> None:
    plain, half = (ncnn.plugin.anatomy(Path(made[f"{each}/tiny"]["artifact"])) for each in ("fp32", "fp16"))
    assert plain.weights == {"float32": 4 * (NUMBERS + BIASES)}
    assert half.weights == {"float16": 2 * NUMBERS, "float32": 4 * BIASES}
    for anatomy, precision in ((plain, "fp32"), (half, "fp16")):
        files = ncnn.plugin.files(Path(made[f"{precision}/tiny"]["artifact"]))
        parts = anatomy.graph_bytes + anatomy.metadata_bytes + sum(anatomy.weights.values())
        assert parts == sum(path.stat().st_size for path in files)


def test_the_file_says_that_its_batch_is_one_and_which_inputs_are_looked_up(made: dict[str, Any]) -> None:
    said = ncnn.plugin.anatomy(Path(made["fp32/several"]["artifact"]))
    assert {(each.name, each.dtype, each.shape) for each in said.inputs} >= {
        ("in0", "float32", (1, 3, 16, 16)),
        ("in1", "int32", (1, 6)),
        ("in3", "float32", (1, 6)),  # the mask: the network gives the same with floats
    }
    assert [each.name for each in said.outputs] == ["out0", "out1", "out2"]
    assert said.operators["Convolution"] == said.operators["Embed"] == 1


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return child("ncnn", "refuse", "ncnn_pnnx", str(tmp_path_factory.mktemp("refused")))


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("operator", "Unsupported: ncnn has no layer for aten::erfinv"),
        ("batch", "Unsupported: ncnn has no batch, and what the network gives for one row depends on the others"),
        ("mixed", "Unsupported: ncnn computes with floats only, and whole numbers are no floats for it: 'words'"),
    ],
)
def test_what_ncnn_could_not_load_or_would_compute_wrongly_is_unsupported(
    refused: dict[str, str], case: str, said: str
) -> None:
    assert refused[case].startswith(said)


def test_the_runtime_says_what_is_wrong_with_a_file(made: dict[str, Any], tmp_path: Path) -> None:
    foreign, cut = copied(made, tmp_path / "foreign"), copied(made, tmp_path / "cut")
    foreign.write_text(foreign.read_text().replace("InnerProduct", "Nowhere     "))
    weights = cut.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes()[:-50])
    with pytest.raises(ValueError, match="the weights are cut off"):
        ncnn.plugin.anatomy(cut)
    said = child("ncnn", "load", "ncnn", str(foreign), str(cut))
    assert said[str(foreign)].startswith("Unsupported: ncnn")
    assert said[str(foreign)].endswith("cannot load model.param: it has no layer Nowhere")
    assert said[str(cut)].startswith("ValueError: ncnn cannot read the weights model.bin")


def copied(made: dict[str, Any], folder: Path) -> Path:
    folder.mkdir()
    for path in ncnn.plugin.files(Path(made["fp32/tiny"]["artifact"])):
        shutil.copy(path, folder)
    return folder / "model.param"
