"""Scores of a price about its own mean, bands and oscillators (141 to 146)."""

from livetrading.core.kernel import Kernel
from livetrading.core.ornstein import AdaptiveScore
from livetrading.core.reversion import Bollinger, Keltner, RelativeStrength, Stochastic, ZScore
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.forms import KernelFormula
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register


@register(
    id=141,
    name="ZScoreSignal",
    category="mean_reversion",
    inputs=("trade",),
    reference="Gatev, Goetzmann, Rouwenhorst (2006), Review of Financial Studies 19 (the rule)",
)
class ZScoreSignal(KernelFormula):
    """Z-score of the price over the last n prices, this one included; population sd.

    z = (p_t - mean) / sd; 0 where sd <= 1e-12 mean. Short where z >= entry until z <= exit, long mirrored.
    Confidence |z| / (2 entry), at most 1.

    References
    ----------
    Gatev, Goetzmann, Rouwenhorst (2006), Review of Financial Studies 19 (the rule).
    """

    n = Whole(100, "prices in the window", low=2)
    entry = Real(2.0, "score at which a position is taken", low=0.0, open_low=True)
    exit = Real(0.0, "score at which it is left")

    @property
    def warm_up(self) -> int:
        return self.n

    def _make(self) -> Kernel:
        return ZScore(self.n, self.entry, self.exit)


@register(
    id=142,
    name="AdaptiveZScore",
    category="mean_reversion",
    cost="W",
    inputs=("trade",),
    reference="Chan (2013), Algorithmic Trading, ch. 2",
)
class AdaptiveZScore(KernelFormula):
    """Z-score over a window that is as long as reversion takes.

    z = (p_t - mean) / sd over the last n_t prices (as 141), n_t = floor(mult HL + 1/2) held between n_min and
    n_max, HL the half-life of the Ornstein-Uhlenbeck fit to the last n prices (as 132); n_max where nothing
    reverts. Signal and confidence as 141. Ready once both windows are full.

    Outputs: n_t, prices; half_life, observations.

    References
    ----------
    Chan (2013), Algorithmic Trading, ch. 2 (the look-back tied to the half-life).
    """

    check_parameters = {"n": 60, "n_max": 80}  # noqa: RUF012

    n = Whole(200, "prices that the half-life is fitted to", low=4)
    mult = Real(10.0, "half-lives in the window", low=0.0, open_low=True)
    n_min = Whole(20, "prices in the shortest window", low=2)
    n_max = Whole(200, "prices in the longest window", low=2)
    entry = Real(2.0, "score at which a position is taken", low=0.0, open_low=True)
    exit = Real(0.0, "score at which it is left")

    def _prepare(self) -> None:
        if self.n_min > self.n_max:
            raise FormulaError(f"n_min must be at most n_max ({self.n_max}), was {self.n_min}")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("n_t", "half_life")

    @property
    def warm_up(self) -> int:
        return max(self.n, self.n_max)

    def _make(self) -> Kernel:
        return AdaptiveScore(self.n, self.mult, self.n_min, self.n_max, self.entry, self.exit)


@register(
    id=143,
    name="BollingerBandReversion",
    category="mean_reversion",
    inputs=("trade",),
    reference="Bollinger (2001), Bollinger on Bollinger Bands",
)
class BollingerBandReversion(KernelFormula):
    """Where the price lies between its Bollinger bands: 0 at the lower, 1 at the upper.

    %b = (p - lower) / (upper - lower) with bands at mean +- k sd of the last n prices (population sd); 1/2
    where sd is 0 (as in 141). Long below the lower band until the mean, short above the upper one until the
    mean; who leaves may enter the other side at once. Confidence |%b - 1/2|, at most 1.

    Outputs: upper, mid, lower, USD; bandwidth = (upper - lower) / mid.

    References
    ----------
    Bollinger (2001), Bollinger on Bollinger Bands.
    """

    n = Whole(20, "prices in the window", low=2)
    k = Real(2.0, "standard deviations from the mean to a band", low=0.0, open_low=True)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("upper", "mid", "lower", "bandwidth")

    @property
    def warm_up(self) -> int:
        return self.n

    def _make(self) -> Kernel:
        return Bollinger(self.n, self.k)


