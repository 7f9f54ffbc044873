"""Makes and runs PyTorch artifacts that take and give more than tensors, for tests/integration/test_torch_values.py.

python torch_values_child.py make FOLDER            writes them
python torch_values_child.py run FOLDER REPORT      loads and calls each as its case says; REPORT is JSON, by case
"""

import json
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from evaluator.core import registry
from evaluator.core.errors import FwevalError
from evaluator.core.records import Signature, TensorSpec
from exports.signatures import chosen

X = np.ones((2, 4), np.float32)
IDS, MASK = np.ones((2, 6), np.int64), np.ones((2, 6), np.float32)
TWO = {"xs.0": X, "xs.1": X}
FLIP = {"x": X, "flip": np.array(True)}
# Case -> the file, with both endings where it has none; what is given; of which signature.
CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "dictionary": ("dictionary", {"x": X}, ""),
    "nested": ("nested", {"x": X}, ""),
    "number": ("number", {"x": X}, ""),
    "detector": ("detector", {"x": X}, ""),
    "fields": ("fields", {"x": X}, ""),
    "list": ("listed", TWO, ""),
    "no list": ("listed", {"x": X}, ""),
    "branch": ("branch", FLIP, ""),
    "reordered": ("branch", dict(reversed(FLIP.items())), ""),
    "in order": ("branch", {"a": X, "b": np.array(True)}, ""),
    "out of order": ("branch", {"flip": X, "b": np.array(True)}, ""),
    "missing": ("branch", {"x": X}, ""),
    "defaults": ("many", {"x": X}, ""),
    "some defaults": ("many", {"x": X, "sizes": np.array([1, 2]), "y": X}, ""),
    "no scalar": ("many", {"x": X, "scale": np.ones(3)}, ""),
    "method": ("many", {"x.a.b": X, "x.c": X}, "encode"),
    "text keys": ("texts", {"x": X}, ""),
    "types": ("types", {"x": X}, ""),
    "wrong shape": ("branch", {**FLIP, "x": np.ones((2, 5), np.float32)}, ""),
    "own complaint": ("complains", {"x": X}, ""),
    "cuda": ("cuda", {"x": X}, ""),
    "unknown operator.pt": ("unknown.pt", {"x": X}, ""),
    "keywords.pt2": ("keywords.pt2", {"input_ids": IDS, "attention_mask": MASK}, ""),
    "mixed.pt2": ("mixed.pt2", {"attention_mask": MASK, "input_ids": IDS}, ""),
    "structures.pt2": ("structures.pt2", {"batch_input_ids": IDS, "batch_attention_mask": MASK}, ""),
    "own class out.pt2": ("gives.pt2", {"x": X}, ""),
    "own class in.pt2": ("takes.pt2", {"x_first": X, "x_second": X}, ""),
    "constants.pt2": ("constants.pt2", {"x": X}, ""),
    "free.pt2": ("free.pt2", {"x": np.ones((4, 4), np.float32), "y": np.ones((8, 4), np.float32)}, ""),
    "unknown operator.pt2": ("unknown.pt2", {"x": X}, ""),
    "cuda.pt2": ("cuda.pt2", {"x": X}, ""),
}


class Base(nn.Module):  # type: ignore[misc]  # torch is untyped here
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 3)


class Pair(NamedTuple):
    logits: Tensor
    more: list[Tensor]


class Dictionary(Base):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"logits": self.body(x), "probabilities": self.body(x).softmax(-1)}


class Nested(Base):
    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor], Tensor | None]:
        return self.body(x), [x + 1, x + 2], None


class Number(Base):
    def forward(self, x: Tensor) -> tuple[Tensor, int, float, bool]:
        return self.body(x), x.size(0), 0.5, True


class Detector(Base):
    def forward(self, x: Tensor) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
        return {}, [{"boxes": self.body(x), "scores": x[:, 0]}]


class Fields(Base):
    def forward(self, x: Tensor) -> Pair:
        return Pair(self.body(x), [x])


class Texts(Base):
    def forward(self, x: Tensor) -> dict[int, tuple[str, Tensor]]:
        return {3: ("three", x)}


class Listed(Base):
    def forward(self, xs: list[Tensor]) -> Tensor:
        return self.body(torch.stack(xs).sum(0))


class Branch(Base):
    def forward(self, x: Tensor, flip: bool) -> Tensor:  # noqa: FBT001
        y = self.body(x)
        return -y if flip else y


class Many(Base):
    def forward(
        self,
        x: Tensor,
        scale: float = 1.0,
        sizes: list[int] | None = None,
        n: int | None = None,
        y: Tensor | None = None,
    ) -> Tensor:
        whole = x * scale if sizes is None else x * len(sizes)
        return whole if y is None else whole + y.sum()

    @torch.jit.export  # type: ignore[untyped-decorator]
    def encode(self, x: dict[str, Tensor]) -> int:
        return len(x)


class Types(nn.Module):  # type: ignore[misc]  # torch is untyped here
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, str]:
        whole = torch.quantize_per_tensor(x, 0.5, 0, torch.quint8)
        complete = torch.complex(x, x).conj()
        return x.to(torch.bfloat16), x.to(torch.float8_e5m2), complete, x.to_sparse(), whole, x.to(torch.uint16), "text"


class Complains(nn.Module):  # type: ignore[misc]  # torch is untyped here
    def forward(self, x: Tensor) -> Tensor:
        if x.size(0) > 1:
            raise ValueError("one at a time")
        return x


