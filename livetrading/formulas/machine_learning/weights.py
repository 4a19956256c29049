"""Weights of small networks: drawn, named, and moved; the generator that draws them."""

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livetrading.core.nets import Net, Vae, descended, log_loss_grad

__all__ = ["Params", "generator", "initial", "logit", "loss_grad", "update", "words_of"]

Floats = NDArray[np.float64]


def generator(seed: int) -> np.random.Generator:
    """Return numpy's default generator of a seed."""
    return np.random.default_rng(seed)


def words_of(rng: np.random.Generator) -> tuple[int, ...]:
    """Return where a generator stands, for the compiled one to go on from.

    Parameters
    ----------
    rng : numpy.random.Generator
        Over PCG64.

    Returns
    -------
    tuple of six int
        State and increment, the upper 64 bits first; whether half a word is left, and that half.
    """
    state = rng.bit_generator.state
    inner, low = state["state"], (1 << 64) - 1
    halves = (part for name in ("state", "inc") for part in (inner[name] >> 64, inner[name] & low))
    return (*halves, state["has_uint32"], state["uinteger"])


@dataclass(frozen=True, slots=True)
class Params:
    """A network and its weights.

    Attributes
    ----------
    net : Net or Vae
    weights : ndarray of float64, shape (net.weights,)
        In the order of `net.layout`, the rows of a matrix one after another.
    """

    net: Net | Vae
    weights: Floats

    @property
    def arrays(self) -> dict[str, Floats]:
        """The weights by name, as matrices (outputs, inputs) and vectors: views."""
        found, at = {}, 0
        for name, shape, _ in self.net.layout:
            size = int(np.prod(shape))
            found[name] = self.weights[at : at + size].reshape(shape)
            at += size
        return found

    def to(self, weights: Floats) -> "Params":
        """Return the same network with other weights."""
        return replace(self, weights=weights)


def initial(net: Net | Vae, rng: np.random.Generator) -> Params:
    """Return a network with its first weights: uniform within 1/sqrt(fan-in), matrix after matrix; biases 0.

    The forget gate of an LSTM begins with a bias of 1.

    Parameters
    ----------
    net : Net or Vae
    rng : numpy.random.Generator
        Draws them, and is further on afterwards.

    References
    ----------
    Gers, Schmidhuber, Cummins (2000), Neural Computation 12 (the forget gate).
    """
    drawn = []
    for _, shape, fan in net.layout:
        a = 1.0 / sqrt(fan) if fan else 0.0
        drawn.append(rng.uniform(-a, a, shape).ravel() if fan else np.zeros(shape))
    made = Params(net, np.concatenate(drawn))
    if isinstance(net, Net) and net.shape == "lstm":
        bias = made.arrays["b"]
        bias[len(bias) // 4 : len(bias) // 2] = 1.0
    return made


def logit(params: Params, input: ArrayLike) -> float:
    """Return the log odds that a network of one output gives.

    Parameters
    ----------
    params : Params
        Of a `Net`.
    input : array of float
        One vector, or one after another, oldest first.
    """
    assert isinstance(params.net, Net)
    return float(params.net.forward(params.weights, np.asarray(input, np.float64))[0][0])


def loss_grad(params: Params, input: ArrayLike, y: float) -> tuple[float, Floats]:
    """Return the log loss of one input and its derivatives.

    Parameters
    ----------
    params : Params
        Of a `Net` with one output.
    input : array of float
        One vector, or one after another, oldest first.
    y : float
        The label, 1 or 0.

    Returns
    -------
    loss : float
        -[y ln p + (1 - y) ln(1 - p)], p = 1 / (1 + exp(-logit)); nats.
    gradient : ndarray of float64, shape (net.weights,)
    """
    assert isinstance(params.net, Net)
    return log_loss_grad(params.net, params.weights, np.asarray(input, np.float64), y)


def update(params: Params, gradient: Floats, eta: float = 0.01, clip: float = 1.0) -> Params:
    """Return the network after a step of `eta` against a gradient that is cut to the length `clip`."""
    return params.to(descended(params.net, params.weights, gradient, eta, clip))
