"""W1 in backtesting.py: bars of one price, the z-score computed in numpy before.

    python bench/peers/w1_backtesting.py FILE.npy N

Sizes below 1 are fractions of the equity there: a unit is an order's quantity, and prices are of that. Half
the spread is charged as commission; what 1 bp of it would add to the fee of a purchase it takes from that of
the sale. The clock stops where the engine begins its statistics.
"""

import sys
import warnings

import backtesting.backtesting as engine
import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy
from measure import CAPITAL, ENTRY, FEE, QUANTITY, START_NS, STEP_NS, Clock, read_tape, report, z_scores

HALF_SPREAD = 0.5


class FadeLastMove(Strategy):
    """The rule."""

    def init(self) -> None:
        """Take the z-score from its column."""
        self.z = self.I(lambda: self.data.Z, plot=False)

    def next(self) -> None:
        """Trade one bar."""
        z = self.z[-1]
        if self.position:
            if z >= 0.0 if self.position.is_long else z <= 0.0:
                self.position.close()
        elif z < -ENTRY:
            self.buy(size=1)
        elif z > ENTRY:
            self.sell(size=1)


def commission(units: float, price: float) -> float:
    """Return half the spread and the fee."""
    return abs(units) * (HALF_SPREAD * QUANTITY + FEE * price)


def main() -> None:
    """Measure."""
    bid, ask, _, _ = read_tape()
    if not np.all(ask - bid == 2 * HALF_SPREAD):
        sys.exit(f"the spread must be {2 * HALF_SPREAD} USD on every tick")
    with Clock() as framing:
        mid = (bid + ask) / 2
        price = mid * QUANTITY
        bars = pd.DataFrame(
            {"Open": price, "High": price, "Low": price, "Close": price, "Z": z_scores(mid)},
            index=pd.to_datetime(START_NS + STEP_NS * np.arange(len(mid))),
        )
        test = Backtest(bars, FadeLastMove, cash=CAPITAL, commission=commission, trade_on_close=True)
    clock, statistics = Clock(), engine.compute_stats

    def stop_clock(**books: object) -> pd.Series:
        clock.stop()
        return statistics(**books)

    engine.compute_stats = stop_clock
    warnings.filterwarnings("ignore", "Some trades remain open")
    clock.__enter__()
    closed = test.run()["_trades"]
    report("backtesting", len(bars), clock, len(closed), float(closed["PnL"].sum()), bars=framing)


if __name__ == "__main__":
    main()
