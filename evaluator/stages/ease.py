"""Ease: what can be measured of ease of use.

Of each scenario's code in a framework what it needs, told from its text; once in a run what an installation takes, how
long an import, what a user is told on the way, and what becomes of a set of deliberate mistakes (`scenarios/mistakes`),
each made for real.
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

from evaluator.children import processes
from evaluator.children.work import Work, blame
from evaluator.core import ease, files, registry
from evaluator.core.ease import Code, Found, Made
from evaluator.core.metrics import key
from evaluator.core.records import Figure, Measured, Metrics, Profile
from evaluator.measure.code import Part, helpers, needs
from evaluator.measure.installed import packages
from evaluator.stages import _mistakes
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._evidence import Assignment
from scenarios.mistakes import _once
from scenarios.own import sources
from scenarios.own.form import Own

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan

TOOLS = ("radon", "packaging")
IMPORT = "import"  # the samples of import times
_BUILD = {"pytorch": "build_torch", "tensorflow": "build_tensorflow"}
_TRAIN = ("prepare", "build", "trainer")  # of a framework's file, with what they use there
_FEW, _MANY = 3, 6  # imports: six are the fewest that have an interval
_IMPORT_LIMIT_S = 60.0
_GRACE_S = 2.0


class Ease(Stage):
    """One step for each scenario in each framework; the first of a framework does what is the same for all."""

    name = "ease"
    title = "Ease of use"
    summary = (
        "Count what code, installation and imports take, and make some twenty deliberate mistakes in each framework."
    )
    command = "ease"
    example = "fweval ease tiny --framework pytorch"
    measures = True
    memory_bytes = 6 * GIB
    timeout_s = 600.0
    expected_s = 45.0
    gives: ClassVar = {ease.MISTAKES: "the mistakes, which are made once"}
    figures = (
        Shown(key("mistakes_silent"), "{} mistakes unnoticed"),
        Shown(key("installed_bytes"), "{} installed"),
        Shown(key("import_s"), "import {}"),
    )

    def plan(self, plan: "ScenarioPlan") -> None:
        """Plan one step for each framework."""
        for framework in plan.frameworks:
            known = plan.draft.steps.values()
            first = next((each.id for each in known if (each.stage, each.framework) == (self.name, framework)), None)
            distributions = registry.load("framework", framework).distributions
            plan.ids[self.name][framework] = plan.add(
                self.name,
                framework,
                needs={} if first is None else {ease.MISTAKES: first},
                refusal=plan.not_installed((*distributions, *TOOLS)),
            )

    def work(self, work: Work) -> Measured:
        """Count what the scenario's code needs; in the first scenario do what is asked once, too."""
        about = Assignment(work)
        code = tuple(_code(about))
        figures = tuple(_figure(each, name) for each in code for name in ("logical_lines", "complexity", "api_names"))
        if ease.MISTAKES in work.step.needs:
            files.write_record(work.folder / ease.NAME, Found(code=code))
            return Measured(figures=figures, files={"ease": ease.NAME})
        framework, name = about.framework, about.framework.name
        makeable = [each for each in registry.load_all("mistake") if name not in each.without]
        limit_s = _mistakes.LIMIT_S * work.time_factor
        with blame(f"making mistakes in {framework.title}"):
            shown, made = _mistakes.make(name, [each.name for each in makeable], work.folder / ease.MISTAKES, limit_s)
            seconds = _imports(name, work.folder, about.profile, work.time_factor)
        files.write_samples(work.folder, {IMPORT: seconds})
        found = Found(
            code=code,
            packages=packages(framework.distributions),
            shown=tuple(shown),
            mistakes=tuple(made),
            not_applicable={
                each.name: each.without[name] for each in registry.load_all("mistake") if name in each.without
            },
        )
        files.write_record(work.folder / ease.NAME, found)
        return Measured(metrics=_metrics(found, seconds), figures=figures, files={"ease": ease.NAME})


def _metrics(found: Found, seconds: Sequence[float]) -> Metrics:
    """Return the counts that a check scores by."""
    installed = found.packages
    return {
        **counts(found.mistakes),
        "import_s": median(seconds),
        "imports": len(seconds),
        "packages_installed": 0 if installed is None else len(installed.names),
        "installed_bytes": 0 if installed is None else installed.size_bytes,
        "warnings_shown": sum(not each.hidden for each in found.shown),
        "deprecations_hidden": sum(each.hidden for each in found.shown),
    }


