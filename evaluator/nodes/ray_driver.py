"""The process that holds a run's line to a Ray cluster: orders come as lines on standard input, reports go out so.

It is a process of its own because Ray ends the one that it is in when the cluster's head is gone, has threads and
handlers of signals of its own, and may need pins that clash with ours. Files are read and written here, on the machine
of the run. `python -P -m evaluator.nodes.ray_driver`
Documentation: https://docs.ray.io/en/releases-2.60.0/ray-core/tasks.html
"""

import contextlib
import itertools
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psutil

from evaluator.children.processes import die_with_parent
from evaluator.core.cluster import (
    Ask,
    Begin,
    Close,
    ClusterGone,
    Connect,
    Connected,
    Done,
    Found,
    Frame,
    Heard,
    JobLost,
    Keep,
    NodeGone,
    OfJob,
    Order,
    Refused,
    Said,
    Sent,
    Unframer,
    encoded,
    framed,
    refused,
)
from evaluator.core.coordinates import Record
from evaluator.core.errors import FwevalError, IncompleteEvidence, UsageError
from evaluator.core.surroundings import refusal
from evaluator.core.text import line
from evaluator.nodes import ray_settings
from evaluator.nodes._sending import Receiver, frames, remove
from evaluator.nodes.ray_simulated import HEAD, ONE_MACHINE

SIMULATED = "local"
_SCHEME = "ray://"
_DEFAULT_NODES = 3
_HOLDER = "fweval"
_NAMESPACE = "fweval"
_TCP_S = 5.0
_STOP_S = 30.0
_TRIES = 3
_INIT_S = 12.0  # that a cluster may take to take us
_KEEPER_S = 90.0  # that a machine may take to start our process: it imports on a disk that may be cold
_LOOK_EVERY_S = 2.0
_BATCH_BYTES = 4 << 20
_PART = ".arriving-"
_LONGEST = 300  # characters of what Ray says
_TRUST = "copy ~/.ray/auth_token from the cluster's head, or set RAY_AUTH_TOKEN"
_JOIN = "is it a node? fweval node --join …; fweval is started on one of the cluster's machines"
_START = "see `fweval node --help` for how a cluster is started"


