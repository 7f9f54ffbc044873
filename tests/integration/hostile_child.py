"""Makes models that mean harm, for tests/integration/test_hostile_artifacts.py, in a process for each framework.

python hostile_child.py torch FOLDER VICTIM MADE          harms.pt: each of its methods does another harm
python hostile_child.py tensorflow FOLDER VICTIM MADE     harms/: each of its signatures does another harm

VICTIM is a file that is there, which they read, MADE one that is not, which they write.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def torch_models(folder: Path, victim: str, made: str) -> None:
    import torch

    kind = harmful(victim, made)
    for name in ("writes", "endless", "memory", "disk"):
        torch.jit.export(getattr(kind, name))
    torch.jit.script(kind()).save(folder / "harms.pt")


def harmful(victim: str, made: str) -> Any:
    """Return a class of modules, each of whose methods does harm."""
    import torch
    from torch import Tensor, nn

    class Harms(nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.victim, self.made = victim, made

        def forward(self, x: Tensor) -> Tensor:
            return torch.from_file(self.victim, shared=False, size=24, dtype=torch.uint8) + x.sum().to(torch.uint8)

        def writes(self, x: Tensor) -> Tensor:
            torch.save(x, self.made)
            return x

        def endless(self, x: Tensor) -> Tensor:
            while bool(x.sum() < 1e9):
                x = x * 1
            return x

        def memory(self, x: Tensor) -> Tensor:
            held = [x]
            while len(held) < 1000000:
                held.append(torch.empty(1 << 28))  # a gigabyte that nobody touches: the limit counts it all the same
            return torch.cat(held)

        def disk(self, x: Tensor) -> Tensor:
            for number in range(1000):
                torch.save(torch.zeros(1 << 27, dtype=torch.uint8), "part" + str(number))
            return x

    return Harms


def tensorflow_models(folder: Path, victim: str, made: str) -> None:
    import tensorflow as tf

    def written(x: Any) -> Any:
        with tf.control_dependencies([tf.io.write_file(made, "taken")]):
            return x * 1

    def in_python(x: Any) -> Any:
        return tf.ensure_shape(tf.py_function(lambda y: Path(made).write_text("taken") * y, [x], tf.float32), (None, 3))

    acts: dict[str, Callable[[Any], Any]] = {
        "reads": lambda _: tf.io.read_file(victim),
        "writes": written,
        "python": in_python,
        "endless": lambda x: tf.while_loop(lambda y: tf.reduce_sum(y) < 1e9, lambda y: [y * 1], [x])[0],
    }
    spec = [tf.TensorSpec((None, 3), tf.float32, name="x")]
    module = tf.Module()
    module.acts = {name: tf.function(act, input_signature=spec) for name, act in acts.items()}
    tf.saved_model.save(module, str(folder / "harms"), signatures=dict(module.acts))


if __name__ == "__main__":
    match sys.argv[1:]:
        case "torch", place, *others:
            torch_models(Path(place), *others)
        case "tensorflow", place, *others:
            tensorflow_models(Path(place), *others)
        case _:
            raise SystemExit(__doc__)
