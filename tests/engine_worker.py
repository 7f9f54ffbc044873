"""The worker of a step whose stage only pretends: it does what `settings["do"]` says, for real, and needs no framework.

Started by `engine.child` in place of `evaluator.children.worker`, which does all the rest.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path

from evaluator.children import processes, worker
from evaluator.children.work import Work, blame
from evaluator.core.errors import IncompleteEvidence, Unavailable, Unsupported
from evaluator.core.outcome import Outcome
from evaluator.core.records import Measured
from evaluator.core.turns import Track


def work(work: Work) -> Measured:
    measured: Measured = globals()[f"do_{work.step.settings['do']}"](work)
    return measured


def do_pass(work: Work) -> Measured:
    time.sleep(work.step.settings.get("seconds", 0.0))
    return Measured(metrics={"ready_s": 42.0}, files={"log": "stdout"})


def do_refuse(work: Work) -> Measured:
    return Measured(outcome=Outcome.FAILED, reason="outputs differ", metrics={"max_rel_diff": 1.0})


def do_subject(work: Work) -> Measured:
    with blame("exporting to Paper"):
        raise ValueError("no ink\nand a page of advice")


def do_bug(work: Work) -> Measured:
    raise ValueError("we forgot something")


def do_unsupported(work: Work) -> Measured:
    raise Unsupported("no converter for erf", remedy="use tanh")


def do_unavailable(work: Work) -> Measured:
    raise Unavailable("no engine", remedy="start one")


def do_incomplete(work: Work) -> Measured:
    raise IncompleteEvidence("artifact.json is damaged", remedy="resume the run")


def do_diverge(work: Work) -> Measured:
    return Measured(metrics={"final_loss": float("nan"), "steps": 3})


def do_undeclared(work: Work) -> Measured:
    return Measured(metrics={"warp_factor": 9.0, "steps": 3})


def do_foreign(work: Work) -> Measured:
    import numpy as np

    return Measured(metrics={"final_loss": np.float32(1)})  # type: ignore[dict-item]  # the mistake to be caught


def do_fill_the_disk(work: Work) -> Measured:
    with Path("/dev/full").open("w") as file:
        file.write("a sample")
    raise AssertionError


def do_tell_environment(work: Work) -> Measured:
    (work.folder / "environment.json").write_text(json.dumps(dict(os.environ)))
    blocked = [each.name for each in signal.pthread_sigmask(signal.SIG_BLOCK, ())]  # type: ignore[union-attr]
    (work.folder / "priority.json").write_text(json.dumps({"nice": os.nice(0), "blocked": blocked}))
    return Measured()


def do_read_given(work: Work) -> Measured:
    """Read the file of a model of one's own, and what lies beside it."""
    path = Path(work.step.settings["scenario"]["settings"]["origin"].rpartition(":")[0])
    beside = path.parent / "parts" / "b.txt"
    told = {"path": str(path), "code": path.read_text(), "beside": beside.read_text()}
    (work.folder / "read.json").write_text(json.dumps(told))
    return Measured()


