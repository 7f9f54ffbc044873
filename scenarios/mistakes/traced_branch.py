"""Branch in a traced function: an `if` on values, of which tracing may see one side only."""

from typing import ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class TracedBranch(Mistake):
    """Branch in a traced function."""

    name: ClassVar[str] = "traced_branch"
    title: ClassVar[str] = "Branch in a traced function"
    wrong: ClassVar[str] = "a Python `if` depends on the values of a tensor in what is traced"
    names: ClassVar[tuple[str, ...]] = ("boolean", "bool", "branch", "Boolean", "control flow")

    @staticmethod
    def pytorch() -> Seen:
        """Trace a branch by torch.jit.trace."""
        import torch

        def clipped(x: torch.Tensor) -> torch.Tensor:
            if x.sum() > 0:  # the mistake
                return x * 2
            return x * 0

        traced = torch.jit.trace(clipped, torch.ones(2))
        found = traced(-torch.ones(2)).sum().item()
        return Seen(found == 0, f"the other branch gives {found:g}, where it is 0")

    @staticmethod
    def pytorch_right() -> Seen:
        """Choose by torch.where."""
        import torch

        def clipped(x: torch.Tensor) -> torch.Tensor:
            return torch.where(x.sum() > 0, x * 2, x * 0)

        traced = torch.jit.trace(clipped, torch.ones(2))
        found = traced(-torch.ones(2)).sum().item()
        return Seen(found == 0, f"the other branch gives {found:g}, where it is 0")

    @staticmethod
    def tensorflow() -> Seen:
        """Have a branch in a tf.function."""
        import tensorflow as tf

        @tf.function  # type: ignore[untyped-decorator]  # tensorflow is untyped here
        def clipped(x: tf.Tensor) -> tf.Tensor:
            if tf.reduce_sum(x) > 0:  # the mistake
                return x * 2
            return x * 0

        clipped(tf.ones(2))
        found = float(tf.reduce_sum(clipped(-tf.ones(2))))
        return Seen(found == 0, f"the other branch gives {found:g}, where it is 0")

    @staticmethod
    def tensorflow_right() -> Seen:
        """Choose by tf.where."""
        import tensorflow as tf

        @tf.function  # type: ignore[untyped-decorator]  # tensorflow is untyped here
        def clipped(x: tf.Tensor) -> tf.Tensor:
            return tf.where(tf.reduce_sum(x) > 0, x * 2, x * 0)

        clipped(tf.ones(2))
        found = float(tf.reduce_sum(clipped(-tf.ones(2))))
        return Seen(found == 0, f"the other branch gives {found:g}, where it is 0")


plugin = TracedBranch()
