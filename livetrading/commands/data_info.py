"""``livetrading data info``: what a file of bars or ticks holds, and how that is known."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livetrading.commands.data import data_app
from livetrading.commands.output import (
    DONE,
    INTERRUPTED,
    json_option,
    on_terminal,
    print_json,
    print_lines,
    print_table,
    text_option,
)
from livetrading.engine.interrupt import Interrupt

if TYPE_CHECKING:
    from livetrading.data.history import Understanding

__all__ = ["ColumnMap", "Delimiter", "Every", "Kind", "info", "reading"]

Kind = Annotated[
    str | None, text_option("ticks, trades, quotes, bars or columns (default: told by the columns).", "KIND")
]
ColumnMap = Annotated[
    str | None, text_option("What columns are, where names do not tell: name=field,...", "MAP")
]
Delimiter = Annotated[
    str | None, text_option("comma, semicolon, tab or bar (default: told by the first lines).", "NAME")
]
Every = Annotated[
    str | None, text_option("How long a bar is, as in 1m (default: told by the times).", "LENGTH")
]


def reading(
    kind: str | None, columns: str | None, delimiter: str | None, every: str | None
) -> dict[str, Any]:
    """Return the options as `load` takes them."""
    from livetrading.data.columns import parse_pairs

    pairs = None if columns is None else parse_pairs(columns)
    return {"kind": kind, "columns": pairs, "delimiter": delimiter, "every": every}


@data_app.command()
def info(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Bars or ticks, in any of the formats.")],
    kind: Kind = None,
    columns: ColumnMap = None,
    delimiter: Delimiter = None,
    every: Every = None,
    json: Annotated[bool, json_option()] = False,
) -> int:
    """Say what a file holds and how it was understood, in flat memory."""
    from livetrading.data.history import understand

    given = reading(kind, columns, delimiter, every)
    interrupt = ctx.obj if isinstance(ctx.obj, Interrupt) else Interrupt()
    found = interrupt.call(lambda: understand(file, **given))
    if found is None:
        return INTERRUPTED + interrupt.signum
    if json:
        print_json(found.to_dict())
    elif on_terminal():
        _print_table(found)
    else:
        print_lines(dict(_lines(found)), found.notes)
    sys.stdout.flush()
    return DONE


def _lines(found: "Understanding") -> list[tuple[str, str]]:
    """What was understood, a line each."""
    tree = found.to_dict()
    packed = "" if found.compression == "none" else f", {found.compression}"
    text = "" if found.delimiter is None else f", separated by {found.delimiter}, {found.encoding}"
    named = "named" if found.named else "without names"
    rows = [
        ("file", found.path),
        ("holds", f"{found.rows:,} rows of {found.kind}"),
        ("format", f"{found.format}{packed}{text}, columns {named}"),
        ("written by", found.source),
        ("from", tree["first"] or ""),
        ("to", tree["last"] or ""),
        ("spacing", found.spacing),
        ("clock", found.clock),
        ("time unit", f"{found.time_unit}: {found.time_told}"),
        ("time zone", found.zone),
        (
            "columns",
            ", ".join(f"{c.name} = {c.field}{f' ({c.unit})' if c.unit else ''}" for c in found.columns),
        ),
        ("left out", ", ".join(found.left_out)),
    ]
    return [(name, value) for name, value in rows if value]


def _print_table(found: "Understanding") -> None:
    from rich.table import Table
    from rich.text import Text

    lines = dict(_lines(found))
    table = Table("", "", title=Text(lines.pop("file")), show_header=False)
    table.columns[0].no_wrap = True
    del lines["columns"]
    for name, value in lines.items():
        table.add_row(name, Text(value))
    table.add_section()
    for column in found.columns:
        read_as = column.field + (f", {column.unit}" if column.unit else "")
        table.add_row(Text(column.name), Text(read_as))
    print_table(table, found.notes)
