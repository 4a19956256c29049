"""The path of a tick said plainly: one tick after another, windows in full, money in whole numbers.

Written from the specification (the rules of a tick; catalogue rows 41, 101, 111, 121, 141, 201, 211, 218,
260, 333 and 334) for the tests of the compiled path, which must agree: whole numbers and fills exactly, the
rest to 1e-9.
"""

from collections import Counter, deque
from collections.abc import Iterable
from fractions import Fraction
from math import exp, floor, isfinite, isnan, log, log1p, nan, sqrt
from typing import Any

import numpy as np

from livetrading.core.dtypes import FILL, RESULT, Reason
from livetrading.core.settings import BrokerSettings, Settings, horizons

DAY_NS = 86_400 * 10**9
PERIOD_NS = DAY_NS // 3
SAMPLE = 16


def sign(x: float) -> int:
    return (x > 0) - (x < 0)


def log_ratio(p: float, q: float) -> float:
    return log1p((p - q) / q)


def half_even(amount: Fraction) -> int:
    """Round to a whole number, halves to the even one (what round of a Fraction does)."""
    return round(amount)


def notional_micro(price: float, satoshi: int) -> int:
    """Micro-dollars that this many satoshi cost."""
    return half_even(Fraction(price) * satoshi / 100)


def fee_micro(notional: int, bps: float) -> int:
    return half_even(Fraction(notional) * round(bps * 100_000) / 10**9)


class Ewma:
    """Seeded with its first value."""

    def __init__(self, alpha: float) -> None:
        self.alpha, self.value = alpha, nan

    def push(self, x: float) -> None:
        self.value = x if isnan(self.value) else self.value + self.alpha * (x - self.value)


class TradeSide:
    """Its own side, else that of the last price change (catalogue: SIGN)."""

    def __init__(self) -> None:
        self.price, self.side = nan, 0

    def of(self, price: float, side: int) -> int:
        if side != 0:
            self.side = sign(side)
        elif price > self.price:
            self.side = 1
        elif price < self.price:
            self.side = -1
        self.price = price
        return self.side


class OrderFlow:
    """121. A voter has `value` (its column), `magnitude` (which its entry level is held to) and `signal`."""

    start = 1.5

    def __init__(self, window: int) -> None:
        self.e: deque[float] = deque(maxlen=window)
        self.quote: tuple[float, float, float, float] | None = None
        self.value = self.magnitude = nan
        self.signal = 0

    def push(self, bid: float, ask: float, qb: float, qa: float, level: float) -> None:
        before, self.quote = self.quote, (bid, ask, qb, qa)
        if before is None:
            return
        bid0, ask0, qb0, qa0 = before
        e = (bid >= bid0) * qb - (bid <= bid0) * qb0 - (ask <= ask0) * qa + (ask >= ask0) * qa0
        self.e.append(e)
        if len(self.e) < (self.e.maxlen or 0):
            return
        window = np.array(self.e)
        self.value, squares = float(window.sum()), float((window**2).sum())
        z = self.value / sqrt(squares) if squares > 0 else 0.0
        self.magnitude = abs(z)
        self.signal = sign(z) if abs(z) > level else 0


class ZScore:
    """141, with the state machine HYST(z, level, 0)."""

    start = 2.0

    def __init__(self, window: int) -> None:
        self.prices: deque[float] = deque(maxlen=window)
        self.value = self.magnitude = nan
        self.signal = 0

    def push(self, mid: float, level: float) -> None:
        self.prices.append(mid)
        if len(self.prices) < (self.prices.maxlen or 0):
            return
        # less one of the prices, which is exact where they are close: the mean of 60,000s has lost the cents
        window = np.array(self.prices) - mid
        mean, sd = float(window.mean()), float(window.std())
        z = -mean / sd if sd > 1e-12 * (mid + mean) else 0.0
        self.value, self.magnitude = z, abs(z)
        if self.signal == 0 or (self.signal < 0 and z <= 0) or (self.signal > 0 and z >= 0):
            leaving = self.signal
            self.signal = 0
            if z >= level and leaving >= 0:
                self.signal = -1
            elif z <= -level and leaving <= 0:
                self.signal = 1


class Drift:
    """41."""

    start, q, min_obs = 1.0, 0.001, 50

    def __init__(self) -> None:
        self.m, self.a, self.p = 0, 0.0, 1.0
        self.scores = 0.0
        self.value = self.magnitude = nan
        self.signal = 0

    def push(self, r: float, level: float) -> None:
        self.m += 1
        if self.m == 1:
            self.a = r
            return
        prior = self.p + self.q
        f = prior + 1
        nu, k = r - self.a, prior / f
        self.a += k * nu
        self.p = prior * (1 - k)
        self.scores += nu * nu / f
        if self.m < self.min_obs:
            return
        sigma2 = self.scores / (self.m - 1)
        z = self.a / sqrt(sigma2 * self.p) if sigma2 > 1e-24 else 0.0
        self.value, self.magnitude = self.a, abs(z)
        self.signal = sign(z) if abs(z) >= level else 0


