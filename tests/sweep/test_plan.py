"""From a TOML or options to points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coda_eval.errors import ConfigError
from coda_eval.sweep.plan import PlannedPoint, SweepConfig, plan_points, read_toml


def config(**changes: Any) -> SweepConfig:
    """Two models by steps and threshold, and a baseline."""
    given: dict[str, Any] = {
        "task": "mini",
        "models": ("coda-tiny", "coda-small"),
        "baselines": ("coda-tiny-ar",),
        "grids": ({"steps": [4, 8, "max"], "batch_size": [1, 16]}, {"threshold": [0.7, 0.9]}),
        **changes,
    }
    return SweepConfig(**given)


def of(model: str, points: list[PlannedPoint]) -> list[PlannedPoint]:
    return [point for point in points if point.config.model == model]


def test_a_grid_is_a_product_and_grids_are_put_together() -> None:
    """Six and two for each model."""
    points = plan_points(config())
    assert len(of("coda-tiny", points)) == len(of("coda-small", points)) == 3 * 2 + 2


def test_a_baseline_takes_the_axes_that_concern_it() -> None:
    """Batch sizes, but neither steps nor thresholds."""
    points = of("coda-tiny-ar", plan_points(config()))
    assert sorted(point.config.sampler.batch_size for point in points) == [1, 16, 32]
    assert {point.config.sampler.steps for point in points} == {None}


def test_settings_hold_for_every_point() -> None:
    """A baseline passes over those of diffusion."""
    points = plan_points(config(settings={"batch_size": 4, "alg_temp": 0.5}, grids=({"steps": [4]},)))
    assert {(point.config.sampler.batch_size, point.config.sampler.alg_temp) for point in points} == {
        (4, 0.5),
        (4, 0.0),
    }


def test_repeats_come_in_rounds_each_in_an_order_of_its_own() -> None:
    """So that a drift of the machine falls on no setting alone."""
    points = plan_points(config(repeats=2))
    assert [point.repeat for point in points] == sorted(point.repeat for point in points)
    first, second = ([point.config for point in points if point.repeat == repeat] for repeat in (0, 1))
    assert sorted(map(str, first)) == sorted(map(str, second))
    assert first != second


def test_the_order_is_that_of_the_points_not_of_the_file() -> None:
    """A sweep that is resumed goes on in the same one."""
    turned = config(models=("coda-small", "coda-tiny"))
    assert [point.digest for point in plan_points(config())] == [point.digest for point in plan_points(turned)]


def test_by_model_loads_one_model_after_the_other() -> None:
    """All points of a model stand together."""
    models = [point.config.model for point in plan_points(config(order="by-model"))]
    assert len(list(dict.fromkeys(models))) == sum(a != b for a, b in zip(models, [None, *models], strict=False))


def test_names_are_readable_and_unique() -> None:
    """A directory each."""
    names = [point.name for point in plan_points(config(repeats=2, seeds=(0, 1)))]
    assert len(set(names)) == len(names)
    assert any(name.startswith("coda-tiny_steps-4_batch-size-16_seed-1_repeat-1_") for name in names)


def test_a_point_keeps_its_digest_in_another_form_of_the_sweep() -> None:
    """So that a sweep can be extended without running it again."""
    alone = plan_points(config(models=("coda-tiny",), baselines=(), grids=({"steps": [4]},)))
    among = plan_points(config(grids=({"steps": [2, 4]},), settings={"top_p": 1.0}))
    assert alone[0].digest in {point.digest for point in among}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"grids": ()}, "grid is empty", id="no grid"),
        pytest.param({"grids": ({"steps": []},)}, "steps has no value", id="no value"),
        pytest.param(
            {"grids": ({"steps": list(range(1, 1101)), "batch_size": list(range(1, 1001))},)},
            "3,300,000",
            id="too many",
        ),
        pytest.param({"grids": ({"stepz": [1]},)}, "did you mean steps", id="unknown axis"),
        pytest.param({"settings": {"colour": 1}}, "no setting that can be swept", id="unknown setting"),
        pytest.param({"models": (), "baselines": ()}, "names no model", id="no model"),
        pytest.param({"repeats": 0}, "at least 1", id="no repeat"),
        pytest.param({"seeds": ()}, "seeds", id="no seed"),
        pytest.param({"order": "alphabetical"}, "by-model", id="unknown order"),
    ],
)
def test_a_bad_sweep_is_refused(changes: dict[str, Any], says: str) -> None:
    """In one line, before anything is run, and without making a million points."""
    with pytest.raises(ConfigError, match=says):
        config(**changes)


@pytest.mark.parametrize("values", [[0], ["eight"], [4.5, None]])
def test_a_value_that_no_run_takes_is_refused(values: list[Any]) -> None:
    """As `coda-eval run` would refuse it."""
    with pytest.raises(ConfigError):
        plan_points(config(grids=({"steps": values},)))


def test_a_toml_says_the_same(tmp_path: Path) -> None:
    """Keys as in the documentation; one value need not be a list."""
    file = tmp_path / "sweep.toml"
    file.write_text(
        'models = ["coda-tiny"]\ntask = "mini"\nseeds = [1]\n[settings]\ndtype = "float32"\n'
        "[[grid]]\nsteps = [4, 8]\n[[grid]]\nthreshold = 0.7\n[execution]\nworkers = 1\n"
    )
    assert read_toml(file) == {
        "models": ("coda-tiny",),
        "tasks": ("mini",),
        "seeds": (1,),
        "settings": {"dtype": "float32"},
        "grids": ({"steps": [4, 8]}, {"threshold": [0.7]}),
        "execution": {"workers": 1},
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("models = [", "cannot be read as TOML"),
        ('model = ["coda-tiny"]', "did you mean models"),
        ("repeats = true", "repeats is True"),
        ("grid = [1, 2]", "expected tables"),
    ],
)
def test_a_bad_toml_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """With the name of the file."""
    file = tmp_path / "sweep.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=says) as caught:
        read_toml(file)
    assert str(file) in str(caught.value)


def test_a_missing_toml_is_refused(tmp_path: Path) -> None:
    """The message says how else a sweep is described."""
    with pytest.raises(ConfigError, match="--model"):
        read_toml(tmp_path / "sweep.toml")
