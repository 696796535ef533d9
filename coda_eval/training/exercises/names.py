"""The local names of a body: a template says `$x`, and each such role has its name.

One name a role: with a free choice, the smallest model spends its training on repeating a name instead of on programs.
"""

from __future__ import annotations

from string import Template

PARAMETERS = frozenset({"xs", "ys", "s", "n", "d", "m"})
"""Names of the entry points' parameters; no local is called like one."""

LOCALS = {
    "x": "x",
    "y": "y",
    "out": "out",
    "kept": "kept",
    "i": "i",
    "f": "f",
    "g": "g",
    "c": "c",
    "w": "w",
    "row": "row",
    "key": "key",
    "a": "a",
    "b": "b",
}


def fill(template: str) -> str:
    """The body that `template` becomes."""
    return Template(template).substitute(LOCALS)
