"""The figures of the CoDA report."""

from __future__ import annotations

import pytest

from coda_eval.points.published import (
    ALTERNATIVES,
    HEADLINE_PERCENT,
    figure_3,
    headline,
    possible_sizes,
    protocol_note,
    table_4,
)


def test_the_headline_is_the_ratio_to_ours() -> None:
    """39.64 % is what Dream takes more, not what CoDA saves."""
    found = headline(figure_3())
    assert found.by_ours == pytest.approx(HEADLINE_PERCENT, abs=0.5)
    assert found.by_theirs == pytest.approx(23.9, abs=0.1)


@pytest.mark.parametrize(
    ("percent", "sizes"), [(47.2, [500]), (68.3, [378]), (68.7, [399]), (63.2, [500, 378, 399]), (31.5, [378])]
)
def test_a_score_tells_of_how_many_problems_it_can_be(percent: float, sizes: list[int]) -> None:
    """Some whole number of them rounds to it."""
    assert possible_sizes(percent, ALTERNATIVES["mbpp"]) == sizes


def test_cells_of_other_protocols_are_marked() -> None:
    """Those whose number of problems cannot be the harness' own, and their neighbours."""
    marked = {cell.model for cell in table_4() if "another protocol" in protocol_note(cell)}
    assert marked == {
        "Dream-7B-Base",
        "Dream-7B-Instruct",
        "LLaDA-8B-Instruct",
        "Qwen2.5-Coder-1.5B",
        "Qwen2.5-Coder-1.5B-Instruct",
    }


def test_every_cell_is_there() -> None:
    """Ten models, four columns."""
    assert len(table_4()) == 40
    assert len(figure_3()) == 12
