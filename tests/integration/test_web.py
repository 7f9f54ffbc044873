"""Artifacts in JavaScript engines, in Node and in a real browser, against the models that they came from."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import psutil
import pytest

from evaluator.children import environments
from evaluator.core import registry
from evaluator.core.errors import Unavailable, Unsupported
from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays, read_arrays, rows
from evaluator.measure.fidelity import compare
from exports.contract import TimedWithin
from exports.runtimes._web import JavaScriptError
from exports.web import programs
from tests import children, tfjs_models
from tests.engine import assert_gone
from tests.texts import edited

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("web_child.py")
FORMATS = {"tfjs": "tfjs", "onnx": "ort_web"}  # format -> how the names of its runtimes begin
BATCHES = (1, 2, 8, 2)  # the last one: back to a batch size that was seen before
TOLERANCE = 1e-4  # of the output's scale: rigour.md's bound for 32-bit floats

Export = Callable[[str], Path]

lacking = [name for name in programs.PROGRAMS if programs.locate(name) is None]
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(lacking) and "FWEVAL_REQUIRE" not in os.environ, reason=f"not here: {', '.join(lacking)}"),
]


def variables(environment: str | None = None) -> dict[str, str]:
    """Return the environment of a child; a Python one of exports/environments comes after our sources."""
    path = [ROOT, *([environments.make(environment)] if environment else [])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "TF_CPP_MIN_LOG_LEVEL": "3"}


@pytest.fixture(scope="module")
def web() -> Path:
    return environments.make("web")


@pytest.fixture(autouse=True)
def in_the_environment(web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environments.VARIABLE, str(web))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Export everything of a format in one child."""

    @cache
    def export(form: str) -> Path:
        folder = tmp_path_factory.mktemp(form)
        command = [sys.executable, str(CHILD), form, str(folder)]
        own = variables("tensorflowjs" if form == "tfjs" else None)
        done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return folder

    return export