class PriceLevel:
    """201."""

    start, n, least = 2.0, 200, 0.01

    def __init__(self) -> None:
        self.returns: deque[float] = deque(maxlen=self.n)
        self.m = self.p = nan
        self.value = self.magnitude = nan
        self.signal = 0

    def push(self, mid: float, r: float, level: float) -> None:
        self.returns.append(r)
        if len(self.returns) < self.n:
            return
        w = np.array(self.returns)
        g0, g1 = float((w * w).sum()) / self.n, float((w[1:] * w[:-1]).sum()) / self.n
        noise = min(max(-g1, self.least * g0), g0 / 2)
        q = max(g0 - 2 * noise, self.least * g0)
        x = log(mid)
        if isnan(self.m) or g0 == 0:
            self.m, self.p = x, noise if g0 > 0 else 0.0
            self.magnitude, self.signal = nan, 0
        else:
            prior = self.p + q
            f = prior + noise
            k, v = prior / f, x - self.m
            self.m += k * v
            self.p = (1 - k) * prior
            u = v / sqrt(f)
            self.magnitude = abs(u)
            self.signal = (-sign(u) if noise > q else sign(u)) if abs(u) > level else 0
        self.value = exp(self.m)


class MicroPrice:
    """260; its column is the weighted mid."""

    start = 0.1

    def __init__(self) -> None:
        self.smooth = Ewma(1 - 2 ** (-1 / 8))
        self.value = self.magnitude = nan
        self.signal = 0

    def push(self, bid: float, ask: float, qb: float, qa: float, level: float) -> None:
        self.value = (bid * qa + ask * qb) / (qb + qa)
        self.smooth.push(self.value)
        away, spread = self.value - self.smooth.value, ask - bid
        self.magnitude = abs(away) / spread
        self.signal = sign(away) if abs(away) > level * spread else 0


class FlowMomentum:
    start = 0.2

    def __init__(self) -> None:
        self.sides = TradeSide()
        self.signed, self.total = Ewma(1 - 2 ** (-1 / 20)), Ewma(1 - 2 ** (-1 / 200))
        self.value = self.magnitude = nan
        self.signal = 0

    def push(self, price: float, volume: float, side: int, level: float) -> None:
        self.signed.push(self.sides.of(price, side) * volume)
        self.total.push(volume)
        if not self.total.value > 0:
            return
        self.value = self.signed.value / self.total.value
        self.magnitude = abs(self.value)
        self.signal = sign(self.value) if self.magnitude > level else 0


class Deviation:
    start = 0.02

    def __init__(self) -> None:
        self.value = self.magnitude = nan
        self.signal = 0

    def push(self, mid: float, true_price: float, level: float) -> None:
        self.value = log(mid / true_price) if true_price > 0 else nan
        self.magnitude = abs(self.value)
        self.signal = -sign(self.value) if self.magnitude > level else 0


class Said:
    """The caller's own voter: the sign of what it says."""

    start = 1.0

    def __init__(self) -> None:
        self.magnitude, self.signal = nan, 0

    def push(self, said: float, level: float) -> None:
        self.signal = sign(said)


class Trend:
    """(EMA_20 - EMA_50) / (mid x volatility); `side` where it is beyond 2."""

    def __init__(self) -> None:
        self.fast, self.slow = Ewma(2 / 21), Ewma(2 / 51)
        self.count = self.side = 0

    def push(self, mid: float, variance: float) -> None:
        self.fast.push(mid)
        self.slow.push(mid)
        self.count += 1
        self.side = 0
        if self.count >= 50 and variance > 1e-24:
            strength = (self.fast.value - self.slow.value) / (mid * sqrt(variance))
            self.side = sign(strength) if abs(strength) > 2 else 0


class Cusum:
    """218, events from the second return on."""

    def __init__(self) -> None:
        self.up = self.down = 0.0

    def push(self, r: float, variance_before: float) -> int:
        self.up, self.down = max(0.0, self.up + r), min(0.0, self.down + r)
        if not variance_before > 0:
            return 0
        h = 3 * sqrt(variance_before)
        if self.down < -h:
            self.down = 0.0
            return -1
        if self.up > h:
            self.up = 0.0
            return 1
        return 0


