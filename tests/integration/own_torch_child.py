"""What tests/integration/test_own_torch.py looks at, made in a process of its own: python own_torch_child.py FOLDER."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.own import calling
from tests.integration import own_child
from tests.integration.own_child import Arrays_, Case

MINE = Path(__file__).with_name("own_torch_models.py")
Asked = dict[str, tuple[str, Arrays_ | None, dict[str, Any]]]
WIDTH, WORDS = 6, 30
NATIVE = ("torchscript_trace", "torchscript_script", "torch_export")


def drawn(*names: str, width: int = WIDTH, dtype: str = "float32") -> Arrays_:
    random = np.random.default_rng(3)
    return {name: random.standard_normal((own_child.ROWS, width)).astype(dtype) for name in names}


def words() -> Arrays_:
    return {"tokens": np.random.default_rng(4).integers(0, WORDS, (own_child.ROWS, 10))}


def _of(network: Any, *names: str, **by_name: str) -> Any:
    """Return a function that calls the person's module with tensors: by position, and by keyword."""
    import torch

    def call(inputs: Any) -> Any:
        with torch.inference_mode():
            given = {name: torch.from_numpy(array) for name, array in inputs.items()}
            return network(*[given[name] for name in names], **{key: given[name] for key, name in by_name.items()})

    return call


def plain(network: Any, inputs: Any) -> dict[str, Any]:
    return {"output": _of(network, "x")(inputs)}


def two(first: str, second: str) -> Any:
    return lambda network, inputs: dict(zip((first, second), _of(network, "x")(inputs), strict=True))


def by_key(network: Any, inputs: Any) -> dict[str, Any]:
    return dict(_of(network, "x")(inputs))


def pair(network: Any, inputs: Any) -> dict[str, Any]:
    return dict(zip(("output_0", "output_1"), _of(network, "first", "second")(inputs), strict=True))


def nested(network: Any, inputs: Any) -> dict[str, Any]:
    found = _of(network, "x")(inputs)
    return {"head_0": found["head"][0], "head_2_deep": found["head"][2]["deep"]}


def fields(*names: str) -> Any:
    def take(network: Any, inputs: Any) -> dict[str, Any]:
        found = _of(network, "x")(inputs)
        return {name: getattr(found, name) for name in names}

    return take


def chosen(**places: int) -> Any:
    def take(network: Any, inputs: Any) -> dict[str, Any]:
        found = _of(network, "x")(inputs)
        return {name: found[place] for name, place in places.items()}

    return take


def called(*names: str, **by_name: str) -> Any:
    return lambda network, inputs: {"output": _of(network, *names, **by_name)(inputs)}


def tagged(network: Any, inputs: Any) -> dict[str, Any]:
    return dict(zip(("vector", "tags"), _of(network, "tokens")(inputs), strict=True))


SCALED = {**drawn("x"), **drawn("scale", width=3)}

