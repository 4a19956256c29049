# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The paper broker: orders on their way and at rest, queues, fills, and an exact ledger for each book."""
from cpython.exc cimport PyErr_CheckSignals
from cpython.number cimport PyNumber_Index
from libc.math cimport NAN, sqrt
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memmove, memset

from livetrading.core.records cimport (
    LT_BAD_KINDS, LT_MICRO_MAX, LT_NO_QUOTE, LT_PRICE_MAX, LT_PRICE_MIN, LT_QUOTE, LT_TRADE, LT_TS_MAX, lt_borrow,
    lt_fee, lt_fill, lt_notional, lt_tick, lt_tick_fault,
)
from livetrading.core.ring cimport LT_ELEDGER, LT_OK
from livetrading.core.variates cimport lt_exp, lt_normal_quantile, lt_philox

import numpy as np

from livetrading.core.dtypes import FILL, TICK, Rejection
from livetrading.core.errors import OrderError
from livetrading.core.orders import ORDER_KINDS, ORDER_STATES, Account, WorkingOrder
from livetrading.core.settings import PPB_PER_BPS, BrokerSettings, capital_micro

cdef enum:
    STREAM_LATENCY = 9

cdef int64_t NEVER = 0x7fff_ffff_ffff_ffff
cdef int64_t LATENCY_MAX = 1_000_000_000_000_000          # ns, the longest that the settings take
cdef int64_t PERIOD_NS = 28_800_000_000_000               # a short pays at 00, 08 and 16 h UTC
cdef int64_t QUANTITY_MAX = 2_100_000_000_000_000         # satoshi that there will ever be


# The ledger

cdef inline bint held(const account_t *a, int64_t amount) noexcept nogil:
    """Whether the ledger holds it: so that the sum over the books is held as well."""
    return -a.most <= amount <= a.most


cdef inline int64_t borrow_due(const broker_t *b, const account_t *a, int64_t ts) noexcept nogil:
    """What a short owes up to `ts`, at the mid of the standing quote; -1 above what the ledger holds."""
    cdef int64_t notional
    if a.position >= 0 or b.rules.borrow_ppb == 0 or ts <= a.borrow_ts:
        return 0
    notional = lt_notional(0.5 * b.quote.bid + 0.5 * b.quote.ask, -a.position)
    return -1 if notional < 0 else lt_borrow(notional, b.rules.borrow_ppb, ts - a.borrow_ts)


cdef inline int account_fill(account_t *a, lt_fill *f, int64_t ppb, int64_t due) noexcept nogil:
    """Books a fill and the borrow due before it whole, or answers LT_ELEDGER and changes nothing."""
    cdef int64_t notional = lt_notional(f.price, f.quantity), cash, position, staked = 0
    if notional < 0 or due < 0:
        return LT_ELEDGER
    f.fee = lt_fee(notional, ppb) if ppb >= 0 else -lt_fee(notional, -ppb)
    cash = a.cash - f.side * notional - f.fee - due
    position = a.position + f.side * f.quantity
    if a.position != 0:
        staked = a.open_notional
    if a.position * f.side >= 0:
        staked += notional
    if not (held(a, cash) and held(a, position) and held(a, staked) and held(a, a.fees + f.fee)
            and held(a, a.borrow + due)):
        return LT_ELEDGER
    if a.position == 0:
        a.open_cash, a.open_fees, a.open_borrow = a.cash, a.fees, a.borrow
        a.entry_price = f.price
    elif a.position * f.side > 0:
        a.entry_price = ((a.entry_price * <double> (f.side * a.position) + f.price * <double> f.quantity)
                         / <double> (f.side * position))
    a.open_notional = staked
    a.cash, a.position = cash, position
    a.fees += f.fee
    a.borrow += due
    a.borrow_ts = f.ts
    return LT_OK


cdef void account_close(account_t *a) noexcept nogil:
    """Counts the round trip that the last fill ended."""
    cdef int64_t net = a.cash - a.open_cash
    a.trades += 1
    a.wins += net > 0
    a.net += net
    a.gross += net + (a.fees - a.open_fees) + (a.borrow - a.open_borrow)
    a.last_return = <double> net / <double> a.open_notional if a.open_notional > 0 else 0.0
    a.return_sum += a.last_return
    a.return_squares += a.last_return * a.last_return


