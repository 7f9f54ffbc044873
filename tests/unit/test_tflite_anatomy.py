"""TFLite files taken apart: signatures are named, each tensor has a name of its own, nothing hides elsewhere."""

from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest

from evaluator.core import registry
from evaluator.core.records import Signature, TensorSpec
from exports.formats._naming import unique
from exports.formats._tflite_schema import OPERATORS, TYPES
from exports.sizes import artifact_bytes, digest
from tests.tflite_files import Graph, Operator, Tensor, adds, numbers, write

FORM = registry.load("format", "tflite")


def spec(name: str, *shape: int | None) -> TensorSpec:
    return TensorSpec(name=name, dtype="float32", shape=shape or (1, 4))


def named(graph: Graph, **signatures: tuple[list[str], list[str]]) -> Graph:
    return replace(graph, signatures=signatures)


def test_the_tables_are_those_of_the_schema() -> None:
    assert {name: number for number, name in enumerate(OPERATORS)} == numbers("BuiltinOperator")
    assert [name for name, _ in TYPES] == [{"STRING": "str"}.get(name, name.lower()) for name in numbers("TensorType")]


def test_every_signature_is_named_and_the_served_one_is_judged(tmp_path: Path) -> None:
    doubled, summed = adds(["x"], ["y"]), adds(["x", "z"], ["y"])
    graphs = (named(doubled, embed=(["in"], ["out"])), named(summed, serving_default=(["a", "b"], ["c"])))
    found = FORM.anatomy(write(tmp_path / "two.tflite", *graphs))
    embed = Signature(name="embed", inputs=(spec("in"),), outputs=(spec("out"),))
    served = Signature(name="serving_default", inputs=(spec("a"), spec("b")), outputs=(spec("c"),))
    assert (found.signatures, found.judged) == ((embed, served), "serving_default")
    assert (found.inputs, found.outputs) == (served.inputs, served.outputs)


@pytest.mark.parametrize(
    ("shape", "laid_out", "usual"),
    [
        ((-1, 320, -1, 3), (1, 320, 320, 3), {"x": (1, 320, 320, 3)}),
        ((-1, -1, -1, 3), (), {}),
        ((-1, 4), (), {"x": (1, 4)}),
        ((1, 4), (), {}),
    ],
)
def test_a_size_that_a_free_one_is_laid_out_in_is_the_usual_one(
    tmp_path: Path, shape: tuple[int, ...], laid_out: tuple[int, ...], usual: dict[str, tuple[int, ...]]
) -> None:
    graph = adds(["x"], ["y"], shape=shape, laid_out=laid_out)
    assert FORM.anatomy(write(tmp_path / "free.tflite", graph)).usual == usual


@pytest.mark.parametrize(
    ("name", "text", "usual"),
    [
        ("metadata.json", '{"stride": 32, "imgsz": [320, 640], "names": {"0": "cat"}}', {"x": (1, 320, 640, 3)}),
        ("temp_meta.txt", "{'stride': 32, 'imgsz': [320, 640], 'names': {0: 'cat'}}", {"x": (1, 320, 640, 3)}),
        ("metadata.json", "[320, 640]", {}),
        ("metadata.json", "__import__('os')", {}),
        ("metadata.json", '{"imgsz": 320}' + " " * (1 << 18), {}),
        ("labels.txt", "{'imgsz': 320}", {}),
    ],
)
def test_a_size_that_the_zip_behind_the_file_states_is_the_usual_one(
    tmp_path: Path, name: str, text: str, usual: dict[str, tuple[int, ...]]
) -> None:
    path = write(tmp_path / "free.tflite", adds(["x"], ["y"], shape=(-1, -1, -1, 3)))
    with ZipFile(path, "a") as behind:
        behind.writestr(name, text)
    assert FORM.anatomy(path).usual == usual
    path.write_bytes(path.read_bytes()[:-9])
    assert FORM.anatomy(path).usual == {}


def test_what_a_file_is_laid_out_for_comes_before_what_is_said_of_it(tmp_path: Path) -> None:
    graph = adds(["x"], ["y"], shape=(-1, -1, -1, 3), laid_out=(1, 96, 96, 3))
    path = write(tmp_path / "free.tflite", graph)
    with ZipFile(path, "a") as behind:
        behind.writestr("metadata.json", '{"imgsz": [320, 640]}')
    assert FORM.anatomy(path).usual == {"x": (1, 96, 96, 3)}


def test_of_several_signatures_without_a_default_none_is_guessed(tmp_path: Path) -> None:
    graphs = (named(adds(["x"], ["y"]), decode=(["x"], ["y"])), named(adds(["x"], ["y"]), encode=(["x"], ["y"])))
    found = FORM.anatomy(write(tmp_path / "two.tflite", *graphs))
    assert ([each.name for each in found.signatures], found.judged) == (["decode", "encode"], "")
    assert (found.inputs, found.outputs) == ((), ())


