"""Wrong shape: examples with other features than the model was made for."""

from typing import ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class WrongShape(Mistake):
    """Wrong shape."""

    name: ClassVar[str] = "wrong_shape"
    title: ClassVar[str] = "Wrong shape"
    wrong: ClassVar[str] = "37 features are given to a model that takes 10"
    names: ClassVar[tuple[str, ...]] = ("37",)

    @staticmethod
    def pytorch() -> Seen:
        """Give a linear layer too many features."""
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 3))
        features = torch.rand(8, 37)
        scores = model(features)  # the mistake
        return Seen(tuple(scores.shape) == (8, 3), f"scores of shape {tuple(scores.shape)}")

    @staticmethod
    def pytorch_right() -> Seen:
        """Give it as many as it takes."""
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 3))
        features = torch.rand(8, 37)
        scores = model(features[:, :10])
        return Seen(tuple(scores.shape) == (8, 3), f"scores of shape {tuple(scores.shape)}")

    @staticmethod
    def tensorflow() -> Seen:
        """Predict from too many features."""
        import keras
        import numpy as np
        from keras import layers

        model = keras.Sequential([keras.Input((10,)), layers.Dense(16, activation="relu"), layers.Dense(3)])
        features = np.random.default_rng(1).random((8, 37), dtype=np.float32)
        scores = model.predict(features, verbose=0)  # the mistake
        return Seen(scores.shape == (8, 3), f"scores of shape {scores.shape}")

    @staticmethod
    def tensorflow_right() -> Seen:
        """Predict from as many as it takes."""
        import keras
        import numpy as np
        from keras import layers

        model = keras.Sequential([keras.Input((10,)), layers.Dense(16, activation="relu"), layers.Dense(3)])
        features = np.random.default_rng(1).random((8, 37), dtype=np.float32)
        scores = model.predict(features[:, :10], verbose=0)
        return Seen(scores.shape == (8, 3), f"scores of shape {scores.shape}")


plugin = WrongShape()
