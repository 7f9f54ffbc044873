"""PT2: a PyTorch program captured by torch.export, with its weights, in one archive; the successor of TorchScript.

What is lost: control flow that depends on the data. It needs Python and PyTorch to run, or one more compilation.
Specification: https://docs.pytorch.org/docs/stable/export/pt2_archive.html
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from evaluator.core.records import Anatomy, Signature, TensorSpec
from exports.contract import Format
from exports.formats import _pickle, _torch_archive
from exports.formats._torch_archive import Archive
from exports.signatures import judged

_PROGRAM = "models/"
_DEFAULT = "model"  # what torch.export calls a file's only program
_CONFIGURATIONS = {"data/weights/": "_weights_config.json", "data/constants/": "_constants_config.json"}
_OLD = "serialized_exported_program.json"  # the program of a file from before PyTorch 2.8, in no folder
_OLD_PICKLES = "serialized_"  # of its weights, constants and example inputs
_MISREAD = (AttributeError, IndexError, KeyError, TypeError, RecursionError)  # what JSON of another shape ends in
_DTYPES = {  # https://github.com/pytorch/pytorch/blob/main/torch/_export/serde/schema.py, ScalarType
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    10: "complex64",
    11: "complex128",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
    31: "float8_e4m3fnuz",
    32: "float8_e5m2fnuz",
    33: "float8_e8m0fnu",
    34: "uint32",
    35: "uint64",
}
_NUMBERS = {  # kinds of arguments that are no tensors but numbers -> numpy's name of their type
    **dict.fromkeys(("as_int", "as_sym_int"), "int64"),
    **dict.fromkeys(("as_float", "as_sym_float"), "float64"),
    **dict.fromkeys(("as_bool", "as_sym_bool"), "bool"),
}
_EXAMPLES = "data/sample_inputs/"
_OF_TENSORS = re.compile(  # what PyTorch pickles of tensors, and the dictionaries that they lie in
    r"torch\.(_utils\._rebuild\w*|_tensor\._rebuild_from_type_v2|serialization\._get_layout"
    r"|storage\.\w+|\w*Storage|Tensor|Size|device|[a-z]+\d+\w*|bool|nn\.parameter\.Parameter)|collections\.OrderedDict"
)
_NOTHING = "as_none"
_PICKLE = "pickle"  # of a tensor of a class of its own: loading one runs what Python it names
# A free size, or a multiple of one: "Mul(Integer(2), Symbol('s7', positive=True, integer=True))"; older: "2*s7".
_SYMBOL = re.compile(
    r"(?:Mul\(Integer\((?P<times>\d{1,9})\), )?Symbol\('(?P<name>\w+)'[^()]*\)(?(times)\))"
    r"|(?:(?P<plainly>\d{1,9})\*)?(?P<plain>\w+)"
)
_MOST = (1 << 62) - 1  # PyTorch writes more for a size without a bound


class Pt2(Format):
    """A zip file with the program as JSON.

    Its inputs and outputs are those of the graph, in its order: what a structure of arguments holds has one each. An
    output lies under its place in the structure, such as "scores" or "boxes.0"; one that lies in none, or in a tuple,
    under the name that the graph has for it.
    """

    name = "pt2"
    title = "PT2"
    path = "server"
    suffixes = (".pt2",)

    def recognises(self, path: Path) -> bool:
        """Look for a program as JSON."""
        return _torch_archive.holds(path, self.suffixes, wanted=("archive_format", _PROGRAM)) or _is_old(path)

    def anatomy(self, artifact: Path) -> Anatomy:
        """Read programs and weights from their descriptions; the weights themselves are not read.

        A file of several programs, or of one that is not called "model", has a signature for each.
        """
        with _torch_archive.opened(artifact) as archive:
            try:
                programs = _programs(archive)
                first, *others = programs.values()
                weights, pickled = _old_weights(archive) if archive.has(_OLD) else _weights(archive)
                operators = sum((program.operators() for program in others), first.operators())
                signatures = () if programs.keys() == {_DEFAULT} else tuple(map(_signature, programs.items()))
                default = judged(signatures, _DEFAULT)
                name = _DEFAULT if not signatures else "" if default is None else default.name
                graph_bytes = sum(archive.size(entry) for entry in _entries(archive).values())
                told = Anatomy(
                    version=first.version(),
                    operators=dict(operators),
                    signatures=signatures,
                    reaches={**_reaching(operators), **pickled, **_unpickling(archive)},
                    weights=weights,
                    graph_bytes=graph_bytes,
                    metadata_bytes=max(0, artifact.stat().st_size - graph_bytes - sum(weights.values())),
                )
                return programs[name].described(told, name if signatures else "") if name else told
            except _MISREAD as error:
                raise ValueError(f"the program is damaged: {type(error).__name__}") from error


class _Program:
    """The program as JSON: of a stranger's file, so that nothing in it is taken for what it should be."""

    def __init__(self, program: Any) -> None:
        self._whole = program
        self._graph = program["graph_module"]["graph"]
        self._tensors: Mapping[str, Any] = self._graph["tensor_values"]
        self._said = program["graph_module"]["signature"]

    def version(self) -> str:
        version = self._whole["schema_version"]
        return f"schema {_size(version['major'])}.{_size(version['minor'])}"

    def operators(self) -> Counter[str]:
        """Count the calls of operators."""
        return Counter(_text(node["target"]).removeprefix("torch.ops.") for node in self._graph["nodes"])

    def described(self, told: Anatomy, name: str) -> Anatomy:
        """Return what is told of a file with what this program, the judged one, takes and gives."""
        inputs = self.inputs()
        return msgspec.structs.replace(
            told,
            judged=name,
            inputs=tuple(inputs),
            outputs=tuple(self.outputs()),
            usual=self.usual(inputs),
            bounds=self.bounds(inputs),
        )

    def classes(self) -> Iterator[str]:
        """Name the classes in whose objects values are given or come out."""
        calls = [call.get("signature") for call in self._whole["graph_module"]["module_call_graph"]]
        for call in filter(None, calls):
            for each in ("in_spec", "out_spec"):
                yield from _classes(json.loads(call[each])[1])

    def inputs(self) -> list[TensorSpec]:
        """Describe what a caller gives; what is constant is no input."""
        arguments = [each["user_input"]["arg"] for each in self._said["input_specs"] if "user_input" in each]
        specs = (self._spec(argument, "") for argument in arguments)
        return [spec for spec in specs if spec is not None]

    def outputs(self) -> list[TensorSpec]:
        """Describe what comes out, each under its place in the structure that comes out."""
        arguments = [each["user_output"]["arg"] for each in self._said["output_specs"] if "user_output" in each]
        called = self._whole["graph_module"]["module_call_graph"][0].get("signature")
        places = [] if called is None else list(_places(json.loads(called["out_spec"])[1]))
        if len(places) != len(arguments):
            places = [""] * len(arguments)
        found: dict[str, TensorSpec] = {}
        for position, (argument, place) in enumerate(zip(arguments, places, strict=True)):
            spec = self._spec(argument, place)
            if spec is not None:
                numbered = not spec.name or spec.name in found  # a constant, or one value that comes out twice
                name = f"output_{position}" if numbered else spec.name
                found[name] = msgspec.structs.replace(spec, name=name)
        return list(found.values())

    def usual(self, inputs: list[TensorSpec]) -> dict[str, tuple[int, ...]]:
        """Return the sizes that a program was exported with, of inputs with free ones: they fit all its constraints."""
        told = {spec.name: [_example(size) for size in self._sizes(spec)] for spec in inputs if None in spec.shape}
        return {
            name: tuple(size for size in sizes if size is not None) for name, sizes in told.items() if None not in sizes
        }

    def bounds(self, inputs: list[TensorSpec]) -> dict[str, tuple[tuple[int, int | None], ...]]:
        """Return the least and the most of each dimension, of inputs with free ones."""
        return {
            spec.name: tuple(self._bound(size) for size in self._sizes(spec)) for spec in inputs if None in spec.shape
        }

    def _sizes(self, spec: TensorSpec) -> list[Any]:
        sizes: list[Any] = self._tensors[spec.name]["sizes"]
        return sizes

    def _bound(self, size: Any) -> tuple[int, int | None]:
        if "as_int" in size:
            return _size(size["as_int"]), _size(size["as_int"])
        found = _SYMBOL.fullmatch(_text(size["as_expr"]["expr_str"]))
        if found is None:
            return 0, None
        limits = self._whole["range_constraints"].get(found["name"] or found["plain"], {})
        least, most = limits.get("min_val"), limits.get("max_val")
        times = int(found["times"] or found["plainly"] or 1)
        return (
            0 if least is None else times * _size(max(least, 0)),
            None if most is None or most > _MOST else times * _size(most),
        )

    def _spec(self, argument: Any, name: str) -> TensorSpec | None:
        """Describe a tensor or a number; None for what is neither given nor comes out."""
        ((kind, value),) = argument.items()
        if kind == "as_tensor":
            tensor = self._tensors[value["name"]]
            shape = tuple(_size(size["as_int"]) if "as_int" in size else None for size in tensor["sizes"])
            return TensorSpec(name=name or _text(value["name"]), dtype=_dtype(tensor["dtype"]), shape=shape)
        if kind == _NOTHING:
            return None
        named = _text(value["as_name"]) if isinstance(value, dict) and "as_name" in value else ""
        return TensorSpec(name=name or named, dtype=_NUMBERS.get(kind, kind.removeprefix("as_")), shape=())


