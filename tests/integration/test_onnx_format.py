"""ONNX files taken apart: what each number counts, and what is done about damaged and about hostile files."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from evaluator.core import registry
from evaluator.core.errors import FwevalError, Unavailable
from evaluator.core.records import TensorSpec
from evaluator.stages.inspect import look
from exports.parts import AbsentError, mounts
from exports.sizes import artifact_bytes, digest

pytestmark = pytest.mark.integration

FORMAT = registry.load("format", "onnx")
KERNEL = np.arange(12, dtype=np.float32).reshape(3, 4)
HALF = np.ones((4, 5), np.float16)


def model(tmp_path: Path) -> tuple[ModelProto, Path]:
    """Write x (any, 3) -> MatMul -> If (each branch: Cast, Cast, MatMul with half-precision weights) -> y (any, 5)."""
    branch = helper.make_graph(
        [
            helper.make_node("Cast", ["h"], ["low"], to=TensorProto.FLOAT16),
            helper.make_node("MatMul", ["low", "half"], ["product"]),
            helper.make_node("Cast", ["product"], ["out"], to=TensorProto.FLOAT),
        ],
        "branch",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(HALF, "half")],
    )
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "kernel"], ["h"], doc_string="where it came from " * 100),
            helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True))),
            helper.make_node("If", ["yes"], ["chosen"], then_branch=branch, else_branch=branch),
            helper.make_node("Gelu", ["chosen"], ["y"], domain="com.microsoft"),
        ],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 5])],
        [numpy_helper.from_array(KERNEL, "kernel")],
    )
    sets = [helper.make_opsetid(*pair) for pair in (("", 18), ("com.microsoft", 1), ("never.used", 1))]
    made = helper.make_model(graph, opset_imports=sets, ir_version=9)
    path = tmp_path / "model.onnx"
    onnx.save(made, path)
    return made, path


def test_everything_is_counted_where_it_belongs(tmp_path: Path) -> None:
    _, path = model(tmp_path)
    found = FORMAT.anatomy(path)
    assert found.version == "opset 18, IR 9, com.microsoft 1"
    assert found.operators == {"Cast": 4, "Constant": 1, "If": 1, "MatMul": 3, "com.microsoft::Gelu": 1}
    assert found.inputs == (TensorSpec(name="x", dtype="float32", shape=(None, 3)),)
    assert found.outputs == (TensorSpec(name="y", dtype="float32", shape=(None, 5)),)
    assert found.weights == {"bool": 1, "float16": 2 * HALF.nbytes, "float32": KERNEL.nbytes}
    assert 200 < found.graph_bytes < 700
    assert found.metadata_bytes > 1900, "notes are no part of the program"
    parts = sum(found.weights.values()) + found.graph_bytes + found.metadata_bytes
    assert parts == path.stat().st_size


def test_weights_beside_the_model_are_counted_and_never_sought_elsewhere(tmp_path: Path) -> None:
    made, path = model(tmp_path)
    onnx.save(made, path, save_as_external_data=True, location="weights.bin", size_threshold=1)
    assert FORMAT.anatomy(path).weights["float32"] == KERNEL.nbytes
    (tmp_path / "weights.bin").write_bytes(b"")
    with pytest.raises(ValueError, match=r"'weights\.bin' is not whole: .* should have 48 bytes of data and has 0"):
        FORMAT.anatomy(path)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(AbsentError, match=r"'weights\.bin' is not there") as absent:
        FORMAT.files(path)
    assert absent.value.names == ("model.onnx", "weights.bin")
    (tmp_path / "weights.bin").symlink_to("/proc/self/environ")
    with pytest.raises(ValueError, match="outside the model's folder"):
        FORMAT.anatomy(path)


@pytest.mark.parametrize("place", ["/etc/passwd", "../other", "a\0b", "x" * 5000, "", ".", "*/_ORT_MEM_ADDR_/*"])
def test_no_place_that_a_file_names_does_harm(tmp_path: Path, place: str) -> None:
    made, path = model(tmp_path)
    put_outside(made.graph.initializer[0], location=place)
    onnx.save(made, path)
    for ask in (FORMAT.anatomy, FORMAT.files):
        with pytest.raises(
            ValueError, match=r"outside|no file is called so|cannot be seen|a folder|not there"
        ) as refused:
            ask(path)
        assert len(str(refused.value)) < 200


def put_outside(tensor: TensorProto, **told: object) -> bytes:
    """Say that a tensor's data lie in a file; return them."""
    data: bytes = numpy_helper.to_array(tensor).tobytes()
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in told.items():
        tensor.external_data.add(key=key, value=str(value))
    return data


