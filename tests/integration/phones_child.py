"""What test_ncnn.py and test_mnn.py look at, made in a process of its own, in the environment of the tools.

python phones_child.py compute FOLDER EXPORTER RUNTIME      two networks at every precision; FOLDER/found.json
python phones_child.py refuse EXPORTER FOLDER               what the exporter says of networks that it has no way for
python phones_child.py load RUNTIME ARTIFACT…               what the runtime says of files that were tampered with
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core import registry
from evaluator.core.records import PRECISIONS, Signature, TensorSpec
from evaluator.core.tensors import Arrays, rows
from exports.contract import Exporter, Origin, Runtime

BATCHES = (1, 3, 8, 3)  # the last one: back to a size that was seen before
ROWS = 8
WORDS = 40
NETWORKS = ("tiny", "several")
MARK = "said: "


def several() -> Any:
    """Return a network of four inputs and three outputs, one of them an image; of one input it makes nothing."""
    import torch
    from torch import nn

    class Several(nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
            self.table, self.words = nn.Embedding(WORDS, 8), nn.LayerNorm(8)
            self.boxes, self.scores = nn.Linear(8, 4), nn.Linear(8, 5)

        def forward(self, image: Any, words: Any, unused: Any, mask: Any) -> dict[str, Any]:
            seen = self.norm(self.conv(image)).relu()
            read = self.words((self.table(words) * mask.unsqueeze(-1).to(torch.float32)).sum(1))
            both = seen.mean((2, 3)) + read
            return {"scores": self.scores(both), "seen": seen, "boxes": self.boxes(both).sigmoid()}

    return Several()


def mixed() -> Any:
    """Return a network that looks words up, and computes with their numbers as well."""
    import torch

    class Mixed(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(WORDS, 8)

        def forward(self, words: Any) -> Any:
            return self.table(words).sum(1) + words.sum(1, keepdim=True)

    return Mixed()


def module(forward: Any) -> Any:
    import torch

    class Plain(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
        def forward(self, image: Any) -> Any:
            return forward(torch, image)

    return Plain()


Sizes = dict[str, tuple[tuple[int, ...], str]]  # of one row of each input, and its type
IMAGE: Sizes = {"image": ((3, 8, 8), "float32")}

REFUSED: dict[str, tuple[Callable[[], Any], Sizes]] = {
    "operator": (lambda: module(lambda torch, x: torch.erfinv(x)), IMAGE),
    "batch": (lambda: module(lambda torch, x: x - x.mean(0, keepdim=True)), IMAGE),
    "mixed": (mixed, {"words": ((6,), "int64")}),
}


def origin_of(network: Any, takes: Sizes) -> tuple[Origin, Arrays]:
    """Return an origin with random inputs, and what it computes of them."""
    import torch

    random = np.random.default_rng(7)
    inputs = {
        name: (
            random.standard_normal((ROWS, *sizes), dtype=np.float32)
            if dtype == "float32"
            else random.integers(0, 2 if name == "mask" else WORDS, (ROWS, *sizes)).astype(dtype)
        )
        for name, (sizes, dtype) in takes.items()
    }
    network.eval()
    with torch.no_grad():
        result = network(*map(torch.from_numpy, inputs.values()))
    named = result if isinstance(result, dict) else {"logits": result}
    golden = {name: each.numpy() for name, each in named.items()}
    specs = [
        tuple(
            TensorSpec(name=name, dtype=str(each.dtype), shape=(None, *each.shape[1:])) for name, each in arrays.items()
        )
        for arrays in (inputs, golden)
    ]
    origin = Origin(
        framework="pytorch",
        model=network,
        signature=Signature(inputs=specs[0], outputs=specs[1]),
        example=rows(inputs, 0, 2),
        calibration=inputs,
        counterpart=lambda: origin,
    )
    return origin, golden


def build(name: str) -> tuple[Origin, Arrays]:
    import torch

    torch.manual_seed(3)
    if name == "several":
        return origin_of(
            several(),
            {
                "image": ((3, 16, 16), "float32"),
                "words": ((6,), "int64"),
                "unused": ((2,), "float32"),
                "mask": ((6,), "int64"),
            },
        )
    model = registry.load("model", "tiny")
    settings = model.Settings()
    (spec,) = model.signature(settings, "pytorch").inputs
    return origin_of(model.build_torch(settings), {spec.name: (spec.shape[1:], spec.dtype)})


def distance(array: Any, wanted: Any) -> float:
    return float(np.abs(array - wanted).max())


def attempt(exporter: Exporter, runtime: Runtime, precision: str, name: str, folder: Path) -> dict[str, Any]:
    """Export a network and compute with it: how far each output is off, of its largest, at most of all batch sizes."""
    origin, golden = build(name)
    folder.mkdir(parents=True)
    artifact = exporter.export(origin, precision, folder)
    off: dict[str, float] = {}
    with runtime.load(artifact, origin.signature, device="cpu", threads=2) as session:
        for batch in BATCHES:
            found = session(rows(origin.calibration, ROWS - batch, ROWS))
            for key, array in found.items():
                wanted = golden[key][ROWS - batch :]
                assert (array.shape, array.dtype) == (wanted.shape, wanted.dtype), key
                off[key] = max(off.get(key, 0.0), distance(array, wanted) / float(np.abs(golden[key]).max()))
        # Half an image, half a text.
        half = {key: np.ascontiguousarray(each[..., : each.shape[-1] // 2]) for key, each in origin.calibration.items()}
        try:
            other = str({key: each.shape for key, each in session(half).items()})
        except ValueError as error:
            other = f"refused: {error}"
    files = sorted(path.name for path in folder.rglob("*") if path.is_file())
    return {"artifact": str(artifact), "off": off, "files": files, "other": other}


def compute(folder: Path, exporter: Exporter, runtime: Runtime) -> None:
    found = {
        f"{precision}/{name}": attempt(exporter, runtime, precision, name, folder / precision / name)
        for precision in PRECISIONS
        if precision not in exporter.cannot
        for name in NETWORKS
    }
    (folder / "found.json").write_text(json.dumps(found))


def refuse(exporter: Exporter, folder: Path) -> None:
    for case, (network, takes) in REFUSED.items():
        origin, _ = origin_of(network(), takes)
        (folder / case).mkdir()
        _tell(case, partial(exporter.export, origin, "fp32", folder / case))


def load(runtime: Runtime, artifacts: tuple[str, ...]) -> None:
    origin, _ = build("tiny")

    def once(artifact: Path) -> None:
        with runtime.load(artifact, origin.signature, device="cpu", threads=1) as session:
            session(rows(origin.calibration, 0, 1))

    for artifact in artifacts:
        _tell(artifact, partial(once, Path(artifact)))


def _tell(of: str, call: Any) -> None:
    """Say what is raised, on a line of its own behind whatever a tool may have printed."""
    try:
        call()
        said = "nothing was raised"
    except Exception as error:  # noqa: BLE001  # the test says which error it expects
        said = f"{type(error).__name__}: {error}"
    sys.stdout.write(f"\n{MARK}{json.dumps([of, said])}\n")
    sys.stdout.flush()


def main(command: str, *arguments: str) -> None:
    match command, arguments:
        case "compute", (folder, exporter, runtime):
            compute(Path(folder), registry.load("exporter", exporter), registry.load("runtime", runtime))
        case "refuse", (exporter, folder):
            refuse(registry.load("exporter", exporter), Path(folder))
        case "load", (runtime, *artifacts):
            load(registry.load("runtime", runtime), tuple(artifacts))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
