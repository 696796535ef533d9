"""The names in a sweep's directory, which its writer (`sweep`) and its readers (`points`) share."""

SWEEP = "sweep.json"
"""The question, and every point that was ever asked for; its presence makes a directory a sweep's."""
POINTS = "points"
"""A run directory for each point."""
FAILURES = "failures.jsonl"
"""Points that could not be run, with their error."""
