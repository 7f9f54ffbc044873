"""coremltools from Keras, by way of a concrete function over named inputs.

Given the Keras model itself, coremltools takes one input at most and frees the batch up to 2 only.
Documentation: https://apple.github.io/coremltools/docs-guides/source/tensorflow-2.html
"""

from pathlib import Path
from typing import Any, ClassVar

from exports.contract import Exporter, Origin
from exports.exporters import _coreml, _keras


class CoreMLKeras(Exporter):
    """A package `model.mlpackage` whose batch dimension is free up to a bound."""

    name = "coreml_keras"
    title = "coremltools (TensorFlow)"
    origin = "tensorflow"
    format = "coreml"
    route = "crossing"
    layout = "tensorflow"
    cannot: ClassVar = _coreml.CANNOT
    distributions: ClassVar = ("tensorflow",)
    environment = "coreml"

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Trace, convert, and write; raises `Unsupported` for types that Core ML has no arrays of."""
        function = _function(origin)
        with _coreml.converter(without="torch") as tools:
            _complete()
            takes = [each.name.partition(":")[0] for each in function.inputs[: len(origin.signature.inputs)]]
            gives = [each.name.partition(":")[0] for each in function.outputs]
            converted = tools.convert(
                [function],
                source="tensorflow",
                inputs=_coreml.input_types(tools, origin, takes),
                outputs=_coreml.output_types(tools, origin, gives),
                **_coreml.settings(tools, precision),
            )
            return _coreml.write(tools, converted, origin, precision, folder)


def _complete() -> None:
    """Tell the converter of an operator that it does not know, as its guide to composite operators has it.

    Keras's exact GELU is made of it. https://apple.github.io/coremltools/docs-guides/source/composite-operators.html
    """
    from coremltools.converters.mil import Builder, register_tf_op

    def erfc(context: Any, node: Any) -> None:
        found = Builder.erf(x=context[node.inputs[0]])
        context.add(node.name, Builder.sub(x=1.0, y=found, name=node.name))

    register_tf_op(erfc, tf_alias=["Erfc"], override=True)


def _function(origin: Origin) -> Any:
    """Return a function over tensors in the signature's order that gives its outputs in that order."""
    import tensorflow as tf

    serve = _keras.serving_function(origin)
    takes = [spec.name for spec in origin.signature.inputs]
    gives = [spec.name for spec in origin.signature.outputs]

    def ordered(*tensors: Any) -> tuple[Any, ...]:
        made = serve(dict(zip(takes, tensors, strict=True)))
        return tuple(made[name] for name in gives)

    return tf.function(ordered).get_concrete_function(*_keras.input_specs(origin).values())


plugin = CoreMLKeras()
