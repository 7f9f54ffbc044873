"""The child's side of a step: reads `job.json`, does the work, writes `result.json`. Started by `isolation` only.

`python -P -m evaluator.children.worker FOLDER [STEPS] [--turns=SOCKET]`: FOLDER holds job.json and takes the results;
STEPS (default: the folder above) holds the folders of the steps that this one needs; SOCKET is the number of the socket
over which it is asked for its turns.
"""

import logging
import math
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import msgspec

from evaluator.children import memory
from evaluator.children.processes import die_with_parent
from evaluator.children.turns import TURNS, Turns
from evaluator.children.work import Work, blamed
from evaluator.core import clock, files, metrics, plugins, registry, surroundings
from evaluator.core.causes import lacking, of_a_gpu, pruned, shortened, wants_memory
from evaluator.core.errors import FwevalError, IncompleteEvidence, Unavailable, Unsupported, UsageError
from evaluator.core.outcome import Outcome
from evaluator.core.reading import read_end
from evaluator.core.records import Measured, Metrics, Result, Step, Value

_LONGEST = 300  # characters of a reason
_TAIL_BYTES = 16_384  # of stderr, where a tool may have said more than it raised
_ENDINGS = {
    Unsupported: Outcome.UNSUPPORTED,
    Unavailable: Outcome.UNAVAILABLE,
    IncompleteEvidence: Outcome.UNAVAILABLE,
}


def main(argv: list[str]) -> int:
    """Do the step in the folder `argv[0]`; the exit code is 0 whenever a result was written."""
    die_with_parent()
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
    ):  # the first is ignored in a background job's children otherwise
        signal.signal(number, _interrupt)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    asked = next((int(each.removeprefix(TURNS)) for each in argv if each.startswith(TURNS)), None)
    argv = [each for each in argv if not each.startswith(TURNS)]
    folder = Path(argv[0]).resolve()
    steps = Path(argv[1]).resolve() if len(argv) > 1 else folder.parent
    step = files.read_record(folder / "job.json", Step)
    started_at, begin = clock.utc_now(), time.perf_counter()
    turns = Turns.over(asked)
    measured = _attempt(Work(step=step, folder=folder, steps=steps, turns=turns))
    result = Result(
        step=step.id,
        outcome=measured.outcome,
        reason=measured.reason,
        remedy=measured.remedy,
        metrics=measured.metrics,
        figures=measured.figures,
        files=measured.files,
        started_at=started_at,
        seconds=time.perf_counter() - begin - turns.slept_s,
    )
    files.write_record(folder / "resources.json", _resources())
    files.write_record(folder / "result.json", result)
    return 0


def _interrupt(*_: object) -> None:
    """Let signals unwind, so that servers are stopped on the way out."""
    raise KeyboardInterrupt


def _attempt(work: Work) -> Measured:
    """Run the stage's `work`; turn whatever it raises into an outcome (this is the outermost frame of the child)."""
    see = f"see steps/{work.step.id}/stderr"
    try:
        stage = _stage(work.step.stage)
        # Through plain values: a figure of a foreign type (numpy) is refused here, where it becomes an outcome.
        measured = msgspec.convert(msgspec.to_builtins(stage.work(work)), Measured)
        return _declared(_finite(measured))
    except FwevalError as error:
        traceback.print_exc()  # the whole message; the reason below is one line
        outcome = next((ending for kind, ending in _ENDINGS.items() if isinstance(error, kind)), Outcome.FAILED)
        return Measured(outcome=outcome, reason=shortened(error.message, _LONGEST), remedy=error.remedy or see)
    except Exception as error:  # noqa: BLE001  # the outermost frame: the failure travels as data
        traceback.print_exc()
        return _unforeseen(error, see, work)


