"""The memo is printed by a real browser: on one sheet, A4 or Letter, whatever names a run has."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from evaluator.core.scorecard import Scorecard
from evaluator.judging import decision
from evaluator.report.memo_page import plugin as page
from tests import fakes, sample_scorecard

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine (Debian: apt install chromium)"),
]
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-pdf-header-footer"),
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
Make = Callable[[], Scorecard]


def both() -> Scorecard:
    """Return a run of two scenarios, of which everything but a GPU was measured."""
    return fakes.scorecard(fakes.complete_run(scenarios=("resnet50", "bert")))


def long_names() -> Scorecard:
    """Return the sample with names of 120 of the widest letters."""
    card = msgspec.structs.replace(sample_scorecard.scorecard(), upkeep=None)  # its names are checked to be short
    text = msgspec.json.encode(card).decode()
    for name in ("resnet50", "torchserve", "TorchServe", "ONNX", "TFLite"):
        text = text.replace(name, "W" * 120)
    return decision.decided(msgspec.json.decode(text, type=Scorecard))


@pytest.mark.parametrize("size", ["A4", "letter"])
@pytest.mark.parametrize("make", [both, sample_scorecard.scorecard, sample_scorecard.empty, long_names])
def test_it_prints_on_one_sheet(make: Make, size: str, tmp_path: Path) -> None:
    written = page.render(make())
    assert "@page { margin" in written
    (tmp_path / "memo.html").write_text(written.replace("@page { margin", f"@page {{ size: {size}; margin"))
    paper = tmp_path / "memo.pdf"
    command = [str(BROWSER), *FLAGS, f"--user-data-dir={tmp_path}/profile", f"--print-to-pdf={paper}"]
    subprocess.run([*command, f"file://{tmp_path}/memo.html"], check=True, capture_output=True, timeout=90)
    assert len(re.findall(rb"/Type /Page\b(?!s)", paper.read_bytes())) == 1