class Reports:
    """Standard output, from several threads."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)  # what Ray prints is no report
        self._lock = threading.Lock()

    def send(self, report: Record) -> None:
        """Send one; whoever read them may be gone."""
        with self._lock, contextlib.suppress(OSError):
            self._out.write(msgspec.json.encode(report) + b"\n")
            self._out.flush()


@dataclass(slots=True, kw_only=True)
class Reached:
    """A machine with a process of ours."""

    name: str
    id: str  # Ray's
    keeper: Any
    path: bytes
    has: set[str] = field(default_factory=set)  # names below its place that are there
    sending: threading.Lock = field(default_factory=threading.Lock)
    gone: bool = False


class Driver:
    """Follows orders."""

    def __init__(self) -> None:
        self._reports = Reports()
        self._nodes: dict[str, Reached] = {}
        self._holder: Any = None
        self._simulated: Simulated | None = None
        self._address = ""
        self._gone = False

    def run(self) -> None:
        """Follow the orders that come, until there are no more."""
        try:
            for text in sys.stdin.buffer:
                order = msgspec.json.decode(text, type=Order)
                if isinstance(order, Close):
                    return
                if isinstance(order, Connect):
                    self._connect(order)
                else:
                    follow = self._ask if isinstance(order, Ask) else self._begin
                    threading.Thread(target=follow, args=(order,), daemon=True).start()
        finally:
            self._leave()

    def _leave(self) -> None:
        """Let go: the processes on other machines end with their keepers, and remove what was brought there."""
        if self._nodes and not self._gone:  # Ray would wait for a head that is gone
            import ray

            there = [node.keeper.stop.remote() for node in self._nodes.values() if not node.gone]
            if there:
                ray.wait(there, num_returns=len(there), timeout=_STOP_S)
            for node in self._nodes.values():
                with contextlib.suppress(ValueError, ray.exceptions.RayError):
                    ray.kill(node.keeper)
            ray.shutdown()
        if self._simulated is not None:
            self._simulated.stop()

    # Connecting -------------------------------------------------------------------------------------------------------

    def _connect(self, order: Connect) -> None:
        try:
            self._reports.send(Connected(nodes=tuple(self._reach(order))))
        except FwevalError as error:
            self._reports.send(refused(error))

    def _reach(self, order: Connect) -> Iterator[Found]:
        self._address = self._where(order.on)
        host, _, port = self._address.rpartition(":")
        os.chdir("/")  # workers look for modules in the folder of whoever has tasks done
        _demand_listener(host, int(port))
        import ray

        late = threading.Timer(_INIT_S, self._give_up)  # Ray would wait for minutes, in native code
        late.start()
        _init(self._address)
        late.cancel()
        if order.exclusive:
            self._hold(order.who)
        own = ray.get_runtime_context().get_node_id()
        names = _Names()
        found = [(names.of(each), each) for each in ray.nodes() if each["Alive"]]
        found = sorted(((name, each) for name, each in found if name != HEAD), key=lambda one: one[0])
        with_ours = [(name, each) for name, each in found if each["Resources"].get(ray_settings.RESOURCE)]
        starting = {name: _keeper(each["NodeID"]) for name, each in with_ours}
        asked = {name: keeper.path.remote() for name, keeper in starting.items()}
        for name, each in found:
            known: dict[str, Any] = {"name": name, "address": each["NodeManagerAddress"], "here": each["NodeID"] == own}
            if name not in starting:
                yield Found(
                    **known,
                    refused=f"it was started without the resource '{ray_settings.RESOURCE}'",
                    remedy="start it with `fweval node`, or with what that prints by --print",
                )
                continue
            said = _path(asked[name])
            if isinstance(said, Refused):
                yield Found(**known, refused=said.message, remedy=said.remedy)
                continue
            self._nodes[name] = Reached(name=name, id=each["NodeID"], keeper=starting[name], path=said)
            yield Found(**known)
        threading.Thread(target=self._watch, daemon=True).start()
        threading.Thread(target=self._watch_own, args=(ray_pid(),), daemon=True).start()
        threading.Thread(target=self._watch_head, args=(host, int(port)), daemon=True).start()

    def _give_up(self) -> None:
        said = f"what listens at {self._address} does not answer as a Ray cluster of this version and token does"
        self._reports.send(Refused(message=said, remedy=_START))
        os._exit(3)

    def _where(self, on: str) -> str:
        """Return the address of a cluster; one of simulated nodes is started."""
        if on.startswith(_SCHEME):
            os.environ.update(ray_settings.of_drivers())
            return on.removeprefix(_SCHEME)
        _, _, count = on.partition(":")
        self._simulated = Simulated(int(count or _DEFAULT_NODES))
        return self._simulated.address

    def _hold(self, who: str) -> None:
        import ray

        from evaluator.nodes import ray_tasks

        try:
            holder: Any = ray_tasks.Holder
            self._holder = holder.options(name=_HOLDER, namespace=_NAMESPACE).remote(who.encode())
            ray.get(self._holder.who.remote(), timeout=_KEEPER_S)
        except ValueError as error:  # the name is taken
            raise UsageError(
                f"another run is at work on this cluster: {line(_held_by())}",
                remedy="wait for it, or measure on another cluster: two runs would disturb each other",
            ) from error
        except ray.exceptions.RayError as error:
            raise IncompleteEvidence(
                f"the cluster at {self._address} starts nothing: {line(str(error))}", remedy="see its logs"
            ) from error

    # Watching ---------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Say which machines are gone: Ray knows some seconds after it happened."""
        import ray

        while True:
            time.sleep(_LOOK_EVERY_S)
            with contextlib.suppress(RuntimeError, OSError, ray.exceptions.RayError):  # `_watch_head` notices
                alive = {each["NodeID"] for each in ray.nodes() if each["Alive"]}
                for node in self._nodes.values():
                    if node.id not in alive:
                        self._lose(node, "Ray has heard nothing of it for some seconds")

    def _watch_head(self, host: str, port: int) -> None:
        """Say that the cluster is gone when its head does not listen any more."""
        missed = 0
        while missed < 2:
            time.sleep(_LOOK_EVERY_S)
            try:
                socket.create_connection((host, port), _TCP_S).close()
                missed = 0
            except OSError:
                missed += 1
        self._end(f"nothing listens at {self._address} any more")

    def _end(self, why: str) -> None:
        self._gone = True
        self._reports.send(ClusterGone(why=why))

    def _watch_own(self, raylet: int | None) -> None:
        """Say that the cluster is gone when Ray's process on this machine has ended, by which all goes."""
        if raylet is None:
            return
        with contextlib.suppress(ProcessLookupError):
            file = os.pidfd_open(raylet)
            select.select([file], [], [])
        self._end("Ray ended on the machine that the run is made on")

    def _lose(self, node: Reached, why: str) -> None:
        if not node.gone:
            node.gone = True
            self._reports.send(NodeGone(node=node.name, why=why))

    # Asking -----------------------------------------------------------------------------------------------------------

    def _ask(self, order: Ask) -> None:
        node = self._nodes.get(order.node)
        try:
            if node is None or node.gone:
                raise IncompleteEvidence(f"{order.node} is not there any more", remedy="start it again, then resume")
            answer = self._answered(node, order.question)
        except FwevalError as error:
            answer = [refused(error)]
        self._reports.send(Said(id=order.id, frames=tuple(answer)))

    def _answered(self, node: Reached, question: Record, more: Iterable[bytes] = ()) -> list[Any]:
        """Return the frames of an answer of a machine's process."""
        import ray

        asking = itertools.chain((framed(encoded(question)),), (framed(frame) for frame in more), (framed(b""),))
        try:
            with node.sending:  # one line at a time
                ray.get(node.keeper.begin.remote(node.path, next(asking)))
                for batch in _batches(asking):
                    ray.get(node.keeper.more.remote(batch))
                wire = ray.get(node.keeper.end.remote())
        except (ray.exceptions.RayActorError, ray.exceptions.NodeDiedError) as error:
            self._lose(node, "fweval's process there ended")
            raise IncompleteEvidence(f"{node.name} is lost", remedy="start it again, then resume the run") from error
        except ray.exceptions.RayError as error:
            raise IncompleteEvidence(
                f"{node.name} cannot be asked: {line(str(error).strip().splitlines()[-1])}", remedy=_logs(node.name)
            ) from error
        found = [msgspec.json.decode(frame, type=Frame) for frame in Unframer().take(wire)]
        if not found:
            raise IncompleteEvidence(f"{node.name} gave no answer", remedy=_logs(node.name))
        return found

    # Jobs -------------------------------------------------------------------------------------------------------------

    def _begin(self, order: Begin) -> None:
        job = order.question.job
        node = self._nodes.get(order.node)
        if node is None or node.gone:
            self._reports.send(JobLost(job=job, why="it is not there any more"))
            return
        for each in self._nodes.values():  # what these steps left there before is of another time
            each.has.difference_update(f"steps/{step.id}" for step in order.question.steps)
        try:
            self._bring(node, order)
            ended = self._done(node, order)
        except FwevalError as error:
            if _is_gone(node):
                self._reports.send(JobLost(job=job, why=error.message))
                return
            ended = refused(error)
        except OSError as error:  # of this machine's disk
            known = refusal(error)
            ended = refused(known) if known is not None else Refused(message=f"files cannot be kept: {error}")
        if ended is not None:
            self._reports.send(OfJob(job=job, what=ended))

    def _bring(self, node: Reached, order: Begin) -> None:
        """Send what the job needs and is not there yet."""
        needed = {f"steps/{Path(each).name}": Path(each) for each in order.needed}
        wanted = {**needed, **{name: Path(path) for name, path in order.files.items()}}
        lacking = {name: path for name, path in wanted.items() if name not in node.has and path.exists()}
        if not lacking:
            return
        content = itertools.chain.from_iterable(frames(path, name) for name, path in lacking.items())
        answer = self._answered(node, Keep(), content)[-1]
        if isinstance(answer, Refused):
            raise answer.error(node.name)
        node.has.update(lacking)

    def _done(self, node: Reached, order: Begin) -> Done | Refused | None:
        """Have the steps done and their folders brought here; None when the job is lost, which was said."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from evaluator.nodes.ray_tasks import at_work

        place = Place(Path(order.place), [step.id for step in order.question.steps])
        pinned = NodeAffinitySchedulingStrategy(node.id, soft=False)
        options = {"num_returns": "streaming", "scheduling_strategy": pinned, "_generator_backpressure_num_objects": 4}
        unframer, last = Unframer(), None
        try:
            task = at_work.options(resources={ray_settings.RESOURCE: order.share}, **options)
            for piece in task.remote(node.path, framed(encoded(order.question))):
                for frame in unframer.take(ray.get(piece)):
                    last = place.take(frame, lambda heard: self._tell(order, heard)) or last
            if isinstance(last, Done):
                place.keep()
                node.has.update(f"steps/{step.id}" for step in order.question.steps)
        except ray.exceptions.RayError:
            last = None
        finally:
            place.clear()
        if last is None:
            self._demand(node)
            self._reports.send(JobLost(job=order.question.job, why="its process there ended without an answer"))
        return last

    def _demand(self, node: Reached) -> None:
        """Look whether a machine is there that ended a job without an answer: its keeper knows before Ray does."""
        import ray

        try:
            there = ray.get(node.keeper.is_there.remote(), timeout=_TCP_S)
        except (ray.exceptions.RayError, ray.exceptions.GetTimeoutError):
            there = b""
        if not there:
            self._lose(node, "fweval's process there ended")

    def _tell(self, order: Begin, heard: Heard) -> None:
        self._reports.send(OfJob(job=order.question.job, what=heard))


class Place:
    """The folder here into which the folders of steps arrive, each whole or not at all."""

    def __init__(self, steps: Path, ids: list[str]) -> None:
        self._steps = steps
        self._ids = ids
        self._part = steps / f"{_PART}{secrets.token_hex(4)}"
        self._receiver = Receiver(self._part)

    def take(self, frame: bytes, tell: Callable[[Heard], None]) -> Done | Refused | None:
        """Take what arrives; return what ends it."""
        if frame.startswith(b"{"):
            record = msgspec.json.decode(frame, type=Frame)
            if isinstance(record, Heard):
                tell(record)
                return None
            if not isinstance(record, Sent):
                self._receiver.end()
                return record if isinstance(record, Done | Refused) else None
        self._receiver.frame(frame)
        return None

    def keep(self) -> None:
        """Put the folders where they belong."""
        for name in self._ids:
            arrived = self._part / "steps" / name
            if arrived.is_dir():
                shutil.rmtree(self._steps / name, ignore_errors=True)
                arrived.rename(self._steps / name)

    def clear(self) -> None:
        """Remove what did not arrive whole."""
        remove(self._part)


class Simulated:
    """A cluster of simulated nodes on this machine (`ray_simulated.py`)."""

    def __init__(self, count: int) -> None:
        """Start it; Ray gives up on a node that takes long to start, as on a busy machine it may: then once more."""
        os.environ.update({**ray_settings.of_drivers(), **ONE_MACHINE})
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        for _ in range(_TRIES):
            self.address, said = self._start(count)
            if self.address:
                return
            self.stop()
        raise IncompleteEvidence(
            f"no cluster of simulated nodes could be started: {line(said or 'it said nothing')}",
            remedy="see whether Ray starts here at all: ray start --head",
        )

    def _start(self, count: int) -> tuple[str, str]:
        """Return its address, and without one what it said last."""
        self.folder = Path(tempfile.mkdtemp(prefix="fweval-ray-"))
        os.environ["RAY_TMPDIR"] = str(self.folder)
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "evaluator.nodes.ray_simulated", str(self.folder), str(count)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # it ends with its standard input, whatever becomes of this process
            )
        assert self._process.stdout is not None  # noqa: S101  # it is a pipe
        address = self._process.stdout.readline().decode().strip()
        said = (self.folder / "log").read_text(errors="replace").strip().splitlines()
        return address, said[-1] if said else ""

    def stop(self) -> None:
        """End all of its processes, and remove what they wrote."""
        from evaluator.children import processes

        assert self._process.stdin is not None  # noqa: S101  # it is a pipe
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        processes.wait(self._process, _STOP_S)
        processes.end_group(self._process, first=signal.SIGTERM, grace_s=_TCP_S)
        shutil.rmtree(self.folder, ignore_errors=True)


def _held_by() -> str:
    """Return who holds the cluster, as far as that is told."""
    import ray

    try:
        other = ray.get_actor(_HOLDER, namespace=_NAMESPACE)
        return str(ray.get(other.who.remote(), timeout=_TCP_S).decode())
    except (ValueError, ray.exceptions.RayError):
        return "somebody who does not say"


def ray_pid() -> int | None:
    """Return the number of the process of Ray's by which this one reaches the cluster; None where that is not known."""
    import ray

    name = ray._private.worker._global_node.raylet_socket_name  # noqa: SLF001  # nothing public tells
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words and words[0].endswith("/raylet") and any(word.endswith(f"={name}") for word in words):
            return int(process.pid)
    return None


