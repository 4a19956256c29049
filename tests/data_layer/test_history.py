"""Files of every make: what is read, how it was understood, and what is refused by name."""

import gzip
import json
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from livetrading.core.dtypes import BAR, TICK
from livetrading.data.errors import DataError, NoRows
from livetrading.data.history import Table, load, scan, understand, utc
from livetrading.data.results import ResultWriter
from livetrading.data.stamps import UNITS, magnitude
from livetrading.data.ticks import open_ticks

DATA: Final = Path(__file__).parents[1] / "data"
TRADES: Final = DATA / "btcusdt_spot_20240808_trades.csv"
QUOTES: Final = DATA / "btcusdt_spot_20240808_quotes.csv"

Write = Callable[..., Path]
DAY: Final = 86_400 * 10**9


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str | bytes, name: str = "file.csv") -> Path:
        path = tmp_path / name
        data = text if isinstance(text, bytes) else text.encode()
        path.write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
        return path

    return write


def ns(text: str) -> int:
    when = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return round(when.timestamp()) * 10**9


# As the sites themselves write them, shortened: name of the file's maker, text, kind, start of the first row
# (bars) or its time, and fields of the first row.
DUMPS: Final[dict[str, tuple[str, str, str, dict[str, float]]]] = {
    "Binance klines": (
        "1601510340000,4.15070000,4.15870000,4.15060000,4.15540000,539.23000000,1601510399999,2240.39860900,13,"
        "401.82000000,1669.98121300,0\n"
        "1601510400000,4.15540000,4.16000000,4.15000000,4.15100000,100.00000000,1601510459999,415.30000000,7,"
        "40.00000000,166.10000000,0\n",
        "bars",
        "2020-09-30 23:59:00",
        {
            "open": 4.1507,
            "high": 4.1587,
            "low": 4.1506,
            "close": 4.1554,
            "volume": 539.23,
            "dollar": 2240.398609,
            "trades": 13,
            "buy_volume": 401.82,
        },
    ),
    "Binance klines in microseconds": (
        "1735689600000000,4.15070000,4.15870000,4.15060000,4.15540000,539.23000000,1735693199999999,2240.39860900,"
        "13,401.82000000,1669.98121300,0\n",
        "bars",
        "2025-01-01 00:00:00",
        {"close": 4.1554},
    ),
    "Binance klines with names": (
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
        "taker_buy_quote_volume,ignore\n"
        "1704067200000,42571.90,42600.00,42500.10,42590.50,12.5,1704067259999,532381.2,9020,3.5,149066.7,0\n",
        "bars",
        "2024-01-01 00:00:00",
        {"trades": 9020, "buy_volume": 3.5, "dollar": 532381.2},
    ),
    "Binance aggTrades (spot)": (
        "3735687953,61656.99,0.5,5,6,1723161472979,False,True\n3735687954,61656.87,0.25,7,7,1723161472979,True,True\n",
        "trades",
        "2024-08-08 23:57:52",
        {"price": 61656.99, "volume": 0.5, "side": 1},
    ),
    "Binance aggTrades (futures)": (
        "26129,0.01633102,4.70443515,27781,27781,1498793709153,true\n",
        "trades",
        "2017-06-30 03:35:09",
        {"price": 0.01633102, "side": -1},
    ),
    "Binance aggTrades with names": (
        "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
        "26129,59800.50,0.012,50001,50001,1700000000123,true\n",
        "trades",
        "2023-11-14 22:13:20",
        {"price": 59800.5, "volume": 0.012, "side": -1},
    ),
    "Binance trades with names": (
        "id,price,qty,quote_qty,time,is_buyer_maker\n5053880937,68402.6,0.024,1641.6624,1717113600031,false\n",
        "trades",
        "2024-05-31 00:00:00",
        {"price": 68402.6, "volume": 0.024, "side": 1},
    ),
    "Kraken OHLCVT": (
        "1381095240,122.0,122.5,121.5,122.25,0.1,3\n1381095300,122.25,123.0,122.0,122.5,0.2,4\n",
        "bars",
        "2013-10-06 21:34:00",
        {"open": 122.0, "close": 122.25, "trades": 3},
    ),
    "Kraken time and sales": (
        "1381095255.123456789,122.00000,0.10000000\n1381095256,123.61000,0.10000000\n",
        "trades",
        "2013-10-06 21:34:15",
        {"price": 122.0, "volume": 0.1},
    ),
    "Coinbase candles": (
        "1712192400,66055.14,66331.99,66312.4,66181.6,355.8\n1712196000,65857.35,66387.77,65984.18,66314.59,358.7\n",
        "bars",
        "2024-04-04 01:00:00",
        {"low": 66055.14, "high": 66331.99, "open": 66312.4, "close": 66181.6},
    ),
    "Coinbase candles with names": (
        "time,low,high,open,close,volume\n1712196000,65857.35,66387.77,65984.18,66314.59,358.7\n"
        "1712192400,66055.14,66331.99,66312.4,66181.6,355.8\n",
        "bars",
        "2024-04-04 02:00:00",
        {"low": 65857.35, "close": 66314.59},
    ),
    "CryptoDataDownload": (
        "https://www.CryptoDataDownload.com\nunix,date,symbol,open,high,low,close,Volume BTC,Volume USD\n"
        "1646106240,2022-03-01 03:44:00,BTC/USD,43046.58,43060,43000,43020.5,1.5,64530.75\n"
        "1646106180,2022-03-01 03:43:00,BTC/USD,43046.58,43046.58,43046.58,43046.58,0.00000000,0.0\n",
        "bars",
        "2022-03-01 03:44:00",
        {"volume": 1.5, "dollar": 64530.75, "close": 43020.5},
    ),
    "Bitstamp (Kaggle)": (
        "Timestamp,Open,High,Low,Close,Volume_(BTC),Volume_(Currency),Weighted_Price\n"
        "1325317920,4.39,4.39,4.39,4.39,0.45558087,2.0000000193,4.39\n1325317980,NaN,NaN,NaN,NaN,NaN,NaN,NaN\n",
        "bars",
        "2011-12-31 07:52:00",
        {"close": 4.39, "volume": 0.45558087, "dollar": 2.0000000193},
    ),
    "Yahoo Finance": (
        "Date,Open,High,Low,Close,Adj Close,Volume\n2014-09-17,465.86,468.17,452.42,457.33,457.33,21056800\n"
        "2014-09-18,null,null,null,null,null,null\n",
        "bars",
        "2014-09-17 00:00:00",
        {"open": 465.86, "close": 457.33},
    ),
    "yfinance": (
        "Price,Close,High,Low,Open,Volume\nTicker,BTC-USD,BTC-USD,BTC-USD,BTC-USD,BTC-USD\nDate,,,,,\n"
        "2014-09-17,457.33,468.17,452.42,465.86,21056800\n2014-09-18,424.44,456.86,413.10,456.86,34483200\n",
        "bars",
        "2014-09-17 00:00:00",
        {"open": 465.86, "high": 468.17, "low": 452.42, "close": 457.33, "volume": 21056800},
    ),
    "TradingView": (
        "time,open,high,low,close,Volume,Volume MA\n1704205800,187.15,188.44,183.89,185.64,82488700,\n"
        "1704292200,184.22,185.88,183.43,184.25,58414500,70000000\n",
        "bars",
        "2024-01-02 14:30:00",
        {"close": 185.64, "volume": 82488700},
    ),
    "Tardis": (
        "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
        "binance,BTCUSDT,1704067200012000,1704067200015123,1,buy,42000.5,0.01\n"
        "binance,BTCUSDT,1704067259999000,1704067260001000,2,sell,42001,0.5\n",
        "trades",
        "2024-01-01 00:00:00",
        {"price": 42000.5, "volume": 0.01, "side": 1},
    ),
}


