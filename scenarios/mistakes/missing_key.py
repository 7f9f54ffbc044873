"""Missing key: weights to be loaded lack those of one bias."""

from typing import ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class MissingKey(Mistake):
    """Missing key."""

    name: ClassVar[str] = "missing_key"
    title: ClassVar[str] = "Missing key"
    wrong: ClassVar[str] = "the weights of head.bias are missing among those that are loaded"
    names: ClassVar[tuple[str, ...]] = ("head.bias", "head")

    @staticmethod
    def pytorch() -> Seen:
        """Load a state without the key."""
        import torch
        from torch import nn

        class Network(nn.Module):  # type: ignore[misc]  # torch is untyped here
            def __init__(self) -> None:
                super().__init__()
                self.body = nn.Linear(4, 8)
                self.head = nn.Linear(8, 2)

        trained, model = Network(), Network()
        state = {name: value for name, value in trained.state_dict().items() if name != "head.bias"}  # the mistake
        model.load_state_dict(state)
        same = torch.equal(model.head.bias, trained.head.bias) and torch.equal(model.body.weight, trained.body.weight)
        return Seen(same, "all weights were loaded" if same else "weights were left as they were")

    @staticmethod
    def pytorch_right() -> Seen:
        """Load a whole state."""
        import torch
        from torch import nn

        class Network(nn.Module):  # type: ignore[misc]  # torch is untyped here
            def __init__(self) -> None:
                super().__init__()
                self.body = nn.Linear(4, 8)
                self.head = nn.Linear(8, 2)

        trained, model = Network(), Network()
        state = trained.state_dict()
        model.load_state_dict(state)
        same = torch.equal(model.head.bias, trained.head.bias) and torch.equal(model.body.weight, trained.body.weight)
        return Seen(same, "all weights were loaded" if same else "weights were left as they were")

    @staticmethod
    def tensorflow() -> Seen:
        """Load a file without the key."""
        import tempfile
        from pathlib import Path

        import h5py
        import keras
        from keras import layers

        def network() -> keras.Model:
            return keras.Sequential([keras.Input((4,)), layers.Dense(8, name="body"), layers.Dense(2, name="head")])

        trained, model = network(), network()
        trained.get_layer("head").bias.assign([1.0, 2.0])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trained.weights.h5"
            trained.save_weights(path)
            with h5py.File(path, "a") as state:
                del state["layers/dense_1/vars/1"]  # the mistake
            model.load_weights(path)
        same = model.get_layer("head").bias.numpy().tolist() == [1.0, 2.0]
        return Seen(same, "all weights were loaded" if same else "weights were left as they were")

    @staticmethod
    def tensorflow_right() -> Seen:
        """Load a whole file."""
        import tempfile
        from pathlib import Path

        import keras
        from keras import layers

        def network() -> keras.Model:
            return keras.Sequential([keras.Input((4,)), layers.Dense(8, name="body"), layers.Dense(2, name="head")])

        trained, model = network(), network()
        trained.get_layer("head").bias.assign([1.0, 2.0])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trained.weights.h5"
            trained.save_weights(path)
            model.load_weights(path)
        same = model.get_layer("head").bias.numpy().tolist() == [1.0, 2.0]
        return Seen(same, "all weights were loaded" if same else "weights were left as they were")


plugin = MissingKey()
