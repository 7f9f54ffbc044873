"""Steps on the machines of a Ray cluster, on each by the code that runs them on one machine.

Ray places, watches and carries; it decides nothing. What measures takes the whole of a machine's one resource and no
CPU of Ray's, so that Ray sets no variable of threads; nothing is ever tried again unseen. Ray itself is in a process of
its own (`evaluator.nodes.ray_driver`), which is asked in lines, so that the end of a cluster is not that of a run.
Documentation: https://docs.ray.io/en/releases-2.60.0/ray-core/scheduling/resources.html
"""

import contextlib
import getpass
import hashlib
import importlib.util
import itertools
import math
import os
import platform
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from evaluator.children import processes
from evaluator.children.cleaning import Leftover
from evaluator.core import plugins
from evaluator.core.cluster import (
    Answer,
    Ask,
    AskDoctor,
    AskSurvey,
    Begin,
    Bring,
    Cancel,
    Close,
    ClusterGone,
    Connect,
    Connected,
    Do,
    Done,
    Found,
    Heard,
    JobLost,
    NodeGone,
    OfJob,
    Question,
    Refused,
    Report,
    Said,
    Tidy,
)
from evaluator.core.coordinates import MACHINE, Record
from evaluator.core.errors import IncompleteEvidence, Unavailable, UsageError
from evaluator.core.outcome import Outcome
from evaluator.core.records import Node as Described
from evaluator.core.records import Result, Step
from evaluator.executors._contract import Executor, ExecutorLost, Hear, Node, NodeLost, Told, deaf
from evaluator.executors._this_machine import ThisMachine
from evaluator.planning import survey
from evaluator.planning.capabilities import Capabilities
from evaluator.planning.survey import Kind, Survey
from scenarios.own import given
from scenarios.own.form import Own

DRIVER = ("-P", "-m", "evaluator.nodes.ray_driver")
_CONNECT_S = 240.0  # simulated nodes are started, and a process of ours on every machine
_ASK_S = 180.0
_BRING_S = 3600.0
_END_S = 60.0
_MOST_BYTES = 1 << 30  # of the folder in which a model's file lies
_MOST_FILES = 5_000
_NO_CODE = ("__pycache__", "node_modules", "site-packages")
_TAIL_BYTES = 4096
_UNTRUSTED = "InvalidAuthToken"  # in what Ray's own code writes
_TRUST = "copy ~/.ray/auth_token from the cluster's head, or set RAY_AUTH_TOKEN"
_SEE = "see `fweval node --help` for how a cluster is started"
_RESUME = "see its machines, then go on with --resume"


@dataclass(slots=True, eq=False)
class RayJob:
    """Steps at work on a machine."""

    number: int
    steps: Sequence[Step]
    node: str
    ended: Done | Refused | JobLost | None = None


