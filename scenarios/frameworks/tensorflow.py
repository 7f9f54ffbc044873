"""TensorFlow: Keras 3 models, trained by a `tf.function` step with a gradient tape.

Nothing is tuned: no XLA, no mixed precision. What is compared is the framework's documented default for training
loops; seeds are set, but kernels are the default ones (deterministic kernels are slower, and nobody deploys them).
Training loop: https://www.tensorflow.org/guide/keras/writing_a_training_loop_from_scratch
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from evaluator.core import registry
from evaluator.core.errors import Unavailable
from evaluator.core.tensors import Array, Arrays
from scenarios import weights as mapping
from scenarios.contract import OUTPUT, Framework, Kernel, Model, Sizes, Step, TrainSettings, alone, defined
from scenarios.frameworks import _tensorflow_flops, _tensorflow_peak
from scenarios.frameworks._tensorflow_training import FitTrainer, Manner, TapeTrainer, tensors


class TensorFlow(Framework):
    """Keras 3 on TensorFlow."""

    name: ClassVar[str] = "tensorflow"
    title: ClassVar[str] = "TensorFlow"
    distributions: ClassVar[tuple[str, ...]] = ("tensorflow",)

    def prepare(self, *, threads: int, seed: int, device: str) -> None:
        """Set the backend, threads and the seed; on the CPU any GPU is hidden, so that nothing is placed there."""
        os.environ["KERAS_BACKEND"] = "tensorflow"  # a user's ~/.keras/keras.json may say otherwise
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors only: start-up notices would fill every log
        import keras
        import tensorflow as tf

        if not _on_cuda(device):
            tf.config.set_visible_devices([], "GPU")
        elif not tf.config.list_physical_devices("GPU"):
            raise Unavailable(
                "TensorFlow sees no CUDA device",
                remedy="run on a machine with an NVIDIA GPU and `pip install tensorflow[and-cuda]`, "
                "or use --device cpu",
            )
        else:
            for each in tf.config.list_physical_devices("GPU"):
                # By default the first computation takes all of the GPU's memory: nothing else could be alive beside it.
                tf.config.experimental.set_memory_growth(each, True)
            # By default every product is computed with 10 of the mantissa's 23 bits: like is compared with like.
            tf.config.experimental.enable_tensor_float_32_execution(False)
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        keras.utils.set_random_seed(seed)

    def device_peak(self, device: str) -> tuple[int, str] | None:
        """Ask TensorFlow's allocator of the first GPU."""
        import tensorflow as tf

        if not _on_cuda(device):
            return None
        told = tf.config.experimental.get_memory_info("GPU:0")
        return int(told["peak"]), "tf.config.experimental.get_memory_info"

    def device_name(self, device: str) -> str:
        """Return the GPU's model name, or "CPU, n threads"."""
        import tensorflow as tf

        if _on_cuda(device):
            details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
            return str(details.get("device_name", "GPU"))
        return f"CPU, {tf.config.threading.get_intra_op_parallelism_threads()} threads"

    def build(self, model: Model, settings: Any) -> Any:
        """Build the functional Keras model."""
        with defined(model, self):
            return model.build_tensorflow(settings)

    def load_weights(self, network: Any, weights: Mapping[str, Array]) -> None:
        """Assign the arrays to the model's variables, transposed where the layouts differ."""
        mapping.to_keras(network, weights)

    def read_weights(self, network: Any) -> Arrays:
        """Read the model's variables, transposed where the layouts differ."""
        return mapping.from_keras(network)

    def parameters(self, network: Any) -> int:
        """Sum the sizes of the trainable variables."""
        return sum(int(variable.shape.num_elements()) for variable in network.trainable_variables)

    def forward(
        self, network: Any, inputs: Mapping[str, Array], device: str, names: Sequence[str] = (OUTPUT,)
    ) -> Arrays:
        """Compute with `training=False`; the device was chosen in `prepare`."""
        given = network.predict_on_batch(dict(inputs))
        return {name: given[name] for name in names}

    def flops(self, network: Any, inputs: Mapping[str, Array], device: str, *, train: bool) -> int:
        """Ask TensorFlow's profiler."""
        return _tensorflow_flops.count(network, tensors(inputs), train=train)

    def kernels(self, sizes: Sizes, precision: str, device: str) -> tuple[Kernel, ...]:
        """Compute in `tf.matmul` and `tf.nn.conv2d`."""
        return _tensorflow_peak.kernels(sizes, precision)

    def trainer(self, network: Any, train: TrainSettings, device: str, **options: Any) -> TapeTrainer | FitTrainer:
        """Make the optimizer; the train step is traced in its first call. `options` are those of `Manner`."""
        manner = Manner(**options)
        if manner.tf32:
            import tensorflow as tf

            tf.config.experimental.enable_tensor_float_32_execution(True)
        return FitTrainer(network, train) if manner.fit else TapeTrainer(network, train, manner)

    def own_trainer(self, network: Any, make: Callable[[Any], Step], device: str) -> "_OwnTrainer":
        """Let the network's optimizer be made; whether its step is traced is its person's choice."""
        return _OwnTrainer(network, make)


def _on_cuda(device: str) -> bool:
    return bool(registry.load("device", device).cuda)


class _OwnTrainer:
    """Do what the network's person does."""

    own_seconds: float | None = None

    def __init__(self, network: Any, make: Callable[[Any], Step]) -> None:
        self._step = make(network)

    def step(self, inputs: Mapping[str, Array], labels: Any) -> float:
        """Take one step; `sync_devices` waits for what reading the loss did not."""
        import tensorflow as tf

        named = labels if isinstance(labels, dict) or labels is None else {"labels": labels}
        loss = self._step(alone(tensors(inputs)), None if named is None else alone(tensors(named)))
        tf.test.experimental.sync_devices()
        return loss


plugin = TensorFlow()
