"""TFLite (LiteRT): a flat buffer of operators and constant weights for interpreters on phones and small devices.

What is lost: everything but the forward pass; operators that no TFLite kernel implements cannot be expressed.
Specification: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs
"""

import re
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any

from evaluator.core.errors import Unavailable
from evaluator.core.records import Anatomy, TensorSpec
from exports.contract import Format

_IDENTIFIER = b"TFL3"  # at the fifth byte
_SIGNATURE = b"serving_default"
_NAMES = {"STRING": "str"}  # of types whose name is not numpy's in capitals
_MISREAD = (struct.error, IndexError, TypeError, OverflowError, UnicodeDecodeError)  # what a wrong offset ends in


class TFLite(Format):
    """A file with the signature `serving_default`."""

    name = "tflite"
    title = "TFLite"
    path = "mobile"
    suffixes = (".tflite",)
    inert = True

    def recognises(self, path: Path) -> bool:
        """Look for the identifier of the schema."""
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(8)[4:] == _IDENTIFIER

    def anatomy(self, artifact: Path) -> Anatomy:
        """Read the flat buffer by the schema that the package ai-edge-litert brings along.

        An operator's version, when it is above 1, stands behind its name: interpreters refuse versions that they do
        not know. Raises `Unavailable` without the package.
        """
        try:
            from ai_edge_litert import schema_py_generated as schema
        except ModuleNotFoundError as error:
            remedy = "pip install -c constraints.txt ai-edge-litert"
            raise Unavailable("not installed: ai-edge-litert", remedy=remedy) from error
        if not self.recognises(artifact):
            raise ValueError(f"{artifact.name} is no TFLite file: it lacks the identifier {_IDENTIFIER.decode()}")
        content = artifact.read_bytes()
        try:
            return _File(schema, content).anatomy()
        except _MISREAD as error:
            raise ValueError(f"{artifact.name} is damaged, or cut off: {error}") from error