def _is_gone(node: Reached) -> bool:
    return node.gone


class _Names:
    """What machines are called: as they were labelled, or by their host's name; each name once."""

    def __init__(self) -> None:
        self._known: dict[str, int] = defaultdict(int)

    def of(self, node: dict[str, Any]) -> str:
        """Name a node of Ray's."""
        labelled = (node.get("Labels") or {}).get(ray_settings.LABEL)
        name = line(labelled or node["NodeManagerHostname"] or node["NodeManagerAddress"])
        self._known[name] += 1
        return name if self._known[name] == 1 else f"{name}-{self._known[name]}"


def _demand_listener(host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), _TCP_S).close()
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise IncompleteEvidence(f"no cluster answers at {host}:{port}: {line(why.lower())}", remedy=_START) from error


def _init(address: str) -> None:
    """Become a driver of the cluster; what is no cluster, or does not take us, is said in one line."""
    import ray

    from evaluator.nodes import ray_tasks  # noqa: F401  # before: what cannot be imported is none of the cluster's

    try:
        ray.init(
            address=address,
            namespace=_NAMESPACE,
            log_to_driver=False,
            configure_logging=False,
            logging_level="critical",
        )
    except (RuntimeError, ConnectionError, ValueError, OSError, ray.exceptions.RayError) as error:
        if type(error).__name__ == "AuthenticationError":
            raise UsageError(f"there is no token for the cluster at {address}", remedy=_TRUST) from error
        said = line(" ".join(str(error).split()), _LONGEST) or type(error).__name__
        raise IncompleteEvidence(
            f"the cluster at {address} does not take this machine: {said}", remedy=_JOIN
        ) from error


