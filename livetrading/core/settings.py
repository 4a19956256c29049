"""What the compiled path is told: one frozen record a stage, each validated where it is made."""

from dataclasses import dataclass, field
from math import sqrt
from typing import Final, Literal, get_args

__all__ = [
    "BOOKS_MAX",
    "VOTERS",
    "BookSettings",
    "BrokerSettings",
    "ExitSettings",
    "LimitSettings",
    "Settings",
    "SignalSettings",
    "SizingSettings",
    "VoteSettings",
    "Voter",
    "capital_micro",
    "horizons",
]

Voter = Literal[
    "ofi", "z_score", "kalman_drift", "kalman_level", "microprice", "flow_momentum", "deviation", "user"
]
VOTERS: Final[tuple[Voter, ...]] = get_args(Voter)
BOOKS_MAX: Final = 8
SHORTEST: Final = 16
"""Ticks of the first of several books' horizons; each is twice as long as the one before."""

PPB_PER_BPS: Final = 100_000
"""Fees are exact in parts per billion of the notional: 1 bps is 1e5 ppb."""


def _require(ok: bool, name: str, rule: str, value: object) -> None:
    if not ok:
        raise ValueError(f"{name} must be {rule}, was {value!r}")


def _number(value: object, name: str, rule: str, low: float, high: float) -> None:
    ok = (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and low <= value <= high  # False of a NaN; isfinite would raise at a whole number beyond floats
    )
    _require(ok, name, rule, value)


def _integer(value: object, name: str, low: int, high: int) -> None:
    ok = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    _require(ok, name, f"a whole number from {low} to {high}", value)


def _flag(value: object, name: str) -> None:
    _require(isinstance(value, bool), name, "true or false", value)


def _choice(value: object, name: str, allowed: tuple[str, ...]) -> None:
    _require(value in allowed, name, "one of " + ", ".join(allowed), value)


def capital_micro(capital_usd: float) -> int:
    """Return the capital in micro-USD.

    Raises
    ------
    ValueError
        If it is not finite, below 0.01 or above 1e12 USD.
    """
    _number(capital_usd, "capital", "from 0.01 to 1e12 USD", 0.01, 1e12)
    return round(capital_usd * 1e6)


@dataclass(frozen=True, kw_only=True)
class SignalSettings:
    """The voters and the filters.

    Parameters
    ----------
    voters : tuple of str
        Which of `VOTERS` vote, each at most once. At least one. "user" is the caller's own signal.
    window : int
        Observations in the windows of order flow imbalance (121) and z-score (141), 2 to 4096.
    adaptive : bool
        Entry levels follow the 0.9 quantile of each voter's own |value|; False keeps the rows' fixed levels.
    gate_trend, gate_vpin : bool
        A vote against a strong trend, or in toxic flow, counts as none.
    estimators : bool
        Compute what neither votes nor gates for the RESULT columns: CUSUM (218), Kyle's lambda (101), VPIN
        (111), volatility and trend. Off, what is not needed is not computed and its columns are NaN.
    """

    voters: tuple[Voter, ...] = VOTERS[:-1]
    window: int = 100
    adaptive: bool = True
    gate_trend: bool = True
    gate_vpin: bool = True
    estimators: bool = True

    def __post_init__(self) -> None:
        _require(
            isinstance(self.voters, tuple) and len(self.voters) > 0,
            "signals.voters",
            "a list of voters",
            self.voters,
        )
        for voter in self.voters:
            _choice(voter, "signals.voters", VOTERS)
        _require(
            len(set(self.voters)) == len(self.voters), "signals.voters", "free of repetition", self.voters
        )
        _integer(self.window, "signals.window", 2, 4096)
        for name in ("adaptive", "gate_trend", "gate_vpin", "estimators"):
            _flag(getattr(self, name), f"signals.{name}")


