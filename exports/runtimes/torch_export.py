"""torch.export: the program of a PT2 archive, run by PyTorch itself.

Documentation: https://docs.pytorch.org/docs/stable/export.html
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evaluator.core.records import Signature
from exports.contract import Runtime, Session
from exports.runtimes import _torch


class TorchExport(Runtime):
    """Runs PT2 archives on the CPU."""

    name = "torch_export"
    title = "torch.export"
    formats = ("pt2",)
    devices = ("cpu",)
    distributions = ("torch",)
    module = "torch"

    @contextmanager
    def load(self, artifact: Path, signature: Signature, *, device: str, threads: int) -> Iterator[Session]:
        """Load the program; the call that is timed copies nothing on the CPU."""
        import torch

        with _torch.using_threads(threads):
            yield _torch.session(torch.export.load(artifact).module(), signature, "cpu")


plugin = TorchExport()
