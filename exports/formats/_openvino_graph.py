"""Reading a graph of OpenVINO: its XML element by element, so that none can be deeper than our stack, and no entities.

Elements and types: https://docs.openvino.ai/2026/documentation/openvino-ir-format.html and, as OpenVINO reads them,
https://github.com/openvinotoolkit/openvino/tree/master/src/core/xml_util
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from xml.parsers import expat

from exports.contract import NotReadError
from exports.formats._naming import MOST_DIMENSIONS, short

Bounds = tuple[tuple[int, int | None], ...]

_MOST_BYTES = 256 << 20  # of the XML file: the weights lie beside it
_MOST_DEPTH = 200  # elements within elements: a model within a model within a model has thirty
_OLDEST = 10  # the first version that today's OpenVINO reads
_NAMES = re.compile(r"(?:\\.|[^,\\])+")  # of a tensor, with commas between them; a comma in one is "\,"
_SIZE = re.compile(r"(?P<fixed>\d{1,18})|(?P<free>\?|-1)|(?P<least>\d{0,18})\.\.(?P<most>\d{0,18})")
_NUMBER = re.compile(r"\d{1,18}")
_NO_OPERATORS = {"Parameter", "Result", "Const"}  # they compute nothing
_ANY_SHAPE = "..."
_UNRANKED = "the file leaves open how many dimensions it has"
_UNTOLD = "the file does not tell whether it is a number or has dimensions"
_ABBREVIATED = re.compile(r"(fp?|bf|i|u)(\d{1,2})")
_WHOLE = {"f": "float", "fp": "float", "bf": "bfloat", "i": "int", "u": "uint"}
_DTYPES = {  # those that are not abbreviations -> numpy's name
    "boolean": "bool",
    "string": "str",
    "f8e4m3": "float8_e4m3fn",
    "f8e5m2": "float8_e5m2",
    "f8e8m0": "float8_e8m0fnu",
    "f4e2m1": "float4_e2m1fn",
}
_BITS = {"bool": 8, "float8_e4m3fn": 8, "float8_e5m2": 8, "float8_e8m0fnu": 8, "float4_e2m1fn": 4, "nf4": 4}
_PLAIN = re.compile(r"(?:float|bfloat|int|uint)(\d{1,2})")
_IN_GROUPS = {"uint3", "uint6"}  # several share some bytes: how many bytes they take follows from no product


@dataclass(slots=True)
class Tensor:
    """What a graph takes or gives: types in numpy's words, None for a free size."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    unknown: str
    bounds: Bounds = ()


@dataclass(slots=True)
class _Port:
    dtype: str
    names: list[str]
    sizes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Layer:
    kind: str
    name: str
    number: str
    inner: bool  # of the body of a loop or a condition
    named: list[str]  # the names of what it gives, where it is an output
    about: dict[str, str] = field(default_factory=dict)
    takes: list[_Port] = field(default_factory=list)
    gives: dict[str, _Port] = field(default_factory=dict)

    def number_of(self, key: str) -> int:
        """Return a number that stands in its description; `ValueError` for anything else there."""
        told = self.about.get(key, "")
        if not _NUMBER.fullmatch(told):
            raise ValueError(f"the layer '{short(self.name)}' has the {key} '{short(told)}', which is no number")
        return int(told)


