"""What a step's code is handed in its child, and how it says whose failure something is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from evaluator.children.turns import Turns
from evaluator.core.records import Step

T = TypeVar("T")
_MARK = "fweval: raised by the subject: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One step to do: `folder` takes what it leaves behind, `steps` holds the folders of all steps of the run."""

    step: Step
    folder: Path
    steps: Path
    turns: Turns = field(default_factory=Turns)  # who asks for blocks of calls; by default nobody does

    @property
    def time_factor(self) -> float:
        """How many times as long as where they were set the limits inside of a step are, on this machine."""
        return float(self.step.settings.get("time_factor", 1.0))

    def need(self, role: str) -> Path:
        """Return the folder that the needed step of this role left behind."""
        return self.steps / self.step.needs[role]


class blame:  # noqa: N801  # reads as a statement: `with blame("torch.onnx.export"):`
    """Marks whatever is raised inside as the failure of what is evaluated, not of fweval.

    The mark is a note on the exception, so that nothing has to be caught here; the worker reads it.
    """

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, raised: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(raised, Exception):
            raised.add_note(_MARK + self.what)


def attempt(call: Callable[[], T]) -> T | Exception:
    """Return what a foreign tool gives, or what it raised: they have as many ways to refuse as there are tools.

    For a question whose refusal is an answer, such as whether another size is taken; a step's own work is not asked so.
    """
    try:
        return call()
    except Exception as refusal:  # noqa: BLE001  # whatever it is, it is the answer
        return refusal


def blamed(raised: BaseException) -> str | None:
    """Return what `blame` named when this was raised inside it, else None: then it is our bug."""
    for note in getattr(raised, "__notes__", ()):
        if note.startswith(_MARK):
            return str(note.removeprefix(_MARK))
    return None
