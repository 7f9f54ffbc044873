"""Every output: the same bytes each time, everything escaped, nothing unmeasured passed off as a number."""

import csv
import html.parser
import io
import json
import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import jsonschema
import msgspec
import pytest

from evaluator.core import metrics
from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import EvidenceRef, Scorecard
from evaluator.report import csv as csv_report
from evaluator.report import html as html_report
from evaluator.report import json as json_report
from evaluator.report import junit as junit_report
from evaluator.report import markdown as markdown_report
from evaluator.report._base import Report
from evaluator.report._blocks import Column, column, lines
from evaluator.report._plain import css_titles
from tests import sample_scorecard

SCHEMA = Path(__file__).parents[2] / "docs" / "scorecard.schema.json"
REPORTS = (csv_report.plugin, html_report.plugin, json_report.plugin, junit_report.plugin, markdown_report.plugin)
# Written out: a list that the code makes would agree with itself, whatever it lacks.
COLUMNS = [
    *("stage", "scenario", "framework", "format", "exporter", "precision", "runtime", "server", "launcher", "device"),
    *("machine", "variant", "round", "control", "standard", "outcome", "reason", "remedy", "evidence", "node"),
]
Make = Callable[[], Scorecard]
VOID = {"meta", "br", "input", "line", "rect", "circle", "polyline"}


