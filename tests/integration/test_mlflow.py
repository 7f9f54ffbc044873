"""MLflow for real, in its environment: runs with metrics and artifacts in a SQLite file; the same run once."""

import json
import subprocess
from pathlib import Path

import pytest

from evaluator.children import environments
from evaluator.core import registry
from evaluator.core.errors import UsageError
from evaluator.destinations._base import Published
from evaluator.judging import replay
from tests import made_run

pytestmark = pytest.mark.integration

ASK = """
import json, os, sys
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
from mlflow import MlflowClient
client = MlflowClient(tracking_uri=sys.argv[1])
experiment = client.get_experiment_by_name("fweval")
print(json.dumps([
    {"name": each.info.run_name, "tags": each.data.tags, "metrics": each.data.metrics, "status": each.info.status,
     "files": [file.path for file in client.list_artifacts(each.info.run_id)]}
    for each in client.search_runs([experiment.experiment_id])
]))
"""


def test_a_run_is_there_with_its_numbers_once(tmp_path: Path) -> None:
    environments.make("mlflow")
    folder = made_run.write(tmp_path / "run")
    card = replay.read_scorecard(folder)
    told = Published(folder=folder.path, card=card, run=folder.record)
    destination, out = registry.load("destination", "mlflow"), tmp_path / "here.db"
    assert "2 below it" in destination.publish(told, str(out))
    assert "it is there already" in destination.publish(told, str(out))
    command = [environments.python("mlflow"), "-I", "-c", ASK, f"sqlite:///{out}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
    runs = json.loads(done.stdout.splitlines()[-1])
    assert len(runs) == 3
    assert {each["status"] for each in runs} == {"FINISHED"}
    whole = next(each for each in runs if each["name"] == card.run)
    assert {"scorecard.json", "scorecard.html", "run.json"} <= set(whole["files"])
    score = next(each for each in card.scores if each.scenario is None and each.candidate == "pytorch")
    assert whole["metrics"]["pytorch.coverage"] == pytest.approx(score.coverage)
    told_of = {name: value for each in runs for name, value in each["metrics"].items() if name.endswith("/latency_s")}
    found = {f"{each.id}/latency_s": each.value for each in card.findings if each.metric == "latency_s" and each.value}
    assert told_of == pytest.approx(found)
    with pytest.raises(UsageError, match="MLflow did not take it"):
        destination.publish(told, "nowhere://x")
    with pytest.raises(UsageError, match="cannot be written"):
        destination.publish(told, "/proc/no/such.db")
