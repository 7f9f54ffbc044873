"""Which files are an artifact's own: by the names that it gives, and by the links in a folder."""

import os
import socket
from pathlib import Path

import pytest

from exports.parts import AbsentError, PartError, linked, no_files, own

BLOB = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    (folder / "weights").write_text("weights")
    (folder / "model").write_text("model")
    return folder / "model"


def test_names_are_found_beside_the_model_and_each_file_once(model: Path) -> None:
    (model.parent / "..data").mkdir()
    (model.parent / "..data" / "more").touch()
    found = own(model, ["model", "./weights", "weights", "..data/more", "..data/../weights"])
    assert found == [model, model.parent / "weights", model.parent / "..data" / "more"]


def test_what_is_not_there_is_named(model: Path) -> None:
    with pytest.raises(AbsentError, match=r"its file 'a' is not there, nor are 1 others") as absent:
        own(model, ["weights", "a", "b"])
    assert absent.value.names == ("weights", "a", "b")
    assert absent.value.remedy


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../secret", "link", "through/secret", ".."])
def test_nothing_leads_out_of_the_folder(model: Path, name: str) -> None:
    (model.parent / "link").symlink_to("../secret")
    (model.parent / "through").symlink_to("..")
    with pytest.raises(PartError, match="outside the model's folder"):
        own(model, [name])


def test_what_is_no_plain_file_is_called_what_it_is(model: Path) -> None:
    folder = model.parent
    os.mkfifo(folder / "pipe")
    (folder / "below").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(folder / "socket"))
        for name, said in (("pipe", "a pipe"), ("below", "a folder"), ("socket", "a socket")):
            with pytest.raises(PartError, match=f"'{name}' should be a file of it, and is {said}"):
                own(model, [name])


def test_what_is_no_file_in_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "below" / "link").symlink_to("../file")
    os.mkfifo(tmp_path / "below" / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert no_files(tmp_path) == {"below/pipe": "a pipe", "zero": "a device", "dangling": "a link to nothing"}


def test_links_are_followed_into_stores_only(tmp_path: Path) -> None:
    store, folder, annex = tmp_path / "blobs", tmp_path / "snapshot", tmp_path / "annex"
    for place in (store, folder, annex):
        place.mkdir()
    for path in (store / "short", annex / BLOB, tmp_path / "id_rsa", folder / "own"):
        path.touch()
    (folder / "below").mkdir()
    links = {"a": store / "short", "below/b": annex / BLOB, "c": tmp_path / "id_rsa", "d": folder / "own"}
    for name, target in (links | {"e": folder / "nowhere", "zero": Path("/dev/zero")}).items():
        (folder / name).symlink_to(target)
    assert sorted(linked(folder)) == sorted([store / "short", annex / BLOB])
