"""What a mistake is: a few lines as a user of each framework writes them, once with the mistake and once without.

Both versions say what came of them, by a property that they compute themselves: a mistake that nobody notices is known
to have done harm, and the corrected lines are known to be right.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

MARK = "# the mistake"  # at the end of the faulty line, once in each faulty version


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a few lines: whether it is what their writer wanted, and what was seen of it."""

    good: bool
    text: str


class Mistake(ABC):
    """One mistake. No method takes anything, or leaves anything behind; seeds are set before each."""

    name: ClassVar[str]
    title: ClassVar[str]
    wrong: ClassVar[str]  # one sentence: what the user did
    names: ClassVar[tuple[str, ...]]  # what a good message names: any of these, as a word
    without: ClassVar[Mapping[str, str]] = {}  # framework -> why it cannot be made there

    @staticmethod
    @abstractmethod
    def pytorch() -> Seen:
        """Make it in PyTorch, in eager mode."""

    @staticmethod
    @abstractmethod
    def pytorch_right() -> Seen:
        """Do the same without it."""

    @staticmethod
    @abstractmethod
    def tensorflow() -> Seen:
        """Make it in TensorFlow: with Keras, as its guides do, or with a tape in a training loop of one's own."""

    @staticmethod
    @abstractmethod
    def tensorflow_right() -> Seen:
        """Do the same without it."""
