"""TensorFlow.js models taken apart: what is counted, and that a hostile or damaged folder is one line."""

import json
from pathlib import Path
from typing import Any

import pytest

from evaluator.core import registry
from evaluator.core.records import TensorSpec

FORM = registry.load("format", "tfjs")


def tensor(dtype: str, *sizes: int) -> dict[str, Any]:
    return {"dtype": dtype, "tensorShape": {"dim": [{"size": str(size)} for size in sizes]}}


def model() -> dict[str, Any]:
    """Describe a model with 24 floats, 3 quantized to 8 bits and 4 to half precision, and 2 integers."""
    return {
        "format": "graph-model",
        "convertedBy": "TensorFlow.js Converter v4.22.0",
        "signature": {
            "inputs": {"image": {"name": "image:0", **tensor("DT_FLOAT", -1, 4)}},
            "outputs": {"logits": {"name": "Identity:0", **tensor("DT_FLOAT", -1, 2)}},
        },
        "modelTopology": {
            "node": [{"name": "a", "op": "Const"}, {"name": "b", "op": "_FusedMatMul"}, {"name": "c", "op": "Const"}],
            "library": {"function": [{"nodeDef": [{"name": "d", "op": "Erf"}]}]},
        },
        "weightsManifest": [
            {
                "paths": ["one.bin", "two.bin"],
                "weights": [
                    {"name": "a", "dtype": "float32", "shape": [4, 6]},
                    {"name": "c", "dtype": "int32", "shape": [2]},
                    {
                        "name": "q",
                        "dtype": "float32",
                        "shape": [3],
                        "quantization": {"dtype": "uint8", "min": -1.0, "scale": 0.1, "original_dtype": "float32"},
                    },
                    {"name": "h", "dtype": "float32", "shape": [4], "quantization": {"dtype": "float16"}},
                ],
            }
        ],
    }


def write(folder: Path, described: Any, data: int = 24 * 4 + 2 * 4 + 3 + 4 * 2) -> Path:
    text = described if isinstance(described, str) else json.dumps(described)
    (folder / "model.json").write_text(text, encoding="utf-8")
    (folder / "one.bin").write_bytes(bytes(10))
    (folder / "two.bin").write_bytes(bytes(data - 10))
    return folder


def test_every_byte_is_counted_once(tmp_path: Path) -> None:
    folder = write(tmp_path, model())
    found = FORM.anatomy(folder)
    assert found.version == "TensorFlow.js Converter v4.22.0"
    assert found.operators == {"Const": 2, "Erf": 1, "_FusedMatMul": 1}
    assert found.inputs == (TensorSpec(name="image", dtype="float32", shape=(None, 4)),)
    assert found.outputs == (TensorSpec(name="logits", dtype="float32", shape=(None, 2)),)
    assert found.weights == {"float16": 8, "float32": 96, "int32": 8, "uint8": 3}
    whole = sum(file.stat().st_size for file in folder.iterdir())
    assert found.graph_bytes == len(json.dumps(model()["modelTopology"]))
    assert sum(found.weights.values()) + found.graph_bytes + found.metadata_bytes == whole


def test_texts_take_what_the_other_weights_leave(tmp_path: Path) -> None:
    described = model()
    described["weightsManifest"][0]["weights"].append({"name": "words", "dtype": "string", "shape": [2]})
    assert FORM.anatomy(write(tmp_path, described, data=115 + 17)).weights["str"] == 17


