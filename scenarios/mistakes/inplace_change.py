"""In-place change: what the backward pass needs is overwritten."""

from typing import ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class InplaceChange(Mistake):
    """In-place change."""

    name: ClassVar[str] = "inplace_change"
    title: ClassVar[str] = "In-place change"
    wrong: ClassVar[str] = "an activation that the backward pass needs is changed in place"
    names: ClassVar[tuple[str, ...]] = ("in-place", "inplace", "hidden")

    @staticmethod
    def pytorch() -> Seen:
        """Add to an activation in place."""
        import torch
        from torch import nn

        layer = nn.Linear(4, 1)
        hidden = torch.sigmoid(layer(torch.ones(1, 4)))
        slope = (hidden * (1 - hidden)).item()
        hidden += 1  # the mistake
        hidden.sum().backward()
        right = abs(layer.bias.grad.item() - slope) < 1e-5
        return Seen(right, f"gradient {layer.bias.grad.item():.3g} where it is {slope:.3g}")

    @staticmethod
    def pytorch_right() -> Seen:
        """Add to a copy."""
        import torch
        from torch import nn

        layer = nn.Linear(4, 1)
        hidden = torch.sigmoid(layer(torch.ones(1, 4)))
        slope = (hidden * (1 - hidden)).item()
        hidden = hidden + 1
        hidden.sum().backward()
        right = abs(layer.bias.grad.item() - slope) < 1e-5
        return Seen(right, f"gradient {layer.bias.grad.item():.3g} where it is {slope:.3g}")

    @staticmethod
    def tensorflow() -> Seen:
        """Write it the same way: tensors cannot be changed."""
        import tensorflow as tf

        weights, bias = tf.Variable([[0.1], [0.2], [0.3], [0.4]]), tf.Variable([0.0])
        with tf.GradientTape() as tape:
            hidden = tf.sigmoid(tf.ones((1, 4)) @ weights + bias)
            slope = float(hidden[0, 0] * (1 - hidden[0, 0]))
            hidden += 1  # the mistake
            total = tf.reduce_sum(hidden)
        found = float(tape.gradient(total, bias)[0])
        return Seen(abs(found - slope) < 1e-5, f"gradient {found:.3g} where it is {slope:.3g}")

    @staticmethod
    def tensorflow_right() -> Seen:
        """Add to a copy."""
        import tensorflow as tf

        weights, bias = tf.Variable([[0.1], [0.2], [0.3], [0.4]]), tf.Variable([0.0])
        with tf.GradientTape() as tape:
            hidden = tf.sigmoid(tf.ones((1, 4)) @ weights + bias)
            slope = float(hidden[0, 0] * (1 - hidden[0, 0]))
            hidden = hidden + 1
            total = tf.reduce_sum(hidden)
        found = float(tape.gradient(total, bias)[0])
        return Seen(abs(found - slope) < 1e-5, f"gradient {found:.3g} where it is {slope:.3g}")


plugin = InplaceChange()
