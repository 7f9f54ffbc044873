"""PyTorch's way to a TPU's compiler: torchax runs the module on arrays of JAX while JAX traces it.

What is compiled is the eager module: its `forward`, and for a training step the loss and the gradients of all that
learns, with the running statistics as they are afterwards. The optimizer's update is left out: with torchax it is
JAX's, and no code of PyTorch's. https://github.com/google/torchax
"""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evaluator.children.work import attempt
from evaluator.core.errors import Unavailable
from evaluator.core.tpu import ProgramName
from evaluator.stages._tpu import REMEDY, Lowering, Shape, Target

_NAMED = re.compile(r"torch\.ops\.aten\.(\w+)\.(\w+)")


class TorchLowering(Lowering):
    """torchax, for one module."""

    packages = ("torchax",)

    def __init__(self, network: Any) -> None:
        import torch

        if isinstance(network, torch.jit.ScriptModule):
            raise Unavailable(
                "TorchScript has no Python that torchax could trace",
                remedy="give the module that it was made of, or a program of torch.export",
            )
        _mend()
        import torchax.interop

        self._network = network
        self._environment = _listening()
        self._interop = torchax.interop

    def lower(self, program: ProgramName, inputs: Mapping[str, Shape], target: Target) -> Any:
        """Trace the module in training mode with loss and gradients, or in evaluation mode."""
        import jax
        import torch

        environment = self._environment
        environment.found.clear()
        learns = program == "training"
        module = self._interop.JittableModule(self._network.train(learns))
        weights, rest = (self._shapes(each) for each in (module.params, module.buffers))
        given = {name: _shape(each.sizes, each.dtype) for name, each in inputs.items()}

        def called(weights: Any, rest: Any, given: Any) -> tuple[Any, Any]:
            environment.manual_seed(0)  # dropout draws by a key, which is of this trace
            weights, rest, given = environment.j2t_iso((weights, rest, given))
            with environment:
                return module.functional_call("forward", weights, rest, **given), rest

        def forward(weights: Any, rest: Any, given: Any) -> Any:
            return environment.t2j_iso(called(weights, rest, given)[0])

        def loss(weights: Any, rest: Any, given: Any, labels: Any) -> Any:
            outputs, after = called(weights, rest, given)
            scores = outputs[0] if isinstance(outputs, tuple | list) else outputs
            with environment:
                lost = torch.nn.functional.cross_entropy(scores, environment.j2t_iso(labels))
            return environment.t2j_iso(lost), environment.t2j_iso(after)

        if not learns:
            return jax.jit(forward).lower(*target.place((weights, rest, given)))
        labels = _shape(next(iter(inputs.values())).sizes[:1], "int64")
        step = jax.value_and_grad(loss, has_aux=True)
        return jax.jit(step).lower(*target.place((weights, rest, given, labels)))

    def unlowered(self, failure: Exception | None) -> tuple[str, ...]:
        """Name those that were seen to have no way, while the module was traced."""
        del failure
        return tuple(dict.fromkeys(self._environment.found))

    @staticmethod
    def _shapes(tensors: Mapping[str, Any]) -> dict[str, Any]:
        from torchax.ops import mappings

        return {name: _shape(tuple(each.shape), mappings.t2j_dtype(each.dtype)) for name, each in tensors.items()}


def _shape(sizes: tuple[int, ...], dtype: Any) -> Any:
    import jax

    return jax.ShapeDtypeStruct(sizes, jax.dtypes.canonicalize_dtype(dtype))


def _mend() -> None:
    """Let torchax be imported: its tables name operators of named tensors, which PyTorch 2.13 has no more.

    Whatever it names and PyTorch lacks becomes a name of nothing. They stand in tables of types for mixed precision
    and of decompositions: nothing is looked up by them.
    """
    import torch

    found = find_spec("torchax")
    if found is None or found.origin is None:
        raise Unavailable("not installed: torchax", remedy=REMEDY)
    for path in sorted(Path(found.origin).parent.rglob("*.py")):
        for name, overload in _NAMED.findall(path.read_text(encoding="utf-8")):
            packet = getattr(torch.ops.aten, name, None)
            if packet is not None and not hasattr(packet, overload):
                setattr(packet, overload, object())


def _listening() -> Any:
    """Return torchax's environment, which remembers in `found` each operator that does not lower.

    Its result is taken for zeros, where its size is known, so that those behind it are seen, too.
    """
    import torch
    from torchax import tensor

    class Listening(tensor.Environment):  # type: ignore[misc]  # torchax is untyped
        def __init__(self) -> None:
            super().__init__()
            self.found: list[str] = []
            self._raised: list[Exception] = []

        def dispatch(self, func: Any, types: Any, args: Any, kwargs: Any = None) -> Any:
            ended = attempt(lambda: super(Listening, self).dispatch(func, types, args, kwargs))
            if not isinstance(ended, Exception):
                return ended
            # A function of Python without a way is taken apart into operators, which come here by themselves.
            apart = isinstance(ended, tensor.OperatorNotFound) and not isinstance(func, torch._ops.OpOverload)  # noqa: SLF001
            inner = any(ended is each for each in self._raised)
            if apart or inner:
                raise ended
            self.found.append(_name(func))
            stand_in = attempt(lambda: self._zeros(func, args, kwargs or {}))
            if isinstance(stand_in, Exception):
                self._raised.append(ended)
                raise ended
            return stand_in

        def _zeros(self, func: Any, args: Any, kwargs: Any) -> Any:
            """Return what stands for the results of an operator; raises where PyTorch cannot say their sizes."""
            import jax.numpy as jnp
            from torch.utils import _mode_utils, _pytree
            from torchax.ops import mappings

            def bare(each: Any) -> Any:
                return torch.empty(each.shape, dtype=each.dtype, device="meta")

            def zeros(each: Any) -> Any:
                return tensor.Tensor(jnp.zeros(tuple(each.shape), mappings.t2j_dtype(each.dtype)), self)

            with _mode_utils.no_dispatch(), torch._C.DisableTorchFunction():  # noqa: SLF001
                metas = _pytree.tree_map_only(torch.Tensor, bare, (args, kwargs))
                results = func(*metas[0], **metas[1])
            return _pytree.tree_map_only(torch.Tensor, zeros, results)

    return Listening()


def _name(func: Any) -> str:
    """Name an operator as PyTorch does: "aten::nonzero", or "torch.unique" for a function of Python."""
    if hasattr(func, "name"):
        return str(func.name()).partition(".")[0]
    return f"torch.{getattr(func, '__name__', func)}"
