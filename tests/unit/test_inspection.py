"""What is made up for an artifact, and how what an untrusted child leaves is handled. No child is started here."""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console

from evaluator.children import confinement
from evaluator.core import registry
from evaluator.core.errors import Unavailable, Unsupported, UsageError
from evaluator.core.outcome import Outcome
from evaluator.core.records import Anatomy, Figure, Metrics, Result, Signature, Step, TensorSpec
from evaluator.core.tensors import Array, Arrays, dtype_of
from evaluator.inspecting import inspection, text
from evaluator.inspecting.inspection import Inspection, Tried
from evaluator.stages import inspect
from evaluator.stages._made_up import GIVEN, MADE_UP, SIZES, STATED, Asked, made_up
from evaluator.stages.inspect import Found
from exports.signatures import described


def anatomy(**shapes: tuple[int | None, ...]) -> Anatomy:
    return Anatomy(inputs=tuple(TensorSpec(name=name, dtype="float32", shape=shape) for name, shape in shapes.items()))


def shapes(asked: Asked) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in asked.values.items()}


def test_fixed_shapes_are_tried_once_with_a_batch_of_one() -> None:
    (asked,) = made_up(anatomy(image=(None, 3, 8, 8), mask=(1, 4)))
    assert shapes(asked) == {"image": (1, 3, 8, 8), "mask": (1, 4)}
    assert asked.sizes == STATED


def test_free_dimensions_get_every_size() -> None:
    tried = made_up(anatomy(image=(None, 3, None, None)))
    assert [shapes(asked)["image"] for asked in tried] == [(1, 3, size, size) for size in SIZES]
    assert {asked.sizes for asked in tried} == {MADE_UP}


def test_a_batch_behind_a_fixed_dimension_is_tried_as_one() -> None:
    tried = [shapes(asked) for asked in made_up(anatomy(sound=(None, None), state=(2, None, 128)))]
    assert {"sound": (1, 512), "state": (2, 1, 128)} in tried
    assert {"sound": (1, 512), "state": (2, 512, 128)} in tried


def test_what_the_file_says_comes_before_what_is_made_up() -> None:
    told = msgspec.structs.replace(
        anatomy(image=(None, 3, None, None), mask=(None, 4)), usual={"image": (1, 3, 320, 640)}
    )
    first, *others = made_up(told)
    assert (shapes(first), first.sizes) == ({"image": (1, 3, 320, 640), "mask": (1, 4)}, STATED)
    assert {asked.sizes for asked in others} == {MADE_UP}


def test_a_batch_that_the_file_states_is_tried_where_one_example_may_be_too_few() -> None:
    told = msgspec.structs.replace(anatomy(x=(None, 4), pairs=(None, 4)), usual={"x": (3, 4), "pairs": (6, 4)})
    one, stated = made_up(told)
    assert (shapes(one), one.sizes) == ({"x": (1, 4), "pairs": (1, 4)}, STATED)
    assert (shapes(stated), stated.sizes) == ({"x": (3, 4), "pairs": (6, 4)}, STATED)


def test_one_input_of_which_nothing_is_said_makes_all_sizes_made_up() -> None:
    told = msgspec.structs.replace(anatomy(a=(None, None), b=(None, None)), usual={"a": (1, 7)})
    assert {asked.sizes for asked in made_up(told)} == {MADE_UP}


def test_sizes_stay_within_the_bounds() -> None:
    bounds: dict[str, tuple[tuple[int, int | None], ...]] = {"x": ((2, 16), (48, 100), (0, None))}
    tried = made_up(msgspec.structs.replace(anatomy(x=(None, None, 5)), bounds=bounds))
    assert {shapes(asked)["x"] for asked in tried} == {(2, 48, 5), (2, 64, 5), (2, 100, 5)}
    (asked,) = made_up(msgspec.structs.replace(anatomy(x=(None, 5)), bounds={"x": ((3, None), (5, 5))}))
    assert (shapes(asked)["x"], asked.sizes) == ((3, 5), STATED)