cdef inline int fill_row(broker_t *b, int64_t ts, const order_t *o, double price, int64_t quantity,
                         int64_t ppb) noexcept nogil:
    """One row of a fill that does not turn the position; LT_ELEDGER, with nothing done, where it cannot be."""
    cdef account_t *a = &b.book[o.book]
    cdef lt_fill *f = &b.fills[b.fill_count]
    cdef bint opens = a.position == 0
    if b.fill_count == b.fill_capacity:
        return LT_ELEDGER
    memset(f, 0, sizeof(lt_fill))
    f.id, f.ts, f.order_id, f.price, f.quantity = b.fill_ids, ts, o.id, price, quantity
    f.side, f.reason, f.book = o.side, o.reason, o.book
    if account_fill(a, f, ppb, borrow_due(b, a, ts)) != LT_OK:
        return LT_ELEDGER
    b.fill_ids += 1
    b.fill_count += 1
    if a.position == 0:
        account_close(a)
        b.closed |= 1u << o.book
    elif opens:
        b.opened |= 1u << o.book
    return LT_OK


cdef int fill(broker_t *b, int64_t ts, const order_t *o, double price, int64_t quantity, int64_t ppb) noexcept nogil:
    """Fills, in two rows where the position turns, so that one round trip closes exactly and the next opens."""
    cdef int64_t against = -o.side * b.book[o.book].position
    cdef int code = LT_OK
    if 0 < against < quantity:
        code = fill_row(b, ts, o, price, against, ppb)
        quantity -= against
    if code == LT_OK:
        code = fill_row(b, ts, o, price, quantity, ppb)
    if code != LT_OK:
        b.refused[REFUSED_LEDGER] += 1
    return code


# The quote

cdef inline int64_t satoshi(double btc) noexcept nogil:
    """Whole satoshi: of 0.29 BTC 29,000,000, not one less. Cut at the most that the ledger holds."""
    cdef double sat = btc * 1e8 + 1e-6
    return <int64_t> sat if sat < <double> LT_MICRO_MAX else LT_MICRO_MAX


cdef int64_t taken(const broker_t *b, int side) noexcept nogil:
    """Satoshi that orders have taken of the standing quote."""
    cdef const taken_t *k = &b.taken[side > 0]
    if k.quote_ts != b.quote_ts or k.price != (b.quote.ask if side > 0 else b.quote.bid):
        return 0
    return k.quantity if k.size == (b.quote.ask_size if side > 0 else b.quote.bid_size) else 0


cdef int64_t displayed(const broker_t *b, int side, int64_t wanted) noexcept nogil:
    """Satoshi of `wanted` that an order finds displayed: all of it where the size is not known.

    What orders took of a quote's size is gone until there is a new quote.
    """
    cdef double size = b.quote.ask_size if side > 0 else b.quote.bid_size
    cdef int64_t found
    if not size >= 0.0:
        return wanted
    found = satoshi(size) - taken(b, side)
    return found if found < wanted else wanted


cdef void use_up(broker_t *b, int side, int64_t quantity) noexcept nogil:
    """Takes satoshi off what the standing quote displays to this side."""
    cdef taken_t *k = &b.taken[side > 0]
    k.quantity = quantity + taken(b, side)
    k.quote_ts = b.quote_ts
    k.price = b.quote.ask if side > 0 else b.quote.bid
    k.size = b.quote.ask_size if side > 0 else b.quote.bid_size


cdef int take(broker_t *b, int64_t ts, const order_t *o, int64_t quantity) noexcept nogil:
    """Fills at the touch, as taker."""
    if quantity == 0:
        return LT_OK
    if fill(b, ts, o, b.quote.ask if o.side > 0 else b.quote.bid, quantity, b.rules.taker_ppb) != LT_OK:
        return LT_ELEDGER
    use_up(b, o.side, quantity)
    return LT_OK


cdef void take_beyond(broker_t *b, int64_t ts, const order_t *o, int64_t quantity) noexcept nogil:
    """Fills what is beyond the displayed size, at the touch moved by the square root of it."""
    cdef double factor = 1.0 + b.rules.impact * sqrt(<double> quantity * 1e-8)
    fill(b, ts, o, b.quote.ask * factor if o.side > 0 else b.quote.bid / factor, quantity, b.rules.taker_ppb)


cdef inline void market_order(broker_t *b, int64_t ts, const order_t *o) noexcept nogil:
    cdef int64_t touch
    if b.rules.impact == 0.0:
        fill(b, ts, o, b.quote.ask if o.side > 0 else b.quote.bid, o.quantity, b.rules.taker_ppb)
        return
    touch = displayed(b, o.side, o.quantity)
    if take(b, ts, o, touch) == LT_OK and touch < o.quantity:
        take_beyond(b, ts, o, o.quantity - touch)


# The queue at a resting order's price

cdef int64_t cancelled_ahead(int64_t ahead, int64_t behind, int64_t cancelled, int power) noexcept nogil:
    """What of the cancelled satoshi was ahead: the share ahead^n / (ahead^n + behind^n)."""
    cdef double a = 1.0, z = 1.0
    cdef int64_t share
    cdef int _
    if ahead == 0 or behind <= 0:
        return cancelled if cancelled < ahead else ahead
    for _ in range(power):
        a *= <double> ahead
        z *= <double> behind
    share = <int64_t> (<double> cancelled * a / (a + z))
    return share if share < ahead else ahead


