import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetrading.blockchain import chain_state as module
from livetrading.blockchain.asic_efficiency import efficiency_at
from livetrading.blockchain.chain_state import chain_columns, chain_state
from livetrading.blockchain.protocol import (
    DomainError,
    difficulty,
    hashrate_from_difficulty,
    height_at,
    issued,
    time_at,
)


def test_the_reference_point() -> None:
    state = chain_state(925_810)
    assert (state.height, state.bits, state.difficulty) == (925_810, 0x1701E2A0, difficulty(0x1701E2A0))
    assert state.hash_rate == hashrate_from_difficulty(state.difficulty)
    assert (state.efficiency, state.energy_cost, state.supply_sat) == (25.0, 0.044, issued(925_810))
    assert (state.estimate, state.height_error) == (False, 0.0)


def test_past_the_table_all_is_an_estimate() -> None:
    state = chain_state(time=1_798_761_600)
    assert (state.height, state.bits, state.estimate) == (982_507, 0x170240C3, True)
    assert state.height_error == pytest.approx((120**2 + 982_507 - 953_568) ** 0.5)


@pytest.mark.parametrize("by", ["heights", "times"])
def test_columns_are_those_of_the_states(by: str) -> None:
    heights = np.array([0, 1, 2015, 2016, 925_810, 953_568, 955_583, 955_584, 7_000_000])
    states = [chain_state(int(height)) for height in heights]
    times = np.array([state.time for state in states])
    columns = chain_columns(heights) if by == "heights" else chain_columns(times=times)
    for name in ("time", "height", "difficulty", "hash_rate", "efficiency"):
        assert columns[name].tolist() == [getattr(state, name) for state in states]
    assert columns["supply_btc"].tolist() == [state.supply_sat / 1e8 for state in states]


def test_what_is_given_counts() -> None:
    state = chain_state(925_810, 1_764_478_080.9, hash_rate=1.08188e21, efficiency=20, energy_cost=0)
    assert (state.height, state.time, state.hash_rate) == (925_810, 1_764_478_080, 1.08188e21)
    assert (state.efficiency, state.energy_cost, state.notes) == (20.0, 0.0, ())
    with pytest.raises(FrozenInstanceError):
        state.height = 1


@given(st.one_of(st.integers(0, 1_000_000), st.integers(950_000, 960_000)))
def test_height_and_time_are_those_of_the_protocol(height: int) -> None:
    by_height = chain_state(height)
    assert (by_height.height, by_height.time) == (height, time_at(height))
    by_time = chain_state(time=by_height.time)
    assert (by_time.height, by_time.time) == (height_at(by_height.time), by_height.time)
    assert (by_height.bits, by_height.supply_sat) == (by_time.bits, by_time.supply_sat)
    assert by_height.efficiency == efficiency_at(by_height.time)
    assert by_height.height_error == 0.0
    assert by_time.height_error == math.sqrt(120**2 + max(0, height - 953_568))


