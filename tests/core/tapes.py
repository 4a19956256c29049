"""Ticks for the tests of the compiled path: simulated, recorded, and made to be awkward."""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from reference_path import ReferencePath

from livetrading.blockchain.chain_clock import ChainClock
from livetrading.config import load_config
from livetrading.core.dtypes import FILL, RESULT, TICK
from livetrading.core.market import ChaosMarket, GbmMarket
from livetrading.core.processor import Processor
from livetrading.core.settings import Settings
from livetrading.core.totals import Totals
from livetrading.data.ticks import read_ticks

START_NS = 1_764_478_080 * 10**9
DT_NS = 10**8
DATA = Path(__file__).parents[1] / "data"


def preset(name: str, **flags: object) -> Settings:
    """Return a preset's settings, some of them replaced: `broker__taker_bps=0`."""
    given = {key.replace("__", "."): value for key, value in flags.items()}
    return load_config({"run.capital": 100, **given}, preset=name, environ={}).settings


def knots(seed: int, n: int, dt_ns: int = DT_NS) -> np.ndarray:
    return ChainClock(seed).knots(START_NS + n * dt_ns)


def chaos_market(seed: int, n: int, dt_ns: int = DT_NS, spread_bps: float = 1.0) -> ChaosMarket:
    """Return a market that can make n ticks."""
    market = ChaosMarket(seed, START_NS, dt_ns, spread_bps=spread_bps)
    market.feed(knots(seed, n, dt_ns))
    return market


def filled(market: ChaosMarket | GbmMarket, n: int) -> np.ndarray:
    ticks = np.zeros(n, TICK)
    market.fill(ticks)
    return ticks


