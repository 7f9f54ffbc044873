"""The gRPC side: PredictionService and ModelService.

Texts of errors: tensorflow_serving/model_servers/*_impl.cc and servables/tensorflow/*_impl.cc.
"""

import logging
import time
from collections.abc import Callable, Mapping
from concurrent import futures
from functools import partial
from pathlib import Path
from typing import Any

from serving.reference import configuration, descriptions, metrics
from serving.reference.flags import Flags
from serving.reference.manager import Manager
from serving.reference.messages import message
from serving.reference.predicting import predict
from serving.reference.status import Code, StatusError, invalid, undone

_LONGEST_MESSAGE = 1024  # model_servers/grpc_status_util.cc
_UNLIMITED = -1
_UNDONE = ("Classify", "Regress", "MultiInference")

Method = tuple[Any, Callable[[Any], Any]]  # class of the request, and what answers one or raises `StatusError`

log = logging.getLogger("reference")


def start(manager: Manager, flags: Flags) -> Any:
    """Listen where the flags say and return the `grpc.Server`; `OSError` when an address cannot be had."""
    import grpc

    options = [
        ("grpc.max_send_message_length", _UNLIMITED),
        ("grpc.max_receive_message_length", _UNLIMITED),
        ("grpc.so_reuseport", 0),
    ]
    server = grpc.server(futures.ThreadPoolExecutor(flags.grpc_max_threads), options=options)
    _add(server, "tensorflow.serving.PredictionService", _prediction_methods(manager))
    _add(server, "tensorflow.serving.ModelService", _model_methods(manager))
    address = f"{flags.address}:{flags.port}"
    credentials = None if flags.ssl_config_file is None else _credentials(flags.ssl_config_file)
    _listen(server, address, credentials)
    log.info("Running gRPC at %s", address)
    server.start()
    return server


def _listen(server: Any, address: str, credentials: Any) -> None:
    try:
        if credentials is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, credentials)
    except RuntimeError as error:
        failure = f"cannot listen on {address}: {error}"
        raise OSError(failure) from error


def _credentials(path: Path) -> Any:
    """Make TLS credentials of an SSLConfig file, as BuildServerCredentials in model_servers/server.cc does."""
    import grpc

    config = configuration.parse(path, message("SSLConfig")())
    authority = config.custom_ca.encode() or None
    if config.client_verify and authority is None:
        raise invalid("client_verify needs a custom_ca to verify clients with")
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())], authority, config.client_verify
    )


def _add(server: Any, service: str, methods: Mapping[str, Method]) -> None:
    import grpc

    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            partial(_respond, answer),
            request_deserializer=request.FromString,
            response_serializer=lambda response: response.SerializeToString(),
        )
        for name, (request, answer) in methods.items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


def _respond(answer: Callable[[Any], Any], request: Any, context: Any) -> Any:
    """Return the answer, or end the call with the status of the error."""
    try:
        return answer(request)
    except StatusError as error:
        import grpc

        text = error.message
        if len(text) > _LONGEST_MESSAGE:
            text = f"{text[:_LONGEST_MESSAGE]}...TRUNCATED"
        codes = {code.value[0]: code for code in grpc.StatusCode}
        context.abort(codes[Code(error.code).value], text)


def _prediction_methods(manager: Manager) -> dict[str, Method]:
    from google.protobuf.empty_pb2 import Empty
    from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

    return {
        "Predict": (predict_pb2.PredictRequest, partial(_predict, manager)),
        "GetModelMetadata": (get_model_metadata_pb2.GetModelMetadataRequest, partial(_metadata, manager)),
        **{api: (Empty, partial(_undone, api)) for api in _UNDONE},  # which skips all fields
    }


def _model_methods(manager: Manager) -> dict[str, Method]:
    from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2

    return {
        "GetModelStatus": (get_model_status_pb2.GetModelStatusRequest, partial(_status, manager)),
        "HandleReloadConfigRequest": (model_management_pb2.ReloadConfigRequest, partial(_reload, manager)),
    }


def _predict(manager: Manager, request: Any) -> Any:
    """Answer a request with the servable that it names, and count it."""
    begin = time.perf_counter()
    spec = _spec(request)
    try:
        with manager.use(spec.name, *_which(spec)) as servable:
            response = predict(servable, request)
    except StatusError as error:
        metrics.request(spec.name, "Predict", "GRPC", time.perf_counter() - begin, error.code)
        raise
    metrics.request(spec.name, "Predict", "GRPC", time.perf_counter() - begin)
    return response


def _undone(api: str, _: Any) -> Any:
    raise undone(api)


def _spec(request: Any) -> Any:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return request.model_spec


def _which(spec: Any) -> tuple[int | None, str | None]:
    """Return the version and the label that a ModelSpec names (at most one of them)."""
    choice = spec.WhichOneof("version_choice")
    version = spec.version.value if choice == "version" else None
    return version, spec.version_label if choice == "version_label" else None


def _metadata(manager: Manager, request: Any) -> Any:
    spec = _spec(request)
    if not request.metadata_field:
        raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != "signature_def":
            raise invalid(f"Metadata field {field} is not supported")
    with manager.use(spec.name, *_which(spec)) as servable:
        return descriptions.metadata(servable)


def _status(manager: Manager, request: Any) -> Any:
    spec = _spec(request)
    return descriptions.status(manager.states(spec.name, *_which(spec)))


def _reload(manager: Manager, request: Any) -> Any:
    """Replace the models; only a list of models can be taken (model_service_impl.cc)."""
    from tensorflow_serving.apis import model_management_pb2

    if request.config.WhichOneof("config") != "model_config_list":
        raise invalid(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. "
            "Only ModelConfigList is currently supported"
        )
    manager.reload(request.config)
    response = model_management_pb2.ReloadConfigResponse()
    response.status.error_code = 0
    return response