class _File:
    """A model with the accessors that were generated from the schema; they check nothing themselves."""

    def __init__(self, schema: Any, content: bytes) -> None:
        self.content = content
        self.left = len(content)  # how many things may still be read
        self.model = schema.Model.GetRootAs(content)
        self.operators = _names(schema.BuiltinOperator)
        self.types = _names(schema.TensorType)
        self.graphs = self.many(self.model.Subgraphs, self.model.SubgraphsLength())
        if not self.graphs:
            raise ValueError("the TFLite file is damaged, or cut off: it has no subgraph")

    def anatomy(self) -> Anatomy:
        notes = {self.text(each.Name()): each.Buffer() for each in self.metadata()}
        inputs, outputs = self.signature()
        weights = self.weights()
        notes_bytes = sum(self.data_bytes(index) for index in set(notes.values()))
        oldest = self.string(notes.get("min_runtime_version"))
        return Anatomy(
            version=f"schema {self.model.Version()}" + (f", runtime {oldest} or later" if oldest else ""),
            operators=dict(sorted(Counter(self.codes()).items())),
            inputs=inputs,
            outputs=outputs,
            weights=dict(sorted(weights.items())),
            graph_bytes=max(len(self.content) - weights.total() - notes_bytes, 0),
            metadata_bytes=notes_bytes,
        )

    def many(self, get: Callable[[int], Any], length: int) -> list[Any]:
        """Return what a vector holds; each thing takes bytes of the file and is read a few times at most.

        In a hostile file all vectors may be the same few bytes, and a vector of vectors of vectors goes on for ever.
        """
        self.left -= length
        if length < 0 or self.left < 0:
            raise ValueError("the TFLite file is damaged, or cut off: its vectors hold more than it has bytes")
        return [get(index) for index in range(length)]

    def metadata(self) -> list[Any]:
        return self.many(self.model.Metadata, self.model.MetadataLength())

    def codes(self) -> Iterator[str]:
        """Yield the name of each operator of all subgraphs."""
        known = self.many(self.model.OperatorCodes, self.model.OperatorCodesLength())
        for graph in self.graphs:
            for operator in self.many(graph.Operators, graph.OperatorsLength()):
                code = known[operator.OpcodeIndex()]
                # Files from before 2020 have the number in a field of one byte.
                number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
                name = self.operators.get(number, f"operator {number}")
                if name == "CUSTOM":
                    name = self.text(code.CustomCode())
                yield name if code.Version() == 1 else f"{name} v{code.Version()}"

    def signature(self) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        """Return the signature's tensors under its names, or the first graph's under their own."""
        named = self.many(self.model.SignatureDefs, self.model.SignatureDefsLength())
        named.sort(key=lambda each: each.SignatureKey() != _SIGNATURE)
        if named:
            graph = self.graphs[named[0].SubgraphIndex()]
            takes = self.many(named[0].Inputs, named[0].InputsLength())
            gives = self.many(named[0].Outputs, named[0].OutputsLength())
            inputs, outputs = ([(each.TensorIndex(), each.Name()) for each in side] for side in (takes, gives))
        else:
            graph = self.graphs[0]
            takes = self.many(graph.Inputs, graph.InputsLength())
            gives = self.many(graph.Outputs, graph.OutputsLength())
            inputs, outputs = ([(index, graph.Tensors(index).Name()) for index in side] for side in (takes, gives))
        return tuple(self.spec(graph, *each) for each in inputs), tuple(self.spec(graph, *each) for each in outputs)

    def spec(self, graph: Any, index: int, name: bytes | None) -> TensorSpec:
        tensor = graph.Tensors(index)
        free = self.many(tensor.ShapeSignature, tensor.ShapeSignatureLength())
        shape = free or self.many(tensor.Shape, tensor.ShapeLength())
        kind = self.type_of(tensor)
        return TensorSpec(
            name=self.text(name),
            dtype=_NAMES.get(kind, kind.lower()),
            shape=tuple(None if size < 0 else size for size in shape),
        )

    def weights(self) -> Counter[str]:
        """Return the bytes of all constants by type; tensors may share a buffer."""
        sizes: Counter[str] = Counter()
        seen: set[int] = set()
        for graph in self.graphs:
            for tensor in self.many(graph.Tensors, graph.TensorsLength()):
                held = self.data_bytes(tensor.Buffer())
                if held and tensor.Buffer() not in seen:
                    seen.add(tensor.Buffer())
                    kind = self.type_of(tensor)
                    self.check_size(tensor, kind, held)
                    sizes[_NAMES.get(kind, kind.lower())] += held
        return sizes

    def check_size(self, tensor: Any, kind: str, held: int) -> None:
        """Raise `ValueError` when a constant has another size than its shape asks for."""
        if kind in ("STRING", "RESOURCE", "VARIANT") or tensor.Sparsity() is not None:
            return
        shape = self.many(tensor.Shape, tensor.ShapeLength())
        wanted = (prod(shape) * _bits(kind) + 7) // 8
        if held != wanted or any(size < 0 for size in shape):
            name = self.text(tensor.Name())
            raise ValueError(f"the tensor '{name}' should have {wanted} bytes of data and has {held}")

    def type_of(self, tensor: Any) -> str:
        if tensor.Type() not in self.types:
            raise ValueError(f"the TFLite file has a tensor of a type that is not known: {tensor.Type()}")
        return self.types[tensor.Type()]

    def data_bytes(self, index: int) -> int:
        """Return how many bytes a buffer holds, in the flat buffer or (in large files) behind it."""
        if not 0 <= index < self.model.BuffersLength():
            raise ValueError(f"the TFLite file is damaged: it has no buffer {index}")
        buffer = self.model.Buffers(index)
        behind = buffer.Offset() > 1
        size = int(buffer.Size() if behind else buffer.DataLength())
        if size + (buffer.Offset() if behind else 0) > len(self.content):
            raise ValueError(f"the TFLite file is cut off: buffer {index} should have {size} bytes")
        return size

    def string(self, index: int | None) -> str:
        """Return a short text that a buffer holds; empty when there is none."""
        if index is None or not 0 < self.data_bytes(index) <= 64:
            return ""
        return self.text(bytes(self.model.Buffers(index).DataAsNumpy())).rstrip("\0")

    @staticmethod
    def text(raw: bytes | None) -> str:
        return (raw or b"").decode()


def _names(constants: type) -> dict[int, str]:
    """Turn a generated class of constants around: number -> name."""
    return {number: name for name, number in vars(constants).items() if isinstance(number, int)}


def _bits(kind: str) -> int:
    """Return the width that the name of a type tells: BFLOAT16, FLOAT8_E5M2."""
    found = re.search("[0-9]+", kind)
    return int(found[0]) if found else 8  # BOOL


plugin = TFLite()
