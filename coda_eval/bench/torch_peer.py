"""The peer of `bench sampler`: released diffusion samplers' decoding, with PyTorch and transformers and without us.

    python torch_peer.py CHECKPOINT RUN.json

The checkpoint is in Qwen3's layout, its attention is opened to both directions. Every line on stdin is answered, after
one generation, by a line of JSON on stdout: seconds, and the tokens. The loop is that of Dream's and CoDA's
`diffusion_generate` (generation_utils.py:412-552) for the `entropy` algorithm at temperature 0, with top-p and top-k.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def load(directory: Path) -> Any:
    """The checkpoint as transformers' Qwen3."""
    import torch  # type: ignore[import-not-found]  # only the peer has it
    from safetensors.torch import load_file
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.set_num_threads(os.cpu_count() or 1)
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    config["model_type"] = "qwen3"
    config["tie_word_embeddings"] = False
    model = Qwen3ForCausalLM._from_config(Qwen3Config(**config), attn_implementation="sdpa")
    model.load_state_dict(load_file(directory / "model.safetensors"), strict=False)
    return model.float().eval()


def restrict(logits: Any, top_p: float, top_k: int) -> Any:
    """Theirs (generation_utils.py:39-58)."""
    import torch

    least = torch.finfo(logits.dtype).min
    if top_p < 1:
        in_order, ids = torch.sort(logits, descending=True)
        removed = torch.cumsum(torch.softmax(in_order, dim=-1), dim=-1) > top_p
        removed[..., 1:] = removed[..., :-1].clone()
        removed[..., 0] = 0
        mask = torch.zeros_like(logits, dtype=torch.bool)
        logits = logits.masked_fill(mask.scatter_(-1, ids, removed), least)
    if top_k > 0:
        logits = logits.masked_fill(logits < torch.topk(logits, top_k)[0][..., -1, None], least)
    return logits


def generate(model: Any, prompt: Any, *, new: int, steps: int, mask_id: int, top_p: float, top_k: int) -> Any:
    """Tokens of the whole rows, [batch, prompt + new]."""
    import torch

    x = torch.nn.functional.pad(prompt, (0, new), value=mask_id)
    # An additive mask of zeros: every position sees every other.
    attention = torch.zeros(1, 1, x.shape[1], x.shape[1])
    timesteps = torch.linspace(1, 1e-3, steps + 1)
    for i in range(steps):
        masked = x == mask_id
        logits = model(x, attention_mask=attention, use_cache=False).logits
        logits = torch.cat([logits[:, :1], logits[:, :-1]], dim=1)
        probabilities = torch.softmax(restrict(logits[masked], top_p, top_k), dim=-1)
        _, tokens = probabilities.max(dim=-1)
        confidence = torch.sum(probabilities * torch.log(probabilities + 1e-10), dim=-1)
        mean_masks = masked.sum() / masked.shape[0]
        t, s = timesteps[i], timesteps[i + 1]
        count = int(mean_masks * (1 - s / t)) if i < steps - 1 else int(mean_masks)
        everywhere = torch.full(x.shape, -torch.inf)
        everywhere[masked] = confidence
        if count > 0:
            _, chosen = torch.topk(everywhere, count)
            proposed = torch.full_like(x, mask_id)
            proposed[masked] = tokens
            rows = torch.arange(x.shape[0]).unsqueeze(1).expand_as(chosen)
            x[rows, chosen] = proposed[rows, chosen]
    return x


def main() -> None:
    """Answers until stdin ends."""
    import torch

    directory, run = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    model = load(directory)
    prompt = torch.tensor(run.pop("prompt"))
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    with torch.no_grad():
        for _ in sys.stdin:
            started = time.perf_counter()
            tokens = generate(model, prompt, **run)
            print(json.dumps({"seconds": time.perf_counter() - started, "tokens": tokens.tolist()}), flush=True)


if __name__ == "__main__":
    main()
