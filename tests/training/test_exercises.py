"""The corpus: what holds for every exercise, and what separates the suite `mini` from the training stream."""

from __future__ import annotations

import ast
import itertools
import re
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coda_eval.assets import asset
from coda_eval.training.exercises import Exercise, mini_exercises, mini_jsonl, training_exercises
from coda_eval.training.exercises.catalogue import FAMILIES
from coda_eval.training.exercises.corpus import held_out
from coda_eval.training.exercises.family import Family, evaluate_probes
from coda_eval.training.exercises.names import LOCALS, PARAMETERS, fill

FAMILIES_BY_NAME = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
ENTRY_POINT = re.compile(r"def (\w+)\(")
REWRITE = "python -c 'from coda_eval.training.exercises import mini_jsonl; print(end=mini_jsonl())' > tasks/mini.jsonl"


def load(program: str) -> Callable[..., object]:
    """The function that a program defines first."""
    scope: dict[str, Callable[..., object]] = {}
    exec(program, scope)
    found = ENTRY_POINT.match(program)
    assert found is not None
    return scope[found[1]]


def passes(exercise: Exercise, candidate: Callable[..., object]) -> bool:
    check = load(exercise.test)
    try:
        check(candidate)
    except Exception:
        return False
    return True


@pytest.fixture(scope="module")
def stream() -> list[tuple[str, str]]:
    return list(itertools.islice(training_exercises(seed=1), 20_000))


def test_mini_has_five_exercises_of_each_family() -> None:
    """85 problems, none of them twice."""
    assert Counter(exercise.family for exercise in mini_exercises()) == dict.fromkeys(
        (family.name for family in FAMILIES), 5
    )
    assert len(FAMILIES) == 17
    assert len({exercise.prompt for exercise in mini_exercises()}) == 85


def test_committed_file_is_what_the_generator_writes() -> None:
    """`tasks/mini.jsonl` equals the generated rows byte for byte."""
    assert asset("tasks", "mini.jsonl").read_bytes() == mini_jsonl().encode(), f"rewrite it: {REWRITE}"


@FAMILIES_BY_NAME
def test_every_way_to_write_a_mini_problem_passes_its_test(family: Family) -> None:
    """All structures and spellings of the body are correct."""
    for terms in held_out(family):
        exercise = family.exercise(terms)
        failed = [
            body
            for template in family.templates(terms)
            if not passes(exercise, load(exercise.prompt + (body := fill(template))))
        ]
        assert not failed, exercise.prompt + failed[0]


@FAMILIES_BY_NAME
def test_every_way_to_write_a_training_exercise_agrees_with_its_canonical_solution(family: Family) -> None:
    """The stream teaches correct programs: drawn bodies answer all probes alike."""
    random = Random(family.name)
    for terms in random.sample(family.choices, 60):
        body = family.draw_body(terms, random)
        answers = evaluate_probes(family, load(family.prompt(terms) + body))
        assert answers == family.answers(terms), family.prompt(terms) + body


@FAMILIES_BY_NAME
def test_solutions_of_other_combinations_fail_a_mini_problem(family: Family) -> None:
    """The asserts of a mini problem tell it from every other exercise of its family."""
    candidates = {terms: load(family.prompt(terms) + family.canonical_solution(terms)) for terms in family.choices}
    for held in held_out(family):
        exercise = family.exercise(held)
        check = load(exercise.test)
        for terms, candidate in candidates.items():
            if terms != held:
                with pytest.raises(Exception):  # noqa: B017, PT011 - any failure of a wrong program will do
                    check(candidate)


@pytest.mark.parametrize("exercise", mini_exercises(), ids=lambda exercise: exercise.entry_point)
def test_a_mini_test_has_six_to_ten_asserts_one_of_them_on_nothing(exercise: Exercise) -> None:
    """The smallest input (an empty list, text or dict, or 0) is among them; where it is 1, a sweep from there."""
    asserts = [node for node in ast.walk(ast.parse(exercise.test)) if isinstance(node, ast.Assert)]
    assert 6 <= len(asserts) <= 10
    assert re.search(r'candidate\((\[\]|\[\], \[\]|""|\{\}|0)\)|for n in range\(1, 10\)', exercise.test)


def test_no_mini_problem_is_in_the_stream(stream: list[tuple[str, str]]) -> None:
    """Neither its prompt nor, by construction, a combination that means the same."""
    assert not {exercise.prompt for exercise in mini_exercises()} & {prompt for prompt, _ in stream}


@FAMILIES_BY_NAME
def test_no_training_combination_is_a_held_out_one_in_other_words(family: Family) -> None:
    """What answers the probes as a mini problem does is that mini problem."""
    reserved = {repr(family.answers(terms)) for terms in held_out(family)}
    assert sum(repr(family.answers(terms)) in reserved for terms in family.choices) == len(held_out(family))


def test_training_has_many_combinations() -> None:
    """Thousands: the model has to compose and cannot look up."""
    prompts = {family.prompt(terms) for family in FAMILIES for terms in family.choices}
    assert len(prompts) == sum(len(family.choices) for family in FAMILIES) > 8_000


@FAMILIES_BY_NAME
def test_every_slot_value_of_mini_occurs_in_training(family: Family) -> None:
    """Only the combination is new to a model, never a word."""
    left = [terms for terms in family.choices if terms not in held_out(family)]
    for slot in range(len(family.choices[0])):
        seen = Counter(terms[slot] for terms in left)
        assert all(seen[terms[slot]] >= 10 for terms in held_out(family))


def test_families_are_balanced_in_the_stream(stream: list[tuple[str, str]]) -> None:
    """Each family has its share within a quarter."""
    family_of = {family.prompt(terms): family.name for family in FAMILIES for terms in family.choices}
    counts = Counter(family_of[prompt] for prompt, _ in stream)
    share = len(stream) / len(FAMILIES)
    assert {name: count for name, count in counts.items() if not 0.75 < count / share < 1.25} == {}


@given(st.integers(0, 2**64 - 1))
def test_stream_is_decided_by_its_seed(seed: int) -> None:
    """Two streams of one seed are one stream."""
    first, second = (list(itertools.islice(training_exercises(seed), 20)) for _ in range(2))
    assert first == second


@given(st.integers(0, 2**64 - 1))
def test_prompts_and_completions_have_the_form_of_humaneval(seed: int) -> None:
    """Signature and one docstring line; then an indented body that ends the text; together they parse."""
    for prompt, completion in itertools.islice(training_exercises(seed), 5):
        assert re.fullmatch(r'def \w+\([\w, ]+\):\n    """Return .*\."""\n', prompt)
        assert all(line.startswith("    ") for line in completion.splitlines())
        assert completion.endswith("\n")
        assert not completion.endswith("\n\n")
        ast.parse(prompt + completion)


def test_local_names_never_coincide() -> None:
    """Names of different roles, and those of parameters, are apart, so that every template is a correct program."""
    assert len({*LOCALS.values(), *PARAMETERS}) == len(LOCALS) + len(PARAMETERS)


def test_bodies_vary_in_structure_and_spelling() -> None:
    """One prompt has many completions: that is what makes committing many tokens at once go wrong."""
    for family in FAMILIES:
        random = Random(0)
        assert len({family.draw_body(family.choices[0], random) for _ in range(200)}) >= 3, family.name
