"""TensorFlow.js's converter, by way of a SavedModel.

Its pins allow no TensorFlow of the last two years: it lives in an environment of its own, over ours. What it imports
and does not use for a SavedModel (JAX, decision forests) is not there.
Documentation: https://github.com/tensorflow/tfjs/tree/master/tfjs-converter
"""

import json
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, ClassVar

from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature
from exports.contract import Exporter, Origin
from exports.exporters import _keras

_ABSENT = ("jax", "jax.experimental", "jax.experimental.jax2tf", "tensorflow_decision_forests")
_STORED = {"fp32": None, "fp16": {"float16": True}, "int8_dynamic": {"uint8": True}}  # True: every weight of floats


class Tfjs(Exporter):
    """A folder `model` with a graph model."""

    name = "tfjs"
    title = "TensorFlow.js converter"
    origin = "tensorflow"
    format = "tfjs"
    route = "native"
    layout = "tensorflow"
    cannot: ClassVar = {"int8": "TensorFlow.js computes in 32-bit floats: its converter quantizes weights only"}
    distributions: ClassVar = ("tensorflow",)
    environment = "tensorflowjs"

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Convert; lower precisions are how the weights are stored, the arithmetic stays in 32-bit floats.

        Raises `Unsupported` when the converter knows no TensorFlow.js operator for one of TensorFlow's.
        """
        converter = _converter()
        path = folder / "model"
        with TemporaryDirectory(dir=folder) as scratch:
            _keras.write_saved_model(origin, Path(scratch))
            try:
                converter.convert_tf_saved_model(scratch, str(path), quantization_dtype_map=_STORED[precision])
            except ValueError as error:
                named = re.match(r"Unsupported Ops in the model \w+ optimization\n(.+)", str(error))
                if named is None:
                    raise
                raise Unsupported(f"TensorFlow.js has no operator for {named[1]}") from error
        _name_tensors(path / "model.json", origin.signature)
        return path


def _converter() -> Any:
    """Import the converter, with empty modules in the place of those that it imports for other kinds of models."""
    for name in _ABSENT:
        module = sys.modules.setdefault(name, ModuleType(name))
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], last, module)
    from tensorflowjs.converters import tf_saved_model_conversion_v2

    return tf_saved_model_conversion_v2


def _name_tensors(path: Path, signature: Signature) -> None:
    """Give the file's tensors the signature's names.

    The converter tells tensors apart by type and shape: those of the same type and shape keep the graph's names, which
    end in ":0". Raises `ValueError` when the names are others than the signature's even so.
    """
    model = json.loads(path.read_text(encoding="utf-8"))
    for what, specs in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        given = {name.removesuffix(":0"): tensor for name, tensor in model["signature"][what].items()}
        wanted = [spec.name for spec in specs]
        if sorted(given) != sorted(wanted):
            raise ValueError(f"the converted {what} are {', '.join(given)}; the model's are {', '.join(wanted)}")
        model["signature"][what] = {name: given[name] for name in wanted}
    path.write_text(json.dumps(model), encoding="utf-8")


plugin = Tfjs()
