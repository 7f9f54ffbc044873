"""A first look at a model of one's own, in a process of its own: what it takes and gives, before anything is planned.

`python -P -m scenarios.own.look QUESTION ANSWER`: QUESTION holds the form and the framework, ANSWER takes what was
found, or what is wrong in one line. The network is asked about two rows, and about one.
"""

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import msgspec
import numpy as np

from evaluator.children.processes import die_with_parent
from evaluator.children.work import attempt
from evaluator.core import files
from evaluator.core.causes import wants_memory
from evaluator.core.errors import FwevalError, UsageError
from evaluator.core.records import Record, Signature, TensorSpec
from evaluator.core.tensors import Array, Arrays, rows
from scenarios.contract import TrainSettings
from scenarios.own import calling, examples, keras_origin, origins, sources, torch_origin, training
from scenarios.own.form import RANDOM, Described, Own
from scenarios.own.sources import Source

_HERE = Path("/")
_ROWS = 2
_FLOATS = ("float16", "float32", "float64")
Output = tuple[str, str, Array]  # its name, its place in what the network returns, and itself
Free = Mapping[str, tuple[str, ...]]


class Question(Record, frozen=True, kw_only=True):
    """What is looked at; without a framework, the function's result says of which it is."""

    own: Own
    framework: str | None = None
    seed: int = 1
    train: TrainSettings | None = None


class Answer(Record, frozen=True, kw_only=True):
    """What was found; or, in words for the person, what is wrong."""

    framework: str = ""
    described: Described | None = None
    wrong: str | None = None
    remedy: str | None = None


class _Seen(NamedTuple):
    """What a network computed of so many rows; and, by place, of one row and of smaller ones, where it can."""

    given: int
    values: list[Output]
    one: Mapping[str, Array]
    smaller: Mapping[str, Array]


def look(question: Question) -> Answer:
    """Build the network, read the examples, and compute two rows."""
    own = question.own
    source = sources.read(str(own.source(question.framework) if question.framework else own.origin), _HERE)
    framework, network = _network(source, question.framework)
    described = (_torch if framework == "pytorch" else _keras)(own, network, question.seed)
    _check_quality(own, framework, described, question.seed)
    if question.train is not None:
        training.trainable(source)
        training.check(own, framework, described, question.train)
    return Answer(framework=framework, described=described)


def _network(source: Source, framework: str | None) -> tuple[str, Any]:
    """Return the framework of a source and its network."""
    if source.kind != "code":
        known = str(source.framework)
        if framework not in (None, known):
            raise UsageError(f"{source.path.name} is a file of {known}, and was given for {framework}")
        return known, (torch_origin if known == "pytorch" else keras_origin).load(source)
    found = calling.without_arguments(source.path, source.function)
    keras, torch = sys.modules.get("keras"), sys.modules.get("torch")
    if keras is not None and isinstance(found, keras.Model):
        made = "tensorflow"
    elif torch is not None and isinstance(found, torch.nn.Module | torch.export.ExportedProgram):
        made = "pytorch"
    else:
        made = framework or "pytorch"
    if framework not in (None, made):
        raise UsageError(
            f"{source.path.name}:{source.function} makes a network in {made}, and was given for {framework}"
        )
    if made == "pytorch":
        return made, torch_origin.module(found, str(source))
    return made, keras_origin.model(found, str(source))


def _examples(own: Own, framework: str, seed: int) -> tuple[Arrays, str]:
    """Return the examples as they were given, and what they are called; nothing where a file's signature must do."""
    spec = own.examples(framework)
    if spec != RANDOM:
        return examples.read(spec), f"inputs {Path(spec).name}"
    return examples.made_up(own.signature, seed), "the signature"


