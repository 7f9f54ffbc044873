"""Artifacts that mean harm, each put to the whole of `fweval inspect`: all ends in words, and nothing else happens.

They read, write and execute, loop for ever, want all memory, lie about their sizes, lead elsewhere by path and by link,
lie beside what never ends, and carry names that no terminal should see. All are made once and inspected side by side;
each test then looks at how one of them ended.
"""

import contextlib
import os
import pickle
import shutil
import stat
import struct
import subprocess
import unicodedata
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper

from tests import saved_models, tfjs_models, tflite_files
from tests.children import run
from tests.commands import FWEVAL
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]  # the first one waits for all of them

CHILD = Path(__file__).with_name("hostile_child.py")
CANARY = "8f41-nobody-may-read-me"
LONGEST = 20_000  # characters that a person is shown in all
LONGEST_LINE = 2_000
USUAL_S, SHORT_S = 60, 12  # that each look and each runtime may take; what is endless is given the short time
SLACK_S = 60.0  # of a busy machine
LARGEST = 1 << 28  # bytes of a file that an artifact may write
FRAMEWORKS = ("torch", "tensorflow")
ONNX, JIT, TF = ("--runtime", "onnx_runtime"), ("--runtime", "torch_jit"), ("--runtime", "tensorflow")


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is put to the command, and what it may answer."""

    make: Callable[[Path, Path], Path]  # (an empty folder, the one of the made models) -> the artifact
    arguments: tuple[str, ...] = ()
    codes: tuple[int, ...] = (1,)
    words: str = ""  # that a person reads
    timeout_s: int = USUAL_S


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How the command ended, and what was to be seen afterwards."""

    code: int
    out: str
    err: str
    left: list[str]  # in its temporary folder
    running: list[str]
    kept: bytes  # the beginnings of all that it was told to keep
    largest: int  # bytes of a file of it


def outside(folder: Path) -> Path:
    """Return the folder that nobody may touch, beside those of the artifacts."""
    return folder.parent / "outside"


# What leads elsewhere, and what would execute.


def model(folder: Path, *, name: str = "x", file: str = "model.onnx", location: str | None = None) -> Path:
    """Write y = x + w as ONNX; w may lie in a file elsewhere."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    if location is not None:
        weight.ClearField("float_data")
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=location)
    return graph(folder / file, [helper.make_node("Add", [name, "w"], ["y"])], [weight], name=name)


def graph(
    path: Path, nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto] | None = None, *, name: str = "x"
) -> Path:
    values = [helper.make_tensor_value_info(each, TensorProto.FLOAT, ["n"]) for each in (name, "y")]
    made = helper.make_graph(nodes, "g", values[:1], values[1:], weights or [])
    path.write_bytes(
        helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()
    )
    return path


def by_link(folder: Path, _: Path) -> Path:
    (folder / "w.bin").symlink_to(outside(folder) / "victim")
    return model(folder, location="w.bin").parent


class Harm:
    """Executes when it is unpickled."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.made}",)


def legacy_pickle(folder: Path, _: Path) -> Path:
    path = folder / "model.pt"
    path.write_bytes(pickle.dumps(Harm(outside(folder) / "made"), 2))
    return path


def zipped(*names: str, file: str) -> Callable[[Path, Path], Path]:
    """Return a maker of one of PyTorch's files: a harmful pickle under each of these names, and what else there is."""

    def make(folder: Path, _: Path) -> Path:
        harm = pickle.dumps(Harm(outside(folder) / "made"), 2)
        with zipfile.ZipFile(folder / file, "w") as archive:
            for name in ("data.pkl", "constants.pkl", "bytecode.pkl", "code/__torch__.py", "version"):
                if name in names:
                    archive.writestr(f"net/{name}", harm if name.endswith(".pkl") else b"3\n")
        return folder / file

    return make


# What never ends, or is too much.


