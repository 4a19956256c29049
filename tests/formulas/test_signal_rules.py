"""Signals, confidences and outputs by their rules, written again, from what formulas say of a market."""

from collections.abc import Callable
from math import erf, sqrt
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from livetrading.formulas.checks.markets import market
from livetrading.formulas.libraries import installed
from livetrading.formulas.registry import FORMULA_REGISTRY, create, run

Floats = NDArray[np.float64]
Rule = Callable[["Said"], tuple[Any, Any]]
RULES: dict[int, tuple[Rule, dict[str, Any]]] = {}


class Said:
    """What a formula said of the rows of a market, and what its rules read of these."""

    def __init__(self, id: int, **others: Any) -> None:
        formula = FORMULA_REGISTRY[id]
        given = {**getattr(formula, "check_parameters", {}), **others}
        rows = int(getattr(formula, "check_rows", 700))
        columns = market(rows)
        self.p: Floats = np.asarray(columns["price"], np.float64)
        self.r = np.diff(np.log(self.p), prepend=np.nan)
        self.peers = [
            np.diff(np.log(np.asarray(columns[f"cross.{k}"], np.float64)), prepend=np.nan) for k in range(3)
        ]
        batch = run(id, columns, **given)
        self.v, self.o, self.batch = batch.value, batch.outputs, batch
        self.of: dict[str, Any] = create(id, **given).parameters

    def moved(self) -> Floats:
        """The direction over `h` observations."""
        moves = np.full(len(self.p), np.nan)
        moves[self.of["h"] :] = np.sign(np.log(self.p[self.of["h"] :] / self.p[: -self.of["h"]]))
        return moves

    def of_window(self, what: Callable[[Floats], Any], n: int) -> Floats:
        """A number of the last n returns at every row."""
        numbers = np.full(len(self.r), np.nan)
        for i in range(n, len(self.r)):
            numbers[i] = what(self.r[i - n + 1 : i + 1])
        return numbers

    def at_fits(self, what: Callable[[slice], Any]) -> Floats:
        """A number of the last n returns at the fits, which stands until the next."""
        n, every = self.of["n"], self.of["refit"]
        return np.array(
            [
                np.nan if i < n else what(slice(i - (i - n) % every - n + 1, i - (i - n) % every + 1))
                for i in range(len(self.r))
            ]
        )


def rule(*ids: int, **others: Any) -> Callable[[Rule], Rule]:
    """Enter a rule, and the parameters under which the market calls for each side."""

    def enter(of: Rule) -> Rule:
        RULES.update(dict.fromkeys(ids, (of, others)))
        return of

    return enter


def normal(z: Floats) -> Floats:
    """Twice the normal distribution function of |z| less 1."""
    return np.array([erf(abs(one) / sqrt(2.0)) for one in z])


def cut(x: Floats) -> Floats:
    return np.clip(x, 0.0, 1.0)


def past(z: Floats, level: Any) -> Floats:
    """The side of z where it is at least the level in size."""
    return np.asarray(np.sign(z) * (np.abs(z) >= level), np.float64)


def forecast(s: Said, f: Floats, sd: Any) -> tuple[Floats, Floats]:
    z = f / sd
    return past(z, s.of.get("z0", 0.1)), normal(z)


def extreme(s: Said, entry: float) -> Floats:
    return np.where(s.v <= entry, 1.0, np.where(s.v >= 1.0 - entry, -1.0, 0.0))


@rule(1, entry=0.7)
def likelier(s: Said) -> tuple[Any, Any]:
    return -extreme(s, 1.0 - s.of["entry"]), np.abs(2.0 * s.v - 1.0)


@rule(2, 16, entry=0.5)
def root(s: Said) -> tuple[Any, Any]:
    return past(s.v, s.of["entry"]), normal(s.v)


