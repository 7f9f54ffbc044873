"""What the exporters by way of onnx2tf share: a PyTorch model as a TensorFlow function.

PyTorch's exporter writes an ONNX file, onnx2tf translates that to TensorFlow. It moves the channels of every tensor
behind the sizes of the image, where TensorFlow wants them, and guesses from sizes which of them are channels: a wrong
guess is another function. So the translation has to give what the ONNX file gives on real examples, and onnx2tf is
asked in more than one way before it counts as failed. Inputs and outputs keep PyTorch's layout.
Documentation: https://github.com/PINTO0309/onnx2tf
"""

import importlib
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from evaluator.children.work import attempt
from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature
from evaluator.core.tensors import Array
from exports.contract import Origin
from exports.exporters import _onnx, onnx_torch_export

# What it takes for a sample of images, and downloads when it does not lie in the working folder.
_SAMPLE, _SAMPLE_SHAPE = "calibration_image_sample_data_20x128x128x3_float32.npy", (20, 128, 128, 3)
_MOST_OFF = 1e-3  # of the largest output: rounding is a thousand times smaller, a wrong axis a thousand times larger
_MOST_OTHER = 0.01  # of integers, such as the place of the largest of equal values
_NEVER_NEGATIVE = ("Relu", "Sigmoid", "HardSigmoid", "Softmax", "Abs")
_AS_THEIR_INPUT = ("MaxPool", "AveragePool", "Identity")  # never negative where their input is not
_AXES = {3: (0, 2, 1), 4: (0, 2, 3, 1), 5: (0, 2, 3, 4, 1)}  # rank -> channels moved to the end


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How onnx2tf is asked.

    `absolutely`: no channels are moved until an operator asks for it. `simplified`: with onnxsim before it, as is its
    own default: where the batch is free it does not know the ranks of many tensors otherwise.
    """

    absolutely: bool
    simplified: bool


_WAYS = (
    _Way(absolutely=False, simplified=True),
    _Way(absolutely=True, simplified=True),
    _Way(absolutely=True, simplified=False),
)


def write_saved_model(origin: Origin, folder: Path) -> None:
    """Write a SavedModel whose one signature, `serving_default`, has the signature's names, in PyTorch's layout.

    Raises `Unsupported` for an operator that ONNX or onnx2tf does not have, `ValueError` when every translation
    computes something else than the model, `Unavailable` without the package onnxruntime, and what onnx2tf raises
    when it makes none.
    """
    with TemporaryDirectory() as scratch:
        function, variables = _translate(origin, Path(scratch))
        import tensorflow as tf  # not before PyTorch has written the ONNX file: see there

        module = tf.Module()
        module.serve = function
        # The variables, and not the network that onnx2tf made: tf_keras would write its constants once more, as JSON.
        module.kept = variables
        tf.saved_model.save(module, str(folder), signatures=function)


def _translate(origin: Origin, scratch: Path) -> "_Translated":
    """Return a concrete function from inputs by name to outputs by name, and its variables."""
    # First of all: where Triton is installed, PyTorch's compiler imports it, and after TensorFlow that crashes.
    path = onnx_torch_export.plugin.export(origin, "fp32", scratch)
    wanted = _computed(path, origin)
    refusals: list[Exception] = []
    for way in _WAYS:
        made = attempt(lambda way=way: _translate_so(origin, path, way, wanted))  # type: ignore[misc]
        if not isinstance(made, Exception):
            return made
        refusals.append(made)
        if isinstance(made, Unsupported):
            break
    raise next((each for each in refusals if isinstance(each, (_Wrong, Unsupported))), refusals[0])


class _Translated(NamedTuple):
    """A concrete function, which does not itself keep its variables alive: they would go with the network."""

    function: Any
    variables: list[Any]


class _Wrong(ValueError):  # an answer, no error of anybody's
    """A translation computes something else than the model."""


def _computed(path: Path, origin: Origin) -> list[Array]:
    """Return what the ONNX file gives for the example, in the signature's order."""
    session = _onnx.runtime().InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [spec.name for spec in origin.signature.outputs]
    return [np.asarray(each) for each in session.run(names, dict(origin.example))]


