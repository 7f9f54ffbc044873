"""OpenVINO's intermediate representation: the graph as XML, and its constants without a head in a .bin beside it.

What is lost: everything but the forward pass. Operators are OpenVINO's own sets, shapes may stay free, names of tensors
stay. Neither file can hold code: an operator of an extension runs only where somebody loaded that extension before.
Specification: https://docs.openvino.ai/2026/documentation/openvino-ir-format.html
"""

import re
from collections.abc import Sequence
from pathlib import Path

from evaluator.core.records import Anatomy, TensorSpec
from exports.contract import Format
from exports.formats._naming import unique
from exports.formats._openvino_graph import Graph, Tensor
from exports.formats._stated_sizes import beside, of_images
from exports.parts import own
from exports.sizes import artifact_bytes

_HEAD_BYTES = 1 << 12
_MOST_FILES = 1000  # of a folder that are looked at
_BEGINNING = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--(?:(?!-->).)*-->\s*)*<net\s[^>]*\bversion\s*=", re.DOTALL)


class OpenVino(Format):
    """An .xml with its .bin, or the folder of the only one; tensors have the signature's names."""

    name = "openvino"
    title = "OpenVINO"
    path = "server"
    suffixes = ("", ".xml")
    inert = True

    def recognises(self, path: Path) -> bool:
        """Look for the root of a graph; in a folder of several (a model and its tokenizer) none is the model."""
        return _is_graph(path) if path.is_file() else len(graphs(path)) == 1

    def anatomy(self, artifact: Path) -> Anatomy:
        """Read the XML without entities, and of the constants only where they lie.

        What computes is counted, in the bodies of loops and conditions as well. A constant that several use is one.
        """
        graph, files = _read(artifact)
        held = artifact_bytes(files[1:])
        weights = graph.weights(held)
        taken = graph.taken()
        inputs = _specs("input", taken)
        return Anatomy(
            version=f"IR {graph.version}",
            operators=dict(sorted(graph.operators.items())),
            inputs=inputs,
            outputs=_specs("output", graph.given()),
            usual=of_images(beside(files[0].parent), inputs, last=False),
            bounds={spec.name: tensor.bounds for spec, tensor in zip(inputs, taken, strict=True) if None in spec.shape},
            weights=dict(sorted(weights.items())),
            graph_bytes=graph.size - graph.told_bytes,
            metadata_bytes=graph.told_bytes + held - weights.total(),
        )

    def files(self, artifact: Path) -> list[Path]:
        """Return the XML file and its constants; raises `exports.parts.AbsentError` when those are gone."""
        return _read(artifact)[1]


def graphs(folder: Path) -> list[Path]:
    """Return the files of a folder that are graphs; none where it is no folder."""
    found = sorted(folder.glob("*.xml"))[:_MOST_FILES] if folder.is_dir() else []
    return [path for path in found if path.is_file() and _is_graph(path)]


def _is_graph(path: Path) -> bool:
    with path.open("rb") as file:
        return _BEGINNING.match(file.read(_HEAD_BYTES).removeprefix(b"\xef\xbb\xbf")) is not None


def graph_of(artifact: Path) -> Path:
    """Return the XML file of an artifact; `ValueError` where a folder does not have one and no more."""
    found = [artifact] if artifact.is_file() else graphs(artifact)
    if len(found) != 1:
        count = str(len(found)) if found else "no"
        raise ValueError(f"{artifact.name} has {count} graphs of OpenVINO (.xml), and not one")
    return found[0]


def _read(artifact: Path) -> tuple[Graph, list[Path]]:
    """Return the graph, and its files: the XML and, of the same name, the constants."""
    path = graph_of(artifact)
    graph, constants = Graph(path), path.with_suffix(".bin")
    belongs = graph.has_constants or constants.exists()
    return graph, [path, *(own(path, [constants.name]) if belongs else [])]


def _specs(kind: str, tensors: Sequence[Tensor]) -> tuple[TensorSpec, ...]:
    names = unique([tensor.name for tensor in tensors], kind)
    return tuple(
        TensorSpec(name=name, dtype=tensor.dtype, shape=tensor.shape, unknown=tensor.unknown)
        for name, tensor in zip(names, tensors, strict=True)
    )


plugin = OpenVino()
