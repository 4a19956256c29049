"""Golden numbers and references of the agents (91 to 98)."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from math import nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livetrading.core.nets import Net
from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.machine_learning.nets import dense, shaped
from livetrading.formulas.checks.machine_learning.slow import (
    Floats,
    complex_gradient,
    cut,
    rows,
    slow_features,
    slow_z,
    stream,
)
from livetrading.formulas.checks.markets import side, vol, walk
from livetrading.formulas.machine_learning.agents import (
    Policy,
    QLearningAgent,
    SARSAAgent,
    TDLambda,
    advantages,
    discounted,
    q_update,
    sarsa_update,
    surrogate,
    td_update,
    temporal_loss_grad,
)
from livetrading.formulas.machine_learning.weights import Params, generator, initial, update
from livetrading.formulas.registry import run

ROWS = 420
POSITIONS = (0.0, 1.0, -1.0)


def printed() -> dict[str, Floats]:
    """The rows of the printed streams."""
    return {"price": walk(7, 700), "volume": vol(8, 700), "side": side(9, 700).astype(np.float64)}


def after_the_stream(made: QLearningAgent | SARSAAgent | TDLambda) -> dict[str, float]:
    said = made.run(printed())
    table, state = made.table
    name = "V" if isinstance(made, TDLambda) else "Q"
    found = {f"sum({name})": float(np.sum(table)), "last state": float(state)}
    if isinstance(made, TDLambda):
        return {**found, "V(last state)": float(table[state])}
    return {**found, "value": float(said.value[-1]), "signal": float(said.signal[-1])}


@golden(91)
def golden_q() -> Mapping[str, float]:
    q = np.array(((1.0, 0.0), (2.0, -1.0)))
    q_update(q, 0, 0, 0.5, 1, 0.1, 0.95)
    return {"update": q[0, 0], **after_the_stream(QLearningAgent())}


@golden(92)
def golden_sarsa() -> Mapping[str, float]:
    q = np.array(((1.0, 0.0), (2.0, 1.2)))
    sarsa_update(q, 0, 0, 0.5, 1, 1, 0.1, 0.95)
    return {"update": q[0, 0], **after_the_stream(SARSAAgent())}


@golden(93)
def golden_deep() -> Mapping[str, float]:
    x, ahead = (np.random.default_rng(seed).standard_normal(9) for seed in (1, 2))
    params = initial(Net("dense", (9, 16, 3)), generator(0))
    row = np.concatenate([x, (1.0, 0.5), ahead])[None]
    _, gradient = temporal_loss_grad(params, params, row, 0.95)
    after = update(params, gradient, 0.01, np.inf)
    found = {"Q(x)": values(params, x), "Q(x')": values(params, ahead), "after": values(after, x)}
    named = {f"{name}[{j}]": float(q) for name, each in found.items() for j, q in enumerate(each)}
    return {**named, "target": 0.5 + 0.95 * float(np.max(found["Q(x')"]))}


def values(params: Params, x: Floats) -> Floats:
    assert isinstance(params.net, Net)
    return params.net.forward(params.weights, x)[0]


@golden(94)
def golden_score() -> Mapping[str, float]:
    policy = Policy(((0.1, 0.2), (0.0, 0.0), (-0.1, 0.3)))
    phi = np.array((1.0, 0.5))
    found = {f"pi_{j}": float(p) for j, p in enumerate(policy.probabilities(phi))}
    return {**found, **{f"score_{k}": float(g) for k, g in enumerate(policy.score(phi, 2).ravel())}}


@golden(95)
def golden_critic() -> Mapping[str, float]:
    policy = Policy(np.zeros((3, 2)), (0.2, -0.1))
    delta = policy.actor_critic((1.0, 2.0), 0, 1.0, (1.0, 1.0), 0.95, 0.02, 0.01)
    return {"delta": delta, "w0": policy.w[0], "w1": policy.w[1]}


@golden(96)
def golden_advantages() -> Mapping[str, float]:
    found = advantages((1.0, 0.0, -1.0, 2.0), (0.5, 0.4, 0.3, 0.2), 0.1, 0.99, 0.95)
    pairs = ((1.0, 1.5), (-1.0, 0.5), (1.0, 0.9), (-1.0, 1.5))
    cuts = {f"{a:g}, {rho:g}": surrogate(a, rho, 0.2) for a, rho in pairs}
    return {**{f"A_{k}": float(a) for k, a in enumerate(found)}, **cuts}


@golden(97)
def golden_targets() -> Mapping[str, float]:
    return {f"G_{k}": float(g) for k, g in enumerate(discounted((1.0, 0.0, -1.0, 2.0), 0.1, 0.99))}


@golden(98)
def golden_traces() -> Mapping[str, float]:
    v, e = np.zeros(3), np.zeros(3)
    for s, reward, ahead in ((0, 1.0, 1), (1, 0.0, 2), (2, 2.0, 0), (0, -1.0, 1)):
        td_update(v, e, s, reward, ahead, 0.1, 0.9, 0.8)
    return {**{f"V_{k}": float(x) for k, x in enumerate(v)}, **after_the_stream(TDLambda())}


# Whole streams in plain Python


class Slow:
    """An agent of the definition: `decide` learns from the reward and returns an action's index."""

    fee = 3e-4

    def __init__(self, columns: Mapping[str, Floats], seed: int) -> None:
        self.rng = generator(seed)
        self.price = columns["price"]
        self.x = slow_features(**columns)
        self.held = self.before = 0.0
        self.last = 0

    def decide(self, t: int, reward: float | None) -> int:
        raise NotImplementedError

    def says(self, t: int) -> dict[str, float]:
        raise NotImplementedError

    def walk(self, warm: int) -> dict[str, Floats]:
        found: dict[str, Floats] = {}
        for t in range(20, len(self.price)):
            reward = None
            if t > 20:
                s20 = self.x[t - 1, 4]
                earned = self.held * self.x[t, 0] - self.fee * abs(self.held - self.before)
                reward = earned / s20 if s20 > 0.0 else 0.0
            j = self.decide(t, reward)
            if t - 20 >= warm:
                for name, number in {**self.says(t), "ready": 1.0}.items():
                    blank = 0.0 if name in ("signal", "confidence", "ready") else nan
                    found.setdefault(name, np.full(len(self.price), blank))[t] = number
            self.before, self.held, self.last = self.held, POSITIONS[j], j
        return found


