"""What is said of a model of one's own: the `[settings]` of its scenario, and what a first look found out."""

from typing import Annotated, Literal

import msgspec

from evaluator.core.records import FRAMEWORKS, Record, Signature

RANDOM = "random"  # inputs that are made up
Bound = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
Pair = Literal["same weights", "trained apart"]


class Drawn(Record, frozen=True, kw_only=True):
    """How values of an input are made up: of that type, each example of that shape, evenly between two bounds."""

    dtype: str = "float32"
    shape: tuple[Annotated[int, msgspec.Meta(ge=1, le=10**6)], ...] = ()  # of one example: without the batch
    low: Bound = 0.0
    high: Bound | None = None  # None: 1 for floats, 2 (which is never drawn) for integers


class Described(Record, frozen=True, kw_only=True):
    """What a first look at a network in one framework found out."""

    signature: Signature
    takes: tuple[tuple[str, bool], ...] = ()  # of PyTorch: input -> whether it is given by its keyword
    gives: tuple[str, ...] = ()  # output by output: where it lies in what the network returns, as Python has it
    whole: bool = True  # whether these are all that it returns
    free: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)  # input -> by axis its name, "" for fixed
    casts: dict[str, str] = msgspec.field(default_factory=dict)  # input -> the type that its values are brought to
    keys: dict[str, str] = msgspec.field(default_factory=dict)  # input -> its key among the examples
    said: tuple[str, ...] = ()  # for people: what was assumed

    def free_axes(self, name: str) -> dict[int, str]:
        """Return the free dimensions of an input: axis -> name."""
        return {axis: each for axis, each in enumerate(self.free.get(name, ())) if each}


class Own(Record, frozen=True, kw_only=True):
    """A model of somebody's own. Paths are absolute, sources "FILE.py:FUNCTION" or the path of a model's file."""

    origin: str | None = None  # of either framework: a first look says of which
    pytorch: str | None = None
    tensorflow: str | None = None
    inputs: str | dict[str, str] = RANDOM  # examples: FILE.npz, "FILE.py:FUNCTION" or "random"; by framework, or one
    labels: str | None = None  # FILE.npz or "FILE.py:FUNCTION"
    quality: str | None = None  # the name of a measure, or "FILE.py:FUNCTION"
    allowed_loss: Annotated[float, msgspec.Meta(ge=0)] | None = None  # in the measure's unit; None: 1 % of the origin's
    higher_is_better: bool | None = None  # of a measure of one's own; None: as its name tells (an error: lower)
    outputs: tuple[str, ...] = ()  # their names, in order; "" leaves one out
    dynamic: dict[str, tuple[str | int, ...]] = msgspec.field(default_factory=dict)  # input -> its dimensions
    signature: dict[str, Drawn] = msgspec.field(default_factory=dict)  # of examples that are made up
    pair: Pair = "same weights"  # where both frameworks are given: whether they must compute the same
    train_step: str | dict[str, str] | None = None  # "FILE.py:FUNCTION", by framework or one for both
    train_inputs: str | dict[str, str] | None = None  # FILE.npz or "FILE.py:FUNCTION"; by framework, or one
    train_labels: str | None = None
    # Written by fweval when a run begins:
    digests: dict[str, str] = msgspec.field(default_factory=dict)  # file -> its SHA-256
    found: dict[str, Described] = msgspec.field(default_factory=dict)  # by framework

    def source(self, framework: str) -> str | None:
        """Return what the network in a framework comes from."""
        given: str | None = getattr(self, framework)
        return given

    @property
    def frameworks(self) -> tuple[str, ...]:
        """Return the frameworks that it is given in."""
        return tuple(name for name in FRAMEWORKS if self.source(name) is not None)

    def examples(self, framework: str) -> str:
        """Return where the examples for a framework are."""
        return self.inputs if isinstance(self.inputs, str) else self.inputs.get(framework, RANDOM)
