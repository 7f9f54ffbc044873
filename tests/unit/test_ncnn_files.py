"""ncnn's files, of strangers' making: taken apart, or refused in words."""

import struct
from pathlib import Path

import pytest

from evaluator.core import registry
from evaluator.core.records import Anatomy
from exports.exporters.ncnn_pnnx import without_batch
from exports.foreign import known_as
from exports.formats import ncnn

# Two inputs, one of which is looked up behind a layer that hands it on; a convolution of 24 weights without a bias, a
# dense layer of 12 + 4 in 16 bits, a table of 20 in 8 bits, a constant of 6.
GRAPH = """7767517
9 10
Input       image    0 1 image 0=4 1=3 2=2
Input       words    0 1 words 0=5
Convolution conv     1 1 image a 0=3 1=2 5=0 6=24
Split       split    1 2 words b c
Embed       table    1 1 b d 0=4 1=5 2=0 3=20
Noop        nothing  1 1 c e
Embed       again    1 1 e f 0=1 1=3 2=1 3=3
MemoryData  constant 0 1 g 0=3 1=2 21=1
InnerProduct dense   2 1 a g logits 0=4 1=1 2=12 9=1 -23310=2,0.1,0.2
"""
HALF, EIGHT = 0x01306B47, 0x000D4B38


def tagged(tag: int, size: int) -> bytes:
    return struct.pack("<I", tag) + bytes(size)


WEIGHTS = (
    tagged(0, 4 * 24)
    + tagged(EIGHT, 20)
    + tagged(HALF, 2 * 3 + 2)  # three numbers of 16 bits, filled up to whole words
    + bytes(4 * 1)
    + bytes(4 * 6)
    + tagged(HALF, 2 * 12)
    + bytes(4 * 4)
)


def write(folder: Path, graph: str = GRAPH, weights: bytes = WEIGHTS) -> Path:
    path = folder / "net.param"
    path.write_text(graph)
    path.with_suffix(".bin").write_bytes(weights)
    return path


def look(path: Path) -> Anatomy:
    (form,) = (form for form in registry.load_all("format") if form.recognises(path))
    assert form is ncnn.plugin
    return form.anatomy(path)


def test_a_graph_tells_its_inputs_outputs_and_weights(tmp_path: Path) -> None:
    path = write(tmp_path)
    found = look(path)
    assert [(each.name, each.dtype, each.shape) for each in found.inputs] == [
        ("image", "float32", (1, 2, 3, 4)),
        ("words", "int32", (1, 5)),
    ]
    assert [each.name for each in found.outputs] == ["d", "f", "logits"]
    assert found.operators == {
        **dict.fromkeys(("Convolution", "Split", "Noop", "MemoryData", "InnerProduct"), 1),
        **dict.fromkeys(("Input", "Embed"), 2),
    }
    assert found.weights == {"float32": 4 * (24 + 1 + 6 + 4), "int8": 20, "float16": 8 + 24}
    assert found.graph_bytes == path.stat().st_size
    assert found.metadata_bytes == 4 * 4  # the tags
    assert [each.name for each in ncnn.plugin.files(path)] == ["net.param", "net.bin"]


def test_names_with_numbers_are_in_the_networks_order(tmp_path: Path) -> None:
    lines = [f"Input in{n} 0 1 in{n}" for n in (10, 2)]
    lines += [f"ReLU relu{n} 1 1 in{n} out{m}" for n, m in ((10, 0), (2, 11))]
    found = look(write(tmp_path, "7767517\n4 4\n" + "\n".join(lines), b""))
    assert [each.name for each in found.inputs] == ["in2", "in10"]
    assert [each.name for each in found.outputs] == ["out0", "out11"]
    assert all(each.unknown and each.dtype == "float32" for each in found.inputs)


