"""Verdicts on devices: every budget counts, more is never worse, and what is not known is undecided."""

import dataclasses
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.core import registry
from evaluator.core.outcome import Outcome
from evaluator.core.records import DeviceClass
from evaluator.judging import fitting
from evaluator.judging.evidence import Evidence
from evaluator.judging.fit import Figures, fit
from tests import fakes

MB = 10**6
PHONE = DeviceClass(
    name="phone",
    title="Phone",
    isa="arm64",
    ram_bytes=300 * MB,
    flash_bytes=100 * MB,
    latency_s=0.2,
    threads=4,
    slower=(2.0, 4.0),
)
SMALL = Figures(
    artifact_bytes=4 * MB,
    runtime_bytes=50 * MB,
    latency_s=0.01,
    isa="x86_64",
    ram_bytes=80 * MB,
    runtime_ram_bytes=60 * MB,
    ram_resolution=0.05,
)
ORDER = ("does not fit", "undecided", "fits")

sizes = st.integers(1, 10**10)
figures = st.builds(
    Figures,
    artifact_bytes=sizes,
    inputs=st.none() | st.just("x float32[1, 3]"),
    unstated=st.none() | st.just("nobody said how large its inputs are"),
    runtime_bytes=st.none() | sizes,
    native_bytes=st.none() | sizes,
    carried=st.none() | st.just("1 MB in version 2, https://example.org"),
    latency_s=st.none() | st.floats(1e-6, 100),
    isa=st.sampled_from(["x86_64", "arm64", "aarch64"]),
    ram=st.sampled_from(["floor", "peak"]),
    ram_bytes=st.none() | sizes,
    runtime_ram_bytes=st.none() | sizes,
    ram_resolution=st.floats(0, 0.2),
)
devices = st.builds(
    DeviceClass,
    name=st.just("device"),
    title=st.just("Device"),
    isa=st.sampled_from(["x86_64", "arm64", "armv7e-m"]),
    ram_bytes=sizes,
    flash_bytes=sizes,
    latency_s=st.floats(1e-6, 100),
    threads=st.integers(1, 8),
    slower=st.none() | st.tuples(st.floats(0.1, 10), st.floats(10, 100)),
    bare_metal=st.booleans(),
)


def change(**fields: Any) -> Figures:
    return msgspec.structs.replace(SMALL, **fields)


def test_what_keeps_every_budget_fits() -> None:
    found = fit(SMALL, PHONE)
    assert found.verdict == "fits"
    assert found.estimated
    assert (
        found.reason
        == "RAM: 80.0 MB of 300 MB; flash: 54.0 MB of 100 MB; latency (estimated): 5.00 ms to 40.0 ms of 200 ms"
    )


@pytest.mark.parametrize(
    ("fields", "verdict", "said"),
    [
        ({"artifact_bytes": 250 * MB}, "does not fit", "flash: the model alone takes 250 MB, 2.50 times the allowed"),
        (
            {"artifact_bytes": 60 * MB},
            "undecided",
            "flash: 60.0 MB, and 50.0 MB of its runtime's Python packages; 100 MB",
        ),
        ({"runtime_bytes": None}, "undecided", "the size of its runtime could not be measured"),
        ({"ram_bytes": 630 * MB}, "does not fit", "RAM: the model alone takes 540 MB, 1.80 times the allowed 300 MB"),
        ({"ram_bytes": 340 * MB}, "undecided", "works with 340 MB, of which the model's own share is at most 283 MB"),
        ({"ram_bytes": 630 * MB, "ram": "peak"}, "undecided", "took at most 630 MB"),
        ({"ram_bytes": None}, "undecided", "its memory could not be measured"),
        ({"latency_s": 1.0}, "does not fit", "latency (estimated): 500 ms to 4.00 s, at best 2.50 times the allowed"),
        ({"latency_s": 0.1}, "undecided", "latency (estimated): 50.0 ms to 400 ms; 200 ms are allowed"),
        ({"latency_s": None}, "undecided", "its latency could not be measured"),
    ],
)
def test_each_budget_can_decide(fields: dict[str, Any], verdict: str, said: str) -> None:
    found = fit(change(**fields), PHONE)
    assert found.verdict == verdict
    assert said in found.reason


def test_of_a_runtime_its_native_libraries_count_and_not_what_python_needs() -> None:
    phones = change(runtime_bytes=140 * MB, native_bytes=8 * MB, carried="1 MB in version 2, https://example.org")
    found = fit(phones, PHONE)
    assert found.verdict == "fits"
    assert (
        "flash: 12.0 MB of 100 MB, with 8.00 MB of its runtime's native libraries for x86_64 "
        "(published: 1 MB in version 2, https://example.org)"
    ) in found.reason
    large = fit(change(native_bytes=466 * MB), PHONE)
    assert large.verdict == "undecided", "a build for phones may be smaller"
    assert "4.00 MB, and 466 MB of its runtime's native libraries for x86_64; 100 MB are allowed" in large.reason


def test_what_an_edge_step_of_now_and_of_before_says_of_a_runtime_is_read() -> None:
    run = fakes.complete_run()
    entry = next(entry for entry in run.entries if entry.step.stage == "edge")
    before = fitting.figures_of(entry)
    assert before is not None
    assert (before.runtime_bytes, before.native_bytes, before.carried) == (80 * MB, None, None)
    told = entry.result.metrics | {"runtime_native_bytes": 8 * MB, "runtime_carried": "1 MB"}
    now = fitting.figures_of(dataclasses.replace(entry, result=msgspec.structs.replace(entry.result, metrics=told)))
    assert now is not None
    assert (now.native_bytes, now.carried) == (8 * MB, "1 MB")


