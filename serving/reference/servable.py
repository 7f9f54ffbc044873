"""One version of a model, loaded from a SavedModel and asked by signature.

It is loaded and run as TF Serving does it (tensorflow/cc/saved_model/loader.cc): the graph in a session, variables by
the saver's restore operation. A model that Python could load only by its object graph fails here as it would there.
"""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from evaluator.core.tensors import Array, Arrays
from serving.reference.batching import Batcher
from serving.reference.configuration import Batching
from serving.reference.status import Code, StatusError, invalid
from serving.wires.tensor_codec import read

DEFAULT_SIGNATURE = "serving_default"
_INIT = "__saved_model_init_op"
_TAGS = {"serve"}
_IN_THE_CALLERS_THREAD = -1
_QUESTIONS = 64  # compiled ones that are kept; clients choose among the outputs as they like


class _Question(NamedTuple):
    """What is asked of a session: inputs and outputs of one signature, by their aliases."""

    signature: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Servable:
    """A loaded SavedModel. Calls may come from many threads at once; they run beside one another."""

    def __init__(self, name: str, version: int, folder: Path, threads: int = 0) -> None:
        """Load a version, with so many threads for the parts of an operation (0: TensorFlow chooses).

        The operations of a request run one after another in the thread that brought it: a hop to another thread costs
        more than a small model, and the cores are kept busy by requests. `StatusError` when it cannot be loaded.
        """
        import tensorflow as tf

        self.name = name
        self.version = version
        meta_graph = _meta_graph(folder)
        self.signature_defs: Mapping[str, Any] = {
            key: definition for key, definition in meta_graph.signature_def.items() if key != _INIT
        }
        try:
            self._session = _session(meta_graph, folder, threads)
        except (tf.errors.OpError, ValueError) as error:
            raise _load_error(folder, error) from error
        self._batcher: Batcher | None = None
        # Bound here, so that forgetting a servable forgets its compiled questions too.
        self.inputs = cache(self._inputs)
        self._callable = lru_cache(_QUESTIONS)(self._make_callable)

    def batch(self, settings: Batching) -> None:
        """From now on compute requests that arrive close together as one; call it before the first request."""
        self._batcher = Batcher(settings, self._compute)

    def _inputs(self, signature: str) -> Mapping[str, Any]:
        """Return the `tf.TensorSpec` of each input of a signature that exists."""
        import tensorflow as tf

        return {
            name: tf.TensorSpec(tf.TensorShape(info.tensor_shape), tf.dtypes.as_dtype(info.dtype), name)
            for name, info in sorted(self.signature_defs[signature].inputs.items())
        }

    def run(self, signature: str, inputs: Mapping[str, Array], only: Sequence[str] = ()) -> Arrays:
        """Compute the outputs of a signature, or `only` some of them. `StatusError` tells what does not fit.

        Texts: servables/tensorflow/predict_util.cc of tensorflow_serving. Shapes are checked here: TensorFlow itself
        may end the whole process on a tensor of the wrong rank (a failed CHECK in its oneDNN convolution).
        """
        if signature not in self.signature_defs:
            raise StatusError(Code.FAILED_PRECONDITION, f'Serving signature key "{signature}" not found.')
        definition = self.signature_defs[signature]
        specs = self.inputs(signature)
        complete = _complete(inputs, definition)
        for index, (name, spec) in enumerate(specs.items()):
            _fits(index, name, complete[name], spec)
        question = _Question(signature, tuple(specs), _chosen(definition.outputs, only))
        compute = self._compute if self._batcher is None else self._batcher.run
        return compute(question, complete)

    def close(self) -> None:
        """Compute what still waits for a batch, then free the model's memory."""
        if self._batcher is not None:
            self._batcher.close()
        self._session.close()

    def _compute(self, question: Any, inputs: Mapping[str, Array]) -> Arrays:
        import tensorflow as tf

        try:
            outputs = self._callable(question)(*(inputs[name] for name in question.inputs))
        except tf.errors.OpError as error:
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


def _meta_graph(folder: Path) -> Any:
    """Read the graph that is tagged for serving; texts: tensorflow/cc/saved_model/reader.cc."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    path = folder / "saved_model.pb"
    if not path.is_file():
        raise StatusError(
            Code.NOT_FOUND,
            f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {folder}.",
        )
    try:
        saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except DecodeError as error:
        raise StatusError(Code.DATA_LOSS, f"Can't parse {path} as binary proto") from error
    for meta_graph in saved.meta_graphs:
        if set(meta_graph.meta_info_def.tags) == _TAGS:
            return meta_graph
    raise StatusError(
        Code.NOT_FOUND,
        f"Could not find meta graph def matching supplied tags: {{ {' '.join(_TAGS)} }} in {folder}",
    )


def _session(meta_graph: Any, folder: Path, threads: int) -> Any:
    """Import the graph, restore the variables and run the initialisers, with the paths of assets fed."""
    import tensorflow as tf

    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=threads, inter_op_parallelism_threads=_IN_THE_CALLERS_THREAD
    )
    graph = tf.Graph()
    with graph.as_default():
        tf.graph_util.import_graph_def(meta_graph.graph_def, name="")
    session = tf.compat.v1.Session(graph=graph, config=config)
    assets = {asset.tensor_info.name: str(folder / "assets" / asset.filename) for asset in meta_graph.asset_file_def}
    saver = meta_graph.saver_def
    if saver.restore_op_name and (folder / "variables" / "variables.index").is_file():
        paths = {saver.filename_tensor_name: str(folder / "variables" / "variables")}
        session.run(saver.restore_op_name, {**paths, **assets})
    for output in meta_graph.signature_def[_INIT].outputs.values() if _INIT in meta_graph.signature_def else ():
        session.run(output.name, assets)
    return session


def _load_error(folder: Path, error: Exception) -> StatusError:
    """Say what TensorFlow says; what its importer raises as `ValueError` has no code of its own."""
    code = Code(getattr(error, "error_code", Code.INVALID_ARGUMENT))
    return StatusError(code, f"{getattr(error, 'message', str(error))} (loading {folder})")


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


def _fits(index: int, name: str, array: Array, spec: Any) -> None:
    """Compare dtype (text: tensorflow/core/framework/function.cc, ValidateArgs) and shape."""
    import tensorflow as tf

    if array.dtype != spec.dtype.as_numpy_dtype:
        wanted, given = (tf.as_dtype(dtype).as_datatype_enum for dtype in (spec.dtype, array.dtype))
        raise invalid(f"Expects arg[{index}] to be {_type_name(wanted)} but {_type_name(given)} is provided")
    if not spec.shape.is_compatible_with(array.shape):
        raise invalid(f"Expects input {name} to have shape {spec.shape} but {list(array.shape)} is provided")


def _type_name(number: int) -> str:
    """Return TensorFlow's C++ name of a dtype (core/framework/types.cc, DataTypeString)."""
    from tensorflow.core.framework import types_pb2

    name: str = types_pb2.DataType.Name(number)
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