@rule(3, entry=1.0)
def burst(s: Said) -> tuple[Any, Any]:
    """A move beyond k sd is an event; the variance begins as that of the first returns."""
    warm, lam, side = s.of["warm"], s.of["lam"], 0.0
    v, sides = float(np.mean(s.r[1 : warm + 1] ** 2)), np.zeros(len(s.r))
    for i in range(warm + 1, len(s.r)):
        side = np.sign(s.r[i]) if abs(s.r[i]) > s.of["k"] * sqrt(v) else side
        v = lam * v + (1.0 - lam) * s.r[i] ** 2
        sides[i] = -side
    return sides * (s.v >= s.of["entry"]), cut(1.0 - 1.0 / s.v)


@rule(4, tail=0.2)
def unlikely(s: Said) -> tuple[Any, Any]:
    return extreme(s, s.of["tail"]), np.abs(2.0 * s.v - 1.0)


@rule(5)
def skewed(s: Said) -> tuple[Any, Any]:
    n = s.of["n"]
    error = sqrt(6.0 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3)))
    return -past(s.v, s.of["z_crit"] * error), 1.0 - s.o["jb_p"]


@rule(6, 8, 9)
def by_chance(s: Said) -> tuple[Any, Any]:
    return None, 1.0 - s.o["p"]


@rule(7)
def by_its_p(s: Said) -> tuple[Any, Any]:
    return None, 1.0 - s.o["p_value"]


@rule(10)
def ratio_of_variances(s: Said) -> tuple[Any, Any]:
    return None, normal(s.o["z_star"])


@rule(12)
def rescaled(s: Said) -> tuple[Any, Any]:
    return None, np.abs(2.0 * s.o["lo_cdf"] - 1.0)


@rule(13, entry=0.5)
def moments(s: Said) -> tuple[Any, Any]:
    return past(s.o["t"], s.of["entry"]), normal(s.o["t"])


@rule(14, level=0.5)
def resampled(s: Said) -> tuple[Any, Any]:
    side = np.where(s.o["lo"] > 0.0, 1.0, np.where(s.o["hi"] < 0.0, -1.0, 0.0))
    return side, np.abs(2.0 * s.v - 1.0)


@rule(15)
def ranked(s: Said) -> tuple[Any, Any]:
    q, assets = s.o["rank"], 4
    side = np.where(q > 2 * assets / 3, 1.0, np.where(q <= assets / 3, -1.0, 0.0))
    return side, np.abs(2.0 * (q - 0.5) / assets - 1.0)


@rule(17)
def integrated(s: Said) -> tuple[Any, Any]:
    phi, theta = s.o["phi"], s.o["theta"]
    weight, squares = np.ones(len(phi)), np.ones(len(phi))
    for i in range(1, s.of["horizon"]):
        weight = weight + phi ** (i - 1) * (phi + theta)
        squares = squares + weight**2
    return forecast(s, s.v, s.o["sigma"] * np.sqrt(squares))


@rule(18)
def smoothed(s: Said) -> tuple[Any, Any]:
    return forecast(s, s.v - s.p, np.sqrt(s.o["sse"] / (s.of["n"] - 1)))


@rule(19, z_crit=0.0, calm=0.9)
def mixed(s: Said) -> tuple[Any, Any]:
    t = np.abs(s.o["mean_l"]) * np.sqrt(s.of["n"] * s.o["weight_l"] / s.o["var_l"])
    calm = (s.v < s.of["calm"]) & (t >= s.of["z_crit"])
    return np.sign(s.o["mean_l"]) * calm, np.abs(2.0 * s.v - 1.0)


@rule(21, entry=0.2)
def given_the_peer(s: Said) -> tuple[Any, Any]:
    n, tau = s.of["n"], np.abs(s.o["tau"])
    error = sqrt(2.0 * (2 * n + 5) / (9.0 * n * (n - 1)))
    return extreme(s, s.of["entry"]), np.abs(2.0 * s.v - 1.0) * tau / (tau + error)


@rule(23)
def trending(s: Said) -> tuple[Any, Any]:
    return past(s.v, s.of["entry"]), np.abs(s.v)


