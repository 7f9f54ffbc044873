"""The tests themselves: no wait is endless, and what they send is heard however the suite was started."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest

TESTS = Path(__file__).parents[1]
LIMITLESS = {"wait", "join", "result", "get", "acquire"}  # without any argument
RUNNERS = {"run", "call", "check_call", "check_output"}
STARTERS = {
    "tests/children.py": "the place for it",
    "tests/engine_worker.py": "imports nothing of tests, and what it starts is left behind on purpose",
}


def calls(path: Path) -> list[tuple[int, str, str]]:
    """List the calls without a limit in a file, as (line, name, why)."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        named = {keyword.arg for keyword in node.keywords}
        of_subprocess = isinstance(node.func.value, ast.Name) and node.func.value.id == "subprocess"
        bare = not node.args and not named
        if of_subprocess and node.func.attr in RUNNERS and not named & {"timeout", None}:
            found.append((node.lineno, node.func.attr, "give it a timeout"))
        if (node.func.attr in LIMITLESS and bare) or (node.func.attr == "communicate" and "timeout" not in named):
            found.append((node.lineno, node.func.attr, "say how long it may take"))
        if of_subprocess and node.func.attr == "Popen" and str(path.relative_to(TESTS.parent)) not in STARTERS:
            found.append((node.lineno, "Popen", "take tests.children.started, which ends what it started"))
    return found


def test_no_test_waits_for_ever() -> None:
    told = [
        f"{path.relative_to(TESTS.parent)}:{line}: {name}: {why}"
        for path in sorted(TESTS.rglob("*.py"))
        for line, name, why in calls(path)
    ]
    assert told == []


def test_an_endless_wait_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "TESTS", tmp_path / "tests")
    (tmp_path / "tests").mkdir()
    path = tmp_path / "tests" / "test_it.py"
    path.write_text(
        "subprocess.run(['a'])\nsubprocess.run(['a'], timeout=1)\nsubprocess.run(['a'], **options)\n"
        "with subprocess.Popen(['a']) as process:\n    process.wait()\n    process.wait(1)\n"
        "thread.join()\n', '.join(words)\nfuture.result()\nprocess.communicate(b'')\n"
    )
    seen = [(line, name) for line, name, _ in sorted(calls(path))]
    assert seen == [(1, "run"), (4, "Popen"), (5, "wait"), (7, "join"), (9, "result"), (10, "communicate")]


def test_every_test_has_a_limit(pytestconfig: pytest.Config) -> None:
    """pytest-timeout counts the fixtures in; a test may have another limit, and none has none."""
    assert 0 < float(pytestconfig.getini("timeout")) <= 600
    assert not pytestconfig.getini("timeout_func_only")


def test_a_busy_machine_fails_no_property() -> None:
    assert hypothesis.settings().deadline is None


def test_interrupts_are_heard_where_the_suite_was_started_deaf(tmp_path: Path) -> None:
    """Shells start background jobs with SIGINT ignored, as do cron and many CI systems; children inherit it."""
    (tmp_path / "conftest.py").write_bytes((TESTS / "conftest.py").read_bytes())
    (tmp_path / "test_it.py").write_text(
        "import subprocess, sys\n"
        "def test_it():\n"
        "    code = 'import os, signal; os.kill(os.getpid(), signal.SIGINT); print(1)'\n"
        "    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)\n"
        "    assert done.stdout == ''\n"
    )
    command = f"trap '' INT; exec {sys.executable} -m pytest -q -p no:cacheprovider {tmp_path}"
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
