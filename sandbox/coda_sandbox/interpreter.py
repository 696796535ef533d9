"""What every program finds imported already, and so at no cost."""

import contextlib
import gc
import importlib
import os
import sys

from coda_sandbox.rehearsal import rehearse

# What programs import most, as far as it is small: every page that this process holds makes each fork dearer.
_PREIMPORT = (
    *("abc", "bisect", "collections", "collections.abc", "copy", "datetime", "functools", "heapq", "itertools"),
    *("math", "operator", "random", "re", "string", "time", "typing"),
)
_NUMPY = ("numpy", "numpy.random", "numpy.linalg")


def prepare(*, numpy: bool) -> None:
    """Import what forks will inherit; with `numpy`, that as well, in a process that has done the rest."""
    for name in (*_PREIMPORT, *(_NUMPY if numpy else ())):
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    loaded = sys.modules.get("numpy")
    if loaded is not None:
        loaded.random.seed(0)
    if not numpy:
        rehearse()
    # Objects made so far are not looked at again: a collection in a child would copy their pages.
    gc.collect()
    gc.freeze()


def numpy_version() -> str | None:
    """The version of the numpy that could be imported, without importing anything into this process."""
    for directory in sys.path:
        with contextlib.suppress(OSError):
            for name in os.listdir(directory or "."):
                if name.startswith("numpy-") and name.endswith("-info"):
                    return name.split("-")[1].removesuffix(".dist").removesuffix(".egg")
    return None
