"""What the runtimes that rest on PyTorch share: reading a module, the thread count, and the call that is timed."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays
from exports.contract import Session

# How PyTorch words that it lacks an operator (torch.jit; the lite interpreter) or that the file is newer than itself.
_REFUSALS = ("Unknown builtin op", "ops cannot be found", "version number")


def tensor(array: Array) -> Any:
    """Return a tensor over the array's memory, with the plain strides of its shape.

    A transposed image with one channel counts as contiguous for NumPy and keeps its strides; PyTorch reads a memory
    format out of them, and ExecuTorch compiles it in.
    """
    import torch

    return torch.from_numpy(array.reshape(-1)).view(array.shape)


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
        if any(words in str(error) for words in _REFUSALS):
            raise Unsupported(f"PyTorch refuses {artifact.name}: {error}") from error
        raise ValueError(f"PyTorch cannot read {artifact.name}: {error}") from error


def session(module: Any, signature: Signature, device: str) -> Session:
    """Return the call that is timed: arrays in, module, arrays out. On the CPU neither way copies.

    What a signature without outputs does not name comes out as `output_0` and so on: a file may not tell.
    An array without dimensions goes in as a number: TorchScript takes no tensor for one.
    """
    import torch

    input_names = [spec.name for spec in signature.inputs]
    output_names = [spec.name for spec in signature.outputs]

    def call(inputs: Mapping[str, Array]) -> Arrays:
        with torch.inference_mode():
            result = module(*[_argument(inputs[name], device) for name in input_names])
            tensors = result if isinstance(result, (tuple, list)) else (result,)
            names = output_names or [f"output_{index}" for index in range(len(tensors))]
            # `.cpu()` waits for the device; on the CPU it and `.to` hand the tensor through.
            return {name: tensor.cpu().numpy() for name, tensor in zip(names, tensors, strict=True)}

    return call


def _argument(array: Array, device: str) -> Any:
    import torch

    return torch.from_numpy(array).to(device) if array.ndim else array.item()