@pytest.mark.parametrize(
    ("given", "estimate"),
    [
        ({"height": 953_568}, False),
        ({"height": 953_569}, True),
        ({"time": time_at(953_568)}, False),
        ({"time": time_at(953_569)}, True),
        ({"height": 955_583, "time": 1_800_000_000}, False),
        ({"height": 955_584, "time": 1_800_000_000}, True),
    ],
)
def test_past_the_table_is_an_estimate(given: dict[str, int], estimate: bool) -> None:
    assert chain_state(**given).estimate is estimate


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"height": 925_810}, ["time interpolated", "about 20 hours", "600 s a block", "about 20 %"]),
        ({"time": 1_713_571_767}, ["height interpolated", "about 120 blocks", "600 s a block", "about 20 %"]),
        ({"height": 2016}, ["time of a retarget is an estimate", "600 s a block", "more than a factor of 2"]),
        ({"height": 0}, ["600 s a block", "more than a factor of 2"]),
        ({"height": 400_000}, ["time interpolated", "600 s a block", "a factor of 2"]),
        (
            {"time": 1_798_761_600},
            ["height extended", "from height 953568", "about 208 blocks", "height 955583", "held at 25 J/TH"],
        ),
    ],
)
def test_notes_say_what_is_estimated(given: dict[str, int], words: list[str]) -> None:
    notes = " | ".join(chain_state(**given).notes)
    places = [notes.find(word) for word in words]
    assert -1 not in places, notes
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"height": -1}, "height must be >= 0, was -1"),
        ({"height": 2**63}, "height must be <= "),
        (
            {"time": 1_231_006_504},
            "time must be >= 1231006505, the time of the genesis block, was 1231006504",
        ),
        ({"height": 5, "time": 0}, "time must be >= 1231006505"),
        ({"time": math.nan}, "time must be >= 1231006505, the time of the genesis block, was nan"),
        *(
            ({"height": 5, name: bad}, f"{name} must be finite and {rule}, was {bad}")
            for name, rule, low in (
                ("hash_rate", ">= 0", -1.0),
                ("efficiency", "> 0", 0.0),
                ("energy_cost", ">= 0", -0.01),
            )
            for bad in (low, math.nan, math.inf)
        ),
    ],
)
def test_outside_the_domain(given: dict[str, float], message: str) -> None:
    with pytest.raises(DomainError, match=f"^{message}"):
        chain_state(**given)


def test_heights_are_ints() -> None:
    for bad in (1.0, True, "1"):
        with pytest.raises(TypeError, match="height must be an int, was"):
            chain_state(bad)
    with pytest.raises(TypeError, match="energy_cost must be a number, was '1'"):
        chain_state(1, energy_cost="1")


def test_columns_longer_than_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    heights = np.arange(0, 1_100_000, 9_973)[::-1]
    whole = chain_columns(heights)
    monkeypatch.setattr(module, "CHUNK", 7)
    for arguments in ((heights,), (None, time_at(heights)), (heights[::-1][::-1], whole["time"])):
        for name, column in chain_columns(*arguments).items():
            assert column.tolist() == whole[name].tolist()


def test_columns_keep_the_shape_and_what_is_given() -> None:
    heights = np.array([[1, 2016], [840_000, 925_810]], np.uint32)
    times = np.array([[1.3e9, 1.4e9], [1.5e9, 1.6e9]])
    columns = chain_columns(heights, times)
    assert list(columns) == ["time", "height", "difficulty", "hash_rate", "efficiency", "supply_btc"]
    assert columns["height"].tolist() == heights.tolist()
    assert columns["time"].tolist() == times.tolist()
    assert columns["efficiency"].tolist() == efficiency_at(times).tolist()
    assert [columns[name].dtype for name in columns] == [np.int64, np.int64, *[np.float64] * 4]
    assert all(column.shape == (0,) for column in chain_columns(np.array([], np.int64)).values())
    assert chain_columns(np.array(5))["height"].shape == ()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (([1, 2],), TypeError, "heights and times must be arrays, was list"),
        ((np.array([1.0]),), TypeError, "height must be an array of ints, was one of float64"),
        ((np.array([1, -1]),), DomainError, "height must be >= 0, was -1"),
        ((None, np.array([0])), DomainError, "time must be >= 1231006505"),
        ((None, np.array([np.nan])), DomainError, "time must be >= 1231006505.* was nan"),
        ((np.array([1]), np.array([0])), DomainError, "time must be >= 1231006505"),
        (
            (np.array([1, 2]), np.array([1.3e9])),
            DomainError,
            r"heights and times must be of one shape",
        ),
    ],
)
def test_no_columns(given: tuple[object, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{message}"):
        chain_columns(*given)


def test_something_must_be_given() -> None:
    for function in (chain_state, chain_columns):
        with pytest.raises(DomainError, match=r"^heights? or times? must be given, was neither"):
            function()