def classes(x: Floats) -> tuple[int, int]:
    def one(u: float) -> int:
        return int(u >= -1.0) + int(u > 1.0)

    return one(x[1] / (x[4] * sqrt(5.0)) if x[4] > 0.0 else 0.0), one(x[5])


class SlowTable(Slow):
    alpha, gamma, eps = 0.2, 0.9, 0.3

    def __init__(self, columns: Mapping[str, Floats], seed: int, sarsa: bool) -> None:
        super().__init__(columns, seed)
        self.sarsa = sarsa
        self.q, self.n = np.zeros((27, 3)), np.zeros((27, 3))
        self.state = 0

    def draw(self, state: int) -> int:
        explores = self.rng.random() < self.eps
        return int(self.rng.integers(3)) if explores else int(np.argmax(self.q[state]))

    def decide(self, t: int, reward: float | None) -> int:
        momentum, score = classes(self.x[t])
        state = 9 * momentum + 3 * score + int(self.held) + 1
        j = self.draw(state) if self.sarsa else 0
        if reward is not None:
            ahead = self.q[state, j] if self.sarsa else np.max(self.q[state])
            error = reward + self.gamma * ahead - self.q[self.state, self.last]
            self.q[self.state, self.last] += self.alpha * error
            self.n[self.state, self.last] += 1
        self.state = state
        return j if self.sarsa else self.draw(state)

    def says(self, t: int) -> dict[str, float]:
        g = int(np.argmax(self.q[self.state]))
        n = self.n[self.state, g]
        value = self.q[self.state, g] - self.q[self.state, 0]
        return {"value": value, "signal": POSITIONS[g], "confidence": n / (n + 50.0)}