class Graph:
    """What is found in an XML file; raises `ValueError` for one that is damaged or no graph."""

    def __init__(self, path: Path) -> None:
        self.path, self.size = path, path.stat().st_size
        self.version = 0
        self.operators: Counter[str] = Counter()
        self.told_bytes = 0  # of what was told of its making
        self._layers: dict[str, _Layer] = {}  # of the outermost graph, by number
        self._constants: list[_Layer] = []
        self._sources: dict[str, tuple[str, str]] = {}  # an output's number -> the layer and the port that it takes
        self._open: list[str] = []
        self._within: list[_Layer] = []
        self._text = ""
        self._told_from = 0
        if self.size > _MOST_BYTES:
            raise ValueError(f"{path.name} has {self.size} bytes, more than {_MOST_BYTES} are not read")
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        try:
            self._parser.Parse(path.read_bytes(), True)
        except expat.ExpatError as error:
            raise ValueError(f"{path.name} is damaged: {error}") from error
        if not self.version:
            raise ValueError(f"{path.name} is XML, and no graph of OpenVINO: its root is no <net>")

    @property
    def has_constants(self) -> bool:
        """Tell whether a file with constants belongs to it."""
        return any(layer.about.get("size", "0") != "0" for layer in self._constants)

    def taken(self) -> list[Tensor]:
        """Describe what the whole graph takes, in order; what has no name is called like its layer."""
        return [_taken(layer) for layer in self._layers.values() if layer.kind == "Parameter"]

    def given(self) -> list[Tensor]:
        """Describe what it gives. Older files name the tensor that an output takes, and not the output."""
        found = []
        for layer in self._layers.values():
            if layer.kind == "Result":
                number, place = self._sources.get(layer.number, ("", ""))
                source = self._layers[number].gives.get(place) if number in self._layers else None
                found.append(_given(layer, layer.named or (source.names if source else [])))
        return found

    def weights(self, held: int) -> Counter[str]:
        """Return how many bytes of each type the constants have; `ValueError` when the file does not hold them."""
        found: dict[tuple[int, int], str] = {}
        for layer in self._constants:
            dtype = _dtype(layer.about.get("element_type", ""))
            start, size = layer.number_of("offset"), layer.number_of("size")
            wanted = _bytes(layer, dtype)
            if wanted is not None and wanted != size:
                raise ValueError(f"the constant '{short(layer.name)}' should have {wanted} bytes, and has {size}")
            if start + size > held:
                said = f"the constants should have at least {start + size} bytes, and their file has {held}"
                raise ValueError(f"{said}: it is cut off, or another model's")
            found[start, size] = dtype
        weights: Counter[str] = Counter()
        for (_, size), dtype in found.items():
            weights[dtype] += size
        if weights.total() > held:
            raise ValueError(f"the constants overlap: they have {weights.total()} bytes in a file of {held}")
        return +weights

    def _refuse(self, *_: object) -> None:
        raise ValueError(f"{self.path.name} declares a document type, which no graph of OpenVINO does")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= _MOST_DEPTH:
            raise ValueError(f"{self.path.name} has elements more than {_MOST_DEPTH} deep")
        self._text = ""
        if not self._open:
            self.version = self._version(attributes) if name == "net" else 0
        elif self._open == ["net"] and name == "rt_info":
            self._told_from = self._parser.CurrentByteIndex
        elif self._open == ["net", "edges"] and name == "edge":
            source = attributes.get("from-layer", ""), attributes.get("from-port", "")
            self._sources[attributes.get("to-layer", "")] = source
        elif self._open[-1] == "layers" and name == "layer":
            self._within.append(self._layer(attributes))
        elif self._within:
            self._part(self._within[-1], name, attributes)
        self._open.append(name)

    def _version(self, attributes: dict[str, str]) -> int:
        told = attributes.get("version", "")
        version = int(told) if re.fullmatch(r"\d{1,4}", told) else 0
        if not version:
            raise ValueError(f"{self.path.name} has the version '{short(told)}', which is none")
        if version < _OLDEST:
            raise NotReadError(f"it is a graph of version {version}, and OpenVINO reads those from {_OLDEST} on")
        return version

    def _layer(self, attributes: dict[str, str]) -> _Layer:
        kind, group = attributes.get("type", ""), attributes.get("version", "")
        if not kind:
            raise ValueError(f"the layer '{short(attributes.get('name', ''))}' does not say what it is")
        return _Layer(
            kind=kind if not group or group.startswith("opset") else f"{group}::{kind}",
            name=attributes.get("name", ""),
            number=attributes.get("id", ""),
            inner=bool(self._within),
            named=_names(attributes.get("output_names", "")),
        )

    def _part(self, layer: _Layer, name: str, attributes: dict[str, str]) -> None:
        above = "/".join(self._open[-2:])
        if name == "data" and self._open[-1] == "layer":
            layer.about = attributes
        elif name == "port" and above in ("layer/input", "layer/output"):
            port = _Port(attributes.get("precision", ""), _names(attributes.get("names", "")))
            if above == "layer/input":
                layer.takes.append(port)
            else:
                layer.gives[attributes.get("id", "")] = port

    def _characters(self, text: str) -> None:
        if self._open[-1] == "dim":
            self._text += text

    def _end(self, name: str) -> None:
        self._open.pop()
        if self._open == ["net"] and name == "rt_info":
            end = self._parser.CurrentByteIndex + len("</rt_info>")
            self.told_bytes += min(end, self.size) - self._told_from
        elif self._open[-1:] == ["layers"] and name == "layer":
            self._keep(self._within.pop())
        elif name == "dim" and self._open[-3:] == ["layer", "input", "port"] and self._within:
            self._within[-1].takes[-1].sizes.append(self._text)

    def _keep(self, layer: _Layer) -> None:
        if layer.kind not in _NO_OPERATORS:
            self.operators[layer.kind] += 1
        elif layer.kind == "Const":
            self._constants.append(layer)
        if not layer.inner and self._layers.setdefault(layer.number, layer) is not layer:
            raise ValueError(f"two layers have the number '{short(layer.number)}'")


