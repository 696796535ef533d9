"""How long what is left will take."""

from __future__ import annotations

import pytest

from coda_eval.config import RunConfig, SamplerConfig
from coda_eval.sweep.estimate import Timed, seconds_left


def run(model: str, steps: int) -> RunConfig:
    return RunConfig(model=model, task="mini", sampler=SamplerConfig(steps=steps, max_new_tokens=64))


def test_nothing_is_said_before_the_first_point() -> None:
    """Rather than a guess."""
    assert seconds_left([], [run("tiny", 4)]) is None


def test_a_point_takes_in_proportion_to_its_steps_and_model() -> None:
    """A second a step for one model, three for the other, one beside that; both are set up."""
    done = [Timed(run("tiny", 4), 4.0, 60.0, 1.0), Timed(run("small", 2), 6.0, 60.0, 1.0)]
    assert seconds_left(done, [run("tiny", 8), run("small", 1)]) == pytest.approx(8 + 3 + 2)


def test_a_model_that_is_not_set_up_yet_will_have_to_be() -> None:
    """Once, however many points it has; until it is timed it is taken to be as fast as the others."""
    done = [Timed(run("tiny", 4), 4.0, 60.0, 1.0)]
    assert seconds_left(done, [run("small", 2), run("small", 2)]) == pytest.approx(2 * (2 + 1) + 60)
