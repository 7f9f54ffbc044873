"""A damaged bundle: an artifact cut short by a full disk or a broken copy.

The server must not become ready, must say so, and must not tell load balancers that it is healthy: an instance that is
"healthy" without its model gets a share of the requests and fails them all.
"""

import shutil
import time
from pathlib import Path

from evaluator.core.records import Metrics
from serving.contract import ALL_LINES, Bundle, Running, Setup
from serving.errors import BundleError, ServerError
from serving.probing import Field, Probe, Reply, failed, passed

_BOUND_S = 30.0
_LOOK_EVERY_S = 0.1
_KEPT = 0.5  # of the largest file


class CorruptBundle(Probe):
    """Starts a server on an artifact of which half is missing."""

    name = "corrupt_bundle"
    title = "Corrupt bundle"
    question = "Does a server with a damaged model say so, and not that it is healthy?"
    risk = "high"
    harm = "none"

    def ask(self, field: Field) -> Reply:
        """Cut the artifact, pack it, start, and watch what the server says."""
        damaged = _damaged(field.artifact, field.folder / "damaged")
        try:
            bundle = field.pack(damaged, "damaged_bundle")
            with field.launch(bundle) as (setup, running):
                return _judge(field, bundle, setup, running)
        except BundleError as error:
            return passed(f"the damaged artifact could not even be packed: {error.message}", noticed_s=0.0)
        finally:
            shutil.rmtree(damaged.parent)
            shutil.rmtree(field.folder / "damaged_bundle", ignore_errors=True)


def _damaged(artifact: Path, folder: Path) -> Path:
    """Copy an artifact and cut its largest file in half."""
    folder.mkdir()
    copy = folder / artifact.name
    if artifact.is_dir():
        shutil.copytree(artifact, copy)
    else:
        shutil.copy2(artifact, copy)
    inside = [path for path in copy.rglob("*") if path.is_file()] or [copy]
    largest = max(inside, key=lambda path: path.stat().st_size)
    with largest.open("rb+") as file:
        file.truncate(int(largest.stat().st_size * _KEPT))
    return copy


def _judge(field: Field, bundle: Bundle, setup: Setup, running: Running) -> Reply:
    """Watch until the server has said that the model is not there, or time is up."""
    begin, bound_s = time.perf_counter(), _BOUND_S * field.time_factor
    said, healthy = None, False
    while said is None and time.perf_counter() - begin < bound_s:
        healthy = field.server.healthy(setup.ports) or healthy
        said = _said(field, bundle, setup, running)
        time.sleep(_LOOK_EVERY_S)
    noticed_s = time.perf_counter() - begin
    healthy = field.server.healthy(setup.ports) or healthy
    figures: Metrics = {"noticed_s": noticed_s, "healthy": healthy, "ended": not running.alive()}
    problems = [
        *(["it says that the damaged model is ready"] if said == _READY else []),
        *([f"within {bound_s:.0f} s it did not say that the model is missing"] if said is None else []),
        *(["its health endpoint says healthy without the model"] if healthy else []),
    ]
    if problems:
        return failed("; ".join(problems), "let load balancers ask for the model's own status", **figures)
    return passed(f"{said} after {noticed_s:.1f} s, and never said healthy", **figures)


_READY = "it is ready"


def _said(field: Field, bundle: Bundle, setup: Setup, running: Running) -> str | None:
    """Return what the server has said about the model by now, if anything."""
    if not running.alive():
        return "it ended"
    try:
        if field.server.ready(bundle, setup.ports):
            return _READY
    except ServerError as error:
        return f"it answered {error.code}"
    gave_up = field.server.gave_up(running.log_tail(ALL_LINES))
    return "its log said that the model cannot be loaded" if gave_up else None


plugin = CorruptBundle()
