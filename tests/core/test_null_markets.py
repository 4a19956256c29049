"""The null markets: their paths restated in Python, their laws, and what two plain rules earn on them.

The rules' table: `python tests/core/test_null_markets.py`.
"""

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal, stats
from tapes import DT_NS, START_NS, filled, recording
from test_market import assert_same, box_muller, expected_ticks, hawkes_sides, uniform, words
from test_processor import BUSY

from livetrading.core.dtypes import KNOT, RESULT, TICK
from livetrading.core.market import BootstrapMarket, GarchMarket, GbmMarket, HawkesMarket, NullMarket
from livetrading.core.processor import Processor
from livetrading.data.ticks import quoted, read_ticks

SHARED = Path(__file__).parents[3] / "shared" / "data" / "ticks"
PRICE = 97_000.0
DECAY = math.exp(-0.1)
"""Of what a trade excites and of its passing impact, over one tick of 0.1 s."""


def mids(ticks: np.ndarray) -> np.ndarray:
    return 0.5 * (ticks["bid"] + ticks["ask"])


@cache
def recorded(name: str = "") -> np.ndarray:
    """Log returns of the mid, row by row, of the recording in tests/data or of a shared one."""
    files = [SHARED / f"btcusdt_spot_{name}_{kind}.csv.gz" for kind in ("quotes", "trades")]
    rows = read_ticks(files) if name else recording()
    return np.diff(np.log(mids(rows[quoted(rows)])))


def garch(seed: int, sd: float = 1e-4, **given: float) -> GarchMarket:
    return GarchMarket(seed, START_NS, DT_NS, PRICE, sd, **given)


def bootstrap(seed: int, returns: np.ndarray, sd: float | None = None, **given: float) -> BootstrapMarket:
    return BootstrapMarket(seed, START_NS, DT_NS, PRICE, returns, sd, **given)


def hawkes(seed: int, **given: float) -> HawkesMarket:
    return HawkesMarket(seed, START_NS, DT_NS, PRICE, **given)


NULLS: dict[str, Callable[[int], NullMarket]] = {
    "gbm": lambda seed: GbmMarket(seed, START_NS, DT_NS, PRICE, 1e-4),
    "garch-t": garch,
    "bootstrap": lambda seed: bootstrap(seed, recorded()),
    "hawkes": hawkes,
}


# The paths restated


def student(seed: int, n: int) -> np.ndarray:
    """Bailey 1994: sqrt(5 (u^(-2/5) - 1)) cos(2 pi v) is Student-t(5); over its sd, sqrt(5/3)."""
    w = words(seed, 10, 0, n)
    radius = np.sqrt(3 * np.expm1(-0.4 * np.log(uniform(w[:, 0]))))
    return radius * np.cos(2 * np.pi * uniform(w[:, 1]))


def garch_moves(seed: int, n: int, sd: float) -> np.ndarray:
    e, v, moves = student(seed, n), sd * sd, np.empty(n)
    for k in range(n):
        moves[k] = math.sqrt(v) * e[k]
        v = 0.02 * sd * sd + 0.10 * moves[k] ** 2 + 0.88 * v
    return moves


def bootstrap_places(seed: int, n: int, count: int, block: float) -> np.ndarray:
    """Politis and Romano 1994: after each return a new place with probability 1 / block, else the next."""
    w = words(seed, 10, 0, n)
    opens, chosen = uniform(w[:, 0]) < 1 / block, np.floor(uniform(w[:, 1]) * count).astype(int)
    places = np.empty(n, int)
    for k in range(n):
        places[k] = chosen[k] if k == 0 or opens[k] else (places[k - 1] + 1) % count
    return places


def fair_sign(seed: int, n: int) -> np.ndarray:
    return np.where(words(seed, 10, 0, n)[:, 2] >> np.uint64(63), -1, 1)


def assert_path(market: NullMarket, seed: int, log_price: np.ndarray, spread_bps: float = 1.0) -> None:
    n = len(log_price)
    w = words(seed, 7, 0, n)
    _, z1 = box_muller(w[:, 0], w[:, 1])
    made = filled(market, n)
    assert_same(made, expected_ticks(w, PRICE * np.exp(log_price), 0.1, spread_bps, z1), DT_NS)
    traded = made["side"] != 0
    touch = np.where(made["side"] > 0, made["ask"], made["bid"])
    np.testing.assert_array_equal(made["price"][traded], touch[traded])


