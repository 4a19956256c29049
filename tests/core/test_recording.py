"""The columns of a recording against plain numpy and pandas forms computed from its two files."""

import os
from math import log
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tapes import DATA, preset

from livetrading.core.dtypes import RESULT
from livetrading.core.processor import Processor
from livetrading.data.ticks import read_ticks
from livetrading.runner import main

SHARED = Path(__file__).parents[3] / "shared" / "data" / "ticks"
RECORDINGS = {
    "excerpt": (DATA / "btcusdt_spot_20240808_quotes.csv", DATA / "btcusdt_spot_20240808_trades.csv"),
    **{
        name: (SHARED / f"btcusdt_spot_{name}_quotes.csv.gz", SHARED / f"btcusdt_spot_{name}_trades.csv.gz")
        for name in ("20240808T2354", "20210108")
    },
}


def table_of(quotes: Path, trades: Path) -> pd.DataFrame:
    """One row a tick, in order of time, at equal times the quote before the trade, then as in the files."""
    q, t = pd.read_csv(quotes), pd.read_csv(trades)
    for frame, is_trade in ((q, 0), (t, 1)):
        frame["ns"] = frame["recv_ns"] if "recv_ns" in frame else frame["exch_ms"] * 10**6
        frame["is_trade"] = is_trade
    both = pd.concat([q, t], ignore_index=True).sort_values(["ns", "is_trade"], kind="stable")
    held = ["bid", "ask", "bid_qty", "ask_qty"]
    both[held] = both[held].ffill()
    return both[both["bid"].notna()].reset_index(drop=True)


