"""The same bytes, however the ticks are cut into calls, and nothing from the future."""

import hashlib
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tapes import DT_NS, START_NS, awkward, chaos, chaos_market, filled, gbm, preset, raw, replayed
from test_processor import BUSY, VARIANTS

from livetrading.core.dtypes import RESULT, TICK
from livetrading.core.market import ChaosMarket, GbmMarket
from livetrading.core.processor import Processor
from livetrading.core.settings import Settings

GOLDEN = Path(__file__).parents[1] / "golden" / "path.json"
SPREAD = {"realistic": 1.0, "seed": 0.0}
N = 60_000


def fills_of(settings: Settings, steps: list[int], seed: int = 1, spread_bps: float = 0.3) -> tuple[int, str]:
    """Run the chaos market in these steps; how many fills it gave, and their digest."""
    processor = Processor(settings, 10_000.0, chaos_market(seed, sum(steps), spread_bps=spread_bps))
    for n in steps:
        processor.run(n)
    processor.close()
    totals = processor.totals()
    assert totals["fills"] > 0
    return totals["fills"], totals["fills_sha256"]


def digest(settings: Settings, steps: list[int], seed: int = 1, spread_bps: float = 0.3) -> str:
    return fills_of(settings, steps, seed, spread_bps)[1]


def golden_run(name: str) -> dict[str, object]:
    """A short run of a preset, as it stands in tests/golden/path.json."""
    n, seen = 400_000, hashlib.sha256()
    processor = Processor(preset(name), 100.0, chaos_market(1, n, spread_bps=SPREAD[name]))
    rows = np.zeros(n // 1000, RESULT)
    processor.run(n, rows, 1000)
    processor.close()
    for column in RESULT.names:
        values = rows[column]
        if values.dtype.kind == "f":  # what sign a NaN has is the compiler's choice
            values = np.where(np.isnan(values), np.nan, values)
        seen.update(values.tobytes())
    totals = processor.totals()
    return {
        "ticks": n,
        "fills": totals["fills"],
        "fills_sha256": totals["fills_sha256"],
        "rows_sha256": seen.hexdigest(),
    }


@pytest.mark.parametrize("name", SPREAD)
def test_golden(name: str) -> None:
    """Where results were meant to change, renew it: run this file with python, PYTHONPATH=tests/core."""
    assert golden_run(name) == json.loads(GOLDEN.read_text(encoding="utf-8"))[name]


@pytest.mark.parametrize("name", SPREAD)
def test_presets_twice(name: str) -> None:
    steps = [[N], [N], [1, 1023, 1, 20_000, 0, N - 21_025]]
    assert len({digest(preset(name), cut, spread_bps=SPREAD[name]) for cut in steps}) == 1


def test_another_seed_is_another_run() -> None:
    assert digest(BUSY, [N]) != digest(BUSY, [N], seed=2)


cut_points = st.lists(st.integers(0, 20_000), max_size=6).map(sorted)


@pytest.mark.parametrize("name", ["busy", "250 ms late", "plain"])
@settings(max_examples=15, deadline=None)
@given(cut_points)
def test_chunks_of_run(name: str, cuts: list[int]) -> None:
    steps = np.diff([0, *cuts, 20_000]).tolist()
    assert digest(VARIANTS[name], steps) == digest(VARIANTS[name], [20_000])


@pytest.mark.parametrize(("name", "fills"), [("realistic", 10), ("seed", 10_000)])
@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 200_000), max_size=6).map(sorted))
def test_chunks_of_presets(name: str, fills: int, cuts: list[int]) -> None:
    """On as many ticks as the costs of `realistic` need for more than a few fills."""
    rules, spread_bps = preset(name), SPREAD[name]
    whole = fills_of(rules, [200_000], spread_bps=spread_bps)
    assert whole[0] > fills
    assert fills_of(rules, np.diff([0, *cuts, 200_000]).tolist(), spread_bps=spread_bps) == whole


@pytest.mark.parametrize("size", [1, 7, 128, 255, 256, 257, 1023, 1024, 1025, 4096, 4097, 16_384, 16_385])
def test_even_chunks_of_run(size: int) -> None:
    n = 20_000 if size > 7 else 4000
    steps = [size] * (n // size) + [n % size]
    assert digest(BUSY, steps) == digest(BUSY, [n])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 6000), max_size=6), st.sampled_from(sorted(VARIANTS)), st.booleans())
def test_chunks_of_replay(cuts: list[int], name: str, tame: bool) -> None:
    ticks, truth = chaos(7, 6000, spread_bps=0.3) if tame else (awkward(7, 6000), None)
    whole, cut = (replayed(VARIANTS[name], ticks, truth, cuts=c, close=True) for c in ((), tuple(cuts)))
    assert cut.rows.tobytes() == whole.rows.tobytes()
    assert cut.fills.tobytes() == whole.fills.tobytes()
    assert cut.totals == whole.totals


@pytest.mark.parametrize("every", [1, 3, 1000, 10**6])
def test_every_thins_the_rows(every: int) -> None:
    ticks, truth = chaos(8, 5000, spread_bps=0.3)
    rows = replayed(BUSY, ticks, truth).rows
    processor, out = Processor(BUSY, 10_000.0), np.zeros(5000, RESULT)
    done = 0
    for start in (0, 777, 1554):
        stop = min(start + 777, 5000) if start < 1554 else 5000
        done += processor.replay(ticks[start:stop], out[done:], every, truth[start:stop])
    assert done == len(rows[::every])
    np.testing.assert_array_equal(raw(out[:done]), raw(rows)[::every])


