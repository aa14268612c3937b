"""A comparison as JUnit XML, for servers that show tests: a `Comparison` in, bytes out.

A regression is a failure and a missing figure an error. Inconclusive and incomparable rows are skipped with the
reason, and so are new and gone rows: none of them may be taken for a pass.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from ...bench.stats.compare.findings import Comparison, Finding
from . import words

# What XML 1.0 cannot hold, not even escaped.
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# outcome -> the element inside a test case; None for a pass
ELEMENTS: dict[str, str | None] = {
    "regressed": "failure",
    "failed": "error",
    "inconclusive": "skipped",
    "incomparable": "skipped",
    "gone": "skipped",
    "new": "skipped",
    "improved": None,
    "equivalent": None,
}


def junit(comparison: Comparison) -> bytes:
    """The document, UTF-8 with its declaration: one test suite, one test case for each row."""
    elements = [ELEMENTS[words.outcome(finding)] for finding in comparison.findings]
    counts = {
        "tests": str(len(elements)),
        "failures": str(elements.count("failure")),
        "errors": str(elements.count("error")),
        "skipped": str(elements.count("skipped")),
    }
    root = ElementTree.Element("testsuites", {"name": "co3d-bench", **counts})
    suite = ElementTree.SubElement(root, "testsuite", {"name": _text(words.subtitle(comparison)), **counts})
    if comparison.notes:
        properties = ElementTree.SubElement(suite, "properties")
        for note in comparison.notes:
            ElementTree.SubElement(properties, "property", {"name": "note", "value": _text(note)})
    for finding in comparison.findings:
        _case(suite, finding)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _case(suite: ElementTree.Element, finding: Finding) -> None:
    case = ElementTree.SubElement(suite, "testcase", {"classname": _text(finding.key), "name": _text(finding.metric)})
    outcome, reasons = words.outcome(finding), "; ".join(words.reasons(finding))
    element = ELEMENTS[outcome]
    message = words.style(finding).word + (f": {reasons}" if reasons else "")
    if element is not None:
        ElementTree.SubElement(case, element, {"message": _text(message), "type": outcome}).text = _text(
            _figures(finding)
        )
    else:
        ElementTree.SubElement(case, "system-out").text = _text(f"{message}\n{_figures(finding)}")


def _figures(finding: Finding) -> str:
    figures = f"{words.figure(finding, finding.base)} -> {words.figure(finding, finding.head)} {words.unit(finding)}"
    if words.estimate(finding) is None:
        return figures
    return f"{figures}\ncost {words.change(finding)}, interval {words.interval(finding)}"


def _text(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
