"""Unwatched: the gradient of an input is asked for, which nobody records."""

from typing import ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class UnwatchedInput(Mistake):
    """Gradient of what is not watched."""

    name: ClassVar[str] = "unwatched_input"
    title: ClassVar[str] = "Gradient of what is not watched"
    wrong: ClassVar[str] = "the gradient of an input is asked for that was not declared to need one"
    names: ClassVar[tuple[str, ...]] = ("requires_grad", "watch", "watched", "example")

    @staticmethod
    def pytorch() -> Seen:
        """Ask a plain tensor for its gradient."""
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        example = torch.rand(1, 4)  # the mistake
        model(example).sum().backward()
        saliency = example.grad.abs()
        return Seen(
            torch.equal(saliency, model.weight.detach().abs()), "the gradient of the input is that of the weights"
        )

    @staticmethod
    def pytorch_right() -> Seen:
        """Declare that it needs one."""
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        example = torch.rand(1, 4, requires_grad=True)
        model(example).sum().backward()
        saliency = example.grad.abs()
        return Seen(
            torch.equal(saliency, model.weight.detach().abs()), "the gradient of the input is that of the weights"
        )

    @staticmethod
    def tensorflow() -> Seen:
        """Ask for that of a plain tensor."""
        import keras
        import numpy as np
        import tensorflow as tf
        from keras import layers

        model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
        example = tf.random.uniform((1, 4))
        with tf.GradientTape() as tape:  # the mistake
            score = model(example)
        saliency = tf.abs(tape.gradient(score, example))
        right = bool(np.allclose(saliency, abs(model.get_weights()[0]).T))
        return Seen(right, "the gradient of the input is that of the weights")

    @staticmethod
    def tensorflow_right() -> Seen:
        """Have the tape watch it."""
        import keras
        import numpy as np
        import tensorflow as tf
        from keras import layers

        model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
        example = tf.random.uniform((1, 4))
        with tf.GradientTape() as tape:
            tape.watch(example)
            score = model(example)
        saliency = tf.abs(tape.gradient(score, example))
        right = bool(np.allclose(saliency, abs(model.get_weights()[0]).T))
        return Seen(right, "the gradient of the input is that of the weights")


plugin = UnwatchedInput()
