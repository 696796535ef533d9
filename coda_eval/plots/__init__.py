"""Charts, as PNG, SVG or PDF, for a light and for a dark page. Reads run directories only; no JAX.

style      how charts look, and how they are written
statuses   one run: what became of its samples
frontier   pass@1 against seconds a completion
steps      pass@1 and time against steps, with the published points
forwards   pass@1 against tokens a forward
threshold  what a confidence threshold buys
batch      tokens a second against batch size
stages     where the time goes
trace      in which order a completion was written
charts     all of them by name
"""

from coda_eval.plots.charts import CHARTS, plot_points, plottable
from coda_eval.plots.statuses import plot_run
from coda_eval.plots.style import FORMATS, THEMES
from coda_eval.plots.trace import plot_trace

__all__ = ["CHARTS", "FORMATS", "THEMES", "plot_points", "plot_run", "plot_trace", "plottable"]
