"""From a TOML or options to points.

models = ["coda-tiny", "coda-small"]
baselines = ["coda-tiny-ar"]        # run once, with the settings below and the axes that are not diffusion's
task = "mini"                       # or tasks = [...]
repeats = 3                         # timed so often
[settings]                          # of every point: any option of `run`, spelled with underscores
batch_size = 32
[[grid]]                            # the product of its lists; several grids are put together
steps = [8, 16, 32]
[[grid]]
threshold = [0.7, 0.9]
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import itertools
import json
import math
import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coda_eval.config import EndpointConfig, ExecutionConfig, MeshConfig, RunConfig, SamplerConfig, sweepable_settings
from coda_eval.errors import ConfigError

MOST_POINTS = 10_000
DIFFUSION_ONLY = frozenset(
    {"steps", "threshold", "factor", "entropy_bound", "block_length", "cache", "algorithm", "alg_temp"}
)
"""Axes that say nothing to a baseline."""
ORDERS = ("random", "by-model")

Grid = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepConfig:
    """What a sweep is asked to measure."""

    task: str
    models: tuple[str, ...] = ()
    baselines: tuple[str, ...] = ()
    protocol: str | None = None
    prompt: str = "auto"
    samples: int = 1
    limit: int | None = None
    repeats: int = 1
    """Runs of the same point; they differ in their times only."""
    seeds: tuple[int, ...] = (0,)
    order: str = "random"
    """`random` keeps all models loaded; `by-model` loads one after the other, each of its points in random order."""
    trace: bool = False
    """Record in which order tokens were committed, for the report's viewer."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of every point: fields of `SamplerConfig`, `dtype`, and `mesh` as the command line spells it."""
    grids: tuple[Grid, ...] = ()
    execution: ExecutionConfig = field(default_factory=ExecutionConfig)
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)

    def __post_init__(self) -> None:
        if not self.models and not self.baselines:
            raise ConfigError("the sweep names no model; give `models` in its TOML, or --model")
        if self.repeats < 1:
            raise ConfigError(f"repeats is {self.repeats}; it must be at least 1")
        if not self.seeds:
            raise ConfigError("seeds is empty; leave it out, or name one at least")
        if self.order not in ORDERS:
            raise ConfigError(f"order is {self.order!r}; choose one of {', '.join(ORDERS)}")
        for name, value in self.settings.items():
            _require_setting(name, [value])
        for grid in self.grids:
            for name, values in grid.items():
                _require_setting(name, values)
                if not values:
                    raise ConfigError(f"the grid is empty: {name} has no value; give it one at least, or leave it out")
        if self.models and not self.grids:
            raise ConfigError("the grid is empty; sweep something, such as --steps 8,16,32 or [[grid]] in the TOML")
        count = self._count()
        if count > MOST_POINTS:
            raise ConfigError(
                f"the grid has {count:,} points, more than {MOST_POINTS:,}; leave out values, or split it into sweeps"
            )

    def _count(self) -> int:
        """An upper bound of the number of points, without making them."""
        sizes = sum(math.prod(len(values) for values in grid.values()) for grid in self.grids)
        each = sizes * (len(self.models) + len(self.baselines)) or len(self.baselines)
        return each * self.repeats * len(self.seeds)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPoint:
    """A run to make."""

    config: RunConfig
    repeat: int
    """Counts from 0."""
    swept: Mapping[str, Any]
    """What the grid set."""

    @property
    def digest(self) -> str:
        """The same for the same run, in whatever form the sweep names it."""
        config = self.config.to_json()
        # How many sandboxes judge, how patiently a server is asked and what else is recorded changes no result.
        del config["execution"]["workers"], config["endpoint"], config["trace"]
        text = json.dumps({"config": config, "repeat": self.repeat}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def name(self) -> str:
        """The name of the point's directory: readable, and unique by its end."""
        model = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(self.config.model.partition("@")[0]).name)
        parts = [f"{key.replace('_', '-')}-{_shown(value)}" for key, value in self.swept.items()]
        seed = [f"seed-{self.config.sampler.seed}"] if self.config.sampler.seed else []
        repeat = [f"repeat-{self.repeat}"] if self.repeat else []
        return "_".join([model, *parts, *seed, *repeat, self.digest])


def question_of(config: SweepConfig) -> dict[str, Any]:
    """What all points must have in common to stand in one table."""
    execution = dataclasses.asdict(config.execution)
    del execution["workers"]
    return {
        "task": config.task,
        "protocol": config.protocol,
        "samples": config.samples,
        "limit": config.limit,
        "execution": execution,
    }


def plan_points(config: SweepConfig) -> list[PlannedPoint]:
    """Every point of the sweep, in the order in which it is run.

    Raises:
        ConfigError: a point has settings that do not go together; the message names them.
    """
    points: dict[str, PlannedPoint] = {}
    for model in (*config.models, *config.baselines):
        for swept in _settings_of(model, config):
            for seed, repeat in itertools.product(config.seeds, range(config.repeats)):
                point = PlannedPoint(
                    config=_run_config(config, model=model, swept=swept, seed=seed),
                    repeat=repeat,
                    swept=swept,
                )
                points.setdefault(point.digest, point)
    return _in_order(list(points.values()), config)


