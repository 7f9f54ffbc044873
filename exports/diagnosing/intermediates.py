"""What is computed on the way: the outputs of an origin's layers, and every tensor of an ONNX or a TFLite artifact."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core.tensors import Array, Arrays
from exports.contract import Origin
from exports.diagnosing.divergence import Layer, Node, Trace

FORMATS = ("onnx", "tflite")


def trace(form: str, artifact: Path, inputs: Arrays) -> Trace:
    """Compute a batch with an artifact of one of `FORMATS`, operator by operator as they stand in the file.

    Fusions of the runtime are off: an artifact that is right here and wrong in a runtime is wronged by that runtime.
    """
    return {"onnx": _trace_onnx, "tflite": _trace_tflite}[form](artifact, inputs)


def layers(origin: Origin, inputs: Arrays) -> list[Layer]:
    """Compute a batch with an origin and keep what each of its layers gave, in the order of computation."""
    return {"pytorch": _layers_of_torch, "tensorflow": _layers_of_keras}[origin.framework](origin, inputs)


def _trace_onnx(artifact: Path, inputs: Arrays) -> Trace:
    import onnx
    import onnxruntime

    model = onnx.load(artifact)
    given = {value.name for value in model.graph.output}
    inner = [name for node in model.graph.node for name in node.output if name and name not in given]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in inner)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    found = dict(zip(names, session.run(names, inputs), strict=True))
    return Trace(
        nodes=[
            Node(operator=_label(node.op_type, node.output[0]), inputs=tuple(node.input), outputs=tuple(node.output))
            for node in model.graph.node
        ],
        inputs=frozenset(inputs),
        tensors={**inputs, **{name: value for name, value in found.items() if isinstance(value, np.ndarray)}},
    )


def _trace_tflite(artifact: Path, inputs: Arrays) -> Trace:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_path=str(artifact),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    takes = interpreter.get_signature_runner("serving_default").get_input_details()
    for name, array in inputs.items():
        interpreter.resize_tensor_input(takes[name]["index"], array.shape)
    interpreter.allocate_tensors()
    for name, array in inputs.items():
        interpreter.set_tensor(takes[name]["index"], array)
    interpreter.invoke()
    details = {each["index"]: each for each in interpreter.get_tensor_details()}
    titles = {index: each["name"] for index, each in details.items()}
    operators = interpreter._get_ops_details()  # noqa: SLF001  # there is no public way to a file's operators
    nodes = [
        Node(
            operator=_label(each["op_name"], titles[each["outputs"][0]]),
            inputs=tuple(str(index) for index in each["inputs"] if index >= 0),
            outputs=tuple(str(index) for index in each["outputs"]),
        )
        for each in operators
        if len(each["outputs"])
    ]
    fed = [str(takes[name]["index"]) for name in inputs]
    computed = (int(name) for node in nodes for name in node.outputs)
    tensors = {str(index): _as_floats(interpreter.get_tensor(index), details[index]) for index in computed}
    return Trace(
        nodes=nodes,
        inputs=frozenset(fed),
        tensors={**dict(zip(fed, inputs.values(), strict=True)), **tensors},
        titles={str(index): title for index, title in titles.items()},
    )


def _as_floats(array: Array, details: dict[str, Any]) -> Array:
    """Return the numbers that a quantized tensor stands for: https://ai.google.dev/edge/litert/models/quantization_spec."""
    scales, zeros = (details["quantization_parameters"][name] for name in ("scales", "zero_points"))
    if array.dtype.kind not in "iu" or len(scales) != 1:  # activations have one scale; weights are not computed
        return array
    return np.asarray((array.astype(np.float32) - zeros[0]) * scales[0])


def _label(operator: str, output: str) -> str:
    return f"{operator} -> {output}"


def _layers_of_torch(origin: Origin, inputs: Arrays) -> list[Layer]:
    """Listen at every module. Tensors are told apart by identity, for which all of them are kept alive."""
    import torch

    found: list[Layer] = []
    alive: list[Any] = []
    makers: dict[int, int] = {}

    def keep(name: str) -> Callable[[Any, Any, Any], None]:
        def hook(_: Any, given: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                after = tuple(makers[id(each)] for each in given if id(each) in makers)
                alive.extend((output, given))
                makers[id(output)] = len(found)
                found.append(Layer(name=name, value=output.detach().numpy().copy(), after=after))

        return hook

    tensors = [torch.from_numpy(np.ascontiguousarray(inputs[spec.name])) for spec in origin.signature.inputs]
    hooks = [module.register_forward_hook(keep(name)) for name, module in origin.model.named_modules() if name]
    try:
        with torch.no_grad():
            origin.model(*tensors)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _layers_of_keras(origin: Origin, inputs: Arrays) -> list[Layer]:
    """Make one model of the outputs of all operations, down to Keras's own arithmetic."""
    import keras

    operations = [each for each in origin.model.operations if _has_one_output(each)]
    makers = {id(each.output): index for index, each in enumerate(operations)}
    values = keras.Model(origin.model.input, [each.output for each in operations])(dict(inputs), training=False)
    return [
        Layer(
            name=each.name,
            value=np.asarray(value),
            after=tuple(makers[id(one)] for one in keras.tree.flatten(each.input) if id(one) in makers),
        )
        for each, value in zip(operations, values, strict=True)
    ]


def _has_one_output(operation: Any) -> bool:
    """Tell whether a layer gives one tensor and was called once; Keras refuses to tell of others."""
    import keras

    try:
        return isinstance(operation.output, keras.KerasTensor)
    except (AttributeError, ValueError):
        return False
