"""How many floating point operations a network takes in PyTorch, by PyTorch's own counter.

`FlopCounterMode` sees every operator that is dispatched, those of the backward pass too, and counts two for each
multiply and add of convolutions and matrix products; what else there is it leaves out
(https://github.com/pytorch/pytorch/blob/main/torch/utils/flop_counter.py). The backward pass of convolutions in groups,
where it takes each filter for one of all channels, is counted here.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

from evaluator.core.errors import Unavailable


def count(network: Any, tensors: Mapping[str, Any], *, train: bool) -> int:
    """Count one forward pass, with the backward pass of a training step; `Unavailable` where the counter is blind.

    It computes with a copy of the network and gives the random numbers back, so that nothing is changed by it.
    Attention is spelled out in matrix products: the counter does not know the fused kernels of the CPU, and all of them
    compute some products again in the backward pass, which are no work of the model.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    if any(isinstance(module, torch.nn.RNNBase) for module in network.modules()):
        raise Unavailable("PyTorch's counter of operations does not see into recurrent layers")
    twin = copy.deepcopy(network).train(train)
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution_backward: _gradients})
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.random.fork_rng(), sdpa_kernel(SDPBackend.MATH), torch.set_grad_enabled(train), counter:
            outputs = twin(**tensors)
            if train:
                _total(outputs).backward()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return int(counter.get_total_flops())


def _gradients(gradient: Sequence[int], given: Sequence[int], kernel: Sequence[int], *rest: Any, **_: Any) -> int:
    """Count the gradients that are wanted of a convolution's input and filters: each is as much as the convolution.

    The arguments are those of `convolution_backward`, shapes in place of tensors:
    https://docs.pytorch.org/docs/stable/torch.compiler_ir.html.
    """
    transposed, wanted = rest[4], rest[7]
    applied = math.prod(given if transposed else gradient)  # so often a filter is laid on
    return 2 * applied * math.prod(kernel[1:]) * sum(map(bool, wanted[:2]))


def _total(outputs: Any) -> Any:
    """Sum whatever can be differentiated: its backward pass has the products of any loss's."""
    from torch.utils import _pytree

    tensors = [each for each in _pytree.tree_leaves(outputs) if getattr(each, "requires_grad", False)]
    if not tensors:
        raise Unavailable("no output of the network has a gradient")
    return sum(each.sum() for each in tensors)
