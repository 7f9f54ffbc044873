"""Classify, Regress and MultiInference: tf.Examples in, labels with scores or single numbers out.

Checks and texts: tensorflow_serving/servables/tensorflow/classifier.cc, regressor.cc, multi_inference.cc and util.cc.
As upstream by default, a signature is judged by its inputs and outputs and not by its method name.
"""

from typing import Any

import numpy as np

from evaluator.core.tensors import Array, Arrays
from serving.reference import metrics
from serving.reference.servable import DEFAULT_SIGNATURE, Servable
from serving.reference.status import Code, StatusError, invalid

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"
_INPUTS = "inputs"
_CLASSES = "classes"
_SCORES = "scores"
_OUTPUTS = "outputs"


def classify(servable: Servable, request: Any) -> Any:
    """Answer a ClassificationRequest with a ClassificationResponse, or raise `StatusError`."""
    from tensorflow_serving.apis import classification_pb2

    definition = _definition(servable, request.model_spec, "No signature was found with the name: ")
    _check_classification(definition)
    response = classification_pb2.ClassificationResponse()
    _describe(response.model_spec, servable, request.model_spec)
    _classify(servable, request.model_spec, _examples(request.input), response.result)
    return response


def regress(servable: Servable, request: Any) -> Any:
    """Answer a RegressionRequest with a RegressionResponse, or raise `StatusError`."""
    from tensorflow_serving.apis import regression_pb2

    definition = _definition(servable, request.model_spec, "No signature was found with the name: ")
    _check_regression(definition)
    response = regression_pb2.RegressionResponse()
    _describe(response.model_spec, servable, request.model_spec)
    _regress(servable, request.model_spec, _examples(request.input), response.result)
    return response


def multi_inference(servable: Servable, request: Any) -> Any:
    """Answer a MultiInferenceRequest, whose tasks share the examples; the first task's model_spec names the model.

    Upstream computes all tasks in one go, we do one after the other: the answers are the same.
    """
    from tensorflow_serving.apis import inference_pb2

    _check_tasks(servable, request.tasks)
    examples = _examples(request.input)
    response = inference_pb2.MultiInferenceResponse()
    for task in request.tasks:
        result = response.results.add()
        _describe(result.model_spec, servable, task.model_spec)
        if task.method_name == CLASSIFY:
            _classify(servable, task.model_spec, examples, result.classification_result)
        else:
            _regress(servable, task.model_spec, examples, result.regression_result)
    return response


def _check_tasks(servable: Servable, tasks: Any) -> None:
    names: set[str] = set()
    for task in tasks:
        spec = task.model_spec
        if not spec.name:
            raise invalid("Found ModelSpec with an empty model name.")
        if spec.name != tasks[0].model_spec.name:
            raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        signature = spec.signature_name or DEFAULT_SIGNATURE
        if signature in names:
            raise invalid(f"Duplicate evaluation of signature: {signature}")
        names.add(signature)
        definition = _definition(servable, spec, "Requested signature not found in model graph: ")
        if task.method_name == CLASSIFY:
            _check_classification(definition)
        elif task.method_name == REGRESS:
            _check_regression(definition)
        else:
            raise StatusError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")


def _definition(servable: Servable, spec: Any, complaint: str) -> Any:
    signature = spec.signature_name or DEFAULT_SIGNATURE
    if signature not in servable.signature_defs:
        raise invalid(f"{complaint}{signature}")
    return servable.signature_defs[signature]


def _describe(described: Any, servable: Servable, asked: Any) -> None:
    described.name = asked.name
    described.signature_name = asked.signature_name or DEFAULT_SIGNATURE
    described.version.value = servable.version


