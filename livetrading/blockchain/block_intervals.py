"""When blocks come: the law of the next k, and tests of a recorded series against it.

At a constant hash rate the next block is exponential, and memoryless: how long ago the last one came says
nothing of when the next will.
"""

from dataclasses import dataclass
from math import lgamma, log, nan, sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livetrading.blockchain.domain import DomainError, float_of, int_of
from livetrading.blockchain.protocol import BLOCK_INTERVAL_S
from livetrading.core import variates

__all__ = ["IntervalTests", "arrival_probability", "interval_tests", "mean_interval"]

Array = NDArray[np.float64]

WINDOW_S: Final = 7200.0
"""Length of the windows in which blocks are counted."""
NULL_STREAM: Final = 13
"""The generator's stream of the null law of the Kolmogorov-Smirnov distance."""
NULL_SERIES: Final = 999
NULL_LENGTH: Final = 1000


def mean_interval(difficulty: float, equilibrium: float) -> float:
    """Mean time to the next block, s.

    Parameters
    ----------
    difficulty : float
        That blocks have to meet, > 0.
    equilibrium : float
        Difficulty at which the present hash rate would make a block every 600 s, > 0.

    Raises
    ------
    DomainError
        If one is not finite and above 0.
    """
    hard = float_of(difficulty, "difficulty", "finite and > 0", above=0.0)
    return BLOCK_INTERVAL_S * hard / float_of(equilibrium, "equilibrium", "finite and > 0", above=0.0)


def arrival_probability(blocks: int, seconds: ArrayLike, mean_s: float = BLOCK_INTERVAL_S) -> Array:
    """Probability that the next k blocks come within a time.

    Parameters
    ----------
    blocks : int
        k, 1 to 1,000,000.
    seconds : array_like of float
        t >= 0, s, from now: no matter when the last block was.
    mean_s : float
        Mean interval m, s, > 0.

    Returns
    -------
    ndarray of float64, of the shape of `seconds`
        P(T_k <= t) = 1 - sum over i < k of exp(-t/m) (t/m)^i / i!, the law of Erlang. Relative error below
        1e-13 for tens of blocks and growing as k ln k, about 1e-11 for thousands.

    Raises
    ------
    DomainError
        If an argument is outside its range.
    """
    k = int_of(blocks, "blocks", 1, 1_000_000)
    m = float_of(mean_s, "mean_s", "finite and > 0", above=0.0)
    times = float_of(np.asarray(seconds, np.float64), "seconds", "finite and >= 0", low=0.0)
    found = np.array([_erlang(k, x / m) for x in times.ravel().tolist()])
    return found.reshape(times.shape)


def _erlang(k: int, x: float) -> float:
    """P(at least k arrivals where x are expected), from the shorter tail of the Poisson law."""
    if x == 0.0:
        return 0.0
    upper = x < k
    i = k if upper else k - 1
    term = total = float(np.exp(i * log(x) - x - lgamma(i + 1)))
    while term > total * 1e-17 and (upper or i > 0):
        term *= x / (i + 1) if upper else i / x
        i += 1 if upper else -1
        total += term
    return total if upper else 1.0 - total


@dataclass(frozen=True, slots=True)
class IntervalTests:
    """A recorded series of blocks against exponential intervals.

    Attributes
    ----------
    intervals : int
        Number of them.
    mean_s, mean_error_s : float
        Mean interval and its standard error, sd / sqrt(n), s.
    variation : float
        Coefficient of variation, sd / mean: 1 for the exponential law.
    variation_error : float
        Its standard error where the law is exponential, 1 / sqrt(n).
    negative : int
        Intervals below 0. Header times may run backwards; those intervals are data like the others.
    distance, distance_p : float
        Kolmogorov-Smirnov distance from the exponential law, and the probability of one as large.
    dispersion : float
        Variance over mean of the counts in whole windows of 2 h: 1 where blocks are a Poisson process; NaN
        for fewer than two windows.
    dispersion_z : float
        (dispersion - 1) in standard errors, sqrt(2 / (windows - 1)).
    windows : int
    mean_given : bool
        Whether the law's mean was given; else it is that of the series, and `distance_p` allows for that.
    """

    intervals: int
    mean_s: float
    mean_error_s: float
    variation: float
    variation_error: float
    negative: int
    distance: float
    distance_p: float
    dispersion: float
    dispersion_z: float
    windows: int
    mean_given: bool