@pytest.mark.parametrize(("seed", "sd"), [(5, 2e-4), (2**64 - 1, 1e-9), (6, 0.02), (7, 0.1)])
def test_garch_path(seed: int, sd: float) -> None:
    x = garch_moves(seed, 3000, sd)
    assert_path(garch(seed, sd), seed, np.cumsum(x - np.log(np.cosh(x))))


@pytest.mark.parametrize(("block", "sd"), [(20.0, None), (1.0, 3e-4), (7.5, 1e-3), (1e9, None)])
def test_bootstrap_path(block: float, sd: float | None) -> None:
    n, returns = 4000, recorded()
    scale = 1.0 if sd is None else sd / math.sqrt(np.mean(returns**2))
    x = returns[bootstrap_places(8, n, len(returns), block)] * scale
    signed = x * fair_sign(8, n)
    market = bootstrap(8, returns, sd, block=block, spread_bps=3.0)
    assert_path(market, 8, np.cumsum(signed - np.log(np.cosh(signed))), 3.0)
    as_it_is = bootstrap(8, returns, sd, block=block, signs=False, spread_bps=0.0)
    assert_path(as_it_is, 8, np.cumsum(x - np.log(np.mean(np.exp(returns * scale)))), 0.0)


@pytest.mark.parametrize(("impact", "permanent"), [(0.3, 0.5), (100.0, 1.0), (5.0, 0.0), (0.0, 0.5)])
def test_hawkes_path(impact: float, permanent: float) -> None:
    """The mid of a tick holds the impact of the trade it carries."""
    n, bps = 4000, 1e-4 * impact
    side = hawkes_sides(uniform(words(9, 7, 0, n)[:, 2]), 0.1)
    passing = signal.lfilter([bps * (1 - permanent)], [1, -DECAY], side)
    variance_s = (bps * permanent) ** 2 * (4 / 3) / 0.7**2
    drift = -0.5 * variance_s * 0.1 * np.arange(1, n + 1)
    market = hawkes(9, impact_bps=impact, permanent=permanent)
    assert_path(market, 9, bps * permanent * np.cumsum(side) + passing + drift)


# Properties of every path


@given(st.sampled_from(sorted(NULLS)), st.integers(0, 2**64 - 1), st.lists(st.integers(0, 2500), max_size=6))
def test_cuts_change_no_byte(name: str, seed: int, sizes: list[int]) -> None:
    whole, pieces = filled(NULLS[name](seed), 3000), np.zeros(3000, TICK)
    market, done = NULLS[name](seed), 0
    for size in [*sizes, 3000]:
        market.fill(pieces[done : done + size])
        done = min(3000, done + size)
    assert pieces.tobytes() == whole.tobytes()
    assert filled(NULLS[name](seed ^ 1), 3000).tobytes() != whole.tobytes()


@given(st.lists(st.floats(-1, 1), min_size=8, max_size=40).filter(any), st.integers(0, 1000))
def test_every_step_is_fair_whatever_the_returns_are(values: list[float], seed: int) -> None:
    """A step goes to S (1 + tanh r) or S (1 - tanh r): the two add up to 2 S."""
    returns = np.array(values)
    price = np.concatenate([[PRICE], mids(filled(bootstrap(seed, returns), 60))])
    places = bootstrap_places(seed, 60, len(returns), 20.0)
    step = np.tanh(returns[places] * fair_sign(seed, 60))
    # the log of the price gets to 86, of which each step rounds half a unit
    np.testing.assert_allclose(price[1:] / price[:-1], 1 + step, rtol=60 * 86 * 2.0**-53)


@pytest.mark.parametrize("price", [PRICE, 65_536.0])
def test_the_mid_stands_still_where_the_return_is_zero(price: float) -> None:
    """To the bit: formulas that skip such ticks would take a rounding for a move.

    About a power of two the bid has finer roundings than the ask.
    """
    returns = recorded()
    mid = mids(filled(BootstrapMarket(3, START_NS, DT_NS, price, returns), 50_000))
    still = returns[bootstrap_places(3, 50_000, len(returns), 20.0)] == 0
    np.testing.assert_array_equal(np.diff(mid) == 0, still[1:])
    assert 0.8 < still.mean() < 0.95


