"""Golden numbers and references of the online nets (61 to 70)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from math import nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.core.nets import Net, Vae
from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.machine_learning.slow import (
    Arrays,
    Floats,
    Model,
    complex_gradient,
    cut,
    rows,
    slow_features,
    slow_pairs,
    slow_z,
    stream,
)
from livetrading.formulas.checks.markets import side, vol, walk
from livetrading.formulas.machine_learning.features import features, z_scores
from livetrading.formulas.machine_learning.online_nets import (
    Params,
    logit,
    loss_grad,
    perceptron_update,
    update,
)
from livetrading.formulas.machine_learning.weights import generator, initial
from livetrading.formulas.registry import run

NETS: dict[int, tuple[str, tuple[int, ...]]] = {
    62: ("dense", (8, 16, 8, 1)),
    63: ("elman", (8, 8, 20)),
    64: ("lstm", (8, 8, 20)),
    65: ("gru", (8, 8, 20)),
    66: ("attention", (8, 8, 20)),
    67: ("convolution", (32, 4, 5)),
    70: ("residual", (8, 8, 2)),
}
"""The nets of the rows' own parameters."""


def sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


# Forward passes over arrays with one axis in front, of variants of the weights, as the papers write them


def product(m: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
    """One matrix a variant times one vector a variant, or the same for all."""
    return np.asarray(np.einsum("...oi,...i->...o", m, x))


def dense(w: Arrays, x: Floats) -> NDArray[Any]:
    layers = len(w) // 2
    y: NDArray[Any] = x[None, :]
    for level in range(1, layers + 1):
        y = product(w[f"W{level}"], y) + w[f"b{level}"]
        y = y if level == layers else np.tanh(y)
    return y


def head(w: Arrays, y: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.sum(w["u"] * y, axis=1) + w["c"][:, 0])


def elman(w: Arrays, x: Floats) -> NDArray[Any]:
    h = np.zeros_like(w["b"])
    for z in x:
        h = np.tanh(product(w["Wx"], z) + product(w["Wh"], h) + w["b"])
    return head(w, h)


def lstm(w: Arrays, x: Floats) -> NDArray[Any]:
    h = np.zeros_like(w["u"])
    cell = np.zeros_like(h)
    for z in x:
        i, f, g, o = np.split(product(w["Wx"], z) + product(w["Wh"], h) + w["b"], 4, axis=1)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(cell)
    return head(w, h)


def gru(w: Arrays, x: Floats) -> NDArray[Any]:
    h = np.zeros_like(w["u"])
    for z in x:
        ar, az, an = np.split(product(w["Wx"], z) + w["bx"], 3, axis=1)
        qr, qz, qn = np.split(product(w["Wh"], h) + w["bh"], 3, axis=1)
        keep = sigmoid(az + qz)
        h = (1.0 - keep) * np.tanh(an + sigmoid(ar + qr) * qn) + keep * h
    return head(w, h)


def placed(x: Floats) -> Floats:
    k = np.arange(len(x))[:, None]
    pairs = k / 10000.0 ** (2.0 * np.arange(4) / 8.0)
    return np.asarray(x + np.stack([np.sin(pairs), np.cos(pairs)], axis=2).reshape(len(x), 8))


def shares(w: Arrays, x: Floats) -> NDArray[Any]:
    e = placed(x)
    score = np.einsum("bdi,ti,bd->bt", w["Wk"], e, product(w["Wq"], e[-1])) / sqrt(w["Wq"].shape[1])
    raised = np.exp(score - np.max(score.real, axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def attention(w: Arrays, x: Floats) -> NDArray[Any]:
    return head(w, np.einsum("bdi,ti,bt->bd", w["Wv"], placed(x), shares(w, x)))


def pools(w: Arrays, x: Floats) -> NDArray[Any]:
    windows = np.lib.stride_tricks.sliding_window_view(x.ravel(), w["W"].shape[2])
    a = np.einsum("bji,ki->bjk", w["W"], windows) + w["b"][:, :, None]
    return np.asarray(np.mean(np.where(a.real > 0.0, a, 0.0), axis=2))


def convolution(w: Arrays, x: Floats) -> NDArray[Any]:
    return head(w, pools(w, x))


def skipped(w: Arrays, x: Floats) -> NDArray[Any]:
    y: NDArray[Any] = x[None, :]
    for k in range(1, sum(name.startswith("A") for name in w) + 1):
        y = y + product(w[f"B{k}"], np.tanh(product(w[f"A{k}"], y) + w[f"a{k}"])) + w[f"b{k}"]
    return y


def residual(w: Arrays, x: Floats) -> NDArray[Any]:
    return head(w, skipped(w, x))


MODELS: dict[str, Model] = {
    "dense": lambda w, x: dense(w, x)[:, 0],
    "elman": elman,
    "lstm": lstm,
    "gru": gru,
    "attention": attention,
    "convolution": convolution,
    "residual": residual,
}


def shaped(net: Net | Vae, flat: NDArray[Any]) -> Arrays:
    """Weights by name, of variants that lie in rows."""
    found, at = {}, 0
    for name, shape, _ in net.layout:
        size = int(np.prod(shape))
        found[name] = flat[:, at : at + size].reshape(-1, *shape)
        at += size
    return found


def log_loss(logits: NDArray[Any], y: float) -> NDArray[Any]:
    return np.asarray(-y * np.log(sigmoid(logits)) - (1.0 - y) * np.log(1.0 - sigmoid(logits)))


def loss_of(net: Net, x: Floats, y: float, flat: NDArray[Any]) -> NDArray[Any]:
    """Log loss of every variant of a network's weights."""
    return log_loss(MODELS[net.shape](shaped(net, flat), x), y)


@dataclass
class SlowNet:
    """A network that trains by derivatives without differences."""

    net: Net
    weights: Floats
    inputs: Floats
    eta: float
    clip: float
    length: int
    logits: dict[int, float] = field(default_factory=dict)

    def input(self, t: int) -> Floats:
        window = self.inputs[t - self.length + 1 : t + 1]
        return window[0] if self.length == 1 else window

    def train(self, s: int, y: float) -> None:
        x = self.input(s)
        gradient = complex_gradient(partial(loss_of, self.net, x, y), self.weights)
        self.weights = self.weights - self.eta * cut(gradient, self.clip)

    def predict(self, t: int) -> float:
        self.logits[t] = float(MODELS[self.net.shape](shaped(self.net, self.weights[None]), self.input(t))[0])
        return self.logits[t]


def notes(net: Net, weights: Floats, x: Floats) -> dict[str, float]:
    """The outputs that only some nets have, from their definitions."""
    w = shaped(net, weights[None])
    if net.shape == "attention":
        alpha = shares(w, x)[0]
        return {"attn_entropy": float(-np.sum(alpha * np.log(alpha)) / np.log(len(alpha)))}
    if net.shape == "convolution":
        return {f"pool_{j}": float(pool) for j, pool in enumerate(pools(w, x)[0])}
    if net.shape == "residual":
        return {"skip_ratio": float(np.linalg.norm(skipped(w, x)[0] - x) / np.linalg.norm(x))}
    if net.shape == "lstm":
        part = w["u"].shape[1]
        h = last_hidden(w, x[:-1])
        a = w["Wx"][0] @ x[-1] + w["Wh"][0] @ h + w["b"][0]
        return {"forget": float(np.mean(sigmoid(a[part : 2 * part])))}
    return {}


def last_hidden(w: Arrays, x: Floats) -> Floats:
    h, cell = np.zeros(w["u"].shape[1]), np.zeros(w["u"].shape[1])
    for z in x:
        i, f, g, o = np.split(w["Wx"][0] @ z + w["Wh"][0] @ h + w["b"][0], 4)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(cell)
    return h


SMALL: dict[int, tuple[dict[str, Any], tuple[int, ...], int]] = {
    62: ({"hidden": (5,)}, (8, 5, 1), 1),
    63: ({"H": 3, "T": 4}, (8, 3, 4), 4),
    64: ({"H": 2, "T": 3}, (8, 2, 3), 3),
    65: ({"H": 2, "T": 3}, (8, 2, 3), 3),
    66: ({"d": 3, "T": 5}, (8, 3, 5), 5),
    67: ({"K": 4, "width": 3, "T": 7}, (7, 4, 3), 7),
    70: ({"H": 3, "blocks": 1}, (8, 3, 1), 1),
}
"""Parameters other than the rows' own, the net that they make, and how many observations it looks at."""


def check_stream(id: int) -> Iterator[Comparison]:
    """A whole stream by the definitions, with a step of training in nearly every row."""
    given, sizes, length = SMALL[id]
    h, eta, theta, warm, seed = 3, 0.08, 0.02, 40, 5
    columns = rows(130)
    net = Net(NETS[id][0], sizes)
    z = slow_z(slow_features(**columns))
    inputs = z[:, 0] if net.shape == "convolution" else z
    slow = SlowNet(net, initial(net, generator(seed)).weights, inputs, eta, 0.7, length)
    names = ("value", "signal", "confidence", "ready", "hit_rate", "p_up")
    found = {name: np.full(130, nan) for name in names}
    for name in ("signal", "confidence", "ready"):
        found[name][:] = 0.0
    for t, guess, rate, ready in slow_pairs(columns["price"], 20, h, warm, length, slow):
        if ready:
            p = float(sigmoid(guess))
            said = {"value": p, "p_up": p, "hit_rate": rate, "ready": 1.0, "confidence": abs(2.0 * p - 1.0)}
            said["signal"] = float(p > 0.5 + theta) - float(p < 0.5 - theta)
            for name, number in (said | notes(net, slow.weights, slow.input(t))).items():
                found.setdefault(name, np.full(130, nan))[t] = number
    said_by = run(id, columns, h=h, eta=eta, theta=theta, warm=warm, seed=seed, clip=0.7, **given)
    yield from stream("stream", said_by, found)


def net_of(id: int, seed: int = 0) -> Params:
    shape, sizes = NETS[id]
    return initial(Net(shape, sizes), generator(seed))


def input_of(id: int, seed: int = 1) -> Floats:
    g = np.random.default_rng(seed)
    if id == 67:
        return g.standard_normal(32)
    x = g.standard_normal((20, 8))
    return x if id in (63, 64, 65, 66) else x[-1]


def check_gradient(id: int) -> Iterator[Comparison]:
    """The row's own net: its gradient against derivatives without differences and scipy's."""
    optimize = import_module("scipy.optimize")
    params, x = net_of(id, 3), input_of(id, 4)
    for y in (0.0, 1.0):
        assert isinstance(params.net, Net)
        loss, gradient = loss_grad(params, x, y)
        ought = complex_gradient(partial(loss_of, params.net, x, y), params.weights)
        yield Comparison(f"loss, y = {y}", loss, float(log_loss(np.array(logit(params, x)), y)), 1e-12)
        for k, (was, right) in enumerate(zip(gradient, ought, strict=True)):
            yield Comparison(f"derivative {k}, y = {y}", float(was), float(right), 1e-11, 1e-15)
    error = optimize.check_grad(
        lambda v: loss_grad(params.to(v), x, 1.0)[0],
        lambda v: loss_grad(params.to(v), x, 1.0)[1],
        params.weights,
    )
    yield Comparison("scipy.optimize.check_grad", error, 0.0, 0.0, 1e-6)


def one_step(id: int) -> dict[str, float]:
    params, x = net_of(id), input_of(id)
    _, gradient = loss_grad(params, x, 1.0)
    return {
        "logit": logit(params, x),
        "norm": float(np.linalg.norm(gradient)),
        "after": logit(update(params, gradient), x),
    }


@golden(61)
def rosenblatt() -> Mapping[str, float]:
    w, b = np.zeros(2), 0.0
    for pair, c in (((1.0, 2.0), 1), ((2.0, 1.0), -1), ((1.0, 3.0), 1), ((1.0, 0.0), -1)):
        b = perceptron_update(w, b, np.array(pair), c, 1.0)
    x = features(walk(7, 600), vol(8, 600), side(9, 600).astype(np.float64))
    z = z_scores(x)
    said = {f"x_20[{j}]": x[20, j] for j in range(8)} | {f"x_599[{j}]": x[599, j] for j in range(8)}
    return {"w0": w[0], "w1": w[1], "b": b, **said, **{f"z_599[{j}]": z[599, j] for j in range(8)}}


@golden(62)
def golden_dense() -> Mapping[str, float]:
    return one_step(62)


@golden(63)
def golden_elman() -> Mapping[str, float]:
    return one_step(63)


@golden(64)
def golden_lstm() -> Mapping[str, float]:
    return one_step(64)


@golden(65)
def golden_gru() -> Mapping[str, float]:
    return one_step(65)


@golden(66)
def golden_attention() -> Mapping[str, float]:
    params = net_of(66)
    assert isinstance(params.net, Net)
    entropy = params.net.forward(params.weights, input_of(66))[1][0]
    return {**one_step(66), "attn_entropy": float(entropy)}


@golden(67)
def golden_convolution() -> Mapping[str, float]:
    return one_step(67)


@golden(70)
def golden_residual() -> Mapping[str, float]:
    return one_step(70)


@reference(61)
def slow_blocks() -> Iterator[Comparison]:
    """Features and their standardisation by numpy, also where trades repeat and stand still."""
    columns = rows(200)
    columns["price"][60:90] = columns["price"][60]
    columns["volume"][100:130] = 0.0
    columns["side"][140:] = 1.0
    x = slow_features(**columns)
    z, was = slow_z(x), features(**columns)
    scores = z_scores(was)
    for t in range(200):
        for j in range(8):
            yield Comparison(f"x_{t}[{j}]", was[t, j], x[t, j], 1e-9, 1e-13)
            yield Comparison(f"z_{t}[{j}]", scores[t, j], z[t, j], 1e-9, 1e-10)


@reference(61)
def sklearn_perceptron() -> Iterator[Comparison]:
    """The row's own check: scikit-learn fed one pair after another."""
    linear = import_module("sklearn.linear_model")
    columns, h, warm, eta = rows(200), 5, 30, 0.02
    z = slow_z(slow_features(**columns))
    model = linear.Perceptron(penalty=None, eta0=eta, shuffle=False)
    model.partial_fit(np.zeros((1, 8)), [1], classes=[0, 1])
    model.coef_[:], model.intercept_[:] = 0.0, 0.0
    found = {name: np.full(200, nan) for name in ("value", "b", "hit_rate", "mistakes")}
    found |= {name: np.zeros(200) for name in ("signal", "confidence", "ready")}
    learner = _Sklearn(model, z)
    for t, margin, rate, ready in slow_pairs(columns["price"], 20, h, warm, 1, learner):
        if ready:
            size = np.linalg.norm(model.coef_) * np.linalg.norm(z[t]) + abs(model.intercept_[0])
            found["value"][t], found["b"][t], found["hit_rate"][t] = margin, model.intercept_[0], rate
            found["signal"][t], found["ready"][t] = np.sign(margin), 1.0
            found["confidence"][t] = abs(margin) / size if size > 0.0 else 0.0
            found["mistakes"][t] = learner.mistakes
    said = run(61, columns, h=h, warm=warm, eta=eta)
    yield from stream("scikit-learn", said, found)


class _Sklearn:
    def __init__(self, model: Any, z: Floats) -> None:
        self.model, self.z, self.mistakes = model, z, 0

    def train(self, s: int, y: float) -> None:
        was = self.model.coef_.copy(), self.model.intercept_.copy()
        self.model.partial_fit(self.z[s : s + 1], [int(y)])
        moved = not (np.array_equal(was[0], self.model.coef_) and was[1] == self.model.intercept_)
        self.mistakes += moved

    def predict(self, t: int) -> float:
        return float(self.model.coef_[0] @ self.z[t] + self.model.intercept_[0])


def _of(id: int) -> None:
    def gradient() -> Iterator[Comparison]:
        yield from check_gradient(id)

    def whole_stream() -> Iterator[Comparison]:
        yield from check_stream(id)

    reference(id)(gradient)
    reference(id)(whole_stream)


for _id in NETS:
    _of(_id)


@reference(62)
def sklearn_dense() -> Iterator[Comparison]:
    """One row to scikit-learn's network with the same weights: the same step."""
    neural, warnings = import_module("sklearn.neural_network"), import_module("warnings")
    params, x = net_of(62, 2), 0.3 * input_of(62, 6)
    model = neural.MLPClassifier(
        (16, 8), activation="tanh", solver="sgd", learning_rate_init=0.01, momentum=0, batch_size=1,
        nesterovs_momentum=False, alpha=0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.partial_fit(x[None], [1], classes=[0, 1])
        for level in (1, 2, 3):
            model.coefs_[level - 1][:] = params.arrays[f"W{level}"].T
            model.intercepts_[level - 1][:] = params.arrays[f"b{level}"]
        model._optimizer.params = model.coefs_ + model.intercepts_
        model.partial_fit(x[None], [1])
    _, gradient = loss_grad(params, x, 1.0)
    after = update(params, gradient, 0.01, 1.0)
    yield Comparison("the gradient is shorter than clip", float(np.linalg.norm(gradient) < 1.0), 1.0)
    for level in (1, 2, 3):
        pairs = zip(after.arrays[f"W{level}"].T.ravel(), model.coefs_[level - 1].ravel(), strict=True)
        for k, (was, ought) in enumerate(pairs):
            yield Comparison(f"W{level}[{k}]", float(was), float(ought), 1e-12)
    p = model.predict_proba(x[None])[0, 1]
    yield Comparison("logit", logit(after, x), float(np.log(p / (1.0 - p))), 1e-11)


@reference(67)
def scipy_correlate() -> Iterator[Comparison]:
    """The filters by scipy: their means, from the values before bias."""
    signal = import_module("scipy.signal")
    params, x = net_of(67, 8), input_of(67, 9)
    assert isinstance(params.net, Net)
    means = params.net.forward(params.weights, x)[1]
    for j, row in enumerate(params.arrays["W"]):
        a = signal.correlate(x, row, "valid") + params.arrays["b"][j]
        yield Comparison(f"pool_{j}", float(means[j]), float(np.mean(np.maximum(a, 0.0))), 1e-12)


@reference(70)
def sklearn_logistic() -> Iterator[Comparison]:
    """With every B at 0 the net is logistic regression on z."""
    linear = import_module("sklearn.linear_model")
    params, x = net_of(70, 4), 0.2 * input_of(70, 5)
    for k in (1, 2):
        params.arrays[f"B{k}"][:] = 0.0
    model = linear.SGDClassifier(
        loss="log_loss", penalty=None, learning_rate="constant", eta0=0.01, shuffle=False
    )
    model.partial_fit(x[None], [1], classes=[0, 1])
    model.coef_[0], model.intercept_[0] = params.arrays["u"], 0.0
    model.partial_fit(x[None], [1])
    _, gradient = loss_grad(params, x, 1.0)
    after = update(params, gradient, 0.01, 1.0).arrays
    yield Comparison("the gradient is shorter than clip", float(np.linalg.norm(gradient) < 1.0), 1.0)
    for k in range(8):
        yield Comparison(f"u_{k}", after["u"][k], model.coef_[0, k], 1e-12)
    yield Comparison("c", after["c"][0], model.intercept_[0], 1e-12)
