"""Puts each deliberate fault of faults.toml into a copy of the sources, and tells which of them the tests notice.

python -m tests.mutants [WORDS]: those whose description holds the words, else all. Exit code 1 when one goes unnoticed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutants import ROOT, Fault, faults

_COPIED = ("bench", "evaluator", "exports", "scenarios", "serving", "tests", "docs", "setup.cfg")
_LIMIT_S = 300.0  # a fault may make a test endless


def main(words: str) -> int:
    """Try the faults and print a table."""
    chosen = [fault for fault in faults() if words in fault.what]
    with tempfile.TemporaryDirectory(prefix="fweval-mutants-") as folder:
        copy = Path(folder)
        _copy(copy)
        if _fails(copy, sorted({fault.tests for fault in chosen})):
            _say("the tests fail without any fault: run them first")
            return 2
        unnoticed = 0
        for fault in chosen:
            noticed = _try(copy, fault)
            unnoticed += not noticed
            _say(f"{'noticed' if noticed else 'UNNOTICED':9}  {fault.file}: {fault.what}")
    _say(f"{len(chosen) - unnoticed} of {len(chosen)} faults were noticed")
    return 1 if unnoticed else 0


def _copy(target: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=ignored)
        else:
            shutil.copy(source, target / name)


def _try(copy: Path, fault: Fault) -> bool:
    """Put one fault in, run its tests, and take it out again."""
    path = copy / fault.file
    sound = path.read_text()
    path.write_text(fault.put_into(sound))
    try:
        return _fails(copy, [fault.tests])
    finally:
        path.write_text(sound)


def _fails(copy: Path, tests: list[str]) -> bool:
    """Tell whether a test fails; an error of pytest itself (nothing collected, say) ends it all."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    # No bytecode: a fault of the same length, put in within a second, would be taken for the text before it.
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    if done.returncode not in (0, 1, 2):
        raise SystemExit(done.stdout + done.stderr)
    return done.returncode != 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # a program for people


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
