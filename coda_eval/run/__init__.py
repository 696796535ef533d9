"""One evaluation from end to end: completions are made or read, judged while more are made, and scored.

evaluate   a model on a task (loads JAX)
score      completions from elsewhere (does not)
judge      programs to the executor, verdicts to the run directory
manifest   what a run directory says of how it was made
progress   the bars on stderr
"""
