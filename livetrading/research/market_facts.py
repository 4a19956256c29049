"""The stylised facts of a market: of simulated ticks, recorded ticks, bars or returns."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.blockchain.chain_clock import ChainClock
from livetrading.config import Config, ConfigError, MarketConfig
from livetrading.core.dtypes import TICK
from livetrading.core.market import Market
from livetrading.data.returns import log_returns, mids, read_bars
from livetrading.data.ticks import Recording, open_ticks
from livetrading.engine.null_market import CLOCK_END_NS, chaos_market, named_law
from livetrading.research.stylised_facts import RECORDED, StylisedFacts, stylised_facts, verdicts

__all__ = ["Interval", "MarketFacts", "interval_text", "market_facts", "parse_interval"]

Mids = Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]

NS_PER_S: Final = 1_000_000_000
HOUR_NS: Final = 3600 * NS_PER_S
BLOCK: Final = 1 << 16
HOURS: Final = 1440
"""Prices of a simulated market unless told otherwise: sixty days of hours."""
MOST: Final = 20_000_000
"""Returns that are held at once, in some six arrays."""


@dataclass(frozen=True)
class Interval:
    """What lies between two prices: ticks (rows of a file), or time.

    Attributes
    ----------
    ticks, ns : int or None
        One of the two.
    """

    ticks: int | None = None
    ns: int | None = None


@dataclass(frozen=True, kw_only=True)
class MarketFacts:
    """The facts of a market, and how its returns were taken.

    Attributes
    ----------
    market : str
        The name of a simulated market, or the path of a file.
    kind : str
        ``simulated``, ``recording`` (of ticks), or ``bars`` (prices or returns as they stand in a file).
    seed : int or None
    dt_s : float or None
        Seconds between two simulated ticks.
    ticks : int
        Ticks, or rows of the file, that were used.
    every_ticks : int or None
        Ticks from one price to the next; None where the prices are a time apart.
    every_s : float or None
        Seconds from one price to the next, None where unknown.
    returns : ndarray of float64, shape (facts.n,)
    facts : StylisedFacts
    """

    market: str
    kind: str
    seed: int | None
    dt_s: float | None
    ticks: int
    every_ticks: int | None
    every_s: float | None
    returns: NDArray[np.float64]
    facts: StylisedFacts

    def to_dict(self) -> dict[str, Any]:
        """Return all but the returns, ready for JSON, the facts of recorded Bitcoin beside the market's."""
        tree = {name: value for name, value in vars(self).items() if name not in ("returns", "facts")}
        recorded = {
            row.name: {"source": row.source, **row.facts.to_dict(), "verdicts": verdicts(row.facts)}
            for row in RECORDED
        }
        return {**tree, **self.facts.to_dict(), "verdicts": verdicts(self.facts), "recorded": recorded}


def parse_interval(text: str) -> Interval:
    """Read the text of ``--every``: seconds, such as ``3600``, or ticks, such as ``256t``.

    Raises
    ------
    ConfigError
        If it is neither, or out of bounds (1 ns to 1e9 s, 1 to 1e12 ticks).

    Examples
    --------
    >>> parse_interval("0.5"), parse_interval("256t")
    (Interval(ticks=None, ns=500000000), Interval(ticks=256, ns=None))
    """
    rule = "--every must be seconds from 1e-9 to 1e9 (3600), or ticks from 1 to 1e12 (256t)"
    if re.fullmatch(r"[0-9]{1,13}t", text) and 1 <= int(text[:-1]) <= 10**12:
        return Interval(ticks=int(text[:-1]))
    if re.fullmatch(r"[0-9]*\.?[0-9]+(e-?[0-9]+)?", text, re.IGNORECASE):
        seconds = float(text)
        if 1e-9 <= seconds <= 1e9:
            return Interval(ns=round(seconds * NS_PER_S))
    raise ConfigError(f"{rule}, was {text!r}")


def interval_text(facts: MarketFacts) -> str:
    """Say how far two prices are apart."""
    if facts.every_s is None:
        return f"{facts.every_ticks:,} {'row' if facts.every_ticks == 1 else 'rows'}"
    for unit, seconds in (("d", 86_400), ("h", 3600), ("min", 60)):
        if facts.every_s >= seconds and facts.every_s % seconds == 0:
            return f"{facts.every_s / seconds:g} {unit}"
    return f"{facts.every_s:g} s"


def market_facts(config: Config, every: Interval | None = None, ticks: int | None = None) -> MarketFacts:
    """Measure the stylised facts of the configured market.

    Parameters
    ----------
    config : Config
        Its ``market``; the rest is not looked at.
    every : Interval, optional
        From one price to the next. Unless given an hour of a simulated market, a second of a recording, a row
        of bars. A time of a simulated market must be a multiple of its ``dt_s``; the price of a recording is
        the last mid by then; bars and returns are summed by rows.
    ticks : int, optional
        Ticks to simulate, or rows of the file to use; unless given as many as make 1,440 prices, or all.

    Returns
    -------
    MarketFacts

    Raises
    ------
    DataError
        If a file cannot be read, or is no unbroken series.
    ConfigError
        If `every` and `ticks` do not fit the market.
    """
    market = config.market
    if market.simulated:
        return _of_simulated(market, every or Interval(ns=HOUR_NS), ticks)
    if len(market.paths) == 1 and (bars := read_bars(market.paths[0])) is not None:
        return _of_bars(market, bars.returns, bars.every_s, every or Interval(ticks=1), ticks)
    return _of_recording(market, every or Interval(ns=NS_PER_S), ticks)


