"""The questions that every format, every exporter and every runtime must answer the same way."""

import configparser
import importlib.util
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from evaluator.core import machine, registry
from evaluator.core.records import FRAMEWORKS, PRECISIONS
from exports.contract import Exporter, Format, Runtime

ROOT = Path(__file__).resolve().parents[2]
PATHS = ("server", "mobile", "portable", "web")
DEVICES = ("cpu", "gpu", "arm64")
HEAVY = ("torch", "tensorflow", "keras", "onnx", "onnxruntime", "tf2onnx", "tflite_runtime", "ai_edge_litert")

FORMATS: tuple[Format, ...] = registry.load_all("format")
EXPORTERS: tuple[Exporter, ...] = registry.load_all("exporter")
RUNTIMES: tuple[Runtime, ...] = registry.load_all("runtime")

each_format = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
each_exporter = pytest.mark.parametrize("exporter", EXPORTERS, ids=lambda exporter: exporter.name)
each_runtime = pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)


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


@pytest.mark.parametrize("plugins", [FORMATS, EXPORTERS, RUNTIMES], ids=["formats", "exporters", "runtimes"])
def test_titles_are_there_and_differ(plugins: tuple[Format | Exporter | Runtime, ...]) -> None:
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
    assert "cpu" in runtime.devices
    assert set(runtime.devices) <= set(DEVICES)


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


@pytest.mark.parametrize("plugin", [*FORMATS, *EXPORTERS, *RUNTIMES], ids=lambda plugin: f"{type(plugin).__module__}")
def test_a_plugin_explains_itself_and_links_its_source(plugin: Format | Exporter | Runtime) -> None:
    text = sys.modules[type(plugin).__module__].__doc__ or ""
    assert "https://" in text
    if isinstance(plugin, Format):
        assert "What is lost:" in text


def test_listing_and_importing_plugins_imports_no_framework() -> None:
    program = (
        "import sys; from evaluator.core import registry;"
        "[registry.load_all(kind) for kind in ('format', 'exporter', 'runtime')];"
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == []
