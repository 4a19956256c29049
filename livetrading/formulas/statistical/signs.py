"""Statistics of the signs of returns: which way is likelier, how surprising the words, how many the runs."""

from livetrading.core.kernel import Kernel
from livetrading.core.statistics import Runs, UpDown, WordEntropy
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.forms import KernelFormula
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register


@register(
    id=1,
    name="BayesianProbability",
    category="statistical",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Bayes-Laplace; West and Harrison (1997), Bayesian Forecasting and Dynamic Models",
)
class BayesianProbability(KernelFormula):
    """Posterior probability that the price is likelier to move up than down.

    Ups A and downs B are counted with forgetting, A <- lam A + 1[r > 0], B <- lam B + 1[r < 0], at every
    return that is not 0. The chance theta of an up then is Beta(a, b), a = a0 + A, b = b0 + B, and the value
    P(theta > 1/2) = 1 - I_{1/2}(a, b), unit 1.

    Long where the value is at least `entry`, short where it is at most 1 - entry. Confidence |2 value - 1|.
    Ready after `min_obs` returns that are not 0.

    Outputs: a, b; mean a / (a + b).

    References
    ----------
    Bayes-Laplace; conjugate updating with discount: West and Harrison (1997), Bayesian Forecasting and
    Dynamic Models.
    """

    lam = Real(0.99, "what a count keeps at the next move", low=0.0, high=1.0, open_low=True)
    a0 = Real(1.0, "ups before any were seen", low=1e-6, high=1e6)
    b0 = Real(1.0, "downs before any were seen", low=1e-6, high=1e6)
    entry = Real(0.95, "probability at which a side is taken", low=0.5, high=1.0)
    min_obs = Whole(20, "returns that are not 0 before it is ready")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("a", "b", "mean")

    def _make(self) -> Kernel:
        return UpDown(self.lam, self.a0, self.b0, self.entry, self.min_obs)


@register(
    id=6,
    name="EntropyMeasure",
    category="statistical",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    unit="bits/bits",
    reference="Shannon (1948), Bell Syst. Tech. J. 27; Risso (2008), Res. Int. Business and Finance 22",
)
class EntropyMeasure(KernelFormula):
    """Shannon entropy of the words that the signs of returns spell, over the most it can be.

    The last n returns that are not 0, as bits, hold N = n - word + 1 overlapping words. With their
    frequencies P the value is -sum P log2 P / word: 1 where signs cannot be foretold, 0 where they all agree.

    G = 2 N ln 2 (word - H) is chi-squared with 2^word - 1 degrees of freedom, roughly since words overlap,
    where all words are as likely; p is its survival. Where p < alpha the side is the more frequent sign after
    the last word - 1 signs. Confidence 1 - p.

    Outputs: G; p.

    References
    ----------
    Shannon (1948), Bell Syst. Tech. J. 27; Risso (2008), Res. Int. Business and Finance 22.
    """

    n = Whole(400, "returns that are not 0 in the window", high=1_000_000)
    word = Whole(3, "signs in a word", high=10)
    alpha = Real(0.05, "p-value below which the signs are not random", low=0.0, high=1.0)

    def _prepare(self) -> None:
        if self.n < self.word:
            raise FormulaError(f"n must be at least word, {self.word}, was {self.n}")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("G", "p")

    def _make(self) -> Kernel:
        return WordEntropy(self.n, self.word, self.alpha)


@register(
    id=11,
    name="RunsTest",
    category="statistical",
    inputs=("trade",),
    reference="Wald and Wolfowitz (1940), Ann. Math. Stat. 11",
)
class RunsTest(KernelFormula):
    """Wald-Wolfowitz z of the number of runs in the signs of the last n returns that are not 0.

    With R runs, n1 ups and n2 downs, E = 2 n1 n2 / n + 1 and V = 2 n1 n2 (2 n1 n2 - n) / (n^2 (n - 1)), the
    value is (R - E) / sqrt(V), unit 1, without a correction for continuity; 0 where n1, n2 or V is 0.

    Too few runs, z <= -entry, follow the last sign; too many, z >= entry, go against it. Confidence
    2 Phi(|z|) - 1.

    Outputs, counted also where z is 0 for want of a variance: runs, n_up, n_down.

    References
    ----------
    Wald and Wolfowitz (1940), Ann. Math. Stat. 11.
    """

    n = Whole(200, "returns that are not 0 in the window", low=2, high=1_000_000)
    entry = Real(1.96, "z at which a side is taken", low=0.0)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("runs", "n_up", "n_down")

    def _make(self) -> Kernel:
        return Runs(self.n, self.entry)
