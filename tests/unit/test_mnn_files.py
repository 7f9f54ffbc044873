"""MNN's files, of strangers' making: taken apart, or refused in words."""

import random
from pathlib import Path
from typing import Any

import flatbuffers
import pytest
from flatbuffers import number_types

from exports.contract import NotReadError
from exports.exporters.mnn_from_onnx import failure
from exports.foreign import known_as
from exports.formats import mnn

INPUT, CONVOLUTION, CONST, LAYER_NORM = 34, 12, 11, 603  # OpType
AS_INPUT, AS_CONVOLUTION, AS_BLOB, AS_NORM = 21, 9, 7, 88  # OpParameter
FLOAT, INT64, HALF = 1, 9, 19  # DataType
NHWC = 1
Fields = dict[int, Any]


def write(folder: Path, net: Fields) -> Path:
    builder = flatbuffers.Builder(0)
    builder.Finish(table(builder, net))
    path = folder / "net.mnn"
    path.write_bytes(builder.Output())
    return path


def table(builder: Any, fields: Fields) -> Any:
    """Write a table: a number is one of 32 bits, a pair one of its width, lists are vectors."""
    placed = {number: place(builder, value) for number, value in fields.items()}
    builder.StartObject(16)
    for number, value in placed.items():
        if isinstance(fields[number], tuple):
            kind, plain = fields[number]
            builder.PrependSlot(kind, number, plain, None)
        elif isinstance(fields[number], int):
            builder.PrependInt32Slot(number, value, None)
        else:
            builder.PrependUOffsetTRelativeSlot(number, value, 0)
    return builder.EndObject()


def place(builder: Any, value: Any) -> Any:
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, bytes):
        return builder.CreateByteVector(value)
    if isinstance(value, dict):
        return table(builder, value)
    if not isinstance(value, list):
        return value
    if value and value[0] != "long" and isinstance(value[0], (str, dict)):
        parts = [place(builder, each) for each in value]
        builder.StartVector(4, len(parts), 4)
        for part in reversed(parts):
            builder.PrependUOffsetTRelative(part)
        return builder.EndVector()
    wide, real = bool(value) and value[0] == "long", bool(value) and isinstance(value[0], float)
    items = value[1:] if wide else value
    builder.StartVector(8 if wide else 4, len(items), 8 if wide else 4)
    write_one = builder.PrependInt64 if wide else builder.PrependFloat32 if real else builder.PrependInt32
    for each in reversed(items):
        write_one(each)
    return builder.EndVector()


def byte(value: int) -> tuple[Any, int]:
    return number_types.Uint8Flags, value


def operator(kind: int, member: int, told: Fields, gives: list[int]) -> Fields:
    return {1: byte(member), 2: told, 4: gives, 5: kind}


IMAGE = operator(INPUT, AS_INPUT, {0: [-1, 4, 4, 3], 2: (number_types.Int8Flags, NHWC)}, [0])
WORDS = operator(INPUT, AS_INPUT, {0: [1, 6], 1: INT64, 2: (number_types.Int8Flags, 0)}, [1])
PACKED = operator(CONVOLUTION, AS_CONVOLUTION, {2: [0.5, 0.5], 3: {0: bytes(30), 1: [1.0, 1.0, 1.0], 2: 4}}, [2])
PLAIN = operator(CONVOLUTION, AS_CONVOLUTION, {1: [0.5] * 6, 2: [0.5]}, [2])
CONSTANT = operator(CONST, AS_BLOB, {2: HALF, 3: bytes(8)}, [3])
NORM = operator(LAYER_NORM, AS_NORM, {2: [1.0, 2.0], 3: [0.0, 0.5]}, [2])
UNKNOWN = {4: [2], 5: 9999}
NET: Fields = {
    0: "somebody",
    2: {2: "3.6.1"},
    3: [IMAGE, WORDS, PACKED, PLAIN, CONSTANT, NORM, UNKNOWN],
    4: ["scores"],
    7: ["image", "words", "scores", "constant"],
    10: [{0: "body", 4: [PLAIN]}],
    11: "0f0f",
}


def test_a_net_tells_its_inputs_outputs_and_weights(tmp_path: Path) -> None:
    path = write(tmp_path, NET)
    assert mnn.plugin.recognises(path)
    found = mnn.plugin.anatomy(path)
    assert [(each.name, each.dtype, each.shape) for each in found.inputs] == [
        ("image", "float32", (None, 4, 4, 3)),
        ("words", "int64", (1, 6)),
    ]
    assert [(each.name, bool(each.unknown)) for each in found.outputs] == [("scores", True)]
    assert found.operators == {"Input": 2, "Convolution": 3, "Const": 1, "LayerNorm": 1, "type 9999": 1}
    assert found.weights == {"float32": 4 * (2 + 3 + 2 * 7 + 4), "int8": 30, "float16": 8}
    assert (found.version, found.metadata_bytes) == ("3.6.1", len("somebody") + len("0f0f"))
    assert found.graph_bytes == path.stat().st_size - sum(found.weights.values()) - found.metadata_bytes
    assert mnn.layouts(path) == {"image": ("float32", True), "words": ("int64", False)}


def test_another_flat_buffer_by_that_name_is_not_one(tmp_path: Path) -> None:
    path = write(tmp_path, {0: "something else", 1: 7})
    assert not mnn.plugin.recognises(path)
    told = known_as(path)
    assert told is not None
    assert "MNN" in told.what
    assert not mnn.plugin.recognises(write(tmp_path, NET).rename(tmp_path / "net.bin"))


@pytest.mark.parametrize(
    ("net", "said"),
    [
        ({**NET, 4: []}, "nothing comes out of it"),
        ({**NET, 3: [operator(INPUT, AS_INPUT, {0: [1]}, [9])]}, "an input of the net has no name"),
        ({**NET, 3: [operator(INPUT, AS_BLOB, {0: [1]}, [0])]}, "an input of the net is damaged"),
        ({**NET, 3: [operator(INPUT, AS_INPUT, {0: [1] * 65}, [0])]}, "the input 'image' has 65 dimensions"),
    ],
)
def test_a_damaged_net_is_a_value_error(net: Fields, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        mnn.plugin.anatomy(write(tmp_path, net))


def test_weights_in_another_file_are_not_read(tmp_path: Path) -> None:
    outside = operator(CONVOLUTION, AS_CONVOLUTION, {6: ["long", 0, 400]}, [2])
    with pytest.raises(NotReadError, match="a file of their own"):
        mnn.plugin.anatomy(write(tmp_path, {**NET, 3: [outside]}))


def test_whatever_is_cut_off_or_changed_ends_in_a_value_error_or_a_net(tmp_path: Path) -> None:
    whole = write(tmp_path, NET).read_bytes()
    chance, path = random.Random(7), tmp_path / "spoiled.mnn"  # noqa: S311  # the same ones every time
    refused = 0
    for turn in range(400):
        spoiled = bytearray(whole[: chance.randrange(len(whole))] if turn % 2 else whole)
        for _ in range(0 if turn % 2 else 8):
            spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
        path.write_bytes(spoiled)
        assert mnn.plugin.recognises(path) in (True, False)
        try:
            mnn.plugin.anatomy(path)
        except ValueError:
            refused += 1
    assert refused > 200


def test_the_operator_that_the_converter_lacks_is_named() -> None:
    said = "[22:30:58] :220: These Op Not Support: ONNX::Nowhere ONNX::Never \nConverted Failed!\n"
    assert str(failure(said)) == "MNN has no operator for Nowhere, Never"
    assert "Converted Failed!" in str(failure("Converted Failed!"))
