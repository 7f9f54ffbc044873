"""Examples beside an ONNX file: its own decide, those of others are said to be none of it, and nothing hangs on one."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from evaluator.core import registry
from exports import examples
from tests.commands import FWEVAL

pytestmark = pytest.mark.integration

FORMAT = registry.load("format", "onnx")
X = np.arange(6, dtype=np.float32).reshape(2, 3)


def save(folder: Path, name: str = "model.onnx") -> Path:
    """Write x (any, 3) -> 2 x."""
    folder.mkdir(exist_ok=True)
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), folder / name)
    return folder / name


def put(model: Path, number: int = 0, **tensors: onnx.TensorProto) -> Path:
    """Write an example: `input_0=…, output_0=…`."""
    folder = model.parent / f"test_data_set_{number}"
    folder.mkdir(exist_ok=True)
    for name, tensor in tensors.items():
        (folder / f"{name}.pb").write_bytes(tensor.SerializeToString())
    return folder


def own(model: Path, number: int = 0) -> Path:
    return put(model, number, input_0=numpy_helper.from_array(X, "x"), output_0=numpy_helper.from_array(2 * X, "y"))


def found(model: Path) -> tuple[list[str], dict[str, str]]:
    """Return the names of the examples that fit, and why others do not."""
    told = examples.beside(model)
    fitting, unfit = examples.read(model, FORMAT.anatomy(model), [name for name, why in told.items() if why is None])
    return [each.name for each in fitting], {name: why for name, why in told.items() if why is not None} | unfit


def elsewhere() -> onnx.TensorProto:
    tensor = numpy_helper.from_array(X, "x")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../weights.bin")
    return tensor


def test_an_example_of_the_model_fits_with_names_and_without(tmp_path: Path) -> None:
    model = save(tmp_path)
    own(model, 2)
    own(model, 10)
    put(model, 3, input_0=numpy_helper.from_array(X))
    assert found(model) == (["test_data_set_2", "test_data_set_3", "test_data_set_10"], {})


@pytest.mark.parametrize(
    ("tensors", "why"),
    [
        ({"input_0": numpy_helper.from_array(X, "image")}, "input_0.pb is 'image', the model's is 'x'"),
        ({"input_0": numpy_helper.from_array(X[0])}, "input_0.pb is float32[3], the model's is float32['?', 3]"),
        ({"input_0": numpy_helper.from_array(np.ones((2, 4), np.float32))}, "input_0.pb is float32[2, 4]"),
        ({"input_0": numpy_helper.from_array(X.astype(np.float64))}, "input_0.pb is float64[2, 3]"),
        (
            {"input_0": numpy_helper.from_array(X), "input_1": numpy_helper.from_array(X)},
            "it has 2 inputs, the model 1",
        ),
        ({"output_0": numpy_helper.from_array(X)}, "it has 0 inputs, the model 1"),
        ({"input_0": elsewhere()}, "the data of its tensor 'x' lie in another file"),
    ],
)
def test_an_example_of_another_model_does_not_fit(
    tmp_path: Path, tensors: dict[str, onnx.TensorProto], why: str
) -> None:
    model = save(tmp_path)
    put(model, **tensors)
    own(model, 1)
    fitting, unfit = found(model)
    assert fitting == ["test_data_set_1"]
    assert why in unfit["test_data_set_0"]


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def link(target: str) -> Callable[[Path], None]:
    def put_link(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return put_link


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (pipe, "input_0.pb is a pipe"),
        (link("/dev/zero"), "input_0.pb is a device"),
        (link("/etc/passwd"), "input_0.pb is a link that leads elsewhere"),
        (link("nowhere"), "input_0.pb cannot be seen: No such file"),
        (link("input_0.pb"), "input_0.pb cannot be seen: Too many levels"),
        (lambda path: os.truncate(path, 1 << 40), "input_0.pb has 1100 GB"),
        (lambda path: path.write_bytes(b"\xff" * 100), "input_0.pb is damaged, or of another kind"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "damaged"),
    ],
    ids=["pipe", "device", "elsewhere", "dangling", "loop", "sparse", "damaged", "cut"],
)
def test_only_plain_files_of_a_sensible_size_are_examples(
    tmp_path: Path, spoil: Callable[[Path], None], why: str
) -> None:
    model = save(tmp_path)
    spoil(own(model) / "input_0.pb")
    fitting, unfit = found(model)
    assert fitting == []
    assert why in unfit["test_data_set_0"]


def test_a_folder_that_is_none_is_said_to_be_so(tmp_path: Path) -> None:
    model = save(tmp_path)
    (tmp_path / "test_data_set_0").symlink_to("nowhere")
    (tmp_path / "test_data_set_1").touch()
    os.mkfifo(tmp_path / "test_data_set_2")
    assert found(model) == ([], {f"test_data_set_{number}": "it is no folder" for number in range(3)})


def inspected(model: Path, *, code: int = 0) -> dict[str, Any]:
    command = [FWEVAL, "inspect", str(model), "--runtime", "onnx_runtime", "--json"]
    done = subprocess.run(command, text=True, capture_output=True, timeout=100, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    (ran,) = json.loads(done.stdout)["runtimes"]
    answer: dict[str, Any] = ran
    return answer


def test_a_sound_model_is_judged_without_what_is_no_example_of_it(tmp_path: Path) -> None:
    model = save(tmp_path)
    put(model, 0, input_0=numpy_helper.from_array(np.ones((1, 3, 8, 8), np.float32), "image"))
    os.mkfifo(own(model, 1) / "input_1.pb")
    own(model, 2)
    ran = inspected(model)
    assert ran["outcome"] == "passed"
    assert (ran["metrics"]["examples"], ran["metrics"]["examples_right"]) == (1, 1)
    assert ran["metrics"]["sizes"] == "an example beside it"
    said = ran["metrics"]["examples_unfit"]
    assert "test_data_set_0: input_0.pb is 'image', the model's is 'x'" in said
    assert "test_data_set_1: input_1.pb is a pipe" in said


def test_an_example_that_differs_decides_unless_it_may_be_another_models(tmp_path: Path) -> None:
    model = save(tmp_path)
    put(model, input_0=numpy_helper.from_array(X), output_0=numpy_helper.from_array(X))
    assert "does not compute the example test_data_set_0" in inspected(model, code=1)["reason"]
    save(tmp_path, "other.onnx")
    ran = inspected(model)
    assert (ran["metrics"]["examples"], ran["metrics"]["examples_right"]) == (1, 0)
    assert "it may be another model's, for several lie here" in ran["metrics"]["examples_unfit"]
