"""PT2: a PyTorch program captured by torch.export, with its weights, in one archive; the successor of TorchScript.

What is lost: control flow that depends on the data. It needs Python and PyTorch to run, or one more compilation.
Specification: https://docs.pytorch.org/docs/stable/export/pt2_archive.html
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluator.core.records import Anatomy, TensorSpec
from exports.contract import Format
from exports.formats import _torch_archive
from exports.formats._torch_archive import Archive

_PROGRAM = "models/"
_CONFIGURATIONS = {"data/weights/": "_weights_config.json", "data/constants/": "_constants_config.json"}
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
}


class Pt2(Format):
    """A zip file with the program as JSON; its inputs are positional, in the signature's order."""

    name = "pt2"
    title = "PT2"
    path = "server"
    suffixes = (".pt2",)

    def recognises(self, path: Path) -> bool:
        """Look for a program as JSON."""
        return _torch_archive.holds(path, wanted=("archive_format", _PROGRAM))

    def anatomy(self, artifact: Path) -> Anatomy:
        """Read program and weights from their descriptions; the weights themselves are not read."""
        with _torch_archive.opened(artifact) as archive:
            name = next(iter(archive.names(_PROGRAM, ".json")), f"{_PROGRAM}model.json")
            try:
                program = json.loads(archive.read(name))
                weights = _weights(archive)
                graph = program["graph_module"]["graph"]
                said = program["graph_module"]["signature"]
                return Anatomy(
                    version="schema {major}.{minor}".format_map(program["schema_version"]),
                    operators=dict(Counter(node["target"].removeprefix("torch.ops.") for node in graph["nodes"])),
                    inputs=_specs(said["input_specs"], "user_input", graph["tensor_values"]),
                    outputs=_specs(said["output_specs"], "user_output", graph["tensor_values"]),
                    weights=weights,
                    graph_bytes=archive.size(name),
                    metadata_bytes=artifact.stat().st_size - archive.size(name) - sum(weights.values()),
                )
            except _MISREAD as error:
                raise ValueError(f"the program is damaged: {type(error).__name__}: {error}") from error


def _weights(archive: Archive) -> dict[str, int]:
    """Sum up the files that the configurations list, by type; several names may share one."""
    found: dict[str, str] = {}
    for folder, ending in _CONFIGURATIONS.items():
        for listed in archive.names(folder, ending):
            for entry in json.loads(archive.read(listed))["config"].values():
                if entry["tensor_meta"]:  # else it is an object of a class, no tensor
                    number = entry["tensor_meta"]["dtype"]
                    found[folder + entry["path_name"]] = _DTYPES.get(number, f"type {number}")
    sizes: Counter[str] = Counter()
    for name, dtype in found.items():
        sizes[dtype] += archive.size(name)
    return dict(sizes)


def _specs(listed: list[dict[str, Any]], kind: str, tensors: Mapping[str, Any]) -> tuple[TensorSpec, ...]:
    """Describe the tensors among the arguments of that kind."""
    arguments = [each[kind]["arg"] for each in listed if kind in each]
    names = [argument["as_tensor"]["name"] for argument in arguments if "as_tensor" in argument]
    return tuple(
        TensorSpec(
            name=name,
            dtype=_DTYPES.get(tensors[name]["dtype"], "unknown"),
            shape=tuple(size.get("as_int") for size in tensors[name]["sizes"]),
        )
        for name in names
    )


plugin = Pt2()
