"""Stylised facts of a series of returns: how far it is from a random walk, and how far from Bitcoin."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livetrading.core.errors import LivetradingError
from livetrading.data.returns import RETURN_MAX

__all__ = [
    "CRITERIA",
    "RECORDED",
    "BadReturns",
    "Criterion",
    "Recorded",
    "StylisedFacts",
    "autocorrelation",
    "hill_index",
    "stylised_facts",
    "variance_ratio",
    "verdicts",
]

Array = NDArray[np.float64]

LAGS: Final = (1, 2, 5)
LAGS_OF_SIZE: Final = (1, 5, 10, 20, 50, 100)
SPANS: Final = (2, 5, 10, 20)
TAIL: Final = 0.05
ROUNDING: Final = 1e-12
"""A series whose values differ by less than this share of the largest is constant."""
ERRORS: Final = 3
"""Standard errors that a criterion asks for."""
TAIL_INDEX_MAX: Final = 5
"""Tail indices of recorded returns lie between 2 and this (Cont 2001)."""


class BadReturns(LivetradingError, ValueError):
    """Returns are no row of finite numbers within bounds."""


@dataclass(frozen=True, kw_only=True)
class StylisedFacts:
    """The facts of one series. What is undefined (too short, constant) is None.

    Attributes
    ----------
    n : int
        Number of returns.
    sd : float
        Standard deviation of the log returns, population form.
    skew, excess_kurtosis : float or None
    acf_r, acf_abs_r : mapping of int to float or None
        Autocorrelation of the returns and of their sizes, by lag.
    leverage : float or None
        Correlation of a return with the square of the next.
    variance_ratio : mapping of int to float or None
        By number of returns summed; 1 on a random walk.
    hill : float or None
        Tail index of the largest 5 % of deviations from the mean.
    """

    n: int
    sd: float
    skew: float | None
    excess_kurtosis: float | None
    acf_r: Mapping[int, float | None]
    acf_abs_r: Mapping[int, float | None]
    leverage: float | None
    variance_ratio: Mapping[int, float | None]
    hill: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the facts ready for JSON."""
        return {
            name: {str(key): number for key, number in value.items()} if isinstance(value, Mapping) else value
            for name, value in vars(self).items()
        }


def stylised_facts(returns: ArrayLike) -> StylisedFacts:
    """Measure the stylised facts of a series.

    Parameters
    ----------
    returns : array_like of float, shape (n,)
        Log returns over equal intervals, n at least 1.

    Returns
    -------
    StylisedFacts

    Raises
    ------
    BadReturns
        If the returns are no row of numbers from -100 to 100, or there are none.

    Notes
    -----
    Moments are those of the population. For the other definitions see `autocorrelation`, `variance_ratio`
    and `hill_index`. `leverage` is Pearson's correlation of d[t] with d[t + 1]**2, d the returns less their
    mean: negative where falls are followed by wilder markets than rises.

    References
    ----------
    Cont, R. (2001), Empirical properties of asset returns: stylized facts and statistical issues.

    Examples
    --------
    >>> facts = stylised_facts([0.01, -0.02, 0.03, -0.01, 0.02, -0.03])
    >>> facts.n, round(facts.sd, 5), round(facts.acf_r[1], 3), facts.acf_r[5], facts.hill
    (6, 0.0216, -0.943, -1.929, None)
    """
    r = _checked(returns)
    d = r - r.mean()
    scale = float(np.abs(d).max())  # so that no power overflows, or vanishes
    moving = not _is_constant(r)
    u = d / scale if moving else d
    variance = float(np.mean(u * u))
    size = np.abs(r)
    return StylisedFacts(
        n=len(r),
        sd=scale * sqrt(variance) if moving else 0.0,
        skew=_finite(np.mean(u**3) / variance**1.5) if moving else None,
        excess_kurtosis=_finite(np.mean(u**4) / variance**2 - 3) if moving else None,
        acf_r={lag: autocorrelation(r, lag) for lag in LAGS},
        acf_abs_r={lag: autocorrelation(size, lag) for lag in LAGS_OF_SIZE},
        leverage=_correlation(u[:-1], u[1:] ** 2) if moving else None,
        variance_ratio={span: variance_ratio(r, span) for span in SPANS},
        hill=hill_index(r),
    )