@dataclass(frozen=True, kw_only=True)
class VoteSettings:
    """How signals become one direction.

    Parameters
    ----------
    kind : {"condorcet", "majority"}
        Formula 333, or the plain sign of the sum of the votes.
    refresh : int
        Ticks between two takings of the competences and correlations that weigh; 1 is formula 333 to the
        letter.
    h : int
        Horizon in ticks at which a vote is scored, and the stride between scored votes.
    p_min : float
        Least posterior probability of a direction, in (0.5, 1). `condorcet` only.
    k_min : int
        Least number of voters that do not abstain.
    """

    kind: Literal["condorcet", "majority"] = "condorcet"
    refresh: int = 1024
    h: int = 10
    p_min: float = 0.55
    k_min: int = 2

    def __post_init__(self) -> None:
        _choice(self.kind, "vote.kind", ("condorcet", "majority"))
        _integer(self.refresh, "vote.refresh", 1, 1 << 30)
        _integer(self.h, "vote.h", 1, 1 << 20)
        _number(self.p_min, "vote.p_min", "a number above 0.5 and below 1", 0.5 + 1e-12, 1 - 1e-12)
        _integer(self.k_min, "vote.k_min", 1, len(VOTERS))


@dataclass(frozen=True, kw_only=True)
class SizingSettings:
    """How much of the equity a vote puts at risk.

    Parameters
    ----------
    kind : {"kelly", "fixed"}
    kelly : float
        Fraction of the Kelly fraction, in (0, 1].
    max_fraction : float
        Cap on notional over equity, above 0 and at most `limits.leverage`.
    quantity_btc : float
        Size of every order where `kind` is "fixed", in BTC.
    max_drawdown : float
        Where the drawdown control (334) halts, in (0, 1]; 1 never halts.
    calibrate : bool
        Win probabilities are those seen, bin by bin of |log-odds|, once a bin has 50 outcomes.
    """

    kind: Literal["kelly", "fixed"] = "kelly"
    kelly: float = 0.25
    max_fraction: float = 0.5
    quantity_btc: float = 0.0
    max_drawdown: float = 0.2
    calibrate: bool = False

    def __post_init__(self) -> None:
        _choice(self.kind, "sizing.kind", ("kelly", "fixed"))
        for name in ("kelly", "max_drawdown"):
            _number(getattr(self, name), f"sizing.{name}", "a number above 0 and at most 1", 1e-12, 1)
        _number(self.max_fraction, "sizing.max_fraction", "above 0 and at most limits.leverage", 1e-12, 100)
        _number(self.quantity_btc, "sizing.quantity_btc", "from 0 to 21000000", 0, 21e6)
        _require(
            self.kind == "kelly" or self.quantity_btc >= 1e-8,
            "sizing.quantity_btc",
            "at least 1e-8 where sizing.kind is 'fixed'",
            self.quantity_btc,
        )
        _flag(self.calibrate, "sizing.calibrate")


@dataclass(frozen=True, kw_only=True)
class ExitSettings:
    """When a position is left. A number that is 0 switches its exit off.

    Parameters
    ----------
    take_profit_bps, stop_bps : float
        Gain and loss, in bps of the entry price, at the touch that would close the position.
    trail_activate_bps, trail_vol : float
        The trailing stop starts at a gain and follows the best touch at `trail_vol` times the EWMA
        volatility.
    hold_ticks : int
        Longest holding time in ticks.
    on_signal : {"none", "reverse", "flat"}
        Close never on the vote, when it turns against the position, or when it no longer supports it.
    """

    take_profit_bps: float = 0.0
    stop_bps: float = 0.0
    trail_activate_bps: float = 0.0
    trail_vol: float = 0.0
    hold_ticks: int = 0
    on_signal: Literal["none", "reverse", "flat"] = "reverse"

    def __post_init__(self) -> None:
        for name in ("take_profit_bps", "stop_bps", "trail_activate_bps"):
            _number(getattr(self, name), f"exits.{name}", "from 0 to 9999", 0, 9999)
        _number(self.trail_vol, "exits.trail_vol", "from 0 to 1e6", 0, 1e6)
        _integer(self.hold_ticks, "exits.hold_ticks", 0, 1 << 62)
        _choice(self.on_signal, "exits.on_signal", ("none", "reverse", "flat"))


