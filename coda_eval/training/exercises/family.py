"""What a family of exercises is: slots, the words for them, and the several ways to write the body."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from types import CodeType

from coda_eval.training.exercises.names import fill


@dataclass(frozen=True, slots=True)
class Spelling:
    """A term with one of its forms chosen; calling it puts an operand into the form."""

    word: str
    form: str

    def __call__(self, operand: str = "$x") -> str:
        return self.form.replace("@", operand)


@dataclass(frozen=True, slots=True)
class Term:
    """A value of a slot."""

    word: str
    """What it is called in an entry point, like `over_5`."""
    phrase: str
    """What it is called in a docstring, like `over 5`."""
    forms: tuple[str, ...] = ("@",)
    """Equivalent expressions for it, in which `@` stands for the operand."""
    kind: str = ""
    """What it shares with the terms that differ from it by a constant only; empty for a term of its own."""

    def spellings(self) -> tuple[Spelling, ...]:
        return tuple(Spelling(self.word, form) for form in self.forms)


Terms = tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Exercise:
    """A program to write, its tests, and a solution."""

    family: str
    combination: tuple[str, ...]
    """The words of the slots."""
    entry_point: str
    prompt: str
    """Signature and docstring, as in HumanEval."""
    canonical_solution: str
    """A body that continues `prompt`."""
    test: str
    """Source that defines `check(candidate)`."""


@dataclass(frozen=True, eq=False)  # caches key on the family itself: hashing thousands of combinations takes long
class Family:
    """Exercises that differ by the values of their slots alone."""

    name: str
    parameters: str
    entry_point: str
    """A format over the words of the slots."""
    docstring: str
    """A format over their phrases."""
    choices: tuple[Terms, ...]
    """Every combination."""
    structures: Callable[..., Iterable[str]]
    """From one spelling a slot to templates of bodies (see `names`); the first is canonical."""
    probes: tuple[str, ...]
    """Expressions over `candidate` that tell combinations apart; each becomes an assert."""

    def prompt(self, terms: Terms) -> str:
        docstring = self.docstring.format(*(term.phrase for term in terms))
        return f'def {self.entry(terms)}({self.parameters}):\n    """{docstring}"""\n'

    def entry(self, terms: Terms) -> str:
        return self.entry_point.format(*(term.word for term in terms))

    def canonical_solution(self, terms: Terms) -> str:
        first = (term.spellings()[0] for term in terms)
        return fill(next(iter(self.structures(*first))))

    def templates(self, terms: Terms) -> tuple[str, ...]:
        """Every way to write the body, with roles in the place of local names."""
        spelled = itertools.product(*(term.spellings() for term in terms))
        return tuple(dict.fromkeys(template for spellings in spelled for template in self.structures(*spellings)))

    def draw_body(self, terms: Terms, random: Random) -> str:
        """One of the ways to write the body: each form and structure with equal chance."""
        spellings = (Spelling(term.word, term.forms[int(random.random() * len(term.forms))]) for term in terms)
        templates = tuple(self.structures(*spellings))
        return fill(templates[int(random.random() * len(templates))])

    def answers(self, terms: Terms) -> tuple[object, ...]:
        """What the canonical solution gives for each probe."""
        scope: dict[str, object] = {}
        exec(self.prompt(terms) + self.canonical_solution(terms), scope)
        return evaluate_probes(self, scope[self.entry(terms)])

    def exercise(self, terms: Terms) -> Exercise:
        asserts = "".join(
            f"    assert {probe} == {answer!r}\n"
            for probe, answer in zip(self.probes, self.answers(terms), strict=True)
        )
        return Exercise(
            family=self.name,
            combination=tuple(term.word for term in terms),
            entry_point=self.entry(terms),
            prompt=self.prompt(terms),
            canonical_solution=self.canonical_solution(terms),
            test=f"def check(candidate):\n{asserts}",
        )


def evaluate_probes(family: Family, candidate: object) -> tuple[object, ...]:
    """What `candidate` gives for each probe of the family."""
    return tuple(eval(code, {"candidate": candidate}) for code in map(_compiled, family.probes))


@functools.cache
def _compiled(probe: str) -> CodeType:
    return compile(probe, "<probe>", "eval")


def block(*lines: str) -> str:
    """A body from its lines, which are indented relative to it."""
    return "".join(f"    {line}\n" for line in lines)