def _torch(own: Own, network: Any, seed: int) -> Described:
    """Describe a PyTorch network."""
    import torch

    arrays, where = _examples(own, "pytorch", seed)
    if not arrays:
        _no_signature()
    takes = torch_origin.takes(network, arrays, where)
    arrays, casts, said = _cast(arrays, _wanted_by(network, arrays))

    def compute(given: Arrays) -> list[Output]:
        tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in given.items()}
        positional = [tensors[name] for name, by_name in takes if not by_name]
        named = {name: tensors[name] for name, by_name in takes if by_name}
        with torch.inference_mode():
            found = torch_origin.outputs(network(*positional, **named), "the network")
        return [(name, place, _plain(value)) for name, place, value in found]

    free = _free(own, {name: [*array.shape] for name, array in arrays.items()})
    seen = _seen(compute, arrays, free, "the network")
    kept = _named(own.outputs, seen.values, takes)
    return Described(
        signature=_signature([(name, arrays[name]) for name, _ in takes], kept, free, seen),
        takes=takes,
        gives=tuple(place for _, place, _ in kept),
        whole=len(kept) == len(seen.values),
        free=free,
        casts=casts,
        keys={name: name for name in arrays},
        said=said,
    )


def _keras(own: Own, network: Any, seed: int) -> Described:
    """Describe a Keras model."""
    import keras

    arrays, where = _examples(own, "tensorflow", seed)
    model = keras_origin.functional(network, arrays)
    specs = {tensor.name: tensor for tensor in model.inputs}
    keys = _keys(arrays, list(specs), where) if arrays else {name: name for name in specs}
    if not arrays:
        drawn = Described(signature=Signature(inputs=tuple(_spec(tensor) for tensor in model.inputs), outputs=()))
        arrays = origins.read(
            msgspec.structs.replace(own, inputs=RANDOM, found={"tensorflow": drawn}), "tensorflow", seed
        )
    arrays = {name: arrays[key] for name, key in keys.items()}
    arrays, casts, said = _cast(arrays, {name: tensor.dtype for name, tensor in specs.items()})
    renamed = [f"input '{name}' takes the examples' '{key}'" for name, key in keys.items() if name != key]

    def compute(given: Arrays) -> list[Output]:
        inputs = keras.tree.map_structure(lambda tensor: keras.ops.convert_to_tensor(given[tensor.name]), model.input)
        flat = keras.tree.flatten(model(inputs, training=False))
        places = [(name, place) for name, place, _ in keras_origin.outputs(model)]
        return [(*place, np.asarray(value)) for place, value in zip(places, flat, strict=True)]

    free = _free(own, {name: [*tensor.shape] for name, tensor in specs.items()})
    seen = _seen(compute, arrays, free, "the model")
    kept = _named(own.outputs, seen.values, [(name, False) for name in specs])
    return Described(
        signature=_signature([(name, arrays[name]) for name in specs], kept, free, seen),
        gives=tuple(place for _, place, _ in kept),
        whole=len(kept) == len(seen.values),
        free=free,
        casts=casts,
        keys=keys,
        said=(*renamed, *said),
    )


def _no_signature() -> NoReturn:
    raise UsageError(
        "a PyTorch network does not say what it takes, and there are no examples",
        remedy="give them with --inputs FILE.npz, or declare [signature.NAME] with dtype and shape in a .toml file",
    )


def _spec(tensor: Any) -> TensorSpec:
    return TensorSpec(name=tensor.name, dtype=str(tensor.dtype), shape=(None, *tensor.shape[1:]))


def _keys(arrays: Mapping[str, Array], takes: Sequence[str], where: str) -> dict[str, str]:
    """Return input -> key. The one array for the one input may have any name: Keras makes names up."""
    if len(arrays) == len(takes) == 1 and takes[0].startswith(("input", "keras_tensor")):
        return {takes[0]: next(iter(arrays))}
    return examples.named(arrays, takes, takes, where)


def _wanted_by(network: Any, arrays: Mapping[str, Array]) -> dict[str, str]:
    """Return input -> type, where it follows from the network's weights: floats are as wide as these."""
    weights = [each.dtype for each in network.parameters() if each.is_floating_point()]
    wide = {str(each).removeprefix("torch.") for each in weights}
    (kind,) = wide if len(wide) == 1 else ("",)
    return {name: kind for name, array in arrays.items() if kind in _FLOATS and array.dtype.kind == "f"}


