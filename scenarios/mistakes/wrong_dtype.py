"""Wrong dtype: NumPy's 64-bit floats, which are its default, for 32-bit weights."""

from typing import ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class WrongDtype(Mistake):
    """Wrong dtype."""

    name: ClassVar[str] = "wrong_dtype"
    title: ClassVar[str] = "Wrong dtype"
    wrong: ClassVar[str] = "64-bit floats are given to a model with 32-bit weights"
    names: ClassVar[tuple[str, ...]] = ("float64", "double", "Double")

    @staticmethod
    def pytorch() -> Seen:
        """Give NumPy's floats as they are."""
        import numpy as np
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        features = np.random.default_rng(1).random((8, 4))
        scores = model(torch.from_numpy(features)).detach().numpy()  # the mistake
        wanted = features @ model.weight.detach().numpy().T + model.bias.detach().numpy()
        return Seen(np.allclose(scores, wanted, atol=1e-5), f"scores off by {abs(scores - wanted).max():.1e}")

    @staticmethod
    def pytorch_right() -> Seen:
        """Bring them to 32 bits first."""
        import numpy as np
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        features = np.random.default_rng(1).random((8, 4))
        scores = model(torch.from_numpy(features).float()).detach().numpy()
        wanted = features @ model.weight.detach().numpy().T + model.bias.detach().numpy()
        return Seen(np.allclose(scores, wanted, atol=1e-5), f"scores off by {abs(scores - wanted).max():.1e}")

    @staticmethod
    def tensorflow() -> Seen:
        """Predict from NumPy's floats as they are."""
        import keras
        import numpy as np
        from keras import layers

        model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
        features = np.random.default_rng(1).random((8, 4))
        scores = model.predict(features, verbose=0)  # the mistake
        kernel, bias = model.get_weights()
        wanted = features @ kernel + bias
        return Seen(np.allclose(scores, wanted, atol=1e-5), f"scores off by {abs(scores - wanted).max():.1e}")

    @staticmethod
    def tensorflow_right() -> Seen:
        """Bring them to 32 bits first."""
        import keras
        import numpy as np
        from keras import layers

        model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
        features = np.random.default_rng(1).random((8, 4))
        scores = model.predict(features.astype("float32"), verbose=0)
        kernel, bias = model.get_weights()
        wanted = features @ kernel + bias
        return Seen(np.allclose(scores, wanted, atol=1e-5), f"scores off by {abs(scores - wanted).max():.1e}")


plugin = WrongDtype()
