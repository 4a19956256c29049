"""Small networks that take one step on every pair as it becomes known (61 to 67, 70)."""

from livetrading.core.kernel import Kernel
from livetrading.core.nets import Net, OnlineNet, Perceptron, perceptron_update
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.forms import KernelFormula
from livetrading.formulas.machine_learning.weights import Params, generator, initial, logit, loss_grad, update
from livetrading.formulas.parameters import Real, Whole, Wholes
from livetrading.formulas.registry import register

__all__ = ["Params", "logit", "loss_grad", "perceptron_update", "update"]

FEATURES = 8
LAYERS_MAX = 10


@register(
    id=61,
    name="SimplePerceptron",
    category="machine_learning",
    inputs=("trade",),
    reference="Rosenblatt (1958), Psychological Review 65",
)
class SimplePerceptron(KernelFormula):
    """Margin of Rosenblatt's perceptron over the eight features, standardised as they come.

    s_t = w.z_t + b. When the price of h observations ago has been passed (c = 1) or undercut (c = -1), and
    c (w.z + b) <= 0 for the features of then, w += eta c z and b += eta c. The signal is the sign of s_t, the
    confidence |s_t| / (|w| |z_t| + |b|).

    Outputs: mistakes, corrections so far; b; hit_rate, the share of right signs among the last 200
    predictions that resolved.

    References
    ----------
    Rosenblatt (1958), Psychological Review 65.
    """

    reads = ("price", "volume", "side")
    eta = Real(0.01, "length of a correction", low=0.0, high=1e100, open_low=True)
    h = Whole(10, "observations ahead", high=100_000)
    warm = Whole(200, "resolved pairs before it is ready")

    @property
    def gives(self) -> tuple[str, ...]:
        return ("mistakes", "b", "hit_rate")

    def _make(self) -> Kernel:
        return Perceptron(self.eta, self.h, self.warm)


class OnlineFormula(KernelFormula):
    """Probability of a rise over the next h observations, from a network that learns as they go by.

    When the pair of h observations ago is known, the log loss of its stored features is brought down by one
    step of length eta along the gradient, cut to the length `clip`; then the features of now are read with
    the new weights.
    """

    reads = ("price", "volume", "side")
    eta = Real(0.01, "length of a step", low=0.0, high=1e3, open_low=True)
    clip = Real(1.0, "largest length of a gradient", low=0.0, high=1e12, open_low=True)
    h = Whole(10, "observations ahead", high=100_000)
    seed = Whole(0, "of the first weights", low=0, high=2**63 - 1)
    warm = Whole(200, "steps of training before it is ready")
    theta = Real(0.05, "distance from 1/2 past which the probability is a signal", low=0.0, high=0.5)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("p_up", "hit_rate", *self._notes())

    def _net(self) -> Net:
        raise NotImplementedError

    def _notes(self) -> tuple[str, ...]:
        return ()

    def _make(self) -> Kernel:
        net = self._net()
        weights = initial(net, generator(self.seed)).weights
        return OnlineNet(net, net.packed(weights), self.eta, self.clip, self.h, self.warm, self.theta)


@register(
    id=62,
    name="MultiLayerPerceptron",
    category="machine_learning",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Rumelhart, Hinton, Williams (1986), Nature 323",
)
class MultiLayerPerceptron(OnlineFormula):
    """Probability of a rise by a network of tanh layers, 8 - 16 - 8 - 1 unless `hidden` says otherwise.

    logit = W3 tanh(W2 tanh(W1 z + b1) + b2) + b3. Signal: past theta from 1/2; confidence |2 p - 1|.

    Outputs: p_up; hit_rate, the share of right directions among the last 200 predictions that resolved.

    References
    ----------
    Rumelhart, Hinton, Williams (1986), Nature 323.
    """

    hidden = Wholes((16, 8), "units of the hidden layers", high=512)

    def _prepare(self) -> None:
        if len(self.hidden) > LAYERS_MAX:
            raise FormulaError(f"hidden must name at most {LAYERS_MAX} layers, was {len(self.hidden)}")

    def _net(self) -> Net:
        return Net("dense", (FEATURES, *self.hidden, 1))


@register(
    id=63,
    name="RecurrentUnit",
    category="machine_learning",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Elman (1990), Cognitive Science 14; Werbos (1990), Proc. IEEE 78",
)
class RecurrentUnit(OnlineFormula):
    """Probability of a rise by Elman's unit over the last T observations, begun at 0 for each of them.

    h_k = tanh(Wx z_k + Wh h_{k-1} + b), logit = u.h_T + c; the gradient goes back through all T steps.
    Signal: past theta from 1/2; confidence |2 p - 1|.

    Outputs: p_up; hit_rate, the share of right directions among the last 200 predictions that resolved.

    References
    ----------
    Elman (1990), Cognitive Science 14; Werbos (1990), Proc. IEEE 78.
    """

    H = Whole(8, "hidden units", high=256)
    T = Whole(20, "observations in a sequence", high=1000)

    def _net(self) -> Net:
        return Net("elman", (FEATURES, self.H, self.T))


