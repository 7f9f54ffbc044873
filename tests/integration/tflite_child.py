"""Runs TFLite files in one interpreter, in the environment that it lives in: tests/integration/test_tflite.py.

python tflite_child.py RUNTIME FOLDER    reads FOLDER/asked.json and arrays, writes FOLDER/RUNTIME.json
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from evaluator.core import registry
from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature
from evaluator.core.tensors import read_arrays
from exports.contract import Runtime


def answer(runtime: Runtime, folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Compute twice: what is laid out once must be right the second time, too."""
    signature = msgspec.convert(asked["signature"], Signature)
    inputs = read_arrays(folder / asked["inputs"])
    try:
        with runtime.load(folder / asked["file"], signature, device="cpu", threads=1) as session:
            session(inputs)
            outputs = session(inputs)
    except (ValueError, RuntimeError, Unsupported) as error:  # what is refused, and how
        return {"refused": type(error).__name__, "said": str(error)}
    texts = {name: [str(word, "utf-8") for word in array] for name, array in outputs.items() if array.dtype == object}
    return {name: [array.dtype.name, texts.get(name) or array.tolist()] for name, array in outputs.items()}


def main(name: str, place: str) -> None:
    folder, runtime = Path(place), registry.load("runtime", name)
    asked = json.loads((folder / "asked.json").read_text())
    told = {case: answer(runtime, folder, about) for case, about in asked.items()}
    (folder / f"{name}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
