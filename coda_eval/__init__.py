"""coda-eval: an evaluation harness and benchmark suite for diffusion code models."""

from importlib.metadata import version

__version__ = version("coda-eval")
