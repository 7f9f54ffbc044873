"""What the exporters to ONNX share: judging the file that a tool wrote, and lowering its precision."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from evaluator.core.errors import Unavailable
from evaluator.core.records import Signature
from evaluator.core.tensors import Arrays, rows
from exports.contract import Origin

# What "int8" computes with integers: the rest is little work. Sums and normalisations stay floats, for the mask that
# BERT adds to its scores (0 or -10,000) leaves nothing of eight bits for the scores: a cosine of 0.4 to the origin.
_HEAVY = ["Conv", "MatMul", "Gemm", "Gather"]


def finish(path: Path, origin: Origin, precision: str) -> None:
    """Judge the 32-bit file that a tool wrote and rewrite it at a precision, with ONNX Runtime's tools.

    Inputs and outputs keep their types. "int8_dynamic": 8-bit weights, activations quantized as they come. "int8":
    weights by channel and activations, calibrated on real inputs, with QuantizeLinear and DequantizeLinear around
    convolutions, matrix products and look-ups in tables.
    Documentation: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
    Raises `ValueError` for a file that is not the model's, `Unavailable` without the package onnxruntime.
    """
    _check(path, origin.signature)
    if precision == "fp32":
        return
    runtime().set_default_logger_severity(3)  # errors; it warns of every tensor that it leaves alone
    {"fp16": _half, "int8_dynamic": _dynamic, "int8": _static}[precision](path, origin)
    _check(path, origin.signature)


def runtime() -> Any:
    """Import ONNX Runtime; raises `Unavailable` where it is not installed: exporting as such does without it."""
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise Unavailable("not installed: onnxruntime", remedy="pip install -c constraints.txt onnxruntime") from error
    return onnxruntime


def _check(path: Path, signature: Signature) -> None:
    """Let ONNX's own checker judge the file, and compare its inputs and outputs with the signature.

    Raises `ValueError` when they differ (tf2onnx turns what it cannot resolve into further inputs).
    """
    import onnx

    onnx.checker.check_model(str(path), full_check=True)
    graph = onnx.load(path, load_external_data=False).graph
    for what, values, specs in (
        ("inputs", graph.input, signature.inputs),
        ("outputs", graph.output, signature.outputs),
    ):
        given, wanted = [value.name for value in values], [spec.name for spec in specs]
        if sorted(given) != sorted(wanted):
            raise ValueError(f"the exported file's {what} are {', '.join(given)}; the model's are {', '.join(wanted)}")


def _half(path: Path, _: Origin) -> None:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    lowered = OnnxModel(convert_float_to_float16(onnx.load(path), keep_io_types=True))
    lowered.topological_sort()  # the casts of the inputs stand at the end, after their users
    onnx.save(lowered.model, path)


def _dynamic(path: Path, _: Origin) -> None:
    from onnxruntime.quantization import quantize_dynamic

    quantize_dynamic(path, path)


def _static(path: Path, origin: Origin) -> None:
    from onnxruntime.quantization import CalibrationDataReader, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is untyped here
        def __init__(self) -> None:
            count = len(next(iter(origin.calibration.values())))
            self._batches = iter([rows(origin.calibration, index, index + 1) for index in range(count)])

        def get_next(self) -> Arrays | None:
            return next(self._batches, None)

    with TemporaryDirectory(dir=path.parent) as scratch:
        prepared = Path(scratch) / "prepared.onnx"
        # Without symbolic shapes: that tool of theirs gives up on transformers whose batch is free.
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        quantize_static(prepared, path, Reader(), per_channel=True, op_types_to_quantize=_HEAVY)
