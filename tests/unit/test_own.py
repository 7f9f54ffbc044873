"""Models of one's own: what words and files say of them, read without running anything of theirs."""

import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from evaluator.core.errors import FwevalError, UsageError
from evaluator.core.records import Signature, TensorSpec
from evaluator.core.tensors import Arrays
from evaluator.stages._evidence import POOL, calibration_rows, timed_rows
from scenarios import loading
from scenarios.own import calling, examples, given, origins, sources
from scenarios.own.form import RANDOM, Described, Drawn, Own

CODE = (
    "def build():\n    return 1\n\ndef needs(a, b=1):\n    return a\n\ndef rows():\n    return {'x': [[1.0], [2.0]]}\n"
)


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave nothing of somebody's modules to other tests of this process: they are imported here, and in no child."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(CODE)
    np.savez(tmp_path / "x.npz", x=np.ones((4, 2), np.float32))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def zipped(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"{}")
    return path


@pytest.mark.parametrize(
    ("word", "own"),
    [
        ("mine.py:build", True),
        ("mine.py", True),
        ("folder/model.keras", True),
        ("model.pt2", True),
        ("model.pt", True),
        ("model.onnx", True),
        ("resnet50", False),
        ("mine.toml", False),
        ("./mine.toml", False),
        ("mine", False),
    ],
)
def test_a_word_of_a_command_means_a_model_of_ones_own_or_a_scenario(word: str, own: bool) -> None:  # noqa: FBT001
    assert sources.looks_own(word) is own


@pytest.mark.parametrize(
    ("make", "kind", "framework"),
    [
        (lambda p: zipped(p / "m.pt", "m/data.pkl", "m/code/m.py", "m/constants.pkl"), "torchscript", "pytorch"),
        (lambda p: zipped(p / "m.pt2", "m/models/model.json"), "pt2", "pytorch"),
        (lambda p: zipped(p / "m.keras", "config.json"), "keras", "tensorflow"),
    ],
)
def test_a_file_is_what_its_contents_say(folder: Path, make: Callable[[Path], Path], kind: str, framework: str) -> None:
    found = sources.read(str(make(folder)), folder)
    assert (found.kind, found.framework) == (kind, framework)


@pytest.mark.parametrize(
    ("name", "content", "message", "remedy"),
    [
        ("w.pt", b"\x80\x02ccollections\n", "is pickled", "weights_only=True"),
        ("w.pth", b"PK", "is pickled", "mine.py:build"),
        ("w.safetensors", b"{}", "holds weights without the network", "load_file"),
        ("m.onnx", b"x", "is an artifact", "fweval inspect m.onnx"),
        ("notes.txt", b"x", "no model that fweval knows", ".keras"),
    ],
)
def test_what_cannot_be_an_origin_is_refused_with_what_to_do(
    folder: Path, name: str, content: bytes, message: str, remedy: str
) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(UsageError, match=message) as raised:
        sources.read(name, folder)
    assert remedy in str(raised.value.remedy)


def test_a_file_that_is_not_there_is_told_with_the_nearest(folder: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file") as raised:
        sources.read("mien.py:build", folder)
    assert raised.value.remedy == "did you mean 'mine.py'?"


def test_a_python_file_without_a_function_is_told_how_to_name_one(folder: Path) -> None:
    with pytest.raises(UsageError, match="which function") as raised:
        sources.read("mine.py", folder)
    assert raised.value.remedy == "name it: mine.py:build"


def test_a_function_is_found_and_runs_at_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "home.py").write_text("import os\ndef where():\n    return os.getcwd()\n")
    monkeypatch.chdir("/")
    assert calling.without_arguments(folder / "home.py", "where") == str(folder)
    assert Path.cwd() == Path("/")


@pytest.mark.parametrize(
    ("code", "name", "message", "remedy"),
    [
        ("def build(): return 1", "biuld", "has no function 'biuld'", "did you mean 'build'?"),
        ("def build(size, depth=2): return 1", "build", "takes arguments: size", "give them defaults"),
        ("def build(:\n", "build", "line 1: importing it failed", ""),
        (
            "def build():\n    raise ValueError('no weights')\n",
            "build",
            "line 2: build.. failed: ValueError: no weights",
            "",
        ),
        ("import nowhere_at_all", "build", "No module named 'nowhere_at_all'", ""),
        ("import sys\nsys.exit(3)", "build", "importing it ended the process", "__main__"),
    ],
)
def test_what_is_wrong_with_somebodys_code_is_one_line(
    tmp_path: Path, code: str, name: str, message: str, remedy: str
) -> None:
    path = tmp_path / f"code_{abs(hash(code))}.py"
    path.write_text(code)
    with pytest.raises(UsageError, match=message) as raised:
        calling.without_arguments(path, name)
    assert "\n" not in raised.value.message
    assert remedy in str(raised.value.remedy or "")


