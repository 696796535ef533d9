"""The inside of the sandbox is not part of the package: it is imported from where it lies."""

from __future__ import annotations

import sys

from coda_eval.assets import asset

sys.path.append(str(asset("sandbox")))
