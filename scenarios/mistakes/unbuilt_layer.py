"""Unbuilt layer: parameters are counted of layers that have seen no data, and have none yet."""

from typing import ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class UnbuiltLayer(Mistake):
    """Unbuilt layer."""

    name: ClassVar[str] = "unbuilt_layer"
    title: ClassVar[str] = "Unbuilt layer"
    wrong: ClassVar[str] = "the parameters are counted of layers that have seen no data yet"
    names: ClassVar[tuple[str, ...]] = ("LazyLinear", "uninitialized", "Uninitialized", "built", "build", "unbuilt")

    @staticmethod
    def pytorch() -> Seen:
        """Count those of lazy layers."""
        from torch import nn

        model = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(1))
        count = sum(each.numel() for each in model.parameters())  # the mistake
        return Seen(count == 49, f"{count} parameters, of 49")

    @staticmethod
    def pytorch_right() -> Seen:
        """Show them data first."""
        import torch
        from torch import nn

        model = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(1))
        features = torch.rand(16, 4)
        model(features)
        count = sum(each.numel() for each in model.parameters())
        return Seen(count == 49, f"{count} parameters, of 49")

    @staticmethod
    def tensorflow() -> Seen:
        """Count those of layers without an input."""
        import keras
        import numpy as np
        from keras import layers

        model = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(1)])
        count = sum(int(np.prod(each.shape)) for each in model.trainable_variables)  # the mistake
        return Seen(count == 49, f"{count} parameters, of 49")

    @staticmethod
    def tensorflow_right() -> Seen:
        """Show them data first."""
        import keras
        import numpy as np
        from keras import layers

        model = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(1)])
        model(np.random.default_rng(1).random((16, 4), dtype=np.float32))
        count = sum(int(np.prod(each.shape)) for each in model.trainable_variables)
        return Seen(count == 49, f"{count} parameters, of 49")


plugin = UnbuiltLayer()
