"""Which of an artifact's signatures is judged. Never a guess: where nothing decides, it is asked for."""

from collections.abc import Sequence

import msgspec

from evaluator.core.errors import Unsupported
from evaluator.core.records import Anatomy, Signature, TensorSpec
from exports.parts import shown

SERVED = "serving_default"  # what TensorFlow Serving takes when a request names none
FORWARD = "forward"  # what a call of PyTorch's module runs, and what its servers call


def judged(signatures: Sequence[Signature], default: str = SERVED) -> Signature | None:
    """Return the one that servers of the format take by default, else the only one; None where neither decides."""
    served = [signature for signature in signatures if signature.name == default]
    if served or len(signatures) == 1:
        return (served or list(signatures))[0]
    return None


def chosen(anatomy: Anatomy, name: str | None) -> Anatomy:
    """Return an anatomy with the inputs and outputs of the signature that was asked for, or as it is for None.

    Raises `Unsupported` for a name that it does not have, and where it has several of which none was asked for.
    """
    if name is None and (anatomy.judged or not anatomy.signatures):
        return anatomy
    found = next((signature for signature in anatomy.signatures if signature.name == name), None)
    if found is not None:
        if found.name != anatomy.judged:  # of whose inputs alone the file's sizes are known
            anatomy = msgspec.structs.replace(anatomy, usual={}, bounds={})
        return msgspec.structs.replace(anatomy, inputs=found.inputs, outputs=found.outputs, judged=found.name)
    if not anatomy.signatures:
        raise Unsupported(
            f"it has no signature '{name}': files of this format have none", remedy="leave out --signature"
        )
    there = "; ".join(described(signature) for signature in anatomy.signatures)
    what = "it has several signatures, and none is the default" if name is None else f"it has no signature '{name}'"
    raise Unsupported(f"{what}; there are: {there}", remedy=f"name one: --signature {anatomy.signatures[0].name}")


def described(signature: Signature) -> str:
    """Say what a signature takes and gives: "text (words int32[?]) -> scores float32[?,2]"; its name if that is all."""
    if not signature.inputs and not signature.outputs:
        return shown(signature.name)
    return f"{shown(signature.name)} ({_specs(signature.inputs)}) -> {_specs(signature.outputs)}"


def _specs(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(typed(spec, ",") for spec in specs)


def typed(spec: TensorSpec, between: str) -> str:
    """Say of which type and sizes a tensor is: "images float32[?,4]", "any float32[…]"."""
    sizes = "…" if spec.unknown and not spec.shape else between.join(map(_size, spec.shape))
    return f"{shown(spec.name)} {spec.dtype}[{sizes}]{' (has a value of its own)' if spec.optional else ''}"


def _size(size: int | None) -> str:
    return "?" if size is None else str(size)
