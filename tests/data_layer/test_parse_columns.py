"""The text of --columns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetrading.core.dtypes import TICK
from livetrading.data.ticks import DataError, parse_columns

names = st.text(min_size=1).filter(lambda s: s == s.strip() and "," not in s)
fields = st.sampled_from(
    [*TICK.names, "recv_ns", "exch_ms", "bid_qty", "ask_qty", "qty", "update_id", "trade_id", "-"]
)


@given(st.dictionaries(names, fields, min_size=1))
def test_pairs_come_back_as_they_were_written(columns: dict[str, str]) -> None:
    assert parse_columns(",".join(f"{name}={field}" for name, field in columns.items())) == columns


def test_spaces_around_names_are_no_part_of_them() -> None:
    assert parse_columns(" a = bid , b = - ") == {"a": "bid", "b": "-"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "pairs separated by commas, was ''"),
        ("bid", "was 'bid'"),
        ("a=bid,", "was 'a=bid,'"),
        ("=bid", "was '=bid'"),
        ("a=", "was 'a='"),
        ("a=bid,a=ask", r"each column once, .* \(a twice\)"),
        ("a=offer", "was a=offer"),
    ],
)
def test_what_is_no_pair_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_columns(text)
