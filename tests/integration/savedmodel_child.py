"""SavedModels as people have them, for tests/integration/test_savedmodel.py: made in one process, run in another.

python savedmodel_child.py make FOLDER    FOLDER/CASE, a SavedModel for each
python savedmodel_child.py run FOLDER     runs all signatures of each as the product does: FOLDER/told.json
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core import registry
from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature, TensorSpec
from evaluator.core.tensors import Array

BATCH = 2


def functions(folder: Path) -> None:
    """Save functions of TensorFlow 2."""
    import tensorflow as tf

    def save(name: str, function: Any, *specs: Any, key: str = "serving_default") -> None:
        module = tf.Module()
        module.weight = tf.Variable(2.0)
        module.serve = tf.function(lambda *given: function(module.weight, *given), input_signature=specs)
        tf.saved_model.save(module, str(folder / name), signatures={key: module.serve})

    def spec(name: str, *sizes: int | None, dtype: Any = tf.float32) -> Any:
        return tf.TensorSpec(sizes, dtype, name=name)

    save("only", lambda weight, x: {"y": x * weight}, spec("x", None, 3), key="only")
    save("none", lambda weight, x: {"y": x * weight}, spec("x", None, 3))
    _change(folder / "none", lambda graph: [graph.signature_def.pop(name) for name in list(graph.signature_def)])
    save("number", lambda weight, x: {"s": tf.reduce_sum(x) * weight, "y": x}, spec("x", None, 3))
    save("half", lambda weight, x: {"y": x * tf.cast(weight, tf.bfloat16)}, spec("x", None, dtype=tf.bfloat16))
    save("text", lambda _, x: {"n": tf.strings.length(x), "t": x + "!"}, spec("x", None, dtype=tf.string))
    save("python", lambda _, x: {"y": tf.numpy_function(lambda a: a, [x], tf.float32)}, spec("x", None, 3))
    save("slots", lambda weight, x: {"y": x * weight}, spec("x", None, 3))
    _change(folder / "slots", _add_slots)
    module = tf.Module()
    specs = [spec("x", None, 3), spec("k")]
    five = tf.constant(5.0)
    module.serve = tf.function(lambda x, k=five: {"y": x * k}, input_signature=specs)
    tf.saved_model.save(module, str(folder / "default"), signatures={"serving_default": module.serve})


def _change(folder: Path, change: Callable[[Any], object]) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    change(saved.meta_graphs[0])
    path.write_bytes(saved.SerializeToString())


def _add_slots(graph: Any) -> None:
    """Give the root a slot, as the optimizers of Keras 2 left them: what is restored has no method for it."""
    nodes = graph.object_graph_def.nodes
    variable = next(index for index, each in enumerate(nodes) if each.WhichOneof("kind") == "variable")
    slot = {"original_variable_node_id": variable, "slot_name": "momentum", "slot_variable_node_id": variable}
    nodes[0].slot_variables.add(**slot)


def graphs(folder: Path) -> None:
    """Save graphs of TensorFlow 1."""
    import tensorflow as tf

    v1 = tf.compat.v1
    describe = v1.saved_model.predict_signature_def
    with tf.Graph().as_default(), v1.Session() as session:
        x, k = v1.placeholder(tf.float32, (None, 3)), v1.placeholder(tf.float32, ())
        weight = v1.get_variable("weight", initializer=3.0)
        session.run(v1.global_variables_initializer())
        triple, scaled = describe({"x": x}, {"y": x * weight}), describe({"x": x, "k": k}, {"y": x * k})
        several = v1.saved_model.Builder(str(folder / "several graphs"))
        several.add_meta_graph_and_variables(session, ["train"], {"serving_default": scaled})
        several.add_meta_graph(["serve"], {"triple": triple, "scaled": scaled})
        several.save()
        tagged = v1.saved_model.Builder(str(folder / "other tags"))
        tagged.add_meta_graph_and_variables(session, ["serve", "tpu"], {"serving_default": triple})
        tagged.save()
        sparse = v1.sparse_placeholder(tf.float32)
        kinds = {"serving_default": describe({"x": sparse}, {"y": v1.sparse_reduce_sum(sparse)})}
        whole = v1.saved_model.Builder(str(folder / "sparse"))
        whole.add_meta_graph_and_variables(session, ["serve"], kinds)
        whole.save()


def made_up(spec: TensorSpec) -> Array:
    shape = tuple(BATCH if size is None else size for size in spec.shape)
    if spec.dtype == "str":
        return np.full(shape, "word")
    if spec.dtype == "bfloat16":
        import ml_dtypes

        return np.ones(shape, ml_dtypes.bfloat16)
    return np.ones(shape, spec.dtype)


def answer(path: Path, signature: Signature) -> dict[str, Any]:
    runtime = registry.load("runtime", "tensorflow")
    inputs = {spec.name: made_up(spec) for spec in signature.inputs if not spec.optional}
    try:
        with runtime.load(path, signature, device="cpu", threads=1) as session:
            session(inputs)
            outputs = session(inputs)
    except Unsupported as error:
        return {"refused": str(error)}
    arrays = {name: array.astype(str) if array.dtype == object else array for name, array in outputs.items()}
    return {name: [type(array).__name__, array.dtype.name, array.tolist()] for name, array in arrays.items()}


def run(folder: Path) -> None:
    form, told = registry.load("format", "savedmodel"), {}
    for path in sorted(folder.iterdir()):
        anatomy = form.anatomy(path)
        unnamed = Signature(inputs=anatomy.inputs, outputs=anatomy.outputs)
        for signature in (*anatomy.signatures, unnamed) if anatomy.judged else anatomy.signatures or (unnamed,):
            told[f"{path.name}: {signature.name}".removesuffix(": ")] = answer(path, signature)
    (folder / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    command, place = sys.argv[1:]
    if command == "make":
        functions(Path(place))
        graphs(Path(place))
    else:
        run(Path(place))
