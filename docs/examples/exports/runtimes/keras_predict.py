"""Keras itself: a file is loaded back as a model, and called.

Documentation: https://keras.io/api/models/model_saving_apis/model_saving_and_loading/
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays
from exports.contract import Runtime, Session


class KerasPredict(Runtime):
    """Loads `.keras` files without the code that one may carry."""

    name = "keras_predict"
    title = "Keras"
    formats = ("keras_file",)
    devices = ("cpu",)
    distributions = ("keras", "tensorflow")
    module = "keras"

    @contextmanager
    def load(self, artifact: Path, signature: Signature, *, device: str, threads: int) -> Iterator[Session]:
        """Load the file in safe mode; raises Keras's `ValueError` for one that it cannot read."""
        import keras

        model = keras.saving.load_model(artifact, compile=False, safe_mode=True)
        names = [spec.name for spec in signature.outputs]

        def call(inputs: Mapping[str, Array]) -> Arrays:
            outputs = model(dict(inputs), training=False)
            return {name: outputs[name].numpy() for name in names}

        yield call


plugin = KerasPredict()