@reference(91)
def slow_q() -> Iterator[Comparison]:
    columns = rows(ROWS)
    said = run(91, columns, alpha=0.2, gamma=0.9, eps=0.3, fee=Slow.fee, seed=4, warm=60)
    yield from stream("stream", said, SlowTable(columns, 4, False).walk(60))


@reference(92)
def slow_sarsa() -> Iterator[Comparison]:
    columns = rows(ROWS)
    said = run(92, columns, alpha=0.2, gamma=0.9, eps=0.3, fee=Slow.fee, seed=4, warm=60)
    yield from stream("stream", said, SlowTable(columns, 4, True).walk(60))


class SlowTraces(Slow):
    def __init__(self, columns: Mapping[str, Floats]) -> None:
        super().__init__(columns, 0)
        self.v, self.e, self.n = np.zeros(9), np.zeros(9), np.zeros(9)
        self.state = 0

    def decide(self, t: int, reward: float | None) -> int:
        momentum, score = classes(self.x[t])
        state = 3 * momentum + score
        if reward is not None:
            s20 = self.x[t - 1, 4]
            earned = self.x[t, 0] / s20 if s20 > 0.0 else 0.0
            delta = earned + 0.7 * self.v[state] - self.v[self.state]
            self.e *= 0.7 * 0.6
            self.e[self.state] += 1.0
            self.v = self.v + 0.05 * delta * self.e
            self.n[self.state] += 1
        self.state = state
        return 0

    def says(self, t: int) -> dict[str, float]:
        v, n = self.v[self.state], self.n[self.state]
        return {"value": v, "signal": np.sign(v) * (abs(v) > 0.02), "confidence": n / (n + 50.0)}


@reference(98)
def slow_traces() -> Iterator[Comparison]:
    columns = rows(ROWS)
    said = run(98, columns, alpha=0.05, gamma=0.7, lam=0.6, thr=0.02, warm=60)
    yield from stream("stream", said, SlowTraces(columns).walk(60))


class SlowDeep(Slow):
    """Deep Q with a gradient without differences."""

    def __init__(self, columns: Mapping[str, Floats], seed: int) -> None:
        super().__init__(columns, seed)
        self.z = slow_z(self.x)
        self.net = Net("dense", (9, 4, 3))
        self.w = self.aim = initial(self.net, self.rng).weights
        self.store: list[tuple[Floats, int, float, Floats]] = []
        self.seen = self.trained = 0
        self.state = np.zeros(9)

    def q(self, w: NDArray[Any], x: Floats) -> NDArray[Any]:
        return dense(shaped(self.net, w), x)

    def loss(self, w: NDArray[Any], drawn: NDArray[np.int64]) -> NDArray[Any]:
        total: NDArray[Any] = np.zeros(len(w), w.dtype)
        for k in drawn:
            state, j, reward, ahead = self.store[k]
            error = self.q(w, state)[:, j] - (reward + 0.8 * np.max(self.q(self.aim[None], ahead)))
            small = np.abs(error.real) <= 1.0
            total = total + np.where(small, 0.5 * error**2, np.sign(error.real) * error - 0.5)
        return total / len(drawn)

    def decide(self, t: int, reward: float | None) -> int:
        state = np.append(self.z[t], self.held)
        if reward is not None:
            entry = (self.state, self.last, reward, state)
            if len(self.store) < 230:
                self.store.append(entry)
            else:
                self.store[self.seen % 230] = entry
            self.seen += 1
        self.state = state
        if len(self.store) >= 200 and t % 3 == 0:
            drawn = self.rng.integers(0, len(self.store), 5)
            self.w = self.w - 0.05 * cut(complex_gradient(lambda v: self.loss(v, drawn), self.w), 0.5)
            self.trained += 1
            if self.trained % 7 == 0:
                self.aim = self.w
        best = int(np.argmax(self.q(self.w[None], state)[0]))
        return int(self.rng.integers(3)) if self.rng.random() < 0.2 else best

    def says(self, t: int) -> dict[str, float]:
        q = self.q(self.w[None], self.state)[0]
        second, first = np.sort(q)[1:]
        confidence = min((first - second) / (abs(first) + abs(second) + 1e-12), 1.0)
        return {"value": first - q[0], "signal": POSITIONS[int(np.argmax(q))], "confidence": confidence}


