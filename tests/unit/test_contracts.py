"""What the contract's questions say of plug-ins that break it, each in one way; the examples answer them all."""

import shutil
import sys
from pathlib import Path

import pytest

from evaluator.contracts import child, questions
from evaluator.core import plugins
from evaluator.core.kinds import KINDS

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
EXPORTER, RUNTIME = "exports/exporters/keras_save.py", "exports/runtimes/keras_predict.py"
FORMAT, CHECK = "exports/formats/keras_file.py", "evaluator/checks/export_time.py"
STAGE, TEXT, SECTION = "evaluator/stages/repeat.py", "evaluator/report/text.py", "evaluator/report/sections/accuracy.py"
BROKEN = [
    (EXPORTER, 'route = "native"', 'route = "direct"', "says_where_it_comes_from", "there is no 'direct'"),
    (EXPORTER, '"Keras saves a model at the precision it has"', '""', "says_where_it_comes_from", "give a reason"),
    (
        EXPORTER,
        'distributions: ClassVar = ("tensorflow",)',
        'distributions = "tensorflow"',
        "in_the_types",
        "got `str`",
    ),
    (EXPORTER, "https://", "", "links_its_source", "put a link"),
    (
        EXPORTER,
        "standard = True",
        'standard = True\n    environment = "executorch"',
        "is_standard",
        "environment = None",
    ),
    (EXPORTER, '    origin = "tensorflow"\n', "", "can_be_imported", "does not say `origin`"),
    (RUNTIME, 'devices = ("cpu",)', 'devices = ("gpu",)', "reads_formats", "put 'cpu' into `devices`"),
    (RUNTIME, 'formats = ("keras_file",)', 'formats = ("keras",)', "reads_formats", "there is no 'keras'"),
    (FORMAT, "What is lost:", "Lost:", "says_what_it_is_for", "say in the docstring"),
    (FORMAT, 'path = "server"', 'path = "cloud"', "says_what_it_is_for", "there is no 'cloud'"),
    (FORMAT, 'title = "Keras file"', 'title = "ONNX"', "has_a_title_of_its_own", "is that of onnx, too"),
    (FORMAT, "return False", "return True", "refuses_what_is_none", "takes a file of empty"),
    (FORMAT, "raise ValueError", "raise KeyError", "refuses_what_is_none", "KeyError"),
    (CHECK, "does an export take?", "does an export take", "introduces_itself", "question mark"),
    (CHECK, 'category = "portability"', 'category = "beauty"', "introduces_itself", "there is no 'beauty'"),
    (CHECK, "in evidence.frameworks", "in evidence.frameworks[:1]", "finds_something_whole", "judge pytorch and"),
    (CHECK, ", topic=name)", ")", "finds_something_whole", "two findings have one id"),
    (CHECK, "entries[0].number(", "entries[1].number(", "finds_something_whole", "IndexError"),
    (STAGE, "compare the answers.", "compare the answers", "says_in_one_line", "full stop"),
    (STAGE, 'rests_on = ("verify",)', 'rests_on = ("proof",)', "rests_on_stages", "there is no 'proof'"),
    (STAGE, "expected_s = 6.0", "expected_s = 600.0", "has_limits", "less than timeout_s"),
    (TEXT, '"scorecard.txt"', '"verdict.txt"', "writes_a_file", "scorecard.SUFFIX"),
    (TEXT, 'verdict}\\n"', 'verdict}"', "renders_any_scorecard", "line end"),
    (SECTION, "def blocks(self, card: Scorecard)", "def blocks(self, card, more)", "every_output", "TypeError"),
]


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "theirs"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv(plugins.VARIABLE, str(folder))
    return folder


def test_the_examples_answer_every_question(theirs: Path) -> None:
    found = child.answers(theirs)
    assert found.failed == ()
    assert len(found.plugins) == 8
    assert found.asked > 50


@pytest.mark.parametrize(("file", "right", "wrong", "question", "todo"), BROKEN, ids=lambda each: str(each)[:30])
def test_what_breaks_the_contract_is_said_with_file_and_what_to_do(
    theirs: Path, file: str, right: str, wrong: str, question: str, todo: str
) -> None:
    text = (theirs / file).read_text()
    assert right in text
    (theirs / file).write_text(text.replace(right, wrong))
    failed = [each for each in child.answers(theirs).failed if each.file == str(theirs / file)]
    found = [each for each in failed if question in each.question]
    assert found
    assert todo in found[0].todo


def test_a_framework_that_is_imported_with_it_is_named(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "tflite_runtime"
    (theirs.parent / f"{name}.py").touch()
    monkeypatch.syspath_prepend(theirs.parent)
    known = sys.modules.pop(name, None)
    (theirs / SECTION).write_text(f"import {name}\n{(theirs / SECTION).read_text()}")
    try:
        (one,) = child.answers(theirs).failed
    finally:
        del sys.modules[name]
        if known is not None:
            sys.modules[name] = known
    assert (one.file, one.question) == (str(theirs / SECTION), "imports_no_framework")
    assert name in one.todo


def test_questions_have_sentences_and_every_kind_is_asked_some() -> None:
    for kind in KINDS:
        asked = list(questions(kind))
        assert len(asked) >= 4
        assert all(each.sentence.endswith(".") for each in asked)
        assert len({each.name for each in asked}) == len(asked)


def test_what_cannot_be_listed_is_an_answer_as_well(theirs: Path) -> None:
    (theirs / "exporters").mkdir()
    (theirs / "exporters" / "tf2onnx.py").touch()
    (one,) = child.answers(theirs).failed
    assert (one.question, one.file) == ("can_be_listed", str(theirs))
    assert "the name of an exporter of fweval's own" in one.todo
