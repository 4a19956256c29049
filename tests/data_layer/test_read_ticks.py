"""Recordings in files become ticks, row by row, as the specification of a tick merges them."""

import gzip
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from livetrading.config import load_config
from livetrading.core.dtypes import TICK
from livetrading.core.errors import LivetradingError
from livetrading.core.processor import Processor
from livetrading.data.columns import CHUNK_ROWS
from livetrading.data.ticks import DataError, quoted, read_ticks

SETTINGS = load_config({"run.capital": 100}).settings
DATA = Path(__file__).parents[1] / "data"
QUOTES, TRADES = (DATA / f"btcusdt_spot_20240808_{kind}.csv" for kind in ("quotes", "trades"))
SHARED = Path(__file__).parents[3] / "shared" / "data" / "ticks"
FLOATS = ("price", "bid", "ask", "bid_size", "ask_size", "volume")


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def assert_ticks(ticks: np.ndarray, expected: pd.DataFrame | np.ndarray) -> None:
    assert ticks.dtype == TICK
    assert len(ticks) == len(expected)
    for name in TICK.names:
        np.testing.assert_array_equal(ticks[name], np.asarray(expected[name]), err_msg=name)


def frame(path: Path) -> pd.DataFrame:
    whole = ("recv_ns", "exch_ms", "side")
    columns = pd.read_csv(path, nrows=0).columns
    return pd.read_csv(path, converters={name: int if name in whole else float for name in columns})


def merged_by_pandas(quotes: Path, trades: Path, clock: str, unit: int) -> pd.DataFrame:
    """Concatenate, sort, and look the standing quote up by time: another way than carrying it row by row."""
    sizes = {"bid_qty": "bid_size", "ask_qty": "ask_size", "qty": "volume"}
    q = frame(quotes).rename(columns=sizes)
    t = frame(trades).rename(columns=sizes)
    q["ts"], t["ts"] = q[clock] * unit, t[clock] * unit
    q = q.assign(price=(q.bid + q.ask) / 2, volume=0.0, side=0, flags=1)
    good = q[(q.bid > 0) & (q.bid <= q.ask) & ~(q.bid_size < 0) & ~(q.ask_size < 0)].sort_values(
        "ts", kind="stable"
    )
    t = t.assign(flags=2, row=np.arange(len(t))).sort_values("ts", kind="stable")
    t = pd.merge_asof(t, good[["ts", "bid", "ask", "bid_size", "ask_size"]], on="ts")
    both = pd.concat([q, t])[list(TICK.names)]
    return both.sort_values(["ts", "flags"], kind="stable").reset_index(drop=True)


def test_a_pair_is_merged_as_pandas_merges_it() -> None:
    ticks = read_ticks([QUOTES, TRADES])
    assert_ticks(ticks, merged_by_pandas(QUOTES, TRADES, "recv_ns", 1))
    np.testing.assert_array_equal(ticks["flags"][:3], 2)
    assert all(np.isnan(ticks[name][:3]).all() for name in FLOATS[1:5])


def test_the_order_of_the_files_does_not_matter_nor_does_gzip(tmp_path: Path) -> None:
    zipped = tmp_path / "trades.csv.gz"
    zipped.write_bytes(gzip.compress(TRADES.read_bytes()))
    assert_ticks(read_ticks([zipped, QUOTES]), read_ticks([QUOTES, TRADES]))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the full recordings are not beside the project (../shared)")
@pytest.mark.parametrize(
    ("stem", "clock", "unit", "rows"),
    [
        ("btcusdt_spot_20240808T2354", "recv_ns", 1, 9757 + 28040),
        ("btcusdt_spot_20210108", "exch_ms", 10**6, 2001 + 451),
    ],
)
def test_the_full_recordings(stem: str, clock: str, unit: int, rows: int) -> None:
    quotes, trades = (SHARED / f"{stem}_{kind}.csv.gz" for kind in ("quotes", "trades"))
    ticks = read_ticks([quotes, trades])
    assert len(ticks) == rows
    assert_ticks(ticks, merged_by_pandas(quotes, trades, clock, unit))
    assert len(read_ticks([quotes])) + len(read_ticks([trades])) == rows