@reference(93)
def slow_deep() -> Iterator[Comparison]:
    columns = rows(ROWS)
    told: dict[str, Any] = {"H": 4, "gamma": 0.8, "eps": 0.2, "eta": 0.05, "clip": 0.5, "capacity": 230}
    told |= {"batch": 5, "every": 3, "target_every": 7, "fee": Slow.fee, "seed": 6, "warm": 60}
    yield from stream("stream", run(93, columns, **told), SlowDeep(columns, 6).walk(60))


@reference(93)
def scipy_deep_gradient() -> Iterator[Comparison]:
    optimize, g = import_module("scipy.optimize"), np.random.default_rng(3)
    net = Net("dense", (9, 16, 3))
    params, target = initial(net, generator(1)), initial(net, generator(2))
    batch = np.column_stack(
        [
            g.standard_normal((6, 9)),
            g.integers(0, 3, 6),
            3.0 * g.standard_normal(6),
            g.standard_normal((6, 9)),
        ]
    )
    error = optimize.check_grad(
        lambda v: temporal_loss_grad(params.to(v), target, batch, 0.9)[0],
        lambda v: temporal_loss_grad(params.to(v), target, batch, 0.9)[1],
        params.weights,
    )
    yield Comparison("scipy.optimize.check_grad", error, 0.0, 0.0, 1e-6)


def softmax(theta: Floats, phi: Floats) -> Floats:
    raised = np.exp(theta @ phi - np.max(theta @ phi))
    return np.asarray(raised / np.sum(raised))


def score(theta: Floats, phi: Floats, j: int) -> Floats:
    return np.outer(np.eye(len(theta))[j] - softmax(theta, phi), phi)


def entropy_slope(theta: Floats, phi: Floats) -> Floats:
    """Gradient of the entropy, as the expectation of -ln pi times the score."""
    pi = softmax(theta, phi)
    parts = (-p * np.log(p) * score(theta, phi, j) for j, p in enumerate(pi))
    return np.asarray(sum(parts))


class SlowPolicy(Slow):
    """A policy that learns from every `length` transitions by `learn`."""

    length = 1

    def __init__(self, columns: Mapping[str, Floats], seed: int) -> None:
        super().__init__(columns, seed)
        self.z = slow_z(self.x)
        self.theta, self.w = np.zeros((3, 10)), np.zeros(10)
        self.phi = np.zeros(10)
        self.past: list[tuple[Floats, int, float]] = []

    def learn(self, phis: Floats, actions: list[int], rewards: Floats) -> None:
        raise NotImplementedError

    def decide(self, t: int, reward: float | None) -> int:
        was, self.phi = self.phi, np.concatenate([[1.0], self.z[t], [self.held]])
        if reward is not None:
            self.past.append((was, self.last, reward))
            if len(self.past) == self.length:
                phis, actions, rewards = zip(*self.past, strict=True)
                self.learn(np.array(phis), list(actions), np.array(rewards))
                self.past = []
        above = np.cumsum(softmax(self.theta, self.phi)) > self.rng.random()
        return int(np.argmax(above)) if above.any() else 2

    def says(self, t: int) -> dict[str, float]:
        pi = softmax(self.theta, self.phi)
        _, second, first = np.sort(pi)
        signal = POSITIONS[int(np.argmax(pi))]
        return {"value": pi[1] - pi[2], "signal": signal, "confidence": first - second}


