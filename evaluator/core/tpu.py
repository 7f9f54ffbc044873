"""What a TPU's compiler says of a model: programs, how each can end, and the words for it.

Nothing of it is a speed, and nothing was computed: a compiler accepts a program or does not.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from evaluator.core.records import Record

STAGE = "tpu"
NAME = "tpu.json"  # in the folder of a step: what it found out
ACCEPTED_IN_WORDS = "lowers to StableHLO and the TPU compiler accepts it"

ProgramName = Literal["training", "inference"]
# What was compiled, by its label -> in words.
PROGRAMS: Mapping[ProgramName, str] = {
    "training": "training step: forward, loss and gradients",
    "inference": "inference: forward",
}
# "refused": it lowers, and the compiler does not take it. "unlowered": operators of it have no way to StableHLO, or
# none at sizes that are known beforehand. "failed": it does not lower, and no operator could be named.
State = Literal["accepted", "refused", "unlowered", "failed"]
# State -> points, of ten. What lowers in part can be helped by replacing what does not.
POINTS: Mapping[State, float] = {"accepted": 10.0, "refused": 5.0, "unlowered": 5.0, "failed": 0.0}
IN_WORDS: Mapping[State, str] = {
    "accepted": ACCEPTED_IN_WORDS,
    "refused": "lowers to StableHLO, and the TPU compiler refuses it",
    "unlowered": "does not lower to StableHLO in all",
    "failed": "does not lower to StableHLO",
}
PARTIAL: tuple[State, ...] = ("refused", "unlowered")


class Program(Record, frozen=True, kw_only=True):
    """One program that the compiler was given, and what it said."""

    program: ProgramName
    state: State
    batch: int  # examples at once: shapes are fixed on a TPU
    unlowered: tuple[str, ...] = ()  # operators, as their framework names them
    why: str = ""  # in the tool's words, where it is not accepted
    operators: dict[str, int] = msgspec.field(default_factory=dict)  # of StableHLO -> how many
    # What the compiler says of its program: bytes of arguments, outputs, temporary memory and code.
    memory: dict[str, int] = msgspec.field(default_factory=dict)


class Found(Record, frozen=True, kw_only=True):
    """`tpu.json`: what one step found out."""

    target: str  # the TPU that was compiled for
    versions: dict[str, str]  # of what compiled
    programs: tuple[Program, ...]
