"""PNNX: from a traced module to ncnn's files, by ncnn's own makers.

A file computes one row of fixed sizes: ncnn has no batch. Where a network takes whole numbers that it computes with,
such as a mask, the file takes floats, if the network gives the same with them to the bit.
Documentation: https://github.com/Tencent/ncnn/wiki/use-ncnn-with-pytorch-or-onnx
"""

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from evaluator.children.processes import die_with_parent
from evaluator.children.work import attempt
from evaluator.core.errors import Unsupported
from exports.contract import Exporter, Origin
from exports.exporters import _pytorch
from exports.formats import ncnn
from exports.runtimes._torch import tensor

_NO_TOOL = "ncnn's quantizer (ncnn2table, ncnn2int8) is in none of its Python packages: it is built from source"
_LEFT_OVER = re.compile(r"[.:]")  # in the kinds of layers that are PyTorch's, PNNX's or ATen's own: ncnn has none such
_NO_BATCH = re.compile(r"^.*batch (?:axis|index|dim).*not supported.*$", re.MULTILINE)
_DTYPES = {"float32": "f32", "float64": "f64", "float16": "f16", "int64": "i64", "int32": "i32", "bool": "bool"}
_DTYPES |= {"int16": "i16", "int8": "i8", "uint8": "u8"}
_TOLERANCE = 1e-3  # of the largest output, between a row alone and among others: kernels differ with the batch size
_MOST_DIMENSIONS = 4  # of one row
_LONGEST = 300  # characters of what the tool said last


class NcnnPnnx(Exporter):
    """Two files, `model.param` and `model.bin`; the values that go in and come out are numbered: `in0`, `out0`."""

    name = "ncnn_pnnx"
    title = "PNNX"
    origin = "pytorch"
    format = "ncnn"
    route = "crossing"
    layout = "pytorch"
    cannot: ClassVar = {"int8_dynamic": _NO_TOOL, "int8": _NO_TOOL}
    distributions: ClassVar = ("torch",)
    environment = "ncnn"

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Trace one row, convert, and keep what ncnn reads; "fp16" is how the weights are stored.

        Raises `Unsupported` for a network that needs what ncnn does not have.
        """
        example = _row(origin)
        path = folder / "model.param"
        with TemporaryDirectory(dir=folder) as scratch:
            traced = Path(scratch) / "model.pt"
            example = _trace(origin, example, traced)
            _convert(traced, example, half=precision == "fp16")
            _judge(traced.with_suffix(".ncnn.param"), origin, example)
            _write_sizes(traced.with_suffix(".ncnn.param"), path, example)
            traced.with_suffix(".ncnn.bin").replace(path.with_suffix(".bin"))
        return path


def _row(origin: Origin) -> list[Any]:
    """Return one row of the example; raises `Unsupported` where there are no rows, or ncnn has no array for one."""
    for spec in (*origin.signature.inputs, *origin.signature.outputs):
        if spec.shape[:1] not in ((None,), (1,)):
            raise Unsupported(f"ncnn computes one row of a batch, and the first dimension of '{spec.name}' is no batch")
    found = [tensor(origin.example[spec.name][:1]) for spec in origin.signature.inputs]
    for spec, each in zip(origin.signature.inputs, found, strict=True):
        if each.dim() - 1 > _MOST_DIMENSIONS or not each.numel():
            raise Unsupported(f"ncnn has no array for a row of '{spec.name}': {tuple(each.shape[1:])}")
    return found


def _trace(origin: Origin, example: Sequence[Any], path: Path) -> list[Any]:
    """Write a traced module that gives a tuple of tensors; return the example with the types that it takes."""
    import torch

    names = [spec.name for spec in origin.signature.outputs]

    class Plain(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.network = origin.model

        def forward(self, *inputs: Any) -> tuple[Any, ...]:
            return _plain(self.network(*inputs), names)

    # The fused path of nn.TransformerEncoder is chosen by conditions that a trace cannot hold; its check then fails.
    torch.backends.mha.set_fastpath_enabled(False)
    with torch.no_grad():
        module = Plain().eval()
        _judge_rows(module, _pytorch.example_tensors(origin))
        floats = _as_floats(module, origin)
        taken = [each.float() if index in floats else each for index, each in enumerate(example)]
        torch.jit.trace(module, tuple(taken), check_tolerance=1e-4).save(str(path))
    return taken


def _plain(result: Any, names: Sequence[str]) -> tuple[Any, ...]:
    """Return all that a network gives, in the signature's order where it gives names."""
    if isinstance(result, Mapping):
        return tuple(result[name] for name in names) if set(names) <= set(result) else tuple(result.values())
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def _judge_rows(module: Any, given: Sequence[Any]) -> None:
    """Raise `Unsupported` where what is computed of one row depends on the others: a file computes one alone."""
    whole = module(*given)
    for index in range(len(given[0])):
        alone = module(*[each[index : index + 1] for each in given])
        if not all(map(_same, (each[index : index + 1] for each in whole), alone)):
            raise Unsupported("ncnn has no batch, and what the network gives for one row depends on the others")


