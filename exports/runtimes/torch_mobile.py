"""The PyTorch lite interpreter: the byte-code interpreter of PyTorch Mobile, here in the build that torch ships.

It has the same kernels as torch.jit but none of its graph optimiser; a phone's build has other kernels, so latencies
measured here rank models, not phones. CPU only.
Documentation: https://docs.pytorch.org/mobile/home/
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from evaluator.core.records import Signature
from exports.contract import Runtime, Session
from exports.formats import torchmobile
from exports.runtimes import _torch, _torch_values
from exports.signatures import FORWARD


class TorchMobileInterpreter(Runtime):
    """Loads files that were saved for the lite interpreter."""

    name = "torch_mobile"
    title = "PyTorch lite interpreter"
    formats = ("torchmobile",)
    devices = ("cpu",)
    distributions = ("torch",)
    module = "torch.jit.mobile"
    openmp = True
    edge = True

    @contextmanager
    def load(self, artifact: Path, signature: Signature, *, device: str, threads: int) -> Iterator[Session]:
        """Load with the lite interpreter's own reader.

        Raises `Unsupported` for a missing operator, `ValueError` for a file that cannot be read.
        """
        from torch.jit.mobile import _load_for_lite_interpreter  # no public name leads to it

        with _torch.using_threads(threads):
            module = _torch.read(_load_for_lite_interpreter, artifact, "cpu")
            name = signature.name or FORWARD
            arguments = torchmobile.arguments(artifact, name)
            inputs = [spec.name for spec in signature.inputs]
            gives = None if arguments is None else _torch_values.binding(arguments, inputs, "cpu")
            call = module if name == FORWARD else partial(module.run_method, name)
            yield _torch.session(call, signature, "cpu", gives)


plugin = TorchMobileInterpreter()
