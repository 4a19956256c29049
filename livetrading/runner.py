"""The command line: ``python -m livetrading.runner``, and the script ``livetrading``."""

# ruff: noqa: E402 - signals come before the imports
import os
import signal
import sys

OWN_PROCESS = __name__ == "__main__" or os.path.basename(sys.argv[0]) == "livetrading"
"""Whether the process is this command's own, so that its signals are too."""
if OWN_PROCESS:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is at stake yet, and an import shows a traceback

import errno
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperCommand

from livetrading.commands import (  # noqa: F401 - they add themselves
    data_bars,
    data_convert,
    data_gaps,
    data_info,
    data_record,
    price_history,
    price_sensitivity,
    price_stream,
    price_variance,
)
from livetrading.commands.data import data_app
from livetrading.commands.formulas import formulas_app
from livetrading.commands.output import (
    DONE,
    FAILURE,
    INTERRUPTED,
    USAGE,
    check_out,
    fail,
    json_option,
    number,
    on_terminal,
    print_json,
    print_lines,
    print_table,
    text_option,
)
from livetrading.commands.price import price_app
from livetrading.core.errors import BarError, LivetradingError
from livetrading.engine.interrupt import Interrupt

if TYPE_CHECKING:
    from livetrading.config import Config
    from livetrading.engine.hft import Progress
    from livetrading.engine.report import Report
    from livetrading.research.market_facts import MarketFacts

__all__ = ["app", "main"]

STOPS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)
"""Windows has no hangup; there Ctrl-Break is a signal of its own."""

DISK_FAILURES: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of a file that was rightly asked for."""

FLAGS: Final = {
    "capital": "run.capital",
    "market": "market.name",
    "columns": "market.columns",
    "returns": "market.returns",
    "ticks": "run.ticks",
    "seconds": "run.seconds",
    "forever": "run.forever",
    "seed": "market.seed",
    "fee_bps": "broker.taker_bps",
    "latency_us": "broker.latency_us",
    "books": "books.count",
    "every": "run.every",
}
"""What each flag sets."""

MEANING: Final = {
    "chaos": "This market returns to its true price by construction, so that a rule may win most of its "
    "trades here and be worth nothing: the win rate proves nothing, and one seed of one null market is no "
    "test.",
    **dict.fromkeys(
        ("gbm", "garch-t", "bootstrap"),
        "This market has no edge to find: a win rate on it follows from where the exits stand and from "
        "chance, and so does the profit, less the costs.",
    ),
    "hawkes": "Trades move this market's price and follow each other, so that a rule may earn a little at "
    "the mid: less than the spread. A profit without costs proves nothing.",
    "recording": "A win rate follows from where the exits stand and says nothing of an edge, and one "
    "recording beside one seed of one null market is no test.",
}
"""How to read the win rate, in one sentence."""

# The classes of usage errors have moved between versions of typer; from this one they are all reached.
UsageError: Any = typer.BadParameter.__mro__[1]
CommandError: Any = typer.BadParameter.__mro__[2]

app = typer.Typer(
    help="Paper-trades Bitcoin, tick by tick.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


market_app = typer.Typer(help="What is behind a market.", rich_markup_mode=None)
app.add_typer(market_app, name="market")
app.add_typer(price_app, name="price")
app.add_typer(data_app, name="data")
app.add_typer(formulas_app, name="formulas")


class _CapitalCommand(TyperCommand):
    """A command that takes `-5` for a capital, so that it can say what is wrong with it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except UsageError as error:
            option = getattr(error, "option_name", None)
            for text in given:
                if option and text.startswith(option) and re.fullmatch(r"-(\.?\d.*|inf.*|nan)", text):
                    _load(None, None, capital=text)
            raise


