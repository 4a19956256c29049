"""Golden numbers and references of the autoencoders (68, 69)."""

from collections.abc import Iterator, Mapping
from functools import partial
from importlib import import_module
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.core.nets import Net, Vae
from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.machine_learning.nets import dense, input_of, product, shaped
from livetrading.formulas.checks.machine_learning.slow import (
    Arrays,
    Floats,
    complex_gradient,
    cut,
    rows,
    slow_features,
    slow_z,
    stream,
)
from livetrading.formulas.machine_learning.autoencoders import (
    divergence,
    elbo_loss_grad,
    reconstruction_loss_grad,
)
from livetrading.formulas.machine_learning.online_nets import (
    Params,
    update,
)
from livetrading.formulas.machine_learning.weights import generator, initial
from livetrading.formulas.registry import run


def rebuilt(net: Net, row: Floats, flat: NDArray[Any]) -> NDArray[Any]:
    """Half the squared error of every variant."""
    return np.asarray(0.5 * np.sum((dense(shaped(net, flat), row) - row) ** 2, axis=1))


def rebuild(params: Params, z: Floats) -> float:
    return reconstruction_loss_grad(params, z)[0] / 4.0


@golden(68)
def golden_autoencoder() -> Mapping[str, float]:
    z = input_of(68)
    params = initial(Net("dense", (8, 3, 8)), generator(0))
    _, gradient = reconstruction_loss_grad(params, z)
    after = rebuild(update(params, gradient), z)
    return {"e": rebuild(params, z), "norm": float(np.linalg.norm(gradient)), "after": after}


@golden(69)
def golden_variational() -> Mapping[str, float]:
    z, rng, still = input_of(69), generator(0), np.zeros(2)
    params = initial(Vae((8, 8, 2), 1.0), rng)
    noise = rng.standard_normal(2)
    loss, gradient = elbo_loss_grad(params, z, noise)
    return {
        "value": elbo_loss_grad(params, z, still)[0],
        "eps_0": noise[0],
        "eps_1": noise[1],
        "loss": loss,
        "norm": float(np.linalg.norm(gradient)),
        "after": elbo_loss_grad(update(params, gradient), z, still)[0],
        "kl": divergence((1.0, 0.0), (0.0, np.log(4.0))),
    }


def variational(w: Arrays, z: Floats, noise: Floats, beta: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Reconstruction error and divergence of every variant."""
    h = np.tanh(product(w["W1"], z) + w["b1"])
    mu, raw = product(w["Wm"], h) + w["bm"], product(w["Ws"], h) + w["bs"]
    log_variance = np.where(np.abs(raw.real) <= 10.0, raw, 10.0 * np.sign(raw.real))
    y = mu + np.exp(log_variance / 2.0) * noise
    back = product(w["W4"], np.tanh(product(w["W3"], y) + w["b3"])) + w["b4"]
    kl = 0.5 * np.sum(np.exp(log_variance) + mu * mu - 1.0 - log_variance, axis=1)
    return 0.5 * np.sum((z - back) ** 2, axis=1), kl


def strange(values: list[float], q: float, n: int) -> tuple[float, float, float]:
    """Signal, gate and confidence of the last value beside those before it."""
    *before, value = values
    past = np.array(before[-n:])
    share = float(np.mean(past <= value))
    block = value > np.quantile(past, q)
    return (-1.0, 0.0, share) if block else (1.0, 1.0, 1.0 - share)


STRANGE = {"q": 0.8, "n": 110, "eta": 0.03, "clip": 0.8, "seed": 3, "warm": 30}


def said_strangely(values: list[float], size: int) -> dict[str, Floats]:
    found = {"value": np.full(size, nan), "gate": np.full(size, nan)}
    found |= {name: np.zeros(size) for name in ("signal", "confidence", "ready")}
    for k in range(100, len(values)):
        t = 20 + k
        found["value"][t], found["ready"][t] = values[k], 1.0
        signal, gate, confidence = strange(values[: k + 1], STRANGE["q"], int(STRANGE["n"]))
        found["signal"][t], found["gate"][t], found["confidence"][t] = signal, gate, confidence
    return found


@reference(68)
def slow_autoencoder() -> Iterator[Comparison]:
    columns, net = rows(160), Net("dense", (8, 2, 8))
    z = slow_z(slow_features(**columns))
    params = initial(net, generator(3))
    values = []
    for row in z[20:]:
        values.append(float(rebuilt(net, row, params.weights[None])[0]) / 4.0)
        gradient = complex_gradient(partial(rebuilt, net, row), params.weights)
        params = params.to(params.weights - 0.03 * cut(gradient, 0.8))
    said = run(68, columns, k=2, **STRANGE)
    yield from stream("stream", said, said_strangely(values, 160))


@reference(69)
def slow_variational() -> Iterator[Comparison]:
    columns, net, rng = rows(160), Vae((8, 4, 3), 0.5), generator(3)
    z = slow_z(slow_features(**columns))
    params = initial(net, rng)
    values, parts = [], []
    for row in z[20:]:
        recon, kl = variational(shaped(net, params.weights[None]), row, np.zeros(3), 0.5)
        parts.append((float(kl[0]), float(recon[0])))
        values.append(float(recon[0] + 0.5 * kl[0]))
        noise = rng.standard_normal(3)

        def loss(v: NDArray[np.complex128], row: Floats = row, noise: Floats = noise) -> NDArray[Any]:
            error, far = variational(shaped(net, v), row, noise, 0.5)
            return error + 0.5 * far

        gradient = complex_gradient(loss, params.weights)
        params = params.to(params.weights - 0.03 * cut(gradient, 0.8))
    found = said_strangely(values, 160)
    found["kl"], found["recon"] = np.full(160, nan), np.full(160, nan)
    for k in range(100, len(values)):
        found["kl"][20 + k], found["recon"][20 + k] = parts[k]
    said = run(69, columns, k=3, H=4, beta=0.5, **STRANGE)
    yield from stream("stream", said, found)


@reference(68, 69)
def scipy_gradients() -> Iterator[Comparison]:
    optimize, z = import_module("scipy.optimize"), input_of(68, 12)
    code, noise = initial(Net("dense", (8, 3, 8)), generator(1)), np.array((0.7, -1.1))
    bound = initial(Vae((8, 8, 2), 1.5), generator(1))
    for name, params, loss in (
        ("autoencoder", code, lambda p: reconstruction_loss_grad(p, z)),
        ("variational", bound, lambda p: elbo_loss_grad(p, z, noise)),
    ):
        error = optimize.check_grad(
            lambda v, p=params, f=loss: f(p.to(v))[0],
            lambda v, p=params, f=loss: f(p.to(v))[1],
            params.weights,
        )
        yield Comparison(name, error, 0.0, 0.0, 1e-6)
