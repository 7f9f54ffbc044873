"""NaN loss: a cross-entropy of one's own takes the logarithm of zero, and every weight is lost."""

from typing import Any, ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class NanLoss(Mistake):
    """NaN loss."""

    name: ClassVar[str] = "nan_loss"
    title: ClassVar[str] = "NaN loss"
    wrong: ClassVar[str] = "a loss of one's own takes the logarithm of probabilities that are zero"
    names: ClassVar[tuple[str, ...]] = ("nan", "NaN", "inf", "log")

    @staticmethod
    def pytorch() -> Seen:
        """Train three steps on it."""
        import torch
        from torch import nn

        model = nn.Linear(4, 3)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        features, labels = torch.rand(16, 4), nn.functional.one_hot(torch.arange(16) % 3)
        for _ in range(3):
            optimizer.zero_grad()
            scores = 1000 * model(features)
            loss = -(labels * torch.log(torch.softmax(scores, dim=1))).sum(dim=1).mean()  # the mistake
            loss.backward()
            optimizer.step()
        finite = bool(torch.isfinite(model.weight).all())
        return Seen(finite, f"loss {loss.item():.3g}; the weights are {'' if finite else 'not '}finite")

    @staticmethod
    def pytorch_right() -> Seen:
        """Take the logarithm and the softmax together."""
        import torch
        from torch import nn

        model = nn.Linear(4, 3)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        features, labels = torch.rand(16, 4), nn.functional.one_hot(torch.arange(16) % 3)
        for _ in range(3):
            optimizer.zero_grad()
            scores = 1000 * model(features)
            loss = -(labels * torch.log_softmax(scores, dim=1)).sum(dim=1).mean()
            loss.backward()
            optimizer.step()
        finite = bool(torch.isfinite(model.weight).all())
        return Seen(finite, f"loss {loss.item():.3g}; the weights are {'' if finite else 'not '}finite")

    @staticmethod
    def tensorflow() -> Seen:
        """Fit three epochs to it."""
        import keras
        import numpy as np
        from keras import layers, ops

        def loss(labels: Any, scores: Any) -> Any:
            return -ops.mean(ops.sum(labels * ops.log(ops.softmax(1000 * scores)), axis=1))  # the mistake

        model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
        model.compile(keras.optimizers.SGD(0.1), loss)
        features = np.random.default_rng(1).random((16, 4), dtype=np.float32)
        history = model.fit(features, np.eye(3)[np.arange(16) % 3], epochs=3, verbose=0)
        finite = bool(np.isfinite(model.get_weights()[0]).all())
        return Seen(finite, f"loss {history.history['loss'][-1]:.3g}; the weights are {'' if finite else 'not '}finite")

    @staticmethod
    def tensorflow_right() -> Seen:
        """Take the logarithm and the softmax together."""
        import keras
        import numpy as np
        from keras import layers, ops

        def loss(labels: Any, scores: Any) -> Any:
            return -ops.mean(ops.sum(labels * ops.log_softmax(1000 * scores), axis=1))

        model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
        model.compile(keras.optimizers.SGD(0.1), loss)
        features = np.random.default_rng(1).random((16, 4), dtype=np.float32)
        history = model.fit(features, np.eye(3)[np.arange(16) % 3], epochs=3, verbose=0)
        finite = bool(np.isfinite(model.get_weights()[0]).all())
        return Seen(finite, f"loss {history.history['loss'][-1]:.3g}; the weights are {'' if finite else 'not '}finite")


plugin = NanLoss()
