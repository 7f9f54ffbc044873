"""TensorFlow's way to a TPU's compiler: the graph's XLA program, as JAX calls it, lowered for a TPU.

The wheel's own kernels for TPUs are not in it: `get_compiler_ir(platform_name="TPU")` knows not even Conv2D. So the
graph is lowered for the CPU, by kernels that make the same StableHLO, and the result compiled for the TPU. The model is
Keras', called without state: its weights are arguments, and a training step returns the loss, the gradients and the
running statistics. The optimizer's update is left out, as it is for PyTorch.
https://github.com/jax-ml/jax/blob/main/jax/experimental/jax2tf/README.md
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from evaluator.core.tpu import ProgramName
from evaluator.stages._tpu import Lowering, Shape, Target

# "Unique (No registered 'Unique' OpKernel for XLA_CPU_JIT devices …)"
_NO_KERNEL = re.compile(r"No registered '(\w+)' OpKernel")


class KerasLowering(Lowering):
    """jax2tf, for one Keras model."""

    packages = ("tensorflow", "keras")

    def __init__(self, network: Any) -> None:
        import jax

        jax.config.update("jax_enable_x64", True)  # types as the graph has them: its labels are int64
        self._network = network

    def lower(self, program: ProgramName, inputs: Mapping[str, Shape], target: Target) -> Any:
        """Trace the model with a tape around loss and gradients, or its forward pass alone."""
        import jax
        import tensorflow as tf

        network = self._network
        weights, rest = (
            [jax.ShapeDtypeStruct(tuple(each.shape), each.dtype) for each in variables]
            for variables in (network.trainable_variables, network.non_trainable_variables)
        )
        given = {name: jax.ShapeDtypeStruct(each.sizes, each.dtype) for name, each in inputs.items()}

        def forward(weights: Any, rest: Any, given: Any) -> Any:
            return network.stateless_call(weights, rest, given, training=False)[0]

        def step(weights: Any, rest: Any, given: Any, labels: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(weights)
                outputs, after = network.stateless_call(weights, rest, given, training=True)
                (scores,) = outputs.values()
                lost = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=scores)
                loss = tf.reduce_mean(lost)
            gradients = tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            # An embedding's gradient is sparse; JAX has no such thing.
            return loss, [tf.convert_to_tensor(each) for each in gradients], after

        if program == "inference":
            return _lowered(forward, (weights, rest, given), target)
        labels = jax.ShapeDtypeStruct(next(iter(inputs.values())).sizes[:1], "int64")
        return _lowered(step, (weights, rest, given, labels), target)

    def unlowered(self, failure: Exception | None) -> tuple[str, ...]:
        """Name those that XLA has no kernel for, all of which its message lists."""
        return without_kernels(failure)


def without_kernels(failure: BaseException | None) -> tuple[str, ...]:
    """Name the operators that a failure, or what it came of, says XLA has no kernel for."""
    told = []
    while failure is not None:
        told.append(str(failure))
        failure = failure.__cause__ or failure.__context__
    return tuple(dict.fromkeys(_NO_KERNEL.findall("\n".join(told))))


def _lowered(function: Callable[..., Any], arguments: tuple[Any, ...], target: Target) -> Any:
    import jax
    import tensorflow as tf
    from jax.experimental import jax2tf

    graph = tf.function(function, autograph=False, jit_compile=True)
    exported = jax.export.export(jax.jit(jax2tf.call_tf(graph)), platforms=["cpu"])(*arguments)
    return jax.jit(replace(exported, platforms=("tpu",)).call).lower(*target.place(arguments))
