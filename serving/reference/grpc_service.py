"""The gRPC side: PredictionService (Predict, GetModelMetadata) and ModelService (GetModelStatus)."""

from collections.abc import Callable
from concurrent import futures
from typing import Any

from evaluator.core.tensors import Array
from serving.contract import HOST
from serving.reference.servable import DEFAULT_SIGNATURE, Servable, Store
from serving.reference.status import Code, StatusError, invalid

_THREADS = 8
_LONGEST_MESSAGE = 1024  # model_servers/grpc_status_util.cc
_UNLIMITED = -1


def start(store: Store, port: int) -> Any:
    """Listen on the loopback port and return the `grpc.Server`; `OSError` when the port cannot be had."""
    import grpc

    options = [
        ("grpc.max_send_message_length", _UNLIMITED),
        ("grpc.max_receive_message_length", _UNLIMITED),
        ("grpc.so_reuseport", 0),
    ]
    server = grpc.server(futures.ThreadPoolExecutor(_THREADS), options=options)
    _add_prediction_service(server, store)
    _add_model_service(server, store)
    try:
        server.add_insecure_port(f"{HOST}:{port}")
    except RuntimeError as error:
        message = f"cannot listen on {HOST}:{port}: {error}"
        raise OSError(message) from error
    server.start()
    return server


def _add_prediction_service(server: Any, store: Store) -> None:
    from tensorflow_serving.apis import prediction_service_pb2_grpc as service

    class Predictions(service.PredictionServiceServicer):  # type: ignore[misc]  # the stubs have no types
        def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
            return _answer(context, lambda: _predict(store, request))

        def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
            return _answer(context, lambda: _metadata(store, request))

    service.add_PredictionServiceServicer_to_server(Predictions(), server)


def _add_model_service(server: Any, store: Store) -> None:
    from tensorflow_serving.apis import model_service_pb2_grpc as service

    class Models(service.ModelServiceServicer):  # type: ignore[misc]  # the stubs have no types
        def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
            spec = request.model_spec
            return _answer(context, lambda: status(store.available(spec.name, _version(spec))))

    service.add_ModelServiceServicer_to_server(Models(), server)


def status(servable: Servable) -> Any:
    """Describe a loaded version as GetModelStatusResponse; REST shows the same."""
    from tensorflow_serving.apis import get_model_status_pb2 as messages

    response = messages.GetModelStatusResponse()
    entry = response.model_version_status.add(
        version=servable.version, state=messages.ModelVersionStatus.State.Value("AVAILABLE")
    )
    entry.status.error_code = 0
    return response


def metadata(servable: Servable) -> Any:
    """Describe the signatures of a loaded version as GetModelMetadataResponse; REST shows the same."""
    from tensorflow_serving.apis import get_model_metadata_pb2 as messages

    response = messages.GetModelMetadataResponse()
    response.model_spec.name = servable.name
    response.model_spec.version.value = servable.version
    signatures = messages.SignatureDefMap()
    for name, definition in servable.signature_defs.items():
        signatures.signature_def[name].CopyFrom(definition)
    response.metadata["signature_def"].Pack(signatures)
    return response


def _predict(store: Store, request: Any) -> Any:
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    servable = store.get(request.model_spec.name, _version(request.model_spec))
    signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
    inputs = {name: _array(name, tensor) for name, tensor in request.inputs.items()}
    response = predict_pb2.PredictResponse()
    for name, array in servable.run(signature, inputs, request.output_filter).items():
        response.outputs[name].CopyFrom(tf.make_tensor_proto(array))
    response.model_spec.name = servable.name
    response.model_spec.signature_name = signature
    response.model_spec.version.value = servable.version
    return response


def _metadata(store: Store, request: Any) -> Any:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    if not request.metadata_field:
        raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != "signature_def":
            raise invalid(f"Metadata field {field} is not supported")
    return metadata(store.get(request.model_spec.name, _version(request.model_spec)))


def _array(name: str, tensor: Any) -> Array:
    import tensorflow as tf

    try:
        array: Array = tf.make_ndarray(tensor)
    except (TypeError, ValueError) as error:
        raise invalid(f"tensor parsing error: {name}: {error}") from error
    return array


def _version(spec: Any) -> int | None:
    return int(spec.version.value) if spec.HasField("version") else None


def _answer(context: Any, make: Callable[[], Any]) -> Any:
    """Return the answer, or end the call with the status of the error."""
    import grpc

    try:
        return make()
    except StatusError as error:
        message = error.message
        if len(message) > _LONGEST_MESSAGE:
            message = f"{message[:_LONGEST_MESSAGE]}...TRUNCATED"
        codes = {code.value[0]: code for code in grpc.StatusCode}
        context.abort(codes[Code(error.code).value], message)