def interval_tests(times: ArrayLike, mean_s: float | None = None) -> IntervalTests:
    """Test whether blocks came as a Poisson process of one rate.

    Parameters
    ----------
    times : array_like of float, shape (n + 1,)
        When each block was first seen, s, in the order of the chain; n at least 2. Header times are no times
        of arrival: they may lie 2 h ahead and run backwards.
    mean_s : float, optional
        Mean of the law, s, > 0; the mean of the series unless given.

    Returns
    -------
    IntervalTests

    Raises
    ------
    DomainError
        If there are fewer than 3 times, one is not finite, the mean is not above 0, or the mean interval is
        not.

    Notes
    -----
    With a given mean the probability is Kolmogorov's, with Stephens' correction for n. With a fitted one it
    comes from 999 simulated series (own generator, fixed seed) of at most 1,000 intervals, compared by
    Stephens' modified distance (D - 0.2/n)(sqrt(n) + 0.26 + 0.5/sqrt(n)), whose law hardly depends on n; it
    is then known to about 0.01. A mean that changes, as hash rate and difficulty do over weeks, shows as a
    dispersion above 1.

    References
    ----------
    Stephens, M. A. (1974), EDF statistics for goodness of fit and some comparisons.
    Nakamoto, S. (2008), Bitcoin: A Peer-to-Peer Electronic Cash System, section 11.
    """
    seen = np.asarray(times, np.float64)
    if seen.ndim != 1 or len(seen) < 3:
        raise DomainError(f"times must be a row of at least 3 numbers, was of shape {seen.shape}")
    float_of(seen, "times", "finite")
    given = None if mean_s is None else float_of(mean_s, "mean_s", "finite and > 0", above=0.0)
    gaps = np.diff(seen)
    n, mean = len(gaps), float(gaps.mean())
    if not mean > 0.0:
        raise DomainError(f"the mean interval must be above 0 s, was {mean}")
    sd = float(gaps.std(ddof=1))
    distance = float(_distance(gaps / (mean if given is None else given)))
    dispersion, windows = _dispersion(seen)
    return IntervalTests(
        intervals=n,
        mean_s=mean,
        mean_error_s=sd / sqrt(n),
        variation=sd / mean,
        variation_error=1.0 / sqrt(n),
        negative=int(np.count_nonzero(gaps < 0.0)),
        distance=distance,
        distance_p=_p_of_fitted(distance, n) if given is None else _p_of_given(distance, n),
        dispersion=dispersion,
        dispersion_z=(dispersion - 1.0) / sqrt(2.0 / (windows - 1)) if windows > 1 else nan,
        windows=windows,
        mean_given=given is not None,
    )


def _distance(scaled: Array) -> Array:
    """Kolmogorov-Smirnov distance of each row from the exponential law of mean 1."""
    law = -np.expm1(-np.maximum(np.sort(scaled), 0.0))
    steps = np.arange(law.shape[-1] + 1) / law.shape[-1]
    return np.asarray(np.maximum((steps[1:] - law).max(axis=-1), (law - steps[:-1]).max(axis=-1)))


def _p_of_given(distance: float, n: int) -> float:
    x = (sqrt(n) + 0.12 + 0.11 / sqrt(n)) * distance
    if x < 0.3:  # the series needs ever more terms there, and is 1 to 9 digits
        return 1.0
    i = np.arange(1, 101)
    return float(np.clip(2.0 * np.sum((-1.0) ** (i - 1) * np.exp(-2.0 * (i * x) ** 2)), 0.0, 1.0))


def _p_of_fitted(distance: float, n: int) -> float:
    length = min(n, NULL_LENGTH)
    uniforms = variates.uniforms(0, NULL_STREAM, 0, -(-NULL_SERIES * length // 4)).ravel()
    series = -variates.log(uniforms[: NULL_SERIES * length]).reshape(NULL_SERIES, length)
    drawn = _distance(series / series.mean(axis=1, keepdims=True))
    larger = int(np.count_nonzero(_modified(drawn, length) >= _modified(np.asarray(distance), n)))
    return (1 + larger) / (NULL_SERIES + 1)


def _modified(distance: Array, n: int) -> Array:
    return np.asarray((distance - 0.2 / n) * (sqrt(n) + 0.26 + 0.5 / sqrt(n)))


def _dispersion(seen: Array) -> tuple[float, int]:
    windows = int((seen.max() - seen.min()) // WINDOW_S)
    if windows < 2:
        return nan, windows
    # The first block opens the first window and is no arrival in it.
    counts = np.bincount(((np.sort(seen)[1:] - seen.min()) // WINDOW_S).astype(np.int64))[:windows]
    return float(counts.var(ddof=1) / counts.mean()), windows
