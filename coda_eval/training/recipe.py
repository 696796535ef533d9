"""What the embedded checkpoints are: their shapes and how long each phase of their training lasts."""

from __future__ import annotations

from dataclasses import dataclass

from coda_eval.models.architecture import DecoderConfig
from coda_eval.training.masking import MaskingStrategy
from coda_eval.training.vocabulary import VOCABULARY_SIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of training."""

    share: float
    """Of the steps of the recipe's first cycle; the last phase goes on through the others."""
    masking: MaskingStrategy | None
    """How the diffusion objective masks; None is next-token prediction."""
    on_completions: bool
    """Fine-tuning: the prompt is given and the completion, with the end-of-text tokens behind it, is learnt. Otherwise
    pre-training: prompt and completion are one text."""


AUTOREGRESSIVE_PHASES = (
    Phase(share=0.2, masking=None, on_completions=False),
    Phase(share=0.8, masking=None, on_completions=True),
)

# CoDA's progressive schedule (report, section 2; `sampling_eps`, `block_masking_probability` of its config.json): plain
# noise, then more and more of the three strategies, at last prompt -> completion. CoDA starts from an autoregressive
# model; at this size that was no better than starting from nothing.
# Levels start at 0.15 and not at CoDA's 0.001: in a batch of 32 one token with weight 1/0.001 drowns all others.
_LEAST_LEVEL = 0.15
DIFFUSION_PHASES = (
    Phase(share=0.02, masking=MaskingStrategy(least_level=_LEAST_LEVEL), on_completions=False),
    Phase(
        share=0.02,
        masking=MaskingStrategy(
            prefix_probability=0.25, truncate_probability=0.1, block_probability=0.25, least_level=0.25
        ),
        on_completions=False,
    ),
    Phase(
        share=0.02,
        masking=MaskingStrategy(
            prefix_probability=0.5, truncate_probability=0.2, block_probability=0.5, least_level=0.25
        ),
        on_completions=False,
    ),
    Phase(share=0.94, masking=MaskingStrategy(least_level=_LEAST_LEVEL), on_completions=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one embedded checkpoint is made."""

    name: str
    model_type: str
    architecture: DecoderConfig
    cycles: tuple[int, ...]
    """Steps of each cycle of the learning rates: up to their peaks, and by a cosine to zero (SGDR, Loshchilov and
    Hutter, 2017, arXiv 1608.03983)."""
    batch_size: int = 32
    learning_rate: float = 0.01
    """Peak, of Muon."""
    embedding_learning_rate: float = 2e-3
    """Peak, of Adam for the embedding, the head and the norms."""
    weight_decay: float = 0.01
    warmup_steps: int = 100
    seed: int = 0

    @property
    def steps(self) -> int:
        """Of all cycles."""
        return sum(self.cycles)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """In order; their shares add up to 1."""
        return AUTOREGRESSIVE_PHASES if self.architecture.causal else DIFFUSION_PHASES

    def phase_at(self, step: int) -> Phase:
        """The phase that a step belongs to."""
        end = 0.0
        for phase in self.phases:
            end += phase.share * self.cycles[0]
            if step < end:
                return phase
        return self.phases[-1]


def _architecture(*, hidden_size: int = 128, causal: bool = False) -> DecoderConfig:
    return DecoderConfig(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=hidden_size,
        intermediate_size=3 * hidden_size,
        num_layers=4,
        num_heads=hidden_size // 32,
        num_kv_heads=hidden_size // 64,
        head_dim=32,
        rms_norm_eps=1e-6,
        rope_theta=10_000.0,
        max_positions=512,
        causal=causal,
        qk_norm=True,
        tied_head=False,
    )


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="coda-tiny-ar",
            model_type="qwen3",
            architecture=_architecture(causal=True),
            cycles=(1200,),
        ),
        Recipe(
            name="coda-tiny",
            model_type="CoDA",
            architecture=_architecture(),
            cycles=(4500,),
        ),
        Recipe(
            name="coda-small",
            model_type="CoDA",
            architecture=_architecture(hidden_size=256),
            cycles=(3000, 2500),
        ),
    )
}
