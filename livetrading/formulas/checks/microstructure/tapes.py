"""Inputs of the checks, and what trades and quotes have in common, written slowly and plainly."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite, nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.base import Batch
from livetrading.formulas.checks.harness import Comparison
from livetrading.formulas.checks.markets import side, vol, walk

__all__ = ["Trade", "bars", "compare", "daily", "flow", "rough", "tape", "trades"]

Columns = dict[str, NDArray[Any]]
SECOND = 1_000_000_000


def flow(n: int = 2000) -> Columns:
    """Return the catalogue's FLOW: trades, one a second."""
    return {"ts": np.arange(n) * SECOND, "price": walk(1, n), "volume": vol(2, n), "side": side(3, n)}


def tape() -> Columns:
    """Return the catalogue's TAPE: 600 times a quote and a trade at it."""
    g, n = np.random.default_rng(4), 600
    mid = 50000 + 10 * g.standard_normal(n).cumsum()
    half = 0.5 + g.exponential(1.0, n)
    sides = side(6, n)
    return {
        "ts": np.arange(n) * SECOND,
        "bid": mid - half,
        "ask": mid + half,
        "bid_size": g.exponential(1.0, n),
        "ask_size": g.exponential(1.0, n),
        "price": np.where(sides == 1, mid + half, mid - half),
        "volume": vol(5, n),
        "side": sides,
    }


def rough(seed: int, n: int, jump: float = 1.0) -> Columns:
    """Return rows in which fields are missing or wrong, times repeat and step back, and the price jumps."""
    g = np.random.default_rng(seed)
    price = np.round(50_000.0 * np.exp(np.cumsum(3e-4 * g.standard_normal(n))), 0)
    price[n // 3 : n // 2] *= jump
    half = price * 1e-5 * (1 + g.integers(0, 3, n))
    mid = price - half * g.choice([-1.0, 0.0, 1.0], n, p=[0.45, 0.1, 0.45])
    mid = np.where(g.random(n) < 0.3, np.roll(mid, 1), mid)
    columns = {
        "price": price,
        "volume": np.where(
            g.random(n) < 0.1, 0.0, g.exponential(1.0, n) * np.where(g.random(n) < 0.02, 40, 1)
        ),
        "side": g.choice([-1.0, 0.0, 1.0, nan], n, p=[0.35, 0.2, 0.35, 0.1]),
        "bid": mid - half,
        "ask": mid + half,
        "bid_size": g.integers(0, 5, n).astype(np.float64),
        "ask_size": g.integers(0, 5, n).astype(np.float64),
    }
    columns["bid"][g.random(n) < 0.1] *= 2.0  # crossed
    for name, column in columns.items():
        if name != "side":
            bad = g.choice([nan, np.inf, -1.0], n)
            columns[name] = np.where(g.random(n) < 0.06, bad, column)
    steps = np.where(g.random(n) < 0.2, 0.0, g.exponential(1e9, n)) - np.where(g.random(n) < 0.05, 1e9, 0.0)
    return {"ts": 1_700_000_000 * SECOND + np.cumsum(steps).astype(np.int64), **columns}


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade that counts, with its row, its side by the rules, and the quote before it (NaN without)."""

    row: int
    ts: int
    price: float
    volume: float
    sign: int
    bid: float
    ask: float

    @property
    def mid(self) -> float:
        """Of its quote."""
        return (self.bid + self.ask) / 2


def good(x: float) -> bool:
    return isfinite(x) and x > 0


def trades(columns: Mapping[str, NDArray[Any]], quoted: bool = False, sized: bool = True) -> list[Trade]:
    """Return the trades that count: with a quote before them, with a volume, where these are asked for."""
    found: list[Trade] = []
    prices: list[float] = []
    bid = ask = nan
    now = 0
    for row, ts in enumerate(columns["ts"]):
        price, volume = float(columns["price"][row]), float(columns["volume"][row])
        traded = good(price) and (not sized or (isfinite(volume) and volume >= 0))
        told = quoted and good(columns["bid"][row]) and columns["bid"][row] < columns["ask"][row] < inf
        if told or (traded and not (quoted and bid != bid)):
            now = max(now, int(ts))
        if told:
            bid, ask = float(columns["bid"][row]), float(columns["ask"][row])
        if not traded or (quoted and bid != bid):
            continue
        prices.append(price)
        moves = [b - a for a, b in pairwise(prices) if b != a]
        side, mid = columns["side"][row], (bid + ask) / 2
        if isfinite(side) and side != 0:
            sign = int(np.sign(side))
        elif quoted and price != mid:
            sign = 1 if price > mid else -1
        else:
            sign = int(np.sign(moves[-1])) if moves else 0
        found.append(Trade(row, now, price, volume, sign, bid, ask))
    return found


def daily(tape: list[Trade], n: int, whole: bool = True) -> list[tuple[float, float] | None]:
    """Return sigma_D and V_D after each trade, None before there are any."""
    found: list[tuple[float, float] | None] = []
    last: tuple[float, float] | None = None
    r = np.diff(np.log([t.price for t in tape]))
    for i in range(len(tape)):
        k = min(n, i)
        if k > 0 and (k == n or not whole):
            seconds = (tape[i].ts - tape[i - k].ts) / 1e9
            if seconds > 0:
                volume = sum(t.volume for t in tape[i - k + 1 : i + 1])
                last = sqrt(np.sum(r[i - k : i] ** 2) * 86400 / seconds), volume * 86400 / seconds
        found.append(last)
    return found


def bars(tape: list[Trade], m: int) -> list[list[Trade]]:
    """Return the full bars of m trades."""
    return [tape[i : i + m] for i in range(0, len(tape) - m + 1, m)]


def compare(
    said: Batch, row: int, expected: Mapping[str, float], rel: float = 1e-9, abs: float = 1e-12
) -> Iterator[Comparison]:
    """Compare what a formula said after a row: value, signal, confidence or outputs, by name."""
    for name, number in expected.items():
        column = (
            getattr(said, name) if name in ("value", "signal", "confidence", "ready") else said.outputs[name]
        )
        yield Comparison(f"{name}, row {row}", float(column[row]), float(number), rel, abs)
