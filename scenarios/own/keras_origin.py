"""A Keras model or a SavedModel of somebody's own, as a functional model from named inputs to named outputs.

A functional model keeps its own graph; another one is called once on symbolic inputs of the examples' shapes.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from evaluator.children.work import attempt
from evaluator.core.errors import UsageError
from evaluator.core.tensors import Array
from scenarios.own import calling, examples
from scenarios.own.form import Described
from scenarios.own.sources import Source

_SERVING = "serving_default"
_NO_INPUTS = ("self", "training", "mask", "args", "kwargs")


def load(source: Source) -> Any:
    """Return the Keras model of a source; `UsageError` for what a function returns that is none.

    A file is read in Keras's safe mode: a layer that holds code of its own is refused.
    """
    import keras

    if source.kind == "savedmodel":
        return _saved(source)
    if source.kind == "keras":
        found = attempt(lambda: keras.models.load_model(source.path, compile=False, safe_mode=True))
        if isinstance(found, Exception):
            said = " ".join(str(found).split())[:200]
            remedy = "load it in a function of yours, with its custom objects, and give that: mine.py:build"
            raise UsageError(f"Keras cannot read {source.path.name}: {said}", remedy=remedy) from found
        return found
    return model(calling.without_arguments(source.path, source.function), str(source))


def model(found: Any, where: str) -> Any:
    """Return what a function returned as a Keras model; `UsageError` when it is none."""
    import keras

    if isinstance(found, keras.Model):
        return found
    remedy = "return a keras.Model or a torch.nn.Module"
    raise UsageError(f"{where.rpartition('/')[2]} returns {type(found).__name__}", remedy=remedy)


def _saved(source: Source) -> Any:
    """Return the serving signature of a SavedModel as a layer; `UsageError` when it has none or cannot be read."""
    import keras
    import tensorflow as tf

    loaded = attempt(lambda: tf.saved_model.load(str(source.path)))
    if isinstance(loaded, Exception):
        said = " ".join(str(loaded).split())[:200]
        remedy = "save it again with today's Keras: model.export(FOLDER), or give the .keras file"
        raise UsageError(f"TensorFlow cannot read {source.path.name}: {said}", remedy=remedy) from loaded
    if _SERVING not in loaded.signatures:
        known = ", ".join(loaded.signatures) or "none"
        raise UsageError(f"{source.path.name} has no signature '{_SERVING}'", remedy=f"its signatures: {known}")
    specs = loaded.signatures[_SERVING].structured_input_signature[1]
    inputs = {
        name: keras.Input(tuple(spec.shape[1:]), dtype=spec.dtype.name, name=name) for name, spec in specs.items()
    }

    class Signature(keras.layers.TFSMLayer):  # type: ignore[misc]  # keras is untyped here
        def call(self, given: Any) -> Any:
            return self._reloaded_obj.signatures[_SERVING](**given)  # which keeps its variables alive

    layer = Signature(str(source.path), call_endpoint=_SERVING)
    return keras.Model(inputs, layer(inputs))


def functional(network: Any, arrays: Mapping[str, Array]) -> Any:
    """Return a model as a functional one; `arrays` say what a model takes that does not know it itself."""
    import keras
    from keras.src.models.functional import Functional  # it has no public name

    if isinstance(network, Functional):
        return network
    if isinstance(network, keras.Sequential) and network.built:
        return keras.Model(network.inputs, network.outputs)
    if not arrays:
        raise UsageError(
            "the model does not say what it takes, and there are no examples",
            remedy="give them with --inputs FILE.npz, or declare [signature.NAME] with dtype and shape in a .toml file",
        )
    inputs = {name: keras.Input(array.shape[1:], dtype=array.dtype.name, name=name) for name, array in arrays.items()}
    parameters = [
        each.name for each in inspect.signature(network.call).parameters.values() if each.name not in _NO_INPUTS
    ]
    if len(parameters) > 1:
        examples.named(arrays, parameters, [], "inputs")
        result = attempt(lambda: network(**inputs))
    else:
        result = attempt(lambda: network(next(iter(inputs.values())) if len(inputs) == 1 else inputs))
    if isinstance(result, Exception):
        said = " ".join(str(result).split())[:300]
        remedy = "see that it takes what the examples are, or make it of keras.Input (a functional model)"
        raise UsageError(f"the model does not take the examples: {said}", remedy=remedy) from result
    return keras.Model(inputs, result)


def outputs(network: Any) -> list[tuple[str, str, Any]]:
    """Return of each output of a functional model its name, its place in order, and itself."""
    import keras

    structure = network.output
    tensors = keras.tree.flatten(structure)
    if isinstance(structure, Mapping):
        names = [str(key) for key in sorted(structure)]  # as Keras flattens a dictionary
    elif len(tensors) == 1:
        names = ["output"]
    else:
        names = [str(name) for name in getattr(network, "output_names", [])]
    if len(set(names)) != len(tensors):
        names = [f"output_{index}" for index in range(len(tensors))]
    return [(name, f"[{index}]", tensor) for index, (name, tensor) in enumerate(zip(names, tensors, strict=True))]


def wrapped(network: Any, described: Described, arrays: Mapping[str, Array]) -> Any:
    """Return a functional model that maps a dictionary of the signature's inputs to one of its outputs."""
    import keras

    whole = _with_names(functional(network, arrays), [spec.name for spec in described.signature.inputs])
    tensors = {place: tensor for _, place, tensor in outputs(whole)}
    inputs = {tensor.name: tensor for tensor in whole.inputs}
    named = {
        spec.name: tensors[place] for spec, place in zip(described.signature.outputs, described.gives, strict=True)
    }
    made = keras.Model(inputs, named)
    _given[made] = network
    return made


def unwrapped(network: Any) -> Any:
    """Return the model that `wrapped` was given; both share their weights."""
    return _given.get(network, network)


_given: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()  # what was wrapped -> the model that it was made of


def _with_names(whole: Any, names: Sequence[str]) -> Any:
    """Give a model's inputs their names: those that Keras makes up count what was built in this process before."""
    import keras

    if [tensor.name for tensor in whole.inputs] == list(names):
        return whole
    inputs = {
        tensor.name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for tensor, name in zip(whole.inputs, names, strict=True)
    }
    given = keras.tree.map_structure(lambda tensor: inputs[tensor.name], whole.input)
    return keras.Model(given, whole(given))
