"""PyTorch: eager mode, the way its tutorials train a model.

Nothing is tuned: no `torch.compile`, no mixed precision, no fused optimizer. What is compared is the framework's
documented default; seeds are set, but kernels are the default ones (deterministic kernels are slower, and nobody
deploys them). Training loop: https://docs.pytorch.org/tutorials/beginner/introyt/trainingyt.html
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from evaluator.core import registry
from evaluator.core.errors import Unavailable
from evaluator.core.tensors import Array, Arrays
from scenarios.contract import OUTPUT, Framework, Model, TrainSettings
from scenarios.weights import require_same

_COUNTER = "num_batches_tracked"  # batch normalisation counts its batches; no computation of ours reads it


class PyTorch(Framework):
    """Eager PyTorch."""

    name: ClassVar[str] = "pytorch"
    title: ClassVar[str] = "PyTorch"
    distributions: ClassVar[tuple[str, ...]] = ("torch",)

    def prepare(self, *, threads: int, seed: int, device: str) -> None:
        """Set the intra-op threads and the seed; `Unavailable` when CUDA is asked for and not there."""
        import torch

        if _on_cuda(device) and not torch.cuda.is_available():
            raise Unavailable(
                "PyTorch sees no CUDA device",
                remedy="run on a machine with an NVIDIA GPU and a CUDA build of torch, or use --device cpu",
            )
        torch.set_num_threads(threads)
        torch.manual_seed(seed)

    def device_name(self, device: str) -> str:
        """Return the GPU's model name, or "CPU, n threads"."""
        import torch

        if _on_cuda(device):
            return str(torch.cuda.get_device_name(0))
        return f"CPU, {torch.get_num_threads()} threads"

    def build(self, model: Model, settings: Any) -> Any:
        """Build the network in evaluation mode, on the CPU."""
        return model.build_torch(settings).eval()

    def load_weights(self, network: Any, weights: Mapping[str, Array]) -> None:
        """Copy the arrays into the network's parameters and buffers."""
        import torch

        state = _state(network)
        require_same(weights, {name: tuple(tensor.shape) for name, tensor in state.items()})
        with torch.no_grad():
            for name, tensor in state.items():
                tensor.copy_(torch.tensor(weights[name]))

    def read_weights(self, network: Any) -> Arrays:
        """Copy the network's parameters and buffers to arrays."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in _state(network).items()}

    def parameters(self, network: Any) -> int:
        """Sum the sizes of what has a gradient."""
        return sum(p.numel() for p in network.parameters() if p.requires_grad)

    def forward(self, network: Any, inputs: Mapping[str, Array], device: str) -> Arrays:
        """Compute under `torch.inference_mode`."""
        import torch

        network.eval().to(_place(device))
        with torch.inference_mode():
            return {OUTPUT: network(**_tensors(inputs, device)).cpu().numpy()}

    def trainer(self, network: Any, train: TrainSettings, device: str) -> "_Trainer":
        """Move the network to the device and make its optimizer."""
        return _Trainer(network.to(_place(device)), train, device)


class _Trainer:
    """Zero the gradients, forward, backward, step."""

    def __init__(self, network: Any, train: TrainSettings, device: str) -> None:
        import torch

        self._network = network
        self._device = device
        self._loss = torch.nn.CrossEntropyLoss()
        if train.optimizer == "sgd":
            self._optimizer: Any = torch.optim.SGD(
                network.parameters(), lr=train.learning_rate, momentum=train.momentum
            )
        else:
            self._optimizer = torch.optim.AdamW(
                network.parameters(), lr=train.learning_rate, weight_decay=train.weight_decay, eps=1e-8
            )

    def step(self, inputs: Mapping[str, Array], labels: Array) -> float:
        """Take one step; `synchronize` waits for all that CUDA was given."""
        import torch

        self._network.train()
        self._optimizer.zero_grad()
        logits = self._network(**_tensors(inputs, self._device))
        loss = self._loss(logits, torch.from_numpy(np.ascontiguousarray(labels)).to(_place(self._device)))
        loss.backward()
        self._optimizer.step()
        if _on_cuda(self._device):
            torch.cuda.synchronize()
        return float(loss.item())


def _on_cuda(device: str) -> bool:
    return bool(registry.load("device", device).cuda)


def _place(device: str) -> str:
    return "cuda" if _on_cuda(device) else "cpu"


def _tensors(inputs: Mapping[str, Array], device: str) -> dict[str, Any]:
    import torch

    place = _place(device)
    return {name: torch.from_numpy(np.ascontiguousarray(array)).to(place) for name, array in inputs.items()}


def _state(network: Any) -> dict[str, Any]:
    return {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(_COUNTER)}


plugin = PyTorch()
