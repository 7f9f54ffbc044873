"""MNN: Alibaba's runtime for phones, in its Python build. CPU only.

Documentation: https://mnn-docs.readthedocs.io/en/latest/inference/python.html
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays, dtype_of
from exports.contract import Runtime, Session
from exports.formats import mnn as files

# What the file says -> what the package has: other whole numbers are taken as those of 32 bits.
_TYPES = {"float32": "float", "float16": "float", "float64": "float", "bfloat16": "float"}
_TYPES |= {"uint8": "uint8", "int8": "int8"} | dict.fromkeys(("int32", "int64", "int16", "uint16", "bool"), "int")
_ARRAYS = {"float": "float32", "int": "int32", "uint8": "uint8", "int8": "int8"}


class Mnn(Runtime):
    """Loads a net as a module."""

    name = "mnn"
    title = "MNN"
    formats = ("mnn",)
    devices = ("cpu",)
    distributions = ()
    environment = "mnn"
    standard = False
    module = "MNN"
    edge = True

    @contextmanager
    def load(self, artifact: Path, signature: Signature, *, device: str, threads: int) -> Iterator[Session]:
        """Open a net for the inputs and outputs of the signature, by their names.

        Raises `ValueError` for a file that MNN cannot read, `Unsupported` for an input of a type that it does not take.
        """
        from MNN import expr

        told = files.layouts(artifact)
        missing = [spec.name for spec in signature.inputs if spec.name not in told]
        if missing:
            raise ValueError(f"{artifact.name} has no input named {', '.join(missing)}; it has {', '.join(told)}")
        takes = [(spec.name, _type(spec.name, told[spec.name][0])) for spec in signature.inputs]
        layout = expr.NHWC if any(last for _, last in told.values()) else expr.NCHW
        gives = [(spec.name, dtype_of(spec.dtype)) for spec in signature.outputs]
        module = _open(artifact, signature, threads)

        def call(inputs: Mapping[str, Array]) -> Arrays:
            given = [_given(inputs[name], kind, layout) for name, kind in takes]
            computed = module.forward(given)
            return {
                name: _read(each, layout).astype(dtype, copy=False)
                for (name, dtype), each in zip(gives, computed, strict=True)
            }

        yield call


def _open(artifact: Path, signature: Signature, threads: int) -> Any:
    from MNN import nn

    # By default it may compute with 16 bits.
    manager = nn.create_runtime_manager(({"backend": "CPU", "numThread": threads, "precision": "high"},))
    takes, gives = [spec.name for spec in signature.inputs], [spec.name for spec in signature.outputs]
    try:
        return nn.load_module_from_file(str(artifact), takes, gives, runtime_manager=manager)
    except (SystemError, RuntimeError) as error:
        raise ValueError(f"MNN cannot read {artifact.name}: {error.__cause__ or error}") from error


def _type(name: str, dtype: str) -> str:
    if dtype not in _TYPES:
        raise Unsupported(f"MNN's Python package has no array for '{name}' of type {dtype}")
    return _TYPES[dtype]


def _given(array: Array, kind: str, layout: Any) -> Any:
    from MNN import expr

    plain = np.ascontiguousarray(array, _ARRAYS[kind])
    return expr.const(plain, array.shape, layout, getattr(expr, kind))


def _read(computed: Any, layout: Any) -> Array:
    from MNN import expr

    if computed.data_format == expr.NC4HW4:  # channels in blocks of four
        computed = expr.convert(computed, layout)
    # A copy: the next call may write into the same memory.
    return np.array(computed.read())


plugin = Mnn()