@pytest.mark.parametrize("make", DUMPS)
def test_dumps_are_recognised(make: str, write: Write) -> None:
    text, kind, when, values = DUMPS[make]
    table = load(write(text))
    assert table.kind == kind
    time = int(table.columns["start" if kind == "bars" else "ts"][0])
    assert time - time % 10**9 == ns(when)
    assert {name: table.columns[name][0] for name in values} == values
    records = table.records()
    assert records.dtype == (BAR if kind == "bars" else TICK)
    assert len(records) == len(table) == table.understood.rows
    assert make.partition(" with")[0].partition(" in ")[0].split()[0] in (
        f"{table.understood.source} {' '.join(table.understood.notes)}"
    )


def test_ends_of_klines_are_no_part_of_them(write: Write) -> None:
    for make in ("Binance klines", "Binance klines in microseconds", "Binance klines with names"):
        columns = load(write(DUMPS[make][0])).columns
        assert (columns["ts"] - columns["start"])[0] in (60 * 10**9, 3600 * 10**9)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", ["ts", "time", "Timestamp", "DATE", "unix", "open_time"])
def test_units_are_told_by_size(unit: str, name: str, write: Write) -> None:
    start = ns("2024-01-31 00:00:00")
    stamps = [(start + i * 60 * 10**9) // UNITS[unit] for i in range(3)]
    table = load(write(f"{name},close\n" + "".join(f"{t},1\n" for t in stamps)))
    assert table.columns["start"].tolist() == [start + i * 60 * 10**9 for i in range(3)]
    assert table.understood.time_unit == unit
    assert "by size" in table.understood.time_told
    assert table.understood.spacing.startswith("1m ")


@given(st.integers(10**8, 9_223_372_036), st.sampled_from(list(UNITS)))
def test_size_tells_any_second_since_1973(second: int, unit: str) -> None:
    assert magnitude(second * 10**9 // UNITS[unit]) == unit


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2024-01-31", "2024-01-31 00:00:00"),
        ("2024-01-31 12:30", "2024-01-31 12:30:00"),
        ("2024-01-31T12:30:05Z", "2024-01-31 12:30:05"),
        ("2024-01-31 12:30:05+00:00", "2024-01-31 12:30:05"),
        ("2024-01-31 12:30:05 UTC", "2024-01-31 12:30:05"),
        ("2024-01-31T12:30:05-05:00", "2024-01-31 17:30:05"),
        ("2024-01-31T12:30:05+0530", "2024-01-31 07:00:05"),
    ],
)
def test_dates(cell: str, expected: str, write: Write) -> None:
    table = load(write(f"time,close\n{cell},1\n"), every="1h")
    assert table.columns["start"][0] == ns(expected) == pd.Timestamp(expected).value
    assert ("none is given: read as UTC" in table.understood.zone) == (
        cell[-1] not in "ZC0" or len(cell) < 17
    )


