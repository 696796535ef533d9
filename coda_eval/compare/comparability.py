"""Which runs may be compared: those that differ in their completions only, not in what judges them.

Settings that made the completions (model, sampler, precision) may differ and are named; all others, known here or not,
must agree, because they decide what a score means. A field can be allowed to differ; that is part of every output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coda_eval.compare.evidence import Evidence
from coda_eval.errors import ConfigError
from coda_eval.store.fingerprint import ABSENT, Difference, differences

COMPARED = ("model_sha256", "tokenizer_sha256", "completions_sha256", "endpoint")
"""What a comparison is about: not worth naming."""
GENERATION = ("dtype", "sampler")
"""How completions were made."""
VALUE_CHARACTERS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparability:
    """What differs between two runs that are compared all the same."""

    noted: tuple[Difference, ...]
    """Settings of generation."""
    allowed: tuple[Difference, ...]
    """Settings that decide what the score means, by `--allow`."""
    unverified: tuple[str, ...]
    """Settings that only one of the two records, by the first part of their names."""


def check_comparable(baseline: Evidence, candidate: Evidence, *, allow: Sequence[str] = ()) -> Comparability:
    """What differs, if that is nothing that forbids a comparison.

    Args:
        baseline: the one.
        candidate: the other.
        allow: dotted names of fields that may differ; `execution` allows everything below it.

    Raises:
        ConfigError: another field differs; the message names all of them.
    """
    noted, allowed, refused, unverified = [], [], [], []
    partial = not (baseline.settings_are_whole and candidate.settings_are_whole)
    for difference in differences(baseline.settings, candidate.settings):
        if _is_in(difference.field, COMPARED):
            continue
        if partial and ABSENT in (difference.there, difference.here):
            unverified.append(difference.field.partition(".")[0])
        elif _is_in(difference.field, GENERATION):
            noted.append(difference)
        elif _is_in(difference.field, allow):
            allowed.append(difference)
        else:
            refused.append(difference)
    if refused:
        raise ConfigError(
            f"{candidate.source} does not compare with {baseline.source}: {'; '.join(map(describe, refused))}; "
            f"evaluate both alike, or accept it with --allow {refused[0].field}"
        )
    return Comparability(noted=tuple(noted), allowed=tuple(allowed), unverified=tuple(dict.fromkeys(unverified)))


def describe(difference: Difference) -> str:
    """`execution.timeout_s is 3 in the baseline and 5 in the candidate`."""
    there, here = (_short(value) for value in (difference.there, difference.here))
    return f"{difference.field} is {there} in the baseline and {here} in the candidate"


def _is_in(field: str, parts: Sequence[str]) -> bool:
    return any(field == part or field.startswith(f"{part}.") for part in parts)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= VALUE_CHARACTERS else f"{text[:VALUE_CHARACTERS]}..."
