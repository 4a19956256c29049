"""Inputs of the checks: the catalogue's own generators, and a market that carries every channel."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["market", "returns", "side", "vol", "walk"]

Floats = NDArray[np.float64]
START_NS: Final = 1_700_000_000_000_000_000


def walk(seed: int, n: int) -> Floats:
    """Return the catalogue's random walk of prices, steps of 10 USD about 50,000."""
    return np.random.default_rng(seed).standard_normal(n).cumsum() * 10 + 50000


def returns(seed: int, n: int) -> Floats:
    """Return the log returns of `walk`, n - 1 of them."""
    return np.diff(np.log(walk(seed, n)))


def vol(seed: int, n: int) -> Floats:
    """Return exponential volumes of mean 1 BTC."""
    return np.random.default_rng(seed).exponential(1.0, n)


def side(seed: int, n: int) -> NDArray[np.int64]:
    """Return fair sides."""
    return np.where(np.random.default_rng(seed).random(n) < 0.5, -1, 1)


def market(n: int, seed: int = 12345) -> dict[str, NDArray[np.generic]]:
    """Return n rows with trades, quotes, bars and the other channels, in which volatility changes.

    Trades print at the quote of their row; bars enclose their close. Nothing in it repeats exactly, and a
    few rows have neither trade volume nor a change of price.
    """
    g = np.random.default_rng(seed)
    scale = np.exp(np.convolve(g.standard_normal(n + 49), np.ones(50) / 12.0, "valid"))
    common = 2e-4 * scale * g.standard_t(5, n)
    price = 50_000.0 * np.exp(np.cumsum(common + 1e-4 * g.standard_normal(n)))
    price[n // 3 :: 97] = price[n // 3 - 1 : -1 : 97][: len(price[n // 3 :: 97])]
    ts = START_NS + np.cumsum(g.exponential(2e9, n)).astype(np.int64)
    half = 0.5 + g.exponential(1.0, n)
    sides = np.where(g.random(n) < 0.5, -1.0, 1.0)
    mid = price - sides * half
    opens = np.concatenate([price[:1], price[:-1]])
    others = {f"cross.{k}": _peer(g, common, k) for k in range(3)}
    return {
        "ts": ts,
        "price": price,
        "volume": g.exponential(1.0, n),
        "side": sides,
        "bid": mid - half,
        "ask": mid + half,
        "bid_size": g.exponential(1.0, n),
        "ask_size": g.exponential(1.0, n),
        "open": opens,
        "high": np.maximum(opens, price) + g.exponential(3.0, n),
        "low": np.minimum(opens, price) - g.exponential(3.0, n),
        "close": price.copy(),
        **others,
        "derivatives.funding_rate": 1e-4
        + 1e-4 * np.convolve(g.standard_normal(n + 9), np.ones(10) / 5, "valid"),
        "account.position": np.repeat(g.integers(-1, 2, n // 20 + 1), 20)[:n].astype(np.float64),
        "sentiment.fear_greed": g.integers(0, 101, n).astype(np.float64),
    }


def _peer(g: np.random.Generator, common: Floats, k: int) -> Floats:
    own = 1e-4 * g.standard_normal(len(common))
    return (2_000.0 + 500.0 * k) * np.exp(np.cumsum((0.8 - 0.3 * k) * common + own))
