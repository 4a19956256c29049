"""One figure of the stylised facts: the returns, their law, their memory, their variance over time."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from livetrading.research.figure import check_plot, figure_bytes, new_figure, plain_text, write_whole
from livetrading.research.market_facts import MarketFacts, interval_text
from livetrading.research.stylised_facts import RECORDED, autocorrelation, variance_ratio

__all__ = ["plot_facts"]

NORMAL_975: Final = 1.959963984540054
"""The 0.975 quantile of the standard normal law."""
LAGS: Final = 100
SPANS: Final = (2, 3, 4, 5, 7, 10, 14, 20, 28, 40)
BINS: Final = 81
POINTS: Final = 20_000
"""Most points of the returns; a longer series is drawn by the smallest and the largest of each stretch."""
BLUE, ORANGE, GREY = "#1f5fa8", "#c8581a", "#6b6b6b"


def plot_facts(facts: MarketFacts, path: Path) -> None:
    """Draw four panels: returns, their density, autocorrelations, variance ratios.

    Parameters
    ----------
    facts : MarketFacts
    path : Path
        A ``.png`` or ``.svg`` file; one that stands there is replaced once the figure is whole.

    Raises
    ------
    DataError, ExtraMissing
        As `check_plot`, and if the file cannot be written.
    """
    check_plot(path)
    figure = new_figure(11, 8)
    figure.suptitle(_title(facts))
    panels = figure.subplots(2, 2)
    _draw_returns(panels[0, 0], facts)
    _draw_density(panels[0, 1], facts)
    _draw_memory(panels[1, 0], facts)
    _draw_ratios(panels[1, 1], facts)
    for axes in panels.flat:
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    write_whole(path, figure_bytes(figure, path.suffix))


def _title(facts: MarketFacts) -> str:
    names = ", ".join(Path(part).name for part in facts.market.split(","))
    name = plain_text(names)
    seed = "" if facts.seed is None else f", seed {facts.seed}"
    return f"{name}{seed}: {facts.facts.n:,} log returns over {interval_text(facts)} each"


def _draw_returns(axes: Any, facts: MarketFacts) -> None:
    percent = 100 * facts.returns
    if len(percent) > POINTS:
        starts = np.arange(0, len(percent), -(-2 * len(percent) // POINTS))
        ends = (np.minimum.reduceat(percent, starts), np.maximum.reduceat(percent, starts))
        axes.plot(np.repeat(starts + 1, 2), np.column_stack(ends).ravel(), lw=0.5, color=BLUE)
    else:
        axes.plot(np.arange(1, len(percent) + 1), percent, lw=0.6, color=BLUE)
    axes.set(title="Returns", xlabel=f"time (intervals of {interval_text(facts)})", ylabel="log return (%)")


def _draw_density(axes: Any, facts: MarketFacts) -> None:
    axes.set(
        title="Distribution", xlabel="(return - mean) / standard deviation", ylabel="density (log scale)"
    )
    if facts.facts.excess_kurtosis is None:
        axes.text(0.5, 0.5, "the returns are constant", ha="center", transform=axes.transAxes, color=GREY)
        return
    z = (facts.returns - facts.returns.mean()) / facts.facts.sd
    end = max(4.5, float(np.abs(z).max()))
    density, edges = np.histogram(z, np.linspace(-end, end, BINS + 1), density=True)
    middles, seen = (edges[1:] + edges[:-1]) / 2, density > 0
    axes.semilogy(middles[seen], density[seen], "o", ms=3.5, color=BLUE, label="returns")
    x = np.linspace(-end, end, 401)
    axes.semilogy(x, np.exp(-x * x / 2) / np.sqrt(2 * np.pi), color=ORANGE, label="normal law")
    axes.set_ylim(density[seen].min() / 3, 2 * density.max())
    axes.legend(loc="upper right")


def _draw_memory(axes: Any, facts: MarketFacts) -> None:
    returns, n = facts.returns, facts.facts.n
    lags = range(1, min(LAGS, n // 4) + 1)
    rows = ((returns, "returns", BLUE), (np.abs(returns), "|returns|", ORANGE))
    for values, label, colour in rows:
        known = [(lag, value) for lag in lags if (value := autocorrelation(values, lag)) is not None]
        if known:
            axes.plot(*zip(*known, strict=True), ".-", ms=4, lw=0.8, color=colour, label=label)
    band = NORMAL_975 / n**0.5
    axes.axhspan(-band, band, color=GREY, alpha=0.18, lw=0, label="95% band, no memory")
    axes.axhline(0, color=GREY, lw=0.8)
    axes.set(title="Autocorrelation", xlabel="lag (intervals)", ylabel="autocorrelation")
    _legend_above(axes, 0.15, 3)


def _draw_ratios(axes: Any, facts: MarketFacts) -> None:
    returns, n = facts.returns, facts.facts.n
    known = [(span, ratio) for span in SPANS if (ratio := variance_ratio(returns, span)) is not None]
    spans = np.array([span for span, _ in known])
    if known:
        axes.plot(spans, [ratio for _, ratio in known], "o-", ms=4, color=BLUE, label="this market")
        band = NORMAL_975 * np.sqrt(2 * (2 * spans - 1) * (spans - 1) / (3 * spans * n))
        axes.fill_between(
            spans, 1 - band, 1 + band, color=GREY, alpha=0.18, lw=0, label="95% band, random walk"
        )
    for row, style in zip(RECORDED, ("s", "^", "D"), strict=True):
        of_row = row.facts.variance_ratio
        axes.plot(list(of_row), list(of_row.values()), style, ms=4, color=ORANGE, mfc="none", label=row.name)
    axes.axhline(1, color=GREY, lw=0.8)
    axes.set_xscale("log")
    axes.set_xticks(SPANS, [str(span) for span in SPANS])
    axes.minorticks_off()
    axes.set(title="Variance ratio", xlabel="q (intervals summed)", ylabel="var of q-sums / (q var)")
    _legend_above(axes, 0.35, 2)


def _legend_above(axes: Any, room: float, columns: int) -> None:
    """Put the legend over the data, in a share of the axis added for it."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + room * (high - low))
    axes.legend(loc="upper center", ncols=columns, fontsize="small")
