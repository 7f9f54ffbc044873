"""Steps of `serve` and `load` on small real models, in a run folder that holds what they need; none was planned.

`python -m tests.integration.served_steps RUN MODELS STAGE` does the steps of a stage, for tests that kill who does.
"""

import io
import sys
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from evaluator.core import files
from evaluator.core.outcome import Outcome
from evaluator.core.records import LoadPlan, Result, Sampling, Step
from evaluator.core.store import RunFolder
from evaluator.core.tensors import read_arrays, write_arrays
from evaluator.executors.local import Local
from evaluator.running.execution import execute
from evaluator.running.progress import Reporter
from evaluator.stages import _evidence
from exports.sizes import digest, files_below
from scenarios.loading import load_scenario
from tests.engine import PROFILE, run_folder
from tests.integration import served_models

SHORT = msgspec.structs.replace(
    PROFILE,
    sampling=Sampling(min_queries=64, min_seconds=0.5, cap_seconds=8, warmup_queries=2, warmup_seconds=0.1),
    load=LoadPlan(saturation_s=0.6, most_clients=4, shares=(0.5,)),
)
SERVERS = {
    "pytorch": ("torchserve", "torchscript", "process"),
    "tensorflow": ("tensorflow_serving", "savedmodel", "embedded"),
}


def make_models(folder: Path) -> Path:
    """Make the model of each framework below a folder."""
    for framework in SERVERS:
        (folder / framework).mkdir(parents=True)
        served_models.make(framework, folder / framework)
    return folder


def make_run(path: Path, models: Path) -> RunFolder:
    """Make a run folder in which both models were exported and proven."""
    run = run_folder(path)
    for framework in SERVERS:
        made, exported, proven = (
            models / framework,
            run.folder(f"export-{framework}"),
            run.folder(f"verify-{framework}"),
        )
        exported.mkdir(parents=True)
        proven.mkdir(parents=True)
        source = made / {"pytorch": "model.pt", "tensorflow": "model"}[framework]
        (exported / source.name).symlink_to(source.resolve())
        whole = files_below(source)
        signature = served_models.SIGNATURES[framework]
        artifact = _evidence.Artifact(
            path=source.name,
            layout=framework,
            sha256=digest(source, whole),
            size_bytes=sum(each.stat().st_size for each in whole),
            signature=signature,
        )
        files.write_record(exported / _evidence.ARTIFACT, artifact)
        golden = read_arrays(made / "golden.npz")
        for name, specs in ((_evidence.INPUTS, signature.inputs), (_evidence.OUTPUTS, signature.outputs)):
            write_arrays(proven / name, {spec.name: golden[spec.name] for spec in specs})
        for folder in (exported, proven):
            run.save(Result(step=folder.name, outcome=Outcome.PASSED, started_at="", seconds=0.0))
    return run


def make_step(framework: str, stage: str = "serve", *, launcher: str | None = None, **fields: Any) -> Step:
    """Plan one framework's server."""
    server, form, usual = SERVERS[framework]
    settings = {
        "scenario": msgspec.to_builtins(load_scenario("tiny")),
        "profile": msgspec.to_builtins(SHORT),
        "seed": 1,
        "threads": 2,
        **fields.pop("settings", {}),
    }
    return Step(
        id=f"{stage}-{framework}-{launcher or usual}",
        scenario="tiny",
        stage=stage,
        framework=framework,
        format=form,
        server=server,
        launcher=launcher or usual,
        measures=True,
        in_turns=True,
        needs={"artifact": f"export-{framework}", "verified": f"verify-{framework}"},
        settings=settings,
        **{"timeout_s": 90.0, "memory_bytes": 8 << 30, **fields},
    )


def do(run: RunFolder, *steps: Step) -> None:
    """Do the steps, in turns."""
    execute(steps, run, Reporter(Console(file=io.StringIO())), Local())


if __name__ == "__main__":
    do(make_run(Path(sys.argv[1]), Path(sys.argv[2])), *(make_step(framework, sys.argv[3]) for framework in SERVERS))
