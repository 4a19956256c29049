import json
import math
from collections.abc import Callable
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetrading.blockchain import protocol
from livetrading.blockchain.epochs import EPOCHS
from livetrading.blockchain.protocol import (
    MAINNET_LIMIT_BITS,
    MAX_ISSUE_SAT,
    REGTEST_LIMIT_BITS,
    DomainError,
    bits_from_target,
    difficulty,
    hashrate_from_difficulty,
    hashrate_observed,
    height_at,
    issued,
    retarget,
    subsidy,
    target_from_bits,
    time_at,
    work,
)
from livetrading.core.errors import LivetradingError

TESTS = Path(__file__).parents[1]
GOLDEN = json.loads((TESTS / "golden" / "chain.json").read_text())

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


def test_supply_is_the_sum_of_all_blocks_at_every_halving_and_at_the_last_satoshi() -> None:
    """Against every subsidy there ever is, added one by one."""
    subsidies = [50 * 10**8 // 2 ** (h // 210_000) for h in range(7_140_002)]
    total = list(accumulate(subsidies))
    boundaries = [*range(210_000, 7_140_001, 210_000), 6_930_000]
    near = sorted({0, 1, *(h + d for h in boundaries for d in (-2, -1, 0, 1))})
    assert [issued(h) for h in near] == [total[h] for h in near]
    assert [subsidy(h) for h in near] == [subsidies[h] for h in near]
    assert issued(np.array(near)).tolist() == [total[h] for h in near]
    assert subsidy(np.array(near)).tolist() == [subsidies[h] for h in near]
    assert subsidies[6_929_999:6_930_001] == [1, 0]
    assert total[6_929_998:6_930_001] == [MAX_ISSUE_SAT - 1, MAX_ISSUE_SAT, MAX_ISSUE_SAT]
    assert total[-1] == issued(10**12) == issued(2**63 - 1) == MAX_ISSUE_SAT


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


EXACT = [*OF_HEIGHT, protocol.time_at]
SHARES = [protocol.halving_progress, protocol.difficulty_progress]


@pytest.mark.parametrize("function", [*EXACT, *SHARES])
def test_heights_are_integers_from_zero(function: Callable) -> None:
    assert function(np.int64(840_000)) == function(840_000)
    for low in (-1, np.array([840_000, -1, 2])):
        with pytest.raises(ValueError, match="height must be >= 0, was -1"):
            function(low)
    for beyond in (2**63, np.array([2**63], np.uint64)):
        with pytest.raises(DomainError, match=rf"height must be <= \d+, was {2**63}$"):
            function(beyond)
    for bad in (1.0, math.nan, True, "1", None, np.float64(1.0), [1]):
        with pytest.raises(TypeError, match="height must be an int, was"):
            function(bad)
    for array in (np.array([1.0]), np.array([]), np.array([True]), np.array([2**70]), np.array(["1"])):
        with pytest.raises(TypeError, match="height must be an array of ints, was one of"):
            function(array)


@pytest.mark.parametrize("function", [*EXACT, *SHARES])
@given(st.lists(heights, max_size=20), st.sampled_from([np.int64, np.int32, np.uint64]))
def test_arrays_of_heights_are_their_elements(function: Callable, some: list[int], dtype: type) -> None:
    array = np.array(some, dtype)
    found = function(array)
    assert found.dtype == (np.float64 if function in SHARES else np.int64)
    assert found.tolist() == [function(h) for h in some]
    assert function(array[::-1]).tolist() == found[::-1].tolist()
    assert function(array.reshape(1, -1)).shape == (1, len(some))
    for h in some[:1]:
        one = function(np.array(h, dtype))
        assert (type(one), one.shape, one.item()) == (np.ndarray, (), function(h))
    assert array.tolist() == some


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


def test_arrays_of_bits_are_their_elements() -> None:
    bits = np.array([[int(row[0], 16) for row in GOLDEN["difficulty"]]] * 2)
    flat = bits.ravel().tolist()
    for function in (target_from_bits, difficulty, work):
        found = function(bits, REGTEST_LIMIT_BITS)
        assert found.shape == bits.shape
        assert found.ravel().tolist() == [function(one, REGTEST_LIMIT_BITS) for one in flat]
    assert difficulty(bits, REGTEST_LIMIT_BITS).dtype == np.float64
    targets = target_from_bits(bits, REGTEST_LIMIT_BITS)
    assert all(type(target) is int for target in targets.flat)
    assert bits_from_target(targets).tolist() == bits.tolist()
    assert bits_from_target(np.array([0x12, 0x80])).tolist() == [0x01120000, 0x02008000]
    rate = hashrate_from_difficulty(difficulty(bits, REGTEST_LIMIT_BITS))
    assert rate.ravel().tolist() == [
        hashrate_from_difficulty(difficulty(one, REGTEST_LIMIT_BITS)) for one in flat
    ]
    for function in (target_from_bits, difficulty, work):
        assert function(np.array([], np.int64)).tolist() == []
        with pytest.raises(DomainError, match=r"^bits must .*, was 0x00000000$"):
            function(np.array([MAINNET_LIMIT_BITS, 0]))
        with pytest.raises(TypeError, match=r"array must be one of ints, was one of"):
            function(np.array([1.0]))
    with pytest.raises(TypeError, match="integer"):
        bits_from_target(np.array([1.5], object))


def test_arrays_of_retargets_are_their_elements() -> None:
    first, last, old, new = zip(*GOLDEN["retarget"], strict=True)
    compact = np.array([int(bits, 16) for bits in old])
    found = retarget(np.array(first), np.array(last), compact)
    assert [f"{bits:08x}" for bits in found.tolist()] == list(new)
    one = int(old[2], 16)
    spread = retarget(first[2], np.array([[last[2]], [last[2] + 10**6]]), one)
    assert spread.tolist() == [[retarget(first[2], end, one)] for end in (last[2], last[2] + 10**6)]
    with pytest.raises(TypeError, match="array must be one of ints"):
        retarget(first[2], np.array([1.5]), one)


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
    with pytest.raises(DomainError, match=r"^difficulty must be finite and >= 0, was"):
        hashrate_from_difficulty(np.array([1.0, value]))


def test_hash_rate_of_more_than_any_difficulty() -> None:
    hardest = difficulty(0x01010000)
    assert math.isfinite(hashrate_from_difficulty(hardest))
    for value in (2 * hardest, np.array([1.0, 2 * hardest])):
        with pytest.raises(DomainError, match=r"^difficulty must be <= 2\.69\d+e\+67, was 5\.39"):
            hashrate_from_difficulty(value)
    for text in ("1", None, True, np.array(["1"]), np.array([True])):
        with pytest.raises(TypeError, match=r"^difficulty must be"):
            hashrate_from_difficulty(text)


def node_hashes_per_second(times: list[int], chainwork: list[int], height: int, lookup: int) -> float:
    """GetNetworkHashPS of a node, block by block, over the whole chain."""
    if height == 0:
        return 0.0
    if lookup == -1:
        lookup = height % 2016 + 1
    lookup = min(lookup, height)
    least = most = times[height]
    for i in range(lookup):
        least, most = min(least, times[height - 1 - i]), max(most, times[height - 1 - i])
    return 0.0 if least == most else (chainwork[height] - chainwork[height - lookup]) / (most - least)


def test_hash_rate_observed_on_a_node() -> None:
    # Regtest: 120 blocks of 2 hashes each within 20 s.
    assert hashrate_observed(np.arange(121) // 6, range(2, 244, 2), blocks=120) == 12.0


@given(st.data())
def test_hash_rate_observed_is_that_of_a_node(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 40))
    times = data.draw(st.lists(st.integers(0, 50), min_size=n, max_size=n))
    chainwork = list(accumulate(data.draw(st.lists(st.integers(1, 2**200), min_size=n, max_size=n))))
    blocks = data.draw(st.one_of(st.just(-1), st.integers(1, 50)))
    expected = [node_hashes_per_second(times, chainwork, h, blocks) for h in range(n)]
    found = hashrate_observed(np.array(times), chainwork, np.arange(n), blocks)
    assert found.tolist() == expected
    assert hashrate_observed(np.array(times), np.array(chainwork, object), blocks=blocks) == expected[-1]


def test_hash_rate_observed_since_the_last_retarget_in_a_window_of_the_chain() -> None:
    times = np.array([0, 600, 500, 1200, 1900])
    work = [10, 20, 40, 60, 80]
    options = {"blocks": -1, "first_height": 2015}
    assert hashrate_observed(times, work, 2016, **options) == 10 / 600
    assert hashrate_observed(times, work, 2018, **options) == 50 / 1200
    assert hashrate_observed(times, work, np.array([2018, 2019]), **options).tolist() == [
        50 / 1200,
        70 / 1900,
    ]
    with pytest.raises(DomainError, match=r"^the window must begin at height 2015 or above, was 0"):
        hashrate_observed(times, work, 2015, **options)
    with pytest.raises(DomainError, match=r"^height must be <= 2019, was 2020"):
        hashrate_observed(times, work, 2020, **options)


@pytest.mark.parametrize(
    ("times", "chainwork", "blocks", "message"),
    [
        (np.array([0, 1]), [1, 2], 0, "blocks must be -1 or >= 1, was 0"),
        (np.array([0, 1]), [1, 2], -2, "blocks must be -1 or >= 1, was -2"),
        (np.array([0, 1]), [1], 1, r"times and chainwork must be of one length of at least 1, was \(2,\), 1"),
        (np.array([], np.int64), [], 1, "times and chainwork must be of one length of at least 1"),
        (np.array([[0], [1]]), [1, 2], 1, "times and chainwork must be of one length of at least 1"),
    ],
)
def test_no_hash_rate_observed(times: np.ndarray, chainwork: list[int], blocks: int, message: str) -> None:
    with pytest.raises(DomainError, match=f"^{message}"):
        hashrate_observed(times, chainwork, blocks=blocks)


def test_times_of_headers_are_ints() -> None:
    with pytest.raises(TypeError, match=r"^times must be an array of ints, was one of float64"):
        hashrate_observed(np.array([0.0, 1.0]), [1, 2])


@pytest.mark.parametrize(("time", "height", "true"), GOLDEN["height_at"])
def test_height_at(time: int, height: int, true: int | None) -> None:
    assert height_at(time) == height_at(float(time)) == height_at(time + 0.999) == height
    assert true is None or abs(height - true) <= 120
    assert height_at(np.array([time, time])).tolist() == [height, height]


def test_six_hundred_seconds_a_block_from_the_genesis_block_are_no_clock() -> None:
    clock = (1_764_478_080 - protocol.GENESIS_BLOCK_TIME) // 600
    assert 925_810 - clock == 36_691
    assert abs(height_at(1_764_478_080) - 925_810) < 120


@given(st.one_of(st.integers(0, 1_200_000), st.integers(0, 7_505_997_363_521)))
def test_time_and_height_are_each_others_inverse(height: int) -> None:
    time = time_at(height)
    assert height_at(time) == height
    assert height == 0 or height_at(time - 1) == height - 1
    assert (time_at(np.array([height]))[0], height_at(np.array([time]))[0]) == (time, height)


@given(st.integers(1_231_006_505, 2**52))
def test_height_at_is_the_floor_of_the_exact_line(time: int) -> None:
    last = int(EPOCHS.time[-1])
    if time >= last:
        exact = 953_568 + Fraction(time - last, 600)
    else:
        k = max(i for i in range(474) if int(EPOCHS.time[i]) <= time)
        span = int(EPOCHS.time[k + 1]) - int(EPOCHS.time[k])
        exact = 2016 * (k + Fraction(time - int(EPOCHS.time[k]), span))
    assert height_at(time) == height_at(np.array([time]))[0] == math.floor(exact)


@pytest.mark.parametrize(
    ("time", "message"),
    [
        (1_231_006_504, ">= 1231006505, the time of the genesis block, was 1231006504"),
        (1_231_006_504.5, ">= 1231006505, the time of the genesis block, was 1231006504.5"),
        (0, ">= 1231006505"),
        (-1e300, ">= 1231006505"),
        (math.nan, ">= 1231006505.*, was nan"),
        (math.inf, ">= 1231006505.*, was inf"),
        (10**400, ">= 1231006505.*, was inf"),
        (2**52 + 1, r"<= 4503599627370496, was 4503599627370497"),
    ],
)
def test_no_height_at(time: float, message: str) -> None:
    with pytest.raises(DomainError, match=f"^time must be {message}"):
        height_at(time)
    if time != 10**400:
        with pytest.raises(DomainError, match=f"^time must be {message}"):
            height_at(np.array([1_300_000_000, time]))


def test_times_are_numbers() -> None:
    for bad in ("2024-01-01", None, True, 1j, [1_300_000_000]):
        with pytest.raises(TypeError, match=r"^time must be a number, was"):
            height_at(bad)
    for array in (np.array(["2024"]), np.array([True]), np.array(["2024"], "datetime64[s]")):
        with pytest.raises(TypeError, match=r"^time must be an array of numbers, was one of"):
            height_at(array)
    assert height_at(np.array([])).dtype == np.int64


def test_the_last_time() -> None:
    most = 953_568 + (2**52 - int(EPOCHS.time[-1])) // 600
    assert time_at(most) <= 2**52
    for height in (most + 1, np.array([0, most + 1])):
        with pytest.raises(DomainError, match=f"^height must be <= {most}, was {most + 1}"):
            time_at(height)


def test_domain_errors_are_the_packages_own() -> None:
    assert issubclass(DomainError, LivetradingError)