@dataclass(frozen=True, kw_only=True)
class BrokerSettings:
    """Costs, delays and queues of the paper broker.

    Parameters
    ----------
    taker_bps : float
        Fee of what takes from the quote, in bps of the notional, 0 to 1000, in steps of 1e-5 bps (so that the
        ledger is exact).
    maker_bps : float
        Fee of what rested and was taken, -100 to 1000 in the same steps; negative is a rebate.
    borrow_bps_8h : float
        What a short position pays for eight hours, in bps of its notional at the mid, 0 to 1000 in the same
        steps.
    impact_bps : float
        A market order pays this many bps times the square root of the BTC beyond the displayed size on that
        part of it, 0 to 10000.
    feed_latency_us : float
        Time from the tick to whoever decides, in microseconds, 0 to 1e9.
    latency_us : float
        Time from decision to arrival in microseconds, 0 to 1e9; the median where `latency` is "log-normal".
    latency : {"constant", "log-normal", "recorded"}
        Where an order's latency comes from; "recorded" needs latencies beside the settings.
    latency_sigma : float
        Standard deviation of the logarithm where `latency` is "log-normal", 0 to 5.
    latency_file : str
        Recorded latencies in ns: a .npy array of whole numbers, or a .csv file under the header
        ``latency_ns`` or ``ts_ns,latency_ns``. Empty where there are none.
    queue : {"conservative", "probabilistic"}
        Whether only trades advance a resting order, or cancellations ahead of it too.
    queue_power : int
        The power of the queue's lengths by which cancellations fall to either part of it, 1 to 8;
        "probabilistic" only.
    """

    taker_bps: float = 5.0
    maker_bps: float = 2.0
    borrow_bps_8h: float = 1.0
    impact_bps: float = 2.0
    feed_latency_us: float = 0.0
    latency_us: float = 1000.0
    latency: Literal["constant", "log-normal", "recorded"] = "constant"
    latency_sigma: float = 0.5
    latency_file: str = ""
    queue: Literal["conservative", "probabilistic"] = "conservative"
    queue_power: int = 3

    def __post_init__(self) -> None:
        for name, low in (("taker_bps", 0), ("maker_bps", -100), ("borrow_bps_8h", 0)):
            value = getattr(self, name)
            _number(value, f"broker.{name}", f"from {low} to 1000", low, 1000)
            ppb = value * PPB_PER_BPS
            _require(abs(ppb - round(ppb)) < 1e-6, f"broker.{name}", "a multiple of 0.00001", value)
        _number(self.impact_bps, "broker.impact_bps", "from 0 to 10000", 0, 10_000)
        for name in ("feed_latency_us", "latency_us"):
            _number(getattr(self, name), f"broker.{name}", "from 0 to 1000000000", 0, 1e9)
        _choice(self.latency, "broker.latency", ("constant", "log-normal", "recorded"))
        _number(self.latency_sigma, "broker.latency_sigma", "from 0 to 5", 0, 5)
        _require(isinstance(self.latency_file, str), "broker.latency_file", "text", self.latency_file)
        _choice(self.queue, "broker.queue", ("conservative", "probabilistic"))
        _integer(self.queue_power, "broker.queue_power", 1, 8)