def endless_loop(folder: Path, _: Path) -> Path:
    number = helper.make_tensor_value_info("i", TensorProto.INT64, [])
    go_on = [helper.make_tensor_value_info(each, TensorProto.BOOL, []) for each in ("c", "d")]
    carried = [helper.make_tensor_value_info(each, TensorProto.FLOAT, ["n"]) for each in ("a", "b")]
    nodes = [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Neg", ["a"], ["b"])]
    body = helper.make_graph(nodes, "body", [number, go_on[0], carried[0]], [go_on[1], carried[1]])
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    return graph(folder / "m.onnx", [helper.make_node("Loop", ["", "yes", "x"], ["y"], body=body)], [yes])


def huge_tile(folder: Path, _: Path) -> Path:
    times = helper.make_tensor("times", TensorProto.INT64, [1], [1 << 40])
    return graph(folder / "m.onnx", [helper.make_node("Tile", ["x", "times"], ["y"])], [times])


def huge_fill(folder: Path, _: Path) -> Path:
    size = helper.make_tensor("size", TensorProto.INT64, [1], [1 << 40])
    return graph(folder / "m.onnx", [helper.make_node("ConstantOfShape", ["size"], ["y"])], [size])


def nested_pickle(folder: Path, _: Path) -> Path:
    levels = b"".join(b"h%ch%c\x86q%c" % (place, place, place + 1) for place in range(200))
    content = b"\x80\x02]q\0" + levels + b"(U\x01sh\xc8U\x01kU\x01dK\x01tQ."
    with zipfile.ZipFile(folder / "m.pt", "w") as archive:
        for name, entry in {
            "data.pkl": content,
            "constants.pkl": b"\x80\x02).",
            "code/a.py": b"",
            "version": b"3\n",
        }.items():
            archive.writestr(f"m/{name}", entry)
    return folder / "m.pt"


def lying_zip(folder: Path, made: Path) -> Path:
    """Say that every entry has a gigabyte, packed in as many bytes as there are."""
    content = bytearray((made / "harms.pt").read_bytes())
    at = content.find(b"PK\x01\x02")
    while at >= 0:
        content[at + 24 : at + 28] = struct.pack("<I", 1 << 30)
        at = content.find(b"PK\x01\x02", at + 4)
    (folder / "m.pt").write_bytes(content)
    return folder / "m.pt"


def many_entries(folder: Path, _: Path) -> Path:
    with zipfile.ZipFile(folder / "m.pt", "w") as archive:
        for name in ("data.pkl", "constants.pkl", "version", *(f"code/{number}.py" for number in range(60_000))):
            archive.writestr(f"m/{name}", b"\x80\x02).")
    return folder / "m.pt"


# What is no file, or has no end.


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def zero(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_socket(path: Path) -> None:
    os.mknod(path, stat.S_IFSOCK | 0o600)  # `bind` takes 107 bytes of a path


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def beside(folder: Path, _: Path) -> Path:
    """Lay everything that is no file beside a sound model: as an example of it, and as it is."""
    spoils: tuple[Callable[[Path], None], ...] = (os.mkfifo, sparse, zero, a_socket, dangling)
    for number, spoil in enumerate(spoils):
        (folder / f"test_data_set_{number}").mkdir()
        for path in (folder / f"test_data_set_{number}" / "input_0.pb", folder / f"other_{number}.onnx"):
            spoil(path)
    (folder / "test_data_set_9").mkdir()
    (folder / "test_data_set_9" / "input_0.pb").symlink_to(outside(folder) / "victim")
    return model(folder)


def itself(spoil: Callable[[Path], None], name: str) -> Callable[[Path, Path], Path]:
    def make(folder: Path, _: Path) -> Path:
        spoil(folder / name)
        return folder / name

    return make


def in_a_saved_model(name: str, spoil: Callable[[Path], None]) -> Callable[[Path, Path], Path]:
    def make(folder: Path, _: Path) -> Path:
        saved_models.write(folder / "m", saved_models.graph([saved_models.node("a", "Const")]))
        (folder / "m" / name).parent.mkdir(exist_ok=True)
        (folder / "m" / name).unlink(missing_ok=True)
        spoil(folder / "m" / name)
        return folder / "m"

    return make


def in_a_web_model(spoil: Callable[[Path], None]) -> Callable[[Path, Path], Path]:
    def make(folder: Path, _: Path) -> Path:
        tfjs_models.write(folder / "model.json", tfjs_models.scaled("DT_FLOAT"))
        (folder / "weights.bin").unlink()
        spoil(folder / "weights.bin")
        return folder

    return make


# Names that no terminal should see.


def flex(folder: Path, _: Path) -> Path:
    reads = tflite_files.Graph(
        tensors=[tflite_files.Tensor(name="x"), tflite_files.Tensor(name="y\x1b[2J\n")],
        operators=[tflite_files.Operator(name="FlexReadFile", inputs=(0,), outputs=(1,))],
        inputs=(0,),
        outputs=(1,),
    )
    return tflite_files.write(folder / "m.tflite", reads)


def huge_tensor(folder: Path, _: Path) -> Path:
    return tflite_files.write(folder / "m.tflite", tflite_files.adds(["x"], ["y"], shape=(1 << 20, 1 << 18)))


def input_named(name: str) -> Callable[[Path, Path], Path]:
    return lambda folder, _: model(folder, name=name)


def file_named(name: str) -> Callable[[Path, Path], Path]:
    return lambda folder, _: model(folder, file=name)


OUTSIDE = "would lie outside the model's folder"
RAN = (0,)
CASES = {
    "weights outside, by path": Case(make=lambda f, _: model(f, location="../outside/victim"), words=OUTSIDE),
    "weights outside, by an absolute path": Case(
        make=lambda f, _: model(f, location=str(outside(f) / "victim")), words=OUTSIDE
    ),
    "weights outside, by a link": Case(make=by_link, words=OUTSIDE),
    "legacy pickle": Case(make=legacy_pickle, codes=(2,), words="pickle"),
    "pickle in a zip": Case(make=zipped("data.pkl", "version", file="m.pt"), codes=(2,)),
    "pickle in TorchScript": Case(
        make=zipped("data.pkl", "constants.pkl", "code/__torch__.py", "version", file="m.pt"), arguments=JIT
    ),
    "pickle for phones": Case(make=zipped("data.pkl", "bytecode.pkl", "version", file="m.ptl")),
    "TorchScript reads": Case(
        make=lambda _, m: m / "harms.pt", arguments=(*JIT, "--inputs", "--out"), words="from_file"
    ),
    "TorchScript writes": Case(
        make=lambda _, m: m / "harms.pt",
        arguments=(*JIT, "--inputs", "--signature", "writes"),
        codes=RAN,
        words="aten::save",
    ),
    "TorchScript loops": Case(
        make=lambda _, m: m / "harms.pt",
        arguments=(*JIT, "--inputs", "--signature", "endless"),
        timeout_s=SHORT_S,
        words="time limit",
    ),
    "TorchScript wants all memory": Case(
        make=lambda _, m: m / "harms.pt", arguments=(*JIT, "--inputs", "--signature", "memory"), words="memory"
    ),
    "TorchScript fills the disk": Case(
        make=lambda _, m: m / "harms.pt",
        arguments=(*JIT, "--inputs", "--signature", "disk", "--out"),
        words="filled the disk",
    ),
    "SavedModel reads": Case(
        make=lambda _, m: m / "harms", arguments=(*TF, "--signature", "reads", "--out"), words="ReadFile"
    ),
    "SavedModel writes": Case(
        make=lambda _, m: m / "harms", arguments=(*TF, "--signature", "writes"), codes=(0, 1), words="WriteFile"
    ),
    "SavedModel runs Python": Case(
        make=lambda _, m: m / "harms", arguments=(*TF, "--signature", "python"), words="PyFunc"
    ),
    "SavedModel loops": Case(
        make=lambda _, m: m / "harms",
        arguments=(*TF, "--signature", "endless"),
        timeout_s=SHORT_S,
        words="time limit",
    ),
    "TFLite reads": Case(make=flex, words="FlexReadFile"),
    "TFLite wants all memory": Case(make=huge_tensor, arguments=("--runtime", "ai_edge_litert")),
    "ONNX loops": Case(make=endless_loop, arguments=ONNX, timeout_s=SHORT_S, words="time limit"),
    "ONNX tiles": Case(make=huge_tile, arguments=ONNX),
    "ONNX fills": Case(make=huge_fill, arguments=ONNX),
    "nested pickle": Case(make=nested_pickle),
    "lying zip": Case(make=lying_zip, codes=(3,), words="256 MiB"),
    "zip of many entries": Case(make=many_entries, arguments=(*JIT, "--inputs")),
    "everything beside a model": Case(make=beside, arguments=ONNX, codes=RAN),
    "socket": Case(make=itself(a_socket, "m.onnx"), codes=(2,), words="is a socket"),
    "device": Case(make=itself(zero, "m.onnx"), codes=(2,), words="is a device"),
    "a terabyte of nothing": Case(make=itself(sparse, "m.onnx"), codes=(1, 2)),
    "link to a device in a SavedModel": Case(make=in_a_saved_model("assets/z", zero), arguments=TF),
    "a graph that is a device": Case(make=in_a_saved_model("saved_model.pb", zero), codes=(1, 2)),
    "weights that are a device": Case(make=in_a_web_model(zero)),
    "weights of a terabyte": Case(make=in_a_web_model(sparse)),
    "input of 70,000 characters": Case(make=input_named("x" * 70_000), arguments=ONNX, codes=RAN),
    "input with control characters": Case(make=input_named("a\x1b[2J\r\nb\x9b\x07\0c"), arguments=ONNX, codes=(0, 1)),
    "input that leads elsewhere": Case(
        make=input_named("../../../outside/made"), arguments=(*ONNX, "--out"), codes=RAN
    ),
    "file with control characters": Case(make=file_named("a\x1b]0;b\x07\nc.onnx"), arguments=ONNX, codes=RAN),
    "file of 255 bytes": Case(make=file_named("ä" * 125 + ".onnx"), arguments=ONNX, codes=RAN),
    "file like an option": Case(make=file_named("--help.onnx"), arguments=ONNX, codes=RAN),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make what takes a framework to make, and the file that nobody may read."""
    folder = tmp_path_factory.mktemp("hostile")
    made, untouched = folder / "made", folder / "outside"
    for each in (made, untouched):
        each.mkdir()
    (untouched / "victim").write_text(CANARY)
    np.savez(made / "inputs.npz", x=np.zeros((1, 3), np.float32))
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda each: run(CHILD, each, made, untouched / "victim", untouched / "made"), FRAMEWORKS))
    return folder


@pytest.fixture(scope="module")
def endings(place: Path) -> dict[str, Ending]:
    """Inspect everything, as much at once as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(CASES, pool.map(lambda item: inspect(place, *item), enumerate(CASES.values())), strict=True))


def inspect(place: Path, number: int, case: Case) -> Ending:
    """Put a case to the command, which has a temporary folder of its own: by it, all that it starts is known."""
    folder, temporary, kept = (place / f"{number}{what}" for what in ("", "-temporary", "-kept"))
    folder.mkdir()
    temporary.mkdir()
    artifact = case.make(folder, place / "made")
    values = {"--inputs": ("--inputs", str(place / "made" / "inputs.npz")), "--out": ("--out", str(kept))}
    given = [text for argument in case.arguments for text in values.get(argument, (argument,))]
    done = subprocess.run(
        [FWEVAL, "inspect", "--timeout", str(case.timeout_s), *given, "--", artifact.name],
        cwd=artifact.parent,
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        timeout=longest_s(case),
        check=False,
    )
    with contextlib.suppress(AssertionError):  # each test says what was left
        until(lambda: running(temporary), lambda pids: not pids, within_s=5.0)
    files = [path for path in sorted(kept.rglob("*")) if path.is_file()]
    ending = Ending(
        code=done.returncode,
        out=done.stdout.decode(),
        err=done.stderr.decode(),
        left=sorted(path.name for path in temporary.iterdir()),
        running=running(temporary),
        kept=b"".join(beginning(path) for path in files),
        largest=max((path.stat().st_size for path in files), default=0),
    )
    shutil.rmtree(kept, ignore_errors=True)  # a gigabyte of it may be a harmful one's
    return ending


def beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1 << 20)


def longest_s(case: Case) -> float:
    """Two looks and a runtime, each within its limit; those that take all runtimes end at the look."""
    return 3 * case.timeout_s + SLACK_S


def running(temporary: Path) -> list[str]:
    """Return the processes that were told of that temporary folder, by their command lines or their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            told = [*process.cmdline(), *process.environ().values()]
            if any(str(temporary) in text for text in told):
                found.append(" ".join(process.cmdline()))
    return found


@pytest.mark.parametrize("name", CASES)
def test_it_ends_in_words_and_leaves_nothing(endings: dict[str, Ending], name: str) -> None:
    case, ending = CASES[name], endings[name]
    said = ending.out + ending.err
    assert ending.code in case.codes, said
    assert case.words in said
    assert ending.out or ending.err.count("\n") == 1  # a table, or one line
    for words in ("Traceback", "a bug in fweval", "resume the run", "steps/"):
        assert words not in said
    assert len(said) < LONGEST
    assert max(map(len, said.splitlines())) < LONGEST_LINE
    assert {each for each in said if unicodedata.category(each)[0] == "C"} <= {"\n"}
    assert (ending.left, ending.running) == ([], [])


@pytest.mark.parametrize("name", CASES)
def test_what_may_not_be_read_is_not(endings: dict[str, Ending], name: str) -> None:
    ending = endings[name]
    for encoding in ("utf-8", "utf-32-le"):  # numpy keeps text as the latter
        assert CANARY.encode(encoding) not in ending.kept
    assert CANARY not in ending.out + ending.err


def test_nothing_outside_was_changed_or_made(endings: dict[str, Ending], place: Path) -> None:
    assert len(endings) == len(CASES)
    assert [(path.name, path.read_text()) for path in outside(place / "0").iterdir()] == [("victim", CANARY)]
    assert max(ending.largest for ending in endings.values()) <= LARGEST


def test_the_harm_is_real(tmp_path: Path) -> None:
    """What is asserted above would be seen: without a wall, and with Python's own reader, a file is made."""
    place = tmp_path / "0"
    place.mkdir()
    outside(place).mkdir()
    with legacy_pickle(place, tmp_path).open("rb") as file:
        pickle.load(file)  # noqa: S301  # that is the point
    assert (outside(place) / "made").exists()
