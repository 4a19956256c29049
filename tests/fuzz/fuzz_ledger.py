"""A ledger in whole numbers that sees the capital, the fee and FILL rows, and nothing else."""

import numpy as np

from livetrading.core.settings import Settings
from livetrading.core.totals import Totals

SAT_PER_BTC, PPB = 10**8, 10**9


def half_even(numerator: int, denominator: int) -> int:
    """Round a quotient half to even."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))


def assert_conserved(fills: np.ndarray, capital: float, settings: Settings, totals: Totals) -> None:
    """Assert that cash, position, fees and profit follow from the fills, to the last unit."""
    start = cash = round(capital * 1e6)
    rate = round(settings.broker.taker_bps * 1e5)
    position = fees = gross = net = trades = wins = opened = opened_fees = 0
    for number, (index, _, _, price, quantity, fee, side, _, _) in enumerate(fills.tolist()):
        top, bottom = price.as_integer_ratio()
        notional = half_even(top * quantity * 10**6, bottom * SAT_PER_BTC)
        assert (index, quantity > 0, abs(side)) == (number, True, 1)
        assert fee == half_even(notional * rate, PPB), f"fee of fill {number}"
        if position == 0:
            opened, opened_fees = cash, fees
        cash -= side * notional + fee
        position += side * quantity
        fees += fee
        if position == 0:
            trades += 1
            wins += cash > opened
            net += cash - opened
            gross += cash - opened + fees - opened_fees
    said = [totals[name] for name in ("fills", "cash_micro", "position_sat", "fees_micro", "gross_micro",
                                      "net_micro", "trades", "wins")]  # fmt: skip
    assert said == [len(fills), cash, position, fees, gross, net, trades, wins]
    assert position != 0 or cash - start == net == gross - fees
