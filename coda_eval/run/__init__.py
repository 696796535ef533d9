"""One evaluation from end to end: completions are made or read, judged while more are made, and scored.

evaluate   a model on a task
generator  what writes completions: the contract
device     a model on this machine's device (loads JAX)
endpoint   a model behind an OpenAI-compatible endpoint
workbench  what several runs share
score      completions from elsewhere (does not)
export     a run's samples in the files of other harnesses
reading    how completions become programs
judge      programs to the executor, verdicts to the run directory
results    what a finished run leaves: metrics and the table of problems
ground_truth  whether the canonical solutions pass in this sandbox
manifest   what a run directory says of how it was made
progress   the bars on stderr
"""
