"""Days of releases, from an index that speaks as the real one does (PEP 691 and 700)."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from evaluator.commands import fetch
from evaluator.core import releases
from evaluator.core.errors import Unavailable
from evaluator.core.upkeep import Package
from evaluator.stages import upkeep

ANSWERS = {
    "torch": [("2026-07-08T10:00:00.000000Z", False), ("2025-01-01T00:00:00Z", False), ("2026-09-01T00:00:00Z", True)],
    "onnx2tf": [("", False)],
    "keras": [("soon", False), ("2026-02-30T00:00:00Z", False)],
}


class Answering(BaseHTTPRequestHandler):
    asked: list[tuple[str, str]]

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization", "")))
        name = self.path.strip("/").rpartition("/")[2]
        if name not in ANSWERS:
            self.send_error(500 if name == "broken" else 404)
            return
        files = [{"upload-time": day, "yanked": yanked, "filename": "x"} for day, yanked in ANSWERS[name]]
        body = b"<html>" if self.headers["Accept"] != "application/vnd.pypi.simple.v1+json" else b""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body or json.dumps({"name": name, "files": files}).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name of the one that is replaced
        pass


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FWEVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    Answering.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:secret@127.0.0.1:{server.server_port}/simple/")
    yield Answering.asked
    server.shutdown()
    thread.join(timeout=10)
    server.server_close()


def test_the_newest_file_that_was_not_withdrawn_tells_the_day(index: list[tuple[str, str]]) -> None:
    found = releases.ask(["torch", "onnx2tf", "keras", "nobody-has-it"])
    assert found.days == {"torch": "2026-07-08"}
    assert sorted(path for path, _ in index) == [
        "/simple/keras/",
        "/simple/nobody-has-it/",
        "/simple/onnx2tf/",
        "/simple/torch/",
    ]
    assert {told for _, told in index} == {"Basic bWU6c2VjcmV0"}  # me:secret
    assert releases.known() == found


def test_a_run_asks_nobody(cache: Path) -> None:
    assert releases.known() is None
    cache.mkdir()
    (cache / "releases.json").write_text("{")
    assert releases.known() is None


def test_an_index_that_fails_is_said_and_keeps_what_was_known(index: list[tuple[str, str]]) -> None:
    found = releases.ask(["torch"])
    with pytest.raises(Unavailable, match="answers 500 when asked about broken"):
        releases.ask(["torch", "broken"])
    assert releases.known() == found


def test_nobody_there_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(Unavailable, match="the package index cannot be asked about torch: "):
        releases.ask(["torch"])
    monkeypatch.setenv("PIP_INDEX_URL", "file:///somewhere")
    with pytest.raises(Unavailable, match="no address that can be asked"):
        releases.ask(["torch"])
    fetch._ask_for_releases()
    assert "fweval: pip's index is no address that can be asked for releases (check the" in capsys.readouterr().err


def test_the_register_is_asked_about_and_its_days_are_written_down(
    index: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    names = upkeep.asked_about()
    assert {"torch", "tensorflow", "onnxruntime", "torchserve"} <= names
    fetch._ask_for_releases()
    assert f"newest releases of 1 of {len(names)} packages, as of 20" in capsys.readouterr().out
    known = releases.known()
    assert upkeep._released(Package(name="Torch", version="2.13"), known).released == "2026-07-08"
    assert not upkeep._released(Package(name="torch", ecosystem="npm"), known).released
    assert not upkeep._released(Package(name="torch"), None).released
