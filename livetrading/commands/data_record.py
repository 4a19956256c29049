"""``livetrading data record``: the ticks of a market to an ultra file."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from livetrading.commands.data import data_app
from livetrading.commands.output import (
    DONE,
    INTERRUPTED,
    check_out,
    json_option,
    on_terminal,
    print_json,
    print_lines,
    print_table,
    text_option,
)
from livetrading.commands.state import iso
from livetrading.engine.interrupt import Interrupt

if TYPE_CHECKING:
    from livetrading.engine.record import Recorded

__all__ = ["record"]

NAMES: Final = {
    "market.name": "argument NAME|FILE",
    "run.ticks": "--ticks",
    "market.seed": "--seed",
    "market.columns": "--columns",
    "market.returns": "--returns",
}
"""What the messages call each setting."""


@data_app.command()
def record(
    ctx: typer.Context,
    market: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="A simulated market, or a recording of ticks.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new .ultra file.")],
    ticks: Annotated[
        str | None, text_option("Ticks to record (default 20000000, 1.3 GB; a recording: all).", "N")
    ] = None,
    seed: Annotated[str | None, text_option("Of a simulated market (default 1).", "N")] = None,
    columns: Annotated[str | None, text_option("The recording's columns: name=field,...", "MAP")] = None,
    returns: Annotated[
        str | None, text_option("What bootstrap draws from: returns, bars or ticks.", "FILE")
    ] = None,
    preset: Annotated[
        str | None, text_option("realistic (default), or seed: a market without a spread.", "NAME")
    ] = None,
    config: Annotated[Path | None, text_option("Configuration in TOML.", "FILE")] = None,
    json: Annotated[bool, json_option()] = False,
) -> int:
    """Record a market's ticks with their true price: a replay trades as a run on the market does."""
    from livetrading.config import load_config

    values = (market, ticks, seed, columns, returns)
    given = {path: value for path, value in zip(NAMES, values, strict=True) if value is not None}
    tree = load_config(
        {"run.capital": 1, **given}, preset=preset, file=config, environ=os.environ, names=NAMES
    )
    if seed is not None and not tree.market.simulated:
        raise typer.BadParameter(f"--seed must be given for a simulated market only, was given for {market}")
    read = [*tree.market.paths, *(Path(name) for name in [tree.market.returns] if name)]
    check_out(out, [*read, *([config] if config else [])], "OUT")
    from livetrading.engine.record import record_market

    interrupt = ctx.obj if isinstance(ctx.obj, Interrupt) else Interrupt()
    recorded = record_market(tree, out, interrupt=interrupt)
    tree_of = recorded.to_dict()
    if json:
        print_json(tree_of)
    elif on_terminal():
        _print_table(recorded)
    else:
        print_lines({key: value for key, value in tree_of.items() if key != "notes"}, recorded.notes)
    sys.stdout.flush()
    return INTERRUPTED + interrupt.signum if recorded.interrupted else DONE


def _print_table(recorded: "Recorded") -> None:
    from rich.table import Table
    from rich.text import Text

    first, last = ("none" if ts is None else iso(ts // 10**9) for ts in (recorded.first_ts, recorded.last_ts))
    table = Table("", recorded.market.replace("[", "\\["), title=Text(f"recorded to {recorded.file}"))
    table.columns[1].justify = "right"
    for name, value in (
        ("ticks", f"{recorded.ticks:,}"),
        ("MB", f"{recorded.bytes / 1e6:,.1f}"),
        ("first", first),
        ("last", last),
        ("true price", "at every tick" if recorded.true_price else "none"),
    ):
        table.add_row(name, value)
    notes = ("It was interrupted; what was made up to there is recorded.",) if recorded.interrupted else ()
    print_table(table, (*recorded.notes, *notes))