class Kyle:
    """101, every trade a bar."""

    def __init__(self) -> None:
        self.sides = TradeSide()
        self.pairs: deque[tuple[float, float]] = deque(maxlen=50)
        self.last, self.value = nan, nan

    def push(self, price: float, volume: float, side: int) -> None:
        flow = self.sides.of(price, side) * volume
        if not isnan(self.last):
            self.pairs.append((flow, price - self.last))
        self.last = price
        if len(self.pairs) < 50:
            return
        q, d = np.array(self.pairs).T
        if q.std() <= 1e-12 * np.abs(q).max():
            return
        dq = q - q.mean()
        flat = d.std() <= 1e-12 * np.abs(d).max()
        self.value = 0.0 if flat else float((dq * (d - d.mean())).sum() / (dq * dq).sum())


class Vpin:
    """111 with buckets of 1 BTC."""

    def __init__(self) -> None:
        self.sides = TradeSide()
        self.filled = self.bought = 0.0
        self.imbalances: deque[float] = deque(maxlen=50)
        self.past: deque[float] = deque(maxlen=200)
        self.value, self.passes = nan, True

    def push(self, price: float, volume: float, side: int) -> None:
        share = (1 + self.sides.of(price, side)) / 2
        while self.filled + volume >= 1 - 1e-12:
            room = 1 - self.filled
            self.bought += share * room
            volume = max(0.0, volume - room)
            self.close_bucket()
        if volume < 1e-12:
            volume = 0.0
        self.filled += volume
        self.bought += share * volume

    def close_bucket(self) -> None:
        self.imbalances.append(abs(2 * self.bought - 1))
        self.filled = self.bought = 0.0
        if len(self.imbalances) == 50:
            self.value = float(np.mean(self.imbalances))
            # fifty equal numbers in another order have another sum: a tie is a tie to 1e-12
            self.passes = len(self.past) < 50 or self.value < float(np.quantile(self.past, 0.9)) * (1 - 1e-12)
            self.past.append(self.value)


class EntryLevel:
    """Quantile 0.9 of a magnitude, half-life 4,096 ticks, by steps in proportion (Yazidi and Hammer 2017)."""

    def __init__(self, start: float, adaptive: bool) -> None:
        self.level, self.least, self.adaptive = start, start / 100, adaptive
        self.step = (1 - 2 ** (-SAMPLE / 4096)) / 0.33923

    def sample(self, magnitude: float) -> None:
        if self.adaptive and isfinite(magnitude):
            self.level *= 1 + 0.9 * self.step if magnitude > self.level else 1 - 0.1 * self.step
            self.level = max(self.level, self.least)


class Jury:
    """333. `learn` resolves votes, `refresh` takes what was learnt as what weighs, `log_odds` weighs."""

    a0 = b0 = 10.0
    lam, nu, cap = 0.999, 50.0, 2.0

    def __init__(self, voters: int) -> None:
        k = self.voters = voters
        self.a, self.b = np.full(k, self.a0), np.full(k, self.b0)
        self.joint, self.cross, self.square = np.zeros((3, k, k))
        self.refresh()

    def learn(self, votes: np.ndarray, truth: int) -> None:
        right, cast = votes == truth, votes != 0
        d = np.where(right, 1.0, 0.0) - self.a / (self.a + self.b)
        both = np.outer(cast, cast) & ~np.eye(self.voters, dtype=bool)
        for sums, new in ((self.joint, np.ones_like(both)), (self.cross, np.outer(d, d)),
                          (self.square, np.outer(d * d, np.ones(self.voters)))):  # fmt: skip
            sums[both] = self.lam * sums[both] + new[both]
        self.a[cast] = self.a0 + self.lam * (self.a[cast] - self.a0) + right[cast]
        self.b[cast] = self.b0 + self.lam * (self.b[cast] - self.b0) + ~right[cast]

    def refresh(self) -> None:
        self.p = self.a / (self.a + self.b)
        self.own = np.log(self.a / self.b)
        scale = np.sqrt(self.square * self.square.T)
        known = scale > 0
        self.r = np.where(
            known, self.cross / np.where(known, scale, 1.0) * self.joint / (self.joint + self.nu), 0.0
        )
        np.fill_diagonal(self.r, 1.0)
        self.weighed: dict[bytes, float] = {}

    def log_odds(self, votes: np.ndarray) -> float:
        key = votes.tobytes()
        if key not in self.weighed:
            self.weighed[key] = self.weigh(votes)
        return self.weighed[key]

    def weigh(self, votes: np.ndarray) -> float:
        v = np.flatnonzero(votes)
        if v.size == 0:
            return 0.0
        r = self.r[np.ix_(v, v)]
        least = np.linalg.eigvalsh(r)[0]
        if least < 0.01:
            r = (r + (0.01 - least) * np.eye(v.size)) / (1.01 - least)
        m, own = 2 * self.p[v] - 1, self.own[v]
        z = m / np.sqrt(1 - m * m)
        phi = np.where(np.abs(m) < 1e-6, 2.0, own / np.where(z == 0, 1.0, z))
        w = phi * np.linalg.solve(r, z)
        w = np.where(w * own < 0, 0.0, np.where(np.abs(w) > self.cap * np.abs(own), self.cap * own, w))
        return float(w @ votes[v])


