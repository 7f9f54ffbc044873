"""Options that several commands share, and how they become a run."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from evaluator.core.store import RunFolder
    from evaluator.pipeline import Run, Stage

Command = TypeVar("Command", bound=Callable[..., Any])

_ALL = "all"


class _Devices(click.ParamType[tuple[str, ...]]):
    """The devices that are measured on: one of those that can be asked for, or all of them.

    They are looked up when something was typed: help imports nothing for them.
    """

    name = "device"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return their names."""
        from evaluator.planning.selection import known_devices

        known = known_devices()
        chosen = click.Choice([*known, _ALL]).convert(value, param, ctx)
        return known if chosen == _ALL else (chosen,)


def _find_plugins(context: click.Context, _: click.Parameter, value: tuple[Path, ...]) -> tuple[Path, ...]:
    """Let this process and its children find them, before anything else looks for plug-ins."""
    from evaluator.core import plugins

    if value and not context.resilient_parsing:
        plugins.name_folders(value, before=plugins.told())
    return value


def _find_plugins_of(run: Path) -> None:
    """Find the plug-ins that a run was begun with, where they were then."""
    from evaluator.core import plugins
    from evaluator.core.store import RunFolder

    known = RunFolder.open(run).record.plugins
    plugins.name_folders(dict.fromkeys(Path(each.folder) for each in known), before=plugins.told())


def plugins_option(command: Command | None = None, *, exposed: bool = False) -> Any:
    """Add the option that names folders of plug-ins from outside; `exposed`: the command is told of them, too."""
    option = click.option(
        "--plugins",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="DIR",
        is_eager=True,
        expose_value=exposed,
        callback=_find_plugins,
        help="A folder of plug-ins of your own (may be repeated): their code is run. See docs/plugins.md.",
    )
    return option if command is None else option(command)


def criteria_option(default: str | None = None) -> Callable[[Command], Command]:
    """Make the option that names the criteria by which a run is judged."""
    return click.option(
        "--criteria",
        default=default,
        show_default=default is not None,
        metavar="NAME|FILE",
        help="By what it is judged: weights, targets, must-haves. See `fweval criteria list`.",
    )


DEFAULT_SCENARIOS = ("resnet50", "bert")
TOLD = ("inputs", "labels", "quality", "allowed_loss")  # of a model of one's own
# Options that do not change what is measured: a run is continued with others.
_OF_A_SESSION = ("resume", "on", "wait_s", "prices", "advisories")
_RUN_OPTIONS = (
    click.argument("scenarios", nargs=-1, metavar="[SCENARIO]..."),
    click.option("--profile", default="smoke", show_default=True, help="smoke, quick, full, audit, or a .toml file."),
    click.option(
        "--inputs",
        metavar="FILE.npz|FILE.py:FUNCTION|random",
        help="Examples for a model of your own; keys are its inputs.",
    ),
    click.option("--labels", metavar="FILE.npz|FILE.py:FUNCTION", help="Their labels, one row for each example."),
    click.option("--quality", metavar="NAME|FILE.py:FUNCTION", help="What decides whether an artifact is as good."),
    click.option("--allowed-loss", type=float, help="By how much it may be worse, in the measure's unit."),
    click.option("--framework", "frameworks", multiple=True, help="Only this framework (may be repeated)."),
    click.option(
        "--device",
        type=_Devices(),
        default=_ALL,
        show_default=True,
        help="A device to measure on (cpu, gpu …), or all; what is not here becomes a visible `unavailable` row.",
    ),
    click.option(
        "--launcher",
        type=click.Choice(["auto", "all", "container", "process", "embedded"]),
        default="auto",
        show_default=True,
        help="How servers are started: auto takes the first that works here, all takes each that does.",
    ),
    click.option(
        "--only", multiple=True, help="Only this stage, format, runtime, variant, server or launcher (repeatable)."
    ),
    click.option("--skip", multiple=True, help="Leave out this stage, format, runtime, variant, server or launcher."),
    click.option(
        "--budgets",
        "device_classes",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="What classes of devices allow, in place of scenarios/devices.toml.",
    ),
    criteria_option(default="balanced"),
    click.option("--seed", default=1, show_default=True, help="Seed of weights, data order and samples."),
    click.option("--out", type=click.Path(path_type=Path), help="Folder of the run (new or empty)."),
    click.option(
        "--wait-for-quiet",
        "wait_s",
        type=click.IntRange(1, 86_400),
        metavar="SECONDS",
        help="Wait until others leave the machine alone, this long at most over the whole run, then measure.",
    ),
    click.option(
        "--on",
        metavar="CLUSTER",
        help="Run the steps on the machines of a Ray cluster: ray://HOST:PORT; or local[:NODES], which simulates one "
        "here. See docs/cluster.md.",
    ),
    plugins_option(exposed=True),
    click.option("--resume", type=str, metavar="RUN", help="Continue a run; finished steps are kept."),
)


def run_options(command: Command) -> Command:
    """Add the options of every command that measures."""

    @functools.wraps(command)
    def prepared(**given: Any) -> Any:
        if given["resume"]:  # before anything asks which stages there are
            _find_plugins_of(find_run(given["resume"]))
        return command(**given)

    for option in reversed(_RUN_OPTIONS):
        prepared = option(prepared)
    return cast("Command", prepared)


def advisories_option(command: Command) -> Command:
    """Add the option that names an offline database of vulnerabilities."""
    option = click.option(
        "--advisories",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="Known vulnerabilities to look for: OSV records in a .json file, a folder, or osv.dev's all.zip.",
    )
    return option(command)