@dataclass(frozen=True, kw_only=True)
class LimitSettings:
    """What stops an order before it is sent. They hold entries; an exit is never refused.

    Parameters
    ----------
    max_position_btc : float
        Largest position, in BTC: of what all books hold or are about to enter on one side.
    orders_per_s : int
        Most orders in any second of market time, 1 to 4096.
    daily_loss : float
        Loss since 00:00 UTC, as a fraction of the equity then, at which entries stop for the day; 1 is off.
    stale_s : float
        Oldest quote, and longest gap between ticks, on which an order is sent, in seconds.
    leverage : float
        Most notional, its impact included, over equity, 1 to 100. There is no margin call: a loss can pass
        the equity.
    """

    max_position_btc: float = 100.0
    orders_per_s: int = 100
    daily_loss: float = 0.1
    stale_s: float = 60.0
    leverage: float = 1.0

    def __post_init__(self) -> None:
        _number(self.max_position_btc, "limits.max_position_btc", "above 0 and at most 21000000", 1e-8, 21e6)
        _integer(self.orders_per_s, "limits.orders_per_s", 1, 4096)
        _number(self.daily_loss, "limits.daily_loss", "a number above 0 and at most 1", 1e-12, 1)
        _number(self.stale_s, "limits.stale_s", "above 0 and at most 1e9", 1e-9, 1e9)
        _number(self.leverage, "limits.leverage", "from 1 to 100", 1, 100)


@dataclass(frozen=True, kw_only=True)
class BookSettings:
    """How many time scales the capital is split over.

    Parameters
    ----------
    count : int
        1 to 8. One is the plain engine with `signals.window`. Several take horizons of 16, 32, 64 ... ticks:
        each book has its own windows of 121 and 141, own vote, record, barriers and holding time, and cash
        moves between them with their weights.
    """

    count: int = 1

    def __post_init__(self) -> None:
        _integer(self.count, "books.count", 1, BOOKS_MAX)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything the processor is told besides the capital and the market."""

    signals: SignalSettings = field(default_factory=SignalSettings)
    vote: VoteSettings = field(default_factory=VoteSettings)
    sizing: SizingSettings = field(default_factory=SizingSettings)
    exits: ExitSettings = field(default_factory=ExitSettings)
    broker: BrokerSettings = field(default_factory=BrokerSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    books: BookSettings = field(default_factory=BookSettings)

    def __post_init__(self) -> None:
        priced = self.exits.take_profit_bps > 0 and self.exits.stop_bps > 0
        _require(
            self.sizing.kind == "fixed" or priced,
            "exits.take_profit_bps and exits.stop_bps",
            "above 0 where sizing.kind is 'kelly'",
            (self.exits.take_profit_bps, self.exits.stop_bps),
        )
        _require(
            self.sizing.kind == "fixed" or self.vote.kind == "condorcet",
            "sizing.kind",
            "'fixed' where vote.kind is 'majority', which has no odds",
            self.sizing.kind,
        )
        _require(
            self.vote.k_min <= len(self.signals.voters),
            "vote.k_min",
            f"at most the number of voters ({len(self.signals.voters)})",
            self.vote.k_min,
        )
        _require(
            self.sizing.max_fraction <= self.limits.leverage,
            "sizing.max_fraction",
            f"at most limits.leverage ({self.limits.leverage})",
            self.sizing.max_fraction,
        )
        widest = max(self.exits.take_profit_bps, self.exits.stop_bps, self.exits.trail_activate_bps)
        longer = max(horizons(self)) / self.signals.window
        _require(
            self.exits.hold_ticks * longer <= 1 << 62,
            "exits.hold_ticks",
            f"at most 2**62 times {1 / longer:.3g}, which the longest book's is longer by",
            self.exits.hold_ticks,
        )
        times = sqrt(longer)
        _require(
            widest * times < 10_000,
            "exits.take_profit_bps, stop_bps and trail_activate_bps",
            f"below 10000 times {1 / times:.3g}, which the longest book's are wider by",
            widest,
        )


def horizons(settings: Settings) -> tuple[int, ...]:
    """Return the window of 121 and 141 of each book, in ticks."""
    if settings.books.count == 1:
        return (settings.signals.window,)
    return tuple(SHORTEST << k for k in range(settings.books.count))
