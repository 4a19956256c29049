"""Models beside the market as a picture: a panel each on a log axis, with its band and the halvings."""

import re
from html import escape
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.research.figure import (
    SUFFIXES,
    check_plot,
    figure_bytes,
    new_figure,
    plain_text,
    write_whole,
)
from livetrading.research.history_table import history_notes, history_rows, history_title
from livetrading.research.price_history import PriceHistory, Track

__all__ = ["PLOT_SUFFIXES", "plot_history"]

PLOT_SUFFIXES: Final = (*SUFFIXES, ".html")
BAND_STEP: Final = 4
"""Days from one corner of a band's outline to the next."""
COLOURS: Final = ("#1f5fa8", "#c8581a", "#2e8b57", "#8a4fa0", "#a8842c", "#3a9aa8", "#b03a5b", "#5a5a5a")
INK, BLUE, GREY = "#222222", "#1f5fa8", "#6b6b6b"

STYLE: Final = """
body { font: 16px/1.5 sans-serif; color: #222; max-width: 1240px; margin: 2em auto; padding: 0 1em; }
svg { width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { padding: .25em .8em; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
"""


def plot_history(found: PriceHistory, path: Path) -> None:
    """Draw a history.

    Parameters
    ----------
    found : PriceHistory
    path : Path
        A ``.png`` or ``.svg`` file, or ``.html``: one page with the picture, the table and the notes, which
        loads nothing. One that stands there is replaced once the new one is whole.

    Raises
    ------
    DataError, ExtraMissing
        As `check_plot`, and if the file cannot be written.
    """
    check_plot(path, PLOT_SUFFIXES)
    figure = _panels(found) if found.path is not None else _one_panel(found)
    if path.suffix != ".html":
        write_whole(path, figure_bytes(figure, path.suffix))
        return
    svg = figure_bytes(figure, ".svg").decode("utf-8")
    write_whole(path, _page(found, svg).encode("utf-8"))


def _panels(found: PriceHistory) -> Any:
    """Draw market and model, a panel for each model, all on the same axes."""
    columns = 1 if len(found.tracks) == 1 else 2
    rows = -(-len(found.tracks) // columns)
    figure = new_figure(6.4 * columns, 1.4 + 3.0 * rows)
    figure.suptitle(f"{plain_text(Path(found.path or '').name)}: {history_title(found)}")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, track in zip(panels, found.tracks, strict=False):
        _draw_track(axes, found, track)
    for axes in panels[len(found.tracks) :]:
        axes.remove()
    lines = _legend_of(panels[0])
    figure.legend(*lines, loc="outside lower center", ncols=len(lines[0]), frameon=False)
    for i, axes in enumerate(panels[: len(found.tracks)]):
        if i + columns >= len(found.tracks):  # nothing stands below it
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("date (UTC)")
        if i % columns == 0:
            axes.set_ylabel("USD per BTC (log scale)")
    return figure


def _legend_of(axes: Any) -> tuple[list[Any], list[str]]:
    handles, labels = axes.get_legend_handles_labels()
    return list(handles), list(labels)


def _draw_track(axes: Any, found: PriceHistory, track: Track) -> None:
    dates, market, price = (_every_day(found, values) for values in (None, found.market, track.price))
    low, high = (_every_day(found, values)[::BAND_STEP] for values in (track.low, track.high))
    axes.fill_between(
        dates[::BAND_STEP],
        low,
        high,
        color=BLUE,
        alpha=0.18,
        lw=0,
        label="10-90 % of the log errors known the day before",
    )
    axes.semilogy(dates, market, color=INK, lw=0.9, label="market")
    axes.semilogy(dates, price, color=BLUE, lw=1.3, label="model")
    _mark_halvings(axes, found)
    share = f": market in the band on {track.inside / track.judged:.0%} of days" if track.judged else ""
    axes.set_title(f"{plain_text(track.model)}{share}", fontsize="medium", loc="left")
    _plain_axes(axes)


def _one_panel(found: PriceHistory) -> Any:
    """Draw all models on one pair of axes."""
    figure = new_figure(11, 7)
    axes = figure.subplots()
    figure.suptitle(history_title(found))
    dates = _every_day(found, None)
    for track, colour in zip(found.tracks, COLOURS, strict=False):
        axes.semilogy(dates, _every_day(found, track.price), color=colour, lw=1.3, label=track.model)
    _mark_halvings(axes, found)
    axes.set(xlabel="date (UTC)", ylabel="USD per BTC (log scale)")
    _plain_axes(axes)
    axes.legend(loc="upper left")
    return figure


def _plain_axes(axes: Any) -> None:
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _mark_halvings(axes: Any, found: PriceHistory) -> None:
    for i, (day, _) in enumerate(found.halvings):
        label = {"label": "halving"} if i == 0 else {}
        axes.axvline(np.datetime64(day, "D"), color=GREY, lw=0.9, ls=":", **label)


def _every_day(found: PriceHistory, values: NDArray[np.float64] | None) -> NDArray[Any]:
    """Lay values out on every day, NaN where there is no row: no line crosses a gap. None: the dates."""
    first, last = int(found.days[0]), int(found.days[-1])
    if values is None:
        return np.arange(first, last + 1).astype("datetime64[D]")
    out = np.full(last - first + 1, np.nan)
    out[found.days - first] = values
    return out


def _page(found: PriceHistory, svg: str) -> str:
    picture = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    title = escape(history_title(found))
    headings, *rows = history_rows(found, found.tracks)
    table = _html_row("th", headings) + "".join(_html_row("td", row) for row in rows)
    notes = "".join(f"<li>{escape(note)}</li>\n" for note in history_notes(found))
    sources = "".join(
        f"<li>{escape(track.model)}: {escape(track.title)}. {escape(track.source)}</li>\n"
        for track in found.tracks
    )
    name = "" if found.path is None else f"<p>Market: {escape(Path(found.path).name)}</p>\n"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{name}"
        f'<div role="img" aria-label="{title}">\n{picture}</div>\n'
        f'<h2>At the end of each year</h2>\n<div class="scroll"><table>\n{table}</table></div>\n'
        f"<h2>Notes</h2>\n<ul>\n{notes}</ul>\n<h2>Models</h2>\n<ul>\n{sources}</ul>\n</body>\n</html>\n"
    )


def _html_row(cell: str, texts: tuple[str, ...]) -> str:
    return f"<tr>{''.join(f'<{cell}>{escape(text)}</{cell}>' for text in texts)}</tr>\n"