def test_a_file_without_signatures_has_its_own_names(tmp_path: Path) -> None:
    found = FORM.anatomy(write(tmp_path / "none.tflite", adds(["x", "x", ""], ["y", "y"], shape=(-1, 4))))
    assert found.signatures == ()
    assert found.inputs == (spec("x", None, 4), spec("x (2)", None, 4), spec("input 3", None, 4))
    assert found.outputs == (spec("y", None, 4), spec("y (2)", None, 4))


def test_two_names_in_one_signature_are_two_tensors(tmp_path: Path) -> None:
    found = FORM.anatomy(
        write(tmp_path / "one.tflite", named(adds(["x", "z"], ["y", "w"]), only=(["a", "a"], ["b", "b"])))
    )
    assert found.inputs == (spec("a"), spec("a (2)"))
    assert found.outputs == (spec("b"), spec("b (2)"))


def test_what_is_left_out_or_listed_twice_is_one_input(tmp_path: Path) -> None:
    graph = replace(adds(["x"], ["y"]), inputs=(0, -1, 0))
    assert FORM.anatomy(write(tmp_path / "optional.tflite", graph)).inputs == (spec("x"),)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], []),
        (["x", "x", "x"], ["x", "x (2)", "x (3)"]),
        (["x", "x", "x (2)"], ["x", "x (2) (2)", "x (2)"]),
        (["", "input 1", ""], ["input 1 (1)", "input 1", "input 3"]),
    ],
)
def test_names_are_made_unique(names: list[str], told: list[str]) -> None:
    assert unique(names, "input") == told


def test_weights_in_another_file_are_the_artifacts(tmp_path: Path) -> None:
    tensors = [Tensor(name="x"), Tensor(name="w", external=1), Tensor(name="y")]
    graph = Graph(
        tensors=tensors, operators=[Operator(name="ADD", inputs=(0, 1), outputs=(2,))], inputs=(0,), outputs=(2,)
    )
    path = write(tmp_path / "model.tflite", graph, external=[("weights.bin", 0, 16)])
    with pytest.raises(ValueError, match=r"its file 'weights.bin' is not there"):
        FORM.files(path)
    (tmp_path / "weights.bin").write_bytes(bytes(15))
    with pytest.raises(ValueError, match=r"its file 'weights.bin' is cut off: it should have 16 bytes"):
        FORM.files(path)
    digests = []
    for content in (bytes(16), b"\1" * 16):
        (tmp_path / "weights.bin").write_bytes(content)
        assert FORM.files(path) == [path, tmp_path / "weights.bin"]
        digests.append(digest(path, FORM.files(path)))
    found = FORM.anatomy(path)
    assert found.weights == {"float32": 16}
    assert found.graph_bytes + 16 == artifact_bytes(FORM.files(path))
    assert digests[0] != digests[1]


@pytest.mark.parametrize("name", ["/etc/passwd", "../weights.bin", "a/../../weights.bin"])
def test_no_weights_lie_outside_the_folder(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "model.tflite", adds(["x"], ["y"]), external=[(name, 0, 1)])
    with pytest.raises(ValueError, match="outside the model's folder"):
        FORM.files(path)


def test_operators_of_tensorflow_that_use_files_are_named(tmp_path: Path) -> None:
    steps = [("FlexReadFile", 0, 1), ("FlexErf", 1, 2), ("ReadFile", 2, 3), ("FlexReadFile", 3, 4)]
    graph = Graph(
        tensors=[Tensor(name=str(index)) for index in range(5)],
        operators=[Operator(name=name, inputs=(left,), outputs=(right,)) for name, left, right in steps],
        inputs=(0,),
        outputs=(4,),
    )
    found = FORM.anatomy(write(tmp_path / "flex.tflite", graph))
    assert found.reaches == {"ReadFile": 2}  # the custom operator that is merely called so is somebody's own
    assert found.operators == {"FlexErf": 1, "FlexReadFile": 2, "ReadFile": 1}


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (replace(adds(["x"], ["y"]), outputs=(9,)), "has no tensor 9"),
        (replace(adds(["x"], ["y"]), inputs=(-7,)), "has no tensor -7"),
        (adds(["x"], ["y"], shape=(1,) * 65), "65 dimensions"),
        (adds(["x" * 70_000], ["y"], data=b"\0"), "should have 16 bytes of data and has 1"),
    ],
)
def test_what_is_wrong_is_told_in_a_short_line(tmp_path: Path, graph: Graph, words: str) -> None:
    with pytest.raises(ValueError, match=words) as raised:
        FORM.anatomy(write(tmp_path / "wrong.tflite", graph))
    assert len(str(raised.value)) < 300
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("share", [0.02, 0.5])
def test_what_is_cut_off_is_said_to_be(tmp_path: Path, share: float) -> None:
    path = write(tmp_path / "cut.tflite", adds(["x"], ["y"]))
    content = path.read_bytes()
    path.write_bytes(content[: max(8, int(len(content) * share))])
    for look in (FORM.anatomy, FORM.files):
        with pytest.raises(ValueError, match=r"^cut\.tflite is damaged, or cut off: "):
            look(path)
