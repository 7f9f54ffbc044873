"""Wrong axis: a softmax over the examples of a batch, not over their classes."""

from typing import ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class WrongAxis(Mistake):
    """Wrong axis."""

    name: ClassVar[str] = "wrong_axis"
    title: ClassVar[str] = "Wrong axis"
    wrong: ClassVar[str] = "the softmax runs over axis 0, the batch"
    names: ClassVar[tuple[str, ...]] = ("axis", "dim")

    @staticmethod
    def pytorch() -> Seen:
        """Take it over the batch."""
        import torch
        from torch import nn

        scores = nn.Linear(4, 3)(torch.rand(8, 4))
        probabilities = torch.softmax(scores, dim=0)  # the mistake
        right = torch.allclose(probabilities.sum(dim=1), torch.ones(8))
        return Seen(right, f"the probabilities of an example add up to {probabilities[0].sum().item():.3g}")

    @staticmethod
    def pytorch_right() -> Seen:
        """Take it over the classes."""
        import torch
        from torch import nn

        scores = nn.Linear(4, 3)(torch.rand(8, 4))
        probabilities = torch.softmax(scores, dim=1)
        right = torch.allclose(probabilities.sum(dim=1), torch.ones(8))
        return Seen(right, f"the probabilities of an example add up to {probabilities[0].sum().item():.3g}")

    @staticmethod
    def tensorflow() -> Seen:
        """Take it over the batch."""
        import keras
        import numpy as np
        from keras import layers

        inputs = keras.Input((4,))
        outputs = layers.Softmax(axis=0)(layers.Dense(3)(inputs))  # the mistake
        probabilities = keras.Model(inputs, outputs).predict(np.random.default_rng(1).random((8, 4)), verbose=0)
        right = bool(np.allclose(probabilities.sum(axis=1), 1, atol=1e-5))
        return Seen(right, f"the probabilities of an example add up to {probabilities[0].sum():.3g}")

    @staticmethod
    def tensorflow_right() -> Seen:
        """Take it over the classes."""
        import keras
        import numpy as np
        from keras import layers

        inputs = keras.Input((4,))
        outputs = layers.Softmax(axis=1)(layers.Dense(3)(inputs))
        probabilities = keras.Model(inputs, outputs).predict(np.random.default_rng(1).random((8, 4)), verbose=0)
        right = bool(np.allclose(probabilities.sum(axis=1), 1, atol=1e-5))
        return Seen(right, f"the probabilities of an example add up to {probabilities[0].sum():.3g}")


plugin = WrongAxis()
