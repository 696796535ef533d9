"""Is a checkpoint worse than another, and is that more than noise: reads judged runs, never a model or a sandbox."""
