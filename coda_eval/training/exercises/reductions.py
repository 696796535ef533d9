"""The ways to write a reduction over a loop, which many families share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from coda_eval.training.exercises.family import block


class Accumulation(NamedTuple):
    """A reduction as a loop does it: `$out = {start}`, an update for each item, `return {end}`."""

    start: str
    update: str
    end: str = "$out"


def accumulation(how: str, item: str) -> Accumulation:
    """The parts of a loop that reduces `item`; `how` is the word of the reduction."""
    if how == "sum":
        return Accumulation("0", f"$out += {item}")
    if how == "product":
        return Accumulation("1", f"$out *= {item}")
    if how == "count":
        return Accumulation("0", "$out += 1")
    if how == "list":
        return Accumulation("[]", f"$out.append({item})")
    if how in ("max", "min"):
        return Accumulation("[]", f"$out.append({item})", f"{how}($out, default=0)")
    raise ValueError(f"{how!r} is not a reduction")


def expression(how: str, items: str) -> str:
    """A reduction (but `product`, which has none) of `items`, the inside of a comprehension, as one expression."""
    if how == "sum":
        return f"sum({items})"
    if how == "count":
        return f"len([{items}])"
    if how == "list":
        return f"[{items}]"
    return f"{how}(({items}), default=0)"


def reduction(how: str, loop: str, item: str, condition: str) -> Iterator[str]:
    """Bodies that reduce `item` over `loop` (`for $x in xs`) where `condition` holds; none writes a helper function."""
    items = f"{item} {loop} if {condition}"
    start, update, end = accumulation(how, item)
    if how != "product":
        yield block(f"return {expression(how, items)}")
    yield block(f"$out = {start}", f"{loop}:", f"    if {condition}:", f"        {update}", f"return {end}")
    if how == "sum":
        yield block(f"$kept = [{items}]", "return sum($kept)")
    elif how == "product":
        yield block("$out = 1", f"for $y in [{items}]:", "    $out *= $y", "return $out")
        yield block(f"$kept = [{items}]", "$out = 1", "for $y in $kept:", "    $out = $out * $y", "return $out")
    elif how == "count":
        yield block(f"return sum(1 {loop} if {condition})")
    elif how == "list":
        yield block(f"return list({items})")
    else:
        yield block(f"$kept = [{items}]", f"return {how}($kept) if $kept else 0")