class Ray(Executor[RayJob]):
    """One cluster, from when it is connected until it is closed."""

    name = "ray"
    title = "machines of a Ray cluster"
    reached_as = ("ray://HOST:PORT", "local", "local:NODES")

    def __init__(self, on: str = "", *, exclusive: bool = True, worker: Sequence[str] | None = None) -> None:
        """Connect to what `--on` says; without that it reaches nothing. `worker` is what does steps there."""
        self._worker = None if worker is None else tuple(worker)
        self._line: _Line | None = None
        self._numbers = itertools.count(1)
        self._found: tuple[Found, ...] = ()
        self._surveys: dict[str, Survey] = {}
        self._kinds: dict[str, str] = {}
        self._refused: dict[str, tuple[str, str | None]] = {}
        self._gone: dict[str, str] = {}
        self._jobs: dict[int, RayJob] = {}
        self._scenarios: tuple[Mapping[str, Any], ...] = ()
        self._first = ""  # the kind that goes without saying
        self._quiet_s: dict[str, float] = {}
        self._here: Survey | None = None
        if on:
            self._line = _Line(self)
            who = f"{getpass.getuser()} on {socket.gethostname()}, process {os.getpid()}"
            self._line.send(Connect(on=on, who=who, exclusive=exclusive))
            self._found = self._line.connected().nodes

    def at(self, on: str, *, exclusive: bool = True) -> "Ray | None":
        """Return one that is connected to what `--on` says; None where that means no Ray cluster."""
        address = on.removeprefix("ray://")
        if address != on:
            host, _, port = address.rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
                raise UsageError(f"--on {on}: no host and port are named", remedy="write it as ray://HOST:6379")
        elif on.partition(":")[0] != "local":
            return None
        elif on != "local" and on.partition(":")[2] not in map(str, range(1, 65)):
            raise UsageError(f"--on {on}: no number of nodes from 1 to 64", remedy="write it as local:3")
        if importlib.util.find_spec("ray") is None:
            raise Unavailable("Ray is not installed here", remedy="pip install -c constraints.txt 'fweval[ray]'")
        return Ray(on, exclusive=exclusive)

    # What there is ----------------------------------------------------------------------------------------------------

    def prepare(self, scenarios: Sequence[Mapping[str, Any]], first: str = "") -> None:
        """Learn which scenarios a run is about, and which kind it has been judged by so far."""
        self._scenarios = tuple(scenarios)
        self._first = first or self._first
        for scenario in scenarios:
            _demand_portable(scenario)

    def machines(self) -> Mapping[str, Capabilities]:
        """Ask every machine what it can do, and return that by kind."""
        self._survey()
        kinds: dict[str, list[Survey]] = {}
        for node in self._able():
            kinds.setdefault(self._kind(node), []).append(self._surveys[node])
        if not kinds:
            self._raise_nothing()
        ordered = sorted(kinds, key=lambda kind: kind != MACHINE)
        return {kind: Kind(tuple(kinds[kind])) for kind in ordered}

    @property
    def first(self) -> str:
        """The kind by which a run is judged, which its steps bear as `MACHINE`."""
        return self._first

    def nodes(self) -> Sequence[Node]:
        """Return the machines that are there and have been asked."""
        return [
            Node(name=name, machine=self._kind(name), host=self._surveys[name].host or name, able=self._surveys[name])
            for name in self._able()
        ]

    def described(self) -> Sequence[Described]:
        """Describe all of them."""
        return [self._described(each) for each in self._found]

    def _described(self, found: Found) -> Described:
        there = self._surveys.get(found.name)
        refused, remedy = self._refusal(found)
        return Described(
            name=found.name,
            kind="" if there is None else self._kind(found.name),
            address=found.address,
            host="" if there is None else there.host,
            isa="" if there is None else there.isa,
            machine=None if there is None else there.machine,
            refused=refused,
            remedy=remedy,
        )

    def _refusal(self, found: Found) -> tuple[str | None, str | None]:
        if found.name in self._gone:
            return f"node lost: {self._gone[found.name]}", "start it again, then resume the run"
        return self._refused.get(found.name, (found.refused, found.remedy))

    def _able(self) -> list[str]:
        """Return the names of the machines that steps can be given to."""
        return [name for name in self._surveys if name not in self._gone and name not in self._refused]

    def _kind(self, node: str) -> str:
        kind = self._kinds[node]
        return MACHINE if kind == self._first else kind

    def _survey(self) -> None:
        """Ask all machines at once; one whose software differs from ours is none that steps are given to."""
        asked = [each.name for each in self._found if each.refused is None and each.name not in self._gone]
        question = AskSurvey(scenarios=tuple(dict(each) for each in self._scenarios))
        answers = self._ask_all(asked, question, _ASK_S)
        here = self._here = self._here or survey.take(ThisMachine(), isa=platform.machine(), host="", scenarios=())
        for name, frames in answers.items():
            last = frames[-1]
            if isinstance(last, Refused):
                self._refused[name] = last.message, last.remedy
                continue
            there = msgspec.convert(last.value, Survey) if isinstance(last, Answer) else None
            if there is None:
                continue
            self._surveys[name] = there
            self._kinds[name] = survey.kind_of(there)
            differs = survey.difference(here, there)
            if differs is not None:
                remedy = "install the same there: figures of two versions are not compared"
                self._refused[name] = f"other software than here: {differs}", remedy
        self._choose_first()

    def _choose_first(self) -> None:
        """Judge by the kind of the machine that fweval runs on, where that is one of the cluster's; else the first."""
        if self._first or not self._able():
            return
        here = [each.name for each in self._found if each.here]
        chosen = next((name for name in here if name in self._able()), self._able()[0])
        self._first = self._kinds[chosen]

    def _raise_nothing(self) -> None:
        told = "; ".join(f"{each.name}: {self._refusal(each)[0] or 'it gave no answer'}" for each in self._found)
        raise IncompleteEvidence(
            f"no machine of the cluster can be used ({told or 'it has none'})", remedy="see `fweval nodes`"
        )

    def doctor(self) -> Mapping[str, Any]:
        """Return what `fweval doctor` says on every machine that can be asked."""
        asked = [each.name for each in self._found if each.refused is None and each.name not in self._gone]
        answers = self._ask_all(asked, AskDoctor(), _ASK_S)
        return {name: frames[-1].value for name, frames in answers.items() if isinstance(frames[-1], Answer)}

    def bring(self, environments: Sequence[str], say: Callable[[str], None]) -> None:
        """Have every machine fetch what it lacks; a machine's network is its own."""
        scenarios = tuple(dict(each) for each in self._scenarios)
        question = Bring(scenarios=scenarios, environments=tuple(environments))
        for name, frames in self._ask_all(self._able(), question, _BRING_S).items():
            for frame in frames:
                if isinstance(frame, Heard):
                    say(f"{name}: {frame.note}")
                elif isinstance(frame, Refused):
                    say(f"{name}: {frame.message} ({frame.remedy})")

    def tidy(self, node: str) -> Sequence[Leftover]:
        """Have a machine remove what was left there; one that is gone keeps it until it is back."""
        if node not in self._able():
            return ()
        frames = self._ask_all([node], Tidy(), _ASK_S)[node]
        last = frames[-1]
        return msgspec.convert(last.value, tuple[Leftover, ...]) if isinstance(last, Answer) else ()

    def _ask_all(self, nodes: Iterable[str], question: Question, within_s: float) -> dict[str, tuple[Any, ...]]:
        asked = {next(self._numbers): name for name in nodes}
        for number, name in asked.items():
            self._connection.send(Ask(id=number, node=name, question=question))
        answers = self._connection.answers(asked, within_s)
        late = (Refused(message=f"no answer within {within_s:.0f} s", remedy="see what the machine is busy with"),)
        return {name: answers.get(number, late) for number, name in asked.items()}

    # Jobs -------------------------------------------------------------------------------------------------------------

    def start(self, steps: Sequence[Step], node: str, place: Path, needed: Sequence[Path]) -> RayJob:
        """Hand steps to the driver, which sends what they need and has them done."""
        there = self._surveys[node]
        named = _named(steps)
        files = {**_with_beside(named), **_plugin_folders()}
        measures = any(step.measures for step in steps)
        job = RayJob(next(self._numbers), steps, node)
        self._jobs[job.number] = job
        question = Do(
            job=job.number,
            steps=tuple(steps),
            node=node,
            host=there.host,
            machine=steps[0].machine,
            given={str(path): name for name, path in named.items()},
            plugins=tuple(_plugin_folders()),
            worker=self._worker,
            quiet_s=self._quiet_s.get(node, 0.0),
        )
        share = 1.0 if measures else math.floor(10_000 / there.cores) / 10_000
        self._connection.send(
            Begin(
                node=node,
                question=question,
                place=str(place.resolve()),
                needed=tuple(str(path.resolve()) for path in needed),
                share=share,
                files=files,
            )
        )
        return job

    def wait(self, jobs: Sequence[RayJob], at_most_s: float, hear: Hear = deaf) -> Sequence[RayJob]:
        """Hear what the driver reports until one of the jobs has ended."""
        until = time.monotonic() + at_most_s
        while True:
            ended = [job for job in jobs if job.ended is not None]
            left_s = until - time.monotonic()
            if ended or left_s <= 0:
                return ended
            report = self._connection.report(left_s)
            if isinstance(report, OfJob) and isinstance(report.what, Heard) and report.job in self._jobs:
                hear(self._jobs[report.job], Told(note=report.what.note, share=report.what.share))

    def fetch(self, job: RayJob) -> Sequence[Result]:
        """Return how the steps ended; their files are here by then."""
        ended = self._jobs.pop(job.number).ended
        if isinstance(ended, JobLost):
            raise NodeLost(ended.why)
        if isinstance(ended, Refused):
            return [
                Result(
                    step=step.id,
                    outcome=Outcome.UNAVAILABLE,
                    reason=f"{job.node}: {ended.message}",
                    remedy=ended.remedy,
                )
                for step in job.steps
            ]
        results = {} if ended is None else {result.step: result for result in ended.results}
        if ended is not None:
            self._quiet_s[job.node] = ended.quiet_s
        return [results.get(step.id) or _without(step, job.node) for step in job.steps]

    def cancel(self, job: RayJob) -> None:
        """Have the machine stop the job as a person would, and wait until it has."""
        self._jobs.pop(job.number, None)
        if job.ended is None and self._line is not None and self._line.lost is None and job.node in self._able():
            with contextlib.suppress(ExecutorLost):
                self._ask_all([job.node], Cancel(job=job.number), _END_S)

    def wait_for_quiet(self, most_s: float) -> None:
        """Let every machine wait until others leave it alone, for so long over the whole run."""
        self._quiet_s = dict.fromkeys(self._surveys, most_s)

    def close(self) -> None:
        """Let go of the cluster."""
        if self._line is not None:
            self._line.close()
            self._line = None

    # Reports ----------------------------------------------------------------------------------------------------------

    @property
    def _connection(self) -> "_Line":
        if self._line is None:
            raise IncompleteEvidence("no cluster is connected", remedy="name one with --on")
        return self._line

    def take(self, report: Record) -> None:
        """Take what is not the answer to a question."""
        if isinstance(report, NodeGone):
            self._gone[report.node] = report.why
            for job in self._jobs.values():
                if job.node == report.node and job.ended is None:
                    job.ended = JobLost(job=job.number, why=report.why)
        elif isinstance(report, JobLost) and report.job in self._jobs:
            job = self._jobs[report.job]
            job.ended = job.ended or report
        elif isinstance(report, OfJob) and report.job in self._jobs and not isinstance(report.what, Heard):
            job = self._jobs[report.job]
            job.ended = job.ended or report.what