def _cast(arrays: Arrays, wanted: Mapping[str, str]) -> tuple[Arrays, dict[str, str], tuple[str, ...]]:
    """Bring arrays into the network's types, and say so; floats become no integers."""
    casts: dict[str, str] = {}
    said: list[str] = []
    for name, array in arrays.items():
        kind = wanted.get(name, array.dtype.name)
        if kind == array.dtype.name:
            continue
        narrowed = array.dtype.kind == "f" and not np.issubdtype(np.dtype(kind), np.floating)
        if narrowed and not np.array_equal(array, np.round(array)):
            raise UsageError(f"input '{name}': the network takes {kind}, the examples hold fractions")
        casts[name] = kind
        said.append(f"input '{name}' was brought from {array.dtype.name} to {kind}")
    cast = {name: array.astype(casts[name]) if name in casts else array for name, array in arrays.items()}
    return cast, casts, tuple(said)


def _seen(compute: Callable[[Arrays], list[Output]], arrays: Arrays, free: Free, who: str) -> _Seen:
    """Have a network compute the first rows; and one of them, and smaller ones, if it can."""
    few = rows(arrays, 0, _ROWS if _batched(free) else 1)
    values = _computed(compute, few, who)
    cut = origins.halved(Described(signature=Signature(inputs=(), outputs=()), free=dict(free)), few)
    asked = {"one": rows(few, 0, 1), **({} if cut is None else {"smaller": cut})}
    found = {name: attempt(partial(compute, each)) for name, each in asked.items()}
    places = {
        name: {} if isinstance(each, Exception) else {place: value for _, place, value in each}
        for name, each in found.items()
    }
    return _Seen(len(next(iter(few.values()))), values, places["one"], places.get("smaller", {}))


def _computed(compute: Callable[[Arrays], list[Output]], few: Arrays, who: str) -> list[Output]:
    """Return what a network computes; what it raises is told in one line."""
    found = attempt(lambda: compute(few))
    if isinstance(found, FwevalError | MemoryError) or (isinstance(found, Exception) and wants_memory(str(found))):
        raise found
    if isinstance(found, Exception):
        said = " ".join(str(found).split())[:300]
        one = rows(few, 0, 1)
        alone = len(next(iter(few.values()))) > 1 and not isinstance(attempt(lambda: compute(one)), Exception)
        remedy = "see that it computes the first two rows of the examples, as they are"
        if alone:
            remedy = f"one row it computes: if it takes no more, say so in a .toml file: dynamic.{next(iter(few))} = []"
        raise UsageError(
            f"{who} does not compute the examples: {type(found).__name__}: {said}", remedy=remedy
        ) from found
    if not found:
        raise UsageError(f"{who} returns no tensor", remedy="return tensors, in tuples, dictionaries or dataclasses")
    return found


def _plain(tensor: Any) -> Array:
    import torch

    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    array: Array = tensor.detach().cpu().numpy()
    return array


def _named(names: Sequence[str], values: Sequence[Output], takes: Sequence[tuple[str, bool]]) -> list[Output]:
    """Give the outputs the names that the person wants; "" leaves one out. None has the name of an input."""
    known = [name for name, _, _ in values]
    if not names:
        chosen = list(values)
    elif len(names) == len(values):
        chosen = [(name, place, value) for name, (_, place, value) in zip(names, values, strict=True) if name]
    elif set(names) <= set(known):
        chosen = [each for each in values if each[0] in names]
    else:
        raise UsageError(
            f"outputs: {len(names)} names for {len(values)} outputs", remedy=f"they are: {', '.join(known)}"
        )
    taken = {name for name, _ in takes}
    return [(f"{name}_out" if name in taken else name, place, value) for name, place, value in chosen]


def _free(own: Own, shapes: Mapping[str, list[int | None]]) -> dict[str, tuple[str, ...]]:
    """Return the free dimensions by input: those that are declared, else the batch and what a file leaves open."""
    for name in own.dynamic:
        if name not in shapes:
            examples.named({name: np.zeros(1)}, list(shapes), [], "dynamic")
    free: dict[str, tuple[str, ...]] = {}
    for name, shape in shapes.items():
        declared = own.dynamic.get(name)
        if declared is None:
            opened = ("" if size is not None else f"{name}_{axis}" for axis, size in enumerate(shape[1:], start=1))
            free[name] = ("batch", *opened)
        elif len(declared) > len(shape):
            raise UsageError(f"dynamic.{name}: {len(declared)} dimensions are named, the input has {len(shape)}")
        else:
            free[name] = tuple(each if isinstance(each, str) else "" for each in declared)
    return free if _batched(free) else {name: ("", *axes[1:]) if axes else () for name, axes in free.items()}


