"""The questions that every format and every runtime must answer the same way."""

import configparser
import importlib.util
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from evaluator.core import registry
from evaluator.core.records import FRAMEWORKS
from exports.contract import Format, Runtime

ROOT = Path(__file__).resolve().parents[2]
PATHS = ("server", "mobile", "portable")
DEVICES = ("cpu", "gpu")
HEAVY = ("torch", "tensorflow", "keras", "onnx", "onnxruntime", "tf2onnx", "tflite_runtime", "ai_edge_litert")

FORMATS: tuple[Format, ...] = registry.load_all("format")
RUNTIMES: tuple[Runtime, ...] = registry.load_all("runtime")

each_format = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
each_runtime = pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)


def extras() -> dict[str, tuple[str, ...]]:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return {extra: tuple(lines.split()) for extra, lines in parser["options.extras_require"].items()}


@each_format
def test_a_format_is_named_like_its_file(form: Format) -> None:
    assert type(form).__module__ == f"exports.formats.{form.name}"


@each_runtime
def test_a_runtime_is_named_like_its_file(runtime: Runtime) -> None:
    assert type(runtime).__module__ == f"exports.runtimes.{runtime.name}"


@pytest.mark.parametrize("plugins", [FORMATS, RUNTIMES], ids=["formats", "runtimes"])
def test_titles_are_there_and_differ(plugins: tuple[Format | Runtime, ...]) -> None:
    titles = Counter(plugin.title for plugin in plugins)
    assert all(titles)
    assert max(titles.values()) == 1, f"the same title twice: {titles.most_common(1)}"


@each_format
def test_a_format_says_where_it_comes_from_and_where_it_goes(form: Format) -> None:
    assert form.path in PATHS
    assert form.origins
    assert set(form.origins) <= set(FRAMEWORKS)
    assert set(form.distributions) == set(form.origins)


@each_format
def test_a_format_has_a_runtime(form: Format) -> None:
    assert any(form.name in runtime.formats for runtime in RUNTIMES), f"no runtime lists {form.name} in its formats"


@each_runtime
def test_a_runtime_reads_formats_that_exist_on_devices_that_exist(runtime: Runtime) -> None:
    assert runtime.formats
    assert set(runtime.formats) <= {form.name for form in FORMATS}
    assert "cpu" in runtime.devices
    assert set(runtime.devices) <= set(DEVICES)


@each_format
def test_what_a_format_needs_is_in_its_frameworks_extra(form: Format) -> None:
    for framework, needed in form.distributions.items():
        assert needed
        for distribution in needed:
            assert distribution in extras()[framework], (
                f"setup.cfg, [options.extras_require]: add the line `    {distribution}` below `{framework} =`"
            )


@each_runtime
def test_what_a_runtime_needs_is_in_an_extra(runtime: Runtime) -> None:
    known = {distribution for lines in extras().values() for distribution in lines}
    assert runtime.distributions
    assert importlib.util.find_spec(runtime.module.partition(".")[0])  # the whole path would import the framework
    for distribution in runtime.distributions:
        assert distribution in known, (
            f"setup.cfg, [options.extras_require]: add the line `    {distribution}` below `runtimes =`"
        )


@pytest.mark.parametrize("plugin", [*FORMATS, *RUNTIMES], ids=lambda plugin: f"{type(plugin).__module__}")
def test_a_plugin_explains_itself_and_links_its_source(plugin: Format | Runtime) -> None:
    text = sys.modules[type(plugin).__module__].__doc__ or ""
    assert "https://" in text
    if isinstance(plugin, Format):
        assert "What is lost:" in text


def test_listing_and_importing_plugins_imports_no_framework() -> None:
    program = (
        "import sys; from evaluator.core import registry; registry.load_all('format'); registry.load_all('runtime');"
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == []
