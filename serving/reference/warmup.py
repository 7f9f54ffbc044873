"""The requests that a SavedModel brings along to be answered before its first client comes.

Rules and texts: tensorflow_serving/servables/tensorflow/saved_model_warmup.cc and saved_model_warmup_util.cc;
https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from serving.reference import metrics
from serving.reference.predicting import predict
from serving.reference.servable import Servable
from serving.reference.status import Code, StatusError, invalid, undone

FILE = Path("assets.extra") / "tf_serving_warmup_requests"
_MOST_RECORDS = 1000


def warm_up(servable: Servable, folder: Path, iterations: int = 1) -> None:
    """Answer each record of the version's file so many times; a bad record or answer is a `StatusError`."""
    path = folder / FILE
    if not path.is_file():
        return
    begin = time.perf_counter()
    try:
        for number, log in enumerate(_records(path), 1):
            for _ in range(iterations):
                _answer(servable, log)
            if number > _MOST_RECORDS:
                raise invalid(f"Number of warmup records exceeds the maximum ({_MOST_RECORDS}) at {path}")
    except StatusError as error:
        metrics.warmup(str(folder), time.perf_counter() - begin, error.code)
        raise
    metrics.warmup(str(folder), time.perf_counter() - begin)


def _records(path: Path) -> Iterator[Any]:
    """Read PredictionLog messages from a TFRecord file."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tensorflow_serving.apis import prediction_log_pb2

    try:
        for record in tf.compat.v1.io.tf_record_iterator(str(path)):
            yield prediction_log_pb2.PredictionLog.FromString(record)
    except DecodeError as error:
        raise invalid(f"Failed to parse warmup record: {error} from {path}") from error
    except tf.errors.OpError as error:
        raise StatusError(Code(error.error_code), f"{error.message} (reading {path})") from error


def _answer(servable: Servable, log: Any) -> None:
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        predict(servable, log.predict_log.request)
    elif kind is not None:
        raise undone(f"warm-up by {kind}")
