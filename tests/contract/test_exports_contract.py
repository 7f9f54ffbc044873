"""The questions that every format, every exporter, every runtime and every device must answer the same way."""

import configparser
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.contracts import Question, cases
from evaluator.core import machine, registry
from evaluator.core.coordinates import DEVICE
from evaluator.core.records import FRAMEWORKS, Signature
from exports.contract import Device, Exporter, Format, Runtime, Session, Variant
from tests.engine import MACHINE

ROOT = Path(__file__).resolve().parents[2]
PATHS = ("server", "mobile", "portable", "web")
HEAVY = ("torch", "tensorflow", "keras", "onnx", "onnxruntime", "tf2onnx", "tflite_runtime", "ai_edge_litert")

FORMATS: tuple[Format, ...] = registry.load_all("format")
EXPORTERS: tuple[Exporter, ...] = registry.load_all("exporter")
RUNTIMES: tuple[Runtime, ...] = registry.load_all("runtime")
DEVICES: tuple[Device, ...] = registry.load_all("device")
VARIANTS: tuple[Variant, ...] = registry.load_all("variant")

each_format = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
each_exporter = pytest.mark.parametrize("exporter", EXPORTERS, ids=lambda exporter: exporter.name)
each_runtime = pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
each_device = pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.name)
each_variant = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)


def extras() -> dict[str, tuple[str, ...]]:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return {extra: tuple(lines.split()) for extra, lines in parser["options.extras_require"].items()}


@pytest.mark.parametrize(
    ("question", "plugin"), cases("format", "exporter", "runtime", "device", "variant"), ids=lambda each: each.name
)
def test_it_answers_what_every_plug_in_is_asked(question: Question, plugin: Any) -> None:
    todo = question(plugin)
    assert todo is None, f"{question.sentence} {todo}"


def test_every_framework_has_a_standard_exporter() -> None:
    assert {exporter.origin for exporter in EXPORTERS if exporter.standard} == set(FRAMEWORKS)


@each_device
def test_a_device_that_is_lacking_comes_with_a_remedy_and_any_other_with_a_description(device: Device) -> None:
    lacking = device.lacking()
    assert all(lacking or (device.describe(MACHINE),))
    assert lacking is None or device.name != DEVICE


class _Paper(Runtime):
    """Says what it was asked."""

    name = "paper"

    @contextmanager
    def load(self, artifact: Path, signature: Signature, *, device: str, threads: int) -> Iterator[Session]:
        yield lambda _: {device: np.array(threads)}

    def placement(self, artifact: Path) -> dict[str, int]:
        return {"Paper": 1}


@pytest.mark.parametrize("device", [each for each in DEVICES if each.environment is None], ids=lambda each: each.name)
def test_a_device_of_this_machine_leaves_the_work_to_the_runtime(device: Device, tmp_path: Path) -> None:
    with device.load(_Paper(), tmp_path, Signature(inputs=(), outputs=()), threads=3) as session:
        assert session({}) == {device.name: 3}
    assert device.placement(_Paper(), tmp_path) == ({"Paper": 1} if device.name == DEVICE else {})


@each_exporter
def test_what_an_exporter_needs_is_in_its_frameworks_extra(exporter: Exporter) -> None:
    assert exporter.distributions
    known = {name for framework in FRAMEWORKS for name in extras()[framework]}
    for distribution in exporter.distributions:
        assert distribution in (known if exporter.route == "crossing" else extras()[exporter.origin]), (
            f"setup.cfg, [options.extras_require]: add the line `    {distribution}` below `{exporter.origin} =`"
        )


@each_runtime
def test_what_a_runtime_needs_is_in_an_extra(runtime: Runtime) -> None:
    known = {distribution for lines in extras().values() for distribution in lines}
    if runtime.environment is None:
        assert runtime.distributions or runtime.stands_for, "what fweval computes itself needs numpy alone"
    if runtime.environment is None and not machine.missing(runtime.distributions):
        assert importlib.util.find_spec(runtime.module.partition(".")[0])  # the whole path would import the framework
    for distribution in runtime.distributions:
        assert distribution in known, (
            f"setup.cfg, [options.extras_require]: add the line `    {distribution}` below `runtimes =`"
        )


def test_listing_and_importing_plugins_imports_no_framework() -> None:
    program = (
        "import sys; from evaluator.core import registry;"
        "[registry.load_all(kind) for kind in ('format', 'exporter', 'runtime', 'device')];"
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == []
