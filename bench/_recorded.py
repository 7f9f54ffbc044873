"""What a machine was recorded to do: medians of blocks of one artifact that was measured twice, in turns, for real.

`bench/data/blocks.json` holds recordings of several rounds each, quiet and beside a neighbour. Drawn from it again are
stretches of turns as they were, of rounds drawn without putting them back: starts differ as they did.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from evaluator.core.records import Record
from evaluator.measure.pairs import Rounds

PLACE = Path(__file__).with_name("data") / "blocks.json"
Pair = tuple[dict[int, float], dict[int, float]]  # turn -> median of a block in seconds; of both


class Recording(Record, frozen=True, kw_only=True):
    """The rounds of several artifacts, each measured twice in the same turns."""

    at: str
    machine: str
    beside: str
    rounds: dict[str, tuple[Pair, ...]]  # runtime -> round by round


class Recordings(Record, frozen=True, kw_only=True):
    """`bench/data/blocks.json`."""

    recordings: tuple[Recording, ...] = ()

    def with_one(self, new: Recording) -> "Recordings":
        """Return these, the one beside the same renewed."""
        kept = {**{each.beside: each for each in self.recordings}, new.beside: new}
        return Recordings(recordings=tuple(kept[name] for name in sorted(kept)))


def read(path: Path = PLACE) -> Recordings:
    """Read them; none where there is no file."""
    return msgspec.json.decode(path.read_bytes(), type=Recordings) if path.exists() else Recordings()


def write(found: Recordings, path: Path = PLACE) -> None:
    """Keep them, to the microsecond."""
    path.parent.mkdir(exist_ok=True)
    rounded = [msgspec.structs.replace(each, rounds=_rounded(each.rounds)) for each in found.recordings]
    lines = [msgspec.json.encode(each).decode() for each in rounded]
    path.write_text('{"recordings":[\n' + ",\n".join(lines) + "\n]}\n", encoding="utf-8")


def _rounded(rounds: Mapping[str, Sequence[Pair]]) -> dict[str, tuple[Pair, ...]]:
    def told(side: Mapping[int, float]) -> dict[int, float]:
        return {turn: round(value, 7) for turn, value in side.items()}

    return {name: tuple((told(a), told(b)) for a, b in found) for name, found in rounds.items()}


def drawn(pairs: Sequence[Pair], rng: np.random.Generator, rounds: int, turns: int) -> tuple[Rounds, Rounds] | None:
    """Draw so many rounds of one artifact, and of each a stretch of turns; None where it has not so many.

    Which of both comes first is drawn, too: they are the same.
    """
    able = [pair for pair in pairs if len(pair[0].keys() & pair[1].keys()) >= turns]
    if len(able) < rounds:
        return None
    a: dict[int, Mapping[int, float]] = {}
    b: dict[int, Mapping[int, float]] = {}
    for number, place in enumerate(rng.choice(len(able), size=rounds, replace=False), start=1):
        one, other = able[int(place)] if rng.random() < 0.5 else able[int(place)][::-1]
        shared = sorted(one.keys() & other.keys())
        begin = int(rng.integers(0, len(shared) - turns + 1))
        chosen = shared[begin : begin + turns]
        a[number], b[number] = ({turn: side[turn] for turn in chosen} for side in (one, other))
    return a, b