cdef void see_quote(const broker_t *b, order_t *o) noexcept nogil:
    """What the standing quote shows at the order's price: its size, nothing once the touch is past it, or unknown."""
    cdef double touch = b.quote.bid if o.side > 0 else b.quote.ask
    cdef double size = b.quote.bid_size if o.side > 0 else b.quote.ask_size
    cdef int64_t shown = -1, left
    if o.side * touch < o.side * o.price:
        shown = 0
    elif touch == o.price and size >= 0.0:
        shown = satoshi(size)
    if o.ahead < 0:
        o.ahead = shown
    elif b.rules.queue_power > 0 and shown >= 0:
        left = o.shown - o.traded
        if left > shown:
            o.ahead -= cancelled_ahead(o.ahead, left - o.ahead, left - shown, b.rules.queue_power)
        o.ahead = o.ahead if o.ahead < shown else shown
    o.shown, o.traded = shown, 0


cdef int64_t see_trade(order_t *o, const lt_tick *t, int64_t volume, int64_t *used) noexcept nogil:
    """Satoshi that a trade fills of a resting order; `used` is what it filled of earlier ones at its price."""
    cdef int64_t left, passed
    if o.side * t.price < o.side * o.price:
        return o.quantity
    if t.price != o.price or o.side * t.side > 0:
        return 0
    o.traded = o.traded + volume if o.traded < LT_MICRO_MAX else LT_MICRO_MAX
    if o.ahead < 0:
        return 0
    left = volume - used[0]
    passed = o.ahead if o.ahead < left else left
    o.ahead -= passed
    left -= passed
    left = left if left < o.quantity else o.quantity
    used[0] += left
    return left


# Orders

cdef int64_t latency_of(const broker_t *b, int64_t ts, uint64_t order, int word) noexcept nogil:
    """Nanoseconds from a tick to the arrival of an order (word 0) or of its cancellation (word 1)."""
    cdef const rules_t *r = &b.rules
    cdef int64_t low = 0, high = r.records, middle
    cdef double u, ns
    if r.latency == LATENCY_CONSTANT:
        return r.feed_ns + r.order_ns
    if r.latency == LATENCY_DATED:
        while high - low > 1:
            middle = (low + high) >> 1
            if r.recorded[2 * middle] <= ts:
                low = middle
            else:
                high = middle
        return r.feed_ns + r.recorded[2 * low + 1]
    # the midpoints of 2^52 cells, never 0 or 1
    u = (<double> (lt_philox(r.seed, STREAM_LATENCY, order).word[word] >> 12) + 0.5) * 2.220446049250313e-16
    if r.latency == LATENCY_DRAWN:
        return r.feed_ns + r.recorded[<int64_t> (u * <double> r.records)]
    ns = <double> r.order_ns * lt_exp(r.sigma * lt_normal_quantile(u)) + 0.5
    return r.feed_ns + (<int64_t> ns if ns < <double> LATENCY_MAX else LATENCY_MAX)


cdef inline int64_t event_of(const order_t *o) noexcept nogil:
    return o.arrival if o.state == STATE_SENT else o.cancel


cdef int next_order(const broker_t *b) noexcept nogil:
    """The place of the order whose arrival or cancellation comes first, by (time, id); -1 where nothing will."""
    cdef int i, first = -1
    cdef int64_t soonest = NEVER
    for i in range(b.working):
        if event_of(&b.order[i]) < soonest or (
                event_of(&b.order[i]) == soonest < NEVER and b.order[i].id < b.order[first].id):
            first, soonest = i, event_of(&b.order[i])
    return first


cdef void remove(broker_t *b, int i) noexcept nogil:
    b.book[b.order[i].book].working -= 1
    b.resting -= b.order[i].state != STATE_SENT
    b.working -= 1
    memmove(&b.order[i], &b.order[i + 1], (b.working - i) * sizeof(order_t))


cdef void rest(broker_t *b, int i, int state) noexcept nogil:
    """Puts a sent order behind those that rest already: places go by arrival."""
    cdef order_t o = b.order[i]
    memmove(&b.order[i], &b.order[i + 1], (b.working - 1 - i) * sizeof(order_t))
    o.state, o.ahead, o.shown, o.traded = state, -1, -1, 0
    if state == STATE_RESTING:
        see_quote(b, &o)
    b.order[b.working - 1] = o
    b.resting += 1


cdef inline bint triggered(const broker_t *b, const order_t *o) noexcept nogil:
    return b.quote.ask >= o.price if o.side > 0 else b.quote.bid <= o.price


