"""A strategy written in Python, called every so many ticks or once a bar, with the paper broker in hand."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livetrading.core.broker import PaperBroker
from livetrading.core.dtypes import FILL, TICK
from livetrading.core.errors import LivetradingError
from livetrading.core.settings import BrokerSettings
from livetrading.data.bars import BarBuilder, TimeBars, tick_chunks
from livetrading.data.merge import quoted
from livetrading.engine.report import MICRO, wilson_interval

__all__ = ["Bar", "Strategy", "StrategyError", "StrategyResult", "run_strategy"]

Ticks = NDArray[np.void]
Fills = NDArray[np.void]

EVERY_MAX: Final = 1 << 20
BAR_S_MIN: Final = 1e-6
BAR_S_MAX: Final = 86_400.0


class StrategyError(LivetradingError, ValueError):
    """A strategy was asked to run on terms that cannot be, or took what was not its own to take."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What happened from `start` until before `end`.

    Attributes
    ----------
    start, end : int
        ns since the Unix epoch, multiples of the bar's length, which is to say aligned to UTC.
    open, high, low, close : float
        USD, of the bar's trades; of its mids where it has no trade.
    volume : float
        BTC traded.
    trades : int
        How many; where it is 0 the prices are mids.
    """

    start: int
    end: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int


class Strategy:
    """What `run_strategy` calls: override what you need.

    `broker` is the `PaperBroker` of the run. A strategy may submit, cancel, close and look; giving it ticks
    and taking its fills is left to `run_strategy`. What is sent is sent at `broker.ts`, the time of the last
    tick that can be known; the settings' latency comes on top, and without any a market order fills at the
    quote that stands then.
    """

    def on_ticks(self, ticks: Ticks, broker: PaperBroker) -> None:
        """Take the last `every` ticks, the newest last.

        Parameters
        ----------
        ticks : ndarray of TICK, shape (every,)
            Good ones alone. The strategy's to keep; read-only.
        broker : PaperBroker
        """

    def on_bar(self, bar: Bar, broker: PaperBroker) -> None:
        """Take a bar that is complete, because a tick at or after its end has come and stands.

        Parameters
        ----------
        bar : Bar
        broker : PaperBroker
        """

    def on_fills(self, fills: Fills, broker: PaperBroker) -> None:
        """Take the fills since the last call, before `on_ticks` or `on_bar`; and once at the end of the run.

        Parameters
        ----------
        fills : ndarray of FILL, shape (n,), n > 0
            Read-only.
        broker : PaperBroker
        """


@dataclass(frozen=True, kw_only=True)
class StrategyResult:
    """What a strategy came to, its position closed at the last touch.

    Attributes
    ----------
    capital : float
        USD.
    ticks : int
        Good ones; the rest is in `rejected_ticks`.
    calls : int
        Of `on_ticks` or `on_bar`.
    fills, trades, wins : int
        Rows of FILL; round trips; those with a profit after fees.
    win_rate, win_rate_low, win_rate_high : float or None
        Fractions; low and high bound the 95% Wilson interval. None without trades.
    gross_pnl, fees, borrow, net_pnl, equity : float
        USD. Gross is before all costs, `fees` are of fills and of what is borrowed, `borrow` the latter
        alone; net is gross - fees = equity - capital. Where the ledger could not hold the close, equity
        marks the position at the last mid.
    rejected_ticks, refused_orders : dict of str to int
        By kind, and by reason.
    fills_sha256 : str
        Of the FILL rows in order of id.
    """

    capital: float
    ticks: int
    calls: int
    fills: int
    trades: int
    wins: int
    win_rate: float | None
    win_rate_low: float | None
    win_rate_high: float | None
    gross_pnl: float
    fees: float
    borrow: float
    net_pnl: float
    equity: float
    rejected_ticks: dict[str, int]
    refused_orders: dict[str, int]
    fills_sha256: str


class _Steps(Protocol):
    """Where between ticks a strategy is called, and with what."""

    def ends(self, ticks: Ticks) -> Iterable[int]:
        """Return how many of the next ticks are behind at each call; asked once of each tick."""

    def add(self, ticks: Ticks) -> None:
        """Take ticks, none beyond the next call."""

    def call(self, strategy: Strategy, broker: PaperBroker) -> None:
        """Call the strategy with what is complete."""


class _EveryTicks:
    def __init__(self, every: int) -> None:
        self._every = every
        self._count = 0
        self._ticks = np.zeros(every, TICK)

    def ends(self, ticks: Ticks) -> Iterable[int]:
        return range(self._every - self._count, len(ticks) + 1, self._every)

    def add(self, ticks: Ticks) -> None:
        self._ticks[self._count : self._count + len(ticks)] = ticks
        self._count += len(ticks)

    def call(self, strategy: Strategy, broker: PaperBroker) -> None:
        # A copy of its own: a view would lead to what comes after, and the caller may fill its chunk again.
        ticks, self._ticks, self._count = self._ticks, np.zeros(self._every, TICK), 0
        ticks.setflags(write=False)
        strategy.on_ticks(ticks, broker)


class _Bars:
    def __init__(self, length_ns: int) -> None:
        self._builder = BarBuilder(TimeBars(length_ns))
        self._complete: deque[Bar] = deque()

    def ends(self, ticks: Ticks) -> Iterable[int]:
        for row in self._builder.push(ticks).tolist():
            end, start, opened, high, low, close, volume, _, _, trades, _ = row
            self._complete.append(Bar(start, end, opened, high, low, close, volume, trades))
        return [at + 1 for at in self._builder.closed_by.tolist()]

    def add(self, ticks: Ticks) -> None:
        pass  # `ends` has seen them

    def call(self, strategy: Strategy, broker: PaperBroker) -> None:
        strategy.on_bar(self._complete.popleft(), broker)


class _Run:
    """A strategy and its broker, led through the ticks step by step."""

    def __init__(self, strategy: Strategy, broker: PaperBroker, steps: _Steps) -> None:
        self.strategy, self.broker, self.steps = strategy, broker, steps
        self.rows = self.ticks = self.calls = self.fills = 0
        self.mid = 0.0
        self.digest = sha256()
        self._untold: list[bytes] = []

    def take(self, rows: Ticks) -> None:
        good = _accepted(rows, self.broker.ts)
        ticks, places = rows[good], np.flatnonzero(good)
        begun = row = 0
        for end in self.steps.ends(ticks):
            next_row = int(places[end - 1]) + 1
            self._keep(self.broker.advance(rows[row:next_row]))
            self.steps.add(ticks[begun:end])
            self._tell()
            self.steps.call(self.strategy, self.broker)
            self.calls += 1
            begun, row = end, next_row
        self._keep(self.broker.advance(rows[row:]))
        self.steps.add(ticks[begun:])
        self.rows += len(rows)
        self.ticks += len(ticks)
        if sum(self.broker.rejected.values()) != self.rows - self.ticks:
            raise StrategyError(
                f"ticks must be left for run_strategy to give the broker, was at {self.broker.ts} ns without"
            )
        if len(ticks):
            self.mid = float(0.5 * ticks["bid"][-1] + 0.5 * ticks["ask"][-1])

    def close(self) -> None:
        self.broker.close()
        self._keep(self.broker.take_fills())
        if self._untold:
            self._tell()
            # what the strategy has sent on hearing of its last fills is too late to stay
            self.broker.close()
            self._keep(self.broker.take_fills())

    def _keep(self, fills: Fills) -> None:
        if len(fills) == 0:
            return
        if fills["id"][0] != self.fills:
            raise StrategyError(
                f"fills must be left for run_strategy to take, was fill {fills['id'][0]} after {self.fills}"
            )
        self.fills += len(fills)
        self._untold.append(fills.tobytes())
        self.digest.update(self._untold[-1])

    def _tell(self) -> None:
        if self._untold:
            fills, self._untold = np.frombuffer(b"".join(self._untold), FILL), []
            self.strategy.on_fills(fills, self.broker)


def run_strategy(
    strategy: Strategy,
    ticks: Ticks | Iterable[Ticks],
    capital: float,
    *,
    every: int | None = None,
    bar_s: float | None = None,
    broker: BrokerSettings | None = None,
    latencies: ArrayLike | None = None,
    seed: int = 0,
) -> StrategyResult:
    """Trade a strategy written in Python on paper.

    Parameters
    ----------
    strategy : Strategy
    ticks : ndarray of TICK, shape (n,), or iterable of such
        A recording or a market chunk by chunk, in flat memory; how it is cut does not matter.
    capital : float
        USD, 0.01 to 1e12.
    every : int
        Call `on_ticks` after every so many good ticks, 1 to 2**20; or else
    bar_s : float
        Call `on_bar` for bars of so many seconds, 1e-6 to 86,400, rounded to a nanosecond.
    broker : BrokerSettings, optional
        Fees, borrow, impact, latencies, queue; those of `BrokerSettings()` unless given.
    latencies : array_like of int, optional
        Recorded ones, as in `PaperBroker`.
    seed : int
        Of drawn latencies, 0 to 2**64 - 1.

    Returns
    -------
    StrategyResult

    Raises
    ------
    StrategyError
        If not one of `every` and `bar_s` is given or it is out of range, the strategy does not override what
        would be called, or it has given the broker ticks or taken fills itself.
    TypeError
        If `strategy` is no `Strategy`, or what comes of `ticks` no one-dimensional array of TICK.
    ValueError
        If capital, seed or latencies are out of range.

    Notes
    -----
    A tick that breaks a rule of validation is counted and never shown. What a callback raises comes out as it
    is, with the broker's ledger whole. The ticks after the last call reach the broker and not the strategy; a
    bar that no later tick completes is not given, and one without ticks is not made up.

    No Kelly, no vote and none of the `LimitSettings`: what is sent is traded. Only what `PaperBroker.submit`
    checks is checked, and a position may cost more than the capital.

    Examples
    --------
    >>> from livetrading import GbmMarket
    >>> class Buyer(Strategy):
    ...     def on_ticks(self, ticks, broker):
    ...         if broker.position == 0:
    ...             broker.submit("market", 1, 1_000_000)
    >>> ticks = np.zeros(1000, TICK)
    >>> GbmMarket(1, 0, 100_000_000, 97_000.0, 1e-4).fill(ticks)
    >>> run_strategy(Buyer(), ticks, 10_000, every=100).trades
    1
    """
    steps = _steps_of(strategy, every, bar_s)
    paper = PaperBroker(capital, broker, seed=seed, latencies=latencies)
    run = _Run(strategy, paper, steps)
    for rows in tick_chunks(ticks):
        run.take(rows)
    run.close()
    return _result(capital, run)


def _steps_of(strategy: Strategy, every: int | None, bar_s: float | None) -> _Steps:
    if not isinstance(strategy, Strategy):
        raise TypeError(f"strategy must be an instance of a Strategy, was {strategy!r}")
    if (every is None) == (bar_s is None):
        raise StrategyError(f"one of every and bar_s must be given, was {every!r} and {bar_s!r}")
    called = "on_ticks" if bar_s is None else "on_bar"
    if getattr(type(strategy), called) is getattr(Strategy, called):
        raise StrategyError(f"a strategy must override {called} to be called there, was {strategy!r}")
    if bar_s is None:
        if not isinstance(every, int) or isinstance(every, bool) or not 1 <= every <= EVERY_MAX:
            raise StrategyError(f"every must be a whole number from 1 to {EVERY_MAX}, was {every!r}")
        return _EveryTicks(every)
    number = isinstance(bar_s, int | float) and not isinstance(bar_s, bool)
    if not number or not BAR_S_MIN <= bar_s <= BAR_S_MAX:
        raise StrategyError(f"bar_s must be from {BAR_S_MIN} to {BAR_S_MAX:.0f} seconds, was {bar_s!r}")
    return _Bars(round(bar_s * 1e9))


def _accepted(rows: Ticks, last_ts: int) -> NDArray[np.bool_]:
    """Tell which ticks the broker takes, whose last one was at `last_ts`."""
    good = quoted(rows)
    latest = np.maximum.accumulate(np.where(good, rows["ts"], 0))
    return np.asarray(good & (rows["ts"] >= np.maximum(latest, last_ts)))


def _result(capital: float, run: _Run) -> StrategyResult:
    broker = run.broker
    trades, wins = broker.trades, broker.wins
    low, high = wilson_interval(wins, trades) or (None, None)
    fees = broker.fees + broker.borrow
    return StrategyResult(
        capital=capital,
        ticks=run.ticks,
        calls=run.calls,
        fills=run.fills,
        trades=trades,
        wins=wins,
        win_rate=wins / trades if trades else None,
        win_rate_low=low,
        win_rate_high=high,
        gross_pnl=broker.gross / MICRO,
        fees=fees / MICRO,
        borrow=broker.borrow / MICRO,
        net_pnl=(broker.gross - fees) / MICRO,
        # Cash is exact; the float beside it marks what the ledger could not close.
        equity=broker.equity(run.mid) if broker.position else broker.cash / MICRO,
        rejected_ticks=broker.rejected,
        refused_orders=broker.refused,
        fills_sha256=run.digest.hexdigest(),
    )