def _stage(name: str) -> Any:
    """Return a stage by its name, not by an import: this lies below the stages.

    One whose module is there already is of whoever started this process with a stage more (the benchmark). One that is
    gone, as a plug-in from outside may be, is no failure of what it would have asked.
    """
    module = sys.modules.get(f"evaluator.stages.{name}")
    if module is not None:
        return module.plugin
    try:
        return registry.load("stage", name)
    except UsageError as error:
        raise Unavailable(error.message, remedy=error.remedy) from error


def _unforeseen(error: Exception, see: str, work: Work) -> Measured:
    """Say whose failure an exception is: the machine's, the subject's, or ours; what a runtime lacks is none."""
    culprit = blamed(error) or plugins.culprit(error)
    told = f"{type(error).__name__}: {str(error).strip()}"
    if wants_memory(told):
        return _out_of_memory(work.step, culprit, told)
    full = surroundings.full_disk((work.folder, os.environ.get("TMPDIR", work.folder)))
    refused = surroundings.refusal(error) or full
    if refused is not None:
        reason = shortened(refused.message, _LONGEST)
        return Measured(outcome=Outcome.UNAVAILABLE, reason=reason, remedy=refused.remedy)
    outcome = Outcome.ERROR if culprit is None else Outcome.FAILED
    prefix = "a bug in fweval: " if culprit is None else f"{culprit}: "
    said = pruned(told)
    if culprit is not None and work.step.runtime is not None:
        outcome = lacking(said, read_end(work.folder / "stderr", _TAIL_BYTES)) or outcome
    return Measured(outcome=outcome, reason=shortened(f"{prefix}{said}", _LONGEST), remedy=see)


def _out_of_memory(step: Step, culprit: str | None, told: str) -> Measured:
    """Say which limit was too low; memory of its own, as a GPU has, is named by what has run out of it."""
    short = memory.reached(step)
    said = pruned(told)
    what, remedy = (said, memory.RAN_OUT) if of_a_gpu(told) else (short.message, short.remedy)
    reason = what if culprit is None else f"{culprit}: {what}"
    return Measured(outcome=Outcome.UNAVAILABLE, reason=shortened(reason, _LONGEST), remedy=remedy)


def _finite(measured: Measured) -> Measured:
    """Refuse figures that are no numbers (a loss that diverged): JSON cannot hold them, no mean survives them."""
    wild = {name for name, value in measured.metrics.items() if _wild(value)}
    wild_figures = {figure.name for figure in measured.figures if _wild(figure.value, figure.low, figure.high)}
    if not wild | wild_figures:
        return measured
    said = f"{', '.join(sorted(wild | wild_figures))}: not a finite number"
    return msgspec.structs.replace(
        measured,
        outcome=Outcome.FAILED,
        reason=f"{measured.reason}; {said}" if measured.reason else said,
        remedy=measured.remedy or "look at the step's samples and its stderr",
        metrics={name: value for name, value in measured.metrics.items() if name not in wild},
        figures=tuple(each for each in measured.figures if not _wild(each.value, each.low, each.high)),
    )


def _wild(*values: Value | None) -> bool:
    return any(isinstance(value, float) and not math.isfinite(value) for value in values)


def _declared(measured: Measured) -> Measured:
    """Refuse metrics that the vocabulary does not have: nobody could say what they mean. That is a bug of ours."""
    misfits = metrics.misfits(measured.metrics, measured.figures)
    if not misfits:
        return measured
    return msgspec.structs.replace(
        measured,
        outcome=Outcome.ERROR,
        reason="a bug in fweval: " + "; ".join(f"the metric '{name}' {why}" for name, why in misfits.items()),
        remedy="declare it in evaluator/core/metrics.py, or in the own_metrics of the plug-in that it is of",
        metrics={name: value for name, value in measured.metrics.items() if name not in misfits},
        figures=tuple(figure for figure in measured.figures if figure.name not in misfits),
    )


def _resources() -> Metrics:
    """Return what the kernel counted for this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "cpu_user_s": usage.ru_utime,
        "cpu_system_s": usage.ru_stime,
        "major_faults": usage.ru_majflt,
        "pid": os.getpid(),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