def test_nanoseconds_of_dates_are_kept(write: Write) -> None:
    table = load(write("time,price,size\n2024-01-31T12:30:05.123456789Z,1,1\n"))
    assert table.columns["ts"][0] == pd.Timestamp("2024-01-31T12:30:05.123456789").value


@given(st.integers(10**17, 2**62), st.booleans())
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_decimals_of_seconds_are_exact(write: Write, instant: int, short: bool) -> None:
    text = f"{instant // 10**9}.{instant % 10**9:09d}"
    text = text.rstrip("0").rstrip(".") if short else text
    assert load(write(f"time,price,size\n{text},1,1\n")).columns["ts"][0] == instant


@pytest.mark.parametrize("name", ["file.csv", "file.csv.gz", "file.csv.zst"])
@pytest.mark.parametrize(
    ("sign", "called"), [(",", "comma"), (";", "semicolon"), ("\t", "tab"), ("|", "bar")]
)
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_delimiters_compression_and_bom(name: str, sign: str, called: str, bom: str, write: Write) -> None:
    text = bom + "Date,Open,High,Low,Close\n2024-01-01,1,3,1,2\n\n2024-01-02,2,4,1,3\n".replace(",", sign)
    packed: Any = pa.compress(text.encode(), "zstd", asbytes=True) if name.endswith(".zst") else text
    table = load(write(packed, name))
    assert table.understood.delimiter == called
    assert table.understood.encoding == ("utf-8 with a byte order mark" if bom else "utf-8")
    assert table.understood.compression == {"v": "none", "z": "gzip", "t": "zstd"}[name[-1]]
    assert table.columns["close"].tolist() == [2, 3]
    assert table.understood.clock == "Date"