def everywhere(tmp_path: Path) -> Path:
    """Write a model whose tensors lie in six files: in folders, by long ways, two in one, of every kind of tensor."""
    made, path = model(tmp_path)
    again = made.graph.initializer.add()
    again.CopyFrom(made.graph.initializer[0])
    again.name = "tied"
    branch = next(node for node in made.graph.node if node.op_type == "If").attribute[0].g
    constant = made.graph.node[1].attribute[0].t
    sparse = made.graph.sparse_initializer.add(dims=[3, 4])
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(2, np.float32), "sparse"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.array([0, 5]), "places"))
    inner = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(KERNEL, "of a function"))
    made.functions.append(helper.make_function("own", "F", [], ["c"], [inner], [helper.make_opsetid("", 18)]))
    trained = made.training_info.add().algorithm
    trained.name = "training"
    trained.initializer.add().CopyFrom(numpy_helper.from_array(HALF, "moments"))
    files = {
        "./w/kernel.bin": (made.graph.initializer[0], {"offset": 64}),
        "w/../w/kernel.bin": (again, {"offset": 64, "length": KERNEL.nbytes}),
        "half": (branch.initializer[0], {"length": HALF.nbytes}),
        "yes.bin": (constant, {}),
        "sparse.bin": (sparse.values, {"offset": 0}),
        "f.bin": (made.functions[0].node[0].attribute[0].t, {}),
        "moments.bin": (trained.initializer[0], {}),
    }
    for name, (tensor, told) in files.items():
        data = put_outside(tensor, location=name, **told)
        place = (path.parent / name).resolve()
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(bytes(int(told.get("offset", 0))) + data + bytes(3))  # what follows is nobody's
    onnx.save(made, path)
    return path


def test_all_files_of_a_model_are_found_wherever_it_names_them(tmp_path: Path) -> None:
    path = everywhere(tmp_path)
    whole = FORMAT.files(path)
    names = ["model.onnx", "w/kernel.bin", "sparse.bin", "moments.bin", "f.bin", "half", "yes.bin"]
    assert sorted(whole) == sorted(tmp_path / name for name in names)
    found = FORMAT.anatomy(path)
    # The tied tensor has its place in common with the other; of both branches' halves one lies outside.
    assert found.weights["float32"] == 2 * KERNEL.nbytes + 8
    assert found.weights["float16"] == 3 * HALF.nbytes
    assert sum(found.weights.values()) + found.graph_bytes + found.metadata_bytes == artifact_bytes(whole)
    before = digest(path, whole)
    (tmp_path / "w/kernel.bin").write_bytes((tmp_path / "w/kernel.bin").read_bytes()[:-1] + b"x")
    assert digest(path, whole) != before


