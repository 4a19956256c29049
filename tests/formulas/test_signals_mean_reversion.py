"""Signals and confidences by their rules, written again: formulas of mean reversion (131 to 150)."""

from math import erf, sqrt
from typing import Any

import numpy as np
import pytest
from signal_forms import Floats, Said, assert_rule, cut, held, rule, ruled


class Reversion:
    """Regression of the log price on the one before, over the last n, at every row: b, t, mu and s_eq."""

    def __init__(self, s: Said) -> None:
        n, x = s.of["n"], np.log(s.p)
        self.x, self.b, self.t, self.mu, self.s_eq = x, *(np.full(len(x), np.nan) for _ in range(4))
        for i in range(n - 1, len(x)):
            base = x[i - n + 1]
            before, after = x[i - n + 1 : i] - base, x[i - n + 2 : i + 1] - base
            (a, b), square = np.linalg.lstsq(np.column_stack([np.ones(n - 1), before]), after)[:2]
            spread = float(np.sum((before - before.mean()) ** 2))
            self.b[i], self.t[i] = b, (b - 1.0) / sqrt(square[0] / (n - 3) / spread)
            if 0.0 < b < 1.0:
                self.mu[i] = base + a / (1.0 - b)
                self.s_eq[i] = sqrt(square[0] / (n - 1) / (1.0 - b * b))

    @property
    def trust(self) -> Floats:
        return np.where(self.b < 1.0, cut(-self.t / 3.43), 0.0)


@rule(131, entry=1.0, exit=0.2)
def ornstein(s: Said) -> tuple[Any, Any]:
    of = Reversion(s)
    return held(s, s.v, s.of["entry"], s.of["exit"], of.b < 1.0), of.trust


@rule(132, hl_max=10.0)
def half_life(s: Said) -> tuple[Any, Any]:
    return np.where(s.v <= s.of["hl_max"], 1.0, -1.0), Reversion(s).trust


@rule(133, entry=0.7)
def level(s: Said) -> tuple[Any, Any]:
    of = Reversion(s)
    gap = of.mu - of.x
    return np.sign(gap) * (np.abs(gap) > s.of["entry"] * of.s_eq), of.trust


@rule(135)
def speed(s: Said) -> tuple[Any, Any]:
    of = Reversion(s)
    side = np.where(s.v <= 0.0, -1.0, np.where(of.t < -2.86, 1.0, 0.0))
    return side, np.where(s.v > 0.0, of.trust, 0.0)


@rule(136, tail=0.2)
def in_the_law(s: Said) -> tuple[Any, Any]:
    of = Reversion(s)
    z = (of.x - of.mu) / of.s_eq
    u = np.where(of.b < 1.0, [0.5 + 0.5 * erf(one / sqrt(2.0)) for one in z], np.nan)
    side = np.where(u < s.of["tail"], 1.0, np.where(u > 1.0 - s.of["tail"], -1.0, 0.0))
    return side, np.where(of.b < 1.0, np.abs(2.0 * u - 1.0) * of.trust, 0.0)


@rule(137)
def best_entry(s: Said) -> tuple[Any, Any]:
    of = Reversion(s)
    far = np.where(of.b < 1.0, of.x - of.mu, 0.0)
    beyond = (np.abs(far) >= 1e-4 * s.o["A_bps"]) & (of.b < 1.0)
    return -np.sign(far) * beyond, of.trust


@rule(140)
def variance_ahead(s: Said) -> tuple[Any, Any]:
    f = s.o["stationary_cdf"]
    return np.where((f > 0.0) & (f < 0.05), 1.0, np.where(f > 0.95, -1.0, 0.0)), None


@rule(141, 142, entry=1.0, exit=0.3)
def score(s: Said) -> tuple[Any, Any]:
    return held(s, s.v, s.of["entry"], s.of["exit"]), cut(np.abs(s.v) / (2.0 * s.of["entry"]))


@rule(143)
def band(s: Said) -> tuple[Any, Any]:
    return held(s, s.v - 0.5, np.nextafter(0.5, 1.0), 0.0), cut(np.abs(s.v - 0.5))


@rule(144, k=1.0)
def channel(s: Said) -> tuple[Any, Any]:
    return held(s, s.v, s.of["k"], 0.0), cut(np.abs(s.v) / (2.0 * s.of["k"]))


@rule(145, low=40.0, high=60.0)
def strength(s: Said) -> tuple[Any, Any]:
    return held(s, s.v - 50.0, np.nextafter(10.0, 11.0), 0.0), cut(np.abs(s.v - 50.0) / 50.0)


@rule(146)
def stochastic(s: Said) -> tuple[Any, Any]:
    d, k = s.o["d"], s.v
    up, down = (d < s.of["low"]) & (k > d), (d > s.of["high"]) & (k < d)
    return 1.0 * up - down, np.abs(d - 50.0) / 50.0


@rule(147, p_max=0.7, entry=1.0, exit=0.2)
def cointegrated(s: Said) -> tuple[Any, Any]:
    return held(s, s.v, s.of["entry"], s.of["exit"], s.o["p"] < s.of["p_max"]), 1.0 - s.o["p"]


@rule(148, n=40, refit=30, entry=0.5, exit=0.1)
def basket(s: Said) -> tuple[Any, Any]:
    """While the trace of all three passes its 95 % value (MacKinnon, Haug, Michelis 1999)."""
    trace, critical = s.o["trace_0"], 29.7961
    assert np.any(trace[s.batch.ready] <= critical)
    may = trace > critical
    return held(s, s.v, s.of["entry"], s.of["exit"], may), cut(trace / (2.0 * critical))


@rule(149, entry=1.0)
def hedged(s: Said) -> tuple[Any, Any]:
    return -np.sign(s.o["z"]) * (np.abs(s.o["z"]) > s.of["entry"]), None


@rule(150, delta=1e-8, R=1e-10, entry=0.3, exit=0.1)
def filtered_hedge(s: Said) -> tuple[Any, Any]:
    return held(s, s.o["nu"] / np.sqrt(s.o["S"]), s.of["entry"], s.of["exit"]), None


@pytest.mark.parametrize("id", ruled("mean_reversion"))
def test_signal_and_confidence_follow_their_rule(id: int) -> None:
    assert_rule(id)
