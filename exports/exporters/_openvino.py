"""What the exporters to OpenVINO share: converting a file of another format, and lowering its precision with NNCF.

Documentation: https://docs.openvino.ai/2026/openvino-workflow/model-preparation.html and
https://docs.openvino.ai/2026/openvino-workflow/model-optimization.html
"""

import logging
from pathlib import Path
from typing import Any

from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature, TensorSpec
from evaluator.core.tensors import Arrays, rows
from exports.contract import Origin


def write(converted_from: Path, origin: Origin, precision: str, folder: Path) -> Path:
    """Convert a 32-bit file that has the signature's names, and write `model` at a precision into a folder.

    Inputs and outputs keep their types. "fp16": weights are stored so. "int8_dynamic": 8-bit weights by channel,
    activations quantized as they come where the processor has a kernel for it. "int8": weights and activations,
    calibrated on real inputs.
    Raises `Unsupported` for an operator that OpenVINO has no counterpart of.
    """
    import openvino
    from openvino.frontend import NotImplementedFailure, OpConversionFailure

    try:
        model = openvino.convert_model(str(converted_from))
    except (NotImplementedFailure, OpConversionFailure) as error:
        raise Unsupported(f"OpenVINO refuses the model: {error}") from error
    model = _LOWERED[precision](model, origin)
    _check(model, origin.signature)
    path = folder / "model"
    path.mkdir()
    # By default it would store every precision's floats in 16 bits.
    openvino.save_model(model, str(path / "model.xml"), compress_to_fp16=precision == "fp16")
    return path


def _check(model: Any, signature: Signature) -> None:
    """Compare inputs and outputs with the signature, by name; raises `ValueError` when they differ."""
    for what, ports, specs in (
        ("inputs", model.inputs, signature.inputs),
        ("outputs", model.outputs, signature.outputs),
    ):
        if len(ports) != len(specs) or not all(_called(spec, ports) for spec in specs):
            given = ", ".join("/".join(sorted(port.get_names())) for port in ports)
            raise ValueError(f"the converted {what} are {given}; the model's are {', '.join(s.name for s in specs)}")


def _called(spec: TensorSpec, ports: Any) -> bool:
    return any(spec.name in port.get_names() for port in ports)


def _plain(model: Any, _: Origin) -> Any:
    return model


def _weights(model: Any, _: Origin) -> Any:
    nncf = _nncf()
    return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)


def _calibrated(model: Any, origin: Origin) -> Any:
    """Quantize with statistics of one example at a time. A network that takes integers is taken for a transformer.

    That scheme leaves softmax and normalisations alone; with the usual one little is left of BERT.
    """
    nncf = _nncf()
    examples = _examples(origin)
    looks_up = any(not spec.dtype.startswith(("float", "bfloat")) for spec in origin.signature.inputs)
    return nncf.quantize(
        model,
        nncf.Dataset(examples),
        subset_size=len(examples),
        model_type=nncf.ModelType.TRANSFORMER if looks_up else None,
    )


def _examples(origin: Origin) -> list[Arrays]:
    """Cut the rows for calibration as the model takes them: one by one, or as many as its fixed batch has."""
    size = next((spec.shape[0] for spec in origin.signature.inputs if spec.shape and spec.shape[0]), 1)
    count = len(next(iter(origin.calibration.values())))
    return [dict(rows(origin.calibration, start, start + size)) for start in range(0, count - size + 1, size)]


def _nncf() -> Any:
    import nncf

    nncf.set_log_level(logging.ERROR)
    return nncf


_LOWERED = {"fp32": _plain, "fp16": _plain, "int8_dynamic": _weights, "int8": _calibrated}
