"""A training step of ours in PyTorch: eager as everybody begins, or as a training variant has it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluator.core.tensors import Array, Arrays
from evaluator.measure.events import CudaEvents
from scenarios.contract import TrainSettings

_IMAGES = 4  # dimensions of a batch of images, whose channels may lie last in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a step is taken; the default is what the documentation's training loop does."""

    fused: bool = False  # the optimizer's update is one kernel: `fused=True`
    channels_last: bool = False  # memory format of weights and images
    compiled: str | None = None  # mode of `torch.compile`
    autocast: str | None = None  # type of `torch.autocast`: "bfloat16"
    tf32: bool = False  # on CUDA: products of 32-bit floats with 10 of the mantissa's 23 bits


@dataclass(frozen=True, slots=True)
class Place:
    """Where it computes, and how arrays are brought there and waited for."""

    name: str  # as PyTorch has it
    cuda: bool

    def tensors(self, inputs: Mapping[str, Array]) -> dict[str, Any]:
        """Copy arrays there."""
        import torch

        return {name: torch.from_numpy(np.ascontiguousarray(array)).to(self.name) for name, array in inputs.items()}

    def wait(self) -> None:
        """Wait for all that CUDA was given; the processor answers when it has finished."""
        import torch

        if self.cuda:
            torch.cuda.synchronize()


def compute_products(*, tf32: bool) -> None:
    """Let a GPU compute products of 32-bit floats as such, or as TensorFloat-32.

    By default PyTorch computes convolutions on a GPU with 10 of the mantissa's 23 bits, and TensorFlow every product:
    like is compared with like.
    """
    import torch

    # Not by the newer `fp32_precision`: with it, what torch.compile asks about convolutions and products raises.
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32


class Clock:
    """Waits at the end of a step until a GPU has done all of it, and takes the time by the GPU's own clock as well.

    What decides is the caller's clock, around all of it: a user waits for Python, for copies and for launching kernels,
    too. The events show how much of that the GPU spent on the step. A processor answers when it has finished.
    """

    def __init__(self, place: Place) -> None:
        """Make the events; none for a processor."""
        self.seconds: list[float] = []
        self._place = place
        self._events = CudaEvents() if place.cuda else None

    def __enter__(self) -> None:
        if self._events is not None:
            self._events.begin()

    def __exit__(self, raised: type[BaseException] | None, *_: object) -> None:
        if self._events is None or raised is not None:
            return
        self._events.end()
        self._place.wait()
        self.seconds.append(self._events.seconds())


class TorchTrainer:
    """Zero the gradients, forward, backward, step."""

    own_seconds: float | None = None  # who calls a step times it

    def __init__(self, network: Any, train: TrainSettings, place: Place, manner: Manner) -> None:
        """Make the optimizer of a network that is where it is trained."""
        import torch

        if manner.tf32:
            compute_products(tf32=True)
        self._network = network.to(memory_format=torch.channels_last) if manner.channels_last else network
        self._called = torch.compile(network, mode=manner.compiled) if manner.compiled else network
        self._place = place
        self._clock = Clock(place)
        self.device_seconds = self._clock.seconds
        self._manner = manner
        self._loss = torch.nn.CrossEntropyLoss()
        self._optimizer = _optimizer(network, train, manner)

    def step(self, inputs: Mapping[str, Array], labels: Array) -> float:
        """Take one step and return its loss, when the device has finished."""
        import torch

        self._network.train()
        with self._clock:
            self._optimizer.zero_grad()
            with self._precision():
                given = self._called(**self._laid_out(self._place.tensors(inputs)))
                logits = given[0] if isinstance(given, tuple | list) else given
                loss = self._loss(logits, torch.from_numpy(np.ascontiguousarray(labels)).to(self._place.name))
            loss.backward()
            self._optimizer.step()
        return float(loss.item())

    def gradients(self) -> Arrays:
        """Return the gradients of the last step: they stay until the next one."""
        named = dict(self._network.named_parameters())  # what is tied has one name here, as in `read_weights`
        return {name: _array(each.grad) for name, each in named.items() if each.grad is not None}

    def state_numbers(self) -> int:
        """Count the numbers of the optimizer's tensors; its step counts are none."""
        import torch

        kept = (each for state in self._optimizer.state.values() for each in state.values())
        return sum(each.numel() for each in kept if isinstance(each, torch.Tensor) and each.dim())

    def restart(self) -> None:
        """Forget what the optimizer has seen."""
        self._optimizer.state.clear()

    def _precision(self) -> AbstractContextManager[Any]:
        import torch

        if self._manner.autocast is None:
            return nullcontext()
        cast: AbstractContextManager[Any] = torch.autocast(self._place.name, getattr(torch, self._manner.autocast))
        return cast

    def _laid_out(self, tensors: dict[str, Any]) -> dict[str, Any]:
        import torch

        if not self._manner.channels_last:
            return tensors
        return {
            name: each.contiguous(memory_format=torch.channels_last) if each.dim() == _IMAGES else each
            for name, each in tensors.items()
        }


def _optimizer(network: Any, train: TrainSettings, manner: Manner) -> Any:
    import torch

    fused = {"fused": True} if manner.fused else {}
    if train.optimizer == "sgd":
        return torch.optim.SGD(network.parameters(), lr=train.learning_rate, momentum=train.momentum, **fused)
    return torch.optim.AdamW(
        network.parameters(), lr=train.learning_rate, weight_decay=train.weight_decay, eps=1e-8, **fused
    )


def _array(tensor: Any) -> Array:
    gradient: Array = (tensor.to_dense() if tensor.is_sparse else tensor).detach().float().cpu().numpy().copy()
    return gradient