class Columns:
    """The table's columns, each by its definition alone."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table
        self.n = len(table)
        self.mid = ((table["bid"] + table["ask"]) / 2).to_numpy()
        self.quoted = np.flatnonzero(table["is_trade"] == 0)
        self.traded = np.flatnonzero(table["is_trade"] == 1)
        self.changed = 1 + np.flatnonzero(np.diff(self.mid))
        fed = np.concatenate([self.mid[:1], self.mid[self.changed]])
        self.fed, self.r = fed, np.log(fed[1:] / fed[:-1])

    def held(self, at: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Values that came at these ticks, held until the next."""
        out = pd.Series(np.nan, index=range(self.n))
        out.iloc[at] = values
        return out.ffill().to_numpy()

    def ofi(self) -> np.ndarray:
        q = self.table.loc[self.quoted, ["bid", "ask", "bid_qty", "ask_qty"]].to_numpy()
        (b0, a0, qb0, qa0), (b, a, qb, qa) = q[:-1].T, q[1:].T
        e = (b >= b0) * qb - (b <= b0) * qb0 - (a <= a0) * qa + (a >= a0) * qa0
        return self.held(self.quoted[1:], pd.Series(e).rolling(100).apply(np.sum, raw=True).to_numpy())

    def microprice(self) -> np.ndarray:
        b, a, qb, qa = self.table.loc[self.quoted, ["bid", "ask", "bid_qty", "ask_qty"]].to_numpy().T
        return self.held(self.quoted, (b * qa + a * qb) / (qb + qa))

    def z_score(self) -> np.ndarray:
        """Of the mids less the first one, which is exact: a price of 60,000 leaves a window of cents 1e-8."""
        out = np.full(self.n, np.nan)
        windows = np.lib.stride_tricks.sliding_window_view(self.mid - self.mid[0], 100)
        sd, mean = windows.std(axis=1), windows.mean(axis=1)
        flat = sd <= 1e-12 * (self.mid[0] + mean)
        out[99:] = np.where(flat, 0, (windows[:, -1] - mean) / np.where(flat, 1, sd))
        return out

    def kalman_velocity(self) -> np.ndarray:
        """41 as the weighted mean it is: the gains depend on time alone."""
        q, p, a, out = 0.001, 1.0, self.r[0], []
        for m, r in enumerate(self.r, 1):
            if m > 1:
                gain = (p + q) / (p + q + 1)
                a, p = (1 - gain) * a + gain * r, gain
            out.append(a if m >= 50 else np.nan)
        return self.held(self.changed, np.array(out))

    def kalman_level(self) -> np.ndarray:
        """201 in the prices' logarithms."""
        g0 = pd.Series(self.r**2).rolling(200).apply(np.mean, raw=True).to_numpy()
        g1 = pd.Series(self.r).rolling(200).apply(lambda w: (w[1:] * w[:-1]).sum() / 200, raw=True).to_numpy()
        noise = np.minimum(np.maximum(-g1, 0.01 * g0), g0 / 2)
        q = np.maximum(g0 - 2 * noise, 0.01 * g0)
        m, p, out = np.nan, np.nan, np.full(len(self.r), np.nan)
        for k in range(199, len(self.r)):
            x = log(self.fed[k + 1])
            if k == 199:
                m, p = x, noise[k]
            else:
                gain = (p + q[k]) / (p + q[k] + noise[k])
                m, p = m + gain * (x - m), (1 - gain) * (p + q[k])
            out[k] = np.exp(m)
        return self.held(self.changed, out)

    def variance(self) -> np.ndarray:
        return pd.Series(self.r**2).ewm(alpha=0.06, adjust=False).mean().to_numpy()

    def ewma_vol(self) -> np.ndarray:
        return self.held(self.changed, np.sqrt(self.variance()))

    def cusum(self) -> np.ndarray:
        out, up, down = np.zeros(self.n, np.int8), 0.0, 0.0
        width = np.concatenate([[np.nan], 3 * np.sqrt(self.variance())])
        for at, r, h in zip(self.changed, self.r, width, strict=False):
            up, down = max(0, up + r), min(0, down + r)
            if down < -h:
                out[at], down = -1, 0
            elif up > h:
                out[at], up = 1, 0
        return out

    def regime(self) -> np.ndarray:
        fast, slow = (pd.Series(self.fed).ewm(span=s, adjust=False).mean().to_numpy() for s in (20, 50))
        strength = (fast - slow)[1:] / (self.fed[1:] * np.sqrt(self.variance()))
        strength[:48] = 0
        side = np.where(np.abs(strength) > 2, np.sign(strength), 0)
        return np.nan_to_num(self.held(self.changed, side)).astype(np.int8)

    def trades(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        price, volume, side = self.table.loc[self.traded, ["price", "qty", "side"]].to_numpy().T
        return price, volume, side

    def kyle_lambda(self) -> np.ndarray:
        price, volume, side = self.trades()
        d, q = np.diff(price), (side * volume)[1:]
        out = np.full(len(price), np.nan)
        for k in range(50, len(price)):
            w, v = q[k - 50 : k], d[k - 50 : k]
            if w.std() > 1e-12 * np.abs(w).max():
                flat = v.std() <= 1e-12 * np.abs(v).max()
                out[k] = 0 if flat else np.cov(w, v, ddof=0)[0, 1] / w.var()
            else:
                out[k] = out[k - 1]
        return self.held(self.traded, out)

    def flow_momentum(self) -> np.ndarray:
        _, volume, side = self.trades()
        signed = pd.Series(side * volume).ewm(halflife=20, adjust=False).mean()
        return self.held(
            self.traded, (signed / pd.Series(volume).ewm(halflife=200, adjust=False).mean()).to_numpy()
        )

    def vpin(self) -> np.ndarray:
        """By interpolation of the cumulative signed volume at whole BTC of volume: no bucket loop."""
        _, volume, side = self.trades()
        bought = np.concatenate([[0], np.cumsum(volume)])
        signed = np.concatenate([[0], np.cumsum(side * volume)])
        full = np.floor(bought + 1e-9).astype(int)
        imbalance = np.abs(np.diff(np.interp(np.arange(full[-1] + 1), bought, signed)))
        mean = pd.Series(imbalance).rolling(50).mean().to_numpy()
        return self.held(self.traded, np.array([mean[k - 1] if k >= 50 else np.nan for k in full[1:]]))


TOLERANCE = {
    "market_price": (0, 0), "ofi": (1e-9, 1e-9), "z_score": (1e-9, 1e-9), "kalman_level": (1e-12, 0),
    "kalman_velocity": (1e-9, 1e-15), "ewma_vol": (1e-9, 0), "cusum": (0, 0), "regime": (0, 0),
    "kyle_lambda": (1e-9, 1e-9), "flow_momentum": (1e-9, 1e-12), "vpin": (1e-9, 1e-9),
    "microprice": (1e-14, 0),
}  # fmt: skip
"""Relative and absolute, of each column."""


def taken(name: str) -> tuple[pd.DataFrame, np.ndarray, dict, int]:
    if not RECORDINGS[name][0].exists():
        pytest.skip(f"no {RECORDINGS[name][0].name} beside the project: optional data")
    ticks = read_ticks(list(RECORDINGS[name]))
    processor = Processor(preset("realistic"), 100.0)
    rows = np.zeros(len(ticks), RESULT)
    rows = rows[: processor.replay(ticks, rows)]
    return table_of(*RECORDINGS[name]), rows, processor.totals(), len(ticks)


def written(name: str, path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows that the command line writes."""
    pair = RECORDINGS[name]
    if not pair[0].exists():
        pytest.skip(f"no {pair[0].name} beside the project: optional data")
    market = ",".join(map(str, pair))
    assert main(["hft", "100", "--market", market, "--out", str(path), "--every", "1", "--quiet"]) == 0
    return table_of(*pair), np.load(path)


@pytest.mark.parametrize("name", RECORDINGS)
def test_columns(name: str) -> None:
    table, rows, _, _ = taken(name)
    assert_columns(table, rows)


@pytest.mark.parametrize("name", RECORDINGS)
def test_columns_of_the_command_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in [variable for variable in os.environ if variable.startswith("LIVETRADING_")]:
        monkeypatch.delenv(variable)
    table, rows = written(name, tmp_path / "rows.npy")
    assert capsys.readouterr() == ("", "")
    assert_columns(table, rows)


def assert_columns(table: pd.DataFrame, rows: np.ndarray) -> None:
    columns = Columns(table)
    assert rows["ts"].tolist() == table["ns"].tolist()
    np.testing.assert_array_equal(rows["market_price"], columns.mid)
    assert np.isnan(rows["deviation"]).all()
    assert np.isnan(rows["true_price"]).all()
    for column, (rtol, atol) in TOLERANCE.items():
        if column != "market_price":
            expected = getattr(columns, column)()
            np.testing.assert_allclose(rows[column], expected, rtol, atol, equal_nan=True, err_msg=column)


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_row_is_a_tick_or_counted(name: str) -> None:
    table, rows, totals, read = taken(name)
    files = sum(len(pd.read_csv(path)) for path in RECORDINGS[name])
    assert read == files
    assert totals["ticks"] == len(rows) == len(table)
    assert totals["rejected"] == {
        "price": 0,
        "crossed": 0,
        "time": 0,
        "size": 0,
        "no_quote": files - len(table),
    }
    if name == "excerpt":
        assert totals["rejected"]["no_quote"] == 3


@pytest.mark.parametrize("name", ["20240808T2354"])
def test_the_long_recording_goes_everywhere(name: str) -> None:
    """Every column is there, and events of both signs."""
    _, rows, _, _ = taken(name)
    for column in TOLERANCE:
        assert np.isfinite(rows[column][-1])
    assert set(rows["cusum"].tolist()) == set(rows["regime"].tolist()) == {-1, 0, 1}
