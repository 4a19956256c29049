"""Mean reversion: Ornstein-Uhlenbeck fits, scores and bands, pairs (131 to 150)."""

from livetrading.core.kernel import Kernel
from livetrading.core.reversion import KalmanHedge, ZScore
from livetrading.formulas.base import KernelFormula
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
    id=150,
    name="KalmanHedgeRatio",
    category="mean_reversion",
    inputs=("cross",),
    reference="Kalman (1960), J. Basic Engineering 82; Chan (2013), Algorithmic Trading, ch. 3",
)
class KalmanHedgeRatio(KernelFormula):
    """Slope of ln cross.0 on ln cross.1 that walks at random, filtered.

    The state (slope, constant) moves by delta/(1 - delta) I an observation and is seen as y = slope x +
    constant + noise of variance R; it starts at 0 with covariance P0 I. Short the spread where the innovation
    over its sd is >= entry until it is <= exit, long mirrored. Confidence 1 - sd(slope)/|slope|, at least 0.

    References
    ----------
    Kalman (1960), J. Basic Engineering 82; Chan (2013), Algorithmic Trading, ch. 3.
    """

    reads = ("cross.0", "cross.1")
    delta = Real(1e-4, "how fast the state walks", low=0.0, high=1.0, open_low=True, open_high=True)
    R = Real(1e-6, "variance of the noise", low=0.0, open_low=True)
    P0 = Real(1.0, "variance of the state at the start", low=0.0, open_low=True)
    entry = Real(1.0, "innovation in sd at which a position is taken", low=0.0, open_low=True)
    exit = Real(0.0, "innovation in sd at which it is left")
    warm = Whole(50, "observations before it is ready")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("alpha", "nu", "S", "z")

    @property
    def warm_up(self) -> int:
        return self.warm

    def _make(self) -> Kernel:
        return KalmanHedge(self.delta, self.R, self.P0, self.entry, self.exit, self.warm)
