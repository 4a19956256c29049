"""The law of blocks against scipy, and tests of a series that find what was put into it."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.diagnostic import lilliefors

from livetrading.blockchain.block_intervals import arrival_probability, interval_tests, mean_interval
from livetrading.blockchain.protocol import DomainError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "mempool.json").read_text())["arrival"]


def poisson_blocks(n: int, seed: int, mean: float = 600.0) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).exponential(mean, n + 1))


@pytest.mark.parametrize("blocks", GOLDEN["probability"])
def test_golden(blocks: str) -> None:
    found = arrival_probability(int(blocks), GOLDEN["seconds"], GOLDEN["mean_s"])
    assert [round(value, 6) for value in found.tolist()] == GOLDEN["probability"][blocks]


@given(st.integers(1, 3000), st.floats(1e-3, 1e4), st.floats(1.0, 1e4))
@example(2967, 2973.5, 1.0)
def test_is_the_law_of_erlang_in_both_tails(k: int, x: float, mean: float) -> None:
    found = float(arrival_probability(k, x * mean, mean))
    assert found == pytest.approx(stats.gamma.cdf(x * mean / mean, k), rel=1e-9, abs=1e-300)
    if found > 0.5:
        assert 1 - found == pytest.approx(stats.gamma.sf(x, k), abs=1e-12 + 2e-15 * k * math.log(k))


@pytest.mark.parametrize("k", [1, 2, 6, 30, 60])
def test_tens_of_blocks_to_13_digits(k: int) -> None:
    x = np.linspace(0.05, 3.0, 60) * k
    assert arrival_probability(k, x * 600) == pytest.approx(stats.gamma.cdf(x, k), rel=1e-13)


def test_shapes() -> None:
    found = arrival_probability(2, [[0.0, 600.0], [1200.0, 1e9]])
    assert found.shape == (2, 2)
    assert (found[0, 0], found[1, 1]) == (0.0, 1.0)
    assert arrival_probability(1, 600.0).shape == ()


def test_mean_interval() -> None:
    assert mean_interval(1.2, 1.0) == 720.0
    assert mean_interval(1e14, 1e14) == 600.0


class TestSeries:
    def test_moments_and_counts(self) -> None:
        times = poisson_blocks(2000, 1)
        found, gaps = interval_tests(times), np.diff(times)
        assert found.intervals == 2000
        assert found.mean_s == pytest.approx(gaps.mean())
        assert found.mean_error_s == pytest.approx(stats.sem(gaps))
        assert found.variation == pytest.approx(stats.variation(gaps, ddof=1))
        counts = np.histogram(times[1:] - times[0], np.arange(0, found.windows + 1) * 7200.0)[0]
        assert found.windows == (times[-1] - times[0]) // 7200
        assert found.dispersion == pytest.approx(counts.var(ddof=1) / counts.mean())
        expected = (found.dispersion - 1) / math.sqrt(2 / (found.windows - 1))
        assert found.dispersion_z == pytest.approx(expected)

    @pytest.mark.parametrize("mean", [600.0, 640.0, 900.0])
    @pytest.mark.parametrize("n", [20, 300])
    def test_distance_from_a_given_law_is_that_of_scipy(self, mean: float, n: int) -> None:
        times = poisson_blocks(n, 2)
        expected = stats.kstest(np.diff(times), "expon", args=(0, mean))
        found = interval_tests(times, mean)
        assert found.distance == pytest.approx(expected.statistic, rel=1e-12)
        assert found.distance_p == pytest.approx(expected.pvalue, abs=0.02 if n == 20 else 0.01)
        assert found.mean_given

    @pytest.mark.parametrize("seed", range(4))
    def test_distance_from_a_fitted_law_is_that_of_statsmodels(self, seed: int) -> None:
        """Its table ends at 0.001 and 0.2; ours is simulated, to 0.01 or so."""
        gaps = np.random.default_rng(seed).gamma(1.0 + 0.1 * seed, 600, 250)
        found = interval_tests(np.concatenate(([0.0], np.cumsum(gaps))))
        distance, p = lilliefors(gaps, dist="exp", pvalmethod="table")
        assert found.distance == pytest.approx(distance, rel=1e-9)
        if 0.01 < p < 0.2:
            assert found.distance_p == pytest.approx(p, abs=0.04)
        else:
            assert (found.distance_p > 0.1) == (p >= 0.2)

    def test_a_true_series_is_rejected_as_often_as_it_should_be(self) -> None:
        found = [interval_tests(poisson_blocks(50, seed)) for seed in range(80)]
        p = np.array([one.distance_p for one in found])
        assert stats.kstest(p, "uniform").pvalue > 0.001
        z = np.array([one.dispersion_z for one in found])
        assert abs(z.mean()) < 0.4
        variation = np.array([one.variation - 1 for one in found]) * math.sqrt(50)
        assert 0.7 < variation.std() < 1.3

    def test_a_clock_is_no_poisson_process(self) -> None:
        found = interval_tests(np.arange(500) * 600.0 + np.random.default_rng(1).normal(0, 1, 500))
        assert found.variation < 0.1
        assert found.distance_p == 0.001
        assert found.dispersion_z < -3

    def test_a_rate_that_changes_is_seen_in_the_counts(self) -> None:
        gaps = np.random.default_rng(3).exponential(np.repeat([300.0, 900.0], 600))
        assert interval_tests(np.cumsum(gaps)).dispersion_z > 5

    def test_negative_differences_are_kept(self) -> None:
        times = poisson_blocks(100, 4)
        times[[50, 51]] = times[[51, 50]]
        found = interval_tests(times)
        assert (found.intervals, found.negative) == (100, 1)
        assert found.mean_s == pytest.approx((times[-1] - times[0]) / 100)

    def test_too_short_for_windows(self) -> None:
        found = interval_tests([0.0, 600.0, 900.0])
        assert found.windows == 0
        assert math.isnan(found.dispersion)
        assert math.isnan(found.dispersion_z)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: arrival_probability(0, 1.0), "blocks must be >= 1, was 0"),
        (lambda: arrival_probability(1, -1.0), "seconds must be finite and >= 0, was -1.0"),
        (lambda: arrival_probability(1, math.nan), "seconds must be finite and >= 0, was nan"),
        (lambda: arrival_probability(1, 1.0, 0.0), "mean_s must be finite and > 0, was 0.0"),
        (lambda: mean_interval(0.0, 1.0), "difficulty must be finite and > 0, was 0.0"),
        (lambda: mean_interval(1.0, math.inf), "equilibrium must be finite and > 0, was inf"),
        (lambda: interval_tests([]), r"times must be a row of at least 3 numbers, was of shape \(0,\)"),
        (lambda: interval_tests([1.0, 2.0]), "times must be a row of at least 3"),
        (lambda: interval_tests([1.0, math.nan, 2.0]), "times must be finite, was nan"),
        (lambda: interval_tests([1.0, 2.0, 3.0], -600.0), "mean_s must be finite and > 0, was -600.0"),
        (lambda: interval_tests([3.0, 2.0, 1.0]), "the mean interval must be above 0 s, was -1.0"),
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(DomainError, match=f"^{message}"):
        call()
