"""tf2onnx: translates a frozen TensorFlow graph to ONNX, operator by operator.

Documentation: https://github.com/onnx/tensorflow-onnx
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from evaluator.core.errors import Unsupported
from exports.contract import Exporter, Origin
from exports.exporters import _keras, _onnx

_OPSET = 18  # the highest that it writes


class Tf2Onnx(Exporter):
    """A file `model.onnx` whose inputs and outputs carry the signature's names, with a free batch dimension."""

    name = "tf2onnx"
    title = "tf2onnx"
    origin = "tensorflow"
    format = "onnx"
    route = "native"
    layout = "tensorflow"
    standard = True
    distributions: ClassVar = ("tensorflow", "tf2onnx", "onnx")

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Freeze the serving function and translate it; `Unsupported` names operators without a counterpart."""
        path = folder / "model.onnx"
        _translate(origin, path)
        _onnx.finish(path, origin, precision)
        return path


def _translate(origin: Origin, path: Path) -> None:
    import onnx
    import tensorflow as tf
    import tf2onnx
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    function = tf.function(_keras.serving_function(origin)).get_concrete_function(_keras.input_specs(origin))
    # Frozen by us: `tf2onnx.convert.from_function` takes constants that the function captured for inputs.
    frozen = convert_variables_to_constants_v2(function)
    inputs, outputs = [tensor.name for tensor in frozen.inputs], [tensor.name for tensor in frozen.outputs]
    names = [*sorted(spec.name for spec in origin.signature.inputs), *sorted(function.structured_outputs)]
    with _prompt_collection():
        model, _ = tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(),
            input_names=inputs,
            output_names=outputs,
            opset=_OPSET,
            tensors_to_rename=dict(zip([*inputs, *outputs], names, strict=True)),  # TensorFlow sorts a dict's names
        )
    # tf2onnx keeps what it cannot convert under TensorFlow's name and only logs it.
    foreign = sorted({node.op_type for node in model.graph.node if not onnx.defs.has(node.op_type, node.domain)})
    if foreign:
        raise Unsupported(f"tf2onnx has no ONNX counterpart for: {', '.join(foreign)}")
    onnx.save(model, path)


@contextmanager
def _prompt_collection() -> Iterator[None]:
    """Collect cyclic garbage at once: tf2onnx copies the graph, weights and all, for each of its optimiser passes.

    Python's collector counts objects, not bytes, and lets dozens of copies pile up: 6.9 GB for ResNet-50 instead of
    3.1 GB. What lives already is frozen (left out), which makes collections cheap.
    """
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.collect()  # resets the count of long-lived objects, a quarter of which is waited for otherwise
    gc.set_threshold(thresholds[0], thresholds[1], 1)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


plugin = Tf2Onnx()
