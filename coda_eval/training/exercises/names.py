"""The free local names of a body: a template says `$x`, a draw says which name that is.

A role has one name throughout a body, and the names of two roles never coincide, so any draw is a correct program.
"""

from __future__ import annotations

from random import Random
from string import Template
from typing import NamedTuple

PARAMETERS = frozenset({"xs", "ys", "s", "n", "d", "m"})
"""Names of the entry points' parameters; no local is called like one."""


class _Roles(NamedTuple):
    roles: tuple[str, ...]
    """Roles that are named together, like the two halves of a pair."""
    options: tuple[tuple[str, ...], ...]


def _role(role: str, *names: str) -> _Roles:
    return _Roles((role,), tuple((name,) for name in names))


ROLES = (
    _role("x", "x", "v"),
    _role("y", "y", "t"),
    _role("out", "out", "total"),
    _role("kept", "kept", "found"),
    _role("i", "i", "j"),
    _role("f", "f", "step"),
    _role("g", "g", "keep"),
    _role("c", "c", "ch"),
    _role("w", "w", "word"),
    _role("row", "row", "line"),
    _role("key", "key", "k"),
    _Roles(("a", "b"), (("a", "b"), ("p", "q"))),
)

CANONICAL = {role: name for group in ROLES for role, name in zip(group.roles, group.options[0], strict=True)}
"""The names of canonical solutions."""


def draw_names(random: Random) -> dict[str, str]:
    """A name for every role."""
    names: dict[str, str] = {}
    for roles, options in ROLES:
        # `random()` and not `choice()`: this runs for every pair that a trainer draws
        names.update(zip(roles, options[int(random.random() * len(options))], strict=True))
    return names


def fill(template: str, names: dict[str, str]) -> str:
    """The body that `template` becomes with these names."""
    return Template(template).substitute(names)
