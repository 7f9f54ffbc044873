"""Layers in a plain list: the optimizer gets what the model knows of, which may not be all that it computes with."""

from typing import ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class UntrackedLayers(Mistake):
    """Layers in a plain list."""

    name: ClassVar[str] = "untracked_layers"
    title: ClassVar[str] = "Layers in a plain list"
    wrong: ClassVar[str] = "layers are kept in a plain Python list of the model"
    names: ClassVar[tuple[str, ...]] = ("hidden", "list")

    @staticmethod
    def pytorch() -> Seen:
        """Train a model with a list of modules."""
        import torch
        from torch import nn

        class Network(nn.Module):  # type: ignore[misc]  # torch is untyped here
            def __init__(self) -> None:
                super().__init__()
                self.hidden = [nn.Linear(4, 8), nn.Linear(8, 8)]  # the mistake
                self.head = nn.Linear(8, 1)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                for layer in self.hidden:
                    x = torch.relu(layer(x))
                return self.head(x)

        model = Network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        before = model.hidden[0].weight.clone()
        model(torch.ones(8, 4)).sum().backward()
        optimizer.step()
        learnt = not torch.equal(before, model.hidden[0].weight)
        return Seen(learnt, f"the layers in the list {'have' if learnt else 'never'} learnt")

    @staticmethod
    def pytorch_right() -> Seen:
        """Use nn.ModuleList."""
        import torch
        from torch import nn

        class Network(nn.Module):  # type: ignore[misc]  # torch is untyped here
            def __init__(self) -> None:
                super().__init__()
                self.hidden = nn.ModuleList([nn.Linear(4, 8), nn.Linear(8, 8)])
                self.head = nn.Linear(8, 1)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                for layer in self.hidden:
                    x = torch.relu(layer(x))
                return self.head(x)

        model = Network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        before = model.hidden[0].weight.clone()
        model(torch.ones(8, 4)).sum().backward()
        optimizer.step()
        learnt = not torch.equal(before, model.hidden[0].weight)
        return Seen(learnt, f"the layers in the list {'have' if learnt else 'never'} learnt")

    @staticmethod
    def tensorflow() -> Seen:
        """Train a model with a list of layers."""
        import keras
        import numpy as np
        import tensorflow as tf
        from keras import layers

        class Network(keras.Model):  # type: ignore[misc]  # keras is untyped here
            def __init__(self) -> None:
                super().__init__()
                self.hidden = [layers.Dense(8), layers.Dense(8)]  # the mistake
                self.head = layers.Dense(1)

            def call(self, x: tf.Tensor) -> tf.Tensor:
                for layer in self.hidden:
                    x = layer(x)
                return self.head(x)

        model, optimizer = Network(), keras.optimizers.SGD(0.1)
        features = np.ones((8, 4), dtype=np.float32)
        model(features)
        before = model.hidden[0].get_weights()[0]
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(model(features, training=True))
        optimizer.apply(tape.gradient(total, model.trainable_variables), model.trainable_variables)
        learnt = not np.array_equal(before, model.hidden[0].get_weights()[0])
        return Seen(learnt, f"the layers in the list {'have' if learnt else 'never'} learnt")

    @staticmethod
    def tensorflow_right() -> Seen:
        """Make each an attribute."""
        import keras
        import numpy as np
        import tensorflow as tf
        from keras import layers

        class Network(keras.Model):  # type: ignore[misc]  # keras is untyped here
            def __init__(self) -> None:
                super().__init__()
                self.first, self.second = layers.Dense(8), layers.Dense(8)
                self.head = layers.Dense(1)

            def call(self, x: tf.Tensor) -> tf.Tensor:
                return self.head(self.second(self.first(x)))

        model, optimizer = Network(), keras.optimizers.SGD(0.1)
        features = np.ones((8, 4), dtype=np.float32)
        model(features)
        before = model.first.get_weights()[0]
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(model(features, training=True))
        optimizer.apply(tape.gradient(total, model.trainable_variables), model.trainable_variables)
        learnt = not np.array_equal(before, model.first.get_weights()[0])
        return Seen(learnt, f"the layers in the list {'have' if learnt else 'never'} learnt")


plugin = UntrackedLayers()
