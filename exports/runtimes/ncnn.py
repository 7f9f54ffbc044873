"""ncnn: Tencent's runtime for phones, in its Python build.

It computes one row at a time: a batch is computed row by row. Of a size that its file was not made for it computes
something else without a word, so that those are refused here. CPU only.
Documentation: https://github.com/Tencent/ncnn/wiki
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature, TensorSpec
from evaluator.core.tensors import Array, Arrays, dtype_of
from exports.contract import Runtime, Session
from exports.formats import ncnn as files

_MOST_DIMENSIONS = 4
_HALVES = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic")
_Given = tuple[str, TensorSpec]  # by which name an array is given, and what the file says of it


class Ncnn(Runtime):
    """Loads a graph with the weights beside it."""

    name = "ncnn"
    title = "ncnn"
    formats = ("ncnn",)
    devices = ("cpu",)
    distributions = ()
    environment = "ncnn"
    standard = False
    module = "ncnn"
    openmp = True
    edge = True

    @contextmanager
    def load(self, artifact: Path, signature: Signature, *, device: str, threads: int) -> Iterator[Session]:
        """Open the graph and its weights; raises `Unsupported` for a layer that it does not have.

        What comes out gets the sizes and the type that the signature says: ncnn leaves out dimensions of size 1.
        """
        graph = files.read(artifact)
        _, weights = files.plugin.files(artifact)
        takes = _paired(graph.inputs, signature.inputs)
        places = {name: spec.name for name, spec in _paired(graph.outputs, signature.outputs)}
        gives = [(places[spec.name], spec) for spec in signature.outputs if spec.name in places]
        engine = _open(artifact, weights, threads)
        try:
            yield lambda inputs: _batch(engine, inputs, takes, gives)
        finally:
            engine.clear()


def _paired(of_file: Sequence[TensorSpec], wanted: Sequence[TensorSpec]) -> list[_Given]:
    names = files.placed([spec.name for spec in of_file], [spec.name for spec in wanted])
    return list(zip(names, of_file, strict=True))


def _open(artifact: Path, weights: Path, threads: int) -> Any:
    import ncnn

    engine = ncnn.Net()
    engine.opt.num_threads = threads
    for option in _HALVES:  # by default it computes with 16 bits where a processor can
        setattr(engine.opt, option, False)
    if engine.load_param(str(artifact)):
        known = {layer.kind for layer in files.read(artifact).layers if ncnn.create_layer(layer.kind) is None}
        raise Unsupported(f"ncnn {ncnn.__version__} cannot load {artifact.name}{_lacking(sorted(known))}")
    if engine.load_model(str(weights)):
        raise ValueError(f"ncnn cannot read the weights {weights.name}: they are damaged, or of another graph")
    return engine


def _lacking(kinds: Sequence[str]) -> str:
    return f": it has no layer {', '.join(kinds)}" if kinds else ""


def _batch(engine: Any, inputs: Mapping[str, Array], takes: Sequence[_Given], gives: Sequence[_Given]) -> Arrays:
    """Compute row by row; raises `ValueError` for sizes that the file is not made for."""
    given = {spec.name: _rows(inputs[name], name, spec) for name, spec in takes}
    count = len(next(iter(inputs.values())))
    computed = [_row(engine, {blob: array[index] for blob, array in given.items()}, gives) for index in range(count)]
    return {spec.name: _typed(np.stack([row[blob] for row in computed]), spec.dtype) for blob, spec in gives}


def _rows(array: Array, name: str, spec: TensorSpec) -> Array:
    """Return an array as the file takes its rows: contiguous, of 32-bit floats or whole numbers."""
    sizes = array.shape[1:] or (1,)
    if spec.shape and sizes != spec.shape[1:]:
        raise ValueError(
            f"the file takes '{name}' in the sizes {spec.shape[1:]} only: of {sizes}, ncnn would compute something else"
        )
    if len(sizes) > _MOST_DIMENSIONS or 0 in sizes:
        raise ValueError(f"ncnn has no array for a row of '{name}': {sizes}")
    return np.ascontiguousarray(array, spec.dtype).reshape(-1, *sizes)


def _row(engine: Any, given: Mapping[str, Array], gives: Sequence[_Given]) -> Arrays:
    import ncnn

    extractor = engine.create_extractor()
    for blob, array in given.items():
        # A copy: ncnn aligns channels in memory, numpy does not.
        _check(extractor.input(blob, ncnn.Mat(array).clone()), f"take '{blob}'")
    found = {}
    for blob, spec in gives:
        code, computed = extractor.extract(blob)
        _check(code, f"compute '{blob}'")
        found[blob] = _shaped(np.array(computed), spec)
    return found


def _check(code: int, what: str) -> None:
    if code:  # nothing else tells: what is computed is empty then
        raise RuntimeError(f"ncnn could not {what}: it returned {code}")


def _shaped(array: Array, spec: TensorSpec) -> Array:
    """Give an array the sizes of the signature, where it says them all and they fit."""
    sizes = [size for size in spec.shape[1:] if size is not None]
    known = len(sizes) == len(spec.shape) - 1
    return array.reshape(sizes) if known and prod(sizes) == array.size else array


def _typed(array: Array, name: str) -> Array:
    dtype = dtype_of(name)
    return (np.rint(array) if dtype.kind in "biu" else array).astype(dtype, copy=False)


plugin = Ncnn()
