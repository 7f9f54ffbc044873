"""The program that makes mistakes: `python -P -m scenarios.mistakes._once FOLDER FRAMEWORK NAME...`.

FOLDER gets `shown.json` and `NAME.json` for each mistake, as soon as it is known what became of it: one that kills the
process, or hangs, leaves none. The corrected lines run first, so that all is warm, and what they are told already is
nothing that the mistake was noticed by.
"""

import faulthandler
import importlib
import inspect
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from evaluator.children.processes import die_with_parent
from evaluator.children.work import attempt
from evaluator.core import files, registry
from evaluator.core.ease import Made, Shown
from evaluator.core.notices import without_places
from scenarios.mistakes import _first
from scenarios.mistakes._contract import MARK, Mistake, Seen
from scenarios.mistakes._notices import Notice, noticing

HANGS_S = 60.0  # the lines of one version; they take less than two seconds
MODULES = {"pytorch": ("torch",), "tensorflow": ("tensorflow", "keras")}
_LONGEST = 400
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_COLOUR = re.compile(r"\x1b\[[\d;]*m")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Some lines that ran: what they came to, or what they raised; when they began and ended, and what was told."""

    answer: Seen | Exception
    begin: float
    end: float
    notices: tuple[Notice, ...] = ()


def main(argv: Sequence[str]) -> int:
    """Make the mistakes, one by one."""
    die_with_parent()
    folder, framework, names = Path(argv[0]), argv[1], argv[2:]
    with noticing(Path(_first.__file__)) as told:
        for module in MODULES[framework]:
            importlib.import_module(module)
        getattr(_first, framework)()
    shown = [Shown(kind=each.kind, text=shortened(each.text), hidden=each.hidden) for each in told]
    files.write_text(folder / "shown.json", msgspec.json.encode(shown))
    for name in names:
        made = make(registry.load("mistake", name), framework)
        files.write_record(folder / f"{name}.json", made)
    return 0


def make(mistake: Mistake, framework: str) -> Made:
    """Run the corrected lines and the faulty ones, and say what became of them."""
    right, faulty = getattr(mistake, f"{framework}_right"), getattr(mistake, framework)
    user = Path(inspect.getfile(faulty))
    corrected = observe(right, framework, user)
    wrong = observe(faulty, framework, user)
    return concluded(mistake, marked(faulty), user.name, wrong, corrected)


def observe(lines: Callable[[], Seen], framework: str, user: Path) -> Observed:
    """Run some lines from the same seed."""
    _seed(framework)
    faulthandler.dump_traceback_later(HANGS_S, exit=True)
    with noticing(user) as notices:
        begin = time.perf_counter()
        answer, end = attempt(partial(_until_its_end, lines)), time.perf_counter()
    faulthandler.cancel_dump_traceback_later()
    return Observed(answer=answer, begin=begin, end=end, notices=tuple(notices))


def _until_its_end(lines: Callable[[], Seen]) -> Seen:
    return lines()


def concluded(mistake: Mistake, line: int, file: str, wrong: Observed, corrected: Observed) -> Made:
    """Say what became of a mistake: whether, where, when and how well it was noticed."""
    usual = {each.gist for each in corrected.notices}
    new = [each for each in wrong.notices if not each.hidden and each.gist not in usual]
    seen = corrected.answer
    about = Made(
        mistake=mistake.name,
        title=mistake.title,
        wrong=mistake.wrong,
        came="silent",
        at=f"{file}:{line}",
        outcome=wrong.answer.text if isinstance(wrong.answer, Seen) else "",
        corrected=shortened(seen.text if isinstance(seen, Seen) else f"{type(seen).__name__}: {seen}"),
        clean=isinstance(seen, Seen) and seen.good,
    )
    if isinstance(wrong.answer, Exception):
        said = f"{type(wrong.answer).__name__}: {wrong.answer}"
        return msgspec.structs.replace(
            about,
            came="exception",
            noticed_at=user_line(wrong.answer, file),
            seconds=wrong.end - wrong.begin,
            named=names(said, mistake.names),
            said=shortened(said),
        )
    if wrong.answer.good:
        return msgspec.structs.replace(about, came="harmless")
    if new:
        said = " / ".join(f"{each.kind}: {each.text}" for each in new)
        return msgspec.structs.replace(
            about,
            came="warning",
            noticed_at=next((each.line for each in new if each.line is not None), None),
            seconds=new[0].at - wrong.begin,
            named=names(said, mistake.names),
            said=shortened(said),
        )
    return about


def user_line(raised: Exception, file: str) -> int | None:
    """Return the user's line that a traceback leads to; a message that lists the user's lines leads further."""
    listed = [int(line) for path, line in _FRAME.findall(str(raised)) if Path(path).name == file]
    if listed:
        return listed[-1]
    lines, frame = [], raised.__traceback__
    while frame is not None:
        if Path(frame.tb_frame.f_code.co_filename).name == file:
            lines.append(frame.tb_lineno)
        frame = frame.tb_next
    return lines[-1] if lines else None


def names(said: str, wanted: Sequence[str]) -> bool:
    """Tell whether a message names one of these, as a word or number of its own; lines of code that it lists aside."""
    text = _without_listing(said)
    return any(re.search(rf"(?<!{_part(each)}){re.escape(each)}(?!{_part(each)})", text) for each in wanted)


def _part(word: str) -> str:
    """Return what a word must not go on with: a number with a digit ("8x37" names 37), others with a letter either."""
    return r"[\d.]" if word.lstrip("-").replace(".", "").isdigit() else r"\w"


def marked(function: Callable[[], Any]) -> int:
    """Return the number of the faulty line; `ValueError` unless exactly one is marked."""
    lines, first = inspect.getsourcelines(function)
    found = [first + number for number, line in enumerate(lines) if line.rstrip().endswith(MARK)]
    if len(found) != 1:
        raise ValueError(f"{function.__qualname__}: {len(found)} lines end with '{MARK}'; mark the faulty one")
    return found[0]


def shortened(text: str) -> str:
    """Bring a message to one line of bearable length, without listings and without where this machine has its files."""
    one = " ".join(_without_listing(text).split())
    one = without_places(_COLOUR.sub("", one))
    return one if len(one) <= _LONGEST else f"{one[: _LONGEST - 1]}…"


def _without_listing(text: str) -> str:
    """Leave out the frames that a message lists, and the line of code below each."""
    kept, skipping = [], False
    for line in text.splitlines():
        frame = _FRAME.search(line) is not None
        if not frame and not skipping:
            kept.append(line)
        skipping = frame
    return "\n".join(kept)


def _seed(framework: str) -> None:
    if framework == "pytorch":
        import torch

        torch.manual_seed(1)
    else:
        import keras

        keras.utils.set_random_seed(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
