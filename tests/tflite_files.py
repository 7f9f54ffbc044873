"""TFLite files written by hand: any graph, any names, without a converter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema


def numbers(enumeration: str) -> dict[str, int]:
    """Return the members of one of the schema's enumerations."""
    return {name: number for name, number in vars(getattr(schema, enumeration)).items() if isinstance(number, int)}


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """One tensor of a subgraph; sizes of -1 are free, and stand in as 1, or as they are `laid_out`."""

    name: str | bytes | None
    shape: tuple[int, ...] = (1, 4)
    dtype: str = "float32"
    data: bytes = b""
    variable: bool = False
    external: int = 0  # the id of its data in another file
    laid_out: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator: "ADD", or a custom one by its own name."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    version: int = 1


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A subgraph, and where a signature of it is named: key -> (names of inputs, names of outputs)."""

    tensors: Sequence[Tensor]
    operators: Sequence[Operator]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    signatures: Mapping[str, tuple[Sequence[str], Sequence[str]]] = field(default_factory=dict)


def write(path: Path, *graphs: Graph, external: Sequence[tuple[str, int, int]] = ()) -> Path:
    """Write a file; `external` holds (file, offset, length) of data that lie elsewhere, with ids from 1."""
    model = _filled(schema.ModelT(), version=3, buffers=[schema.BufferT()], operatorCodes=[], subgraphs=[])
    model.signatureDefs = []
    for index, graph in enumerate(graphs):
        model.subgraphs.append(_subgraph(model, graph))
        for key, (takes, gives) in graph.signatures.items():
            sides = [_maps(names, places) for names, places in ((takes, graph.inputs), (gives, graph.outputs))]
            definition = _filled(schema.SignatureDefT(), signatureKey=key, subgraphIndex=index)
            model.signatureDefs.append(_filled(definition, inputs=sides[0], outputs=sides[1]))
    names = list(dict.fromkeys(name for name, _, _ in external))
    model.externalBufferGroups = [_filled(schema.ExternalBufferGroupT(), name=name) for name in names]
    model.externalBuffers = [
        _filled(schema.ExternalBufferT(), id=number, group=names.index(name), offset=offset, length=length)
        for number, (name, offset, length) in enumerate(external, 1)
    ]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())
    return path


def adds(takes: Sequence[str], gives: Sequence[str], **how: Any) -> Graph:
    """Return a graph of ADD: the first output is the sum of all inputs, each further one double the last."""
    tensors = [Tensor(name=name, **how) for name in takes]
    operators, last = [], 0
    for index in range(1, len(takes)):
        tensors.append(Tensor(name=f"between_{index}", **how))
        operators.append(Operator(name="ADD", inputs=(last, index), outputs=(len(tensors) - 1,)))
        last = len(tensors) - 1
    outputs = []
    for name in gives:
        tensors.append(Tensor(name=name, **how))
        operators.append(Operator(name="ADD", inputs=(last, last), outputs=(len(tensors) - 1,)))
        last = len(tensors) - 1
        outputs.append(last)
    return Graph(tensors=tensors, operators=operators, inputs=tuple(range(len(takes))), outputs=tuple(outputs))


def named(graph: Graph, key: str, takes: Sequence[str], gives: Sequence[str]) -> Graph:
    """Give a graph a signature."""
    return replace(graph, signatures={key: (takes, gives)})


def _subgraph(model: Any, graph: Graph) -> Any:
    made = _filled(schema.SubGraphT(), inputs=list(graph.inputs), outputs=list(graph.outputs))
    made.tensors = [_tensor(model, each) for each in graph.tensors]
    made.operators = [_operator(model, each) for each in graph.operators]
    return made


def _tensor(model: Any, tensor: Tensor) -> Any:
    made = _filled(
        schema.TensorT(),
        type=numbers("TensorType")[tensor.dtype.upper()],
        name=tensor.name,
        isVariable=tensor.variable,
        buffer=0,
    )
    made.shape = list(tensor.laid_out or (max(size, 1) for size in tensor.shape))
    if -1 in tensor.shape:
        made.shapeSignature = list(tensor.shape)
    made.externalBuffer = tensor.external
    if tensor.data:
        made.buffer = len(model.buffers)
        model.buffers.append(_filled(schema.BufferT(), data=list(tensor.data)))
    return made


def _operator(model: Any, operator: Operator) -> Any:
    number = getattr(schema.BuiltinOperator, operator.name, schema.BuiltinOperator.CUSTOM)
    code = _filled(schema.OperatorCodeT(), builtinCode=number, version=operator.version)
    code.deprecatedBuiltinCode = min(number, 127)
    if number == schema.BuiltinOperator.CUSTOM:
        code.customCode = operator.name
    model.operatorCodes.append(code)
    made = _filled(schema.OperatorT(), inputs=list(operator.inputs), outputs=list(operator.outputs))
    made.opcodeIndex = len(model.operatorCodes) - 1
    if operator.name == "ADD":
        made.builtinOptionsType, made.builtinOptions = schema.BuiltinOptions.AddOptions, schema.AddOptionsT()
    return made


def _maps(names: Sequence[str], indices: Sequence[int]) -> list[Any]:
    pairs = zip(names, indices, strict=True)
    return [_filled(schema.TensorMapT(), name=name, tensorIndex=index) for name, index in pairs]


def _filled(record: Any, **fields: Any) -> Any:
    for name, value in fields.items():
        setattr(record, name, value)
    return record
