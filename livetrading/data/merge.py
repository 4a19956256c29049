"""Quotes and trades merged by time as they come, in flat memory."""

from collections import deque
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livetrading.core.dtypes import TICK, TickFlag
from livetrading.data.columns import I8_MAX
from livetrading.data.errors import DataError

__all__ = ["in_order", "joined", "merge", "quoted"]

Ticks = NDArray[np.void]

LATE_ROWS: Final = 65_536
"""How many rows late a row of a file may stand."""
QUOTE_FIELDS: Final = ("bid", "ask", "bid_size", "ask_size")

PRICE_MIN: Final = 1e-12
PRICE_MAX: Final = 1e15
SIZE_MAX: Final = 1e15
TS_MAX: Final = 1 << 62
"""What the processor accepts; past these it rejects a tick."""


def in_order(path: Path, chunks: Iterator[Ticks]) -> Iterator[Ticks]:
    """Sort ticks by ts, those of equal ts in their order.

    Parameters
    ----------
    path : Path
        The file they come from, for the message.
    chunks : iterator of ndarray of TICK

    Yields
    ------
    ndarray of TICK, shape (n,)

    Raises
    ------
    DataError
        If a row is earlier than one that stands 65,536 rows or more before it: so many rows are held back.
        How the file is cut into chunks does not matter.
    """
    held: deque[Ticks] = deque()
    latest, rows = np.empty(0, np.int64), 0
    for ticks in chunks:
        # latest[i] is the latest time up to the row that stands len(latest) - i rows before the next one.
        seen = np.maximum.accumulate(np.concatenate([latest[-1:], ticks["ts"]]))[len(latest[-1:]) :]
        latest = np.concatenate([latest, seen])
        bounds = latest[: max(0, len(latest) - LATE_ROWS)]
        first = len(ticks) - len(bounds)
        late = np.flatnonzero(ticks["ts"][first:] < bounds)
        if len(late):
            raise DataError(
                f"{path} must be in order of time, to within {LATE_ROWS} rows, to be merged; "
                f"was earlier than that at row {rows + first + late[0] + 1}"
            )
        latest, rows = latest[-LATE_ROWS:], rows + len(ticks)
        settled_ns = latest[0] if len(latest) == LATE_ROWS else -I8_MAX
        held.append(ticks)
        if not np.array_equal(seen, ticks["ts"]):
            whole = _sorted(joined(held))
            settled = np.searchsorted(whole["ts"], settled_ns, "right")
            held = deque(part for part in (whole[:settled], whole[settled:]) if len(part))
        while held and held[0]["ts"][-1] <= settled_ns:
            yield held.popleft()
    yield from held


def joined(parts: Collection[Ticks]) -> Ticks:
    """Concatenate ticks; equal ticks give equal bytes, since those between the fields are zero."""
    ticks = np.zeros(sum(map(len, parts)), TICK)
    end = 0
    for part in parts:
        begin, end = end, end + len(part)
        ticks[begin:end] = part
    return ticks


def _sorted(ticks: Ticks) -> Ticks:
    return ticks[np.argsort(ticks["ts"], kind="stable")]


def merge(quotes: Iterator[Ticks], trades: Iterator[Ticks]) -> Iterator[Ticks]:
    """Merge quotes and trades, each in order of ts, and give each trade the quote that stands.

    At equal times the quote comes before the trade. The bid, ask and sizes of a trade become those of the
    last quote before it that passes validation, NaN before the first.

    Parameters
    ----------
    quotes, trades : iterator of ndarray of TICK
        Their rows are written to.

    Yields
    ------
    ndarray of TICK, shape (n,)
    """
    standing = np.zeros(1, TICK)
    for name in QUOTE_FIELDS:
        standing[name] = np.nan
    for ticks in _interleave(quotes, trades):
        good = (ticks["flags"] == TickFlag.QUOTE) & quoted(ticks)
        last = np.maximum.accumulate(np.where(good, np.arange(len(ticks)), -1))
        is_trade = ticks["flags"] == TickFlag.TRADE
        for name in QUOTE_FIELDS:  # -1 is the last of these, the quote that stood before
            known = np.concatenate([ticks[name], standing[name]])
            ticks[name][is_trade] = known[last[is_trade]]
        if last[-1] >= 0:
            standing = ticks[last[-1] :][:1].copy()
        yield ticks


def _interleave(quotes: Iterator[Ticks], trades: Iterator[Ticks]) -> Iterator[Ticks]:
    quote, trade = next(quotes, None), next(trades, None)
    while quote is not None and trade is not None:
        # Up to the end of the one that ends first both are known, but for more quotes of that very time.
        end = min(quote["ts"][-1], trade["ts"][-1])
        n = np.searchsorted(quote["ts"], end, "right")
        m = np.searchsorted(trade["ts"], end, "left" if quote["ts"][-1] == end else "right")
        yield _sorted(joined([quote[:n], trade[:m]]))
        quote = quote[n:] if n < len(quote) else next(quotes, None)
        trade = trade[m:] if m < len(trade) else next(trades, None)
    rest, others = (trade, trades) if quote is None else (quote, quotes)
    while rest is not None:
        yield rest
        rest = next(others, None)


def quoted(ticks: Ticks) -> NDArray[np.bool_]:
    """Tell which ticks have a quote and break no rule of tick validation; their order is not looked at.

    Parameters
    ----------
    ticks : ndarray of TICK, shape (n,)

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    good = (ticks["ts"] >= 0) & (ticks["ts"] <= TS_MAX) & (ticks["bid"] <= ticks["ask"])
    for name in ("price", "bid", "ask"):
        good &= (ticks[name] >= PRICE_MIN) & (ticks[name] <= PRICE_MAX)
    for name in ("bid_size", "ask_size"):  # NaN: not known
        good &= ~((ticks[name] < 0.0) | (ticks[name] > SIZE_MAX))
    good &= (ticks["volume"] >= 0.0) & (ticks["volume"] <= SIZE_MAX)
    return np.asarray(good)
