"""The verbs, and what becomes of errors."""

from __future__ import annotations

import sys

import click

from coda_eval.cli.bench import bench
from coda_eval.cli.compare import compare, history
from coda_eval.cli.environment import doctor
from coda_eval.cli.evaluation import export, run, score
from coda_eval.cli.models import models
from coda_eval.cli.paper import paper
from coda_eval.cli.plan import plan
from coda_eval.cli.plot import plot
from coda_eval.cli.report import report
from coda_eval.cli.sandbox import sandbox
from coda_eval.cli.sweep import sweep
from coda_eval.cli.tasks import tasks
from coda_eval.cli.training import train
from coda_eval.errors import CodaEvalError

INTERRUPTED = 130
MISUSE = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="coda-eval", prog_name="coda-eval")
def commands() -> None:
    """Evaluate diffusion code models: sample programs, run them in hardened sandboxes, report pass@k and latency."""


VERBS = (
    run, score, export, sweep, plan, plot, report, paper, compare,
    history, sandbox, doctor, models, tasks, bench, train,
)  # fmt: skip
for verb in VERBS:
    commands.add_command(verb)


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 a gate failed, 2 misuse or an error of ours, 130 interrupted."""
    try:
        commands.main(prog_name="coda-eval", standalone_mode=False)
    except click.exceptions.Exit as exit_request:
        sys.exit(exit_request.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(MISUSE)
    except CodaEvalError as error:
        click.echo(f"error: {' '.join(str(error).split())}", err=True)
        sys.exit(MISUSE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; what was done is kept: the same command goes on from there", err=True)
        sys.exit(INTERRUPTED)
