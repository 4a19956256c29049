"""Price impact: what a trade moves, what it costs, and what of it comes back (101 to 110, 129)."""

from math import isnan, nan
from typing import Any, ClassVar

from livetrading.core import impact
from livetrading.core.kernel import Kernel
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.forms import KernelFormula
from livetrading.formulas.parameters import Choice, Real, Whole
from livetrading.formulas.registry import register

WINDOW_MAX = 1_000_000
TRADE = ("price", "volume", "side")
MATCHED = ("price", "volume", "side", "bid", "ask")


@register(
    id=101,
    name="KylesLambda",
    category="microstructure",
    kind="estimator",
    inputs=("trade",),
    unit="USD/BTC per BTC",
    reference="Kyle (1985), Econometrica 53; Hasbrouck (2007), Empirical Market Microstructure",
)
class KylesLambda(KernelFormula):
    """Kyle's lambda: how far a bar's net signed volume moves the price, USD per BTC for each BTC.

    Bars are of m trades each. dp_k = intercept + lambda Q_k + u_k by least squares over the last n bars, dp_k
    the change of the last price since the bar before, Q_k the volume of buyers less that of sellers. A trade
    without a side takes that of the last change of price. The value changes when a bar closes.

    The signal is the sign of the last bar's Q where t >= t_min and |Q| is above its sd over the window.
    Confidence is R^2. A window whose flow does not vary leaves what was said before.

    Outputs: t, lambda over its standard error; r2; intercept in USD per BTC.

    References
    ----------
    Kyle (1985), Econometrica 53; Hasbrouck (2007), Empirical Market Microstructure.
    """

    reads = TRADE
    m = Whole(20, "trades in a bar")
    n = Whole(50, "bars in the window", low=3, high=WINDOW_MAX)
    t_min = Real(2.0, "least t-value of a slope that counts")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("t", "r2", "intercept")

    @property
    def warm_up(self) -> int:
        return self.m * (self.n + 1)

    check_parameters: ClassVar[dict[str, Any]] = {"m": 3, "n": 12}

    def _make(self) -> Kernel:
        return impact.KyleLambda(self.m, self.n, self.t_min)


