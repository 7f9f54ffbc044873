"""Label out of range: one label is larger than the number of classes."""

from typing import ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class LabelOutOfRange(Mistake):
    """Label out of range."""

    name: ClassVar[str] = "label_out_of_range"
    title: ClassVar[str] = "Label out of range"
    wrong: ClassVar[str] = "a label is 37, of 3 classes"
    names: ClassVar[tuple[str, ...]] = ("37",)

    @staticmethod
    def pytorch() -> Seen:
        """Compute a loss of such labels."""
        import torch
        from torch import nn

        model = nn.Linear(4, 3)
        labels = torch.tensor([0, 1, 2, 37])
        loss = nn.functional.cross_entropy(model(torch.rand(4, 4)), labels)  # the mistake
        return Seen(bool(torch.isfinite(loss)), f"loss {loss.item():.3g}")

    @staticmethod
    def pytorch_right() -> Seen:
        """Compute one of labels in range."""
        import torch
        from torch import nn

        model = nn.Linear(4, 3)
        labels = torch.tensor([0, 1, 2, 37])
        loss = nn.functional.cross_entropy(model(torch.rand(4, 4)), labels.clamp(max=2))
        return Seen(bool(torch.isfinite(loss)), f"loss {loss.item():.3g}")

    @staticmethod
    def tensorflow() -> Seen:
        """Fit to such labels."""
        import keras
        import numpy as np
        from keras import layers

        model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        features, labels = np.random.default_rng(1).random((4, 4), dtype=np.float32), np.array([0, 1, 2, 37])
        history = model.fit(features, labels, verbose=0)  # the mistake
        return Seen(bool(np.isfinite(history.history["loss"][-1])), f"loss {history.history['loss'][-1]:.3g}")

    @staticmethod
    def tensorflow_right() -> Seen:
        """Fit to labels in range."""
        import keras
        import numpy as np
        from keras import layers

        model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        features, labels = np.random.default_rng(1).random((4, 4), dtype=np.float32), np.array([0, 1, 2, 37])
        history = model.fit(features, labels.clip(max=2), verbose=0)
        return Seen(bool(np.isfinite(history.history["loss"][-1])), f"loss {history.history['loss'][-1]:.3g}")


plugin = LabelOutOfRange()
