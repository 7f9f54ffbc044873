"""SavedModels taken apart: what can be asked for, which graph a server takes, and what does more than compute."""

import os
from pathlib import Path

import pytest

from evaluator.core import registry
from evaluator.core.records import Signature, TensorSpec
from exports.parts import PartError
from tests.saved_models import INT64, graph, node, signature, tensor, write

FORM = registry.load("format", "savedmodel")
INITIALISES = {"__saved_model_init_op": signature({}, {"op": tensor(unranked=True)})}
ADDS = signature({"x": tensor(-1, 4)}, {"y": tensor(-1, 4)})
FINDS = signature({"words": tensor(-1, dtype=INT64)}, {"found": tensor(-1, 2)})


def spec(name: str, *shape: int | None, dtype: str = "float32") -> TensorSpec:
    return TensorSpec(name=name, dtype=dtype, shape=shape)


def test_every_signature_is_named_and_the_served_one_is_judged(tmp_path: Path) -> None:
    signatures = {"serving_default": ADDS, "find": FINDS, **INITIALISES}
    found = FORM.anatomy(write(tmp_path / "model", graph(signatures=signatures)))
    adds = Signature(name="serving_default", inputs=(spec("x", None, 4),), outputs=(spec("y", None, 4),))
    finds = Signature(name="find", inputs=(spec("words", None, dtype="int64"),), outputs=(spec("found", None, 2),))
    assert (found.signatures, found.judged) == ((finds, adds), "serving_default")
    assert (found.inputs, found.outputs) == (adds.inputs, adds.outputs)


def test_the_only_signature_is_judged_and_of_two_none_is_guessed(tmp_path: Path) -> None:
    only = FORM.anatomy(write(tmp_path / "one", graph(signatures={"find": FINDS, **INITIALISES})))
    assert (only.judged, only.inputs) == ("find", (spec("words", None, dtype="int64"),))
    two = FORM.anatomy(write(tmp_path / "two", graph(signatures={"find": FINDS, "add": ADDS})))
    assert ([each.name for each in two.signatures], two.judged, two.inputs) == (["add", "find"], "", ())
    none = FORM.anatomy(write(tmp_path / "none", graph(signatures=INITIALISES)))
    assert (none.signatures, none.judged, none.inputs) == ((), "", ())


@pytest.mark.parametrize(
    ("tags", "judged", "version"),
    [
        ([("serve",)], 0, "TensorFlow 2.21.0"),
        ([("train",), ("serve", "gpu"), ("serve",)], 2, "TensorFlow 2.21.0"),
        ([("train",), ("serve", "tpu")], 1, "TensorFlow 2.21.0; tags: serve, tpu"),
        ([("train",)], 0, "TensorFlow 2.21.0; tags: train"),
        ([()], 0, "TensorFlow 2.21.0; tags: none"),
    ],
)
def test_the_graph_that_a_server_takes_is_judged(
    tmp_path: Path, tags: list[tuple[str, ...]], judged: int, version: str
) -> None:
    graphs = [graph(signatures={f"of {place}": ADDS}, tags=each) for place, each in enumerate(tags)]
    found = FORM.anatomy(write(tmp_path / "model", *graphs))
    assert (found.judged, found.version) == (f"of {judged}", version)


def test_what_is_not_known_of_an_input_is_said(tmp_path: Path) -> None:
    takes = {
        "any": tensor(unranked=True),
        "k": tensor(),
        "whole": tensor(-1, 4, sparse=True),
        "r": tensor(-1),
        "r_1": tensor(-1, dtype=INT64),
        "x_2": tensor(2),
    }
    described = signature(takes, {"y": tensor(-1)}, defaults=["k"])
    path = write(tmp_path / "model", graph(signatures={"serving_default": described}, ragged=True))
    found = {each.name: each for each in FORM.anatomy(path).inputs}
    assert {name for name, each in found.items() if each.optional} == {"k"}
    assert "how many dimensions" in found["any"].unknown
    assert {name for name, each in found.items() if "ragged or sparse" in each.unknown} == {"whole", "r", "r_1"}


