"""OpenVINO's runtime with its plug-in for processors.

It is asked for full 32-bit floats: on a processor with bfloat16 instructions it would by itself compute 32-bit files in
16 bits, 2e-3 of the largest output off for ResNet-50. What is quantized is computed in integers all the same.
Documentation: https://docs.openvino.ai/2026/openvino-workflow/running-inference.html
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature, TensorSpec
from evaluator.core.tensors import Array, Arrays, dtype_of
from exports.contract import Runtime, Session
from exports.formats.openvino import graph_of

_FOREIGN = "bfloat16"
_REFUSALS = ("doesn't support", "doesn't contain the operation", "not supported", "unsupported", "not implemented")


class OpenVino(Runtime):
    """Reads a graph and compiles it for the CPU."""

    name = "openvino"
    title = "OpenVINO"
    formats = ("openvino",)
    devices = ("cpu",)
    distributions = ()
    environment = "openvino"
    standard = False
    module = "openvino"

    @contextmanager
    def load(self, artifact: Path, signature: Signature, *, device: str, threads: int) -> Iterator[Session]:
        """Compile for the CPU; raises `Unsupported` when an operator or a type is unknown to it."""
        import openvino

        settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        try:
            model = openvino.Core().read_model(str(graph_of(artifact)))
            compiled = openvino.compile_model(model, "CPU", settings)
        except RuntimeError as error:
            if any(word in str(error).lower() for word in _REFUSALS):
                raise Unsupported(f"OpenVINO {openvino.__version__} refuses {artifact.name}: {error}") from error
            raise
        takes = _places(signature.inputs, model.inputs)
        gives = _places(signature.outputs, model.outputs)

        def call(inputs: Mapping[str, Array]) -> Arrays:
            outputs = compiled({takes[name]: _taken(array) for name, array in inputs.items()})
            # They are copies: the next call computes in memory of its own.
            return {spec.name: _given(outputs[gives[spec.name]], spec) for spec in signature.outputs}

        yield call


def _places(specs: Sequence[TensorSpec], ports: Sequence[Any]) -> dict[str, int]:
    """Return where each tensor of the signature stands: by its name, or its layer's, else as they follow each other."""
    names = [{*port.get_names(), port.get_node().get_friendly_name()} for port in ports]
    found = [[place for place, each in enumerate(names) if spec.name in each] for spec in specs]
    places = [each[0] if each else position for position, each in enumerate(found)]
    ordered = places if len(set(places)) == len(places) else range(len(specs))
    return dict(zip((spec.name for spec in specs), ordered, strict=True))


def _taken(array: Array) -> Any:
    """Return an array as OpenVINO takes it, which knows no bfloat16 by NumPy's type."""
    if array.dtype.name != _FOREIGN:
        return array
    import openvino

    return openvino.Tensor(np.ascontiguousarray(array).view(np.uint16), openvino.Shape(array.shape), openvino.Type.bf16)


def _given(array: Array, spec: TensorSpec) -> Array:
    """Return an array as the signature has it: of bfloat16, OpenVINO hands out the bits as if they were float16."""
    return array.view(dtype_of(_FOREIGN)) if spec.dtype == _FOREIGN and array.dtype == np.float16 else array


plugin = OpenVino()
