"""TFLite (LiteRT): a flat buffer of operators and constant weights for interpreters on phones and small devices.

What is lost: everything but the forward pass; operators that no TFLite kernel implements cannot be expressed.
Specification: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evaluator.core.records import Anatomy, Signature
from exports.contract import Format
from exports.formats import _tensorflow_operators
from exports.formats._stated_sizes import Sizes, behind, of_images
from exports.formats._tflite_file import IDENTIFIER, Entry, File, opened
from exports.parts import PartError
from exports.signatures import judged

_FLEX = "Flex"  # before the name of an operator of TensorFlow's, which only a delegate computes
_OLDEST = "min_runtime_version"  # the converter's note


class TFLite(Format):
    """A file with signatures, or with a first subgraph whose tensors have names."""

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
            return file.read(8)[4:] == IDENTIFIER

    def anatomy(self, artifact: Path) -> Anatomy:
        """Read the flat buffer, without the interpreter.

        An operator's version, when it is above 1, stands behind its name: interpreters refuse versions that they do
        not know.
        """
        with _read(artifact) as file:
            return _anatomy(file)

    def files(self, artifact: Path) -> list[Path]:
        """Return the file, and those beside it that hold its weights."""
        with _read(artifact) as file:
            return [artifact, *file.outside()]


@contextmanager
def _read(artifact: Path) -> Iterator[File]:
    """Open a file whose every offset may be wrong."""
    try:
        with opened(artifact) as file:
            yield file
    except PartError:
        raise
    except ValueError as error:
        raise ValueError(f"{artifact.name} is damaged, or cut off: {error}") from error


def _anatomy(file: File) -> Anatomy:
    entries = file.entries()
    signatures = tuple(map(file.signature, entries))
    taken = judged(signatures)
    weights, elsewhere = file.weights()
    notes = file.notes()
    notes_bytes = sum(map(file.data_bytes, set(notes.values())))
    oldest = file.note(notes.get(_OLDEST))
    operators = Counter(file.operators())
    return Anatomy(
        version=f"schema {file.model.number(0, '<I')}" + (f", runtime {oldest} or later" if oldest else ""),
        operators=dict(sorted(_versioned(operators).items())),
        inputs=taken.inputs if taken else (),
        outputs=taken.outputs if taken else (),
        signatures=tuple(signature for signature in signatures if signature.name),
        judged=taken.name if taken else "",
        usual=_usual(file, entries[signatures.index(taken)], taken) if taken else {},
        reaches=_tensorflow_operators.reaching(
            (name.removeprefix(_FLEX), count) for (name, _), count in operators.items() if name.startswith(_FLEX)
        ),
        weights=dict(sorted(weights.items())),
        graph_bytes=max(len(file.content) - (weights.total() - elsewhere) - notes_bytes, 0),
        metadata_bytes=notes_bytes,
    )


def _usual(file: File, entry: Entry, taken: Signature) -> dict[str, Sizes]:
    """Return the sizes that its makers state; what the file is laid out for comes before what they say of it."""
    return of_images(behind(file.content), taken.inputs, last=True) | file.usual(entry)


def _versioned(operators: Counter[tuple[str, int]]) -> Counter[str]:
    named: Counter[str] = Counter()
    for (name, version), count in operators.items():
        named[name if version == 1 else f"{name} v{version}"] += count
    return named


plugin = TFLite()
