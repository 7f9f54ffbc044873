"""Forgotten reset: PyTorch's gradients pile up; a tape's do not, hence the nearest: a metric that piles up."""

from typing import ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class ForgottenReset(Mistake):
    """Forgotten reset."""

    name: ClassVar[str] = "forgotten_reset"
    title: ClassVar[str] = "Forgotten reset"
    wrong: ClassVar[str] = "what adds up over steps is not set back: gradients in PyTorch, a metric in Keras"
    names: ClassVar[tuple[str, ...]] = ("zero_grad", "reset_state", "gradient", "gradients")

    @staticmethod
    def pytorch() -> Seen:
        """Take two steps without zero_grad."""
        import torch
        from torch import nn

        model = nn.Linear(4, 1, bias=False)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            before = model.weight.clone()
            model(torch.ones(1, 4)).sum().backward()  # the mistake
            optimizer.step()
        moved = (before - model.weight).max().item()
        return Seen(abs(moved - 0.1) < 1e-5, f"the second step moved a weight by {moved:.3g}, of 0.1")

    @staticmethod
    def pytorch_right() -> Seen:
        """Set the gradients back."""
        import torch
        from torch import nn

        model = nn.Linear(4, 1, bias=False)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            before = model.weight.clone()
            model(torch.ones(1, 4)).sum().backward()
            optimizer.step()
        moved = (before - model.weight).max().item()
        return Seen(abs(moved - 0.1) < 1e-5, f"the second step moved a weight by {moved:.3g}, of 0.1")

    @staticmethod
    def tensorflow() -> Seen:
        """Take two epochs without reset_state."""
        import keras

        accuracy = keras.metrics.BinaryAccuracy()
        for labels, scores in (([1, 1], [0.1, 0.2]), ([1, 1], [0.9, 0.8])):
            accuracy.update_state(labels, scores)  # the mistake
            epoch = float(accuracy.result())
        return Seen(epoch == 1.0, f"the accuracy of the second epoch is {epoch:.3g}, where it was 1")

    @staticmethod
    def tensorflow_right() -> Seen:
        """Set the metric back."""
        import keras

        accuracy = keras.metrics.BinaryAccuracy()
        for labels, scores in (([1, 1], [0.1, 0.2]), ([1, 1], [0.9, 0.8])):
            accuracy.reset_state()
            accuracy.update_state(labels, scores)
            epoch = float(accuracy.result())
        return Seen(epoch == 1.0, f"the accuracy of the second epoch is {epoch:.3g}, where it was 1")


plugin = ForgottenReset()