@pytest.mark.parametrize("name", NULLS)
def test_carries_the_true_price(name: str) -> None:
    market = NULLS[name](1)
    market.feed(np.array([(START_NS + 5 * DT_NS, 1, 7.0), (START_NS + 8 * DT_NS, 2, 8.0)], KNOT))
    rows = np.zeros(10, RESULT)
    Processor(BUSY, 100.0, market).run(10, rows)
    assert np.isnan(rows["true_price"][:5]).all()
    assert rows["true_price"][5:].tolist() == [7.0] * 3 + [8.0] * 2
    np.testing.assert_array_equal(rows["market_price"], mids(filled(NULLS[name](1), 10)))


# The laws


def innovations(seed: int, n: int, sd: float) -> np.ndarray:
    """Moves over their own standard deviation, got back from the quotes."""
    price = mids(filled(garch(seed, sd), n))
    x = np.arctanh(np.diff(price) / price[:-1])
    past, variance = signal.lfilter([1], [1, -0.88], x * x), np.empty(n - 1)
    # v' = 0.02 sd^2 + 0.10 x^2 + 0.88 v, whose start is forgotten after a few hundred ticks
    variance[0], variance[1:] = sd * sd, 0.02 * sd * sd / 0.12 + 0.10 * past[:-1]
    return (x / np.sqrt(variance))[500:]


def test_garch_innovations_are_student() -> None:
    e = innovations(12, 1_000_000, 1e-4)
    law = stats.t(5, scale=math.sqrt(3 / 5))
    assert stats.kstest(e, law.cdf).pvalue > 0.01
    for q in (1e-5, 1e-4, 1e-3, 0.01):
        for beyond in ((e < law.ppf(q)).sum(), (e > law.isf(q)).sum()):
            assert abs(beyond - q * len(e)) < 4 * math.sqrt(q * len(e))
    assert e.var() == pytest.approx(1, abs=4 * math.sqrt(8 / len(e)))
    bound = 4 / math.sqrt(len(e))
    assert abs(np.corrcoef(np.abs(e[1:]), np.abs(e[:-1]))[0, 1]) < bound
    assert abs(np.corrcoef(e[1:], e[:-1])[0, 1]) < bound