def _keeper(node: str) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from evaluator.nodes import ray_tasks

    keeper: Any = ray_tasks.Keeper
    return keeper.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote()


def _path(asked: Any) -> bytes | Refused:
    import ray

    try:
        said: bytes = ray.get(asked, timeout=_KEEPER_S)
    except (ray.exceptions.RayError, ray.exceptions.GetTimeoutError) as error:
        last = line(str(error).strip().splitlines()[-1])
        return Refused(message=f"fweval cannot be started there: {last}", remedy="install the same fweval[ray] there")
    if said.startswith(b"{"):
        return msgspec.json.decode(said, type=Refused)
    if not said:
        return Refused(message="fweval ended at once there", remedy="see the logs of Ray's workers there")
    return said


def _batches(wires: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what is to be sent in few calls."""
    batch = bytearray()
    for wire in wires:
        batch += wire
        if len(batch) >= _BATCH_BYTES:
            yield bytes(batch)
            batch.clear()
    if batch:
        yield bytes(batch)


def _logs(node: str) -> str:
    return f"see the logs of Ray's workers on {node}, then resume the run"


if __name__ == "__main__":
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a person's Ctrl-C is for the run, which lets go in order
    Driver().run()
    os._exit(0)  # Ray would wait for a cluster that is gone
