"""PyTorch, eager: the origin as it is, called as its users call it. What every other path is measured against.

Documentation: https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad_mode.inference_mode.html
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from evaluator.core import registry
from evaluator.core.records import Signature
from exports.contract import Baseline, Session
from exports.runtimes import _torch


class PyTorchEager(Baseline):
    """A module, called under `torch.inference_mode`."""

    name = "pytorch_eager"
    title = "PyTorch (eager)"
    origin = "pytorch"
    devices = ("cpu", "gpu")
    distributions = ("torch",)
    module = "torch"
    openmp: ClassVar[bool] = True

    @contextmanager
    def session(self, network: Any, signature: Signature, *, device: str, threads: int) -> Iterator[Session]:
        """Move the network to the device, and yield the call."""
        place = "cuda" if registry.load("device", device).cuda else "cpu"
        with _torch.using_threads(threads):
            yield _torch.session(network.eval().to(place), signature, place)


plugin = PyTorchEager()
