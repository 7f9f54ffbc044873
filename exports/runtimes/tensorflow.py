"""TensorFlow: runs a SavedModel's signature in Python, with the kernels that TensorFlow Serving has too.

TensorFlow fixes its threads and its visible devices when it first computes, so one process holds one choice of both.
Documentation: https://www.tensorflow.org/guide/saved_model
"""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core import registry
from evaluator.core.errors import Unavailable, Unsupported
from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays
from exports.contract import Runtime, Session
from exports.formats import savedmodel
from exports.formats._naming import short
from exports.formats.savedmodel import NO_ENTRIES
from exports.signatures import SERVED

_KERNEL = re.compile(r"No OpKernel was registered to support Op '?(\w+)")
_log = logging.getLogger(__name__)


class TensorFlow(Runtime):
    """Loads SavedModels on the CPU or on the first GPU."""

    name = "tensorflow"
    title = "TensorFlow"
    formats = ("savedmodel",)
    devices = ("cpu", "gpu")
    distributions = ("tensorflow",)
    module = "tensorflow"

    @contextmanager
    def load(self, artifact: Path, signature: Signature, *, device: str, threads: int) -> Iterator[Session]:
        """Load the folder and yield the signature that is asked for, `serving_default` when it has no name.

        Raises `Unavailable` without a GPU, `Unsupported` when an operator is not registered, the graph asks for a
        newer TensorFlow or has no signature, `RuntimeError` when the process has computed with other threads or
        devices before; a truncated file raises what TensorFlow raises (`OSError` for the graph, `DataLossError`,
        `IndexError` or `OutOfRangeError` for the variables).
        """
        import tensorflow as tf

        _configure(device, threads)
        graph = _judged_graph(artifact)
        wanted = _Wanted(graph, signature, artifact)
        try:
            loaded = _loaded(artifact, list(graph.meta_info_def.tags), wanted.name)
        except (RuntimeError, tf.errors.NotFoundError) as error:
            if "Op type not registered" in str(error):
                raise Unsupported(f"TensorFlow refuses {artifact.name}: {error}") from error
            raise
        if loaded is not None:
            yield _worded(wanted.function(loaded), artifact)
            return
        with tf.Graph().as_default(), _old_session(device, threads) as session:
            tf.compat.v1.saved_model.load(session, list(graph.meta_info_def.tags), str(artifact))
            yield _worded(wanted.in_session(session), artifact)


class _Wanted:
    """What of a graph is asked for, and the call that computes it."""

    def __init__(self, graph: Any, signature: Signature, artifact: Path) -> None:
        import tensorflow as tf

        entries = {name: entry for name, entry in graph.signature_def.items() if name not in NO_ENTRIES}
        if not entries:
            said, remedy = savedmodel.plugin.untold
            raise Unsupported(said, remedy=remedy)
        self.name = signature.name or (SERVED if SERVED in entries else next(iter(entries)))
        if self.name not in entries or (not signature.name and self.name != SERVED and len(entries) > 1):
            raise ValueError(f"{artifact.name} has the signatures {', '.join(sorted(entries))}: name one of them")
        self._entry = entries[self.name]
        self._takes = [spec.name for spec in signature.inputs]
        self._gives = [spec.name for spec in signature.outputs]
        for name, tensor in (*self._entry.inputs.items(), *self._entry.outputs.items()):
            if tensor.WhichOneof("encoding") != "name":
                said = f"'{short(name)}' is a sparse or ragged tensor as a whole, which fweval does not feed or read"
                raise Unsupported(said, remedy="save it again with TensorFlow 2: signatures have its parts as tensors")
        self._defaults = {name: tf.make_ndarray(value) for name, value in self._entry.defaults.items()}

    def function(self, loaded: Any) -> Session:
        """Return the signature as a function of TensorFlow 2."""
        import tensorflow as tf

        function = loaded.signatures[self.name]

        def call(inputs: Mapping[str, Array]) -> Arrays:
            given = {**self._defaults, **{name: inputs[name] for name in self._takes if name in inputs}}
            results = function(**{name: tf.constant(array) for name, array in given.items()})
            # `.numpy()` waits for the device, and of a tensor without dimensions it gives no array.
            return {name: np.asarray(results[name].numpy()) for name in self._gives}

        return call

    def in_session(self, session: Any) -> Session:
        """Return the signature as feeds and fetches of a session of TensorFlow 1."""
        takes = {name: self._entry.inputs[name].name for name in self._takes}
        gives = {name: self._entry.outputs[name].name for name in self._gives}
        compute = session.make_callable(list(gives.values()), feed_list=list(takes.values()))

        def call(inputs: Mapping[str, Array]) -> Arrays:
            results = compute(*(inputs[name] if name in inputs else self._defaults[name] for name in takes))
            return {name: np.asarray(result) for name, result in zip(gives, results, strict=True)}

        return call


