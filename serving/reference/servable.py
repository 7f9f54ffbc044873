"""One version of a model, loaded from a SavedModel and asked by signature."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluator.core.tensors import Array, Arrays
from serving.reference.status import Code, StatusError, invalid

DEFAULT_SIGNATURE = "serving_default"


class Servable:
    """A loaded SavedModel. Calls may come from many threads at once."""

    def __init__(self, name: str, version: int, folder: Path) -> None:
        import tensorflow as tf
        from tensorflow.core.protobuf import saved_model_pb2

        self.name = name
        self.version = version
        self._loaded = tf.saved_model.load(str(folder))  # keeps the variables alive
        self.signatures: Mapping[str, Any] = self._loaded.signatures
        saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        self.signature_defs: Mapping[str, Any] = saved.meta_graphs[0].signature_def

    def inputs(self, signature: str) -> Mapping[str, Any]:
        """Return the `tf.TensorSpec` of each input of a signature that exists."""
        specs: Mapping[str, Any] = self.signatures[signature].structured_input_signature[1]
        return specs

    def run(self, signature: str, inputs: Mapping[str, Array], only: Sequence[str] = ()) -> Arrays:
        """Compute the outputs of a signature, or `only` some of them. `StatusError` tells what does not fit.

        Texts: tensorflow_serving/servables/tensorflow/predict_util.cc. Shapes are checked here: TensorFlow itself may
        end the whole process on a tensor of the wrong rank (a failed CHECK in its oneDNN convolution).
        """
        import tensorflow as tf

        if signature not in self.signatures:
            raise StatusError(Code.FAILED_PRECONDITION, f'Serving signature key "{signature}" not found.')
        specs = self.inputs(signature)
        _same_names(inputs, specs)
        for name, array in inputs.items():
            _fits(name, array, specs[name])
        try:
            tensors = {name: tf.constant(array, dtype=specs[name].dtype) for name, array in inputs.items()}
            outputs = self.signatures[signature](**tensors)
        except tf.errors.OpError as error:
            raise StatusError(Code(error.error_code), error.message) from error
        return {name: outputs[name].numpy() for name in _chosen(outputs, only)}


def _same_names(inputs: Mapping[str, Array], specs: Mapping[str, Any]) -> None:
    given, wanted = set(inputs), set(specs)
    if given != wanted:
        raise invalid(
            f"input size does not match signature: {len(given)}!={len(wanted)} len({{{','.join(sorted(given))}}}) != "
            f"len({{{','.join(sorted(wanted))}}}). Sent extra: {{{','.join(sorted(given - wanted))}}}. "
            f"Missing but required: {{{','.join(sorted(wanted - given))}}}."
        )


def _fits(name: str, array: Array, spec: Any) -> None:
    wanted = spec.dtype.as_numpy_dtype
    if array.dtype != wanted:
        raise invalid(f"Expects input {name} to be {spec.dtype.name} but {array.dtype.name} is provided")
    if not spec.shape.is_compatible_with(array.shape):
        raise invalid(f"Expects input {name} to have shape {spec.shape} but {list(array.shape)} is provided")


def _chosen(outputs: Mapping[str, Any], only: Sequence[str]) -> Sequence[str]:
    for name in only:
        if name not in outputs:
            raise invalid(f"output tensor alias not found in signature: {name} Outputs expected: {sorted(outputs)}")
    return only or sorted(outputs)
