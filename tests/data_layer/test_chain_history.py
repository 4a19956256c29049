"""The daily history of a market and its chain: what is read, what is refused, what is reported missing."""

import gzip
import importlib.util
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetrading.blockchain.asic_efficiency import efficiency_at
from livetrading.blockchain.epochs import EPOCHS
from livetrading.blockchain.protocol import height_at, issued, subsidy
from livetrading.data.chain_history import (
    ChainHistory,
    date_of,
    day_of,
    embedded_history,
    read_chain_history,
)
from livetrading.data.errors import DataError

needs_pyarrow = pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed (extra [data])"
)
SMALL: Final = "date,close\n2020-01-01,7200\n2020-01-02,6970.5\n2020-01-03,7340\n"


def written(directory: Path, text: str, name: str = "made.csv") -> Path:
    path = directory / name
    path.write_text(text)
    return path


def read(directory: Path, text: str) -> ChainHistory:
    return read_chain_history(written(directory, text))


class TestColumns:
    def test_facts_of_the_chain_stand_beside_the_price(self, tmp_path: Path) -> None:
        columns = read(tmp_path, SMALL).columns
        assert columns["price_usd"].tolist() == [7200.0, 6970.5, 7340.0]
        assert [date_of(day) for day in columns["day"]] == [date(2020, 1, n) for n in (1, 2, 3)]
        for i, day in enumerate(columns["day"]):
            end = (int(day) + 1) * 86_400
            height = height_at(end - 1)
            assert columns["time"][i] == end
            assert columns["height"][i] == height
            assert columns["difficulty"][i] == EPOCHS.difficulty[height // 2016]
            assert columns["hash_rate"][i] == EPOCHS.difficulty[height // 2016] * 2**32 / 600
            assert columns["efficiency"][i] == efficiency_at(end - 1)
            assert columns["supply_btc"][i] == issued(height) / 1e8

    def test_blocks_give_what_they_were_paid_across_a_halving(self, tmp_path: Path) -> None:
        rows = ["date,price,height_eod,blocks,difficulty_mean"]
        rows += ["2020-05-10,8700,629944,130,16104807485529", "2020-05-11,8590,630058,114,16104807485529"]
        columns = read(tmp_path, "\n".join(rows)).columns
        slow = [
            sum(subsidy(h) for h in range(last - n + 1, last + 1))
            for last, n in ((629944, 130), (630058, 114))
        ]
        assert columns["issuance_btc"].tolist() == [paid / 1e8 for paid in slow]
        assert columns["efficiency"][1] == efficiency_at(int(columns["day"][1]) * 86_400)
        assert columns["hash_rate_observed"][1] == pytest.approx(16104807485529 * 2**32 * 114 / 86400)

    def test_columns_cannot_be_written_to(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="read-only"):
            read(tmp_path, SMALL).columns["price_usd"][0] = 1.0

    def test_what_is_not_used_is_named(self, tmp_path: Path) -> None:
        assert (
            "columns not used: Open, mood"
            in read(tmp_path, "Date,Open,Close,mood\n2020-01-01,1,2,?\n2020-01-02,1,2,?\n").notes
        )

    def test_a_column_that_is_not_known_on_some_days_is_named(self, tmp_path: Path) -> None:
        """A row without a price is no day that a model could be held against, and is not counted."""
        rows = ["1,5,2,3", "1,,,3", ",,,", "1,,,3", "1,7,2,"]
        lines = [f"2020-01-0{day},{610_000 + day},{row}" for day, row in enumerate(rows, 1)]
        header = "date,height,close,active_addresses,tx_count,fees_btc"
        assert read(tmp_path, "\n".join([header, *lines])).notes == (
            "not known on 2 of 4 days with a price, the first 2020-01-02, the last "
            "2020-01-04, and not filled: active_addresses, tx_count",
            "not known on 1 of 4 days with a price, the first 2020-01-05, the last "
            "2020-01-05, and not filled: fees_btc",
        )

    def test_heights_of_the_table_are_called_estimates(self, tmp_path: Path) -> None:
        assert any("120 blocks" in note for note in read(tmp_path, SMALL).notes)
        given = "date,close,height\n2020-01-01,7200,610000\n2020-01-02,7200,611000\n"
        assert read(tmp_path, given).notes == ()

    def test_beyond_the_table_is_said(self, tmp_path: Path) -> None:
        history = read(tmp_path, "date,close\n2027-01-01,1\n2027-01-02,1\n")
        assert any("difficulty is held" in note for note in history.notes)
        assert history.columns["difficulty"][0] == EPOCHS.difficulty[-1]

    @pytest.mark.parametrize(
        "cells",
        [
            ("1577836800", "1577923200"),
            ("1577836800000", "1577923200000"),
            ("2020-01-01T00:00:00Z", "2020-01-02 00:00:00+00:00"),
            ("2020-01-01T00:00:00", "2020-01-02T01:00:00+01:00"),
        ],
    )
    def test_an_instant_is_the_day_that_begins_then(self, tmp_path: Path, cells: tuple[str, str]) -> None:
        days = read(tmp_path, f"time,close\n{cells[0]},1\n{cells[1]},2\n").columns["day"]
        assert [date_of(day) for day in days] == [date(2020, 1, 1), date(2020, 1, 2)]

    def test_coin_metrics_names(self, tmp_path: Path) -> None:
        columns = read(tmp_path, "time,PriceUSD,CapMrktCurUSD,AdrActCnt\n2020-01-01,1,2,3\n").columns
        assert (columns["price_usd"][0], columns["market_cap_usd"][0], columns["active_addresses"][0]) == (
            1,
            2,
            3,
        )


class TestFormats:
    def test_gzip_is_the_same(self, tmp_path: Path) -> None:
        plain = read(tmp_path, SMALL)
        packed = tmp_path / "made.csv.gz"
        packed.write_bytes(gzip.compress(SMALL.encode()))
        same(plain, read_chain_history(packed))

    @needs_pyarrow
    def test_zstandard_is_the_same(self, tmp_path: Path) -> None:
        import pyarrow as pa

        packed = tmp_path / "made.csv.zst"
        with pa.CompressedOutputStream(str(packed), "zstd") as stream:
            stream.write(SMALL.encode())
        same(read(tmp_path, SMALL), read_chain_history(packed))

    @needs_pyarrow
    @pytest.mark.parametrize("kind", ["date", "instant", "text"])
    def test_parquet_is_the_same(self, tmp_path: Path, kind: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        days = [date(2020, 1, n) for n in (1, 2, 3)]
        dates = {
            "date": pa.array(days),
            "text": pa.array([str(day) for day in days]),
            "instant": pa.array(days).cast(pa.timestamp("ns", "UTC")),
        }[kind]
        path = tmp_path / "made.parquet"
        pq.write_table(pa.table({"date": dates, "close": pa.array([7200, 6970.5, 7340.0])}), path)
        same(read(tmp_path, SMALL), read_chain_history(path))

    @needs_pyarrow
    def test_parquet_names_the_row(self, tmp_path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = tmp_path / "made.parquet"
        pq.write_table(pa.table({"date": ["2020-01-01", "2020-01-02"], "close": [1.0, float("nan")]}), path)
        with pytest.raises(DataError, match=r"row 2: price_usd must be from .*, was 'nan'"):
            read_chain_history(path)


def same(one: ChainHistory, other: ChainHistory) -> None:
    assert set(one.columns) == set(other.columns)
    for name, values in one.columns.items():
        np.testing.assert_array_equal(values, other.columns[name])
    assert (one.gaps, one.notes) == (other.gaps, other.notes)


class TestGaps:
    def test_days_without_a_row_are_reported_and_not_filled(self, tmp_path: Path) -> None:
        history = read(tmp_path, "date,close\n2020-01-01,1\n2020-01-04,2\n2020-01-06,3\n")
        assert len(history.columns["day"]) == 3
        assert history.gaps == (
            (date(2020, 1, 2), date(2020, 1, 3)),
            (date(2020, 1, 5), date(2020, 1, 5)),
        )

    def test_so_are_rows_without_a_price(self, tmp_path: Path) -> None:
        history = read(
            tmp_path, "date,close\n2019-12-31,\n2020-01-01,1\n2020-01-02,\n2020-01-03,2\n2020-01-04,\n"
        )
        assert history.gaps == ((date(2020, 1, 2), date(2020, 1, 2)),)
        assert np.isnan(history.columns["price_usd"]).tolist() == [True, False, True, False, True]

    def test_a_row_marked_bad_has_no_price(self, tmp_path: Path) -> None:
        history = read(tmp_path, "date,close,ok\n2020-01-01,1,1\n2020-01-02,9,0\n2020-01-03,2,1\n")
        assert history.gaps == ((date(2020, 1, 2), date(2020, 1, 2)),)
        assert any("1 rows are marked" in note for note in history.notes)

    @settings(max_examples=40, deadline=None)
    @given(kept=st.sets(st.integers(0, 60), min_size=1))
    def test_gaps_are_the_days_between_that_are_not_there(
        self, kept: set[int], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        start = date(2017, 11, 3)
        days = [start + timedelta(days=n) for n in sorted(kept)]
        history = read(
            tmp_path_factory.mktemp("gaps"), "\n".join(["date,close", *(f"{day},5" for day in days)])
        )
        missing = [
            start + timedelta(days=n)
            for n in range(min(kept), max(kept))
            if start + timedelta(days=n) not in days
        ]
        told = [
            first + timedelta(days=n) for first, last in history.gaps for n in range((last - first).days + 1)
        ]
        assert told == missing
        assert all((b[0] - a[1]).days > 1 for a, b in zip(history.gaps, history.gaps[1:], strict=False))

    def test_a_part_has_its_own_gaps(self, tmp_path: Path) -> None:
        history = read(tmp_path, "date,close\n2020-01-01,1\n2020-01-04,2\n2020-01-06,3\n")
        part = history.between(date(2020, 1, 3), None)
        assert part.gaps == ((date(2020, 1, 5), date(2020, 1, 5)),)
        assert part.columns["price_usd"].tolist() == [2.0, 3.0]
        with pytest.raises(DataError, match=r"2020-01-01 to 2020-01-06, was 2021-01-01 to the last"):
            history.between(date(2021, 1, 1))


BAD: Final = [
    ("date,close\n", "must hold at least one row, was a header alone"),
    ("", "must begin with a line of column names, was empty"),
    ("date,close\n2020-01-01,\n", "must hold at least one price, was 1 rows without any"),
    ("day,close\n2020-01-01,1\n", "must have one column of date, time, open_time_ms, was day, close"),
    ("date,time,close\n2020-01-01,1,1\n", "must have one column of date, time, open_time_ms, was date, time"),
    (
        "date,open\n2020-01-01,1\n",
        "must have one column of price_usd, close, price, priceusd, was date, open",
    ),
    ("date,close,close\n2020-01-01,1,1\n", "must name each column once"),
    ("date,close,height,height_eod\n2020-01-01,1,1,1\n", "must have one column of height"),
    ("date,close\n2020-01-01,1\n2020-01-01,1\n", "line 3: .*after .* 2020-01-01, was the same day again"),
    ("date,close\n2020-01-02,1\n2020-01-01,1\n", "line 3: .*after .* 2020-01-02, was 2020-01-01"),
    ("date,close\n2020-01-01,0\n", r"line 2: price_usd must be from 1e-12 to 1e\+15, was '0'"),
    ("date,close\n2020-01-01,-5\n", r"line 2: price_usd must be from 1e-12 to 1e\+15, was '-5'"),
    ("date,close\n2020-01-01,nan\n", "line 2: price_usd must be from .*, was 'nan'"),
    ("date,close\n2020-01-01,inf\n", "line 2: price_usd must be from .*, was 'inf'"),
    ("date,close\n2020-01-01,\u0663\n", "line 2: price_usd must be from .*, was '\u0663'"),
    ("date,close,height\n2020-01-01,5,61067\u0663\n", "line 2: height must be a whole number .*, was"),
    ("date,close\n2020-01-01,1_000\n", "line 2: price_usd must be from .*, was '1_000'"),
    ("date,close\n2020-01-01,cheap\n", "line 2: price_usd must be from .*, was 'cheap'"),
    ("date,close\n2009-01-02,1\n", "line 2: a day must be a date from 2009-01-03 to 2139-12-31"),
    ("date,close\n2140-01-01,1\n", "line 2: a day must be a date from 2009-01-03 to 2139-12-31"),
    ("date,close\n2020-02-30,1\n", "line 2: a day must be a date .*, was '2020-02-30'"),
    ("date,close\n01/02/2020,1\n", "line 2: a day must be a date .*, was '01/02/2020'"),
    ("time,close\n1577836860,1\n", "line 2: a day must be .* 00:00 UTC of one, was '1577836860'"),
    ("date,close,market_cap_usd\n2020-01-01,1,0\n", "line 2: market_cap_usd must be above 0, up to 1e"),
    ("date,close,blocks\n2020-01-01,1,-1\n", r"line 2: blocks must be from 0 to 1e\+18, was '-1'"),
    ("date,close,height\n2020-01-01,1,6e5\n", "line 2: height must be a whole number from 0 to 6929999"),
    ("date,close,height\n2020-01-01,1,\n", "line 2: height must be a whole number from 0 to 6929999, was ''"),
    ("date,close,height\n2020-01-01,1,7000000\n", "line 2: height must be a whole number from 0 to 6929999"),
    ("date,close,height\n2020-01-01,1,500000\n", r"line 2: height must be from 6\d+ to 61\d+ at the end of"),
    (
        "date,close,height\n2020-01-01,1,610800\n2020-01-02,1,610799\n",
        "line 3: height must not be below that of the row before, 610800, was 610799",
    ),
    ("date,close,ok\n2020-01-01,1,yes\n", "line 2: ok must be 0 or 1, was 'yes'"),
    ("date,close\n2020-01-01,1,2\n", "line 2: must have 2 fields, was 3"),
    ('date,close\n2020-01-01,"1\n', "line 2: must be a row of CSV"),
]


class TestBadInput:
    @pytest.mark.parametrize(("text", "message"), BAD, ids=range(len(BAD)))
    def test_it_names_file_line_and_range(self, tmp_path: Path, text: str, message: str) -> None:
        with pytest.raises(DataError, match=message) as caught:
            read(tmp_path, text)
        assert "made.csv" in str(caught.value)

    def test_not_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "made.csv").mkdir()
        with pytest.raises(DataError, match=r"must be a readable file, was: a directory"):
            read_chain_history(tmp_path / "made.csv")
        with pytest.raises(DataError, match="No such file"):
            read_chain_history(tmp_path / "none.csv")
        with pytest.raises(DataError, match=r"must be one of \.csv, \.csv\.gz, \.csv\.zst, \.parquet"):
            read_chain_history(written(tmp_path, SMALL, "made.txt"))

    def test_damaged(self, tmp_path: Path) -> None:
        path = tmp_path / "made.csv.gz"
        path.write_bytes(gzip.compress(SMALL.encode() * 50)[:-20])
        with pytest.raises(DataError, match="must be a readable CSV file"):
            read_chain_history(path)
        path.write_bytes(b"date,close\n")
        with pytest.raises(DataError, match="must be a readable CSV file"):
            read_chain_history(path)

    def test_not_utf8(self, tmp_path: Path) -> None:
        path = tmp_path / "made.csv"
        path.write_bytes(b"date,close\n2020-01-01,\xff1\n")
        with pytest.raises(DataError, match="line 2: must be UTF-8"):
            read_chain_history(path)

    @needs_pyarrow
    def test_parquet_that_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="must be readable Parquet"):
            read_chain_history(written(tmp_path, SMALL, "made.parquet"))


class TestEmbedded:
    def test_every_day_without_a_price(self) -> None:
        history = embedded_history(date(2016, 7, 1), date(2016, 7, 31))
        assert history.columns["day"].tolist() == [*range(day_of(date(2016, 7, 1)), day_of(date(2016, 8, 1)))]
        assert "price_usd" not in history.columns
        assert history.gaps == ()
        assert history.path is None

    def test_it_ends_with_the_table(self) -> None:
        days = embedded_history().columns["day"]
        assert (int(days[-1]) + 1) * 86_400 <= EPOCHS.time[-1] < (int(days[-1]) + 2) * 86_400

    @pytest.mark.parametrize("day", [date(2009, 1, 2), date(2140, 1, 1)])
    def test_days_outside_the_chain(self, day: date) -> None:
        with pytest.raises(DataError, match=f"must be from 2009-01-03 to 2139-12-31, was {day}"):
            embedded_history(day, date(2139, 12, 31))
        with pytest.raises(DataError, match="must not be before 2020-01-02, was 2020-01-01"):
            embedded_history(date(2020, 1, 2), date(2020, 1, 1))
