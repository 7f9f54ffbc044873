"""Mismatched checkpoint: the weights are those of a wider network."""

from typing import ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class MismatchedCheckpoint(Mistake):
    """Mismatched checkpoint."""

    name: ClassVar[str] = "mismatched_checkpoint"
    title: ClassVar[str] = "Mismatched checkpoint"
    wrong: ClassVar[str] = "the checkpoint is of a network with 37 units, the model has 16"
    names: ClassVar[tuple[str, ...]] = ("37",)

    @staticmethod
    def pytorch() -> Seen:
        """Load it into a narrower network."""
        import io

        import torch
        from torch import nn

        def network(width: int) -> nn.Module:
            return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))

        checkpoint = io.BytesIO()
        trained = network(37)
        torch.save(trained.state_dict(), checkpoint)
        checkpoint.seek(0)
        model = network(16)
        model.load_state_dict(torch.load(checkpoint, weights_only=True))  # the mistake
        same = torch.equal(model[0].weight, trained[0].weight)
        return Seen(
            same, "the weights are those of the checkpoint" if same else "the weights are not those of the checkpoint"
        )

    @staticmethod
    def pytorch_right() -> Seen:
        """Load it into the same network."""
        import io

        import torch
        from torch import nn

        def network(width: int) -> nn.Module:
            return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))

        checkpoint = io.BytesIO()
        trained = network(37)
        torch.save(trained.state_dict(), checkpoint)
        checkpoint.seek(0)
        model = network(37)
        model.load_state_dict(torch.load(checkpoint, weights_only=True))
        same = torch.equal(model[0].weight, trained[0].weight)
        return Seen(
            same, "the weights are those of the checkpoint" if same else "the weights are not those of the checkpoint"
        )

    @staticmethod
    def tensorflow() -> Seen:
        """Load it into a narrower network."""
        import tempfile
        from pathlib import Path

        import keras
        import numpy as np
        from keras import layers

        def network(width: int) -> keras.Model:
            return keras.Sequential([keras.Input((4,)), layers.Dense(width, activation="relu"), layers.Dense(2)])

        trained = network(37)
        model = network(16)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trained.weights.h5"
            trained.save_weights(path)
            model.load_weights(path)  # the mistake
        same = bool(np.array_equal(model.get_weights()[0], trained.get_weights()[0]))
        return Seen(
            same, "the weights are those of the checkpoint" if same else "the weights are not those of the checkpoint"
        )

    @staticmethod
    def tensorflow_right() -> Seen:
        """Load it into the same network."""
        import tempfile
        from pathlib import Path

        import keras
        import numpy as np
        from keras import layers

        def network(width: int) -> keras.Model:
            return keras.Sequential([keras.Input((4,)), layers.Dense(width, activation="relu"), layers.Dense(2)])

        trained = network(37)
        model = network(37)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trained.weights.h5"
            trained.save_weights(path)
            model.load_weights(path)
        same = bool(np.array_equal(model.get_weights()[0], trained.get_weights()[0]))
        return Seen(
            same, "the weights are those of the checkpoint" if same else "the weights are not those of the checkpoint"
        )


plugin = MismatchedCheckpoint()