def read_toml(path: Path) -> dict[str, Any]:
    """What a file asks for: arguments of `SweepConfig`, but `tasks`, and `execution` and `endpoint` as plain tables.

    Raises:
        ConfigError: it cannot be read, or a key is unknown or of the wrong kind.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; name a sweep's TOML, or give --model and --task") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML ({error})") from None
    given: dict[str, Any] = {}
    kinds: dict[str, tuple[type, ...]] = {
        "models": (list,), "baselines": (list,), "task": (str,), "tasks": (list,), "protocol": (str,), "prompt": (str,),
        "samples": (int,), "limit": (int,), "repeats": (int,), "seeds": (list,), "order": (str,), "settings": (dict,),
        "grid": (list, dict), "execution": (dict,), "endpoint": (dict,), "trace": (bool,),
    }  # fmt: skip
    for key, value in document.items():
        if key not in kinds:
            close = difflib.get_close_matches(key, kinds, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(kinds)}"
            raise ConfigError(f"{path}: {key!r} is unknown; {hint}")
        if not isinstance(value, kinds[key]) or isinstance(value, bool) != (kinds[key] == (bool,)):
            expected = " or ".join(kind.__name__ for kind in kinds[key])
            raise ConfigError(f"{path}: {key} is {value!r}; expected {expected}")
        given[key] = tuple(value) if isinstance(value, list) and key != "grid" else value
    if "task" in given:
        given["tasks"] = (*given.get("tasks", ()), given.pop("task"))
    grids = given.pop("grid", [])
    grids = [grids] if isinstance(grids, dict) else grids
    if not all(isinstance(grid, dict) for grid in grids):
        raise ConfigError(f"{path}: grid is {grids!r}; expected tables, each under a line [[grid]]")
    given["grids"] = tuple(
        {name: values if isinstance(values, list) else [values] for name, values in grid.items()} for grid in grids
    )
    return given


def _settings_of(model: str, config: SweepConfig) -> Iterator[dict[str, Any]]:
    """What the grid sets for one model, once each; a baseline takes only the axes that concern it."""
    grids = config.grids
    if model not in config.models:
        grids = tuple({name: values for name, values in grid.items() if name not in DIFFUSION_ONLY} for grid in grids)
    seen = set()
    for grid in grids or ({},):
        for values in itertools.product(*grid.values()):
            swept = dict(zip(grid, values, strict=True))
            key = json.dumps(swept, sort_keys=True, default=str)
            if key not in seen:
                seen.add(key)
                yield swept


def _run_config(config: SweepConfig, *, model: str, swept: Mapping[str, Any], seed: int) -> RunConfig:
    baseline = model not in config.models
    settings: dict[str, Any] = {
        name: None if name == "steps" and value == "max" else value
        for name, value in {**config.settings, **swept}.items()
        if not (baseline and name in DIFFUSION_ONLY)
    }
    device: dict[str, Any] = {name: settings.pop(name) for name in ("dtype", "mesh") if name in settings}
    if "mesh" in device:
        device["mesh"] = MeshConfig.parse(device["mesh"])
    return RunConfig(
        model=model,
        task=config.task,
        prompt=config.prompt,
        protocol=config.protocol,
        samples=config.samples,
        limit=config.limit,
        sampler=SamplerConfig(**settings, seed=seed),
        execution=config.execution,
        endpoint=config.endpoint,
        trace=config.trace,
        **device,
    )


def _in_order(points: list[PlannedPoint], config: SweepConfig) -> list[PlannedPoint]:
    """Repeats in rounds, each in an order of its own, so that a drift of the machine falls on no setting alone.

    The order depends on the points only: a sweep that is resumed goes on in the same one.
    """
    rounds = []
    for repeat in range(config.repeats):
        within = sorted((point for point in points if point.repeat == repeat), key=lambda point: point.digest)
        random.Random(repeat).shuffle(within)
        if config.order == "by-model":
            models = list(dict.fromkeys(point.config.model for point in within))
            within.sort(key=lambda point: models.index(point.config.model))
        rounds += within
    return rounds


def _require_setting(name: str, values: Sequence[Any]) -> None:
    """Sees that there is such a setting, and that these are values for it."""
    kinds = sweepable_settings()
    if name not in kinds:
        close = difflib.get_close_matches(name, kinds, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ConfigError(f"{name!r} is no setting that can be swept; {hint}known are {', '.join(kinds)}")
    kind = kinds[name]
    for value in values:
        fits = isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
        if not fits and (name, value) != ("steps", "max"):
            raise ConfigError(f"{name} is {value!r}; expected a value of kind {kind.__name__}")


def _shown(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")
