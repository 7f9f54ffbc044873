"""Logs a document to MLflow. A program of its own: it runs in MLflow's environment, where nothing of fweval is."""

import json
import os
import sys
from pathlib import Path
from typing import Any

_KEY = "fweval.key"  # the tag by which a run is found again


def main(path: str) -> None:
    """Log what the document says, unless it was logged before."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    from mlflow import MlflowClient  # heavy, and in this environment only

    asked = json.loads(Path(path).read_text(encoding="utf-8"))
    client = MlflowClient(tracking_uri=asked["uri"])
    known = client.get_experiment_by_name(asked["experiment"])
    if known is None:
        where = {"artifact_location": asked["artifacts"]} if asked["artifacts"] else {}
        experiment = client.create_experiment(asked["experiment"], **where)
    else:
        experiment = known.experiment_id
        if client.search_runs([experiment], f"tags.`{_KEY}` = '{asked['key']}'"):
            print("it is there already, and was left as it is")  # noqa: T201  # to whoever started this program
            return
    tags = {_KEY: asked["key"]}
    whole = _log(client, experiment, asked["run"], tags)
    for child in asked["children"]:
        _log(client, experiment, child, {"mlflow.parentRunId": whole})
    print(f"run {whole} and {len(asked['children'])} below it")  # noqa: T201


def _log(client: Any, experiment: str, asked: dict[str, Any], tags: dict[str, str]) -> str:
    run = client.create_run(experiment, run_name=asked["name"], tags={**asked["tags"], **tags})
    name = str(run.info.run_id)
    for key, value in asked["params"].items():
        client.log_param(name, key, value)
    for key, value in asked["metrics"].items():
        client.log_metric(name, key, value)
    for file in asked["files"]:
        client.log_artifact(name, file)
    client.set_terminated(name)
    return name


if __name__ == "__main__":
    main(sys.argv[1])
