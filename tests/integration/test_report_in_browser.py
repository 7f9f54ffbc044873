"""The page is opened offline in a real browser: nothing is fetched, it fits a desktop, a phone and paper."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from evaluator.core.scorecard import Scorecard
from evaluator.report.html import plugin as html
from tests import old_run, sample_scorecard

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not (shutil.which("chromium") or shutil.which("google-chrome")),
        reason="no chromium on this machine (Debian: apt install chromium)",
    ),
]

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
# Frames the page at the given width and writes down what the browser made of it: folded, then with all unfolded. `cut`
# counts what hides a part of itself, `uncued` what scrolls sideways without showing so.
FRAME = """<!doctype html><iframe id="page" src="scorecard.html" width="{width}" height="900"></iframe>
<p id="seen"></p><script>
document.getElementById("page").onload = (event) => {{
  const inside = event.target.contentDocument, root = inside.documentElement;
  const folded = root.scrollHeight;
  inside.querySelectorAll("details").forEach((each) => (each.open = true));
  const fetched = event.target.contentWindow.performance.getEntriesByType("resource").length;
  const wider = [...inside.querySelectorAll("main *:not(.hidden)")].filter((each) =>
    each.scrollWidth > each.clientWidth + 1 && each.clientWidth);
  const style = (each) => event.target.contentWindow.getComputedStyle(each);
  const cut = wider.filter((each) => ["hidden", "clip"].includes(style(each).overflowX)).length;
  const uncued = wider.filter((each) =>
    ["auto", "scroll"].includes(style(each).overflowX) && style(each).backgroundImage == "none").length;
  document.getElementById("seen").textContent =
    `title=${{inside.title}} width=${{root.scrollWidth}} pictures=${{
      inside.querySelectorAll("svg").length}} fetched=${{fetched}} folded=${{folded}} unfolded=${{
      root.scrollHeight}} cut=${{cut}} uncued=${{uncued}}`;
}};
</script>"""
Make = Callable[[], Scorecard]


def browse(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(BROWSER), *FLAGS, f"--user-data-dir={folder}/profile", *arguments],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("make", [sample_scorecard.scorecard, old_run.scorecard])
def test_the_page_fits_and_fetches_nothing(make: Make, width: int, tmp_path: Path) -> None:
    (tmp_path / "scorecard.html").write_text(html.render(make()))
    (tmp_path / "frame.html").write_text(FRAME.format(width=width))
    shown = browse(tmp_path, "--dump-dom", f"file://{tmp_path}/frame.html")
    title = re.search(r"title=(.+?) width=", shown)
    assert title, shown[-500:]
    assert "PyTorch" in title[1]
    seen = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", shown[title.end() - len("width=") :])}
    assert seen["width"] <= width
    assert seen["pictures"] >= 5
    assert (seen["fetched"], seen["cut"], seen["uncued"]) == (0, 0, 0)
    if make is old_run.scorecard:
        assert seen["folded"] < seen["unfolded"] / 3


def test_a_whole_run_prints_on_a_few_pages(tmp_path: Path) -> None:
    (tmp_path / "scorecard.html").write_text(html.render(old_run.scorecard()))
    paper = tmp_path / "scorecard.pdf"
    browse(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={paper}", f"file://{tmp_path}/scorecard.html")
    pages = re.findall(rb"/Type /Page\b(?!s)", paper.read_bytes())
    assert 5 <= len(pages) <= 10