class Cuda(nn.Module):  # type: ignore[misc]  # torch is untyped here
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.zeros(4, device="cuda:0")


class Embedded(nn.Module):  # type: ignore[misc]  # torch is untyped here
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 4)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Any:
        return (self.table(input_ids) * attention_mask.unsqueeze(-1)).sum(1)


class Batched(Embedded):
    def forward(self, batch: dict[str, Tensor]) -> Any:  # type: ignore[override]
        y = super().forward(**batch)
        return {"pooled": y, "more": [y.norm(dim=-1), {"none": None, "rows": y.shape[0]}]}


@dataclass
class Own:
    """A class that whoever loads the program does not have."""

    first: Any
    second: Any


class Takes(nn.Module):  # type: ignore[misc]  # torch is untyped here
    def forward(self, x: Own) -> Any:
        return x.first + x.second


class Gives(nn.Module):  # type: ignore[misc]  # torch is untyped here
    def forward(self, x: Tensor) -> Own:
        return Own(x + 1, {"twice": x * 2})


class Constants(nn.Module):  # type: ignore[misc]  # torch is untyped here
    def forward(self, x: Tensor, scale: float, *, name: str) -> Tensor:
        return x * scale if name == "wide" else x


class Free(nn.Module):  # type: ignore[misc]  # torch is untyped here
    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return x + 1, y.reshape(x.shape[0], 2, 4)


def make(folder: Path) -> None:
    for kind in (Dictionary, Nested, Number, Detector, Fields, Texts, Listed, Branch, Many, Types, Complains, Cuda):
        script = torch.jit.script(kind().eval())
        script.save(folder / f"{kind.__name__.lower()}.pt")
        script._save_for_lite_interpreter(str(folder / f"{kind.__name__.lower()}.ptl"))
    ids, mask = torch.from_numpy(IDS), torch.from_numpy(MASK)
    both = {"input_ids": ids, "attention_mask": mask}
    x, many = torch.from_numpy(X), torch.export.Dim("many", min=2, max=16)
    Own.__module__ = "somebody"
    sys.modules["somebody"] = sys.modules["__main__"]
    torch.export.register_dataclass(Own, serialized_type_name="somebody.Own")
    for name, module, arguments, keywords in (
        ("keywords", Embedded(), (), both),
        ("mixed", Embedded(), (ids,), {"attention_mask": mask}),
        ("structures", Batched(), (both,), {}),
        ("takes", Takes(), (Own(x, x),), {}),
        ("gives", Gives(), (x,), {}),
        ("constants", Constants(), (x, 2.0), {"name": "wide"}),
        ("body", nn.Linear(4, 3), (x,), {}),
    ):
        torch.export.save(torch.export.export(module.eval(), arguments, keywords), folder / f"{name}.pt2")
    sizes = ({0: many}, {0: 2 * many})
    free = torch.export.export(Free(), (torch.ones(4, 4), torch.ones(8, 4)), dynamic_shapes=sizes)
    torch.export.save(free, folder / "free.pt2")
    edit(folder / "branch.pt", folder / "unknown.pt", b"torch.neg(", b"ops.torchvision.nms(")
    edit(folder / "body.pt2", folder / "unknown.pt2", b"torch.ops.aten.linear.", b"torch.ops.torchvision.nms.")
    edit(folder / "body.pt2", folder / "cuda.pt2", b'"type": "cpu", "index": null', b'"type": "cuda", "index": 0')


def edit(source: Path, target: Path, old: bytes, new: bytes) -> None:
    """Write a copy of an archive with another text in its program."""
    changed = 0
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name.endswith((".py", ".json")):
                changed += content.count(old)
                content = content.replace(old, new)
            after.writestr(name, content)
    assert changed, f"{source.name} does not hold {old!r}"


def run(folder: Path, report: Path) -> None:
    told = {}
    for case, (name, inputs, method) in CASES.items():
        for path in [folder / name] if "." in name else [folder / f"{name}.pt", folder / f"{name}.ptl"]:
            told[case if "." in name else f"{case}{path.suffix}"] = answer(path, inputs, method)
    report.write_text(json.dumps(told))


def answer(path: Path, inputs: dict[str, Any], method: str) -> list[Any]:
    """Load a file, call it once, and return how that ended: ["passed", outputs] or [exception, message]."""
    (form,) = (each for each in registry.load_all("format") if each.recognises(path))
    (runtime,) = (each for each in registry.load_all("runtime") if form.name in each.formats)
    about = chosen(form.anatomy(path), method or None)
    takes = about.inputs or [TensorSpec(name=n, dtype=a.dtype.name, shape=a.shape) for n, a in inputs.items()]
    signature = Signature(name=about.judged, inputs=tuple(takes), outputs=about.outputs)
    try:
        with runtime.load(path, signature, device="cpu", threads=1) as session:
            outputs = session(inputs)
    except (FwevalError, RuntimeError, torch.jit.Error) as error:
        return [type(error).__name__, str(error)]
    return ["passed", {name: [array.dtype.name, list(array.shape)] for name, array in outputs.items()}]


if __name__ == "__main__":
    match sys.argv[1:]:
        case "make", place:
            make(Path(place))
        case "run", place, told:
            run(Path(place), Path(told))
        case _:
            raise SystemExit(__doc__)