def autocorrelation(values: ArrayLike, lag: int) -> float | None:
    """Autocorrelation at a lag: the mean of the n - lag products of deviations over the variance.

    Parameters
    ----------
    values : array_like of float, shape (n,)
    lag : int
        At least 1.

    Returns
    -------
    float or None
        Divided by n - lag, not by n, so that a short series is not pulled to 0; it may leave [-1, 1]. None of
        a constant, and where the series is not longer than the lag.

    Raises
    ------
    BadReturns
        If the values are no row of numbers from -100 to 100, or there are none.
    """
    x = _checked(values)
    if len(x) <= lag or _is_constant(x):
        return None
    d = x - x.mean()
    d /= np.abs(d).max()
    return _finite(np.mean(d[lag:] * d[:-lag]) / np.mean(d * d))


def variance_ratio(returns: ArrayLike, span: int) -> float | None:
    """Variance of the sums of `span` returns over `span` times the variance of one (Lo and MacKinlay 1988).

    Parameters
    ----------
    returns : array_like of float, shape (n,)
    span : int
        At least 1.

    Returns
    -------
    float or None
        1 on a random walk, above where moves go on, below where they turn back. None of a constant, and of
        fewer than span + 2 returns.

    Raises
    ------
    BadReturns
        If the returns are no row of numbers from -100 to 100, or there are none.

    Notes
    -----
    The sums overlap and begin at 0 to n - span - 1: the one that ends with the last return is left out, as it
    was where `RECORDED` was measured. Nothing is corrected for the overlap.

    References
    ----------
    Lo, A. W. and MacKinlay, A. C. (1988), Stock market prices do not follow random walks.
    """
    r = _checked(returns)
    if len(r) < span + 2 or _is_constant(r):
        return None
    d = r - r.mean()
    d /= np.abs(d).max()
    path = np.concatenate(([0.0], np.cumsum(d)))
    sums = path[span:-1] - path[: -span - 1]
    return _finite(np.var(sums) / (span * np.mean(d * d)))


def hill_index(returns: ArrayLike) -> float | None:
    """Tail index of |r - mean| by the largest 5 % (Hill 1975).

    Parameters
    ----------
    returns : array_like of float, shape (n,)

    Returns
    -------
    float or None
        1 / mean of ln(x[i] / x[k]) over the k = floor(0.05 n) largest, x[k] the next below them. Moments
        beyond it do not exist where the tail is a power law. None of fewer than 20 returns, and where x[k] is
        0 or the k are all equal to it.

    Raises
    ------
    BadReturns
        If the returns are no row of numbers from -100 to 100, or there are none.

    References
    ----------
    Hill, B. M. (1975), A simple general approach to inference about the tail of a distribution.
    """
    r = _checked(returns)
    k = len(r) // round(1 / TAIL)
    if k == 0 or _is_constant(r):
        return None
    tail = np.sort(np.abs(r - r.mean()))[-k - 1 :]
    if not tail[0] > 0 or _is_constant(tail):
        return None
    return _finite(1 / np.mean(np.log(tail[1:]) - np.log(tail[0])))


def _checked(values: ArrayLike) -> Array:
    row = np.asarray(values, np.float64)
    if row.ndim != 1 or len(row) == 0:
        raise BadReturns(f"returns must be a row of at least one number, was of shape {row.shape}")
    bad = np.flatnonzero(~(np.abs(row) <= RETURN_MAX))
    if len(bad):
        raise BadReturns(f"returns must be from -{RETURN_MAX} to {RETURN_MAX}, was {row[bad[0]]} at {bad[0]}")
    return row


def _is_constant(x: Array) -> bool:
    return bool(np.ptp(x) <= ROUNDING * np.abs(x).max())


def _correlation(x: Array, y: Array) -> float | None:
    if len(x) < 2 or _is_constant(x) or _is_constant(y):
        return None
    return _finite(np.corrcoef(x, y)[0, 1])


def _finite(value: Any) -> float | None:
    return float(value) if isfinite(value) else None


@dataclass(frozen=True)
class Criterion:
    """A stylised fact that a number decides.

    Attributes
    ----------
    name : str
    rule : str
        When the answer is yes, in words; the errors are those of independent normal returns.
    """

    name: str
    rule: str


CRITERIA: Final[Mapping[str, Criterion]] = {
    "fat_tails": Criterion(
        "fat tails", "excess kurtosis above 3 standard errors, 3 sqrt(24 / n), and Hill's index below 5"
    ),
    "uncorrelated": Criterion("uncorrelated", "acf r (1, 2, 5) all within 3 / sqrt(n) of 0"),
    "clustering": Criterion("clustered", "acf |r| (1, 5, 10) all above 3 / sqrt(n)"),
    "random_walk": Criterion(
        "random-walk VR",
        "VR (2, 5, 10, 20) all within 3 standard errors, 3 sqrt(2 (2q - 1) (q - 1) / (3 q n)), of 1",
    ),
}


