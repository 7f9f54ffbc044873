"""The .mar archive: a zip of model, handler and signature, packed by TorchServe's own archiver."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from evaluator.core.records import Signature
from serving.contract import MODEL
from serving.errors import BundleError

HANDLERS = Path(__file__).parents[1] / "handlers"


def name(version: int) -> str:
    """Return the file name of a version's archive."""
    return f"{MODEL}-{version}.mar"


def pack(artifact: Path, signature: Signature, version: int, store: Path) -> None:
    """Write `store/model-VERSION.mar`, whole or not at all; raises `BundleError` in the archiver's words."""
    # The archiver empties <temp folder>/<model name> before it works there: it gets a temp folder of its own.
    with tempfile.TemporaryDirectory(dir=store.parent, prefix="packing-") as folder:
        staging = Path(folder)
        described, made = staging / "signature.json", staging / "made"
        described.write_bytes(msgspec.json.encode(signature))
        made.mkdir()
        arguments = {
            "--model-name": MODEL,
            "--version": str(version),
            "--serialized-file": str(artifact),
            "--handler": str(HANDLERS / "torchserve.py"),
            "--extra-files": described.name,  # a list: the archiver would take a comma in the folder's name for its own
            "--export-path": str(made),
            "--archive-format": "zip-store",
        }
        command = [sys.executable, "-P", "-m", "model_archiver.model_packaging"]
        done = subprocess.run(
            [*command, *(word for pair in arguments.items() for word in pair)],
            env={"TMPDIR": str(staging)},
            cwd=staging,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BundleError(f"torch-model-archiver failed: {done.stderr.strip()[-2000:]}")
        shutil.move(made / f"{MODEL}.mar", store / name(version))
