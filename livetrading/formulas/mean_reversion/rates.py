"""Reverting rates and variances: Vasicek and Cox, Ingersoll, Ross (139, 140)."""

from livetrading.core.kernel import Kernel
from livetrading.core.ornstein import SquareRoot, Vasicek
from livetrading.formulas.forms import KernelFormula
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register


@register(
    id=139,
    name="VasicekModel",
    category="mean_reversion",
    kind="estimator",
    unit="per year",
    inputs=("derivatives",),
    reference="Vasicek (1977), J. Financial Economics 5",
)
class VasicekModel(KernelFormula):
    """Expected average funding rate over the next H days, per year, under Vasicek.

    R = 1095 funding_rate reverts to beta at the speed kappa, both of the Ornstein-Uhlenbeck fit (as 131, on
    R) to the last n: beta + (R - beta)(1 - e^{-kappa h}) / (kappa h), h = H/365 years; R itself where kappa
    h < 1e-8 or nothing reverts. Longs pay: short where it is above the 95% quantile of R in the window,
    long below the 5% one. Confidence conf_OU.

    Outputs: kappa, per year, 0 where nothing reverts; beta, sigma, annual, which then hold; R.

    References
    ----------
    Vasicek (1977), J. Financial Economics 5.
    """

    check_parameters = {"n": 100}  # noqa: RUF012
    reads = ("derivatives.funding_rate",)
    n = Whole(270, "rates that are fitted", low=4)
    H = Real(30.0, "days ahead", low=0.0, open_low=True)
    dt = Real(1 / 1095, "years from one rate to the next", low=0.0, open_low=True)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("kappa", "beta", "sigma", "R")

    @property
    def warm_up(self) -> int:
        return self.n

    def _make(self) -> Kernel:
        return Vasicek(self.n, self.H, self.dt)


@register(
    id=140,
    name="CIRModel",
    category="mean_reversion",
    kind="estimator",
    unit="bps^2 per observation",
    low=0.0,
    inputs=("trade",),
    reference="Cox, Ingersoll, Ross (1985), Econometrica 53; Chan, Karolyi, Longstaff, Sanders (1992), "
    "J. Finance 47",
)
class CIRModel(KernelFormula):
    """Level to which realised variance reverts, under a square-root process.

    V_k is the mean of (1e4 r)^2 over successive blocks of m returns; says something new when a block
    closes. (V_{k+1} - V_k)/sqrt(V_k) on 1/sqrt(V_k) and sqrt(V_k) without constant over the last n blocks
    (pairs with V_k = 0 left out) gives c1 and c2: a = -c2 per block, theta = c1/a, the value. Signal 1,
    variance to rise, where the last V is in the lowest 5% of the stationary gamma law, -1 in the highest.
    Confidence a third of the t-value of a. Where a or theta is not above 0, or the fit is singular or of
    fewer than 3 pairs: the mean of V, neutral, outputs NaN. Where the fit leaves no residual but rounding, s
    is 0 and the stationary law a step at theta, 1/2 at it.

    Outputs: a; s, sqrt of the mean squared residual; feller = 2 a theta / s^2; stationary_cdf.

    References
    ----------
    Cox, Ingersoll, Ross (1985), Econometrica 53. Chan, Karolyi, Longstaff, Sanders (1992), J. Finance 47.
    """

    check_parameters = {"m": 5, "n": 20}  # noqa: RUF012
    m = Whole(20, "returns in a block")
    n = Whole(60, "blocks that are fitted", low=4)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("a", "s", "feller", "stationary_cdf")

    @property
    def warm_up(self) -> int:
        return self.m * self.n + 1

    def _make(self) -> Kernel:
        return SquareRoot(self.m, self.n)
