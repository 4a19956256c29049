"""What closes a bar: one frozen record a rule, validated where it is made."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from livetrading.core.errors import BarError

__all__ = [
    "BarRule",
    "DollarBars",
    "DollarImbalanceBars",
    "RunBars",
    "TickBars",
    "TickImbalanceBars",
    "TimeBars",
    "VolumeBars",
    "VolumeImbalanceBars",
    "Weight",
]

Weight = Literal["tick", "volume", "dollar"]
"""What a trade counts: 1, its BTC, or its USD."""
WEIGHTS: Final[tuple[Weight, ...]] = ("tick", "volume", "dollar")

NS_PER_UNIT: Final = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
LENGTH_MIN: Final = 1_000
LENGTH_MAX: Final = 366 * NS_PER_UNIT["d"]
TRADES_MAX: Final = 1_000_000_000
SPAN_MAX: Final = 1e9
SUM_MAX: Final = 1e30
"""Of thresholds in BTC and USD: the value of a trade is at most this."""


def _require(ok: bool, name: str, rule: str, value: object) -> None:
    if not ok:
        raise BarError(f"{name} must be {rule}, was {value!r}")


def _number(value: object, name: str, low: float, high: float) -> None:
    ok = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    _require(ok, name, f"a number from {low:g} to {high:g}", value)


def _positive(value: object, name: str, unit: str) -> None:
    ok = isinstance(value, int | float) and not isinstance(value, bool) and 0.0 < value <= SUM_MAX
    _require(ok, name, f"above 0 and at most {SUM_MAX:g} {unit}", value)


def _flag(value: object, name: str) -> None:
    _require(isinstance(value, bool), name, "true or false", value)


def _whole(value: object, name: str, low: int, high: int) -> None:
    ok = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    _require(ok, name, f"a whole number from {low} to {high}", value)


@dataclass(frozen=True, slots=True)
class TimeBars:
    """A bar for each interval of the clock in which there is a tick.

    Parameters
    ----------
    length : str or int
        A whole number and its unit (``1m``, ``250ms``; ns, us, ms, s, m, h or d), or nanoseconds. 1 us to 366
        days. A bar begins at a multiple of it since the Unix epoch: hours and days are those of UTC.
    fill : bool
        Whether intervals without a tick, between others, get a bar of the price before, without volume, with
        the flag `BarFlag.FILLED`. At most 1,048,576 of them in a row.

    Raises
    ------
    BarError
        If the length is none or out of range.

    Notes
    -----
    An interval is half open: a tick at the end of a bar is the first of the next one. Prices are those of the
    trades; mids where there is none, with the flag `BarFlag.NO_TRADE`: whether trades will come later must
    not matter. A bar is complete with the first tick at or after its end.

    Examples
    --------
    >>> TimeBars("1m").length_ns
    60000000000
    """

    length: str | int
    fill: bool = False

    def __post_init__(self) -> None:
        _flag(self.fill, "fill")
        rule = "a whole number of ns, us, ms, s, m, h or d, from 1us to 366d"
        length = self.length
        if isinstance(length, str):
            found = re.fullmatch(rf"([0-9]{{1,20}})({'|'.join(NS_PER_UNIT)})", length)
            _require(found is not None, "the length of a bar", rule, length)
            assert found is not None
            length = int(found[1]) * NS_PER_UNIT[found[2]]
        ok = isinstance(length, int) and not isinstance(length, bool) and LENGTH_MIN <= length <= LENGTH_MAX
        _require(ok, "the length of a bar", rule, self.length)
        object.__setattr__(self, "length", length)

    @property
    def length_ns(self) -> int:
        """The length in nanoseconds."""
        return int(self.length)


@dataclass(frozen=True, slots=True)
class TickBars:
    """A bar for every so many trades; quotes do not count.

    Parameters
    ----------
    trades : int
        1 to 1e9.

    Raises
    ------
    BarError
        If it is out of range.
    """

    trades: int

    def __post_init__(self) -> None:
        _whole(self.trades, "trades of a bar", 1, TRADES_MAX)


@dataclass(frozen=True, slots=True)
class VolumeBars:
    """A bar for every so many BTC traded; the trade that reaches it belongs to the bar whole.

    Parameters
    ----------
    btc : float
        Above 0.

    Raises
    ------
    BarError
        If it is out of range.
    """

    btc: float

    def __post_init__(self) -> None:
        _positive(self.btc, "volume of a bar", "BTC")


@dataclass(frozen=True, slots=True)
class DollarBars:
    """A bar for every so many USD traded; the trade that reaches it belongs to the bar whole.

    Parameters
    ----------
    usd : float
        Above 0.

    Raises
    ------
    BarError
        If it is out of range.
    """

    usd: float

    def __post_init__(self) -> None:
        _positive(self.usd, "value of a bar", "USD")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expected:
    """What imbalance and run bars expect; `TickImbalanceBars` says it."""

    T0: float = 50.0
    span_T: float = 10.0
    span_b: float = 100.0
    T_min: float = 10.0
    T_max: float = 200.0

    def __post_init__(self) -> None:
        _number(self.span_T, "span_T", 1.0, SPAN_MAX)
        _number(self.span_b, "span_b", 1.0, SPAN_MAX)
        _number(self.T_max, "T_max", 1.0, float(TRADES_MAX))
        _number(self.T_min, "T_min", 1.0, self.T_max)
        _number(self.T0, "T0", self.T_min, self.T_max)


@dataclass(frozen=True, slots=True, kw_only=True)
class TickImbalanceBars(_Expected):
    r"""Formula 240: a bar when more trades went one way than was to be expected.

    A bar closes with the trade at which

    .. math:: |\theta| = |\sum b_t| \ge H = \max(\bar T |e|, \sqrt{\bar T}),

    b_t = sign(p_t - p_{t-1}) by the tick rule: the last sign where the price is unchanged, 0 until it first
    changes. e is the exponentially weighted mean of b from 0, T that of the bars' trades from T0, kept
    within T_min and T_max. H is fixed when the bar opens, from both as the closing trade left them.

    Parameters
    ----------
    T0, span_T, span_b, T_min, T_max : float
        Trades expected of the first bar; span of the mean of T, in bars; of e, in trades (1 to 1e9; a new
        value weighs 2 / (span + 1)); least and most T (1 to 1e9).

    Raises
    ------
    BarError
        If a parameter is out of range, or T0 not from T_min to T_max.

    References
    ----------
    Lopez de Prado 2018, Advances in Financial Machine Learning, ch. 2.3.2. There H is T |e| alone; the square
    root is the standard deviation of theta without imbalance, and keeps H from collapsing.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeImbalanceBars(_Expected):
    r"""A bar when more BTC were traded one way than was to be expected.

    As `TickImbalanceBars`, whose parameters and errors it has, a trade counting its volume v instead of 1:

    .. math:: |\theta| = |\sum b_t v_t| \ge H = \max(\bar T |e|, \sqrt{\bar T} s),

    e the exponentially weighted mean of b v from 0, s^2 that of v^2 over span_b, with weights that sum to 1:
    of equal volumes it is `TickImbalanceBars`. While the first bar is open, no volume being known before it,
    H follows s trade by trade, with e = 0.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class DollarImbalanceBars(_Expected):
    """A bar when more USD were traded one way than was to be expected.

    As `VolumeImbalanceBars`, a trade counting price times volume.
    """


@dataclass(frozen=True, slots=True)
class RunBars(_Expected):
    r"""A bar when one side traded more than was to be expected, however the sides alternate.

    A trade counts w: 1, its BTC or its USD. A bar closes with the trade at which

    .. math:: \theta = \max(\sum_{b_t = 1} w_t, \sum_{b_t = -1} w_t) \ge H
              = \tfrac12 (\bar T m + \max(\bar T |e|, \sqrt{\bar T} s)),

    with b, e, s, T and the first bar as in `VolumeImbalanceBars`, whose other parameters and errors it has, m
    the exponentially weighted mean of w as s^2 is of w^2.

    Parameters
    ----------
    weight : {"tick", "volume", "dollar"}
        What a trade counts.

    References
    ----------
    Lopez de Prado 2018, ch. 2.3.2.3, where H = T max(P[b=1] E[w|b=1], P[b=-1] E[w|b=-1]), which is
    T (m + |e|) / 2: the larger side has half of all and half of the imbalance. Here as in formula 240 the
    imbalance expected is at least its standard deviation without any.
    """

    weight: Weight = "tick"

    def __post_init__(self) -> None:
        _require(self.weight in WEIGHTS, "weight", "one of " + ", ".join(WEIGHTS), self.weight)
        _Expected.__post_init__(self)  # super() is lost where slots make the class anew


BarRule = (
    TimeBars
    | TickBars
    | VolumeBars
    | DollarBars
    | TickImbalanceBars
    | VolumeImbalanceBars
    | DollarImbalanceBars
    | RunBars
)