def _worded(compute: Session, artifact: Path) -> Session:
    """Tell what is not there to compute with from what fails; that shows when it is first called."""
    import tensorflow as tf

    def call(inputs: Mapping[str, Array]) -> Arrays:
        try:
            return compute(inputs)
        except tf.errors.OpError as error:
            said = str(error)
            if "Could not find callback with key=pyfunc" in said:
                lacking = "it calls a function of Python (PyFunc) that is in the process that saved it, not in the file"
                raise Unsupported(f"TensorFlow refuses {artifact.name}: {lacking}") from error
            kernel = _KERNEL.search(said)
            if kernel is not None:
                raise Unsupported(f"TensorFlow has no kernel for {kernel[1]} on this device: {said}") from error
            raise

    return call


def _judged_graph(artifact: Path) -> Any:
    """Return the graph that the anatomy is of.

    One that asks for a newer TensorFlow is refused, as TensorFlow Serving does: Python's loader does not look.
    https://www.tensorflow.org/guide/versions#graph_and_checkpoint_compatibility_when_extending_tensorflow
    """
    import tensorflow as tf
    from tensorflow.python.saved_model import loader_impl

    graphs = loader_impl.parse_saved_model(str(artifact)).meta_graphs
    for graph in graphs:
        wanted = graph.graph_def.versions.min_consumer
        if wanted > tf.version.GRAPH_DEF_VERSION:
            raise Unsupported(
                f"{artifact.name} asks for version {wanted} of graphs at least; TensorFlow {tf.__version__} has "
                f"{tf.version.GRAPH_DEF_VERSION}"
            )
    return graphs[savedmodel.served([tuple(graph.meta_info_def.tags) for graph in graphs])]


def _loaded(artifact: Path, tags: list[str], name: str) -> Any | None:
    """Load the objects of TensorFlow 2; None where that fails on them, and the older loader needs them not.

    It restores every object, and so fails on what a signature has no use for: the slots of an optimizer of Keras 2 are
    such ("'_UserObject' object has no attribute 'add_slot'").
    """
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(artifact), tags=tags)
    except (AttributeError, AssertionError, KeyError, TypeError, ValueError) as error:
        _log.info("the objects of %s are not restored, its graph is taken alone: %s", artifact.name, error)
        return None
    return loaded if name in loaded.signatures else None


@contextmanager
def _old_session(device: str, threads: int) -> Iterator[Any]:
    import tensorflow as tf

    cuda: bool = registry.load("device", device).cuda
    settings = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=threads,
        inter_op_parallelism_threads=threads,
        device_count={} if cuda else {"GPU": 0},
        gpu_options=tf.compat.v1.GPUOptions(allow_growth=True),
    )
    with tf.compat.v1.Session(config=settings) as session:
        yield session


def _configure(device: str, threads: int) -> None:
    """Fix what TensorFlow lets us fix only once: threads, devices; on the GPU full 32-bit floats, memory by need."""
    import tensorflow as tf

    cuda: bool = registry.load("device", device).cuda
    if cuda and not tf.config.list_physical_devices("GPU"):
        raise Unavailable(
            "TensorFlow sees no GPU",
            remedy="install an NVIDIA driver and tensorflow[and-cuda]: https://www.tensorflow.org/install/pip",
        )
    if not cuda:
        tf.config.set_visible_devices([], "GPU")
    for each in tf.config.list_physical_devices("GPU") if cuda else ():
        # By default the first computation takes all of its memory: nothing else could be alive beside it.
        tf.config.experimental.set_memory_growth(each, True)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_tensor_float_32_execution(False)


plugin = TensorFlow()
