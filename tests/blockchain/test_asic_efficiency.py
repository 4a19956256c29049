import json
import math
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetrading.blockchain.asic_efficiency import ANCHORS, efficiency_at
from livetrading.blockchain.protocol import DomainError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "chain.json").read_text())
DAY = 86_400


def midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(("day", "expected"), GOLDEN["efficiency"])
def test_golden(day: str, expected: float) -> None:
    start = midnight(date.fromisoformat(day))
    assert {round(efficiency_at(start + s), 4) for s in (0, 43_200.5, DAY - 1e-6)} == {expected}


def test_it_is_log_linear_between_the_anchors() -> None:
    xs = [anchor.day.toordinal() for anchor in ANCHORS]
    ys = [math.log(anchor.j_per_th) for anchor in ANCHORS]
    days = [date(2008, 6, 1) + timedelta(days=n) for n in range(0, 7000, 13)]
    expected = np.exp(np.interp([day.toordinal() for day in days], xs, ys))
    times = np.array([midnight(day) for day in days])
    assert efficiency_at(times) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("anchor", ANCHORS, ids=lambda anchor: str(anchor.day))
def test_an_anchor_is_met_exactly_and_has_a_source(anchor) -> None:
    assert efficiency_at(midnight(anchor.day)) == anchor.j_per_th
    assert len(anchor.source) > 10


def test_anchors_are_in_order_and_machines_get_better() -> None:
    for here, there in pairwise(ANCHORS):
        assert here.day < there.day
        assert here.j_per_th > there.j_per_th


@given(st.lists(st.one_of(st.floats(-1e18, 1e18), st.floats(1.2e9, 1.8e9), st.integers(0, 2 * 10**9))))
def test_arrays_are_their_elements(times: list[float]) -> None:
    array = np.array(times, np.float64)
    assert efficiency_at(array).tolist() == [efficiency_at(time) for time in array.tolist()]
    assert efficiency_at(array.reshape(1, -1)).shape == (1, len(times))


def test_bad_times() -> None:
    for bad in (math.nan, math.inf, np.array([0.0, math.nan])):
        with pytest.raises(DomainError, match=r"^time must be finite, was"):
            efficiency_at(bad)
    for bad in ("2024-01-01", True, np.array([True])):
        with pytest.raises(TypeError, match=r"^time must be"):
            efficiency_at(bad)