@pytest.fixture
def short() -> Iterator[Path]:
    """Return a folder whose path is short: browsers put a unix socket into it."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


def signature_in(folder: Path) -> Signature:
    return msgspec.json.decode((folder / "signature.json").read_bytes(), type=Signature)


def artifact_in(folder: Path) -> Path:
    (artifact,) = (folder / "artifact").iterdir()
    return artifact


def golden_in(folder: Path) -> Array:
    return read_arrays(folder / "golden.npz")["logits"]


def compute(runtime: str, folder: Path) -> list[Arrays]:
    """Compute the last rows in batches of several sizes, one session for all."""
    signature = signature_in(folder)
    inputs = read_arrays(folder / "inputs.npz")
    plugin = registry.load("runtime", runtime)
    with plugin.load(artifact_in(folder), signature, device="cpu", threads=2) as session:
        begin = time.perf_counter()
        outputs = [session(rows(inputs, len(golden_in(folder)) - batch, len(golden_in(folder)))) for batch in BATCHES]
        seconds = time.perf_counter() - begin
        assert isinstance(session, TimedWithin)
        assert len(session.inner_seconds) == len(BATCHES)
        assert 0 < sum(session.inner_seconds) < seconds
    return outputs


@pytest.mark.parametrize("host", ["node", "chromium"])
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("model", ["cnn", "text"])
def test_parity_at_every_batch_size(exported: Export, form: str, host: str, model: str) -> None:
    folder = exported(form) / "fp32" / model
    golden = golden_in(folder)
    for batch, outputs in zip(BATCHES, compute(f"{FORMATS[form]}_{host}", folder), strict=True):
        assert outputs["logits"].dtype == np.float32
        found = compare({"logits": golden[-batch:]}, outputs, TOLERANCE)
        assert found.passed, found


def by_hand(path: Path, inputs: Arrays) -> Arrays:
    """Compute what a hand-written model of TensorFlow.js gives, in Node."""
    anatomy = registry.load("format", "tfjs").anatomy(path)
    signature = Signature(inputs=anatomy.inputs, outputs=anatomy.outputs)
    with registry.load("runtime", "tfjs_node").load(path, signature, device="cpu", threads=1) as session:
        found: Arrays = session(inputs)
    return found


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "bool", "float32", "float64"])
def test_a_model_of_javascripts_own_takes_every_type(tmp_path: Path, dtype: str) -> None:
    kinds = {"bool": "DT_BOOL", "uint8": "DT_UINT8", "float32": "DT_FLOAT", "float64": "DT_DOUBLE"}
    path = tfjs_models.write(tmp_path / "mine.json", tfjs_models.scaled(kinds.get(dtype, f"DT_{dtype.upper()}")))
    found = by_hand(path, {"image": np.ones((2, 4), dtype)})
    np.testing.assert_array_equal(found["y"], [tfjs_models.WEIGHTS] * 2)
    assert (found["s"].shape, float(found["s"])) == ((), 2 * tfjs_models.WEIGHTS.sum())  # no dimension is an array, too


def test_a_model_without_a_signature_has_its_nodes_names(tmp_path: Path) -> None:
    path = tfjs_models.write(tmp_path / "mine.json", tfjs_models.scaled("DT_INT32", signature=False))
    found = by_hand(path, {"x": np.ones((2, 4), np.int32)})
    assert {name: float(array) for name, array in found.items()} == {"sum": 2 * tfjs_models.WEIGHTS.sum()}


def test_what_javascript_is_not_given_is_said_to_be_our_limit(tmp_path: Path) -> None:
    path = tfjs_models.write(tmp_path / "mine.json", tfjs_models.scaled("DT_INT64"))
    with pytest.raises(Unsupported, match="no integers of more than 32 bits: 'image'"):
        by_hand(path, {"image": np.full((1, 4), 1 << 40)})
    with pytest.raises(Unsupported, match="fweval carries no text to JavaScript, and 'image' is text"):
        by_hand(path, {"image": np.full((1, 4), "word")})


@pytest.mark.parametrize(("precision", "tolerance"), [("fp16", 5e-3), ("int8_dynamic", 5e-2)])
def test_weights_in_fewer_bits_compute_about_the_same(exported: Export, precision: str, tolerance: float) -> None:
    folder = exported("tfjs") / precision / "cnn"
    outputs = compute("tfjs_node", folder)[0]
    found = compare({"logits": golden_in(folder)[-1:]}, outputs, tolerance)
    assert found.passed, found
    assert not compare({"logits": golden_in(folder)[-1:]}, outputs, 1e-6).passed, "nothing was lost: was it lowered?"


@pytest.mark.parametrize(
    ("precision", "stored", "width"), [("fp32", "float32", 4), ("fp16", "float16", 2), ("int8_dynamic", "uint8", 1)]
)
def test_anatomy_of_a_known_network(exported: Export, precision: str, stored: str, width: int) -> None:
    form = registry.load("format", "tfjs")
    folder = exported("tfjs") / precision / "cnn"
    assert form.recognises(artifact_in(folder))
    found = form.anatomy(artifact_in(folder))
    # 8 filters of 3 x 3 x 3 with the normalisation folded in, and a dense layer from 8 to 5. All biases are zero.
    assert found.weights == {stored: width * (3 * 3 * 3 * 8 + 8 * 5), "int32": 2 * 4}
    assert found.operators == {
        "Const": 3,
        "Conv2D": 1,
        "Identity": 1,
        "MatMul": 1,
        "Mean": 1,
        "Placeholder": 1,
        "Relu": 1,
    }
    assert (found.inputs, found.outputs) == (signature_in(folder).inputs, signature_in(folder).outputs)


def copied(exported: Export, form: str, tmp_path: Path) -> Path:
    return shutil.copytree(exported(form) / "fp32" / "cnn", tmp_path / "cnn")


@pytest.mark.parametrize("form", FORMATS)
def test_an_operator_that_nobody_knows_is_unsupported(exported: Export, form: str, tmp_path: Path) -> None:
    folder = copied(exported, form, tmp_path)
    path = artifact_in(folder)
    if form == "tfjs":
        path /= "model.json"
        path.write_text(edited(path.read_text(), '"MatMul"', '"Nowhere"'))
    else:
        path.write_bytes(path.read_bytes().replace(b"Conv", b"Nowh"))  # the same length: still a valid message
    with pytest.raises(Unsupported, match="Nowh"):
        compute(f"{FORMATS[form]}_node", folder)


def test_an_operator_without_a_kernel_is_unsupported(exported: Export, tmp_path: Path) -> None:
    """TensorFlow.js knows einsum, and its WebAssembly backend has no kernel for it: a first computation tells."""
    folder = copied(exported, "tfjs", tmp_path)
    path = artifact_in(folder) / "model.json"
    described = json.loads(path.read_text())
    (dense,) = [node for node in described["modelTopology"]["node"] if node["op"] == "MatMul"]
    dense.update(op="Einsum", attr={"equation": {"s": "YWIsYmMtPmFj"}, "N": {"i": "2"}})
    path.write_text(json.dumps(described))
    with pytest.raises(Unsupported, match="'Einsum' not registered for backend 'wasm'"):
        compute("tfjs_node", folder)


@pytest.mark.parametrize(("form", "host"), [("tfjs", "node"), ("onnx", "node"), ("tfjs", "chromium")])
def test_a_truncated_artifact_never_computes(exported: Export, form: str, host: str, tmp_path: Path) -> None:
    folder = copied(exported, form, tmp_path)
    path = artifact_in(folder)
    (largest,) = path.glob("*.bin") if form == "tfjs" else [path]
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    with pytest.raises(JavaScriptError):
        compute(f"{FORMATS[form]}_{host}", folder)


def test_a_browser_listens_to_nobody_else_and_leaves_nothing(
    exported: Export, monkeypatch: pytest.MonkeyPatch, short: Path
) -> None:
    folder = exported("onnx") / "fp32" / "cnn"
    monkeypatch.setattr("tempfile.tempdir", str(short))
    plugin = registry.load("runtime", "ort_web_chromium")
    with plugin.load(artifact_in(folder), signature_in(folder), device="cpu", threads=1):
        family = psutil.Process().children(recursive=True)
        assert len(family) > 1
        heard = [each.laddr.ip for one in family for each in one.net_connections("inet") if each.status == "LISTEN"]
        assert heard
        assert set(heard) == {"127.0.0.1"}
        assert list(short.iterdir())
    assert_gone([each.pid for each in family])
    assert not list(short.iterdir())


@pytest.mark.parametrize("form", FORMATS)
def test_a_refused_batch_is_one_batch(exported: Export, form: str) -> None:
    folder = exported(form) / "fp32" / "cnn"
    inputs = read_arrays(folder / "inputs.npz")
    plugin = registry.load("runtime", f"{FORMATS[form]}_node")
    with plugin.load(artifact_in(folder), signature_in(folder), device="cpu", threads=1) as session:
        with pytest.raises(JavaScriptError):
            session({"image": inputs["image"][..., :-1]})
        assert compare({"logits": golden_in(folder)}, session(inputs), TOLERANCE).passed


def test_a_page_that_crashed_is_told(exported: Export) -> None:
    folder = exported("onnx") / "fp32" / "cnn"
    plugin = registry.load("runtime", "ort_web_chromium")
    with plugin.load(artifact_in(folder), signature_in(folder), device="cpu", threads=1) as session:
        for each in psutil.Process().children(recursive=True):
            if "--type=renderer" in each.cmdline():
                each.kill()
        with pytest.raises(JavaScriptError, match="crash"):
            session(read_arrays(folder / "inputs.npz"))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_browser_outlives_its_child(exported: Export, how: signal.Signals) -> None:
    artifact = artifact_in(exported("onnx") / "fp32" / "cnn")
    command = [sys.executable, CHILD, "hold", artifact]
    with children.started(command, env=variables(), stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        family = psutil.Process(child.pid).children(recursive=True)
        assert len(family) > 2
        os.killpg(child.pid, how)
    assert_gone([each.pid for each in family], within_s=20)


def test_what_the_machine_lacks_is_unavailable(
    exported: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = exported("onnx") / "fp32" / "cnn"
    node = programs.find("Node.js")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"Node\.js is not on PATH"):
        compute("ort_web_node", folder)
    (tmp_path / "node").symlink_to(node)
    with pytest.raises(Unavailable, match="Chromium is not on PATH"):
        compute("ort_web_chromium", folder)
    monkeypatch.delenv(environments.VARIABLE)
    with pytest.raises(Unavailable, match="the environment 'web'") as raised:
        compute("ort_web_node", folder)
    assert raised.value.remedy == "fweval fetch --environments"
