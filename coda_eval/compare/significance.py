"""Whether the mean of paired differences is more than noise, and how large a drop would have been seen.

The unit is the problem: samples of one problem are not independent. The test flips signs: where two checkpoints do not
differ, the difference of a problem is as likely the one way as the other. With one sample a problem, when differences
are -1, 0 or 1, that is exactly McNemar's exact test (McNemar 1947), and is computed in closed form. P-values are
two-sided.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 10_000
POWER = 0.8
"""The probability with which the smallest detectable drop is shown, by convention."""
_SEED = 0
_ELEMENTS_AT_ONCE = 4_000_000
_MCNEMAR = "McNemar, exact"
_SIGN_FLIPS = "sign flips"

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]
Vector = np.ndarray[tuple[int], np.dtype[np.float64]]
Counts = np.ndarray[tuple[int], np.dtype[np.int64]]


class PairedTest(NamedTuple):
    """A test of the hypothesis that the mean difference is 0."""

    name: str
    p_value: float


def bootstrap_intervals(differences: Matrix, *, alpha: float) -> list[tuple[float, float]]:
    """Percentile intervals at 1 - alpha of the means of the columns, by resampling rows (problems).

    Where all problems agree, resampling knows no other outcome and would claim certainty; the interval is widened to
    the share of problems that may differ although none of these did (Wilson 1927).
    """
    problems = len(differences)
    generator = np.random.default_rng(_SEED)
    means = []
    for rows in _portions(problems):
        drawn = generator.integers(0, problems, size=(rows, problems), dtype=np.int64)
        drawn += np.arange(rows)[:, None] * problems
        weights = np.bincount(drawn.ravel(), minlength=rows * problems).reshape(rows, problems)
        means.append(weights @ differences / problems)
    low, high = np.quantile(np.concatenate(means), [alpha / 2, 1 - alpha / 2], axis=0)
    unanimous = _z(alpha) ** 2 / (problems + _z(alpha) ** 2)
    constant = np.ptp(differences, axis=0) == 0
    low, high = np.where(constant, low - unanimous, low), np.where(constant, high + unanimous, high)
    return list(zip(np.maximum(low, -1).tolist(), np.minimum(high, 1).tolist(), strict=True))


def paired_tests(differences: Matrix) -> list[PairedTest]:
    """Tests of each column's mean against 0; rows are problems."""
    dichotomous = [is_dichotomous(column) for column in differences.T]
    flipped = [1.0] * len(dichotomous) if all(dichotomous) else _sign_flip_p_values(differences)
    return [
        PairedTest(_MCNEMAR, mcnemar_p_value(int((column == -1).sum()), int((column == 1).sum())))
        if exact
        else PairedTest(_SIGN_FLIPS, p_value)
        for column, exact, p_value in zip(differences.T, dichotomous, flipped, strict=True)
    ]


def is_dichotomous(differences: Vector) -> bool:
    """Whether every problem passes or fails as a whole, as with one sample each."""
    return bool(np.isin(differences, (-1, 0, 1)).all())


def mcnemar_p_value(lost: int, gained: int) -> float:
    """Two-sided and exact, given the problems that only the one and only the other passes."""
    discordant = lost + gained
    tail = sum(math.comb(discordant, count) for count in range(min(lost, gained) + 1))
    return min(1.0, tail / 2 ** (discordant - 1)) if discordant else 1.0


def _sign_flip_p_values(differences: Matrix) -> list[float]:
    """Drawn signs; far out, where 10,000 draws say little, Hoeffding's bound of the same distribution."""
    generator = np.random.default_rng(_SEED)
    observed = np.abs(differences.sum(axis=0))
    extreme = np.zeros(len(observed))
    for rows in _portions(max(differences.shape)):
        signs = generator.integers(0, 2, size=(rows, len(differences)), dtype=np.int8).astype(np.float64) * 2 - 1
        extreme += (np.abs(signs @ differences) >= observed - 1e-9).sum(axis=0)
    drawn = (1 + extreme) / (1 + RESAMPLES)
    squares = np.maximum((differences**2).sum(axis=0), np.finfo(np.float64).tiny)
    bounds = 2 * np.exp(-(observed**2) / (2 * squares))
    return [float(p_value) for p_value in np.minimum(drawn, bounds)]


