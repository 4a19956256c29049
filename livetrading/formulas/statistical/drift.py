"""Which way a price drifts and where it stands: drift against none, momentum, channels, odd trades."""

from math import ceil
from typing import Any

from livetrading.core.kernel import Kernel
from livetrading.core.statistics import Anomaly, Channel, CrossSection, Likelihood, Momentum
from livetrading.formulas.base import row_of
from livetrading.formulas.channels import Observation, field_of, number_of, prices_of, time_of
from livetrading.formulas.forms import KernelFormula
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register

PEERS = 31
PLACES = {f"cross.{k}": k + 1 for k in range(PEERS)}
"""Columns of other prices that a cross section can hold."""


@register(
    id=2,
    name="MaximumLikelihood",
    category="statistical",
    inputs=("trade",),
    reference="Wilks (1938), Ann. Math. Stat. 9; Barndorff-Nielsen (1986), Biometrika 73",
)
class MaximumLikelihood(KernelFormula):
    """Signed root of the likelihood ratio of a Gaussian drift against none, over the last n returns.

    With mean mu and population variance s2, LR = n ln(1 + mu^2 / s2), and the value is sgn(mu) sqrt(LR),
    unit 1: about N(0, 1) where there is no drift.

    Its sign where |value| >= entry. Confidence 2 Phi(|value|) - 1.

    Outputs: mu; sigma; loglik -(n/2)(ln(2 pi s2) + 1); lr. All 0 where sigma <= 1e-12.

    References
    ----------
    Wilks (1938), Ann. Math. Stat. 9; signed root: Barndorff-Nielsen (1986), Biometrika 73.
    """

    n = Whole(100, "returns in the window", low=2, high=1_000_000)
    entry = Real(1.96, "value at which a side is taken", low=0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("mu", "sigma", "loglik", "lr")

    @property
    def warm_up(self) -> int:
        return self.n + 1

    def _make(self) -> Kernel:
        return Likelihood(self.n, self.entry)


@register(
    id=15,
    name="CrossSectionalMomentum",
    category="statistical",
    inputs=("trade", "cross"),
    reference="Jegadeesh and Titman (1993), J. Finance 48; Lo and MacKinlay (1990), RFS 3",
)
class CrossSectionalMomentum(KernelFormula):
    """Z-score of the own return among those of other prices, over a formation that ended `skip` ago.

    R_k = ln p_k(t - skip) - ln p_k(t - skip - formation) of the own price and of every column that has a
    price all the way between; M of them. The value is (R_own - mean) / sd, unit 1, sd with divisor M; 0 where
    sd <= 1e-12. Not ready where M < min_assets.

    With the average rank q of R_own, ascending: long where q > 2M/3, short where q <= M/3. Confidence
    |2 (q - 1/2) / M - 1|.

    Outputs: rank; formation_return R_own; weight (R_own - mean) / M.

    At most 31 columns are looked at.

    References
    ----------
    Jegadeesh and Titman (1993), J. Finance 48; weights: Lo and MacKinlay (1990), RFS 3.
    """

    reads = ("price", *(f"cross.{k}" for k in range(PEERS)))
    needs = ("price", "cross.0")
    formation = Whole(100, "observations over which returns are formed", high=20_000)
    skip = Whole(5, "observations between their end and now", low=0, high=20_000)
    min_assets = Whole(
        3, "prices, the own one with them, below which there is no value", low=2, high=PEERS + 1
    )

    @property
    def gives(self) -> tuple[str, ...]:
        return ("rank", "formation_return", "weight")

    @property
    def warm_up(self) -> int:
        return self.formation + self.skip + 1

    def _make(self) -> Kernel:
        return CrossSection(self.formation, self.skip, self.min_assets)

    def update(self, observation: Observation | None = None, /, **fields: Any) -> None:
        row = fields if observation is None else row_of(observation, fields)
        prices = [float("nan")] * (PEERS + 1)
        prices[0] = field_of(row, "price")
        for k, value in enumerate(prices_of(row)[:PEERS]):
            prices[1 + k] = number_of("cross.prices", value)
        for name, value in row.items():
            if name in PLACES:
                prices[PLACES[name]] = value if type(value) is float else number_of(name, value)
        ts = time_of(row)
        if not self._kernel.ready:
            self._note(row)
        self._kernel.update(ts, prices)


@register(
    id=16,
    name="TimeSeriesMomentum",
    category="statistical",
    inputs=("trade",),
    reference="Moskowitz, Ooi, Pedersen (2012), J. Financial Economics 104",
)
class TimeSeriesMomentum(KernelFormula):
    """Own past return in units of the volatility known before the last return.

    R = ln p_t - ln p_{t-lookback}; the value is R / (s_{t-1} sqrt(lookback)), unit 1. With d = com/(com + 1):
    m_1 = r_1, v_1 = 0; e = r_t - m_{t-1}, v_t = d (v_{t-1} + (1 - d) e^2), m_t = m_{t-1} + (1 - d) e;
    s_t = sqrt(v_t). Value and position are 0 where s_{t-1} <= 1e-12.

    Its sign where |value| >= entry. Confidence 2 Phi(|value|) - 1. Ready from max(lookback, com) + 1 returns.

    Outputs: R; sigma s_t; position sgn(R) min(target / s_{t-1}, cap).

    References
    ----------
    Moskowitz, Ooi, Pedersen (2012), J. Financial Economics 104.
    """

    lookback = Whole(100, "observations that the return spans", high=1_000_000)
    com = Real(60.0, "centre of mass of the average, in observations", low=0.0, high=1e7)
    target = Real(0.001, "volatility of an observation that the position aims at", low=0.0)
    cap = Real(2.0, "largest position", low=0.0)
    entry = Real(0.5, "value at which a side is taken", low=0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("R", "sigma", "position")

    @property
    def warm_up(self) -> int:
        return max(self.lookback, ceil(self.com)) + 2

    def _make(self) -> Kernel:
        return Momentum(self.lookback, self.com, self.target, self.cap, self.entry)


@register(
    id=22,
    name="OrderStatistics",
    category="statistical",
    inputs=("trade",),
    reference="David and Nagaraja (2003), Order Statistics",
)
class OrderStatistics(KernelFormula):
    """Place of the price in the channel of the n prices before it.

    With their least L and greatest U the value is (p_t - L) / (U - L), unit 1; above 1 or below 0 the price
    is a new extreme. Where U = L it is 0.5, or 1 above and 0 below them.

    Long above U, short below L. Confidence |value - 0.5| inside, 0.5 and the distance beyond the channel over
    its width, at most 1, outside; where U = L 0 on it and 1 off it.

    Outputs: high U; low L.

    References
    ----------
    David and Nagaraja (2003), Order Statistics; Donchian channel.
    """

    n = Whole(50, "prices in the channel", high=1_000_000)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("high", "low")

    @property
    def warm_up(self) -> int:
        return self.n + 1

    def _make(self) -> Kernel:
        return Channel(self.n)


@register(
    id=27,
    name="AnomalyDetection",
    category="statistical",
    kind="filter",
    inputs=("trade",),
    low=0.0,
    reference="Hotelling (1947); Lowry, Woodall, Champ, Rigdon (1992), Technometrics 34",
)
class AnomalyDetection(KernelFormula):
    """Squared Mahalanobis distance of a trade from the trades before it.

    x_t = (r_t, ln(1 + volume), ln(1 + s since the trade before)); with d = x_t - M the value is d' S^-1 d,
    unit 1, then S <- lam (S + (1 - lam) d d') and M <- M + (1 - lam) d. It begins with M = x_1, S = 0. A
    feature whose variance is at most 1e-18 is left out; k are in.

    p is the survival of chi-squared with k degrees of freedom. Passes, gate 1 and signal 1, where
    p >= alpha; else gate 0 and signal -1. Confidence 1 - p.

    Outputs: gate; p; k.

    References
    ----------
    Hotelling (1947); Lowry, Woodall, Champ, Rigdon (1992), Technometrics 34.
    """

    reads = ("price", "volume")
    timed = True
    lam = Real(
        0.99, "what the mean and the covariance keep", low=0.0, high=1.0, open_low=True, open_high=True
    )
    min_obs = Whole(50, "returns before it is ready")
    alpha = Real(0.001, "p-value below which a trade is odd", low=0.0, high=1.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("gate", "p", "k")

    @property
    def warm_up(self) -> int:
        return self.min_obs + 1

    def _make(self) -> Kernel:
        return Anomaly(self.lam, self.min_obs, self.alpha)
