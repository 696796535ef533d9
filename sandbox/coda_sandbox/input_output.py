"""Tests as inputs and expected outputs, in the form of EvalPlus.

Inputs go to the program in batches that grow, so that a program that is wrong at once costs little and a right one few
round trips. A batch is `marshal` (the program may trust what comes from here), what comes back is JSON (`wire`). The
expected outputs never reach a program's process; a reply that is byte for byte the expected one need not be looked at.
"""

import json
import marshal
import reprlib
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from coda_sandbox import oracle as rules
from coda_sandbox import wire
from coda_sandbox.remote import Ended, Outcome, Raised, Remote

BATCH = struct.Struct(">d???")
"""Before the inputs of a batch: CPU seconds for each; whether to unroll iterators; whether to send hashes;
whether this is the reference, which is timed and hashes what is large."""

_HASHED = '{"h": '
"""Begins an expected output that is a hash: see `digest.py`."""

_OPAQUE = '{"o": '
"""Begins an output that is not plain data: see `wire.py`."""

_FIRST_BATCH, _GROWTH, _LARGEST_BATCH = 1, 4, 512
_BATCH_BYTES = 1 << 20
"""Expected bytes of one reply, about."""

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60


class _Batch(NamedTuple):
    start: int
    stop: int
    inputs: bytes
    hashed: bool
    reply: bytes | None
    """The reply of a program that is right, if there is only one."""


class InputOutputSuite:
    """The inputs of one suite, what the reference returned for them, and the rule of comparison."""

    def __init__(self, *, entry_point: str, inputs: list[Any], expected: list[str], oracle: str, atol: float) -> None:
        """Expected outputs are JSON texts of `wire`."""
        self._entry_point = entry_point
        self._inputs = inputs
        self._expected = expected
        self._oracle = oracle
        self._atol = atol
        self._tolerances: list[float] = []
        self._batches = list(self._plan())

    def judge(self, remote: Remote, *, input_cpu_s: float) -> Outcome:
        """Send the inputs until one is answered wrongly."""
        if self._oracle not in rules.ORACLES:
            return Outcome("broken_tests", f"unknown oracle {self._oracle!r}; known are {', '.join(rules.ORACLES)}")
        early_end = remote.wait_until_loaded()
        if early_end is not None:
            return early_end
        unroll = self._oracle == "set"
        try:
            for batch in self._batches:
                order = BATCH.pack(input_cpu_s, unroll, batch.hashed, False)
                remote.send(order + batch.inputs)
                reply = remote.receive_bytes()
                if reply == batch.reply:
                    continue
                failure = self._compare(batch, remote.parse(reply), remote)
                if failure is not None:
                    return failure
        except Ended:
            assert remote.outcome is not None
            return remote.outcome
        return Outcome("passed")

    def _plan(self) -> Iterator[_Batch]:
        start, size = 0, _FIRST_BATCH
        while start < len(self._inputs):
            stop, total = start, 0
            hashed = self._expected[start].startswith(_HASHED)
            while (
                stop < min(len(self._inputs), start + size)
                and total < _BATCH_BYTES
                and self._expected[stop].startswith(_HASHED) == hashed
            ):
                total += len(self._expected[stop])
                stop += 1
            texts = ", ".join(self._expected[start:stop])
            # NaN equals nothing, not even where it is expected; the other rules look at more than the value.
            certain = self._oracle == "close" and "NaN" not in texts
            reply = f'{{"outputs": [{texts}]}}'.encode() if certain else None
            yield _Batch(start, stop, marshal.dumps(self._inputs[start:stop], 2), hashed, reply)
            start, size = stop, min(size * _GROWTH, _LARGEST_BATCH)

    def _compare(self, batch: _Batch, reply: dict[str, Any], remote: Remote) -> Outcome | None:
        outputs = reply.get("outputs")
        if not isinstance(outputs, list) or len(outputs) > batch.stop - batch.start:
            remote.end_tampered()
        for index, encoded in enumerate(outputs, batch.start):
            expected = json.loads(self._expected[index])
            if self._oracle == "close" and encoded == expected:
                continue  # equal before decoding is equal after it; NaN is unequal to itself in both
            if batch.hashed:
                return self._wrong(index, "something else", "a large output")
            try:
                output = wire.decode(encoded)
            except (wire.Malformed, RecursionError):
                remote.end_tampered()
            expected = wire.decode(expected)
            if not self._accepts(index, output, expected):
                return self._wrong(index, _short.repr(output), _short.repr(expected))
        if "raised" in reply:
            return _raised(remote.parse_raised(reply["raised"]), self._inputs, batch.start + len(outputs))
        if len(outputs) < batch.stop - batch.start:
            remote.end_tampered()
        return None

    def _wrong(self, index: int, returned: str, expected: str) -> Outcome:
        arguments = ", ".join(map(_short.repr, self._inputs[index]))
        return Outcome(
            "failed", f"wrong answer: {self._entry_point}({arguments}) returned {returned}, expected {expected}"
        )

    def _accepts(self, index: int, output: Any, expected: Any) -> bool:
        if not self._tolerances:
            values = [None if text.startswith(_HASHED) else wire.decode(json.loads(text)) for text in self._expected]
            self._tolerances = rules.tolerances(values, self._atol)
        return rules.accepts(
            self._oracle,
            output,
            expected,
            self._inputs[index],
            atol=self._tolerances[index],
            task_atol=self._atol,
        )