@rule(24)
def quantiles(s: Said) -> tuple[Any, Any]:
    tilt = s.o["q10"] + s.o["q90"]
    agreed = np.sign(tilt) == np.sign(s.o["q50"])
    return np.sign(s.o["q50"]) * agreed, cut(np.abs(tilt) / (s.o["q90"] - s.o["q10"]))


@rule(25, alpha=0.5)
def trimmed(s: Said) -> tuple[Any, Any]:
    return np.sign(s.v) * (s.o["p"] < s.of["alpha"]), 1.0 - s.o["p"]


@rule(26, entry=1.0)
def robust(s: Said) -> tuple[Any, Any]:
    return -past(s.o["z"], s.of["entry"]), cut(np.abs(s.o["z"]) / (2.0 * s.of["entry"]))


@rule(27, alpha=0.1)
def anomalous(s: Said) -> tuple[Any, Any]:
    return np.where(s.o["p"] >= s.of["alpha"], 1.0, -1.0), 1.0 - s.o["p"]


@rule(28)
def boosted(s: Said) -> tuple[Any, Any]:
    return past(s.v, s.of["entry"]), np.abs(2.0 / (1.0 + np.exp(-s.v)) - 1.0)


@rule(29, 57, entry=1.0)
def faded(s: Said) -> tuple[Any, Any]:
    return -past(s.v, s.of["entry"]), cut(np.abs(s.v) / (2.0 * s.of["entry"]))


@rule(30, entry=0.2)
def placed(s: Said) -> tuple[Any, Any]:
    return extreme(s, s.of["entry"]), np.abs(2.0 * s.v - 1.0) * s.o["p_B"]


@rule(31, 32, 33)
def linear(s: Said) -> tuple[Any, Any]:
    return forecast(s, s.v, s.o["sigma"])


@rule(34, entry=1.0)
def arch(s: Said) -> tuple[Any, Any]:
    return -past(s.o["z"], s.of["entry"]), 1.0 - s.o["lm_p"]


def calm_or_stressed(s: Said, ratio: Floats) -> tuple[Any, Any]:
    stressed = np.where(ratio >= s.of["stress"], -np.sign(s.r), 0.0)
    return np.where(ratio <= s.of["calm"], s.moved(), stressed), cut(np.abs(np.log(ratio)))


@rule(35, stress=1.1)
def garch(s: Said) -> tuple[Any, Any]:
    return calm_or_stressed(s, s.v / s.of_window(lambda r: sqrt(np.mean(r**2)), s.of["n"]))


def shock(s: Said) -> Floats:
    """The return over what was expected of it; NaN at a fit, which runs the window again."""
    since = (np.arange(len(s.r)) - s.of["n"]) % s.of["refit"]
    return np.where(since == 0, np.nan, s.r / np.concatenate([[np.nan], s.v[:-1]]))


@rule(36, entry=0.5, refit=30)
def leverage(s: Said) -> tuple[Any, Any]:
    e, gamma = shock(s), s.o["gamma"]
    up, down = (gamma > 0.0) & (e >= s.of["entry"]), (gamma < 0.0) & (e <= -s.of["entry"])
    size = np.abs(gamma)
    return np.where(np.isnan(e), np.nan, 1.0 * up - down), size / (np.abs(s.o["alpha"]) + size)


@rule(37, entry=0.5, alpha_lr=0.9, refit=30)
def asymmetric(s: Said) -> tuple[Any, Any]:
    e, gamma = shock(s), s.o["gamma"]
    up, down = (gamma < 0.0) & (e >= s.of["entry"]), (gamma > 0.0) & (e <= -s.of["entry"])
    side = (1.0 * up - down) * (s.o["p"] < s.of["alpha_lr"])
    return np.where(np.isnan(e), np.nan, side), 1.0 - s.o["p"]


@rule(38)
def smooth_threshold(s: Said) -> tuple[Any, Any]:
    return forecast(s, s.v, np.sqrt(s.o["ssr"] / (s.of["n"] - 1 - 6)))


@rule(39)
def threshold(s: Said) -> tuple[Any, Any]:
    return forecast(s, s.v, np.sqrt(s.o["ssr"] / (s.of["n"] - 1 - 5)))