def structures(artifact: Path) -> set[str]:
    """Return the classes in whose objects programs take or give values, by the names that the file has for them.

    Raises `ValueError` for a file that is damaged.
    """
    with _torch_archive.opened(artifact) as archive:
        try:
            return {name for program in _programs(archive).values() for name in program.classes()}
        except _MISREAD as error:
            raise ValueError(f"the program is damaged: {type(error).__name__}") from error


def _is_old(path: Path) -> bool:
    try:
        with _torch_archive.opened(path) as archive:
            return archive.flat and archive.has(_OLD)
    except (ValueError, OSError):
        return False


def _programs(archive: Archive) -> dict[str, _Program]:
    """Read all programs, by name."""
    return {name: _Program(json.loads(archive.read(entry))) for name, entry in _entries(archive).items()}


def _entries(archive: Archive) -> dict[str, str]:
    """Return where each program lies, by its name."""
    if archive.has(_OLD):
        return {_DEFAULT: _OLD}
    listed = archive.names(_PROGRAM, ".json") or (f"{_PROGRAM}{_DEFAULT}.json",)
    return {entry.removeprefix(_PROGRAM).removesuffix(".json"): entry for entry in listed}


def _signature(named: tuple[str, _Program]) -> Signature:
    name, program = named
    return Signature(name=name, inputs=tuple(program.inputs()), outputs=tuple(program.outputs()))


