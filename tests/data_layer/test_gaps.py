"""What is planted is found, and nothing else; what is filled is marked."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.stats import median_abs_deviation

from livetrading.core.dtypes import BAR, TICK, BarFlag
from livetrading.data.errors import DataError
from livetrading.data.gaps import FindingKind, Limits, QualityReport, examine, examine_files, fill
from livetrading.data.history import Table, load

DATA: Final = Path(__file__).parents[1] / "data"
TRADES: Final = DATA / "btcusdt_spot_20240808_trades.csv"
QUOTES: Final = DATA / "btcusdt_spot_20240808_quotes.csv"
SHARED: Final = Path(__file__).parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the recorded data beside the repository are not there"
)

HOUR: Final = 3600 * 10**9
START: Final = int(pd.Timestamp("2024-01-03").value)


class Made:
    """Bars written to a file and read back, as a user's would be."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "bars.csv"

    def __call__(self, starts: Any, close: Any, header: str = "open_time", **more: Any) -> Table:
        starts, close = np.asarray(starts, np.int64), np.asarray(close, float)
        frame = pd.DataFrame(
            {header: starts // 10**6, "open": close, "high": close, "low": close, "close": close}
        )
        frame = frame.assign(volume=1.0).assign(**more)
        frame.to_csv(self.path, index=False)
        return load(self.path, every="1h")


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def walk(n: int, seed: int = 1) -> NDArray[np.float64]:
    return 50_000 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, n)))


def hours(n: int) -> NDArray[np.int64]:
    return START + HOUR * np.arange(n, dtype=np.int64)


def rows(report: QualityReport, kind: FindingKind) -> list[int]:
    return [int(row) for row in report.marked.get(kind, [])]


def test_nothing_is_found_in_good_bars(made: Made) -> None:
    report = examine(made(hours(500), walk(500)))
    assert report.counts == {}
    assert report.words() == ["500 rows, and nothing to find fault with."]
    assert report.spacing == "1h (100.0% of differences)"
    assert report.missing == 0


