"""What an operator is called with, and how one says that fweval's own limit was reached."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.core.errors import Unsupported

Numbers = NDArray[Any]  # of any type: which one is known when it is computed

LIMIT = "a limit of fweval's reference, not of Core ML"


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one operation by their names; 16-bit floats come as 32-bit ones of the same value."""

    kind: str
    given: Mapping[str, Any]  # an array, a text, or a list of them
    outputs: int  # how many it makes

    def array(self, name: str) -> Numbers:
        """Return an array that it cannot do without."""
        if name not in self.given:
            raise ValueError(f"the operator {self.kind} lacks its argument '{name}'")
        return np.asarray(self.given[name])

    def optional(self, name: str) -> Numbers | None:
        """Return an array that may be left out."""
        return np.asarray(self.given[name]) if name in self.given else None

    def several(self, name: str) -> list[Numbers]:
        """Return the arrays of an argument that has some."""
        found = self.given.get(name, [])
        return [np.asarray(each) for each in (found if isinstance(found, list) else [found])]

    def number(self, name: str, default: float) -> float:
        """Return a number, or what it is by definition where it is left out."""
        return float(self.given[name]) if name in self.given else default

    def integer(self, name: str, default: int) -> int:
        """Return a whole number."""
        return int(self.given[name]) if name in self.given else default

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return yes or no."""
        return bool(self.given[name]) if name in self.given else default

    def text(self, name: str, default: str) -> str:
        """Return a text."""
        return str(self.given.get(name, default))

    def integers(self, name: str, default: list[int]) -> list[int]:
        """Return whole numbers."""
        found = self.given.get(name)
        return default if found is None else [int(each) for each in np.asarray(found).reshape(-1)]

    def unknown(self, what: str) -> Unsupported:
        """Return the refusal of something that an operator can be asked for and is not done here."""
        return Unsupported(f"the operator {self.kind} {what}: {LIMIT}")


Operator = Callable[[Call], Numbers | tuple[Numbers, ...]]
