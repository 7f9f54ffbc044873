"""Both ONNX exporters of each framework, at every precision: the weights have it, and the outputs are about right."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evaluator.core.records import PRECISIONS
from tests.children import environment

pytestmark = pytest.mark.integration

CHILD = Path(__file__).with_name("exporters_onnx_child.py")
CELLS = {
    "pytorch": {("onnx_torch_export", "text"), ("onnx_torchscript", "cnn"), ("onnx_torchscript", "text")},
    "tensorflow": {(exporter, model) for exporter in ("tf2onnx", "keras_onnx") for model in ("cnn", "text")},
}
CAPTURED = "keras_onnx text"
# Without instructions for products of 8 bits (VNNI), sums of two of them are cut off at 16 bits in ONNX Runtime:
# https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html ("U8S8"). It is the processor's doing.
_EXACT = "vnni" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
_OFF = 0.2 if _EXACT else 0.5
# By precision: the largest difference relative to the output's scale, and the type that weights must have.
BOUNDS = {"fp32": (1e-4, "float32"), "fp16": (1e-2, "float16"), "int8_dynamic": (_OFF, "int8"), "int8": (_OFF, "int8")}


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_every_precision_took_effect_and_computes_about_the_same(framework: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", str(CHILD), framework, str(tmp_path)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert set(told) == {f"{exporter} {model} {each}" for exporter, model in CELLS[framework] for each in PRECISIONS}
    for name, found in told.items():
        if name.startswith(CAPTURED):  # its own way to call tf2onnx makes inputs of constants that a model captured
            assert "inputs are marks, words, functional" in found
            continue
        max_rel, cosine, weights = found
        bound, dtype = BOUNDS[name.rpartition(" ")[2]]
        assert max_rel <= bound, name
        assert cosine >= (0.98 if _EXACT or "int8" not in name else 0.9), name
        numbers = {kind: size for kind, size in weights.items() if kind in {"float32", "float16", "int8", "uint8"}}
        assert max(numbers, key=lambda kind: numbers[kind]).removeprefix("u") == dtype, (name, weights)
