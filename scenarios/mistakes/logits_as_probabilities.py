"""Logits as probabilities: scores below 0 and above 1 are given to a loss that wants probabilities."""

from typing import ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class LogitsAsProbabilities(Mistake):
    """Logits as probabilities."""

    name: ClassVar[str] = "logits_as_probabilities"
    title: ClassVar[str] = "Logits as probabilities"
    wrong: ClassVar[str] = "unbounded scores are given to a loss that wants probabilities"
    names: ClassVar[tuple[str, ...]] = ("-4", "-4.0", "6", "6.0", "between 0 and 1", "from_logits")

    @staticmethod
    def pytorch() -> Seen:
        """Give them to BCELoss."""
        import torch
        from torch import nn

        logits, labels = torch.tensor([[-4.0], [6.0], [3.0]]), torch.tensor([[0.0], [1.0], [1.0]])
        loss = nn.BCELoss()(logits, labels)  # the mistake
        wanted = 0.0231
        return Seen(abs(loss.item() - wanted) < 1e-3, f"a loss of {loss.item():.3g}, where it is {wanted:.3g}")

    @staticmethod
    def pytorch_right() -> Seen:
        """Give them to the loss that wants them."""
        import torch
        from torch import nn

        logits, labels = torch.tensor([[-4.0], [6.0], [3.0]]), torch.tensor([[0.0], [1.0], [1.0]])
        loss = nn.BCEWithLogitsLoss()(logits, labels)
        wanted = 0.0231
        return Seen(abs(loss.item() - wanted) < 1e-3, f"a loss of {loss.item():.3g}, where it is {wanted:.3g}")

    @staticmethod
    def tensorflow() -> Seen:
        """Give them to BinaryCrossentropy."""
        import keras
        import numpy as np

        logits, labels = np.array([[-4.0], [6.0], [3.0]]), np.array([[0.0], [1.0], [1.0]])
        loss = keras.losses.BinaryCrossentropy()(labels, logits)  # the mistake
        wanted = 0.0231
        return Seen(abs(float(loss) - wanted) < 1e-3, f"a loss of {float(loss):.3g}, where it is {wanted:.3g}")

    @staticmethod
    def tensorflow_right() -> Seen:
        """Say that they are logits."""
        import keras
        import numpy as np

        logits, labels = np.array([[-4.0], [6.0], [3.0]]), np.array([[0.0], [1.0], [1.0]])
        loss = keras.losses.BinaryCrossentropy(from_logits=True)(labels, logits)
        wanted = 0.0231
        return Seen(abs(float(loss) - wanted) < 1e-3, f"a loss of {float(loss):.3g}, where it is {wanted:.3g}")


plugin = LogitsAsProbabilities()
