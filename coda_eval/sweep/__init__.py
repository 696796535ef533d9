"""Many settings of several models on one task: points that are runs of their own and share what they can.

    DIR/sweep.json        the task, and every point that was ever asked for
    DIR/points/NAME/      a run directory each
    DIR/failures.jsonl    points that could not be run, with their error

plan      from a TOML or options to points
store     the directory of a sweep
estimate  how long what is left will take
run       runs what is missing (loads JAX)
"""
