"""Compiled programs are kept on disk, so that the next process finds them."""

from __future__ import annotations

import os
from pathlib import Path

from jax.experimental.compilation_cache.compilation_cache import set_cache_dir


def keep_compiled_programs() -> None:
    """Turns JAX's persistent compilation cache on, where caches of the user lie.

    `JAX_COMPILATION_CACHE_DIR` chooses another place, `JAX_ENABLE_COMPILATION_CACHE=0` turns it off.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    set_cache_dir(str(caches / "coda-eval" / "compiled"))
