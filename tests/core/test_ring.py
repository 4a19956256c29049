from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetrading.core.ring import CAPACITY_MAX, MirroredRing


@given(st.integers(1, 70), st.lists(st.floats(allow_nan=False), max_size=300))
def test_every_window_is_the_last_values(capacity: int, xs: list[float]) -> None:
    ring = MirroredRing(capacity)
    assert ring.capacity >= capacity
    assert ring.capacity & (ring.capacity - 1) == 0
    last: deque[float] = deque(maxlen=ring.capacity)
    for x in xs:
        ring.push(x)
        last.append(x)
        assert len(ring) == len(last)
    for n in range(len(last) + 1):
        assert ring.window(n).tolist() == list(last)[len(last) - n :]


@given(st.integers(1, 9), st.lists(st.floats(allow_nan=False), max_size=60), st.integers(0, 60))
def test_extending_is_pushing(capacity: int, xs: list[float], cut: int) -> None:
    one, many = MirroredRing(capacity), MirroredRing(capacity)
    for x in xs:
        one.push(x)
    many.extend(np.array(xs[:cut]))
    many.extend(np.array(xs[cut:]))
    assert one.window(len(one)).tolist() == many.window(len(many)).tolist()


def test_a_window_is_a_copy() -> None:
    ring = MirroredRing(2)
    ring.extend(np.array([1.0, 2.0]))
    window = ring.window(2)
    ring.push(3.0)
    assert window.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("capacity", [0, -1, CAPACITY_MAX + 1])
def test_capacity_out_of_range(capacity: int) -> None:
    with pytest.raises(ValueError, match=f"capacity must be .* was {capacity}"):
        MirroredRing(capacity)


@pytest.mark.parametrize("n", [-1, 3])
def test_window_out_of_range(n: int) -> None:
    ring = MirroredRing(4)
    ring.extend(np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match=f"n must be from 0 to 2, was {n}"):
        ring.window(n)
