"""Run in a child: makes the SavedModel of the conformance tests, and asks a server with TF Serving's own stubs.

`conformance_child.py save FOLDER VERSION…` saves versions. `conformance_child.py ask GRPC_PORT` answers questions: each
line of its input is `[method, request as JSON]`, each line of its output `[code, message, answer as JSON]`.
`conformance_child.py plain GRPC_PORT` predicts as the example clients do.
"""

import json
import sys
from pathlib import Path
from typing import Any


def save(folder: Path, version: int) -> None:
    """Save a version in a graph of its own."""
    import tensorflow as tf

    with tf.Graph().as_default():
        _save(folder / str(version), version)


def _save(folder: Path, version: int) -> None:
    """Save in the style of TensorFlow 1, which lets us choose the tensors' names that metadata show.

    The variable `weight` holds the version's number, so that an answer shows which version it comes from.
    """
    import tensorflow as tf

    v1 = tf.compat.v1
    weight = v1.get_variable("weight", initializer=float(version))
    x = v1.placeholder(tf.float32, (None, 2), "x")
    a = v1.placeholder(tf.float32, (None,), "a")
    b = v1.placeholder(tf.int64, (None,), "b")
    text = v1.placeholder(tf.string, (None,), "text")
    signatures = v1.saved_model.signature_def_utils
    info = v1.saved_model.build_tensor_info

    def signature(inputs: dict[str, Any], outputs: dict[str, Any]) -> Any:
        tensors = ({name: info(tensor) for name, tensor in named.items()} for named in (inputs, outputs))
        return signatures.build_signature_def(*tensors, "tensorflow/serving/predict")

    builder = v1.saved_model.Builder(str(folder))
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {
                "serving_default": signature({"x": x}, {"y": weight * x}),
                "two": signature({"a": a, "b": b}, {"sum": a + tf.cast(b, tf.float32), "twice": 2 * b}),
                "text": signature({"text": text}, {"said": tf.identity(text), "said_bytes": tf.identity(text)}),
                "total": signature({"x": x}, {"total": tf.reduce_sum(x)}),
                "inverse": signature({"x": x}, {"y": 1 / x}),
            },
            main_op=v1.tables_initializer(),
        )
        builder.save()


def ask(port: int) -> None:
    """Answer questions until the input ends; each answer is one line."""
    import grpc
    from google.protobuf import json_format
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        get_model_status_pb2,
        model_management_pb2,
        model_service_pb2_grpc,
        predict_pb2,
        prediction_service_pb2_grpc,
    )

    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    models = model_service_pb2_grpc.ModelServiceStub(channel)
    methods = {
        "Predict": (prediction.Predict, predict_pb2.PredictRequest),
        "GetModelMetadata": (prediction.GetModelMetadata, get_model_metadata_pb2.GetModelMetadataRequest),
        "GetModelStatus": (models.GetModelStatus, get_model_status_pb2.GetModelStatusRequest),
        "HandleReloadConfigRequest": (models.HandleReloadConfigRequest, model_management_pb2.ReloadConfigRequest),
    }
    for line in sys.stdin:
        name, request = json.loads(line)
        call, kind = methods[name]
        try:
            answer = call(json_format.ParseDict(request, kind()), timeout=60)
            reply: list[Any] = ["OK", "", json_format.MessageToDict(answer)]
        except grpc.RpcError as error:
            reply = [error.code().name, error.details(), None]
        print(json.dumps(reply), flush=True)  # noqa: T201  # the wire to the test


def plain(port: int) -> None:
    """Predict as TF Serving's example clients do (tensorflow_serving/example/mnist_client.py and others)."""
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "model"
    request.model_spec.signature_name = "serving_default"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([[1.5, 2.5]], shape=[1, 2]))
    result = stub.Predict(request, 10.0)
    waiting = stub.Predict.future(request, 5.0)
    assert waiting.result(5.0).outputs["y"] == result.outputs["y"]
    print(json.dumps(tf.make_ndarray(result.outputs["y"]).tolist()))  # noqa: T201  # the wire to the test


if __name__ == "__main__":
    if sys.argv[1] == "save":
        for number in sys.argv[3:]:
            save(Path(sys.argv[2]), int(number))
    else:
        {"ask": ask, "plain": plain}[sys.argv[1]](int(sys.argv[2]))
