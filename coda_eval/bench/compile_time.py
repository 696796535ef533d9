"""How long a process compiles the sampler's loop: `python -m coda_eval.bench.compile_time CHECKPOINT DTYPE`."""

from __future__ import annotations

import sys
from pathlib import Path

from coda_eval.bench.decoding import Timed, requests_for
from coda_eval.config import SamplerConfig
from coda_eval.models.checkpoint import load_checkpoint


def main() -> None:
    """Seconds, on stdout."""
    model = load_checkpoint(Path(sys.argv[1]), dtype=sys.argv[2])
    config = SamplerConfig(max_new_tokens=16, threshold=0.9)
    print(Timed(model, config, requests_for(model, batch=1, prompt=8)).compile_s)


if __name__ == "__main__":
    main()
