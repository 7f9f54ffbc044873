"""CUDA events: when a GPU began and ended what lies between two points of its queue, by its own clock.

PyTorch has them; TensorFlow's Python has none. An event's time is a figure beside the clock's, never in its place: what
a user waits for is the whole step, with what the processor does before and after.
Documentation: https://docs.pytorch.org/docs/stable/generated/torch.cuda.Event.html
"""

from typing import Any


class CudaEvents:
    """Two events in the queue of the current stream; reading them needs a synchronisation in between."""

    def __init__(self) -> None:
        """Make both; the first GPU that the process sees is the one that is used."""
        import torch

        self._first: Any = torch.cuda.Event(enable_timing=True)
        self._last: Any = torch.cuda.Event(enable_timing=True)

    def begin(self) -> None:
        """Put the first event into the queue."""
        self._first.record()

    def end(self) -> None:
        """Put the last event into the queue: before anything waits for it, or the wait would be timed, too."""
        self._last.record()

    def seconds(self) -> float:
        """Return the time between both, once the GPU has done all."""
        self._last.synchronize()
        return float(self._first.elapsed_time(self._last)) / 1e3