def test_what_no_memory_holds_is_not_made_up() -> None:
    with pytest.raises(Unsupported, match=r"too large to be made up: \[1, 1099511627776\]") as refused:
        made_up(anatomy(x=(1, 1 << 40)))
    assert "--inputs" in str(refused.value.remedy)


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        *(("float16", None), ("int64", {0, 1}), ("uint8", {0, 1}), ("bool", {False, True})),
        *(("bfloat16", None), ("float8_e5m2", None), ("int4", {0, 1}), ("uint4", {0, 1})),
    ],
)
def test_values_are_of_the_type_and_safe(dtype: str, values: set[int] | None) -> None:
    if not hasattr(np, dtype):
        pytest.importorskip("ml_dtypes")
    spec = TensorSpec(name="x", dtype=dtype, shape=(None, 64))
    (asked,) = made_up(Anatomy(inputs=(spec,)))
    assert asked.values["x"].dtype == dtype_of(dtype)
    assert (
        set(asked.values["x"].astype(np.float32).ravel()) == values if values else np.isfinite(asked.values["x"]).all()
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_nan_is_seen_in_every_type_that_has_it(dtype: str) -> None:
    pytest.importorskip("ml_dtypes")
    assert inspect._is_finite(np.ones(3).astype(dtype_of(dtype)))
    assert not inspect._is_finite(np.array([1, np.nan]).astype(dtype_of(dtype)))
    assert not inspect._is_finite(np.array(np.nan, dtype_of(dtype)))


@pytest.mark.parametrize("dtype", ["int4", "uint4", "bool", "int64"])
def test_numbers_without_nan_are_finite(dtype: str) -> None:
    pytest.importorskip("ml_dtypes")
    assert inspect._is_finite(np.ones((2, 2)).astype(dtype_of(dtype)))


def test_a_number_in_place_of_an_array_is_kept() -> None:
    asked = Asked(values={}, sizes=STATED)
    _, outputs = inspect._answer(lambda inputs: {"loss": np.float32(2)}, [asked])  # type: ignore[arg-type]
    assert inspect._described(outputs) == "loss float32[]"


@pytest.mark.parametrize("dtype", ["str", "sequence", "complex64"])
def test_what_numpy_cannot_make_up_must_be_given(dtype: str) -> None:
    with pytest.raises(Unsupported, match="'x' of type") as refused:
        made_up(Anatomy(inputs=(TensorSpec(name="x", dtype=dtype, shape=(1,)),)))
    assert "--inputs" in str(refused.value.remedy)


def test_links_pipes_and_large_records_of_a_child_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "stdout").write_text("kept")
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "latency.jsonl").write_text("1.0\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "stderr").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "result.json")
    with (tmp_path / "found.json").open("wb") as file:
        file.truncate(inspection._LARGEST_RECORD_BYTES + 1)
    inspection._keep_plain_files(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["samples", "stdout"]


def test_files_and_their_names_take_of_the_disk_and_links_nothing_more(tmp_path: Path) -> None:
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 1 << 40)
    (tmp_path / "link").symlink_to("/")
    names = inspection._written(tmp_path)
    assert 2 * inspection._NAME_BYTES <= names < 1 << 20
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"x" * (1 << 20))
    assert inspection._written(tmp_path) >= names + (1 << 20)


def test_a_confined_command_sees_what_it_is_given_and_writes_to_one_folder(tmp_path: Path) -> None:
    artifact, folder = tmp_path / "model.onnx", tmp_path / "step"
    command = confinement.confined(("python", "-c", "pass"), reads=[artifact], writes=folder)
    wall, program = command[: command.index("--")], command[command.index("--") + 1 :]
    assert program == ("python", "-c", "pass")
    assert {"--unshare-all", "--unshare-user", "--die-with-parent"} <= set(wall)
    binds = [tuple(wall[at + 1 : at + 3]) for at, option in enumerate(wall) if option == "--bind"]
    assert binds == [(str(folder), str(folder))]
    assert str(artifact) in wall
    assert str(Path.home()) not in wall


def test_classes_of_devices_are_chosen_by_name() -> None:
    (chosen,) = inspection.device_classes(None, ["low-end-phone"])
    assert chosen.name == "low-end-phone"
    assert len(inspection.device_classes(None, [])) > 1
    with pytest.raises(UsageError, match="no class of devices 'low-end-fone'"):
        inspection.device_classes(None, ["low-end-fone"])


def test_names_of_any_length_are_shortened_for_people() -> None:
    name = "x" * 70_000
    assert len(inspect._described({name: np.ones(3)})) < 200
    spec = TensorSpec(name=name, dtype="float32", shape=(None,))
    assert len(text._tensors([spec] * 500)) < 5000
    assert len(described(Signature(name=name, inputs=(spec,), outputs=()))) < 400


def test_what_is_kept_is_a_new_or_empty_folder_outside_the_artifact(tmp_path: Path) -> None:
    artifact, kept = tmp_path / "saved_model", tmp_path / "kept"
    artifact.mkdir()
    kept.mkdir()
    with inspection._room(kept, artifact) as room:
        (room / "look").touch()
    (tmp_path / "file").touch()
    for place, said in (
        (kept, "is there already"),
        (artifact / "out", "become a part of it"),
        (tmp_path / "file", "cannot be a folder"),
        (tmp_path / "file" / "below", "cannot be a folder"),
    ):
        with pytest.raises(UsageError, match=said), inspection._room(place, artifact):
            pass


@pytest.mark.parametrize(
    ("result", "remedy"),
    [
        ({"outcome": Outcome.TIMED_OUT, "remedy": "see steps/look/stderr; resume the run"}, "--timeout 40"),
        ({"outcome": Outcome.ERROR, "remedy": "see steps/look/stderr"}, "--out FOLDER"),
        ({"outcome": Outcome.UNSUPPORTED, "remedy": "use another opset"}, "use another opset"),
    ],
)
def test_no_remedy_is_offered_that_only_a_run_has(result: dict[str, Any], remedy: str) -> None:
    step = Step(id="look", stage="inspect", scenario="", framework="", timeout_s=20)
    assert remedy in str(inspection._remedy(Result(step="look", **result), step, None))
    assert str(tmp := Path("kept")) in str(
        inspection._remedy(Result(step="look", outcome=Outcome.FAILED, remedy="see steps/x"), step, tmp)
    )


