"""What the tests of the probes on real servers share: one field, every probe asked once, and what is left of it."""

from pathlib import Path

import psutil

from evaluator.core import files, registry
from evaluator.core.outcome import Outcome
from evaluator.core.records import Signature
from evaluator.core.tensors import Arrays, rows
from serving.contract import Launcher, Server
from serving.launchers.process import LOG
from serving.probing import REPLIES, Field, Reply, ask_all

SECONDS = 1.0


def ask_every_probe(server: Server, launcher: Launcher, made: tuple[Path, Signature, Arrays], folder: Path) -> Field:
    """Ask all probes on a server that is started for them; return the field, closed, with the replies in its folder."""
    artifact, signature, golden = made
    first = rows(golden, 0, 1)
    field = Field(
        server=server,
        launcher=launcher,
        artifact=artifact,
        signature=signature,
        inputs={spec.name: first[spec.name] for spec in signature.inputs},
        expected={spec.name: first[spec.name] for spec in signature.outputs},
        folder=folder,
        seconds=SECONDS,
    )
    ask_all(field, registry.load_all("probe"))
    return field


def replies(field: Field) -> dict[str, Reply]:
    """Read what was found."""
    return files.read_record(field.folder / REPLIES, dict[str, Reply])


def assert_every_probe_replied(found: dict[str, Reply]) -> None:
    """No probe is missing, and what failed says what to do."""
    assert sorted(found) == sorted(registry.names("probe"))
    for reply in found.values():
        assert reply.outcome is not Outcome.FAILED or reply.remedy


def assert_memory_is_told(found: dict[str, Reply]) -> None:
    """Memory was sampled; the fields' second under load cannot convict a server of a leak."""
    reply = found["memory_growth"]
    assert reply.outcome in {Outcome.PASSED, Outcome.UNAVAILABLE}
    assert reply.figures["memory_bytes"]


def bad_requests(field: Field) -> dict[str, str]:
    """Read what was answered to each bad request."""
    return files.read_record(field.folder / "bad_requests.json", dict[str, str])


def left(field: Field) -> list[str]:
    """Name what should be gone: processes that know the folder, bundles, temporary folders."""
    processes = [
        f"process {process.pid}"
        for process in psutil.process_iter(["cmdline"])
        if any(str(field.folder) in word for word in process.info["cmdline"] or ())
    ]
    folders = [str(path) for path in field.folder.iterdir() if "bundle" in path.name or path.name in {"damaged", "tls"}]
    return processes + folders + [str(path) for path in field.folder.glob("server-*/*") if path.name != LOG]