def _of_simulated(market: MarketConfig, every: Interval, ticks: int | None) -> MarketFacts:
    dt_ns = round(market.dt_s * NS_PER_S)
    step = every.ticks or (every.ns or 0) // dt_ns
    if step == 0 or step * dt_ns != (every.ns or step * dt_ns):
        shown = (every.ns or 0) / NS_PER_S
        raise ConfigError(f"--every must be a multiple of market.dt_s, {market.dt_s:g} s, was {shown:g} s")
    ticks = (HOURS - 1) * step + 1 if ticks is None else ticks
    count = 1 + (ticks - 1) // step
    _check_count(count, f"{ticks} ticks, a price every {step}")
    returns = log_returns(_simulated_mids(market, dt_ns, ticks, step, count))
    return MarketFacts(
        market=market.name,
        kind="simulated",
        seed=market.seed,
        dt_s=market.dt_s,
        ticks=ticks,
        every_ticks=step,
        every_s=step * dt_ns / NS_PER_S,
        returns=returns,
        facts=stylised_facts(returns),
    )


def _simulated_mids(
    market: MarketConfig, dt_ns: int, ticks: int, step: int, count: int
) -> NDArray[np.float64]:
    """Every `step`-th mid from the first tick on."""
    simulated, chain = _simulated(market)
    room = (CLOCK_END_NS - simulated.start_ns) // dt_ns
    if ticks > room:
        raise ConfigError(f"--ticks must be at most {room}, where the market's clock ends, was {ticks}")
    block = np.empty(min(BLOCK, ticks), TICK)
    prices = np.empty(count)
    for begin in range(0, ticks, BLOCK):
        some = block[: ticks - begin]
        simulated.feed(chain.knots(simulated.next_ts + (len(some) - 1) * dt_ns))
        simulated.fill(some)
        kept = some[-begin % step :: step]
        first = -(-begin // step)
        prices[first : first + len(kept)] = kept["bid"] / 2 + kept["ask"] / 2
    return prices


def _simulated(market: MarketConfig) -> tuple[Market, ChainClock]:
    if market.name == "chaos":
        return chaos_market(market)
    return named_law(market).market(market.seed), ChainClock(market.seed)


def _of_recording(market: MarketConfig, every: Interval, ticks: int | None) -> MarketFacts:
    with open_ticks(market.paths, market.columns) as recording:
        rows = _Rows(recording, ticks)
        if every.ticks is not None:
            prices = _every_tick(mids(rows), every.ticks)
        else:
            prices = _every_time(mids(rows), every.ns or 1)
    _check_count(len(prices), f"{rows.count} rows")
    returns = log_returns(prices)
    return MarketFacts(
        market=market.name,
        kind="recording",
        seed=None,
        dt_s=None,
        ticks=rows.count,
        every_ticks=every.ticks,
        every_s=None if every.ns is None else every.ns / NS_PER_S,
        returns=returns,
        facts=stylised_facts(returns),
    )


class _Rows:
    """The first rows of a recording, and how many they were."""

    def __init__(self, recording: Recording, most: int | None) -> None:
        self.count = 0
        self._recording = recording
        self._most = most

    def __iter__(self) -> Iterator[NDArray[np.void]]:
        while (n := BLOCK if self._most is None else min(BLOCK, self._most - self.count)) > 0:
            rows = self._recording.read(n)
            if len(rows) == 0:
                return
            self.count += len(rows)
            yield rows


def _every_tick(chunks: Mids, step: int) -> NDArray[np.float64]:
    """Every `step`-th mid."""
    prices, seen, count = [np.empty(0)], 0, 0
    for _, mid in chunks:
        prices.append(mid[-seen % step :: step].copy())
        seen += len(mid)
        count += len(prices[-1])
        _check_most(count)
    return np.concatenate(prices)


def _every_time(chunks: Mids, every_ns: int) -> NDArray[np.float64]:
    """The last mid at the first tick's time and every `every_ns` from there on."""
    prices, count, before, first_ns, last_ns = [np.empty(0)], 0, np.nan, -1, -1
    for ts, mid in chunks:
        first_ns = int(ts[0]) if first_ns < 0 else first_ns
        last_ns = int(ts[-1])
        # What falls on the chunk's last time waits: the next tick may have the same.
        upto = -(-(last_ns - first_ns) // every_ns)
        _check_most(upto)
        at = first_ns + np.arange(count, upto) * every_ns
        prices.append(np.concatenate(([before], mid))[np.searchsorted(ts, at, side="right")])
        count, before = max(count, upto), mid[-1]
    if first_ns >= 0 and (last_ns - first_ns) // every_ns >= count:
        prices.append(np.array([before]))
    return np.concatenate(prices)


def _check_most(prices: int) -> None:
    if prices > MOST + 1:
        raise ConfigError(f"--every must leave at most {MOST + 1} prices, was {prices} and more")


def _of_bars(
    market: MarketConfig,
    returns: NDArray[np.float64],
    every_s: float | None,
    every: Interval,
    ticks: int | None,
) -> MarketFacts:
    if every.ticks is None:
        raise ConfigError("--every must be given in rows (24t) of a file of bars or returns, was a time")
    used = returns[:ticks]
    count = len(used) // every.ticks
    _check_count(count + 1, f"{len(used)} returns, {every.ticks} at a time")
    returns = used[: count * every.ticks].reshape(count, every.ticks).sum(axis=1)
    return MarketFacts(
        market=market.name,
        kind="bars",
        seed=None,
        dt_s=None,
        ticks=count * every.ticks,
        every_ticks=every.ticks,
        every_s=None if every_s is None else every_s * every.ticks,
        returns=returns,
        facts=stylised_facts(returns),
    )


def _check_count(prices: int, found: str) -> None:
    if not 2 <= prices <= MOST + 1:
        raise ConfigError(f"--every and --ticks must leave 2 to {MOST + 1} prices, was {prices} ({found})")