@register(
    id=64,
    name="LSTMUnit",
    category="machine_learning",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Hochreiter, Schmidhuber (1997), Neural Computation 9; Gers, Schmidhuber, Cummins (2000), "
    "Neural Computation 12",
)
class LSTMUnit(OnlineFormula):
    """Probability of a rise by a long short-term memory over the last T observations.

    Of a = Wx z_k + Wh h_{k-1} + b, cut into i, f, g, o: C_k = sig(f) C_{k-1} + sig(i) tanh(g) and h_k =
    sig(o) tanh(C_k); logit = u.h_T + c. The bias of the forget gate begins at 1. Signal: past theta from 1/2;
    confidence |2 p - 1|.

    Outputs: p_up; hit_rate, the share of right directions among the last 200 predictions that resolved;
    forget, the mean of sig(f) at the last step.

    References
    ----------
    Hochreiter, Schmidhuber (1997), Neural Computation 9; Gers, Schmidhuber, Cummins (2000), Neural
    Computation 12.
    """

    H = Whole(8, "hidden units", high=256)
    T = Whole(20, "observations in a sequence", high=1000)

    def _net(self) -> Net:
        return Net("lstm", (FEATURES, self.H, self.T))

    def _notes(self) -> tuple[str, ...]:
        return ("forget",)


@register(
    id=65,
    name="GRUUnit",
    category="machine_learning",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Cho, van Merrienboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio (2014), EMNLP",
)
class GRUUnit(OnlineFormula):
    """Probability of a rise by a gated recurrent unit over the last T observations.

    Of A = Wx z_k + bx and Q = Wh h_{k-1} + bh, each cut into r, z, n: r = sig(A_r + Q_r), u = sig(A_z + Q_z),
    v = tanh(A_n + r Q_n) and h_k = (1 - u) v + u h_{k-1}; logit = u.h_T + c. Signal: past theta from 1/2;
    confidence |2 p - 1|.

    Outputs: p_up; hit_rate, the share of right directions among the last 200 predictions that resolved.

    References
    ----------
    Cho, van Merrienboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio (2014), EMNLP.
    """

    H = Whole(8, "hidden units", high=256)
    T = Whole(20, "observations in a sequence", high=1000)

    def _net(self) -> Net:
        return Net("gru", (FEATURES, self.H, self.T))


@register(
    id=66,
    name="AttentionMechanism",
    category="machine_learning",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser, Polosukhin (2017), NeurIPS",
)
class AttentionMechanism(OnlineFormula):
    """Probability of a rise by one head of attention of the last observation to the last T.

    The features get sines and cosines of their place added, e_k. With q = Wq e_{T-1}: alpha = softmax((Wk
    e_k).q / sqrt(d)), logit = u.(sum_k alpha_k Wv e_k) + c. Signal: past theta from 1/2; confidence
    |2 p - 1|.

    Outputs: p_up; hit_rate, the share of right directions among the last 200 predictions that resolved;
    attn_entropy, the entropy of alpha over ln T.

    References
    ----------
    Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser, Polosukhin (2017), NeurIPS.
    """

    T = Whole(20, "observations in a sequence", low=2, high=1000)
    d = Whole(8, "width of the head", high=256)

    def _net(self) -> Net:
        return Net("attention", (FEATURES, self.d, self.T))

    def _notes(self) -> tuple[str, ...]:
        return ("attn_entropy",)


@register(
    id=67,
    name="ConvolutionalFeature",
    category="machine_learning",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="LeCun, Boser, Denker, Henderson, Howard, Hubbard, Jackel (1989), Neural Computation 1; "
    "Waibel, Hanazawa, Hinton, Shikano, Lang (1989), IEEE Trans. ASSP 37",
)
class ConvolutionalFeature(OnlineFormula):
    """Probability of a rise by K filters over the last T standardised returns.

    a_{j,k} = max(0, sum_i W_{j,i} x_{k+i} + b_j), pool_j its mean over the places k, logit = u.pool + c.
    Signal: past theta from 1/2; confidence |2 p - 1|.

    Outputs: p_up; hit_rate, the share of right directions among the last 200 predictions that resolved;
    pool_0 to pool_{K-1}.

    References
    ----------
    LeCun, Boser, Denker, Henderson, Howard, Hubbard, Jackel (1989), Neural Computation 1; Waibel, Hanazawa,
    Hinton, Shikano, Lang (1989), IEEE Trans. ASSP 37.
    """

    K = Whole(4, "filters", high=256)
    width = Whole(5, "returns under a filter", high=1000)
    T = Whole(32, "returns in the input", high=1000)

    def _prepare(self) -> None:
        if self.width > self.T:
            raise FormulaError(f"width must be at most T, {self.T}, was {self.width}")

    def _net(self) -> Net:
        return Net("convolution", (self.T, self.K, self.width))

    def _notes(self) -> tuple[str, ...]:
        return tuple(f"pool_{j}" for j in range(self.K))


@register(
    id=70,
    name="ResidualBlock",
    category="machine_learning",
    inputs=("trade",),
    low=0.0,
    high=1.0,
    reference="He, Zhang, Ren, Sun (2016), CVPR",
)
class ResidualBlock(OnlineFormula):
    """Probability of a rise by blocks that each add to what they were given.

    x begins as z; x <- x + B_k tanh(A_k x + a_k) + b_k, block after block; logit = u.x + c. Signal: past
    theta from 1/2; confidence |2 p - 1|.

    Outputs: p_up; hit_rate, the share of right directions among the last 200 predictions that resolved;
    skip_ratio, |x - z| / |z| of the last x, 0 where z = 0.

    References
    ----------
    He, Zhang, Ren, Sun (2016), CVPR.
    """

    blocks = Whole(2, "blocks", high=64)
    H = Whole(8, "hidden units of a block", high=256)

    def _net(self) -> Net:
        return Net("residual", (FEATURES, self.H, self.blocks))

    def _notes(self) -> tuple[str, ...]:
        return ("skip_ratio",)