class _Line:
    """The process that holds the line to the cluster, and what it reports."""

    def __init__(self, executor: Ray) -> None:
        self._executor = executor
        self.lost: str | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # it is the process's for as long as that lives
        self._process = subprocess.Popen(
            [sys.executable, *DRIVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        self._arrived = b""
        self._waiting: list[Any] = []
        self._answers: dict[int, tuple[Any, ...]] = {}

    def send(self, order: Record) -> None:
        """Give an order; `ExecutorLost` when nobody takes it."""
        try:
            self._input.write(msgspec.json.encode(order) + b"\n")
            self._input.flush()
        except OSError:
            self._fail(self.lost or "the process that holds the line to it ended")

    def connected(self) -> Connected:
        """Wait until the cluster is reached."""
        until = time.monotonic() + _CONNECT_S
        report: Any = None
        with contextlib.suppress(ExecutorLost):  # Ray ends the process where something else listens
            while not isinstance(report, Connected | Refused) and (left_s := until - time.monotonic()) > 0:
                report = self.report(left_s)
        if isinstance(report, Connected):
            return report
        said = self._said()
        self.close()
        if _UNTRUSTED in said:
            raise UsageError("the cluster does not take this machine's token", remedy=_TRUST)
        if isinstance(report, Refused):
            raise report.error("")
        raise IncompleteEvidence(
            "what listens there does not answer as a Ray cluster of this version does", remedy=_SEE
        )

    def answers(self, asked: Mapping[int, str], within_s: float) -> dict[int, tuple[Any, ...]]:
        """Wait for the answers to questions; who does not give one in time has none."""
        until = time.monotonic() + within_s
        while asked.keys() - self._answers.keys() and (left_s := until - time.monotonic()) > 0:
            self.report(left_s)
        return {number: self._answers.pop(number) for number in asked if number in self._answers}

    def report(self, at_most_s: float) -> Any | None:
        """Wait for the next report, hand it on, and return it; None after so many seconds. Polls nothing."""
        while b"\n" not in self._arrived:
            if not select.select([self._output], [], [], max(0.0, at_most_s))[0]:
                return None
            more = os.read(self._output.fileno(), 1 << 20)
            if not more:
                self._fail(self.lost or self._last_words())
            self._arrived += more
        text, _, self._arrived = self._arrived.partition(b"\n")
        report = msgspec.json.decode(text, type=Report)
        if isinstance(report, ClusterGone):
            self._fail(report.why)
        if isinstance(report, Said):
            self._answers[report.id] = report.frames
        self._executor.take(report)
        return report

    def close(self) -> None:
        """Let it end in order; it is killed when it does not in time."""
        with contextlib.suppress(OSError, ExecutorLost):
            if self.lost is None:
                self._input.write(msgspec.json.encode(Close()) + b"\n")
            self._input.close()
        grace_s = _END_S if self.lost is None else _END_S / 4
        processes.wait(self._process, grace_s)
        processes.end_group(self._process, first=signal.SIGTERM, grace_s=_END_S / 4)
        self._output.close()
        self._log.close()

    @property
    def _input(self) -> Any:
        return self._process.stdin

    @property
    def _output(self) -> Any:
        return self._process.stdout

    def _said(self) -> str:
        self._log.seek(0)
        return self._log.read()[-_TAIL_BYTES:].decode(errors="replace").strip()

    def _last_words(self) -> str:
        self._process.wait()
        said = self._said().splitlines()
        return f"the process that holds the line to it ended with code {self._process.returncode}" + (
            f": {said[-1][:200]}" if said else ""
        )

    def _fail(self, why: str) -> None:
        self.lost = why
        raise ExecutorLost(f"the cluster is lost: {why}", remedy=_RESUME)


def _without(step: Step, node: str) -> Result:
    return Result(
        step=step.id, outcome=Outcome.UNAVAILABLE, reason=f"{node} brought no result back", remedy="resume the run"
    )


# What travels ---------------------------------------------------------------------------------------------------------


def _own(scenario: Mapping[str, Any]) -> Own | None:
    """Return what a scenario says of a model of one's own; None for a built-in one."""
    settings = scenario.get("settings")
    if scenario.get("model") != "own" or not isinstance(settings, Mapping):
        return None
    return msgspec.convert(settings, Own)


def _named(steps: Sequence[Step]) -> dict[str, Path]:
    """Return the person's files that steps name: below which name each is to lie there -> where it is here."""
    scenarios = (step.settings.get("scenario", {}) for step in steps)
    owns = (_own(scenario) for scenario in scenarios if isinstance(scenario, Mapping))
    return {_in(path.parent, path): path for own in owns if own is not None for path in given.files(own)}


def _with_beside(named: Mapping[str, Path]) -> dict[str, str]:
    """Return them, and with a file of code the folder in which it lies: it may import and read what is beside it."""
    found = {name: str(path) for name, path in named.items()}
    for folder in {path.parent for path in named.values() if path.suffix == ".py"}:
        found.update({_in(folder, each): str(each) for each in beside(folder)})
    return found


def _in(folder: Path, path: Path) -> str:
    """Name a person's file below a machine's place: those of one folder lie in one folder there, too."""
    return f"given/{_short(folder)}/{path.relative_to(folder).as_posix()}"


def beside(folder: Path) -> list[Path]:
    """Return the files of a folder that travels with a file of code in it; hidden ones and caches do not."""
    found: list[Path] = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and _travels(Path(root) / name)]
        found += [Path(root) / name for name in names if not name.startswith(".")]
        if len(found) > _MOST_FILES:
            break
    return [path for path in found if path.is_file() and not path.is_symlink()]


def _travels(folder: Path) -> bool:
    """Tell whether a folder is of a model: no cache, no environment, no run of fweval's."""
    strange = ("pyvenv.cfg", "run.json")
    return folder.name not in _NO_CODE and not any((folder / name).exists() for name in strange)


def _demand_portable(scenario: Mapping[str, Any]) -> None:
    """Raise `UsageError` where too much lies beside a model's file."""
    own = _own(scenario)
    for path in given.files(own) if own is not None else ():
        if path.suffix != ".py":
            continue
        found = beside(path.parent)
        size = sum(each.stat().st_size for each in found)
        if len(found) > _MOST_FILES or size > _MOST_BYTES:
            raise UsageError(
                f"{path.parent} is sent to the cluster with {path.name}, and is too large ({size / 2**30:.1f} GiB, "
                f"{len(found):,} files)",
                remedy="put the model into a folder of its own, with what it imports and reads",
            )


def _plugin_folders() -> dict[str, str]:
    """Return the folders of plug-ins that a person named: those that are installed are installed there, too."""
    named = [place.folder for place in plugins.places() if place.origin == str(place.folder)]
    return {f"plugins/{_short(folder)}/{folder.name}": str(folder) for folder in named}


def _short(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


plugin = Ray()