def keys_of(context: Any, count: int) -> list[str]:
    """Return the keys, fields or positions of what a structure holds, from what the file says of it.

    That of a dictionary lists its keys, that of a dataclass its fields and those that are None.
    https://github.com/pytorch/pytorch/blob/main/torch/utils/_pytree.py
    """
    try:
        told = json.loads(context) if isinstance(context, str) else None
    except json.JSONDecodeError:  # of a named tuple it is the name of its class, of others whatever they chose
        told = None
    for keys in (told, *(told if isinstance(told, list) else ())):
        if isinstance(keys, list) and len(keys) == count and all(isinstance(key, str | int) for key in keys):
            return list(map(str, keys))
    return [str(position) for position in range(count)]


def _classes(spec: Mapping[str, Any]) -> Iterator[str]:
    if spec["type"] is not None:
        yield _text(spec["type"])
    for child in spec["children_spec"]:
        yield from _classes(child)


def _children(spec: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    children = spec["children_spec"]
    return list(zip(keys_of(spec["context"], len(children)), children, strict=True))


def _places(spec: Mapping[str, Any]) -> Iterator[str]:
    """Return the place of each value in the structure that comes out; it is empty in none, and right in a tuple."""
    if spec["type"] is None:
        yield ""
        return
    numbered = spec["type"] in ("builtins.tuple", "builtins.list")
    for key, child in _children(spec):
        if child["type"] is None:
            yield "" if numbered else key
        else:
            yield from _below(f"output_{key}" if numbered else key, child)


def _below(place: str, spec: Mapping[str, Any]) -> Iterator[str]:
    if spec["type"] is None:
        yield place
    else:
        for key, child in _children(spec):
            yield from _below(f"{place}.{key}", child)


def _weights(archive: Archive) -> tuple[dict[str, int], dict[str, int]]:
    """Sum up the files that the configurations list, by type; several names may share one. And count the pickles."""
    found: dict[str, str] = {}
    pickled = 0
    for folder, ending in _CONFIGURATIONS.items():
        for listed in archive.names(folder, ending):
            for entry in json.loads(archive.read(listed))["config"].values():
                if entry["tensor_meta"]:  # else it is an object of a class, no tensor
                    found[folder + _text(entry["path_name"])] = _dtype(entry["tensor_meta"]["dtype"])
                    pickled += bool(entry.get("use_pickle"))
    sizes: Counter[str] = Counter()
    for name, dtype in found.items():
        sizes[dtype] += archive.size(name)
    return dict(sizes), {_PICKLE: pickled} if pickled else {}


def _old_weights(archive: Archive) -> tuple[dict[str, int], dict[str, int]]:
    """Sum up the storages of weights and constants, by type; what their pickles ask for is told elsewhere."""
    sizes: Counter[str] = Counter()
    for entry in _old_pickles(archive):
        if "example_inputs" not in entry:
            with archive.inside(entry) as inner:
                sizes.update(_torch_archive.weights(inner, {"data.pkl": ("data",)}))
    return dict(sizes), {}


def _old_pickles(archive: Archive) -> list[str]:
    """Name the pickles of a file of the old layout: empty ones stand for nothing."""
    names = archive.names(_OLD_PICKLES) if archive.has(_OLD) else ()
    return [name for name in names if name != _OLD and archive.size(name)]


def _unpickling(archive: Archive) -> dict[str, int]:
    """Return what PyTorch imports, and may call, when it unpickles the example inputs: what is none of its own tensors.

    It does so where they are not of the few classes that it knows to be harmless. Older files pickle weights as well.
    """
    found: Counter[str] = Counter()
    for entry in (*archive.names(_EXAMPLES, ".pt"), *_old_pickles(archive)):
        with archive.inside(entry) as inner:
            if inner.has("data.pkl"):
                found.update(
                    f"{_PICKLE} {name}" for name in _pickle.named(inner.read("data.pkl")) if not _is_tensor(name)
                )
    return dict(found)


def _is_tensor(name: str) -> bool:
    return _OF_TENSORS.fullmatch(name) is not None


def _reaching(operators: Mapping[str, int]) -> dict[str, int]:
    """Return the operators that do more than compute, under the names that TorchScript has for them."""
    found: Counter[str] = Counter()
    for target, count in operators.items():
        found["::".join(target.split(".")[:2])] += count
    return _torch_archive.reaching(found)


def _example(size: Any) -> int | None:
    """Return a dimension as it was when the program was exported; None where that is not told."""
    told = size if "as_int" in size else size["as_expr"].get("hint") or {}
    return _size(told["as_int"]) if "as_int" in told else None


def _dtype(number: Any) -> str:
    return _DTYPES.get(_size(number), f"type {number}")


def _size(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
        raise TypeError("something else in place of a size")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("something else in place of a text")
    return value


plugin = Pt2()