@rule(40, z0=0.0)
def switching(s: Said) -> tuple[Any, Any]:
    low, high = s.o["mu_low"], s.o["mu_high"]
    mean = (1.0 - s.v) * low + s.v * high
    square = (1.0 - s.v) * (s.o["sigma_low"] ** 2 + low**2) + s.v * (s.o["sigma_high"] ** 2 + high**2)
    return forecast(s, mean, np.sqrt(square - mean**2))


@rule(41, entry=0.5)
def filtered(s: Said) -> tuple[Any, Any]:
    return past(s.o["z"], s.of["entry"]), normal(s.o["z"])


@rule(42, stress=1.1)
def particles(s: Said) -> tuple[Any, Any]:
    return calm_or_stressed(s, s.v / sqrt(np.mean(s.r[1 : s.of["n0"] + 1] ** 2)))


@rule(43, stress=1.1)
def unscented(s: Said) -> tuple[Any, Any]:
    return calm_or_stressed(s, np.exp(s.o["x"] / 2.0))


@rule(44, entry=0.5)
def in_time(s: Said) -> tuple[Any, Any]:
    return past(s.o["z"], s.of["entry"]), cut(np.abs(s.o["z"]) / 3.0)


@rule(45, 46)
def brown(s: Said) -> tuple[Any, Any]:
    """Errors of the line, or the parabola, through two or three times smoothed prices."""
    a, lam, order = s.of["alpha"], s.of["lam"], 2 if "level" in s.o else 3
    b = 1.0 - a
    smooth, ahead, square = [s.p[0]] * 3, s.p[0], np.full(len(s.p), np.nan)
    for i, price in enumerate(s.p[1:], 1):
        error = (price - ahead) ** 2
        square[i] = error if i == 1 else lam * square[i - 1] + (1.0 - lam) * error
        inner = price
        for k in range(3):
            smooth[k] = inner = a * inner + b * smooth[k]
        one, two, three = smooth
        if order == 2:
            ahead = 2.0 * one - two + a / b * (one - two)
        else:
            slope = a / (2.0 * b * b) * ((6 - 5 * a) * one - (10 - 8 * a) * two + (4 - 3 * a) * three)
            ahead = 3.0 * (one - two) + three + slope + 0.5 * (a / b) ** 2 * (one - 2.0 * two + three)
    return forecast(s, s.v, np.sqrt(square))


@rule(47, 48, alpha=0.5, entry=0.5)
def stationary(s: Said) -> tuple[Any, Any]:
    return -past(s.o["z"], s.of["entry"]) * (s.o["p_value"] < s.of["alpha"]), 1.0 - s.o["p_value"]


@rule(49)
def not_stationary(s: Said) -> tuple[Any, Any]:
    return s.moved() * (s.o["p_value"] < s.of["alpha"]), 1.0 - s.o["p_value"]


@rule(51, 52, 53)
def cycle(s: Said) -> tuple[Any, Any]:
    return -past(s.o["z"], s.of["entry"]), cut(np.abs(s.o["z"]) / 3.0)


@rule(54)
def expected_growth(s: Said) -> tuple[Any, Any]:
    """The sd of the residuals of the autoregression that the outputs name."""
    p, mu = s.of["p"], s.o["mu"]

    def spread(window: slice) -> float:
        fitted = [s.o[f"phi_{k}"][window.stop - 1] for k in range(1, p + 1)]
        x = s.r[window] - mu[window.stop - 1]
        e = x[p:] - sum(phi * x[p - k : len(x) - k] for k, phi in enumerate(fitted, 1))
        return sqrt(float(e @ e) / (s.of["n"] - 2 * p - 1))

    return forecast(s, -s.v, s.at_fits(spread))


@rule(55)
def smooth_slope(s: Said) -> tuple[Any, Any]:
    """The slope, and the returns beside it, of the last transform."""
    n, every, slope = s.of["n"], s.of["every"], np.abs(s.o["slope"])
    count = np.arange(1, len(s.r) + 1)
    ran = np.maximum(count - (count - n) % every, n) - 1
    sd = s.of_window(lambda r: np.std(r), n - 1)[np.minimum(ran, len(s.r) - 1)]
    return None, slope / (slope + sd)


