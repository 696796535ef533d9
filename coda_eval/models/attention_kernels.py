"""Attention kernels of accelerators, where they apply; `attention.attend` everywhere else.

They never write the scores of all queries and keys to memory: on a TPU v5e the compiler counts 1.35 GB of traffic and
0.55 GB of temporaries for one layer of CoDA over 8 rows of 704 columns with `attend`, 0.39 GB and 0.01 GB with splash
attention. That is what a full forward saves. Windows against a cache have few queries and take keys from two places,
which `attend` reads where they are; float32 is multiplied at full precision, which no kernel does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, PartitionSpec
from jaxtyping import Array, Bool, Float

from coda_eval.models.attention import Attend

DATA, MODEL = "data", "model"
_LANES = 128
_MOST_BLOCK = 1024
"""Queries and keys of a tile: float32 scores and their exponentials take half of the 16 MB that a kernel may use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What attention is asked for, before any number is known."""

    platform: str | None
    """`tpu` or `cuda`: whose kernels may be used. None: no one's."""
    dtype: str
    head_dim: int
    length: int
    """Of queries and of keys: they are the same columns."""
    sliding: bool
    """Some layers see only the nearest positions; which ones is known on the device alone."""
    kv_heads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Where a kernel applies and pays."""

    kernel: str
    platform: str
    dtypes: tuple[str, ...]
    head_multiple: int
    most_head_dim: int
    least_length: int
    sliding: bool

    def applies(self, case: Case) -> bool:
        """To this case; devices that share a model must have whole groups of heads each."""
        return (
            case.platform == self.platform
            and case.dtype in self.dtypes
            and case.head_dim % self.head_multiple == 0
            and case.head_dim <= self.most_head_dim
            and case.length >= self.least_length
            and (self.sliding or not case.sliding)
            and case.kv_heads % _automatic_axes().get(MODEL, 1) == 0
        )


RULES = (
    # Heads fill the lanes of a register; shorter rows have scores that fit in fast memory anyway. Its masks are static.
    Rule(
        kernel="splash",
        platform="tpu",
        dtypes=("bfloat16",),
        head_multiple=_LANES,
        most_head_dim=256,
        least_length=256,
        sliding=False,
    ),
    # jax/_src/cudnn/fused_attention_stablehlo.py, check_is_flash_attention: Hopper has larger heads too.
    Rule(
        kernel="cudnn",
        platform="cuda",
        dtypes=("bfloat16", "float16"),
        head_multiple=8,
        most_head_dim=128,
        least_length=256,
        sliding=True,
    ),
)


def choose_kernel(case: Case) -> str:
    """The kernel by name; `xla` where no rule applies."""
    return next((rule.kernel for rule in RULES if rule.applies(case)), "xla")


def platform_of(device: jax.Device) -> str | None:
    """Whose kernels a device has; None: no one's."""
    if device.platform == "tpu":
        return "tpu"
    # Flash attention of cuDNN begins with Ampere; AMD's devices are `gpu` too, and have no such number.
    capability = getattr(device, "compute_capability", "") if device.platform == "gpu" else ""
    return "cuda" if capability.replace(".", "").isdecimal() and float(capability) >= 8 else None


def splash_attention(
    q: Float[Array, "B L N H"],
    k: Float[Array, "B L K H"],
    v: Float[Array, "B L K H"],
    keys: Bool[Array, "B L"],
    mask: Bool[Array, "B L L"],
    *,
    causal: bool,
    scale: float,
    interpret: bool = False,
) -> Float[Array, "B L N H"]:
    """The kernel of `jax.experimental.pallas` for TPUs.

    Args:
        q: rotated.
        k: of the same columns, rotated.
        v: of the same columns.
        keys: which may be seen.
        mask: not read: it says what `keys` and `causal` say, where positions rise with the columns.
        causal: a column sees none behind it.
        scale: of scores.
        interpret: run it on whatever device is there, slowly.
    """
    # Pallas takes a while to import, and other devices have no use for it.
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as splash
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks

    del mask
    L, N = q.shape[1:3]
    tiles = -(-L // _MOST_BLOCK)
    block = -(-L // (tiles * _LANES)) * _LANES
    width = tiles * block

    def heads_first(x: Float[Array, "B L heads H"]) -> Float[Array, "B heads width H"]:
        return jnp.pad(x, ((0, 0), (0, width - L), (0, 0), (0, 0))).transpose(0, 2, 1, 3)

    form = (masks.CausalMask if causal else masks.FullMask)((width, width))
    kernel = splash.make_splash_mha(
        masks.MultiHeadMask([form] * N),
        block_sizes=splash.BlockSizes(block_q=block, block_kv=block),
        head_shards=1,
        q_seq_shards=1,
        interpret=interpret,
    )
    # Queries belong to segment 1, and so do the keys that may be seen.
    segments = splash.SegmentIds(
        q=jnp.ones((q.shape[0], width), jnp.int32),
        kv=jnp.pad(keys, ((0, 0), (0, width - L))).astype(jnp.int32),
    )
    scaled = (q.astype(jnp.float32) * scale).astype(q.dtype)
    mixed: Array = jax.vmap(kernel)(*map(heads_first, (scaled, k, v)), segments)
    return mixed.transpose(0, 2, 1, 3)[:, :L]


def cudnn_attention(
    q: Float[Array, "B L N H"],
    k: Float[Array, "B L K H"],
    v: Float[Array, "B L K H"],
    keys: Bool[Array, "B L"],
    mask: Bool[Array, "B L L"],
    *,
    causal: bool,
    scale: float,
) -> Float[Array, "B L N H"]:
    """Flash attention of cuDNN, for NVIDIA's GPUs; arguments as of `splash_attention`, where `mask` says it all."""
    del keys, causal
    return jax.nn.dot_product_attention(q, k, v, mask=mask[:, None], scale=scale, implementation="cudnn")


KERNELS: dict[str, Callable[..., Array]] = {"splash": splash_attention, "cudnn": cudnn_attention}


def attend_with(
    kernel: str, keys: Bool[Array, "B L"], mask: Bool[Array, "B L L"], *, causal: bool, scale: float
) -> Attend:
    """Attention by a kernel; arguments as of `splash_attention`.

    It runs on the rows and heads that each device of the mesh around it has: no compiler cuts a kernel up.
    """
    run: Callable[..., Array] = functools.partial(KERNELS[kernel], causal=causal, scale=scale)
    if automatic := _automatic_axes():
        rows = DATA if DATA in automatic else None
        heads = PartitionSpec(rows, None, MODEL if MODEL in automatic else None, None)
        run = jax.shard_map(
            run,
            axis_names={*automatic},
            in_specs=(heads, heads, heads, PartitionSpec(rows), PartitionSpec(rows)),
            out_specs=heads,
            check_vma=False,
        )
    return lambda q, past: run(q, past.keys, past.values, keys, mask)


def _automatic_axes() -> dict[str, int]:
    """Those of the mesh around the call that are left to the compiler, with their sizes."""
    mesh = jax.sharding.get_abstract_mesh()
    kinds = zip(mesh.axis_names, mesh.axis_types, strict=True)
    return {name: mesh.shape[name] for name, kind in kinds if kind == AxisType.Auto}
