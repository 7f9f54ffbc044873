"""Graphs of OpenVINO taken apart: what is counted, and that a hostile or damaged file is one line."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from evaluator.core import registry
from evaluator.core.records import TensorSpec
from exports.contract import Format, NotReadError
from exports.parts import AbsentError, PartError
from tests import openvino_models as models
from tests.hostile import mutated, survives

ROOT = Path(__file__).parents[2]
FORM: Format = registry.load("format", "openvino")


def test_every_byte_is_counted_once(tmp_path: Path) -> None:
    path = models.write(tmp_path / "model.xml")
    found = FORM.anatomy(tmp_path)
    assert found == FORM.anatomy(path)
    assert found.version == "IR 11"
    assert found.operators == {"MatMul": 1, "TopK": 1}
    assert found.weights == {"float32": 16, "int8": 3}
    assert found.metadata_bytes == len('<rt_info><Runtime_version value="2026" /></rt_info>')
    whole = sum(file.stat().st_size for file in FORM.files(tmp_path))
    assert sum(found.weights.values()) + found.graph_bytes + found.metadata_bytes == whole


def test_inputs_and_outputs_have_names_types_and_free_sizes(tmp_path: Path) -> None:
    found = FORM.anatomy(models.write(tmp_path / "model.xml"))
    assert found.inputs == (
        TensorSpec(name="image", dtype="float32", shape=(None, 3, None, 8)),
        TensorSpec(name="words", dtype="int64", shape=(None, 6)),  # by its layer
    )
    assert found.outputs == (
        TensorSpec(name="scores", dtype="float32", shape=(None, 5)),
        TensorSpec(name="best,of", dtype="int32", shape=(None, 1)),  # by the tensor that it takes
    )
    assert found.bounds["image"] == ((0, None), (3, 3), (1, 64), (8, 8))


def test_what_is_not_told_is_said(tmp_path: Path) -> None:
    more = models.layer(8, "q", "Result", models.port("input", 0, "BF16"))
    found = FORM.anatomy(models.write(tmp_path / "model.xml", models.graph(more, image="...")))
    assert "how many dimensions" in found.inputs[0].unknown
    assert (found.outputs[2].dtype, found.outputs[2].shape) == ("bfloat16", ())
    assert "a number" in found.outputs[2].unknown


def test_bodies_of_loops_compute_too_and_share_constants(tmp_path: Path) -> None:
    custom = models.layer(9, "x", "Mine").replace("opset1", "extension")
    found = FORM.anatomy(models.write(tmp_path / "model.xml", models.graph(models.loop(8), custom)))
    assert found.operators == {"Exp": 1, "Loop": 1, "MatMul": 1, "TopK": 1, "extension::Mine": 1}
    assert found.weights == {"float32": 16, "int8": 3}
    assert (len(found.inputs), len(found.outputs)) == (2, 2)


def test_the_sizes_that_makers_state_beside_it_are_read(tmp_path: Path) -> None:
    path = models.write(tmp_path / "model.xml", models.graph(image="?,3,?,?"))
    (tmp_path / "metadata.yaml").write_text("imgsz:\n- 320\n- 640\n")
    assert FORM.anatomy(path).usual == {"image": (1, 3, 320, 640)}


@pytest.mark.parametrize("begins", ["", "\ufeff", "<!-- made by hand -->\n<!-- twice -->"])
def test_a_graph_is_recognised_by_its_root(tmp_path: Path, begins: str) -> None:
    path = models.write(tmp_path / "any.xml", models.graph(before=begins if begins.startswith("<") else ""))
    path.write_text(("" if begins.startswith("<") else begins) + path.read_text())
    assert FORM.recognises(path)
    assert FORM.recognises(tmp_path)


def test_others_are_not_recognised(tmp_path: Path) -> None:
    assert not FORM.recognises(tmp_path)
    assert not FORM.recognises(tmp_path / "absent")
    for index, text in enumerate(("<html>", "<netlist version='1'>", "<!---->" * 500, '<?xml version="1.0"?>', "")):
        (tmp_path / f"{index}.xml").write_text(text)
        assert not FORM.recognises(tmp_path / f"{index}.xml")
    assert not FORM.recognises(tmp_path)


def test_of_a_folder_with_several_graphs_none_is_the_model(tmp_path: Path) -> None:
    for name in ("openvino_model", "openvino_tokenizer"):
        models.write(tmp_path / f"{name}.xml")
    assert not FORM.recognises(tmp_path)
    with pytest.raises(ValueError, match="has 2 graphs of OpenVINO"):
        FORM.anatomy(tmp_path)
    assert FORM.files(tmp_path / "openvino_model.xml") == [
        tmp_path / "openvino_model.xml",
        tmp_path / "openvino_model.bin",
    ]


def test_constants_that_are_gone_or_lie_elsewhere_are_said(tmp_path: Path) -> None:
    path = models.write(tmp_path / "model.xml")
    (tmp_path / "model.bin").unlink()
    with pytest.raises(AbsentError, match=r"its file 'model\.bin' is not there"):
        FORM.files(path)
    (tmp_path / "model.bin").symlink_to("/etc/hostname")
    with pytest.raises(PartError, match="outside the model's folder"):
        FORM.anatomy(path)


def test_a_graph_without_constants_has_no_further_file(tmp_path: Path) -> None:
    text = f'<net version="11"><layers>{models.layer(0, "x", "Exp")}</layers></net>'
    (tmp_path / "model.xml").write_text(text)
    assert FORM.files(tmp_path) == [tmp_path / "model.xml"]
    assert FORM.anatomy(tmp_path).operators == {"Exp": 1}


DAMAGES: dict[str, tuple[Callable[[str], str], str]] = {
    "cut off": (lambda text: text[: len(text) // 2], "is damaged"),
    "no XML": (lambda _: "net", "is damaged"),
    "another root": (lambda _: "<nets/>", "its root is no <net>"),
    "entities": (lambda text: text.replace("<net", '<!DOCTYPE n [<!ENTITY a "b">]><net'), "a document type"),
    "a version of letters": (lambda text: text.replace('version="11"', 'version="new"'), "the version 'new'"),
    "deep": (lambda _: '<net version="11">' + "<a>" * 300, "200 deep"),
    "no kind": (lambda text: text.replace('type="TopK"', ""), "does not say what it is"),
    "an offset of letters": (lambda text: text.replace('offset="16"', 'offset="x"'), "the offset 'x'"),
    "a size below zero": (lambda text: text.replace('size="3"', 'size="-3"'), "the size '-3'"),
    "another size": (lambda text: text.replace('size="16"', 'size="12"'), "should have 16 bytes, and has 12"),
    "a shape of letters": (lambda text: text.replace("?,3,1..64,8", "?,3,wide"), "a size of a tensor is 'wide'"),
    "dimensions": (lambda text: text.replace("?,3,1..64,8", "1," * 99 + "1"), "has 100 dimensions"),
    "an output of nothing": (
        lambda text: text.replace(models.port("input", 0, "I32", -1, 1), ""),
        "does not say what it gives",
    ),
    "one number twice": (lambda text: text.replace('id="5"', 'id="4"'), "two layers have the number '4'"),
    "too few constants": (lambda text: text.replace('offset="16"', 'offset="17"'), "at least 20 bytes"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_one_line(tmp_path: Path, damage: str) -> None:
    change, said = DAMAGES[damage]
    path = models.write(tmp_path / "model.xml", change(models.graph()))
    with pytest.raises(ValueError, match=said) as caught:
        FORM.anatomy(path)
    assert "\n" not in str(caught.value)


def test_constants_that_overlap_are_refused(tmp_path: Path) -> None:
    one, two = models.constant(8, 0, 12, "f32", "3"), models.constant(9, 4, 12, "f32", "3")
    with pytest.raises(ValueError, match="the constants overlap"):
        FORM.anatomy(models.write(tmp_path / "model.xml", models.graph(one, two)))


def test_a_version_that_openvino_does_not_read_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(NotReadError, match="a graph of version 7"):
        FORM.anatomy(models.write(tmp_path / "model.xml", models.graph(version="7")))


def test_half_bytes_are_rounded_up_and_groups_of_bits_are_believed(tmp_path: Path) -> None:
    four, three = models.constant(8, 0, 2, "u4", "3"), models.constant(9, 2, 3, "u3", "8")
    text = f'<net version="11"><layers>{four}{three}</layers></net>'
    assert FORM.anatomy(models.write(tmp_path / "model.xml", text, held=5)).weights == {"uint3": 3, "uint4": 2}


def test_a_file_that_was_changed_at_random_is_read_or_refused_in_words(tmp_path: Path) -> None:
    path = models.write(tmp_path / "model.xml", models.graph(models.loop(8)))
    content, chance = path.read_bytes(), random.Random(7)  # noqa: S311  # the same each time
    for _ in range(300):
        path.write_bytes(mutated(content, chance))
        survives(FORM, path)


def test_names_of_any_length_make_no_message_longer(tmp_path: Path) -> None:
    long = "x" * 70_000
    for text in (
        models.graph(models.constant(8, 0, 1, "f32", "4").replace("c8", long)),
        models.graph(version=long),
        models.graph(image=long),
        models.graph(models.constant(8, 0, 1, long, "4")),
    ):
        survives(FORM, models.write(tmp_path / "model.xml", text))


def test_what_reports_when_it_is_imported_is_not_in_the_environment() -> None:
    lines = (ROOT / "exports" / "environments" / "openvino.txt").read_text().splitlines()
    packages = [line.partition("==")[0] for line in lines if not line.startswith("#")]
    assert "openvino" in packages
    assert "openvino-telemetry" not in packages