class ReferenceSuite:
    """The same inputs, for the reference program: what it returns becomes the expected outputs of `suite`."""

    _BATCH = 8
    """Outputs of a megabyte each, at most, fit into one reply."""

    def __init__(self, *, entry_point: str, inputs: list[Any], oracle: str, atol: float) -> None:
        self._entry_point = entry_point
        self._inputs = inputs
        self._oracle = oracle
        self._atol = atol

    def answer(self, remote: Remote, *, input_cpu_s: float) -> tuple[Outcome, dict[str, Any]]:
        """The expected outputs as JSON texts, and the CPU seconds of the slowest input."""
        early_end = remote.wait_until_loaded()
        if early_end is not None:
            return early_end, {}
        expected: list[str] = []
        slowest_s = 0.0
        order = BATCH.pack(input_cpu_s, False, False, True)
        try:
            for start in range(0, len(self._inputs), self._BATCH):
                remote.send(order + marshal.dumps(self._inputs[start : start + self._BATCH], 2))
                reply = remote.receive()
                expected += map(self._text, reply["outputs"])
                slowest_s = max(slowest_s, reply.get("slowest_s", 0.0))
                if "raised" in reply:
                    return _raised(remote.parse_raised(reply["raised"]), self._inputs, len(expected)), {}
        except Ended:
            assert remote.outcome is not None
            return remote.outcome, {}
        except wire.Unencodable as error:
            return Outcome("failed", f"it returns a {error}, which is not plain data"), {}
        return Outcome("passed"), {"expected": expected, "slowest_s": slowest_s}

    def suite(self, expected: list[str]) -> InputOutputSuite:
        """What judges programs by these outputs."""
        return InputOutputSuite(
            entry_point=self._entry_point,
            inputs=self._inputs,
            expected=expected,
            oracle=self._oracle,
            atol=self._atol,
        )

    def _text(self, output: str) -> str:
        if self._oracle == "not_none":
            return "true" if output != "null" else "false"
        if output.startswith(_OPAQUE):
            raise wire.Unencodable(json.loads(output)["o"][0])
        return output


def _raised(raised: Raised, inputs: list[Any], index: int) -> Outcome:
    where = f" at input {index + 1} of {len(inputs)}"
    if raised.names[-1] == "MemoryError":
        return Outcome("out_of_memory", f"MemoryError{where}")
    return Outcome("failed", raised.describe() + where)
