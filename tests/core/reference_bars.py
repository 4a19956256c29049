"""Bars said plainly: all ticks kept, thresholds in rational arithmetic, means as sums over all before."""

from dataclasses import dataclass, field
from fractions import Fraction
from math import nan, sqrt
from typing import Any

import numpy as np

from livetrading.core.bar_rules import (
    BarRule,
    DollarBars,
    DollarImbalanceBars,
    RunBars,
    TickBars,
    TickImbalanceBars,
    TimeBars,
    VolumeBars,
    VolumeImbalanceBars,
)
from livetrading.core.broker import PaperBroker

SHARE = 1 - Fraction(1, 10**12)
Row = tuple[Any, ...]


def good_ticks(ticks: np.ndarray) -> list[np.void]:
    """Return the ticks that the paper broker takes."""
    broker, good = PaperBroker(100.0), []
    for at in range(len(ticks)):
        bad = sum(broker.rejected.values())
        broker.advance(ticks[at : at + 1])
        if sum(broker.rejected.values()) == bad:
            good.append(ticks[at])
    return good


def traded(ticks: list[np.void]) -> list[np.void]:
    return [tick for tick in ticks if tick["flags"] & 2]


def row(ticks: list[np.void], start: int, end: int, flags: int = 0) -> Row:
    """Return the bar of these ticks as a row of BAR; its sums in their order."""
    trades = traded(ticks)
    prices = [float(tick["price"]) for tick in trades]
    if not trades:
        flags |= 2
        prices = [0.5 * float(tick["bid"]) + 0.5 * float(tick["ask"]) for tick in ticks]
    volume = bought = dollar = 0.0
    for tick in trades:
        volume += float(tick["volume"])
        dollar += float(tick["price"]) * float(tick["volume"])
        bought += float(tick["volume"]) if tick["side"] > 0 else 0.0
    if any(tick["side"] == 0 and tick["volume"] > 0 for tick in trades):
        bought = nan
    return (
        end,
        start,
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        volume,
        bought,
        dollar,
        len(trades),
        flags,
    )


def by_time(ticks: list[np.void], rule: TimeBars) -> list[Row]:
    """Give all bars but the last, which is open."""
    length = rule.length_ns
    numbers = [int(tick["ts"]) // length for tick in ticks]
    rows: list[Row] = []
    for number in sorted(set(numbers)):
        inside = [tick for tick, of in zip(ticks, numbers, strict=True) if of == number]
        while rule.fill and rows and rows[-1][0] < number * length:
            end, close = rows[-1][0], rows[-1][5]
            rows.append((end + length, end, close, close, close, close, 0.0, 0.0, 0.0, 0, 3))
        rows.append(row(inside, number * length, (number + 1) * length))
    if rows:
        rows[-1] = (*rows[-1][:-1], rows[-1][-1] | 4)
    return rows


@dataclass
class Expectation:
    """T, and the means of what trades count as sums over all of them."""

    rule: Any
    run: bool
    expected: float
    signs: list[float] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def theta(self, first: bool) -> float:
        """What closes a bar: that of the first follows its trades, without their signs."""
        alpha = 2 / (self.rule.span_b + 1)
        weights, age = np.array(self.weights), np.arange(len(self.weights))[::-1]
        decay = (1 - alpha) ** age
        e = 0.0 if first else alpha * float((decay * weights * np.array(self.signs)).sum())
        square = float((decay * weights**2).sum() / decay.sum())
        imbalance = max(self.expected * abs(e), sqrt(self.expected) * sqrt(square))
        mean = float((decay * weights).sum() / decay.sum())
        return 0.5 * (self.expected * mean + imbalance) if self.run else imbalance

    def close(self, trades: int) -> None:
        moved = self.expected + 2 / (self.rule.span_T + 1) * (trades - self.expected)
        self.expected = min(max(moved, self.rule.T_min), self.rule.T_max)


def sign_of(prices: list[float], last: float) -> float:
    """Return the tick rule's sign of the last price."""
    if len(prices) < 2 or prices[-1] == prices[-2]:
        return last
    return 1.0 if prices[-1] > prices[-2] else -1.0


def by_expectation(trades: list[np.void], rule: BarRule, weight: str) -> list[int]:
    """Return how many trades are behind at each close."""
    run = isinstance(rule, RunBars)
    mind = Expectation(rule, run, rule.T0)  # type: ignore[union-attr]
    prices: list[float] = []
    ends: list[int] = []
    begin, sign, h = 0, 0.0, 0.0
    for at, tick in enumerate(trades):
        prices.append(float(tick["price"]))
        sign = sign_of(prices, sign)
        mind.signs.append(sign)
        mind.weights.append(weight_of(tick, weight))
        if not ends:
            h = mind.theta(True)
        weights, signs = mind.weights[begin:], mind.signs[begin:]
        up = float(sum(Fraction(w) for w, b in zip(weights, signs, strict=True) if b > 0))
        down = float(sum(Fraction(w) for w, b in zip(weights, signs, strict=True) if b < 0))
        theta = max(up, down) if run else abs(up - down)
        if h > 0 and theta >= h * (1 - 1e-12):
            ends.append(at + 1)
            mind.close(at + 1 - begin)
            begin, h = at + 1, mind.theta(False)
    return ends


def weight_of(tick: np.void, weight: str) -> float:
    if weight == "tick":
        return 1.0
    return float(tick["volume"]) * (float(tick["price"]) if weight == "dollar" else 1.0)


def by_sum(trades: list[np.void], threshold: float, weight: str) -> list[int]:
    """Return how many trades are behind at each close."""
    ends, total = [], Fraction(0)
    for at, tick in enumerate(trades):
        total += Fraction(weight_of(tick, weight))
        if total >= Fraction(threshold) * SHARE:
            ends.append(at + 1)
            total = Fraction(0)
    return ends


def ends_of(trades: list[np.void], rule: BarRule) -> list[int]:
    match rule:
        case TickBars():
            return by_sum(trades, rule.trades, "tick")
        case VolumeBars():
            return by_sum(trades, rule.btc, "volume")
        case DollarBars():
            return by_sum(trades, rule.usd, "dollar")
        case TickImbalanceBars():
            return by_expectation(trades, rule, "tick")
        case VolumeImbalanceBars():
            return by_expectation(trades, rule, "volume")
        case DollarImbalanceBars():
            return by_expectation(trades, rule, "dollar")
        case RunBars():
            return by_expectation(trades, rule, rule.weight)
        case _:
            raise TypeError(rule)


def plain_bars(ticks: np.ndarray, rule: BarRule) -> list[Row]:
    """Return the rows of BAR, the open bar last."""
    good = good_ticks(ticks)
    if isinstance(rule, TimeBars):
        return by_time(good, rule)
    trades = traded(good)
    rows, begin = [], 0
    for end in ends_of(trades, rule):
        opened = rows[-1][0] if rows else int(trades[0]["ts"])
        rows.append(row(trades[begin:end], opened, int(trades[end - 1]["ts"])))
        begin = end
    if begin < len(trades):
        opened = rows[-1][0] if rows else int(trades[0]["ts"])
        rows.append(row(trades[begin:], opened, int(trades[-1]["ts"]), 4))
    return rows
