"""After 1e8 ticks, and after jumps of a million, what a window holds is what two passes over it give.

A rolling quantity carries the rounding of all that ever passed through, unless it notices and starts afresh.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from livetrading.core.signals import (
    KalmanFilter,
    KalmanPriceFilter,
    KylesLambda,
    OrderFlowImbalance,
    ZScoreSignal,
)

TICKS, CHUNK, KEPT = 100_000_000, 1_000_000, 4096
Columns = tuple[NDArray[Any], ...]
Extended = NDArray[np.longdouble]


def chunks(jumps: bool) -> Iterator[Columns]:
    """Bid, ask, bid size, ask size, side; each chunk starts where the last one ended."""
    rng = np.random.default_rng(12)
    noise = rng.standard_normal(CHUNK) * 1e-4
    size = rng.exponential(1.0, CHUNK)
    side = rng.choice([-1, 1], CHUNK).astype(np.int8)
    level = 50_000.0
    for k in range(TICKS // CHUNK):
        # a new order of the same draws is a new walk, and costs a hundredth of new draws
        shift = int(rng.integers(CHUNK))
        bid = level * np.exp(np.cumsum(np.roll(noise, shift) - noise.mean()) + 1e-5 * (-1) ** k)
        sizes = np.roll(size, shift)
        if jumps:
            bid[CHUNK // 2 : CHUNK // 2 + 3] *= 1e6
            bid[-KEPT - 7] *= 1e-6
            sizes[-KEPT - 7] = 1e12
            sizes[-500] = 1e6
        level = bid[-1]
        yield bid, bid * 1.0001, sizes, np.roll(size, shift // 2), np.roll(side, shift)


def extended(x: NDArray[Any]) -> Extended:
    return x.astype(np.longdouble)


def check_z(seen: NDArray[np.float64], columns: Columns, n: int = 100) -> None:
    p = extended(columns[0])
    for t in range(len(p) - 50, len(p)):
        window = p[t + 1 - n : t + 1]
        exact = (p[t] - window.mean()) / window.std()
        assert seen[t] == pytest.approx(float(exact), rel=1e-9, abs=1e-9)


def check_ofi(seen: NDArray[np.float64], columns: Columns, n: int = 100) -> None:
    bid, ask, q, a = (extended(x) for x in columns[:4])
    e = (bid[1:] >= bid[:-1]) * q[1:] - (bid[1:] <= bid[:-1]) * q[:-1]
    e += (ask[1:] >= ask[:-1]) * a[:-1] - (ask[1:] <= ask[:-1]) * a[1:]
    for t in range(len(bid) - 50, len(bid)):
        window = e[t - n : t]
        assert seen[t] == pytest.approx(float(window.sum()), abs=1e-9 * float(np.sqrt((window**2).sum())))


def check_level(seen: NDArray[np.float64], columns: Columns, n: int = 200) -> None:
    p = extended(columns[0])
    r = np.log1p((p[1:] - p[:-1]) / p[:-1])
    residual, variance = np.longdouble(0.0), None
    # the filter forgets its start within the kept ticks
    for t in range(n, len(r)):
        window = r[t + 1 - n : t + 1]
        g0, g1 = (window**2).mean(), (window[1:] * window[:-1]).sum() / n
        noise = min(max(-g1, g0 / 100), g0 / 2)
        before = (noise if variance is None else variance) + max(g0 - 2 * noise, g0 / 100)
        innovation, f = residual + r[t], before + noise
        residual, variance = innovation * noise / f, before * noise / f
        if t >= len(r) - 50:
            assert np.log(p[t + 1]) - extended(seen[t + 1 :][:1])[0] == pytest.approx(
                float(residual), abs=1e-9 * float(np.sqrt(g0)) + 2e-15 * float(np.log(p[t + 1]))
            )


def check_drift(seen: NDArray[np.float64], columns: Columns) -> None:
    p = extended(columns[0])
    r = np.log1p((p[1:] - p[:-1]) / p[:-1])
    a, gain = np.longdouble(0.0), np.longdouble((-0.1 + np.sqrt(np.longdouble("0.01") + 0.4)) / 2)
    for t, x in enumerate(r):
        a += gain * (x - a)
        if t >= len(r) - 50:
            assert seen[t + 1] == pytest.approx(float(a), abs=1e-9 * float(np.abs(r[t - 50 : t + 1]).max()))


def check_kyle(seen: NDArray[np.float64], columns: Columns, n: int = 50) -> None:
    price, signed = columns[0], columns[2] * columns[4]
    for t in range(len(price) - 50, len(price)):
        change = np.diff(price[t - n : t + 1])
        fit = stats.linregress(signed[t + 1 - n : t + 1], change)
        scale = change.std() / signed[t + 1 - n : t + 1].std()
        assert seen[t] == pytest.approx(fit.slope, abs=1e-9 * scale)


CASES: list[tuple[Callable[[], Any], tuple[int, ...], Callable[[NDArray[np.float64], Columns], None]]] = [
    (ZScoreSignal, (0,), check_z),
    (OrderFlowImbalance, (0, 1, 2, 3), check_ofi),
    (KalmanPriceFilter, (0,), check_level),
    (lambda: KalmanFilter(0.1), (0,), check_drift),
    (lambda: KylesLambda(m=1), (0, 2, 4), check_kyle),
]


@pytest.mark.parametrize("jumps", [False, True], ids=["walk", "jumps"])
def test_nothing_drifts_in_1e8_ticks(jumps: bool) -> None:
    formulas = [make() for make, _, _ in CASES]
    seen: list[NDArray[np.float64]] = []
    columns: Columns = ()
    for columns in chunks(jumps):
        seen = [
            formula.update_many(*(columns[k] for k in which))
            for formula, (_, which, _) in zip(formulas, CASES, strict=True)
        ]
    last = tuple(x[-KEPT:] for x in columns)
    for values, (_, _, check) in zip(seen, CASES, strict=True):
        check(values[-KEPT:], last)