def counts(made: Sequence[Made]) -> Metrics:
    """Count mistakes by what became of them."""
    noticed = [each for each in made if each.came in ease.NOTICED]
    return {
        "mistakes": len(made),
        "mistakes_raised": sum(each.came == "exception" for each in made),
        "mistakes_warned": sum(each.came == "warning" for each in made),
        "mistakes_silent": sum(each.came == "silent" for each in made),
        "mistakes_harmless": sum(each.came == "harmless" for each in made),
        "mistakes_fatal": sum(each.came in ("crash", "hang") for each in made),
        "mistakes_at_line": sum(each.at_line for each in noticed),
        "mistakes_named": sum(each.named for each in noticed),
    }


def _figure(code: Code, name: str) -> Figure:
    value = len(code.names) if name == "api_names" else int(getattr(code, name))
    return Figure(name=name, value=value, labels={"purpose": code.purpose})


def _code(about: Assignment) -> Iterator[Code]:
    """Yield what the scenario needs for each purpose, of code that is there: a saved model has none."""
    training = tuple(_training(about))
    name = about.framework.name
    exporters = [each for each in registry.load_all("exporter") if each.origin == name and each.standard]
    servers = [each for each in registry.load_all("server") if each.framework == name]
    wanted = {
        "train": training,
        "export": tuple(_with_helpers(exporters)),
        "serve": tuple(_with_helpers(servers)),
    }
    for purpose, parts in wanted.items():
        if parts:
            yield needs(purpose, parts)


def _training(about: Assignment) -> Iterator[Part]:
    """Yield what builds and trains the model: the two files of a built-in one, a person's functions of their own."""
    name = about.framework.name
    if not about.model.brought:
        yield _part(about.model, (_BUILD[name],))
        yield _part(about.framework, _TRAIN)
        return
    own: Own = about.settings
    step = own.train_step.get(name) if isinstance(own.train_step, dict) else own.train_step
    functions: dict[Path, list[str]] = {}
    for source in (own.source(name), step):
        if source and sources.is_function(source):
            path, function = sources.function_in(source, Path.cwd())
            functions.setdefault(path, []).append(function)
    for path, names in functions.items():
        yield Part(file=path.name, text=path.read_text(encoding="utf-8"), functions=tuple(names))


def _part(plugin: Any, functions: tuple[str, ...] = ()) -> Part:
    """Return the file of a plug-in, or functions of it."""
    module = type(plugin).__module__
    path = Path(str(sys.modules[module].__file__))
    ours = module.partition(".")[0] in ("exports", "scenarios", "serving")
    name = f"{module.replace('.', '/')}.py" if ours else path.name
    return Part(file=name, text=path.read_text(encoding="utf-8"), functions=functions)


def _with_helpers(plugins: Sequence[Any]) -> Iterator[Part]:
    """Yield the files of plug-ins, and what they use of the private modules beside them, each once."""
    parts = [_part(each) for each in plugins]
    yield from parts
    used: dict[Path, set[str]] = {}
    for plugin, part in zip(plugins, parts, strict=True):
        module = type(plugin).__module__
        for helper, names in helpers(part, module.rpartition(".")[0]).items():
            path = Path(str(sys.modules[module].__file__)).with_name(f"{helper}.py")
            used.setdefault(path, set()).update(names)
    for path, found in used.items():
        shown = "/".join(path.parts[-3:])
        yield Part(file=shown, text=path.read_text(encoding="utf-8"), functions=tuple(sorted(found)))


def _imports(name: str, folder: Path, profile: Profile, time_factor: float) -> list[float]:
    """Import the framework into fresh processes, one after the other; files are in memory by then."""
    modules = ", ".join(_once.MODULES[name])
    told = folder / "imports.stdout"
    code = f"import time; begin = time.perf_counter(); import {modules}; print(time.perf_counter() - begin)"
    for _ in range(_MANY if profile.rounds > 1 else _FEW):
        process = processes.start(
            (sys.executable, "-P", "-c", code),
            env=dict(os.environ),
            cwd=folder,
            stdout=told,
            stderr=folder / "imports.stderr",
        )
        try:
            ended = processes.wait(process, _IMPORT_LIMIT_S * time_factor)
        finally:
            processes.end_group(process, first=signal.SIGTERM, grace_s=_GRACE_S)
        if ended != 0:
            raise RuntimeError(f"importing {modules} ended with code {ended}")
    return [float(line) for line in told.read_text().split()]


plugin = Ease()
