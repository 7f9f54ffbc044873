"""A run folder as the last code without versions left it, unpacked for one test: tests/data says what is in it."""

import math
import re
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from evaluator.core import files
from evaluator.core.scorecard import Scorecard

_PACKED = Path(__file__).parent / "data" / "run-format-1.tar.xz"


def unpack(folder: Path) -> Path:
    """Unpack the run below a folder and return its own."""
    with tarfile.open(_PACKED) as packed:
        packed.extractall(folder, filter="data")
    return folder / "run-format-1"


@cache
def scorecard() -> Scorecard:
    """Return what the code of its day made of it, as records of today."""
    with TemporaryDirectory() as folder:
        return files.read_record(unpack(Path(folder)) / "scorecard.json", Scorecard)


def differences(card: Scorecard) -> list[str]:
    """Return where a scorecard differs from what the code of its day made of the run.

    Left out are what that code did not have (ids and metrics of findings) and sentences that may come to say the same
    figures better: of warnings, the numbers are compared; the figures of a finding stand beside its reason.
    """
    return list(_differences(_compared(card), _compared(scorecard()), ""))


def _compared(card: Scorecard) -> Any:
    told = [re.findall(r"(?<![\w.])\d[\d.,]*", warning) for warning in card.warnings]
    findings = [msgspec.structs.replace(each, id="", metric=None, reason="") for each in card.findings]
    return {**msgspec.to_builtins(card), "findings": msgspec.to_builtins(findings), "warnings": told}


def _differences(one: Any, other: Any, place: str) -> Iterator[str]:
    if isinstance(one, float) and isinstance(other, float):
        # As near as two builds of NumPy and SciPy come to one another.
        if not math.isclose(one, other, rel_tol=1e-12):
            yield f"{place}: {one} is not {other}"
    elif isinstance(one, dict) and isinstance(other, dict):
        for name in {**one, **other}:
            yield from _differences(one.get(name, "nothing"), other.get(name, "nothing"), f"{place}.{name}")
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from _differences(*pair, f"{place}[{number}]")
    elif one != other:
        yield f"{place}: {one} is not {other}"
