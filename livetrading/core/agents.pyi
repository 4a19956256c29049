from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livetrading.core.kernel import Kernel
from livetrading.core.nets import Net

_Floats = NDArray[np.float64]

class Policy:
    def __new__(cls, theta: ArrayLike, w: ArrayLike | None = None) -> Policy: ...
    @property
    def theta(self) -> _Floats: ...
    @property
    def w(self) -> _Floats: ...
    def taken(
        self, phi: ArrayLike, actions: ArrayLike, rewards: ArrayLike, ahead: ArrayLike | None
    ) -> tuple[_Floats, _Floats, _Floats, _Floats]: ...
    def probabilities(self, phi: ArrayLike) -> _Floats: ...
    def value(self, phi: ArrayLike) -> float: ...
    def score(self, phi: ArrayLike, j: int) -> _Floats: ...
    def objective_gradient(
        self,
        phi: ArrayLike,
        actions: ArrayLike,
        advantages: ArrayLike,
        old: ArrayLike,
        clip: float,
        ent: float,
    ) -> _Floats: ...
    def reinforce(
        self, phi: ArrayLike, actions: ArrayLike, rewards: ArrayLike, gamma: float, alpha: float
    ) -> None: ...
    def actor_critic(
        self,
        phi: ArrayLike,
        action: ArrayLike,
        reward: ArrayLike,
        ahead: ArrayLike,
        gamma: float,
        alpha_w: float,
        alpha_theta: float,
    ) -> float: ...
    def ppo(
        self,
        phi: ArrayLike,
        actions: ArrayLike,
        rewards: ArrayLike,
        ahead: ArrayLike,
        epochs: int,
        clip: float,
        gamma: float,
        lam: float,
        alpha: float,
        alpha_v: float,
        ent: float,
    ) -> None: ...
    def a2c(
        self,
        phi: ArrayLike,
        actions: ArrayLike,
        rewards: ArrayLike,
        ahead: ArrayLike,
        gamma: float,
        alpha: float,
        c_v: float,
        ent: float,
    ) -> None: ...

class Agent(Kernel): ...

class TableAgent(Agent):
    def __new__(
        cls,
        words: Sequence[int],
        on_policy: bool,
        alpha: float,
        gamma: float,
        eps: float,
        fee: float,
        warm: int,
    ) -> TableAgent: ...
    @property
    def table(self) -> tuple[_Floats, int]: ...

class TraceAgent(Agent):
    def __new__(cls, alpha: float, gamma: float, lam: float, thr: float, warm: int) -> TraceAgent: ...
    @property
    def table(self) -> tuple[_Floats, int]: ...

class PolicyAgent(Agent):
    @property
    def policy(self) -> tuple[_Floats, _Floats]: ...

class Reinforce(PolicyAgent):
    def __new__(
        cls, words: Sequence[int], length: int, gamma: float, alpha: float, fee: float, warm: int
    ) -> Reinforce: ...

class ActorCritic(PolicyAgent):
    def __new__(
        cls,
        words: Sequence[int],
        gamma: float,
        alpha_w: float,
        alpha_theta: float,
        fee: float,
        warm: int,
    ) -> ActorCritic: ...

class Ppo(PolicyAgent):
    def __new__(
        cls,
        words: Sequence[int],
        length: int,
        epochs: int,
        clip: float,
        gamma: float,
        lam: float,
        alpha: float,
        alpha_v: float,
        ent: float,
        fee: float,
        warm: int,
    ) -> Ppo: ...

class A2c(PolicyAgent):
    def __new__(
        cls,
        words: Sequence[int],
        length: int,
        gamma: float,
        alpha: float,
        c_v: float,
        ent: float,
        fee: float,
        warm: int,
    ) -> A2c: ...

class DeepQ(Agent):
    def __new__(
        cls,
        words: Sequence[int],
        net: Net,
        weights: _Floats,
        gamma: float,
        eps: float,
        eta: float,
        clip: float,
        capacity: int,
        batch: int,
        every: int,
        target_every: int,
        fee: float,
        warm: int,
    ) -> DeepQ: ...
    def learn(self, state: ArrayLike, action: int, reward: float, after: ArrayLike) -> None: ...
    def action_values(self, state: ArrayLike) -> _Floats: ...

def q_update(q: _Floats, s: int, a: int, reward: float, ahead: int, alpha: float, gamma: float) -> None: ...
def sarsa_update(
    q: _Floats, s: int, a: int, reward: float, ahead: int, then: int, alpha: float, gamma: float
) -> None: ...
def td_update(
    v: _Floats, e: _Floats, s: int, reward: float, ahead: int, alpha: float, gamma: float, lam: float
) -> None: ...
def advantages(
    rewards: ArrayLike, values: ArrayLike, bootstrap: float, gamma: float, lam: float
) -> _Floats: ...
def discounted(rewards: ArrayLike, bootstrap: float, gamma: float) -> _Floats: ...
def surrogate(advantage: float, rho: float, clip: float) -> float: ...
def q_loss_grad(
    net: Net, weights: _Floats, target_weights: _Floats, transitions: _Floats, gamma: float
) -> tuple[float, _Floats]: ...
