import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetrading.blockchain import protocol
from livetrading.blockchain.protocol import (
    MAINNET_LIMIT_BITS,
    MAX_ISSUE_SAT,
    REGTEST_LIMIT_BITS,
    DomainError,
    bits_from_target,
    difficulty,
    hashrate_from_difficulty,
    issued,
    retarget,
    subsidy,
    target_from_bits,
    work,
)
from livetrading.core.errors import LivetradingError

TESTS = Path(__file__).parents[1]
GOLDEN = json.loads((TESTS / "golden" / "chain.json").read_text())
EPOCHS = TESTS.parents[1] / "shared" / "data" / "difficulty_epochs.csv"

OF_HEIGHT = [
    subsidy,
    issued,
    protocol.halving_epoch,
    protocol.difficulty_epoch,
    protocol.blocks_to_retarget,
    protocol.blocks_to_halving,
]
heights = st.one_of(
    st.integers(0, 14_000_000),
    st.builds(lambda k, d: max(0, 210_000 * k + d), st.integers(0, 66), st.integers(-2, 2)),
)


@pytest.mark.parametrize("row", GOLDEN["schedule"], ids=lambda row: str(row[0]))
def test_schedule(row: list[int]) -> None:
    assert [f(row[0]) for f in OF_HEIGHT] == row[1:]


def test_the_last_satoshi() -> None:
    assert subsidy(6_929_999) == 1
    assert subsidy(6_930_000) == 0
    assert issued(6_929_999) == issued(10**12) == MAX_ISSUE_SAT
    assert issued(6_929_998) < MAX_ISSUE_SAT


@given(heights)
def test_a_block_adds_its_subsidy(height: int) -> None:
    before = issued(height - 1) if height else 0
    assert issued(height) - before == subsidy(height)


@given(heights, heights)
def test_supply_grows_and_stays_below_its_maximum(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert 0 < issued(low) <= issued(high) <= MAX_ISSUE_SAT


@given(heights)
def test_progress_is_the_complement_of_the_blocks_left(height: int) -> None:
    assert protocol.halving_progress(height) == (210_000 - protocol.blocks_to_halving(height)) / 210_000
    assert protocol.difficulty_progress(height) == (2016 - protocol.blocks_to_retarget(height)) / 2016
    assert 0.0 <= protocol.halving_progress(height) < 1.0
    assert 0.0 <= protocol.difficulty_progress(height) < 1.0


@pytest.mark.parametrize("function", [*OF_HEIGHT, protocol.halving_progress, protocol.difficulty_progress])
def test_heights_are_integers_from_zero(function) -> None:
    assert function(np.int64(840_000)) == function(840_000)
    with pytest.raises(ValueError, match="height must be >= 0, was -1"):
        function(-1)
    with pytest.raises(TypeError, match=r"height must be an int, was 1\.0"):
        function(1.0)


def node_difficulty(bits: int) -> float:
    """Difficulty as a node computes it: by mantissa and exponent, without the target."""
    shift, value = bits >> 24, 0xFFFF / (bits & 0x00FFFFFF)
    for _ in range(29 - shift):
        value *= 256.0
    for _ in range(shift - 29):
        value /= 256.0
    return value


@pytest.mark.parametrize(("bits", "expected", "hash_rate"), GOLDEN["difficulty"])
def test_difficulty(bits: str, expected: float, hash_rate: float) -> None:
    value = difficulty(int(bits, 16), REGTEST_LIMIT_BITS)
    assert value == expected
    assert abs(value - node_difficulty(int(bits, 16))) <= math.ulp(value)
    assert abs(hashrate_from_difficulty(value) - hash_rate) <= math.ulp(hash_rate)


def test_work_is_what_a_node_sums() -> None:
    assert work(MAINNET_LIMIT_BITS) == 4_295_032_833
    assert work(REGTEST_LIMIT_BITS, REGTEST_LIMIT_BITS) == 2
    assert work(0x01010000) == 2**255  # target 1
    target = target_from_bits(0x1701E2A0)
    assert work(0x1701E2A0) == (2**256 - 1 - target) // (target + 1) + 1


@pytest.mark.parametrize(("first", "last", "old", "new"), GOLDEN["retarget"])
def test_retarget(first: int, last: int, old: str, new: str) -> None:
    assert f"{retarget(first, last, int(old, 16)):08x}" == new


@given(st.integers(-10_000_000, 10_000_000), st.integers(1 << 32, 0xFFFF << 208))
def test_a_retarget_is_at_most_fourfold_and_never_easier_than_the_limit(span: int, target: int) -> None:
    bits = bits_from_target(target)
    old, new = target_from_bits(bits), target_from_bits(retarget(0, span, bits))
    assert new <= min(4 * old, 0xFFFF << 208)
    assert new >= old // 4 * (1 - 2.0**-15)


@given(st.integers(1, 0xFFFF << 240))
def test_compacting_cuts_less_than_one_part_in_32768(target: int) -> None:
    kept = target_from_bits(bits_from_target(target), limit_bits=0x2100FFFF)
    assert 0 <= target - kept < max(1, target / 2**15)


@given(st.integers(1, 0xFFFF << 208))
def test_bits_and_target_round_trip(target: int) -> None:
    bits = bits_from_target(target)
    assert bits_from_target(target_from_bits(bits)) == bits


@pytest.mark.parametrize(
    ("bits", "target"),
    [(0x01120000, 0x12), (0x02008000, 0x80), (0x03123456, 0x123456), (0x04123456, 0x12345600)],
)
def test_small_exponents_shift_right(bits: int, target: int) -> None:
    assert target_from_bits(bits) == target
    assert bits_from_target(target) == bits


@pytest.mark.parametrize(
    "bits",
    [0, 0x01003456, 0x1D000000, 0x1D010000, 0x1E00FFFF, 0xFF7FFFFF, 0x1C800001, 0x04923456, -1, 1 << 32],
)
def test_bits_that_no_block_may_carry(bits: int) -> None:
    for function in (target_from_bits, difficulty, work, lambda bits: retarget(0, 1_209_600, bits)):
        with pytest.raises(DomainError, match=r"^bits must"):
            function(bits)


@pytest.mark.parametrize("target", [0, -1, 1 << 256])
def test_targets_that_no_bits_can_hold(target: int) -> None:
    with pytest.raises(DomainError, match=r"^target must"):
        bits_from_target(target)


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_hash_rate_of_no_difficulty(value: float) -> None:
    with pytest.raises(DomainError, match=r"^difficulty must be finite and >= 0, was"):
        hashrate_from_difficulty(value)


def test_domain_errors_are_the_packages_own() -> None:
    assert issubclass(DomainError, LivetradingError)


@pytest.mark.skipif(not EPOCHS.exists(), reason="the recorded difficulty epochs are not beside the project")
def test_every_recorded_target_compacts_to_its_bits() -> None:
    with EPOCHS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 474
    for row in rows:
        bits = int(row["bits"], 16)
        assert bits_from_target(target_from_bits(bits)) == bits
        assert difficulty(bits) == float(row["difficulty"])
