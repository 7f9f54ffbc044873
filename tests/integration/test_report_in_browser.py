"""The page is opened offline in a real browser: nothing is fetched, and it fits a desktop and a phone."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from evaluator.report.html import plugin as html
from tests import sample_scorecard

pytestmark = pytest.mark.integration

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--allow-file-access-from-files",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--virtual-time-budget=4000",
)
# Frames the page at the given width and writes down what the browser made of it.
FRAME = """<!doctype html><iframe id="page" src="scorecard.html" width="{width}" height="900"></iframe>
<p id="seen"></p><script>
document.getElementById("page").onload = (event) => {{
  const inside = event.target.contentDocument;
  inside.querySelectorAll("details").forEach((each) => (each.open = true));
  const fetched = event.target.contentWindow.performance.getEntriesByType("resource").length;
  document.getElementById("seen").textContent =
    `title=${{inside.title}} width=${{inside.documentElement.scrollWidth}} pictures=${{
      inside.querySelectorAll("svg").length}} fetched=${{fetched}}`;
}};
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine (Debian: apt install chromium)")
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_and_fetches_nothing(width: int, tmp_path: Path) -> None:
    (tmp_path / "scorecard.html").write_text(html.render(sample_scorecard.scorecard()))
    (tmp_path / "frame.html").write_text(FRAME.format(width=width))
    done = subprocess.run(
        [str(BROWSER), *FLAGS, f"--user-data-dir={tmp_path}/profile", "--dump-dom", f"file://{tmp_path}/frame.html"],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    seen = re.search(r"title=(.+) width=(\d+) pictures=(\d+) fetched=(\d+)", done.stdout)
    assert seen, done.stdout[-500:]
    assert "PyTorch" in seen[1]
    assert int(seen[2]) <= width
    assert int(seen[3]) >= 5
    assert int(seen[4]) == 0