cdef void arrive(broker_t *b, int i) noexcept nogil:
    """What an order does where it arrives: takes, rests, waits, or is gone."""
    cdef order_t o = b.order[i]
    cdef int64_t quantity
    cdef bint crosses = o.price >= b.quote.ask if o.side > 0 else o.price <= b.quote.bid
    if o.kind == ORDER_STOP and not triggered(b, &o):
        rest(b, i, STATE_ARMED)
    elif o.kind == ORDER_MARKET or o.kind == ORDER_STOP:
        remove(b, i)
        market_order(b, o.arrival, &o)
    elif o.kind == ORDER_POST_ONLY and crosses:
        remove(b, i)
        b.refused[REFUSED_POST_ONLY] += 1
    else:
        quantity = displayed(b, o.side, o.quantity) if crosses else 0
        b.order[i].quantity -= quantity
        if take(b, o.arrival, &o, quantity) != LT_OK or quantity == o.quantity:
            remove(b, i)
        elif o.kind == ORDER_IOC:
            remove(b, i)
            b.refused[REFUSED_LAPSED] += 1
        else:
            rest(b, i, STATE_RESTING)


cdef void broker_arrivals(broker_t *b, int64_t ts) noexcept nogil:
    """Lets happen what arrives before `ts`."""
    cdef int i
    while True:
        i = next_order(b)
        b.next_event = event_of(&b.order[i]) if i >= 0 else NEVER
        if b.next_event >= ts:
            return
        if b.order[i].state == STATE_SENT:
            arrive(b, i)
        else:
            remove(b, i)


cdef void fill_resting(broker_t *b, int i, int64_t ts, int64_t quantity) noexcept nogil:
    """Fills a resting order at its own price, as maker; it stays only where something is left."""
    cdef order_t o = b.order[i]
    b.order[i].quantity -= quantity
    if fill(b, ts, &o, o.price, quantity, b.rules.maker_ppb) != LT_OK or quantity == o.quantity:
        remove(b, i)


cdef void match_stops(broker_t *b, int64_t ts) noexcept nogil:
    cdef order_t o
    cdef int i = 0
    while i < b.working:
        o = b.order[i]
        if o.state == STATE_ARMED and triggered(b, &o):
            remove(b, i)
            market_order(b, ts, &o)
        else:
            i += 1


cdef void match_quote(broker_t *b, int64_t ts) noexcept nogil:
    """A new quote fills what it crosses up to its size, and tells the others how long their queue is."""
    cdef order_t *o
    cdef int64_t quantity
    cdef int side, working, i = 0
    while i < b.working:
        o = &b.order[i]
        working, side = b.working, o.side
        if o.state == STATE_RESTING and (b.quote.ask <= o.price if side > 0 else b.quote.bid >= o.price):
            quantity = displayed(b, side, o.quantity)
            if quantity > 0:
                fill_resting(b, i, ts, quantity)
                use_up(b, side, quantity)
        if b.working == working:
            if o.state == STATE_RESTING:
                see_quote(b, o)
            i += 1


cdef void match_trade(broker_t *b, const lt_tick *t) noexcept nogil:
    cdef int64_t[2] used = [0, 0]
    cdef int64_t volume = satoshi(t.volume), quantity
    cdef int i = 0, working
    while i < b.working:
        working = b.working
        if b.order[i].state == STATE_RESTING:
            quantity = see_trade(&b.order[i], t, volume, &used[b.order[i].side > 0])
            if quantity > 0:
                fill_resting(b, i, t.ts, quantity)
        i += b.working == working


cdef void broker_match(broker_t *b, const lt_tick *t) noexcept nogil:
    """Lets a tick, whose quote then stands, act on the orders at rest: the quote before the trade."""
    b.quote = t
    if t.flags & (LT_QUOTE | LT_NO_QUOTE):
        b.quote_ts = t.ts
    if b.resting == 0:
        return
    match_stops(b, t.ts)
    if t.flags & LT_QUOTE and not t.flags & LT_NO_QUOTE:
        match_quote(b, t.ts)
    if t.flags & LT_TRADE and t.volume > 0.0:
        match_trade(b, t)


cdef void broker_open(broker_t *b, int64_t capital, int books, const rules_t *rules) noexcept nogil:
    """A broker without orders; the capital in equal shares, what cannot be shared in book 0."""
    cdef int k
    memset(b, 0, sizeof(broker_t))
    b.rules, b.books, b.next_event = rules[0], books, NEVER
    b.instant = rules.latency == LATENCY_CONSTANT and rules.feed_ns + rules.order_ns == 0
    for k in range(books):
        b.book[k].capital = b.book[k].cash = capital // books + (capital % books if k == 0 else 0)
        b.book[k].most = LT_MICRO_MAX // books


