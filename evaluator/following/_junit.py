"""What a gate found, as JUnit XML: a rule is a test case, so that any CI system shows it with its reason.

A rule that fails, or for which evidence is missing, is a failure; one that somebody answers for is skipped, and so is
one that only warns. The form is that of `report.junit`.
"""

from xml.etree import ElementTree as ET

from evaluator.following.gate import Gate, Ruling
from evaluator.report import junit

_ELEMENTS = {
    "passed": "system-out",
    "failed": "failure",
    "missing": "failure",
    "warned": "skipped",
    "waived": "skipped",
}


def render(gate: Gate) -> str:
    """Return the document."""
    kinds = [_ELEMENTS[each.outcome] for each in gate.rulings]
    root = ET.Element("testsuites", {"name": junit.text(f"fweval gate {gate.run}"), **junit.counts(kinds)})
    suite = ET.SubElement(root, "testsuite", {"name": junit.text(f"gate.{gate.run}"), **junit.counts(kinds)})
    for each in gate.rulings:
        _add(suite, each)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _add(suite: ET.Element, one: Ruling) -> None:
    name = " · ".join(part for part in (one.rule, one.about) if part)
    case = ET.SubElement(suite, "testcase", classname=junit.text(f"gate.{one.ask}"), name=junit.text(name))
    element = ET.SubElement(case, _ELEMENTS[one.outcome])
    if element.tag != "system-out":
        element.set("message", junit.text(f"{one.measured}; wanted: {one.wanted}"))
    if element.tag == "failure":
        element.set("type", one.outcome)
    told = [one.why, f"measured: {one.measured}", f"wanted: {one.wanted}", *(f"waived: {each}" for each in one.waived)]
    element.text = junit.text("\n".join(told))
