#!/usr/bin/env python
"""Draw docs/gallery: what one formula or two of each category say on daily bars of Bitcoin.

`.venv/bin/python scripts/gallery.py BARS.csv.gz` with the columns date, high, low, close, volume_btc and ok
(rows with ok = 0 are left out). The bars' licence is not recorded: the pictures show what formulas computed,
never the prices.
"""

import csv
import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.registry import run

FOLDER: Final = Path(__file__).parents[1] / "docs" / "gallery"
INK: Final = "#1f3b57"
SECOND: Final = "#b5532a"
Floats = NDArray[np.float64]


def bars(path: Path) -> tuple[NDArray[np.datetime64], dict[str, Any]]:
    """Return the days, and the columns as formulas read them; the time is that of the bar's close."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["ok"] == "1"]
    days = np.array([row["date"] for row in rows], "datetime64[D]")
    columns = {name: np.array([float(row[name]) for row in rows]) for name in ("high", "low", "close")}
    volume = np.array([float(row["volume_btc"] or "nan") for row in rows])
    ts = (days + 1).astype("datetime64[ns]").astype(np.int64)
    return days, {**columns, "ts": ts, "price": columns["close"], "volume": volume}


def statistical(columns: dict[str, Any], upper: Any, lower: Any, days: Any) -> str:
    """Moments of a year of returns."""
    said = run(5, columns, n=365)
    upper.plot(days, said.outputs["kurtosis"], color=INK)
    upper.axhline(0.0, color="grey", lw=0.8)
    upper.set_ylabel("excess kurtosis")
    lower.plot(days, said.value, color=SECOND)
    lower.axhline(0.0, color="grey", lw=0.8)
    lower.set_ylabel("skewness")
    return "5 SkewnessKurtosis, the last 365 daily returns"


def timeseries(columns: dict[str, Any], upper: Any, lower: Any, days: Any) -> str:
    """Volatility that a GARCH model expects, and how long a shock to it lasts."""
    said = run(35, columns)
    upper.plot(days, 100 * said.value, color=INK, lw=0.8)
    upper.set_ylabel("volatility, % a day")
    lower.plot(days, said.outputs["persistence"], color=SECOND)
    lower.set_ylabel("persistence")
    return "35 GARCHModel, 500 days, fitted every 100th"


def machine_learning(columns: dict[str, Any], upper: Any, lower: Any, days: Any) -> str:
    """What an online net expects, and how often it was right."""
    said = run(62, {**columns, "side": np.zeros(len(days))})
    upper.plot(days, said.outputs["p_up"], color=INK, lw=0.6)
    upper.axhline(0.5, color="grey", lw=0.8)
    upper.set_ylabel("probability of up")
    lower.plot(days, said.outputs["hit_rate"], color=SECOND)
    lower.axhline(0.5, color="grey", lw=0.8)
    lower.set_ylabel("hit rate of the last 200")
    return "62 MultiLayerPerceptron, ten days ahead"


def microstructure(columns: dict[str, Any], upper: Any, lower: Any, days: Any) -> str:
    """Imbalance of bulk-classified volume, a bucket a typical day."""
    said = run(112, columns, m=1, bucket=float(np.nanmedian(columns["volume"])))
    upper.plot(days, said.value, color=INK)
    upper.set_ylabel("BulkVPIN")
    lower.plot(days, said.outputs["last_imbalance"], ".", color=SECOND, ms=1.5)
    lower.set_ylabel("imbalance, last bucket")
    return "112 BulkVPIN, a bar a day, buckets of the median day's volume"


def mean_reversion(columns: dict[str, Any], upper: Any, lower: Any, days: Any) -> str:
    """Score and half-life of an Ornstein-Uhlenbeck fit to a hundred days."""
    score, life = run(131, columns), run(132, columns)
    shown = np.where(np.isfinite(life.value), np.clip(score.value, -6, 6), np.nan)
    upper.plot(days, shown, color=INK, lw=0.7)
    for level in (-2.0, 2.0):
        upper.axhline(level, color="grey", lw=0.8, ls="--")
    upper.set_ylabel("score, cut at 6")
    lower.semilogy(days, life.value, color=SECOND, lw=0.7)
    lower.axhline(50.0, color="grey", lw=0.8, ls="--")
    lower.set_ylabel("half-life, days")
    return "131 OrnsteinUhlenbeck and 132 OUHalfLife, 100 days; gaps where nothing reverts"


PICTURES: Final[tuple[Callable[[dict[str, Any], Any, Any, Any], str], ...]] = (
    statistical,
    timeseries,
    machine_learning,
    microstructure,
    mean_reversion,
)


def main(arguments: list[str]) -> None:
    """Draw every picture."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    days, columns = bars(Path(arguments[0]))
    FOLDER.mkdir(exist_ok=True)
    for draw in PICTURES:
        figure, (upper, lower) = pyplot.subplots(2, 1, figsize=(8, 4.5), sharex=True, layout="constrained")
        upper.set_title(draw(columns, upper, lower, days), loc="left", fontsize=10)
        for axes in (upper, lower):
            axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(FOLDER / f"{draw.__name__}.png", dpi=110, metadata={"Software": None})
        pyplot.close(figure)


if __name__ == "__main__":
    main(sys.argv[1:])
