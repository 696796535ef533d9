"""Rows shared out among groups of devices, which decode them side by side.

Rows do not influence each other, so nothing crosses from one group to another but what decides on the flow of the loop:
all groups agree on it, so that within each its devices, which share a model, exchange their parts at the same time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int

DATA = "data"
"""The axis of a mesh along which rows are shared out."""
MODEL = "model"
"""The axis along which a model is."""

Rows = TypeVar("Rows")


@runtime_checkable
class Replicas(Protocol):
    """Where rows are decoded; hashable, since the compiled loop depends on it."""

    @property
    def count(self) -> int:
        """How many groups there are: it divides the number of rows."""

    @property
    def platform(self) -> str:
        """What the devices are: `cpu`, `gpu`, `tpu`."""

    def run(self, loop: Callable[..., Rows], shared: tuple[Any, ...], rows: Rows, given: Any) -> Rows:
        """`loop(*shared, rows, given)` on the rows of each group."""

    def total(self, number: Int[Array, ""]) -> Int[Array, ""]:
        """The sum over all groups, within the loop."""

    def most(self, number: Int[Array, ""]) -> Int[Array, ""]:
        """The largest of all groups, within the loop."""

    def gather(self, values: Any) -> Any:
        """What devices that share a model hold of some arrays, on each of them, within the loop."""

    def layout(self, rows: Rows) -> Rows:
        """The sharding of every array of rows (None: as it comes); below `cache` arrays are [layers, B, L, K, H]."""

    def shared_layout(self, values: Any) -> Any:
        """The sharding of what every group needs."""


@dataclass(frozen=True)
class OneReplica:
    """All rows on one device."""

    count = 1

    @property
    def platform(self) -> str:
        """Of the default device."""
        return jax.default_backend()

    def run(self, loop: Callable[..., Rows], shared: tuple[Any, ...], rows: Rows, given: Any) -> Rows:
        """Just so."""
        decoded: Rows = loop(*shared, rows, given)
        return decoded

    def total(self, number: Int[Array, ""]) -> Int[Array, ""]:
        """Its own."""
        return number

    def most(self, number: Int[Array, ""]) -> Int[Array, ""]:
        """Its own."""
        return number

    def gather(self, values: Any) -> Any:
        """There is one device."""
        return values

    def layout(self, rows: Rows) -> Rows:
        """As they come."""
        layout: Rows = jax.tree.map(lambda _: None, rows)
        return layout

    def shared_layout(self, values: Any) -> Any:
        """As they come."""
        return jax.tree.map(lambda _: None, values)


@dataclass(frozen=True)
class MeshReplicas:
    """A group of rows for each place along the `data` axis of a mesh."""

    mesh: Mesh

    @property
    def count(self) -> int:
        """Its length along `data`."""
        return int(self.mesh.shape[DATA])

    @property
    def platform(self) -> str:
        """Of its devices, which are alike."""
        return str(self.mesh.devices.flat[0].platform)

    def run(self, loop: Callable[..., Rows], shared: tuple[Any, ...], rows: Rows, given: Any) -> Rows:
        """By hand along `data`; along `model` the compiler shares out what the parameters' layout suggests."""
        specs = _by_axis(rows, cache=PartitionSpec(None, DATA), otherwise=PartitionSpec(DATA))
        mapped: Callable[..., Rows] = jax.shard_map(
            loop,
            mesh=self.mesh,
            axis_names={DATA},
            in_specs=(*[PartitionSpec()] * len(shared), specs, PartitionSpec(DATA)),
            out_specs=specs,
            check_vma=False,
        )
        decoded: Rows = mapped(*shared, rows, given)
        return decoded

    def total(self, number: Int[Array, ""]) -> Int[Array, ""]:
        """A scalar crosses."""
        total: Int[Array, ""] = jax.lax.psum(number, DATA)
        return total

    def most(self, number: Int[Array, ""]) -> Int[Array, ""]:
        """A scalar crosses."""
        most: Int[Array, ""] = jax.lax.pmax(number, DATA)
        return most

    def gather(self, values: Any) -> Any:
        """By the compiler."""
        return jax.lax.with_sharding_constraint(values, PartitionSpec())

    def layout(self, rows: Rows) -> Rows:
        """Caches are cut by key/value heads too, where these divide."""

        def of_cache(leaf: Any) -> NamedSharding:
            heads = MODEL if leaf.shape[3] % self.mesh.shape[MODEL] == 0 else None
            return NamedSharding(self.mesh, PartitionSpec(None, DATA, None, heads, None))

        layout: Rows = _by_axis(rows, cache=of_cache, otherwise=NamedSharding(self.mesh, PartitionSpec(DATA)))
        return layout

    def shared_layout(self, values: Any) -> Any:
        """Everywhere whole."""
        return jax.tree.map(lambda _: NamedSharding(self.mesh, PartitionSpec()), values)


ALONE = OneReplica()


def replicas_on(mesh: Mesh | None) -> Replicas:
    """Those of a mesh; None is the default device."""
    return ALONE if mesh is None else MeshReplicas(mesh)


def _by_axis(rows: Any, *, cache: Any, otherwise: Any) -> Any:
    def of_leaf(path: Any, leaf: Any) -> Any:
        if not any(getattr(key, "name", None) == "cache" for key in path):
            return otherwise
        return cache(leaf) if callable(cache) else cache

    return jax.tree_util.tree_map_with_path(of_leaf, rows)
