"""What the two TFLite interpreters share: they come from different packages and have the same methods."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays
from exports.contract import Session

SIGNATURE = "serving_default"
_DELEGATE = "DELEGATE"
# How an interpreter words that it lacks a built-in operator, this version of it, or a custom one.
_REFUSALS = ("Didn't find op", "unresolved custom op")


def session(interpreter_class: Callable[..., Any], artifact: Path, signature: Signature, threads: int) -> Session:
    """Open a file and return the call that is timed.

    Tensors are found through the file's signature (its first one, if it has none of ours) or by their names, never by
    position: their order is the converter's. Memory is laid out again only when a shape changes. Arrays are copied in
    and out: the interpreter owns its buffers.
    Raises `Unsupported` with the interpreter's words when it lacks an operator (or this version of it), the
    interpreter's `ValueError` for a file that it cannot read.
    """
    interpreter = _open(interpreter_class, artifact, threads)
    inputs_by_name, outputs_by_name = _details(interpreter)
    takes = _indices(inputs_by_name, [spec.name for spec in signature.inputs], artifact)
    gives = _indices(outputs_by_name, [spec.name for spec in signature.outputs], artifact)
    laid_out_for: list[tuple[int, ...]] = []

    def call(inputs: Mapping[str, Array]) -> Arrays:
        nonlocal laid_out_for
        shapes = [inputs[name].shape for name, _ in takes]
        if shapes != laid_out_for:
            laid_out_for = []  # a shape that is refused leaves nothing laid out
            for name, index in takes:
                interpreter.resize_tensor_input(index, inputs[name].shape)
            interpreter.allocate_tensors()
            laid_out_for = shapes
        for name, index in takes:
            interpreter.set_tensor(index, inputs[name])
        interpreter.invoke()
        return {name: interpreter.get_tensor(index) for name, index in gives}

    return call


def placement(interpreter_class: Callable[..., Any], artifact: Path) -> dict[str, int]:
    """Count the operators of the first subgraph that the interpreter hands to XNNPACK, and those that it keeps.

    It lists the operators of the file and, behind them, one for each part that a delegate took over, of which it tells
    the inputs and outputs: what lies between them is the delegate's.
    Raises as `session` does.
    """
    interpreter = _open(interpreter_class, artifact, threads=1)
    operators = interpreter._get_ops_details()  # noqa: SLF001  # no public method of either package tells
    own = [each for each in operators if each["op_name"] != _DELEGATE]
    makers = {tensor: index for index, each in enumerate(own) for tensor in each["outputs"]}
    taken: set[int] = set()
    for each in (each for each in operators if each["op_name"] == _DELEGATE):
        given, left = set(each["inputs"]), list(each["outputs"])
        while left:
            tensor = left.pop()
            if tensor in makers and tensor not in given and makers[tensor] not in taken:
                taken.add(makers[tensor])
                left.extend(own[makers[tensor]]["inputs"])
    return {"XNNPACK": len(taken), "built-in kernels": len(own) - len(taken)}


def _open(interpreter_class: Callable[..., Any], artifact: Path, threads: int) -> Any:
    try:
        interpreter = interpreter_class(model_path=str(artifact), num_threads=threads)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        if any(words in str(error) for words in _REFUSALS):
            raise Unsupported(f"the interpreter refuses {artifact.name}: {error}") from error
        raise
    return interpreter


def _details(interpreter: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the inputs and the outputs by name; a file that was not made here may have no signature."""
    signatures = interpreter.get_signature_list()
    if not signatures:
        given = interpreter.get_input_details(), interpreter.get_output_details()
        inputs, outputs = ({each["name"]: each for each in details} for details in given)
        return inputs, outputs
    runner = interpreter.get_signature_runner(SIGNATURE if SIGNATURE in signatures else next(iter(signatures)))
    return runner.get_input_details(), runner.get_output_details()


def _indices(details: Mapping[str, Mapping[str, Any]], names: list[str], artifact: Path) -> list[tuple[str, int]]:
    """Pair our names with the interpreter's tensor indices."""
    missing = [name for name in names if name not in details]
    if missing:
        raise ValueError(f"{artifact.name} has no tensor named {', '.join(missing)}; it has {', '.join(details)}")
    return [(name, details[name]["index"]) for name in names]
