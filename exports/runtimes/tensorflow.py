"""TensorFlow: runs a SavedModel's signature function in Python, with the kernels that TensorFlow Serving has too.

TensorFlow fixes its threads and its visible devices when it first computes, so one process holds one choice of both.
Documentation: https://www.tensorflow.org/guide/saved_model
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from evaluator.core import registry
from evaluator.core.errors import Unavailable, Unsupported
from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays
from exports.contract import Runtime, Session


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
        """Load the folder and yield its `serving_default` signature.

        Raises `Unavailable` without a GPU, `Unsupported` when an operator is not registered or the graph asks for a
        newer TensorFlow, `RuntimeError` when the process has computed with other threads or devices before; a
        truncated file raises what TensorFlow raises (`OSError` for the graph, `DataLossError`, `IndexError` or
        `OutOfRangeError` for the variables).
        """
        import tensorflow as tf

        _configure(device, threads)
        _refuse_newer(artifact)
        try:
            loaded = tf.saved_model.load(str(artifact))
        except (RuntimeError, tf.errors.NotFoundError) as error:
            if "Op type not registered" in str(error):
                raise Unsupported(f"TensorFlow refuses {artifact.name}: {error}") from error
            raise
        function = loaded.signatures["serving_default"]
        input_names = [spec.name for spec in signature.inputs]
        output_names = [spec.name for spec in signature.outputs]

        def call(inputs: Mapping[str, Array]) -> Arrays:
            results = function(**{name: tf.convert_to_tensor(inputs[name]) for name in input_names})
            return {name: results[name].numpy() for name in output_names}  # `.numpy()` waits for the device

        yield call


def _refuse_newer(artifact: Path) -> None:
    """Refuse a graph that asks for a newer TensorFlow, as TensorFlow Serving does: Python's loader does not look.

    https://www.tensorflow.org/guide/versions#graph_and_checkpoint_compatibility_when_extending_tensorflow
    """
    import tensorflow as tf
    from tensorflow.python.saved_model import loader_impl

    for meta_graph in loader_impl.parse_saved_model(str(artifact)).meta_graphs:
        wanted = meta_graph.graph_def.versions.min_consumer
        if wanted > tf.version.GRAPH_DEF_VERSION:
            raise Unsupported(
                f"{artifact.name} asks for version {wanted} of graphs at least; TensorFlow {tf.__version__} has "
                f"{tf.version.GRAPH_DEF_VERSION}"
            )


def _configure(device: str, threads: int) -> None:
    """Fix what TensorFlow lets us fix only once: threads, devices, and full 32-bit floats on the GPU."""
    import tensorflow as tf

    cuda: bool = registry.load("device", device).cuda
    if cuda and not tf.config.list_physical_devices("GPU"):
        raise Unavailable(
            "TensorFlow sees no GPU",
            remedy="install an NVIDIA driver and tensorflow[and-cuda]: https://www.tensorflow.org/install/pip",
        )
    if not cuda:
        tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_tensor_float_32_execution(False)


plugin = TensorFlow()
