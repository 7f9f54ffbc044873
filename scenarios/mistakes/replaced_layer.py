"""Wrong parameters: the optimizer was made before the head was replaced, and holds the old one's."""

from typing import ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class ReplacedLayer(Mistake):
    """Optimizer over the wrong parameters."""

    name: ClassVar[str] = "replaced_layer"
    title: ClassVar[str] = "Optimizer over the wrong parameters"
    wrong: ClassVar[str] = "the head is replaced after the optimizer was made"
    names: ClassVar[tuple[str, ...]] = ("head",)

    @staticmethod
    def pytorch() -> Seen:
        """Replace a head after the optimizer."""
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model[1] = nn.Linear(8, 5)  # the mistake
        before = model[1].weight.clone()
        model(torch.ones(8, 4)).sum().backward()
        optimizer.step()
        learnt = not torch.equal(before, model[1].weight)
        return Seen(learnt, f"the new head {'has' if learnt else 'never'} learnt")

    @staticmethod
    def pytorch_right() -> Seen:
        """Replace it before."""
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2))
        model[1] = nn.Linear(8, 5)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        before = model[1].weight.clone()
        model(torch.ones(8, 4)).sum().backward()
        optimizer.step()
        learnt = not torch.equal(before, model[1].weight)
        return Seen(learnt, f"the new head {'has' if learnt else 'never'} learnt")

    @staticmethod
    def tensorflow() -> Seen:
        """Replace a head after the optimizer."""
        import keras
        import numpy as np
        import tensorflow as tf
        from keras import layers

        class Network(keras.Model):  # type: ignore[misc]  # keras is untyped here
            def __init__(self) -> None:
                super().__init__()
                self.body, self.head = layers.Dense(8), layers.Dense(2)

            def call(self, x: tf.Tensor) -> tf.Tensor:
                return self.head(self.body(x))

        features = np.ones((8, 4), dtype=np.float32)
        model, optimizer = Network(), keras.optimizers.SGD(0.1)
        model(features)
        optimizer.build(model.trainable_variables)
        model.head = layers.Dense(5)  # the mistake
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(model(features, training=True))
        before = model.head.get_weights()[0]
        gradients = tape.gradient(total, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        learnt = not np.array_equal(before, model.head.get_weights()[0])
        return Seen(learnt, f"the new head {'has' if learnt else 'never'} learnt")

    @staticmethod
    def tensorflow_right() -> Seen:
        """Replace it before."""
        import keras
        import numpy as np
        import tensorflow as tf
        from keras import layers

        class Network(keras.Model):  # type: ignore[misc]  # keras is untyped here
            def __init__(self) -> None:
                super().__init__()
                self.body, self.head = layers.Dense(8), layers.Dense(2)

            def call(self, x: tf.Tensor) -> tf.Tensor:
                return self.head(self.body(x))

        features = np.ones((8, 4), dtype=np.float32)
        model, optimizer = Network(), keras.optimizers.SGD(0.1)
        model.head = layers.Dense(5)
        model(features)
        optimizer.build(model.trainable_variables)
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(model(features, training=True))
        before = model.head.get_weights()[0]
        gradients = tape.gradient(total, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        learnt = not np.array_equal(before, model.head.get_weights()[0])
        return Seen(learnt, f"the new head {'has' if learnt else 'never'} learnt")


plugin = ReplacedLayer()
