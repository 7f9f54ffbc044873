"""PyTorch's files, of strangers' making: taken apart, or refused in words, in time that does not depend on them."""

import json
import pickle
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from evaluator.core import registry
from evaluator.core.records import Anatomy
from exports.contract import Format

LONGEST = 500  # characters of a refusal
# A pickle of an object of the class `__torch__.Net` with nothing in it, as TorchScript writes it.
ROOT = b"\x80\x02c__torch__\nNet\nq\x00)\x81}b."
CODE = """class Net(Module):
  __parameters__ = []
  def forward(self: __torch__.Net,
    x: Tensor) -> Tensor:
    torch.save(x, "file")
    return torch.add(torch.from_file("file"), ops.image.read_file("file"))
  def encode(self: __torch__.Net,
    x: Tensor) -> int:
    return 1
  def _helper(self: __torch__.Net) -> int:
    return 2
def free(x: Tensor) -> Tensor:
  return x
"""
METHODS = tuple(
    (
        f"__torch__.{name}",
        (
            ("instructions", (("LOADC", 0, 0), ("OP", 0, 0), ("RET", 0, 0))),
            ("operators", (("aten::save", ""), ("aten::add", "Tensor"))),
            ("constants", ()),
        ),
        (("arguments", ((("name", "self"), ("type", "__torch__.Net"), ("default_value", None)),)),),
    )
    for name in ("Net.forward", "Net.encode", "Part.forward")
)


def tensor(*sizes: object) -> dict[str, Any]:
    return {"dtype": 13, "sizes": list(sizes), "device": {"type": "cpu", "index": None}}


def free(least: int) -> dict[str, Any]:
    return {"as_expr": {"expr_str": "Symbol('s7', positive=True, integer=True)", "hint": {"as_int": least}}}


def leaf() -> dict[str, Any]:
    return {"type": None, "context": None, "children_spec": []}


OUT = {"type": "builtins.dict", "context": '["a", "b"]', "children_spec": [leaf(), leaf()]}
PROGRAM = {
    "schema_version": {"major": 8, "minor": 20},
    "range_constraints": {"s7": {"min_val": 2, "max_val": 16}},
    "graph_module": {
        "graph": {
            "nodes": [{"target": "torch.ops.aten.from_file.default"}, {"target": "torch.ops.aten.add.Tensor"}],
            "tensor_values": {"x": tensor(free(4), {"as_int": 3}), "y": tensor()},
        },
        "signature": {
            "input_specs": [{"user_input": {"arg": {"as_tensor": {"name": "x"}}}}],
            "output_specs": [
                {"user_output": {"arg": {"as_tensor": {"name": "y"}}}},
                {"user_output": {"arg": {"as_sym_int": {"as_name": "n"}}}},
            ],
        },
        "module_call_graph": [{"signature": {"in_spec": json.dumps([1, leaf()]), "out_spec": json.dumps([1, OUT])}}],
    },
}
WEIGHTS = {"config": {"w": {"path_name": "weight_0", "use_pickle": True, "tensor_meta": tensor({"as_int": 4})}}}
ENTRIES: dict[str, dict[str, bytes]] = {
    "torchscript.pt": {
        "data.pkl": ROOT,
        "constants.pkl": b"\x80\x02).",
        "code/__torch__.py": CODE.encode(),
        "version": b"3\n",
    },
    "torchmobile.ptl": {"data.pkl": ROOT, "bytecode.pkl": pickle.dumps((8, *METHODS), 2), "version": b"3\n"},
    "pt2.pt2": {
        "archive_format": b"pt2",
        "models/model.json": json.dumps(PROGRAM).encode(),
        "data/weights/model_weights_config.json": json.dumps(WEIGHTS).encode(),
        "data/weights/weight_0": bytes(8),
    },
}


def write(path: Path, entries: dict[str, bytes], folder: str = "net") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(f"{folder}/{name}", content)
    return path


