"""Making mistakes in a process of its own, and in another where one of them ended it."""

import inspect
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from evaluator.children import processes
from evaluator.core import files, registry
from evaluator.core.ease import Made, Shown
from evaluator.core.reading import read_end
from scenarios.mistakes import _once

MOST_PROCESSES = 4  # that are ended by mistakes; what is more than that is no matter of a mistake
LIMIT_S = 240.0  # of one process; all mistakes of a framework take 30
_GRACE_S = 2.0
_TAIL_BYTES = 4096


def make(framework: str, names: Sequence[str], folder: Path, limit_s: float) -> tuple[list[Shown], list[Made]]:
    """Make these mistakes; one that ends its process, or never ends, is a finding, and the others go on.

    `RuntimeError` when the framework cannot be imported, or too many processes end.
    """
    folder.mkdir()
    todo, ended = list(names), dict[str, Made]()
    for number in range(MOST_PROCESSES):
        code = _process(framework, todo, folder, number, limit_s)
        if not (folder / "shown.json").exists():
            raise RuntimeError(f"its first lines ended with code {code}: {_last_line(folder, number)}")
        left = [name for name in todo if not (folder / f"{name}.json").exists()]
        if not left:
            shown = msgspec.json.decode((folder / "shown.json").read_bytes(), type=list[Shown])
            kept = (each for each in names if each not in ended)
            made = {each: files.read_record(folder / f"{each}.json", Made) for each in kept}
            return shown, [(made | ended)[name] for name in names]
        ended[left[0]] = _killer(left[0], framework, code)
        files.write_record(folder / f"{left[0]}.json", ended[left[0]])
        todo = left[1:]
    raise RuntimeError(f"{MOST_PROCESSES} processes ended, the last at '{left[0]}': {_last_line(folder, number)}")


def _process(framework: str, names: Sequence[str], folder: Path, number: int, limit_s: float) -> int | None:
    """Make mistakes until all are made, or one ends the process; its code, None when it was ended for its time."""
    process = processes.start(
        (sys.executable, "-P", "-m", _once.__name__, str(folder), framework, *names),
        env=dict(os.environ),
        cwd=folder,
        stdout=folder / f"{number}.stdout",
        stderr=folder / f"{number}.stderr",
    )
    try:
        return processes.wait(process, limit_s)
    finally:
        processes.end_group(process, first=signal.SIGTERM, grace_s=_GRACE_S)


def _killer(name: str, framework: str, code: int | None) -> Made:
    """Return what is known of a mistake that left nothing: the process died of a signal, or it was too slow."""
    mistake = registry.load("mistake", name)
    faulty = getattr(mistake, framework)
    died = code is not None and code < 0
    return Made(
        mistake=name,
        title=mistake.title,
        wrong=mistake.wrong,
        came="crash" if died else "hang",
        at=f"{Path(inspect.getfile(faulty)).name}:{_once.marked(faulty)}",
        said=f"the process died of signal {-code}" if died and code else f"longer than {_once.HANGS_S:g} s",
        corrected="not known: it or the mistake ended the process",
        clean=False,
    )


def _last_line(folder: Path, number: int) -> str:
    said = read_end(folder / f"{number}.stderr", _TAIL_BYTES).strip().splitlines()
    return said[-1] if said else "it said nothing"
