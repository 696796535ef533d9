"""The command line: parses, calls one function, prints. Imports of what a verb needs are in its body, so that `--help`
answers at once and verbs that score never load JAX.
"""

from coda_eval.cli.main import main

__all__ = ["main"]