class Ledger:
    """Cash in micro-dollars and position in satoshi, from fills and what is borrowed alone."""

    def __init__(self, micro: int, broker: BrokerSettings) -> None:
        self.cash = micro
        self.broker = broker
        self.position = self.fees = self.borrow = self.gross = self.net = self.trades = self.wins = 0
        self.since = 0
        self.entry_price = nan
        self.returns: list[float] = []

    def pay_borrow(self, ts: int, quote: Any) -> None:
        """What a short owes since it last paid: a share of its notional at the mid for eight hours."""
        if self.position < 0 and ts > self.since:
            notional = notional_micro(quote["bid"] / 2 + quote["ask"] / 2, -self.position)
            share = Fraction(round(self.broker.borrow_bps_8h * 100_000), 10**9)
            owed = half_even(notional * share * Fraction(ts - self.since, PERIOD_NS))
            self.cash -= owed
            self.borrow += owed
        self.since = ts

    def fill(self, ts: int, price: float, quantity: int, side: int, quote: Any) -> int:
        """Book a fill; its fee."""
        self.pay_borrow(ts, quote)
        notional = notional_micro(price, quantity)
        fee = fee_micro(notional, self.broker.taker_bps)
        held = abs(self.position)
        if held == 0:
            self.open_cash, self.open_costs = self.cash, self.fees + self.borrow
            self.staked, self.entry_price = 0, price
        if self.position * side >= 0:
            self.staked += notional
        if self.position * side > 0:
            self.entry_price = (self.entry_price * held + price * quantity) / (held + quantity)
        self.cash -= side * notional + fee
        self.position += side * quantity
        self.fees += fee
        if self.position == 0:
            profit = self.cash - self.open_cash
            self.trades += 1
            self.wins += profit > 0
            self.net += profit
            self.gross += profit + self.fees + self.borrow - self.open_costs
            self.returns.append(profit / self.staked if self.staked else 0.0)
        return fee


def realised_kelly(returns: list[float]) -> float:
    """211's value over the last 100 closed trades; NaN before there are as many."""
    t = np.array(returns[-100:])
    if t.size < 100:
        return nan
    gains, losses = t[t > 0], -t[t < 0]
    if gains.size == 0:
        return 0.0
    p = gains.size / t.size
    full = p if losses.size == 0 else p - (1 - p) / (gains.mean() / losses.mean())
    return min(0.25, 0.5 * max(0.0, float(full)))


class Book:
    """One horizon: its own windows of 121 and 141, vote, record, exits and money."""

    def __init__(self, settings: Settings, number: int, window: int, micro: int) -> None:
        on, adaptive = settings.signals.voters, settings.signals.adaptive
        own = {"ofi": OrderFlow(window), "z_score": ZScore(window)}
        self.formula = {name: voter for name, voter in own.items() if name in on}
        self.level = {name: EntryLevel(voter.start, adaptive) for name, voter in own.items()}
        self.number, longer = number, window / settings.signals.window
        self.h = max(1, round(settings.vote.h * longer))
        self.wider, exits = sqrt(longer), settings.exits
        self.hold = max(1, round(exits.hold_ticks * longer)) if exits.hold_ticks else 0
        self.gain, self.stop = (exits.take_profit_bps * 1e-4 * self.wider, exits.stop_bps * 1e-4 * self.wider)
        self.trail = exits.trail_activate_bps * 1e-4 * self.wider
        self.jury = Jury(len(on))
        self.cast: tuple[np.ndarray, float] | None = None
        self.ledger = Ledger(micro, settings.broker)
        self.pending: tuple[int, int, int, int, Reason] | None = None
        self.bin, self.outcomes = 0, [[0, 0] for _ in range(16)]

    def push(self, name: str, *values: float) -> None:
        if name in self.formula:
            self.formula[name].push(*values, self.level[name].level)