def _same(among: Any, alone: Any) -> bool:
    if among.shape != alone.shape:
        return False
    most = _TOLERANCE * float(among.double().nan_to_num().abs().max()) if among.numel() else 0.0
    return bool(among.double().allclose(alone.double(), rtol=0.0, atol=most, equal_nan=True))


def _as_floats(module: Any, origin: Origin) -> set[int]:
    """Return which inputs of whole numbers the module takes as floats, and gives the same to the bit on all rows."""
    import torch

    found: set[int] = set()
    for arrays in (origin.example, origin.calibration):
        given = [tensor(arrays[spec.name]) for spec in origin.signature.inputs]
        golden = module(*given)
        for index in (at for at, each in enumerate(given) if not each.is_floating_point()):
            tried = [each.float() if at == index or at in found else each for at, each in enumerate(given)]
            told = attempt(lambda tried=tried: module(*tried))  # type: ignore[misc]  # a default binds it now
            same = not isinstance(told, Exception) and all(map(torch.equal, golden, told))
            (found.add if same else found.discard)(index)
    return found


def _convert(traced: Path, example: Sequence[Any], *, half: bool) -> None:
    """Run PNNX beside the traced file; raises `Unsupported` for what it says it cannot do, and leaves out."""
    import pnnx

    shapes = ",".join(f"[{','.join(map(str, each.shape))}]{_dtype(each)}" for each in example)
    command = [pnnx.EXEC_PATH, traced.name, f"inputshape={shapes}", f"fp16={int(half)}"]
    done = subprocess.run(
        command,
        cwd=traced.parent,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        preexec_fn=die_with_parent,
    )
    said = done.stdout + done.stderr
    refused = without_batch(said)
    if refused:
        raise Unsupported(f"ncnn has no batch, and PNNX cannot do without it: {refused}")
    if done.returncode or not traced.with_suffix(".ncnn.param").is_file():
        raise RuntimeError(f"pnnx ended with {done.returncode}: {' '.join(said.split())[-_LONGEST:]}")


def without_batch(said: str) -> str | None:
    """Return the line in which PNNX says that it leaves out what it has no way to; it writes its files all the same."""
    found = _NO_BATCH.search(said)
    return found[0].strip() if found else None


def _dtype(example: Any) -> str:
    name = str(example.dtype).removeprefix("torch.")
    if name not in _DTYPES:
        raise Unsupported(f"pnnx takes no inputs of type {name}")
    return _DTYPES[name]


def _judge(path: Path, origin: Origin, example: Sequence[Any]) -> None:
    """Look for what ncnn could not load, or would compute wrongly: PNNX writes it all the same and ends well."""
    graph = ncnn.read(path)
    left = sorted({layer.kind for layer in graph.layers if _LEFT_OVER.search(layer.kind)})
    if left:
        raise Unsupported(f"ncnn has no layer for {', '.join(left)}")
    takes = [spec.name for spec in origin.signature.inputs]
    inputs = dict(zip(ncnn.placed([spec.name for spec in graph.inputs], takes), graph.inputs, strict=True))
    for name, each in zip(takes, example, strict=True):
        spec = inputs.get(name)
        if spec is None:
            continue  # the network does not use it
        if spec.name in graph.mixed or (spec.dtype == "float32") != each.is_floating_point():
            raise Unsupported(
                f"ncnn computes with floats only, and whole numbers are no floats for it: '{name}' is taken as such"
            )
    gives = [spec.name for spec in origin.signature.outputs]
    if sorted(ncnn.placed([spec.name for spec in graph.outputs], gives)) != sorted(gives):
        raise Unsupported(f"of {', '.join(gives)}, the file gives only {len(graph.outputs)}")


def _write_sizes(source: Path, target: Path, example: Sequence[Any]) -> None:
    """Write the graph with the sizes of a row in each of its inputs: for any other, ncnn computes something else."""
    lines = []
    for line in source.read_text(encoding="utf-8").splitlines():
        words = line.split()
        place = ncnn.position(words[4]) if words[0] == ncnn.INPUT else None
        if place is None:
            lines.append(line)
            continue
        sizes = tuple(example[place].shape[1:])[::-1] or (1,)
        lines.append(
            " ".join([line, *(f"{key}={size}" for key, size in zip(ncnn.SIZES[len(sizes) - 1], sizes, strict=True))])
        )
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


plugin = NcnnPnnx()