def test_operators_that_reach_out_and_all_signatures_are_shown() -> None:
    signatures = tuple(Signature(name=name, inputs=(), outputs=()) for name in ("serving_default", "encode"))
    told = Anatomy(reaches={"ReadFile": 2, "PyFunc": 1}, signatures=signatures, judged="serving_default")
    found = Found(
        path="/model", files=("/model",), format="savedmodel", anatomy=told, sha256="", size_bytes=1, compressed_bytes=1
    )
    shown = Console(width=200, record=True, file=io.StringIO())
    shown.print(text.text(Inspection(found=found, title="SavedModel", confined=True, runtimes=(), fits=())))
    seen = shown.export_text()
    assert "uses files or runs Python, and could do so wherever it is run: PyFunc, ReadFile" in seen
    assert "serving_default (judged)" in seen
    assert "\n            encode  " in seen


@pytest.mark.parametrize(("sizes", "verdict"), [(STATED, "fits"), (MADE_UP, "undecided")])
def test_a_device_is_judged_by_sizes_that_somebody_stated(sizes: str, verdict: str) -> None:
    spec = TensorSpec(name="x", dtype="float32", shape=(None, 3, None, None))
    found = Found(
        path="/m",
        files=("/m",),
        format="onnx",
        anatomy=Anatomy(inputs=(spec,)),
        sha256="",
        size_bytes=9,
        compressed_bytes=9,
    )
    figures: Metrics = {
        "inputs": "x float32[1, 3, 32, 32]",
        "sizes": sizes,
        "runtime_bytes": 9,
        "runtime_native_bytes": 9,
        "runtime_rss_bytes": 9,
        "model_rss_bytes": 9,
    }
    latency = Figure(name="latency_s", value=1e-9, labels={"statistic": "median"})
    tried = Tried(runtime="r", title="R", outcome=Outcome.PASSED, metrics=figures, figures=(latency,))
    (device,) = inspection.device_classes(None, ["low-end-phone"])
    judged = inspection._fit(tried, found, device)
    assert judged.verdict == verdict
    assert "x float32[1, 3, 32, 32]" in judged.reason
    assert ("--inputs" in judged.reason) is (sizes == MADE_UP)


def test_arrays_of_another_type_are_no_failure_of_the_artifact() -> None:
    told, form = anatomy(x=(None, 3)), registry.load("format", "onnx")
    with pytest.raises(Unavailable, match="the array 'x' is float64, and the file takes float32"):
        inspect._inputs(told, {"x": np.ones((2, 3))}, inspect.Beside(), form)
    optional = TensorSpec(name="mask", dtype="bool", shape=(None,), optional=True)
    told = msgspec.structs.replace(told, inputs=(*told.inputs, optional))
    _, asked = inspect._inputs(told, {"x": np.ones((2, 3), np.float32)}, inspect.Beside(), form)
    assert [each.sizes for each in asked] == [GIVEN]


def test_what_takes_nothing_but_empty_tensors_is_not_run() -> None:
    with pytest.raises(
        Unsupported, match=r"all that it takes is empty: image \[0, 3, 8, 8\]; nothing would be computed"
    ):
        made_up(anatomy(image=(0, 3, 8, 8)))
    (asked,) = made_up(anatomy(words=(None, 4), past=(1, 0, 4)))
    assert shapes(asked) == {"words": (1, 4), "past": (1, 0, 4)}


def test_text_that_is_given_is_given_and_what_numpy_writes_of_bfloat16_is_read_as_that(tmp_path: Path) -> None:
    form = registry.load("format", "torchscript")
    np.savez(tmp_path / "given.npz", x=np.ones((2, 3), dtype_of("bfloat16")), mode=np.array("sum"))
    given = inspect._given(tmp_path / "given.npz")
    signature, _ = inspect._inputs(Anatomy(), given, inspect.Beside(), form)
    assert [(spec.name, spec.dtype) for spec in signature.inputs] == [("x", "bfloat16"), ("mode", "str")]
    np.savez(tmp_path / "small.npz", x=np.zeros(2, "V4"))
    with pytest.raises(Unavailable, match="'x' is of a type whose name numpy does not keep"):
        inspect._given(tmp_path / "small.npz")


def test_a_larger_batch_is_asked_for_only_where_all_inputs_share_one() -> None:
    asked_for: list[int] = []

    def session(inputs: Mapping[str, Array]) -> Arrays:
        asked_for.extend(map(len, inputs.values()))
        return {}

    signature = Signature(inputs=anatomy(left=(None, 2), right=(None, 2)).inputs, outputs=())
    alike = Asked(values={"left": np.ones((2, 2)), "right": np.ones((2, 2))}, sizes=STATED)
    assert inspect._batches(session, signature, alike) == ({"batch_sizes": (2, 6)}, ())
    apart = Asked(values={"left": np.ones((5, 2)), "right": np.ones((4, 2))}, sizes=STATED)
    assert inspect._batches(session, signature, apart) == ({}, ())
    assert asked_for == [6, 6]
