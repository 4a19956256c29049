# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The paper broker: one standing quote, one order at a time, fills at the touch, and the exact ledger."""
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from livetrading.core.records cimport LT_MICRO_MAX, lt_fee, lt_fill, lt_notional, lt_tick
from livetrading.core.ring cimport LT_ELEDGER, LT_OK

import numpy as np

from livetrading.core.dtypes import FILL
from livetrading.core.settings import PPB_PER_BPS, BrokerSettings, capital_micro


cdef void broker_open(broker_t *b, int64_t capital, int64_t fee_ppb, int64_t latency_ns) noexcept nogil:
    memset(b, 0, sizeof(broker_t))
    b.account.capital = b.account.cash = capital
    b.fee_ppb = fee_ppb
    b.latency_ns = latency_ns


cdef int64_t available(double size, int64_t wanted) noexcept nogil:
    """Satoshi of `wanted` that the displayed size fills; all of it where the size is not known."""
    cdef double sat = size * 1e8 + 1e-6           # 0.29 BTC is 29,000,000 sat, not one less
    return <int64_t> sat if sat < <double> wanted else wanted


cdef int account_fill(account_t *a, int64_t fee_ppb, lt_fill *f) noexcept nogil:
    """Books one fill whole, or answers LT_ELEDGER and changes nothing."""
    cdef int64_t notional = lt_notional(f.price, f.quantity), cash, position
    if notional < 0:
        return LT_ELEDGER
    f.fee = lt_fee(notional, fee_ppb)
    cash = a.cash - f.side * notional - f.fee
    position = a.position + f.side * f.quantity
    if not (-LT_MICRO_MAX <= cash <= LT_MICRO_MAX and -LT_MICRO_MAX <= position <= LT_MICRO_MAX):
        return LT_ELEDGER
    if a.position == 0:
        a.open_cash, a.open_fees, a.open_notional = a.cash, a.fees, 0
        a.entry_price = f.price
    if a.position * f.side >= 0:
        a.open_notional += notional
    a.cash, a.position = cash, position
    a.fees += f.fee
    f.id = a.fills
    a.fills += 1
    return LT_OK


cdef void account_close(account_t *a) noexcept nogil:
    """Counts the round trip that the last fill ended."""
    cdef int64_t net = a.cash - a.open_cash
    a.trades += 1
    a.wins += net > 0
    a.net += net
    a.gross += net + (a.fees - a.open_fees)
    a.last_return = <double> net / <double> a.open_notional if a.open_notional > 0 else 0.0
    a.return_sum += a.last_return
    a.return_squares += a.last_return * a.last_return


cdef int broker_execute(broker_t *b, int64_t ts) noexcept nogil:
    """Fills the pending order at the touch of the standing quote; what the displayed size cannot fill lapses."""
    cdef lt_fill *f = &b.fills[b.fill_count]
    cdef bint opens = b.account.position == 0
    cdef int64_t quantity = b.quantity
    b.pending = False
    if b.reason != REASON_CLOSE:
        quantity = available(b.quote.ask_size if b.side > 0 else b.quote.bid_size, b.quantity)
    if quantity < b.quantity:
        b.short_fills += 1
    if quantity == 0 or b.fill_count == b.fill_capacity:
        return FILL_NONE
    memset(f, 0, sizeof(lt_fill))
    f.ts, f.order_id, f.quantity = ts, b.order_id, quantity
    f.price = b.quote.ask if b.side > 0 else b.quote.bid
    f.side, f.reason = b.side, b.reason
    if account_fill(&b.account, b.fee_ppb, f) != LT_OK:
        b.short_fills += 1
        return FILL_NONE
    b.fill_count += 1
    if b.account.position == 0:
        account_close(&b.account)
        return FILL_CLOSED
    return FILL_OPENED if opens else FILL_REDUCED


cdef int broker_send(broker_t *b, int64_t ts, int side, int64_t quantity, int reason) noexcept nogil:
    """Sends a market order at `ts`; it executes after the latency, at once where there is none."""
    b.order_id = b.account.orders
    b.account.orders += 1
    b.pending = True
    b.arrival, b.side, b.quantity, b.reason = ts + b.latency_ns, side, quantity, reason
    if b.latency_ns == 0:
        return broker_execute(b, ts)
    return FILL_NONE


