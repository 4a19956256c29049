"""The live panel: a run as it goes, drawn on a terminal a few times a second."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style

from livetrading.config import Config
from livetrading.engine.report import wilson_interval
from livetrading.engine.snapshot import Account, Snapshot

__all__ = ["Curve", "Frame", "LivePanel", "suits"]

INTERVAL_S: Final = 0.125
"""Least time between two drawings, and before the first: a run over by then needs only its summary."""
SHARE: Final = 0.01
"""Of the wall clock, what drawing may take; a terminal that is slow to take it is drawn on less often."""
POINTS: Final = 512
SAT: Final = 100_000_000
"""Satoshi in a bitcoin."""

CELLS: Final = 1 << 18
"""Most cells of a screen that is drawn on; a terminal may claim to be 65,535 wide and as high."""
COLUMNS: Final = 70
"""Width from which three blocks stand side by side."""
LABEL: Final = 14
BLOCK_LABEL: Final = 10
GAP: Final = 2
CURVE_ROWS: Final = 6

# Of the 256 colours, a green and a red that can be read on white and on black alike.
UP: Final = Style(color="color(28)")
DOWN: Final = Style(color="color(167)")
FAINT: Final = Style(dim=True)
STRONG: Final = Style(bold=True)

Line = list[Segment]
Value = tuple[str, Style | None]
Row = tuple[str, list[Value]]


@dataclass(frozen=True)
class _Glyphs:
    rule: str
    bar: str
    rest: str
    levels: str


UNICODE: Final = _Glyphs(rule="─", bar="━", rest="─", levels=" ▁▂▃▄▅▆▇█")
ASCII: Final = _Glyphs(rule="-", bar="=", rest="-", levels=" _.:-=+*#")


class Curve:
    """Values of the whole run, evenly thinned so that their number stays below a bound.

    Attributes
    ----------
    values : list of float
        The first and every `stride`-th after it, in the order they came.
    """

    def __init__(self) -> None:
        self.values: list[float] = []
        self._stride = 1
        self._seen = 0

    def add(self, value: float) -> None:
        """Take the next value."""
        if self._seen % self._stride == 0:
            self.values.append(value)
            if len(self.values) == POINTS:
                del self.values[1::2]
                self._stride *= 2
        self._seen += 1


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One picture of a run, in whatever width and height it is drawn.

    Parameters
    ----------
    title, market : str
        What runs, and the name of its market.
    capital : float
        USD.
    snapshot : Snapshot
    curve, control_curve : sequence of float
        Equities in USD from the start of the run to now.
    """

    title: str
    market: str
    capital: float
    snapshot: Snapshot
    curve: Sequence[float]
    control_curve: Sequence[float]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the picture line by line; without nested tables, since it is drawn while the run waits."""
        glyphs = ASCII if options.ascii_only else UNICODE
        for line in self._lines(options.max_width, options.height or console.height, glyphs):
            yield from line
            yield Segment.line()

    def _lines(self, width: int, height: int, glyphs: _Glyphs) -> list[Line]:
        width = 3 * _third(width) + 2 * GAP if _third(width) else width
        head, upper = _head(self, width, glyphs), _upper(self.snapshot, width, glyphs)
        account = _account_block(self, width, glyphs)
        lines = [*head, [], *upper, [], *account]
        if len(lines) > height:
            return [*head, *account, *upper][:height]
        rows = min(CURVE_ROWS, (height - len(lines) - 2) // 2)
        if rows > 0:
            lines += [[], *_curves(self, width, rows, glyphs)]
        return lines


def _head(frame: Frame, width: int, glyphs: _Glyphs) -> list[Line]:
    s = frame.snapshot
    hint = "Ctrl-C ends the run"
    left = width - len(hint) - 2
    title: Line = [_cell(frame.title, width, STRONG)]
    if left >= len(frame.title):
        title = [_cell(frame.title, left + 2, STRONG), _cell(hint, len(hint), FAINT)]
    status = [f"{s.ticks:,} ticks", _speed(s), f"{_duration(s.elapsed)} so far", _left(s)]
    if s.done is None:
        return [title, [Segment(glyphs.rest * width, FAINT)], *_spread(status, width)]
    status.insert(0, f"{s.done:.1%}")
    full = int(width * min(1.0, s.done))
    bar = [Segment(glyphs.bar * full, UP), Segment(glyphs.rest * (width - full), FAINT)]
    return [title, bar, *_spread(status, width)]


def _spread(texts: list[str], width: int) -> list[Line]:
    """Put texts evenly over one line, or over as few as hold them."""
    rows: list[list[str]] = [[]]
    for text in texts:
        if rows[-1] and len((GAP * " ").join([*rows[-1], text])) > width:
            rows.append([])
        rows[-1].append(text)
    if len(rows) > 1:
        return [[_cell((GAP * " ").join(row), width)] for row in rows]
    free, gaps = width - sum(map(len, texts)), len(texts) - 1
    pads = [free * (k + 1) // gaps - free * k // gaps for k in range(gaps)]
    return [[Segment("".join(text + " " * pad for text, pad in zip(texts, [*pads, 0], strict=True)))]]


def _speed(s: Snapshot) -> str:
    return f"{s.ticks / s.seconds:,.0f} ticks/s" if s.seconds > 0 else "speed unknown"


def _left(s: Snapshot) -> str:
    if s.done is None:
        return "until Ctrl-C"
    if s.done < 1e-9:
        return "time left unknown"
    return f"{_duration(s.elapsed * (1 - s.done) / s.done)} left"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(ceil(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _price_rows(s: Snapshot) -> list[Row]:
    deviation = None
    if s.price is not None and s.true_price is not None:
        deviation = s.price / s.true_price - 1
    return [
        ("market", [(_number(s.price), None)]),
        ("true", [("none" if s.true_price is None else _number(s.true_price), None)]),
        ("deviation", [("none" if deviation is None else f"{deviation:+,.3%}", None)]),
    ]


def _vote_rows(s: Snapshot) -> list[Row]:
    side = {1: ("long", UP), -1: ("short", DOWN), 0: ("none", None)}[s.direction]
    odds, chance = s.vote_logodds, s.vote_probability
    return [
        ("direction", [side]),
        ("log-odds", [("none" if odds is None else f"{odds:+.3f}", None)]),
        ("chance up", [("none" if chance is None else f"{chance:.2%}", None)]),
    ]


def _position_rows(s: Snapshot) -> list[Row]:
    btc = s.account.position_sat / SAT
    if btc == 0 or s.price is None:
        return [("side", [("none", None)]), ("BTC", [("0", None)]), ("USD", [("0", None)])]
    side = ("long", UP) if btc > 0 else ("short", DOWN)
    size = format(btc, "+.8f" if abs(btc) < 1000 else "+,.2f")
    return [("side", [side]), ("BTC", [(size, None)]), ("USD", [(_usd(btc * s.price, "+"), None)])]


def _third(width: int) -> int:
    """Width of each of three blocks side by side, 0 where they have no room."""
    return (width - 2 * GAP) // 3 if width >= COLUMNS else 0


def _upper(s: Snapshot, width: int, glyphs: _Glyphs) -> list[Line]:
    """The three blocks of the market alone."""
    each = _third(width)
    blocks = [
        _block(title, rows, BLOCK_LABEL, each or width, glyphs)
        for title, rows in (
            ("Price, USD", _price_rows(s)),
            ("Vote", _vote_rows(s)),
            ("Position", _position_rows(s)),
        )
    ]
    if not each:
        return [line for block in blocks for line in block]
    gap = Segment(" " * GAP)
    return [[*a, gap, *b, gap, *c] for a, b, c in zip(*blocks, strict=True)]


def _account_block(frame: Frame, width: int, glyphs: _Glyphs) -> list[Line]:
    s = frame.snapshot
    sides = [s.account] if s.control is None else [s.account, s.control]
    names = [frame.market] if s.control is None else [frame.market, "null control"]
    rates = [wilson_interval(a.wins, a.trades) for a in sides]
    rows: list[Row] = [
        ("equity, USD", [(_usd(a.equity), STRONG) for a in sides]),
        ("change", [_change(a, frame.capital) for a in sides]),
        ("drawdown", [(f"{a.drawdown:.2%}", None) for a in sides]),
        ("trades", [(f"{a.trades:,}", None) for a in sides]),
        ("win rate", [(f"{a.wins / a.trades:.2%}" if a.trades else "undefined", STRONG) for a in sides]),
    ]
    label = _third(width) or LABEL
    if (width - label) // len(sides) > len("100.00% to 100.00%"):
        bounds = [f"{r[0]:.2%} to {r[1]:.2%}" if r else "undefined" for r in rates]
        rows.append(("  95% interval", [(bound, None) for bound in bounds]))
    else:
        for k, bound in enumerate(("  95% from", "  95% to")):
            rows.append((bound, [(f"{r[k]:.2%}" if r else "undefined", None) for r in rates]))
    return _block("Account", rows, label, width, glyphs, names)


def _change(account: Account, capital: float) -> Value:
    change = account.equity / capital - 1
    return f"{change:+,.3%}", UP if change > 0 else DOWN if change < 0 else None


def _block(
    title: str, rows: list[Row], label: int, width: int, glyphs: _Glyphs, names: Sequence[str] = ()
) -> list[Line]:
    """Rows of a label and its values under a heading with the values' names."""
    count = len(rows[0][1])
    label = min(label, width // 2)
    stops = [(width - label) * k // count for k in range(count + 1)]
    rooms = [stop - before for before, stop in pairwise(stops)]
    lines = [_heading(title, names or [""] * count, [label, *rooms], glyphs)]
    for text, values in rows:
        cells = [_right(value, room, style) for (value, style), room in zip(values, rooms, strict=True)]
        lines.append([_cell(text, label), *cells])
    return lines


def _heading(title: str, names: Sequence[str], rooms: Sequence[int], glyphs: _Glyphs) -> Line:
    """A title and the names of the columns, which end where the columns do, in a rule."""
    text = _fit(title, sum(rooms) - 1)
    line, at, end = [Segment(text, STRONG)], len(text), rooms[0]
    for name, room in zip(names, rooms[1:], strict=True):
        end += room
        text = _fit(f" {name}" if name else "", end - at)
        line += [
            Segment(f" {glyphs.rule * (end - at)}"[: end - at - len(text)], FAINT),
            Segment(text, STRONG),
        ]
        at = max(at, end)
    return line


def _curves(frame: Frame, width: int, rows: int, glyphs: _Glyphs) -> list[Line]:
    """Equity over the run as areas on one scale; they end where the run now is."""
    s = frame.snapshot
    sides = [(frame.market, [*frame.curve, s.account.equity])]
    if s.control is not None:
        sides.append(("null control", [*frame.control_curve, s.control.equity]))
    low = min(min(values) for _, values in sides)
    high = max(max(values) for _, values in sides)
    span = [f"{_usd(low)} to {_usd(high)}"]
    label = min(LABEL, width // 2)
    room = width - label
    lines = [_heading("Equity, USD", span, [label, room], glyphs)]
    for name, values in sides:
        used = max(1, round(room * (1.0 if s.done is None else min(1.0, s.done))))
        texts = _area([_share(v, low, high) for v in _sampled(values, used)], rows, glyphs)
        names = [_fit(name, label - 1), *[""] * (rows - 1)]
        lines += [[_cell(a, label), _cell(b, room, FAINT)] for a, b in zip(names, texts, strict=True)]
    return lines


def _sampled(values: Sequence[float], n: int) -> list[float]:
    """`n` of the values, evenly spaced from the first to the last."""
    return [values[(len(values) - 1) * k // (n - 1)] for k in range(n)] if n > 1 else [values[-1]]


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5


def _area(shares: Sequence[float], rows: int, glyphs: _Glyphs) -> list[str]:
    steps = len(glyphs.levels) - 1
    heights = [1 + round(share * (steps * rows - 1)) for share in shares]
    return [
        "".join(glyphs.levels[min(steps, max(0, height - steps * below))] for height in heights)
        for below in reversed(range(rows))
    ]


def _cell(text: str, width: int, style: Style | None = None) -> Segment:
    return Segment(_fit(text, width).ljust(width), style)


def _right(text: str, width: int, style: Style | None = None) -> Segment:
    return Segment(_fit(text, width - 1).rjust(width), style)


def _fit(text: str, width: int) -> str:
    """Leave out the end where there is no room, and show that it is left out."""
    return text if len(text) <= width else text[: max(0, width - 3)] + "..."[: max(0, width)]


def _number(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,.2f}" if 0.01 <= value < 1e9 else f"{value:.6g}"


def _usd(value: float, sign: str = "") -> str:
    size = abs(value)
    return format(value, f"{sign},.{2 if size >= 10_000 else 4 if size >= 1 else 6}f")


def suits(console: Console) -> bool:
    """Whether a panel can be drawn: on a terminal that moves its cursor and shows colours that are wanted."""
    return console.is_interactive and console.color_system is not None and not console.no_color


class LivePanel:
    """Progress of a run on the other screen of a terminal, which comes back as it was.

    Parameters
    ----------
    config : Config
        What runs.
    console : rich.console.Console
        One that `suits`.
    clock : callable
        Wall clock in seconds, for what drawing takes.

    Raises
    ------
    OSError
        At the end of the context, where the terminal could not be written to: the run goes on without it.

    Notes
    -----
    The terminal is drawn on at most eight times a second, and so seldom that it takes a hundredth of the wall
    clock; the size is asked for each time. A run of less than an eighth of a second shows nothing.
    """

    def __init__(self, config: Config, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._title = f"hft: {config.run.capital:,g} USD, preset {config.preset}, seed {config.market.seed}"
        names = ", ".join(Path(part).name for part in config.market.name.split(","))
        self._market = _plain(names, console.encoding)
        self._capital = config.run.capital
        self._curve, self._control_curve = Curve(), Curve()
        self._live = Live(
            console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._clock = clock
        self._next = INTERVAL_S
        self._took = 0.0
        self._failure: OSError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        if self._failure is not None and error is None:
            raise self._failure

    def __call__(self, snapshot: Snapshot) -> None:
        """Take the run as it stands, and draw it where it is time."""
        self._curve.add(snapshot.account.equity)
        if snapshot.control is not None:
            self._control_curve.add(snapshot.control.equity)
        if self._failure is None and snapshot.elapsed >= self._next:
            begun = self._clock()
            try:
                self._draw(snapshot)
            except OSError as failure:
                self._failure = failure
            before, self._took = self._took, self._clock() - begun
            # The lesser of two: one alone may have waited for a processor, and says nothing of the terminal.
            self._next = snapshot.elapsed + max(INTERVAL_S, min(before, self._took) / SHARE)

    def _draw(self, snapshot: Snapshot) -> None:
        width, height = self._live.console.size
        if width * height > CELLS:
            return
        if not self._live.is_started:
            self._live.start()
        frame = Frame(
            title=self._title,
            market=self._market,
            capital=self._capital,
            snapshot=snapshot,
            curve=self._curve.values,
            control_curve=self._control_curve.values,
        )
        self._live.update(frame, refresh=True)


def _plain(name: str, encoding: str) -> str:
    """Replace what would not take one cell, or is no text to this terminal."""
    known = name.encode(encoding, "replace").decode(encoding)
    return "".join(char if char.isprintable() and cell_len(char) == 1 else "?" for char in known)
