"""The export matrix as a person asks for it: each cell proven or explained, in the terminal, as JSON and in the report.

One real run with the exporters whose failures are known: it must find them, name them, and say what was tried.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands import PROFILE, fweval

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

EXPORTERS = ("torchmobile_lite", "torchmobile_optimized", "keras_tflite", "tflite_from_concrete_functions")
RUNTIMES = ("torch_mobile", "ai_edge_litert", "tflite_runtime")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("matrix")
    (folder / "e2e.toml").write_text(PROFILE)
    return folder


@pytest.fixture(scope="module")
def cells(home: Path) -> dict[tuple[str, str], dict[str, Any]]:
    only = [part for name in (*EXPORTERS, *RUNTIMES) for part in ("--only", name)]
    asked = ["--matrix", "--json", "--profile", "e2e.toml", "--device", "cpu", "--out", "run", *only]
    done = fweval("export", "tiny", *asked, cwd=home, timeout_s=540)
    assert done.returncode == 1, done.stderr  # something failed, as it should
    return {(cell["exporter"], cell["precision"]): cell for cell in json.loads(done.stdout)}


def test_no_cell_is_missing_or_unexplained(cells: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert {exporter for exporter, _ in cells} == set(EXPORTERS)
    assert len(cells) == 4 * len(EXPORTERS)
    for key, cell in cells.items():
        assert cell["state"] in ("passed", "passed in part", "failed", "unsupported"), key
        refused = [*([] if cell["outcome"] == "passed" else [cell]), *_refused(cell)]
        assert all(each["diagnosis"]["kind"] and each["diagnosis"]["said"] for each in refused), key


def _refused(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the proofs that ended in an answer other than yes; those on an ARM64 machine cannot be had here."""
    return [proof for proof in cell["proofs"] if proof["outcome"] not in ("passed", "unavailable")]


def test_what_passed_is_weighed_and_placed(cells: dict[tuple[str, str], dict[str, Any]]) -> None:
    whole, half = cells["keras_tflite", "fp32"], cells["keras_tflite", "fp16"]
    assert whole["state"] == half["state"] == "passed"
    assert whole["weights_bytes"] == pytest.approx(2 * half["weights_bytes"], rel=0.05)
    assert whole["size_bytes"] == whole["weights_bytes"] + whole["graph_bytes"] + whole["metadata_bytes"]
    assert 0 < whole["compressed_bytes"] < 1.1 * whole["size_bytes"]
    assert whole["operators"]["CONV_2D"] > 0
    for proof in whole["proofs"]:
        if proof["device"] == "cpu":
            assert proof["batch_sizes"] == [1, 3, 32]
            assert "XNNPACK" in proof["placement"]


def test_a_wheel_without_xnnpack_is_a_missing_build_option(cells: dict[tuple[str, str], dict[str, Any]]) -> None:
    cell = cells["torchmobile_optimized", "fp32"]
    assert cell["diagnosis"]["kind"] == "missing build option"
    assert cell["diagnosis"]["culprit"] == "USE_XNNPACK"
    assert cell["tried"][0].endswith("fp32: passed")


def test_weights_that_got_lost_are_a_failure(cells: dict[tuple[str, str], dict[str, Any]]) -> None:
    cell = cells["tflite_from_concrete_functions", "fp32"]
    assert cell["diagnosis"]["kind"] == "silent weight loss"
    assert "TFLite converter, fp32: passed" in cell["tried"]


def test_the_report_shows_the_matrix(home: Path, cells: dict[tuple[str, str], dict[str, Any]]) -> None:
    page = (home / "run" / "scorecard.html").read_text()
    for words in ("optimize_for_mobile", "USE_XNNPACK", "VAR_HANDLE"):
        assert words in page