def _taken(layer: _Layer) -> Tensor:
    names = [name for port in layer.gives.values() for name in port.names]
    told = layer.about.get("shape", "")
    bounds = _bounds(told)
    return Tensor(
        name=(*names, layer.name)[0],
        dtype=_dtype(layer.about.get("element_type", "")),
        shape=tuple(least if least == most else None for least, most in bounds),
        unknown=_UNRANKED if told.strip() == _ANY_SHAPE else "",
        bounds=bounds,
    )


def _given(layer: _Layer, names: list[str]) -> Tensor:
    if not layer.takes:
        raise ValueError(f"the output '{short(layer.name)}' does not say what it gives")
    port = layer.takes[0]
    sizes = _bounds(",".join(port.sizes))
    return Tensor(
        name=(*names, layer.name)[0],
        dtype=_dtype(port.dtype),
        shape=tuple(least if least == most else None for least, most in sizes),
        unknown="" if sizes else _UNTOLD,
    )


def _names(told: str) -> list[str]:
    return [re.sub(r"\\(.)", r"\1", name) for name in _NAMES.findall(told)]


def _dtype(told: str) -> str:
    """Return numpy's name of a type: "f32" in layers, "FP32" at their ports."""
    low = told.lower()
    found = _ABBREVIATED.fullmatch(low)
    return f"{_WHOLE[found[1]]}{found[2]}" if found else _DTYPES.get(low, short(low) or "unknown")


def _bounds(shape: str) -> Bounds:
    """Return the least and the most of each dimension of "?,3,1..64"; nothing where their number is free."""
    sizes = shape.split(",") if shape.strip() not in ("", _ANY_SHAPE) else []
    if len(sizes) > MOST_DIMENSIONS:
        raise ValueError(f"a tensor has {len(sizes)} dimensions")
    return tuple(_bound(size.strip()) for size in sizes)


def _bound(size: str) -> tuple[int, int | None]:
    found = _SIZE.fullmatch(size)
    if found is None:
        raise ValueError(f"a size of a tensor is '{short(size)}', which is none")
    if found["fixed"]:
        return int(found["fixed"]), int(found["fixed"])
    return int(found["least"] or 0), int(found["most"]) if found["most"] else None


def _bytes(layer: _Layer, dtype: str) -> int | None:
    """Return how many bytes a constant must have; None for types of which that is not known."""
    plain = _PLAIN.fullmatch(dtype)
    bits = int(plain[1]) if plain else _BITS.get(dtype)
    if bits is None or dtype in _IN_GROUPS:
        return None
    return -(-prod(least for least, _ in _bounds(layer.about.get("shape", ""))) * bits // 8)
