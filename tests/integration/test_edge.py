"""What an artifact takes on a small computer, for real: a fresh process on one core, and limits that kill."""

from pathlib import Path

import msgspec
import pytest

from evaluator.children import engine
from evaluator.core import files
from evaluator.core.errors import FwevalError, Unavailable
from evaluator.core.records import Sampling, Signature, TensorSpec
from evaluator.core.turns import Track
from evaluator.stages import _floor
from evaluator.stages._fresh import FreshProcess, ask
from exports.devices._once import Job, Question
from tests import children
from tests.containers import engine_or_skip

pytestmark = pytest.mark.integration

COLUMNS = 250_000
WEIGHTS_BYTES = 64 * COLUMNS * 4  # 64 MB
MOST_BYTES = 2 << 30
SIGNATURE = Signature(
    inputs=(TensorSpec(name="x", dtype="float32", shape=(None, 64)),),
    outputs=(TensorSpec(name="y", dtype="float32", shape=(None, 1)),),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("edge")
    children.run(Path(__file__).with_name("edge_child.py"), folder, COLUMNS)
    return folder


@pytest.fixture(scope="module")
def question(made: Path) -> Question:
    return Question(artifact=str(made / "wide.onnx"), signature=SIGNATURE, inputs=str(made / "one.npz"))


@pytest.fixture(scope="module")
def whole(made: Path, question: Question) -> FreshProcess:
    short = Sampling(min_queries=8, min_seconds=0.05, cap_seconds=10, warmup_queries=1, warmup_seconds=0.01)
    track = Track(name="latency", min_calls=8, block_s=0.05)
    timed = msgspec.structs.replace(question, sampling=short, track=track, folder=str(made))
    return ask(Job(runtime="onnx_runtime", question=timed, packages=True), made, "whole")


@pytest.fixture(scope="module")
def runtime_only(made: Path) -> FreshProcess:
    return ask(Job(runtime="onnx_runtime"), made, "runtime")


def test_a_fresh_process_tells_what_it_took(made: Path, whole: FreshProcess, runtime_only: FreshProcess) -> None:
    told = whole.told
    assert told.load_s is not None
    assert told.first_call_s is not None
    assert 0 < told.load_s + told.first_call_s < whole.seconds
    assert len(told.latency) >= 8
    assert min(told.latency) > 0
    assert told.turns["blocks"] == len(files.read_blocks(made).blocks) >= 1
    assert told.held_bytes - runtime_only.told.held_bytes > 0.9 * WEIGHTS_BYTES
    assert told.peak_rss_bytes >= told.held_bytes
    assert not runtime_only.told.latency


def test_the_runtime_is_what_was_imported(whole: FreshProcess) -> None:
    assert {"numpy", "onnxruntime"} <= set(whole.told.packages)
    assert not {"torch", "tensorflow", "fweval", "msgspec"} & set(whole.told.packages)
    assert whole.told.packages["onnxruntime"] > 10_000_000
    libraries = {Path(path).name for path in whole.told.native}
    assert any(name.startswith("onnxruntime_pybind11_state") for name in libraries)
    assert not any("numpy" in path or "openblas" in path for path in whole.told.native)
    assert 5_000_000 < sum(whole.told.native.values()) < sum(whole.told.packages.values())


def test_a_process_that_fails_says_why(made: Path, question: Question, tmp_path: Path) -> None:
    whole = Path(question.artifact).read_bytes()
    (tmp_path / "half.onnx").write_bytes(whole[: len(whole) // 2])
    damaged = msgspec.structs.replace(question, artifact=str(tmp_path / "half.onnx"))
    with pytest.raises(RuntimeError, match=r"code 1: .*InvalidProtobuf"):
        ask(Job(runtime="onnx_runtime", question=damaged), tmp_path, "damaged")


def test_the_floor_is_where_the_kernel_kills(
    question: Question, whole: FreshProcess, runtime_only: FreshProcess, tmp_path: Path
) -> None:
    engine_or_skip(_floor.IMAGES[0])
    with engine.connect() as client:
        bench = _floor.Bench(client, tmp_path / "jobs", MOST_BYTES)
        found = bench.floor(Job(runtime="onnx_runtime", question=question), whole)
        alone = bench.floor(Job(runtime="onnx_runtime"), runtime_only, found.least_bytes)
        left = [thing for thing in engine.things(client) if thing.folder.startswith(str(tmp_path))]
    assert left == []
    assert found.least_bytes is not None
    assert alone.least_bytes is not None
    share = found.least_bytes - alone.least_bytes
    assert 0.8 * WEIGHTS_BYTES < share < 3 * WEIGHTS_BYTES  # the file is read whole, then its weights are copied
    for floor in (found, alone):
        enough = {each.limit_bytes for each in floor.tries if each.ending == "answered"}
        assert min(enough) == floor.least_bytes
        assert all(each.limit_bytes < floor.least_bytes for each in floor.tries if each.ending != "answered")
    assert any(each.ending == "killed" for each in (*found.tries, *alone.tries))


def test_another_failure_is_no_want_of_memory(question: Question, whole: FreshProcess, tmp_path: Path) -> None:
    engine_or_skip(_floor.IMAGES[0])
    (tmp_path / "half.onnx").write_bytes(Path(question.artifact).read_bytes()[:1000])
    damaged = msgspec.structs.replace(question, artifact=str(tmp_path / "half.onnx"))
    with engine.connect() as client:
        bench = _floor.Bench(client, tmp_path / "jobs", MOST_BYTES)
        with pytest.raises(FwevalError, match=r"in a container it failed: .*InvalidProtobuf") as raised:
            bench.floor(Job(runtime="onnx_runtime", question=damaged), whole)
        left = [thing for thing in engine.things(client) if thing.folder.startswith(str(tmp_path))]
    assert not isinstance(raised.value, Unavailable)
    assert left == []
