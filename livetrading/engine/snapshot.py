"""A run as it stands between two chunks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livetrading.core.processor import Processor

__all__ = ["Account", "Snapshot", "snapshot_of"]


@dataclass(frozen=True, kw_only=True)
class Account:
    """What one side of the run, the market or its control, has come to.

    Attributes
    ----------
    equity : float
        USD; an open position is marked at the mid.
    drawdown, max_drawdown : float
        Fractions of the highest equity: that of the last tick, and the largest so far.
    position_sat : int
        Satoshi, negative where short.
    trades, wins : int
        Round trips, and those with a profit after fees.
    """

    equity: float
    drawdown: float
    max_drawdown: float
    position_sat: int
    trades: int
    wins: int


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The run after a chunk; prices and vote are those of the market's last tick.

    Attributes
    ----------
    ticks : int
        Ticks processed so far.
    done : float or None
        Share of the run that is behind, 0 to 1; None where it has no end.
    elapsed : float
        Seconds of wall clock since the first chunk, with the control's.
    seconds : float
        Of these the market's own, as in the report.
    price, true_price : float or None
        USD; None before the first tick, and where there is no true price.
    vote_logodds, vote_probability : float or None
        Of the price going up; None where the vote has no odds.
    direction : int
        Of the vote after the gates: -1, 0 or 1.
    account : Account
    control : Account or None
        The null control, where it runs.
    """

    ticks: int
    done: float | None
    elapsed: float
    seconds: float
    price: float | None
    true_price: float | None
    vote_logodds: float | None
    vote_probability: float | None
    direction: int
    account: Account
    control: Account | None


def snapshot_of(
    market: Processor, control: Processor | None, *, done: float | None, elapsed: float, seconds: float
) -> Snapshot:
    """Take the snapshot of processors that are not running.

    Parameters
    ----------
    market, control : Processor
    done, elapsed, seconds
        Taken over as they are.

    Returns
    -------
    Snapshot
    """
    row = market.last_row()
    return Snapshot(
        ticks=market.totals()["ticks"],
        done=done,
        elapsed=elapsed,
        seconds=seconds,
        price=_known(row, "market_price"),
        true_price=_known(row, "true_price"),
        vote_logodds=_known(row, "vote_logodds"),
        vote_probability=_known(row, "vote_probability"),
        direction=int(row["direction"][0]) if len(row) else 0,
        account=_account(market),
        control=None if control is None else _account(control),
    )


def _account(processor: Processor) -> Account:
    totals, row = processor.totals(), processor.last_row()
    return Account(
        equity=totals["equity_usd"],
        drawdown=_known(row, "drawdown") or 0.0,
        max_drawdown=totals["max_drawdown"],
        position_sat=totals["position_sat"],
        trades=totals["trades"],
        wins=totals["wins"],
    )


def _known(row: NDArray[np.void], name: str) -> float | None:
    if len(row) == 0 or np.isnan(row[name][0]):
        return None
    return float(row[name][0])
