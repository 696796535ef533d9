"""Points that belong on one line: one model, on one machine, one number varied."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coda_eval.points.point import Point

SWEPT = ("threshold", "factor", "entropy_bound", "steps")
"""The numbers that trade accuracy for time. A point is labelled by the first of them that it sets."""


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one line, in order of what is varied."""

    label: str
    axis: str
    """One of `SWEPT`."""
    points: tuple[Point, ...]


def axis_of(point: Point) -> str:
    """What number decides how many tokens a forward commits at this point."""
    return next((name for name in SWEPT if point.settings.get(name) is not None), "steps")


def is_swept(point: Point) -> bool:
    """Whether there is such a number: not for autoregressive models, endpoints, completions from elsewhere."""
    return not point.autoregressive and point.settings.get(axis_of(point)) is not None


def axis_value(point: Point) -> float:
    """The number itself; 0 where nothing is known of the sampling."""
    return float(point.settings.get(axis_of(point)) or 0)


def group_series(points: Sequence[Point], *, apart_by: Iterable[str] = ()) -> list[Series]:
    """The lines of a chart. Points on different hardware are never on one.

    Args:
        points: those of the chart.
        apart_by: settings that never tell lines apart, because the chart has them as its axis.
    """
    ignored = {*SWEPT, *apart_by}
    keys = sorted({key for point in points for key in point.settings if key not in ignored})
    groups: defaultdict[tuple[object, ...], list[Point]] = defaultdict(list)
    for point in points:
        axis = axis_of(point)
        groups[(point.model, point.hardware, axis, *(setting_text(point.settings.get(key)) for key in keys))].append(
            point
        )
    labels = _labels([group[0] for group in groups.values()], keys)
    series = [
        Series(label, axis_of(group[0]), tuple(sorted(group, key=axis_value)))
        for label, group in zip(labels, groups.values(), strict=True)
    ]
    return sorted(series, key=lambda each: _in_natural_order(each.label))


def varying(points: Sequence[Point]) -> list[str]:
    """The settings that are not the same in all points: the columns of a table."""
    keys = list(dict.fromkeys(key for point in points for key in point.settings))
    return [key for key in keys if len({setting_text(point.settings.get(key)) for point in points}) > 1]


def _labels(representatives: Sequence[Point], keys: Sequence[str]) -> list[str]:
    """Model and axis, and whatever else differs between lines of the same model."""
    labels = []
    for point in representatives:
        alike = [other for other in representatives if other.model == point.model and axis_of(other) == axis_of(point)]
        differing = [
            f"{key.replace('_', ' ')} {setting_text(point.settings.get(key))}"
            for key in keys
            if len({setting_text(other.settings.get(key)) for other in alike}) > 1
        ]
        if len({other.hardware for other in representatives}) > 1:
            differing.append(f"on {point.hardware}")
        kind = [f"by {axis_of(point).replace('_', ' ')}"] if is_swept(point) else []
        labels.append(", ".join([" ".join([point.model, *kind]), *differing]))
    return labels


def _in_natural_order(label: str) -> list[tuple[float, str]]:
    """Numbers by size, so that batch size 4 comes before 16."""
    return [(float(part), "") if part.isdecimal() else (0.0, part) for part in re.split(r"(\d+)", label)]


def setting_text(value: Any) -> str:
    """A setting's value as people write it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {setting_text(member)}" for name, member in sorted(value.items())) + "}"
    return f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)