cdef int64_t broker_send(broker_t *b, int64_t ts, int book, int kind, int side, int64_t quantity, double price,
                         int reason) noexcept nogil:
    """Sends an order at `ts`; without latency it acts at once."""
    cdef order_t o
    cdef int64_t late = 0
    if not b.instant:
        late = latency_of(b, ts, b.order_ids, 0)
    if (kind != ORDER_MARKET or late > 0) and b.working == ORDERS_MAX:
        return -1
    o.id, o.arrival, o.cancel, o.quantity, o.price = b.order_ids, ts + late, NEVER, quantity, price
    o.side, o.kind, o.state, o.reason, o.book = side, kind, STATE_SENT, reason, book
    b.order_ids += 1
    if kind == ORDER_MARKET and late == 0:
        market_order(b, ts, &o)
        return o.id
    o.ahead, o.shown, o.traded = -1, -1, 0
    b.order[b.working] = o
    b.working += 1
    b.book[book].working += 1
    if late == 0:
        arrive(b, b.working - 1)
    elif o.arrival < b.next_event:
        b.next_event = o.arrival
    return o.id


cdef int broker_cancel(broker_t *b, int64_t ts, uint64_t order) noexcept nogil:
    """Sends a cancellation, which does not overtake its order; the first one counts."""
    cdef order_t *o
    cdef int64_t late
    cdef int i
    for i in range(b.working):
        o = &b.order[i]
        if o.id != order:
            continue
        if o.cancel == NEVER:
            late = 0 if b.instant else latency_of(b, ts, order, 1)
            if late == 0 and o.state != STATE_SENT:
                remove(b, i)
                return 0
            o.cancel = ts + late if ts + late > o.arrival else o.arrival
            b.next_event = o.cancel if o.cancel < b.next_event else b.next_event
        return 0
    return -1


cdef void broker_borrow(broker_t *b, int64_t ts) noexcept nogil:
    """Lets short positions pay up to `ts`; what the ledger cannot hold stays due."""
    cdef account_t *a
    cdef int64_t due
    cdef int k
    for k in range(b.books):
        a = &b.book[k]
        due = borrow_due(b, a, ts)
        if due < 0 or not (held(a, a.cash - due) and held(a, a.borrow + due)):
            b.refused[REFUSED_LEDGER] += 1
        else:
            a.cash -= due
            a.borrow += due
            a.borrow_ts = ts


cdef void broker_close(broker_t *b, int64_t ts, int book) noexcept nogil:
    """Lets the book's orders lapse and closes its position whole at the touch."""
    cdef int64_t position = b.book[book].position
    cdef order_t o
    cdef int i = 0
    while i < b.working:
        if b.order[i].book == book:
            remove(b, i)
        else:
            i += 1
    if position != 0:
        o.id, o.book, o.reason = b.order_ids, book, REASON_CLOSE
        o.side = -1 if position > 0 else 1
        b.order_ids += 1
        fill(b, ts, &o, b.quote.ask if position < 0 else b.quote.bid, position if position > 0 else -position,
             b.rules.taker_ppb)


# From Python

cdef object read_latencies(object latencies):
    """A copy of recorded latencies."""
    found = np.array(latencies)
    dated = found.ndim == 2 and found.shape[1] == 2
    if found.dtype.kind not in "iu" or found.size == 0 or not (dated or found.ndim == 1):
        raise ValueError("latencies must be whole ns of shape (n,), or (n, 2) with the time first, n > 0, was "
                         f"{found.dtype} of shape {found.shape}")
    late = found[:, 1] if dated else found
    wrong = late[(late < 0) | (late > LATENCY_MAX)]
    if wrong.size > 0:
        raise ValueError(f"a latency must be from 0 to {LATENCY_MAX} ns, was {wrong[0]}")
    if dated and not (found[0, 0] >= 0 and found[-1, 0] <= LT_TS_MAX and (found[1:, 0] >= found[:-1, 0]).all()):
        raise ValueError("the times of latencies must be from 0 to 2**62 and not go back, was from "
                         f"{found[0, 0]} to {found[-1, 0]}")
    return np.ascontiguousarray(found, np.int64)


cdef uint64_t seed_of(seed) except? 0:
    seed = PyNumber_Index(seed)
    if not 0 <= seed < 1 << 64:
        raise ValueError(f"seed must be from 0 to 2**64 - 1, was {seed}")
    return seed