def _batched(free: Free) -> bool:
    """Tell whether any number of rows may be computed at once: not so if one input's first dimension is fixed."""
    return all(axes[:1] != ("",) and axes for axes in free.values())


def _signature(
    inputs: Sequence[tuple[str, Array]],
    kept: Sequence[Output],
    free: Free,
    seen: _Seen,
) -> Signature:
    """Return what the network takes and gives; a dimension that differs from one row to two, or with a cut, is free."""
    batched = _batched(free)
    outputs = []
    for name, place, value in kept:
        _check_output(name, value, seen.given, seen.one.get(place))
        others = [each[place] for each in (seen.one, seen.smaller) if place in each]
        free_axes = {
            axis
            for axis, size in enumerate(value.shape)
            if (axis == 0 and batched) or any(each.ndim == value.ndim and each.shape[axis] != size for each in others)
        }
        shape = tuple(None if axis in free_axes else size for axis, size in enumerate(value.shape))
        outputs.append(TensorSpec(name=name, dtype=value.dtype.name, shape=shape))

    def sizes_of(name: str, array: Array) -> tuple[int | None, ...]:
        axes = {axis for axis, each in enumerate(free.get(name, ())) if each}
        sizes = tuple(None if axis in axes else size for axis, size in enumerate(array.shape))
        return sizes if batched else (1, *sizes[1:])

    return Signature(
        inputs=tuple(
            TensorSpec(name=name, dtype=array.dtype.name, shape=sizes_of(name, array)) for name, array in inputs
        ),
        outputs=tuple(outputs),
    )


def _check_output(name: str, value: Array, count: int, one: Array | None) -> None:
    """See that an output has real numbers, a row for each example."""
    if value.ndim == 0 or len(value) != count:
        raise UsageError(
            f"output '{name}' has the shape {list(value.shape)} for {count} rows: not a row for each example",
            remedy='leave it out (outputs = ["", …]), or return fixed shapes: no size may depend on the data',
        )
    if one is not None and (one.ndim != value.ndim or len(one) != 1):
        raise UsageError(
            f"output '{name}' has the shape {list(value.shape)} for {count} rows and {list(one.shape)} for one: "
            "not a row for each example",
            remedy='leave it out (outputs = ["", …]), or keep the first dimension: squeeze(-1) in place of squeeze()',
        )
    if value.dtype.kind not in "biuf":
        raise UsageError(f"output '{name}' holds {value.dtype}, which are no real numbers", remedy="leave it out")


def _check_quality(own: Own, framework: str, described: Described, seed: int) -> None:
    """See that there is a label for each row, and the measure that is asked for."""
    if own.quality is not None and own.labels is None:
        raise UsageError("a measure of quality needs labels", remedy="give them: --labels FILE.npz")
    if own.labels is not None and own.quality is None:
        raise UsageError("labels are given, and no measure of quality", remedy="--quality NAME, or mine.py:auc")
    if own.quality is not None:
        known = msgspec.structs.replace(own, found={framework: described})
        arrays = origins.read(known, framework, seed)
        origins.labels(own, len(next(iter(arrays.values()))))
        if sources.is_function(own.quality):
            calling.function(*sources.function_in(own.quality, _HERE))


def main(question: Path, answer: Path) -> None:
    """Answer a question; what is wrong is an answer, too."""
    asked = files.read_record(question, Question)
    found = attempt(lambda: look(asked))
    if isinstance(found, FwevalError):
        found = Answer(wrong=found.message, remedy=found.remedy)
    elif isinstance(found, Exception):
        traceback.print_exception(found)
        found = Answer(wrong=f"{type(found).__name__}: {' '.join(str(found).split())[:300]}")
    files.write_record(answer, found)


if __name__ == "__main__":
    die_with_parent()
    main(Path(sys.argv[1]), Path(sys.argv[2]))