cdef class PaperBroker:
    """A paper account that takes quotes and market orders: the processor's broker, driven by hand.

    Parameters
    ----------
    capital_usd : float
        Cash at the start, in USD; rounded to a micro-dollar.
    settings : BrokerSettings
        Fee and latency.

    Notes
    -----
    A market order fills at the touch, up to the displayed size (whole where the size is NaN); what is left lapses.
    Notional and fee are rounded half to even to a micro-dollar, so that cash, position, fees and fills add up to
    the last unit. One order is on its way at a time.
    """

    cdef broker_t _b
    cdef lt_tick _quote

    def __cinit__(self, capital_usd, settings=None):
        settings = BrokerSettings() if settings is None else settings
        broker_open(&self._b, capital_micro(capital_usd), round(settings.taker_bps * PPB_PER_BPS),
                    round(settings.latency_us * 1000))
        self._b.fill_capacity = 4096
        self._b.fills = <lt_fill *> calloc(self._b.fill_capacity, sizeof(lt_fill))
        if self._b.fills == NULL:
            raise MemoryError()

    def __dealloc__(self):
        free(self._b.fills)

    def quote(self, int64_t ts, double bid, double ask, double bid_size=float("nan"), double ask_size=float("nan")):
        """Execute what arrived before `ts`, then let this quote stand.

        Raises
        ------
        ValueError
            If the quote is not one the processor would accept, or `ts` goes back.
        """
        if not (0 < bid <= ask < 1e15) or bid_size < 0 or ask_size < 0:
            raise ValueError(f"a quote must have 0 < bid <= ask and sizes >= 0, was {(bid, ask, bid_size, ask_size)!r}")
        if ts < self._quote.ts or ts >> 62:
            raise ValueError(f"ts must be from {self._quote.ts} to 2**62, was {ts}")
        broker_advance(&self._b, ts)
        self._quote.ts, self._quote.bid, self._quote.ask = ts, bid, ask
        self._quote.bid_size, self._quote.ask_size = bid_size, ask_size
        self._b.quote = &self._quote

    def market_order(self, int side, int64_t quantity):
        """Send a market order of `quantity` satoshi now; side +1 buys, -1 sells.

        Raises
        ------
        ValueError
            If side or quantity is out of range, the order would turn the position round, no quote stands, or
            another order is on its way.
        """
        cdef int64_t position = self._b.account.position
        if side != 1 and side != -1:
            raise ValueError(f"side must be 1 or -1, was {side}")
        if not 0 < quantity <= 2_100_000_000_000_000:
            raise ValueError(f"quantity must be from 1 to 2100000000000000 satoshi, was {quantity}")
        if position * side < 0 and quantity > abs(position):
            raise ValueError(f"an order against the position may at most close its {abs(position)} sat, was {quantity}")
        if self._b.quote == NULL or self._b.pending:
            raise ValueError("an order needs a standing quote and no other order on its way")
        if self._b.fill_count == self._b.fill_capacity:
            raise ValueError("take the fills before sending more orders")
        broker_send(&self._b, self._quote.ts, side, quantity, REASON_ENTRY)

    def take_fills(self):
        """Return the fills since the last call, a FILL array, and forget them."""
        out = np.empty(self._b.fill_count, FILL)
        cdef unsigned char[::1] o = out.view(np.uint8)
        if self._b.fill_count:
            memcpy(&o[0], self._b.fills, self._b.fill_count * sizeof(lt_fill))
        self._b.fill_count = 0
        return out

    @property
    def cash(self):
        """Cash in micro-USD."""
        return self._b.account.cash

    @property
    def position(self):
        """Position in satoshi."""
        return self._b.account.position

    @property
    def fees(self):
        """Fees paid so far, in micro-USD."""
        return self._b.account.fees

    @property
    def gross(self):
        """Profit of the closed trades before fees, in micro-USD."""
        return self._b.account.gross

    @property
    def trades(self):
        """Round trips closed."""
        return self._b.account.trades

    @property
    def wins(self):
        """Round trips with a profit after fees."""
        return self._b.account.wins

    @property
    def short_fills(self):
        """Executions that the displayed size cut short, or that the ledger could not hold."""
        return self._b.short_fills
