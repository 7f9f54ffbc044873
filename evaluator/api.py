"""fweval from Python: `evaluate` for notebooks and tests, and `open_run` for what is there already.

    from evaluator.api import evaluate

    run = evaluate("mine.py:build", inputs={"features": x}, labels=y, quality=auc, profile="quick")
    run.scorecard, run.cells(), run.path

What goes wrong on purpose is an `evaluator.core.errors.FwevalError`. Progress goes to standard error. The measuring
happens in other processes, as ever: this module imports nothing until it is asked.
"""

import contextlib
import inspect
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluator.core.errors import FwevalError as FwevalError  # noqa: PLC0414  # taken from here
from evaluator.core.errors import UsageError

if TYPE_CHECKING:
    from evaluator.core.given_files import GivenFile
    from evaluator.core.records import Cell, RunRecord
    from evaluator.core.scorecard import Scorecard
    from evaluator.core.store import RunFolder
    from evaluator.pipeline import Stage
    from evaluator.planning.selection import Options

Names = str | Sequence[str]
Examples = str | os.PathLike[str] | Mapping[str, Any] | Callable[[], Mapping[str, Any]]


class Evaluation:
    """A run and what was found: in a notebook it shows itself in short."""

    def __init__(self, folder: "RunFolder") -> None:
        self._folder = folder

    @property
    def path(self) -> Path:
        """The folder of the run, with all evidence."""
        return self._folder.path

    @property
    def page(self) -> Path:
        """The report, for a browser."""
        return self.path / "scorecard.html"

    @property
    def record(self) -> "RunRecord":
        """What was asked for: run.json."""
        return self._folder.record

    @cached_property
    def scorecard(self) -> "Scorecard":
        """What `scorecard.json` holds: scores, findings, rankings and what they rest on."""
        from evaluator.judging import replay

        return replay.read_scorecard(self._folder)

    def cells(self) -> "tuple[Cell, ...]":
        """Return one row for each step: what it was, how it ended, and its figures."""
        from evaluator.judging import replay

        return replay.cells(self._folder)

    def __repr__(self) -> str:
        return f"<run {str(self.path)!r}>"

    def _repr_html_(self) -> str:
        """Return what the terminal would show, for notebooks."""
        from evaluator.core.text import cleaned
        from evaluator.report import _format, html

        link = f'<p><a href="{_format.address(os.path.relpath(self.page))}">The whole report</a></p>'
        return f"<div>{html.brief(cleaned(self.scorecard))}{link}</div>"


def open_run(path: str | os.PathLike[str]) -> Evaluation:
    """Return a run that was made before; `FwevalError` where there is none."""
    from evaluator.core.store import RunFolder

    return Evaluation(RunFolder.open(Path(path)))


def evaluate(  # noqa: PLR0913  # a command's options, each by its name
    model: str | os.PathLike[str] | Callable[[], Any],
    *,
    inputs: Examples | None = None,
    labels: Any = None,
    quality: str | Callable[..., float] | None = None,
    profile: str = "smoke",
    out: str | os.PathLike[str] | None = None,
    until: str | None = None,
    frameworks: Names = (),
    devices: Names = (),
    only: Names = (),
    skip: Names = (),
    seed: int = 1,
    criteria: str | os.PathLike[str] = "balanced",
    **more: Any,
) -> Evaluation:
    """Evaluate a model of one's own, as `fweval full` does, and return the run.

    `model` is "mine.py:build", a function at the top of a file, a model's file, or a scenario's file. `inputs` are a
    dictionary of arrays, or as the command's --inputs; `labels` an array, such a dictionary, or as --labels; `quality`
    is a function (outputs, labels) -> number, the name of a measure, or "FILE.py:FUNCTION". `until` names the stage
    after which it stops: with "verify" all is proven, and nothing timed. `criteria` are by what it is judged: built-in
    ones, or a file. `more` takes every other key of a scenario's
    file, such as `allowed_loss=0.01` or `dynamic={"tokens": ["batch", "length"]}`.

    Raises `FwevalError`, with what to do as its note.
    """
    with _told():
        from evaluator.core.criteria import given
        from evaluator.core.records import FRAMEWORKS
        from evaluator.planning.selection import Options, known_devices
        from scenarios.loading import load_profile

        _refuse_inside()
        _check_keys(more)
        stages = _stages(until)
        options = Options(
            frameworks=_several(frameworks) or FRAMEWORKS,
            devices=_several(devices) or known_devices(),
            only=_several(only),
            skip=_several(skip),
            seed=seed,
        )
        stamp = f"{time.strftime('%Y%m%d-%H%M%S')}-{load_profile(profile).name}"
        path = Path(out) if out is not None else Path("runs") / stamp
        judged_by = given(os.fspath(criteria))
        with _beside(path) as folder_of_given:
            told = {**more, **_as_files(folder_of_given, inputs, labels, quality)}
            folder = _run(_word(model), profile, options, stages, told=told, out=path, criteria=judged_by)
        return Evaluation(folder)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Have an error say what to do, and name what this machine refuses."""
    from evaluator.core import surroundings

    try:
        yield
    except FwevalError as error:
        if error.remedy and error.remedy not in getattr(error, "__notes__", ()):
            error.add_note(error.remedy)
        raise
    except OSError as error:
        refused = surroundings.refusal(error)
        if refused is None:
            raise
        refused.add_note(refused.remedy or "see what this machine allows")
        raise refused from error


def _refuse_inside() -> None:
    """Refuse to begin a run within a step of one: a script whose function is evaluated would call itself for ever."""
    from scenarios.own import calling

    file = calling.at_work()
    if file is not None:
        raise UsageError(
            f"{file.name} calls evaluate() when it is imported, and to be evaluated it is imported",
            remedy='put the call below `if __name__ == "__main__":`, or the functions into a file of their own',
        )


def _check_keys(more: Mapping[str, Any]) -> None:
    """Refuse a name that is neither a parameter nor a key of a scenario's file, with the nearest one."""
    from evaluator.core.registry import unknown
    from scenarios.loading import KEYS

    parameters = [name for name in inspect.signature(evaluate).parameters if name != "more"]
    for name in more:
        if name not in KEYS:
            raise unknown("parameter of evaluate", name, (*parameters, *KEYS))


