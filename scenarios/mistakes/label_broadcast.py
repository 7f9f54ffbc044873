"""Labels that are broadcast: N answers against N times 1 scores make N times N differences."""

from typing import ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class LabelBroadcast(Mistake):
    """Labels that are broadcast."""

    name: ClassVar[str] = "label_broadcast"
    title: ClassVar[str] = "Labels that are broadcast"
    wrong: ClassVar[str] = "answers of shape (3,) meet scores of shape (3, 1)"
    names: ClassVar[tuple[str, ...]] = ("[3]", "(3,)", "torch.Size([3])", "size")

    @staticmethod
    def pytorch() -> Seen:
        """Give answers of one dimension."""
        import torch
        from torch import nn

        scores, answers = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([1.0, 2.0, 3.0])
        loss = nn.functional.mse_loss(scores, answers)  # the mistake
        return Seen(loss.item() == 0, f"a loss of {loss.item():.3g} of answers that are right")

    @staticmethod
    def pytorch_right() -> Seen:
        """Give them two."""
        import torch
        from torch import nn

        scores, answers = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([1.0, 2.0, 3.0])
        loss = nn.functional.mse_loss(scores, answers[:, None])
        return Seen(loss.item() == 0, f"a loss of {loss.item():.3g} of answers that are right")

    @staticmethod
    def tensorflow() -> Seen:
        """Give answers of one dimension."""
        import keras
        import numpy as np

        scores, answers = np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 3.0])
        loss = keras.losses.MeanSquaredError()(answers, scores)  # the mistake
        return Seen(float(loss) == 0, f"a loss of {float(loss):.3g} of answers that are right")

    @staticmethod
    def tensorflow_right() -> Seen:
        """Give them two."""
        import keras
        import numpy as np

        scores, answers = np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 3.0])
        loss = keras.losses.MeanSquaredError()(answers[:, None], scores)
        return Seen(float(loss) == 0, f"a loss of {float(loss):.3g} of answers that are right")


plugin = LabelBroadcast()