def _translate_so(origin: Origin, path: Path, way: _Way, wanted: list[Array]) -> "_Translated":
    """Let onnx2tf translate the file in one way; raises `_Wrong` when it computes something else."""
    import tensorflow as tf

    with TemporaryDirectory(dir=path.parent) as place, _free_batch():
        copy = _prepare(path, Path(place), way)
        network = _convert(copy, origin.signature, way)
    takes = _takes(network, origin.signature)
    turns = _turns(takes(origin.example), origin.signature, wanted)
    specs = {spec.name: tf.TensorSpec(spec.shape, spec.dtype, name=spec.name) for spec in origin.signature.inputs}

    def serve(**inputs: Any) -> dict[str, Any]:
        return {
            spec.name: tf.cast(tf.transpose(each, turn) if turn != tuple(sorted(turn)) else each, spec.dtype)
            for spec, each, turn in zip(origin.signature.outputs, takes(inputs), turns, strict=True)
        }

    function = tf.function(serve).get_concrete_function(**specs)
    return _Translated(function, list(function.graph.variables))


def _takes(network: Any, signature: Signature) -> Callable[[Mapping[str, Any]], list[Any]]:
    """Return the network as a function from inputs by name, in PyTorch's layout, to the list of outputs in its own."""
    import tensorflow as tf

    def call(inputs: Mapping[str, Any]) -> list[Any]:
        given = [tf.convert_to_tensor(inputs[spec.name], spec.dtype) for spec in signature.inputs]
        moved = [tf.transpose(each, _AXES[5]) if _moved_here(each) else each for each in given]
        result = network(moved if len(moved) > 1 else moved[0])
        return list(result) if isinstance(result, (list, tuple)) else [result]

    return call


def _moved_here(tensor: Any) -> bool:
    """Tell whether the channels of an input are moved here: onnx2tf fails for five dimensions with a free batch."""
    return len(tensor.shape) == 5


def _turns(given: list[Any], signature: Signature, wanted: list[Array]) -> list[tuple[int, ...]]:
    """Return for each output the order of axes in which it is what the model gives; raises `_Wrong` without one."""
    if len(given) != len(wanted):
        raise _Wrong(f"onnx2tf's translation has {len(given)} outputs, the model {len(wanted)}")
    found = []
    for spec, tensor, right in zip(signature.outputs, given, wanted, strict=True):
        array = np.asarray(tensor)
        turns = [
            turn for turn in itertools.permutations(range(array.ndim)) if array.transpose(turn).shape == right.shape
        ]
        if not turns:
            raise _Wrong(f"onnx2tf's translation gives '{spec.name}' the shape {array.shape}, the model {right.shape}")
        distance, turn = min((_distance(array.transpose(turn), right), turn) for turn in turns)
        if not distance <= (_MOST_OFF if right.dtype.kind == "f" else _MOST_OTHER):
            raise _Wrong(
                f"onnx2tf's translation computes another '{spec.name}' than the model: {distance:.2g} off, of the"
                " largest output; it tells channels from other axes by their sizes, and may have mixed them up"
            )
        found.append(turn)
    return found


def _distance(given: Array, wanted: Array) -> float:
    """Return the largest difference as a share of the largest value, or the share of integers that differ."""
    if wanted.dtype.kind != "f":
        return float(np.mean(given != wanted)) if wanted.size else 0.0
    largest = float(np.abs(wanted).max(initial=0.0)) or 1.0
    return float(np.abs(given.astype(np.float64) - wanted.astype(np.float64)).max(initial=0.0)) / largest


def _prepare(path: Path, place: Path, way: _Way) -> Path:
    """Write a copy of the file that onnx2tf can do something with, which it rewrites."""
    import onnx

    model = onnx.load(path)
    _rewrite(model.graph)
    if way.simplified:
        import onnxsim

        simpler = attempt(lambda: onnxsim.simplify(model))
        model = simpler[0] if isinstance(simpler, tuple) and simpler[1] else model
    copy = place / "model.onnx"
    onnx.save(model, copy)
    return copy


def _rewrite(graph: Any) -> None:
    """Put other operators in the place of those that onnx2tf gets wrong, where they compute the same."""
    makers = {name: node for node in graph.node for name in node.output}
    rewritten = [part for node in graph.node for part in (*_in_parts(graph, node, makers), node)]
    kept = [type(node).FromString(node.SerializeToString()) for node in rewritten]
    del graph.node[:]
    graph.node.extend(kept)


