"""PyTorch's exporters at every precision: what the files compute, and what they are made of."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from evaluator.children import environments
from evaluator.core import registry
from evaluator.core.records import Anatomy, TensorSpec
from exports.contract import Format
from exports.runtimes import executorch

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("exporters_torch_child.py")
ENVIRONMENT = "executorch"
RUNTIMES = {
    "torchscript_trace": "torch_jit",
    "torchscript_script": "torch_jit",
    "torchmobile_lite": "torch_mobile",
    "torchmobile_optimized": "torch_mobile",
    "torch_export": "torch_export",
    "executorch": "executorch",
}
# Of the largest output. 8 bits are wide: the networks are tiny and their weights random.
TOLERANCE = {"fp32": 1e-5, "fp16": 2e-3, "int8_dynamic": 0.06, "int8": 0.1}
TYPE = {"fp32": "float32", "fp16": "float16", "int8_dynamic": "int8", "int8": "int8"}
# The CNN: a convolution of 216 weights, batch normalisation of 4 x 8, a dense layer of 40 + 5. The text model: two
# embeddings of 40 x 8 and a dense layer of 240 + 5. Bytes in the type of the precision, of the one and of the other.
PLAIN = {
    "fp32": (4 * (216 + 32 + 45), 4 * (640 + 245)),
    "fp16": (2 * (216 + 32 + 45), 2 * (640 + 245)),
    "int8_dynamic": (40, 240),
    "int8": (216 + 40, 240),
}
# Freezing folds the normalisation into the convolution, all but its 8 biases, and stores packed weights twice.
FOLDED = {
    "fp32": (4 * (216 + 8 + 45), 4 * (640 + 245)),
    "fp16": (2 * (216 + 8 + 45), 2 * (640 + 245)),
    "int8_dynamic": (2 * 40, 2 * 240),
    "int8": (2 * (216 + 40), 2 * 240),
}
BYTES = {
    "torchscript_trace": PLAIN,
    "torchscript_script": PLAIN,
    "torchmobile_lite": FOLDED,
    "torch_export": {precision: PLAIN[precision] for precision in ("fp32", "fp16")},
    "executorch": {"fp32": FOLDED["fp32"], "int8_dynamic": PLAIN["int8_dynamic"], "int8": PLAIN["int8"]},
}
CASES = [
    (exporter, precision, model)
    for exporter, precisions in BYTES.items()
    for precision in precisions
    for model in ("cnn", "text")
]

Made = Callable[[str], dict[str, Any]]


def child(folder: Path, exporters: tuple[str, ...], *paths: Path) -> None:
    pairs = [f"{exporter}:{RUNTIMES[exporter]}" for exporter in exporters]
    environment = {"PYTHONPATH": ":".join(map(str, (ROOT, *paths))), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, str(CHILD), str(folder), *pairs]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Run all exporters that share an environment in one child, when the first of them is asked for."""
    folder = tmp_path_factory.mktemp("made")

    @cache
    def family(environment: str | None) -> None:
        ours = tuple(name for name in RUNTIMES if registry.load("exporter", name).environment == environment)
        child(folder, ours, *([environments.make(environment)] if environment else []))

    def results(exporter: str) -> dict[str, Any]:
        family(registry.load("exporter", exporter).environment)
        told: dict[str, Any] = json.loads((folder / f"{exporter}.json").read_text())
        return told

    return results


def format_of(exporter: str) -> Format:
    form: Format = registry.load("format", registry.load("exporter", exporter).format)
    return form


def take_apart(made: Made, exporter: str, case: str) -> Anatomy:
    return format_of(exporter).anatomy(Path(made(exporter)[case]["artifact"]))


@pytest.mark.parametrize("exporter", [name for name in RUNTIMES if name != "torchmobile_optimized"])
def test_every_precision_computes_what_the_model_does_in_every_batch_size(made: Made, exporter: str) -> None:
    found = made(exporter)
    assert len(found) == 2 * (4 - len(registry.load("exporter", exporter).cannot))
    for case, told in found.items():
        assert max(told["off"]) < TOLERANCE[case.partition("/")[0]], (case, told)


