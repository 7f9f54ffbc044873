"""The commands of docs/evidence.md, as they stand there: a third party checks a signed run with and without fweval."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evaluator.core import digests
from tests import made_run

pytestmark = pytest.mark.integration
PAGE = Path(__file__).parents[2] / "docs" / "evidence.md"


def shell(block: str, run: Path, work: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RUN": str(run),
        "PUBLIC": str(work / "board.pem.pub"),
    }
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=work,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no OpenSSL here")
def test_a_third_party_verifies_as_the_page_says(tmp_path: Path) -> None:
    run = tmp_path / "run"
    made_run.write(run)
    digests.record(run)
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 5
    for block in blocks:
        done = shell(block, run, tmp_path)
        assert done.returncode == 0, (block, done.stdout, done.stderr)
    assert "Signature Verified Successfully" in done.stdout
    page = run / "scorecard.html"
    page.write_bytes(page.read_bytes().replace(b"PyTorch", b"PyTorsh", 1))
    for block in blocks[3:]:
        assert "scorecard.html: FAILED" in shell(block, run, tmp_path).stdout
