"""What is made up for an artifact, and how what an untrusted child leaves is handled. No child is started here."""

import os
from pathlib import Path

import numpy as np
import pytest

from evaluator.children import confinement
from evaluator.core.errors import Unsupported, UsageError
from evaluator.core.records import Signature, TensorSpec
from evaluator.inspecting import inspection
from evaluator.stages import inspect


def signature(**shapes: tuple[int | None, ...]) -> Signature:
    inputs = tuple(TensorSpec(name=name, dtype="float32", shape=shape) for name, shape in shapes.items())
    return Signature(inputs=inputs, outputs=())


def test_fixed_shapes_are_tried_once_with_a_batch_of_one() -> None:
    (inputs,) = inspect._made_up(signature(image=(None, 3, 8, 8), mask=(1, 4)))
    assert {name: array.shape for name, array in inputs.items()} == {"image": (1, 3, 8, 8), "mask": (1, 4)}


def test_free_dimensions_get_every_size() -> None:
    tried = [inputs["image"].shape for inputs in inspect._made_up(signature(image=(None, 3, None, None)))]
    assert tried == [(1, 3, size, size) for size in inspect.SIZES]


def test_a_batch_behind_a_fixed_dimension_is_tried_as_one() -> None:
    tried = [
        (inputs["sound"].shape, inputs["state"].shape)
        for inputs in inspect._made_up(signature(sound=(None, None), state=(2, None, 128)))
    ]
    assert ((1, 512), (2, 1, 128)) in tried
    assert ((1, 512), (2, 512, 128)) in tried


@pytest.mark.parametrize(
    ("dtype", "values"), [("float16", None), ("int64", {0, 1}), ("uint8", {0, 1}), ("bool", {False, True})]
)
def test_values_are_of_the_type_and_safe(dtype: str, values: set[int] | None) -> None:
    spec = TensorSpec(name="x", dtype=dtype, shape=(None, 64))
    (inputs,) = inspect._made_up(Signature(inputs=(spec,), outputs=()))
    assert inputs["x"].dtype == np.dtype(dtype)
    assert set(inputs["x"].ravel()) == values if values else np.isfinite(inputs["x"]).all()


@pytest.mark.parametrize("dtype", ["str", "sequence", "bfloat16"])
def test_what_numpy_cannot_make_up_must_be_given(dtype: str) -> None:
    with pytest.raises(Unsupported, match="'x' of type") as refused:
        inspect._made_up(Signature(inputs=(TensorSpec(name="x", dtype=dtype, shape=(1,)),), outputs=()))
    assert "--inputs" in str(refused.value.remedy)


def test_links_pipes_and_large_records_of_a_child_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "stdout").write_text("kept")
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "latency.jsonl").write_text("1.0\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "stderr").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "result.json")
    with (tmp_path / "found.json").open("wb") as file:
        file.truncate(inspection._LARGEST_RECORD_BYTES + 1)
    inspection._keep_plain_files(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["samples", "stdout"]


def test_a_confined_command_sees_what_it_is_given_and_writes_to_one_folder(tmp_path: Path) -> None:
    artifact, folder = tmp_path / "model.onnx", tmp_path / "step"
    command = confinement.confined(("python", "-c", "pass"), reads=[artifact], writes=folder)
    wall, program = command[: command.index("--")], command[command.index("--") + 1 :]
    assert program == ("python", "-c", "pass")
    assert {"--unshare-all", "--unshare-user", "--die-with-parent"} <= set(wall)
    binds = [tuple(wall[at + 1 : at + 3]) for at, option in enumerate(wall) if option == "--bind"]
    assert binds == [(str(folder), str(folder))]
    assert str(artifact) in wall
    assert str(Path.home()) not in wall


def test_classes_of_devices_are_chosen_by_name() -> None:
    (chosen,) = inspection.device_classes(None, ["low-end-phone"])
    assert chosen.name == "low-end-phone"
    assert len(inspection.device_classes(None, [])) > 1
    with pytest.raises(UsageError, match="no class of devices 'low-end-fone'"):
        inspection.device_classes(None, ["low-end-fone"])
