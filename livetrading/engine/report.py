"""What a run reports, and how each figure is got from the processor's exact totals."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite, sqrt
from typing import TYPE_CHECKING, Any, Final

from livetrading.config import Config

if TYPE_CHECKING:
    from livetrading.core.totals import Totals

__all__ = ["Report", "report_of", "wilson_interval"]

MICRO: Final = 1_000_000
"""Micro-dollars in a dollar."""
NORMAL_975: Final = 1.959963984540054
"""The 0.975 quantile of the standard normal law."""
BESIDE_THE_KEYS: Final = ("sharpe_per_trade", "interrupted", "notes")


@dataclass(frozen=True, kw_only=True)
class Report:
    """The figures of one run. What is undefined, such as a win rate without trades, is None.

    Attributes
    ----------
    engine, market, preset : str
    seed : int
    capital : float
        USD.
    ticks : int
        Ticks processed; rejected ones are not among them.
    seconds, ticks_per_second : float
        Wall clock in the market, the processor and the writing of rows.
    trades, wins : int
        Round trips, and those with a profit after fees.
    win_rate, win_rate_low, win_rate_high : float or None
        Fractions; low and high bound the 95% Wilson interval.
    gross_pnl, fees, borrow, net_pnl, equity : float
        USD. Gross is before all costs; `fees` are of fills and of what is borrowed, `borrow` the latter
        alone; net is gross - fees = equity - capital.
    max_drawdown : float
        Fraction of the highest equity.
    bps_per_trade : float or None
        Mean net profit over entry notional, in bps.
    rejected_ticks, refused_orders : dict of str to int
        By kind, and by reason.
    fills_sha256 : str
    config : dict
        The whole configuration in force.
    null_control : Report or None
        The same strategy on the null market.
    sharpe_per_trade : float or None
        Mean over standard deviation of net profit over entry notional, not annualised.
    interrupted : bool
    notes : tuple of str
        What a reader has to know beside the figures, a sentence each.
    """

    engine: str
    market: str
    preset: str
    seed: int
    capital: float
    ticks: int
    seconds: float
    ticks_per_second: float | None
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
    max_drawdown: float
    bps_per_trade: float | None
    rejected_ticks: dict[str, int]
    refused_orders: dict[str, int]
    fills_sha256: str
    config: dict[str, Any]
    null_control: "Report | None"
    sharpe_per_trade: float | None
    interrupted: bool
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the keys of ``--json``, ready for it."""
        values = {
            part.name: getattr(self, part.name) for part in fields(self) if part.name not in BESIDE_THE_KEYS
        }
        if self.null_control is not None:
            values["null_control"] = self.null_control.to_dict()
        return values


def wilson_interval(wins: int, trades: int) -> tuple[float, float] | None:
    """Bound a win rate with 95% confidence.

    Parameters
    ----------
    wins, trades : int
        0 <= wins <= trades.

    Returns
    -------
    tuple of float or None
        The lower and the upper bound, in [0, 1]; None without trades.

    References
    ----------
    Wilson, E. B. (1927), Probable inference, the law of succession, and statistical inference.

    Examples
    --------
    >>> [round(bound, 4) for bound in wilson_interval(8, 10)]
    [0.4902, 0.9433]
    """
    if trades == 0:
        return None
    rate = wins / trades
    weight = NORMAL_975**2 / trades
    centre = (rate + weight / 2) / (1 + weight)
    half = sqrt(weight * (rate * (1 - rate) + weight / 4)) / (1 + weight)
    # At a rate of 0 or 1 a bound is the rate itself, which the subtraction misses by a rounding.
    low = 0.0 if wins == 0 else max(0.0, centre - half)
    high = 1.0 if wins == trades else min(1.0, centre + half)
    return low, high


def report_of(
    config: Config,
    totals: "Totals",
    seconds: float,
    *,
    market: Mapping[str, Any] | None = None,
    null_control: Report | None = None,
    interrupted: bool = False,
    notes: tuple[str, ...] = (),
) -> Report:
    """Make the report of a processor's totals.

    Parameters
    ----------
    config : Config
    totals : dict
        As `Processor.totals` gives them, after `close`.
    seconds : float
        Wall clock of the run.
    market : mapping, optional
        What to show of the market, where it is not the configured one.
    null_control, interrupted, notes
        Taken over as they are.

    Returns
    -------
    Report
    """
    tree = config.to_dict()
    tree["market"] = {**tree["market"], **(market or {})}
    ticks, trades, wins = totals["ticks"], totals["trades"], totals["wins"]
    interval = wilson_interval(wins, trades)
    gross, borrow = totals["gross_micro"], totals["borrow_micro"]
    fees = totals["fees_micro"] + borrow
    mean = totals["return_sum"] / trades if trades else None
    return Report(
        engine="hft",
        market=tree["market"]["name"],
        preset=config.preset,
        seed=config.market.seed,
        capital=config.run.capital,
        ticks=ticks,
        seconds=seconds,
        ticks_per_second=ticks / seconds if seconds > 0 else None,
        trades=trades,
        wins=wins,
        win_rate=wins / trades if trades else None,
        win_rate_low=interval[0] if interval else None,
        win_rate_high=interval[1] if interval else None,
        gross_pnl=gross / MICRO,
        fees=fees / MICRO,
        borrow=borrow / MICRO,
        net_pnl=(gross - fees) / MICRO,
        # Cash is exact; the float beside it marks what could not be closed.
        equity=totals["cash_micro"] / MICRO if totals["position_sat"] == 0 else totals["equity_usd"],
        max_drawdown=totals["max_drawdown"],
        bps_per_trade=None if mean is None else mean * 1e4,
        rejected_ticks=dict(totals["rejected"]),
        refused_orders=dict(totals["refused"]),
        fills_sha256=totals["fills_sha256"],
        config=tree,
        null_control=null_control,
        sharpe_per_trade=_sharpe(mean, totals["return_sum_sq"], trades),
        interrupted=interrupted,
        notes=notes,
    )


def _sharpe(mean: float | None, sum_of_squares: float, trades: int) -> float | None:
    if mean is None or trades < 2:
        return None
    variance = (sum_of_squares - trades * mean * mean) / (trades - 1)
    # Of equal returns the difference is a rounding, and the ratio would be one to it.
    if not variance > 1e-12 * mean * mean:
        return None
    ratio = mean / sqrt(variance)
    return ratio if isfinite(ratio) else None
