"""What decides a result, in short."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coda_eval.store.fingerprint import Difference, differences, fingerprint

LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.text("ab1", max_size=3)
SETTINGS = st.dictionaries(
    st.text("abc", min_size=1, max_size=2),
    st.recursive(
        LEAVES,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=4,
)


@given(SETTINGS)
def test_it_survives_the_way_to_disk_and_back(settings: dict[str, Any]) -> None:
    assert fingerprint(json.loads(json.dumps(settings))) == fingerprint(settings)


@given(SETTINGS, SETTINGS)
def test_differences_are_named_exactly_where_fingerprints_differ(there: dict[str, Any], here: dict[str, Any]) -> None:
    assert bool(differences(there, here)) == (fingerprint(there) != fingerprint(here))


def test_order_of_keys_and_spelling_of_whole_numbers_do_not_matter() -> None:
    assert fingerprint({"timeout_s": 3, "ks": (1, 2)}) == fingerprint({"ks": [1, 2], "timeout_s": 3.0})


@pytest.mark.parametrize("other", [{"steps": 33}, {"steps": "32"}, {"steps": None}, {}, {"steps": 32, "seed": 0}])
def test_any_other_setting_changes_it(other: dict[str, object]) -> None:
    assert fingerprint(other) != fingerprint({"steps": 32})


def test_a_difference_has_its_dotted_name_and_both_values() -> None:
    there = {"model": "a", "sampler": {"steps": 64, "seed": 0}}
    here = {"model": "a", "sampler": {"steps": 32}}
    assert differences(there, here) == [
        Difference("sampler.seed", 0, "(absent)"),
        Difference("sampler.steps", 64, 32),
    ]
