"""A comparison as JUnit XML, which CI systems show as tests: one a problem and one a metric.

A problem fails if most samples of the baseline pass it and most of the candidate do not; one that neither passes is
skipped, so that the list of failures is the list of what broke. A metric fails if the gate does.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, tostring

from coda_eval.compare.changes import Tally, summarize
from coda_eval.compare.comparison import MetricDifference, TaskComparison
from coda_eval.compare.evidence import Evidence, natural_order
from coda_eval.compare.gate import GateReport
from coda_eval.compare.wording import metric_headings, say_metric, say_points, say_tally

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(report: GateReport) -> bytes:
    """The document, with its declaration."""
    root = Element("testsuites", name="coda-eval compare")
    _add_gate(root, report)
    for comparison in report.comparisons:
        _add_problems(root, comparison)
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _add_gate(root: Element, report: GateReport) -> None:
    suite = SubElement(root, "testsuite", name="gate")
    for comparison in report.comparisons:
        for metric in comparison.metrics:
            case = _case(suite, "gate", f"{metric.task} {metric.name}")
            if report.gate.drops_too_far(metric):
                _fail(case, "failure", "worse", f"{say_points(metric.difference)} points", _figures(report, metric))
            else:
                SubElement(case, "system-out").text = _figures(report, metric)
    for failure in report.failures:
        if failure.kind != "worse":  # that is the metric's own case
            _fail(_case(suite, "gate", failure.line), "failure", failure.kind, failure.line)
    _count(suite)


def _add_problems(root: Element, comparison: TaskComparison) -> None:
    suite = SubElement(root, "testsuite", name=comparison.baseline.task)
    there, here = _tallies(comparison.baseline), _tallies(comparison.candidate)
    for task_id in sorted(there | here, key=natural_order):
        case = _case(suite, comparison.baseline.task, task_id)
        before, after = there.get(task_id), here.get(task_id)
        if before is None or after is None:
            side = "baseline" if before is None else "candidate"
            _fail(case, "error", "missing", f"the {side} has no verdict on it")
        elif before.mostly_passes and not after.mostly_passes:
            _fail(case, "failure", "newly failing", f"{say_tally(before)} → {say_tally(after)}")
        elif not after.mostly_passes:
            SubElement(case, "skipped", message=_xml_text(f"fails in both: {say_tally(after)}"))
    _count(suite)


def _tallies(run: Evidence) -> dict[str, Tally]:
    *_, last = run.suites.values()
    return {task_id: summarize(outcomes) for task_id, outcomes in last.items() if outcomes}


def _figures(report: GateReport, metric: MetricDifference) -> str:
    """The row of the table, a line a column."""
    return "\n".join(map(": ".join, zip(metric_headings(report.gate), say_metric(metric), strict=True)))


def _case(suite: Element, classname: str, name: str) -> Element:
    return SubElement(suite, "testcase", classname=_xml_text(classname), name=_xml_text(name))


def _fail(case: Element, how: str, kind: str, message: str, text: str | None = None) -> None:
    SubElement(case, how, type=kind, message=_xml_text(message)).text = _xml_text(text or message)


def _count(suite: Element) -> None:
    """Some readers insist on the counts."""
    suite.set("tests", str(len(suite)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))


def _xml_text(text: str) -> str:
    """Without characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
