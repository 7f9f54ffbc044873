"""A small engine for tests: real children that need no framework, a machine that never was, a run folder."""

import select
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import psutil

from evaluator.children import environments, processes
from evaluator.children.isolation import Child
from evaluator.core import registry
from evaluator.core.records import (
    FRAMEWORKS,
    LoadPlan,
    Machine,
    Profile,
    Result,
    RunRecord,
    Sampling,
    Signature,
    Step,
    TensorSpec,
)
from evaluator.core.store import RunFolder
from exports.contract import DeviceState
from scenarios.loading import Scenario
from scenarios.own.form import Described, Own
from serving.contract import Launcher, Server

WORKER = (sys.executable, "-P", str(Path(__file__).with_name("engine_worker.py")))
MIB = 1 << 20
PROFILE = Profile(
    name="made-up",
    summary="for tests",
    sampling=Sampling(min_queries=64, min_seconds=2, cap_seconds=8, warmup_queries=5, warmup_seconds=0.3),
    rounds=2,
    train_rounds=2,
    train_samples=64,
    heldout_samples=32,
    verify_samples=16,
    highest_tail="p90",
    load=LoadPlan(saturation_s=1.5, most_clients=4, shares=(0.3, 0.6, 0.9)),
    probe_seconds=1.5,
    timeout_s=dict.fromkeys(registry.names("stage"), 60.0),
)

MACHINE = Machine(
    cpu="Paper", cores=2, memory_bytes=8 << 30, system="", python="", gpu=None, java=None, docker=None, versions={}
)

_TAKES = TensorSpec(name="x", dtype="float32", shape=(None, 8))
_GIVES = (
    TensorSpec(name="boxes", dtype="float32", shape=(None, 4)),
    TensorSpec(name="score", dtype="float32", shape=(None, 1)),
)
# A model that somebody brought in both frameworks: its files are nowhere, and planning looks at none.
BROUGHT = Scenario(
    name="brought",
    title="brought",
    summary="for tests",
    settings=msgspec.to_builtins(
        Own(
            pytorch="/nowhere/mine.py:build",
            tensorflow="/nowhere/mine.keras",
            inputs="/nowhere/holdout.npz",
            found={
                name: Described(
                    signature=Signature(inputs=(_TAKES,), outputs=_GIVES), takes=(("x", False),), gives=("[0]", "[1]")
                )
                for name in FRAMEWORKS
            },
        )
    ),
    tolerance={"fp32": 1e-4, "fp16": 1e-2, "int8_dynamic": 0.1, "int8": 0.1},
)


class PaperMachine:
    """Implements `evaluator.planning.capabilities.Capabilities`: everything is here but for what is named."""

    def __init__(  # noqa: PLR0913  # whatever may be missing
        self,
        *,
        lacking: tuple[str, ...] = (),
        launchers: tuple[str, ...] = ("embedded", "process"),
        references: tuple[str, ...] = ("embedded",),
        no_data: tuple[str, ...] = (),
        environments: tuple[str, ...] = environments.names(),
        versions: Mapping[str, str] | None = None,
        no_devices: tuple[str, ...] = ("gpu",),
    ) -> None:
        self.cores = self.threads = 2
        self.time_factor = 1.0
        self.memory_bytes = self.free_memory_bytes = 8 << 30
        self.versions = versions or {"torch": "2.13.0"}
        self._lacking = lacking
        self._launchers = launchers
        self._references = references
        self._no_data = no_data
        self._environments = environments
        self._no_devices = no_devices

    def missing(self, distributions: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in distributions if name in (*self._lacking, "no-such-distribution"))

    def cannot_launch(self, server: Server, launcher: Launcher, images: Sequence[str]) -> tuple[str, str] | None:
        return None if launcher.name in self._launchers else (f"no {launcher.name} here", f"get {launcher.name}")

    def is_reference(self, server: Server, launcher: Launcher, images: Sequence[str]) -> bool:
        return launcher.name in self._references

    def no_environment(self, name: str) -> tuple[str, str] | None:
        return None if name in self._environments else (f"no environment {name} here", "make it")

    def no_device(self, name: str) -> tuple[str, str] | None:
        return (f"no {name} here", f"get {name}") if name in self._no_devices else None

    def device_state(self, name: str) -> DeviceState | None:
        return None

    def missing_data(self, scenario: Scenario) -> tuple[str, ...]:
        return self._no_data

    def describe(self) -> Machine:
        return msgspec.structs.replace(MACHINE, versions=dict(self.versions))


def make_step(name: str, do: str = "pass", *, memory_bytes: int = 512 * MIB, **fields: Any) -> Step:
    """Plan a step that does what the function `do_<do>` of engine_worker.py does."""
    settings = {"do": do, **fields.pop("settings", {})}
    fields = {"stage": "export", "timeout_s": 30.0, **fields}
    return Step(
        id=name, scenario="made-up", framework="pytorch", settings=settings, memory_bytes=memory_bytes, **fields
    )


def child(step: Step, folder: Path) -> Child:
    """Start a step; `evaluator.executors.local.Local` takes this function too."""
    return Child(step, folder, WORKER)


def finish(started: Child) -> Result:
    """Wait until a child has ended or its time is up."""
    select.select([started.descriptor], [], [], max(0.0, started.deadline - time.monotonic()))
    return started.finish()


def wait_for(path: Path, within_s: float = 20.0) -> Path:
    """Wait until a file is there."""
    deadline = time.monotonic() + within_s
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)
    return path


def is_alive(pid: int) -> bool:
    """Tell whether a process still runs (one that nobody has buried yet does not)."""
    try:
        return processes.is_running(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False


def assert_gone(pids: list[int], within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while left := [pid for pid in pids if is_alive(pid)]:
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.02)


def run_record(**changes: Any) -> RunRecord:
    """Return what was asked for in a run of tests."""
    fields: dict[str, Any] = {
        "id": "made-up",
        "command": ("fweval", "full"),
        "created_at": "2026-01-01T00:00:00+00:00",
        "fweval": "0",
        "git_revision": None,
        "seed": 1,
        "profile": PROFILE,
        "scenarios": {},
        "frameworks": FRAMEWORKS,
        "devices": ("cpu",),
        "only": (),
        "skip": (),
        "launcher": "auto",
        "machine": MACHINE,
    }
    return RunRecord(**{**fields, **changes})


def run_folder(path: Path) -> RunFolder:
    """Make an empty run folder."""
    return RunFolder.create(path, run_record())