def prices_option(command: Command) -> Command:
    """Add the option that names a price sheet."""
    option = click.option(
        "--prices",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="What hours, traffic and load cost you: a price sheet. See docs/cost.md.",
    )
    return option(command)


def run_argument(command: Command) -> Command:
    """Add the argument that names a finished or interrupted run."""
    return click.argument("run", default="latest", metavar="[RUN]")(command)


def find_run(name: str) -> Path:
    """Return a run's folder: a path, an id below runs/, or "latest"."""
    from evaluator.core import store
    from evaluator.core.errors import UsageError

    below = Path("runs")
    if name == "latest":
        found = store.latest(below)
        if found is None:
            raise UsageError("there is no run below ./runs", remedy="make one with `fweval full`, or give its path")
        return found
    for path in (Path(name), below / name):
        if path.is_dir():
            return path
    raise UsageError(f"there is no run '{name}'", remedy="give its folder, its id below ./runs, or 'latest'")


def start(reporter: Any, given: dict[str, Any], stages: "tuple[Stage, ...]", executor: Any, on: str) -> "Run":
    """Make a new run from the options of a command, or open the one to resume."""
    from evaluator import pipeline
    from evaluator.core import advisories, criteria
    from evaluator.core.cost import read_prices
    from evaluator.core.records import FRAMEWORKS
    from evaluator.judging import replay
    from evaluator.planning.selection import Options
    from evaluator.running.quiet import Quiet
    from scenarios.loading import load_devices

    sheet = given.get("prices")
    if sheet is not None:  # before hours are spent
        read_prices(sheet)
    database = given.get("advisories")
    if database is not None:
        advisories.read(database, ())
    if given["resume"]:
        _refuse_other_options(given)
        folder, record = pipeline.resume(find_run(given["resume"]))
    else:
        options = Options(
            frameworks=tuple(dict.fromkeys(given["frameworks"])) or FRAMEWORKS,
            devices=given["device"],
            only=given["only"],
            skip=given["skip"],
            launcher=given["launcher"],
            seed=given["seed"],
            everything=given.get("everything", False),
        )
        folder, record = pipeline.begin(
            given["scenarios"] or DEFAULT_SCENARIOS,
            given["profile"],
            options,
            device_classes=load_devices(given["device_classes"]),
            out=given["out"],
            command=("fweval", *sys.argv[1:]),
            inputs=(criteria.given(given["criteria"]),),
            told={key: given[key] for key in TOLD if given.get(key) is not None},
            say=reporter.note,
            executor=executor,
            on=on,
        )
    if sheet is not None:
        replay.keep_prices(folder, sheet)
    if database is not None:
        replay.keep_advisories(folder, database)
    scenarios = pipeline.load_scenarios(record)
    return pipeline.Run(
        folder=folder,
        record=record,
        scenarios=scenarios,
        stages=stages,
        reporter=reporter,
        quiet=Quiet(given["wait_s"] or 0.0),
        executor=executor,
    )


def _refuse_other_options(given: dict[str, Any]) -> None:
    """Refuse options that --resume would silently ignore: a run is continued as it was begun."""
    from evaluator.core.errors import UsageError

    context = click.get_current_context()
    typed = [
        parameter.opts[0] if isinstance(parameter, click.Option) else "SCENARIO"
        for parameter in context.command.params
        if parameter.name in given
        and parameter.name not in _OF_A_SESSION
        and given[parameter.name]
        and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    ]
    if typed:
        raise UsageError("--resume continues a run as it was begun", remedy=f"leave out {', '.join(typed)}")


def pursue(given: dict[str, Any], stages: "tuple[Stage, ...]") -> "Run":
    """Run the stages with progress on standard error."""
    from evaluator import pipeline
    from evaluator.running import progress

    on = _cluster(given)
    with progress.on_stderr() as reporter, pipeline.executor_at(on) as executor:
        run = start(reporter, given, stages, executor, on)
        pipeline.pursue(run)
    return run


def _cluster(given: dict[str, Any]) -> str:
    """Return on which cluster steps run: the one that is named, or the one of the run that is continued."""
    from evaluator.core.store import RunFolder

    if given["on"] or not given["resume"]:
        return given["on"] or ""
    return RunFolder.open(find_run(given["resume"])).record.cluster


def stage_command(stage: str, given: dict[str, Any]) -> "tuple[int, RunFolder]":
    """Run a stage and what it rests on, print its rows; return the exit code, and the folder of the run."""
    from evaluator import pipeline
    from evaluator.commands import _exits

    run = pursue(given, pipeline.through(stage))
    print_cells(run.folder.path, stage)
    results = run.folder.judged()  # a variant is on trial: that it does not hold is an answer
    outcomes = [result.outcome for step, result in results if step.stage == stage and step.variant is None]
    return _exits.of_steps(outcomes), run.folder


def print_cells(path: Path, stage: str | None = None) -> None:
    """Print the cells of a run as a table for people."""
    from evaluator.core.store import RunFolder
    from evaluator.core.text import cleaned
    from evaluator.judging import replay
    from evaluator.report import _terminal
    from evaluator.report.sections import cells as steps

    folder = RunFolder.open(path)
    cells = [cleaned(cell) for cell in replay.cells(folder) if stage in (None, cell.stage)]
    _terminal.show_blocks(steps.short(cells, cleaned(folder.catalogue).all_titles))