@register(
    id=102,
    name="KyleObizhaeva",
    category="microstructure",
    kind="cost",
    inputs=("trade",),
    unit="bps",
    low=0.0,
    reference="Kyle, Obizhaeva (2016), Econometrica 84",
)
class KyleObizhaeva(KernelFormula):
    """Cost of an order of q BTC under market microstructure invariance, bps of its value.

    With the trading activity W = sigma_D p V_D and R = W / (0.02 40 10^6 USD a day), linear:
    (sigma_D / 0.02) [k0 R^(-1/3) + kI R^(1/3) q / (0.01 V_D)]; root: (sigma_D / 0.02) [s0 R^(-1/3) + sI
    sqrt(q / (0.01 V_D))]. sigma_D and V_D are the volatility and the volume of a day, from the last n trade
    returns. The constants are those of US equity portfolio transitions: a prior, no fit.

    -1 where the cost is above limit_bps, else 1; confidence 1. Without activity what was said before stands.

    Outputs: W in USD per day to the 3/2; R; spread and impact, the two terms, bps.

    References
    ----------
    Kyle, Obizhaeva (2016), Econometrica 84.
    """

    reads = ("price", "volume")
    timed = True
    q = Real(1.0, "size of the order, BTC", low=0.0, open_low=True)
    model = Choice("linear", "impact linear in the size, or in its root", among=("linear", "sqrt"))
    n = Whole(2000, "trade returns that the day is judged by", high=WINDOW_MAX)
    limit_bps = Real(10.0, "cost above which an order is too dear, bps")
    k0 = Real(8.21, "spread term of the linear model, bps", low=0.0)
    kI = Real(2.50, "impact term of the linear model, bps", low=0.0)
    s0 = Real(2.08, "spread term of the root model, bps", low=0.0)
    sI = Real(12.08, "impact term of the root model, bps", low=0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("W", "R", "spread", "impact")

    check_parameters: ClassVar[dict[str, Any]] = {"n": 50}

    @property
    def warm_up(self) -> int:
        return self.n + 1

    def _make(self) -> Kernel:
        root = self.model == "sqrt"
        fixed, moved = (self.s0, self.sI) if root else (self.k0, self.kI)
        return impact.Invariance(self.q, root, self.n, self.limit_bps, fixed, moved)


@register(
    id=103,
    name="AlmgrenChriss",
    category="microstructure",
    kind="cost",
    inputs=("trade",),
    unit="bps",
    low=0.0,
    reference="Almgren, Chriss (2001), J. Risk 3",
)
class AlmgrenChriss(KernelFormula):
    """Expected cost of the schedule that trades q BTC best over T days in N slices, bps of q p.

    With tau = T / N and eta~ = eta - gamma tau / 2, kappa = arccosh(lam s^2 tau^2 / (2 eta~) + 1) / tau, and
    x_j = q sinh(kappa (T - j tau)) / sinh(kappa T) is left after j slices n_j = x_(j-1) - x_j. Then
    E = gamma q^2 / 2 + eps sum |n_j| + (eta~ / tau) sum n_j^2 and Var = s^2 tau sum x_j^2. s is `sigma`, or
    the day's volatility from the last n trade returns times the price.

    -1 where the cost is above limit_bps, else 1; confidence E / (E + sqrt(Var)).

    Outputs: kappa per day; half_life 1 / kappa in days; E in USD; Var in USD^2; first, n_1 / q.

    Raises
    ------
    FormulaError
        If eta~ is not above 0.

    References
    ----------
    Almgren, Chriss (2001), J. Risk 3.
    """

    reads = ("price", "volume")
    q = Real(1.0, "size of the order, BTC", low=0.0, open_low=True)
    T = Real(5.0, "days to trade in", low=0.0, open_low=True)
    N = Whole(5, "slices", high=10_000)
    lam = Real(1e-6, "aversion to risk, per USD", low=0.0)
    gamma = Real(2.5e-7, "permanent impact, USD per BTC^2", low=0.0)
    eta = Real(2.5e-6, "temporary impact, USD day per BTC^2", low=0.0, open_low=True)
    eps = Real(0.0625, "fixed cost, USD per BTC", low=0.0)
    sigma = Real(nan, "volatility, USD per BTC per sqrt day; NaN: that of the trades", low=0.0, nan=True)
    n = Whole(2000, "trade returns that the day is judged by", high=WINDOW_MAX)
    limit_bps = Real(10.0, "cost above which an order is too dear, bps")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("kappa", "half_life", "E", "Var", "first")

    check_parameters: ClassVar[dict[str, Any]] = {"n": 50}

    def _prepare(self) -> None:
        self.timed = isnan(self.sigma)  # the day's volatility of the trades needs their times
        rest = self.eta - self.gamma * self.T / self.N / 2.0
        if not rest > 0.0:
            raise FormulaError(f"eta - gamma T / (2 N) must be above 0, was {rest}")

    @property
    def warm_up(self) -> int:
        return 1 if self.sigma == self.sigma else self.n + 1

    def _make(self) -> Kernel:
        return impact.Schedule(
            self.q,
            self.T,
            self.N,
            self.lam,
            self.gamma,
            self.eta,
            self.eps,
            self.sigma,
            self.n,
            self.limit_bps,
        )


@register(
    id=104,
    name="LinearPriceImpact",
    category="microstructure",
    kind="cost",
    inputs=("trade", "quote"),
    unit="bps",
    reference="Glosten, Harris (1988), J. Financial Economics 21; Bertsimas, Lo (1998)",
)
class LinearPriceImpact(KernelFormula):
    """Cost of q BTC where each BTC traded moves the mid by eta, bps: 10^4 eta q / m.

    eta, in USD/BTC per BTC, is the least-squares slope without constant of m_(t+1) - m_t on the signed volume
    of trade t, m_t the mid of the quote before trade t, over the last n pairs; a pair is complete with the
    next trade. m is the mid of the newest trade.

    -1 where the cost is above limit_bps, else 1; confidence |t| / (1 + |t|).

    Outputs: eta; t, eta over its standard error.

    References
    ----------
    Glosten, Harris (1988), J. Financial Economics 21; Bertsimas, Lo (1998), J. Financial Markets 1.
    """

    reads = MATCHED
    q = Real(1.0, "size of the order, BTC", low=0.0, open_low=True)
    n = Whole(200, "pairs in the window", low=2, high=WINDOW_MAX)
    limit_bps = Real(10.0, "cost above which an order is too dear, bps")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("eta", "t")

    @property
    def warm_up(self) -> int:
        return self.n + 1

    def _make(self) -> Kernel:
        return impact.LinearImpact(self.q, self.n, self.limit_bps)


@register(
    id=105,
    name="SquareRootImpact",
    category="microstructure",
    kind="cost",
    inputs=("trade",),
    unit="bps",
    low=0.0,
    reference="Torre (1997), Barra; Toth et al. (2011), Phys. Rev. X 1",
)
class SquareRootImpact(KernelFormula):
    """Impact of q BTC by the square-root law, bps: 10^4 Y sigma_D sqrt(q / V_D).

    sigma_D and V_D are the volatility and the volume of a day, from the last n trade returns. -1 where the
    impact is above limit_bps, else 1; confidence 1. Without volume what was said before stands.

    Outputs: sigma_D, 1 per sqrt day; V_D, BTC per day; participation, q / V_D.

    References
    ----------
    Torre (1997), Barra; Toth et al. (2011), Phys. Rev. X 1.
    """

    reads = ("price", "volume")
    timed = True
    q = Real(1.0, "size of the order, BTC", low=0.0, open_low=True)
    Y = Real(1.0, "constant of the law", low=0.0)
    n = Whole(2000, "trade returns that the day is judged by", high=WINDOW_MAX)
    limit_bps = Real(10.0, "cost above which an order is too dear, bps")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("sigma_D", "V_D", "participation")

    check_parameters: ClassVar[dict[str, Any]] = {"n": 50}

    @property
    def warm_up(self) -> int:
        return self.n + 1

    def _make(self) -> Kernel:
        return impact.RootImpact(self.q, self.Y, self.n, self.limit_bps)


@register(
    id=107,
    name="TemporaryImpact",
    category="microstructure",
    kind="estimator",
    inputs=("trade", "quote"),
    reference="Almgren, Thum, Hauptmann, Li (2005), Risk 18",
)
class TemporaryImpact(KernelFormula):
    """Temporary impact eta of bars of m trades, each taken for an order: (J - I/2) / sigma_D on |phi|^beta.

    For a bar with the mid m0 before its first trade and m' before the first trade of the bar after next,
    J = ln(VWAP / m0) and I = ln(m' / m0). phi = Q / (V_D T) is its participation: net signed volume over what
    a day's volume gives in the bar's T days. Least squares through the origin of (J - I/2) / sigma_D on
    sgn(phi) |phi|^beta over the last n bars; bars without length or net volume, and those closed before 2 m
    trades, are left out. sigma_D and V_D are of the last day_n trade returns at the bar's close, fewer at the
    start. The value changes when m' is known. The signal is 0; confidence is the share of sum y^2 that is
    explained. Ready after 30 bars.

    Outputs: t, eta over its standard error; temp_bps, 10^4 eta sigma_D |phi|^beta at the median |phi|.

    References
    ----------
    Almgren, Thum, Hauptmann, Li (2005), Risk 18.
    """

    reads = MATCHED
    timed = True
    m = Whole(20, "trades in a bar")
    n = Whole(100, "bars in the window", low=2, high=100_000)
    beta = Real(0.6, "power of the participation", low=0.0, high=10.0)
    day_n = Whole(2000, "trade returns that the day is judged by", high=WINDOW_MAX)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("t", "temp_bps")

    check_parameters: ClassVar[dict[str, Any]] = {"m": 5, "n": 40, "day_n": 100}

    def _make(self) -> Kernel:
        return impact.TemporaryImpact(self.m, self.n, self.beta, self.day_n)


@register(
    id=109,
    name="TransientImpact",
    category="microstructure",
    inputs=("trade",),
    unit="bps",
    reference="Obizhaeva, Wang (2013), J. Financial Markets 16",
)
class TransientImpact(KernelFormula):
    """How far recent trades have displaced the price, before the book refills: 10^4 kappa E_t / p_t, bps.

    E_t = E_(t-1) exp(-ln 2 dt / half_life) + s_t v_t, in BTC, is signed volume that decays. kappa is the
    least-squares slope without constant of the price change on the change of E over the last n trades.

    Against E where kappa > 0, its t > 2 and |E| > entry sd(E): the displacement is expected to decay.
    Confidence |E| / (2 entry sd(E)), at most 1, 0 without variance.

    Outputs: E; kappa in USD/BTC per BTC; t, kappa over its standard error.

    References
    ----------
    Obizhaeva, Wang (2013), J. Financial Markets 16.
    """

    reads = TRADE
    timed = True
    half_life = Real(30.0, "of the displacement, s", low=0.0, open_low=True)
    n = Whole(500, "trades in the window", low=2, high=WINDOW_MAX)
    entry = Real(2.0, "displacement in sd that counts", low=0.0, open_low=True)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("E", "kappa", "t")

    @property
    def warm_up(self) -> int:
        return self.n + 1

    def _make(self) -> Kernel:
        return impact.TransientImpact(self.half_life, self.n, self.entry)


@register(
    id=110,
    name="MetaOrderImpact",
    category="microstructure",
    kind="estimator",
    inputs=("trade",),
    reference="Moro et al. (2009), Phys. Rev. E 80; Zarinelli, Treccani, Farmer, Lillo (2015)",
)
class MetaOrderImpact(KernelFormula):
    """Constant Y of the square-root law over runs of trades, each taken for one order cut up.

    A run is of trades of one side, none more than `gap` s after the one before, at least min_trades of them;
    the next trade that does not belong to it ends it. With Q its volume, I its side times ln(p_last /
    p_before), p_before the price of the trade before it, Y is the least-squares slope without constant of I /
    sigma_D on sqrt(Q / V_D) over the last n runs. sigma_D and V_D are of the last day_n trade returns when
    the run ends, fewer at the start; a run without them is left out. Ready after 10 runs.

    The side of the run in progress, once it has min_trades, where t(Y) > 2; confidence is the share of sum
    y^2 that is explained.

    Outputs: delta, the power of the size by which runs move the price, from five groups by size (NaN where
    fewer than three moved it); t, Y over its standard error; count of runs so far; running_Q, BTC of the
    run in progress, of any length.

    References
    ----------
    Moro et al. (2009), Phys. Rev. E 80; Zarinelli, Treccani, Farmer, Lillo (2015), Market Microstructure and
    Liquidity 1.
    """

    reads = TRADE
    timed = True
    gap = Real(60.0, "longest pause within a run, s", low=0.0, high=9e9)
    min_trades = Whole(5, "trades from which on a run counts")
    n = Whole(100, "runs in the window", low=2, high=100_000)
    day_n = Whole(2000, "trade returns that the day is judged by", high=WINDOW_MAX)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("delta", "t", "count", "running_Q")

    check_parameters: ClassVar[dict[str, Any]] = {"min_trades": 2, "day_n": 100}

    def _make(self) -> Kernel:
        return impact.MetaOrder(round(self.gap * 1e9), self.min_trades, self.n, self.day_n)


@register(
    id=129,
    name="PriceReversion",
    category="microstructure",
    inputs=("trade",),
    unit="bps per BTC",
    reference="Pastor, Stambaugh (2003), J. Political Economy 111",
)
class PriceReversion(KernelFormula):
    """Reversal that volume brings, after Pastor and Stambaugh, bps per BTC; negative where moves revert.

    With y_k the log return of a bar of m trades in bps and V_k its volume, y_(k+1) = c + f y_k + g sign(y_k)
    V_k + u by least squares over the last n rows; the value is g. The sign of the forecast at the newest bar
    where t(g) < -t_min; confidence R^2. Rows that do not determine the fit (condition of the normal equations
    above 10^12) leave what was said before.

    Outputs: f; t, g over its standard error; forecast of the next return, bps.

    References
    ----------
    Pastor, Stambaugh (2003), J. Political Economy 111.
    """

    reads = ("price", "volume")
    m = Whole(20, "trades in a bar")
    n = Whole(60, "rows in the window", low=4, high=WINDOW_MAX)
    t_min = Real(2.0, "least -t of a reversal that counts")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("f", "t", "forecast")

    @property
    def warm_up(self) -> int:
        return self.m * (self.n + 2)

    check_parameters: ClassVar[dict[str, Any]] = {"m": 4, "n": 20}

    def _make(self) -> Kernel:
        return impact.PriceReversion(self.m, self.n, self.t_min)
