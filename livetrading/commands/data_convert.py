"""``livetrading data convert``: ticks and bars from any format to any, cleaned and resampled if asked."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from livetrading.commands import wall_clock
from livetrading.commands.data import data_app
from livetrading.commands.data_info import ColumnMap, Delimiter, Every, Kind, reading
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
from livetrading.commands.state import parse_whole
from livetrading.engine.interrupt import Interrupt

if TYPE_CHECKING:
    from rich.table import Table

    from livetrading.data.pipeline import Outcome, Pipeline, Progress

__all__ = ["convert"]

SHOWN: Final = 20
"""Files that a table shows."""

CLEAN_HELP: Final = (
    "Drop rows by rules: all, or some of price, crossed, range, time, size, no-quote, order, duplicate, "
    "repeated."
)


@data_app.command()
def convert(
    ctx: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="IN...",
            help="Files, folders of files, or quotes,trades to be merged.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="A file, or with --format a folder.", show_default=False)
    ],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Of the files in a folder: csv, csv.gz, csv.zst, parquet, arrow, npy or ultra.",
            metavar="NAME",
        ),
    ] = None,
    jobs: Annotated[str, text_option("Files at a time (default 1).", "N")] = "1",
    again: Annotated[
        bool, typer.Option("--again", help="Do what is there, whole and of these sources, too.")
    ] = False,
    clean: Annotated[str | None, text_option(CLEAN_HELP, "RULES")] = None,
    keep: Annotated[str | None, text_option("Keep of ticks quotes or trades alone.", "KIND")] = None,
    since: Annotated[str | None, text_option("Drop rows before this time, UTC.", "TIME")] = None,
    until: Annotated[str | None, text_option("Drop rows at or after this time, UTC.", "TIME")] = None,
    bars: Annotated[
        str | None, text_option("Make bars of ticks by a rule, as `data bars` takes it.", "RULE")
    ] = None,
    param: Annotated[list[str] | None, text_option("Of the bars' rule; repeatable.", "NAME=X")] = None,
    fill: Annotated[bool, typer.Option("--fill", help="Fill gaps of bars by time, flagged.")] = False,
    with_open: Annotated[bool, typer.Option("--open", help="Give the bar open at the end, flagged.")] = False,
    kind: Kind = None,
    columns: ColumnMap = None,
    delimiter: Delimiter = None,
    every: Every = None,
    json: Annotated[bool, json_option()] = False,
) -> int:
    """Convert ticks and bars from any format to any, in flat memory; what is whole is not done again."""
    from livetrading.data.pipeline import JOBS_MAX, pipeline

    chain = pipeline([_source(text) for text in files], **reading(kind, columns, delimiter, every))
    chain = _cleaned(chain, clean, keep, _instant(since, "--since"), _instant(until, "--until"))
    chain = _resampled(chain, bars, param or [], fill, with_open)
    chain = chain.write(out, None if form is None else f".{form.removeprefix('.')}")
    workers = parse_whole(jobs, "jobs", "--jobs", 1, JOBS_MAX)
    interrupt = ctx.obj if isinstance(ctx.obj, Interrupt) else Interrupt()
    with _progress(not json) as progress:
        done = interrupt.call(lambda: chain.run(jobs=workers, again=again, progress=progress, clock=_seconds))
    if done is None:
        return INTERRUPTED + interrupt.signum
    if json:
        print_json(done.to_dict())
    elif on_terminal():
        print_table(_table(done), _notes(done))
    else:
        print_lines(_totals(done), _notes(done))
    sys.stdout.flush()
    return DONE


def _source(text: str) -> Any:
    """A file or a folder, or two files between which a comma stands."""
    if os.path.exists(text) or "," not in text:
        return Path(text)
    return tuple(Path(part.strip()) for part in text.split(","))


def _instant(text: str | None, flag: str) -> int | None:
    """Read a time as `data info` reads the times of a file; ns."""
    if text is None:
        return None
    from livetrading.data.stamps import BadCell, Stamps

    try:
        return int(Stamps(flag).read([text])[0])
    except BadCell as error:
        raise typer.BadParameter(f"{flag} must be a time such as 2024-08-08T12:00, was {text!r}") from error


def _cleaned(
    chain: "Pipeline", clean: str | None, keep: str | None, since: int | None, until: int | None
) -> "Pipeline":
    from livetrading.data.cleaning import RULES

    if clean is None and keep is None and since is None and until is None:
        return chain
    names = [] if clean is None else list(RULES) if clean == "all" else [n.strip() for n in clean.split(",")]
    return chain.clean(names, keep=keep, since=since, until=until)


def _resampled(
    chain: "Pipeline", bars: str | None, param: list[str], fill: bool, with_open: bool
) -> "Pipeline":
    if bars is None:
        if param or fill or with_open:
            raise typer.BadParameter("--param, --fill and --open must be given with --bars, were without")
        return chain
    from livetrading.data.bars import parse_rule

    return chain.bars(parse_rule(bars, param, fill=fill), with_open=with_open)


def _seconds() -> float:
    return wall_clock.now_ns() / wall_clock.NS_PER_S


@contextmanager
def _progress(wanted: bool) -> Iterator[Callable[["Progress"], None] | None]:
    """Show on stderr how far the run is, where that is a terminal."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Display

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"))
    with Display(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("", total=1.0, said="")

        def show(now: "Progress") -> None:
            display.update(
                task,
                description=f"{now.files_done} of {now.files} files",
                completed=now.share,
                said=f"{now.share:.0%}, {now.rows:,} rows{_left(now)}",
            )

        yield show


def _left(now: "Progress") -> str:
    if now.seconds_left is None:
        return ""
    minutes, seconds = divmod(round(now.seconds_left), 60)
    return f", {minutes}:{seconds:02d} left"


def _reasons(left_out: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Rows left out by step and reason, where there are any."""
    return {
        f"{step} {reason.replace('_', ' ')}": count
        for step, reasons in left_out.items()
        for reason, count in reasons.items()
        if count
    }


def _totals(done: "Outcome") -> dict[str, Any]:
    """The figures of all files."""
    tree = done.to_dict()
    left_out: dict[str, int] = {}
    for file in done.files:
        for reason, count in _reasons(file.left_out).items():
            left_out[reason] = left_out.get(reason, 0) + count
    names = ("converted", "kept", "read", "rows")
    return {
        "files": len(done.files),
        **{name: tree[name] for name in names},
        **{f"left out, {reason}": count for reason, count in left_out.items()},
        "out": done.files[0].target if len(done.files) == 1 else str(Path(done.files[0].target).parent),
    }


def _notes(done: "Outcome") -> list[str]:
    several = len(done.files) > 1
    said = [
        f"{Path(file.sources[0]).name}: {note}" if several else note
        for file in done.files
        for note in file.notes
    ]
    if any(file.kept for file in done.files):
        said.append(
            "What was there whole, of these sources and by this chain, was kept; --again does it again."
        )
    if done.left_out:
        said.append(f"Left out, of no format that is read: {', '.join(Path(n).name for n in done.left_out)}")
    return said


def _table(done: "Outcome") -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table("from", "to", "", "rows read", "written", "left out", box=SIMPLE_HEAD, show_edge=False)
    for column in table.columns[3:5]:
        column.justify = "right"
    for file in done.files[:SHOWN]:
        reasons = "\n".join(f"{reason} {count:,}" for reason, count in _reasons(file.left_out).items())
        table.add_row(
            Text(", ".join(Path(source).name for source in file.sources)),
            Text(Path(file.target).name),
            "kept" if file.kept else file.kind,
            f"{file.read:,}",
            f"{file.rows:,}",
            Text(reasons),
        )
    if len(done.files) > SHOWN:
        table.add_row(f"... {len(done.files) - SHOWN} more")
    if len(done.files) > 1:
        table.add_section()
        read, rows = (sum(getattr(file, name) for file in done.files) for name in ("read", "rows"))
        table.add_row(f"{len(done.files)} files", "", "", f"{read:,}", f"{rows:,}", "")
    return table
