"""The questions that every format, every exporter, every runtime and every device must answer the same way."""

import configparser
import importlib.util
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from evaluator.children import environments
from evaluator.core import machine, registry
from evaluator.core.coordinates import DEVICE
from evaluator.core.records import FRAMEWORKS, PRECISIONS, Signature
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


@each_format
def test_a_format_is_named_like_its_file(form: Format) -> None:
    assert type(form).__module__ == f"exports.formats.{form.name}"


@each_exporter
def test_an_exporter_is_named_like_its_file(exporter: Exporter) -> None:
    assert type(exporter).__module__ == f"exports.exporters.{exporter.name}"


@each_runtime
def test_a_runtime_is_named_like_its_file(runtime: Runtime) -> None:
    assert type(runtime).__module__ == f"exports.runtimes.{runtime.name}"


@each_device
def test_a_device_is_named_like_its_file(device: Device) -> None:
    assert type(device).__module__ == f"exports.devices.{device.name}"


@pytest.mark.parametrize(
    "plugins",
    [FORMATS, EXPORTERS, RUNTIMES, DEVICES, VARIANTS],
    ids=["formats", "exporters", "runtimes", "devices", "variants"],
)
def test_titles_are_there_and_differ(plugins: tuple[Format | Exporter | Runtime | Device | Variant, ...]) -> None:
    titles = Counter(plugin.title for plugin in plugins)
    assert all(titles)
    assert max(titles.values()) == 1, f"the same title twice: {titles.most_common(1)}"


@each_format
def test_a_format_says_what_it_is_for_and_has_an_exporter(form: Format) -> None:
    assert form.path in PATHS
    assert form.suffixes
    assert any(exporter.format == form.name for exporter in EXPORTERS), f"no exporter writes {form.name}"


@each_exporter
def test_an_exporter_says_where_it_comes_from_and_what_it_cannot(exporter: Exporter) -> None:
    assert exporter.origin in FRAMEWORKS
    assert exporter.layout in FRAMEWORKS
    assert exporter.format in {form.name for form in FORMATS}
    assert exporter.route in ("native", "crossing")
    assert set(exporter.cannot) < set(PRECISIONS)
    assert all(reason.strip() and reason == reason.strip() for reason in exporter.cannot.values())
    if exporter.standard:
        assert exporter.environment is None, "in every profile there are no environments"
        assert PRECISIONS[0] not in exporter.cannot


def test_a_framework_has_one_standard_exporter_to_a_format() -> None:
    standard = Counter((exporter.origin, exporter.format) for exporter in EXPORTERS if exporter.standard)
    assert max(standard.values()) == 1
    assert {origin for origin, _ in standard} == set(FRAMEWORKS)


@each_format
def test_a_format_has_a_runtime(form: Format) -> None:
    assert any(form.name in runtime.formats for runtime in RUNTIMES), f"no runtime lists {form.name} in its formats"


@each_runtime
def test_a_runtime_reads_formats_that_exist_on_devices_that_exist(runtime: Runtime) -> None:
    assert runtime.formats
    assert set(runtime.formats) <= {form.name for form in FORMATS}
    assert DEVICE in runtime.devices
    assert set(runtime.devices) <= {device.name for device in DEVICES}


@each_device
def test_a_device_says_when_it_is_planned_what_it_needs_and_what_its_children_see(device: Device) -> None:
    asked_for = {each.name for each in DEVICES if each.beside is None}
    assert DEVICE in asked_for
    assert device.beside is None or device.beside in asked_for
    assert device.beside is not None or not device.slow, "what is timed is computed by real hardware"
    assert device.beside is not None or device.environment is None, "in every profile there are no environments"
    assert device.environment in {None, *environments.names()}
    assert device.time_factor >= 1.0
    assert set(device.variables) == set(registry.load("device", DEVICE).variables)  # each says what others see, too
    assert any(device.name in runtime.devices for runtime in RUNTIMES), "no runtime lists it in its devices"


@each_device
def test_a_device_that_is_lacking_comes_with_a_remedy_and_any_other_with_a_description(device: Device) -> None:
    lacking = device.lacking()
    assert all(lacking or (device.describe(MACHINE),))
    assert lacking is None or device.name != DEVICE


@each_variant
def test_a_variant_is_named_like_its_file_and_says_what_it_sets(variant: Variant) -> None:
    assert type(variant).__module__ == f"exports.variants.{variant.name}"
    assert variant.summary.strip() == variant.summary
    assert not variant.summary.endswith(".")


@each_variant
@pytest.mark.parametrize("cores", [1, 2, 3, 4, 64])
def test_a_variant_changes_something_wherever_it_applies(variant: Variant, cores: int) -> None:
    """What would measure the default a second time, or ask for cores that are not there, is not planned."""
    threads = variant.threads(cores)
    assert 1 <= threads <= cores
    wherever = [runtime for runtime in RUNTIMES if variant.applies(runtime, cores)]
    assert not wherever or variant.variables or threads < cores
    assert wherever or cores < 4, "it applies to no runtime"


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 64])
def test_no_two_variants_of_a_runtime_are_the_same(cores: int) -> None:
    for runtime in RUNTIMES:
        planned = [(each.threads(cores), *each.variables.items()) for each in VARIANTS if each.applies(runtime, cores)]
        assert len(planned) == len(set(planned))


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
        assert runtime.distributions
    if runtime.environment is None and not machine.missing(runtime.distributions):
        assert importlib.util.find_spec(runtime.module.partition(".")[0])  # the whole path would import the framework
    for distribution in runtime.distributions:
        assert distribution in known, (
            f"setup.cfg, [options.extras_require]: add the line `    {distribution}` below `runtimes =`"
        )


@pytest.mark.parametrize(
    "plugin", [*FORMATS, *EXPORTERS, *RUNTIMES, *DEVICES], ids=lambda plugin: f"{type(plugin).__module__}"
)
def test_a_plugin_explains_itself_and_links_its_source(plugin: Format | Exporter | Runtime | Device) -> None:
    text = sys.modules[type(plugin).__module__].__doc__ or ""
    assert "https://" in text
    if isinstance(plugin, Format):
        assert "What is lost:" in text


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