numbers = st.sampled_from(
    [math.nan, math.inf, -math.inf, -1.0, 0.0, 5e-324, 99.0, 100.0, 101.0, 1e308, 1.7e308]
)
quote_rows = st.lists(
    st.tuples(st.integers(0, 6), numbers, numbers, numbers, numbers), min_size=1, max_size=12
)
trade_rows = st.lists(
    st.tuples(st.integers(0, 6), numbers, numbers, st.sampled_from([-1, 0, 1])), min_size=1, max_size=12
)


def merged_by_the_rules(quotes: list, trades: list) -> list[tuple]:
    """The rules of a merge, one row after the other."""
    rows = [(ts, 0, i, row) for i, (ts, *row) in enumerate(quotes)] + [
        (ts, 1, i, row) for i, (ts, *row) in enumerate(trades)
    ]
    out, last = [], (math.nan,) * 4
    for ts, is_trade, _, row in sorted(rows, key=lambda r: r[:3]):
        if is_trade:
            price, volume, side = row
            out.append((ts, price, *last, volume, side, 2))
            continue
        bid, bid_size, ask, ask_size = row
        mid = (bid + ask) / 2
        out.append((ts, mid, bid, ask, bid_size, ask_size, 0.0, 0, 1))
        sound = all(1e-12 <= x <= 1e15 for x in (bid, ask, mid))
        if sound and bid <= ask and not any(x < 0 or x > 1e15 for x in (bid_size, ask_size)):
            last = (bid, ask, bid_size, ask_size)
    return out


@given(quote_rows, trade_rows)
def test_any_pair_is_merged_by_the_rules(tmp_path_factory, quotes: list, trades: list) -> None:
    folder = tmp_path_factory.mktemp("pair")
    lines = {
        "q.csv": ["ts,bid,bid_size,ask,ask_size", *(",".join(map(repr, row)) for row in quotes)],
        "t.csv": ["ts,price,volume,side", *(",".join(map(repr, row)) for row in trades)],
    }
    paths = [write(folder / name, "\n".join(text)) for name, text in lines.items()]
    expected = np.array(merged_by_the_rules(quotes, trades), TICK)
    assert_ticks(read_ticks(paths), expected)


@given(
    st.lists(
        st.tuples(st.integers(-(2**63) + 1, 2**63 - 1), *[st.floats(allow_nan=True, width=64)] * 5),
        min_size=1,
        max_size=9,
    )
)
def test_every_number_is_read_exactly(tmp_path_factory, rows: list) -> None:
    assume(not 10**9 < rows[0][0] < 10**16)  # by its size in another unit, as a file's first ts
    path = tmp_path_factory.mktemp("exact") / "ticks.csv"
    text = "ts,price,bid,ask,bid_size,volume,side\n" + "".join(
        ",".join(map(repr, row)) + ",1\n" for row in rows
    )
    ticks = read_ticks([write(path, text)])
    for name, values in zip(
        ("ts", "price", "bid", "ask", "bid_size", "volume"), zip(*rows, strict=True), strict=True
    ):
        np.testing.assert_array_equal(ticks[name], np.array(values, TICK[name]))
    assert np.isnan(ticks["ask_size"]).all()


def test_quotes_alone_keep_their_order(tmp_path: Path) -> None:
    path = write(tmp_path / "q.csv", "exch_ms,ask,bid\n2,101,99\n1,98,99\n1,,99\n")
    expected = [
        (2_000_000, 100.0, 99.0, 101.0, math.nan, math.nan, 0.0, 0, 1),
        (1_000_000, 98.5, 99.0, 98.0, math.nan, math.nan, 0.0, 0, 1),
        (1_000_000, math.nan, 99.0, math.nan, math.nan, math.nan, 0.0, 0, 1),
    ]
    assert_ticks(read_ticks([path]), np.array(expected, TICK))


def test_trades_alone_stand_for_their_quote(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv", "recv_ns,exch_ms,trade_id,price,qty,side\n5,9,x,100,2,-1\n5,9,y,nan,-2,1\n"
    )
    expected = [
        (5, 100.0, 100.0, 100.0, math.nan, math.nan, 2.0, -1, 6),
        (5, math.nan, math.nan, math.nan, math.nan, math.nan, -2.0, 1, 6),
    ]
    assert_ticks(read_ticks([path]), np.array(expected, TICK))