class SlowReinforce(SlowPolicy):
    length = 17

    def learn(self, phis: Floats, actions: list[int], rewards: Floats) -> None:
        powers = 0.9 ** np.arange(len(rewards))
        ahead = np.array([np.sum(powers[: len(rewards) - k] * rewards[k:]) for k in range(len(rewards))])
        off = ahead - np.mean(ahead)
        steps = [g * score(self.theta, phi, j) for g, phi, j in zip(off, phis, actions, strict=True)]
        self.theta = self.theta + 0.3 / len(rewards) * np.sum(steps, axis=0)


@reference(94)
def slow_reinforce() -> Iterator[Comparison]:
    columns = rows(ROWS)
    said = run(94, columns, L=17, gamma=0.9, alpha=0.3, fee=Slow.fee, seed=2, warm=60)
    yield from stream("stream", said, SlowReinforce(columns, 2).walk(60))


class SlowActorCritic(SlowPolicy):
    delta = 0.0

    def learn(self, phis: Floats, actions: list[int], rewards: Floats) -> None:
        phi = phis[0]
        self.delta = rewards[0] + 0.8 * self.w @ self.phi - self.w @ phi
        limited = np.clip(self.delta, -5.0, 5.0)
        self.w = self.w + 0.04 * limited * phi
        self.theta = self.theta + 0.03 * limited * score(self.theta, phi, actions[0])

    def says(self, t: int) -> dict[str, float]:
        pi = softmax(self.theta, self.phi)
        more = {"delta": self.delta, "pi_up": pi[1], "pi_down": pi[2]}
        return {**super().says(t), "value": float(self.w @ self.phi), **more}


@reference(95)
def slow_actor_critic() -> Iterator[Comparison]:
    columns = rows(ROWS)
    said = run(95, columns, gamma=0.8, alpha_w=0.04, alpha_theta=0.03, fee=Slow.fee, seed=2, warm=60)
    yield from stream("stream", said, SlowActorCritic(columns, 2).walk(60))


class SlowPpo(SlowPolicy):
    length = 24

    def learn(self, phis: Floats, actions: list[int], rewards: Floats) -> None:
        signal, n = import_module("scipy.signal"), len(rewards)
        v = phis @ self.w
        delta = rewards + 0.9 * np.append(v[1:], self.w @ self.phi) - v
        advantage = signal.lfilter([1.0], [1.0, -0.9 * 0.8], delta[::-1])[::-1]
        target = advantage + v
        advantage = (advantage - np.mean(advantage)) / (np.std(advantage) + 1e-8)
        old = [softmax(self.theta, phi)[j] for phi, j in zip(phis, actions, strict=True)]
        for _ in range(3):
            slope = np.zeros((3, 10))
            for a, was, phi, j in zip(advantage, old, phis, actions, strict=True):
                rho = softmax(self.theta, phi)[j] / was
                if not np.clip(rho, 0.9, 1.1) * a < rho * a:
                    slope += a * rho * score(self.theta, phi, j) / n
                slope += 0.05 * entropy_slope(self.theta, phi) / n
            pull = phis.T @ (phis @ self.w - target) / n
            self.theta, self.w = self.theta + 0.4 * slope, self.w - 0.1 * pull


@reference(96)
def slow_ppo() -> Iterator[Comparison]:
    columns = rows(ROWS)
    steps = {"clip": 0.1, "gamma": 0.9, "lam": 0.8, "alpha": 0.4, "alpha_v": 0.1, "ent": 0.05}
    said = run(96, columns, N=24, K=3, fee=Slow.fee, seed=2, **steps)
    yield from stream("stream", said, SlowPpo(columns, 2).walk(48))