def test_optimize_for_mobile_is_refused_by_wheels_without_xnnpack(made: Made) -> None:
    for told in made("torchmobile_optimized").values():
        assert "Please build with USE_XNNPACK=1" in told["error"]


@pytest.mark.parametrize(("exporter", "precision", "model"), CASES)
def test_the_weights_have_the_precision_to_the_byte(made: Made, exporter: str, precision: str, model: str) -> None:
    anatomy = take_apart(made, exporter, f"{precision}/{model}")
    assert anatomy.weights[TYPE[precision]] == BYTES[exporter][precision][model == "text"]
    artifact = Path(made(exporter)[f"{precision}/{model}"]["artifact"])
    parts = anatomy.graph_bytes + anatomy.metadata_bytes + sum(anatomy.weights.values())
    assert parts == artifact.stat().st_size
    assert min(anatomy.graph_bytes, anatomy.metadata_bytes) > 0


def test_xnnpack_keeps_weights_of_half_precision_as_32_bits(made: Made) -> None:
    weights = take_apart(made, "executorch", "fp16/cnn").weights
    assert weights["float32"] == 4 * (216 + 8)
    assert weights["float16"] == 2 * 45


@pytest.mark.parametrize(
    ("exporter", "convolution", "dense"),
    [
        ("torchscript_trace", "aten::_convolution", "aten::linear"),
        ("torchmobile_lite", "aten::_convolution", "aten::linear"),
        ("torch_export", "aten.conv2d.default", "aten.linear.default"),
        ("executorch", "XNNPACK.Conv2d", "XNNPACK.FullyConnected"),
    ],
)
def test_operators_are_counted_by_name(made: Made, exporter: str, convolution: str, dense: str) -> None:
    operators = take_apart(made, exporter, "fp32/cnn").operators
    assert (operators[convolution], operators[dense]) == (1, 1)


def test_quantized_operators_show(made: Made) -> None:
    assert take_apart(made, "torchscript_trace", "int8/cnn").operators["quantized::conv2d_relu"] == 1
    assert take_apart(made, "torchmobile_lite", "int8_dynamic/text").operators["quantized::linear_dynamic"] == 1


def test_a_signature_is_told_where_the_file_has_one(made: Made) -> None:
    said = take_apart(made, "torch_export", "fp16/text")
    assert said.inputs == tuple(TensorSpec(name=name, dtype="int32", shape=(None, 6)) for name in ("words", "marks"))
    (output,) = take_apart(made, "executorch", "int8/cnn").outputs
    assert (output.dtype, output.shape) == ("float32", (None, 5))


def test_executorch_tells_what_was_delegated(made: Made) -> None:
    artifact = Path(made("executorch")["fp32/text"]["artifact"])
    placement = executorch.plugin.placement(artifact)
    assert placement["XNNPACK"] == 2  # the product and the dense layer
    assert placement["portable kernels"] >= 2  # both embeddings


@pytest.mark.parametrize("exporter", sorted(BYTES))
def test_a_format_recognises_its_files_and_no_others(made: Made, exporter: str) -> None:
    artifact = Path(made(exporter)["fp32/cnn"]["artifact"])
    names = [form.name for form in registry.load_all("format") if form.recognises(artifact)]
    assert names == [format_of(exporter).name]


@pytest.mark.parametrize("exporter", sorted(BYTES))
def test_a_truncated_file_is_a_value_error(made: Made, exporter: str, tmp_path: Path) -> None:
    whole = Path(made(exporter)["fp32/cnn"]["artifact"]).read_bytes()
    for quarters in range(4):
        cut = tmp_path / f"{quarters}.bin"
        cut.write_bytes(whole[: quarters * len(whole) // 4])
        with pytest.raises(ValueError):
            format_of(exporter).anatomy(cut)