def test_a_model_is_recognised_and_others_are_not(tmp_path: Path) -> None:
    assert not FORM.recognises(tmp_path)
    assert not FORM.recognises(tmp_path / "absent")
    assert FORM.recognises(write(tmp_path, model()))
    assert FORM.recognises(tmp_path / "model.json")
    assert not FORM.recognises(tmp_path / "one.bin")
    assert not FORM.recognises(write(tmp_path, {**model(), "format": "layers-model"}))
    assert not FORM.recognises(write(tmp_path, "not JSON, but graph-model"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda it: it.update(format="layers-model"), "describes a layers model, which fweval does not read"),
        (lambda it: it.update(format="x" * 70_000), "not a graph-model"),
        (lambda it: it["signature"]["inputs"].update({"y" * 70_000: tensor("DT_INT32", *[1] * 65)}), "65 dimensions"),
        (lambda it: it["weightsManifest"][0]["weights"][0].update(name="w" * 70_000, shape=[1] * 65), "has the shape"),
        (lambda it: it.pop("modelTopology"), "damaged"),
        (lambda it: it.update(weightsManifest=3), "damaged"),
        (lambda it: it["weightsManifest"][0].update(paths=["one.bin"]), "their files have 10"),
        (lambda it: it["weightsManifest"][0].update(paths=["../secret"]), "outside"),
        (lambda it: it["weightsManifest"][0].update(paths=["/etc/passwd"]), "outside"),
        (lambda it: it["weightsManifest"][0].update(paths=["three.bin"]), "its file 'three.bin' is not there"),
        (lambda it: it["weightsManifest"][0]["weights"][0].update(shape=[-4, -6]), "has the shape"),
        (lambda it: it["weightsManifest"][0]["weights"][0].update(shape=[10**30]), "should have"),
        (lambda it: it["weightsManifest"][0]["weights"][0].update(dtype="float8"), "does not know: float8"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, change: Any, words: str) -> None:
    described = model()
    change(described)
    (tmp_path / "model").mkdir()
    with pytest.raises(ValueError, match=words) as raised:
        FORM.anatomy(write(tmp_path / "model", described))
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


def test_a_model_may_have_any_name_and_be_given_as_a_file(tmp_path: Path) -> None:
    whole = FORM.anatomy(write(tmp_path, model()))
    named = (tmp_path / "model.json").rename(tmp_path / "blazeface.json")
    (tmp_path / "package.json").write_text("{}")
    assert FORM.recognises(named)
    assert not FORM.recognises(tmp_path)  # whoever looks into the folder finds the file
    assert FORM.anatomy(named) == whole
    assert FORM.files(named) == [named, tmp_path / "one.bin", tmp_path / "two.bin"]


def test_of_two_models_in_a_folder_none_is_guessed(tmp_path: Path) -> None:
    write(tmp_path, model())
    (tmp_path / "other.json").write_text(json.dumps(model()))
    assert not FORM.recognises(tmp_path)
    assert [FORM.recognises(tmp_path / name) for name in ("model.json", "other.json")] == [True, True]


def test_what_a_model_consists_of_is_its_own_files_only(tmp_path: Path) -> None:
    write(tmp_path, model())
    (tmp_path / "README.md").write_text("about it")
    assert [file.name for file in FORM.files(tmp_path)] == ["model.json", "one.bin", "two.bin"]


def test_javascript_writes_the_topology_first(tmp_path: Path) -> None:
    described = model()
    described["modelTopology"]["node"] += [{"name": f"n{index}", "op": "Const"} for index in range(1000)]
    last = {key: described.pop(key) for key in ("format", "signature")}
    assert FORM.recognises(write(tmp_path, {**described, **last}))
    layers = {"modelTopology": {"class_name": "Sequential", "config": ["x" * 10_000]}, "format": "layers-model"}
    assert not FORM.recognises(write(tmp_path, layers))


@pytest.mark.parametrize("also", [{}, {"signature": {}}, {"userDefinedMetadata": {"framework": "mine"}}])
def test_an_older_place_of_the_signature_is_known(tmp_path: Path, also: dict[str, Any]) -> None:
    described = model()
    signature = described.pop("signature")
    metadata = {**also.get("userDefinedMetadata", {}), "signature": signature}
    found = FORM.anatomy(write(tmp_path, {**described, **also, "userDefinedMetadata": metadata}))
    assert [spec.name for spec in (*found.inputs, *found.outputs)] == ["image", "logits"]


def test_without_a_signature_placeholders_are_taken(tmp_path: Path) -> None:
    described = model()
    del described["signature"]
    shape = {"shape": {"dim": [{"size": "-1"}, {"size": "4"}]}}
    described["modelTopology"]["node"] = [
        {"name": "x", "op": "Placeholder", "attr": {"dtype": {"type": "DT_UINT8"}, "shape": {"shape": shape["shape"]}}},
        {"name": "k", "op": "PlaceholderWithDefault", "attr": {"dtype": {"type": 1}, "shape": {"shape": {}}}},
        {"name": "any", "op": "Placeholder", "attr": {"dtype": {"type": "DT_FLOAT"}}},
        {"name": "w", "op": "Const"},
        {"name": "y", "op": "Mul", "input": ["x:0", "k", "^w"]},
        {"name": "z", "op": "Relu", "input": ["any"]},
    ]
    found = FORM.anatomy(write(tmp_path, described))
    known = [(spec.name, spec.dtype, spec.shape, bool(spec.unknown)) for spec in found.inputs]
    assert known == [("x", "uint8", (None, 4), False), ("k", "float32", (), False), ("any", "float32", (), True)]
    assert [spec.name for spec in found.outputs] == ["y", "z"]


def test_operators_that_use_files_are_named(tmp_path: Path) -> None:
    described = model()
    described["modelTopology"]["library"]["function"][0]["nodeDef"].append({"name": "r", "op": "ReadFile"})
    assert FORM.anatomy(write(tmp_path, described)).reaches == {"ReadFile": 1}


@pytest.mark.parametrize("text", ["", "{", "[" * 200_000, "[]", '{"format": "graph-model"}', "\x00\xff"])
def test_what_is_no_model_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="damaged"):
        FORM.anatomy(write(tmp_path, text))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="it has no model"):
        FORM.anatomy(tmp_path)
