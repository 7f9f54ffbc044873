"""Predict: tensors in, tensors out (tensorflow_serving/servables/tensorflow/predict_util.cc)."""

from functools import cache
from typing import Any

from evaluator.core.tensors import Array
from serving.reference import metrics
from serving.reference.servable import DEFAULT_SIGNATURE, Servable
from serving.reference.status import Code, StatusError, invalid
from serving.wires.tensor_codec import fill_values, read


def predict(servable: Servable, request: Any) -> Any:
    """Answer a PredictRequest with a PredictResponse."""
    signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
    inputs = {name: _array(name, tensor) for name, tensor in request.inputs.items()}
    with metrics.runtime(request.model_spec.name):
        outputs = servable.run(signature, inputs, request.output_filter)
    response = _response()()
    try:
        for name, array in outputs.items():
            fill_values(response.outputs[name], array)
    except ValueError as error:
        raise StatusError(Code.UNIMPLEMENTED, str(error)) from error
    response.model_spec.name = request.model_spec.name
    response.model_spec.signature_name = signature
    response.model_spec.version.value = servable.version
    return response


@cache
def _response() -> Any:
    from tensorflow_serving.apis import predict_pb2

    return predict_pb2.PredictResponse


def _array(name: str, tensor: Any) -> Array:
    try:
        return read(tensor)
    except ValueError as error:
        raise invalid(f"tensor parsing error: {name}: {error}") from error
