"""Where the time of a point goes."""

from __future__ import annotations

import math

from coda_eval.points.point import Point
from coda_eval.store.timings import read_timings

STAGES = ("full forwards", "window forwards", "sampling and waiting", "decoding", "host", "execution")


def stage_seconds(point: Point) -> dict[str, float]:
    """Seconds a completion, by stage, of the first run; empty where it was not timed.

    Forwards are the row's count times a row's share of what a forward of a full batch takes by itself. What is left of
    the time on the device is sampling, and rows that wait for the others of their batch. Where no forward was measured,
    as at an endpoint, all of it is `decoding`. `execution` is the wall time of the programs, which run beside the model
    and several at once.
    """
    run, metrics = point.runs[0]
    latency = metrics.latency
    if latency.total_s is None or not metrics.samples:
        return {}
    decoding = latency.total_s / metrics.samples
    execution = math.fsum(verdict.wall_s for verdict in run.verdicts()) / metrics.samples
    timings = read_timings(run.path)
    if timings is None:
        return {"decoding": decoding, "execution": execution}
    stages = {"host": timings.host_s / timings.completions, "execution": execution}
    rows = point.settings.get("batch_size")
    if timings.full_forward_s is None or latency.nfe_full is None or not rows:
        return {"decoding": decoding, **stages}
    full = latency.nfe_full * timings.full_forward_s / rows
    window = (latency.nfe_window or 0.0) * (timings.window_forward_s or 0.0) / rows
    # Measured apart, the forwards may come out a little longer than the loop that they were made in.
    scale = min(1.0, decoding / (full + window)) if full + window else 1.0
    return {
        "full forwards": full * scale,
        "window forwards": window * scale,
        "sampling and waiting": max(0.0, decoding - full - window),
        **stages,
    }