def test_sizes_that_nobody_stated_decide_nothing_but_flash_still_does() -> None:
    said = "the sizes were made up: give some, --inputs FILE.npz"
    found = fit(change(unstated=said, ram_bytes=1, latency_s=1.0), PHONE)
    assert {budget.name: budget.verdict for budget in found.budgets} == {
        "RAM": "undecided",
        "flash": "fits",
        "latency": "undecided",
    }
    assert found.reason == f"RAM and latency: {said}"
    assert fit(change(unstated="made up", artifact_bytes=250 * MB), PHONE).verdict == "does not fit"


def test_the_sizes_that_a_verdict_rests_on_stand_in_it() -> None:
    asked = change(inputs="x float32[1, 3, 320, 320]")
    assert fit(asked, PHONE).reason.endswith("; asked with x float32[1, 3, 320, 320]")
    large = msgspec.structs.replace(asked, artifact_bytes=250 * MB)
    assert "asked with" not in fit(large, PHONE).reason, "its weight has nothing to do with them"


def test_of_another_instruction_set_nothing_is_guessed() -> None:
    unknown = msgspec.structs.replace(PHONE, slower=None)
    assert fit(SMALL, unknown).verdict == "undecided"
    here = fit(change(isa="aarch64"), unknown)
    assert (here.verdict, here.estimated) == ("fits", False)


def test_without_an_operating_system_nothing_fits() -> None:
    found = fit(SMALL, msgspec.structs.replace(PHONE, bare_metal=True))
    assert found.verdict == "undecided"
    assert "no operating system" in found.reason


@given(figures, devices)
def test_a_verdict_follows_from_its_budgets_and_says_why(figures: Figures, device: DeviceClass) -> None:
    found = fit(figures, device)
    worst = min((budget.verdict for budget in found.budgets), key=ORDER.index)
    assert found.verdict == ("undecided" if worst == "fits" and device.bare_metal else worst)
    assert found.reason
    assert all(budget.reason for budget in found.budgets)


@given(figures, devices, st.floats(1.0, 100))
def test_more_room_is_never_worse(figures: Figures, device: DeviceClass, factor: float) -> None:
    roomier = msgspec.structs.replace(
        device,
        ram_bytes=int(device.ram_bytes * factor),
        flash_bytes=int(device.flash_bytes * factor),
        latency_s=device.latency_s * factor,
    )
    before, after = (ORDER.index(fit(figures, each).verdict) for each in (device, roomier))
    assert after >= before


@given(figures, devices, st.sampled_from(["latency_s", "ram_bytes", "runtime_ram_bytes"]))
def test_less_evidence_never_decides(figures: Figures, device: DeviceClass, gone: str) -> None:
    before, after = fit(figures, device).verdict, fit(msgspec.structs.replace(figures, **{gone: None}), device).verdict
    assert after in (before, "undecided")


def judged(evidence: Evidence, device: str) -> dict[str, Outcome]:
    """Return what the check says about a class of devices, by framework."""
    everything = tuple(msgspec.structs.replace(each, required=True) for each in evidence.run.device_classes)
    run = msgspec.structs.replace(evidence.run, device_classes=everything)
    findings = registry.load("check", "edge_fit").judge(dataclasses.replace(evidence, run=run))
    return {finding.candidate: finding.state for finding in findings if finding.subject == device}


def test_one_artifact_that_fits_is_enough() -> None:
    onnx = fakes.is_step(stage="edge", format="onnx")
    run = fakes.change(fakes.complete_run(), onnx, size_bytes=10**11)
    assert judged(run, "Gateway") == dict.fromkeys(("pytorch", "tensorflow"), Outcome.PASSED)


def test_a_device_is_missed_only_when_everything_was_measured() -> None:
    run = fakes.complete_run()
    assert judged(run, "Sensor") == dict.fromkeys(("pytorch", "tensorflow"), Outcome.FAILED)
    gone = fakes.end(run, fakes.is_step(stage="edge", runtime="tflite_runtime"), Outcome.UNAVAILABLE)
    assert judged(gone, "Sensor") == {"pytorch": Outcome.FAILED, "tensorflow": Outcome.UNAVAILABLE}


def test_what_need_not_fit_is_shown_and_not_scored() -> None:
    run = fakes.complete_run()
    assert {fit.device for fit in fitting.table(run)} == {"gateway", "sensor"}
    assert {finding.subject for finding in registry.load("check", "edge_fit").judge(run)} == {"Gateway"}


def test_without_a_floor_the_peak_counts() -> None:
    run = fakes.complete_run()
    entry = next(entry for entry in run.entries if entry.step.stage == "edge")
    floor = fitting.figures_of(entry)
    assert floor is not None
    assert (floor.ram, floor.ram_bytes) == ("floor", 250 * MB)
    metrics = {name: value for name, value in entry.result.metrics.items() if name != "ram_floor_bytes"}
    peak = fitting.figures_of(dataclasses.replace(entry, result=msgspec.structs.replace(entry.result, metrics=metrics)))
    assert peak is not None
    assert (peak.ram, peak.ram_bytes, peak.runtime_ram_bytes) == ("peak", 320 * MB, 60 * MB)
