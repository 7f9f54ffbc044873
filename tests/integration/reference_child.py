"""Run in a child: makes what the tests of the reference server need, or calls a model in process.

`save FOLDER VERSION…`: models of one variable, which is the version's number. `warm FOLDER ENDING…`: requests for
the warm-up of version 1, 2 …, that end well, badly, in garbage, or in what is not done. `cnn FOLDER`: a small network,
and a picture for it.
`call FOLDER THREADS`: loads the network as `exports/runtimes` does; each line of its input is a number of calls, each
line of its output the seconds of every one. `load FOLDER PORT ROWS`: asks a server for the network's answer to so many
rows; each line of its input is a number of seconds, each line of its output the calls per second.
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core.records import Signature, TensorSpec

SIGNATURE = Signature(
    inputs=(TensorSpec(name="image", dtype="float32", shape=(None, 32, 32, 3)),),
    outputs=(TensorSpec(name="scores", dtype="float32", shape=(None, 10)),),
)


def save(folder: Path, version: int) -> None:
    """Save `base/VERSION`: `serving_default` multiplies, `slow` takes its time, `text` echoes strings."""
    import tensorflow as tf

    class Model(tf.Module):  # type: ignore[misc]  # tensorflow is Any to mypy
        def __init__(self) -> None:
            super().__init__()
            self.factor = tf.Variable(float(version))

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, name="x")])  # type: ignore[untyped-decorator]
        def multiply(self, x: Any) -> dict[str, Any]:
            return {"y": x * self.factor, "rows": tf.fill(tf.shape(x), tf.size(x))}

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, name="x")])  # type: ignore[untyped-decorator]
        def slow(self, x: Any) -> dict[str, Any]:
            matrix = tf.ones((400, 400)) * (1 + 0 * x[0])
            for _ in range(100):
                matrix = tf.nn.relu(matrix @ matrix / 400)
            return {"y": x * self.factor + 0 * tf.reduce_sum(matrix)}

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="text")])  # type: ignore[untyped-decorator]
        def text(self, text: Any) -> dict[str, Any]:
            return {"said": tf.identity(text)}

    model = Model()
    signatures = {"serving_default": model.multiply, "slow": model.slow, "text": model.text}
    tf.saved_model.save(model, str(folder / str(version)), signatures=signatures)


def warm(folder: Path, version: int, ending: str) -> None:
    """Write warm-up requests beside a version: two good ones, and one more that is `ending`, unless that is `good`."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    def record(name: str) -> bytes:
        log = prediction_log_pb2.PredictionLog()
        request = log.predict_log.request
        request.model_spec.name = "model"
        request.inputs[name].CopyFrom(tf.make_tensor_proto([1.0, 2.0]))
        serialised: bytes = log.SerializeToString()
        return serialised

    records = [record("x"), record("x")]
    classify = prediction_log_pb2.PredictionLog()
    classify.classify_log.request.model_spec.name = "model"
    endings = {
        "bad": [record("z")],
        "garbage": [b"\xff\xff"],
        "classify": [classify.SerializeToString()],
        "good": [],
    }
    records += endings[ending]
    extra = folder / str(version) / "assets.extra"
    extra.mkdir()
    with tf.io.TFRecordWriter(str(extra / "tf_serving_warmup_requests")) as writer:
        for one in records:
            writer.write(one)


def cnn(folder: Path) -> None:
    """Save `cnn/1`, three convolutions, and `picture.npy` of 12 kB.

    Small, but with enough to compute that the transport, which costs Python about a millisecond, is not all there is.
    """
    import keras

    keras.utils.set_random_seed(0)
    image = seen = keras.Input((32, 32, 3), name="image")
    for filters in (64, 256, 512):
        seen = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(seen)
        seen = keras.layers.MaxPooling2D()(seen)
    model = keras.Model(image, keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(seen)))
    archive = keras.export.ExportArchive()
    archive.add_endpoint(
        "serving_default",
        lambda image: {"scores": model(image, training=False)},
        [keras.InputSpec(shape=(None, 32, 32, 3), dtype="float32", name="image")],
    )
    archive.write_out(folder / "cnn" / "1", verbose=False)
    np.save(folder / "picture.npy", np.random.default_rng(0).standard_normal((1, 32, 32, 3)).astype(np.float32))


def call(folder: Path, threads: int) -> None:
    """Answer numbers of calls with their seconds."""
    from exports.runtimes.tensorflow import plugin

    inputs = {"image": np.load(folder / "picture.npy")}
    with plugin.load(folder / "cnn" / "1", SIGNATURE, device="cpu", threads=threads) as ask:
        for line in sys.stdin:
            seconds = []
            for _ in range(int(line)):
                begin = time.perf_counter()
                ask(inputs)
                seconds.append(time.perf_counter() - begin)
            print(*seconds, flush=True)  # noqa: T201  # the wire to the test


def load(folder: Path, port: int, rows: int) -> None:
    """Answer seconds with calls per second."""
    from serving.wires import tensorflow_grpc

    inputs = {"image": np.repeat(np.load(folder / "picture.npy"), rows, axis=0)}
    with tensorflow_grpc.connect(port, "model", SIGNATURE) as wire:
        request = wire.encode(inputs)
        for line in sys.stdin:
            begin, calls = time.perf_counter(), 0
            while time.perf_counter() - begin < float(line):
                wire.call(request)
                calls += 1
            print(calls / (time.perf_counter() - begin), flush=True)  # noqa: T201  # the wire to the test


if __name__ == "__main__":
    where = Path(sys.argv[2])
    if sys.argv[1] == "save":
        for number in sys.argv[3:]:
            save(where, int(number))
    elif sys.argv[1] == "warm":
        for version, ending in enumerate(sys.argv[3:], 1):
            warm(where, version, ending)
    elif sys.argv[1] == "cnn":
        cnn(where)
    elif sys.argv[1] == "load":
        load(where, int(sys.argv[3]), int(sys.argv[4]))
    else:
        call(where, int(sys.argv[3]))
