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
from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import Finding, Scorecard

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

    Left out are what that code did not have (ids and metrics of findings, rounds of comparisons, titles of proofs) and
    sentences that may come to say the same figures better: of warnings, the numbers are compared; the figures of a
    finding and of a comparison stand beside what is said of them, those of a verdict on a device in its row; of what a
    tool said another part may be quoted, while the class, the culprit and the remedy are the same.

    Who is better is judged by today's rules: that run was measured one after the other, its A/A pairs lie 414 % apart,
    and it named winners. So of comparisons the figures are compared. Points are today's, too: they were given for a
    ratio to the better framework, and are for a declared target. So of findings of more or less it is what was measured
    that is compared, and no scores.
    """
    return list(_differences(_compared(card), _compared(scorecard()), ""))


def _compared(card: Scorecard) -> Any:
    told = [[_written(number) for number in re.findall(r"(?<![\w.])\d[\d.,]*", each)] for each in card.warnings]
    replace = msgspec.structs.replace
    findings = [replace(each, id="", metric=None, reason="", **_judged_anew(each)) for each in card.findings]
    comparisons = [
        {"about": (each.scenario, each.question, each.path, each.device), "of": each.subjects, "values": each.values}
        for each in card.comparisons
    ]
    edge = [replace(each, reason="") for each in card.edge]
    matrix = [
        replace(
            cell,
            tried=_in_words(cell.tried),
            proofs=tuple(replace(proof, title="", tried=_in_words(proof.tried)) for proof in cell.proofs),
        )
        for cell in card.matrix
    ]
    policy = replace(card.policy, bands={}, upkeep={}, points_per_halving=None)
    parts = {
        "policy": policy,
        "findings": findings,
        "comparisons": comparisons,
        "edge": edge,
        "matrix": matrix,
        "robustness": None,
        "paths": [],  # nobody asked for them in its day
        "decision": None,  # nor for one
        "claims": [],  # and nobody audited claims
    }
    return {**msgspec.to_builtins(card), **msgspec.to_builtins(parts), "scores": None, "warnings": told}


def _judged_anew(finding: Finding) -> dict[str, Any]:
    if finding.check not in ("latency", "memory", "training_time", "size", "serving_load"):
        return {}
    own = {"evidence": finding.evidence[:1]}  # not that of the other framework
    if finding.value is None:
        return own
    judged = dict.fromkeys(("score", "interval", "target", "baseline", "formula", "remedy"))
    return {**own, **judged, "state": Outcome.PASSED}


def _in_words(tried: tuple[str, ...]) -> tuple[str, ...]:
    """Return sentences as precisions are named in them now: "int8 dynamic"."""
    return tuple(each.replace("int8_dynamic", "int8 dynamic") for each in tried)


def _written(number: str) -> str:
    """Return a number of a sentence as numbers are written now: three digits of it."""
    return f"{float(number.replace(',', '').rstrip('.')):.3g}"


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
    elif place.endswith(".diagnosis.said") and one and other:
        return
    elif one != other:
        yield f"{place}: {one} is not {other}"