cdef object rules_open(rules_t *rules, object settings, object seed, object latencies):
    cdef const int64_t[::1] recorded
    memset(rules, 0, sizeof(rules_t))
    rules.taker_ppb = round(settings.taker_bps * PPB_PER_BPS)
    rules.maker_ppb = round(settings.maker_bps * PPB_PER_BPS)
    rules.borrow_ppb = round(settings.borrow_bps_8h * PPB_PER_BPS)
    rules.impact = settings.impact_bps * 1e-4
    rules.feed_ns, rules.order_ns = round(settings.feed_latency_us * 1000), round(settings.latency_us * 1000)
    rules.sigma, rules.seed = settings.latency_sigma, seed_of(seed)
    rules.queue_power = settings.queue_power if settings.queue == "probabilistic" else 0
    if (settings.latency == "recorded") != (latencies is not None):
        raise ValueError("latencies must be given where broker.latency is 'recorded', and nowhere else, was "
                         f"{settings.latency!r} {'without' if latencies is None else 'with'} latencies")
    if latencies is None:
        rules.latency = LATENCY_LOG_NORMAL if settings.latency == "log-normal" else LATENCY_CONSTANT
        return None
    copied = read_latencies(latencies)
    rules.latency = LATENCY_DATED if copied.ndim == 2 else LATENCY_DRAWN
    rules.records = copied.shape[0]
    recorded = copied.reshape(-1)
    rules.recorded = &recorded[0]
    return copied