def test_operators_that_use_files_or_python_are_named(tmp_path: Path) -> None:
    nodes = [
        node("a", "ReadFile"),
        node("b", "PyFunc"),
        node("c", "PrintV2", output_stream="stderr"),
        node("d", "PrintV2", output_stream="file:///kept/x"),
        node("e", "MatMul"),
        node("save/SaveV2", "SaveV2"),
        node("save_1/ReadFile", "ReadFile"),
        node("mine/RestoreV2", "RestoreV2"),
        node("other/RestoreV2", "RestoreV2"),
    ]
    functions = {"__inference__traced_save_1": [node("f", "SaveV2"), node("g", "WriteFile")], "f": [node("h", "Save")]}
    path = write(
        tmp_path / "model",
        graph(nodes, functions=functions, saver="mine/restore_all", signatures={"serving_default": ADDS}),
    )
    expected = {"PrintV2": 1, "PyFunc": 1, "ReadFile": 2, "RestoreV2": 1, "Save": 1, "WriteFile": 1}
    assert FORM.anatomy(path).reaches == expected


def test_only_plain_files_are_a_models_own(tmp_path: Path) -> None:
    path = write(tmp_path / "model", graph(signatures={"serving_default": ADDS}))
    (path / "assets").mkdir()
    (path / "assets" / "words.txt").write_text("one")
    (path / "gone").symlink_to("/nowhere")  # nothing of TensorFlow's is called so
    assert [file.name for file in FORM.files(path)] == ["words.txt", "saved_model.pb"]
    (path / "assets" / "other.txt").symlink_to("/nowhere")
    with pytest.raises(PartError, match=r"'assets/other.txt' is a link to what is not there"):
        FORM.files(path)
    (path / "assets" / "other.txt").unlink()
    for make, said in ((device, "a device"), (os.mkfifo, "a pipe")):
        make(path / said)
        assert [file.name for file in FORM.files(path)] == ["words.txt", "saved_model.pb"]
        make(path / "assets" / "other.txt")
        with pytest.raises(PartError, match=f"its file 'assets/other.txt' is {said}"):
            FORM.files(path)
        (path / "assets" / "other.txt").unlink()


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def test_what_is_wrong_is_told_in_a_short_line(tmp_path: Path) -> None:
    described = signature({"x" * 70_000: tensor(*[1] * 65)}, {})
    with pytest.raises(ValueError, match="65 dimensions") as raised:
        FORM.anatomy(write(tmp_path / "model", graph(signatures={"serving_default": described})))
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        ("task: detect\nimgsz:\n- 320\n- 640\nnames:\n  0: cat\n", {"x": (1, 320, 640, 3)}),
        ("imgsz: [320, 640]  # rows, columns\r\n", {"x": (1, 320, 640, 3)}),
        ("imgsz: 224\n", {"x": (1, 224, 224, 3)}),
        ("names:\n- imgsz: 64\n- 96\nargs:\n  imgsz: 96\n", {}),
        ("imgsz: -1\n", {}),
        ("imgsz: 640.5\n", {}),
        ("imgsz:\n- - 64\n  - 96\n- {a: 5}\n- 7\n- 8\n- 9\n", {}),
        ("\0\xff: 3\n", {}),
    ],
)
def test_sizes_that_are_stated_beside_the_graph_are_found(
    tmp_path: Path, text: str, usual: dict[str, tuple[int, ...]]
) -> None:
    image = signature({"x": tensor(-1, -1, -1, 3)}, {"y": tensor(-1, 2)})
    folder = write(tmp_path / "model", graph(signatures={"serving_default": image}))
    (folder / "metadata.yaml").write_text(text, newline="")
    assert FORM.anatomy(folder).usual == usual