@rule(58, alpha=0.9)
def caused(s: Said) -> tuple[Any, Any]:
    n, p = s.of["n"], s.of["p"]
    free = n - p - (2 * p + 1)

    def spread(window: slice) -> float:
        own, peer = s.r[window], s.peers[0][window]
        lags = [x[p - k : n - k] for k in range(1, p + 1) for x in (own, peer)]
        x = np.column_stack([np.ones(n - p), *lags])
        x[:, 1:] /= np.tile([np.std(own), np.std(peer)], p)
        ssr = np.linalg.lstsq(x, own[p:] / np.std(own))[1][0]
        return float(np.std(own)) * sqrt(ssr / free)

    side, confidence = forecast(s, s.v, s.at_fits(spread))
    causes = s.o["p_value"] < s.of["alpha"]
    return side * causes, confidence * (1.0 - s.o["p_value"]) * causes


@rule(60, z0=0.01)
def common_factor(s: Said) -> tuple[Any, Any]:
    def parts(window: slice) -> tuple[float, float, float, float]:
        """Mean and sd of the own returns; variances of the factor's step and of what is the own."""
        x = np.column_stack([s.r[window], *(peer[window] for peer in s.peers)])
        z = (x - x.mean(0)) / x.std(0)
        weight = np.linalg.eigh(z.T @ z)[1][:, -1]
        weight = weight * np.sign(weight.sum())
        factor = z @ weight
        phi = factor[1:] @ factor[:-1] / (factor @ factor)
        step = np.mean((factor[1:] - phi * factor[:-1]) ** 2)
        return x[:, 0].mean(), x[:, 0].std(), step, np.mean((z[:, 0] - weight[0] * factor) ** 2)

    found = [s.at_fits(lambda window, k=k: parts(window)[k]) for k in range(4)]  # type: ignore[misc]
    mean, sd, step, own = found
    load, phi = s.o["loading_0"], s.o["phi"]
    f = mean + sd * load * phi * s.v
    return forecast(s, f, sd * np.sqrt(load**2 * (phi**2 * s.o["P"] + step) + own))


def held(s: Said, u: Floats, entry: float, leave: float, may: Any = True) -> Floats:
    """The side against u from where it passes `entry` until it is back at `leave`; flat where it may not."""
    side, sides = 0, np.zeros(len(u))
    allowed = np.broadcast_to(may, len(u))
    for i in np.flatnonzero(s.batch.ready):
        if not allowed[i]:
            side = 0
            continue
        if (side == -1 and u[i] <= leave) or (side == 1 and u[i] >= -leave):
            side = 0
        if side == 0:
            side = -1 if u[i] >= entry else 1 if u[i] <= -entry else 0
        sides[i] = side
    return sides


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


@rule(149, entry=1.0)
def hedged(s: Said) -> tuple[Any, Any]:
    return -np.sign(s.o["z"]) * (np.abs(s.o["z"]) > s.of["entry"]), None


@rule(150, delta=1e-8, R=1e-10, entry=0.3, exit=0.1)
def filtered_hedge(s: Said) -> tuple[Any, Any]:
    return held(s, s.o["nu"] / np.sqrt(s.o["S"]), s.of["entry"], s.of["exit"]), None


@rule(113, hist=20, limit=0.9, bucket=2.0, n=5)
def among_its_past(s: Said) -> tuple[Any, Any]:
    """18 of 20 below it are as many as the limit."""
    assert np.any(s.v == s.of["limit"])
    return np.where(s.v >= s.of["limit"], -1.0, 1.0), np.abs(2.0 * s.v - 1.0)


@rule(118, limit_bps=0.2)
@rule(105, 120, limit_bps=0.5)
def dear(s: Said) -> tuple[Any, Any]:
    return np.where(s.v > s.of["limit_bps"], -1.0, 1.0), np.ones(len(s.v))


