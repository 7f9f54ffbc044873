"""PyTorch models as people bring them: a file of somebody's own, with a function for each. Nothing here is fweval's."""

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

WIDTH = 6
WORDS = 30
Pair = namedtuple("Pair", ["mean", "spread"])  # noqa: PYI024  # as people write it


@dataclass
class Found:
    boxes: Any
    scores: Any
    note: Any = None


class Dense(nn.Module):  # type: ignore[misc]  # torch is untyped here
    def __init__(self, gives: int = 3) -> None:
        super().__init__()
        torch.manual_seed(gives)
        self.dense = nn.Linear(WIDTH, gives)
        self.other = nn.Linear(WIDTH, 2)


class One(Dense):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(x).relu()


class Several(Dense):
    def forward(self, first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.dense(first - second), self.other(second)


def _gives(result: Callable[[Any, Any], Any]) -> nn.Module:
    """Return a module whose forward is a function of two dense layers' outputs."""

    class Gives(Dense):
        def forward(self, x: torch.Tensor) -> Any:
            return result(self.dense(x), self.other(x))

    return Gives()


def one() -> nn.Module:
    return One()


def several() -> nn.Module:
    return Several()


def listed() -> nn.Module:
    return _gives(lambda a, b: [a, b])


def dictionary() -> nn.Module:
    return _gives(lambda a, b: {"scores": a, "boxes": b})


def named() -> nn.Module:
    return _gives(Pair)


def dataclassed() -> nn.Module:
    return _gives(lambda a, b: Found(boxes=b, scores=a.softmax(1)))


def nested() -> nn.Module:
    return _gives(lambda a, b: {"head": (a, None, {"deep": b}), "aux": None, "count": 3})


def like_an_input() -> nn.Module:
    return _gives(lambda a, b: {"x": a, "y": b})


class Whole(Dense):
    """All that TorchScript compiles, too: one output is left out by who asks for two of three."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.dense(x), self.other(x), x.mean()


def three() -> nn.Module:
    return Whole()


class Keywords(Dense):
    def forward(self, x: torch.Tensor, *, scale: torch.Tensor, shift: torch.Tensor | None = None) -> torch.Tensor:
        y = self.dense(x) * scale
        return y if shift is None else y + shift


def keywords() -> nn.Module:
    return Keywords()


class Optional(Dense):
    def forward(
        self, x: torch.Tensor, mask: torch.Tensor | None = None, bias: torch.Tensor | None = None, times: float = 2.0
    ) -> torch.Tensor:
        y = self.dense(x if mask is None else x * mask) * times
        return y if bias is None else y + bias


def optional() -> nn.Module:
    return Optional()


class AnyNumber(Dense):
    def forward(self, *parts: torch.Tensor) -> torch.Tensor:
        return self.dense(parts[0] - 2 * parts[1])


def any_number() -> nn.Module:
    return AnyNumber()


class AnyByName(Dense):
    def forward(self, x: torch.Tensor, **more: torch.Tensor) -> torch.Tensor:
        return self.dense(x * more["by"] + more["plus"])


def any_names() -> nn.Module:
    return AnyByName()


class Tokens(nn.Module):  # type: ignore[misc]  # torch is untyped here
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.words = nn.Embedding(WORDS, WIDTH)
        self.tag = nn.Linear(WIDTH, 4)

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen = self.words(tokens)
        return seen.mean(1), self.tag(seen)


def tokens() -> nn.Module:
    return Tokens()


class RowByRow(Dense):
    """It takes one row and no more."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(x.reshape(1, WIDTH))


def one_row() -> nn.Module:
    return RowByRow()


def doubles() -> nn.Module:
    return One().double()


def program() -> Any:
    batch = torch.export.Dim("batch")
    example = (torch.ones(2, WIDTH), torch.zeros(2, WIDTH))
    return torch.export.export(Several().eval(), example, dynamic_shapes=({0: batch}, {0: batch}))


def by_keyword() -> Any:
    """Return a program that was captured with keywords."""
    batch = torch.export.Dim("batch")
    given = {"scale": torch.ones(2, 3)}
    free = {"x": {0: batch}, "scale": {0: batch}, "shift": None}
    return torch.export.export(
        Keywords().eval(), (torch.ones(2, WIDTH),), {**given, "shift": None}, dynamic_shapes=free
    )


def by_position() -> Any:
    """Return a program that was captured with what is no tensor between tensors."""
    batch = torch.export.Dim("batch")
    example = (torch.ones(2, WIDTH), None, torch.ones(2, 3), 2.0)
    return torch.export.export(Optional().eval(), example, dynamic_shapes=({0: batch}, None, {0: batch}, None))


def in_training() -> nn.Module:
    """Return a network that was left in training, with dropout."""
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(WIDTH, 3), nn.Dropout(0.5)).train()


# What cannot be an origin, or not as it is.


def weights() -> Any:
    return One().state_dict()


def nothing() -> None:
    return None


def sized(width: int, depth: int = 1) -> nn.Module:
    return nn.Linear(width, depth)


def scalar() -> nn.Module:
    return _gives(lambda a, b: a.sum())


def nonzero() -> nn.Module:
    return _gives(lambda a, b: (a, (b > -100).nonzero()))


def pooled() -> nn.Module:
    """Return a network with an output of two numbers, whatever the batch: as many as rows are looked at."""
    return _gives(lambda a, b: (a, b.mean(0)))


def squeezed() -> nn.Module:
    return _gives(lambda a, b: a.sum(1).squeeze())


def spectrum() -> nn.Module:
    return _gives(lambda a, b: torch.fft.fft(a))


def strange() -> nn.Module:
    return _gives(lambda a, b: {a, b})


def empty() -> nn.Module:
    return _gives(lambda a, b: {"loss": None})


def raising() -> nn.Module:
    def fail(a: Any, b: Any) -> Any:
        raise ValueError("no such\nbatch")

    return _gives(fail)


def wrong_width() -> nn.Module:
    return nn.Linear(WIDTH + 1, 2)
