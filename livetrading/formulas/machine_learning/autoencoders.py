"""Networks that rebuild an observation, and call strange what they rebuild badly (68, 69)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livetrading.core import nets
from livetrading.core.kernel import Kernel
from livetrading.core.nets import Net, Vae
from livetrading.formulas.forms import KernelFormula
from livetrading.formulas.machine_learning.weights import Params, generator, initial, words_of
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register

__all__ = ["divergence", "elbo_loss_grad", "reconstruction_loss_grad"]

Floats = NDArray[np.float64]
FEATURES = 8


def reconstruction_loss_grad(params: Params, z: ArrayLike) -> tuple[float, Floats]:
    """Return 0.5 |z - zhat|^2 and its derivatives by the weights.

    Parameters
    ----------
    params : Params
        Of a `Net` with as many outputs as inputs.
    z : array of float, shape (net.inputs,)
    """
    assert isinstance(params.net, Net)
    x = np.asarray(z, np.float64)
    off = params.net.forward(params.weights, x)[0] - x
    return float(0.5 * off @ off), params.net.gradient(params.weights, x, off)


def elbo_loss_grad(params: Params, z: ArrayLike, noise: ArrayLike) -> tuple[float, Floats]:
    """Return the negative evidence bound (nats, its constant dropped) and its derivatives by the weights.

    Parameters
    ----------
    params : Params
        Of a `Vae`.
    z : array of float, shape (net.inputs,)
    noise : array of float, shape (net.code,)
        Added to the code in units of its sd.
    """
    assert isinstance(params.net, Vae)
    given = np.asarray(z, np.float64), np.asarray(noise, np.float64)
    loss, _, _, gradient = params.net.loss_grad(params.weights, *given)
    return loss, gradient


def divergence(mu: ArrayLike, log_variance: ArrayLike) -> float:
    """Return the Kullback-Leibler divergence of N(mu, diag exp(log_variance)) from N(0, I), nats."""
    m, log_v = np.asarray(mu, np.float64), np.asarray(log_variance, np.float64)
    return float(0.5 * np.sum(np.exp(log_v) + m * m - 1.0 - log_v))


class StrangenessFormula(KernelFormula):
    """A filter that blocks where an error is beyond the quantile q of the n errors before it."""

    reads = ("price", "volume", "side")
    q = Real(0.99, "quantile of the errors beyond which it blocks", low=0.0, high=1.0)
    n = Whole(500, "errors looked back on", low=100, high=100_000)
    eta = Real(0.01, "length of a step", low=0.0, high=1e3, open_low=True)
    clip = Real(1.0, "largest length of a gradient", low=0.0, high=1e12, open_low=True)
    seed = Whole(0, "of the first weights", low=0, high=2**63 - 1)
    warm = Whole(200, "steps of training before it is ready")

    @property
    def warm_up(self) -> int:
        return 20 + max(self.warm, 101)


@register(
    id=68,
    name="AutoencoderAnomaly",
    category="machine_learning",
    kind="filter",
    inputs=("trade",),
    low=0.0,
    reference="Hawkins, He, Williams, Baxter (2002), DaWaK; Baldi, Hornik (1989), Neural Networks 2",
)
class AutoencoderAnomaly(StrangenessFormula):
    """Error with which a narrow network rebuilds the standardised features, before it learns from them.

    e = |z - zhat|^2 / 8, zhat = W2 tanh(W1 z + b1) + b2 with k hidden units; after each a step on
    0.5 |z - zhat|^2. Blocks (-1) where e is above the q-quantile of the n errors before it, of which there
    have to be 100. Confidence: the share of them that are not above e where it blocks, else the rest.

    Outputs: gate, 1 pass, 0 block.

    References
    ----------
    Hawkins, He, Williams, Baxter (2002), DaWaK; Baldi, Hornik (1989), Neural Networks 2.
    """

    k = Whole(3, "hidden units", high=256)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("gate",)

    def _make(self) -> Kernel:
        net = Net("dense", (FEATURES, self.k, FEATURES))
        weights = net.packed(initial(net, generator(self.seed)).weights)
        return nets.Autoencoder(net, weights, self.eta, self.clip, self.n, self.q, self.warm)


@register(
    id=69,
    name="VariationalAutoencoder",
    category="machine_learning",
    kind="filter",
    inputs=("trade",),
    unit="nats",
    reference="Kingma, Welling (2014), ICLR",
)
class VariationalAutoencoder(StrangenessFormula):
    """Negative evidence bound of the standardised features by a variational autoencoder, before it learns.

    h = tanh(W1 z + b1), mu = Wm h + bm, l = Ws h + bs within +-10, zhat(y) = W4 tanh(W3 y + b3) + b4. The
    value is 0.5 |z - zhat(mu)|^2 + beta KL, KL = 0.5 sum(exp(l) + mu^2 - 1 - l); a step of training takes the
    same at y = mu + exp(l/2) noise, the noise from the generator that drew the weights. Blocks (-1) where the
    value is above the q-quantile of the n before it, of which there have to be 100. Confidence: the share of
    them that are not above it where it blocks, else the rest.

    Outputs: gate, 1 pass, 0 block; kl; recon, the first term.

    References
    ----------
    Kingma, Welling (2014), ICLR.
    """

    k = Whole(2, "width of the code", high=64)
    H = Whole(8, "hidden units", high=256)
    beta = Real(1.0, "weight of the divergence", low=0.0, high=1e100)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("gate", "kl", "recon")

    def _make(self) -> Kernel:
        net, rng = Vae((FEATURES, self.H, self.k), self.beta), generator(self.seed)
        weights = net.packed(initial(net, rng).weights)
        return nets.VariationalAutoencoder(
            net, weights, words_of(rng), self.eta, self.clip, self.n, self.q, self.warm
        )
