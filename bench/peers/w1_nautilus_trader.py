"""W1 in nautilus_trader: quotes through its data engine, orders through risk and execution engine.

    python bench/peers/w1_nautilus_trader.py FILE.npy N

Positions are hedging ones (netting re-opens and stores one position again and again, which costs more);
logging and the analysis after the run are off. Trades and profit are the closed positions of its cache.
"""

from collections import deque
from decimal import Decimal
from math import sqrt

import numpy as np
import pandas as pd
from measure import CAPITAL, ENTRY, FEE, QUANTITY, START_NS, STEP_NS, WINDOW, Clock, read_tape, report
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig, StrategyConfig
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.wranglers import QuoteTickDataWrangler
from nautilus_trader.trading.strategy import Strategy
from numpy.typing import NDArray

SYMBOL = "BTCUSDT"
VENUE = Venue("SIM")


def instrument() -> CurrencyPair:
    """Return the pair, with the tape's price grid and the rule's fee."""
    return CurrencyPair(
        instrument_id=InstrumentId(Symbol(SYMBOL), VENUE),
        raw_symbol=Symbol(SYMBOL),
        base_currency=BTC,
        quote_currency=USDT,
        price_precision=2,
        size_precision=2,
        price_increment=Price(0.01, 2),
        size_increment=Quantity(0.01, 2),
        margin_init=Decimal(0),
        margin_maint=Decimal(0),
        maker_fee=Decimal(str(FEE)),
        taker_fee=Decimal(str(FEE)),
        ts_event=0,
        ts_init=0,
    )


class FadeLastMove(Strategy):
    """The rule; what it holds it asks the engine's cache, which costs no more than to follow its events."""

    def __init__(self, pair: CurrencyPair) -> None:
        super().__init__(StrategyConfig())
        self.pair = pair.id
        self.quantity = Quantity(QUANTITY, 2)
        self.window: deque[float] = deque(maxlen=WINDOW)
        self.first = self.second = 0.0

    def on_start(self) -> None:
        """Ask for quotes."""
        self.subscribe_quote_ticks(self.pair)

    def on_quote_tick(self, tick: QuoteTick) -> None:
        """Trade one tick."""
        mid = (tick.bid_price.as_double() + tick.ask_price.as_double()) / 2
        window = self.window
        if len(window) == WINDOW:
            self.first -= window[0]
            self.second -= window[0] * window[0]
        window.append(mid)
        self.first += mid
        self.second += mid * mid
        if len(window) < WINDOW:
            return
        gap = WINDOW * mid - self.first
        held = self.cache.positions_open(strategy_id=self.id)
        if held:
            position = held[0]
            if gap >= 0.0 if position.is_long else gap <= 0.0:
                self.close_position(position)
            return
        z = gap / sqrt(WINDOW * self.second - self.first * self.first)
        if abs(z) > ENTRY:
            side = OrderSide.BUY if z < 0 else OrderSide.SELL
            self.submit_order(self.order_factory.market(self.pair, side, self.quantity))


def quotes(pair: CurrencyPair, bid: NDArray[np.float64], ask: NDArray[np.float64]) -> list[QuoteTick]:
    """Return the tape as the engine's quotes."""
    times = pd.to_datetime(START_NS + STEP_NS * np.arange(len(bid)), utc=True)
    frame = pd.DataFrame({"bid_price": bid, "ask_price": ask}, index=times)
    return QuoteTickDataWrangler(pair).process(frame)


def main() -> None:
    """Measure."""
    bid, ask, _, _ = read_tape()
    pair = instrument()
    engine = BacktestEngine(
        BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), run_analysis=False)
    )
    engine.add_venue(VENUE, OmsType.HEDGING, AccountType.MARGIN, [Money(CAPITAL, USDT)])
    engine.add_instrument(pair)
    engine.add_strategy(FadeLastMove(pair))
    with Clock() as quoting:
        engine.add_data(quotes(pair, bid, ask))
    with Clock() as clock:
        engine.run()
    closed = engine.cache.positions_closed()
    pnl = sum(position.realized_pnl.as_decimal() for position in closed)
    report("nautilus_trader", len(bid), clock, len(closed), float(pnl), tick_objects=quoting)


if __name__ == "__main__":
    main()
