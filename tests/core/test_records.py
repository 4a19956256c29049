"""The records that are written to files, byte by byte: what is written once must be read for ever."""

import numpy as np
import pytest

from livetrading.core.dtypes import BAR, FILL, RESULT, TICK, BarFlag

BAR_FIELDS = {
    "ts": ("<i8", 0),
    "start": ("<i8", 8),
    "open": ("<f8", 16),
    "high": ("<f8", 24),
    "low": ("<f8", 32),
    "close": ("<f8", 40),
    "volume": ("<f8", 48),
    "buy_volume": ("<f8", 56),
    "dollar": ("<f8", 64),
    "trades": ("<i8", 72),
    "flags": ("|u1", 80),
}


def test_bar() -> None:
    assert BAR.fields is not None
    found = {name: (BAR.fields[name][0].str, BAR.fields[name][1]) for name in BAR.names or ()}
    assert found == BAR_FIELDS
    assert {flag.name: flag.value for flag in BarFlag} == {"FILLED": 1, "NO_TRADE": 2, "OPEN": 4}


@pytest.mark.parametrize(("dtype", "size"), [(TICK, 64), (RESULT, 192), (FILL, 56), (BAR, 88)])
def test_sizes(dtype: np.dtype[np.void], size: int) -> None:
    assert dtype.itemsize == size