def _stages(until: str | None) -> "tuple[Stage, ...]":
    """Return what is gone through: all, or what a stage needs; then it is judged and reported in any case."""
    from evaluator import pipeline
    from evaluator.core.registry import unknown

    if until is None:
        return pipeline.STAGES
    if until not in pipeline.PLANNED:
        raise unknown("stage", until, pipeline.PLANNED)
    return (*pipeline.through(until), pipeline.judge, pipeline.score, pipeline.report)


def _several(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))


def _word(model: Any) -> str:
    """Return the command's word for a model."""
    from scenarios.own import handed

    return os.fspath(model) if isinstance(model, str | os.PathLike) else handed.function(model, "model")


@contextlib.contextmanager
def _beside(run: Path) -> Iterator[Path]:
    """Make a folder beside a run for what a program hands over; it stays when the run does, and holds something."""
    given = run.with_name(f"{run.name}-given")
    if given.exists():
        raise UsageError(f"{given} is there already", remedy="choose another folder with out=…")
    new = [each for each in given.parents if not each.exists()]
    given.mkdir(parents=True)
    try:
        yield given
    finally:
        if not (run / "run.json").exists():
            shutil.rmtree(given, ignore_errors=True)
        for each in (given, *new):
            with contextlib.suppress(OSError):  # it is not empty
                each.rmdir()


def _as_files(given: Path, inputs: Any, labels: Any, quality: Any) -> dict[str, str]:
    """Return what was handed over as the words of a command; arrays and functions of notebooks become files."""
    from scenarios.own import handed

    told = {}
    if inputs is not None:
        told["inputs"] = handed.arrays(inputs, given / "inputs.npz", "inputs")
    if labels is not None:
        told["labels"] = handed.arrays(labels, given / "labels.npz", "labels", alone="labels")
    if quality is not None:
        told["quality"] = handed.measure(quality, given / "quality_given.py")
    return told


def _run(  # noqa: PLR0913  # all that a run begins with
    word: str,
    profile: str,
    options: "Options",
    stages: "tuple[Stage, ...]",
    *,
    told: Mapping[str, Any],
    criteria: "GivenFile",
    out: Path,
) -> "RunFolder":
    """Make a run and go through its stages."""
    from evaluator import pipeline
    from evaluator.core import surroundings
    from evaluator.running import progress
    from scenarios.loading import load_devices

    surroundings.raise_file_limit(surroundings.FILES)
    said = [f"{name}={value!r}" for name, value in {"profile": profile, **told}.items()]
    with progress.on_stderr() as reporter:
        folder, record = pipeline.begin(
            (word,),
            profile,
            options,
            device_classes=load_devices(),
            out=out,
            command=("evaluator.api.evaluate", word, *said),
            inputs=(criteria,),
            told=told,
            say=reporter.note,
        )
        scenarios = pipeline.load_scenarios(record)
        run = pipeline.Run(folder=folder, record=record, scenarios=scenarios, stages=stages, reporter=reporter)
        pipeline.pursue(run)
    return folder
