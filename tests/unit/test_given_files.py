"""Files that people give to a run: copied before its first step, their digest kept, and no other one read for them."""

import hashlib
import os
from pathlib import Path

import pytest

from evaluator.core import given_files
from evaluator.core.errors import IncompleteEvidence, UsageError
from evaluator.core.store import RunFolder
from tests.engine import run_record


def run_with(root: Path, text: bytes) -> RunFolder:
    source = root / "mine.toml"
    source.write_bytes(text)
    return RunFolder.create(root / "run", run_record(), [given_files.read(source, "criteria.toml")])


def test_it_is_copied_byte_for_byte_and_its_digest_recorded(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbfname = 'A'\r\n"
    folder = run_with(tmp_path, text)
    assert (folder.path / "criteria.toml").read_bytes() == text
    assert folder.record.inputs == {"criteria.toml": hashlib.sha256(text).hexdigest()}
    assert given_files.content(folder.path, folder.record, "criteria.toml") == text


def test_its_text_is_without_mark_and_with_plain_line_ends(tmp_path: Path) -> None:
    source = tmp_path / "mine.toml"
    source.write_bytes(b"\xef\xbb\xbfname = 'A'\r\n")
    assert given_files.read(source, "criteria.toml").text == "name = 'A'\n"


def test_a_run_that_was_given_none_has_none(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", run_record())
    assert folder.record.inputs == {}
    assert given_files.content(folder.path, folder.record, "criteria.toml") is None


def test_a_file_that_lies_there_and_was_not_given_counts_for_nothing(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", run_record())
    (folder.path / "criteria.toml").write_text("name = 'B'")
    assert given_files.content(folder.path, folder.record, "criteria.toml") is None


def test_a_changed_one_is_named(tmp_path: Path) -> None:
    folder = run_with(tmp_path, b"name = 'A'")
    (folder.path / "criteria.toml").write_text("name = 'B'")
    with pytest.raises(IncompleteEvidence, match=r"criteria\.toml was changed: run\.json has the SHA-256 of another"):
        given_files.content(folder.path, folder.record, "criteria.toml")


def test_a_missing_one_is_named(tmp_path: Path) -> None:
    folder = run_with(tmp_path, b"name = 'A'")
    (folder.path / "criteria.toml").unlink()
    with pytest.raises(IncompleteEvidence, match=r"criteria\.toml is missing, which was given to this run"):
        given_files.content(folder.path, folder.record, "criteria.toml")


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    folder = run_with(tmp_path, b"name = 'A'")
    (folder.path / "criteria.toml").unlink()
    (folder.path / "criteria.toml").mkdir()
    with pytest.raises(IncompleteEvidence, match=r"criteria\.toml cannot be read: it is no file"):
        given_files.content(folder.path, folder.record, "criteria.toml")


def test_what_is_no_text_is_refused_in_one_line(tmp_path: Path) -> None:
    for content, why in (
        (b"\xff\xfea\x00", "is written in UTF-16"),
        (b"name = '\xe9'", "line 1: the byte 0xe9 is not of UTF-8"),
    ):
        (tmp_path / "a.toml").write_bytes(content)
        with pytest.raises(UsageError, match=why):
            given_files.read(tmp_path / "a.toml", "criteria.toml")


def test_what_is_no_file_is_refused_in_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, why in (("absent", "No such file"), ("pipe", "it is no file"), (".", "it is no file")):
        with pytest.raises(UsageError, match=why):
            given_files.read(tmp_path / name, "criteria.toml")


def test_what_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("x" * 11)
    with pytest.raises(UsageError, match="has 11 bytes") as raised:
        given_files.read(tmp_path / "a.toml", "criteria.toml", largest_bytes=10)
    assert raised.value.remedy == "such a file has 10 at most"
    assert given_files.read(tmp_path / "a.toml", "criteria.toml").content == b"x" * 11