def rolling(x: Floats, n: int, what: Callable[[Floats], Any], least: int) -> Floats:
    """A number of the last n of those that are there, NaN where fewer than `least` are."""
    found = np.full(len(x), np.nan)
    for i in range(len(x)):
        last = x[max(0, i - n + 1) : i + 1]
        last = last[~np.isnan(last)]
        if len(last) >= least:
            found[i] = what(last)
    return found


def over_its_sd(x: Floats, n: int, least: int) -> Floats:
    return np.nan_to_num(x / rolling(x, n, np.std, least))


def signs_of(s: Said) -> dict[str, Floats]:
    """Of the last n returns that are not 0."""
    found = np.full((3, len(s.r)), np.nan)
    for i in range(s.of["n"], len(s.r)):
        up = s.r[1 : i + 1][s.r[1 : i + 1] != 0.0][-s.of["n"] :] > 0.0
        found[:, i] = np.sum(up), np.sum(~up), 1 + np.sum(up[1:] != up[:-1])
    return dict(zip(("n_up", "n_down", "runs"), found, strict=True))


def formation(s: Said) -> dict[str, Floats]:
    x, formation, skip = np.log(s.p), s.of["formation"], s.of["skip"]
    moves = np.full(len(x), np.nan)
    moves[formation + skip :] = (x[formation:] - x[:-formation])[: len(x) - formation - skip]
    return {"formation_return": moves}


def log_score(s: Said) -> dict[str, Floats]:
    x, n = np.log(s.p), s.of["n"] + 1
    return {"z": (x - rolling(x, n, np.mean, n)) / rolling(x, n, np.std, n)}


OUTPUTS: dict[int, Callable[[Said], dict[str, Floats]]] = {
    1: lambda s: {"mean": s.o["a"] / (s.o["a"] + s.o["b"])},
    3: lambda s: {"branching": s.o["alpha"] / s.o["beta"]},
    10: lambda s: {"p": 1.0 - normal(s.o["z_star"])},
    11: signs_of,
    15: formation,
    26: lambda s: {"median": s.of_window(np.median, s.of["n"])},
    44: lambda s: {"z": (s.p - s.v) / s.o["sd"]},
    47: log_score,
    48: log_score,
    52: lambda s: {"z": over_its_sd(s.o["cycle"], s.of["n"], 50), "cycle": np.log(s.p) - np.log(s.v)},
    144: lambda s: {
        "upper": s.o["ema"] + s.of["k"] * s.o["atr"],
        "lower": s.o["ema"] - s.of["k"] * s.o["atr"],
    },
    150: lambda s: {"z": s.o["nu"] / np.sqrt(s.o["S"])},
}


def named(id: int) -> Any:
    info = FORMULA_REGISTRY[id].info
    missing = info.library is not None and not installed(info.library)
    marks = [pytest.mark.skip(reason=f"{info.library} of livetrading[{info.extra}] is not there")] * missing
    return pytest.param(id, id=f"{id}-{info.name}", marks=marks)


@pytest.mark.parametrize("id", [named(id) for id in sorted(RULES)])
def test_signal_and_confidence_follow_their_rule(id: int) -> None:
    of, others = RULES[id]
    said = Said(id, **others)
    ready = said.batch.ready
    with np.errstate(all="ignore"):
        signal, confidence = of(said)
    if confidence is not None:
        assert np.allclose(said.batch.confidence[ready], confidence[ready], rtol=1e-8, atol=1e-10)
    if signal is not None:
        ready &= ~np.isnan(signal)  # where a rule reads what nobody says
        assert np.array_equal(said.batch.signal[ready], signal[ready])
        assert np.any(signal[ready] != 0.0)


@pytest.mark.parametrize("id", [named(id) for id in OUTPUTS])
def test_outputs_are_what_their_names_say(id: int) -> None:
    said = Said(id)
    ready = said.batch.ready
    for name, expected in OUTPUTS[id](said).items():
        assert np.allclose(said.o[name][ready], expected[ready], rtol=1e-6, atol=1e-11), name