def _check_classification(definition: Any) -> None:
    if len(definition.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(definition.outputs) not in {1, 2}:
        raise invalid(f"Expected one or two output Tensors, found {len(definition.outputs)}")
    if _INPUTS not in definition.inputs:
        raise invalid(f"No classification inputs found in SignatureDef: {definition}")
    if _CLASSES not in definition.outputs and _SCORES not in definition.outputs:
        raise invalid(
            "Expected classification signature outputs to contain at least one of "
            f'"{_CLASSES}" or "{_SCORES}". Signature was: {definition}'
        )


def _check_regression(definition: Any) -> None:
    if len(definition.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(definition.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if _INPUTS not in definition.inputs:
        raise invalid(f"No regression inputs found in SignatureDef: {definition}")
    if _OUTPUTS not in definition.outputs:
        raise invalid(f"No regression outputs found in SignatureDef: {definition}")


def _examples(given: Any) -> Array:
    """Serialise the examples of an apis/input.proto Input; a context is put before each of them.

    Serialised messages that are joined are merged, so an example's own features win over those of the context.
    """
    context = b""
    examples = given.example_list.examples
    if given.WhichOneof("kind") == "example_list_with_context":
        context = given.example_list_with_context.context.SerializeToString()
        examples = given.example_list_with_context.examples
    if not examples:
        raise invalid("Input is empty.")
    return np.array([context + example.SerializeToString() for example in examples], dtype=object)


def _compute(servable: Servable, spec: Any, examples: Array, api: str) -> Arrays:
    with metrics.runtime(servable.name, api):
        return servable.run(spec.signature_name or DEFAULT_SIGNATURE, {_INPUTS: examples})


def _classify(servable: Servable, spec: Any, examples: Array, result: Any) -> None:
    """Fill a ClassificationResult: one list of classes per example, with labels, scores or both."""
    outputs = _compute(servable, spec, examples, "Classify")
    matrices = {name: outputs[name] for name in (_CLASSES, _SCORES) if name in outputs}
    for name, matrix in matrices.items():
        _check_matrix(name, matrix, len(examples))
    widths = [matrix.shape[1] for matrix in matrices.values()]
    if widths[0] != widths[-1]:
        raise invalid(f"Tensors class and score should match in dim_size(1). Got {widths[0]} vs. {widths[1]}")
    rows = {name: matrix.tolist() for name, matrix in matrices.items()}
    for row in range(len(examples)):
        found = result.classifications.add()
        for column in range(widths[0]):
            entry = found.classes.add()
            if _CLASSES in rows:
                entry.label = rows[_CLASSES][row][column].decode(errors="replace")
            if _SCORES in rows:
                entry.score = rows[_SCORES][row][column]


def _check_matrix(name: str, array: Array, examples: int) -> None:
    wanted = {_CLASSES: "DT_STRING", _SCORES: "DT_FLOAT"}[name]
    if array.ndim != 2:
        raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {_shape(array)}")
    if _dtype(array) != wanted:
        raise invalid(f"Expected {name} Tensor of {wanted}. Got: {_dtype(array)}")
    if len(array) != examples:
        raise invalid(f"Expected {name} output batch size of {examples}. Got: {len(array)}")


def _regress(servable: Servable, spec: Any, examples: Array, result: Any) -> None:
    """Fill a RegressionResult: one number per example."""
    values = _compute(servable, spec, examples, "Regress")[_OUTPUTS]
    if values.ndim != 1 and values.shape[1:] != (1,):
        raise invalid(
            f"Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got {_shape(values)}"
        )
    if len(values) != len(examples):
        raise invalid(f"Input batch size did not match output batch size: {len(examples)} vs. {len(values)}")
    if _dtype(values) != "DT_FLOAT":
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {_dtype(values)}")
    for value in values.reshape(-1).tolist():
        result.regressions.add(value=value)


def _shape(array: Array) -> str:
    return f"[{','.join(map(str, array.shape))}]"


def _dtype(array: Array) -> str:
    """Return the name that types.proto has for an array's dtype."""
    from tensorflow import dtypes
    from tensorflow.core.framework import types_pb2

    name: str = types_pb2.DataType.Name(dtypes.as_dtype(array.dtype).as_datatype_enum)
    return name
