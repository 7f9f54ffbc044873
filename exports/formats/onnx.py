"""ONNX: an open graph format that both frameworks can be exported to and that many runtimes execute.

What is lost: everything but the forward pass. Weights stay bit for bit, operators are re-expressed in ONNX's own set
(exporters fuse and reorder some), so results differ by rounding. One self-contained file, which limits it to 2 GB.

From PyTorch: the exporter that rests on `torch.export` (`dynamo=True`), PyTorch's default since 2.9. On ResNet-50 (two
cores, idle) it took 9 s and the TorchScript-based one 1.5 s; the latter is deprecated, and who deploys today should
be judged by the one that is maintained. A smoke run, which may take ten minutes, can afford the difference.
From TensorFlow: tf2onnx.
Specification: https://github.com/onnx/onnx/blob/main/docs/IR.md
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from evaluator.core.errors import Unsupported
from evaluator.core.records import TensorSpec
from exports.contract import Format, Origin
from exports.formats import _keras, _pytorch

_TENSORFLOW_OPSET = 18  # the highest that tf2onnx writes; PyTorch's exporter picks its own


class Onnx(Format):
    """A file `model.onnx` whose inputs and outputs carry the signature's names, with a free batch dimension."""

    name = "onnx"
    title = "ONNX"
    path = "portable"
    origins = ("pytorch", "tensorflow")
    distributions: ClassVar = {
        "pytorch": ("torch", "onnx", "onnxscript"),
        "tensorflow": ("tensorflow", "tf2onnx", "onnx"),
    }

    def export(self, origin: Origin, folder: Path) -> Path:
        """Export with the framework's exporter, then let ONNX's own checker judge the file.

        Raises `Unsupported` when an operator has no counterpart in ONNX, `ValueError` when the file has other inputs
        or outputs than the signature (tf2onnx turns what it cannot resolve into further inputs).
        """
        import onnx

        path = folder / "model.onnx"
        _EXPORTERS[origin.framework](origin, path)
        onnx.checker.check_model(str(path), full_check=True)
        graph = onnx.load(path, load_external_data=False).graph
        _require_names("inputs", [value.name for value in graph.input], origin.signature.inputs)
        _require_names("outputs", [value.name for value in graph.output], origin.signature.outputs)
        return path


def _from_pytorch(origin: Origin, path: Path) -> None:
    import torch

    batch = torch.export.Dim("batch")
    try:
        torch.onnx.export(
            origin.model,
            _pytorch.example_tensors(origin),
            path,
            dynamo=True,
            input_names=[spec.name for spec in origin.signature.inputs],
            output_names=[spec.name for spec in origin.signature.outputs],
            dynamic_shapes=tuple({0: batch} for _ in origin.signature.inputs),
            external_data=False,
            verbose=False,
        )
    except torch.onnx.OnnxExporterError as error:
        raise Unsupported(f"PyTorch's ONNX exporter refuses the model: {error}") from error


def _from_tensorflow(origin: Origin, path: Path) -> None:
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
            opset=_TENSORFLOW_OPSET,
            tensors_to_rename=dict(zip([*inputs, *outputs], names, strict=True)),  # TensorFlow sorts a dict's names
        )
    # tf2onnx keeps what it cannot convert under TensorFlow's name and only logs it.
    foreign = sorted({node.op_type for node in model.graph.node if not onnx.defs.has(node.op_type, node.domain)})
    if foreign:
        raise Unsupported(f"tf2onnx has no ONNX counterpart for: {', '.join(foreign)}")
    onnx.save(model, path)


def _require_names(what: str, given: list[str], specs: tuple[TensorSpec, ...]) -> None:
    wanted = [spec.name for spec in specs]
    if sorted(given) != sorted(wanted):
        raise ValueError(f"the exported file's {what} are {', '.join(given)}; the model's are {', '.join(wanted)}")


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


_EXPORTERS: dict[str, Callable[[Origin, Path], None]] = {"pytorch": _from_pytorch, "tensorflow": _from_tensorflow}
plugin = Onnx()
