"""Asks the plug-ins of a folder the contract's questions, in a child: importing them runs their code."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from evaluator.children.processes import die_with_parent
from evaluator.core import files, plugins
from evaluator.core.errors import UsageError
from evaluator.core.records import Record

_TIMEOUT_S = 600.0


class Failed(Record, frozen=True, kw_only=True):
    """A question that a plug-in did not answer as it must."""

    file: str
    question: str
    sentence: str  # what must be so
    todo: str


class Answers(Record, frozen=True, kw_only=True):
    """What came of a folder."""

    folder: str
    plugins: tuple[str, ...] = ()  # "exporter keras_save"
    asked: int = 0
    failed: tuple[Failed, ...] = ()


def check(folder: Path) -> Answers:
    """Return what the plug-ins of a folder answer; `UsageError` when there is no such folder."""
    try:
        plugins.name_folders([folder], before=plugins.told())
    except UsageError as refused:
        if not folder.is_dir():
            raise
        return _lost(folder, f"{refused.message} ({refused.remedy})")
    folder = folder.resolve()
    with tempfile.TemporaryDirectory(prefix="fweval-check-") as temporary:
        answers = Path(temporary) / "answers.json"
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", "evaluator.contracts.child", str(folder), str(answers)],
                env=dict(os.environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIMEOUT_S,
                check=False,
                preexec_fn=die_with_parent,  # one system call, no lock is taken
            )
        except subprocess.TimeoutExpired:
            return _lost(folder, f"they were not done after {_TIMEOUT_S:.0f} s: start no work at import")
        if answers.exists():
            return files.read_record(answers, Answers)
    last = ([line for line in done.stderr.splitlines() if line.strip()] or ["nothing was said"])[-1]
    return _lost(folder, f"the process that asked them ended with code {done.returncode}: {last}")


def _lost(folder: Path, todo: str) -> Answers:
    """Return the answer of plug-ins that ended who asked them."""
    lost = Failed(file=str(folder), question="lets_itself_be_asked", sentence="Importing them does no harm.", todo=todo)
    return Answers(folder=str(folder), failed=(lost,))
