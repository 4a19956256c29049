"""Returns from files, each against what the file plainly says."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetrading.core.dtypes import TICK
from livetrading.data.errors import DataError
from livetrading.data.returns import log_returns, mids, read_bars, read_returns
from livetrading.data.ticks import read_ticks

DATA = Path(__file__).parents[1] / "data"
QUOTES = DATA / "btcusdt_spot_20240808_quotes.csv"
TRADES = DATA / "btcusdt_spot_20240808_trades.csv"


def written(path: Path, text: str) -> Path:
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["long.csv", "long.csv.gz"])
@pytest.mark.parametrize("text", ["a" * 5_000_000, "close\n1\n" + "1" * 5_000_000])
def test_a_line_that_no_memory_need_hold(tmp_path: Path, name: str, text: str) -> None:
    """Five kilobytes of gzip are such a line; a thousand times as many would be one of gigabytes."""
    file = written(tmp_path / name, text)
    with pytest.raises(DataError, match="of at most 1048576 bytes"):
        read_bars(file)
    with pytest.raises(DataError, match="of at most 1048576 bytes"):
        read_ticks([written(tmp_path / name, text.replace("close\n1", "ts,bid,ask\n1,1,2"))])


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_many_lines_are_no_long_line(tmp_path: Path, end: str) -> None:
    file = written(tmp_path / "ticks.csv", f"ts,bid,ask{end}" + f"1,1,2{end}" * 200_000)
    assert file.stat().st_size > 1 << 20
    assert len(read_ticks([file])) == 200_000


def test_a_return_beyond_doubles(tmp_path: Path) -> None:
    np.save(tmp_path / "long.npy", np.full(9, np.finfo(np.longdouble).max))
    if np.finfo(np.longdouble).max > np.finfo(np.float64).max:
        with pytest.raises(DataError, match="was inf"):
            read_bars(tmp_path / "long.npy")


class TestBars:
    @pytest.mark.parametrize("name", ["bars.csv", "bars.csv.gz"])
    @pytest.mark.parametrize("column", ["close", "Close", "price_usd", "price"])
    def test_closes_make_log_returns(self, tmp_path: Path, name: str, column: str) -> None:
        file = written(tmp_path / name, f"open,{column},venue\n1,100,x\n1,110,y\n1,99,z\n")
        assert read_returns(file) == pytest.approx([np.log(1.1), np.log(0.9)], abs=1e-15)

    def test_returns_are_taken_as_they_are(self, tmp_path: Path) -> None:
        file = written(tmp_path / "r.csv", "date,return\n2024-01-01,\n2024-01-02,0.01\n2024-01-03,-0\n")
        assert read_returns(file).tolist() == [0.01, 0.0]

    @given(prices=st.lists(st.floats(1e-12, 1e15), min_size=2, max_size=50))
    def test_any_prices(self, tmp_path_factory: pytest.TempPathFactory, prices: list[float]) -> None:
        file = tmp_path_factory.getbasetemp() / "any.csv"
        pd.DataFrame({"close": prices}).to_csv(file, index=False)
        assert read_returns(file) == pytest.approx(np.diff(np.log(prices)), rel=1e-14, abs=1e-13)

    def test_a_series_may_begin_late_and_end_early(self, tmp_path: Path) -> None:
        text = "date,close\n" + "".join(
            f"2024-01-{day:02},{close}\n" for day, close in enumerate(["", "", 1, 2, 4, "", ""], 1)
        )
        assert read_returns(written(tmp_path / "a.csv", text)) == pytest.approx([np.log(2)] * 2)

    @pytest.mark.parametrize(
        ("column", "times", "seconds"),
        [
            ("date", ["2024-02-28", "2024-02-29", "2024-03-01"], 86400.0),
            ("date", ["2024-01-01T00:00Z", "2024-01-01T01:00Z", "2024-01-01T03:00+01:00"], 3600.0),
            ("open_time_ms", ["0", "500", "1000"], 0.5),
            ("other", ["1", "2", "5"], None),
        ],
    )
    def test_interval(self, tmp_path: Path, column: str, times: list[str], seconds: float | None) -> None:
        rows = "".join(f"{when},{price}\n" for when, price in zip(times, (1, 2, 3), strict=True))
        bars = read_bars(written(tmp_path / "a.csv", f"{column},close\n{rows}"))
        assert bars is not None
        assert bars.every_s == seconds

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("close\n1\n0\n2\n", "line 3: close must be from 1e-12 to 1e+15, was '0'"),
            ("close\n1\n-1\n2\n", "line 3: close must be from"),
            ("close\n1\nnan\n2\n", "line 3: close must be from 1e-12 to 1e+15, was 'nan'"),
            ("close\n1\ninf\n2\n", "line 3: close must be from"),
            ("close\n1\n1_0\n2\n", "line 3: close must be a number, was '1_0'"),
            ("close\n1\nx\n2\n", "line 3: close must be a number, was 'x'"),
            ("a,close\n1,1\n1,\n1,\n1,2\n", "line 3: close must not be blank within the series"),
            ("a,close\n,\n1,1\n1,\n1,2\n", "line 4: close must not be blank within the series"),
            ("a,close\n1,1\n1\n1,2\n", "line 3: must have 2 fields, was 1"),
            ("close,ok\n1,1\n2,0\n3,1\n", "line 3: a bar must be marked ok = 1, was '0'"),
            ("return\n0.1\n101\n", "line 3: return must be from -100 to 100, was '101'"),
            ("close,price\n1,1\n2,2\n", "must have one column of return, close, price_usd, price"),
            ("close,close\n1,1\n2,2\n", "no name twice"),
            ("close\n1\n", "must hold at least 2 of close, was 1"),
            ("close\n", "must hold at least 2 of close, was 0"),
            ("return\n", "must hold at least 1 of return, was 0"),
            ("", "was a file of nothing"),
            ("high,low\n1,2\n", "must have a column return, close, price_usd, price, or be a recording"),
            ("date,close\n2024-01-01,1\n2024-01-02,2\n2024-01-04,3\n", "line 4: a bar must follow the one"),
            ("date,close\n2024-01-02,1\n2024-01-01,2\n2023-12-31,3\n", "line 3: a bar must be later than"),
            ("date,close\n2024-01-01,1\n2024-01-01,2\n", "line 3: a bar must be later than that before"),
            (
                "date,close\n2024-01-32,1\n2024-01-02,2\n",
                "line 2: date must be a date (ISO 8601), was '2024-",
            ),
            ("open_time_ms,close\n1.5,1\n2,2\n", "line 2: open_time_ms must be a whole number, was '1.5'"),
            ("date,open_time_ms,close\n2024-01-01,0,1\n2024-01-02,1,2\n", "one column of date, open_time_ms"),
            ('close\n"1\n', "must be a readable CSV file"),
        ],
    )
    def test_a_broken_series_is_refused(self, tmp_path: Path, text: str, said: str) -> None:
        with pytest.raises(DataError) as caught:
            read_returns(written(tmp_path / "bad.csv", text))
        assert said in str(caught.value)
        assert "bad.csv" in str(caught.value)

    def test_damaged_files_are_refused(self, tmp_path: Path) -> None:
        whole = gzip.compress(b"close\n" + b"1\n2\n" * 1000)
        for name, data in {
            "cut.csv.gz": whole[:-9],
            "flipped.csv.gz": whole[:20] + b"\0\0\0\0" + whole[24:],
            "plain.csv.gz": b"close\n1\n2\n",
            "latin.csv": b"close,\xe9\n1,2\n",
            "cut.npy": b"\x93NUMPY\x01\x00v\x00{'descr'",
            "archive.npy": b"PK\x03\x04",
        }.items():
            (tmp_path / name).write_bytes(data)
            with pytest.raises(DataError, match=name):
                read_returns(tmp_path / name)
        for name in ("absent.csv", "absent.npy", "absent.txt"):
            with pytest.raises(DataError, match=name):
                read_returns(tmp_path / name)
        with pytest.raises(DataError, match="a directory, a pipe or a device"):
            read_returns(tmp_path)


class TestArrays:
    @pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", "<f2"])
    def test_floats_are_returns(self, tmp_path: Path, dtype: str) -> None:
        returns = np.array([0.5, -0.25, 0.0], dtype)
        np.save(tmp_path / "r.npy", returns)
        read = read_returns(tmp_path / "r.npy")
        assert read.dtype == np.float64
        assert read.tolist() == [0.5, -0.25, 0.0]

    @pytest.mark.parametrize(
        ("array", "said"),
        [
            (np.array([1, 2]), "must be a row of floats, the returns, was int64 of shape"),
            (np.zeros((2, 2)), "shape (2, 2)"),
            (np.zeros(0), "shape (0,)"),
            (np.array([0.1, np.nan]), "row 1 (from 0): a return must be from -100 to 100, was nan"),
            (np.array([0.1, 0.2, -1e3]), "row 2 (from 0)"),
        ],
    )
    def test_others_are_refused(self, tmp_path: Path, array: np.ndarray, said: str) -> None:
        np.save(tmp_path / "r.npy", array)
        with pytest.raises(DataError) as caught:
            read_returns(tmp_path / "r.npy")
        assert said in str(caught.value)


class TestRecordings:
    def test_quotes_give_the_changes_of_the_mid(self) -> None:
        quotes = pd.read_csv(QUOTES)
        mid = (quotes["bid"] + quotes["ask"]) / 2
        assert read_bars(QUOTES) is None
        assert read_returns(QUOTES) == pytest.approx(np.diff(np.log(mid)), abs=1e-14)

    def test_trades_alone_give_the_changes_of_the_price(self) -> None:
        assert read_returns(TRADES) == pytest.approx(np.diff(np.log(pd.read_csv(TRADES)["price"])), abs=1e-14)

    def test_an_array_of_ticks_is_a_recording(self, tmp_path: Path) -> None:
        np.save(tmp_path / "t.npy", read_ticks([QUOTES]))
        assert np.array_equal(read_returns(tmp_path / "t.npy"), read_returns(QUOTES))

    def test_rows_that_the_processor_rejects_are_left_out(self) -> None:
        ticks = np.zeros(6, TICK)
        ticks["ts"] = [10, 20, 15, 20, 30, 40]
        ticks["bid"] = [1, 2, 9, 3, np.nan, 4]
        ticks["ask"] = ticks["price"] = ticks["bid"]
        for cut in range(7):
            parts = list(mids(part for part in (ticks[:cut], ticks[cut:]) if len(part)))
            assert np.concatenate([ts for ts, _ in parts]).tolist() == [10, 20, 20, 40]
            assert np.concatenate([mid for _, mid in parts]).tolist() == [1, 2, 3, 4]

    def test_too_few_usable_ticks(self, tmp_path: Path) -> None:
        ticks = np.zeros(3, TICK)
        ticks["bid"] = ticks["ask"] = ticks["price"] = [np.nan, 1, -1]
        np.save(tmp_path / "t.npy", ticks)
        with pytest.raises(DataError, match="at least two usable ticks, was 1"):
            read_returns(tmp_path / "t.npy")


def test_log_returns_sum_to_the_whole_move() -> None:
    assert log_returns(np.array([2.0, 3.0, 1.0, 4.0])).sum() == pytest.approx(np.log(2))