CASES = {
    "one": Case(inputs=drawn("x"), computes=plain, exporters=(*NATIVE, "onnx_torch_export")),
    "several": Case(inputs=drawn("second", "first"), computes=pair, exporters=NATIVE),
    "listed": Case(inputs=drawn("x"), computes=two("output_0", "output_1")),
    "dictionary": Case(inputs=drawn("x"), computes=by_key, exporters=("torchscript_trace", "torch_export")),
    "named": Case(inputs=drawn("x"), computes=fields("mean", "spread")),
    "dataclassed": Case(
        inputs=drawn("x"),
        computes=fields("boxes", "scores"),
        exporters=("torchscript_trace", "torch_export"),
    ),
    "nested": Case(inputs=drawn("x"), computes=nested, exporters=("torchscript_trace", "torch_export")),
    "like_an_input": Case(
        inputs=drawn("x"),
        computes=lambda network, inputs: {"x_out": by_key(network, inputs)["x"], "y": by_key(network, inputs)["y"]},
        exporters=("torch_export",),
    ),
    "renamed": Case(
        source="three",
        inputs=drawn("x"),
        computes=chosen(classes=0, boxes=1),
        said={"outputs": ["classes", "boxes", ""]},
        exporters=("torchscript_script", "torch_export"),
    ),
    "picked": Case(
        source="dictionary",
        inputs=drawn("x"),
        computes=lambda network, inputs: {"boxes": by_key(network, inputs)["boxes"]},
        said={"outputs": ["boxes"]},
    ),
    "keywords": Case(
        inputs=SCALED,
        computes=called("x", scale="scale"),
        exporters=("torchscript_trace", "torch_export"),
    ),
    "optional": Case(
        inputs={**drawn("bias", width=3), **drawn("x")},
        computes=called("x", bias="bias"),
        exporters=("torchscript_trace", "torchscript_script", "torch_export"),
    ),
    "any_number": Case(inputs=drawn("left", "right"), computes=called("left", "right"), exporters=("torch_export",)),
    "any_names": Case(
        inputs=drawn("plus", "x", "by"), computes=called("x", by="by", plus="plus"), exporters=("torch_export",)
    ),
    "float64_examples": Case(source="one", inputs=drawn("x", dtype="float64"), computes=plain),
    "doubles": Case(inputs=drawn("x"), computes=plain, exporters=("torchscript_trace",)),
    "tokens": Case(
        inputs=words(),
        computes=tagged,
        said={"dynamic": {"tokens": ["batch", "length"]}, "outputs": ["vector", "tags"]},
        exporters=("torchscript_trace", "torch_export", "onnx_torch_export"),
    ),
    "made_up": Case(
        source="tokens",
        computes=tagged,
        said={
            "signature": {"tokens": {"dtype": "int64", "shape": [10], "high": WORDS}},
            "outputs": ["vector", "tags"],
        },
    ),
    "one_row": Case(
        inputs=drawn("x"), computes=plain, said={"dynamic": {"x": []}}, exporters=("torchscript_trace", "torch_export")
    ),
    "program": Case(inputs=drawn("first", "second"), computes=pair, exporters=("torchscript_trace", "torch_export")),
    "by_keyword": Case(inputs=SCALED, computes=called("x", scale="scale"), exporters=("torch_export",)),
    "by_position": Case(
        inputs={**drawn("x"), **drawn("bias", width=3)}, computes=called("x", bias="bias"), exporters=("torch_export",)
    ),
    "pt2_file": Case(
        source="several.pt2",
        inputs=drawn("first", "second"),
        computes=pair,
        exporters=("torchscript_trace", "torch_export", "onnx_torch_export"),
    ),
    "torchscript_file": Case(source="several.pt", inputs=drawn("first", "second"), computes=pair),
    "in_training": Case(inputs=drawn("input"), computes=called("input"), exporters=("torchscript_trace",)),
}


def main(folder: Path) -> None:
    import torch

    def function(name: str) -> Any:
        return calling.without_arguments(MINE, name)

    def theirs(name: str) -> Any:
        made = function(
            {"by_keyword": "keywords", "by_position": "optional"}.get(name, "several" if "." in name else name)
        )
        return made.module() if isinstance(made, torch.export.ExportedProgram) else made.eval()

    torch.export.save(function("program"), folder / "several.pt2")
    torch.jit.script(function("several")).save(str(folder / "several.pt"))
    (folder / "ends.py").write_text("import sys\nsys.exit(4)\n")
    (folder / "fails.py").write_text("def build():\n    import nowhere_at_all\n")
    told = own_child.go(CASES, lambda name: str(folder / name) if "." in name else f"{MINE}:{name}", theirs, folder)
    own_child.leave(folder, cases=told, refused=refusals(folder))


def refusals(folder: Path) -> dict[str, Any]:
    """Look at all that is wrong."""
    x = drawn("x")
    functions: Asked = {
        name: (f"{MINE}:{name}", x, {})
        for name in (
            *("weights", "nothing", "sized", "scalar", "nonzero", "pooled", "spectrum", "strange", "empty"),
            *("raising", "raisin", "squeezed", "one_row"),
        )
    }
    tokens = {"tokens": {"dtype": "int64", "shape": [10]}}
    asked: Asked = {
        **functions,
        "wrong_width": (f"{MINE}:wrong_width", drawn("input"), {}),
        "wrong_key": (f"{MINE}:several", drawn("first", "secnd"), {}),
        "missing": (f"{MINE}:several", drawn("first"), {}),
        "dynamic_key": (f"{MINE}:one", x, {"dynamic": {"y": ["batch"]}}),
        "dynamic_axes": (f"{MINE}:one", x, {"dynamic": {"x": ["batch", 6, "more"]}}),
        "outputs": (f"{MINE}:three", x, {"outputs": ["a", "b"]}),
        "no_signature": (f"{MINE}:one", None, {}),
        "signature_key": (f"{MINE}:one", None, {"signature": tokens}),
        "ends": (f"{folder / 'ends.py'}:build", x, {}),
        "fails": (f"{folder / 'fails.py'}:build", x, {}),
        "no_labels": (f"{MINE}:one", x, {"quality": "top1"}),
        "no_quality": (f"{MINE}:one", x, {"labels": str(folder / "examples.npz")}),
    }
    told = {}
    for name, (source, inputs, said) in asked.items():
        told[name] = own_child.refused(own_child.form(source, inputs, said, folder))
    told["of_tensorflow"] = own_child.refused(
        own_child.form(f"{MINE}:one", x, {"origin": None, "tensorflow": f"{MINE}:one"}, folder), "tensorflow"
    )
    return told


if __name__ == "__main__":
    main(Path(sys.argv[1]))
