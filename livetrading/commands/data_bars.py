"""``livetrading data bars``: bars of recorded ticks, to a file, and in short on the screen."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from livetrading.commands.data import data_app
from livetrading.commands.output import (
    DONE,
    INTERRUPTED,
    check_out,
    figure,
    json_option,
    number,
    on_terminal,
    plain,
    print_json,
    print_lines,
    print_table,
    text_option,
)
from livetrading.engine.interrupt import Interrupt

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.table import Table

    from livetrading.data.bars import BarBuilder
    from livetrading.data.history import Scan

__all__ = ["bars"]

SHOWN: Final = 6
"""Bars at either end that a table shows."""

FLAGS: Final = {1: "filled", 2: "no trade", 4: "open"}
"""What a table says of a bar, by bit of `BarFlag`."""

Unit = Literal["D", "m", "s", "ms", "us", "ns"]

RULE_HELP: Final = (
    "time:1m, tick:1000, volume:10 (BTC), dollar:1e6 (USD), tick-imbalance, volume-imbalance, "
    "dollar-imbalance, tick-run, volume-run or dollar-run."
)


@data_app.command()
def bars(
    ctx: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="Recorded ticks: one file, or quotes,trades.", show_default=False
        ),
    ],
    rule: Annotated[str, text_option(RULE_HELP, "RULE")],
    param: Annotated[
        list[str] | None,
        text_option("Of imbalance and run bars: T0, span_T, span_b, T_min or T_max; repeatable.", "NAME=X"),
    ] = None,
    fill: Annotated[
        bool, typer.Option("--fill", help="Fill intervals without ticks, flagged, from the price before.")
    ] = False,
    with_open: Annotated[
        bool, typer.Option("--open", help="Give the bar that is open at the end, flagged, too.")
    ] = False,
    out: Annotated[
        Path | None,
        text_option("Write the bars to a .npy, .ultra, .csv (.gz, .zst) or .parquet file.", "FILE"),
    ] = None,
    columns: Annotated[str | None, text_option("The recording's columns: name=field,...", "MAP")] = None,
    json: Annotated[bool, json_option()] = False,
) -> int:
    """Build bars from recorded ticks: by time, trades, BTC, USD, imbalance or runs."""
    from livetrading.data.bars import BarBuilder, parse_rule
    from livetrading.data.columns import parse_pairs

    builder = BarBuilder(parse_rule(rule, param or (), fill=fill))
    paths = _paths(file)
    check_out(out, paths)
    placed = None if columns is None else parse_pairs(columns)
    interrupt = ctx.obj if isinstance(ctx.obj, Interrupt) else Interrupt()
    found = interrupt.call(lambda: _build(paths, placed, builder, with_open, out))
    if found is None:
        return INTERRUPTED + interrupt.signum
    tree = {
        "files": [str(path) for path in paths],
        "rule": rule,
        "parameters": _given(builder),
        **found.tree(),
        **({} if out is None else {"out": str(out)}),
    }
    notes = [*found.said, *_notes(tree, builder, with_open)]
    if json:
        print_json({**tree, "notes": notes})
    elif on_terminal():
        title = f"{rule} bars of {', '.join(path.name for path in paths)}"
        _print_table(found, title, _said(tree, notes))
    else:
        print_lines({**tree, "files": ", ".join(tree["files"])}, notes)
    return DONE


def _paths(file: str) -> list[Path]:
    """One file, or two between which a comma stands."""
    whole = Path(file)
    return [whole] if os.path.exists(whole) else [Path(part.strip()) for part in file.split(",")]


def _given(builder: "BarBuilder") -> dict[str, Any]:
    """What the rule is in numbers."""
    from dataclasses import asdict

    return asdict(builder.rule)


@dataclass
class _Found:
    """What there is to say of the bars, which are not kept."""

    builder: "BarBuilder"
    first: list[Any] = field(default_factory=list)
    last: deque[Any] = field(default_factory=lambda: deque(maxlen=SHOWN))
    bars: int = 0
    flags: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FLAGS.values(), 0))
    volume: float = 0.0
    dollar: float = 0.0
    trades: int = 0
    said: dict[str, None] = field(default_factory=dict)

    def add(self, rows: "NDArray[Any]") -> None:
        """Count bars, and keep the first and the last."""
        self.first += list(rows[: max(0, SHOWN - len(self.first))].copy())
        self.last.extend(rows[-SHOWN:].copy())
        self.bars += len(rows)
        for bit, name in FLAGS.items():
            self.flags[name] += int((rows["flags"] & bit > 0).sum())
        self.volume += float(rows["volume"].sum())
        self.dollar += float(rows["dollar"].sum())
        self.trades += int(rows["trades"].sum())

    def tree(self) -> dict[str, Any]:
        """All of it by name; times are ns."""
        return {
            "ticks": self.builder.ticks,
            "rejected_ticks": self.builder.rejected,
            "bars": self.bars,
            **{f"{name.replace(' ', '_')}_bars": count for name, count in self.flags.items()},
            "trades": self.trades,
            "volume": self.volume,
            "dollar": self.dollar,
            "first": _row(self.first[0]) if self.bars else None,
            "last": _row(self.last[-1]) if self.bars else None,
        }


def _row(bar: Any) -> dict[str, Any]:
    names: tuple[str, ...] = bar.dtype.names
    row: dict[str, Any] = plain(dict(zip(names, bar.item(), strict=True)))
    return row


def _build(
    paths: list[Path],
    columns: Mapping[str, str] | None,
    builder: "BarBuilder",
    with_open: bool,
    out: Path | None,
) -> _Found:
    from livetrading.core.dtypes import BAR
    from livetrading.data.bars import bars as build
    from livetrading.data.results import ResultWriter

    found = _Found(builder)
    with ExitStack() as files:
        recording = _ticks(paths, columns, found, files)
        writer = None if out is None else files.enter_context(ResultWriter(out, BAR))
        for rows in build(recording, builder, with_open=with_open):
            found.add(rows)
            if writer is not None:
                writer.write(rows)
    return found


def _ticks(
    paths: list[Path], columns: Mapping[str, str] | None, found: _Found, files: ExitStack
) -> "Iterator[NDArray[Any]]":
    """Open what the bars are made of: one file as `data info` understands it, or a pair of recordings."""
    from livetrading.data.ticks import WHOLE_TICKS, open_ticks

    if len(paths) == 1 and paths[0].suffix not in WHOLE_TICKS:
        from livetrading.data.history import Scan

        return _understood(files.enter_context(Scan(paths[0], columns=columns)), found)
    recording = files.enter_context(open_ticks(paths, columns))
    found.said = dict.fromkeys(recording.notes)
    return iter(recording)


def _understood(tables: "Scan", found: _Found) -> "Iterator[NDArray[Any]]":
    from livetrading.data.errors import DataError

    for table in tables:
        if table.kind not in ("ticks", "trades", "quotes"):
            raise DataError(f"{tables.path}: bars must be made of ticks, was of {table.kind}")
        found.said.update(dict.fromkeys(table.understood.notes))
        yield table.records()


def _notes(tree: Mapping[str, Any], builder: "BarBuilder", with_open: bool) -> Iterator[str]:
    """Say what the figures alone would not."""
    rejected = {name: count for name, count in tree["rejected_ticks"].items() if count}
    if rejected:
        kinds = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in rejected.items())
        yield f"Ticks skipped, which a run would reject: {kinds}."
    if tree["filled_bars"]:
        yield f"{tree['filled_bars']:,} of the bars are made up, where there was no tick, and flagged."
    is_open = len(builder.open_bar()) > 0
    if tree["ticks"] and not tree["bars"] and not is_open:
        yield "There is no trade among the ticks, and nothing else makes these bars."
    if is_open and not with_open:
        yield "The bar that was open at the end is left out; --open gives it."


def _said(tree: Mapping[str, Any], notes: list[str]) -> Iterator[str]:
    """What stands below a table."""
    yield (
        f"{tree['bars']:,} {'bar' if tree['bars'] == 1 else 'bars'} of {tree['ticks']:,} ticks: "
        f"{tree['trades']:,} trades, "
        f"{figure(tree['volume'])} BTC, {figure(tree['dollar'])} USD"
    )
    yield from notes
    if "out" in tree:
        yield f"Written to {tree['out']}"


def _print_table(found: _Found, title: str, said: Iterable[str]) -> None:
    if found.bars:
        print_table(_table(found, title), said)
    else:
        for line in said:
            print(line)


def _table(found: _Found, title: str) -> "Table":
    """The first and the last bars by the time at which they began, or closed where no clock closes them."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from livetrading.core.bar_rules import TimeBars

    by_time = isinstance(found.builder.rule, TimeBars)
    rows = [*found.first, *list(found.last)[len(found.last) - max(0, min(SHOWN, found.bars - SHOWN)) :]]
    day, times = _moments([int(row["start" if by_time else "ts"]) for row in rows], exact=by_time)
    told = {bit: word for bit, word in FLAGS.items() if word != "no trade"}  # 0 trades say that
    flagged = any(row["flags"] & bit for row in rows for bit in told)
    names = ("open", "high", "low", "close", "BTC", "trades")
    header = ("start, UTC" if by_time else "closed, UTC", *names, *(["flags"] if flagged else []))
    heading = Text(f"{title}, {day}" if day else title)
    # an hour of milliseconds fits into 80 columns
    table = Table(
        *header, title=heading, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False
    )
    table.columns[0].no_wrap = True
    for column in table.columns[1 : len(names) + 1]:
        column.justify = "right"
    for at, (row, time) in enumerate(zip(rows, times, strict=True)):
        if at == SHOWN and found.bars > 2 * SHOWN:
            table.add_row("...")
        words = ", ".join(word for bit, word in told.items() if row["flags"] & bit)
        prices = [figure(float(row[name])) for name in ("open", "high", "low", "close")]
        btc = number(float(row["volume"]), ",.4f" if row["volume"] < 10.0 else ",.2f")
        table.add_row(time, *prices, btc, f"{row['trades']:,}", *([words] if flagged else []))
    return table


def _moments(times: list[int], *, exact: bool) -> tuple[str, list[str]]:
    """Write times, ns, as short as they can be, or to the millisecond; the day apart where it is one."""
    import numpy as np

    moments: NDArray[np.datetime64] = np.array(times, "M8[ns]")
    units: tuple[Unit, ...] = ("D", "m", "s", "ms", "us", "ns") if exact else ("ms",)
    unit = next(u for u in units if not exact or (moments == moments.astype(f"M8[{u}]")).all())
    texts = [str(text).replace("T", " ") for text in np.datetime_as_string(moments, unit)]
    days = {text[:10] for text in texts}
    if len(days) != 1 or texts[0] in days:
        return "", texts
    return days.pop(), [text[11:] for text in texts]
