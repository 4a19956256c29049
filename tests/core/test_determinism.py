"""The same bytes, however the ticks are cut into calls, and nothing from the future."""

import hashlib
import json
import threading
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


def digest(settings: Settings, steps: list[int], seed: int = 1, spread_bps: float = 0.3) -> str:
    processor = Processor(settings, 10_000.0, chaos_market(seed, sum(steps), spread_bps=spread_bps))
    for n in steps:
        processor.run(n)
    processor.close()
    totals = processor.totals()
    assert totals["fills"] > 0
    return totals["fills_sha256"]


def golden_run(name: str) -> dict[str, object]:
    """A short run of a preset, as it stands in tests/golden/path.json."""
    n, seen = 400_000, hashlib.sha256()
    processor = Processor(preset(name), 100.0, chaos_market(1, n, spread_bps=SPREAD[name]))
    rows = np.zeros(n // 1000, RESULT)
    processor.run(n, rows, 1000)
    processor.close()
    for column in RESULT.names:
        seen.update(rows[column].tobytes())
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


cut_points = st.lists(st.integers(0, 20_000), max_size=6).map(lambda cuts: tuple(sorted(cuts)))


@settings(max_examples=30, deadline=None)
@given(cut_points, st.sampled_from(["busy", "250 ms late", "plain", "seed"]))
def test_chunks_of_run(cuts: tuple[int, ...], name: str) -> None:
    rules = VARIANTS[name] if name in VARIANTS else preset(name)
    steps = np.diff([0, *cuts, 20_000]).tolist()
    assert digest(rules, steps) == digest(rules, [20_000])


@pytest.mark.parametrize("size", [1, 7, 1023, 1024, 1025, 16_384, 16_385])
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


@pytest.mark.parametrize("name", ["busy", "plain", "1 ms late"])
def test_on_tick_is_replay(name: str) -> None:
    ticks = np.concatenate([gbm(9, 3000), awkward(9, 3000)])
    ticks["ts"][3000:] += 3000 * DT_NS
    whole, single = Processor(VARIANTS[name], 10_000.0), Processor(VARIANTS[name], 10_000.0)
    rows = np.zeros(len(ticks), RESULT)
    rows = rows[: whole.replay(ticks, rows)]
    said = [single.on_tick(*tick) for tick in ticks.tolist()]
    assert single.totals() == whole.totals()
    assert sum(map(abs, said)) == np.abs(rows["direction"]).sum() > 0


def test_run_is_replay_of_its_market() -> None:
    ticks, truth = chaos(1, N, spread_bps=0.3)
    replay = Processor(BUSY, 10_000.0)
    replay.replay(ticks, true_price=truth)
    replay.close()
    assert replay.totals()["fills_sha256"] == digest(BUSY, [N])


def test_threads() -> None:
    """Engines in threads of their own do not know of each other."""
    seen: list[str] = []
    workers = [threading.Thread(target=lambda: seen.append(digest(BUSY, [200_000]))) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert seen == [digest(BUSY, [200_000])] * 2


def test_one_processor_in_two_threads_is_refused() -> None:
    """The second caller is told, and the first is not disturbed."""
    told: list[str] = []

    def meddle(_: object) -> None:
        try:
            processor.on_tick(0, 1.0, 1.0, 1.0, 1.0, 1.0)
        except RuntimeError as error:
            told.append(str(error))

    processor = Processor(BUSY, 10_000.0, chaos_market(1, N, spread_bps=0.3), on_fills=meddle)
    processor.run(N)
    processor.close()
    assert "running in another thread" in told[0]
    assert processor.totals()["fills_sha256"] == digest(BUSY, [N])


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