def test_examples_are_read_from_a_file_and_from_a_function(folder: Path) -> None:
    assert examples.read(str(folder / "x.npz"))["x"].shape == (4, 2)
    assert examples.read(f"{folder / 'mine.py'}:rows")["x"].tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.ones((2, 1)), "y": np.ones((3, 1))}, "the numbers of rows differ: 'x' has 2, 'y' has 3"),
        ({"x": np.array(1.0)}, "key 'x': it has no rows"),
        ({"x": np.ones((0, 3))}, "key 'x': it has no rows"),
        ({"x": np.array(["a", "b"])}, "key 'x': it holds <U1"),
        ({"x": np.ones(2, np.complex64)}, "key 'x': it holds complex64"),
        ({"x": np.array([{}, {}], dtype=object)}, "x.npz"),
    ],
)
def test_examples_that_are_none_are_told_with_file_and_key(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(UsageError, match=message):
        examples.read(str(tmp_path / "x.npz"))


def test_an_array_without_a_name_is_told_how_to_get_one(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones(3))
    with pytest.raises(UsageError, match="one array without a name") as raised:
        examples.read(str(tmp_path / "x.npy"))
    assert "numpy.savez" in str(raised.value.remedy)


@pytest.mark.parametrize(
    ("keys", "message", "remedy"),
    [
        (["imge"], "key 'imge': the network has no such input", "did you mean 'image'?"),
        (["image", "zz"], "key 'zz': the network has no such input", "the network takes: image, mask"),
        (["mask"], "the network's input 'image' is missing", "numpy.savez"),
    ],
)
def test_keys_are_the_networks_names(keys: list[str], message: str, remedy: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        examples.named({key: np.ones(1) for key in keys}, ["image", "mask"], ["image"], "inputs x.npz")
    assert remedy in str(raised.value.remedy)


def test_made_up_rows_follow_the_seed_and_their_bounds() -> None:
    drawn = {
        "x": Drawn(shape=(3,), low=-1, high=1),
        "ids": Drawn(dtype="int64", shape=(5,), high=30),
        "on": Drawn(dtype="bool"),
    }
    first, again, other = (examples.made_up(drawn, seed) for seed in (1, 1, 2))
    assert {name: (array.dtype.name, array.shape[1:]) for name, array in first.items()} == {
        "x": ("float32", (3,)),
        "ids": ("int64", (5,)),
        "on": ("bool", ()),
    }
    assert np.abs(first["x"]).max() <= 1
    assert first["ids"].min() >= 0
    assert first["ids"].max() < 30
    assert len(np.unique(first["x"], axis=0)) == len(first["x"]), "rows rotate: a cache of one answer would be seen"
    assert all(np.array_equal(first[name], again[name]) for name in drawn)
    assert not np.array_equal(first["x"], other["x"])


def test_a_file_says_the_same_as_a_command(folder: Path) -> None:
    (folder / "mine.toml").write_text(
        'name = "mine"\norigin = "mine.py:build"\ninputs = "x.npz"\nthroughput_batch = 4\n'
    )
    by_file, by_word = loading.load_scenario("mine.toml"), loading.load_scenario("mine.py:build", {"inputs": "x.npz"})
    assert by_file.settings == by_word.settings
    assert by_file.model == by_word.model == "own"
    assert by_file.train is None
    assert (by_file.throughput_batch, by_word.throughput_batch) == (4, 8)
    own = msgspec.convert(by_file.settings, Own)
    assert own.origin == f"{folder / 'mine.py'}:build"
    assert own.inputs == str(folder / "x.npz")


def test_paths_in_a_file_are_relative_to_it_and_those_of_a_command_to_where_it_is_given(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = folder / "below"
    below.mkdir()
    (below / "mine.toml").write_text('pytorch = "../mine.py:build"\n')
    np.savez(below / "y.npz", x=np.ones(1))
    monkeypatch.chdir(below)
    own = msgspec.convert(loading.load_scenario(str(below / "mine.toml"), {"inputs": "y.npz"}).settings, Own)
    assert own.pytorch == f"{folder / 'mine.py'}:build"
    assert own.inputs == str(below / "y.npz")


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ('origin = "mine.py:build"\nlabls = "y.npz"\n', "line 2, key 'labls': unknown key", "did you mean 'labels'?"),
        ('origin = "mine.py:build"\nallowed_loss = -1\n', "allowed_loss", ""),
        ('origin = "mine.py:build"\npytorch = "mine.py:build"\n', "`origin` and a framework's own source", "leave one"),
        ('origin = "mine.py:build"\ninputs = "nowhere.npz"\n', "nowhere.npz: there is no such file", ""),
        ('pytorch = "mine.py:build"\n[inputs]\ntorch = "x.npz"\n', "inputs.torch: no framework", "pytorch"),
        ('pytorch = "mine.py:build"\npair = "alike"\n', "Invalid enum value 'alike'", ""),
    ],
)
def test_what_is_wrong_in_a_file_is_one_line_with_the_key(folder: Path, text: str, message: str, remedy: str) -> None:
    (folder / "mine.toml").write_text(text)
    with pytest.raises(UsageError, match=message) as raised:
        loading.load_scenario("mine.toml")
    assert remedy in str(raised.value.remedy or "")


def test_options_for_a_model_of_ones_own_do_not_go_with_a_built_in_one() -> None:
    with pytest.raises(UsageError, match="--inputs, --allowed-loss: 'tiny' is no model of one's own"):
        loading.load_scenario("tiny", {"inputs": "x.npz", "allowed_loss": 0.1})


def test_a_file_that_changed_ends_the_step_that_reads_it(folder: Path) -> None:
    own = given.with_digests(Own(pytorch=f"{folder / 'mine.py'}:build", inputs=str(folder / "x.npz")))
    assert set(own.digests) == {str(folder / "mine.py"), str(folder / "x.npz")}
    given.refuse_changed(own)
    (folder / "mine.py").write_text(CODE + "\n")
    with pytest.raises(FwevalError, match=r"mine\.py is not what it was"):
        given.refuse_changed(own)


def test_examples_come_in_the_networks_names_types_and_order(folder: Path) -> None:
    takes = (
        TensorSpec(name="b", dtype="float32", shape=(None, 2)),
        TensorSpec(name="a", dtype="int32", shape=(None, 2)),
    )
    described = Described(signature=Signature(inputs=takes, outputs=()), keys={"a": "first", "b": "second"})
    np.savez(folder / "two.npz", first=np.ones((3, 2), np.int64), second=np.ones((3, 2)))
    found = origins.read(Own(inputs=str(folder / "two.npz"), found={"pytorch": described}), "pytorch", 1)
    assert [(name, array.dtype.name) for name, array in found.items()] == [("b", "float32"), ("a", "int32")]


def test_what_a_file_leaves_open_must_be_told_before_it_can_be_made_up() -> None:
    takes = (TensorSpec(name="ids", dtype="int64", shape=(None, None)),)
    described = Described(signature=Signature(inputs=takes, outputs=()))
    with pytest.raises(UsageError, match=r"input 'ids'.*nothing says how large") as raised:
        origins.read(Own(inputs=RANDOM, found={"tensorflow": described}), "tensorflow", 1)
    assert "[signature.ids]" in str(raised.value.remedy)


def test_free_dimensions_but_the_batch_are_cut_to_half() -> None:
    described = Described(
        signature=Signature(inputs=(), outputs=()), free={"ids": ("batch", "length"), "x": ("batch",)}
    )
    own = Own(found={"pytorch": described})
    inputs: Arrays = {"ids": np.arange(12).reshape(2, 6), "x": np.ones((2, 4))}
    cut = origins.resized(own, "pytorch", inputs)
    assert cut is not None
    assert cut["ids"].tolist() == [[0, 1, 2], [6, 7, 8]]
    assert cut["x"].shape == (2, 4)
    fixed = Own(found={"pytorch": msgspec.structs.replace(described, free={"x": ("batch",)})})
    assert origins.resized(fixed, "pytorch", inputs) is None


@pytest.mark.parametrize(("count", "verified"), [(1, 64), (2, 64), (16, 16), (64, 16), (320, 64), (640, 64)])
def test_rows_for_calibration_proof_and_timing_do_not_overlap_where_there_are_enough(count: int, verified: int) -> None:
    rows = range(count)
    fitted, timed = rows[calibration_rows(count, verified)], rows[timed_rows(count, verified)]
    assert 0 < len(timed) <= POOL
    if count >= 4:
        proven = rows[: min(verified, fitted.start)]
        assert not set(timed) & set(fitted)
        assert not set(timed) & set(proven)
        assert not set(proven) & set(fitted)