def _show_version(asked: bool) -> None:
    if asked:
        import livetrading

        print(f"livetrading {livetrading.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command(cls=_CapitalCommand)
def hft(
    ctx: typer.Context,
    capital: Annotated[str | None, typer.Argument(help="In USD.")] = None,
    market: Annotated[
        str | None,
        text_option(
            "chaos (default), gbm, garch-t, bootstrap, hawkes, or a recording: one file, or quotes,trades.",
            "NAME|FILE",
        ),
    ] = None,
    columns: Annotated[str | None, text_option("The recording's columns: name=field,...", "MAP")] = None,
    returns: Annotated[
        str | None, text_option("Returns, bars or ticks that bootstrap draws from.", "FILE")
    ] = None,
    ticks: Annotated[
        str | None, text_option("Ticks to run (default 20000000; a recording: all).", "N")
    ] = None,
    seconds: Annotated[
        str | None, text_option("Wall clock to run for; the null control takes about as long again.", "S")
    ] = None,
    forever: Annotated[bool, typer.Option("--forever", help="Run until Ctrl-C.")] = False,
    seed: Annotated[str | None, text_option("Of everything random (default 1).", "N")] = None,
    preset: Annotated[str | None, text_option("realistic (default), or seed: no costs.", "NAME")] = None,
    fee_bps: Annotated[str | None, text_option("Taker fee in bps of the notional.", "BPS")] = None,
    latency_us: Annotated[
        str | None, text_option("From decision to execution, in microseconds.", "US")
    ] = None,
    books: Annotated[
        str | None, text_option("Time scales to split the capital over, 1 (default) to 8.", "K")
    ] = None,
    null_control: Annotated[bool, typer.Option(help="Run on a null market too, for comparison.")] = True,
    out: Annotated[
        Path | None,
        text_option("Write results to a .npy, .ultra, .csv (.gz, .zst) or .parquet file.", "FILE"),
    ] = None,
    record: Annotated[
        Path | None, text_option("Record the run's ticks to a new .ultra file, to be replayed.", "FILE")
    ] = None,
    every: Annotated[str | None, text_option("A row of results every K ticks (default 1).", "K")] = None,
    config: Annotated[Path | None, text_option("Configuration in TOML.", "FILE")] = None,
    json: Annotated[bool, json_option()] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing but errors, and what --json asks for.")
    ] = False,
) -> int:
    """Trade CAPITAL tick by tick on a simulated or recorded market, its null control beside it."""
    given = {name: ctx.params[name] for name in FLAGS}
    tree = _load(preset, config, **{**given, "forever": forever or None})
    returns_file = [Path(tree.market.returns)] if tree.market.returns else []
    read = [*tree.market.paths, *returns_file, *([config] if config else [])]
    check_out(out, read)
    check_out(record, [*read, *([out] if out else [])], "--record")
    from livetrading.engine.hft import run_hft

    shown = on_terminal() and not json and not quiet
    interrupt = ctx.obj if isinstance(ctx.obj, Interrupt) else Interrupt()
    with _progress(tree, shown) as progress:
        report = run_hft(
            tree, null_control=null_control, out=out, record=record, progress=progress, interrupt=interrupt
        )
    if json:
        print_json(report.to_dict())
    elif shown:
        _print_table(report)
    elif not quiet:
        print_lines(report.to_dict(), _notes(report))
    sys.stdout.flush()
    return INTERRUPTED + interrupt.signum if report.interrupted else DONE


@market_app.command()
def facts(
    ctx: typer.Context,
    market: Annotated[
        str,
        typer.Argument(metavar="NAME|FILE", help="A simulated market, or a file of bars, returns or ticks."),
    ],
    every: Annotated[
        str | None,
        text_option(
            "A price every S seconds or, as in 256t, ticks (default 3600; a recording: 1; bars: 1t).", "S"
        ),
    ] = None,
    ticks: Annotated[
        str | None,
        text_option("Ticks to simulate (default: 1440 prices), or rows to use (default: all).", "N"),
    ] = None,
    seed: Annotated[str | None, text_option("Of a simulated market (default 1).", "N")] = None,
    returns: Annotated[
        str | None, text_option("What bootstrap draws from: returns, bars or ticks.", "FILE")
    ] = None,
    plot: Annotated[Path | None, text_option("Draw them to a .png or .svg file.", "FILE")] = None,
    json: Annotated[bool, json_option()] = False,
) -> int:
    """Measure the stylised facts of a market, beside those of recorded Bitcoin."""
    from livetrading.config import load_config

    names = {
        "market.name": "argument NAME|FILE",
        "run.ticks": "--ticks",
        "market.seed": "--seed",
        "market.returns": "--returns",
    }
    given = {
        path: value
        for path, value in zip(names, (market, ticks, seed, returns), strict=True)
        if value is not None
    }
    tree = load_config({"run.capital": 1, **given}, environ=os.environ, names=names)
    if seed is not None and not tree.market.simulated:
        raise typer.BadParameter(f"--seed must be given for a simulated market only, was given for {market}")
    from livetrading.research.facts_plot import plot_facts
    from livetrading.research.figure import check_plot
    from livetrading.research.market_facts import market_facts, parse_interval

    step = None if every is None else parse_interval(every)
    if plot is not None:
        read = [*tree.market.paths, *([Path(tree.market.returns)] if tree.market.returns else [])]
        check_out(plot, read, "--plot")
        check_plot(plot)
    interrupt = ctx.obj if isinstance(ctx.obj, Interrupt) else Interrupt()
    count = None if ticks is None else tree.run.ticks
    found = interrupt.call(lambda: market_facts(tree, step, count))
    if found is None:
        return INTERRUPTED + interrupt.signum
    if plot is not None:
        plot_facts(found, plot)
    from livetrading.research.facts_table import facts_notes

    if json:
        print_json(found.to_dict())
    elif on_terminal():
        _print_facts_table(found)
    else:
        print_lines(found.to_dict(), facts_notes(found))
    sys.stdout.flush()
    return DONE


def _print_facts_table(found: "MarketFacts") -> None:
    from rich.table import Table
    from rich.text import Text

    from livetrading.research.facts_table import facts_notes, facts_rows, facts_title

    header, *rows = facts_rows(found)
    table = Table(*header, title=Text(facts_title(found)))
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    print_table(table, facts_notes(found))