def look(path: Path) -> Anatomy:
    (form,) = (each for each in formats() if each.recognises(path))
    return form.anatomy(path)


def formats() -> list[Format]:
    return [registry.load("format", name) for name in ("torchscript", "torchmobile", "pt2", "executorch")]


def refusal(path: Path, form: str) -> str:
    """Return why a file is refused as one of a format: a text that a person can read, and nothing but that."""
    with pytest.raises(ValueError) as told:
        registry.load("format", form).anatomy(path)
    assert len(str(told.value)) < LONGEST
    return str(told.value)


def test_methods_and_what_reaches_beyond_are_named(tmp_path: Path) -> None:
    script = look(write(tmp_path / "a.pt", ENTRIES["torchscript.pt"]))
    mobile = look(write(tmp_path / "a.ptl", ENTRIES["torchmobile.ptl"]))
    for about in (script, mobile):
        assert [each.name for each in about.signatures] == ["forward", "encode"]
        assert about.judged == "forward"
    assert script.reaches == {"aten::save": 1, "aten::from_file": 1, "image::read_file": 1}
    assert mobile.reaches == {"aten::save": 3}


def test_a_program_tells_its_sizes_and_the_places_of_its_outputs(tmp_path: Path) -> None:
    about = look(write(tmp_path / "a.pt2", ENTRIES["pt2.pt2"]))
    assert [(each.name, each.dtype, each.shape) for each in about.inputs] == [("x", "bfloat16", (None, 3))]
    assert [(each.name, each.dtype) for each in about.outputs] == [("a", "bfloat16"), ("b", "int64")]
    assert (about.usual, about.bounds) == ({"x": (4, 3)}, {"x": ((2, 16), (3, 3))})
    assert about.reaches == {"aten::from_file": 1, "pickle": 1}
    assert about.weights == {"bfloat16": 8}


def test_each_program_of_a_file_is_a_signature(tmp_path: Path) -> None:
    entries = {name: content for name, content in ENTRIES["pt2.pt2"].items() if not name.startswith("models/")}
    for names, judged in ((("encoder", "decoder"), ""), (("encoder",), "encoder"), (("model", "other"), "model")):
        programs = {f"models/{name}.json": json.dumps(PROGRAM).encode() for name in names}
        about = look(write(tmp_path / "several.pt2", entries | programs))
        assert ([each.name for each in about.signatures], about.judged) == (list(names), judged)
        assert [spec.name for spec in about.inputs] == (["x"] if judged else [])
        assert about.operators == {"aten.from_file.default": len(names), "aten.add.Tensor": len(names)}


def test_what_unpickling_the_example_inputs_would_import_is_named(tmp_path: Path) -> None:
    inner = tmp_path / "inner.pt"
    write(
        inner, {"data.pkl": b"\x80\x02cposix\nsystem\nccollections\nOrderedDict\nctorch._utils\n_rebuild_tensor_v2\n."}
    )
    entries = {**ENTRIES["pt2.pt2"], "data/sample_inputs/model.pt": inner.read_bytes()}
    assert look(write(tmp_path / "a.pt2", entries)).reaches["pickle posix.system"] == 1
    assert "pickle collections.OrderedDict" not in look(tmp_path / "a.pt2").reaches


def test_a_multiple_of_a_free_size_has_multiples_of_its_bounds(tmp_path: Path) -> None:
    program = json.loads(json.dumps(PROGRAM))
    double = "Mul(Integer(2), Symbol('s7', positive=True, integer=True))"
    values = program["graph_module"]["graph"]["tensor_values"]
    values["x"]["sizes"][0]["as_expr"] = {"expr_str": double, "hint": {"as_int": 8}}
    entries = {**ENTRIES["pt2.pt2"], "models/model.json": json.dumps(program).encode()}
    about = look(write(tmp_path / "a.pt2", entries))
    assert (about.usual, about.bounds) == ({"x": (8, 3)}, {"x": ((4, 32), (3, 3))})


