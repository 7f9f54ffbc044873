"""Side effect in a traced function: Python code in it runs while it is traced, and not when it is called."""

from typing import Any, ClassVar

from scenarios.mistakes._contract import Mistake, Seen


class TracedSideEffect(Mistake):
    """Side effect in a traced function."""

    name: ClassVar[str] = "traced_side_effect"
    title: ClassVar[str] = "Side effect in a traced function"
    wrong: ClassVar[str] = "a traced function appends to a Python list"
    names: ClassVar[tuple[str, ...]] = ("append", "seen", "side effect", "side effects")

    @staticmethod
    def pytorch() -> Seen:
        """Trace it by torch.jit.trace."""
        import torch

        seen = []

        def logged(x: torch.Tensor) -> torch.Tensor:
            seen.append(x.shape[0])  # the mistake
            return x * 2

        traced = torch.jit.trace(logged, torch.ones(2), check_trace=False)
        seen.clear()
        for _ in range(3):
            traced(torch.ones(2))
        return Seen(len(seen) == 3, f"{len(seen)} of 3 calls were logged")

    @staticmethod
    def pytorch_right() -> Seen:
        """Leave it as Python."""
        import torch

        seen = []

        def logged(x: torch.Tensor) -> torch.Tensor:
            seen.append(x.shape[0])
            return x * 2

        for _ in range(3):
            logged(torch.ones(2))
        return Seen(len(seen) == 3, f"{len(seen)} of 3 calls were logged")

    @staticmethod
    def tensorflow() -> Seen:
        """Make it a tf.function."""
        import tensorflow as tf

        seen = []

        @tf.function  # type: ignore[untyped-decorator]  # tensorflow is untyped here
        def logged(x: Any) -> Any:
            seen.append(x.shape[0])  # the mistake
            return x * 2

        for _ in range(3):
            logged(tf.ones(2))
        return Seen(len(seen) == 3, f"{len(seen)} of 3 calls were logged")

    @staticmethod
    def tensorflow_right() -> Seen:
        """Leave it as Python."""
        import tensorflow as tf

        seen = []

        def logged(x: Any) -> Any:
            seen.append(x.shape[0])
            return x * 2

        for _ in range(3):
            logged(tf.ones(2))
        return Seen(len(seen) == 3, f"{len(seen)} of 3 calls were logged")


plugin = TracedSideEffect()
