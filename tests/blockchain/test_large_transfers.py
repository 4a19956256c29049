"""Large transfers: the guesses of change one by one, and the threshold against a plain quantile."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetrading.blockchain.large_transfers import ChangeRule, LargeTransfers, Tag, Transfer, moved
from livetrading.blockchain.protocol import DomainError

BTC = 100_000_000
OWN = (b"own",)


def transfer(*amounts: int, back: Sequence[int] = ()) -> Transfer:
    outputs = [(b"out%d" % i, amount) for i, amount in enumerate(amounts)]
    return Transfer(OWN, [*outputs, *((OWN[0], amount) for amount in back)])


def payment(sat: int) -> Transfer:
    """A payment whose change is known."""
    return transfer(sat, back=(7,))


class TestMoved:
    @pytest.mark.parametrize(
        ("given", "sat", "rule"),
        [
            (transfer(5 * BTC, back=[3]), 5 * BTC, ChangeRule.SCRIPT),
            (transfer(1, 2, back=[3, 4]), 3, ChangeRule.SCRIPT),
            (transfer(5 * BTC, 123_456_789), 5 * BTC, ChangeRule.ROUND),
            (transfer(123_456_789, 100_000), 100_000, ChangeRule.ROUND),
            (transfer(5 * BTC, 3 * BTC), 3 * BTC, ChangeRule.LARGEST),
            (transfer(111, 333), 111, ChangeRule.LARGEST),
            (transfer(100_000, 111, 333), 444, ChangeRule.LARGEST),
            (transfer(100_000, 200_000, 333), 100_333, ChangeRule.LARGEST),
            (transfer(111), 111, ChangeRule.NONE),
            (transfer(111, 0), 111, ChangeRule.NONE),
            (transfer(100_000, 0, 111), 100_000, ChangeRule.ROUND),
            (transfer(0), 0, ChangeRule.NONE),
        ],
    )
    def test_rules(self, given: Transfer, sat: int, rule: ChangeRule) -> None:
        found = moved(given)
        assert (found.sat, found.rule, found.tag) == (sat, rule, None)

    @pytest.mark.parametrize(
        ("given", "tag"),
        [
            (transfer(back=[5, 6]), Tag.SELF_CHURN),
            (transfer(5, 5, 5, 5), None),
            (transfer(5, 5, 5, 5, 5, 9), Tag.COINJOIN),
            (transfer(*range(1, 20)), None),
            (transfer(*range(1, 21)), Tag.BATCH),
            (transfer(*[5] * 20), Tag.COINJOIN),
            (transfer(back=[5] * 20), Tag.SELF_CHURN),
            (transfer(*[0] * 20), None),
        ],
    )
    def test_tags(self, given: Transfer, tag: Tag | None) -> None:
        assert moved(given).tag is tag

    @given(st.lists(st.integers(0, 10**12), min_size=1, max_size=30), st.lists(st.integers(0, 10**12)))
    def test_moves_no_more_than_there_is(self, amounts: list[int], back: list[int]) -> None:
        found = moved(transfer(*amounts, back=back))
        assert 0 <= found.sat <= sum(amounts)

    @pytest.mark.parametrize(
        ("inputs", "outputs", "message"),
        [
            ([], [(b"a", 1)], "a transfer must have an input and an output, was 0 and 1"),
            ([b"a"], [], "a transfer must have an input and an output, was 1 and 0"),
            ([b"a"], [(b"a", -1)], "amount must be >= 0, was -1"),
        ],
    )
    def test_bad_transfers(self, inputs: list[bytes], outputs: list[tuple[bytes, int]], message: str) -> None:
        with pytest.raises(DomainError, match=f"^{message}"):
            Transfer(inputs, outputs)


class TestLarge:
    def test_count_amount_and_share(self) -> None:
        block = [payment(300 * BTC), payment(100 * BTC), payment(100 * BTC - 1), transfer(*range(1, 21))]
        found = LargeTransfers().add(7, 0.0, block)
        assert (found.threshold_sat, found.count, found.btc) == (100 * BTC, 2, 400.0)
        assert found.share == pytest.approx(400 * BTC / (500 * BTC - 1))
        assert found.tagged == {Tag.SELF_CHURN: 0, Tag.COINJOIN: 0, Tag.BATCH: 1}
        assert found.tagged_btc[Tag.BATCH] == sum(range(1, 20)) / BTC
        assert found.rules[ChangeRule.SCRIPT] == 3
        assert sum(found.rules.values()) == 4

    def test_a_block_without_transfers(self) -> None:
        found = LargeTransfers().add(7, 0.0, [])
        assert (found.count, found.btc, found.share, found.rate_per_s) == (0, 0.0, 0.0, 0.0)

    @given(st.lists(st.lists(st.integers(1, 3000), max_size=400), min_size=1, max_size=8))
    def test_threshold_is_the_quantile_of_the_blocks_before(self, blocks: list[list[int]]) -> None:
        seen: list[int] = []
        large = LargeTransfers()
        for height, amounts in enumerate(blocks):
            found = large.add(height, 600.0 * height, [payment(amount * BTC) for amount in amounts])
            quantile = np.quantile(seen, 0.999, method="inverted_cdf") if seen else 0
            assert found.threshold_sat == max(100 * BTC, int(quantile))
            assert found.count == sum(amount * BTC >= found.threshold_sat for amount in amounts)
            seen += [amount * BTC for amount in amounts]

    @pytest.mark.parametrize("rank", [1, 2, 3])
    def test_threshold_over_thousands(self, rank: int) -> None:
        """Of 2,000 transfers the 99.9 % quantile is the 1,998th, the third from the top."""
        large, amounts = LargeTransfers(), [*range(1, 1998), 5000, 6000, 7000]
        large.add(0, 0.0, [payment(amount * BTC) for amount in amounts])
        found = large.add(1, 600.0, [payment(amounts[-rank] * BTC), payment(1997 * BTC)])
        assert (found.threshold_sat, found.count) == (5000 * BTC, 1)

    def test_the_window_is_of_2016_blocks(self) -> None:
        large = LargeTransfers()
        large.add(0, 0.0, [payment(900 * BTC)])
        for height in range(1, 2016):
            large.add(height, 600.0 * height, [])
        assert large.add(2016, 2016 * 600.0, []).threshold_sat == 900 * BTC
        assert large.add(2017, 2017 * 600.0, []).threshold_sat == 100 * BTC

    def test_rate_of_a_steady_stream(self) -> None:
        large = LargeTransfers()
        for height in range(3000):
            found = large.add(height, 600.0 * height, [payment(100 * BTC)])
        # Two a block would be twice that; a transfer just in stands half a block too high.
        assert found.rate_per_s == pytest.approx(1 / 600, rel=600 * math.log(2) / 86_400)
        for quiet in range(1, 145):
            found = large.add(2999 + quiet, 600.0 * (2999 + quiet), [])
        assert found.rate_per_s == pytest.approx(0.5 / 600, rel=0.01)

    @pytest.mark.parametrize(
        ("height", "time", "message"),
        [
            (9, 10.0, "height must be 8, was 9"),
            (7, 10.0, "height must be 8, was 7"),
            (8, 4.0, "time must not be before 5.0, was 4.0"),
            (8, math.nan, "time must be finite, was nan"),
            (-1, 10.0, "height must be >= 0, was -1"),
        ],
    )
    def test_blocks_follow_each_other(self, height: int, time: float, message: str) -> None:
        large = LargeTransfers()
        large.add(7, 5.0, [])
        with pytest.raises(DomainError, match=f"^{message}"):
            large.add(height, time, [payment(900 * BTC)])
        assert large.add(8, 5.0, []).threshold_sat == 100 * BTC

    def test_frozen(self) -> None:
        found: Any = LargeTransfers().add(0, 0.0, [])
        with pytest.raises(TypeError):
            found.tagged[Tag.BATCH] = 1