def do_fill_the_run(work: Work) -> Measured:
    """Leave no byte on the disk of the run, unless there is said to be room."""
    run = work.steps.parent
    if not (run / "room").exists():
        with (run / "filler").open("wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"x" * size):
                        pass
    return Measured()


def do_segfault(work: Work) -> Measured:
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def do_killed(work: Work) -> Measured:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def do_leave(work: Work) -> Measured:
    os._exit(3)


def do_exit(work: Work) -> Measured:
    sys.exit("an exporter that exits")


def do_hang(work: Work) -> Measured:
    tempfile.mkdtemp()
    (work.folder / "at_work").touch()
    time.sleep(60)
    raise AssertionError


def do_spin(work: Work) -> Measured:
    while True:
        pass


def do_be_deaf(work: Work) -> Measured:
    """Ignore what can be ignored, as code in C does that never comes back, here and in a child of the same session."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.fork()
    with (work.folder / "pids").open("a") as file:
        file.write(f"{os.getpid()}\n")
    while True:
        time.sleep(60)


def do_eat(work: Work) -> Measured:
    return Measured(metrics={"cases": len(bytearray(work.step.memory_bytes))})


def do_eat_in_the_subject(work: Work) -> Measured:
    with blame("exporting to Paper"):
        return do_eat(work)


def do_eat_in_cpp(work: Work) -> Measured:
    with blame("exporting to Paper"):
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp:128] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
            "allocate 4294967296 bytes. Error code 12 (Cannot allocate memory)"
        )


def do_eat_of_a_gpu(work: Work) -> Measured:
    with blame("exporting to Paper"):
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 7.79 GiB")


def do_eat_what_nobody_has(work: Work) -> Measured:
    """A size that is wrong wants memory, too."""
    with blame("exporting to Paper"):
        raise RuntimeError(
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4611686018427387904 bytes. Error code 12"
        )


def do_abort_in_cpp(work: Work) -> Measured:
    print("terminate called after throwing an instance of 'std::bad_alloc'", file=sys.stderr, flush=True)  # noqa: T201
    os.abort()


def do_abort_without_threads(work: Work) -> Measured:
    """As TensorFlow was seen to do."""
    said = "F0000 env.cc:84] Check failed: ret == 0 (11 vs. 0) Thread tf_Compute creation via pthread_create() failed."
    print(said, file=sys.stderr, flush=True)  # noqa: T201
    os.abort()


def do_leave_children(work: Work) -> Measured:
    """Start one process in our session and one in a session of its own, as servers are; then do as told."""
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    own = processes.start(
        sleeper, env={}, cwd=work.folder, stdout=work.folder / "server.log", stderr=work.folder / "server.log"
    )
    pids = [subprocess.Popen(sleeper).pid, own.pid]
    (work.folder / "pids.part").write_text(json.dumps(pids))
    (work.folder / "pids.part").rename(work.folder / "pids.json")
    return do_pass(work)


def do_take_turns(work: Work, block: Callable[[int], object] = lambda _: None) -> Measured:
    """Be asked for calls that take `call_s`; `block` is what else each does."""
    settings = work.step.settings
    track = Track(
        name="latency", min_calls=6, min_blocks=settings.get("min_blocks", 4), block_s=settings.get("block_s", 0.02)
    )

    def call(index: int) -> None:
        time.sleep(settings.get("call_s", 0.002))
        (work.folder / "asked").touch()
        block(index)

    taken = work.turns.take({track: call})
    taken.write(work.folder)
    return Measured(metrics=taken.metrics())


def _in_the_second_block(what: Callable[[], object]) -> Callable[[int], object]:
    return lambda index: what() if index > 20 else None


class _Slow:
    """Trains nothing, and takes its time; hangs in one step if it is told to."""

    own_seconds: float | None = None

    def __init__(self, step_s: float, hangs_in: int | None) -> None:
        self._step_s, self._hangs_in, self._taken = step_s, hangs_in, 0

    def step(self, inputs: object, labels: object) -> float:
        del inputs, labels
        self._taken += 1
        time.sleep(60 if self._taken == self._hangs_in else self._step_s)
        return float(self._taken)


def do_train(work: Work) -> Measured:
    """Train as the stage does, in so many steps."""
    import numpy as np

    from evaluator.stages._course import Course

    told = work.step.settings
    course = Course(_Slow(told["step_s"], told.get("hangs_in")), [({}, np.zeros(1))] * told["steps"])
    course.run(work.turns).write(work.folder)
    return Measured(metrics={"steps": len(course.losses), "final_loss": course.losses[-1]})


def do_die_in_a_turn(work: Work) -> Measured:
    return do_take_turns(work, _in_the_second_block(lambda: os._exit(3)))


def do_hang_in_a_turn(work: Work) -> Measured:
    return do_take_turns(work, _in_the_second_block(lambda: time.sleep(60)))


def do_fail_in_a_turn(work: Work) -> Measured:
    def fail() -> None:
        raise ValueError("no ink")

    with blame("asking Paper"):
        return do_take_turns(work, _in_the_second_block(fail))


def do_grow_in_a_turn(work: Work) -> Measured:
    with blame("asking Paper"):
        return do_take_turns(work, _in_the_second_block(lambda: bytearray(work.step.memory_bytes)))


def do_never_be_ready(work: Work) -> Measured:
    with blame("loading Paper"):
        raise ValueError("no ink")


def do_look_beside(work: Work) -> Measured:
    """Look into the folder of the step that this one needs."""
    found = sorted(path.name for path in work.need("artifact").iterdir())
    return Measured(metrics={"cases": len(found)}, outcome=Outcome.PASSED if found else Outcome.FAILED)


def do_look(work: Work) -> Measured:
    (work.folder / "environment.json").write_text(json.dumps(dict(os.environ)))
    return Measured(metrics={"cases": Path(tempfile.gettempdir()).stat().st_mode & 0o777})


if __name__ == "__main__":
    stage = f"evaluator.stages.{json.loads((Path(sys.argv[1]) / 'job.json').read_text())['stage']}"
    with contextlib.suppress(ModuleNotFoundError):  # of a stage that there is, only what it does is put on:
        importlib.import_module(stage)  # others import from its file
    module = sys.modules.setdefault(stage, types.ModuleType(stage))
    module.plugin = types.SimpleNamespace(work=work)  # type: ignore[attr-defined]
    sys.exit(worker.main(sys.argv[1:]))
