"""What the export step makes of an artifact's anatomy and of its bytes."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from evaluator.core.records import Anatomy
from evaluator.stages.export import LEAST_LOWERED, lowered_share
from exports.sizes import artifact_bytes, compressed_bytes, digest, files_below


@pytest.mark.parametrize(
    ("weights", "precision", "share"),
    [
        ({"float32": 400}, "fp32", 1.0),
        ({"float32": 400}, "fp16", 0.0),
        ({"float32": 400, "float16": 200}, "fp16", 0.5),
        ({"bfloat16": 200}, "fp16", 1.0),
        ({"float32": 4, "int8": 99}, "int8", 0.99),
        ({"float32": 4, "uint8": 3}, "int8_dynamic", 0.75),
        ({"float32": 4, "int8": 1, "int64": 8000}, "int8", 0.5),  # indices are no weights
        ({}, "int8", 1.0),
        ({"int64": 8}, "fp16", 1.0),
    ],
)
def test_the_share_of_lowered_weights_is_counted_in_numbers(
    weights: dict[str, int], precision: str, share: float
) -> None:
    assert lowered_share(Anatomy(weights=weights), precision) == pytest.approx(share)


def test_a_precision_that_reached_next_to_nothing_is_below_the_least() -> None:
    # ResNet-50 with nothing but its last layer quantized: 2,048 by 10 of 23.5 million weights.
    assert lowered_share(Anatomy(weights={"float32": 4 * 23_500_000, "int8": 20_480}), "int8_dynamic") < LEAST_LOWERED


def test_compressed_is_what_a_download_takes(tmp_path: Path) -> None:
    (tmp_path / "zeros").write_bytes(bytes(3 << 20))
    (tmp_path / "noise").write_bytes(np.random.default_rng(1).bytes(1 << 20))
    zeros, noise = compressed_bytes([tmp_path / "zeros"]), compressed_bytes([tmp_path / "noise"])
    assert zeros < artifact_bytes([tmp_path / "zeros"]) // 500
    assert noise >= artifact_bytes([tmp_path / "noise"])
    assert compressed_bytes(files_below(tmp_path)) == zeros + noise


def test_a_digest_tells_every_change_of_a_folder(tmp_path: Path) -> None:
    """The names are part of it: swapped files are another artifact. Where the folder lies is not."""

    def folder(name: str, **files: bytes) -> Path:
        for file, content in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_bytes(content)
        return tmp_path / name

    base = digest(folder("base", a=b"1", b=b"2"))
    assert digest(folder("same", b=b"2", a=b"1")) == base
    others = {
        "renamed": folder("renamed", a=b"1", c=b"2"),
        "swapped": folder("swapped", a=b"2", b=b"1"),
        "changed": folder("changed", a=b"1", b=b"3"),
        "moved": folder("moved", **{"a": b"1", "b/b": b"2"}),
        "run together": folder("run together", a=b"12", b=b""),
        "more": folder("more", a=b"1", b=b"2", c=b""),
        "less": folder("less", a=b"1"),
    }
    digests = {name: digest(path) for name, path in others.items()}
    assert len({base, *digests.values()}) == 1 + len(others), digests
    assert digest(tmp_path / "base" / "a") == hashlib.sha256(b"1").hexdigest()


def test_a_file_beside_an_artifact_is_of_its_digest_by_name_and_by_content(tmp_path: Path) -> None:
    def folder(name: str, **files: bytes) -> Path:
        (tmp_path / name).mkdir()
        for file, content in files.items():
            (tmp_path / name / file).write_bytes(content)
        return tmp_path / name

    whole = folder("whole", model=b"graph", data=b"weights")
    files = [whole / "model", whole / "data"]
    found = digest(whole / "model", files)
    assert digest(whole / "model", files[::-1]) == found != digest(whole / "model")
    for name, content in (("data", b"others"), ("else", b"weights")):
        other = folder(f"other-{name}", model=b"graph", **{name: content})
        assert digest(other / "model", [other / "model", other / name]) != found