def verdicts(facts: StylisedFacts) -> dict[str, bool | None]:
    """Answer yes or no, by the rules of `CRITERIA`; None where what a rule asks for is undefined.

    Parameters
    ----------
    facts : StylisedFacts

    Returns
    -------
    dict of str to bool or None
        By key of `CRITERIA`. Recorded Bitcoin answers yes to all four.

    References
    ----------
    Cont, R. (2001), Empirical properties of asset returns: stylized facts and statistical issues (the bound
    of Hill's index). Lo, A. W. and MacKinlay, A. C. (1988), Stock market prices do not follow random walks
    (the error of the variance ratio).
    """
    n = facts.n
    of_ratios = [
        None if ratio is None else (ratio - 1) / sqrt(2 * (2 * q - 1) * (q - 1) / (3 * q * n))
        for q, ratio in facts.variance_ratio.items()
    ]
    return {
        "fat_tails": _both(
            _decide([facts.excess_kurtosis], sqrt(24 / n), _above),
            None if facts.hill is None else facts.hill < TAIL_INDEX_MAX,
        ),
        "uncorrelated": _decide(facts.acf_r.values(), 1 / sqrt(n), _near),
        "clustering": _decide([facts.acf_abs_r[lag] for lag in (1, 5, 10)], 1 / sqrt(n), _above),
        "random_walk": _decide(of_ratios, 1.0, _near),
    }


def _above(errors: float) -> bool:
    return errors > ERRORS


def _near(errors: float) -> bool:
    return abs(errors) <= ERRORS


def _both(first: bool | None, second: bool | None) -> bool | None:
    return None if first is None or second is None else first and second


def _decide(values: Iterable[float | None], error: float, rule: Callable[[float], bool]) -> bool | None:
    """Whether all the values, in standard errors, keep a rule."""
    given = list(values)
    known = [value / error for value in given if value is not None]
    return all(map(rule, known)) if len(known) == len(given) else None


@dataclass(frozen=True)
class Recorded:
    """Facts of recorded Bitcoin.

    Attributes
    ----------
    name, source : str
    facts : StylisedFacts
        To the digits they were recorded with.
    """

    name: str
    source: str
    facts: StylisedFacts


def _recorded(
    n: int,
    moments: Sequence[float],
    r: Sequence[float],
    size: Sequence[float],
    leverage: float,
    ratios: Sequence[float],
    hill: float,
) -> StylisedFacts:
    sd, skew, kurtosis = moments
    return StylisedFacts(
        n=n,
        sd=sd,
        skew=skew,
        excess_kurtosis=kurtosis,
        acf_r=dict(zip(LAGS, r, strict=True)),
        acf_abs_r=dict(zip(LAGS_OF_SIZE, size, strict=True)),
        leverage=leverage,
        variance_ratio=dict(zip(SPANS, ratios, strict=True)),
        hill=hill,
    )


COIN_METRICS: Final = "Coin Metrics community data (PriceUSD, the close at 24:00 UTC; CC BY-NC 4.0)"

RECORDED: Final = (
    Recorded(
        "daily 2014-2025",
        f"{COIN_METRICS}, 2014-01-02 to 2025-12-13",
        _recorded(
            4363,
            (0.03592, -0.650, 11.12),
            (-0.032, 0.004, 0.008),
            (0.203, 0.157, 0.116, 0.084, 0.075, 0.016),
            -0.073,
            (0.968, 0.970, 1.005, 1.076),
            3.26,
        ),
    ),
    Recorded(
        "daily 2020-2025",
        f"{COIN_METRICS}, 2020-01-01 to 2025-12-13",
        _recorded(
            2173,
            (0.03245, -1.405, 22.86),
            (-0.057, 0.048, -0.008),
            (0.143, 0.099, 0.072, 0.048, 0.013, 0.006),
            -0.049,
            (0.943, 0.978, 1.005, 1.060),
            3.41,
        ),
    ),
    Recorded(
        "hourly 2025",
        "hourly closes of a BTC perpetual contract, 2025-09-20 to 2025-12-19",
        _recorded(
            2160,
            (0.00495, -0.400, 6.52),
            (0.005, 0.037, -0.010),
            (0.261, 0.092, 0.072, 0.048, 0.027, 0.002),
            -0.037,
            (0.997, 1.065, 1.046, 1.018),
            2.72,
        ),
    ),
)
"""What to hold a series against: measured with the functions of this module."""
