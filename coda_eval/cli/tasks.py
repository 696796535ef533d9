"""`tasks` and `tasks show`: the benchmarks, and what a problem of them is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coda_eval.cli.options import data_dir_option, json_option, protocol_option
from coda_eval.errors import CodaEvalError, TaskError

if TYPE_CHECKING:
    from coda_eval.protocols import Prompt
    from coda_eval.records import Tests
    from coda_eval.tasks import Task

INPUTS_SHOWN = 5
CHARACTERS_SHOWN = 400


@click.group(invoke_without_command=True)
@data_dir_option
@json_option
@click.pass_context
def tasks(context: click.Context, data_dir: Path | None, as_json: bool) -> None:
    """List the benchmarks: problems, versions, protocols, and where their data were found."""
    if context.invoked_subcommand is not None:
        return
    rows = _list(data_dir)
    if as_json:
        click.echo(json.dumps(rows))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("task", "version", "problems", "protocols, the default first")
    for row in rows:
        problems = "not here" if row["problems"] is None else str(row["problems"])
        table.add_row(row["task"], str(row["version"]), problems, ", ".join(row["protocols"]))
    Console(highlight=False).print(table)
    for row in rows:
        click.echo(f"{row['task']}: {row['data']}" if row["problems"] else row["data"])


@tasks.command()
@click.argument("name")
@click.argument("task_id", metavar="ID")
@protocol_option
@click.option(
    "--prompt", "style", type=click.Choice(("base", "instruct")), help="Which prompt.  [default: all that there are]"
)
@click.option("--model", help="Whose chat template renders the instruct prompt; without it the turns are shown.")
@data_dir_option
@json_option
def show(
    name: str,
    task_id: str,
    protocol: str | None,
    style: str | None,
    model: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Print a problem: its prompts under a protocol, its canonical solution and its tests."""
    from coda_eval.protocols import STYLES, find_protocol
    from coda_eval.tasks import load_task

    task = load_task(name, data_dir=data_dir)
    problem = next((problem for problem in task.problems if problem.task_id == task_id), None)
    if problem is None:
        raise TaskError(f"task {task.name} has no problem {task_id!r}; its ids are like {task.problems[0].task_id!r}")
    how = find_protocol(task.choose_protocol(protocol))
    wanted = [style] if style else [each for each in STYLES if (problem.form, each) in how.askings]
    prompts = {
        each: _render(how.asking(problem.form, each).prompt(problem, task.few_shot), each, model) for each in wanted
    }
    suites = how.tests(problem) if how.tests else problem.suites
    if as_json:
        content = {
            "task_id": problem.task_id,
            "entry_point": problem.entry_point,
            "protocol": how.name,
            "prompts": prompts,
            "canonical_solution": problem.canonical_solution,
            "tests": {suite: _describe(tests) for suite, tests in suites.items()},
            "metadata": problem.metadata,
        }
        click.echo(json.dumps(content))
        return
    sections = {f"{each} prompt, protocol {how.name}": text for each, text in prompts.items()}
    sections["canonical solution"] = problem.canonical_solution
    sections |= {f"{suite} tests": _describe(tests) for suite, tests in suites.items()}
    for title, text in sections.items():
        click.secho(f"── {title} ".ljust(80, "─"), bold=True)
        click.echo(text)


def _list(data_dir: Path | None) -> list[dict[str, Any]]:
    from coda_eval.tasks import list_tasks, load_task

    rows: list[dict[str, Any]] = []
    for definition in list_tasks():
        others = [name for name in definition.protocols if name != definition.default_protocol]
        row: dict[str, Any] = {
            "task": definition.name,
            "version": definition.version,
            "protocols": [definition.default_protocol, *others],
        }
        try:
            task: Task = load_task(definition.name, data_dir=data_dir, download=False)
            row |= {"problems": len(task.problems), "data": str(task.data_source)}
        except CodaEvalError as error:
            row |= {"problems": None, "data": str(error)}
        rows.append(row)
    return rows


def _render(prompt: Prompt, style: str, model: str | None) -> str:
    if style == "base":
        return prompt.text
    if model is None:
        return f"[user]\n{prompt.text}\n[assistant]\n{prompt.prefill}"
    from coda_eval.models.references import resolve_model
    from coda_eval.protocols import render_prompt
    from coda_eval.tokenizer import Tokenizer

    return render_prompt(prompt, style, Tokenizer(resolve_model(model)))


def _describe(tests: Tests) -> str:
    from coda_eval.records import CheckTests

    if isinstance(tests, CheckTests):
        return f"{tests.code}\n# put after the program:{tests.epilogue}" if tests.epilogue else tests.code
    shown = [_short(f"({', '.join(map(repr, arguments))})") for arguments in tests.inputs[:INPUTS_SHOWN]]
    more = [f"... {len(tests.inputs) - INPUTS_SHOWN} inputs more"] if len(tests.inputs) > INPUTS_SHOWN else []
    rule = f"oracle {tests.oracle}, atol {tests.atol:g}, {len(tests.inputs)} inputs"
    return "\n".join([rule, *shown, *more])


def _short(text: str) -> str:
    return text if len(text) <= CHARACTERS_SHOWN else f"{text[:CHARACTERS_SHOWN]}..."
