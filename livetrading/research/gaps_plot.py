"""What was found in bars or ticks, as a picture: on the prices, in the spacing of the times, in numbers."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.data.gaps import FindingKind, QualityReport
from livetrading.data.history import utc
from livetrading.research.figure import check_plot, figure_bytes, new_figure, plain_text, write_whole

__all__ = ["plot_gaps"]

POINTS: Final = 8_000
"""Most points of a line; a longer one is drawn by the smallest and the largest of each stretch."""
MARKS: Final = 2_000
"""Most marks of a kind; of more, every so manieth is drawn."""
BLUE, GREY = "#1f5fa8", "#6b6b6b"
COLOURS: Final = {
    FindingKind.GAP: "#d62728",
    FindingKind.INCONSISTENT: "#c8581a",
    FindingKind.DEVIATION: "#8a4fa0",
    FindingKind.OUTLIER: "#e0a100",
    FindingKind.CROSSED: "#b03a5b",
    FindingKind.NO_QUOTE: "#2e8b57",
    FindingKind.STALE: "#3a9aa8",
    FindingKind.NOT_POSITIVE: "#000000",
}
QUIET: Final = (FindingKind.SHARED_TIME, FindingKind.BACKWARDS, FindingKind.ZERO_VOLUME, FindingKind.CLOCK)
"""Kinds of so many rows that marks would hide the prices; they are counted alone."""


def plot_gaps(report: QualityReport, path: Path) -> None:
    """Draw three panels: prices with what was found marked, steps between times, rows of each kind.

    Parameters
    ----------
    report : QualityReport
    path : Path
        A ``.png`` or ``.svg`` file; one that stands there is replaced once the figure is whole.

    Raises
    ------
    DataError, ExtraMissing
        As `check_plot`, and if the file cannot be written.
    """
    check_plot(path)
    figure = new_figure(11, 8)
    grid = figure.add_gridspec(2, 2, height_ratios=(3, 2))
    name = ", ".join(Path(part).name for part in report.path.split(","))
    span = (
        ""
        if report.first_ns is None or report.last_ns is None
        else (f"\n{utc(report.first_ns)} to {utc(report.last_ns)}")
    )
    figure.suptitle(plain_text(f"{name}: {report.rows:,} rows of {report.kind}") + span)
    panels = [figure.add_subplot(grid[0, :]), figure.add_subplot(grid[1, 0]), figure.add_subplot(grid[1, 1])]
    _draw_prices(panels[0], report)
    _draw_steps(panels[1], report)
    _draw_counts(panels[2], report)
    for axes in panels:
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    write_whole(path, figure_bytes(figure, path.suffix))


def _times(report: QualityReport) -> NDArray[np.int64]:
    return report.table.columns["start" if report.kind == "bars" else "ts"]


def _dates(times: NDArray[np.int64]) -> NDArray[Any]:
    return times.astype("datetime64[ns]")


def _series(report: QualityReport) -> tuple[str, NDArray[np.float64]] | None:
    columns = report.table.columns
    for name in ("close", "price"):
        if name in columns:
            return name, columns[name]
    if "bid" in columns and "ask" in columns:
        return "mid", columns["bid"] / 2 + columns["ask"] / 2
    return None


def _draw_prices(axes: Any, report: QualityReport) -> None:
    found = _series(report)
    if found is None:
        axes.text(0.5, 0.5, "no price", ha="center", transform=axes.transAxes, color=GREY)
        return
    name, prices = found
    times = _times(report)
    order = np.argsort(times, kind="stable")
    _line(axes, times[order], prices[order])
    for finding in report.findings:
        if finding.kind is FindingKind.GAP:
            axes.axvspan(
                *_dates(np.array([finding.from_ns, finding.to_ns])), color=COLOURS[finding.kind], alpha=0.25
            )
    for kind, rows in report.marked.items():
        if len(rows) == 0 or kind in QUIET or kind is FindingKind.GAP:
            continue
        rows = rows[:: -(-len(rows) // MARKS)]
        colour = COLOURS.get(kind, GREY)
        axes.plot(_dates(times[rows]), prices[rows], "o", ms=5, mfc="none", color=colour, label=kind.value)
    positive = prices[np.isfinite(prices) & (prices > 0)]
    if len(positive) and positive.max() > 5 * positive.min():
        axes.set_yscale("log")
    axes.set(ylabel=f"{name} (USD/BTC)", title="Prices, and where something was found")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best", fontsize="small")


def _line(axes: Any, times: NDArray[np.int64], values: NDArray[np.float64]) -> None:
    """Draw a line; a long one by the extremes of each stretch."""
    if len(times) > POINTS:
        starts = np.arange(0, len(times), -(-2 * len(times) // POINTS))
        ends = (np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts))
        times, values = np.repeat(times[starts], 2), np.column_stack(ends).ravel()
    axes.plot(_dates(times), values, lw=0.8, color=BLUE)


def _draw_steps(axes: Any, report: QualityReport) -> None:
    times = np.sort(_times(report))
    steps = np.diff(times) / 1e9
    axes.set(title="Steps between times", ylabel="seconds", xlabel=report.spacing)
    if len(steps) == 0 or not steps.any():
        return
    shown = np.where(steps > 0, steps, np.nan)
    if len(steps) > POINTS:
        starts = np.arange(0, len(steps), -(-len(steps) // POINTS))
        shown, times = np.fmax.reduceat(shown, starts), times[starts]
    else:
        times = times[:-1]
    axes.semilogy(_dates(times), shown, ".", ms=3, color=BLUE)
    axes.tick_params(axis="x", rotation=30)


def _draw_counts(axes: Any, report: QualityReport) -> None:
    counts = report.counts
    axes.set(title="Rows of each kind (gaps: how many)")
    if not counts:
        axes.text(0.5, 0.5, "nothing to find fault with", ha="center", transform=axes.transAxes, color=GREY)
        axes.set(xticks=[], yticks=[])
        return
    names = [kind.value for kind in counts]
    bars = axes.barh(names, list(counts.values()), color=[COLOURS.get(kind, GREY) for kind in counts])
    axes.bar_label(bars, [f"{count:,}" for count in counts.values()], padding=3, fontsize="small")
    axes.set_xscale("log")
    axes.set_xlim(0.5, 5 * max(counts.values()))
    axes.invert_yaxis()
