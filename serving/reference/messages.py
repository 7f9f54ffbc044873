"""Messages that TF Serving defines and that no wheel here brings: batching, TLS, monitoring.

Sources: tensorflow_serving/servables/tensorflow/session_bundle_config.proto (BatchingParameters),
tensorflow_serving/config/ssl_config.proto and monitoring_config.proto.
"""

from functools import cache
from typing import Any

_INT64 = ".google.protobuf.Int64Value"
_STRING = ".google.protobuf.StringValue"
_BOOL = ".google.protobuf.BoolValue"
_PACKAGE = "tensorflow.serving"

_Field = tuple[int, str]  # number, type: a scalar, "repeated" and a scalar, or the full name of a message
_MESSAGES: dict[str, dict[str, _Field]] = {
    "BatchingParameters": {
        "max_batch_size": (1, _INT64),
        "batch_timeout_micros": (2, _INT64),
        "max_enqueued_batches": (3, _INT64),
        "num_batch_threads": (4, _INT64),
        "thread_pool_name": (5, _STRING),
        "allowed_batch_sizes": (6, "repeated int64"),
        "pad_variable_length_inputs": (7, "bool"),
        "enable_large_batch_splitting": (8, _BOOL),
        "max_execution_batch_size": (9, _INT64),
    },
    "SSLConfig": {
        "server_key": (1, "string"),
        "server_cert": (2, "string"),
        "custom_ca": (3, "string"),
        "client_verify": (4, "bool"),
    },
    "PrometheusConfig": {"enable": (1, "bool"), "path": (2, "string")},
    "MonitoringConfig": {"prometheus_config": (1, f".{_PACKAGE}.PrometheusConfig")},
}


@cache
def message(name: str) -> Any:
    """Return the class of one of these messages."""
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))


@cache
def _pool() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, wrappers_pb2

    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    for name, fields in _MESSAGES.items():
        _define(file.message_type.add(name=name), fields)
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _define(described: Any, fields: dict[str, _Field]) -> None:
    for name, (number, kind) in fields.items():
        field = described.field.add(name=name, number=number)
        field.label = field.LABEL_REPEATED if kind.startswith("repeated ") else field.LABEL_OPTIONAL
        if kind.startswith("."):
            field.type, field.type_name = field.TYPE_MESSAGE, kind
        else:
            field.type = field.Type.Value(f"TYPE_{kind.removeprefix('repeated ').upper()}")
