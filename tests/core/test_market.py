"""The simulated markets: their paths restated in Python, and the laws they claim."""

import math
from itertools import count

import numpy as np
import pytest
from numpy.random import Philox
from scipy import stats
from tapes import DT_NS, START_NS, chaos, chaos_market, filled, gbm, knots
from test_processor import BUSY

from livetrading.core.dtypes import KNOT, RESULT, TICK, TickFlag
from livetrading.core.errors import ChainKnotsExhausted
from livetrading.core.market import ChaosMarket, GbmMarket, realised_sd
from livetrading.core.processor import Processor

CELL_S = 432.0


# The path restated


def words(seed: int, stream: int, index: int, n: int) -> np.ndarray:
    """Four words a counter; numpy increments its counter before it draws."""
    before = np.array([index - 1, 0, 0, 0] if index else [2**64 - 1] * 4, np.uint64)
    source = Philox(key=np.array([seed, stream], np.uint64), counter=before)
    return source.random_raw(4 * n).reshape(n, 4)


def uniform(word: np.ndarray) -> np.ndarray:
    return ((word >> np.uint64(12)).astype(float) + 0.5) * 2.0**-52


def box_muller(word0: np.ndarray, word1: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    radius, turn = np.sqrt(-2 * np.log(uniform(word0))), 2 * np.pi * uniform(word1)
    return radius * np.cos(turn), radius * np.sin(turn)


def midpoints(n: int) -> np.ndarray:
    return stats.norm.ppf((np.arange(n) + 0.5) / n)


def table(word: np.ndarray, shift: int, values: np.ndarray) -> np.ndarray:
    return values[(word >> np.uint64(shift)) & np.uint64(len(values) - 1)]


NOISE = np.concatenate([4e-4 * midpoints(819), 1e-4 * midpoints(16_384 - 819)])
SPREAD = np.exp(0.3 * midpoints(4096))
SIZE = np.exp(midpoints(4096))
TRADE = np.concatenate([50 * 0.02 * np.exp(1.2 * midpoints(40)), 0.02 * np.exp(1.2 * midpoints(4096 - 40))])

State = tuple[float, float, float]


def slope(p: State) -> State:
    x, y, z = p
    return 10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z


def rk4(p: State, dt: float = 0.01) -> State:
    def ahead(k: State, step: float) -> State:
        return p[0] + step * k[0], p[1] + step * k[1], p[2] + step * k[2]

    k1 = slope(p)
    k2 = slope(ahead(k1, 0.5 * dt))
    k3 = slope(ahead(k2, 0.5 * dt))
    k4 = slope(ahead(k3, dt))
    total = [a + 2 * b + 2 * c + d for a, b, c, d in zip(k1, k2, k3, k4, strict=True)]
    return p[0] + dt / 6 * total[0], p[1] + dt / 6 * total[1], p[2] + dt / 6 * total[2]


def lorenz_x(seed: int, seconds: np.ndarray) -> tuple[np.ndarray, float]:
    """The first coordinate at these times by cubic Hermite, and the start of the other process."""
    w = words(seed, 0, 0, 1)[0]
    cosines, sines = box_muller(w[:2], w[2:])
    p = (1 + 1e-3 * cosines[0], 1 + 1e-3 * sines[0], 1 + 1e-3 * cosines[1])
    for _ in range(6000):
        p = rk4(p)
    grid = [p]
    for _ in range(int(seconds[-1] // CELL_S) + 1):
        grid.append(rk4(grid[-1]))
    x, dx = np.array([p[0] for p in grid]), np.array([0.01 * slope(p)[0] for p in grid])
    cell = (seconds // CELL_S).astype(int)
    s = seconds / CELL_S - cell
    hermite = (
        (1 + 2 * s) * (1 - s) ** 2 * x[cell]
        + s * (1 - s) ** 2 * dx[cell]
        + s * s * (3 - 2 * s) * x[cell + 1]
        + s * s * (s - 1) * dx[cell + 1]
    )
    return hermite, sines[1]


def relaxed(start: float, seconds: float, normals: np.ndarray, dt: float) -> np.ndarray:
    """Ornstein-Uhlenbeck, variance 1, by its exact step."""
    phi = math.exp(-dt / seconds)
    out, u = np.empty(len(normals)), start
    for k, z in enumerate(normals):
        u = u * phi + math.sqrt(1 - phi * phi) * z
        out[k] = u
    return out


def hawkes_sides(u: np.ndarray, dt: float) -> np.ndarray:
    """At most one trade a tick; over all later ticks it adds 0.5 to its side and 0.2 to the other."""
    keep, kick = math.exp(-dt), (math.exp(dt) - 1) / dt
    excess = [0.2 / 0.3 - 0.2] * 2
    sides = np.zeros(len(u), int)
    for k in range(len(u)):
        excess = [keep * e for e in excess]
        buy, sell = ((0.2 + e) * dt for e in excess)
        scale = min(1.0, 1 / (buy + sell))
        sides[k] = 1 if u[k] < buy * scale else -1 if u[k] < (buy + sell) * scale else 0
        if sides[k]:
            own = 0 if sides[k] > 0 else 1
            excess[own] += 0.5 * kick
            excess[1 - own] += 0.2 * kick
    return sides


def amplitude(height: np.ndarray) -> np.ndarray:
    turn = 2 * np.pi
    retarget = 1 + 0.15 * np.sin(turn * (height % 2016) / 2016)
    return 0.02 * retarget * (1 + 0.25 * np.cos(turn * (height % 210_000) / 210_000))


def expected_ticks(
    w: np.ndarray, price: np.ndarray, dt: float, spread_bps: float, z1: np.ndarray
) -> np.ndarray:
    """Quotes and trades about these mids."""
    n, w3 = len(price), w[:, 3]
    half = 0.5 * np.maximum(0.01, price * spread_bps * 1e-4 * table(w3, 38, SPREAD))
    tilt = 0.5 * np.tanh(relaxed(0.0, 60.0, z1, dt))
    side = hawkes_sides(uniform(w[:, 2]), dt)
    t = np.zeros(n, TICK)
    t["bid"], t["ask"], t["side"] = price - half, price + half, side
    t["bid_size"], t["ask_size"] = table(w3, 26, SIZE) * (1 + tilt), table(w3, 14, SIZE) * (1 - tilt)
    t["price"] = np.select([side > 0, side < 0], [t["ask"], t["bid"]], price)
    t["volume"] = np.where(side != 0, table(w3, 2, TRADE), 0)
    t["flags"] = np.where(side != 0, TickFlag.QUOTE | TickFlag.TRADE, TickFlag.QUOTE)
    return t


def assert_same(made: np.ndarray, expected: np.ndarray, dt_ns: int) -> None:
    np.testing.assert_array_equal(made["ts"], START_NS + dt_ns * np.arange(len(made)))
    for name in ("side", "flags"):
        np.testing.assert_array_equal(made[name], expected[name], err_msg=name)
    for name in ("price", "bid", "ask", "bid_size", "ask_size", "volume"):
        np.testing.assert_allclose(made[name], expected[name], rtol=1e-9, err_msg=name)


@pytest.mark.parametrize(("seed", "dt_ns"), [(1, DT_NS), (2**64 - 1, DT_NS), (77, 7_000_000_000)])
def test_chaos_path(seed: int, dt_ns: int) -> None:
    """Across blocks of the chain and cells of the attractor."""
    n, dt = 9000, dt_ns * 1e-9
    chain = knots(seed, n, dt_ns)
    ts = START_NS + dt_ns * np.arange(n)
    at = np.searchsorted(chain["ts"], ts, side="right") - 1
    assert len(np.unique(at)) > 1
    w = words(seed, 1, 0, n)
    z0, z1 = box_muller(w[:, 0], w[:, 1])
    x, u0 = lorenz_x(seed, dt * np.arange(n))
    d = amplitude(chain["height"][at]) * math.sqrt(0.5) * (x / 7.92463 + relaxed(u0, 259_200.0, z0, dt))
    price = chain["true_price"][at] * np.exp(d + table(w[:, 3], 50, NOISE))
    assert_same(filled(chaos_market(seed, n, dt_ns), n), expected_ticks(w, price, dt, 1.0, z1), dt_ns)


@pytest.mark.parametrize("spread_bps", [0.0, 1.0, 30.0])
def test_gbm_path(spread_bps: float) -> None:
    n, sd = 5000, 2e-4
    w = words(5, 7, 0, n)
    z0, z1 = box_muller(w[:, 0], w[:, 1])
    price = 97_000.0 * np.exp(np.cumsum(sd * z0 - sd * sd / 2))
    made = gbm(5, n, sd, spread_bps)
    assert_same(made, expected_ticks(w, price, 0.1, spread_bps, z1), DT_NS)
    assert np.all(made["ask"] - made["bid"] > 0.0099)


# The laws

LONG = 2_000_000


@pytest.fixture(scope="module")
def long_chaos() -> tuple[np.ndarray, np.ndarray]:
    return chaos(41, LONG)


def residual_noise(ticks: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Second differences of the log deviation: what is smooth cancels, m[k] - (m[k-1] + m[k+1]) / 2 stays."""
    d = np.log(0.5 * (ticks["bid"] + ticks["ask"]) / truth)
    return d[1:-1] - 0.5 * (d[:-2] + d[2:])


def test_noise(long_chaos: tuple[np.ndarray, np.ndarray]) -> None:
    """N(0, s^2), one in twenty N(0, (4 s)^2): variance 1.75 s^2, fourth moment 3 (0.95 + 0.05 256) s^4."""
    m = residual_noise(*long_chaos)[::3]
    s2 = 1e-8 * 1.75
    assert np.var(m) == pytest.approx(1.5 * s2, rel=0.02)
    excess = 3 * (0.95 + 0.05 * 256) / 1.75**2 - 3
    assert stats.kurtosis(m) == pytest.approx(excess * (1 + 2 * 0.5**4) / 1.5**2, rel=0.1)


def mixture_quantile(q: float, share: float, wide: float) -> float:
    low, high = -20.0, 20.0
    for _ in range(100):
        x = 0.5 * (low + high)
        below = (1 - share) * stats.norm.cdf(x) + share * stats.norm.cdf(x / wide)
        low, high = (x, high) if below < q else (low, x)
    return x


@pytest.mark.parametrize("q", [1e-3, 0.01, 0.05, 0.3, 0.5, 0.9, 0.99, 0.999])
def test_noise_table_has_the_tails_of_its_law(q: float) -> None:
    """16,384 midpoints stand for the law: 1 in 1,000 to within 1.5 %."""
    assert np.quantile(NOISE, q) == pytest.approx(1e-4 * mixture_quantile(q, 0.05, 4), rel=0.015, abs=1e-7)


def lognormal_errors(x: np.ndarray, median: float, sigma: float) -> np.ndarray:
    """How far the quantiles of ln x are from a normal's, in its standard deviations."""
    q = np.array([1e-3, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999])
    return np.abs(np.quantile(np.log(x / median), q) / sigma - stats.norm.ppf(q))


def test_spread(long_chaos: tuple[np.ndarray, np.ndarray]) -> None:
    ticks, _ = long_chaos
    mid = 0.5 * (ticks["bid"] + ticks["ask"])
    assert lognormal_errors((ticks["ask"] - ticks["bid"]) / mid, 1e-4, 0.3).max() < 0.04
    assert stats.skew(np.log(ticks["ask"] - ticks["bid"])) == pytest.approx(0, abs=0.05)


def test_sizes(long_chaos: tuple[np.ndarray, np.ndarray]) -> None:
    """Median 1 BTC, sigma 1, tilted by 0.5 tanh(i), i of variance 1 and relaxation 60 s."""
    ticks, _ = long_chaos
    lean = np.log(ticks["bid_size"] / ticks["ask_size"])
    assert lean.mean() == pytest.approx(0, abs=0.05)
    both = np.log(ticks["bid_size"]) + np.log(ticks["ask_size"])
    i = np.linspace(-9, 9, 20_001)
    weight = stats.norm.pdf(i) * (i[1] - i[0])
    up, down = np.log1p(0.5 * np.tanh(i)), np.log1p(-0.5 * np.tanh(i))
    assert both.mean() == pytest.approx((weight * (up + down)).sum(), abs=0.01)
    assert np.var(lean) == pytest.approx(2 + (weight * (up - down) ** 2).sum(), rel=0.02)
    slow = np.corrcoef(lean[:-600], lean[600:])[0, 1] / np.corrcoef(lean[:-1], lean[1:])[0, 1]
    assert slow == pytest.approx(math.exp(-599 / 600), abs=0.03)


def test_trade_sizes(long_chaos: tuple[np.ndarray, np.ndarray]) -> None:
    """Median 0.02 BTC, sigma 1.2, one in a hundred fifty times that."""
    ticks, _ = long_chaos
    v = ticks["volume"][ticks["side"] != 0]
    share = 40 / 4096
    mean = 0.02 * math.exp(0.72) * (1 + 49 * share)
    assert v.mean() == pytest.approx(mean, rel=0.03)
    at = np.array([0.003, 0.02, 0.1, 0.5, 3.0])
    below = (1 - share) * stats.norm.cdf(np.log(at / 0.02) / 1.2) + share * stats.norm.cdf(np.log(at) / 1.2)
    assert [(v <= x).mean() for x in at] == pytest.approx(below, abs=0.003)


def test_trade_rate(long_chaos: tuple[np.ndarray, np.ndarray]) -> None:
    """Two thirds a second and side; the counts' variance is at most 11.1 times their mean."""
    ticks, _ = long_chaos
    expected = 0.2 / (1 - 0.7) * LONG * 0.1
    for side in (1, -1):
        assert abs((ticks["side"] == side).sum() - expected) < 3 * math.sqrt(11.2 * expected)


@pytest.mark.parametrize("seconds", [0.1, 1, 10, 500, 690, 692, 701, 3600, 14_000])
def test_sides_are_even(seconds: float) -> None:
    """Also where a tick is so long that there is a trade in each."""
    side = filled(GbmMarket(2, START_NS, round(seconds * 1e9), 5e4, 1e-5), 200_000)["side"].astype(float)
    assert abs(side.sum()) < 3 * math.sqrt(11.2 * np.abs(side).sum())
    rate = np.abs(side).mean()
    assert rate == 1 if seconds >= 10 else rate > 0.1


def test_trades_cluster() -> None:
    """Hawkes 1971: variance over mean of long counts is 1 / (1 - 0.7)^2, as the grid gets fine."""
    market, window = GbmMarket(3, START_NS, 20_000_000, 5e4, 1e-5), 10_000
    ticks, counts = np.zeros(100 * window, TICK), []
    for _ in range(6):
        market.fill(ticks)
        counts.append((ticks["side"] != 0).reshape(-1, window).sum(axis=1))
    seen = np.concatenate(counts)
    assert seen.mean() == pytest.approx(2 * 200 * 2 / 3, rel=0.02)
    assert seen.var() / seen.mean() == pytest.approx(11.1, rel=0.25)


def test_deviation_has_its_amplitude() -> None:
    """Over many seeds D / A(h) has mean 0 and sd 1, ten days on, when they have spread over the attractor."""
    drawn = []
    for seed in range(400):
        market = ChaosMarket(seed, START_NS, 43_200 * 10**9)
        market.feed(np.array([(START_NS, 504, 1.0), (START_NS + 10**16, 504, 1.0)], KNOT))
        ticks = filled(market, 61)
        drawn.append(np.log(0.5 * (ticks["bid"] + ticks["ask"]))[[20, 40, 60]])
    a = amplitude(np.array([504]))[0]
    d = np.array(drawn) / a
    assert np.abs(d.mean()) < 3 / math.sqrt(1200)
    assert d.std() == pytest.approx(1, rel=0.06)


def test_amplitude_follows_the_height() -> None:
    """The same path under another height is the same path, scaled."""
    paths = []
    for height in (504, 1512, 105_000):
        market = ChaosMarket(9, START_NS, DT_NS)
        market.feed(np.array([(START_NS, height, 1e6), (START_NS + 10**15, height, 1e6)], KNOT))
        ticks = filled(market, 1000)
        w = words(9, 1, 0, 1000)
        paths.append(np.log(0.5 * (ticks["bid"] + ticks["ask"]) / 1e6) - table(w[:, 3], 50, NOISE))
    scale = amplitude(np.array([504, 1512, 105_000]))
    np.testing.assert_allclose(paths[1] / paths[0], scale[1] / scale[0], rtol=1e-6)
    np.testing.assert_allclose(paths[2] / paths[0], scale[2] / scale[0], rtol=1e-6)


# The null


def test_gbm_is_fair() -> None:
    """E S(t + dt) = S(t): the mean growth factor is 1 within 3 standard errors, also where sd is large."""
    for sd in (1e-4, 0.05):
        mid = GbmMarket(6, START_NS, DT_NS, 5e4, sd)
        ticks = filled(mid, 400_000) if sd < 1e-3 else filled(mid, 2000)
        s = 0.5 * (ticks["bid"] + ticks["ask"])
        growth = s[1:] / s[:-1]
        assert abs(growth.mean() - 1) < 3 * sd / math.sqrt(len(growth))
        assert np.log(growth).std() == pytest.approx(sd, rel=0.05)


def test_gbm_is_independent() -> None:
    s = gbm(7, 500_000)
    r = np.diff(np.log(0.5 * (s["bid"] + s["ask"])))
    bound = 3 / math.sqrt(len(r))
    for lag in (1, 2, 10, 100):
        assert abs(np.corrcoef(r[:-lag], r[lag:])[0, 1]) < bound
        assert abs(np.corrcoef(np.abs(r[:-lag]), np.abs(r[lag:]))[0, 1]) < bound
    assert stats.kurtosis(r) == pytest.approx(0, abs=0.03)
    assert abs(np.corrcoef(r[1:], s["side"][1:-1])[0, 1]) < bound
    lean = np.log(s["bid_size"] / s["ask_size"])
    assert abs(np.corrcoef(lean[:-1], r)[0, 1]) < bound


def fade(ticks: np.ndarray) -> tuple[float, float]:
    """Mean and standard error, in bps at the mid, of going against the last move for one tick."""
    r = np.diff(np.log(0.5 * (ticks["bid"] + ticks["ask"])))
    gain = 1e4 * -np.sign(r[:-1]) * np.expm1(r[1:])
    return float(gain.mean()), float(gain.std() / math.sqrt(len(gain)))


def test_fading_the_last_tick(long_chaos: tuple[np.ndarray, np.ndarray]) -> None:
    """It lives on the observation noise of the chaos market, and earns nothing on the null."""
    mean, error = fade(gbm(8, 1_000_000))
    assert abs(mean) < 3 * error
    # three noises m meet in two moves: E[m sign(m - m')] is what the one in the middle gives back
    law = 1e4 * np.mean(np.sort(NOISE) * (2 * (np.arange(NOISE.size) + 0.5) / NOISE.size - 1))
    mean, error = fade(long_chaos[0])
    assert mean == pytest.approx(law, abs=4 * error)
    assert mean > 100 * error


def test_gbm_carries_the_true_price() -> None:
    market = GbmMarket(1, START_NS, DT_NS, 5e4, 1e-4)
    market.feed(np.array([(START_NS + 5 * DT_NS, 1, 7.0), (START_NS + 8 * DT_NS, 2, 8.0)], KNOT))
    rows = np.zeros(10, RESULT)
    Processor(BUSY, 100.0, market).run(10, rows)
    seen = rows["true_price"].tolist()
    assert np.isnan(seen[:5]).all()
    assert seen[5:] == [7.0] * 3 + [8.0] * 2
    np.testing.assert_array_equal(rows["market_price"], 0.5 * gbm_mids(10))


def gbm_mids(n: int) -> np.ndarray:
    ticks = filled(GbmMarket(1, START_NS, DT_NS, 5e4, 1e-4), n)
    return ticks["bid"] + ticks["ask"]


# The edges


def test_realised_sd() -> None:
    ticks = gbm(11, 100_000)
    mid = 0.5 * (ticks["bid"] + ticks["ask"])
    for lag in (1, 7, 256):
        r = np.diff(np.log(mid[::lag]))
        assert realised_sd(ticks, lag) == pytest.approx(math.sqrt((r * r).mean()), rel=1e-9)
    assert realised_sd(ticks) == pytest.approx(1e-4 * 16, rel=0.1)
    holes = ticks.copy()
    holes["bid"][::3] = np.nan
    kept = mid[np.isfinite(holes["bid"])]
    r = np.diff(np.log(kept[::10]))
    assert realised_sd(holes, 10) == pytest.approx(math.sqrt((r * r).mean()), rel=1e-9)
    for lag, rows in ((256, 256), (0, 300)):
        with pytest.raises(ValueError, match="at least"):
            realised_sd(ticks[:rows], lag)


def test_knots_must_reach() -> None:
    market = ChaosMarket(1, START_NS, DT_NS)
    ticks = np.zeros(10, TICK)
    with pytest.raises(ChainKnotsExhausted, match="no true price for its next tick"):
        market.fill(ticks)
    market.feed(np.array([(START_NS, 1, 5.0), (START_NS + 9 * DT_NS, 2, 5.0)], KNOT))
    with pytest.raises(ChainKnotsExhausted, match="must reach beyond the last tick"):
        market.fill(ticks)
    assert market.index == 0
    market.fill(ticks[:9])
    assert (market.index, market.next_ts) == (9, START_NS + 9 * DT_NS)


def test_knots_are_fed_as_they_come() -> None:
    """In one piece or many, waiting ones bounded, consumed ones dropped."""
    chain = knots(4, 30_000)
    pieces = ChaosMarket(4, START_NS, DT_NS)
    ticks = np.zeros(30_000, TICK)
    done = 0
    for k in count():
        pieces.feed(chain[k : k + 1])
        reach = min(30_000, int((chain["ts"][k] - START_NS - 1) // DT_NS + 1) if k else 0)
        if reach > done:
            pieces.fill(ticks[done:reach])
            done = reach
        if done == 30_000:
            break
    assert ticks.tobytes() == filled(chaos_market(4, 30_000), 30_000).tobytes()


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ([(5, 1, 1.0), (4, 2, 1.0)], "ascending order"),
        ([(2**62, 1, 1.0), (-(2**62) - 2, 2, 1.0)], "ascending order"),
        ([(5, 1, 0.0)], "finite and above 0"),
        ([(5, 1, float("nan"))], "finite and above 0"),
        ([(k, 1, 1.0) for k in range(65_537)], "at most 65536 knots"),
    ],
)
def test_bad_knots(rows: list[tuple[int, int, float]], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        ChaosMarket(1, START_NS, DT_NS).feed(np.array(rows, KNOT))


def test_knots_of_another_type() -> None:
    for wrong in (np.ones(3), [(5, 1, 1.0)], np.zeros((1, 1), KNOT)):
        with pytest.raises(TypeError, match="knots must be a one-dimensional array of KNOT"):
            ChaosMarket(1, START_NS, DT_NS).feed(wrong)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [((-1, 0, 1), "seed"), ((2**64, 0, 1), "seed"), ((1, -1, 1), "start_ns"), ((1, 0, 0), "dt_ns"),
     ((1, 0, 86_400 * 10**9 + 1), "dt_ns")],
)  # fmt: skip
def test_bad_markets(arguments: tuple[int, int, int], rule: str) -> None:
    with pytest.raises(ValueError, match=f"{rule} must be from"):
        ChaosMarket(*arguments)
    with pytest.raises(ValueError, match=f"{rule} must be from"):
        GbmMarket(*arguments, 1.0, 0.1)


@pytest.mark.parametrize(
    ("price", "sd", "spread"), [(0.0, 0.1, 1), (1.0, 0.2, 1), (1.0, -1.0, 1), (1.0, 0.1, 1001)]
)
def test_bad_null_markets(price: float, sd: float, spread: float) -> None:
    with pytest.raises(ValueError, match="must be from"):
        GbmMarket(1, 0, 1, price, sd, spread_bps=spread)


def test_a_null_market_that_runs_away_is_rejected_not_crashed() -> None:
    """A walk of 10 % a tick leaves the accepted prices; what it makes then is counted as bad."""
    processor = Processor(BUSY, 100.0, GbmMarket(1, START_NS, DT_NS, 1e-9, 0.1))
    processor.run(100_000)
    totals = processor.totals()
    assert totals["ticks"] + totals["rejected"]["price"] == 100_000
    assert totals["rejected"]["price"] > 0