def simulated_garch(paths: int, n: int) -> np.ndarray:
    """The same law by other means: numpy's own Student-t, path beside path; the last half of each."""
    rng = np.random.default_rng(4)
    e = rng.standard_t(5, (n, paths)) * math.sqrt(3 / 5)
    v, moves = np.ones(paths), np.empty((n, paths))
    for k in range(n):
        moves[k] = np.sqrt(v) * e[k]
        v = 0.02 + 0.10 * moves[k] ** 2 + 0.88 * v
    return moves[n // 2 :]


def abs_correlation(moves: np.ndarray, lag: int) -> float:
    a = np.abs(moves)
    return float(np.corrcoef(a[:-lag].ravel(), a[lag:].ravel())[0, 1])


def test_garch_moves_have_the_law_of_another_simulation() -> None:
    """Quantiles of |x| / sd, and the clusters; variance is finite, the fourth moment is not."""
    other = simulated_garch(1000, 2000)
    own = np.stack([np.diff(np.log(mids(filled(garch(seed), 50_000)))) for seed in range(20)], axis=1) * 1e4
    for q, tolerance in ((0.1, 0.02), (0.5, 0.02), (0.9, 0.02), (0.99, 0.03), (0.999, 0.08)):
        assert np.quantile(np.abs(own), q) == pytest.approx(np.quantile(np.abs(other), q), rel=tolerance)
    for lag in (1, 5, 20, 50):
        assert abs_correlation(own, lag) == pytest.approx(abs_correlation(other, lag), abs=0.03)
    assert (own**2).mean() == pytest.approx(1, abs=0.06)
    assert stats.kurtosis(own.ravel()) > 10


def test_bootstrap_blocks_are_geometric() -> None:
    """Places got back from returns that are all different: lengths of mean 20, starts over all places."""
    returns = np.random.default_rng(2).permutation(np.linspace(1e-5, 1e-3, 997))
    price = mids(filled(bootstrap(21, returns), 200_001))
    moves = np.abs(np.arctanh(np.diff(price) / price[:-1]))
    order = np.argsort(returns)
    near = order[np.clip(np.rint((moves - 1e-5) / (returns.max() - 1e-5) * 996), 0, 996).astype(int)]
    np.testing.assert_allclose(returns[near], moves, atol=1e-9)
    opened = np.flatnonzero(np.diff(near) % 997 != 1) + 1
    lengths = np.diff(opened)
    assert abs(lengths.mean() - 20) < 4 * math.sqrt(20 * 19 / len(lengths))
    beyond = np.array([(lengths > k).mean() for k in (1, 5, 20, 60)])
    law = 0.95 ** np.array([1, 5, 20, 60])
    assert np.all(np.abs(beyond - law) < 4 * np.sqrt(law * (1 - law) / len(lengths)))
    counts = np.bincount(near[opened] * 8 // 997, minlength=8)
    assert stats.chisquare(counts).pvalue > 0.001


def test_bootstrap_keeps_magnitudes_and_clusters() -> None:
    """What the signs leave: |r| as given, its clusters within a block, and no sign that a sign foretells."""
    returns = np.random.default_rng(3).standard_normal(4000) * np.exp(np.repeat(np.arange(8) % 2, 500)) * 1e-4
    r = np.diff(np.log(mids(filled(bootstrap(4, returns), 400_000))))
    assert np.quantile(np.abs(r), [0.1, 0.5, 0.9, 0.99]) == pytest.approx(
        np.quantile(np.abs(returns), [0.1, 0.5, 0.9, 0.99]), rel=0.03
    )
    # |r| of two ticks of one block correlate as in the recording; of two blocks they do not
    given_at = np.corrcoef(np.abs(returns[:-5]), np.abs(returns[5:]))[0, 1]
    kept = np.corrcoef(np.abs(r[:-5]), np.abs(r[5:]))[0, 1]
    assert kept == pytest.approx(0.95**5 * given_at, abs=0.02)
    assert abs(np.corrcoef(np.sign(r[:-1]), np.sign(r[1:]))[0, 1]) < 4 / math.sqrt(len(r))


def test_bootstrap_scales_to_a_root_mean_square() -> None:
    r = np.diff(np.log(mids(filled(bootstrap(5, recorded(), 2e-4), 2_000_000))))
    fourth = np.mean(recorded() ** 4) / np.mean(recorded() ** 2) ** 2
    error = math.sqrt(40 * fourth / len(r))  # a block counts as one
    assert np.mean(r * r) / 4e-8 == pytest.approx(1, abs=4 * error)
    assert error < 0.05


def flow_correlation(lag: int) -> float:
    """Autocorrelation of the trades' signs, 0 where there is none, on the grid of 0.1 s.

    The sign expected next obeys m' = d m + 0.3 (1 - d) s, 0.3 being what a trade excites on its own side
    less the other: an ARMA(1,1) with autoregression d + 0.3 (1 - d).
    """
    gain = 0.3 * (1 - DECAY)
    keep = DECAY + gain
    ratio = gain**2 / (1 - keep**2)
    return keep ** (lag - 1) * (DECAY * ratio / (1 + ratio) + gain)


@cache
def long_hawkes() -> np.ndarray:
    return filled(hawkes(31), 2_000_000)


def test_hawkes_flow_is_autocorrelated() -> None:
    side = long_hawkes()["side"].astype(float)
    error = 1.2 / math.sqrt(len(side))
    for lag in (1, 2, 5, 10, 20, 40):
        seen = np.mean(side[:-lag] * side[lag:]) / np.mean(side * side)
        assert seen == pytest.approx(flow_correlation(lag), abs=4 * error)
    assert flow_correlation(1) > 25 * error


def test_hawkes_counts_cluster() -> None:
    """2/3 a second and side; over long windows variance 1 / (1 - 0.7)^2 of the mean, of both sides' sum."""
    side = long_hawkes()["side"]
    for one in (1, -1):
        assert (side == one).mean() / 0.1 == pytest.approx(2 / 3, rel=0.03)
    counts = np.abs(side).reshape(-1, 2000).sum(axis=1)
    windows_short_of_long = 1 - (1 - 0.3**2) / (0.3 * 200)
    expected = windows_short_of_long / 0.3**2
    assert counts.var() / counts.mean() == pytest.approx(expected, rel=4 * math.sqrt(2 / len(counts)))


def test_hawkes_long_run_variance_of_the_price() -> None:
    """Buys less sales have variance rate / (1 - 0.3)^2; 0.15 bp of each trade stay."""
    step = np.diff(np.log(mids(long_hawkes())[::2000]))
    expected = (0.15e-4) ** 2 * 200 * (4 / 3) / 0.7**2
    assert step.var() == pytest.approx(expected, rel=4 * math.sqrt(2 / len(step)))


def test_hawkes_keeps_the_expected_price() -> None:
    """Over 1,000 s at 100 bps a trade: without the drift the mean growth would be e^0.136."""
    growth = np.array([mids(filled(hawkes(s, impact_bps=100, permanent=1), 10_000))[-1] for s in range(300)])
    growth /= PRICE
    assert abs(growth.mean() - 1) < 3 * growth.std() / math.sqrt(len(growth))
    assert growth.std() / math.sqrt(len(growth)) < 0.136 / 3


def test_hawkes_leaves_no_quote_stale() -> None:
    """After a trade has been seen the mid moves by what flow and decay foretell, not by its impact."""
    ticks = long_hawkes()
    traded = np.flatnonzero(ticks["side"][:-10])
    price = mids(ticks)
    ahead = 1e4 * ticks["side"][traded] * (price[traded + 10] / price[traded] - 1)
    before = 1e4 * ticks["side"][traded[1:]] * (price[traded[1:]] / price[traded[1:] - 1] - 1)
    assert before.mean() > 0.25
    assert abs(ahead.mean()) < 0.1


def test_hawkes_forecast_is_less_than_a_round_trip() -> None:
    """Whoever knows the law and the state: passing impact goes, trades to come have their permanent share."""
    side = long_hawkes()["side"].astype(float)
    passing = signal.lfilter([0.15], [1, -DECAY], side)
    foretold = signal.lfilter([0.3 * (1 - DECAY)], [1, -DECAY], side)
    bps = -passing + 0.15 * foretold / ((1 - DECAY) * 0.7)
    assert np.abs(bps).max() < 1.0


# What plain rules earn


def fade(price: np.ndarray) -> np.ndarray:
    """Against the last move, for one tick."""
    return -np.sign(np.diff(price, prepend=price[0]))


def momentum(price: np.ndarray, window: int = 100) -> np.ndarray:
    """With the move over the last 100 ticks."""
    position = np.zeros(len(price))
    position[window:] = np.sign(price[window:] - price[:-window])
    return position


RULES = {"fade": fade, "momentum": momentum}
SEEDS, TICKS = 20, 50_000


def earned(ticks: np.ndarray, rule: str) -> tuple[float, float]:
    """Mean gain a tick in bps of the price, of a position of one coin: at the mid, and by what fills cost."""
    price = mids(ticks)
    position = RULES[rule](price)[:-1]
    gross = position * np.diff(price)
    bought = np.diff(position, prepend=0)
    touch = np.where(bought > 0, ticks["ask"][:-1], ticks["bid"][:-1])
    cash = -bought * touch
    wealth = cash.sum() + position[-1] * price[-1]
    half = 0.5 * (ticks["ask"] - ticks["bid"])[:-1]
    np.testing.assert_allclose(wealth, gross.sum() - (np.abs(bought) * half).sum(), rtol=1e-9, atol=1e-6)
    scale = 1e4 / price[:-1].mean() / len(gross)
    return float(gross.sum() * scale), float(wealth * scale)


def table(make: Callable[[int], np.ndarray], rule: str) -> tuple[float, float, float, float]:
    """Gross and net means over the seeds, each with its standard error."""
    each = np.array([earned(make(seed), rule) for seed in range(SEEDS)])
    error = each.std(axis=0, ddof=1) / math.sqrt(SEEDS)
    return each[:, 0].mean(), error[0], each[:, 1].mean(), error[1]


def of(name: str) -> Callable[[int], np.ndarray]:
    return lambda seed: filled(NULLS[name](seed), TICKS)


def noisy(seed: int) -> np.ndarray:
    """Gbm whose quotes carry noise that the next one takes back."""
    ticks = filled(NULLS["gbm"](seed), TICKS)
    noise = np.exp(1e-4 * np.random.default_rng(seed).standard_normal(TICKS))
    for side in ("bid", "ask"):
        ticks[side] *= noise
    return ticks


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", ["gbm", "garch-t", "bootstrap"])
def test_rules_earn_nothing_but_their_costs(name: str, rule: str) -> None:
    """Gross 0 within 3 standard errors over 20 seeds; net gross less half a spread a side, below 0."""
    gross, error, net, net_error = table(of(name), rule)
    assert abs(gross) < 3 * error
    assert net < -10 * net_error


@pytest.mark.parametrize("rule", RULES)
def test_rules_lose_on_hawkes_after_costs(rule: str) -> None:
    """At the mid the price can be foretold, by less than a tenth of what it costs."""
    gross, error, net, net_error = table(of("hawkes"), rule)
    assert abs(gross) > 10 * error
    assert abs(gross) < 0.1 * abs(net)
    assert net < -10 * net_error


@pytest.mark.parametrize("rule", RULES)
def test_without_signs_the_bootstrap_is_no_null(rule: str) -> None:
    gross, error, _, _ = table(lambda seed: filled(bootstrap(seed, recorded(), signs=False), TICKS), rule)
    assert abs(gross) > 10 * error


def test_with_noise_the_walk_is_no_null() -> None:
    gross, error, _, _ = table(noisy, "fade")
    assert gross > 50 * error


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", ["20210108", "20240808T2354"])
def test_rules_earn_nothing_on_shared_recordings(name: str, rule: str) -> None:
    if not SHARED.exists():
        pytest.skip("the shared recordings are not here")
    gross, error, net, net_error = table(lambda seed: filled(bootstrap(seed, recorded(name)), TICKS), rule)
    assert abs(gross) < 3 * error
    assert net < -10 * net_error


# The edges

GOOD = np.full(8, 1e-3)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: garch(1, -1e-9), "sd must be from 0 to 0.1, was -1e-09"),
        (lambda: garch(1, math.nan), "sd must be from 0 to 0.1, was nan"),
        (lambda: GarchMarket(1, 0, 1, 0.0, 0.1), "price must be from 1e-9"),
        (lambda: HawkesMarket(1, 0, 1, 1e13), "price must be from 1e-9"),
        (lambda: hawkes(1, impact_bps=101.0), "impact_bps must be from 0 to 100, was 101"),
        (lambda: hawkes(1, permanent=-0.1), "permanent must be from 0 to 1, was -0.1"),
        (lambda: hawkes(1, spread_bps=1e4), "spread_bps must be from 0 to 1000"),
        (lambda: bootstrap(1, GOOD, 0.2), "sd must be from 0 to 0.1, was 0.2"),
        (lambda: bootstrap(1, GOOD, block=0.5), "block must be from 1 to 1e9, was 0.5"),
        (lambda: bootstrap(1, GOOD[:7]), "returns must be at least 8, was 7"),
        (lambda: bootstrap(1, 0 * GOOD), "returns must not all be 0"),
        (lambda: bootstrap(1, np.append(GOOD, math.nan)), "from -1 to 1, was nan at 8"),
        (lambda: bootstrap(1, np.append(GOOD, -1.1)), "from -1 to 1, was -1.1 at 8"),
    ],
)
def test_bad_null_markets(make: Callable[[], NullMarket], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        make()


@pytest.mark.parametrize("wrong", [[1e-3] * 8, GOOD.astype(np.float32), np.ones((8, 1))])
def test_returns_of_another_type(wrong: object) -> None:
    with pytest.raises(TypeError, match="returns must be a one-dimensional array of float64"):
        bootstrap(1, wrong)


def test_returns_are_copied_from_any_stride() -> None:
    returns = np.repeat(recorded(), 2)
    market = bootstrap(1, returns[::2])
    returns[:] = 0.5
    assert filled(market, 2000).tobytes() == filled(bootstrap(1, recorded()), 2000).tobytes()


WILD: dict[str, Callable[[], NullMarket]] = {
    "garch-t": lambda: garch(1, 0.1),
    "bootstrap": lambda: bootstrap(1, np.linspace(-1, 1, 9)),
    "hawkes": lambda: hawkes(1, impact_bps=100),
}


@pytest.mark.parametrize("make", WILD.values(), ids=WILD)
def test_prices_that_run_away_are_rejected_not_crashed(make: Callable[[], NullMarket]) -> None:
    processor = Processor(BUSY, 100.0, make())
    processor.run(300_000)
    totals = processor.totals()
    assert totals["ticks"] + sum(totals["rejected"].values()) == 300_000


if __name__ == "__main__":
    for market in NULLS:
        for followed in RULES:
            mean, error, net, _ = table(of(market), followed)
            gross = f"{mean:+.5f} +- {error:.5f} bps a tick, t {mean / error:+.2f}"
            print(f"{market:9} {followed:8} gross {gross}, net at the touch {net:+.5f}")
