"""Each hot formula against its definition by other means: exact arithmetic, or a library that computes it.

Tolerance 1e-9 relative. Where a quantity is a difference that can cancel, the scale is named with it.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from filterpy.kalman import KalmanFilter as FilterpyFilter
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from statsmodels.tsa.statespace.structural import UnobservedComponents
from streams import GOLDEN, Floats, flow, prices, quotes, tape, trades, walk

from livetrading.core.signals import (
    VPIN,
    AdaptiveEWMAVolatility,
    BitcoinMicroPrice,
    CUSUMFilter,
    EntryLevel,
    EwmaVolatility,
    FlowMomentum,
    KalmanFilter,
    KalmanPriceFilter,
    KylesLambda,
    OrderFlowImbalance,
    TrendStrength,
    ZScoreSignal,
    adaptive_variance,
    cusum_events,
    local_level,
)

REL = 1e-9


def log_returns(p: Floats) -> Floats:
    """In extended precision, from exact differences: good to 1e-18 relative also for a step of one ulp."""
    q = p.astype(np.longdouble)
    near = np.log1p((q[1:] - q[:-1]) / q[:-1])
    return np.where(np.abs(near) < 0.5, near, np.log(q[1:] / q[:-1])).astype(np.float64)


def path_of(returns: list[float]) -> Floats:
    return np.exp(np.concatenate([[0.0], np.cumsum(returns)]))


def after_each(formula: Any, columns: tuple[Any, ...]) -> list[dict[str, Any]]:
    """What the formula shows after each observation."""
    seen = []
    for row in zip(*columns, strict=True):
        formula.update(*(x.item() for x in row))
        shown = {"value": formula.value, "signal": formula.signal, "confidence": formula.confidence}
        seen.append(shown | {"ready": formula.ready} | formula.outputs)
    return seen


# Order flow imbalance


def ofi_events(bid: Floats, ask: Floats, bid_size: Floats, ask_size: Floats) -> Floats:
    """In exact arithmetic: an event is a difference of sizes, which may cancel."""
    q, a = ([Fraction(x) for x in size.tolist()] for size in (bid_size, ask_size))
    return np.array(
        [
            float(
                (q[i] if bid[i] >= bid[i - 1] else 0)
                - (q[i - 1] if bid[i] <= bid[i - 1] else 0)
                - (a[i] if ask[i] <= ask[i - 1] else 0)
                + (a[i - 1] if ask[i] >= ask[i - 1] else 0)
            )
            for i in range(1, len(bid))
        ]
    )


def test_ofi_golden() -> None:
    golden, columns = GOLDEN["121"], tape()
    formula = OrderFlowImbalance()
    seen = after_each(formula, columns)
    assert [round(e, 8) for e in ofi_events(*columns)[:3].tolist()] == golden["first_e"]
    short = OrderFlowImbalance(n=1)
    assert [round(row["e"], 8) for row in after_each(short, columns)[1:4]] == golden["first_e"]
    assert seen[-1]["value"] == pytest.approx(golden["value"], rel=REL)
    assert seen[-1]["z"] == pytest.approx(golden["z"], rel=REL)
    assert [row["ready"] for row in seen] == [False] * 100 + [True] * 500


@given(quotes(), st.integers(1, 12), st.sampled_from([0.0, 1.5]))
def test_ofi_is_the_sum_of_its_window(columns: tuple[Floats, ...], n: int, entry: float) -> None:
    # an event is a difference of sizes: it is rounded in the last place of those
    e = np.array([row["e"] for row in after_each(OrderFlowImbalance(1), columns)[1:]])
    sizes = np.maximum(columns[2], columns[3])
    np.testing.assert_array_less(np.abs(e - ofi_events(*columns)), 1e-15 * (sizes[1:] + sizes[:-1]) + 1e-300)
    for i, row in enumerate(after_each(OrderFlowImbalance(n, entry), columns)):
        if i < n:
            assert math.isnan(row["value"])
            continue
        window = e[i - n : i]
        total, root = math.fsum(window), math.sqrt(math.fsum(window * window))
        assert row["value"] == pytest.approx(total, abs=REL * root)  # the scale of a sum that cancels
        z = total / root if root > 0 else 0.0
        assert row["z"] == pytest.approx(z, abs=REL * math.sqrt(n))
        if abs(abs(z) - entry) > 1e-6:
            assert row["signal"] == (0 if abs(z) <= entry else int(math.copysign(1, z)))
        assert row["confidence"] == pytest.approx(2 * stats.norm.cdf(abs(z)) - 1, abs=1e-8)


# Z-score


def exact_moments(window: Floats) -> tuple[Fraction, Fraction]:
    q = [Fraction(x) for x in window.tolist()]
    mean = sum(q) / len(q)
    return mean, sum((x - mean) ** 2 for x in q) / len(q)


def test_z_score_golden() -> None:
    for case in GOLDEN["141"]:
        p = np.array(case["prices"], float) if "prices" in case else walk(*case["walk"])
        assert ZScoreSignal(case["n"]).update_many(p)[-1] == pytest.approx(case["value"], rel=REL)
        assert stats.zscore(p[-case["n"] :])[-1] == pytest.approx(case["value"], rel=REL)


@given(prices(), st.integers(2, 16))
def test_z_score_is_that_of_exact_arithmetic(p: Floats, n: int) -> None:
    for i, z in enumerate(ZScoreSignal(n).update_many(p)):
        if i + 1 < n:
            assert math.isnan(z)
            continue
        mean, variance = exact_moments(p[i + 1 - n : i + 1])
        spread = float(variance / mean**2)
        if 0.25e-24 < spread < 4e-24:  # at the border of what counts as a spread
            continue
        exact = float((Fraction(p[i]) - mean) / mean) / math.sqrt(spread) if spread > 1e-24 else 0.0
        assert z == pytest.approx(exact, rel=REL, abs=REL)  # abs: a price at the mean, in sd


def hysteresis(z: Floats, entry: float, leave: float) -> list[int]:
    state, states = 0, []
    for u in z:
        if state == -1 and u <= leave:
            state = 1 if u <= -entry else 0
        elif state == 1 and u >= -leave:
            state = -1 if u >= entry else 0
        elif state == 0:
            state = -1 if u >= entry else 1 if u <= -entry else 0
        states.append(state)
    return states


@given(st.integers(0, 2**32), st.sampled_from([(2.0, 0.0), (1.5, 0.5), (0.5, 0.5)]), st.integers(2, 20))
def test_z_score_signal_holds_until_the_exit(seed: int, levels: tuple[float, float], n: int) -> None:
    p = walk(seed, 300)
    p[100] *= 1.01
    p[200] *= 0.99
    seen = after_each(ZScoreSignal(n, *levels), (p,))[n - 1 :]
    z = [row["value"] for row in seen]
    assert [row["signal"] for row in seen] == hysteresis(np.array(z), *levels)
    assert [row["confidence"] for row in seen] == pytest.approx(np.clip(np.abs(z) / (2 * levels[0]), 0, 1))


# Drift of the returns


def test_drift_golden() -> None:
    golden = GOLDEN["41"]
    formula = KalmanFilter(golden["q"], min_obs=2)
    formula.update_many(path_of(golden["returns"]))
    assert formula.value == pytest.approx(golden["value"], rel=REL)
    assert formula.outputs["P"] == pytest.approx(golden["P"], rel=REL)
    assert formula.outputs["sigma2"] == pytest.approx(golden["sigma2"], rel=REL)
    formula.update_many(walk(1, 3000))
    assert formula.outputs["K"] == pytest.approx(golden["steady_gain"], rel=REL)


@given(st.integers(0, 2**32), st.sampled_from([0.001, 0.1, 2.0]))
def test_drift_is_that_of_filterpy(seed: int, q: float) -> None:
    p = walk(seed, 120)
    r = log_returns(p)
    reference = FilterpyFilter(dim_x=1, dim_z=1)
    reference.F = reference.H = reference.R = np.eye(1)
    reference.Q = np.eye(1) * q
    reference.x, reference.P = np.array([[r[0]]]), np.eye(1)
    squares = 0.0
    seen = after_each(KalmanFilter(q, min_obs=2), (p,))[2:]
    for t, row in enumerate(seen, start=1):
        reference.predict()
        reference.update(r[t])
        squares += reference.y.item() ** 2 / reference.S.item()
        assert row["value"] == pytest.approx(reference.x.item(), abs=REL * np.abs(r[: t + 1]).max())
        assert row["P"] == pytest.approx(reference.P.item(), rel=REL)
        assert row["K"] == pytest.approx(reference.K.item(), rel=REL)
        assert row["sigma2"] == pytest.approx(squares / t, rel=1e-8)
        z = reference.x.item() / math.sqrt(squares / t * reference.P.item())
        assert row["z"] == pytest.approx(z, abs=1e-7)
        if abs(abs(z) - 1) > 1e-6:
            assert row["signal"] == (int(math.copysign(1, z)) if abs(z) > 1 else 0)
        assert row["confidence"] == pytest.approx(2 * stats.norm.cdf(abs(z)) - 1, abs=1e-7)


@pytest.mark.parametrize("q", [0.001, 0.1])
def test_drift_is_that_of_statsmodels(q: float) -> None:
    p = walk(5, 400)
    r = log_returns(p)
    scale = r.std()
    model = UnobservedComponents(r / scale, "llevel", use_exact_diffuse=True)
    model.ssm.tolerance = 0  # never freeze the gain
    state = model.filter([1.0, q]).filtered_state[0] * scale
    np.testing.assert_allclose(KalmanFilter(q, 2).update_many(p)[2:], state[1:], rtol=0, atol=REL * scale)


@given(prices(), st.sampled_from([0.001, 0.1, 2.0]))
def test_drift_under_adverse_prices(p: Floats, q: float) -> None:
    r = [Fraction(x) for x in log_returns(p).tolist()]
    a, variance = r[0], 1.0
    for t, value in enumerate(KalmanFilter(q, 2).update_many(p)[2:], start=1):
        gain = (variance + q) / (variance + q + 1)
        a, variance = a + Fraction(gain) * (r[t] - a), gain
        assert value == pytest.approx(float(a), abs=REL * float(max(abs(x) for x in r[: t + 1])))


# Level of the price


def test_level_golden() -> None:
    golden = GOLDEN["201"]
    (mean, variance), y = golden["predicted"], np.array(golden["y"], float)
    levels = local_level(y, golden["q"], golden["r"], mean, variance - golden["q"])
    np.testing.assert_allclose(levels, golden["level"], rtol=0, atol=5.1e-11)
    p = walk(*golden["walk"])
    formula = KalmanPriceFilter()
    assert formula.update_many(p)[-1] == pytest.approx(math.log(p[-1]), rel=1e-15)
    g0, low = golden["g0"], 0.01 * golden["g0"]
    assert max(-golden["g1"], low) == low
    assert formula.outputs["R"] == pytest.approx(low, rel=REL)
    assert formula.outputs["Q"] == pytest.approx(g0 - 2 * low, rel=REL)
    assert math.isnan(formula.outputs["innovation"])
    assert formula.signal == 0


@given(st.integers(0, 2**32), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.floats(-5, 5), st.floats(0, 10))
def test_level_is_that_of_statsmodels(seed: int, q: float, r: float, m0: float, p0: float) -> None:
    y = np.random.default_rng(seed).standard_normal(60).cumsum()
    model = UnobservedComponents(y, "local level")
    model.ssm.tolerance = 0
    model.ssm.initialize_known(np.array([m0]), np.array([[p0 + q]]))
    expected = model.filter([r, q]).filtered_state[0]
    np.testing.assert_allclose(local_level(y, q, r, m0, p0), expected, rtol=REL, atol=REL * np.abs(y).max())


@given(prices(most=120), st.integers(2, 12), st.sampled_from([0.01, 0.1]))
def test_level_takes_its_noise_from_the_window(p: Floats, n: int, floor: float) -> None:
    r = log_returns(p).astype(np.longdouble)
    seen = after_each(KalmanPriceFilter(n, floor), (p,))
    residual = variance = np.longdouble(0.0)
    for t in range(n, len(p)):
        window, row = r[t - n : t], seen[t]
        g0, g1 = np.mean(window**2), np.sum(window[1:] * window[:-1]) / n
        noise = min(max(-g1, floor * g0), g0 / 2)
        step = max(g0 - 2 * noise, floor * g0)
        if 0.25e-24 < g0 < 4e-24:  # at the border of what counts as a spread
            return
        if t == n or g0 < 1e-24:
            residual, variance = np.longdouble(0.0), noise if g0 > 1e-24 else np.longdouble(0.0)
            assert row["value"] == pytest.approx(math.log(p[t]), rel=1e-14)
            assert row["signal"] == 0
            continue
        before = variance + step
        f = before + noise
        innovation = residual + r[t - 1]
        # 1 - K = R / F, without the difference
        residual, variance = innovation * noise / f, before * noise / f
        assert row["Q"] == pytest.approx(float(step), rel=REL)
        assert row["R"] == pytest.approx(float(noise), rel=REL)
        assert row["F"] == pytest.approx(float(f), rel=REL)
        assert row["K"] == pytest.approx(float(before / f), rel=REL)
        # an innovation is a sum that cancels: its scale is what went into it
        scale = float(abs(innovation) + np.sqrt(f) + abs(r[t - 1]))
        assert row["innovation"] == pytest.approx(float(innovation), abs=REL * scale)
        assert row["value"] == pytest.approx(math.log(p[t]) - float(residual), rel=1e-14, abs=REL * scale)
        assert row["price"] == pytest.approx(p[t] * math.exp(-float(residual)), rel=REL * (1 + scale))
        u = float(innovation / np.sqrt(f))
        if abs(abs(u) - 2) > 1e-6 and abs(noise - step) > 1e-6 * g0:
            follow = -1 if noise > step else 1
            assert row["signal"] == (follow * int(math.copysign(1, u)) if abs(u) > 2 else 0)
        assert row["confidence"] == pytest.approx(min(1, abs(u) / 4), abs=1e-6)


# Volatility, events, trend


@given(prices(), st.sampled_from([0.06, 0.5]))
def test_ewma_volatility_is_that_of_pandas(p: Floats, alpha: float) -> None:
    squares = pd.Series(log_returns(p) ** 2)
    expected = np.sqrt(squares.ewm(alpha=alpha, adjust=False).mean())
    values = EwmaVolatility(alpha).update_many(p)
    assert math.isnan(values[0])
    np.testing.assert_allclose(values[1:], expected, rtol=REL)


def test_cusum_golden() -> None:
    golden = GOLDEN["218"]
    assert cusum_events(np.array(golden["returns"]), golden["h"]).tolist() == golden["events"]


@given(st.integers(0, 2**32), st.sampled_from([0.5, 3.0]), st.sampled_from([1, 20]))
def test_cusum_is_the_naive_loop(seed: int, c: float, warm: int) -> None:
    p = walk(seed, 150)
    r, up, down, since, variance = log_returns(p), 0.0, 0.0, math.nan, math.nan
    for t, row in enumerate(after_each(CUSUMFilter(c, warm), (p,))[1:]):
        assert row["ready"] == (t >= warm)
        if t >= warm:
            up, down, h = max(0.0, up + r[t]), min(0.0, down + r[t]), c * math.sqrt(variance)
            total, side, crossed, since = up + down, 0, 0.0, since + 1
            if down < -h:
                side, crossed, down, since = -1, down, 0.0, 0
            elif up > h:
                side, crossed, up, since = 1, up, 0.0, 0
            assert row["value"] == pytest.approx(total, abs=1e-14)
            assert (row["side"], row["gate"], row["signal"]) == (side, abs(side), 1 if side else -1)
            assert (row["s_pos"], row["s_neg"], row["h"]) == pytest.approx((up, down, h), rel=REL, abs=1e-14)
            assert row["since"] == pytest.approx(since, nan_ok=True)
            assert row["confidence"] == pytest.approx(min(1, abs(crossed) / (2 * h)), rel=REL)
        else:
            assert math.isnan(row["gate"])
        variance = r[t] ** 2 if t == 0 else 0.94 * variance + 0.06 * r[t] ** 2


def test_cusum_without_volatility_has_no_event() -> None:
    formula = CUSUMFilter(warm=1)
    formula.update_many(np.full(30, 5.0))
    formula.update(6.0)
    assert (formula.ready, formula.signal, formula.outputs["gate"], formula.outputs["h"]) == (
        True,
        -1,
        0.0,
        0.0,
    )


@given(prices(), st.sampled_from([(20, 50), (2, 5), (1, 2)]))
def test_trend_is_that_of_pandas(p: Floats, spans: tuple[int, int]) -> None:
    fast, slow = (pd.Series(p).ewm(span=span, adjust=False).mean() for span in spans)
    volatility = np.sqrt(pd.Series(log_returns(p) ** 2).ewm(alpha=0.06, adjust=False).mean())
    for i, row in enumerate(after_each(TrendStrength(*spans), (p,))):
        assert row["ready"] == (i + 1 >= spans[1])
        sigma = volatility[i - 1] if i > 0 else 0.0
        if i + 1 < spans[1] or 0.5e-12 < sigma < 2e-12:
            continue
        strength = (fast[i] - slow[i]) / (p[i] * sigma) if sigma > 1e-12 else 0.0
        # the averages cancel: their rounding, in units of the value
        error = 1e-13 * max(fast[i], slow[i]) / (p[i] * sigma) if sigma > 1e-12 else 0.0
        assert row["value"] == pytest.approx(strength, rel=REL, abs=REL + error)
        if abs(abs(strength) - 2) > 1e-6 + error:
            assert row["signal"] == (int(math.copysign(1, strength)) if abs(strength) > 2 else 0)


# Trades


def sides_by_tick_rule(p: Floats, side: NDArray[np.int8]) -> list[int]:
    change, out = 0, []
    for i, s in enumerate(side.tolist()):
        if i > 0 and p[i] != p[i - 1]:
            change = 1 if p[i] > p[i - 1] else -1
        # a trade whose side is known passes it on
        change = s or change
        out.append(change)
    return out


def test_kyle_golden() -> None:
    golden = GOLDEN["101"]
    formula = KylesLambda()
    assert formula.update_many(*flow())[-1] == pytest.approx(golden["value"], rel=REL)
    assert formula.outputs["t"] == pytest.approx(golden["t"], rel=REL)
    assert formula.outputs["r2"] == pytest.approx(golden["r2"], rel=1e-6)


@given(trades(), st.sampled_from([1, 3]), st.integers(3, 12), st.sampled_from([2.0, -10.0]))
def test_kyle_is_an_exact_regression(columns: tuple[Any, ...], m: int, n: int, t_min: float) -> None:
    p, volume, side = columns
    signed = [Fraction(v) * s for v, s in zip(volume.tolist(), sides_by_tick_rule(p, side), strict=True)]
    flows = [sum(signed[i : i + m]) for i in range(0, len(p) - m + 1, m)]
    closes = [Fraction(x) for x in p[m - 1 :: m].tolist()]
    changes = [b - a for a, b in pairwise(closes)]
    held = None
    for i, row in enumerate(after_each(KylesLambda(m, n, t_min), columns)):
        bar = (i + 1) // m - 1  # the last that closed
        if bar < n:
            assert not row["ready"]
            continue
        q, d = flows[bar + 1 - n : bar + 1], changes[bar - n : bar]
        mean_q, mean_d = sum(q) / n, sum(d) / n
        qq, dd = sum((x - mean_q) ** 2 for x in q), sum((x - mean_d) ** 2 for x in d)
        qd = sum((x - mean_q) * (y - mean_d) for x, y in zip(q, d, strict=True))
        largest_q, largest_d = max(abs(x) for x in q) ** 2, max(abs(x) for x in d) ** 2
        for square, largest in ((qq, largest_q), (dd, largest_d)):
            if largest and 1e-26 < square / n / largest < 1e-22:  # at the border of what counts as varying
                return
        if (i + 1) % m == 0:
            if not largest_q or qq / n < Fraction(1e-24) * largest_q:
                held = held and dict(held, stale=True)
            else:
                flat = not largest_d or dd / n < Fraction(1e-24) * largest_d
                slope = Fraction(0) if flat else qd / qq
                held = {"slope": slope, "rho": 0.0 if flat else float(qd * qd / qq / dd)}
                held |= {"dd/qq": float(dd / qq), "intercept": mean_d - slope * mean_q, "stale": False}
        assert row["ready"] == (held is not None)
        if held is None or held["stale"]:
            continue
        # a slope is a covariance that cancels: its scale is the ratio of the standard deviations
        scale = math.sqrt(held["dd/qq"])
        assert row["value"] == pytest.approx(float(held["slope"]), abs=REL * scale)
        assert row["r2"] == pytest.approx(held["rho"], abs=1e-8)
        reach = float(abs(mean_d)) + math.sqrt(dd / n) + scale * float(abs(mean_q))
        assert row["intercept"] == pytest.approx(float(held["intercept"]), abs=REL * reach + 1e-300)
        assert row["confidence"] == pytest.approx(held["rho"], abs=1e-8)
        if held["rho"] < 1 - 1e-6:
            t = math.copysign(math.sqrt(held["rho"] / (1 - held["rho"]) * (n - 2)), held["slope"])
            assert row["t"] == pytest.approx(t, rel=1e-6, abs=1e-6)
            last = flows[bar]
            if abs(t - t_min) > 1e-4 and abs(float(last * last * n / qq) - 1) > 1e-6:
                loud = t >= t_min and last * last * n > qq
                assert row["signal"] == ((1 if last > 0 else -1) if loud else 0)


def test_kyle_is_that_of_scipy() -> None:
    p, volume, side = flow()
    signed = volume * side
    q, change = signed.reshape(-1, 20).sum(1)[1:], np.diff(p[19::20])
    values = KylesLambda().update_many(p, volume, side)
    for bar in range(50, 100):
        fit = stats.linregress(q[bar - 50 : bar], change[bar - 50 : bar])
        assert values[bar * 20 + 19] == pytest.approx(fit.slope, rel=1e-8)


def vpin_by_interpolation(volume: Floats, signed: Floats, bucket: float) -> Floats:
    """Imbalance of each full bucket, without a loop over buckets."""
    total = np.concatenate([[0.0], np.cumsum(volume)])
    net = np.concatenate([[0.0], np.cumsum(signed)])
    edges = np.arange(int(total[-1] / bucket * (1 + 1e-13)) + 1) * bucket
    return np.abs(np.diff(np.interp(edges, total, net))) / bucket


def test_vpin_golden() -> None:
    golden, (p, volume, side) = GOLDEN["111"], flow()
    formula = VPIN()
    assert formula.update_many(p, volume, side)[-1] == pytest.approx(golden["value"], rel=REL)
    assert formula.outputs["buckets"] == golden["buckets"]
    short = after_each(VPIN(n=1), (p[:120], volume[:120], side[:120]))
    firsts = [next(row for row in short if row.get("buckets") == k) for k in (1, 2, 3)]
    assert [row["value"] for row in firsts] == pytest.approx(golden["first_imbalances"], abs=5.1e-9)
    assert [abs(row["last_imbalance"]) for row in firsts] == [row["value"] for row in firsts]


@given(st.integers(0, 2**32), st.sampled_from([0.5, 2.0, 7.3]), st.integers(1, 10))
def test_vpin_is_that_of_interpolation(seed: int, bucket: float, n: int) -> None:
    rng = np.random.default_rng(seed)
    p, volume = walk(seed, 200), rng.exponential(1.0, 200)
    side = rng.choice([-1, 1], 200).astype(np.int8)
    imbalance = vpin_by_interpolation(volume, volume * side, bucket)
    for row in after_each(VPIN(bucket, n), (p, volume, side)):
        if row["ready"]:
            k = int(row["buckets"])
            assert row["value"] == pytest.approx(imbalance[k - n : k].mean(), rel=REL, abs=REL)
            assert row["confidence"] == min(1.0, k / (n + 50))
    assert row.get("buckets", 0) in (len(imbalance), 0)


def exact_buckets(volume: Floats, sides: list[int], bucket: float) -> list[Fraction]:
    size, fill, buy, out = Fraction(bucket), Fraction(0), Fraction(0), []
    for v, s in zip(volume.tolist(), sides, strict=True):
        left = Fraction(v)
        while fill + left >= size * (1 - Fraction(1, 10**12)):
            room = size - fill
            out.append((2 * (buy + Fraction(1 + s, 2) * room) - size) / size)
            left, fill, buy = max(left - room, Fraction(0)), Fraction(0), Fraction(0)
        fill, buy = fill + left, buy + Fraction(1 + s, 2) * left
    return out


@given(trades(), st.sampled_from([0.25, 3.0]), st.integers(1, 6))
def test_vpin_under_adverse_sizes(columns: tuple[Any, ...], bucket: float, n: int) -> None:
    p, volume, side = columns
    volume = np.minimum(volume, 200 * bucket)
    exact = exact_buckets(volume, sides_by_tick_rule(p, side), bucket)
    for row in after_each(VPIN(bucket, n), (p, volume, side)):
        if row["ready"]:
            k = int(row["buckets"])
            expected = float(sum(abs(x) for x in exact[k - n : k]) / n)
            assert row["value"] == pytest.approx(expected, abs=REL)
            assert row["last_imbalance"] == pytest.approx(float(exact[k - 1]), abs=REL)


@given(st.integers(0, 2**32), st.sampled_from([60, 200]), st.sampled_from([0.5, 0.9]))
def test_vpin_blocks_above_the_quantile_of_its_past(seed: int, hist: int, limit: float) -> None:
    rng = np.random.default_rng(seed)
    volume = np.full(400, 0.5)
    side = rng.choice([-1, 0, 1], 400).astype(np.int8)
    past: list[float] = []
    for row in after_each(VPIN(1.0, 3, hist, limit), (walk(seed, 400), volume, side)):
        if not row["ready"] or len(past) == row["buckets"] - 2:
            continue
        blocks = len(past) >= 50 and row["value"] >= np.quantile(past[-hist:], limit)
        assert (row["signal"], row["gate"]) == ((-1, 0.0) if blocks else (1, 1.0))
        past.append(row["value"])


def test_vpin_takes_a_trade_of_any_size() -> None:
    formula = VPIN(bucket=1e-3, n=5, hist=50)
    formula.update_many(*flow())
    for volume in (1e15, 1e15, 3.0):
        formula.update(1.0, volume, 1)
    assert formula.value == 1.0
    assert formula.outputs["buckets"] > 2e18 / 1.0001


@given(trades())
def test_flow_momentum_is_that_of_pandas(columns: tuple[Any, ...]) -> None:
    p, volume, side = columns
    signed = pd.Series(volume * np.array(sides_by_tick_rule(p, side))).ewm(halflife=20, adjust=False).mean()
    total = pd.Series(volume).ewm(halflife=200, adjust=False).mean()
    size = pd.Series(volume).ewm(halflife=20, adjust=False).mean()
    for i, row in enumerate(after_each(FlowMomentum(), columns)):
        assert row["ready"] == (total[i] > 0)
        if row["ready"]:
            share = signed[i] / total[i]
            # signed volumes cancel: their scale is the unsigned average
            assert row["value"] == pytest.approx(share, abs=REL * size[i] / total[i])
            if abs(abs(share) - 0.2) > 1e-6:
                assert row["signal"] == (int(math.copysign(1, share)) if abs(share) > 0.2 else 0)


# Quotes


def test_microprice_golden() -> None:
    golden = GOLDEN["260"]
    formula = BitcoinMicroPrice()
    value = formula.update(golden["bid"], golden["ask"], golden["bid_size"], golden["ask_size"])
    assert value == pytest.approx(golden["weighted_mid"], rel=1e-14)
    assert formula.outputs["tilt"] == pytest.approx(1 / 6, rel=1e-9)


@given(quotes(), st.sampled_from([8, 1]))
def test_microprice_is_that_of_pandas(columns: tuple[Floats, ...], h: float) -> None:
    bid, ask, bid_size, ask_size = columns
    good = (bid_size > 0) & (ask_size > 0)
    bid, ask, bid_size, ask_size = (x[good] for x in columns)
    if not len(bid):
        return
    weighted = (bid * ask_size + ask * bid_size) / (bid_size + ask_size)
    smooth = pd.Series(weighted).ewm(halflife=h, adjust=False).mean()
    seen = [row for row, ok in zip(after_each(BitcoinMicroPrice(h), columns), good, strict=True) if ok]
    for i, row in enumerate(seen):
        assert row["value"] == pytest.approx(smooth[i], rel=REL)
        assert row["weighted_mid"] == pytest.approx(weighted[i], rel=1e-14)
        assert row["mid"] == pytest.approx((bid[i] + ask[i]) / 2, rel=1e-14)
        move, spread = weighted[i] - smooth[i], ask[i] - bid[i]
        error = 1e-12 * (smooth[i] + weighted[i])
        assert row["tilt"] == pytest.approx(
            (weighted[i] - (bid[i] + ask[i]) / 2) / spread, abs=error / spread
        )
        if abs(abs(move) - 0.1 * spread) > error:
            assert row["signal"] == (int(math.copysign(1, move)) if abs(move) > 0.1 * spread else 0)
            assert row["confidence"] == pytest.approx(min(1, abs(move) / spread), abs=error / spread)


# Adaptive volatility


def experts(r: Floats, lams: tuple[float, ...], gamma: float, eta: float) -> tuple[Floats, Floats]:
    decay, variance, cost = np.array(lams), np.array([]), np.zeros(len(lams))
    out, weights = [], []
    for x in r:
        if not len(variance):
            variance = np.full(len(lams), x * x)
        else:
            floored = np.maximum(variance, 1e-18)
            cost = gamma * cost + np.log(floored) + x * x / floored
            variance = decay * variance + (1 - decay) * x * x
        w = np.exp(-eta * (cost - cost.min()))
        weights.append(w / w.sum())
        out.append(float(weights[-1] @ variance))
    return np.array(out), np.array(weights)


def test_adaptive_golden() -> None:
    golden = GOLDEN["223"]
    variance, weights = adaptive_variance(np.array(golden["returns"]), golden["lams"])
    np.testing.assert_allclose(weights[-1], golden["weights"], rtol=0, atol=5.1e-9)
    assert math.sqrt(variance[-1]) == pytest.approx(golden["sqrt_variance"], rel=REL)


@given(prices(most=160), st.floats(0, 1), st.floats(0, 3))
def test_adaptive_is_the_naive_loop(p: Floats, gamma: float, eta: float) -> None:
    lams = (0.80, 0.90, 0.94, 0.97, 0.99)
    r = log_returns(p)
    moving = np.flatnonzero(r)
    if not len(moving):
        return
    r = r[moving[0] :]
    variance, weights = experts(r, lams, gamma, eta)
    # a weight is the exponential of a score: it carries the score's absolute error
    got, got_weights = adaptive_variance(r, lams, gamma, eta)
    with np.errstate(over="ignore"):
        largest = max(1.0, float(np.max(np.log(np.maximum(r * r, 1e-18)) ** 2 + r * r / 1e-18)))
    if largest < 1e6:
        np.testing.assert_allclose(got, variance, rtol=1e-8)
        np.testing.assert_allclose(got_weights, weights, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(got_weights.sum(1), 1.0, rtol=1e-12)
    assert np.isfinite(got).all()


def test_one_expert_is_an_ewma() -> None:
    p = walk(3, 400)
    squares = pd.Series(log_returns(p) ** 2)
    for lam in (0.8, 0.99):
        expected = np.sqrt(squares.ewm(alpha=1 - lam, adjust=False).mean() * 525600)
        np.testing.assert_allclose(
            AdaptiveEWMAVolatility((lam,)).update_many(p)[50:], expected[49:], rtol=REL
        )


def test_adaptive_signal_compares_with_the_usual() -> None:
    p = np.concatenate([walk(3, 300), walk(4, 40) + 40 * walk(4, 40) - 40 * 50_000, np.full(300, 60_000.0)])
    r = log_returns(p)
    variance, weights = experts(r, (0.80, 0.90, 0.94, 0.97, 0.99), 0.98, 0.5)
    usual = pd.Series(variance).ewm(alpha=0.005, adjust=False).mean()
    signals = set()
    for t, row in enumerate(after_each(AdaptiveEWMAVolatility(), (p,))[1:]):
        assert row["ready"] == (t >= 49)
        if row["ready"]:
            q = variance[t] / usual[t - 1]
            assert row["signal"] == (-1 if q > 1.5 else 1 if q < 2 / 3 else 0)
            assert row["confidence"] == pytest.approx(min(1, abs(math.log(q)) / math.log(4)), abs=1e-6)
            assert row["lam_eff"] == pytest.approx(weights[t] @ (0.80, 0.90, 0.94, 0.97, 0.99), abs=1e-6)
            signals.add(row["signal"])
    assert signals == {-1, 0, 1}


def test_adaptive_waits_for_the_first_move() -> None:
    still, moving = AdaptiveEWMAVolatility(), AdaptiveEWMAVolatility()
    p = walk(1, 100)
    still.update_many(np.full(30, p[0]))
    assert still.update_many(p).tobytes() == moving.update_many(p).tobytes()


# Entry level


@pytest.mark.parametrize("scale", [1e-6, 1.0, 40.0])
def test_entry_level_finds_the_nine_tenths_quantile(scale: float) -> None:
    magnitudes = np.abs(np.random.default_rng(2).standard_normal(60_000)) * scale
    levels = EntryLevel(scale, 256).update_many(magnitudes)
    assert levels[5000:].mean() == pytest.approx(scale * stats.halfnorm.ppf(0.9), rel=0.03)
    exceeded = magnitudes[5001:] > levels[5000:-1]
    assert exceeded.mean() == pytest.approx(0.1, abs=0.005)


def test_entry_level_relaxes_with_its_half_life() -> None:
    target, half_life = stats.halfnorm.ppf(0.9), 512
    rng = np.random.default_rng(5)
    paths = [
        EntryLevel(1.1 * target, half_life).update_many(np.abs(rng.standard_normal(half_life)))
        for _ in range(400)
    ]
    left = np.mean([path[-1] for path in paths]) / target - 1
    assert left / 0.1 == pytest.approx(0.5, abs=0.06)


def test_entry_level_has_a_floor() -> None:
    formula = EntryLevel(2.0, 1)
    formula.update_many(np.zeros(10_000))
    assert formula.level == 0.02


# What all of them promise

Maker = Callable[[], Any]
PRICE_FED: list[Maker] = [
    lambda: ZScoreSignal(5, 1.0),
    lambda: KalmanFilter(0.1, 3),
    lambda: KalmanPriceFilter(5),
    EwmaVolatility,
    lambda: CUSUMFilter(1.0, 3),
    lambda: TrendStrength(2, 5),
    lambda: AdaptiveEWMAVolatility(eta=0.1),
]
QUOTE_FED: list[Maker] = [lambda: OrderFlowImbalance(4, 0.5), BitcoinMicroPrice]
TRADE_FED: list[Maker] = [lambda: KylesLambda(2, 4), lambda: VPIN(1.0, 3, 60), lambda: FlowMomentum(2, 5)]


def shown(formula: Any) -> str:
    return repr((formula.value, formula.signal, formula.confidence, formula.ready, formula.outputs))


def streams_of(maker: Maker, n: int = 300) -> tuple[NDArray[Any], ...]:
    if maker in PRICE_FED:
        return (walk(8, n),)
    if maker in QUOTE_FED:
        return tuple(x[:n] for x in tape())
    return tuple(x[:n] for x in flow())


@pytest.mark.parametrize("maker", PRICE_FED + QUOTE_FED + TRADE_FED)
@pytest.mark.parametrize("cuts", [[], [1], [7, 8, 200]])
def test_streaming_is_batch(maker: Maker, cuts: list[int]) -> None:
    columns = streams_of(maker)
    one, many = maker(), maker()
    stream = np.array([one.update(*(x.item() for x in row)) for row in zip(*columns, strict=True)])
    parts = [many.update_many(*part) for part in zip(*(np.split(x, cuts) for x in columns), strict=True)]
    assert stream.tobytes() == np.concatenate(parts).tobytes()
    assert shown(one) == shown(many)
    assert not math.isnan(one.value)


BAD = [math.nan, math.inf, -math.inf, 0.0, -1.0, 1e16, 1e-13]


@pytest.mark.parametrize("maker", PRICE_FED + QUOTE_FED + TRADE_FED)
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("at", [0, 2, 150])
def test_a_price_that_is_none_changes_nothing(maker: Maker, bad: float, at: int) -> None:
    columns = streams_of(maker)
    disturbed, plain = maker(), maker()
    for i, row in enumerate(zip(*columns, strict=True)):
        values = [x.item() for x in row]
        if i == at:
            before = shown(disturbed)
            disturbed.update(bad, *values[1:])
            assert shown(disturbed) == before
        disturbed.update(*values)
        plain.update(*values)
    assert shown(disturbed) == shown(plain)


def test_quotes_that_are_none() -> None:
    for maker in QUOTE_FED:
        formula = maker()
        formula.update_many(*streams_of(maker))
        before = shown(formula)
        bads = [(100.0, 100.0, 1.0, 1.0), (101.0, 100.0, 1.0, 1.0), (100.0, 101.0, math.nan, 1.0)]
        bads += [(100.0, 101.0, 1.0, -1.0), (100.0, 101.0, 1e16, 1.0), (100.0, math.nan, 1.0, 1.0)]
        for bad in bads:
            formula.update(*bad)
            assert shown(formula) == before
    micro = BitcoinMicroPrice()
    assert math.isnan(micro.update(100.0, 101.0, 0.0, 1.0))


@pytest.mark.parametrize("maker", TRADE_FED)
@pytest.mark.parametrize("volume", [math.nan, math.inf, -1.0, 1e16])
def test_a_volume_that_is_none_changes_nothing(maker: Maker, volume: float) -> None:
    formula = maker()
    formula.update_many(*streams_of(maker))
    before = shown(formula)
    formula.update(50_000.0, volume, 1)
    assert shown(formula) == before


def test_an_entry_level_skips_what_is_no_number() -> None:
    formula = EntryLevel(1.0, 8)
    formula.update_many(np.array([math.nan, math.inf]))
    assert formula.level == 1.0


@pytest.mark.parametrize("maker", PRICE_FED + QUOTE_FED + TRADE_FED)
def test_before_ready_nothing_is_claimed(maker: Maker) -> None:
    formula = maker()
    assert math.isnan(formula.value)
    assert (formula.signal, formula.confidence, formula.ready) == (0, 0.0, False)
    assert all(math.isnan(x) for x in formula.outputs.values())


@pytest.mark.parametrize("maker", QUOTE_FED + TRADE_FED)
def test_columns_of_different_lengths(maker: Maker) -> None:
    columns = streams_of(maker)
    with pytest.raises(ValueError, match="must be of one length, were"):
        maker().update_many(columns[0][:-1], *columns[1:])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OrderFlowImbalance(0), "a window must be from 1 to 65536 observations, was 0"),
        (lambda: OrderFlowImbalance(65537), "was 65537"),
        (lambda: OrderFlowImbalance(entry=-1), "entry must be from 0.0 to .*, was -1"),
        (lambda: ZScoreSignal(1), "was 1"),
        (lambda: ZScoreSignal(entry=1, exit=2), "exit must be from 0.0 to 1.0, was 2"),
        (lambda: KalmanFilter(q=0), "q must be from .*, was 0"),
        (lambda: KalmanFilter(q=math.nan), "q must be from .*, was nan"),
        (lambda: KalmanPriceFilter(floor=0), "floor must be from .*, was 0"),
        (lambda: EwmaVolatility(1.1), "alpha must be from .*, was 1.1"),
        (lambda: CUSUMFilter(c=0), "c must be from .*, was 0"),
        (lambda: TrendStrength(50, 20), "1 <= fast < slow, were 50 and 20"),
        (lambda: KylesLambda(n=2), "was 2"),
        (lambda: KylesLambda(m=0), "was 0"),
        (lambda: VPIN(bucket=0), "bucket must be from .*, was 0"),
        (lambda: VPIN(limit=1.1), "limit must be from .*, was 1.1"),
        (lambda: FlowMomentum(fast=0), "fast must be from .*, was 0"),
        (lambda: BitcoinMicroPrice(h=0), "h must be from .*, was 0"),
        (lambda: AdaptiveEWMAVolatility(()), "lams must hold 1 to 5 decays, held 0"),
        (lambda: AdaptiveEWMAVolatility((0.5, 1.0)), "a decay must be from .*, was 1.0"),
        (lambda: EntryLevel(0, 8), "start must be from .*, was 0"),
        (lambda: EntryLevel(1, 0), "half_life must be from .*, was 0"),
        (lambda: local_level(np.zeros(1), 0, 0, 0, 0), "must not both be 0"),
        (lambda: local_level(np.zeros(1), -1, 0, 0, 0), "q must be a variance, was -1"),
        (lambda: cusum_events(np.zeros(1), 0), "h must be from .*, was 0"),
    ],
)
def test_parameters_out_of_range(make: Maker, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
