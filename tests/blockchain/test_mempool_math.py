"""Mempool arithmetic against sums written out, brute force and pandas."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetrading.blockchain.mempool_math import (
    BLOCK_VBYTES,
    FEE_EDGES,
    FeeHistogram,
    MempoolState,
    clearing_rate,
    congestion,
    depth_rate,
    fee_histogram,
    fee_rate,
    fullness,
    next_block_median,
    rate_from_rpc,
    vbytes_of_weight,
)
from livetrading.blockchain.mempool_packages import mining_scores, package_rates
from livetrading.blockchain.mempool_signals import blockspace_imbalance, fee_ofi, fee_pressure, tx_momentum
from livetrading.blockchain.protocol import DomainError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "mempool.json").read_text())
BINS = len(FEE_EDGES) - 1
POOLS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 400_000)), max_size=30)


def histogram(**vbytes_at: int) -> FeeHistogram:
    """Histogram with vB at given lower edges: r5=1000 is 1000 vB in [5, 6)."""
    sizes = np.zeros(BINS, np.int64)
    for name, size in vbytes_at.items():
        sizes[int(np.searchsorted(FEE_EDGES, float(name[1:])))] = size
    return FeeHistogram(np.minimum(sizes, 1), sizes, sizes)


def state(**changes: Any) -> MempoolState:
    given = {
        "time": 0.0,
        "height": 1,
        "tx_count": 0,
        "vbytes": 0,
        "histogram": histogram(),
        "min_rate": math.nan,
        "median_rate": math.nan,
        "floor": 1.0,
        "fullness": 0.0,
        "interval_s": 60.0,
        "arrivals": histogram(),
        "mined_vbytes": 0,
        "evicted_vbytes": 0,
        "blocks": 0,
        "refused": 0,
        "notes": (),
    }
    return MempoolState(**{**given, **changes})


class TestUnits:
    @pytest.mark.parametrize(("weight", "size"), [(1, 1), (4, 1), (5, 2), (561, 141), (4_000_000, 1_000_000)])
    def test_vbytes_round_up(self, weight: int, size: int) -> None:
        assert vbytes_of_weight(weight) == size == math.ceil(weight / 4)
        assert vbytes_of_weight(np.array([weight, 8])).tolist() == [size, 2]

    def test_rpc_rates(self) -> None:
        rpc = GOLDEN["rpc"]
        assert fee_rate(round(rpc["fee_btc"] * 1e8), rpc["vbytes"]) == rpc["sat_per_vb"]
        assert rate_from_rpc(rpc["btc_per_kvb"]) == rpc["sat_per_vb"]
        assert rate_from_rpc(rpc["fee_btc"] / rpc["vbytes"] * 1000) == rpc["sat_per_vb"]

    @given(st.integers(0, 10**9))
    def test_rpc_rates_are_exact(self, sat_per_kvb: int) -> None:
        assert rate_from_rpc(float(f"{sat_per_kvb // 10**8}.{sat_per_kvb % 10**8:08d}")) == sat_per_kvb / 1000

    def test_congestion_and_fullness(self) -> None:
        assert congestion(2 * BLOCK_VBYTES) == 2.0
        assert BLOCK_VBYTES == (4_000_000 - 8_000) / 4
        assert (fullness(75e6, 300e6), fullness(400e6, 300e6)) == (0.25, 1.0)

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: fee_rate(-1, 100), "fee must be >= 0, was -1"),
            (lambda: fee_rate(100, 0), "vbytes must be >= 1, was 0"),
            (lambda: fee_rate(np.array([1, -2]), np.array([1, 1])), "fee must be >= 0, was -2"),
            (lambda: vbytes_of_weight(0), "weight must be >= 1, was 0"),
            (lambda: rate_from_rpc(math.nan), "btc_per_kvb must be finite and >= 0, was nan"),
            (lambda: rate_from_rpc(1e308), "btc_per_kvb must be <= 21000000, was 1e.308"),
            (lambda: congestion(-1.0), "vbytes must be finite and >= 0, was -1.0"),
            (lambda: fullness(1.0, 0.0), "maximum must be finite and > 0, was 0.0"),
            (lambda: fullness(-1.0, 1.0), "usage must be finite and >= 0, was -1.0"),
        ],
    )
    def test_bad_input(self, call: Any, message: str) -> None:
        with pytest.raises(DomainError, match=f"^{message}"):
            call()

    def test_a_float_is_no_fee(self) -> None:
        with pytest.raises(TypeError, match=r"fee must be an int, was 1\.5"):
            fee_rate(1.5, 100)  # type: ignore[call-overload]


class TestHistogram:
    def test_edges(self) -> None:
        assert FEE_EDGES.tolist() == [0, *GOLDEN["edges"], math.inf]

    @given(POOLS)
    def test_bins_hold_their_lower_edge(self, pool: list[tuple[int, int]]) -> None:
        fees, sizes = ([one[i] for one in pool] for i in (0, 1))
        rates = [fee / size for fee, size in pool]
        found = fee_histogram(rates, sizes, fees)
        for i, (low, high) in enumerate(itertools.pairwise(FEE_EDGES.tolist())):
            inside = [(fee, size) for fee, size in pool if low <= fee / size < high]
            assert found.count[i] == len(inside)
            assert found.fees[i] == sum(fee for fee, _ in inside)
            assert found.vbytes[i] == sum(size for _, size in inside)
            assert found.vbytes_from(low) == sum(size for fee, size in pool if fee / size >= low)

    @given(POOLS, st.integers(1, 4), st.floats(0.0, 3.0))
    def test_clearing_rate_is_that_of_the_last_vbyte(
        self, pool: list[tuple[int, int]], blocks: int, floor: float
    ) -> None:
        """Vbyte by vbyte, in steps of 1,000: the rate of the last one that fits."""
        sizes = [size * 1000 for _, size in pool]
        rates = [fee / size for (fee, _), size in zip(pool, sizes, strict=True)]
        left, expected = blocks * BLOCK_VBYTES, floor
        for rate, size in sorted(zip(rates, sizes, strict=True), reverse=True):
            left -= size
            if left <= 0:
                expected = max(floor, rate)
                break
        assert clearing_rate(rates, sizes, blocks, floor) == expected
        found = fee_histogram(rates, sizes, [fee for fee, _ in pool]).clearing_rate(blocks, floor)
        at = max(0, int(np.searchsorted(FEE_EDGES, expected, side="right")) - 1)
        assert found == pytest.approx(max(floor, FEE_EDGES[at] if left <= 0 else floor))

    def test_backlog_of_just_a_block(self) -> None:
        assert clearing_rate([7.5], [BLOCK_VBYTES]) == 7.5
        assert clearing_rate([7.5], [BLOCK_VBYTES - 1]) == 1.0
        assert histogram(r6=BLOCK_VBYTES).clearing_rate() == 6.0
        assert histogram(r6=BLOCK_VBYTES - 1).clearing_rate(floor=2.5) == 2.5
        assert histogram(r2000=BLOCK_VBYTES).clearing_rate() == 2000.0

    def test_a_rate_within_a_bin_counts_the_bin_whole(self) -> None:
        found = histogram(r5=100, r6=10, r2000=1)
        assert [found.vbytes_from(rate) for rate in (0, 5, 5.5, 6, 2000, 1e9)] == [111, 111, 111, 11, 1, 1]
        assert found.total_vbytes == 111

    def test_median_of_the_next_block(self) -> None:
        assert next_block_median(histogram()) == 1.0
        assert next_block_median(histogram(), floor=3.0) == 3.0
        assert next_block_median(histogram(r2=400, r20=300, r100=50)) == 2.0
        assert next_block_median(histogram(r2=400, r20=300, r100=500)) == 20.0
        assert next_block_median(histogram(r2=10**9, r20=499_000)) == 20.0
        assert next_block_median(histogram(r2=10**9, r20=498_999)) == 2.0

    def test_depth(self) -> None:
        assert depth_rate([1.0, 9.0, 5.0], [10, 10, 10], 10) == 9.0
        assert depth_rate([1.0, 9.0, 5.0], [10, 10, 10], 10.5) == 5.0
        assert math.isnan(depth_rate([1.0], [10], 11))
        assert math.isnan(depth_rate([], [], 1))
        assert math.isnan(histogram().depth_rate(1))

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (
                lambda: FeeHistogram(np.zeros(3, int), np.zeros(BINS, int), np.zeros(BINS, int)),
                "count must have one number a bin, 29 for 30 edges, was 3",
            ),
            (lambda: FeeHistogram(*[np.zeros(2, int)] * 3, np.array([0.0, 2.0])), "count must .*, was 2"),
            (
                lambda: FeeHistogram(*[np.zeros(2, int)] * 3, np.array([0.0, 2.0, 2.0])),
                "edges must be .* 0, 2",
            ),
            (
                lambda: FeeHistogram(*[np.zeros(2, int)] * 3, np.array([1.0, 2.0, 3.0])),
                "edges must be .* 1, 2",
            ),
            (lambda: FeeHistogram(*[np.zeros(1, int)] * 3, np.array([0.0, np.nan])), "edges must be"),
            (lambda: FeeHistogram(*[np.full(BINS, -1)] * 3), "count must be >= 0, was -1"),
            (lambda: fee_histogram([1.0], [1, 2], [1, 2]), r"rates and vbytes .*, was \(1,\) and \(2,\)"),
            (lambda: fee_histogram([1.0], [1], [1, 2]), "fees must have one number a transaction, 1, was 2"),
            (lambda: fee_histogram([1.0], [0], [1]), "vbytes must be >= 1, was 0"),
            (lambda: fee_histogram([1.0], [1], [-5]), "fees must be >= 0, was -5"),
            (lambda: fee_histogram([math.nan], [1], [5]), "rates must be finite and >= 0, was nan"),
            (lambda: fee_histogram([-1.0], [1], [5]), "rates must be finite and >= 0, was -1.0"),
            (lambda: clearing_rate([1.0], [1], 0), "blocks must be >= 1, was 0"),
            (lambda: clearing_rate([1.0], [1], floor=-1.0), "floor must be finite and >= 0, was -1.0"),
            (lambda: depth_rate([1.0], [1], 0.0), "depth must be finite and > 0, was 0.0"),
            (lambda: histogram().vbytes_from(-1.0), "rate must be finite and >= 0, was -1.0"),
        ],
    )
    def test_bad_input(self, call: Any, message: str) -> None:
        with pytest.raises(DomainError, match=f"^{message}"):
            call()

    def test_frozen(self) -> None:
        with pytest.raises(ValueError, match="read-only"):
            histogram().vbytes[0] = 1


class TestPackages:
    def test_a_parent_and_a_child_that_pays_for_it(self) -> None:
        fees, sizes, parents = [100, 900, 400], [100, 100, 100], [[], [0], []]
        assert package_rates(fees, sizes, parents).tolist() == [1.0, 5.0, 4.0]
        assert package_rates(fees, sizes, parents, simple=True).tolist() == [1.0, 9.0, 4.0]
        assert mining_scores(fees, sizes, parents).tolist() == [5.0, 5.0, 4.0]

    def test_a_child_that_does_not_pay(self) -> None:
        fees, sizes, parents = [900, 100], [100, 100], [[], [0]]
        assert package_rates(fees, sizes, parents).tolist() == [9.0, 1.0]
        assert mining_scores(fees, sizes, parents).tolist() == [9.0, 1.0]

    def test_two_children_pay_together(self) -> None:
        fees, sizes, parents = [0, 300, 300], [100, 100, 100], [[], [0], [0]]
        assert mining_scores(fees, sizes, parents).tolist() == [2.0, 2.0, 2.0]

    @given(
        st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 50), st.sets(st.integers(0, 7))), max_size=8)
    )
    def test_any_graph(self, made: list[tuple[int, int, set[int]]]) -> None:
        """Against ancestors found by walking up, and the best closed set of each cluster by brute force."""
        fees, sizes = [one[0] for one in made], [one[1] for one in made]
        parents = [{p for p in one[2] if p < i} for i, one in enumerate(made)]

        def up(i: int) -> set[int]:
            return {i}.union(*map(up, parents[i]))

        def rate(group: set[int]) -> float:
            return sum(fees[i] for i in group) / sum(sizes[i] for i in group)

        packages, scores = package_rates(fees, sizes, parents), mining_scores(fees, sizes, parents)
        for i in range(len(made)):
            assert packages[i] == min(rate({i}), rate(up(i)))
            assert all(scores[p] >= scores[i] for p in parents[i])
        assert sum(score * size for score, size in zip(scores, sizes, strict=True)) == pytest.approx(
            sum(fees)
        )
        closed = [
            set().union(*map(up, some))
            for n in range(1, len(made) + 1)
            for some in itertools.combinations(range(len(made)), n)
        ]
        if closed:
            best = max(map(rate, closed))
            assert max(map(rate, map(up, range(len(made))))) <= max(scores) * (1 + 1e-12)
            assert max(scores) <= best * (1 + 1e-12)

    def test_order_of_the_rows_is_no_matter(self) -> None:
        fees, sizes, parents = [50, 900, 400, 10], [100, 100, 100, 70], [[], [0], [], [1, 2]]
        order = [3, 1, 0, 2]
        moved = [[order.index(p) for p in parents[i]] for i in order]
        for function in (package_rates, mining_scores):
            expected = function(fees, sizes, parents)
            found = function([fees[i] for i in order], [sizes[i] for i in order], moved)
            assert found.tolist() == expected[order].tolist()

    def test_none(self) -> None:
        assert package_rates([], []).tolist() == mining_scores([], []).tolist() == []

    @pytest.mark.parametrize(
        ("parents", "message"),
        [
            ([[1], [0]], "a transaction must not be its own ancestor, was: 0"),
            ([[0], []], "a transaction must not be its own ancestor, was: 0"),
            ([[2], []], "a parent must be from 0 to 1, was 2"),
            ([[-1], []], "a parent must be from 0 to 1, was -1"),
            ([[]], "fees, vbytes and parents must be of one length, was 2, 2 and 1"),
        ],
    )
    def test_bad_parents(self, parents: list[list[int]], message: str) -> None:
        for function in (package_rates, mining_scores):
            with pytest.raises(DomainError, match=f"^{message}"):
                function([1, 1], [1, 1], parents)

    def test_bad_fees(self) -> None:
        with pytest.raises(DomainError, match=r"^fee must be >= 0, was -1"):
            package_rates([-1], [1])
        with pytest.raises(DomainError, match=r"^vbytes must be >= 1, was 0"):
            mining_scores([1], [0])


class TestSignals:
    def test_fee_pressure_is_that_of_pandas(self) -> None:
        medians = np.exp(np.random.default_rng(1).normal(0, 1.5, 500).cumsum() / 5 + 2)
        level = pd.Series(medians).ewm(halflife=72, adjust=False).mean().to_numpy()
        expected = np.clip(np.log(medians / level), -3, 3)
        assert fee_pressure(medians) == pytest.approx(expected, rel=1e-12, abs=1e-13)
        assert fee_pressure([5.0]).tolist() == [0.0]
        assert fee_pressure([1.0, 1e9, 1e-9]).tolist() == [0.0, 3.0, -3.0]

    def test_momentum_is_that_of_pandas(self) -> None:
        counts = np.random.default_rng(2).poisson(200, 700).astype(float)
        rates = pd.Series(counts / 60)
        fast, slow = (rates.ewm(halflife=half / 60, adjust=False).mean() for half in (600, 21_600))
        found = tx_momentum(np.arange(701) * 60.0, counts)
        assert found == pytest.approx(np.log(fast / slow).to_numpy(), abs=1e-12)

    @given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 9)), min_size=1, max_size=9))
    def test_momentum_does_not_mind_how_time_is_cut(self, rows: list[tuple[int, int]]) -> None:
        """A stretch of one rate counts the same whole or in pieces."""
        ends = np.cumsum([0, *(60 * length for length, _ in rows)])
        counts = [60.0 * length * rate for length, rate in rows]
        pieces = [60.0 * rate for length, rate in rows for _ in range(length)]
        whole, cut = tx_momentum(ends, counts), tx_momentum(np.arange(len(pieces) + 1) * 60.0, pieces)
        at = np.cumsum([length for length, _ in rows]) - 1
        assert cut[at] == pytest.approx(whole, abs=1e-9, nan_ok=True)

    def test_momentum_before_anything_came(self) -> None:
        found = tx_momentum([0, 60, 120], [0, 5])
        assert math.isnan(found[0])
        assert found[1] == pytest.approx(math.log((1 - 2 ** (-60 / 600)) / (1 - 2 ** (-60 / 21_600))))

    def test_blockspace_imbalance(self) -> None:
        full = histogram(r5=3 * BLOCK_VBYTES)
        came = histogram(r2=500, r5=300)
        assert blockspace_imbalance(state(histogram=full, arrivals=came, mined_vbytes=100)) == 0.5
        assert blockspace_imbalance(state(histogram=histogram(), arrivals=came, mined_vbytes=800)) == 0.0
        assert blockspace_imbalance(state(mined_vbytes=1)) == -1.0
        assert math.isnan(blockspace_imbalance(state()))

    def test_fee_ofi_by_cases(self) -> None:
        assert fee_ofi([5, 6], [10, 30]) == 30.0
        assert fee_ofi([6, 5], [10, 30]) == -10.0
        assert fee_ofi([5, 5], [10, 30]) == 20.0

    @given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 100)), min_size=3, max_size=12), st.data())
    def test_fee_ofi_adds_up_over_intervals(self, rows: list[tuple[int, int]], data: Any) -> None:
        c, q = zip(*rows, strict=True)
        cut = data.draw(st.integers(1, len(rows) - 2))
        parts = fee_ofi(c[: cut + 1], q[: cut + 1]) + fee_ofi(c[cut:], q[cut:])
        assert fee_ofi(c, q) == parts

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: fee_pressure([]), "medians must be a row of at least one number"),
            (lambda: fee_pressure([1.0, 0.0]), "medians must be finite and > 0, was 0.0"),
            (lambda: fee_pressure([math.nan]), "medians must be finite and > 0, was nan"),
            (lambda: tx_momentum([0, 1], [1, 2]), "times must be one more than arrivals, 3, was 2"),
            (lambda: tx_momentum([0, 1, 1], [1, 2]), "times must increase, was 1.0 at 2"),
            (lambda: tx_momentum([0, 1], [-1]), "arrivals must be finite and >= 0, was -1.0"),
            (lambda: fee_ofi([1], [1]), "clearing_rates and depths .* at least 2, was 1 and 1"),
            (lambda: fee_ofi([1, 2], [1]), "clearing_rates and depths .*, was 2 and 1"),
            (lambda: fee_ofi([1, math.nan], [1, 2]), "clearing_rates must be finite and >= 0, was nan"),
            (lambda: fee_ofi([1, 2], [1, -2]), "depths must be finite and >= 0, was -2.0"),
        ],
    )
    def test_bad_input(self, call: Any, message: str) -> None:
        with pytest.raises(DomainError, match=f"^{message}"):
            call()

    def test_congestion_of_a_state(self) -> None:
        now = state(histogram=histogram(r5=3 * BLOCK_VBYTES), vbytes=3 * BLOCK_VBYTES)
        assert (now.clearing_rate, now.congestion) == (5.0, 3.0)
        assert state(floor=2.5).clearing_rate == 2.5
