"""What every program finds imported already, and so at no cost."""

import gc
import importlib
import sys
from pathlib import Path

from coda_sandbox.rehearsal import rehearse

# What programs import most, as far as it is small: every page that this process holds makes each fork dearer.
_PREIMPORT = (
    *("abc", "bisect", "collections", "collections.abc", "copy", "datetime", "functools", "heapq", "itertools"),
    *("math", "operator", "random", "re", "string", "time", "typing"),
)
_NUMPY = ("numpy", "numpy.random", "numpy.linalg")


def prepare(*, numpy: bool) -> str | None:
    """Import what forks will inherit, numpy and its kin if wanted; returns the version of numpy if it is loaded."""
    for name in (*_PREIMPORT, *(_NUMPY if numpy else ())):
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    loaded = sys.modules.get("numpy")
    if loaded is not None:
        loaded.random.seed(0)
    rehearse()
    # Objects made so far are not looked at again: a collection in a child would copy their pages.
    gc.collect()
    gc.freeze()
    return getattr(loaded, "__version__", None)


def numpy_version() -> str | None:
    """The version of the numpy that could be imported, without importing anything into this process."""
    for directory in sys.path:
        for found in Path(directory or ".").glob("numpy-*-info"):
            return found.name.split("-")[1].removesuffix(".dist").removesuffix(".egg")
    return None
