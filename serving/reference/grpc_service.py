"""The gRPC side: PredictionService (Predict, GetModelMetadata) and ModelService (GetModelStatus)."""

from collections.abc import Callable
from concurrent import futures
from typing import Any

from evaluator.core.tensors import Array
from serving.contract import HOST
from serving.reference import descriptions
from serving.reference.manager import Manager
from serving.reference.servable import DEFAULT_SIGNATURE
from serving.reference.status import Code, StatusError, invalid

_THREADS = 8
_LONGEST_MESSAGE = 1024  # model_servers/grpc_status_util.cc
_UNLIMITED = -1


def start(manager: Manager, port: int) -> Any:
    """Listen on the loopback port and return the `grpc.Server`; `OSError` when the port cannot be had."""
    import grpc

    options = [
        ("grpc.max_send_message_length", _UNLIMITED),
        ("grpc.max_receive_message_length", _UNLIMITED),
        ("grpc.so_reuseport", 0),
    ]
    server = grpc.server(futures.ThreadPoolExecutor(_THREADS), options=options)
    _add_prediction_service(server, manager)
    _add_model_service(server, manager)
    try:
        server.add_insecure_port(f"{HOST}:{port}")
    except RuntimeError as error:
        message = f"cannot listen on {HOST}:{port}: {error}"
        raise OSError(message) from error
    server.start()
    return server


def _add_prediction_service(server: Any, manager: Manager) -> None:
    from tensorflow_serving.apis import prediction_service_pb2_grpc as service

    class Predictions(service.PredictionServiceServicer):  # type: ignore[misc]  # the stubs have no types
        def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
            return _answer(context, lambda: _predict(manager, request))

        def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
            return _answer(context, lambda: _metadata(manager, request))

    service.add_PredictionServiceServicer_to_server(Predictions(), server)


def _add_model_service(server: Any, manager: Manager) -> None:
    from tensorflow_serving.apis import model_service_pb2_grpc as service

    class Models(service.ModelServiceServicer):  # type: ignore[misc]  # the stubs have no types
        def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
            spec = request.model_spec
            return _answer(context, lambda: descriptions.status(manager.states(spec.name, *_which(spec))))

    service.add_ModelServiceServicer_to_server(Models(), server)


def _predict(manager: Manager, request: Any) -> Any:
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
    inputs = {name: _array(name, tensor) for name, tensor in request.inputs.items()}
    response = predict_pb2.PredictResponse()
    with manager.use(request.model_spec.name, *_which(request.model_spec)) as servable:
        for name, array in servable.run(signature, inputs, request.output_filter).items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(array))
        response.model_spec.version.value = servable.version
    response.model_spec.name = request.model_spec.name
    response.model_spec.signature_name = signature
    return response


def _metadata(manager: Manager, request: Any) -> Any:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    if not request.metadata_field:
        raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != "signature_def":
            raise invalid(f"Metadata field {field} is not supported")
    with manager.use(request.model_spec.name, *_which(request.model_spec)) as servable:
        return descriptions.metadata(servable)


def _array(name: str, tensor: Any) -> Array:
    import tensorflow as tf

    try:
        array: Array = tf.make_ndarray(tensor)
    except (TypeError, ValueError) as error:
        raise invalid(f"tensor parsing error: {name}: {error}") from error
    return array


def _which(spec: Any) -> tuple[int | None, str | None]:
    """Return the version and the label that a ModelSpec names (at most one of them)."""
    choice = spec.WhichOneof("version_choice")
    return (
        spec.version.value if choice == "version" else None,
        spec.version_label if choice == "version_label" else None,
    )


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
