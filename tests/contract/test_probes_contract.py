"""The questions that every readiness probe must answer the same way."""

import subprocess
import sys
from pathlib import Path

import pytest

from evaluator.contracts import Question, cases
from evaluator.core import registry
from serving.probing import Probe

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "tensorflow", "keras", "grpc", "ts", "tensorflow_serving", "docker", "trustme", "prometheus_client")
PROBES: tuple[Probe, ...] = registry.load_all("probe")

each_probe = pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)


@pytest.mark.parametrize(("question", "plugin"), cases("probe"), ids=lambda each: each.name)
def test_it_answers_what_every_plug_in_is_asked(question: Question, plugin: Probe) -> None:
    todo = question(plugin)
    assert todo is None, f"{question.sentence} {todo}"


@each_probe
def test_no_server_is_treated_by_its_name(probe: Probe) -> None:
    source = (ROOT / "serving" / "probes" / f"{probe.name}.py").read_text()
    _, _, code = source.split('"""', 2)
    for server in registry.names("server"):
        assert f'"{server}"' not in code


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from evaluator.core import registry\n"
        "registry.load_all('probe')\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
