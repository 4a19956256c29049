"""A run as it stands between two chunks."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan, nan
from typing import Any

from livetrading.core.dtypes import RESULT
from livetrading.core.processor import Processor

__all__ = ["Account", "Snapshot", "snapshot_of"]


@dataclass(frozen=True, kw_only=True)
class Account:
    """What one side of the run, the market or its control, has come to.

    Attributes
    ----------
    equity : float
        USD; an open position is marked at the mid.
    drawdown : float
        Of the last tick, a fraction of the highest equity so far.
    position_sat : int
        Satoshi, negative where short.
    trades, wins : int
        Round trips, and those with a profit after fees.
    """

    equity: float
    drawdown: float
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
    market: Processor,
    control: Processor | None,
    *,
    ticks: int,
    done: float | None,
    elapsed: float,
    seconds: float,
) -> Snapshot:
    """Take the snapshot of processors that are not running.

    Parameters
    ----------
    market, control : Processor
    ticks, done, elapsed, seconds
        Taken over as they are.

    Returns
    -------
    Snapshot
    """
    row = _row(market)
    return Snapshot(
        ticks=ticks,
        done=done,
        elapsed=elapsed,
        seconds=seconds,
        price=_known(row["market_price"]),
        true_price=_known(row["true_price"]),
        vote_logodds=_known(row["vote_logodds"]),
        vote_probability=_known(row["vote_probability"]),
        direction=row["direction"],
        account=_account(row),
        control=None if control is None else _account(_row(control)),
    )


def _row(processor: Processor) -> dict[str, Any]:
    """The columns of the last tick; before the first an account at rest and nothing else known."""
    row = processor.last_row()
    if len(row) == 0:
        nothing: dict[str, Any] = dict.fromkeys(RESULT.names or (), nan)
        at_rest = {"equity": processor.totals()["equity_usd"], "drawdown": 0.0}
        return nothing | at_rest | dict.fromkeys(("direction", "position", "trades", "wins"), 0)
    return dict(zip(RESULT.names or (), row.item(), strict=True))


def _account(row: Mapping[str, Any]) -> Account:
    return Account(
        equity=row["equity"],
        drawdown=row["drawdown"],
        position_sat=row["position"],
        trades=row["trades"],
        wins=row["wins"],
    )


def _known(value: float) -> float | None:
    return None if isnan(value) else value
