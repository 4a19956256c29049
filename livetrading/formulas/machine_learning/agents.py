"""Agents that learn which position to hold from what it earned, and the value of states (91 to 98)."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livetrading.core import agents
from livetrading.core.agents import (
    DeepQ,
    Policy,
    TableAgent,
    TraceAgent,
    advantages,
    discounted,
    q_loss_grad,
    q_update,
    sarsa_update,
    surrogate,
    td_update,
)
from livetrading.core.kernel import Kernel
from livetrading.core.nets import Net
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.forms import KernelFormula
from livetrading.formulas.machine_learning.features import FIRST
from livetrading.formulas.machine_learning.weights import Params, generator, initial, words_of
from livetrading.formulas.parameters import Real, Whole
from livetrading.formulas.registry import register

__all__ = [
    "DeepQ",
    "Policy",
    "advantages",
    "discounted",
    "q_update",
    "sarsa_update",
    "surrogate",
    "td_update",
    "temporal_loss_grad",
]

Floats = NDArray[np.float64]
ACTIONS = 3
STATE = 9
REPLAYED_LEAST = 200


def temporal_loss_grad(
    params: Params, target: Params, transitions: ArrayLike, gamma: float
) -> tuple[float, Floats]:
    """Return the mean Huber loss of action values against what one step ahead promises, and its derivatives.

    Parameters
    ----------
    params, target : Params
        Of the same `Net`; no derivative is taken through `target`.
    transitions : array of float, shape (n, 2 net.inputs + 2)
        State, action's index, reward, state after.
    gamma : float
        Discount.
    """
    assert isinstance(params.net, Net)
    rows = np.asarray(transitions, np.float64)
    return q_loss_grad(params.net, params.weights, target.weights, rows, gamma)


class AgentFormula(KernelFormula):
    """An agent that holds 0, +1 or -1 from each observation to the next, from the 21st on.

    What it earned is (a_t r_{t+1} - fee |a_t - a_{t-1}|) / s20_t, the return in units of its own sd, 0 where
    that is 0. The signal is the action it thinks best, not the one it explores.
    """

    reads = ("price", "volume", "side")
    fee = Real(5e-5, "cost of one unit of turnover, a share of price", low=0.0)
    seed = Whole(0, "of its choices", low=0, high=2**63 - 1)

    def _words(self) -> tuple[int, ...]:
        return words_of(generator(self.seed))


class WarmedAgent(AgentFormula):
    """An agent that is ready after a number of transitions."""

    warm = Whole(200, "transitions before it is ready")

    @property
    def warm_up(self) -> int:
        return FIRST + 1 + self.warm


class TableFormula(WarmedAgent):
    """Action values in a table of 27 states."""

    alpha = Real(0.1, "share of an error that is learned", low=0.0, high=1.0, open_low=True)
    gamma = Real(0.95, "discount of an observation", low=0.0, high=1.0)
    eps = Real(0.1, "share of actions at random", low=0.0, high=1.0)
    on_policy = False

    def _make(self) -> Kernel:
        return TableAgent(
            self._words(), self.on_policy, self.alpha, self.gamma, self.eps, self.fee, self.warm
        )

    @property
    def table(self) -> tuple[Floats, int]:
        """Action values by state, shape (27, 3), and the last state."""
        kernel: Any = self._kernel
        q, state = kernel.table
        return q, int(state)


@register(
    id=91,
    name="QLearningAgent",
    category="machine_learning",
    inputs=("trade",),
    unit="per-observation volatilities",
    reference="Watkins, Dayan (1992), Machine Learning 8",
)
class QLearningAgent(TableFormula):
    """How much better the best position is than none, by Q-learning over 27 states.

    A state is the class of ln(p_t/p_{t-5}) / (s20 sqrt 5), of the price's z-score over 20 (below -1, within,
    above 1) and the position held. Q(s, a) += alpha [R + gamma max_j Q(s', j) - Q(s, a)]; with probability
    eps the next action is drawn from all three. Confidence N / (N + 50) after N updates of the best
    action's value here. `q_update` is the update alone.

    References
    ----------
    Watkins, Dayan (1992), Machine Learning 8.
    """


@register(
    id=92,
    name="SARSAAgent",
    category="machine_learning",
    inputs=("trade",),
    unit="per-observation volatilities",
    reference="Rummery, Niranjan (1994), CUED/F-INFENG/TR 166; Sutton, Barto (2018), 6.4",
)
class SARSAAgent(TableFormula):
    """How much better the best position is than none, by SARSA over the states of `QLearningAgent`.

    The next action is drawn first, and its value is what is learned from: Q(s, a) += alpha [R + gamma
    Q(s', a') - Q(s, a)]. Confidence N / (N + 50) after N updates of the best action's value here.
    `sarsa_update` is the update alone.

    References
    ----------
    Rummery, Niranjan (1994), CUED/F-INFENG/TR 166; Sutton, Barto (2018), Reinforcement Learning, 6.4.
    """

    on_policy = True


@register(
    id=93,
    name="DeepQNetwork",
    category="machine_learning",
    inputs=("trade",),
    unit="per-observation volatilities",
    reference="Mnih, Kavukcuoglu, Silver et al. (2015), Nature 518",
)
class DeepQNetwork(WarmedAgent):
    """How much better the best position is than none, by a network of action values.

    Q = W2 tanh(W1 s + b1) + b2 of the state s = (z_t, position held). Transitions go into a store; once it
    holds 200, every `every`-th observation draws `batch` of them and takes a step, cut to the length `clip`,
    on the mean Huber loss of Q(s, a) against R + gamma max Q'(s'). Q' is a copy of Q, renewed every
    `target_every` steps. Confidence (q1 - q2) / (|q1| + |q2|) of the two largest values.

    References
    ----------
    Mnih, Kavukcuoglu, Silver et al. (2015), Nature 518.
    """

    H = Whole(16, "hidden units", high=512)
    gamma = Real(0.95, "discount of an observation", low=0.0, high=1.0)
    eps = Real(0.1, "share of actions at random", low=0.0, high=1.0)
    eta = Real(0.01, "length of a step", low=0.0, open_low=True)
    clip = Real(1.0, "largest length of a gradient", low=0.0, open_low=True)
    capacity = Whole(2000, "transitions stored", low=REPLAYED_LEAST, high=1_000_000)
    batch = Whole(16, "transitions a step", high=10_000)
    every = Whole(4, "observations from one step to the next")
    target_every = Whole(200, "steps from one copy to the next")

    def _make(self) -> Kernel:
        net, rng = Net("dense", (STATE, self.H, ACTIONS)), generator(self.seed)
        weights = net.packed(initial(net, rng).weights)
        learning = (self.gamma, self.eps, self.eta, self.clip)
        store = (self.capacity, self.batch, self.every, self.target_every)
        return DeepQ(words_of(rng), net, weights, *learning, *store, self.fee, self.warm)


@register(
    id=94,
    name="PolicyGradient",
    category="machine_learning",
    inputs=("trade",),
    low=-1.0,
    high=1.0,
    reference="Williams (1992), Machine Learning 8",
)
class PolicyGradient(WarmedAgent):
    """Probability of being long less that of being short, of a policy learned by REINFORCE.

    pi(j) = softmax(Theta phi)_j of phi = (1, z_t, position held). After every L decisions, with G_k the
    discounted reward from the k-th to the last of them and b the mean of G: Theta += (alpha / L) sum_k
    (G_k - b) grad ln pi(a_k). The signal is the most probable position, the confidence its probability less
    the next one's. `Policy` has the update alone.

    References
    ----------
    Williams (1992), Machine Learning 8.
    """

    L = Whole(50, "decisions in an episode", high=100_000)
    gamma = Real(0.99, "discount of an observation", low=0.0, high=1.0)
    alpha = Real(0.05, "length of a step", low=0.0, open_low=True)

    def _make(self) -> Kernel:
        return agents.Reinforce(self._words(), self.L, self.gamma, self.alpha, self.fee, self.warm)


@register(
    id=95,
    name="ActorCritic",
    category="machine_learning",
    inputs=("trade",),
    unit="per-observation volatilities",
    reference="Barto, Sutton, Anderson (1983), IEEE Trans. SMC 13; Sutton, Barto (2018), 13.5",
)
class ActorCritic(WarmedAgent):
    """What a linear critic expects of here on, beside a policy that learns from its errors.

    v = w.phi, pi = softmax(Theta phi) of phi = (1, z_t, position held). delta = R + gamma v' - v; w +=
    alpha_w delta phi and Theta += alpha_theta delta grad ln pi(a), both with delta cut to +-5. The signal is
    the most probable position, the confidence its probability less the next one's.

    Outputs: delta, before it is cut; pi_up; pi_down.

    References
    ----------
    Barto, Sutton, Anderson (1983), IEEE Trans. SMC 13; Sutton, Barto (2018), Reinforcement Learning, 13.5.
    """

    gamma = Real(0.95, "discount of an observation", low=0.0, high=1.0)
    alpha_w = Real(0.02, "length of the critic's step", low=0.0, open_low=True)
    alpha_theta = Real(0.01, "length of the actor's step", low=0.0, open_low=True)

    @property
    def gives(self) -> tuple[str, ...]:
        return ("delta", "pi_up", "pi_down")

    def _make(self) -> Kernel:
        steps = (self.gamma, self.alpha_w, self.alpha_theta)
        return agents.ActorCritic(self._words(), *steps, self.fee, self.warm)


@register(
    id=96,
    name="PPOAgent",
    category="machine_learning",
    inputs=("trade",),
    low=-1.0,
    high=1.0,
    reference="Schulman, Wolski, Dhariwal, Radford, Klimov (2017), arXiv:1707.06347; Schulman, Moritz, "
    "Levine, Jordan, Abbeel (2016), ICLR",
)
class PPOAgent(AgentFormula):
    """Probability of being long less that of being short, by proximal policy optimisation.

    Every N transitions: advantages A_k = delta_k + gamma lam A_{k+1} by a linear critic, A_k + v_k its
    target, A then standardised; K steps on mean[min(rho A, clip(rho, 1 +- clip) A) + ent entropy], rho =
    pi / pi_old, and on the critic's mean squared error. The signal is the most probable position, the
    confidence its probability less the next one's. Ready after two rollouts; work is uneven, constant on
    average.

    Notes
    -----
    A step that would leave a weight that is not finite is not taken: the plain steps of the critic diverge
    where features stay at their limit for many rollouts.

    References
    ----------
    Schulman, Wolski, Dhariwal, Radford, Klimov (2017), arXiv:1707.06347; Schulman, Moritz, Levine, Jordan,
    Abbeel (2016), ICLR (the advantages).
    """

    N = Whole(128, "transitions in a rollout", low=2, high=100_000)
    K = Whole(4, "steps on a rollout", high=1000)
    clip = Real(0.2, "by how much a probability's ratio may move", low=0.0, high=1.0, open_low=True)
    gamma = Real(0.99, "discount of an observation", low=0.0, high=1.0)
    lam = Real(0.95, "discount of later errors", low=0.0, high=1.0)
    alpha = Real(0.05, "length of the actor's step", low=0.0, open_low=True)
    alpha_v = Real(0.05, "length of the critic's step", low=0.0, open_low=True)
    ent = Real(0.01, "weight of the entropy", low=0.0)

    @property
    def warm_up(self) -> int:
        return FIRST + 1 + 2 * self.N

    def _make(self) -> Kernel:
        steps = (self.clip, self.gamma, self.lam, self.alpha, self.alpha_v, self.ent)
        return agents.Ppo(self._words(), self.N, self.K, *steps, self.fee, 2 * self.N)


@register(
    id=97,
    name="A2CAgent",
    category="machine_learning",
    inputs=("trade",),
    low=-1.0,
    high=1.0,
    reference="Mnih, Badia, Mirza, Graves, Lillicrap, Harley, Silver, Kavukcuoglu (2016), ICML",
)
class A2CAgent(WarmedAgent):
    """Probability of being long less that of being short, by an advantage actor-critic over k steps.

    Every k transitions: G_i the discounted rewards to the end and the critic's value there, A_i = G_i - v_i;
    Theta += alpha mean[A grad ln pi + ent grad entropy], w += alpha c_v mean[A phi]. The signal is the most
    probable position, the confidence its probability less the next one's.

    Notes
    -----
    A step that would leave a weight that is not finite is not taken.

    References
    ----------
    Mnih, Badia, Mirza, Graves, Lillicrap, Harley, Silver, Kavukcuoglu (2016), ICML (its synchronous form).
    """

    k = Whole(5, "transitions in a batch", high=100_000)
    gamma = Real(0.99, "discount of an observation", low=0.0, high=1.0)
    alpha = Real(0.02, "length of a step", low=0.0, open_low=True)
    c_v = Real(0.5, "the critic's share of it", low=0.0)
    ent = Real(0.01, "weight of the entropy", low=0.0)

    def _make(self) -> Kernel:
        steps = (self.gamma, self.alpha, self.c_v, self.ent)
        return agents.A2c(self._words(), self.k, *steps, self.fee, self.warm)


@register(
    id=98,
    name="TDLambda",
    category="machine_learning",
    kind="estimator",
    inputs=("trade",),
    unit="per-observation volatilities",
    reference="Sutton (1988), Machine Learning 3",
)
class TDLambda(KernelFormula):
    """Discounted sum of the returns to come, in units of their sd, by TD(lambda) over nine states.

    The states are those of `QLearningAgent` without the position; the reward is r_t / s20_{t-1}, 0 where that
    is 0. With accumulating traces: delta = R + gamma V(s') - V(s), e *= gamma lam, e(s) += 1, V += alpha
    delta e. Signal: the sign of V past thr. Confidence N / (N + 50) after N transitions out of this state.
    `td_update` is the update alone.

    References
    ----------
    Sutton (1988), Machine Learning 3.
    """

    reads = ("price", "volume", "side")
    alpha = Real(0.02, "share of an error that is learned", low=0.0, high=1.0, open_low=True)
    gamma = Real(0.9, "discount of an observation", low=0.0, high=1.0)
    lam = Real(0.8, "how slowly traces fade", low=0.0, high=1.0)
    thr = Real(0.1, "value past which there is a signal", low=0.0)
    warm = Whole(200, "transitions before it is ready")

    def _prepare(self) -> None:
        if self.gamma * self.lam >= 1.0:
            raise FormulaError(f"gamma lam must be below 1, was {self.gamma * self.lam}")

    @property
    def warm_up(self) -> int:
        return FIRST + 1 + self.warm

    def _make(self) -> Kernel:
        return TraceAgent(self.alpha, self.gamma, self.lam, self.thr, self.warm)

    @property
    def table(self) -> tuple[Floats, int]:
        """Values by state, shape (9,), and the last state."""
        kernel: Any = self._kernel
        v, state = kernel.table
        return v, int(state)