def test_a_program_of_before_2_8_lies_in_no_folder_and_is_read(tmp_path: Path) -> None:
    program = json.loads(json.dumps(PROGRAM))
    program["graph_module"]["module_call_graph"].append({"fqn": "part"})
    values = program["graph_module"]["graph"]["tensor_values"]
    values["x"]["sizes"][0]["as_expr"] = {"expr_str": "2*s7", "hint": {"as_int": 8}}
    with zipfile.ZipFile(tmp_path / "old.pt2", "w") as archive:
        archive.writestr("serialized_exported_program.json", json.dumps(program))
        archive.writestr("serialized_state_dict.pt", stored(tmp_path / "state.pt"))
        archive.writestr("serialized_constants.pt", b"")
        archive.writestr("version", "8.20")
    about = look(tmp_path / "old.pt2")
    assert (about.version, about.weights, [spec.name for spec in about.outputs]) == (
        "schema 8.20",
        {"float32": 16},
        ["a", "b"],
    )
    assert (about.usual, about.bounds) == ({"x": (8, 3)}, {"x": ((4, 32), (3, 3))})
    assert about.reaches == {"aten::from_file": 1}


def stored(path: Path) -> bytes:
    """Return a file of weights: one tensor of four numbers."""
    reference = b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0000X\3\0\0\0cpuK\4tQ"
    return write(path, {"data.pkl": b"\x80\x02" + reference + b".", "data/0": bytes(16)}).read_bytes()


def test_a_structure_that_names_its_class_has_positions_for_keys(tmp_path: Path) -> None:
    program = json.loads(json.dumps(PROGRAM))
    named = {**OUT, "type": "collections.namedtuple", "context": "mine.Pair"}
    program["graph_module"]["module_call_graph"][0]["signature"]["out_spec"] = json.dumps([1, named])
    entries = {**ENTRIES["pt2.pt2"], "models/model.json": json.dumps(program).encode()}
    assert [spec.name for spec in look(write(tmp_path / "a.pt2", entries)).outputs] == ["0", "1"]


def test_a_tensor_with_attributes_of_its_own_reaches_nowhere(tmp_path: Path) -> None:
    inner = write(
        tmp_path / "inner.pt", {"data.pkl": b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\nctorch\nTensor\n."}
    )
    entries = {**ENTRIES["pt2.pt2"], "data/sample_inputs/model.pt": inner.read_bytes()}
    assert "pickle torch.Tensor" not in look(write(tmp_path / "a.pt2", entries)).reaches


def test_other_archives_are_not_taken_for_these(tmp_path: Path) -> None:
    state = write(tmp_path / "state.pt", {"data.pkl": ROOT, "data/0": bytes(4), "version": b"3\n"})
    served = write(tmp_path / "net.mar", {"MANIFEST.json": b"{}"}, "MAR-INF")
    with zipfile.ZipFile(served, "a") as archive:
        for name in ENTRIES["torchscript.pt"]:
            archive.writestr(f"model/{name}", b"")
    flat = tmp_path / "flat.ptl"
    flat.write_bytes(b"\x18\0\0\0PTMF" + bytes(40))
    loose = tmp_path / "loose.pt"
    with zipfile.ZipFile(loose, "w") as archive:  # in no folder, where PyTorch does not find it
        for name, content in ENTRIES["torchscript.pt"].items():
            archive.writestr(name, content)
    assert not [form for path in (state, served, flat, loose) for form in formats() if form.recognises(path)]


def nested(depth: int) -> bytes:
    """Begin a pickle whose value holds the one before twice, so many times over; it lies in the memo's last place."""
    levels = (b"h%ch%c\x86q%c" % (place, place, place + 1) for place in range(depth))
    return b"\x80\x02]q\0" + b"".join(levels)


@pytest.mark.parametrize(
    ("name", "entry", "content"),
    [
        ("torchscript.pt", "data.pkl", nested(200) + b"Q."),
        ("torchscript.pt", "data.pkl", nested(200) + b"(U\x01sh\xc8U\x01kU\x01dK\x01tQ."),
        ("torchmobile.ptl", "bytecode.pkl", nested(200) + b"h\xc8\x86."),
        ("torchmobile.ptl", "bytecode.pkl", nested(200) + b"(K\x08(U\x01a((h\xc8NttNttt."),
        ("torchscript.pt", "version", b"\x1b[31m" * 4),
        ("torchscript.pt", "version", b"3" * 100_000),
        ("pt2.pt2", "models/model.json", b"[" * 1_000_000),
        ("pt2.pt2", "models/model.json", b'{"schema_version": {"major": ' + b"9" * 100_000 + b"}}"),
    ],
    ids=range(8),
)
def test_what_grows_when_it_is_looked_at_is_refused(tmp_path: Path, name: str, entry: str, content: bytes) -> None:
    refusal(write(tmp_path / name, {**ENTRIES[name], entry: content}), name.partition(".")[0])


def test_a_table_of_contents_without_end_is_not_read(tmp_path: Path) -> None:
    size = 17 << 20
    path = tmp_path / "many.pt"
    path.write_bytes(bytes(size) + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, size, 0, 0))
    assert "table of contents" in refusal(path, "torchscript")
    assert [form.name for form in formats() if form.recognises(path)] == ["torchscript"]


