"""Run in a child: makes the SavedModel `model` in FOLDER, whose every answer takes some tens of milliseconds."""

import sys
from pathlib import Path


def main(folder: Path) -> None:
    """Multiply a small input with a large matrix again and again: much work, few bytes."""
    import tensorflow as tf

    module = tf.Module()
    module.weight = tf.Variable(tf.random.stateless_normal((1024, 1024), (1, 2)) / 32.0)

    @tf.function(input_signature=[tf.TensorSpec((None, 1024), tf.float32, name="x")])  # type: ignore[untyped-decorator]
    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        wide = tf.tile(x, (64, 1))
        for _ in range(20):
            wide = tf.tanh(wide @ module.weight)
        return {"y": wide[:1]}

    tf.saved_model.save(module, str(folder / "model"), signatures={"serving_default": serve})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