def _load(preset: str | None, file: Path | None, **given: object) -> "Config":
    from livetrading.config import load_config

    flags = {FLAGS[name]: value for name, value in given.items() if value is not None}
    names = {path: f"--{name.replace('_', '-')}" for name, path in FLAGS.items()}
    names["run.capital"] = "argument CAPITAL"
    return load_config(flags, preset=preset, file=file, environ=os.environ, names=names)


@contextmanager
def _progress(tree: "Config", wanted: bool) -> "Iterator[Progress | None]":
    """Show the run while it goes, where a terminal can."""
    if not wanted:
        yield None
        return
    from rich.console import Console

    from livetrading.dashboard.panel import LivePanel, suits

    console = Console()
    if not suits(console):
        yield None
        return
    with LivePanel(tree, console) as panel:
        yield panel


def _notes(report: "Report") -> list[str]:
    control = report.null_control.notes if report.null_control is not None else ()
    beside = (f"Null control: {note}" for note in control)
    return [*report.notes, *beside, MEANING.get(report.market, MEANING["recording"])]


ROWS: Final[dict[str, Callable[["Report"], str]]] = {
    "ticks": lambda r: f"{r.ticks:,}",
    "seconds": lambda r: f"{r.seconds:.2f}",
    "ticks a second": lambda r: number(r.ticks_per_second, ",.0f"),
    "trades": lambda r: f"{r.trades:,}",
    "wins": lambda r: f"{r.wins:,}",
    "win rate": lambda r: number(r.win_rate, ".2%"),
    "  95% interval": lambda r: f"{number(r.win_rate_low, '.2%')} to {number(r.win_rate_high, '.2%')}",
    "gross profit, USD": lambda r: f"{r.gross_pnl:,.6f}",
    "fees, USD": lambda r: f"{r.fees:,.6f}",
    "  of it borrow": lambda r: f"{r.borrow:,.6f}",
    "net profit, USD": lambda r: f"{r.net_pnl:,.6f}",
    "equity, USD": lambda r: f"{r.equity:,.6f}",
    "max drawdown": lambda r: f"{r.max_drawdown:.2%}",
    "net bps a trade": lambda r: number(r.bps_per_trade, ".3f"),
    "Sharpe a trade": lambda r: number(r.sharpe_per_trade, ".4f"),
    "rejected ticks": lambda r: _counts(r.rejected_ticks),
    "refused orders": lambda r: _counts(r.refused_orders),
    "fills SHA-256": lambda r: f"{r.fills_sha256[:16]}...",
}


def _counts(counts: dict[str, int]) -> str:
    return (
        "\n".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items() if count) or "none"
    )


def _print_table(report: "Report") -> None:
    from rich.table import Table

    title = f"hft: {report.capital:,g} USD, preset {report.preset}, seed {report.seed}"
    table = Table("", ", ".join(Path(part).name for part in report.market.split(",")), title=title)
    sides = [report]
    if report.null_control is not None:
        table.add_column("null control")
        sides.append(report.null_control)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, show in ROWS.items():
        table.add_row(name, *map(show, sides))
    print_table(table, _notes(report))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process unless given.

    Returns
    -------
    int
        Exit code: 0 done, 2 usage or bad input, 1 failure, 130 after Ctrl-C, 143 after SIGTERM, 129 after
        SIGHUP.
    """
    _open_streams()
    try:
        arguments = None if argv is None else list(argv)
        with _stopping(Interrupt()) as interrupt:
            code: int | None = app(arguments, prog_name="livetrading", standalone_mode=False, obj=interrupt)
        return code or DONE
    except CommandError as error:
        return fail(f"{error.format_message()} (see --help)", USAGE)
    except LivetradingError as error:
        from livetrading.blockchain.protocol import DomainError
        from livetrading.config import ConfigError
        from livetrading.data.errors import DataError
        from livetrading.formulas.errors import FormulaError

        full = isinstance(error.__cause__, OSError) and error.__cause__.errno in DISK_FAILURES
        usage = (
            isinstance(error, BarError | ConfigError | DataError | DomainError | FormulaError) and not full
        )
        return fail(str(error), USAGE if usage else FAILURE)
    except OSError as error:
        return fail(f"input and output must succeed, was: {error}", FAILURE)
    except MemoryError:
        return fail("what is to be held must fit into the memory, was too much", FAILURE)


def _open_streams() -> None:
    """Make what was closed take what is printed, and names of files printable in any encoding."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, open as long as the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def _stopping(interrupt: Interrupt) -> Iterator[Interrupt]:
    """Let signals ask the run to stop; a hangup that nohup has the process ignore stays ignored."""
    taken = [s for s in STOPS if s == signal.SIGINT or signal.getsignal(s) is not signal.SIG_IGN]
    before = {signum: signal.signal(signum, interrupt.handle) for signum in taken}
    try:
        yield interrupt
    finally:
        for signum, handler in before.items():
            # All is said then; a signal on the way out would change the exit code alone.
            signal.signal(signum, signal.SIG_IGN if OWN_PROCESS else handler)


if __name__ == "__main__":
    sys.exit(main())
