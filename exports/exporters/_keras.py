"""What the exporters of Keras models share: the model as a function whose tensors carry the signature's names."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from exports.contract import Origin


def serving_function(origin: Origin) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return a function from input tensors by name to output tensors by name.

    `model.export` would call the outputs of a model that does not return a dict `output_0` and so on.
    """
    import keras

    model = origin.model
    names = [spec.name for spec in origin.signature.outputs]

    def serve(inputs: Mapping[str, Any]) -> dict[str, Any]:
        # The inputs go in as the structure that the model was built with: a dict, a list or a single tensor.
        arguments = keras.tree.map_structure(lambda tensor: inputs[tensor.name], model.input)
        result = model(arguments, training=False)
        if not isinstance(result, dict):
            result = dict(zip(names, keras.tree.flatten(result), strict=True))
        return {spec.name: keras.ops.cast(result[spec.name], spec.dtype) for spec in origin.signature.outputs}

    return serve


def at_precision(origin: Origin, precision: str) -> Origin:
    """Return the origin with its model at a precision; the tensors that it takes and gives stay 32-bit floats.

    "fp16": weights and arithmetic in half precision. "int8_dynamic": Keras's own quantization of dense and embedding
    layers (and no others: it warns of each), weights of 8 bits, activations quantized as they come.
    https://keras.io/guides/quantization_overview/
    """
    import keras

    if precision == "fp32":
        return origin
    if precision == "fp16":
        model = keras.models.clone_model(origin.model, clone_function=_half)
        model.set_weights(origin.model.get_weights())
    else:
        model = keras.models.clone_model(origin.model)
        model.set_weights(origin.model.get_weights())
        model.quantize("int8")
    return dataclasses.replace(origin, model=model)


def _half(layer: Any) -> Any:
    """Copy a layer, or one of the plain operations (`keras.ops`) that stand between layers; casts to fp32 go, too."""
    import keras

    settings = layer.get_config()
    if isinstance(layer, keras.Layer) or settings.get("dtype") == "float32":
        settings["dtype"] = "float16"
    return type(layer).from_config(settings)


def input_specs(origin: Origin) -> dict[str, Any]:
    """Return the signature's inputs as `tf.TensorSpec`s by name; the batch dimension is free."""
    import tensorflow as tf

    return {spec.name: tf.TensorSpec(spec.shape, spec.dtype, name=spec.name) for spec in origin.signature.inputs}


def write_saved_model(origin: Origin, folder: Path) -> None:
    """Write a SavedModel whose one signature, `serving_default`, has the signature's names.

    The archive finds the variables that the function uses by itself. Tracking the model as well, as `model.export`
    does, would write every weight twice.
    """
    import keras

    archive = keras.export.ExportArchive()
    archive.add_endpoint("serving_default", serving_function(origin), [input_specs(origin)])
    archive.write_out(folder, verbose=False)
