"""How far the uncertain inputs move TRUE PRICE, as a picture: a bar each, the longest on top."""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Final

from livetrading.blockchain.domain import DomainError
from livetrading.blockchain.price_sensitivity import Bar, JointRange
from livetrading.research.figure import check_plot, figure_bytes, new_figure, plain_text, write_whole

__all__ = ["LABELS", "plot_tornado"]

LABELS: Final = {
    "hash_rate": "hash rate",
    "efficiency": "efficiency",
    "energy_cost": "energy cost",
    "reward": "reward",
    "supply": "supply",
    "days": "days",
}
BLUE, ORANGE, GREY, INK = "#1f5fa8", "#c8581a", "#8a8a8a", "#222222"
HEIGHT: Final = 0.62


def plot_tornado(bars: Sequence[Bar], joint: JointRange, title: str, path: Path) -> None:
    """Draw a tornado, and under it the range of all inputs together.

    Parameters
    ----------
    bars : sequence of Bar
        The longest first.
    joint : JointRange
        Of the same inputs.
    title : str
    path : Path
        A ``.png`` or ``.svg`` file; one that stands there is replaced once the figure is whole.

    Raises
    ------
    DomainError
        If there is no price to draw.
    DataError, ExtraMissing
        As `check_plot`, and if the file cannot be written.
    """
    check_plot(path)
    if not (isfinite(joint.price) and joint.price > 0.0):
        raise DomainError(f"a tornado must be drawn of a price above 0, was {joint.price!r}")
    figure = new_figure(9.0, 2.2 + 0.62 * (len(bars) + 2))
    figure.suptitle(plain_text(title))
    axes = figure.subplots()
    rows = [
        (f"{LABELS[b.input]}\n{100 * b.low:+.4g} % to {100 * b.high:+.4g} %", b.price_low, b.price_high)
        for b in bars
    ]
    rows.append(("all, independent\nerrors", joint.independent_low, joint.independent_high))
    rows.append(("all at their\nextremes together", joint.all_low, joint.all_high))
    for i, (_, low, high) in enumerate(rows):
        _draw_bar(axes, i, low, high, joint.price, of_all=i >= len(bars))
    axes.axvline(joint.price, color=INK, lw=1.2)
    axes.axhline(len(bars) - 0.5, color=GREY, lw=0.8, ls=":")
    axes.set_yticks(range(len(rows)), [label.replace("$", r"\$") for label, _, _ in rows])
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.6g}")
    axes.margins(x=0.16)
    axes.set_xlabel(f"TRUE PRICE (USD/BTC); the line is {_amount(joint.price)}")
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    handles = [axes.barh([0], [0], color=colour) for colour in (BLUE, ORANGE)]
    names = ["input at its low end", "input at its high end"]
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
    write_whole(path, figure_bytes(figure, path.suffix))


def _draw_bar(axes: Any, row: int, low: float, high: float, price: float, *, of_all: bool) -> None:
    colours = (GREY, GREY) if of_all else (BLUE, ORANGE)
    for end, colour in zip((low, high), colours, strict=True):
        axes.barh(row, end - price, left=price, height=HEIGHT, color=colour)
    for end in {low, high}:
        right = end >= price
        axes.annotate(
            _amount(end),
            (end, row),
            xytext=(4 if right else -4, 0),
            textcoords="offset points",
            ha="left" if right else "right",
            va="center",
            fontsize="small",
        )


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000.0 else f"{value:.4g}"
