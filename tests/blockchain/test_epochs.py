import csv
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

from livetrading.blockchain.epochs import EPOCHS, EpochTable
from livetrading.blockchain.protocol import (
    DomainError,
    bits_from_target,
    difficulty,
    height_at,
    retarget,
    target_from_bits,
    time_at,
)

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "difficulty_epochs.csv"
COLUMNS = ("start_height", "time", "bits", "difficulty", "span")
GENESIS = 1_231_006_505


def table(**changes: list[int]) -> EpochTable:
    columns = {
        "start_height": [0, 2016, 4032],
        "time": [GENESIS, GENESIS + 1_209_600, GENESIS + 2_000_000],
        "bits": [0x1D00FFFF] * 3,
    }
    return EpochTable(**{name: np.array(column) for name, column in {**columns, **changes}.items()})


def test_every_target_compacts_to_its_bits() -> None:
    assert len(EPOCHS.bits) == 474
    for bits in EPOCHS.bits.tolist():
        assert bits_from_target(target_from_bits(bits)) == bits
    assert bits_from_target(target_from_bits(EPOCHS.bits)).tolist() == EPOCHS.bits.tolist()


def test_no_retarget_is_more_than_fourfold() -> None:
    for old, new in zip(EPOCHS.bits.tolist(), EPOCHS.bits[1:].tolist(), strict=False):
        # Truncation takes the least part of the target off.
        assert retarget(0, 0, old) <= new or target_from_bits(new) >= target_from_bits(old) // 4
        assert target_from_bits(new) <= 4 * target_from_bits(old)


def test_columns() -> None:
    assert EPOCHS.start_height.tolist() == list(range(0, 474 * 2016, 2016))
    assert EPOCHS.end_height == 955_584
    assert EPOCHS.time[0] == GENESIS
    assert EPOCHS.difficulty.tolist() == [difficulty(bits) for bits in EPOCHS.bits.tolist()]
    assert EPOCHS.difficulty[459] == 149301205959699.9
    assert EPOCHS.span.tolist() == [*np.diff(EPOCHS.time).tolist(), 1_209_600]
    for name in COLUMNS:
        with pytest.raises(ValueError, match="read-only"):
            getattr(EPOCHS, name)[0] = 1
        with pytest.raises(FrozenInstanceError):
            setattr(EPOCHS, name, np.zeros(3))


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded difficulty epochs are not beside the project")
def test_the_embedded_table_is_the_recorded_one() -> None:
    with RECORDED.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert EPOCHS.start_height.tolist() == [int(row["start_height"]) for row in rows]
    assert EPOCHS.time.tolist() == [int(row["start_unix_est"]) for row in rows]
    assert EPOCHS.bits.tolist() == [int(row["bits"], 16) for row in rows]
    assert EPOCHS.difficulty.tolist() == [float(row["difficulty"]) for row in rows]


def test_another_table() -> None:
    other = table()
    assert other.end_height == 6048
    assert height_at(GENESIS + 600 * 2015, other) == 2015
    assert time_at(3024, other) == GENESIS + (1_209_600 + 2_000_000) // 2
    assert time_at(np.array([4033, 10_000]), other).tolist() == [
        GENESIS + 2_000_600,
        GENESIS + 2_000_000 + 600 * (10_000 - 4032),
    ]
    with pytest.raises(DomainError, match=r"^time must be >= 1231006505"):
        height_at(GENESIS - 1, other)


def test_a_table_is_its_own() -> None:
    times = np.array([GENESIS])
    one = EpochTable(np.array([0]), times, np.array([0x1D00FFFF]))
    times[0] = 5
    assert time_at(7, one) == GENESIS + 4200


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start_height": [0, 2016, 4033]}, "start_height must be the multiples of 2016 from 0, was 4033"),
        ({"start_height": [2016, 4032, 6048]}, "start_height must be the multiples of 2016 from 0, was 2016"),
        ({"time": [GENESIS, GENESIS + 2015, GENESIS + 10**7]}, "an epoch must take 2016 s or more, was 2015"),
        ({"time": [GENESIS, GENESIS + 10**6, GENESIS]}, "an epoch must take 2016 s or more, was -1000000"),
        ({"time": [-1, 10**6, 10**7]}, "time must be >= 0, was -1"),
        ({"bits": [0x1D00FFFF, 0, 0x1D00FFFF]}, "bits must mean a target .*, was 0x00000000"),
        ({"bits": [0x1D00FFFF, 2**32, 0x1D00FFFF]}, "bits must be <= 4294967295, was 4294967296"),
        ({"bits": [0x1D00FFFF]}, r"columns must be of one length of at least 1, was \(3,\), \(3,\), \(1,\)"),
    ],
)
def test_no_table(changes: dict[str, list[int]], message: str) -> None:
    with pytest.raises(DomainError, match=f"^{message}"):
        table(**changes)


def test_columns_are_ints() -> None:
    with pytest.raises(TypeError, match=r"^time must be an array of ints, was one of float64"):
        table(time=[0.0, 1e7, 2e7])
    with pytest.raises(TypeError, match=r"^start_height must be an array of ints, was one of float64"):
        table(start_height=[], time=[], bits=[])
