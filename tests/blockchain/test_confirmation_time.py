"""Waits for confirmation: the golden table, and two ways to the same probabilities."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from livetrading.blockchain.block_intervals import arrival_probability
from livetrading.blockchain.confirmation_time import (
    FeeEstimate,
    Queue,
    confirmation_probabilities,
    fee_for,
    fluid_blocks,
    node_estimate,
    simulate_confirmation,
)
from livetrading.blockchain.mempool_math import FEE_EDGES, FeeHistogram, MempoolState
from livetrading.blockchain.protocol import DomainError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "mempool.json").read_text())["confirmation"]
BINS = len(FEE_EDGES) - 1


def histogram(sizes: dict[float, int]) -> FeeHistogram:
    vbytes = np.zeros(BINS, np.int64)
    for edge, size in sizes.items():
        vbytes[int(np.searchsorted(FEE_EDGES, edge))] = size
    return FeeHistogram(np.minimum(vbytes, 1), vbytes, vbytes)


def state(ahead: dict[float, int], arriving: dict[float, int], **changes: Any) -> MempoolState:
    given = {
        "time": 0.0,
        "height": 1,
        "tx_count": 1,
        "vbytes": sum(ahead.values()),
        "histogram": histogram(ahead),
        "min_rate": 1.0,
        "median_rate": 1.0,
        "floor": 1.0,
        "fullness": 0.0,
        "interval_s": 1000.0,
        "arrivals": histogram(arriving),
        "mined_vbytes": 0,
        "evicted_vbytes": 0,
        "blocks": 0,
        "refused": 0,
        "notes": (),
    }
    return MempoolState(**{**given, **changes})


@pytest.mark.parametrize(("ahead", "rate", "fluid", "blocks", "seconds", "median", "within"), GOLDEN["rows"])
def test_golden(
    ahead: float, rate: float, fluid: int, blocks: float, seconds: float, median: float, within: list[float]
) -> None:
    """The exact means keep the table's 1 %; the simulated ones keep to them by their own standard errors.

    In the fourth row 200,000 paths leave a standard error of 0.6 %, in the table as here.
    """
    queue = Queue(ahead, rate, GOLDEN["capacity"], GOLDEN["mean_s"])
    assert fluid_blocks(queue) == fluid
    exact = confirmation_probabilities(queue, 400)
    mean = float(np.diff(exact, prepend=0) @ np.arange(1, 401) / exact[-1])
    assert mean == pytest.approx(blocks, rel=0.01)
    assert mean * GOLDEN["mean_s"] == pytest.approx(seconds, rel=0.01)  # Wald (1944)
    found = simulate_confirmation(queue, seed=1, paths=200_000)
    ended = found.blocks > 0
    for values, expected in ((found.blocks[ended], mean), (found.seconds[ended], mean * 600)):
        error = values.std() / math.sqrt(len(values))
        assert values.mean() == pytest.approx(expected, abs=4 * error + 1e-9)
    assert (found.mean_blocks, found.mean_seconds) == (
        found.blocks[ended].mean(),
        found.seconds[ended].mean(),
    )
    assert found.quantile_seconds(0.5) == pytest.approx(median, rel=0.01)
    for most, expected in zip(GOLDEN["blocks"], within, strict=True):
        assert found.within(most) == pytest.approx(expected, abs=0.005)
        assert exact[most - 1] == pytest.approx(expected, abs=0.005)
    error = 4 * np.sqrt(exact * (1 - exact) / 200_000) + 2e-5  # a path or four, in the tail
    shares = np.array([found.within(most) for most in range(1, 401)])
    assert np.all(np.abs(shares - exact) <= error)
    assert found.beyond == pytest.approx(1 - exact[-1], abs=5e-4)


def test_never_at_this_rate() -> None:
    assert fluid_blocks(Queue(1.0, 1000 / 0.6, 1e6)) is None
    assert fluid_blocks(Queue(1.0, 2000.0, 1e6)) is None
    assert fluid_blocks(Queue(0.0, 0.0)) == 1


@given(st.floats(0, 6e6), st.floats(0, 2500), st.integers(1, 30))
def test_probabilities_grow_with_blocks_and_with_less_ahead(ahead: float, rate: float, n: int) -> None:
    found = confirmation_probabilities(Queue(ahead, rate, 1e6), n)
    assert np.all(np.diff(found) >= 0)
    assert np.all((found >= 0) & (found <= 1))
    assert np.all(confirmation_probabilities(Queue(ahead / 2, rate, 1e6), n) >= found - 1e-12)
    assert np.all(confirmation_probabilities(Queue(ahead, rate / 2, 1e6), n) >= found - 1e-12)
    first = Queue(ahead, rate, 1e6).first_block
    assert np.all(found[: first - 1] == 0)


@given(st.floats(0, 0.99), st.floats(1, 5000))
def test_first_block_is_exponential(ahead: float, rate: float) -> None:
    """With less than a block ahead the first block confirms if it comes before the rest is full."""
    found = confirmation_probabilities(Queue(ahead * 1e6, rate, 1e6), 1)[0]
    assert found == pytest.approx(float(arrival_probability(1, (1 - ahead) * 1e6 / rate)), abs=1e-12)


def test_without_arrivals_blocks_alone_decide() -> None:
    found = simulate_confirmation(Queue(2_500_000, 0.0, 1e6), 3, 20_000)
    assert set(found.blocks.tolist()) == {3}
    assert len(np.unique(found.seconds)) == 20_000  # no path is drawn twice
    law = stats.gamma(3, scale=600)
    assert stats.kstest(found.seconds, law.cdf).pvalue > 0.001
    assert confirmation_probabilities(Queue(2_500_000, 0.0, 1e6), 4).tolist() == [0, 0, 1, 1]


def test_a_path_is_of_seed_and_number_alone() -> None:
    queue = Queue(3_500_000, 1200.0, 1e6)
    whole, some = simulate_confirmation(queue, 5, 9000), simulate_confirmation(queue, 5, 5000)
    assert np.array_equal(whole.blocks[:5000], some.blocks)
    assert np.array_equal(whole.seconds[:5000], some.seconds, equal_nan=True)
    assert not np.array_equal(some.blocks, simulate_confirmation(queue, 6, 5000).blocks)
    shorter = simulate_confirmation(queue, 5, 5000, max_blocks=16)
    assert np.array_equal(shorter.blocks, np.where(some.blocks <= 16, some.blocks, 0))
    assert np.all(simulate_confirmation(Queue(3e6, 1100.0, 1e6), 5, 5000).blocks <= some.blocks)


def test_waits_that_do_not_end() -> None:
    found = simulate_confirmation(Queue(1e9, 10_000.0, 1e6), 1, 50, 16)
    assert found.beyond == 1.0
    assert math.isnan(found.mean_blocks)
    assert math.isnan(found.mean_seconds)
    assert math.isnan(found.quantile_seconds(0.5))
    assert found.within(16) == 0.0


class TestFeeFor:
    def test_is_the_lowest_edge_that_does(self) -> None:
        ahead = dict.fromkeys([1.0, 3.0, 5.0, 8.0, 10.0, 15.0, 20.0, 30.0, 50.0, 80.0], 300_000)
        arriving = dict.fromkeys(ahead, 150_000)
        now = state(ahead, arriving)
        for target, sure in [(1, 0.5), (1, 0.99), (3, 0.9), (6, 0.9), (144, 0.95)]:
            found = fee_for(target, sure, now)
            passing = _passing(ahead, arriving, target, sure)
            assert found.rate == min(passing)
            assert found.probability >= sure
            assert found.reason is None
        rates = [fee_for(3, sure, now).rate for sure in (0.5, 0.7, 0.9, 0.97, 0.99)]
        assert len(set(rates)) >= 4

    def test_more_haste_costs_more(self) -> None:
        now = state({1.0: 5_000_000, 10.0: 2_000_000, 50.0: 900_000}, {1.0: 900_000, 50.0: 200_000})
        rates = [[fee_for(n, sure, now).rate for n in (1, 2, 3, 6, 12, 48)] for sure in (0.5, 0.9, 0.99)]
        assert np.all(np.diff(rates, axis=1) <= 0)
        assert np.all(np.diff(rates, axis=0) >= 0)

    def test_an_empty_mempool_asks_for_its_floor(self) -> None:
        found = fee_for(1, 0.99, state({}, {}, floor=2.5))
        assert (found.rate, found.probability) == (2.5, 1.0)

    def test_no_rate_is_known_to_do(self) -> None:
        found = fee_for(1, 0.9, state({2000.0: 5_000_000}, {2000.0: 1_000_000}))
        assert isinstance(found, FeeEstimate)
        assert math.isnan(found.rate)
        assert found.queue is None
        assert found.reason == "even 2000 sat/vB, the highest edge, confirms with probability 0 only"

    @pytest.mark.parametrize(
        ("target", "confidence", "interval", "message"),
        [
            (0, 0.5, 60.0, "target_blocks must be >= 1, was 0"),
            (1, 0.0, 60.0, "confidence must be between 0 and 1, was 0.0"),
            (1, 1.0, 60.0, "confidence must be between 0 and 1, was 1.0"),
            (1, math.nan, 60.0, "confidence must be between 0 and 1, was nan"),
            (1, 0.5, 0.0, "interval_s of the state must be finite and > 0, was 0.0"),
        ],
    )
    def test_bad_input(self, target: int, confidence: float, interval: float, message: str) -> None:
        with pytest.raises(DomainError, match=f"^{message}"):
            fee_for(target, confidence, state({}, {}, interval_s=interval))


def _passing(ahead: dict[float, int], arriving: dict[float, int], target: int, sure: float) -> list[float]:
    """Edges that do, each from its own sums."""
    found = []
    for edge in FEE_EDGES[1:-1].tolist():
        before = sum(size for rate, size in ahead.items() if rate >= edge)
        coming = sum(size for rate, size in arriving.items() if rate >= edge) / 1000.0
        if confirmation_probabilities(Queue(before, coming), target)[-1] >= sure:
            found.append(edge)
    return found


class TestNodeEstimate:
    def test_a_rate(self) -> None:
        found = node_estimate({"feerate": 0.00012345, "blocks": 2})
        assert (found.rate, found.blocks, found.reason) == (12.345, 2, None)

    def test_none_is_a_normal_state(self) -> None:
        found = node_estimate({"errors": ["Insufficient data or no feerate found"], "blocks": 2})
        assert math.isnan(found.rate)
        assert found.reason == "Insufficient data or no feerate found"

    @pytest.mark.parametrize("answer", [{}, {"blocks": 2}, {"feerate": 1e-5}, {"blocks": 2, "errors": []}])
    def test_no_answer(self, answer: dict[str, Any]) -> None:
        with pytest.raises(DomainError, match=r"^an estimate must have blocks and .*, was of"):
            node_estimate(answer)

    def test_a_negative_rate(self) -> None:
        with pytest.raises(DomainError, match=r"^btc_per_kvb must be finite and >= 0"):
            node_estimate({"feerate": -1e-5, "blocks": 2})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Queue(-1.0, 0.0), "ahead must be finite and >= 0, was -1.0"),
        (lambda: Queue(0.0, math.nan), "arrival_rate must be finite and >= 0, was nan"),
        (lambda: Queue(0.0, 0.0, 0.0), "capacity must be finite and > 0, was 0.0"),
        (lambda: Queue(0.0, 0.0, 1.0, math.inf), "mean_s must be finite and > 0, was inf"),
        (lambda: confirmation_probabilities(Queue(0.0, 0.0), 0), "blocks must be >= 1, was 0"),
        (lambda: simulate_confirmation(Queue(0.0, 0.0), -1), "seed must be >= 0, was -1"),
        (lambda: simulate_confirmation(Queue(0.0, 0.0), 1, 0), "paths must be >= 1, was 0"),
        (lambda: simulate_confirmation(Queue(0.0, 0.0), 1, 1, 18), "max_blocks must be a multiple of 4"),
        (lambda: simulate_confirmation(Queue(0.0, 0.0), 1, 1, 8), "max_blocks must be >= 16, was 8"),
        (lambda: simulate_confirmation(Queue(0.0, 0.0), 1, 9).within(0), "blocks must be >= 1, was 0"),
        (lambda: simulate_confirmation(Queue(0.0, 0.0), 1, 9).quantile_seconds(1.0), "probability must be"),
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(DomainError, match=f"^{message}"):
        call()
