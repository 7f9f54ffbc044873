"""Core ML packages taken apart: what is counted, and that what is damaged or hostile is one line."""

import contextlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from evaluator.core import registry
from evaluator.core.records import Signature, TensorSpec
from exports.contract import NotReadError
from exports.foreign import known_as
from tests.mil_packages import Package, field_of, immediate, write

FORM = registry.load("format", "coreml")


def package() -> Package:
    """Return a program with 12 weights of 32 bits, 8 of 8 and 6 of 4, one of which is used twice."""
    made = Package(
        inputs={"image": ("float32", (None, 4))},
        outputs={"logits": "float32"},
        bounds={"image": ((1, 64), (4, 4))},
    )
    dense = made.stored(("float32", (3, 4)), np.arange(12, dtype=np.float32).tobytes())
    made.add("linear", {"x": "%image", "weight": dense, "bias": [0.5, 0, 0]}, {"y": ("float32", (None, 3))})
    made.add("linear", {"x": "%image", "weight": dense}, {"z": ("float32", (None, 3))})
    made.add(
        "constexpr_affine_dequantize",
        {"quantized_data": made.stored(("int8", (8,)), bytes(8)), "scale": 0.5, "zero_point": np.int8(1), "axis": 0},
        {"unpacked": ("float32", (8,))},
    )
    made.constant("nibbles", ("uint4", (6,)), made.stored(("uint4", (6,)), bytes(3)))
    made.add("add", {"x": "%y", "y": "%z"}, {"logits": ("float32", (None, 3))})
    return made


def test_a_package_tells_what_it_takes_and_what_it_is_made_of(tmp_path: Path) -> None:
    path = package().write(tmp_path)
    assert FORM.recognises(path)
    anatomy = FORM.anatomy(path)
    assert anatomy.version == "specification 8 (CoreML7)"
    assert anatomy.operators == {"add": 1, "constexpr_affine_dequantize": 1, "linear": 2}
    assert anatomy.inputs == (TensorSpec(name="image", dtype="float32", shape=(None, 4)),)
    assert anatomy.outputs == (TensorSpec(name="logits", dtype="float32", shape=(None, 3)),)
    assert anatomy.usual == {"image": (1, 4)}
    assert anatomy.bounds == {"image": ((1, 64), (4, 4))}
    assert anatomy.weights == {"float32": 48, "int8": 8, "uint4": 3}
    whole = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert anatomy.graph_bytes + anatomy.metadata_bytes + 59 == whole
    assert anatomy.signatures == ()


def test_other_folders_are_no_packages(tmp_path: Path) -> None:
    path = package().write(tmp_path)
    assert not FORM.recognises(tmp_path)
    assert not FORM.recognises(path / "Manifest.json")
    manifest = json.loads((path / "Manifest.json").read_text())
    manifest["itemInfoEntries"]["A"]["author"] = "com.example"
    (path / "Manifest.json").write_text(json.dumps(manifest))
    assert not FORM.recognises(path)
    said = known_as(path)
    assert said is not None
    assert "lacks a part" in said.what


@pytest.mark.parametrize("there", ["../../../secret", "/etc/hostname", "com.apple.CoreML/gone"])
def test_a_manifest_that_leads_elsewhere_names_no_model(tmp_path: Path, there: str) -> None:
    (tmp_path / "secret").write_bytes(package().model())
    path = package().write(tmp_path / "inner")
    manifest = json.loads((path / "Manifest.json").read_text())
    manifest["itemInfoEntries"]["A"]["path"] = there
    (path / "Manifest.json").write_text(json.dumps(manifest))
    assert not FORM.recognises(path)
    with pytest.raises(ValueError, match="file"):
        FORM.anatomy(path)


def test_weights_that_lie_elsewhere_are_none_of_it(tmp_path: Path) -> None:
    made = package()
    made.name = "@model_path/../../../../weight.bin"
    made.add("linear", {"x": "%y", "weight": made.stored(("float32", (3, 3)), bytes(36))}, {"w": ("float32", (3,))})
    path = made.write(tmp_path / "inner")
    (tmp_path / "weight.bin").write_bytes(bytes(9999))
    with pytest.raises(ValueError, match="outside the model's folder"):
        FORM.anatomy(path)


def test_what_is_cut_off_is_a_value_error(tmp_path: Path) -> None:
    path = package().write(tmp_path)
    model = path / "Data/com.apple.CoreML/model.mlmodel"
    whole = model.read_bytes()
    for size in range(0, len(whole) - 1, 3):
        model.write_bytes(whole[:size])
        with pytest.raises(ValueError):
            FORM.anatomy(path)
    model.write_bytes(whole)
    weights = path / "Data/com.apple.CoreML/weights/weight.bin"
    content = weights.read_bytes()
    for size in (0, 1, 64, 100, 130):
        weights.write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"weight\.bin"):
            FORM.anatomy(path)
    weights.write_bytes(content.replace(struct.pack("<I", 0xDEADBEEF), b"\0\0\0\0"))
    with pytest.raises(ValueError, match="has no weights at 64"):
        FORM.anatomy(path)


def test_bytes_that_were_changed_are_a_value_error_or_another_package(tmp_path: Path) -> None:
    path = package().write(tmp_path)
    model = path / "Data/com.apple.CoreML/model.mlmodel"
    whole = model.read_bytes()
    chance = np.random.default_rng(7)
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(int(chance.integers(1, 5))):
            content[chance.integers(len(content))] = chance.integers(256)
        model.write_bytes(content)
        with contextlib.suppress(ValueError):
            FORM.anatomy(path)


@pytest.mark.parametrize(("kind", "said"), [(500, "neural network"), (202, "pipeline"), (604, "an older kind")])
def test_models_of_other_kinds_are_not_read_and_not_damaged(tmp_path: Path, kind: int, said: str) -> None:
    path = write(tmp_path, field_of(1, 4) + field_of(2, b"") + field_of(kind, b""))
    with pytest.raises(NotReadError, match=said):
        FORM.anatomy(path)


def test_a_block_in_a_block_without_end_is_a_value_error(tmp_path: Path) -> None:
    inner = b""
    for _ in range(100):
        inner = field_of(3, field_of(1, "cond") + field_of(4, inner))
    made = Package(inputs={}, outputs={})
    made.operations = inner
    with pytest.raises(ValueError, match="deep in one another"):
        FORM.anatomy(made.write(tmp_path))


def test_a_constant_says_how_many_numbers_it_should_have(tmp_path: Path) -> None:
    """A small file may claim a terabyte."""
    made = Package(inputs={}, outputs={"x": "float32"})
    huge = immediate(np.zeros(2, np.float32)).replace(b"\x0a\x02\x08\x02", b"\x0a\x02\x08\x7f")
    made.constant("x", ("float32", (127,)), huge)
    runtime = registry.load("runtime", "coreml_reference")
    path = made.write(tmp_path)
    signature = Signature(inputs=(), outputs=FORM.anatomy(path).outputs)
    with (
        pytest.raises(ValueError, match="should have 127 numbers and has 2"),
        runtime.load(path, signature, device="cpu", threads=1),
    ):
        pass