class TestOrder:
    @given(data=st.data())
    @settings(max_examples=25, deadline=None)
    def test_gaps_are_the_bars_left_out(self, tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
        made = Made(tmp_path_factory.mktemp("gaps"))
        n = data.draw(st.integers(20, 60))
        out = data.draw(st.sets(st.integers(1, n - 2), max_size=6))
        keep = [i for i in range(n) if i not in out]
        table = made(hours(n)[keep], walk(n)[keep])
        report = examine(table)
        wanted = pd.date_range(pd.Timestamp(START), periods=n, freq="h")
        missing = wanted.difference(pd.DatetimeIndex(table.columns["start"].view("M8[ns]")))
        found = [
            t
            for f in report.findings
            if f.kind is FindingKind.GAP
            for t in pd.date_range(pd.Timestamp(f.from_ns), pd.Timestamp(f.to_ns), freq="h", inclusive="left")
        ]
        assert sorted(found) == list(missing)
        assert report.missing == len(out)
        filled = fill(table, "previous")
        assert filled.columns["start"].tolist() == hours(n).tolist()
        assert np.flatnonzero(filled.columns["flags"]).tolist() == sorted(out)
        marked = filled.records()[sorted(out)]
        assert (marked["flags"] == (BarFlag.FILLED | BarFlag.NO_TRADE)).all()
        assert (marked["volume"] == 0).all()
        for at in sorted(out):
            row = filled.records()[at]
            before = filled.columns["close"][at - 1]
            assert {row[name] for name in ("open", "high", "low", "close")} == {before}
            assert row["ts"] == row["start"] + HOUR
        for name, values in table.columns.items():
            assert np.array_equal(np.delete(filled.columns[name], sorted(out)), values)

    def test_duplicates_and_conflicts(self, made: Made) -> None:
        at = np.array([0, 1, 2, 2, 3, 4, 4, 5, *range(6, 40)])
        close = walk(40)[at]
        close[6] += 1
        report = examine(made(hours(40)[at], close))
        assert rows(report, FindingKind.DUPLICATE) == [3]
        assert rows(report, FindingKind.CONFLICT) == [6]
        assert len(fill(report.table, "drop")) == 40

    @given(st.permutations(range(30)))
    @settings(max_examples=25, deadline=None)
    def test_rows_out_of_order(self, tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
        table = Made(tmp_path_factory.mktemp("order"))(hours(30)[order], walk(30)[order])
        report = examine(table)
        late = [i for i in range(30) if any(order[j] > order[i] for j in range(i))]
        if order == list(range(30))[::-1]:
            assert FindingKind.BACKWARDS in report.counts
        else:
            assert rows(report, FindingKind.OUT_OF_ORDER) == late
        assert report.missing == 0
        again = fill(table, "sort")
        assert again.columns["start"].tolist() == hours(30).tolist()
        assert again.columns["close"].tolist() == walk(30).tolist()

    def test_newest_first_is_one_finding(self, made: Made) -> None:
        close = walk(100)
        close[40:] *= 2
        report = examine(made(hours(100)[::-1], close[::-1]))
        assert set(report.counts) == {FindingKind.BACKWARDS, FindingKind.OUTLIER}
        assert rows(report, FindingKind.OUTLIER) == [59]  # row 40 from the end

    def test_off_the_grid(self, made: Made) -> None:
        starts = hours(50)
        starts[20] += 60 * 10**9
        assert rows(examine(made(starts, walk(50))), FindingKind.OFF_GRID) == [20, 21]

    def test_months(self, tmp_path: Path) -> None:
        days = [d for d in pd.date_range("2023-01-01", "2024-12-01", freq="MS") if d.month != 2]
        text = "date,close\n" + "".join(f"{d:%Y-%m-%d},{i + 1}\n" for i, d in enumerate(days))
        (tmp_path / "m.csv").write_text(text)
        report = examine(load(tmp_path / "m.csv"))
        assert report.missing == 2
        filled = fill(report.table, "previous")
        assert filled.columns["start"].view("M8[ns]").astype("M8[M]").astype(str).tolist() == [
            f"{y}-{m:02d}" for y in (2023, 2024) for m in range(1, 13)
        ]
        assert np.array_equal(filled.columns["ts"][:-1], filled.columns["start"][1:])


class TestPrices:
    @given(hnp.arrays(np.int64, 60, elements=st.integers(0, 400)), st.floats(2, 12))
    @settings(max_examples=30, deadline=None)
    def test_outliers_are_those_of_scipy(
        self, tmp_path_factory: pytest.TempPathFactory, steps: NDArray[np.int64], times: float
    ) -> None:
        close = np.round(1000 * np.exp(np.cumsum((steps - 200.0) ** 3 / 1e8)), 6)
        table = Made(tmp_path_factory.mktemp("out"))(hours(60), close)
        returns = np.diff(np.log(close))
        mad = median_abs_deviation(returns, scale="normal")
        report = examine(table, limits=Limits(outlier=times))
        if mad == 0:
            assert FindingKind.OUTLIER not in report.marked
            assert any("not judged" in note for note in report.notes)
            return
        distance = np.abs(returns - np.median(returns)) / mad
        if (np.abs(distance - times) < 1e-3 * times).any():
            return  # too near to call: 1.4826 is scipy's to five digits
        found = set(rows(report, FindingKind.OUTLIER))
        far = set((np.flatnonzero(distance > times) + 1).tolist())
        assert found <= far
        assert all(row - 1 in far for row in far - found)  # left out is only the way back

    def test_spike_is_one_row(self, made: Made) -> None:
        close = walk(200)
        close[50] *= 3
        (finding,) = examine(made(hours(200), close)).findings
        assert (finding.kind, finding.first_row, finding.count) == (FindingKind.OUTLIER, 50, 1)
        assert finding.words.endswith("and back at once (close)")

    def test_constant_prices_are_not_judged(self, made: Made) -> None:
        report = examine(made(hours(50), np.ones(50)))
        assert set(report.counts) == {FindingKind.STALE}
        assert any("half of the returns" in note for note in report.notes)

    @given(hnp.arrays(float, (20, 4), elements=st.integers(1, 4).map(float)))
    @settings(max_examples=30, deadline=None)
    def test_inconsistent_bars(
        self, tmp_path_factory: pytest.TempPathFactory, prices: NDArray[np.float64]
    ) -> None:
        o, h, low, c = prices.T
        table = Made(tmp_path_factory.mktemp("ohlc"))(hours(20), c, open=o, high=h, low=low)
        bad = [i for i in range(20) if not (low[i] <= min(o[i], c[i]) and h[i] >= max(o[i], c[i], low[i]))]
        assert rows(examine(table), FindingKind.INCONSISTENT) == bad
        assert len(fill(table, "drop")) == 20 - len(bad)

    def test_values(self, made: Made) -> None:
        close = walk(60)
        close[[5, 6, 7]] = 0, -1, np.nan
        volume = np.ones(60)
        volume[9] = 0
        report = examine(made(hours(60), close, volume=volume))
        assert rows(report, FindingKind.NOT_POSITIVE) == [5, 6]
        assert rows(report, FindingKind.NOT_A_NUMBER) == [7]
        assert rows(report, FindingKind.ZERO_VOLUME) == [9]

    @pytest.mark.parametrize("run", [4, 5, 9])
    def test_stale(self, made: Made, run: int) -> None:
        close = walk(60)
        close[10 : 10 + run] = close[10]
        found = rows(examine(made(hours(60), close)), FindingKind.STALE)
        assert found == (list(range(10, 10 + run)) if run >= 5 else [])

    def test_against_a_second_source(self, made: Made, tmp_path: Path) -> None:
        close = walk(60)
        table = made(hours(60), close)
        other = close.copy()
        other[[3, 30]] *= [1.2, 0.8]
        other[[7, 8, 9]] = np.nan, 0.0, -1.0
        frame = pd.DataFrame({"time": hours(60)[:50] // 10**9, "ref": other[:50]})
        frame.to_csv(tmp_path / "b.csv", index=False)
        second = load(tmp_path / "b.csv", kind="columns")
        report = examine(table, against=(second, "ref"))
        assert rows(report, FindingKind.DEVIATION) == [3, 30]
        assert any("47 of 60 rows have one" in rule for rule in report.judged)
        assert (
            rows(examine(table, against=(second, "ref"), limits=Limits(within=0.3)), FindingKind.DEVIATION)
            == []
        )
        with pytest.raises(DataError, match=r"a column of .*b.csv \(ref\), was nothing"):
            examine(table, against=(second, "nothing"))
        with pytest.raises(DataError, match="without any in common"):
            examine(made(hours(60) + 1_000_000, close), against=(second, "ref"))


class TestClocks:
    def test_unit(self, made: Made) -> None:
        """Hours, then the same as if in ms read as s: a spacing of 1000 hours."""
        starts = np.concatenate([hours(50), START + 49 * HOUR + 1000 * HOUR * np.arange(1, 11)])
        report = examine(made(starts, walk(60)))
        assert rows(report, FindingKind.UNIT) == list(range(50, 60))
        early = examine(load(made.path, columns={"open_time": "start_us"}, every="1h"))
        assert early.counts[FindingKind.UNIT] == 60

    @pytest.mark.parametrize(("step", "off"), [("1h", 30 * 60), ("1D", 5 * 3600), ("4h", 3600)])
    def test_all_shifted(self, tmp_path: Path, step: str, off: int) -> None:
        times = pd.date_range("2024-01-01", periods=40, freq=step) + pd.Timedelta(seconds=off)
        text = "time,close\n" + "".join(
            f"{t.isoformat()},{p}\n" for t, p in zip(times, walk(40), strict=True)
        )
        (tmp_path / "a.csv").write_text(text)
        report = examine(tmp_path / "a.csv")
        assert report.counts == {FindingKind.TIME_ZONE: 40}

    @pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Asia/Tokyo", "UTC"])
    def test_summer_time(self, made: Made, zone: str) -> None:
        local = (
            pd.date_range("2024-01-01", "2024-12-31", freq="h", tz="UTC").tz_convert(zone).tz_localize(None)
        )
        report = examine(made(local.as_unit("ns").asi8, walk(len(local))))
        if zone in ("Asia/Tokyo", "UTC"):
            assert report.counts == {}
        else:
            assert len(rows(report, FindingKind.TIME_ZONE)) == 2
            assert report.missing == 1


class TestTicks:
    def test_of_the_recording(self) -> None:
        """Three trades print before the first quote; several share a millisecond of the exchange."""
        report = examine_files([QUOTES, TRADES])
        assert rows(report, FindingKind.NO_QUOTE) == [0, 1, 2]
        frame = pd.read_csv(TRADES)
        alone = examine(TRADES)
        shared = int(frame["exch_ms"].duplicated(keep=False).sum())
        assert alone.counts[FindingKind.SHARED_TIME] == shared > 0
        assert (
            alone.counts[FindingKind.CLOCK] == int((frame["recv_ns"] < frame["exch_ms"] * 10**6).sum()) == 300
        )
        assert any(note.startswith(f"{TRADES.name} alone: shared time: {shared}") for note in report.notes)
        with pytest.raises(DataError, match="kind must be given for one file"):
            examine_files([QUOTES, TRADES], kind="ticks")

    def test_quotes(self, tmp_path: Path) -> None:
        quotes = [(i, 100.0 + i % 7, 101.0 + i % 7) for i in range(300)]
        quotes[10] = (10, 105.0, 104.0)
        quotes[11] = (11, 105.0, 105.0)
        quotes[100:250] = [(i, 100.0, 101.0) for i in range(100, 250)]
        text = "".join(f"{1_700_000_000_000 + 10 * i},{b},{a}\n" for i, b, a in quotes)
        (tmp_path / "q.csv").write_text("time,bid,ask\n" + text)
        report = examine(tmp_path / "q.csv")
        assert rows(report, FindingKind.CROSSED) == [10]
        assert rows(report, FindingKind.LOCKED) == [11]
        assert rows(report, FindingKind.STALE) == list(range(100, 250))

    def test_silence_and_doubles(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(2)
        times = np.cumsum(rng.integers(1, 100, 2000))
        times[1000:] += 60_000
        prices = np.round(walk(2000), 2)
        lines = [
            f"{1_700_000_000_000 + t},{p},1\n" for t, p in zip(times.tolist(), prices.tolist(), strict=True)
        ]
        lines.insert(500, lines[500])
        (tmp_path / "t.csv").write_text("time,price,size\n" + "".join(lines))
        report = examine(tmp_path / "t.csv")
        assert rows(report, FindingKind.GAP) == [1001]
        assert rows(report, FindingKind.DUPLICATE) == [501]
        assert rows(report, FindingKind.SHARED_TIME) == [500, 501]
        with pytest.raises(DataError, match="must be asked of bars"):
            fill(report.table, "previous")


class TestFill:
    def test_refuses(self, made: Made) -> None:
        table = made(hours(20)[::-1], walk(20))
        with pytest.raises(DataError, match="previous, drop, sort, was 'guess'"):
            fill(table, "guess")
        with pytest.raises(DataError, match="in order"):
            fill(table, "previous")
        far = np.append(hours(20), START + ((1 << 20) + 100) * HOUR)
        with pytest.raises(DataError, match="at most 1048576 bars"):
            fill(made(far, walk(21)), "previous")

    def test_refuses_what_is_off_the_grid(self, made: Made) -> None:
        starts = hours(20)
        starts[10:] += 5 * HOUR // 2
        with pytest.raises(
            DataError, match="whole number of spacings after the one before to be filled, was not at"
        ):
            fill(made(starts, walk(20)), "previous")

    def test_more_gaps_than_are_listed(self, made: Made) -> None:
        keep = np.setdiff1d(np.arange(5000), np.arange(1, 4999, 4))
        table = made(hours(5000)[keep], walk(5000)[keep])
        report = examine(table)
        assert report.counts[FindingKind.GAP] == report.missing == 1250
        assert len(report.findings) == 1000
        assert any("1,000 of 1,250 stretches are listed" in note for note in report.notes)
        assert fill(table, "previous", report).columns["start"].tolist() == hours(5000).tolist()

    def test_changes_nothing_unasked(self, made: Made) -> None:
        table = made(np.delete(hours(30), [5, 6]), walk(28))
        before = table.records().tobytes()
        examine(table)
        fill(table, "previous")
        assert table.records().tobytes() == before
        assert fill(table, "previous").understood.notes[-1] == "previous: 2 bars made up and marked as filled"

    def test_of_a_whole_file_is_the_file(self, made: Made) -> None:
        table = made(hours(30), walk(30))
        for how in ("previous", "drop", "sort"):
            assert fill(table, how).records().tobytes() == table.records().tobytes()


NUMBER: Final = st.floats() | st.sampled_from([0.0, 1.0, 2.0])
TIME: Final = st.integers(-(2**62), 2**62 - 1) | st.integers(0, 3)


@pytest.mark.parametrize("dtype", [TICK, BAR], ids=["ticks", "bars"])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_any_rows_are_examined(
    tmp_path_factory: pytest.TempPathFactory, dtype: np.dtype[Any], data: Any
) -> None:
    small = {"side": st.integers(-1, 1), "flags": st.integers(0, 7), "trades": st.integers(-1, 9)}
    names = dtype.names or ()
    fields = [small.get(name, NUMBER if dtype[name].kind == "f" else TIME) for name in names]
    records = np.array(data.draw(st.lists(st.tuples(*fields), min_size=1, max_size=12)), dtype)
    path = tmp_path_factory.mktemp("any") / "a.npy"
    np.save(path, records)
    report = examine(path, limits=Limits(stale=2, stale_quotes=2, outlier=0.5, outlier_ticks=0.5))
    json.dumps(report.to_dict(), allow_nan=False)
    assert all(len(found) and found.max() < len(records) for found in report.marked.values() if len(found))
    for how in ("drop", "sort"):
        assert set(fill(report.table, how, report).columns) == set(report.table.columns)


@pytest.mark.parametrize(
    ("name", "value"),
    [("outlier", 0.0), ("within", float("nan")), ("stale", 1), ("silence", -1.0), ("within", float("inf"))],
)
def test_limits_are_checked(name: str, value: Any) -> None:
    with pytest.raises(DataError, match=f"{name} must be"):
        Limits(**{name: value})


@pytest.mark.parametrize("n", [1, 2, 3])
def test_short_files(made: Made, n: int) -> None:
    report = examine(made(hours(n), walk(n)))
    assert report.counts == {}
    assert report.rows == n
    assert report.to_dict()["findings"] == []


@needs_shared
def test_all_rows_marked_bad_are_found() -> None:
    """77 bars that their README marks: 28 inconsistent, the others far from a second price."""
    path = SHARED / "btc_usd_ohlcv_daily.csv.gz"
    with gzip.open(path, "rt") as file:
        bad = [i for i, row in enumerate(csv.DictReader(file)) if row["ok"] == "0"]
    alone = examine(path)
    assert "ok" in alone.table.understood.left_out
    found = set(rows(alone, FindingKind.INCONSISTENT)) | set(rows(alone, FindingKind.OUTLIER))
    assert len(bad) == 77
    assert len(rows(alone, FindingKind.INCONSISTENT)) == 28
    assert len(found & set(bad)) == 32
    second = load(SHARED / "btc_onchain_daily.csv.gz", kind="columns")
    report = examine(path, against=(second, "price_usd"))
    both = set(rows(report, FindingKind.INCONSISTENT)) | set(rows(report, FindingKind.DEVIATION))
    assert sorted(both) == bad


@needs_shared
def test_recorded_ticks() -> None:
    ticks = SHARED / "ticks"
    pair = [ticks / f"btcusdt_spot_20210108_{kind}.csv.gz" for kind in ("quotes", "trades")]
    report = examine_files(pair)
    quotes, trades = (pd.read_csv(path) for path in pair)
    before = int((trades["exch_ms"] < quotes["exch_ms"].min()).sum())
    assert report.counts[FindingKind.NO_QUOTE] == before == 30
    both = pd.concat([quotes["exch_ms"], trades["exch_ms"]])
    assert report.counts[FindingKind.SHARED_TIME] == int(both.duplicated(keep=False).sum())
