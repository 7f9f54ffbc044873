"""Nothing of ours on the scale: started processes and loaded runtimes have what is declared or default, no more."""

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from evaluator.children import engine
from evaluator.core import machine, registry, settings
from evaluator.core.records import Signature
from evaluator.stages._fresh import ask
from exports.contract import Variant
from exports.devices._once import Job
from serving.contract import Bundle, Server, Setup
from serving.launchers.container import ServerContainer
from serving.ports import free_ports
from tests import children
from tests.containers import launcher_or_skip
from tests.engine import child, make_step
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(360)]

# What a person may have set, for other programs or for the last experiment.
TUNED = {
    "OMP_WAIT_POLICY": "ACTIVE",
    "GOMP_SPINCOUNT": "7",
    "KMP_BLOCKTIME": "0",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
    "JAVA_TOOL_OPTIONS": "-Xint",
    "PYTHONHASHSEED": "random",
}
VARIANTS: tuple[Variant, ...] = registry.load_all("variant")
PLACES = [("torchserve", "process"), ("torchserve", "container")] + [
    ("tensorflow_serving", how) for how in ("process", "embedded", "container")
]


@pytest.fixture(autouse=True)
def tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TUNED.items():
        monkeypatch.setenv(name, value)


def environment(pid: int) -> dict[str, str]:
    """Read what a process was really started with."""
    pairs = (pair.partition("=") for pair in Path(f"/proc/{pid}/environ").read_text().split("\0") if pair)
    return {name: value for name, _, value in pairs}


def assert_as_by_default(found: Mapping[str, str], threads: int, also: Mapping[str, str] | None = None) -> None:
    """Compare an environment with the one that fweval was started in: what differs is declared, with its reason."""
    ours = {name: value for name, value in found.items() if os.environ.get(name) != value} | {
        name: found[name] for name in TUNED if name in found
    }
    assert ours.keys() - settings.VARIABLES.keys() == (also or {}).keys()
    assert {name: ours[name] for name in also or {}} == (also or {})
    assert found["OMP_NUM_THREADS"] == str(threads)


@pytest.fixture
def at_work(tmp_path: Path) -> Iterator[Any]:
    started = []

    def start(**fields: Any) -> int:
        step = make_step("a", stage="run", settings={"seconds": 60.0, "threads": fields.pop("threads", 2)}, **fields)
        started.append(child(step, tmp_path / step.id))
        return int(started[-1].process.pid)

    yield start
    for each in started:
        each.interrupt()


@pytest.mark.parametrize("device", registry.names("device"))
def test_a_step_has_the_default_environment(at_work: Any, device: str) -> None:
    assert_as_by_default(environment(at_work(device=device)), 2)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_variant_has_what_it_says_and_no_more(at_work: Any, variant: Variant) -> None:
    found = environment(at_work(variant=variant.name, threads=variant.threads(8)))
    assert_as_by_default(found, variant.threads(8), variant.variables)


def test_a_step_is_scheduled_as_anything_else(at_work: Any) -> None:
    started, ours = psutil.Process(at_work()), psutil.Process()
    assert started.nice() == ours.nice()
    assert started.cpu_affinity() == ours.cpu_affinity()
    assert os.sched_getscheduler(started.pid) == os.sched_getscheduler(0)


def test_a_fresh_process_has_what_its_step_has_and_one_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is started by a step, whose environment is a default one."""
    for name in TUNED:
        monkeypatch.delenv(name)
    found: list[tuple[dict[str, str], int]] = []

    def at_once() -> list[psutil.Process]:
        return [each for each in psutil.Process().children() if "exports.devices._once" in line(each)]

    def watch() -> None:
        (fresh,) = until(at_once)
        fresh.send_signal(signal.SIGSTOP)
        found.append((environment(fresh.pid), len(fresh.cpu_affinity() or ())))
        fresh.send_signal(signal.SIGCONT)

    def line(process: psutil.Process) -> list[str]:
        try:
            return process.cmdline()
        except psutil.Error:
            return []

    watcher = threading.Thread(target=watch)
    watcher.start()
    ask(Job(runtime="onnx_runtime"), tmp_path, "runtime")
    watcher.join(20)
    ((variables, cores),) = found
    assert_as_by_default(variables, 1)
    assert cores == 1


def kept_of(running: Any) -> dict[str, str]:
    """Return the environment of a container's program, from the engine's record."""
    running._container.reload()
    return dict(pair.split("=", 1) for pair in running._container.attrs["Config"]["Env"])


def by_default_in(image: str, found: Mapping[str, str]) -> dict[str, str]:
    """Return what the makers of an image say, and what the engine tells every container."""
    with engine.connect() as client:
        told = client.images.get(image).attrs["Config"]["Env"] or ()
    engines = {name: found[name] for name in ("PATH", "HOSTNAME") if name in found}
    return {**engines, **dict(pair.split("=", 1) for pair in told)}


@pytest.mark.parametrize(("name", "how"), PLACES)
def test_a_server_has_the_default_environment(
    name: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not waited for: what it was started with is there at once."""
    server: Server = registry.load("server", name)
    launcher = launcher_or_skip(how, server)
    (tmp_path / "bundle").mkdir()
    bundle = Bundle(model="model", folder=tmp_path / "bundle", signature=Signature(inputs=(), outputs=()))
    setup = Setup(ports=free_ports(server.ports), images=server.images)
    with launcher.launch(server, bundle, setup, tmp_path / "server") as running:
        assert hasattr(running, "_members")
        # Without a model it may end before anybody looks: of a container, the engine keeps what it was started with.
        is_container = isinstance(running, ServerContainer)
        found = kept_of(running) if is_container else environment(running._members()[0])
    if isinstance(running, ServerContainer):
        for variable, value in by_default_in(str(launcher.image(server.images)), found).items():
            monkeypatch.setenv(variable, value)
    assert_as_by_default(found, machine.threads())


# A model as it is has no options, and a reference of our own is nobody's runtime.
RUNTIMES = [
    each.name
    for each in registry.load_all("runtime")
    if each.environment is None and not each.baseline and each.stands_for is None
]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_options_of_a_runtime_are_its_defaults_but_for_threads(runtime: str, tmp_path: Path) -> None:
    """The child compares what a loaded runtime has with what it has by default; it asks the runtime itself."""
    children.run(Path(__file__).with_name("settings_child.py"), runtime, tmp_path)
