"""Everything that can be done with a checkout: `nox -s NAME`. `nox` alone runs lint, types and tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True

# Compiling is most of the tests' work, and a process compiles one program at a time. A file's fixtures are made once.
IN_PARALLEL = ("-n", str(min(os.cpu_count() or 1, 8)), "--dist", "loadfile")
CHECKED = ("coda_eval", "sandbox", "tests", "noxfile.py")


@nox.session
def quickstart(session: nox.Session) -> None:
    """Install the package and run the embedded default: the embedded model on the embedded suite."""
    session.install(".")
    session.run("coda-eval", "run", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Install the package and pass the tests; what needs an engine, data or hardware that is not here is named."""
    session.install("-e", ".[dev,tpu]" if os.environ.get("CODA_EVAL_REQUIRE_TPU") else ".[dev]")
    session.run("pytest", *IN_PARALLEL, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Form: ruff's rules and formatting."""
    session.install("ruff>=0.17,<0.18")
    session.run("ruff", "check", *CHECKED)
    session.run("ruff", "format", "--check", *CHECKED)


@nox.session
def types(session: nox.Session) -> None:
    """Mypy --strict on the package."""
    session.install("-e", ".[dev]")
    session.run("mypy")


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it into an empty environment, and test it outside the checkout."""
    place = Path(session.create_tmp()).resolve()
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    session.install("build")
    session.run("python", "-m", "build", "--outdir", str(place / "dist"), silent=True)
    (built,) = (place / "dist").glob("*.whl")
    session.install("--force-reinstall", "--no-deps", str(built))
    session.install(f"{built}[dev]")
    checkout = Path.cwd()
    shutil.copytree(checkout / "tests", place / "tests")
    shutil.copy(checkout / "pyproject.toml", place)
    shared = os.environ.get("CODA_EVAL_SHARED", str(checkout.parent / "shared"))
    with session.chdir(place):
        session.run("coda-eval", "doctor")
        chosen = ("-m", "not docker and not browser and not tpu and not slow")
        session.run("pytest", *IN_PARALLEL, *chosen, *session.posargs, env={"CODA_EVAL_SHARED": shared})


@nox.session
def image(session: nox.Session) -> None:
    """Build the sandbox image; `-- --offline` makes its base from Debian packages."""
    session.install(".")
    session.run("coda-eval", "sandbox", "build", *session.posargs)


@nox.session
def interop(session: nox.Session) -> None:
    """Our samples files, scored by the real `evalplus.evaluate` and `evaluate_functional_correctness`."""
    session.install("-e", ".[dev]")
    session.run("pytest", "tests/interop", *session.posargs, env={"CODA_EVAL_INTEROP": "1"})
