"""What the children of test_own_torch.py and test_own_keras.py share: a look at each model, and what becomes of it.

A case is a model that somebody might bring, with the examples and what it computes of them, in the framework's words.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from evaluator.core import registry
from evaluator.core.errors import FwevalError
from evaluator.core.tensors import Array, Arrays, rows, write_arrays
from exports.contract import Exporter, Origin, Runtime
from scenarios.models.own import plugin as model
from scenarios.own import origins
from scenarios.own.form import Own
from scenarios.own.look import Answer, Question, look

ROWS = 12
LARGEST = 8  # rows at once
RUNTIMES = {
    "onnx_torch_export": "onnx_runtime",
    "torchscript_trace": "torch_jit",
    "torchscript_script": "torch_jit",
    "torch_export": "torch_export",
    "keras_savedmodel": "tensorflow",
    "keras_tflite": "ai_edge_litert",
    "tf2onnx": "onnx_runtime",
}

Arrays_ = Mapping[str, Array]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A model, by the function or file that makes it, its examples, and what it computes by name."""

    inputs: Arrays_ | None = None  # None: made up
    computes: Callable[[Any, Arrays], Mapping[str, Any]]  # of the person's own model and the cast examples
    said: Mapping[str, Any] = field(default_factory=dict)  # keys of the form
    source: str = ""  # a function of the models' file, or a file in the folder
    exporters: tuple[str, ...] = ()


def form(source: str, inputs: Arrays_ | None, said: Mapping[str, Any], folder: Path) -> Own:
    """Return a form, its examples in a file."""
    given = "random"
    if inputs is not None:
        given = str(folder / "examples.npz")
        write_arrays(Path(given), dict(inputs))
    return msgspec.convert({"origin": source, "inputs": given, **said}, Own)


def refused(own: Own, framework: str | None = None) -> dict[str, Any]:
    """Look at what cannot be: return what is said of it, or what was found all the same."""
    try:
        answer = look(Question(own=own, framework=framework))
        origins.network(_kept(own, answer), answer.framework)
    except FwevalError as error:
        return {"kind": type(error).__name__, "wrong": error.message, "remedy": error.remedy}
    except Exception as error:  # noqa: BLE001  # the test shows it
        return {"kind": type(error).__name__, "wrong": str(error), "remedy": None}
    return {"found": msgspec.to_builtins(answer)}


def _kept(own: Own, answer: Answer) -> Own:
    """Return the form as a run keeps it after the look."""
    assert answer.described is not None
    return msgspec.structs.replace(
        own, origin=None, **{answer.framework: own.origin}, found={answer.framework: answer.described}
    )


def looked(own: Own, case: Case, theirs: Any, folder: Path) -> dict[str, Any]:
    """Look at a model, compute with it as later steps do, and compare with the person's own model."""
    answer = look(Question(own=own))
    own = _kept(own, answer)
    name, described = answer.framework, own.found[answer.framework]
    framework = registry.load("framework", name)
    network = framework.build(model, own)
    inputs = origins.read(own, name, 1)
    names = [spec.name for spec in described.signature.outputs]
    cut = origins.resized(own, name, rows(inputs, 0, 2))
    told = {
        "framework": name,
        "described": msgspec.to_builtins(described),
        "kind": type(network).__name__,
        "off": {},
        "exports": {},
    }
    batched = described.signature.inputs[0].shape[0] is None
    sizes = (1, 2, LARGEST) if batched else (1,)
    given = [rows(inputs, 2, 2 + size) for size in sizes]  # of rows that the look did not see
    if cut is not None:
        given.append(cut)
    wanted = [{key: np.asarray(value) for key, value in case.computes(theirs, each).items()} for each in given]
    for each, expected in zip(given, wanted, strict=True):
        outputs = framework.forward(network, each, "cpu", names)
        shapes = {key: list(array.shape) for key, array in outputs.items()}
        assert shapes == {key: list(array.shape) for key, array in expected.items()}, (shapes, names)
        for key, array in outputs.items():
            off = float(np.abs(array.astype(float) - expected[key]).max())
            told["off"][key] = max(off, told["off"].get(key, 0.0))
    origin = Origin(
        framework=name,
        model=network,
        signature=described.signature,
        example=rows(inputs, 0, 2 if batched else 1),
        calibration=inputs,
        counterpart=lambda: origin,
        free=model.free(own, name),
    )
    for exporter in case.exporters:
        place = folder / exporter
        place.mkdir(parents=True)
        told["exports"][exporter] = _parity(exporter, origin, place, list(zip(given, wanted, strict=True)))
    return told


def _parity(name: str, origin: Origin, folder: Path, asked: list[tuple[Arrays, dict[str, Array]]]) -> Any:
    """Export and compute with the artifact; return how far it is off, of the scale of each output, at most."""
    exporter: Exporter = registry.load("exporter", name)
    runtime: Runtime = registry.load("runtime", RUNTIMES[name])
    off = 0.0
    try:
        artifact = exporter.export(origin, "fp32", folder)
        with runtime.load(artifact, origin.signature, device="cpu", threads=1) as session:
            for inputs, expected in asked:
                outputs = session(inputs)
                for key, array in expected.items():
                    assert outputs[key].shape == array.shape, (key, outputs[key].shape, array.shape)
                    scale = max(float(np.abs(array.astype(float)).max()), 1e-6)
                    off = max(off, float(np.abs(outputs[key].astype(float) - array).max()) / scale)
    except Exception as error:  # noqa: BLE001  # the test shows it
        return f"{type(error).__name__}: {error}"
    return off


def go(cases: Mapping[str, Case], source: Callable[[str], str], theirs: Callable[[str], Any], folder: Path) -> Any:
    """Go through all cases; an error in one is written down, and shown by its test."""
    told: dict[str, Any] = {}
    for name, case in cases.items():
        place = folder / name
        place.mkdir()
        word = case.source or name
        try:
            told[name] = looked(form(source(word), case.inputs, case.said, place), case, theirs(word), place)
        except Exception as error:  # noqa: BLE001  # the test shows it
            told[name] = {"error": f"{type(error).__name__}: {error}"}
    return told


def leave(folder: Path, **told: Any) -> None:
    """Write what was found, for the tests."""
    (folder / "told.json").write_text(json.dumps(told))
