"""``livetrading price evaluate`` and ``livetrading price history``: models against a market, day by day."""

import re
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from livetrading.commands.output import (
    DONE,
    INTERRUPTED,
    check_out,
    json_option,
    on_terminal,
    plain,
    print_json,
    print_lines,
    print_table,
    text_option,
)
from livetrading.commands.price import price_app
from livetrading.engine.interrupt import Interrupt

if TYPE_CHECKING:
    from livetrading.research.price_evaluation import Evaluation
    from livetrading.research.price_history import PriceHistory

__all__ = ["evaluate_prices", "show_history"]

FROM: Final = "First day, YYYY-MM-DD (default: the first with a price)."
TO: Final = "Last day, YYYY-MM-DD (default: the last)."
OWN_COLUMNS: Final = 34
"""Width of day, height and market."""
MODEL_COLUMN: Final = 16
"""Width of the longest name of a model, and two blanks."""


def _day_option(flag: str, help_text: str) -> Any:
    return typer.Option(flag, help=help_text, metavar="DATE")


@price_app.command("evaluate")
def evaluate_prices(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A price a day: .csv, .csv.gz, .csv.zst or .parquet.")
    ],
    first: Annotated[str | None, _day_option("--from", FROM)] = None,
    last: Annotated[str | None, _day_option("--to", TO)] = None,
    split: Annotated[
        str | None,
        text_option("First day of the later part (default 2020-01-01, or the middle).", "DATE"),
    ] = None,
    json: Annotated[bool, json_option()] = False,
) -> int:
    """Hold every model against a market history, in sample and out of sample."""
    days = [_date(text, flag) for text, flag in ((first, "--from"), (last, "--to"), (split, "--split"))]
    from livetrading.data.chain_history import read_chain_history
    from livetrading.research.evaluation_table import evaluation_lines, evaluation_notes, evaluation_tree
    from livetrading.research.price_evaluation import evaluate
    from livetrading.research.price_statistics import check_formulas

    check_formulas()
    interrupt = ctx.obj if isinstance(ctx.obj, Interrupt) else Interrupt()
    found = interrupt.call(
        lambda: evaluate(read_chain_history(file), first=days[0], last=days[1], split=days[2])
    )
    if found is None:
        return INTERRUPTED + interrupt.signum
    if json:
        print_json(plain(evaluation_tree(found)))
    elif on_terminal():
        _print_evaluation(found)
    else:
        print_lines(evaluation_lines(found), evaluation_notes(found))
    sys.stdout.flush()
    return DONE


@price_app.command("history")
def show_history(
    ctx: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="A price a day; without it the models from the chain alone."),
    ] = None,
    first: Annotated[str | None, _day_option("--from", FROM)] = None,
    last: Annotated[str | None, _day_option("--to", TO)] = None,
    model: Annotated[
        list[str] | None,
        text_option(
            "A model by its name, more than once for several (default: all that give a price).", "NAME"
        ),
    ] = None,
    plot: Annotated[Path | None, text_option("Draw it to a .png, .svg or .html file.", "FILE")] = None,
    json: Annotated[bool, json_option()] = False,
) -> int:
    """Show the models day by day, beside the market if there is a file of it."""
    days = [_date(text, flag) for text, flag in ((first, "--from"), (last, "--to"))]
    from livetrading.data.chain_history import FIRST_PRICE, embedded_history, read_chain_history
    from livetrading.research.history_table import history_tree
    from livetrading.research.price_history import price_history

    if plot is not None:
        from livetrading.research.figure import check_plot
        from livetrading.research.price_plot import PLOT_SUFFIXES

        check_out(plot, [] if file is None else [file], "--plot")
        check_plot(plot, PLOT_SUFFIXES)

    def compute() -> "PriceHistory":
        if file is not None:
            return price_history(read_chain_history(file), model or (), first=days[0], last=days[1])
        return price_history(embedded_history(days[0] or FIRST_PRICE, days[1]), model or ())

    interrupt = ctx.obj if isinstance(ctx.obj, Interrupt) else Interrupt()
    found = interrupt.call(compute)
    if found is None:
        return INTERRUPTED + interrupt.signum
    if plot is not None:
        from livetrading.research.price_plot import plot_history

        plot_history(found, plot)
    if json:
        print_json(plain(history_tree(found)))
    else:
        (_print_history if on_terminal() else _print_history_lines)(found)
    sys.stdout.flush()
    return DONE


def _date(text: str | None, flag: str) -> date | None:
    if text is None:
        return None
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass  # such as a 30th of February: what follows says the rule
    raise typer.BadParameter(f"{flag} must be a date, YYYY-MM-DD, was {text!r}")


def _print_evaluation(found: "Evaluation") -> None:
    from livetrading.research.evaluation_table import evaluation_notes, evaluation_tables

    tables = evaluation_tables(found)
    for title, rows in tables:
        _print_rows(title, rows, evaluation_notes(found) if rows is tables[-1][1] else ())


def _print_rows(title: str, rows: Sequence[tuple[str, ...]], notes: Sequence[str] = ()) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    headings, *body = rows
    table = Table(
        title=Text(title), box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0), pad_edge=False
    )
    for i, heading in enumerate(headings):
        table.add_column(heading, no_wrap=True, justify="right" if i else "left")
    for row in body:
        table.add_row(*row)
    print_table(table, [f"\n{note}" for note in notes])


def _print_history(found: "PriceHistory") -> None:
    from rich.console import Console

    from livetrading.research.history_table import history_notes, history_rows, history_title

    beside = max(1, (Console().width - OWN_COLUMNS) // MODEL_COLUMN)
    for start in range(0, len(found.tracks), beside):
        end = start + beside
        rows = history_rows(found, found.tracks[start:end])
        _print_rows(history_title(found), rows, history_notes(found) if end >= len(found.tracks) else ())


def _print_history_lines(found: "PriceHistory") -> None:
    from livetrading.research.history_table import history_notes, history_rows

    headings, *rows = history_rows(found, found.tracks)
    tree = {row[0]: dict(zip(headings[1:], row[1:], strict=True)) for row in rows}
    print_lines(tree, history_notes(found))
