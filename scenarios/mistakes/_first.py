"""A user's first lines in each framework: a small model and one step of its training."""


def pytorch() -> None:
    """Build, and step."""
    import torch
    from torch import nn

    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 14 * 14, 10))
    optimizer = torch.optim.Adam(model.parameters())
    loss = nn.functional.cross_entropy(model(torch.rand(8, 1, 16, 16)), torch.arange(8))
    loss.backward()
    optimizer.step()


def tensorflow() -> None:
    """Build, compile, and fit one batch."""
    import keras
    import numpy as np
    from keras import layers

    model = keras.Sequential(
        [keras.Input((16, 16, 1)), layers.Conv2D(8, 3, activation="relu"), layers.Flatten(), layers.Dense(10)]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(np.random.default_rng(1).random((8, 16, 16, 1)), np.arange(8), batch_size=8, verbose=0)
