"""Finished runs as points of a chart or rows of a table.

point      one setting as it was measured: a run, or several that differ in seed or repeat only
series     points that belong on one line
frontier   which points nothing beats, and the area under them
published  the figures of the CoDA report, to be set beside the measured ones
"""

from coda_eval.points.frontier import accuracy_under_parallelism, pareto_front
from coda_eval.points.point import Failure, Point, Spread, read_failures, read_points
from coda_eval.points.series import Series, group_series

__all__ = [
    "Failure",
    "Point",
    "Series",
    "Spread",
    "accuracy_under_parallelism",
    "group_series",
    "pareto_front",
    "read_failures",
    "read_points",
]
