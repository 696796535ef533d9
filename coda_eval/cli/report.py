"""`report`: what runs and sweeps amount to."""

from __future__ import annotations

import json
from pathlib import Path

import click

from coda_eval.cli.options import json_option


@click.command()
@click.argument("directories", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--html", type=click.Path(path_type=Path), help="A page that needs no network.  [default: DIR/report.html]"
)
@click.option("--markdown", type=click.Path(path_type=Path), help="The same as Markdown, charts beside it.")
@json_option
def report(directories: tuple[Path, ...], html: Path | None, markdown: Path | None, as_json: bool) -> None:
    """Report on runs and sweeps: points, charts, problems that flip, samples, published figures.

    A sweep's directory stands for all its finished points.
    """
    from coda_eval.points import read_failures, read_points
    from coda_eval.report import build_report, write_html, write_markdown

    html = html or (None if markdown else directories[0] / "report.html")
    content = build_report(read_points(directories), read_failures(directories))
    written = {}
    if html:
        write_html(content, html)
        written["html"] = str(html)
    if markdown:
        write_markdown(content, markdown)
        written["markdown"] = str(markdown)
    if as_json:
        click.echo(json.dumps({**written, "points": len(content.rows), "problems": len(content.problems)}))
    else:
        for kind, file in written.items():
            click.echo(f"{kind}: {file}")
