"""Mistakes and what is judged of them, without a framework."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from evaluator.checks import ease as check
from evaluator.core import registry
from evaluator.core.ease import Made
from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import Scorecard
from evaluator.judging import ease as judging
from evaluator.measure.installed import packages
from evaluator.report.sections import ease as section
from evaluator.stages.ease import counts
from scenarios.mistakes import _once
from scenarios.mistakes._contract import Mistake, Seen
from scenarios.mistakes._notices import Notice, noticing
from tests import fakes, sample_scorecard

FILE = Path(__file__).name


class Wrong(Mistake):
    """One that is made on paper."""

    name: ClassVar[str] = "wrong"
    title: ClassVar[str] = "Wrong"
    wrong: ClassVar[str] = "37 is given"
    names: ClassVar[tuple[str, ...]] = ("37",)

    @staticmethod
    def pytorch() -> Seen:
        raise ValueError("8x37 does not fit")  # the mistake

    @staticmethod
    def pytorch_right() -> Seen:
        return Seen(True, "fits")

    tensorflow, tensorflow_right = pytorch, pytorch_right


def observed(answer: Any, *notices: Notice) -> _once.Observed:
    return _once.Observed(answer=answer, begin=1.0, end=3.0, notices=notices)


def made(answer: Any, *notices: Notice, right: Any = None, usual: tuple[Notice, ...] = ()) -> Made:
    corrected = observed(right or Seen(True, "fits"), *usual)
    return _once.concluded(Wrong(), 30, FILE, observed(answer, *notices), corrected)


def raised(call: Any) -> Exception:
    with pytest.raises(Exception) as caught:  # whatever it is
        call()
    return caught.value


def test_an_exception_is_at_the_line_that_raised_it_and_names_the_number() -> None:
    found = _once.concluded(
        Wrong(), _once.marked(Wrong.pytorch), FILE, observed(raised(Wrong.pytorch)), observed(Seen(True, "fits"))
    )
    assert (found.came, found.at_line, found.named, found.seconds) == ("exception", True, True, 2.0)
    assert found.said == "ValueError: 8x37 does not fit"


def test_lines_that_a_message_lists_lead_further_than_the_traceback() -> None:
    error = ValueError(f'in user code:\n  File "/home/you/{FILE}", line 31, in call\n    x = 37\n\nno')
    found = made(error)
    assert (found.noticed_at, found.named) == (31, False), "a listed line of code is no part of what is said"
    assert found.said == "ValueError: in user code: no"


def test_what_is_wrong_and_not_noticed_is_silent_and_what_is_right_is_harmless() -> None:
    assert made(Seen(False, "off by one")).came == "silent"
    assert made(Seen(True, "fits")).came == "harmless"


def test_a_warning_counts_only_where_the_corrected_lines_do_not_bring_it_about() -> None:
    said = Notice("UserWarning", "sizes 37 and 4 differ", 1.5, 30)
    again = Notice("UserWarning", "sizes 12 and 4 differ", 1.5, 8)
    told = made(Seen(False, "wrong"), said)
    assert (told.came, told.at_line, told.named, told.seconds) == ("warning", True, True, 0.5)
    assert made(Seen(False, "wrong"), said, usual=(again,)).came == "silent"
    hidden = Notice("DeprecationWarning", "37", 1.5, hidden=True)
    assert made(Seen(False, "wrong"), hidden).came == "silent"


def test_corrected_lines_that_raise_or_go_wrong_are_not_clean() -> None:
    assert made(Seen(False, "wrong")).clean
    assert not made(Seen(False, "wrong"), right=Seen(False, "wrong, too")).clean
    assert not made(Seen(False, "wrong"), right=ValueError("no")).clean


@pytest.mark.parametrize(
    ("said", "wanted", "there"),
    [
        ("8x37 and 10x16", "37", True),
        ("size 137", "37", False),
        ("3.37", "37", False),
        ("got Double", "Double", True),
        ("DoubleTensor", "Double", False),
        ("keys: head.bias.", "head.bias", True),
        ("[3] is not [3, 1]", "[3]", True),
    ],
)
def test_a_name_is_found_as_a_word_of_its_own(said: str, wanted: str, *, there: bool) -> None:
    assert _once.names(said, (wanted,)) is there


def test_a_message_keeps_no_path_of_this_machine() -> None:
    assert (
        _once.shortened("no /home/you/lib/x.py here,\n see https://a.org/b/c") == "no x.py here, see https://a.org/b/c"
    )


def test_notices_know_the_line_that_was_at_work() -> None:
    import logging
    import warnings

    with noticing(Path(__file__)) as found:
        warnings.warn("careful", UserWarning, stacklevel=1)
        logging.getLogger("some").warning("really")
    assert [(each.kind, each.text) for each in found] == [("UserWarning", "careful"), ("log", "really")]
    assert all(each.line is not None for each in found)


@pytest.mark.parametrize("mistake", registry.load_all("mistake"), ids=lambda each: each.name)
@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_exactly_one_line_is_marked_and_the_corrected_ones_have_none(mistake: Mistake, framework: str) -> None:
    assert _once.marked(getattr(mistake, framework)) > 0
    with pytest.raises(ValueError, match="0 lines"):
        _once.marked(getattr(mistake, f"{framework}_right"))


def test_mistakes_are_counted_by_what_became_of_them() -> None:
    error = raised(Wrong.pytorch)
    all_of_them = [made(error), made(Seen(False, "x")), made(Seen(True, "x"))]
    found = counts(all_of_them)
    assert (found["mistakes"], found["mistakes_raised"], found["mistakes_silent"]) == (3, 1, 1)
    assert (found["mistakes_harmless"], found["mistakes_named"], found["mistakes_at_line"]) == (1, 1, 0)


def test_points_are_shares_of_all_mistakes() -> None:
    found = {each.id: each for each in check.plugin.judge(fakes.complete_run())}
    # (6 * 0.5 + 1 * 0.25 + 6 * 0.25 + 6 * 0.25 + 5) / 20
    assert found["ease/resnet50/pytorch/cpu/mistakes"].score == pytest.approx(10 * 11.25 / 20)
    assert found["ease/resnet50/pytorch/cpu/warnings"].score == 8.0
    assert found["ease/resnet50/pytorch/cpu/installation"].score == pytest.approx(5.0)  # half way from 100 MB to 10 GB
    interval = found["ease/resnet50/pytorch/cpu/import"].interval
    assert interval is not None
    assert (interval.low, interval.value, interval.high) == (2.8, 3.0, 3.2)


def test_findings_are_read_as_they_were_written() -> None:
    for found in check.plugin.judge(fakes.complete_run()):
        written = msgspec.json.encode(found)
        assert msgspec.json.encode(msgspec.json.decode(written, type=type(found))) == written


def test_a_run_without_the_stage_is_not_asked_and_a_failed_step_is_no_zero() -> None:
    run = fakes.complete_run()
    older = dataclasses.replace(run, entries=tuple(each for each in run.entries if each.step.stage != "ease"))
    assert check.plugin.judge(older) == ()
    failed = fakes.end(run, fakes.is_step(stage="ease"), Outcome.CRASHED)
    assert {each.score for each in check.plugin.judge(failed)} == {None}


def test_the_first_step_is_what_the_training_measured() -> None:
    assert judging.first_step_s(fakes.complete_run(), "resnet50", "pytorch") == 5.5


def test_a_log_warns_in_pythons_words_and_in_native_codes_alike_lines_once() -> None:
    log = """\
