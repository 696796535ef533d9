"""A report on finished runs: one self-contained HTML file, and the same as Markdown.

Reads run directories only; no JAX.

content    what a report says, as plain data
published  the measured scores beside the published ones
html       the page: data, style and script in one file that asks the network for nothing
markdown   the same for a pull request or a wiki
"""

from coda_eval.report.content import Report, build_report
from coda_eval.report.html import write_html
from coda_eval.report.markdown import write_markdown

__all__ = ["Report", "build_report", "write_html", "write_markdown"]