def test_what_goes_in_and_comes_out_is_placed_by_number_else_in_order() -> None:
    assert ncnn.placed(["in0", "in2"], ["a", "b", "c"]) == ["a", "c"]
    assert ncnn.placed(["in0", "in2"], ["a", "b"]) == ["a", "b"]
    assert ncnn.placed(["data", "mask"], ["a", "b"]) == ["a", "b"]
    with pytest.raises(ValueError, match=r"the file has 1 \(data\) where the model has a, b"):
        ncnn.placed(["data"], ["a", "b"])


def test_an_input_that_is_looked_up_and_computed_with_is_neither(tmp_path: Path) -> None:
    graph = "7767517\n4 5\nInput x 0 1 x\nSplit s 1 2 x a b\nEmbed e 1 1 a c 0=1 3=2\nReLU r 1 1 b d\n"
    assert ncnn.read(write(tmp_path, graph)).mixed == ("x",)


def test_behind_a_layer_whose_weights_are_not_known_nothing_is_weighed(tmp_path: Path) -> None:
    graph = "7767517\n3 3\nInput x 0 1 x\nGemm g 1 1 x y 5=1 8=4 9=4 18=1\nInnerProduct d 1 1 y z 0=2 2=8\n"
    found = look(write(tmp_path, graph, bytes(100)))
    assert (found.weights, found.metadata_bytes) == ({}, 100)


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        (GRAPH.replace("\n9 10\n", "\n10 11\n"), "it should have 10 11 layers and values, and has 9 and 10"),
        (GRAPH.replace("1 1 image a", "1 99 image a"), "the layer 'conv' is damaged"),
        (GRAPH.replace("1 1 image a", "-1 3 image a"), "the layer 'conv' is damaged"),
        (GRAPH.replace("6=24", "6=many"), "a layer's setting 6 should be a number that is not below zero"),
        (GRAPH.replace("6=24", "6=-24"), "a layer's setting 6 should be a number that is not below zero"),
        (GRAPH.replace("6=24", "6=99999999"), "the weights are cut off: those of the layer 'conv' are missing"),
        (GRAPH.replace("1 1 image a", "1 1 x a"), "the layer 'conv' takes 'x', which no layer before it gives"),
        (GRAPH.replace("b c\n", "b b\n").replace("1 1 c e", "1 1 b e"), "two values of the graph have one name"),
        (GRAPH.replace("Noop        nothing  1 1 c e", "Noop nothing"), "the line 'Noop nothing' of the graph is cut"),
        ("7767517\n", "the file does not begin with the line 7767517"),
    ],
)
def test_a_damaged_graph_is_a_value_error(graph: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        ncnn.plugin.anatomy(write(tmp_path, graph))


@pytest.mark.parametrize("kept", [0, 3, 50, len(WEIGHTS) - 1])
def test_weights_that_are_cut_off_are_a_value_error(kept: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the weights are cut off"):
        ncnn.plugin.anatomy(write(tmp_path, weights=WEIGHTS[:kept]))


def test_weights_that_are_not_there_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.with_suffix(".bin").unlink()
    with pytest.raises(ValueError, match=r"its file 'net.bin' is not there"):
        ncnn.plugin.anatomy(path)


def test_bytes_that_are_no_text_are_a_value_error(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(b"7767517\n1 1\n\xff\xfe 0 1 x\n")
    with pytest.raises(ValueError, match="no text"):
        ncnn.plugin.anatomy(path)


def test_a_graph_of_pnnx_is_not_one_of_ncnn(tmp_path: Path) -> None:
    path = write(tmp_path, "7767517\n2 1\npnnx.Input in0 0 1 0 #0=(1,3)f32\npnnx.Output out0 1 0 0\n")
    assert not ncnn.plugin.recognises(path)
    told = known_as(path)
    assert told is not None
    assert "PNNX" in told.what


def test_what_pnnx_leaves_out_is_found_in_what_it_says() -> None:
    said = "############# pass_ncnn\nslice along batch axis 0 is not supported\nFLOPS = 2M\n"
    assert without_batch(said) == "slice along batch axis 0 is not supported"
    assert without_batch("############# pass_ncnn\nignore Tensor.to Tensor.to_3 param copy=False\n") is None
