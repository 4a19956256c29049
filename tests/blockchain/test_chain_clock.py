import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from livetrading.blockchain import chain_clock
from livetrading.blockchain.chain_clock import MAX_SPAN_NS, ChainClock, smoothed_true_price
from livetrading.blockchain.mathematical_price import true_price
from livetrading.blockchain.protocol import DomainError, difficulty, hashrate_from_difficulty, retarget
from livetrading.core.dtypes import KNOT

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "chain.json").read_text())
START = 1_764_478_080 * 10**9
DAY = 86_400 * 10**9
YEAR = 365 * DAY
FIRST_RETARGET = 460 * 2016


def difficulties(knots: np.ndarray) -> np.ndarray:
    """Difficulty of every block, from nothing but the times."""
    times = dict(zip(knots["height"].tolist(), (knots["ts"] // 10**9).tolist(), strict=True))
    times[FIRST_RETARGET - 2016] = START // 10**9 - 466 * 600
    bits, rows = 0x1701E2A0, []
    for height in knots["height"].tolist():
        if height % 2016 == 0:
            bits = retarget(times[height - 2016], times[height - 1], bits)
        rows.append(difficulty(bits))
    return np.array(rows)


@pytest.fixture(scope="module")
def year() -> np.ndarray:
    clock = ChainClock(7)
    return clock.knots(clock.start_ns + YEAR)


def test_it_starts_at_the_reference_point() -> None:
    clock = ChainClock(1)
    assert clock.start_ns == START
    first = clock.knots(START - 1)
    assert first.dtype == KNOT
    assert first[["ts", "height"]].tolist() == [(START, 925_810)]
    expected = GOLDEN["conventions"]["retarget_difficulty"]
    assert first["true_price"][0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("mode", ["poisson", "schedule"])
def test_equal_bits_on_every_machine(mode: str) -> None:
    knots = ChainClock(1, mode).knots(START + 60 * DAY)
    assert hashlib.sha256(knots.tobytes()).hexdigest() == GOLDEN["knots_sha256"][mode]


def test_a_knot_is_a_block_with_its_price(year: np.ndarray) -> None:
    assert np.all(np.diff(year["height"]) == 1)
    assert np.all(np.diff(year["ts"]) >= 10**9)
    assert np.all(year["ts"] % 10**9 == 0)
    rates = [hashrate_from_difficulty(value) for value in difficulties(year).tolist()]
    for row, rate in list(zip(year, rates, strict=True))[::97]:
        assert row["true_price"] == true_price(int(row["height"]), rate, int(row["ts"]) // 10**9).price_usd


def test_price_moves_only_at_retargets(year: np.ndarray) -> None:
    steps = np.abs(np.diff(np.log(year["true_price"])))
    at_retarget = year["height"][1:] % 2016 == 0
    assert steps[~at_retarget].max() < 1e-5
    assert np.median(steps[at_retarget]) > 1e-3


def scaled_intervals(knots: np.ndarray, growth: float) -> np.ndarray:
    """Intervals over the mean that the law gives them, taken from the definition."""
    years = (knots["ts"][:-1] - START) / YEAR
    equilibrium = difficulty(0x1701E2A0) * (1 + growth) ** years
    return np.diff(knots["ts"]) / 1e9 / (600 * difficulties(knots)[1:] / equilibrium)


@pytest.mark.parametrize(("seed", "growth"), [(7, 0.40), (8, 0.0), (9, -0.5)])
def test_intervals_are_exponential(seed: int, growth: float) -> None:
    x = scaled_intervals(ChainClock(seed, growth=growth).knots(START + YEAR), growth)
    n = len(x)
    assert n > 20_000
    assert abs(x.mean() - 1) < 4 / math.sqrt(n)
    assert abs(x.var() - 1) < 4 * math.sqrt(8 / n)  # the variance of an exponential's sample variance is 8/n
    assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 4 / math.sqrt(n)
    # Whole seconds move the distribution by at most half a second in 600: the bound is that much wider.
    assert stats.kstest(x, "expon").statistic < 1.95 / math.sqrt(n) + 1 / 1200


def test_difficulty_follows_the_hash_rate(year: np.ndarray) -> None:
    # It lags by an epoch and a half on average, 2%, and its own error is 1/sqrt(2016).
    assert difficulties(year)[-1] / difficulty(0x1701E2A0) == pytest.approx(1.40 * 0.98, rel=0.09)
    assert len(year) > 365 * 144


def test_schedule_is_exact() -> None:
    knots = ChainClock(3, "schedule").knots(START + 60 * DAY)
    assert np.all(np.diff(knots["ts"]) == 600 * 10**9)
    assert len(knots) == 60 * 144 + 2
    assert knots.tobytes() == ChainClock(4, "schedule", growth=2.0).knots(START + 60 * DAY).tobytes()
    # 2015 intervals are measured against 2016.
    ratio = difficulties(knots)[-1] / difficulty(0x1701E2A0)
    assert ratio == pytest.approx((2016 / 2015) ** 4, rel=4e-5)


def test_seeds_differ() -> None:
    one, other = (ChainClock(seed).knots(START + DAY)["ts"][1:] for seed in (1, 2))
    assert not set(one.tolist()) & set(other.tolist())


def test_the_generator_is_philox_on_the_stream_of_block_arrivals() -> None:
    # Word k is that of counter k // 4 + 1, so that any block's draw can be computed alone.
    counter_1 = np.random.Philox(key=np.array([42, 3], dtype=np.uint64), counter=0).random_raw(4)
    counter_2 = np.random.Philox(key=np.array([42, 3], dtype=np.uint64), counter=1).random_raw(4)
    words = np.concatenate([counter_1, counter_2])
    uniform = ((words >> np.uint64(12)) + 0.5) * 2.0**-52
    intervals = np.diff(ChainClock(42, growth=0.0).knots(START + DAY)["ts"])[:8]
    assert intervals.tolist() == (np.maximum(1, np.round(-600 * np.log(uniform))) * 1e9).tolist()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**64 - 1),
    st.sampled_from(["poisson", "schedule"]),
    st.lists(st.integers(-3600 * 10**9, 20 * DAY), max_size=12),
)
def test_chunks_make_one_chain(seed: int, mode: str, untils: list[int]) -> None:
    clock, reached, chunks = ChainClock(seed, mode), -1, []
    for until in (START + offset for offset in untils):
        chunk = clock.knots(until)
        if len(chunk):
            assert np.all(chunk["ts"][:-1] <= until)
            assert chunk["ts"][-1] > until
            reached = int(chunk["ts"][-1])
        assert reached > until
        chunks.append(chunk)
    chunks.append(clock.knots(START + 20 * DAY))
    assert np.concatenate(chunks).tobytes() == ChainClock(seed, mode).knots(START + 20 * DAY).tobytes()


def test_one_call_reaches_a_year_at_most() -> None:
    clock = ChainClock(1, "schedule")
    with pytest.raises(
        DomainError, match=f"^until_ns must be at most {MAX_SPAN_NS} ns after the last knot, was"
    ):
        clock.knots(START + MAX_SPAN_NS + 1)
    assert len(clock.knots(START + MAX_SPAN_NS)) == 52_560 + 2
    last = START + MAX_SPAN_NS + 600 * 10**9
    with pytest.raises(DomainError, match=r"^until_ns must"):
        clock.knots(last + MAX_SPAN_NS + 1)
    assert clock.knots(last)["height"].tolist() == [925_810 + 52_562]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": -1}, "^seed must be from 0 to"),
        ({"seed": 2**64}, "^seed must be from 0 to"),
        ({"mode": "clock"}, "^mode must be one of poisson, schedule, was 'clock'"),
        ({"growth": -1.0}, "^growth must be from -0.9 to 9, was -1.0"),
        ({"growth": math.nan}, "^growth must be"),
        ({"growth": math.inf, "mode": "schedule"}, "^growth must be"),
    ],
)
def test_arguments_outside_their_range(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DomainError, match=message):
        ChainClock(**{"seed": 1, **changes})


def test_a_seed_is_an_integer() -> None:
    with pytest.raises(TypeError):
        ChainClock(1.5)


RATE, TIME = 6e20, 1_713_571_767


def test_a_smoothed_halving_has_no_jump() -> None:
    prices = [smoothed_true_price(height, RATE, TIME) for height in range(839_990, 842_030)]
    assert np.abs(np.diff(np.log(prices))).max() < 1e-3
    jump = true_price(840_000, RATE, TIME).price_usd / true_price(839_999, RATE, TIME).price_usd
    assert prices[-1] / prices[0] == pytest.approx(jump, rel=1e-3)


@pytest.mark.parametrize("height", [1000, 209_999, 839_999, 842_015, 842_016, 900_000])
def test_smoothing_leaves_the_rest_alone(height: int) -> None:
    assert smoothed_true_price(height, RATE, TIME) == true_price(height, RATE, TIME).price_usd


def test_the_blend_is_linear_in_the_blocks() -> None:
    middle = smoothed_true_price(841_007, RATE, TIME)
    row = true_price(841_007, RATE, TIME)
    unhalved = true_price(839_999, RATE, TIME, supply_btc=row.supply_btc).price_usd
    assert middle == pytest.approx((unhalved + row.price_usd) / 2, rel=1e-12)


def test_the_clock_smooths_where_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_clock, "REFERENCE_HEIGHT", 839_998)
    plain, smooth = (ChainClock(5, smooth_halving=s).knots(START + DAY)["true_price"] for s in (False, True))
    assert plain[:2].tolist() == smooth[:2].tolist()
    assert plain[2] / plain[1] > 1.7
    assert 1.0 < smooth[2] / smooth[1] < 1.001
