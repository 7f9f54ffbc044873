"""Plug-ins from outside: what is listed, what is refused in which words, and what their digests hang on."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from evaluator import pipeline
from evaluator.children import environments
from evaluator.core import catalogue, plugins, registry
from evaluator.core.errors import UsageError
from evaluator.core.records import Plugin
from evaluator.core.store import Plan
from evaluator.judging.contract import Check
from evaluator.planning import plan
from evaluator.planning.selection import Options
from evaluator.report import _claims
from scenarios.loading import load_scenario
from tests import sample_scorecard
from tests.engine import PROFILE, PaperMachine

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
CHECK = """
from evaluator.judging.contract import Check
from evaluator.core.scorecard import Risk
class Mine(Check):
    name, category, risk, title, question = "mine", "portability", Risk.LOW, "Mine", "Is it mine?"
    def judge(self, evidence): return ()
plugin = Mine()
"""
VARIANT = """
from exports.contract import Variant
class Hasty(Variant):
    name, title, summary, variables = "hasty", "in haste", "HASTE=1", {"HASTE": "1"}
    def applies(self, runtime, cores): return True
plugin = Hasty()
"""
Given = Callable[..., Path]


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Given:
    """Return what writes files (folder__name, without .py) into a folder of plug-ins, and has it found."""
    monkeypatch.delenv(plugins.VARIABLE, raising=False)

    def write(folder: str = "theirs", **files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / folder / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        known = list(filter(None, plugins.told().split(os.pathsep)))
        monkeypatch.setenv(plugins.VARIABLE, os.pathsep.join(dict.fromkeys([*known, str(tmp_path / folder)])))
        return tmp_path / folder

    return write


def made() -> Plan:
    return plan.make_plan([load_scenario("tiny")], PROFILE, Options(), PaperMachine(), pipeline.PLANNED)


def test_both_layouts_are_listed_behind_ours(given: Given) -> None:
    ours = registry.names("check")
    given(checks__mine=CHECK)
    given("other", evaluator__checks__also=CHECK.replace("mine", "also"), checks___helper="not looked at (")
    assert registry.names("check") == (*ours, "mine", "also")
    assert isinstance(registry.load("check", "mine"), Check)
    assert registry.load("check", "also") is registry.load_all("check")[-1]


def test_the_examples_are_a_folder_of_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(plugins.VARIABLE, str(EXAMPLES))
    files = {path for path in EXAMPLES.rglob("*.py") if "__pycache__" not in path.parts}
    assert {each.file for each in registry.found()} == files
    assert len(catalogue.from_outside()) == len(files) == 8


def test_listing_imports_nothing(given: Given) -> None:
    given(exporters__mine="raise SystemExit('imported')")
    assert "mine" in registry.names("exporter")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("exporters__tf2onnx", "", "'tf2onnx' is the name of an exporter of fweval's own"),
        ("exporters__onnx2Me", "", "'onnx2Me' is no name of a plug-in"),
        ("frameworks__jax", "", "a framework cannot come from outside"),
        ("checks__mine", "\nimport no_such_package", "mine.py:2: ModuleNotFoundError: No module named"),
        ("checks__mine", "\n\nplugin = (", "mine.py:3: SyntaxError: '(' was never closed"),
        ("checks__mine", "def f():\n    1 / 0\nf()", "mine.py:2: ZeroDivisionError: division by zero"),
        ("checks__mine", "import sys\nsys.exit(7)", "mine.py:2: SystemExit: 7"),
        ("checks__mine", "from ._helper import x", "mine.py:1: ModuleNotFoundError"),
        ("checks__mine", CHECK.replace("def judge", "def answer"), "mine.py:7: TypeError: Can't instantiate abstract"),
        ("checks__mine", "", "nothing in it is called `plugin`"),
        ("checks__mine", "plugin = object()", "`plugin` is no evaluator.judging.contract.Check"),
        ("checks__mine", CHECK.replace('"mine"', '"yours"'), "its name is 'yours', and must be the file's, 'mine'"),
        ("checks__mine", CHECK.replace("title, ", "").replace('"Mine", ', ""), "`Mine` does not say `title`"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_that_names_the_file(given: Given, name: str, text: str, told: str) -> None:
    folder = given(**{name: text})
    with pytest.raises(UsageError) as raised:
        catalogue.from_outside()
    assert raised.value.message.startswith(str(folder / name.replace("__", "/")))
    assert told in raised.value.message
    assert raised.value.remedy


def test_two_folders_with_one_name_are_refused(given: Given) -> None:
    given(checks__mine=CHECK)
    second = given("second", checks__mine=CHECK)
    with pytest.raises(UsageError, match="there is a check 'mine' in ") as raised:
        registry.names("check")
    assert str(second) in raised.value.message


@pytest.mark.parametrize(
    ("folder", "told"), [("exporter", "did you mean 'exporters'"), ("notes", "docs/plugins.md"), (None, "--plugins")]
)
def test_a_folder_without_plugins_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str | None, told: str
) -> None:
    monkeypatch.setenv(plugins.VARIABLE, "")
    place = tmp_path / "theirs"
    if folder is not None:
        (place / folder).mkdir(parents=True)
        (place / folder / "x.py").touch()
    with pytest.raises(UsageError) as raised:
        plugins.name_folders([place])
    assert told in str(raised.value.remedy)


def test_children_find_the_same_and_look_for_no_others(given: Given) -> None:
    folder = given(checks__mine=CHECK)
    assert plugins.variables()[plugins.VARIABLE] == str(folder)
    assert set(plugins.variables()) - {plugins.VARIABLE}


def test_a_digest_follows_the_file_and_what_lies_beside_it_and_nothing_else(given: Given) -> None:
    seen = []
    for files in (
        {"checks__mine": CHECK},
        {"checks___helper": "x = 1"},
        {"lib__deep": ""},
        {"checks__mine": f"{CHECK}#"},
    ):
        folder = given(**files)
        seen.append(plugins.digests()["check", "mine"])
    assert len(set(seen)) == len(seen)
    (folder / "README.md").write_text("words")
    (folder / "reports").mkdir()
    given(variants__hasty=VARIANT)
    assert plugins.digests()["check", "mine"] == seen[-1], "another plug-in is none of its parts"


def test_only_steps_that_a_plugin_works_on_hang_on_its_digest(given: Given) -> None:
    before = made()
    given(variants__hasty=VARIANT)
    first = made()
    given(variants__hasty=f"{VARIANT}# another")
    second = made()
    theirs = [step for step in first.steps if step.variant == "hasty"]
    assert theirs
    assert all(list(step.settings["plugins"]) == ["variant/hasty"] for step in theirs)
    assert {step.id for step in theirs}.isdisjoint(step.id for step in second.steps)
    others = {step.id for step in first.steps} - {step.id for step in theirs}
    assert others == {step.id for step in before.steps} <= {step.id for step in second.steps}


def test_an_environment_of_theirs_is_found_and_ours_keep_their_names(given: Given) -> None:
    folder = given(checks__mine=CHECK)
    (folder / "environments").mkdir()
    (folder / "environments" / "mine.txt").write_text("# For a test.\nmade-up==1.0\n")
    assert environments.names()[-1] == "mine"
    assert environments.locate("mine") is None
    first = environments.identity("mine")
    (folder / "environments" / "mine.txt").write_text("made-up==2.0\n")
    assert environments.identity("mine") != first
    (folder / "environments" / f"{environments.names()[0]}.txt").touch()
    with pytest.raises(UsageError, match="already"):
        environments.names()


def test_an_entry_point_names_a_package_that_is_not_imported_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, info = tmp_path / "site" / "theirs_by_entry", tmp_path / "site" / "theirs_by_entry-1.5.dist-info"
    (package / "inner" / "checks").mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "inner" / "checks" / "mine.py").write_text(CHECK)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs-by-entry\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(f"[{plugins.GROUP}]\nmine = theirs_by_entry.inner\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv(plugins.VARIABLE, "")
    plugins._places.cache_clear()
    try:
        (kept,) = catalogue.from_outside()
        assert (kept.origin, kept.version, kept.name) == ("theirs-by-entry", "1.5", "mine")
        assert plugins.variables()[plugins.VARIABLE] == str(package / "inner")
        (info / "entry_points.txt").write_text(f"[{plugins.GROUP}]\nmine = theirs_by_entry.gone\n")
        plugins._places.cache_clear()
        with pytest.raises(
            UsageError, match=r"theirs-by-entry 1\.5 has the entry point 'mine = theirs_by_entry\.gone'"
        ):
            registry.names("check")
    finally:
        plugins._places.cache_clear()


def test_a_bug_of_theirs_is_told_from_ours(given: Given) -> None:
    folder = given(variants__hasty=VARIANT.replace("return True", "return 1 / 0"))
    with pytest.raises(ZeroDivisionError) as raised:
        made()
    assert plugins.culprit(raised.value) == f"{folder / 'variants' / 'hasty.py'}:5"
    assert plugins.culprit(ZeroDivisionError()) is None


def test_a_foreign_check_stands_on_the_first_page() -> None:
    check = Plugin(kind="check", name="mine", origin="/theirs", folder="/theirs", sha256="0123456789abcdef")
    exporter = msgspec.structs.replace(check, kind="exporter")
    card = sample_scorecard.scorecard()
    before = _claims.cautions(card)
    assert _claims.cautions(msgspec.structs.replace(card, plugins=(exporter,))) == before
    *others, last = _claims.cautions(msgspec.structs.replace(card, plugins=(exporter, check)))
    assert tuple(others) == before
    assert "mine, from /theirs, sha256 0123456789ab" in last.sentence
