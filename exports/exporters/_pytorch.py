"""What the exporters of PyTorch models share."""

from typing import Any

from exports.contract import Origin


def example_tensors(origin: Origin) -> tuple[Any, ...]:
    """Return the example as tensors in the signature's order, the way the module is called."""
    import torch

    return tuple(torch.from_numpy(origin.example[spec.name]) for spec in origin.signature.inputs)


def trace(origin: Origin) -> Any:
    """Record the operators that the module runs on the example, as a `torch.jit.ScriptModule`.

    The trace is checked by running it against the module; a disagreement raises `torch.jit.TracingCheckError`.
    """
    import torch

    # The fused path of nn.TransformerEncoder is chosen by conditions that a trace cannot hold; its check then fails.
    torch.backends.mha.set_fastpath_enabled(False)
    with torch.no_grad():
        return torch.jit.trace(origin.model, example_tensors(origin), check_tolerance=1e-4)