def sized(
    shape: list[int | str | None],
    node: NodeProto,
    *,
    metadata: dict[str, str] | None = None,
    inner: list[int] | None = None,
    kind: int = TensorProto.FLOAT,
) -> ModelProto:
    """Make x -> node -> h -> y, with what its makers left in it about sizes."""
    weights = [numpy_helper.from_array(np.ones((8, 3, 3, 3), np.float32), "w")]
    table = [numpy_helper.from_array(np.ones((100, 16), np.float32), "table")]
    made = helper.make_model(
        helper.make_graph(
            [node, helper.make_node("Identity", ["h"], ["y"])],
            "graph",
            [helper.make_tensor_value_info("x", kind, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            weights + table,
            value_info=[] if inner is None else [helper.make_tensor_value_info("h", TensorProto.FLOAT, inner)],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    helper.set_model_props(made, metadata or {})
    return made


NCHW: list[int | str | None] = ["batch", 3, "height", "width"]
CONV = helper.make_node("Conv", ["x", "w"], ["h"], strides=[2, 2], pads=[1, 1, 1, 1])
SAME = helper.make_node("Identity", ["x"], ["h"])
TURNED = helper.make_node("Transpose", ["x"], ["h"], perm=[0, 3, 1, 2])
LOOKED_UP = helper.make_node("Gather", ["table", "x"], ["h"])


@pytest.mark.parametrize(
    ("made", "usual"),
    [
        (sized(NCHW, SAME, metadata={"imgsz": "[320, 640]", "batch": "1"}), (1, 3, 320, 640)),
        (sized(NCHW, SAME, metadata={"imgsz": "640"}), (1, 3, 640, 640)),
        (sized(NCHW, SAME, metadata={"imgsz": "[-1, -1]"}), None),
        (sized(["n", None, None, None], SAME, metadata={"imgsz": "[64, 64]"}), (1, 3, 64, 64)),
        (sized(["n", "h", "w", 1], SAME, metadata={"Image_Size": "(96, 128)"}), (1, 96, 128, 1)),
        (sized(["n", 3, "h", 640], SAME, metadata={"input_shape": "1x3x480x640"}), (1, 3, 480, 640)),
        (sized(["n", 3, "h", 640], SAME, metadata={"imgsz": "[320, 320]"}), None),
        (sized(NCHW, SAME, metadata={"imgsz": "999999", "names": "{0: 'cat 640'}"}), None),
        (sized(NCHW, CONV, inner=[1, 8, 160, 112]), (1, 3, 320, 224)),
        (sized(NCHW, SAME, inner=[1, 3, 99, 98]), (1, 3, 99, 98)),
        (sized(["n", "h", "w", 3], TURNED, inner=[1, 3, 48, 64]), (1, 48, 64, 3)),
        (sized(["n", "words"], LOOKED_UP, inner=[1, 128, 16], kind=TensorProto.INT64), (1, 128)),
        (sized(NCHW, SAME, inner=[1, 4, 99, 98]), None),
        (sized(NCHW, SAME), None),
        (sized(["n", 3, 32, 32], SAME, metadata={"imgsz": "64"}), None),
    ],
)
def test_sizes_that_the_file_states_are_found(tmp_path: Path, made: ModelProto, usual: tuple[int, ...] | None) -> None:
    onnx.save(made, tmp_path / "model.onnx")
    assert FORMAT.anatomy(tmp_path / "model.onnx").usual == ({} if usual is None else {"x": usual})


def test_operators_that_run_python_or_read_files_are_named(tmp_path: Path) -> None:
    made, path = model(tmp_path)
    made.graph.node.append(helper.make_node("PyOp", ["y"], ["z"], domain="ai.onnx.contrib"))
    onnx.save(made, path)
    assert FORMAT.anatomy(path).reaches == {"ai.onnx.contrib::PyOp": 1}


def test_a_model_behind_a_link_has_its_files_beside_the_link_or_in_the_store(tmp_path: Path) -> None:
    made, path = model(tmp_path)
    onnx.save(made, path, save_as_external_data=True, location="weights.bin", size_threshold=1)
    store, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "main"
    store.mkdir()
    snapshot.mkdir(parents=True)
    for name, blob in (("model.onnx", "0a1b"), ("weights.bin", "2c3d")):
        (tmp_path / name).rename(store / blob)
        (snapshot / name).symlink_to(f"../../blobs/{blob}")
    assert FORMAT.files(snapshot / "model.onnx") == [snapshot / "model.onnx", snapshot / "weights.bin"]
    assert FORMAT.anatomy(snapshot / "model.onnx").weights["float32"] == KERNEL.nbytes
    (snapshot / "weights.bin").unlink()
    (snapshot / "weights.bin").symlink_to("weights.bin")
    with pytest.raises(ValueError, match="cannot be seen"):
        FORMAT.files(snapshot / "model.onnx")


def test_a_file_of_more_than_two_gigabytes_is_said_to_be_so(tmp_path: Path) -> None:
    _, path = model(tmp_path)
    os.truncate(path, 3 << 30)
    with pytest.raises(FwevalError, match=r"model\.onnx has 3\.22 GB: nothing reads .* more than 2 GB") as refused:
        FORMAT.anatomy(path)
    assert "save_as_external_data" in str(refused.value.remedy)


def test_containers_are_shown_all_files_and_what_cannot_be_read_as_it_is(tmp_path: Path) -> None:
    path = everywhere(tmp_path)
    assert mounts(path, ["onnx"])[tmp_path / "w/kernel.bin"] == Path("w/kernel.bin")
    assert len(mounts(path, ["tflite", "onnx"])) == 7
    assert mounts(tmp_path, ["savedmodel"]) == {tmp_path: Path(tmp_path.name)}
    (tmp_path / "half").unlink()
    assert mounts(path, ["onnx"]) == {path: Path("model.onnx")}


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    _, path = model(tmp_path)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"model\.onnx is"):
            FORMAT.anatomy(path)


def test_weights_that_are_shorter_than_their_shape_are_refused(tmp_path: Path) -> None:
    made, path = model(tmp_path)
    made.graph.initializer[0].dims[:] = [1 << 40, 1 << 40]
    onnx.save(made, path)
    with pytest.raises(ValueError, match="and has 48"):
        FORMAT.anatomy(path)


def test_it_is_told_from_other_files(tmp_path: Path) -> None:
    _, path = model(tmp_path)
    whole = path.read_bytes()
    assert FORMAT.recognises(path)
    path.write_bytes(whole[: len(whole) // 2])
    assert FORMAT.recognises(path), "a damaged one is one"
    assert not FORMAT.recognises(tmp_path)
    assert not FORMAT.recognises(tmp_path / "nothing")
    others = {
        "empty": b"",
        "zip": b"PK\x03\x04" + bytes(100),
        "tflite": b"\x1c\0\0\0TFL3" + bytes(100),
        "saved_model": b"\x08\x01\x12\x02\x0a\0" * 3,
        "tensor": numpy_helper.from_array(KERNEL).SerializeToString(),
        "endless number": b"\x08" + b"\xff" * 100,
    }
    for name, content in others.items():
        path.write_bytes(content)
        assert not FORMAT.recognises(path), name


def test_onnx_runtime_tells_the_kernels_that_it_makes_of_a_graph(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "kernel"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["r"]),
        helper.make_node("Gelu", ["r"], ["g"], domain="com.microsoft"),
        helper.make_node("Identity", ["g"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(KERNEL, "kernel"), numpy_helper.from_array(KERNEL[0], "bias")],
    )
    sets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=sets, ir_version=9), path)
    # The product takes the bias and the ReLU with it; both names are gone, and so is the identity.
    assert registry.load("runtime", "onnx_runtime").placement(path) == {"CPU": 0, "CPU, its own kernels": 2}
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_type_of_tomorrow_is_beyond_us_and_not_damaged(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [], "g", [], [], initializer=[TensorProto(name="w", data_type=99, dims=[2], raw_data=b"ab")]
    )
    path = tmp_path / "next.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(Unavailable, match=r"fweval does not read next\.onnx: it has a tensor of the type 99") as found:
        look(path)
    assert "get it again" not in str(found.value.remedy)


def test_no_shape_is_no_scalar(tmp_path: Path) -> None:
    node = helper.make_node("Add", ["any", "one"], ["sum"])
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("any", None), ("one", []))
    ]
    graph = helper.make_graph([node], "graph", ends, [helper.make_tensor_value_info("sum", TensorProto.FLOAT, None)])
    onnx.save(helper.make_model(graph), tmp_path / "model.onnx")
    any_rank, one = FORMAT.anatomy(tmp_path / "model.onnx").inputs
    assert (one.shape, one.unknown) == ((), "")
    assert "how many dimensions" in any_rank.unknown
