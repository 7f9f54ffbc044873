"""Environments for real: uv fills one from packages of this test's making; what fails leaves nothing but a reason."""

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from evaluator.children import environments
from evaluator.core.cache import cache_folder
from evaluator.core.errors import Unavailable

pytestmark = pytest.mark.integration


def wheel(folder: Path, name: str, version: str, requires: str = "") -> None:
    """Write a package with one module."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},sha256={digest(text)},{len(text)}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


def digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the list of an environment "small", the only one there is; packages come from a folder of ours."""
    lists = tmp_path / "made_up_lists"
    lists.mkdir()
    (lists / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, lists.name, raising=False)  # that of the test before
    monkeypatch.setattr(environments, "_LISTS", lists.name)
    monkeypatch.setenv("FWEVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    return lists / "small.txt"


def answer(program: str) -> str:
    """Return what a child in the environment prints."""
    command = [environments.python("small"), "-P", "-c", program]
    variables = {**os.environ, **environments.variables("small")}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_a_child_gets_the_versions_of_the_list_and_another_list_is_another_environment(
    listed: Path, tmp_path: Path
) -> None:
    wheel(tmp_path, "made_up", "1.0", requires="Requires-Dist: numpy>=99\n")  # no resolver looks at this
    wheel(tmp_path, "made_up", "2.0")
    seen = {}
    for version in ("1.0", "2.0"):
        listed.write_text(f"# For a test.\nmade-up=={version}\n")
        assert environments.locate("small") is None
        made = environments.make("small")
        assert made.name == f"small-{environments.identity('small')}"
        seen[made] = answer("import made_up; print(made_up.VERSION)")
    assert list(seen.values()) == ["1.0", "2.0"]
    assert sorted(seen) == sorted((cache_folder() / "environments").iterdir())


def test_one_with_a_python_of_its_own_has_the_code_of_fweval_and_nothing_else_of_ours(
    listed: Path, tmp_path: Path
) -> None:
    wheel(tmp_path, "made_up", "1.0")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    listed.write_text(f"# For a test.\n# python: {version}\nmade-up==1.0\n")
    made = environments.make("small")
    found = answer(
        "import sys, importlib.util as i, made_up, evaluator.core.outcome, evaluator.children\n"
        "print(sys.prefix, made_up.VERSION, i.find_spec('msgspec'), i.find_spec('numpy'), i.find_spec('tests'))"
    )
    assert found == f"{made} 1.0 None None None"
    assert answer("from evaluator.core import outcome; print(outcome.__name__)") == "evaluator.core.outcome"
    assert answer("import os; print(os.environ['FWEVAL_PYTHON'])") == sys.executable
    assert environments.identity("small") in made.name


def test_a_python_that_is_not_here_is_never_downloaded_but_asked_for(listed: Path) -> None:
    listed.write_text("# For a test.\n# python: 3.7.99\nmade-up==1.0\n")
    reason, remedy = environments.lacking("small") or ("", "")
    assert reason == "the environment 'small' needs Python 3.7.99, which is not on this machine"
    assert "uv python install 3.7.99" in remedy
    with pytest.raises(Unavailable, match=r"needs Python 3\.7\.99"):
        environments.make("small")
    with pytest.raises(Unavailable, match=r"needs Python 3\.7\.99"):
        environments.variables("small")
    assert list((cache_folder() / "environments").iterdir()) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("made-up==3.0", "there is no version of made-up==3.0"),
        ("made-up = nonsense", "no such comparison operator"),
    ],
)
def test_what_uv_refuses_is_one_line_and_leaves_nothing(listed: Path, tmp_path: Path, line: str, said: str) -> None:
    wheel(tmp_path, "made_up", "1.0")
    listed.write_text(f"# For a test.\n{line}\n")
    with pytest.raises(Unavailable, match=f"the environment 'small' could not be made: .*({said})") as caught:
        environments.make("small")
    assert "\n" not in caught.value.message
    assert "fweval fetch --environments" in (caught.value.remedy or "")
    assert list((cache_folder() / "environments").iterdir()) == []
    assert environments.locate("small") is None