cdef class PaperBroker:
    """A paper account that takes ticks and orders: the processor's broker, driven by hand.

    Parameters
    ----------
    capital_usd : float
        Cash at the start in USD, 0.01 to 1e12; rounded to a micro-dollar.
    settings : BrokerSettings
        Fees, borrow, impact, latencies, queue.
    books : int
        Accounts, 1 to 8: the capital in equal shares, what cannot be shared in book 0.
    seed : int
        Of drawn latencies, 0 to 2**64 - 1.
    latencies : array_like of int, shape (n,) or (n, 2)
        Where `settings.latency` is "recorded", and nowhere else: nanoseconds, drawn at random; or times and
        nanoseconds, of which the last at or before the sending counts (before the first, the first). Copied.

    Raises
    ------
    ValueError
        If a number is out of range, or `latencies` do not go with the settings.

    Notes
    -----
    What arrives strictly before a tick meets the quote that stood until then, by (arrival, id); then the tick's
    quote acts on resting orders, then its trade. Orders without latency act at once, on the standing quote.

    A market order fills at the touch up to the displayed size (whole where the size is NaN), and beyond it at
    the touch times 1 + c sqrt(BTC beyond) for a buy, divided by it for a sale (the square-root law, as the mean
    price of that part). A resting order is taken at its price by trades that come through the queue ahead of
    it, whole by a trade beyond its price, and by a new quote that reaches it up to the size that shows.
    docs/ARCHITECTURE.md, "Orders", has the rules.

    Notional, fee and borrow are rounded half to even to a micro-dollar, so that cash, position, fees, borrow
    and fills add up to the last unit. A fill that turns the position is two rows.

    References
    ----------
    Torre 1997, BARRA Market Impact Model Handbook. Toth et al. 2011, Physical Review X 1, 021006.

    Examples
    --------
    >>> broker = PaperBroker(1000.0, BrokerSettings(taker_bps=0, latency_us=0))
    >>> broker.quote(0, 99.0, 101.0)
    >>> broker.submit("market", 1, 100_000_000)
    0
    >>> broker.position, broker.cash
    (100000000, 899000000)
    """

    cdef broker_t _b
    cdef lt_tick _quote
    cdef readonly object settings
    cdef object _latencies
    cdef int64_t _period
    cdef uint64_t[LT_BAD_KINDS] _rejected

    def __cinit__(self, capital_usd, settings=None, *, books=1, seed=0, latencies=None):
        cdef rules_t rules
        self.settings = BrokerSettings() if settings is None else settings
        if not isinstance(self.settings, BrokerSettings):
            raise TypeError(f"settings must be BrokerSettings, was {settings!r}")
        books = PyNumber_Index(books)
        if not 1 <= books <= BOOKS_MAX:
            raise ValueError(f"books must be from 1 to {BOOKS_MAX}, was {books}")
        capital = capital_micro(capital_usd)
        self._latencies = rules_open(&rules, self.settings, seed, latencies)
        broker_open(&self._b, capital, books, &rules)
        self._b.fill_capacity = 2 * FILLS_MAX
        self._b.fills = <lt_fill *> calloc(self._b.fill_capacity, sizeof(lt_fill))
        if self._b.fills == NULL:
            raise MemoryError()

    def __dealloc__(self):
        free(self._b.fills)

    cdef int _make_room(self) except -1:
        """Room for all that one tick, or one order, can fill."""
        cdef uint64_t capacity = self._b.fill_capacity
        cdef lt_fill *fills
        if self._b.fill_count + FILLS_MAX > capacity:
            fills = <lt_fill *> realloc(self._b.fills, 2 * capacity * sizeof(lt_fill))
            if fills == NULL:
                raise MemoryError()
            self._b.fills, self._b.fill_capacity = fills, 2 * capacity
        return 0

    cdef void _take(self, const lt_tick *t) noexcept nogil:
        broker_advance(&self._b, t.ts)
        if t.ts >= self._period:
            broker_borrow(&self._b, t.ts)
            self._period = (t.ts // PERIOD_NS + 1) * PERIOD_NS
        broker_match(&self._b, t)

    def advance(self, ticks):
        """Take the ticks of an array: arrivals, resting orders, borrow.

        Parameters
        ----------
        ticks : ndarray of TICK, shape (n,)
            A tick that breaks a rule of validation is counted in `rejected` and changes nothing.

        Returns
        -------
        ndarray of FILL
            The fills since they were last taken.

        Raises
        ------
        TypeError
            If `ticks` is not an array of TICK, contiguous and aligned.
        KeyboardInterrupt
            On Ctrl-C: what was taken counts.
        """
        cdef const unsigned char[::1] raw
        cdef const lt_tick *t
        cdef Py_ssize_t i, n
        cdef int fault
        if (not isinstance(ticks, np.ndarray) or ticks.dtype != TICK or ticks.ndim != 1
                or not ticks.flags.c_contiguous or not ticks.flags.aligned):
            raise TypeError("ticks must be a contiguous one-dimensional array of TICK, aligned, was "
                            f"{getattr(ticks, 'dtype', type(ticks).__name__)}")
        n = len(ticks)
        raw = ticks.view(np.uint8)
        try:
            for i in range(n):
                self._make_room()
                t = <const lt_tick *> &raw[i * sizeof(lt_tick)]
                fault = lt_tick_fault(t, self._quote.ts)
                if fault >= 0:
                    self._rejected[fault] += 1
                else:
                    self._take(t)
                    self._quote.ts = t.ts
                if i % 65_536 == 65_535:
                    PyErr_CheckSignals()
        finally:
            # the array is the caller's; the broker keeps the last quote
            if self._b.quote != NULL and self._b.quote != &self._quote:
                self._quote = self._b.quote[0]
                self._b.quote = &self._quote
        return self.take_fills()

    def quote(self, ts, double bid, double ask, double bid_size=NAN, double ask_size=NAN):
        """Take one new quote; sizes in BTC.

        Raises
        ------
        ValueError
            If the quote is not one the processor would accept, or `ts` goes back.
        """
        cdef lt_tick t
        memset(&t, 0, sizeof(lt_tick))
        t.ts = PyNumber_Index(ts)
        t.bid, t.ask, t.bid_size, t.ask_size, t.flags = bid, ask, bid_size, ask_size, LT_QUOTE
        t.price = 0.5 * bid + 0.5 * ask
        fault = lt_tick_fault(&t, self._quote.ts)
        if fault >= 0:
            raise ValueError(f"a quote must have 0 < bid <= ask, sizes >= 0 and ts from {self._quote.ts} on, was "
                             f"{(ts, bid, ask, bid_size, ask_size)!r} ({Rejection(fault).name.lower()})")
        self._make_room()
        self._take(&t)
        self._quote = t
        self._b.quote, self._b.quote_ts = &self._quote, t.ts

    def submit(self, kind, side, quantity, price=None, *, book=0):
        """Send an order now, at the time of the last tick.

        Parameters
        ----------
        kind : {"market", "limit", "post-only", "ioc", "stop"}
            A limit order takes what is displayed within its price and rests with what is left; post-only is
            refused, and counted, where it would take; ioc does not rest; a stop becomes a market order when the
            ask rises to its price (a buy) or the bid falls to it (a sale).
        side : int
            +1 buys, -1 sells.
        quantity : int
            Satoshi, 1 to 2.1e15.
        price : float, optional
            Limit or trigger in USD, 1e-12 to 1e15; none for a market order.
        book : int
            The account that trades.

        Returns
        -------
        int
            The order's id.

        Raises
        ------
        OrderError
            If an argument is out of range, no quote stands yet, or 64 orders are working.
        """
        cdef int64_t order
        if kind not in ORDER_KINDS:
            raise OrderError(f"kind must be one of {', '.join(ORDER_KINDS)}, was {kind!r}")
        if side not in (1, -1):
            raise OrderError(f"side must be 1 or -1, was {side!r}")
        if not hasattr(quantity, "__index__") or not 1 <= quantity <= QUANTITY_MAX:
            raise OrderError(f"quantity must be from 1 to {QUANTITY_MAX} satoshi, was {quantity!r}")
        if (price is None) != (kind == "market"):
            raise OrderError(f"price must be given but for a market order, was {price!r} for kind {kind!r}")
        if price is not None and not (hasattr(price, "__float__") and LT_PRICE_MIN <= price <= LT_PRICE_MAX):
            raise OrderError(f"price must be from {LT_PRICE_MIN} to {LT_PRICE_MAX}, was {price!r}")
        if book not in range(self._b.books):
            raise OrderError(f"book must be from 0 to {self._b.books - 1}, was {book!r}")
        if self._b.quote == NULL:
            raise OrderError("an order needs a standing quote, was none")
        self._make_room()
        order = broker_send(&self._b, self._quote.ts, book, ORDER_KINDS.index(kind), side, quantity,
                            NAN if price is None else price, REASON_ENTRY)
        if order < 0:
            raise OrderError(f"at most {ORDERS_MAX} orders may be working, was {self._b.working}")
        return order

    def cancel(self, order):
        """Send the cancellation of an order; it takes an order's latency to arrive, and never overtakes its order.

        Returns
        -------
        bool
            Whether the order was still working.

        Raises
        ------
        OrderError
            If there never was an order of this id.
        """
        if not hasattr(order, "__index__") or not 0 <= order < self._b.order_ids:
            raise OrderError(f"order must be an id that submit returned, was {order!r}")
        return broker_cancel(&self._b, self._quote.ts, order) == 0

    def close(self):
        """Let every working order lapse, and close every position whole at the touch."""
        cdef int k
        if self._b.quote == NULL:
            return
        self._make_room()
        for k in range(self._b.books):
            broker_close(&self._b, self._quote.ts, k)

    def take_fills(self):
        """Return the fills since they were last taken, a FILL array."""
        out = np.empty(self._b.fill_count, FILL)
        cdef unsigned char[::1] o = out.view(np.uint8)
        if self._b.fill_count:
            memcpy(&o[0], self._b.fills, self._b.fill_count * sizeof(lt_fill))
        self._b.fill_count = 0
        return out

    def account(self, book=0):
        """Return the ledger of one book.

        Raises
        ------
        OrderError
            If there is no such book.
        """
        if book not in range(self._b.books):
            raise OrderError(f"book must be from 0 to {self._b.books - 1}, was {book!r}")
        cdef account_t *a = &self._b.book[book]
        return Account(a.capital, a.cash, a.position, a.fees, a.borrow, a.gross, a.net, a.trades, a.wins)

    def equity(self, double mid):
        """Cash and position at `mid`, in USD; borrow that is not charged yet is not taken off."""
        cdef double total = 0.0
        cdef int k
        for k in range(self._b.books):
            total += account_equity(&self._b.book[k], mid)
        return total * 1e-6

    cdef object _total(self, str name):
        return sum([getattr(self.account(k), name) for k in range(self._b.books)])

    @property
    def orders(self):
        """The working orders by id, a list of WorkingOrder."""
        cdef order_t *o
        cdef int i
        out = []
        for i in range(self._b.working):
            o = &self._b.order[i]
            queued = o.state == STATE_RESTING and o.ahead >= 0
            out.append(WorkingOrder(o.id, o.book, ORDER_KINDS[o.kind], o.side, o.quantity,
                                    None if o.kind == ORDER_MARKET else o.price, ORDER_STATES[o.state],
                                    o.ahead if queued else None))
        return sorted(out)

    @property
    def ts(self):
        """Time of the last tick in ns."""
        return self._quote.ts

    @property
    def cash(self):
        """Cash in micro-USD, of all books as are the other amounts here."""
        return self._total("cash")

    @property
    def position(self):
        """Position in satoshi."""
        return self._total("position")

    @property
    def fees(self):
        """Fees paid so far in micro-USD, less rebates."""
        return self._total("fees")

    @property
    def borrow(self):
        """What short positions have paid so far, in micro-USD."""
        return self._total("borrow")

    @property
    def gross(self):
        """Profit of the closed trades before fees and borrow, in micro-USD."""
        return self._total("gross")

    @property
    def net(self):
        """Profit of the closed trades after fees and borrow, in micro-USD."""
        return self._total("net")

    @property
    def trades(self):
        """Round trips closed."""
        return self._total("trades")

    @property
    def wins(self):
        """Round trips with a net profit."""
        return self._total("wins")

    @property
    def refused(self):
        """How often the ledger could not hold an amount, a post-only order would have taken, an ioc order lapsed."""
        return {"ledger": self._b.refused[REFUSED_LEDGER], "post_only": self._b.refused[REFUSED_POST_ONLY],
                "lapsed": self._b.refused[REFUSED_LAPSED]}

    @property
    def rejected(self):
        """Ticks that broke a rule, by kind."""
        return {kind.name.lower(): self._rejected[<int> kind] for kind in Rejection}
