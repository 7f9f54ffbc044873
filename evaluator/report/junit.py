"""`scorecard.xml`: the findings as test cases, so that any CI system shows them.

This is the JUnit XML that Jenkins and GitLab read (https://github.com/testmoapp/junitxml). A suite is a framework in a
scenario, a test case a finding. What speaks against the subject is a failure, what could not be measured is skipped,
and our own bugs are errors. A suite more for each scenario has the comparisons: those without an answer are skipped.
"""

import re
from collections.abc import Sequence
from typing import ClassVar
from xml.etree import ElementTree as ET

from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import Comparison, Finding, Scorecard
from evaluator.report import _format
from evaluator.report._base import Report

# XML 1.0 allows no other control characters, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ELEMENTS = {Outcome.PASSED: "system-out", Outcome.ERROR: "error"} | dict.fromkeys(
    (Outcome.UNAVAILABLE, Outcome.NOT_APPLICABLE), "skipped"
)


class Junit(Report):
    """The findings as JUnit XML."""

    name: ClassVar[str] = "junit"
    filename: ClassVar[str] = "scorecard.xml"

    def render(self, scorecard: Scorecard) -> str:
        """Return the document."""
        suites: dict[tuple[str, str], list[Finding]] = {}
        for finding in scorecard.findings:
            suites.setdefault((finding.scenario, finding.candidate), []).append(finding)
        kinds = [*map(_kind, scorecard.findings), *map(_answered, scorecard.comparisons)]
        root = ET.Element("testsuites", {"name": text(f"fweval {scorecard.run}"), **counts(kinds)})
        for (scenario, candidate), found in suites.items():
            about = {"name": text(f"{scenario}.{candidate}"), "timestamp": text(scorecard.created_at)}
            suite = ET.SubElement(root, "testsuite", {**about, **counts([*map(_kind, found)])})
            for finding in found:
                _add_case(suite, finding)
        for scenario in dict.fromkeys(each.scenario for each in scorecard.comparisons):
            asked = [each for each in scorecard.comparisons if each.scenario == scenario]
            about = {"name": text(f"{scenario}.comparison"), "timestamp": text(scorecard.created_at)}
            suite = ET.SubElement(root, "testsuite", {**about, **counts([*map(_answered, asked)])})
            for comparison in asked:
                _add_comparison(suite, comparison)
        ET.indent(root)
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _add_case(suite: ET.Element, finding: Finding) -> None:
    name = " · ".join(part for part in (finding.subject, finding.path, finding.device) if part)
    where = text(f"{finding.scenario}.{finding.candidate}.{finding.category}.{finding.check}")
    case = ET.SubElement(suite, "testcase", classname=where, name=text(name))
    kind = _kind(finding)
    element = ET.SubElement(case, kind)
    if kind != "system-out":
        element.set("message", text(finding.reason))
    if kind in ("failure", "error"):
        element.set("type", finding.state)
    element.text = text("\n".join(_details(finding)))


def _add_comparison(suite: ET.Element, asked: Comparison) -> None:
    name = " · ".join(part for part in (asked.question, asked.path, asked.device) if part)
    case = ET.SubElement(suite, "testcase", classname=text(f"{asked.scenario}.comparison"), name=text(name))
    element = ET.SubElement(case, _answered(asked))
    if element.tag == "skipped":
        element.set("message", text(asked.statement))
    element.text = text(asked.statement)


def _kind(finding: Finding) -> str:
    return _ELEMENTS.get(finding.state, "failure")


def _answered(asked: Comparison) -> str:
    """Return the element of a comparison: whoever wins passed nothing and failed nothing, and has an answer."""
    return "skipped" if asked.ratio is None or asked.answer in ("undecided", "disturbed") else "system-out"


def _details(finding: Finding) -> list[str]:
    """Return reason, score, remedy, evidence and command, a line each."""
    marks = ", provisional (reference server)" if finding.provisional else ""
    lines = [finding.reason, f"score: {_format.score(finding.score)}{marks}"]
    lines += [f"remedy: {finding.remedy}"] if finding.remedy else []
    lines += [f"evidence: {ref.path} sha256:{ref.sha256}" for ref in finding.evidence]
    lines += [f"reproduce: {finding.reproduce}"] if finding.reproduce else []
    return lines


def counts(kinds: Sequence[str]) -> dict[str, str]:
    """Return the attributes of a suite: how many elements of each kind it has."""
    return {
        "tests": str(len(kinds)),
        "failures": str(kinds.count("failure")),
        "errors": str(kinds.count("error")),
        "skipped": str(kinds.count("skipped")),
    }


def text(given: str) -> str:
    """Return a text that XML can hold."""
    return _FORBIDDEN.sub("\ufffd", given)


plugin = Junit()