def adjust_holm(p_values: Sequence[float]) -> list[float]:
    """P-values of a family, adjusted so that any false alarm among them has at most probability alpha (Holm 1979)."""
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def power(differences: Vector, drop: float, *, alpha: float) -> float:
    """The probability that a true drop of so much, on so many problems with this much noise, is shown at `alpha`.

    The noise is that of the differences at hand, about their mean. With one sample a problem it is how many problems
    change sides both ways: Connor 1987 (Biometrics 43:207), with the exact test in place of its approximation.
    """
    problems = len(differences)
    if is_dichotomous(differences):
        return _mcnemar_power(problems, drop, churn=_churn(differences), alpha=alpha)
    variance = float(differences.var(ddof=1))
    # Flipped signs spread by the second moment about 0, the estimate itself by that about its mean.
    threshold = _z(alpha) * math.sqrt(variance + drop**2)
    return statistics.NormalDist().cdf((drop * math.sqrt(problems) - threshold) / math.sqrt(variance))


def smallest_detectable_drop(differences: Vector, *, alpha: float) -> float | None:
    """The drop that is shown with probability `POWER`, to a thousandth; None if no drop would be."""
    low, high = 0, 1000
    if power(differences, 1.0, alpha=alpha) < POWER:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(differences, middle / 1000, alpha=alpha) >= POWER else (middle, high)
    return high / 1000


def _churn(differences: Vector) -> float:
    """The share of problems that change sides each way by chance: what is left when the difference is taken away.

    The squared difference is larger than the true one by its variance, which is taken off first.
    """
    discordant = float(np.abs(differences).mean())
    true_square = float(differences.mean()) ** 2 - discordant / len(differences)
    return (discordant - math.sqrt(max(0.0, true_square))) / 2


def _mcnemar_power(problems: int, drop: float, *, churn: float, alpha: float) -> float:
    """Over the number of discordant problems, and over how many of them are lost."""
    lost, gained = min(churn + drop, 1.0), min(churn, max(0.0, 1 - churn - drop))
    discordance = lost + gained
    if discordance == 0:
        return 0.0
    log_factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, problems + 1)))])
    spread = 6 * math.sqrt(problems * discordance * (1 - discordance)) + 1
    first = max(0, math.floor(problems * discordance - spread))
    last = min(problems, math.ceil(problems * discordance + spread))
    found = 0.0
    for discordant in range(first, last + 1):
        critical = _critical_count(discordant, alpha)
        if critical is not None:
            counts = np.arange(critical, discordant + 1)
            shown = _binomial(counts, discordant, lost / discordance, log_factorials).sum()
            (likely,) = _binomial(np.array([discordant]), problems, discordance, log_factorials)
            found += float(shown * likely)
    return min(1.0, found)


def _critical_count(discordant: int, alpha: float) -> int | None:
    """The fewest lost of so many discordant problems that are significant; None if even all are not."""
    tail, total = 0, 2**discordant
    for gained in range(discordant // 2 + 1):
        tail += math.comb(discordant, gained)
        if 2 * tail > alpha * total:
            return discordant - gained + 1 if gained else None
    return None


def _binomial(counts: Counts, trials: int, share: float, log_factorials: Vector) -> Vector:
    """The probabilities of so many successes."""
    share = min(max(share, 1e-15), 1 - 1e-15)
    choices: Vector = log_factorials[trials] - log_factorials[counts] - log_factorials[trials - counts]
    probabilities: Vector = np.exp(choices + counts * math.log(share) + (trials - counts) * math.log1p(-share))
    return probabilities


def _z(alpha: float) -> float:
    return statistics.NormalDist().inv_cdf(1 - alpha / 2)


def _portions(width: int) -> list[int]:
    """RESAMPLES rows in portions that fit into memory."""
    size = max(1, min(RESAMPLES, _ELEMENTS_AT_ONCE // max(1, width)))
    return [min(size, RESAMPLES - start) for start in range(0, RESAMPLES, size)]