class TestRefusals:
    """A named error, with file and line."""

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("time,close\n1700000000,1\n1700000060000,2\n", "line 3: time must be in s .* units are mixed"),
            ("time,close\n1700000000000,1\n1700000060,2\n", "line 3: time must be in ms .* units are mixed"),
            ("time,close\n1700000000,1\n2024-01-01,2\n", "line 3: .* number like the times before"),
            ("time,close\n2024-01-01,1\n1700000000,2\n", "line 3: .* ISO 8601 as the times before"),
            ("time,close\n2024-01-01,1\n2024-01-02T00:00Z,2\n", "line 3: .* give no zone"),
            ("time,close\n2024-01-01T00:00Z,1\n2024-01-02,2\n", "line 3: .* give its time zone"),
            ("time,close\n2024-02-30,1\n", "line 2: .* exist, was '2024-02-30'"),
            ("time,close\n2300-01-01,1\n", "line 2: .* from 1678 to 2261"),
            ("time,close\n01/02/2024,1\n", "line 2: .* ISO 8601"),
            ("time,close\n20240131,1\n", "line 2: .* large enough for its size to tell its unit"),
            ("open_time_ms,close\n1700000000,1\n", "line 2: .* in ms .*name says it.*, was .* in s"),
            ("time,close\n1700000000,1\n", "how long a bar is .* one bar alone"),
            ("time,close\n", "at least one row, was a header alone"),
            ("", "must hold rows, was empty"),
            ("\n\n", "must hold rows, was blank"),
            ("time:close\n1700000000:1\n", "line 1: columns must be separated by comma, semicolon, tab, bar"),
            ("time,close\n1700000000,1\n1700000060;2\n", "line 3: must have 2 fields .* holds a semicolon"),
            ("time,close\n1700000000,1\n1700000060,x\n", "line 3: close must be a number, was 'x'"),
            ("time,close\n1700000000,1\n1700000060,1_0\n", "line 3: close must be a number, was '1_0'"),
            ("time,close,close\n1,1,1\n", "name each column once"),
            ("close,open\n1,1\n", "one column must be a time"),
            ("time,close,price\n1700000000,1,1\n", r"be given \(--kind\)"),
            (
                "time,volume,amount,price\n1700000000,1,1,1\n",
                "volume must be one column, was volume and amount",
            ),
            ("time;close\n1,5;2,5\n1,6;2,6\n", "number"),
            pytest.param(
                f'time,close\n1,"{"1," * 70_000}\n', r"line 2: .{,300}field larger", id="a giant cell"
            ),
            ("time,x;close\n1,2;3\n1,2;4\n", "line 1: the delimiter must be told .* comma or semicolon"),
            ("1,2,3,4,5,1700000000,0,1\n", "of none"),
            ("time,side,price,size\n1700000000,up,1,1\n", "line 2: side must be one of buy"),
            ("1700000000,1,1,1,1,5\n", "any of time, open, high, low, close, volume.*Coinbase.*Bitfinex"),
            ("1,2\n3,4\n", "of none"),
            ("time,close\n1700000000,1\n1700000007,1\n1700000020,1\n1700000043,1\n", "how long a bar is"),
        ],
    )
    def test_text(self, text: str, words: str, write: Write) -> None:
        with pytest.raises(DataError, match=words) as caught:
            load(write(text))
        assert "file.csv" in str(caught.value)

    def test_header_alone_is_an_empty_table_where_that_is_asked(self, write: Write) -> None:
        path = write("time,close\n")
        with pytest.raises(NoRows, match="line 1: time, close"):
            load(path)
        table = load(path, empty=True)
        assert len(table) == len(table.records()) == 0

    def test_not_utf8(self, write: Write) -> None:
        text = "time,close\n" + "1700000000,1\n" * 100
        with pytest.raises(DataError, match=r"file.csv, line 102: must be UTF-8, was b'1700000000,\\xff"):
            load(write(text.encode() + b"1700000000,\xff\n"), every="1m")
        with pytest.raises(DataError, match="line 1: must be UTF-8"):
            load(write("time,close\n".encode("utf-16")))

    def test_directory_and_what_is_not_there(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").mkdir()
        with pytest.raises(DataError, match="a directory, a pipe or a device"):
            load(tmp_path / "a.csv")
        with pytest.raises(DataError, match="No such file"):
            load(tmp_path / "b.csv")
        with pytest.raises(DataError, match=r"must be one of \.csv"):
            load(tmp_path / "b.txt")

    @pytest.mark.parametrize("suffix", ["", ".gz"])
    def test_file_that_grows_while_it_is_read(self, suffix: str, write: Write) -> None:
        path = write("time,close\n" + "1700000000,1\n" * 40_000, f"file.csv{suffix}")
        pieces = scan(path, every="1m")
        next(pieces)
        with path.open("ab") as file:
            file.write(b"1700000000,1\n")
        with pytest.raises(DataError, match=r"line \d+: a file must not change while it is read"):
            list(pieces)

    def test_cut_short(self, write: Write) -> None:
        path = write("time,close\n" + "1700000000,1\n" * 40_000, "file.csv.gz")
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(DataError, match="readable CSV"):
            load(path, every="1m")

    def test_options(self, write: Write) -> None:
        path = write("time,close\n1700000000,1\n")
        for given_, words in (
            ({"kind": "candles"}, "kind must be one of"),
            ({"delimiter": "x"}, "delimiter must be one of"),
            ({"columns": {"close": "shut"}}, "columns must place"),
            ({"columns": {"open": "open"}}, "columns must name columns"),
            ({"every": "1x"}, "every: "),
            ({"kind": "columns", "every": "1m"}, "every must be given for bars"),
            ({"kind": "trades"}, "lacking price, volume"),
        ):
            with pytest.raises(DataError, match=words):
                load(path, **given_)  # type: ignore[arg-type]

    def test_a_name_that_holds_csv_is_no_csv(self, tmp_path: Path) -> None:
        pd.DataFrame({"time": [1_700_000_000], "price": [1.0], "size": [1.0]}).to_parquet(
            tmp_path / "a.csv.parquet"
        )
        assert load(tmp_path / "a.csv.parquet").understood.format == "parquet"


WORDS: Final = (
    "1 -1 1e5 nan inf null 1700000000 1700000000000 2024-01-01 2024-13-01 true buy x _1 1_0 time Ticker"
)
CELLS: Final = st.sampled_from(
    [*WORDS.split(), "", '"', "\0", "\u0661", "9" * 30, "9" * 6000, "close", "open_time"]
)


@given(
    st.lists(st.lists(CELLS, min_size=1, max_size=8), max_size=8),
    st.sampled_from([",", ";", "\t", "|", ":"]),
    st.sampled_from(["", "time,close\n", "Price,Close\nTicker,A\nDate,\n", "ts,price,size,side\n", "\ufeff"]),
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_text_it_is_a_table_or_a_named_error(
    write: Write, rows: list[list[str]], sign: str, head: str
) -> None:
    path = write(head + "\n".join(sign.join(row) for row in rows))
    try:
        table = load(path)
    except DataError:
        return
    assert len(table) > 0
    json.dumps(table.understood.to_dict(), allow_nan=False)


@given(
    st.binary(max_size=300),
    st.sampled_from([".csv", ".csv.gz", ".csv.zst", ".parquet", ".arrow", ".npy", ".ultra"]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_bytes_it_is_a_named_error(tmp_path: Path, data: bytes, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    with pytest.raises(DataError, match=path.name):
        load(path)


def test_scan_is_flat_in_memory(write: Write) -> None:
    """Four times the rows take no more memory."""

    def peak(n: int) -> int:
        path = write("time,close\n" + "".join(f"{1_700_000_000 + 60 * i},{i}\n" for i in range(n)))
        tracemalloc.start()
        try:
            assert understand(path).rows == n
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(66_000) < 1.1 * peak(33_000)


def test_yahoo_gives_volumes_in_dollars(write: Write) -> None:
    for make in ("Yahoo Finance", "yfinance"):
        path = write(DUMPS[make][0])
        assert any("--columns Volume=dollar" in note for note in load(path).understood.notes)
        assert "volume" not in load(path, columns={"Volume": "dollar"}).columns


class TestByHand:
    def test_columns_settle_a_layout(self, write: Write) -> None:
        path = write("1700000000,1,1,1,1,5\n1700000060,1,1,1,1,5\n")
        hand = dict(zip("123456", ("start", "low", "high", "open", "close", "volume"), strict=True))
        table = load(path, columns=hand)
        assert table.understood.source == "columns placed by hand"
        assert table.columns["volume"].tolist() == [5, 5]

    def test_unit(self, write: Write) -> None:
        table = load(write("t,close\n5,1\n6,2\n"), columns={"t": "time_s"})
        assert table.columns["start"].tolist() == [5 * 10**9, 6 * 10**9]

    def test_end(self, write: Write) -> None:
        columns = load(write("date,close\n2024-01-02,1\n2024-01-03,2\n"), columns={"date": "end"}).columns
        assert columns["ts"].tolist() == [ns("2024-01-02"), ns("2024-01-03")]
        assert columns["start"].tolist() == [ns("2024-01-01"), ns("2024-01-02")]

    def test_left_out(self, write: Write) -> None:
        text = "unix,date,close\n1700000000,2024-01-01,1\n1700000060,2024-01-02,1\n"
        with pytest.raises(DataError, match="time must be one column, was unix and date"):
            load(write(text))
        assert load(write(text), columns={"date": "-"}).understood.left_out == ("date",)

    def test_is_sell(self, write: Write) -> None:
        text = "date,tid,price,type,amount\n1700000000,1,5,0,2\n1700000001,2,5,1,2\n"
        assert load(write(text), columns={"type": "is_sell"}).columns["side"].tolist() == [1, -1]


def test_months_are_months(write: Write) -> None:
    months = ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"]
    table = load(write("date,close\n" + "".join(f"{month},1\n" for month in months)))
    assert table.columns["ts"].tolist() == [ns(m) for m in (*months[1:], "2024-05-01")]
    assert table.understood.spacing == "a month (all begin with one)"


def test_columns_keep_their_names(write: Write) -> None:
    table = load(write("date,height,price_usd,word\n2024-01-01,5,,a\n2024-01-02,6,2.5,b\n"))
    assert table.kind == "columns"
    assert list(table.columns) == ["ts", "height", "price_usd"]
    assert np.isnan(table.columns["price_usd"][0])
    notes = table.understood.notes
    assert "word holds no numbers: left out" in notes
    assert "1 cells are blank or null: read as NaN" in notes
    with pytest.raises(DataError, match="bars or ticks"):
        table.records()


@pytest.mark.parametrize("paths", [[TRADES], [QUOTES]], ids=["trades", "quotes"])
def test_ticks_are_those_of_open_ticks(paths: list[Path]) -> None:
    with open_ticks(paths) as recording:
        (expected,) = list(recording)
    table = load(paths[0])
    assert table.records().tobytes() == expected.tobytes()
    assert table.understood.clock == "recv_ns"


def test_scan_is_load_in_pieces(write: Write) -> None:
    rows = "".join(f"{1_700_000_000 + 60 * i},{i}\n" for i in range(40_000))
    path = write("time,close\n" + rows)
    parts = list(scan(path))
    assert [len(part) for part in parts] == [16_383, 16_384, 7_233]  # lines, the names' among them
    whole = load(path)
    for name, values in whole.columns.items():
        assert np.array_equal(values, np.concatenate([part.columns[name] for part in parts]))
    assert understand(path) == whole.understood
    assert whole.understood.rows == 40_000
    assert not whole.columns["close"].flags.writeable


def test_a_bad_row_of_a_later_piece_has_its_line(write: Write) -> None:
    rows = "".join(f"{1_700_000_000 + 60 * i},{i}\n" for i in range(20_000))
    with pytest.raises(DataError, match="line 20004: close must be a number, was 'x'"):
        load(write("# a comment\ntime,close\n\n" + rows + "1800000000,x\n"))


class TestTyped:
    """Parquet, Arrow and NumPy."""

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame({"Date": pd.date_range("2024-01-01", periods=5), "Close": np.arange(5) + 0.5})

    @pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
    @pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
    def test_timestamps(self, tmp_path: Path, zone: str | None, unit: str) -> None:
        frame = self.frame()
        frame["Date"] = frame["Date"].dt.tz_localize(zone).dt.as_unit(unit)
        frame.to_parquet(tmp_path / "a.parquet", index=False)
        table = load(tmp_path / "a.parquet")
        expected = frame["Date"].dt.as_unit("ns").to_numpy(dtype="datetime64[ns]").astype(np.int64)
        assert table.columns["start"].tolist() == expected.tolist()
        assert ("read as UTC" in table.understood.zone) == (zone is None)

    def test_arrow_and_feather_are_one(self, tmp_path: Path) -> None:
        frame = self.frame()
        frame.to_feather(tmp_path / "a.feather")
        frame.to_feather(tmp_path / "a.arrow", compression="zstd")
        for name in ("a.feather", "a.arrow"):
            table = load(tmp_path / name)
            assert table.understood.format == "arrow"
            assert table.columns["close"].tolist() == frame["Close"].tolist()

    def test_dates_text_decimals_and_nulls(self, tmp_path: Path) -> None:
        arrays = {
            "date": pa.array([19_723, 19_724], pa.date32()),
            "close": pa.array(["1.5", "2.5"]).cast(pa.decimal128(10, 2)),
            "trades": pa.array([1, None], pa.int32()),
            "symbol": pa.array(["a", "b"]),
        }
        pa.parquet.write_table(pa.table(arrays), tmp_path / "a.parquet")
        columns = load(tmp_path / "a.parquet").columns
        assert columns["start"].tolist() == [19_723 * DAY, 19_724 * DAY]
        assert columns["close"].tolist() == [1.5, 2.5]
        assert columns["trades"].tolist() == [1, -1]
        assert list(load(tmp_path / "a.parquet", kind="columns").columns) == ["ts", "close", "trades"]

    def test_rows_are_named(self, tmp_path: Path) -> None:
        times = [1_700_000_000, 1_700_000_060, 1_700_000_120_000]
        pa.parquet.write_table(pa.table({"time": times, "close": [1.0, 2.0, 3.0]}), tmp_path / "a.parquet")
        with pytest.raises(DataError, match=r"a.parquet, row 2 \(from 0, row group 0\): time must be in s"):
            load(tmp_path / "a.parquet")

    @pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".npy", ".ultra"])
    def test_damage(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a{suffix}"
        path.write_bytes(b"no such thing" * 100)
        with pytest.raises(DataError, match=path.name):
            load(path)

    def test_numpy(self, tmp_path: Path) -> None:
        rows = np.zeros(3, [("time", ">i8"), ("close", "<f4"), ("trades", "<u2")])
        rows["time"] = 1_700_000_000 + 60 * np.arange(3)
        rows["close"] = 5
        np.save(tmp_path / "a.npy", rows)
        table = load(tmp_path / "a.npy")
        assert table.columns["start"].tolist() == (rows["time"].astype(np.int64) * 10**9).tolist()
        assert table.columns["close"].tolist() == [5, 5, 5]
        np.save(tmp_path / "b.npy", np.column_stack([rows["time"], rows["close"]]).astype(float))
        table = load(tmp_path / "b.npy", columns={"1": "time", "2": "close"})
        assert table.columns["close"].tolist() == [5, 5, 5]
        np.save(tmp_path / "c.npy", np.ones(3))
        with pytest.raises(DataError, match="named fields of numbers"):
            load(tmp_path / "c.npy")

    def test_to_arrow_comes_back(self, tmp_path: Path) -> None:
        table = load(TRADES)
        pa.feather.write_feather(table.to_arrow(), str(tmp_path / "a.arrow"))
        again = load(tmp_path / "a.arrow")
        assert again.records().tobytes() == table.records().tobytes()


I8: Final = st.integers(-(2**63) + 1, 2**63 - 1)
F8: Final = st.floats(width=64) | st.sampled_from([0.0, -0.0, 5e-324, 1.7976931348623157e308, float("nan")])


def rows_of(dtype: np.dtype[Any]) -> st.SearchStrategy[NDArray[np.void]]:
    """Rows of records, fields within what CSV holds."""
    small = {"side": st.integers(-1, 1), "flags": st.integers(0, 7), "trades": st.integers(-1, 2**63 - 1)}
    names = dtype.names or ()
    fields = [small.get(name, F8 if dtype[name].kind == "f" else I8) for name in names]
    return st.lists(st.tuples(*fields), max_size=40).map(lambda rows: np.array(rows, dtype))


def same(a: NDArray[np.void], b: NDArray[np.void]) -> bool:
    """Equal, NaN to NaN and -0.0 to -0.0."""
    for name in a.dtype.names or ():
        x, y = a[name], b[name]
        if x.dtype.kind == "f":
            both = np.isnan(x) & np.isnan(y)
            if not (both | ((x == y) & (np.signbit(x) == np.signbit(y)))).all():
                return False
        elif not np.array_equal(x, y):
            return False
    return len(a) == len(b)


SUFFIXES: Final = (".csv", ".csv.gz", ".csv.zst", ".parquet", ".arrow", ".npy", ".ultra")


def rewritten(rows: NDArray[np.void], path: Path) -> Table:
    with ResultWriter(path, rows.dtype) as writer:
        writer.write(rows)
    return load(path, empty=True)


@pytest.mark.parametrize("dtype", [TICK, BAR], ids=["ticks", "bars"])
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_from_format_to_format_nothing_is_lost(tmp_path: Path, dtype: np.dtype[Any], data: Any) -> None:
    rows = data.draw(rows_of(dtype))
    first, second, third = data.draw(st.permutations(SUFFIXES))[:3]
    table = rewritten(rows, tmp_path / f"a{first}")
    for step, suffix in enumerate((second, third)):
        table = rewritten(table.records(), tmp_path / f"b{step}{suffix}")
    assert table.kind == ("ticks" if dtype == TICK else "bars")
    assert same(rows, table.records())


@given(hnp.arrays(np.uint64, st.integers(0, 30)))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_payloads_of_nan_stay_where_bits_are_kept(tmp_path: Path, bits: NDArray[np.uint64]) -> None:
    rows = np.zeros(len(bits), TICK)
    rows["price"] = (bits | np.uint64(0x7FF0000000000001)).view(np.float64)
    for suffix in (".parquet", ".arrow", ".npy", ".ultra"):
        again = rewritten(rows, tmp_path / f"a{suffix}").records()
        assert again["price"].tobytes() == rows["price"].tobytes()


def test_times_as_text() -> None:
    assert utc(0) == "1970-01-01T00:00:00Z"
    assert utc(1_500_000_000) == "1970-01-01T00:00:01.5Z"
    assert utc(-1) == "1969-12-31T23:59:59.999999999Z"
