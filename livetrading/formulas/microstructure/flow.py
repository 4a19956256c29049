"""Order flow: toxicity over volume buckets, imbalance, arrivals, inventory (111 to 113, 121 to 130)."""

from math import lgamma
from typing import Any, ClassVar

from livetrading.core import flow
from livetrading.core.kernel import Kernel
from livetrading.formulas.forms import KernelFormula
from livetrading.formulas.microstructure.impact import TRADE, WINDOW_MAX
from livetrading.formulas.parameters import Choice, Real, Whole
from livetrading.formulas.registry import register

EASLEY_2012 = "Easley, Lopez de Prado, O'Hara (2012), Review of Financial Studies 25"
CONT_2014 = "Cont, Kukanov, Stoikov (2014), J. Financial Econometrics 12"
QUOTE = ("bid", "ask", "bid_size", "ask_size")


@register(
    id=111,
    name="VPIN",
    category="microstructure",
    kind="filter",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference=EASLEY_2012,
)
class VPIN(KernelFormula):
    """Volume-synchronised probability of informed trading: mean of |B - S| / bucket over n full buckets.

    Trades fill buckets of `bucket` BTC in order, the last part of one going to the next; B and S are the
    volumes of buyers and sellers in a bucket, half each where a trade has no side. Changes when a bucket
    fills.

    Blocks (-1) where the value is at or above the `limit` quantile of the last `hist` values before it, once
    there are 50, else passes. Confidence buckets / (n + 50), at most 1.

    Outputs: gate; buckets filled so far; last_imbalance, (B - S) / bucket of the last.

    References
    ----------
    Easley, Lopez de Prado, O'Hara (2012), Review of Financial Studies 25.
    """

    reads = TRADE
    bucket = Real(20.0, "volume of a bucket, BTC", low=0.0, open_low=True)
    n = Whole(50, "buckets in the window", high=WINDOW_MAX)
    hist = Whole(200, "values that the quantile is taken over", high=100_000)
    limit = Real(0.9, "the quantile that blocks", low=0.0, high=1.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("gate", "buckets", "last_imbalance")

    check_parameters: ClassVar[dict[str, Any]] = {"bucket": 2.0, "n": 20}

    def _make(self) -> Kernel:
        return flow.Toxicity(self.bucket, self.n, self.hist, self.limit, False)


@register(
    id=112,
    name="BulkVPIN",
    category="microstructure",
    kind="filter",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference=f"{EASLEY_2012}; Easley, Lopez de Prado, O'Hara (2016), J. Financial Economics 120",
)
class BulkVPIN(KernelFormula):
    """VPIN with sides by bulk: of a bar of m trades, buyers began the share F(dp / s) of the volume.

    dp is the bar's change of price, s its sd over the last sigma_n changes, F the normal distribution or
    Student's with df degrees of freedom; half where s is 0 or there is one change. Bars from the second on
    enter the buckets of VPIN in one piece, split in proportion where a bucket fills.

    Gate, signal and confidence are those of VPIN.

    Outputs: gate; buckets filled so far; last_imbalance, (B - S) / bucket of the last.

    References
    ----------
    Easley, Lopez de Prado, O'Hara (2012), Review of Financial Studies 25; (2016), J. Financial Economics 120.
    """

    reads = ("price", "volume")
    m = Whole(20, "trades in a bar")
    bucket = Real(50.0, "volume of a bucket, BTC", low=0.0, open_low=True)
    n = Whole(20, "buckets in the window", high=WINDOW_MAX)
    sigma_n = Whole(50, "changes of price that the sd is taken over", high=WINDOW_MAX)
    dist = Choice("normal", "distribution of a standardised change", among=("normal", "t"))
    df = Real(0.25, "degrees of freedom of Student's distribution", low=0.01, high=1e6)
    limit = Real(0.9, "the quantile that blocks", low=0.0, high=1.0)
    hist = Whole(200, "values that the quantile is taken over", high=100_000)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("gate", "buckets", "last_imbalance")

    check_parameters: ClassVar[dict[str, Any]] = {"m": 4, "bucket": 5.0, "n": 10}

    def _make(self) -> Kernel:
        df = self.df if self.dist == "t" else 0.0
        log_beta = lgamma(df / 2) + lgamma(0.5) - lgamma(df / 2 + 0.5) if df > 0.0 else 0.0
        return flow.BulkToxicity(
            self.m, self.bucket, self.n, self.sigma_n, df, log_beta, self.hist, self.limit
        )


@register(
    id=113,
    name="ToxicityIndex",
    category="microstructure",
    kind="filter",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Easley, Lopez de Prado, O'Hara (2011), J. Portfolio Management 37",
)
class ToxicityIndex(KernelFormula):
    """Where VPIN stands in its own history: share of its last `hist` values before that are not above it.

    VPIN is that of formula 111, a value for each bucket that fills. Blocks (-1) where the value is at or
    above `limit`, else passes; confidence |2 value - 1|. Ready with 20 values before.

    Outputs: gate; vpin.

    References
    ----------
    Easley, Lopez de Prado, O'Hara (2011), J. Portfolio Management 37.
    """

    reads = TRADE
    bucket = Real(20.0, "volume of a bucket, BTC", low=0.0, open_low=True)
    n = Whole(50, "buckets in the window of VPIN", high=WINDOW_MAX)
    hist = Whole(200, "values of VPIN that are compared with", low=20, high=100_000)
    limit = Real(0.9, "the share that blocks", low=0.0, high=1.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("gate", "vpin")

    check_parameters: ClassVar[dict[str, Any]] = {"bucket": 2.0, "n": 20, "hist": 100}

    def _make(self) -> Kernel:
        return flow.Toxicity(self.bucket, self.n, self.hist, self.limit, True)


class _QuoteFlow(KernelFormula):
    """What moves through the best quotes.

    e = [b >= b'] qb - [b <= b'] qb' - [a <= a'] qa + [a >= a'] qa', BTC, of a quote and the one before (').
    """

    reads = QUOTE


@register(
    id=121,
    name="OrderFlowImbalance",
    category="microstructure",
    inputs=("quote",),
    unit="BTC",
    reference=CONT_2014,
)
class OrderFlowImbalance(_QuoteFlow):
    """Order flow imbalance at the best quotes: the sum of e over the last n updates, BTC.

    e = [b >= b'] qb - [b <= b'] qb' - [a <= a'] qa + [a >= a'] qa' of a quote and the one before ('), so that
    a bid that rises or grows counts up and an ask that falls or grows counts down. z is the sum over the root
    of the sum of e^2. The sign of z where |z| > entry; confidence 2 Phi(|z|) - 1.

    Outputs: z; e of the newest quote.

    References
    ----------
    Cont, Kukanov, Stoikov (2014), J. Financial Econometrics 12.
    """

    n = Whole(100, "updates in the window", high=WINDOW_MAX)
    entry = Real(1.5, "|z| that counts", low=0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("z", "e")

    @property
    def warm_up(self) -> int:
        return self.n + 1

    def _make(self) -> Kernel:
        return flow.QuoteFlow(0, self.n, self.entry)


@register(
    id=122,
    name="CumulativeOFI",
    category="microstructure",
    inputs=("quote",),
    unit="BTC",
    reference=f"{CONT_2014}; Cont, Cucuringu, Zhang (2023), Quantitative Finance 23",
)
class CumulativeOFI(_QuoteFlow):
    """Order flow imbalance that fades: C_t = decay C_(t-1) + e_t, BTC, e as in OrderFlowImbalance.

    z = C / sqrt(D), D_t = decay^2 D_(t-1) + e_t^2. The sign of z where |z| > entry; confidence
    2 Phi(|z|) - 1.

    Outputs: z, 0 where D is.

    References
    ----------
    Cont, Kukanov, Stoikov (2014), J. Financial Econometrics 12; Cont, Cucuringu, Zhang (2023), Quantitative
    Finance 23.
    """

    decay = Real(0.99, "what is left of the sum an update later", low=0.0, high=1.0)
    entry = Real(1.5, "|z| that counts", low=0.0)
    warm = Whole(200, "updates before it is ready", high=WINDOW_MAX)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("z",)

    @property
    def warm_up(self) -> int:
        return self.warm + 1

    def _make(self) -> Kernel:
        return flow.QuoteFlow(1, self.warm, self.entry, self.decay)


@register(
    id=123,
    name="NormalizedOFI",
    category="microstructure",
    inputs=("quote",),
    unit="ticks",
    reference=CONT_2014,
)
class NormalizedOFI(_QuoteFlow):
    """Order flow imbalance over twice the average depth: the move of the mid that it predicts, in ticks.

    The sum of e over the last n updates (OrderFlowImbalance) over 2 AD, AD the mean of (qb + qa) / 2 of the
    same quotes. Its sign where it is beyond `entry`; confidence 1 - exp(-|value| / entry). Without depth what
    was said before stands.

    Outputs: depth, AD in BTC.

    References
    ----------
    Cont, Kukanov, Stoikov (2014), J. Financial Econometrics 12.
    """

    n = Whole(100, "updates in the window", high=WINDOW_MAX)
    entry = Real(1.0, "move that counts, ticks", low=0.0, open_low=True)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("depth",)

    @property
    def warm_up(self) -> int:
        return self.n + 1

    def _make(self) -> Kernel:
        return flow.QuoteFlow(2, self.n, self.entry)


@register(
    id=124,
    name="DeltaOFI",
    category="microstructure",
    inputs=("quote",),
    unit="BTC",
    reference=CONT_2014,
)
class DeltaOFI(_QuoteFlow):
    """By how much order flow imbalance has grown: that of the last n updates less that of the n before, BTC.

    e as in OrderFlowImbalance; z is the value over the root of the sum of e^2 over both windows. The sign of
    z where |z| > entry; confidence 2 Phi(|z|) - 1.

    Outputs: z, 0 where no e differs from 0.

    References
    ----------
    Cont, Kukanov, Stoikov (2014), J. Financial Econometrics 12.
    """

    n = Whole(100, "updates in each window", high=WINDOW_MAX)
    entry = Real(1.5, "|z| that counts", low=0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("z",)

    @property
    def warm_up(self) -> int:
        return 2 * self.n + 1

    def _make(self) -> Kernel:
        return flow.QuoteFlow(3, self.n, self.entry)


@register(
    id=125,
    name="TradeArrivalRate",
    category="microstructure",
    kind="estimator",
    inputs=("trade",),
    unit="1/s",
    low=0.0,
    reference="Cox, Isham (1980), Point Processes",
)
class TradeArrivalRate(KernelFormula):
    """Trades per second just before a trade, those gone by weighted by exp(-age / tau).

    lam = sum_(i<t) e^(-(ts_t - ts_i) / tau) / tau, over 1 - e^(-(ts_t - ts_0) / tau) for what lies before the
    first trade. base = t / (ts_t - ts_0), t the number of trades before this one, and z = (lam - base) /
    sqrt(base / (2 tau)) by Campbell's theorem for Poisson arrivals.

    Where z > z_min, the sign of the signed volume before this trade under the same weights; confidence
    2 Phi(|z|) - 1. Ready with `warm` trades before, once time has passed.

    Outputs: base, 1/s; z.

    References
    ----------
    Cox, Isham (1980), Point Processes.
    """

    reads = TRADE
    timed = True
    tau = Real(60.0, "memory, s", low=0.0, open_low=True)
    z_min = Real(3.0, "z above which trades crowd", low=0.0)
    warm = Whole(100, "trades before it is ready")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("base", "z")

    @property
    def warm_up(self) -> int:
        return self.warm + 1

    def _make(self) -> Kernel:
        return flow.ArrivalRate(self.tau, self.z_min, self.warm)


@register(
    id=126,
    name="TradeClusterDetector",
    category="microstructure",
    inputs=("trade",),
    low=0.0,
    high=300.0,
    reference="Naus (1965), J. American Statistical Association 60; Goh, Barabasi (2008), Europhysics "
    "Letters 81",
)
class TradeClusterDetector(KernelFormula):
    """How surprising the number of trades in the last `window` s is: -log10 p, at most 300.

    p = P(N >= k - 1), N Poisson of mean base window, k the trades in (ts - window, ts], this one included,
    and base = n / (ts_t - ts_(t-n)). The sign of the signed volume in the window where p < p_max; confidence
    1 - p. Not ready while the last n + 1 trades have one time.

    Outputs: k; base, 1/s; burstiness, (sd - mean) / (sd + mean) of the last n durations.

    References
    ----------
    Naus (1965), J. American Statistical Association 60; Goh, Barabasi (2008), Europhysics Letters 81.
    """

    reads = TRADE
    timed = True
    window = Real(10.0, "length of the window, s", low=1e-9, high=9e9)
    n = Whole(200, "durations that the usual rate is taken over", high=WINDOW_MAX)
    p_max = Real(1e-3, "probability below which trades cluster", low=0.0, high=1.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("k", "base", "burstiness")

    @property
    def warm_up(self) -> int:
        return self.n + 1

    def _make(self) -> Kernel:
        return flow.TradeCluster(self.window, round(self.window * 1e9), self.n, self.p_max)


@register(
    id=127,
    name="VolumeClockOFI",
    category="microstructure",
    inputs=("trade",),
    low=-1.0,
    high=1.0,
    reference=f"{EASLEY_2012}; Chordia, Subrahmanyam (2004), J. Financial Economics 72",
)
class VolumeClockOFI(KernelFormula):
    """Trade imbalance on a clock of volume: average of (B - S) / bucket over full buckets, -1 to 1.

    The buckets are those of VPIN; the average is exponential with weight 2 / (span + 1), from the first
    bucket. Its sign where it is beyond `entry`; confidence |value| / (2 entry), at most 1. Ready after span
    buckets.

    Outputs: last_imbalance, that of the last bucket.

    References
    ----------
    Easley, Lopez de Prado, O'Hara (2012), Review of Financial Studies 25; Chordia, Subrahmanyam (2004), J.
    Financial Economics 72.
    """

    reads = TRADE
    bucket = Real(20.0, "volume of a bucket, BTC", low=0.0, open_low=True)
    span = Whole(10, "buckets that the average spans")
    entry = Real(0.15, "imbalance that counts", low=0.0, open_low=True)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("last_imbalance",)

    check_parameters: ClassVar[dict[str, Any]] = {"bucket": 5.0}

    def _make(self) -> Kernel:
        return flow.VolumeClock(self.bucket, self.span, self.entry)


@register(
    id=128,
    name="AggressorRatio",
    category="microstructure",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Lee, Ready (1991), J. Finance 46; Chordia, Roll, Subrahmanyam (2002), J. Financial "
    "Economics 65",
)
class AggressorRatio(KernelFormula):
    """Share of the volume that buyers began, over the last n trades with a side; 0.5 without volume.

    z = (k - n/2) / sqrt(n/4), k the number of trades that buyers began. Long where the share is above
    0.5 + entry and z > 1.645, short mirrored; confidence 2 Phi(|z|) - 1.

    Outputs: z; count_ratio, k / n.

    References
    ----------
    Lee, Ready (1991), J. Finance 46; Chordia, Roll, Subrahmanyam (2002), J. Financial Economics 65.
    """

    reads = TRADE
    n = Whole(200, "trades in the window", high=WINDOW_MAX)
    entry = Real(0.1, "distance of the share from one half that counts", low=0.0, high=0.5)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("z", "count_ratio")

    @property
    def warm_up(self) -> int:
        return self.n

    def _make(self) -> Kernel:
        return flow.Aggressors(self.n, self.entry)


@register(
    id=130,
    name="MarketMakerInventory",
    category="microstructure",
    inputs=("trade",),
    unit="BTC",
    reference="Ho, Stoll (1981), J. Financial Economics 9; Madhavan, Smidt (1993), J. Finance 48; "
    "Hendershott, Menkveld (2014), J. Financial Economics 114",
)
class MarketMakerInventory(KernelFormula):
    """Inventory that liquidity providers must hold for every taker to have been served, BTC.

    I_t = decay I_(t-1) - s_t v_t, 0 before the first trade. z is its distance from its mean over the last n
    values in sd: long where z > entry, short where z < -entry, since providers shade quotes and the pressure
    reverts as the inventory does. Confidence |z| / (2 entry), at most 1. Values that do not vary leave what
    was said before.

    Outputs: z; half_life in trades, -ln 2 / ln b, b the least-squares slope with constant of I_t on I_(t-1)
    in the window; infinite unless 0 < b < 1.

    References
    ----------
    Ho, Stoll (1981), J. Financial Economics 9; Madhavan, Smidt (1993), J. Finance 48; Hendershott, Menkveld
    (2014), J. Financial Economics 114.
    """

    reads = TRADE
    decay = Real(0.999, "what is left of the inventory a trade later", low=0.0, high=1.0)
    n = Whole(500, "values in the window", low=3, high=WINDOW_MAX)
    entry = Real(2.0, "|z| that counts", low=0.0, open_low=True)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("z", "half_life")

    @property
    def warm_up(self) -> int:
        return self.n

    def _make(self) -> Kernel:
        return flow.MakerInventory(self.decay, self.n, self.entry)