class ReferencePath:
    """Takes ticks by `tick`, keeps the rows and fills that the compiled path should give."""

    def __init__(self, settings: Settings, capital_usd: float) -> None:
        self.settings = settings
        on = self.voters = settings.signals.voters
        adaptive = settings.signals.adaptive
        windows = horizons(settings)
        micro = round(capital_usd * 10**6)
        shares = [
            micro // len(windows) + (micro % len(windows) if k == 0 else 0) for k in range(len(windows))
        ]
        self.books = [Book(settings, k, w, c) for k, (w, c) in enumerate(zip(windows, shares, strict=True))]
        self.weights = [1 / len(windows)] * len(windows)
        shared: dict[str, Any] = {
            "kalman_drift": Drift(), "kalman_level": PriceLevel(), "microprice": MicroPrice(),
            "flow_momentum": FlowMomentum(), "deviation": Deviation(), "user": Said(),
        }  # fmt: skip
        self.formula = {name: voter for name, voter in shared.items() if name in on}
        self.deviation = shared["deviation"]
        self.level = {name: EntryLevel(voter.start, adaptive) for name, voter in shared.items()}
        self.vol, self.trend, self.cusum = Ewma(0.06), Trend(), Cusum()
        self.kyle, self.vpin = Kyle(), Vpin()
        self.event = self.index = self.last_ts = self.quote_ts = 0
        self.filled: list[tuple[Any, ...]] = []
        self.equity = self.peak = self.day_equity = micro / 1e6
        self.max_drawdown, self.braked, self.halted, self.day, self.period = 0.0, False, False, -1, -1
        self.mid = nan
        self.quote: Any = None
        self.taken: dict[int, tuple[Any, int]] = {1: (None, 0), -1: (None, 0)}
        self.closed: set[int] = set()
        self.executed = False
        self.order_ts: list[int] = []
        self.rejected: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.rows: list[tuple[Any, ...]] = []

    # Validation

    def fault(self, t: Any) -> str | None:
        def bad_price(p: float) -> bool:
            return not 1e-12 <= p <= 1e15

        def bad_size(q: float) -> bool:
            return q < 0 or q > 1e15

        unquoted = not t["flags"] & 5 and isnan(t["bid"]) and isnan(t["ask"])
        if bad_price(t["price"]) or (not unquoted and (bad_price(t["bid"]) or bad_price(t["ask"]))):
            return "price"
        if t["bid"] > t["ask"]:
            return "crossed"
        if t["ts"] < self.last_ts or t["ts"] > 2**62:
            return "time"
        if bad_size(t["bid_size"]) or bad_size(t["ask_size"]) or bad_size(t["volume"]) or isnan(t["volume"]):
            return "size"
        return "no_quote" if unquoted else None

    # Formulas

    def push(self, name: str, *values: float) -> None:
        if name in self.formula:
            self.formula[name].push(*values, self.level[name].level)

    def feed(self, t: Any, mid: float, true_price: float, said: int) -> None:
        for book in self.books:
            book.push("z_score", mid)
        self.push("user", said)
        self.deviation.push(mid, true_price, self.level["deviation"].level)
        quote = (t["bid"], t["ask"], t["bid_size"], t["ask_size"])
        if t["flags"] & 1 and t["ask"] > t["bid"] and t["bid_size"] >= 0 and t["ask_size"] >= 0:
            for book in self.books:
                book.push("ofi", *quote)
            if t["bid_size"] > 0 and t["ask_size"] > 0:
                self.push("microprice", *quote)
        self.event = 0
        if self.index == 0:
            self.trend.push(mid, nan)
        elif mid != self.mid:
            r = log_ratio(mid, self.mid)
            self.event = self.cusum.push(r, self.vol.value)
            self.vol.push(r * r)
            self.trend.push(mid, self.vol.value)
            self.push("kalman_drift", r)
            self.push("kalman_level", mid, r)
        self.mid = mid
        if t["flags"] & 2:
            trade = (t["price"], t["volume"], t["side"])
            self.kyle.push(*trade)
            self.vpin.push(*trade)
            self.push("flow_momentum", *trade)
        if self.index % SAMPLE == 0:
            for owner in (self, *self.books):
                for name, formula in owner.formula.items():
                    owner.level[name].sample(formula.magnitude)

    # Vote

    def vote(self, book: Book) -> int:
        rule = self.settings.vote
        votes = np.array([(book.formula.get(name) or self.formula[name]).signal for name in self.voters])
        if rule.kind == "majority":
            book.log_odds = nan
            side = sign(int(votes.sum()))
        else:
            if self.index % book.h == 0:
                if book.cast is not None and self.mid != book.cast[1]:
                    book.jury.learn(book.cast[0], sign(self.mid - book.cast[1]))
                book.cast = votes, self.mid
            if self.index % rule.refresh == 0:
                book.jury.refresh()
            book.log_odds = book.jury.log_odds(votes)
            up = 1 / (1 + exp(-book.log_odds))
            side = 1 if up >= rule.p_min else -1 if up <= 1 - rule.p_min else 0
        if np.count_nonzero(votes) < rule.k_min:
            return 0
        against_trend = self.settings.signals.gate_trend and side != 0 and self.trend.side == -side
        toxic = self.settings.signals.gate_vpin and not self.vpin.passes
        return 0 if against_trend or toxic else side

    # Account

    @property
    def cash(self) -> int:
        return sum(book.ledger.cash for book in self.books)

    @property
    def position(self) -> int:
        return sum(book.ledger.position for book in self.books)

    def mark(self) -> None:
        self.equity = (self.cash + self.position * 0.01 * self.mid) / 1e6
        self.peak = max(self.peak, self.equity)
        drawdown = 1 - self.equity / self.peak
        self.max_drawdown = max(self.max_drawdown, drawdown)
        if drawdown >= self.settings.sizing.max_drawdown * (1 - 1e-12):
            self.braked = True
        elif drawdown <= 0.1:
            self.braked = False

    def send(self, book: Book, ts: int, side: int, quantity: int, reason: Reason) -> None:
        order = len(self.order_ts)
        self.order_ts.append(ts)
        broker = self.settings.broker
        delay = round(broker.feed_latency_us * 1000) + round(broker.latency_us * 1000)
        book.pending = (ts + delay, order, side, quantity, reason)
        if delay == 0:
            self.execute(book)
            self.settle()

    def execute(self, book: Book) -> None:
        """Fills at the touch that stands, up to the size shown, and beyond it at its impact."""
        assert book.pending is not None
        ts, order, side, wanted, reason = book.pending
        book.pending = None
        size = self.quote["ask_size"] if side > 0 else self.quote["bid_size"]
        touch = self.quote["ask"] if side > 0 else self.quote["bid"]
        shown, impact = wanted, self.settings.broker.impact_bps * 1e-4
        if reason is not Reason.CLOSE and not isnan(size) and impact > 0:
            # recorded sizes are decimals: 0.29 BTC are 29,000,000 sat, although 0.29 * 1e8 is a little less
            shown = min(wanted, floor(size * 1e8 + 1e-6) - self.used(side))
        self.taken[side] = self.showing(side), self.used(side) + shown
        worse = 1 + impact * sqrt((wanted - shown) * 1e-8)
        flat = book.ledger.position == 0
        beyond = touch * worse if side > 0 else touch / worse
        for price, quantity in ((touch, shown), (beyond, wanted - shown)):
            if quantity > 0:
                fee = book.ledger.fill(ts, price, quantity, side, self.quote)
                self.filled.append(
                    (len(self.filled), ts, order, price, quantity, fee, side, int(reason), book.number)
                )
        if flat:
            book.entry_index, book.best, book.trailing = self.index, book.ledger.entry_price, False
        elif book.ledger.position == 0:
            seen = book.outcomes[book.bin]
            seen[0] += 1
            seen[1] += book.ledger.returns[-1] > 0
            self.closed.add(book.number)
        self.executed = True

    def showing(self, side: int) -> tuple[int, float, float]:
        """What tells a quote of one side from another: when it came, its price and its size."""
        name = "ask" if side > 0 else "bid"
        return self.quote_ts, self.quote[name], self.quote[f"{name}_size"]

    def used(self, side: int) -> int:
        """Satoshi that orders have taken of the standing quote."""
        quote, used = self.taken[side]
        return used if quote == self.showing(side) else 0

    def settle(self) -> None:
        """After what arrived in one go, or one order at once: weights and cash move, equity is marked."""
        if not self.executed:
            return
        if len(self.books) > 1 and self.closed:
            for k in sorted(self.closed):
                self.weigh_books(k)
            self.share_cash()
        self.closed.clear()
        self.executed = False
        self.mark()

    def weigh_books(self, k: int) -> None:
        """Exponentiated gradient over the books' growth, of which only this one's is not 1."""
        ledger = self.books[k].ledger
        if ledger.open_cash <= 0:
            return
        growth = [max(0, ledger.cash) / ledger.open_cash if i == k else 1.0 for i in range(len(self.books))]
        mean = sum(w * x for w, x in zip(self.weights, growth, strict=True))
        risen = [w * exp(0.05 * (x - max(growth)) / mean) for w, x in zip(self.weights, growth, strict=True)]
        self.weights = [w / sum(risen) for w in risen]

    def share_cash(self) -> None:
        """Who is idle gets what its weight is of the idle cash, the first of them what rounding leaves."""
        idle = [b for b in self.books if b.ledger.position == 0 and b.pending is None]
        total, weight = sum(b.ledger.cash for b in idle), sum(self.weights[b.number] for b in idle)
        if not idle or total <= 0:
            return
        for b in idle[1:]:
            b.ledger.cash = floor(total * (self.weights[b.number] / weight))
        idle[0].ledger.cash = total - sum(b.ledger.cash for b in idle[1:])

    # Entries

    def limit(self, t: Any) -> str | None:
        limits, ts = self.settings.limits, t["ts"]
        stale = round(limits.stale_s * 1e9)
        if self.halted:
            return "halted"
        if self.braked:
            return "drawdown"
        if self.equity <= self.day_equity * (1 - limits.daily_loss):
            return "daily_loss"
        if (self.index > 0 and ts - self.last_ts > stale) or ts - self.quote_ts > stale:
            return "stale"
        if t["bid"] == t["ask"] and not t["flags"] & 4:
            return "locked"
        if sum(ts - sent < 10**9 for sent in self.order_ts[-limits.orders_per_s :]) >= limits.orders_per_s:
            return "rate"
        return None

    def kelly(self, book: Book, costs: float) -> str | None:
        rule = self.settings.sizing
        gain, stop = book.gain, book.stop
        book.bin = min(15, floor(4 * abs(book.log_odds)))
        seen, won = book.outcomes[book.bin]
        if rule.calibrate and seen >= 50:
            p = (1 + won) / (2 + seen)
        else:
            p = 1 / (1 + exp(-(log(stop / gain) + abs(book.log_odds))))
        b = (gain - costs) / (stop + costs)
        full = p - (1 - p) / b if b > 0 else 0.0
        if full <= 0:
            return "no_edge"
        realised = realised_kelly(book.ledger.returns)
        if realised == 0:
            return "realised"
        f = min([rule.kelly * full, rule.max_fraction] + ([] if isnan(realised) else [realised]))
        alpha, drawdown = 1 - rule.max_drawdown, 1 - self.equity / self.peak
        self.asked = f * max(0.0, (1 - alpha / (1 - drawdown)) / (1 - alpha))
        return "drawdown" if self.asked == 0 else None

    def kelly_size(self, book: Book, t: Any, side: int) -> tuple[int, str | None]:
        """Sized by the spread and fees, and again where the order is larger than what is shown."""
        broker, cash = self.settings.broker, book.ledger.cash / 1e6
        touch, size = (t["ask"], t["ask_size"]) if side > 0 else (t["bid"], t["bid_size"])
        costs = (t["ask"] - t["bid"]) / self.mid + 2 * broker.taker_bps * 1e-4
        quantity = 0
        for _ in range(2):
            why = self.kelly(book, costs)
            if why is not None:
                return 0, why
            quantity = floor(self.asked * cash * 1e8 / (touch * (1 + broker.taker_bps * 1e-4)))
            beyond = min(quantity, round(self.settings.limits.max_position_btc * 1e8) + 1) / 1e8 - size
            if not beyond > 0 or broker.impact_bps == 0:
                break
            share = beyond / (beyond + size)
            costs += 2 * broker.impact_bps * 1e-4 * sqrt(beyond) * share
        self.fraction += self.asked if len(self.books) == 1 else self.asked * cash / self.equity
        return quantity, None

    def exposure(self, side: int) -> int:
        """Satoshi of the books on this side, and of those that are about to be."""
        on_the_way = [b.pending for b in self.books if b.pending is not None]
        entering = sum(
            wanted for _, _, s, wanted, reason in on_the_way if (s, reason) == (side, Reason.ENTRY)
        )
        return entering + sum(max(0, side * b.ledger.position) for b in self.books)

    def enter(self, book: Book, t: Any, side: int) -> None:
        touch, taker = t["ask"] if side > 0 else t["bid"], self.settings.broker.taker_bps * 1e-4
        quantity = round(self.settings.sizing.quantity_btc * 1e8)
        why = self.limit(t)
        if why is None and self.settings.sizing.kind == "kelly":
            quantity, why = self.kelly_size(book, t, side)
        limits = self.settings.limits
        beyond = max(0.0, quantity / 1e8 - t["ask_size" if side > 0 else "bid_size"])
        impact = self.settings.broker.impact_bps * 1e-4 * sqrt(beyond)
        worse = 1 + impact * beyond / max(quantity / 1e8, 1e-8)
        if why is None:
            if quantity < 1:
                why = "too_small"
            elif self.exposure(side) + quantity > round(limits.max_position_btc * 1e8):
                why = "max_position"
            elif quantity * 1e-8 * touch * worse * (1 + taker) > limits.leverage * book.ledger.cash / 1e6:
                why = "capital"
        if why is None:
            self.send(book, t["ts"], side, quantity, Reason.ENTRY)
        else:
            self.refused[why] += 1

    # Exits

    def exits(self, book: Book, t: Any, direction: int) -> Iterable[Reason]:
        """All that trigger, the most adverse first."""
        rule, entry = self.settings.exits, book.ledger.entry_price
        side = sign(book.ledger.position)
        touch = t["bid"] if side > 0 else t["ask"]
        gain = side * (touch - entry)
        if rule.stop_bps > 0 and side * touch <= side * entry * (1 - side * book.stop):
            yield Reason.STOP
        if rule.trail_activate_bps > 0 and rule.trail_vol > 0:
            book.best = max(book.best, touch) if side > 0 else min(book.best, touch)
            book.trailing |= gain >= book.trail * entry
            away = side * (book.best - touch)
            if book.trailing and away >= rule.trail_vol * book.wider * sqrt(self.vol.value) * book.best:
                yield Reason.TRAILING
        if 0 < book.hold <= self.index - book.entry_index:
            yield Reason.TIME
        if (rule.on_signal == "reverse" and direction == -side) or (
            rule.on_signal == "flat" and direction != side
        ):
            yield Reason.REVERSE
        if rule.take_profit_bps > 0 and side * touch >= side * entry * (1 + side * book.gain):
            yield Reason.TAKE_PROFIT

    def trade(self, book: Book, t: Any, direction: int) -> None:
        if book.pending is not None:
            return
        position = book.ledger.position
        if position == 0:
            if direction != 0:
                self.enter(book, t, direction)
            return
        reasons = list(self.exits(book, t, direction))
        if reasons:
            self.send(book, t["ts"], -sign(position), abs(position), reasons[0])

    # The tick

    def arrivals(self, ts: int) -> None:
        while True:
            due = [b for b in self.books if b.pending is not None and b.pending[0] < ts]
            if not due:
                return self.settle()
            self.execute(min(due, key=lambda b: b.pending[:2]))

    def tick(self, t: Any, true_price: float = nan, said: int = 0) -> None:
        kind = self.fault(t)
        if kind is not None:
            self.rejected[kind] += 1
            return
        if t["ts"] // DAY_NS != self.day:
            self.day, self.day_equity = t["ts"] // DAY_NS, self.equity
        self.arrivals(t["ts"])
        if t["ts"] // PERIOD_NS != self.period:
            self.period = t["ts"] // PERIOD_NS
            for book in self.books:
                book.ledger.pay_borrow(t["ts"], self.quote)
        self.quote = t
        if t["flags"] & 5:
            self.quote_ts = t["ts"]
        self.true_price = true_price
        self.feed(t, t["bid"] / 2 + t["ask"] / 2, true_price, said)
        directions = [self.vote(book) for book in self.books]
        self.direction, self.fraction = directions[0], 0.0
        if any(book.ledger.position for book in self.books):
            self.mark()
        for book, direction in zip(self.books, directions, strict=True):
            self.trade(book, t, direction)
        self.last_ts = t["ts"]
        self.record()
        self.index += 1

    def take(
        self, ticks: np.ndarray, true_price: np.ndarray | None = None, signal: np.ndarray | None = None
    ) -> None:
        names = ticks.dtype.names or ()
        for i, row in enumerate(ticks.tolist()):
            truth = nan if true_price is None else float(true_price[i])
            self.tick(dict(zip(names, row, strict=True)), truth, 0 if signal is None else int(signal[i]))

    def close(self) -> None:
        for book in self.books:
            book.pending = None
        for book in self.books:
            if book.ledger.position != 0:
                order = len(self.order_ts)
                self.order_ts.append(self.last_ts)
                side = -sign(book.ledger.position)
                book.pending = (self.last_ts, order, side, abs(book.ledger.position), Reason.CLOSE)
                self.execute(book)
                self.settle()

    def column(self, name: str) -> float:
        formula = self.books[0].formula.get(name) or self.formula.get(name)
        return float(formula.value) if formula is not None else nan

    def record(self) -> None:
        s = self.settings
        trails = s.exits.trail_vol > 0 and s.exits.trail_activate_bps > 0
        shown, kelly = s.signals.estimators, s.sizing.kind == "kelly"
        trended, judged = shown or s.signals.gate_trend, shown or s.signals.gate_vpin
        log_odds = self.books[0].log_odds
        self.rows.append((
            self.last_ts, self.true_price, self.mid, self.deviation.value,
            self.column("ofi"), self.column("z_score"),
            self.column("kalman_level"), self.column("kalman_drift"),
            sqrt(self.vol.value) if trended or trails else nan,
            self.event if shown else 0, self.trend.side if trended else 0, self.kyle.value if shown else nan,
            self.column("flow_momentum"), self.vpin.value if judged else nan, self.column("microprice"),
            log_odds, 1 / (1 + exp(-log_odds)), self.direction, self.fraction if kelly else nan,
            self.position, self.cash, self.equity, 1 - self.equity / self.peak,
            sum(b.ledger.trades for b in self.books), sum(b.ledger.wins for b in self.books),
        ))  # fmt: skip

    def results(self) -> np.ndarray:
        return np.array(self.rows, RESULT)

    def fills(self) -> np.ndarray:
        out = np.zeros(len(self.filled), FILL)
        for i, fill in enumerate(self.filled):
            out[i] = fill
        return out