def test_one_file_of_both_is_taken_as_given(tmp_path: Path) -> None:
    header = "ts,price,bid,ask,bid_size,ask_size,volume,side"
    body = ["3,100,99,101,1,2,0,0", "2,55,99,98,1,2,0.5,1", "2,55,99,98,1,2,nan,1"]
    plain = read_ticks([write(tmp_path / "plain.csv", "\n".join([header, *body]))])
    assert plain["flags"].tolist() == [1, 3, 1]
    assert plain["price"].tolist() == [100.0, 55.0, 55.0]
    assert plain["ts"].tolist() == [3, 2, 2]
    flags = [f"{row},{flag}" for row, flag in zip(body, (6, 2, 1), strict=True)]
    given_flags = read_ticks([write(tmp_path / "flags.csv", "\n".join([header + ",flags", *flags]))])
    assert given_flags["flags"].tolist() == [6, 2, 1]


def test_a_pair_is_ordered_by_the_clock_both_files_have(tmp_path: Path) -> None:
    quotes = write(tmp_path / "q.csv", "exch_ms,bid,ask\n10,99,101\n")
    trades = write(tmp_path / "t.csv", "recv_ns,exch_ms,price,qty,side\n1,11,100,1,1\n2,9,100,1,1\n")
    ticks = read_ticks([quotes, trades])
    assert ticks["ts"].tolist() == [9_000_000, 10_000_000, 11_000_000]
    assert ticks["flags"].tolist() == [2, 1, 2]


def test_clocks_that_cannot_be_compared(tmp_path: Path) -> None:
    quotes = write(tmp_path / "q.csv", "exch_ms,bid,ask\n10,99,101\n")
    trades = write(tmp_path / "t.csv", "recv_ns,price,qty,side\n1,100,1,1\n")
    with pytest.raises(DataError, match=r"share a clock .*q.csv has exch_ms and .*t.csv has recv_ns"):
        read_ticks([quotes, trades])


def test_columns_are_mapped_by_name(tmp_path: Path) -> None:
    quotes = write(tmp_path / "q.csv", "time,b,a,venue\n10,99,101,x\n")
    trades = write(tmp_path / "t.csv", "time,price,qty,way,side\n11,100,1,-1,nobody\n")
    columns = {"time": "exch_ms", "b": "bid", "a": "ask", "venue": "-", "way": "side", "side": "-"}
    ticks = read_ticks([quotes, trades], columns)
    assert ticks["ts"].tolist() == [10_000_000, 11_000_000]
    assert ticks["side"].tolist() == [0, -1]
    assert ticks["bid"].tolist() == [99.0, 99.0]


def test_a_byte_order_mark_quotes_and_blank_lines_are_no_obstacle(tmp_path: Path) -> None:
    text = b'\xef\xbb\xbf"ts", bid ,"ask"\r\n"1",99,101\r\n\r\n2, 99 ,101\r\n\r\n'
    for name, content in (("q.csv", text), ("q.csv.gz", gzip.compress(text))):
        (tmp_path / name).write_bytes(content)
        assert read_ticks([tmp_path / name])["ts"].tolist() == [1, 2]


@pytest.mark.parametrize("rows", [CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS + 1])
def test_long_files_are_read_whole(tmp_path: Path, rows: int) -> None:
    body = "".join(f"{i},{i + 1},{i + 2}\n" for i in range(rows))
    path = write(tmp_path / "q.csv", "ts,bid,ask\n" + body)
    np.testing.assert_array_equal(read_ticks([path])["ts"], np.arange(rows))
    with pytest.raises(DataError, match=rf"line {rows + 3}: bid must be a number, was 'x'"):
        read_ticks([write(path, "ts,bid,ask\n" + body + "\n1,x,2\n")])


def test_an_array_of_ticks_is_mapped_read_only(tmp_path: Path) -> None:
    ticks = read_ticks([QUOTES, TRADES])
    np.save(tmp_path / "ticks.npy", ticks)
    again = read_ticks([tmp_path / "ticks.npy"])
    assert again.dtype == TICK
    assert type(again) is np.ndarray
    assert not again.flags.writeable
    assert again.tobytes() == ticks.tobytes()


