"""``livetrading data gaps``: what is missing, doubtful or wrong in bars and ticks."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livetrading.commands.data import data_app
from livetrading.commands.data_info import ColumnMap, Delimiter, Every, Kind, reading
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
from livetrading.engine.interrupt import Interrupt

if TYPE_CHECKING:
    from livetrading.data.gaps import Limits, QualityReport
    from livetrading.data.history import Table as Rows

__all__ = ["gaps"]


@data_app.command()
def gaps(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Bars or ticks; or quotes,trades: two files.")],
    against: Annotated[
        tuple[Path, str] | None,
        typer.Option(
            metavar="FILE COLUMN", help="A second source of the price, and its column.", show_default=False
        ),
    ] = None,
    within: Annotated[
        str | None, text_option("How far from it a price may be, in parts of it (default 0.1).", "PART")
    ] = None,
    outlier: Annotated[
        str | None, text_option("MADs x 1.4826 to an outlier (default 10; ticks: 100).", "K")
    ] = None,
    stale: Annotated[
        str | None, text_option("Bars of one close, or quotes that say the same (default 5; 100).", "N")
    ] = None,
    show: Annotated[str, text_option("Findings of a kind to list (default 3).", "N")] = "3",
    plot: Annotated[Path | None, text_option("Draw them to a .png or .svg file.", "FILE")] = None,
    fill: Annotated[
        str | None, text_option("previous, drop or sort: what to change in OUT, and mark.", "HOW")
    ] = None,
    out: Annotated[Path | None, text_option("Where the changed rows go.", "FILE")] = None,
    kind: Kind = None,
    columns: ColumnMap = None,
    delimiter: Delimiter = None,
    every: Every = None,
    json: Annotated[bool, json_option()] = False,
) -> int:
    """Look for gaps, duplicates, stale runs, outliers, and mistakes of order, unit and time zone."""
    from livetrading.data.gaps import FILLS

    paths = [Path(part) for part in file.split(",")] if not Path(file).exists() else [Path(file)]
    if (fill is None) != (out is None):
        raise typer.BadParameter("--fill and --out must be given together, was one alone")
    if fill is not None and fill not in FILLS:
        raise typer.BadParameter(f"--fill must be one of {', '.join(FILLS)}, was {fill!r}")
    given, limits, listed = (
        reading(kind, columns, delimiter, every),
        _limits(within, outlier, stale),
        _whole(show),
    )
    read = [*paths, *([against[0]] if against else [])]
    check_out(out, read)
    check_out(plot, read, "--plot")
    if plot is not None:
        from livetrading.research.figure import check_plot

        check_plot(plot)
    interrupt = ctx.obj if isinstance(ctx.obj, Interrupt) else Interrupt()
    done = interrupt.call(lambda: _examined(paths, given, against, limits, fill, out, plot))
    if done is None:
        return INTERRUPTED + interrupt.signum
    _print(*done, listed, json)
    sys.stdout.flush()
    return DONE


def _limits(within: str | None, outlier: str | None, stale: str | None) -> "Limits":
    from livetrading.data.gaps import Limits

    given: dict[str, Any] = {}
    for flag, text, names, parse in (
        ("--within", within, ("within",), float),
        ("--outlier", outlier, ("outlier", "outlier_ticks"), float),
        ("--stale", stale, ("stale", "stale_quotes"), int),
    ):
        if text is None:
            continue
        try:
            given.update(dict.fromkeys(names, parse(text)))
        except ValueError:
            rule = "a whole number" if parse is int else "a number"
            raise typer.BadParameter(f"{flag} must be {rule}, was {text!r}") from None
    return Limits(**given)


def _whole(text: str) -> int:
    if not text.isdecimal() or not text.isascii() or len(text) > 6:
        raise typer.BadParameter(f"--show must be a whole number from 0 to 999999, was {text!r}")
    return int(text)


def _examined(
    paths: list[Path],
    given: dict[str, Any],
    against: tuple[Path, str] | None,
    limits: "Limits",
    how: str | None,
    out: Path | None,
    plot: Path | None,
) -> "tuple[QualityReport, dict[str, Any] | None]":
    """Read, look, and write what was asked for."""
    from livetrading.data.gaps import examine_files, fill
    from livetrading.data.history import load

    second = None if against is None else (load(against[0], kind="columns"), against[1])
    report = examine_files(paths, against=second, limits=limits, **given)
    filled = None
    if how is not None and out is not None:
        table = fill(report.table, how, report)
        _write(table, out)
        filled = {"how": how, "out": str(out), "rows": len(table), "said": table.understood.notes[-1]}
    if plot is not None:
        from livetrading.research.gaps_plot import plot_gaps

        plot_gaps(report, plot)
    return report, filled


def _write(table: "Rows", out: Path) -> None:
    from livetrading.data.results import ResultWriter

    rows = table.records()
    with ResultWriter(out, rows.dtype) as writer:
        writer.write(rows)


def _print(report: "QualityReport", filled: dict[str, Any] | None, listed: int, json: bool) -> None:
    notes = [*report.notes, *([f"{filled['said']}: {filled['out']}"] if filled else [])]
    if json:
        print_json(plain({**report.to_dict(), "filled": filled}))
    elif on_terminal():
        _print_table(report, listed, notes)
    else:
        head = {"file": report.path, "kind": report.kind, "rows": report.rows, "spacing": report.spacing}
        print_lines({name: value for name, value in head.items() if value != ""})
        for line in report.words():
            print(line)
        for finding in _first(report, listed):
            rows = f"row {finding['first_row']} to {finding['last_row']}"
            span = f"{finding['from']} to {finding['to']}"
            print(f"{finding['kind']}: {rows}, {span}: {finding['words']}")
        print_lines({}, [*(f"judged by {rule}" for rule in report.judged), *notes])


def _first(report: "QualityReport", listed: int) -> list[dict[str, Any]]:
    """The first findings of each kind."""
    chosen, seen = [], dict.fromkeys(report.counts, 0)
    for finding in report.findings:
        seen[finding.kind] += 1
        if seen[finding.kind] <= listed:
            chosen.append(finding.to_dict())
    return chosen


def _print_table(report: "QualityReport", listed: int, notes: list[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    from livetrading.data.gaps import MEANING

    spacing = f", spacing {report.spacing}" if report.spacing else ""
    table = Table(
        "found", "rows", "from", "what", title=Text(f"{report.path}: {report.rows:,} rows{spacing}")
    )
    table.columns[0].no_wrap = table.columns[2].no_wrap = True
    table.columns[1].justify = "right"
    found = _first(report, listed)
    for kind, count in report.counts.items():
        table.add_row(kind.value, f"{count:,}", "", Text(MEANING[kind]), style="bold")
        for finding in found:
            if finding["kind"] == kind.value:
                table.add_row("", f"{finding['count']:,}", finding["from"], Text(finding["words"]))
    if not report.counts:
        table.add_row("nothing", "0", "", "nothing to find fault with")
    print_table(table, [*(f"Judged by {rule}." for rule in report.judged), *notes])
