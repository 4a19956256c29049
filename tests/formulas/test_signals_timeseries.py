"""Signals and confidences by their rules, written again: time-series formulas (31 to 60)."""

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
import pytest
from signal_forms import Floats, Said, assert_rule, cut, faded, forecast, normal, past, rule, ruled

from livetrading.formulas.checks.timeseries.decomposition import slow_modes


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


@rule(50, n=64, alpha=0.9)
def line(s: Said) -> tuple[Any, Any]:
    """The sinusoid that fits the returns of the last run best, an observation ahead."""
    n, every, f = s.of["n"], s.of["every"], np.full(len(s.r), np.nan)
    for i in range(n, len(s.r)):
        ran = i - (i - n) % every
        turn = 2.0 * np.pi / s.v[i]
        t = turn * np.arange(1 - n, 1)
        x = s.r[ran - n + 1 : ran + 1]
        a, b = np.linalg.lstsq(np.column_stack([np.cos(t), np.sin(t)]), x - np.mean(x))[0]
        ahead = turn * (1 + i - ran)
        f[i] = a * np.cos(ahead) + b * np.sin(ahead)
    side, confidence = forecast(s, f, s.of_window(np.std, n))
    found = s.o["p"] < s.of["alpha"]
    return side * found, confidence * (1.0 - s.o["p"]) * found


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


def at_runs(s: Said, what: Callable[[Floats], Any]) -> Floats:
    """A number of the last n log prices at the runs, which stands until the next."""
    n, every, x = s.of["n"], s.of["every"], np.log(s.p)
    ran = {end: what(x[end - n : end]) for end in range(n, len(x) + 1, every)}
    return np.array([ran.get(i + 1 - (i + 1 - n) % every, np.nan) for i in range(len(x))])


@rule(55)
def smooth_slope(s: Said) -> tuple[Any, Any]:
    """The slope, and the returns beside it, of the last transform."""
    pywt = pytest.importorskip("pywt", reason="the transform itself is the library's")

    def spread(x: Floats) -> Any:
        level = pywt.wavedec(x, s.of["wavelet"], mode="smooth", level=s.of["level"])[0]
        smooth = pywt.waverec([level, *[None] * s.of["level"]], s.of["wavelet"], mode="smooth")
        return np.std(np.diff(smooth[: len(x)]))

    slope, sd = s.o["slope"], at_runs(s, lambda x: np.std(np.diff(x)))
    return past(slope, s.of["z0"] * at_runs(s, spread)), np.abs(slope) / (np.abs(slope) + sd)


@rule(56, entry=0.7)
def fast_modes(s: Said) -> tuple[Any, Any]:
    """The end of the sum of the first modes over its sd."""

    def score(x: Floats) -> Any:
        fast = np.sum(slow_modes(x, s.of["max_imf"], s.of["sift"])[0][: s.of["noise"]], axis=0)
        return fast[-1] / np.std(fast)

    z = at_runs(s, score)
    return -past(z, s.of["entry"]), cut(np.abs(z) / 3.0)


rule(57, entry=1.0)(faded)


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


@pytest.mark.parametrize("id", ruled("timeseries"))
def test_signal_and_confidence_follow_their_rule(id: int) -> None:
    assert_rule(id)
