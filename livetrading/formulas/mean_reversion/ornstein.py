"""The Ornstein-Uhlenbeck fit to log prices, and what is read off it (131 to 138).

Least squares of x_{i+1} on x_i with a constant over the n - 1 pairs of the last n log prices gives b, the
residual variance s^2 (divisor n - 1) and t_DF = (b - 1)/se(b). For b < 1 the process discretised exactly
has the speed theta = -ln b per observation, the mean mu = a/(1 - b), the stationary sd s_eq = s/sqrt(1 -
b^2) and the volatility sigma = s_eq sqrt(2 theta). For b <= 0, reversion faster than the sampling, 1e-6
stands for b but in mu; a b within 1e-12 of 0 is 0, as between two prices it often is. For b >= 1, and where
the prices have no variance, nothing reverts: theta is 0, signal and confidence are 0, and what needs mu or
s_eq holds; so it does where the fit leaves no residual. An sd is none where it is at most 1e-12 of the
largest |x|; the increments' own sd likewise, for then b is 1 up to rounding.

conf_OU, the confidence of most, is -t_DF/3.43 held between 0 and 1; -3.43 is the 1% value of Dickey and
Fuller.
"""

from livetrading.core.kernel import Kernel
from livetrading.core.ornstein import (
    OUEntry,
    OUExit,
    OUHalfLifeKernel,
    OULevel,
    OUScore,
    OUSpeed,
    OUTail,
    OUVolatilityKernel,
)
from livetrading.formulas.forms import KernelFormula
from livetrading.formulas.parameters import Choice, Real, Whole
from livetrading.formulas.registry import register


class _Fitted(KernelFormula):
    """One that reads the fit."""

    n = Whole(100, "log prices that are fitted", low=4)

    @property
    def warm_up(self) -> int:
        return self.n


@register(
    id=131,
    name="OrnsteinUhlenbeck",
    category="mean_reversion",
    inputs=("trade",),
    reference="Uhlenbeck, Ornstein (1930), Physical Review 36; Phillips (1972), Econometrica 40",
)
class OrnsteinUhlenbeck(_Fitted):
    """Stationary score of the log price under an Ornstein-Uhlenbeck fit to the last n.

    z = (ln p_t - mu) / s_eq. Short where z >= entry until z <= exit, long mirrored, flat where b >= 1.
    Confidence conf_OU.

    Outputs: theta, per observation; mu; s_eq; sigma, per square root of an observation; t_DF.

    References
    ----------
    Uhlenbeck, Ornstein (1930), Physical Review 36. Phillips (1972), Econometrica 40 (exact discretisation).
    """

    entry = Real(2.0, "score at which a position is taken", low=0.0, open_low=True)
    exit = Real(0.0, "score at which it is left")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("theta", "mu", "s_eq", "sigma", "t_DF")

    def _make(self) -> Kernel:
        return OUScore(self.n, self.entry, self.exit)


@register(
    id=132,
    name="OUHalfLife",
    category="mean_reversion",
    kind="estimator",
    unit="observations",
    low=0.0,
    inputs=("trade",),
    reference="Chan (2013), Algorithmic Trading, ch. 2",
)
class OUHalfLife(_Fitted):
    """Half-life of deviations from the mean, ln 2 / theta observations; infinite where b >= 1.

    Signal 1 where it is at most hl_max, -1 where reversion is too slow to trade. Confidence conf_OU.

    References
    ----------
    Chan (2013), Algorithmic Trading, ch. 2.
    """

    hl_max = Real(50.0, "observations up to which reversion is quick enough", low=0.0, open_low=True)

    def _make(self) -> Kernel:
        return OUHalfLifeKernel(self.n, self.hl_max)