def chaos(seed: int, n: int, dt_ns: int = DT_NS, spread_bps: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return n ticks of the chaos market and the true price at each."""
    ticks = filled(chaos_market(seed, n, dt_ns, spread_bps), n)
    found = knots(seed, n, dt_ns)
    return ticks, found["true_price"][np.searchsorted(found["ts"], ticks["ts"], side="right") - 1]


def gbm(seed: int, n: int, sd: float = 1e-4, spread_bps: float = 1.0) -> np.ndarray:
    return filled(GbmMarket(seed, START_NS, DT_NS, 97_000.0, sd, spread_bps=spread_bps), n)


def recording() -> np.ndarray:
    """Return the 600 rows of the recording in tests/data."""
    return read_ticks([DATA / f"btcusdt_spot_20240808_{kind}.csv" for kind in ("quotes", "trades")])


def awkward(seed: int, n: int) -> np.ndarray:
    """Return good and bad ticks: jumps, gaps, still and locked quotes, sizes unknown, 0 and tiny."""
    rng = np.random.default_rng(seed)
    t = np.zeros(n, TICK)
    steps = rng.standard_normal(n) * rng.choice([0.0, 1e-6, 1e-4, 1e-2], n, p=[0.3, 0.2, 0.45, 0.05])
    steps[rng.integers(1, n, 3)] += rng.choice([-7.0, 7.0], 3)
    mid = 50_000 * np.exp(np.cumsum(steps - steps.mean()))
    still = rng.random(n) < 0.2
    mid = mid[np.maximum.accumulate(np.where(still, 0, np.arange(n)))]
    half = mid * rng.choice([0.0, 1e-6, 1e-4], n, p=[0.03, 0.57, 0.4])
    gaps = rng.choice([0, 1, 10**6, 10**8, 7 * 10**10, 9 * 10**13], n, p=[0.1, 0.1, 0.3, 0.48, 0.015, 0.005])
    t["ts"] = START_NS + np.cumsum(gaps)
    t["bid"], t["ask"] = mid - half, mid + half
    for side in ("bid_size", "ask_size"):
        t[side] = np.exp(rng.standard_normal(n) - rng.choice([0, 8], n))
        t[side][rng.random(n) < 0.05] = 0
        t[side][rng.random(n) < 0.05] = np.nan
    t["flags"] = rng.choice([0, 1, 2, 3, 5, 6], n, p=[0.02, 0.4, 0.25, 0.29, 0.02, 0.02])
    traded = t["flags"] & 2 > 0
    t["price"] = np.where(traded, mid * (1 + 1e-4 * rng.standard_normal(n)), mid)
    t["volume"] = np.where(traded, rng.exponential(rng.choice([0.01, 1, 40], n)), 0)
    t["side"] = np.where(traded, rng.choice([-1, 0, 1], n), 0)
    unquoted = t["flags"] & 4 > 0
    for name in ("bid", "ask", "price"):
        t[name][unquoted] = mid[unquoted]
    spoil(t, rng)
    return t


def spoil(t: np.ndarray, rng: np.random.Generator) -> None:
    """Make a few ticks bad, each kind at least once."""
    n = len(t)
    faults = [("price", np.nan), ("price", np.inf), ("price", 0.0), ("price", -1.0), ("bid", np.nan),
              ("ask", np.inf), ("bid", 1e308), ("bid", 4e-320), ("ask", 1.0), ("ts", 0), ("ts", 2**62 + 1),
              ("bid_size", -1.0), ("ask_size", 1e300), ("volume", np.nan), ("volume", -1e-9)]  # fmt: skip
    for at, (name, value) in zip(rng.choice(n, len(faults), replace=False), faults, strict=True):
        t[name][at] = value
    unquoted = rng.choice(n, 2, replace=False)
    t["bid"][unquoted] = t["ask"][unquoted] = np.nan
    t["flags"][unquoted] = 2


def known(prices: np.ndarray) -> np.ndarray:
    """Return these as true prices, not known where they are none."""
    return np.where((prices >= 1e-12) & (prices <= 1e15), prices, np.nan)


def raw(records: np.ndarray) -> np.ndarray:
    """Return the bytes of records, a row each, with the padding, which numpy does not copy."""
    return records.view(np.uint8).reshape(len(records), records.itemsize)


@dataclass
class Outcome:
    """What a processor made of a tape."""

    rows: np.ndarray
    fills: np.ndarray
    totals: Totals


def replayed(
    settings: Settings,
    ticks: np.ndarray,
    true_price: np.ndarray | None = None,
    capital: float = 10_000.0,
    cuts: tuple[int, ...] = (),
    close: bool = False,
    signal: np.ndarray | None = None,
) -> Outcome:
    """Replay a tape, cut where asked, with every row and fill."""
    bought: list[bytes] = []
    processor = Processor(settings, capital, on_fills=lambda fills: bought.append(fills.tobytes()))
    borders = [0, *sorted(cuts), len(ticks)]
    rows, written = np.zeros(len(ticks), RESULT), 0
    for start, stop in pairwise(borders):
        truth = None if true_price is None else true_price[start:stop]
        said = None if signal is None else signal[start:stop]
        written += processor.replay(ticks[start:stop], rows[written:], true_price=truth, signal=said)
    if close:
        processor.close()
    totals = processor.totals()
    return Outcome(rows[:written], np.frombuffer(b"".join(bought), FILL), totals)


def assert_twins(settings: Settings, ticks: np.ndarray, true_price: np.ndarray | None = None,
                 capital: float = 10_000.0, signal: np.ndarray | None = None) -> Outcome:  # fmt: skip
    """Assert that the compiled path and the plain one agree on a tape, closed at its end."""
    plain = ReferencePath(settings, capital)
    plain.take(ticks, true_price, signal)
    rows = plain.results()
    plain.close()
    real = replayed(settings, ticks, true_price, capital, close=True, signal=signal)
    fills = plain.fills()
    assert len(real.rows) == len(rows)
    for name in RESULT.names:
        exact = RESULT[name].kind == "i"
        tolerance = {"rtol": 0.0 if exact else 1e-9, "atol": 0.0 if exact else 1e-12}
        np.testing.assert_allclose(real.rows[name], rows[name], err_msg=name, equal_nan=True, **tolerance)
    for name in FILL.names:
        np.testing.assert_array_equal(real.fills[name], fills[name], err_msg=name)
    assert real.fills.tobytes() == fills.tobytes()
    assert_totals(real.totals, plain)
    return real


def assert_totals(totals: Totals, plain: ReferencePath) -> None:
    ledgers = [book.ledger for book in plain.books]
    whole = ("trades", "wins", "position", "cash", "gross", "net", "fees", "borrow")
    units = {"position": "position_sat", "cash": "cash_micro", "gross": "gross_micro", "net": "net_micro",
             "fees": "fees_micro", "borrow": "borrow_micro"}  # fmt: skip
    assert {name: totals[units.get(name, name)] for name in whole} == {
        name: sum(getattr(ledger, name) for ledger in ledgers) for name in whole
    }
    assert (totals["ticks"], totals["fills"]) == (plain.index, len(plain.filled))
    assert +Counter(totals["rejected"]) == +plain.rejected
    assert +Counter(totals["refused"]) == +plain.refused
    returns = [r for ledger in ledgers for r in ledger.returns]
    np.testing.assert_allclose(
        [totals["equity_usd"], totals["max_drawdown"], totals["return_sum"], totals["return_sum_sq"]],
        [plain.equity, plain.max_drawdown, sum(returns), sum(r * r for r in returns)],
        rtol=1e-9,
        atol=1e-12,
    )
