"""The beginning of a run with a model of one's own: a first look at it in a process of its own, before anything else.

What it takes and gives is written into the scenario, which is what every later process goes by.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from evaluator.children import processes
from evaluator.core import files, registry
from evaluator.core.coordinates import DEVICE
from evaluator.core.errors import IncompleteEvidence, Unavailable, UsageError
from evaluator.core.reading import read_end
from evaluator.core.records import FRAMEWORKS
from scenarios.own import given
from scenarios.own.form import Own
from scenarios.own.look import Answer, Question

LOOK_S = 300.0  # at most: it imports a framework and the person's code, and computes three rows
_GRACE_S = 2.0
_TAIL_BYTES = 4096


def complete(question: Question, frameworks: Sequence[str], *, time_factor: float, say: Callable[[str], None]) -> Own:
    """Return a form that knows what its networks take and give, in those of the frameworks that were asked for.

    `question` is what is asked of each of them. Raises `UsageError` with what is wrong, in the person's files or words.
    """
    own = given.with_digests(question.own)
    asked: list[str | None] = [None] if own.origin else [name for name in own.frameworks if name in frameworks]
    if not asked:
        raise UsageError(
            f"the model is given in {' and '.join(own.frameworks) or 'no framework'}",
            remedy=f"leave out --framework {frameworks[0]}, or give the model in it",
        )
    for framework in asked:
        source = own.source(framework) if framework else own.origin
        say(f"looking at {Path(str(source)).name}: what it takes and gives")
        each = msgspec.structs.replace(question, own=own, framework=framework)
        answer = _ask(each, LOOK_S * time_factor)
        if answer.wrong is not None or answer.described is None:
            raise UsageError(answer.wrong or "the model was not understood", remedy=answer.remedy)
        if answer.framework not in frameworks:
            raise UsageError(f"the model is one of {answer.framework}", remedy="leave out --framework")
        for line in answer.described.said:
            say(line)
        found = {**own.found, answer.framework: answer.described}
        placed: dict[str, Any] = {} if framework else {"origin": None, answer.framework: source}
        own = msgspec.structs.replace(own, found=found, **placed)
    kept = {name: own.source(name) for name in FRAMEWORKS if name in own.found}
    return msgspec.structs.replace(own, **{name: kept.get(name) for name in FRAMEWORKS})


def _ask(question: Question, timeout_s: float) -> Answer:
    """Ask in a process of its own; what ends that process is told, too."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        asked, answer, said = folder / "question.json", folder / "answer.json", folder / "stderr"
        files.write_record(asked, question)
        process = processes.start(
            (sys.executable, "-P", "-m", "scenarios.own.look", str(asked), str(answer)),
            env={**os.environ, **registry.load("device", DEVICE).variables, **_QUIET},
            cwd=folder,
            stdout=said,
            stderr=said,
        )
        try:
            code = processes.wait(process, timeout_s)
        finally:
            processes.end_group(process, first=signal.SIGTERM, grace_s=_GRACE_S)
        if code is None:
            raise UsageError(
                f"the model was not there after {timeout_s:.0f} s",
                remedy='put what is to run as a script below `if __name__ == "__main__":`, and nothing else at the top',
            )
        if answer.is_file():
            return files.read_record(answer, Answer)
        if code == -signal.SIGKILL:
            raise IncompleteEvidence(
                "the model does not fit into this machine's memory: the kernel ended the process that built it",
                remedy="close other programs, or run on a machine with more memory",
            )
        lines = [line for line in read_end(said, _TAIL_BYTES).splitlines() if line.strip()]
        last = lines[-1] if lines else "it said nothing"
        raise Unavailable(f"the process that looked at the model ended with code {code}: {last}")


# The Keras backend is what its models are made with here; start-up notices would hide what the person's code says.
_QUIET = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