class Page(html.parser.HTMLParser):
    """Reads a page: which elements and attributes it has, its text, and whether its elements nest properly."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("style", "script"):
            self.text += data

    @property
    def tags(self) -> list[str]:
        return [tag for tag, _ in self.elements]


@pytest.fixture(scope="module")
def card() -> Scorecard:
    return sample_scorecard.scorecard()


@pytest.fixture(scope="module")
def page(card: Scorecard) -> Page:
    return Page(html_report.plugin.render(card))


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_same_scorecard_same_bytes(report: Report, card: Scorecard) -> None:
    again = msgspec.json.decode(msgspec.json.encode(card), type=Scorecard)
    assert report.render(card) == report.render(again)


@pytest.mark.parametrize("report", [html_report.plugin, junit_report.plugin], ids=lambda report: report.name)
def test_every_reason_is_shown(report: Report, card: Scorecard) -> None:
    text = re.sub(r"\s+", " ", html.unescape(report.render(card)))
    for finding in card.findings:
        assert finding.reason in text
        assert all(ref.path in text for ref in finding.evidence)


def test_markdown_shows_every_reason(card: Scorecard) -> None:
    text = markdown_report.plugin.render(card).replace("\\", "")
    assert all(finding.reason in text for finding in card.findings)


# JSON ---------------------------------------------------------------------------------------------------------------


def test_json_gives_the_scorecard_back(card: Scorecard) -> None:
    text = json_report.plugin.render(card)
    assert msgspec.json.decode(text.encode(), type=Scorecard) == card
    assert text.endswith("}\n")


def test_published_schema_is_current() -> None:
    current = json_report.encode(json_report.schema())
    command = "from evaluator.report import json; print(json.encode(json.schema()), end='')"
    assert SCHEMA.read_text() == current, f'write it anew: python -c "{command}" > docs/scorecard.schema.json'


@pytest.mark.parametrize("make", [sample_scorecard.scorecard, sample_scorecard.empty, sample_scorecard.hostile])
def test_json_keeps_the_schema(make: Make) -> None:
    document = json.loads(json_report.plugin.render(make()))
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)


def test_schema_refuses_unknown_keys(card: Scorecard) -> None:
    document = json.loads(json_report.plugin.render(card))
    document["findings"][0]["colour"] = "red"
    with pytest.raises(jsonschema.ValidationError, match="colour"):
        jsonschema.validate(document, json.loads(SCHEMA.read_text()))


def test_cells_json_is_a_list_of_rows(card: Scorecard) -> None:
    assert len(json.loads(json_report.cells_json(card.cells))) == len(card.cells)


# CSV ----------------------------------------------------------------------------------------------------------------


def test_csv_has_a_row_per_cell_and_a_column_per_metric(card: Scorecard) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_report.plugin.render(card))))
    figures = [metrics.flat(cell.metrics, cell.figures) for cell in card.cells]
    names = {name for row in figures for name in row}
    assert list(rows[0])[: len(COLUMNS)] == COLUMNS
    assert set(rows[0]) == {*COLUMNS, *names}
    for row, cell, told in zip(rows, card.cells, figures, strict=True):
        assert row["outcome"] == cell.outcome
        assert row["reason"] == (cell.reason or "")
        written = {k: "; ".join(map(str, v)) if isinstance(v, tuple) else str(v) for k, v in told.items()}
        assert {name: row[name] for name in names if row[name]} == written


def test_csv_survives_separators_in_names() -> None:
    rows = list(csv.reader(io.StringIO(csv_report.plugin.render(sample_scorecard.hostile()))))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert rows[1][1] == "<script>alert(1)</script>|\n*x*"


# JUnit --------------------------------------------------------------------------------------------------------------


def test_junit_counts_what_it_contains(card: Scorecard) -> None:
    root = ET.fromstring(junit_report.plugin.render(card))  # noqa: S314  # our own text
    asked = len(card.findings) + len(card.comparisons)
    assert int(root.attrib["tests"]) == len(root.findall(".//testcase")) == asked
    for suite in root.findall("testsuite"):
        for count, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.attrib[count]) == len(suite.findall(f"testcase/{kind}"))


def test_junit_tells_failures_from_what_could_not_be_asked(card: Scorecard) -> None:
    root = ET.fromstring(junit_report.plugin.render(card))  # noqa: S314  # our own text
    kinds = {Outcome.CRASHED: "failure", Outcome.UNAVAILABLE: "skipped", Outcome.ERROR: "error"}
    for state, kind in kinds.items():
        reasons = {finding.reason for finding in card.findings if finding.state is state}
        assert reasons
        assert reasons <= {element.get("message") for element in root.iter(kind)}


def test_junit_skips_comparisons_without_an_answer(card: Scorecard) -> None:
    root = ET.fromstring(junit_report.plugin.render(card))  # noqa: S314  # our own text
    cases = root.findall("testsuite/testcase[@classname='bert.comparison']")
    asked = [each for each in card.comparisons if each.scenario == "bert"]
    skipped = [each.statement for each in asked if each.answer in ("undecided", "disturbed", None)]
    assert len(cases) == len(asked)
    assert [element.get("message") for case in cases for element in case.findall("skipped")] == skipped
    told = [element.text for case in cases for element in case.findall("system-out")]
    assert sorted([*told, *skipped], key=str) == sorted(each.statement for each in asked)


def test_junit_stays_well_formed_whatever_the_text() -> None:
    finding = msgspec.structs.replace(sample_scorecard.findings()[0], reason="bell \a, nul \0, ]]> & <x>")
    text = junit_report.plugin.render(msgspec.structs.replace(sample_scorecard.scorecard(), findings=(finding,)))
    case = ET.fromstring(text).find(".//system-out")  # noqa: S314  # our own text
    assert case is not None
    assert "bell \ufffd, nul \ufffd, ]]> & <x>" in (case.text or "")


# Markdown -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [sample_scorecard.scorecard, sample_scorecard.hostile])
def test_markdown_tables_are_well_formed(make: Make) -> None:
    lines = markdown_report.plugin.render(make()).splitlines()
    widths = [len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0 for line in lines]
    begins = [i for i, line in enumerate(lines) if line.startswith("| ---")]
    assert len(begins) > 5
    for above, width in pairwise(widths):
        assert not (above and width) or above == width
    assert all(set(lines[i]) <= set("| -") and widths[i - 1] == widths[i] for i in begins)


def test_markdown_escapes_markup() -> None:
    text = markdown_report.plugin.render(sample_scorecard.hostile())
    assert "\\<script\\>" in text
    assert not re.search(r"(?<!\\)<", text)


# HTML ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [sample_scorecard.scorecard, sample_scorecard.empty, sample_scorecard.hostile])
def test_page_loads_nothing_and_runs_its_one_script(make: Make) -> None:
    text = html_report.plugin.render(make())
    page = Page(text)
    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    for _, attributes in page.elements:
        assert all(not name.startswith("on") for name in attributes)
        assert "src" not in attributes
        assert "title" not in attributes, "who prints, taps or listens never sees it"
        link = attributes.get("href") or "#"
        assert re.fullmatch(r"#[^\0]*|steps/[\w/.%~-]+|scorecard\.memo\.html", link)
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", text, flags=re.DOTALL)
    assert [about for about, _ in scripts] == [' type="application/json" id="weighing"', ""][: 2 * bool(make().scores)]
    code = "".join(inside for about, inside in scripts if not about)
    digest = b64encode(sha256(code.encode()).digest()).decode()
    allowed = re.fullmatch(
        r"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-([^']+)'; "
        r"base-uri 'none'; form-action 'none'",
        str(policy),
    )
    assert allowed
    assert not code or allowed[1] == digest


def test_style_sheet_loads_nothing() -> None:
    style = html_report.plugin.render(sample_scorecard.empty()).partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_paper_has_the_layout_of_a_desktop() -> None:
    """It is as narrow as a phone in the units of the screen: what is meant for phones has to say so."""
    style = html_report.plugin.render(sample_scorecard.empty()).partition("<style>")[2].partition("</style>")[0]
    narrow = re.findall(r"@media ([^{]*max-width[^{]*)", style)
    assert narrow
    assert all(each.startswith("screen and") for each in narrow)


def test_page_shows_markup_as_text() -> None:
    text = html_report.plugin.render(sample_scorecard.hostile())
    assert "<script>alert" not in text
    assert "<script>alert(1)</script>" in Page(text).text


def test_what_the_script_reads_can_hold_any_name() -> None:
    """It stands between tags that nothing in it may close, and is the scores that Python computed."""
    odd = "</script><!--\u2028& 'x'"
    scored = tuple(msgspec.structs.replace(each, candidate=odd) for each in sample_scorecard.scores())
    text = html_report.plugin.render(msgspec.structs.replace(sample_scorecard.scorecard(), scores=scored))
    inside = text.partition('id="weighing">')[2].partition("</script>")[0]
    data = json.loads(inside)
    assert {each["name"] for group in data["groups"] for each in group["candidates"]} == {odd}
    assert not set("<>&\u2028") & set(inside)


def test_columns_name_the_figures_of_cards_whatever_they_are_called() -> None:
    columns = (column("first"), column("a 'b'; \\ }</style>"), column(""), Column(title=lines("half"), half=True))
    assert css_titles(columns) == "--c2:'a \\27 b\\27 \\3b  \\5c  \\7d \\3c \\2f style\\3e ';--c4:'half'"


def test_every_verdict_on_a_device_has_its_reason(page: Page, card: Scorecard) -> None:
    section = page.text.partition("The best verdict of any artifact")[2].partition("Serving")[0]
    written = markdown_report.plugin.render(card).partition("## Devices")[2].partition("## Serving")[0]
    assert {fit.verdict for fit in card.edge} == {"fits", "does not fit", "undecided"}
    for fit in card.edge:
        assert f"{fit.verdict}: {fit.reason}" in section
        assert f"{fit.verdict}: {fit.reason}" in written.replace("*", "")
    for device in card.device_classes:
        assert section.count(device.title) > 1
        assert written.count(device.title) > 1
    assert section.count("estimated") >= sum(fit.estimated for fit in card.edge)


def test_headings_come_in_order(page: Page) -> None:
    levels = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_tables_have_captions_and_scopes(page: Page) -> None:
    assert page.tags.count("caption") == page.tags.count("table")
    heads = [attributes for tag, attributes in page.elements if tag == "th" and attributes]
    assert heads
    assert all(attributes.get("scope") in ("col", "row", "colgroup", "rowgroup") for attributes in heads)


def test_pictures_have_titles(page: Page) -> None:
    for tag, attributes in page.elements:
        if tag == "svg" and attributes.get("role") == "img":
            assert attributes["aria-label"]
    assert page.tags.count("title") > 5  # of curves; in tables the text beside them says it


def test_links_lead_somewhere(page: Page) -> None:
    targets = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = [str(attributes["href"]) for tag, attributes in page.elements if tag == "a"]
    inside = [link[1:] for link in links if link.startswith("#")]
    assert len(set(inside)) > 5
    assert set(inside) <= targets


def test_evidence_is_linked_where_it_lies(page: Page, card: Scorecard) -> None:
    links = {unquote(str(attributes["href"])) for tag, attributes in page.elements if tag == "a"}
    assert {ref.path for finding in card.findings for ref in finding.evidence} <= links
    assert {f"{cell.evidence}/" for cell in card.cells} <= links
    gone = tuple(
        msgspec.structs.replace(each, evidence=(EvidenceRef(path="steps/never-ended/result.json", sha256=""),))
        for each in card.findings
    )
    text = html_report.plugin.render(msgspec.structs.replace(card, findings=gone))
    assert "<code>steps/never-ended/result.json</code>" in text
    assert 'href="steps/never-ended' not in text


def unfolded(text: str) -> str:
    """Return what a reader sees of a piece of the page before unfolding anything, innermost foldings first."""
    while (less := re.sub(r"<details>((?!<details>).)*?</details>", "", text, flags=re.DOTALL)) != text:
        text = less
    return text


def test_what_passed_is_folded_and_what_failed_stands_once_with_all_that_it_concerns(card: Scorecard) -> None:
    failed = next(each for each in card.findings if each.state is Outcome.CRASHED)
    more = tuple(
        msgspec.structs.replace(failed, id=f"{failed.id}/{n}", subject=f"artifact {n}", reason=f"it died after {n} s")
        for n in range(3)
    )
    only = msgspec.structs.replace(card, findings=(*more, *(f for f in card.findings if f.state is Outcome.PASSED)))
    section = html_report.plugin.render(only).partition('<section id="findings">')[2].partition("</section>")[0]
    open_part = unfolded(section)
    assert open_part.count("it died after") == 1
    assert all(f"artifact {n}" in open_part for n in range(3))
    assert "did what parity asks" in section
    assert "did what parity asks" not in open_part


def test_unmeasured_is_said_to_be_so(card: Scorecard) -> None:
    unmeasured = [finding for finding in card.findings if finding.score is None]
    only = msgspec.structs.replace(card, findings=tuple(unmeasured), cells=(), comparisons=(), scores=(), curves=())
    text = html_report.plugin.render(only)
    section = text.partition('<section id="findings">')[2].partition("</section>")[0]
    causes = {(f.check, f.state, f.provisional, f.reason, f.remedy, f.category) for f in unmeasured}
    assert section.count("not measured</span> <strong>") == len(causes)
    assert "of 10" not in section
    for finding in unmeasured:
        assert finding.subject in section


def test_provisional_stands_at_the_number(card: Scorecard) -> None:
    row = next(c for c in card.comparisons if c.provisional)
    only = msgspec.structs.replace(card, comparisons=(row,))
    table = html_report.plugin.render(only).partition('id="comparison"')[2].partition("</section>")[0]
    pytorch, tensorflow = re.findall(r'<td class="half">(.*?)</td>', table, flags=re.DOTALL)[:2]
    assert "provisional" not in pytorch
    assert "provisional: reference server" in tensorflow


def test_every_gap_names_its_remedy(page: Page) -> None:
    section = page.text.partition("What could not be measured, and how to get it")[2]
    for reason, remedy in (sample_scorecard.NO_GPU, sample_scorecard.NO_DOCKER):
        assert reason in section
        assert f"To get it: {remedy}" in section


def test_matrix_shows_every_outcome_in_words(page: Page) -> None:
    section = page.text.partition("What became of every export")[2].partition("Plots")[0]
    for word in ("passed", "crashed", "unsupported", "unavailable", "not applicable"):
        assert f" {word}: " in section
