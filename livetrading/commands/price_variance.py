"""``livetrading price variance``: the breakdown of recorded prices, with what its coefficients come to."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livetrading.commands.output import (
    DONE,
    INTERRUPTED,
    json_option,
    number,
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
    from collections.abc import Mapping

    from rich.table import Table

    from livetrading.blockchain.breakdown_fit import BreakdownFit

__all__ = ["show_variance"]

Tree = dict[str, Any]


@price_app.command("variance")
def show_variance(
    ctx: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Recorded quotes and trades: one file, or quotes,trades.")
    ],
    columns: Annotated[str | None, text_option("The recording's columns: name=field,...", "MAP")] = None,
    json: Annotated[bool, json_option()] = False,
) -> int:
    """Fit the breakdown of a quoted price to recorded trades, and split their variance over its terms."""
    from livetrading.data.columns import parse_columns

    paths = [Path(file)] if os.path.exists(file) else [Path(part.strip()) for part in file.split(",")]
    given = None if columns is None else parse_columns(columns)
    interrupt = ctx.obj if isinstance(ctx.obj, Interrupt) else Interrupt()
    found = interrupt.call(lambda: _fit(paths, given))
    if found is None:
        return INTERRUPTED + interrupt.signum
    tree = _tree(found)
    notes = [*_findings(found), *found.notes]
    if json:
        print_json({**tree, "notes": notes})
    elif on_terminal():
        print_table(_table(tree, ", ".join(path.name for path in paths)), notes)
    else:
        print_lines(tree, notes)
    sys.stdout.flush()
    return DONE


def _fit(paths: list[Path], columns: "Mapping[str, str] | None") -> "BreakdownFit":
    """Read a recording in chunks, of which only the trades are held, and fit them."""
    import numpy as np

    from livetrading.blockchain.breakdown_fit import fit_ticks
    from livetrading.core.dtypes import TICK, TickFlag
    from livetrading.data.ticks import open_ticks

    with open_ticks(paths, columns) as recording:
        trades = [rows[(rows["flags"] & TickFlag.TRADE) != 0] for rows in recording]
    return fit_ticks(np.concatenate([np.empty(0, TICK), *trades]))


def _tree(found: "BreakdownFit") -> Tree:
    tree = {
        "trades": found.trades,
        "left_out": {name.replace(" ", "_"): count for name, count in found.left_out.items()},
        "lags": found.lags,
        "r_squared": found.r_squared,
        "coefficients": {
            name: {
                "convention": one.convention,
                "estimate": one.estimate,
                "standard_error": one.standard_error,
                "t_zero": one.t_zero,
                "t_convention": one.t_convention,
            }
            for name, one in found.coefficients.items()
        },
        "variance": found.shares.variance,
        "shares": dict(found.shares.share),
        "shares_by_convention": dict(found.shares_by_convention.share),
    }
    plain_tree: Tree = plain(tree)
    return plain_tree


def _findings(found: "BreakdownFit") -> list[str]:
    """What the fit says in place of the two conventions, in words."""
    names = {"imbalance": "imbalance", "latency": "latency (what is left over)"}
    return [
        f"{label}: the convention is {one.convention:g}; these trades say {one.estimate:.3g} with a standard "
        f"error of {one.standard_error:.2g}, {abs(one.t_convention):.1f} standard errors "
        f"{'below' if one.estimate < one.convention else 'above'} it."
        for key, label in names.items()
        for one in [found.coefficients[key]]
        if one.standard_error > 0.0
    ]


def _table(tree: Tree, name: str) -> "Table":
    from rich.table import Table
    from rich.text import Text

    title = Text(f"Trade price minus mid, {name}: {tree['trades']:,} trades")
    table = Table("term", "convention", "estimate", "std error", "share", "by\nconvention", title=title)
    for column in table.columns:
        column.no_wrap = True
        column.justify = "right"
    table.columns[0].justify = "left"
    for key, one in tree["coefficients"].items():
        share = "residual" if key == "latency" else key
        table.add_row(
            "latency (rest)" if key == "latency" else key.replace("_", " "),
            f"{one['convention']:g}",
            f"{one['estimate']:.4g}",
            f"{one['standard_error']:.2g}",
            number(tree["shares"][share], ".2%"),
            number(tree["shares_by_convention"][share], ".2%"),
        )
    return table
