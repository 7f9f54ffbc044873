"""torch.export: the program of a PT2 archive, run by PyTorch itself.

Documentation: https://docs.pytorch.org/docs/stable/export.html
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature
from exports.contract import Runtime, Session
from exports.formats import pt2
from exports.runtimes import _torch
from exports.runtimes._torch_values import Give, tensor_of

_LONGEST_SAID = 500  # characters of what PyTorch says: it repeats whole programs
_OTHER_SCHEMA = re.compile(r"Serialized .*does not match our current schema version")
_SEE_ABOVE = "Please check the warnings above"
_NOT_READ_BACK = re.compile(r"Unable to deserialize output node Argument\(as_(\w+)=")


class TorchExport(Runtime):
    """Runs PT2 archives on the CPU."""

    name = "torch_export"
    title = "torch.export"
    formats = ("pt2",)
    devices = ("cpu",)
    distributions = ("torch",)
    module = "torch"
    openmp = True

    @contextmanager
    def load(self, artifact: Path, signature: Signature, *, device: str, threads: int) -> Iterator[Session]:
        """Load the program and call it as it says itself: by position, by keyword, with structures.

        Raises `Unsupported` for an operator that PyTorch itself does not have and for a program that asks for a GPU,
        `ValueError` for a file that cannot be read.
        """
        with _torch.using_threads(threads):
            program = _read(artifact, signature.name)
            call, gives = _calling(program, program.module(), [spec.name for spec in signature.inputs])
            yield _torch.session(call, signature, "cpu", gives)


def _read(artifact: Path, name: str) -> Any:
    """Read a program: the one of that name where the file has several."""
    import torch
    from torch.export.pt2_archive._package import load_pt2  # as PyTorch's documentation has it

    for kind in pt2.structures(artifact):
        _stand_in(kind)
    heard = _Heard()
    logger = logging.getLogger("torch.export")
    logger.addHandler(heard)
    try:
        return load_pt2(artifact).exported_programs[name] if name else torch.export.load(artifact)
    except (ModuleNotFoundError, AttributeError) as error:
        raise Unsupported(
            f"its example inputs are objects of a class that is not here: {str(error)[:_LONGEST_SAID]}",
            remedy="export it with tensors, lists and dictionaries as inputs, or run it where that class is",
        ) from error
    except (RuntimeError, AssertionError) as error:
        cause = heard.raised if heard.raised is not None and _SEE_ABOVE in str(error) else error
        _refuse(artifact, cause)
        said = str(cause)[:_LONGEST_SAID]
        raise ValueError(f"PyTorch cannot read {artifact.name}: {said}") from error
    finally:
        logger.removeHandler(heard)


class _Heard(logging.Handler):
    """Keeps what PyTorch logs before it raises something general."""

    raised: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the exception of a record."""
        if record.exc_info and record.exc_info[1] is not None:
            self.raised = record.exc_info[1]


def _refuse(artifact: Path, error: BaseException) -> None:
    """Say what a program asks for that is not here, if that is why it is not read."""
    import torch

    about, said = pt2.plugin.anatomy(artifact), str(error)
    if _OTHER_SCHEMA.search(said):
        raise Unsupported(
            f"PyTorch {torch.__version__} does not read programs of {about.version}",
            remedy="export it from its source with today's PyTorch, or with the PyTorch that saved it as TorchScript: "
            f"torch.jit.trace(torch.export.load('{artifact.name}').module(), inputs).save('model.pt')",
        ) from error
    kind = _NOT_READ_BACK.search(said)
    if kind is not None:
        raise Unsupported(
            f"PyTorch itself does not read back a program that gives a constant ({kind[1]})",
            remedy="export it with tensors and numbers as outputs",
        ) from error
    for target in about.operators:
        space, name, *_ = [*target.split("."), ""]
        if "." in target and not hasattr(getattr(torch.ops, space), name):
            raise Unsupported(
                f"PyTorch has no operator {space}::{name}: it is of a library that registers it",
                remedy="export the program without it, or run it where that library is imported",
            ) from error
    if _torch.wants_cuda(said):
        raise Unsupported(
            "it was exported on a CUDA device, and asks for one",
            remedy="export it from a model on the CPU, or move it: torch.export.passes.move_to_device_pass",
        ) from error


def _calling(program: Any, module: Any, names: list[str]) -> tuple[Callable[..., Any], list[Give]]:
    """Return what to call with the values of a program's arguments, in the order of its graph, and how to make them."""
    from torch.utils import _pytree  # what torch.export takes structures apart with

    given = iter(names)
    gives = [_give(each.arg, given) for each in program.graph_signature.input_specs if each.kind.name == "USER_INPUT"]
    structure = program.call_spec.in_spec
    positions = _pytree.tree_unflatten(list(range(len(gives))), structure)
    if positions == (tuple(range(len(gives))), {}):
        return module, gives

    def call(*values: Any) -> Any:
        arguments, keywords = _pytree.tree_unflatten(values, structure)
        return module(*arguments, **keywords)

    return call, gives


def _give(argument: Any, names: Iterator[str]) -> Give:
    """Return how to make one value: of the next array, or as it was when the program was exported."""
    import torch

    kind = type(argument).__name__
    if kind == "ConstantArgument":
        return lambda _: argument.value
    name = next(names, argument.name)
    if kind == "TensorArgument":
        return lambda inputs: tensor_of(inputs[name], "cpu")
    if kind in ("SymIntArgument", "SymFloatArgument", "SymBoolArgument"):
        return lambda inputs: torch.from_numpy(inputs[name]).item()
    raise Unsupported(f"fweval cannot give the argument '{argument.name}' of this program: {kind}")


class _Structure(dict[str, Any]):
    """Stands in for an object of a class of somebody's own in which values are given or come out."""

    context = ""  # what the file says of it


def _stand_in(name: str) -> None:
    """Make a class known to PyTorch that it does not know: it refuses a program that names one."""
    from torch.utils import _pytree

    if name in _pytree.SERIALIZED_TYPE_TO_PYTHON_TYPE:
        return
    kind = type("Structure", (_Structure,), {})

    def fill(values: Iterable[Any], context: str) -> _Structure:
        held = list(values)
        filled: _Structure = kind(zip(pt2.keys_of(context, len(held)), held, strict=True))
        filled.context = context
        return filled

    _pytree.register_pytree_node(
        kind,
        lambda structure: (list(structure.values()), structure.context),
        fill,
        serialized_type_name=name,
        to_dumpable_context=str,
        from_dumpable_context=str,
        flatten_with_keys_fn=lambda structure: (
            [(_pytree.MappingKey(key), value) for key, value in structure.items()],
            structure.context,
        ),
    )


plugin = TorchExport()
