"""What the runtimes that rest on PyTorch share: reading a module, the thread count, and the call that is timed."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays
from evaluator.measure.events import CudaEvents
from exports.contract import Session
from exports.runtimes import _torch_values
from exports.runtimes._torch_values import Give

# How PyTorch words that it lacks an operator (torch.jit; the lite interpreter) or that the file is newer than itself.
_REFUSALS = ("Unknown builtin op", "ops cannot be found", "version number")
# How it words that a program asks for a GPU, whose number or whose weights stand in its code.
_WANTS_CUDA = re.compile(r"from the 'CUDA' backend|not compiled with CUDA|No CUDA GPUs|NVIDIA driver|CUDA device")
# The interpreter's report ends in the error itself, behind two traces: "RuntimeError: mat1 and mat2 shapes cannot be …"
_INTERPRETER = "The following operation failed in the TorchScript interpreter."
_CAUSE = re.compile(r"^(?:[\w.]+\.)?(\w*(?:Error|Exception|Exit|Interrupt|Iteration|Warning)): ", re.MULTILINE)
_MARKED = re.compile(r"^ *(\S[^\n]*)\n *~+ <--- HERE", re.MULTILINE)  # the line that the trace points at


def tensor(array: Array) -> Any:
    """Return a tensor over the array's memory, with the plain strides of its shape.

    A transposed image with one channel counts as contiguous for NumPy and keeps its strides; PyTorch reads a memory
    format out of them, and ExecuTorch compiles it in.
    """
    return _torch_values.tensor_of(array.reshape(-1), "cpu").view(array.shape)


@contextmanager
def using_threads(threads: int) -> Iterator[None]:
    """Compute with that many threads inside, and with as many as before afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def read(reader: Callable[..., Any], artifact: Path, device: str) -> Any:
    """Read a module onto a device with PyTorch's `reader`.

    Raises `Unsupported` with PyTorch's words when it lacks an operator, `ValueError` when it cannot read the file
    (a truncated one is noticed: the table of contents of the zip file is at its end).
    """
    try:
        return reader(str(artifact), map_location=device)
    except RuntimeError as error:
        said = " ".join(str(error).split())
        if any(words in said for words in _REFUSALS):
            raise Unsupported(f"PyTorch refuses {artifact.name}: {said}", remedy=_remedy(said)) from error
        raise ValueError(f"PyTorch cannot read {artifact.name}: {said}") from error


def _remedy(said: str) -> str | None:
    if "version number" in said:
        return "use a newer PyTorch, or save it with an older one"
    return "export it without that operator: fweval's runtimes have those that PyTorch itself brings"


def session(call: Callable[..., Any], signature: Signature, device: str, gives: list[Give] | None = None) -> Session:
    """Return the call that is timed: arrays in, module, arrays out. On the CPU neither way copies.

    `gives` makes the arguments of the arrays; without it each input is one, in the signature's order, and an array
    without dimensions goes in as a number: where nothing is known of the arguments, that is what it most likely is.
    Outputs come under the signature's names if it has one for each, else under their places.
    """
    import torch

    takes = gives if gives is not None else [_plain(spec.name, device) for spec in signature.inputs]
    names = [spec.name for spec in signature.outputs]

    def run(inputs: Mapping[str, Array], events: CudaEvents | None = None) -> Arrays:
        with torch.inference_mode():
            arguments = [give(inputs) for give in takes]
            if events is not None:
                events.begin()
            try:
                result = call(*arguments)
            except (RuntimeError, torch.jit.Error, AssertionError) as error:
                _explain(error)
            if events is not None:
                events.end()
            return _torch_values.arrays_of(result, names)  # waits for the device

    return _OnCuda(run) if device == "cuda" else run


class _OnCuda:
    """A call on a GPU that the GPU's own clock can time as well: with events, which are not there when ours does."""

    def __init__(self, run: Callable[..., Arrays]) -> None:
        self._run = run

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        return self._run(inputs)

    def device_s(self, inputs: Mapping[str, Array]) -> float:
        """Compute between two events: without the copies there and back."""
        events = CudaEvents()
        self._run(inputs, events)
        return events.seconds()


def _plain(name: str, device: str) -> Give:
    def give(inputs: Mapping[str, Array]) -> Any:
        array = inputs[name]
        return _torch_values.tensor_of(array, device) if array.ndim else array.item()

    return give


def wants_cuda(said: str) -> bool:
    """Tell whether PyTorch says that it was asked for a CUDA device and has none."""
    return _WANTS_CUDA.search(said) is not None


def _explain(error: Exception) -> NoReturn:
    """Raise what a module raised with its cause first: PyTorch puts it last, behind pages of traces.

    Raises `Unsupported` for a program that asks for a GPU where there is none.
    """
    said = str(error)
    found = list(_CAUSE.finditer(said)) if said.startswith(_INTERPRETER) else []
    cause = said[found[-1].end() :] if found else said
    if wants_cuda(said):
        raise Unsupported(
            f"it asks for a CUDA device, which is written into its code: {cause.partition('. ')[0]}",
            remedy="export it again from a model on the CPU, or run it on a machine with a CUDA device",
        ) from error
    if not found:
        raise error
    line = _MARKED.findall(said)
    kind = found[-1][1]
    where = f" (in: {line[-1].strip()[:200]})" if line else ""
    prefix = "" if kind == "RuntimeError" else f"{kind}: "
    raise RuntimeError(f"{prefix}{' '.join(cause.split())}{where}") from error