def test_a_packed_or_big_endian_array_of_the_same_fields_is_taken(tmp_path: Path) -> None:
    ticks = read_ticks([QUOTES, TRADES])
    for dtype in (np.dtype([(n, TICK[n]) for n in TICK.names]), TICK.newbyteorder(">")):
        np.save(tmp_path / "ticks.npy", ticks.astype(dtype))
        again = read_ticks([tmp_path / "ticks.npy"])
        assert again.dtype == TICK
        assert_ticks(again, ticks)


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros(3), r"shape \(3,\) with dtype float64"),
        (np.zeros((2, 2), TICK), r"shape \(2, 2\)"),
        (np.zeros(3, [("ts", "<i8"), ("price", "<f8")]), "with ts <i8, price <f8"),
        (np.zeros(3, [(n, "<f8") for n in TICK.names]), "with ts <f8"),
        (np.zeros(3, [(n, TICK[n]) for n in reversed(TICK.names)]), r"with flags \|u1"),
        (np.zeros(0, TICK), "empty array"),
    ],
)
def test_another_array_is_refused_with_what_was_found(tmp_path: Path, array: np.ndarray, found: str) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match=found):
        read_ticks([tmp_path / "a.npy"])


@pytest.mark.parametrize("rows", [0, 1, CHUNK_ROWS])
def test_what_is_no_utf8_is_named_by_its_line(tmp_path: Path, rows: int) -> None:
    header, body = b"ts,price,qty,side,trade_id\n", b"1,100,1,1,a\n" * rows
    for name, pack in (("t.csv", bytes), ("t.csv.gz", gzip.compress)):
        (tmp_path / name).write_bytes(pack(header + body + b"2,100,1,1,\xff\n" + body))
        with pytest.raises(DataError, match=rf"{name}, line {rows + 2}: must be UTF-8, was b'2,.*\\xff"):
            read_ticks([tmp_path / name])
    (tmp_path / "t.csv").write_bytes(b"ts,price\xc3,qty,side\n" + body)
    with pytest.raises(DataError, match=r"line 1: must be UTF-8, was b'ts,price\\xc3"):
        read_ticks([tmp_path / "t.csv"])


@pytest.mark.parametrize("content", [b"", b"hello there", b"\x93NUMPY\x01\x00"])
def test_a_damaged_npy_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a.npy must be a readable .npy file, was"):
        read_ticks([path])


HEADER = "{'descr': '<f8', 'fortran_order': False, 'shape': %s}"


@pytest.mark.parametrize(
    "header",
    [
        *("(((", "'''abc", "{[]:1}", "[" * 9000, "'\\d'"),
        *(HEADER % shape for shape in ("(2**70,)", f"({2**70},)", f"({2**62},)", "(True,)", "(-1,)")),
        HEADER.replace("'<f8'", "()") % "(1,)",
        HEADER.replace("'<f8'", "[()]") % "(1,)",
        HEADER.replace("'<f8'", "{}") % "(1,)",
    ],
)
def test_a_header_that_makes_no_sense_is_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "a.npy"
    text = header.encode() + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(64))
    with pytest.raises(DataError, match=r"a.npy must be "):
        read_ticks([path])


@given(st.lists(st.tuples(st.sampled_from([-1, 0, 5, 2**62, 2**62 + 1]), *[numbers] * 6), max_size=1))
def test_a_quote_is_taken_where_the_processor_takes_it(rows: list) -> None:
    ticks = np.array([(*row, 0, 1) for row in rows], TICK)
    processor = Processor(SETTINGS, 100.0)
    processor.replay(ticks)
    assert quoted(ticks).tolist() == [processor.totals()["ticks"] == 1] * len(rows)


def test_pickles_and_archives_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    with (tmp_path / "z.npy").open("wb") as file:
        np.savez(file, a=np.zeros(2, TICK))
    (tmp_path / "broken.npy").write_bytes((tmp_path / "z.npy").read_bytes()[:100])
    for name in ("o.npy", "z.npy", "broken.npy"):
        with pytest.raises(DataError, match=name):
            read_ticks([tmp_path / name])