INFO:absl:Assets written to: /home/me/runs/artifact
W1130 10:31:19.162000 8912 torch/onnx/_registration.py:107] torchvision is not installed
W1130 10:31:19.164000 8913 torch/onnx/_registration.py:107] torchvision is not installed
/home/me/lib/python3.11/copyreg.py:105: FutureWarning: it is deprecated
  return cls.__new__(cls, *args)
WARNING:tensorflow:From /home/me/tf2onnx/tf_loader.py:164: is deprecated
E0000 00:00:1796034705.792151    9033 cuda_platform.cc:52] failed call to cuInit
we are warned: nothing
"""
    assert judging.warned(log) == (
        "W1130 10:31:19.162000 8912 torch/onnx/_registration.py:107] torchvision is not installed",
        "copyreg.py:105: FutureWarning: it is deprecated",
        "WARNING:tensorflow:From tf_loader.py:164: is deprecated",
        "E0000 00:00:1796034705.792151    9033 cuda_platform.cc:52] failed call to cuInit",
    )
    assert judging.warned("") == ()


def test_a_run_folder_without_files_has_no_table(tmp_path: Path) -> None:
    assert judging.build(fakes.complete_run(), tmp_path) is None


def test_silent_mistakes_stand_first() -> None:
    card: Scorecard = sample_scorecard.scorecard()
    assert card.ease is not None
    assert section._in_order(card.ease.frameworks)[0] == "wrong_axis"


def test_an_installation_holds_what_it_requires_and_each_file_once() -> None:
    alone, whole = packages(("colorama",)), packages(("radon",))
    assert alone.names == ("colorama",)
    assert {"radon", "mando", "colorama"} <= set(whole.names)
    assert whole.size_bytes > alone.size_bytes > 0
    assert packages(("no-such-package",)).names == ()
    assert msgspec.json.encode(whole)
