"""The model that `fweval full mine.toml` evaluates. What says STAND-IN is to be replaced.

fweval imports this file in processes of its own, in this folder: what lies beside it is found as ever. Nothing but
definitions at the top, please; what is to run as a script goes below `if __name__ == "__main__":`.
"""

from collections.abc import Callable

import numpy as np
import torch


class Network(torch.nn.Module):
    """STAND-IN: your network. The names of forward's arguments are those of the inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return a tensor; or a tuple, a dictionary or a dataclass of tensors, whose names are those of the outputs."""
        return self.layers(features)


def build() -> torch.nn.Module:
    """Return the network with its weights. It is called without arguments, and switched to evaluation."""
    torch.manual_seed(1)  # STAND-IN: weights by chance, the same each time. Yours instead:
    network = Network()
    # network.load_state_dict(torch.load("weights.pt", weights_only=True))
    return network


def examples() -> dict[str, np.ndarray]:
    """Return what the network is asked, in place of holdout.npz: input -> array, whose first axis is examples."""
    return dict(np.load("holdout.npz"))  # STAND-IN: from wherever they are, at least 64 of them


def labels() -> dict[str, np.ndarray]:
    """Return what is true of each example, in their order; needed for a measure of quality, and for training."""
    features = examples()["features"]
    return {"classes": features[:, :3].argmax(axis=1)}  # STAND-IN


def quality(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Return how good outputs are, more is better. Several outputs, or labels, come as a dictionary of arrays."""
    return float((outputs.argmax(axis=1) == labels).mean())  # STAND-IN: what decides for you


def make_step(network: torch.nn.Module) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return a step of training; needed where [train] is there, and for a classifier not even then."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def step(features: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(features), classes)  # STAND-IN
        loss.backward()
        optimizer.step()
        return loss

    return step