GOOD = "ts,price,qty,side\n1,100,1,1\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "was empty"),
        ("\n1,2\n", "was blank"),
        ("ts,price,qty,side\n", "at least one row"),
        ("ts,price,qty,side\n\n\n", "at least one row"),
        (GOOD + "2,100,1\n", r"line 3: must have 4 fields, was 3: '2,100,1'"),
        (GOOD + "2,100,1,1,1\n", r"line 3: must have 4 fields, was 5"),
        ("ts,price,qty,side\n1,100,1,1,9\n", r"line 2: must have 4 fields, was 5"),
        (GOOD + "\n2.0,100,1,1\n", r"line 4: ts must be a whole number .* was '2.0'"),
        (GOOD + "9223372036854775808,100,1,1\n", r"line 3: ts must be .* was '9223372036854775808'"),
        (GOOD + ",100,1,1\n", r"line 3: ts must be a whole number .* was ''"),
        (GOOD + "2,1_0,1,1\n", r"line 3: price must be a number, was '1_0'"),
        (GOOD + "2,100,1,2\n", r"line 3: side must be a whole number from -1 to 1, was '2'"),
        (GOOD + '2,"100,1,1\n', r"line 3: must be a row of CSV"),
        (GOOD + '2,"100\n",1,1\n', r"line 3: must be a row of CSV"),
        ("exch_ms,price,qty,side\n9223372036855,1,1,1\n", r"line 2: exch_ms must be .* was '9223372036855'"),
        ("ts,price,qty,side,side\n1,2,3,1,1\n", "each column once"),
        ("ts,price,qty,volume,side\n1,2,3,3,1\n", "volume must be one column, was qty and volume"),
        ("ts,price,amount,side,x\n1,2,3,1,1\n", r"was ts, price, amount, side, x \(unknown: amount, x\)"),
        ("ts;price;qty;side\n1;2;3;1\n", "was ts;price;qty;side"),
        ("ts,price,qty\n1,2,3\n", r"was ts, price, qty \(lacking side\)"),
        ("ts,bid\n1,2\n", r"recording of quotes must have .* \(lacking ask\)"),
        ("bid,ask\n1,2\n", r"lacking ts or recv_ns or exch_ms"),
        ("ts,bid,ask,flags\n1,2,3,1\n", r"lacking price, volume, side"),
        ("trade_id\n1\n", "lacking"),
    ],
)
def test_malformed_text_is_refused_where_it_stands(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_ticks([write(tmp_path / "t.csv", text)])
    assert "t.csv" in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    zipped = gzip.compress(TRADES.read_bytes())
    (tmp_path / "cut.csv.gz").write_bytes(zipped[:-20])
    (tmp_path / "plain.csv.gz").write_bytes(TRADES.read_bytes())
    (tmp_path / "broken.csv.gz").write_bytes(zipped[:40] + b"\xff" * 40 + zipped[80:])
    (tmp_path / "latin.csv").write_bytes(b"ts,price,qty,side,\xe9\n")
    (tmp_path / "folder.csv").mkdir()
    for name in (
        "cut.csv.gz",
        "plain.csv.gz",
        "broken.csv.gz",
        "latin.csv",
        "folder.csv",
        "no.csv",
        "no.npy",
    ):
        with pytest.raises(DataError, match=name):
            read_ticks([tmp_path / name])


def test_what_makes_no_recording_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", read_ticks([QUOTES]))
    for paths, message in (
        ([], "was none"),
        ([QUOTES, TRADES, TRADES], "one file, or one of quotes and one of trades, neither .npy"),
        ([QUOTES, QUOTES], "was .* of quotes and .* of quotes"),
        ([tmp_path / "a.npy", TRADES], "neither .npy nor .ultra; was"),
        (
            [tmp_path / "a.feather"],
            r"one of .npy, .ultra, .csv, .csv.gz, .csv.zst, .parquet, was .*a.feather",
        ),
    ):
        with pytest.raises(DataError, match=message):
            read_ticks(paths)
    with pytest.raises(DataError, match="files that name theirs"):
        read_ticks([tmp_path / "a.npy"], {"a": "bid"})
    with pytest.raises(DataError, match=r"was bidd$"):
        read_ticks([QUOTES], {"bidd": "bid"})
    with pytest.raises(DataError, match="was bid=offer"):
        read_ticks([QUOTES], {"bid": "offer"})
    assert issubclass(DataError, LivetradingError)
    assert issubclass(DataError, ValueError)
