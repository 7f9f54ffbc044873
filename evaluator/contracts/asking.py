"""What a question to a plug-in is: a function with a name and a sentence, that says what to do or nothing."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from evaluator.children.work import attempt
from evaluator.core import plugins, registry
from evaluator.core.kinds import KINDS

Answer = str | None  # what to do; None when nothing is amiss
Ask = Callable[[Any], Answer]
HEAVY = (
    *("torch", "tensorflow", "keras", "jax", "onnx", "onnxruntime", "tf2onnx", "tflite_runtime", "ai_edge_litert"),
    *("grpc", "ts", "tensorflow_serving", "docker", "transformers", "tokenizers"),
)


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and the kinds of plug-ins that are asked it."""

    ask: Ask
    kinds: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return its name, which tests and JSON have."""
        return self.ask.__name__

    @property
    def sentence(self) -> str:
        """Return what must be so."""
        return (self.ask.__doc__ or "").partition("\n")[0]

    def __call__(self, plugin: Any) -> Answer:
        """Ask it; a plug-in that raises is told where."""
        answer = attempt(lambda: self.ask(plugin))
        if not isinstance(answer, Exception):
            return answer
        where = plugins.culprit(answer)
        return f"{type(answer).__name__}: {answer}" + (f" ({where})" if where else "")


QUESTIONS: list[Question] = []


def question(*kinds: str) -> Callable[[Ask], Ask]:
    """Have every plug-in of these kinds asked this; of every kind where none is named."""

    def add(ask: Ask) -> Ask:
        QUESTIONS.append(Question(ask, kinds or tuple(KINDS)))
        return ask

    return add


def questions(kind: str) -> Iterator[Question]:
    """Yield what plug-ins of a kind are asked."""
    return (each for each in QUESTIONS if kind in each.kinds)


def cases(*kinds: str) -> list[tuple[Question, Any]]:
    """Return every question to every plug-in that is here, of these kinds."""
    return [(each, plugin) for kind in kinds for plugin in registry.load_all(kind) for each in questions(kind)]


def kind_of(plugin: Any) -> str:
    """Return the kind of a plug-in."""
    return next(kind for kind in KINDS if isinstance(plugin, plugins.contract(kind)))


def others(plugin: Any) -> list[Any]:
    """Return all other plug-ins of its kind."""
    return [each for each in registry.load_all(kind_of(plugin)) if each is not plugin]


def text_of(plugin: Any) -> str:
    """Return what a plug-in's file says of it at its head."""
    return sys.modules[type(plugin).__module__].__doc__ or ""


def first(*answers: Answer) -> Answer:
    """Return the first of several answers that says something."""
    return next((each for each in answers if each), None)


def known(what: str, names: str | Iterable[str], every: Iterable[str]) -> Answer:
    """Say which of some names nothing bears."""
    strange = sorted(({names} if isinstance(names, str) else set(names)) - set(every))
    if not strange:
        return None
    return f"{what}: there is no {', '.join(map(repr, strange))}; known: {', '.join(sorted(every))}"
