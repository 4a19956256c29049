"""What a processor counts."""

from typing import TypedDict


class Totals(TypedDict):
    """What has happened to a processor so far.

    `position_sat` is in satoshi, the amounts ending in `micro` in micro-USD: `gross_micro` and `net_micro`
    of closed trades before and after fees and borrow, `fees_micro` of all fills, `borrow_micro` of all
    shorts. `return_sum` and `return_sum_sq` sum the net profit over entry notional of closed trades, and its
    square. `rejected` counts ticks by kind, `refused` orders by reason.
    """

    ticks: int
    fills: int
    trades: int
    wins: int
    position_sat: int
    cash_micro: int
    gross_micro: int
    net_micro: int
    fees_micro: int
    borrow_micro: int
    equity_usd: float
    max_drawdown: float
    return_sum: float
    return_sum_sq: float
    rejected: dict[str, int]
    refused: dict[str, int]
    fills_sha256: str
