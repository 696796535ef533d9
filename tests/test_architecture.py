"""The layers: what each module may import, and what never loads JAX."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import coda_eval
from coda_eval.assets import asset

PACKAGE = Path(coda_eval.__file__).resolve().parent

FOUNDATIONS = frozenset({"__init__", "errors", "assets"})
RECORDS = frozenset({"records", "config", "presets", "jsonl"})
DEVICE = frozenset({"models", "samplers", "tokenizer"})
HOST = frozenset(
    {"tasks", "adapters", "extract", "completions", "protocols", "endpoint", "execution", "scoring", "store"},
)
WIRING = frozenset({"run", "plan", "sweep", "bench", "training", "testing"})
PRESENTATION = frozenset({"compare", "paper", "plots", "points", "report"})
COMMANDS = frozenset({"cli"})

LAYERS = (FOUNDATIONS, RECORDS, DEVICE, HOST, WIRING, PRESENTATION, COMMANDS)
"""The parts of the package, from the bottom up; the device and the host side stand side by side."""

MAY_IMPORT = {
    FOUNDATIONS: FOUNDATIONS,
    RECORDS: FOUNDATIONS | RECORDS,
    DEVICE: FOUNDATIONS | RECORDS,  # not each other: samplers see a model through a protocol
    HOST: FOUNDATIONS | RECORDS,
    WIRING: FOUNDATIONS | RECORDS | DEVICE | HOST | WIRING,
    PRESENTATION: FOUNDATIONS | RECORDS | PRESENTATION | {"scoring", "store"},
    COMMANDS: frozenset().union(*LAYERS),
}

EXCEPTIONS = {
    ("tasks", "adapters"): "a task's definition names the adapter that reads its rows",
}

WITHOUT_JAX = (
    *sorted(FOUNDATIONS | RECORDS | HOST | PRESENTATION),
    "run.score",
    "run.export",
    "run.ground_truth",
    "run.reading",
    "run.results",
    "run.judge",
    "run.manifest",
    "run.progress",
)
"""They must work on a laptop or in CI, where only verdicts are made and read."""

DEVICE_LIBRARIES = frozenset({"jax", "jaxlib", "flax", "optax", "jaxtyping"})


class Import(NamedTuple):
    """One name imported by one module."""

    name: str
    """Dotted and absolute; of `from a import b`, `a.b`."""
    line: int
    at_module_level: bool


@cache
def modules() -> dict[str, Path]:
    """The modules of the package by dotted name without `coda_eval.`; a package is named like its folder."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] == "_data":  # in a wheel: `tasks/` and `sandbox/`, which are no part of the package's code
            continue
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = file
    return found


@cache
def imports(file: Path) -> tuple[Import, ...]:
    """Everything that a file imports, inside functions too."""

    def visit(node: ast.AST, at_module_level: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, at_module_level) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            yield from (Import(f"{source}.{alias.name}", node.lineno, at_module_level) for alias in node.names)
        deeper = (
            at_module_level
            and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            and not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        )
        for child in ast.iter_child_nodes(node):
            yield from visit(child, deeper)

    return tuple(visit(ast.parse(file.read_text(encoding="utf-8")), True))


def part_of(module: str) -> str:
    """The part of the package that a dotted name is in: `models` of `models.weights`."""
    return module.split(".")[0]


def own_imports(module: str) -> Iterator[tuple[str, Import]]:
    """The modules of the package that a module imports."""
    for imported in imports(modules()[module]):
        package, _, rest = imported.name.partition(".")
        if package == "coda_eval":
            *parents, last = rest.split(".")
            parent = ".".join(parents) or "__init__"
            yield (rest if rest in modules() else parent if parent in modules() else last), imported


def layer_of(part: str) -> frozenset[str]:
    """The layer that a part is in."""
    (layer,) = (layer for layer in LAYERS if part in layer)
    return layer


def test_every_module_is_in_one_layer() -> None:
    """A new module at the top of the package needs a place in the table, and a removed one leaves it."""
    listed = [part for layer in LAYERS for part in layer]
    assert sorted(listed) == sorted({part_of(module) for module in modules()})


def test_modules_import_from_their_layer_or_below() -> None:
    """Imports inside functions count too."""
    violations = [
        f"{module}:{imported.line} imports {imported.name}"
        for module in modules()
        for target, imported in own_imports(module)
        if part_of(target) != part_of(module)
        and part_of(target) not in MAY_IMPORT[layer_of(part_of(module))]
        and (part_of(module), part_of(target)) not in EXCEPTIONS
    ]
    assert violations == []


def test_every_exception_is_used() -> None:
    """An exception that nothing needs any more is removed."""
    used = {(part_of(module), part_of(target)) for module in modules() for target, _ in own_imports(module)}
    assert EXCEPTIONS.keys() <= used


def test_imports_are_absolute() -> None:
    """So that the table can be read off the text."""
    relative = [
        f"{module}:{imported.line}"
        for module, file in modules().items()
        for imported in imports(file)
        if imported.name.startswith(".")
    ]
    assert relative == []


def test_commands_import_other_layers_in_their_bodies() -> None:
    """`--help` answers at once because a verb's parts are imported when it runs."""
    early = [
        f"{module}:{imported.line} imports {imported.name}"
        for module in modules()
        if part_of(module) in COMMANDS
        for target, imported in own_imports(module)
        if imported.at_module_level and part_of(target) not in FOUNDATIONS | RECORDS | COMMANDS
    ]
    assert early == []


def test_no_path_of_imports_leads_from_the_host_side_to_jax() -> None:
    """Neither directly nor through other modules of the package, however late the import."""
    paths: list[tuple[str, ...]] = [
        (module,) for module in modules() if module in WITHOUT_JAX or part_of(module) in WITHOUT_JAX
    ]
    seen = {path[-1] for path in paths}
    violations = []
    while paths:
        path = paths.pop()
        violations += [
            f"{' -> '.join(path)}:{imported.line} imports {imported.name}"
            for imported in imports(modules()[path[-1]])
            if imported.name.split(".")[0] in DEVICE_LIBRARIES
        ]
        reached = {target for target, _ in own_imports(path[-1])} - seen
        seen |= reached
        paths += [(*path, target) for target in sorted(reached)]
    assert violations == []


def test_the_host_side_runs_without_loading_jax() -> None:
    """In a fresh interpreter, third-party packages included."""
    names = [f"coda_eval.{name}" for name in (*WITHOUT_JAX, "cli.main") if name != "__init__"]
    source = f"import sys, {', '.join(names)}; sys.exit('jax' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode == 0, finished.stderr or "jax was loaded"


def test_the_sandbox_needs_nothing_but_the_standard_library_and_numpy() -> None:
    """Its files are copied into an image that has neither this package nor any other."""
    allowed = {*sys.stdlib_module_names, "numpy", "coda_sandbox"}
    files = sorted(asset("sandbox").rglob("*.py"))
    foreign = [
        f"{file.name}:{imported.line} imports {imported.name}"
        for file in files
        for imported in imports(file)
        if imported.name.split(".")[0] not in allowed
    ]
    assert files
    assert foreign == []