def test_what_unpacks_without_end_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(write(path, ENTRIES["torchscript.pt"]), "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/code/more.py", b" " * (1 << 20))
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02") + 24
    content[at : at + 4] = struct.pack("<I", 1 << 30)
    path.write_bytes(content)
    assert "more than 256 MiB" in refusal(path, "torchscript")


@pytest.mark.parametrize("name", list(ENTRIES))
def test_damage_is_an_anatomy_or_a_value_error(tmp_path: Path, name: str) -> None:
    chance = random.Random(11)  # noqa: S311  # the same damage in every run
    form: Format = registry.load("format", name.partition(".")[0])
    for turn in range(300):
        entries = dict(ENTRIES[name])
        hit = chance.choice(list(entries))
        entries[hit] = damaged(chance, entries[hit], described=hit.endswith(".json") and turn % 4 > 0)
        path = write(tmp_path / name, entries)
        if turn % 3 == 0:
            path.write_bytes(damaged(chance, path.read_bytes()))
        form.recognises(path)
        try:
            about = form.anatomy(path)
        except ValueError as error:
            said = str(error)
        else:
            said = about.version or ""
            assert min(about.graph_bytes, about.metadata_bytes, *about.weights.values(), 0) == 0
            assert msgspec.json.decode(msgspec.json.encode(about), type=Anatomy) == about
        assert len(said) < LONGEST


def damaged(chance: random.Random, content: bytes, *, described: bool = False) -> bytes:
    """Change some bytes; or, of JSON, some value to one of another kind."""
    if described:
        whole = json.loads(content)
        place = chance.choice([place for place in places(whole) if place])
        place[chance.choice(list(place) if isinstance(place, dict) else range(len(place)))] = chance.choice(
            [None, -1, 1 << 64, 1e400, "text", "x" * 40_000, [], {}, True, [[]], {"as_int": "text"}, {"as_int": -5}]
        )
        return json.dumps(whole).encode()
    changed = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) + 1)
        changed[at : at + chance.randint(0, 3)] = bytes(
            chance.choice((0, 255, 40, 41, 46, 91, 128)) for _ in range(chance.randint(0, 3))
        )
    return bytes(changed[: chance.choice((len(changed), chance.randrange(len(changed) + 1)))])


def places(value: Any) -> list[Any]:
    """Return a structure and all structures in it."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    here = [value] if isinstance(value, dict | list) else []
    return here + [place for each in inner for place in places(each)]
