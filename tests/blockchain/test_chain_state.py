import numpy as np
import pytest

from livetrading.blockchain.chain_state import chain_columns, chain_state
from livetrading.blockchain.protocol import DomainError, difficulty, hashrate_from_difficulty, issued


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


def test_something_must_be_given() -> None:
    for function in (chain_state, chain_columns):
        with pytest.raises(DomainError, match=r"^heights? or times? must be given, was neither"):
            function()
