"""Where the files live that are not Python: `tasks/` and `sandbox/`.

In an installed wheel they are under `coda_eval/_data/`; in a checkout at the top of the repository.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def asset(*parts: str) -> Path:
    """The path of an asset, e.g. `asset("tasks", "mini.toml")`.

    Raises:
        FileNotFoundError: the installation lacks it; the message names both places looked at.
    """
    candidates = [root.joinpath(*parts) for root in (_PACKAGE / "_data", _PACKAGE.parent)]
    for path in candidates:
        if path.exists():
            return path
    raise FileNotFoundError(
        f"{'/'.join(parts)}: not in this installation (looked at {candidates[0]} and {candidates[1]})"
    )