def jumping(seed: int, n: int) -> np.ndarray:
    """Awkward ticks at a thousand times the price and back, with single sizes a billion times the rest.

    So that no rolling sum goes far without being recomputed.
    """
    ticks, rng = awkward(seed, n), np.random.default_rng(seed)
    scale = 1000.0 ** (np.arange(n) // 333 % 2)
    for name in ("price", "bid", "ask"):
        ticks[name] *= scale
    for name in ("bid_size", "ask_size"):
        ticks[name] *= np.where(rng.random(n) < 0.005, 1e9, 1.0)
    return ticks


TAPES = {
    "chaos": lambda: chaos(9, 6000, spread_bps=0.3)[0],
    "gbm, then awkward": lambda: np.concatenate([gbm(9, 3000), later(awkward(9, 3000), 3000 * DT_NS)]),
    "jumping": lambda: jumping(9, 6000),
}


def later(ticks: np.ndarray, ns: int) -> np.ndarray:
    ticks["ts"] += ns
    return ticks


@pytest.mark.parametrize("tape", TAPES)
@pytest.mark.parametrize("name", ["busy", "plain", "1 ms late", "realistic", "seed"])
def test_one_tick_at_a_time(name: str, tape: str) -> None:
    """Rolling sums go by stretches of 128 where a call has them: bit for bit as if pushed singly."""
    ticks, rules = TAPES[tape](), VARIANTS[name] if name in VARIANTS else preset(name)
    whole, single, told = (Processor(rules, 10_000.0) for _ in range(3))
    rows, ones = np.zeros(len(ticks), RESULT), np.zeros(len(ticks), RESULT)
    rows, done = rows[: whole.replay(ticks, rows)], 0
    for at in range(len(ticks)):
        taken = single.replay(ticks[at : at + 1], ones[done:])
        direction = told.on_tick(*ticks[at].item())
        assert direction == (ones["direction"][done] if taken else 0)
        done += taken
    assert ones[:done].tobytes() == rows.tobytes()
    assert single.totals() == told.totals() == whole.totals()
    assert np.abs(rows["direction"]).any()


@pytest.mark.parametrize("tape", TAPES)
def test_replay_goes_on_where_on_tick_was(tape: str) -> None:
    ticks = TAPES[tape]()
    whole, begun = Processor(BUSY, 10_000.0), Processor(BUSY, 10_000.0)
    rows, rest = np.zeros(len(ticks), RESULT), np.zeros(len(ticks), RESULT)
    rows = rows[: whole.replay(ticks, rows)]
    for tick in ticks[:4000].tolist():
        begun.on_tick(*tick)
    rest = rest[: begun.replay(ticks[4000:], rest)]
    assert 0 < len(rest) < len(rows)
    assert rest.tobytes() == rows[-len(rest) :].tobytes()


def test_run_is_replay_of_its_market() -> None:
    ticks, truth = chaos(1, N, spread_bps=0.3)
    replay = Processor(BUSY, 10_000.0)
    replay.replay(ticks, true_price=truth)
    replay.close()
    assert replay.totals()["fills_sha256"] == digest(BUSY, [N])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 5000), max_size=6), st.integers(0, 2**64 - 1), st.booleans())
def test_chunks_of_a_market(cuts: list[int], seed: int, chaotic: bool) -> None:
    borders = [0, *sorted(cuts), 5000]

    def market() -> ChaosMarket | GbmMarket:
        return chaos_market(seed, 5000) if chaotic else GbmMarket(seed, START_NS, DT_NS, 5e4, 1e-4)

    whole, pieces = market(), market()
    ticks = np.zeros(5000, TICK)
    for start, stop in pairwise(borders):
        pieces.fill(ticks[start:stop])
    assert ticks.tobytes() == filled(whole, 5000).tobytes()


FIELDS = {
    "price": (1e-3, 10.0),
    "bid": (0.9, 0.9999),
    "ask": (1.0001, 1.1),
    "bid_size": (0.0, 50.0),
    "ask_size": (0.0, 50.0),
    "volume": (0.0, 50.0),
}
alterations = st.dictionaries(st.sampled_from(sorted(FIELDS)), st.floats(0, 1), min_size=1)


def altered(ticks: np.ndarray, at: int, changes: dict[str, float]) -> np.ndarray:
    """Change fields of one tick, and of all after it by the same factors."""
    out = ticks.copy()
    for name, share in changes.items():
        low, high = FIELDS[name]
        out[name][at:] *= low + share * (high - low)
    out["side"][at:] *= -1
    return out


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2999), alterations, st.sampled_from(sorted(VARIANTS)))
def test_no_look_ahead(at: int, changes: dict[str, float], name: str) -> None:
    ticks, truth = chaos(11, 3000, spread_bps=0.3)
    past = replayed(VARIANTS[name], ticks, truth)
    other_truth = np.where(np.arange(3000) < at, truth, truth * 1.1)
    other = replayed(VARIANTS[name], altered(ticks, at, changes), other_truth)
    assert other.rows[:at].tobytes() == past.rows[:at].tobytes()
    assert other.rows[at:].tobytes() != past.rows[at:].tobytes()
    known, same = (int(np.searchsorted(out.fills["ts"], ticks["ts"][at])) for out in (past, other))
    assert other.fills[:same].tobytes() == past.fills[:known].tobytes()


def test_no_look_ahead_through_random_bytes() -> None:
    ticks, truth = chaos(12, 3000, spread_bps=0.3)
    past = replayed(BUSY, ticks, truth).rows
    ticks[2000:] = np.frombuffer(np.random.default_rng(1).bytes(1000 * TICK.itemsize), TICK)
    other = replayed(BUSY, ticks, truth).rows
    assert other[:2000].tobytes() == past[:2000].tobytes()


if __name__ == "__main__":
    GOLDEN.write_text(
        json.dumps({name: golden_run(name) for name in SPREAD}, indent=4) + "\n", encoding="utf-8"
    )