def _in_parts(graph: Any, node: Any, makers: Mapping[str, Any]) -> list[Any]:
    """Change a node, and return those that must stand before it.

    A norm over axes becomes a sum: onnx2tf hands tf.norm an axis of a type that this does not take. Max pooling gets
    its padding by an operator of its own, with zeros where these change nothing: onnx2tf pads with the smallest float,
    and 8 bits that reach down to it have a step of 1e36.
    """
    from onnx import helper

    own = f"fweval_{node.output[0]}"  # no other tensor's name
    taken = node.input[0] if node.input else ""
    if node.op_type in ("ReduceL1", "ReduceL2"):
        positive = ("Abs", [taken]) if node.op_type == "ReduceL1" else ("Mul", [taken, taken])
        before = [helper.make_node(*positive, [own], name=own)]
        node.input[0] = own
        if node.op_type == "ReduceL2":
            summed = type(node).FromString(node.SerializeToString())
            summed.op_type, summed.name, summed.output[0] = "ReduceSum", f"{own}_sum", f"{own}_sum"
            node.CopyFrom(helper.make_node("Sqrt", [f"{own}_sum"], list(node.output), name=node.name))
            return [*before, summed]
        node.op_type = "ReduceSum"
        return before
    settings = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    if node.op_type != "MaxPool" or not any(settings.get("pads", [])) or not _may_be_zero(node, settings, makers):
        return []
    pads = next(each for each in node.attribute if each.name == "pads").ints
    half = len(pads) // 2
    whole = [0, 0, *pads[:half], 0, 0, *pads[half:]]
    graph.initializer.append(helper.make_tensor(f"{own}_pads", 7, [len(whole)], whole))  # 7: 64-bit integers
    pads[:] = [0] * len(pads)
    node.input[0] = own
    return [helper.make_node("Pad", [taken, f"{own}_pads"], [own], name=own)]


def _may_be_zero(node: Any, settings: Mapping[str, Any], makers: Mapping[str, Any]) -> bool:
    """Tell whether zeros around the input of a max pooling change nothing: it is never negative, and nothing is odd."""
    if settings.get("auto_pad", b"NOTSET") != b"NOTSET" or settings.get("ceil_mode", 0) or len(node.output) > 1:
        return False
    maker = makers.get(node.input[0])
    while maker is not None and maker.op_type in _AS_THEIR_INPUT:
        maker = makers.get(maker.input[0])
    return maker is not None and maker.op_type in _NEVER_NEGATIVE


def _convert(path: Path, signature: Signature, way: _Way) -> Any:
    """Call onnx2tf; returns a tf_keras model. It must not save anything: that takes minutes and gigabytes."""
    limit = sys.getrecursionlimit()
    onnx2tf = importlib.import_module("onnx2tf")
    sys.setrecursionlimit(limit)  # it allows itself any depth; endless recursion would end the process without a word
    names = [spec.name for spec in signature.inputs]
    images = [spec.name for spec in signature.inputs if len(spec.shape) in (3, 4)]
    kept = (
        {"keep_shape_absolutely_input_names": names}
        if way.absolutely
        else {"keep_ncw_or_nchw_or_ncdhw_input_names": images or None}
    )
    np.save(path.parent / _SAMPLE, np.random.default_rng(0).random(_SAMPLE_SHAPE, np.float32))
    with chdir(path.parent):
        try:
            return onnx2tf.convert(
                input_onnx_file_path=str(path),
                output_folder_path=str(path.parent / "unused"),
                disable_model_save=True,
                not_use_onnxsim=True,  # it calls the program, which is not on the path
                non_verbose=True,
                **kept,
            )
        except SystemExit as error:
            raise RuntimeError(f"onnx2tf ended itself with code {error.code}; its words are in the log") from error
        except ModuleNotFoundError as error:
            if not str(error.name).startswith("onnx2tf.ops."):
                raise
            operator = str(error.name).removeprefix("onnx2tf.ops.")
            raise Unsupported(f"onnx2tf has no counterpart for ONNX's operator {operator}") from error


@contextmanager
def _free_batch() -> Iterator[None]:
    """Let transposed convolutions have a free batch: onnx2tf gives TensorFlow its name for a size."""
    import tensorflow as tf

    names = ("conv1d_transpose", "conv2d_transpose", "conv3d_transpose")
    own = {name: getattr(tf.nn, name) for name in names}

    def freed(convolve: Any) -> Any:
        def call(*, input: Any, output_shape: Any, **others: Any) -> Any:  # noqa: A002  # TensorFlow's name
            if isinstance(output_shape, list) and isinstance(output_shape[0], str):
                output_shape = tf.stack([tf.shape(input)[0], *output_shape[1:]])
            return convolve(input=input, output_shape=output_shape, **others)

        return call

    for name, convolve in own.items():
        setattr(tf.nn, name, freed(convolve))
    try:
        yield
    finally:
        for name, convolve in own.items():
            setattr(tf.nn, name, convolve)
