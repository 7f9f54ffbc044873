"""One version of a model, loaded from a SavedModel and asked by signature."""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from evaluator.core.tensors import Array, Arrays
from serving.reference import saved_model
from serving.reference.batching import Batcher
from serving.reference.configuration import BatchingParameters
from serving.reference.status import Code, StatusError, invalid
from serving.wires.tensor_codec import read

DEFAULT_SIGNATURE = "serving_default"
_QUESTIONS = 64  # compiled ones that are kept; clients choose among the outputs as they like


class _Question(NamedTuple):
    """What is asked of a session: inputs and outputs of one signature, by their aliases."""

    signature: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class _Input(NamedTuple):
    """What an input must be; a rank of None stands for any."""

    place: int
    name: str
    dtype: Any  # numpy's
    rank: int | None


class Servable:
    """A loaded SavedModel. Calls may come from many threads at once; they run beside one another."""

    def __init__(self, name: str, version: int, folder: Path, threads: int = 0) -> None:
        """Load a version, with so many threads for one operation (0: TensorFlow chooses); `StatusError` if it fails."""
        import tensorflow as tf

        self.name = name
        self.version = version
        meta_graph = saved_model.meta_graph(folder)
        self.signature_defs: Mapping[str, Any] = dict(meta_graph.signature_def)  # INIT too: metadata show it
        self._session = saved_model.session(meta_graph, folder, threads)
        self._refusal: Any = tf.errors.OpError
        self._batcher: Batcher | None = None
        # Bound here, so that forgetting a servable forgets its compiled questions too.
        self.inputs = cache(self._inputs)
        self._expected = cache(self._expectations)
        self._callable = lru_cache(_QUESTIONS)(self._make_callable)

    def batch(self, settings: BatchingParameters) -> None:
        """From now on compute requests that arrive close together as one; call it before the first request."""
        self._batcher = Batcher(settings, self._compute)

    def _inputs(self, signature: str) -> Mapping[str, Any]:
        """Return the `tf.TensorSpec` of each input of a signature that exists."""
        import tensorflow as tf

        return {
            name: tf.TensorSpec(tf.TensorShape(info.tensor_shape), tf.dtypes.as_dtype(info.dtype), name)
            for name, info in sorted(self.signature_defs[signature].inputs.items())
        }

    def _expectations(self, signature: str) -> tuple[_Input, ...]:
        """Return what each input must be, in terms that are compared without asking TensorFlow."""
        return tuple(
            _Input(place, name, spec.dtype.as_numpy_dtype, spec.shape.rank)
            for place, (name, spec) in enumerate(self.inputs(signature).items())
        )

    def run(self, signature: str, inputs: Mapping[str, Array], only: Sequence[str] = ()) -> Arrays:
        """Compute the outputs of a signature, or `only` some of them. `StatusError` tells what does not fit.

        Texts: servables/tensorflow/predict_util.cc of tensorflow_serving. As there, sizes are not compared with those
        that a signature states: what does not fit is refused by the operation that it does not fit. The rank is
        compared here: TensorFlow itself may end the whole process on a wrong one (a failed CHECK in its oneDNN
        convolution).
        """
        if signature not in self.signature_defs or signature == saved_model.INIT:
            raise StatusError(Code.FAILED_PRECONDITION, f'Serving signature key "{signature}" not found.')
        definition = self.signature_defs[signature]
        expected = self._expected(signature)
        complete = _complete(inputs, definition)
        for input_ in expected:
            _fits(complete[input_.name], input_)
        question = _Question(signature, tuple(input_.name for input_ in expected), _chosen(definition.outputs, only))
        compute = self._compute if self._batcher is None else self._batcher.run
        return compute(question, complete)

    def close(self) -> None:
        """Compute what still waits for a batch, then free the model's memory."""
        if self._batcher is not None:
            self._batcher.close()
        self._session.close()

    def _compute(self, question: Any, inputs: Mapping[str, Array]) -> Arrays:
        try:
            outputs = self._callable(question)(*(inputs[name] for name in question.inputs))
        except self._refusal as error:
            raise StatusError(Code(error.error_code), error.message) from error
        return dict(zip(question.outputs, outputs, strict=True))

    def _make_callable(self, question: _Question) -> Any:
        """Prepare the session for a question: twice as fast as `Session.run` and `Session.make_callable`."""
        from tensorflow.core.protobuf import config_pb2

        definition = self.signature_defs[question.signature]
        options = config_pb2.CallableOptions(
            feed=[definition.inputs[name].name for name in question.inputs],
            fetch=[definition.outputs[name].name for name in question.outputs],
        )
        return self._session._make_callable_from_options(options)  # noqa: SLF001  # there is no public way to it


def _complete(inputs: Mapping[str, Array], definition: Any) -> Mapping[str, Array]:
    """Add default values and compare the names; texts: also tensorflow/cc/saved_model/util.cc, GetInputValues."""
    given, wanted = set(inputs), set(definition.inputs)
    if given == wanted:
        return inputs
    defaults = definition.defaults
    if len(given) > len(wanted) or (len(given) < len(wanted) and not defaults):
        raise invalid(
            f"input size does not match signature: {len(given)}!={len(wanted)} len({{{_listed(given)}}}) != "
            f"len({{{_listed(wanted)}}}). Sent extra: {{{_listed(given - wanted)}}}. "
            f"Missing but required: {{{_listed(wanted - given)}}}."
        )
    for name in sorted(wanted - given - set(defaults)):
        raise invalid(
            f"Signature input alias: {name}(feed name: {definition.inputs[name].name}) not found in request and no "
            f"default value provided. Inputs expected to be in the request {{{_listed(given)}}}, or default input "
            f"alias set: {_listed(defaults)}"
        )
    if given - wanted:
        raise invalid(
            f"Inputs contains invalid name. Used request inputs: {_listed(given & wanted)}, "
            f"request input: {_listed(given)}"
        )
    return {**{name: read(defaults[name]) for name in wanted - given}, **inputs}


def _listed(names: Any) -> str:
    return ",".join(sorted(names))


def _fits(array: Array, wanted: _Input) -> None:
    """Compare dtype (text: tensorflow/core/framework/function.cc, ValidateArgs) and rank."""
    if array.dtype != wanted.dtype:
        names = f"{_type_name(wanted.dtype)} but {_type_name(array.dtype)} is provided"
        raise invalid(f"Expects arg[{wanted.place}] to be {names}")
    if wanted.rank not in {None, array.ndim}:
        raise invalid(f"Expects input {wanted.name} to have rank {wanted.rank} but {list(array.shape)} is provided")


def _type_name(dtype: Any) -> str:
    """Return TensorFlow's C++ name of a numpy dtype (core/framework/types.cc, DataTypeString)."""
    import tensorflow as tf
    from tensorflow.core.framework import types_pb2

    name: str = types_pb2.DataType.Name(tf.as_dtype(dtype).as_datatype_enum)
    return name.removeprefix("DT_").lower()


def _chosen(outputs: Mapping[str, Any], only: Sequence[str]) -> tuple[str, ...]:
    for index, name in enumerate(only):
        if name not in outputs:
            raise invalid(
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                f"{{{_listed(outputs)}}}."
            )
        if name in only[:index]:
            raise invalid(f"duplicate output tensor alias: {name}")
    return tuple(sorted(only or outputs))
