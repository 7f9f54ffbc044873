"""ARM64 in a plan: proofs of the export matrix, on the runtimes that have a build for it, and nothing else."""

import msgspec
import pytest

from evaluator.children import environments
from evaluator.core import registry
from evaluator.core.outcome import Outcome
from evaluator.core.records import Profile
from evaluator.core.store import Plan
from evaluator.pipeline import PLANNED
from evaluator.planning import plan
from evaluator.planning.selection import Options, known_devices
from exports.devices import arm64
from scenarios.loading import load_scenario
from tests.engine import PROFILE, PaperMachine

MATRIX = msgspec.structs.replace(PROFILE, exports="all")


def make(profile: Profile = MATRIX, machine: PaperMachine | None = None, options: Options | None = None) -> Plan:
    return plan.make_plan([load_scenario("tiny")], profile, options or Options(), machine or PaperMachine(), PLANNED)


def test_the_matrix_is_proven_on_arm64_never_timed_and_in_no_score() -> None:
    steps = [step for step in make().steps if step.device == "arm64"]
    able = {runtime.name for runtime in registry.load_all("runtime") if "arm64" in runtime.devices}
    assert {step.runtime for step in steps} == able == {"ai_edge_litert", "onnx_runtime", "tflite_runtime"}
    assert {step.stage for step in steps} == {"verify"}
    assert not any(step.standard or step.measures for step in steps)
    assert {step.environment for step in steps} == {"arm64"}
    assert {step.timeout_s for step in steps} == {arm64.plugin.time_factor * MATRIX.timeout_s["verify"]}
    assert {step.settings["environment"] for step in steps} == {environments.identity("arm64")}


@pytest.mark.parametrize(("profile", "devices"), [(PROFILE, known_devices()), (MATRIX, ("gpu",))])
def test_there_is_none_unless_all_exports_on_the_cpu_are_asked_for(profile: Profile, devices: tuple[str, ...]) -> None:
    made = make(profile, options=Options(devices=devices))
    assert not [step for step in made.steps if step.device == "arm64"]


def test_where_none_can_be_had_each_cell_says_why() -> None:
    made = make(machine=PaperMachine(no_devices=("arm64",)))
    endings = {result.step: result for result in made.impossible}
    steps = [step for step in made.steps if step.device == "arm64"]
    assert steps
    for step in steps:
        ending = endings[step.id]
        assert (ending.outcome, ending.reason, ending.remedy) == (
            Outcome.UNAVAILABLE,
            "no arm64 here",
            "get arm64",
        )


def test_a_runtime_that_only_arm64_has_is_asked_there() -> None:
    """It has its own build in the environment: what is installed here does not matter."""
    made = make(machine=PaperMachine(lacking=("ai-edge-litert",)))
    gone = {result.step for result in made.impossible}
    assert {step.device for step in made.steps if step.runtime == "ai_edge_litert" and step.stage == "verify"} == {
        "cpu",
        "arm64",
    }
    assert not [s for s in made.steps if s.runtime == "ai_edge_litert" and s.device == "arm64" and s.id in gone]
