"""The programs of CoDA's released harness (its lm-eval fork, tasks/humaneval/utils.py and sanitize_utils.py).

Written anew from what it does. It loses code that other sanitizers keep: that is what the published numbers were made
with, and why a `coda-paper` score stands beside the same samples' score under `evalplus`.
"""

from __future__ import annotations

import ast
import warnings

from coda_eval.extract.longest import longest_parsing_run
from coda_eval.extract.text import FENCE, Answer
from coda_eval.records import Problem

FIRST_LINES = 100
Definition = ast.ClassDef | ast.FunctionDef | ast.Assign


def sanitized_by_coda(problem: Problem, answer: Answer) -> str | None:
    """For a function to complete, what is sanitized of the prompt and the answer up to its fence; else the answer."""
    response = answer.text
    if problem.form != "humaneval":
        return response if response.strip() else None
    block = response.split(f"{FENCE}python\n", 1)[-1].split(FENCE)[0]
    try:
        return sanitize(f"{problem.prompt}\n{block}", problem.entry_point) or None
    except RecursionError:  # unparsing an expression of a thousand levels
        return None


def sanitize(text: str, entry_point: str) -> str:
    """Imports, and the definitions that the entry point reaches, of the longest run of lines that parses.

    Classes, functions with a `return`, and assignments to a name count as definitions; of several of one name the last.
    What is reached goes by names and by attributes' names, and never by what stands before a dot.
    """
    text = text.replace("\t", "    ").replace("\r\n", "\n").replace("\r", "\n").strip() + "\n"
    run = longest_parsing_run(text.splitlines()[:FIRST_LINES], shortest=1) or ""
    with warnings.catch_warnings(action="ignore"):
        body = ast.parse(run).body
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    definitions = {name: node for node in body if (name := _defined_name(node)) is not None}
    reached = _reached(entry_point, {name: _names(node) for name, node in definitions.items()})
    return "\n".join(map(ast.unparse, [*imports, *(node for name, node in definitions.items() if name in reached)]))


def _defined_name(node: ast.stmt) -> str | None:
    match node:
        case ast.ClassDef(name=name):
            return name
        case ast.FunctionDef(name=name) if any(isinstance(inner, ast.Return) for inner in ast.walk(node)):
            return name
        case ast.Assign(targets=[ast.Name(id=name), *_]):
            return name
    return None


def _names(definition: ast.AST) -> set[str]:
    names = set()
    nodes = [definition]
    while nodes:
        for child in ast.iter_child_nodes(nodes.pop()):
            if isinstance(child, ast.Name):
                names.add(child.id)
            elif isinstance(child, ast.Attribute):
                names.add(child.attr)
            else:
                nodes.append(child)
    return names


def _reached(start: str, names: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += names.get(name, ())
    return reached