@register(
    id=144,
    name="KeltnerChannelReversion",
    category="mean_reversion",
    inputs=("bar",),
    reference="Keltner (1960), How to Make Money in Commodities; Wilder (1978), New Concepts in Technical "
    "Trading Systems (the range)",
)
class KeltnerChannelReversion(KernelFormula):
    """How many average true ranges the close is away from its moving average.

    u = (close - EMA) / ATR, 0 where ATR is 0. EMA of weight 2/(n + 1) from the first close on; true range
    max(high - low, |high - close before|, |low - close before|) from the second bar on, of which ATR is the
    mean of the first atr_n and then moves by 1/atr_n of the difference. Short where u >= k until u <= 0,
    long mirrored. Confidence |u| / (2k), at most 1.

    Outputs: upper, lower = EMA +- k ATR, ema, atr, USD.

    References
    ----------
    Keltner (1960), How to Make Money in Commodities. Wilder (1978), New Concepts in Technical Trading
    Systems (the range).
    """

    reads = ("close", "high", "low")
    n = Whole(20, "bars of the moving average")
    atr_n = Whole(10, "bars of the average true range")
    k = Real(2.0, "average true ranges at which a position is taken", low=0.0, open_low=True)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("upper", "lower", "ema", "atr")

    @property
    def warm_up(self) -> int:
        return max(self.n, self.atr_n + 1)

    def _make(self) -> Kernel:
        return Keltner(self.n, self.atr_n, self.k)


@register(
    id=145,
    name="RSIMeanReversion",
    category="mean_reversion",
    inputs=("bar",),
    low=0.0,
    high=100.0,
    reference="Wilder (1978), New Concepts in Technical Trading Systems",
)
class RSIMeanReversion(KernelFormula):
    """Relative strength index of Wilder over closes, 0 to 100.

    RSI = 100 G / (G + L), 50 where both are 0; G and L are the averages of the rises and of the falls from
    close to close, means of the first n and then moving by 1/n of the difference. Long below `low` and short
    above `high`, until 50; who leaves may enter the other side at once. Confidence |RSI - 50| / 50.

    References
    ----------
    Wilder (1978), New Concepts in Technical Trading Systems.
    """

    reads = ("close",)
    n = Whole(14, "changes in the first averages")
    low = Real(30.0, "index below which it is long", low=0.0, high=100.0)
    high = Real(70.0, "index above which it is short", low=0.0, high=100.0)

    @property
    def warm_up(self) -> int:
        return self.n + 1

    def _make(self) -> Kernel:
        return RelativeStrength(self.n, self.low, self.high)


@register(
    id=146,
    name="StochasticReversion",
    category="mean_reversion",
    inputs=("bar",),
    reference="Lane (1984), Technical Analysis of Stocks & Commodities",
)
class StochasticReversion(KernelFormula):
    """Fast stochastic %K: where the close lies in the range of the last n bars, 0 to 100.

    %K = 100 (close - lowest low) / (highest high - lowest low), 50 where they are equal; outside 0 to 100
    only where a close lies outside its own bar. %D is the mean of the last d %K. Long where %D < low and %K
    above it, short where %D > high and %K below it. Confidence |%D - 50| / 50, at most 1.

    Outputs: d = %D.

    References
    ----------
    Lane (1984), Technical Analysis of Stocks & Commodities.
    """

    reads = ("close", "high", "low")
    n = Whole(14, "bars of the range")
    d = Whole(3, "values of %K averaged")
    low = Real(20.0, "%D below which it may be long", low=0.0, high=100.0)
    high = Real(80.0, "%D above which it may be short", low=0.0, high=100.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("d",)

    @property
    def warm_up(self) -> int:
        return self.n + self.d - 1

    def _make(self) -> Kernel:
        return Stochastic(self.n, self.d, self.low, self.high)
