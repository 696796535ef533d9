"""coda-eval: an evaluation harness and benchmark suite for diffusion code models."""

__version__: str


def __getattr__(name: str) -> str:
    """Reads the version when it is asked for: its reader costs a quarter of the command line's start."""
    if name == "__version__":
        from importlib.metadata import version

        return version("coda-eval")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