@register(
    id=133,
    name="OUMeanLevel",
    category="mean_reversion",
    kind="estimator",
    unit="USD per BTC",
    low=0.0,
    inputs=("trade",),
    reference="Uhlenbeck, Ornstein (1930), Physical Review 36; Vasicek (1977), J. Financial Economics 5",
)
class OUMeanLevel(_Fitted):
    """Price to which the log price reverts.

    exp(mu), the stationary median, or exp(mu + s_eq^2 / 2), the mean. Towards it where |ln p_t - mu| >
    entry s_eq, without memory. Confidence conf_OU.

    Outputs: gap_bps = 1e4 (mu - ln p_t); se_mu = sqrt(s^2 / ((n - 1)(1 - b)^2)).

    References
    ----------
    Uhlenbeck, Ornstein (1930), Physical Review 36. Vasicek (1977), J. Financial Economics 5.
    """

    mode = Choice("median", "which level of the stationary law", among=("median", "mean"))
    entry = Real(2.0, "stationary sd beyond which it signals", low=0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("gap_bps", "se_mu")

    def _make(self) -> Kernel:
        return OULevel(self.n, self.mode == "mean", self.entry)


@register(
    id=134,
    name="OUVolatility",
    category="mean_reversion",
    kind="estimator",
    unit="bps per square root of an observation",
    low=0.0,
    inputs=("trade",),
    reference="Uhlenbeck, Ornstein (1930), Physical Review 36; Phillips (1972), Econometrica 40",
)
class OUVolatility(_Fitted):
    """Volatility of the Ornstein-Uhlenbeck process, 1e4 sigma; a quantity without a signal.

    Confidence 1 - 1/sqrt(2(n - 1)).

    Outputs: ratio of sigma to the population sd of the returns in the window, NaN where that is 0;
    s_eq_bps = 1e4 s_eq.

    References
    ----------
    Uhlenbeck, Ornstein (1930), Physical Review 36. Phillips (1972), Econometrica 40.
    """

    @property
    def gives(self) -> tuple[str, ...]:
        return ("ratio", "s_eq_bps")

    def _make(self) -> Kernel:
        return OUVolatilityKernel(self.n)


@register(
    id=135,
    name="OUSpeedOfReversion",
    category="mean_reversion",
    kind="estimator",
    unit="per observation",
    inputs=("trade",),
    reference="Tang, Chen (2009), J. Econometrics 149; Yu (2012), J. Econometrics 169",
)
class OUSpeedOfReversion(_Fitted):
    """Speed of reversion less the bias that least squares gives it; negative is no evidence of reversion.

    theta - (5 + 2 e^h + e^{2h}) / (2(n - 1)), h = min(theta, 1), beyond which the expansion does not hold;
    theta is 0 for b >= 1 and without variance. Signal 1 where it is above 0 and t_DF < -2.86 (the 5% value),
    -1 where it is at most 0. Confidence conf_OU where it is above 0.

    Outputs: theta, bias, per observation.

    References
    ----------
    Tang, Chen (2009), J. Econometrics 149. Yu (2012), J. Econometrics 169.
    """

    @property
    def gives(self) -> tuple[str, ...]:
        return ("theta", "bias")

    def _make(self) -> Kernel:
        return OUSpeed(self.n)


@register(
    id=136,
    name="OUEquilibrium",
    category="mean_reversion",
    low=0.0,
    high=1.0,
    inputs=("trade",),
    reference="Ricciardi, Sato (1988), J. Applied Probability 25",
)
class OUEquilibrium(_Fitted):
    """Stationary probability of a level below the present one, Phi(z) with z of 131.

    Long below `tail`, short above 1 - tail, without memory. Confidence |2 Phi(z) - 1| conf_OU.

    Outputs: passage, the mean time until the price is at its mean, sqrt(2 pi)/theta times the integral of
    Phi(-w) exp(w^2/2) from 0 to |z|, observations; by Simpson's rule with 200 intervals up to |z| = 25,
    where that rule is off by 7e-7 and soon by more than 1e-6, and beyond as the integral itself.

    References
    ----------
    Ricciardi, Sato (1988), J. Applied Probability 25 (the passage time).
    """

    tail = Real(0.05, "probability that makes a tail", low=0.0, high=0.5)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("passage",)

    def _make(self) -> Kernel:
        return OUTail(self.n, self.tail)


@register(
    id=137,
    name="OUOptimalEntry",
    category="mean_reversion",
    unit="stationary sd",
    low=0.0,
    inputs=("trade",),
    reference="Bertram (2010), Physica A 389",
)
class OUOptimalEntry(_Fitted):
    """Distance from the mean at which to enter for most profit a time, long below and short above it.

    A_x, in log price, maximises (2A - cost) / cycle with cycle = (2 pi/theta) erfi(A sqrt(theta)/sigma),
    which is where 2A - cost = (2 sigma / sqrt(theta)) D(A sqrt(theta)/sigma), D Dawson's function. Solved
    afresh when theta or sigma is more than 1% off the last solution's; the value is A_x over the present
    s_eq. Long where ln p_t - mu <= -A_x, short where it is >= A_x. Confidence conf_OU.

    Outputs: A_bps = 1e4 A_x; rate = (2 A_x - cost) / cycle and cycle (observations) of the last solution.

    References
    ----------
    Bertram (2010), Physica A 389.
    """

    cost = Real(5e-5, "of a round trip, log units", low=0.0, open_low=True)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("A_bps", "rate", "cycle")

    def _make(self) -> Kernel:
        return OUEntry(self.n, self.cost)


@register(
    id=138,
    name="OUOptimalExit",
    category="mean_reversion",
    kind="exit",
    unit="log units",
    low=0.0,
    inputs=("trade", "account"),
    reference="Leung, Li (2015), International J. Theoretical and Applied Finance 18",
)
class OUOptimalExit(_Fitted):
    """Distance beyond the mean at which leaving a position is worth most, at a discount.

    B solves F(B) = (B - cost) F'(B), F(y) the integral of u^{nu-1} exp(q y u - u^2/2) over u > 0, nu = rate /
    theta, q = sqrt(2 theta)/sigma. Solved afresh as 137. Leave (1) a long where ln p_t - mu >= B, a short
    where it is <= -B; else 0. Confidence conf_OU. Not ready until a position has been told, 0 included.

    Outputs: B_bps = 1e4 B; B_z = B / s_eq.

    References
    ----------
    Leung, Li (2015), International J. Theoretical and Applied Finance 18.
    """

    reads = ("price", "account.position")
    rate = Real(1e-3, "discount per observation", low=1e-12)
    cost = Real(5e-5, "of leaving, log units", low=0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("B_bps", "B_z")

    def _make(self) -> Kernel:
        return OUExit(self.n, self.rate, self.cost)
