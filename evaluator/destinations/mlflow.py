"""MLflow: a run with metrics, parameters and the reports as artifacts, and below it one for each model.

Written by MLflow's own client, into a SQLite file beside which the artifacts lie, or to the tracking server that
`--out` names. MLflow's pins clash with ours, so it has an environment of its own (exports/environments/mlflow.txt), in
which a child runs `_mlflow_client.py`. A run that is there already is left as it is. https://mlflow.org/docs/latest/ml/tracking/
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from evaluator.children import environments
from evaluator.core.errors import FwevalError, UsageError
from evaluator.core.scorecard import CandidateScore, Scorecard
from evaluator.core.text import line
from evaluator.destinations import _mlflow_client
from evaluator.destinations._base import Destination, Published

_TIMEOUT_S = 600.0
_REPORTS = ("scorecard.json", "scorecard.html", "scorecard.md", "scorecard.csv", "findings.json", "run.json")


class MlFlow(Destination):
    """Runs in MLflow."""

    name: ClassVar[str] = "mlflow"
    title: ClassVar[str] = "MLflow: runs, metrics and artifacts"
    ending: ClassVar[str] = ".mlflow.db"
    environment: ClassVar[str | None] = "mlflow"

    def publish(self, told: Published, out: str) -> str:
        """Hand what is to be logged to MLflow's own client, in its environment."""
        if "://" not in out and not os.access(Path(out).absolute().parent, os.W_OK):
            raise UsageError(f"{out} cannot be written", remedy="choose another --out")
        uri = out if "://" in out else f"sqlite:///{Path(out).absolute()}"
        artifacts = "" if "://" in out else Path(out).absolute().with_suffix(".artifacts").as_uri()
        asked = {"uri": uri, "artifacts": artifacts, **document(told)}
        python = environments.python(self.environment)
        with tempfile.TemporaryDirectory(prefix="fweval-mlflow-") as folder:
            path = Path(folder) / "document.json"
            path.write_text(json.dumps(asked), encoding="utf-8")
            command = [python, "-I", str(Path(str(_mlflow_client.__file__)).absolute()), str(path)]
            try:
                done = subprocess.run(
                    command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
                )
            except subprocess.TimeoutExpired as error:
                raise FwevalError(
                    f"MLflow took longer than {_TIMEOUT_S:.0f} s", remedy=f"see whether {uri} answers"
                ) from error
        if done.returncode:
            said = line(done.stderr.strip().rpartition("\n")[2] or "no reason was given", 300)
            raise UsageError(f"MLflow did not take it: {said}", remedy=f"see whether {out} can be written or answers")
        return f"{uri}: {done.stdout.strip().rpartition(chr(10))[2]}"


def document(told: Published) -> dict[str, Any]:
    """Return what is logged: a run for the whole, and one for each candidate in each scenario."""
    card = told.card
    files = [str((told.folder / name).absolute()) for name in _REPORTS if (told.folder / name).is_file()]
    whole = {
        "name": card.run,
        "tags": _tags(card),
        "params": {"profile": card.profile, "seed": told.run.seed, **_versions(card)},
        "metrics": {name: each for score in card.scores if score.scenario is None for name, each in _scored(score)},
        "files": files,
    }
    return {
        "experiment": "fweval",
        "key": f"{card.run} {card.created_at}",
        "run": whole,
        "children": [*_children(card)],
    }


def _children(card: Scorecard) -> Iterator[dict[str, Any]]:
    for score in card.scores:
        if score.scenario is None:
            continue
        found = [
            each
            for each in card.findings
            if (each.scenario, each.candidate) == (score.scenario, score.candidate)
            and each.value is not None
            and each.state.is_answer
        ]
        values = {_named(each.id, each.metric or "value"): each.value for each in found}
        ends = {
            f"{_named(each.id, each.metric or 'value')}.{end}": getattr(each.interval, end)
            for each in found
            if each.interval is not None
            for end in ("low", "high")
            if getattr(each.interval, end) is not None
        }
        yield {
            "name": f"{score.scenario} in {score.candidate}",
            "tags": {**_tags(card), "fweval.verdict": score.verdict, "fweval.scenario": score.scenario},
            "params": {"scenario": score.scenario, "framework": score.candidate, "profile": card.profile},
            "metrics": {**dict(_scored(score)), **values, **ends},
            "files": [],
        }


def _scored(score: CandidateScore) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a score; what is unmeasured has none."""
    told = {
        "score": score.overall,
        "score.lower": score.lower,
        "score.upper": score.upper,
        "coverage": score.coverage,
        **{f"score.{part.category}": part.score for part in score.categories},
    }
    return ((f"{score.candidate}.{name}", value) for name, value in told.items() if value is not None)


def _named(finding: str, metric: str) -> str:
    """Return a name that MLflow takes: letters, digits, and a few signs."""
    whole = f"{finding}/{metric}"
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "_-./ ") else "_" for sign in whole)[:240]


def _tags(card: Scorecard) -> dict[str, str]:
    return {
        "fweval.run": card.run,
        "fweval.created_at": card.created_at,
        "fweval.version": card.fweval,
        "fweval.machine": card.machine.processor,
    }


def _versions(card: Scorecard) -> dict[str, str]:
    return {
        name: version for name, version in card.machine.versions.items() if name in ("torch", "tensorflow", "keras")
    }


plugin = MlFlow()