class SlowA2c(SlowPolicy):
    length = 6

    def learn(self, phis: Floats, actions: list[int], rewards: Floats) -> None:
        ahead = float(self.w @ self.phi)
        g: list[float] = []
        for reward in rewards[::-1]:
            ahead = reward + 0.9 * ahead
            g.insert(0, ahead)
        off = np.array(g) - phis @ self.w
        slopes = [
            a * score(self.theta, phi, j) + 0.05 * entropy_slope(self.theta, phi)
            for a, phi, j in zip(off, phis, actions, strict=True)
        ]
        self.theta = self.theta + 0.1 * np.mean(slopes, axis=0)
        self.w = self.w + 0.1 * 0.4 * np.mean(off[:, None] * phis, axis=0)


@reference(97)
def slow_a2c() -> Iterator[Comparison]:
    columns = rows(ROWS)
    said = run(97, columns, k=6, gamma=0.9, alpha=0.1, c_v=0.4, ent=0.05, fee=Slow.fee, seed=2, warm=60)
    yield from stream("stream", said, SlowA2c(columns, 2).walk(60))


@reference(97)
def one_step_is_actor_critic() -> Iterator[Comparison]:
    """With one step, no entropy and the same rates it is the one-step agent, while errors are below 5."""
    g = np.random.default_rng(17)
    one, other = (Policy(0.3 * np.ones((3, 4)), 0.1 * np.ones(4)) for _ in range(2))
    phi, largest = g.standard_normal(4), 0.0
    for _ in range(60):
        ahead, j, reward = g.standard_normal(4), int(g.integers(3)), float(g.uniform(-1.0, 1.0))
        one.a2c(phi, j, reward, ahead, 0.9, 0.03, 2.0, 0.0)
        largest = max(largest, abs(other.actor_critic(phi, j, reward, ahead, 0.9, 0.06, 0.03)))
        phi = ahead
    yield Comparison("no error is cut", float(largest < 5.0), 1.0)
    for name, was, ought in (("theta", one.theta, other.theta), ("w", one.w, other.w)):
        for k, (x, y) in enumerate(zip(was.ravel(), ought.ravel(), strict=True)):
            yield Comparison(f"{name}_{k}", float(x), float(y), 1e-12, 1e-14)


@reference(94, 96)
def scipy_policy_gradients() -> Iterator[Comparison]:
    """Score and clipped objective against scipy's differences."""
    optimize, g = import_module("scipy.optimize"), np.random.default_rng(8)
    theta, phis = 0.5 * g.standard_normal((3, 4)), g.standard_normal((7, 4))
    actions, a = g.integers(0, 3, 7), g.standard_normal(7)
    old = [
        softmax(theta + 0.3 * g.standard_normal((3, 4)), phi)[j] for phi, j in zip(phis, actions, strict=True)
    ]

    def objective(flat: Floats) -> float:
        pi = [softmax(flat.reshape(3, 4), phi) for phi in phis]
        rho = np.array([p[j] / was for p, j, was in zip(pi, actions, old, strict=True)])
        entropy = np.array([-np.sum(p * np.log(p)) for p in pi])
        return float(np.mean(np.minimum(rho * a, np.clip(rho, 0.8, 1.2) * a) + 0.1 * entropy))

    found = Policy(theta).objective_gradient(phis, actions, a, old, 0.2, 0.1).ravel()
    for k, ought in enumerate(optimize.approx_fprime(theta.ravel(), objective, 1e-7)):
        yield Comparison(f"objective by theta_{k}", float(found[k]), float(ought), 1e-5, 1e-6)
    log_pi = optimize.approx_fprime(
        theta.ravel(), lambda v: float(np.log(softmax(v.reshape(3, 4), phis[0])[2])), 1e-7
    )
    for k, ought in enumerate(log_pi):
        was = Policy(theta).score(phis[0], 2).ravel()[k]
        yield Comparison(f"ln pi by theta_{k}", float(was), float(ought), 1e-5, 1e-6)
