"""Series of the checks of time series, and what more than one of them needs."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.registry import run

Floats = NDArray[np.float64]


THREE = np.array([1.0, -2.0, 0.5])


def last(id: int, price: Floats, names: Mapping[str, str], value: str) -> Mapping[str, float]:
    """What a formula says after prices, renamed."""
    said = run(id, {"price": price})
    return {value: said.value[-1], **{new: said.outputs[old][-1] for old, new in names.items()}}


def prices_of(r: Floats) -> Floats:
    """Prices with these log returns, the first of them 1."""
    return np.asarray(np.exp(np.concatenate([[0.0], np.cumsum(r)])))


def scaled(y: Floats) -> Floats:
    """Prices whose first two returns have the root mean square 1, y after them."""
    return prices_of(np.concatenate([[1.0, -1.0], y]))


def shaken(seed: int, n: int) -> Floats:
    """Prices with fat-tailed returns in bursts, which lean on the last."""
    rng = np.random.default_rng(seed)
    r = np.zeros(n)
    h = 1.0
    for i in range(1, n):
        h = 0.1 + 0.15 * (r[i - 1] * 1e3) ** 2 + 0.8 * h
        r[i] = 0.15 * r[i - 1] + 1e-3 * h**0.5 * rng.standard_t(6)
    return np.asarray(20_000.0 * np.exp(np.cumsum(r)))
