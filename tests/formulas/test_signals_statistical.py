"""Signals and confidences by their rules, written again: statistical formulas (1 to 30)."""

from math import sqrt
from typing import Any

import numpy as np
import pytest
from signal_forms import Said, assert_rule, cut, extreme, faded, forecast, normal, past, rule, ruled


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


rule(29, entry=1.0)(faded)


@rule(30, entry=0.2)
def placed(s: Said) -> tuple[Any, Any]:
    return extreme(s, s.of["entry"]), np.abs(2.0 * s.v - 1.0) * s.o["p_B"]


@pytest.mark.parametrize("id", ruled("statistical"))
def test_signal_and_confidence_follow_their_rule(id: int) -> None:
    assert_rule(id)
