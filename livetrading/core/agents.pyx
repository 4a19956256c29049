# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Agents that learn to hold a position: what they do with a transition, and the formulas' kernels."""
from libc.math cimport fabs, fmin, isfinite, sqrt
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from livetrading.core.features cimport LT_FEATURES, lt_features, lt_features_push, lt_standard, lt_standard_push, \
    lt_trade_valid
from livetrading.core.kernel cimport Kernel
from livetrading.core.learning cimport lt_descend, lt_net, lt_net_backward, lt_net_forward, lt_pcg64, \
    lt_pcg64_below, lt_pcg64_uniform
from livetrading.core.nets cimport Net, copied, seeded, vector
from livetrading.core.ring cimport LT_OK
from livetrading.core.variates cimport lt_exp, lt_log

import numpy as np

cdef enum:
    ACTIONS = 3         # 0, +1, -1
    FEATURES = 10       # of a policy: 1, the features, the position
    STATES = 27
    PLACES = 9          # states without the position
    REPLAYED_LEAST = 200

cdef double delta_max = 5.0     # of a one-step update


cdef inline double position_of(Py_ssize_t j) noexcept nogil:
    return 1.0 if j == 1 else -1.0 if j == 2 else 0.0


cdef inline Py_ssize_t greedy(const double *q, Py_ssize_t n) noexcept nogil:
    """The lowest index of the largest value."""
    cdef Py_ssize_t j, best = 0
    for j in range(1, n):
        if q[j] > q[best]:
            best = j
    return best


cdef inline double second(const double *q, Py_ssize_t n, Py_ssize_t best) noexcept nogil:
    """The largest value but that of `best`."""
    cdef Py_ssize_t j
    cdef double found = -1.7976931348623157e308
    for j in range(n):
        if j != best and q[j] > found:
            found = q[j]
    return found


cdef inline Py_ssize_t explored(lt_pcg64 *g, double eps, Py_ssize_t best, Py_ssize_t n) noexcept nogil:
    return <Py_ssize_t> lt_pcg64_below(g, <uint32_t> n) if lt_pcg64_uniform(g) < eps else best


# Tables

cdef inline double table_update(double *q, double reward, double gamma, double ahead, double alpha) noexcept nogil:
    q[0] += alpha * (reward + gamma * ahead - q[0])
    return q[0]


cdef void trace_update(double *v, double *e, Py_ssize_t n, Py_ssize_t s, double reward, Py_ssize_t ahead, double alpha,
                       double gamma, double lam) noexcept nogil:
    cdef double delta = reward + gamma * v[ahead] - v[s]
    cdef Py_ssize_t k
    for k in range(n):
        e[k] *= gamma * lam
    e[s] += 1.0
    for k in range(n):
        v[k] += alpha * delta * e[k]


def _check_table(rows, columns, *places):
    """Raise where a state, an action, a state, an action are not of the table."""
    for place, n in zip(places, (rows, columns, rows, columns)):
        if not 0 <= place < n:
            raise ValueError(f"a state or an action must be from 0 to {n - 1}, was {place}")


def q_update(double[:, ::1] q not None, Py_ssize_t s, Py_ssize_t a, double reward, Py_ssize_t ahead, double alpha,
             double gamma):
    """Q(s, a) += alpha [reward + gamma max_j Q(ahead, j) - Q(s, a)], in place."""
    _check_table(q.shape[0], q.shape[1], s, a, ahead)
    table_update(&q[s, a], reward, gamma, q[ahead, greedy(&q[ahead, 0], q.shape[1])], alpha)


def sarsa_update(double[:, ::1] q not None, Py_ssize_t s, Py_ssize_t a, double reward, Py_ssize_t ahead,
                 Py_ssize_t then, double alpha, double gamma):
    """Q(s, a) += alpha [reward + gamma Q(ahead, then) - Q(s, a)], in place."""
    _check_table(q.shape[0], q.shape[1], s, a, ahead, then)
    table_update(&q[s, a], reward, gamma, q[ahead, then], alpha)


def td_update(double[::1] v not None, double[::1] e not None, Py_ssize_t s, double reward, Py_ssize_t ahead,
              double alpha, double gamma, double lam):
    """V += alpha delta e with accumulating traces e, both in place."""
    _check_table(v.shape[0], v.shape[0], s, ahead)
    if e.shape[0] != v.shape[0]:
        raise ValueError(f"e must have {v.shape[0]} values, had {e.shape[0]}")
    trace_update(&v[0], &e[0], v.shape[0], s, reward, ahead, alpha, gamma, lam)


# Policies: pi(j | phi) = softmax(theta phi)

ctypedef struct policy_t:
    Py_ssize_t actions, features
    double *theta       # actions by features
    double *w           # of the critic
    double *work        # gradients: actions by features, features, actions, then what an update asks for


cdef void softmax(const policy_t *p, const double *phi, double *pi) noexcept nogil:
    cdef Py_ssize_t j, k
    cdef double top, total = 0.0
    for j in range(p.actions):
        pi[j] = 0.0
        for k in range(p.features):
            pi[j] += p.theta[j * p.features + k] * phi[k]
    top = pi[greedy(pi, p.actions)]
    for j in range(p.actions):
        pi[j] = lt_exp(pi[j] - top)
        total += pi[j]
    for j in range(p.actions):
        pi[j] /= total


cdef inline double critic(const policy_t *p, const double *phi) noexcept nogil:
    cdef double sum = 0.0
    cdef Py_ssize_t k
    for k in range(p.features):
        sum += p.w[k] * phi[k]
    return sum


cdef inline double entropy_of(const double *pi, Py_ssize_t n) noexcept nogil:
    cdef double sum = 0.0
    cdef Py_ssize_t j
    for j in range(n):
        if pi[j] > 0.0:
            sum -= pi[j] * lt_log(pi[j])
    return sum


cdef void add_score(const policy_t *p, const double *pi, Py_ssize_t j, const double *phi, double scale,
                    double *g) noexcept nogil:
    """g += scale grad ln pi(j | phi)."""
    cdef Py_ssize_t i, k
    cdef double share
    for i in range(p.actions):
        share = scale * ((1.0 if i == j else 0.0) - pi[i])
        for k in range(p.features):
            g[i * p.features + k] += share * phi[k]


cdef void add_entropy(const policy_t *p, const double *pi, const double *phi, double scale, double *g) noexcept nogil:
    """g += scale grad entropy(pi)."""
    cdef Py_ssize_t i, k
    cdef double h = entropy_of(pi, p.actions), share
    for i in range(p.actions):
        share = -scale * pi[i] * (lt_log(pi[i]) + h) if pi[i] > 0.0 else 0.0
        for k in range(p.features):
            g[i * p.features + k] += share * phi[k]


cdef void climb(Py_ssize_t n, double *x, double rate, const double *g) noexcept nogil:
    """x += rate g, unless something of it were not finite: then nothing."""
    cdef Py_ssize_t k
    for k in range(n):
        if not isfinite(x[k] + rate * g[k]):
            return
    for k in range(n):
        x[k] += rate * g[k]


cdef void reinforce(policy_t *p, Py_ssize_t n, const double *phi, const double *action, const double *reward,
                    double gamma, double alpha) noexcept nogil:
    """One episode; `work` has n places more."""
    cdef Py_ssize_t size = p.actions * p.features, k
    cdef double *g = p.work
    cdef double *pi = g + size + p.features
    cdef double *ahead = pi + p.actions
    cdef double sum = 0.0, mean = 0.0
    for k in range(n - 1, -1, -1):
        sum = reward[k] + gamma * sum
        ahead[k] = sum
        mean += sum / <double> n
    memset(g, 0, <size_t> size * sizeof(double))
    for k in range(n):
        softmax(p, phi + k * p.features, pi)
        add_score(p, pi, <Py_ssize_t> action[k], phi + k * p.features, ahead[k] - mean, g)
    climb(size, p.theta, alpha / <double> n, g)


cdef double actor_critic(policy_t *p, const double *phi, Py_ssize_t j, double reward, const double *ahead, double gamma,
                         double alpha_w, double alpha_theta) noexcept nogil:
    cdef double *pi = p.work + p.actions * p.features + p.features
    cdef double delta = reward + gamma * critic(p, ahead) - critic(p, phi)
    cdef double cut = delta_max if delta > delta_max else -delta_max if delta < -delta_max else delta
    softmax(p, phi, pi)
    add_score(p, pi, j, phi, alpha_theta * cut, p.theta)
    climb(p.features, p.w, alpha_w * cut, phi)
    return delta


cdef void advantages_of(Py_ssize_t n, const double *reward, const double *v, double bootstrap, double gamma, double lam,
                        double *a) noexcept nogil:
    """Generalised advantages of a rollout."""
    cdef Py_ssize_t k
    cdef double ahead = 0.0, after = bootstrap
    for k in range(n - 1, -1, -1):
        ahead = reward[k] + gamma * after - v[k] + gamma * lam * ahead
        after = v[k]
        a[k] = ahead


cdef inline double surrogate_of(double a, double rho, double clip, bint *clipped) noexcept nogil:
    cdef double plain = rho * a, cut = min(max(rho, 1.0 - clip), 1.0 + clip) * a
    clipped[0] = cut < plain
    return cut if cut < plain else plain


cdef void standardise(Py_ssize_t n, double *a) noexcept nogil:
    cdef Py_ssize_t k
    cdef double mean = 0.0, m2 = 0.0, sd
    for k in range(n):
        mean += a[k] / <double> n
    for k in range(n):
        m2 += (a[k] - mean) * (a[k] - mean)
    sd = sqrt(m2 / <double> n)
    for k in range(n):
        a[k] = (a[k] - mean) / (sd + 1e-8)


cdef void policy_gradient(policy_t *p, Py_ssize_t n, const double *phi, const double *action, const double *advantage,
                          const double *old, double clip, double ent, double *g) noexcept nogil:
    """Gradient of the mean over a rollout of the clipped surrogate and the entropy bonus."""
    cdef double *pi = p.work + p.actions * p.features + p.features
    cdef Py_ssize_t k, j
    cdef double rho
    cdef bint clipped = False
    memset(g, 0, <size_t> (p.actions * p.features) * sizeof(double))
    for k in range(n):
        j = <Py_ssize_t> action[k]
        softmax(p, phi + k * p.features, pi)
        rho = pi[j] / old[k]
        surrogate_of(advantage[k], rho, clip, &clipped)
        if not clipped:
            add_score(p, pi, j, phi + k * p.features, advantage[k] * rho / <double> n, g)
        add_entropy(p, pi, phi + k * p.features, ent / <double> n, g)


cdef void ppo(policy_t *p, Py_ssize_t n, const double *phi, const double *action, const double *reward,
              const double *ahead, Py_ssize_t epochs, double clip, double gamma, double lam, double alpha,
              double alpha_v, double ent) noexcept nogil:
    """One rollout; `work` has 4 n places more."""
    cdef Py_ssize_t f = p.features, size = p.actions * f, k, i, _epoch
    cdef double *g = p.work
    cdef double *gw = g + size
    cdef double *pi = gw + f
    cdef double *v = pi + p.actions
    cdef double *advantage = v + n
    cdef double *target = advantage + n
    cdef double *old = target + n
    cdef double error
    for k in range(n):
        v[k] = critic(p, phi + k * f)
        softmax(p, phi + k * f, pi)
        old[k] = pi[<Py_ssize_t> action[k]]
    advantages_of(n, reward, v, critic(p, ahead), gamma, lam, advantage)
    for k in range(n):
        target[k] = advantage[k] + v[k]
    standardise(n, advantage)
    for _epoch in range(epochs):
        policy_gradient(p, n, phi, action, advantage, old, clip, ent, g)
        memset(gw, 0, <size_t> f * sizeof(double))
        for k in range(n):
            error = (critic(p, phi + k * f) - target[k]) / <double> n
            for i in range(f):
                gw[i] += error * phi[k * f + i]
        climb(size, p.theta, alpha, g)
        climb(f, p.w, -alpha_v, gw)


cdef void targets_of(Py_ssize_t n, const double *reward, double bootstrap, double gamma, double *target) noexcept nogil:
    """Discounted rewards up to the end, and what is expected after it."""
    cdef Py_ssize_t k
    cdef double ahead = bootstrap
    for k in range(n - 1, -1, -1):
        ahead = reward[k] + gamma * ahead
        target[k] = ahead


cdef void a2c(policy_t *p, Py_ssize_t n, const double *phi, const double *action, const double *reward,
              const double *ahead, double gamma, double alpha, double c_v, double ent) noexcept nogil:
    """One batch of n steps; `work` has n places more."""
    cdef Py_ssize_t f = p.features, size = p.actions * f, k, i
    cdef double *g = p.work
    cdef double *gw = g + size
    cdef double *pi = gw + f
    cdef double *target = pi + p.actions
    cdef double advantage
    targets_of(n, reward, critic(p, ahead), gamma, target)
    memset(g, 0, <size_t> (size + f) * sizeof(double))
    for k in range(n):
        advantage = (target[k] - critic(p, phi + k * f)) / <double> n
        softmax(p, phi + k * f, pi)
        add_score(p, pi, <Py_ssize_t> action[k], phi + k * f, advantage, g)
        add_entropy(p, pi, phi + k * f, ent / <double> n, g)
        for i in range(f):
            gw[i] += advantage * phi[k * f + i]
    climb(size, p.theta, alpha, g)
    climb(f, p.w, alpha * c_v, gw)


cdef class Policy:
    """A softmax policy over linear scores with a linear critic, and what the agents do to it.

    Parameters
    ----------
    theta : ndarray of float64, shape (actions, features)
    w : ndarray of float64, shape (features,), optional
        Of the critic; zeros unless given.

    Notes
    -----
    Updates change copies of both, `theta` and `w` here. `phi` are rows of features, `actions` indices, `rewards` what
    followed, `ahead` the features after the last.
    """
    cdef policy_t p
    cdef double *work
    cdef readonly object theta, w

    def __cinit__(self, theta, w=None):
        cdef double[:, ::1] scores
        cdef double[::1] values
        self.theta = np.array(theta, np.float64, ndmin=2)
        self.w = np.zeros(self.theta.shape[1]) if w is None else np.array(w, np.float64)
        if not self.theta.size or self.w.shape != self.theta.shape[1:]:
            raise ValueError(f"w must have the {self.theta.shape[1]} features of theta, was {self.w.shape}")
        scores, values = self.theta, self.w
        self.p.actions, self.p.features = scores.shape[0], scores.shape[1]
        self.p.theta, self.p.w = &scores[0, 0], &values[0]

    def __dealloc__(self):
        free(self.work)
        self.work = NULL

    cdef int room(self, Py_ssize_t more) except -1:
        free(self.work)
        self.work = NULL
        self.work = vector(<size_t> (self.p.actions * (self.p.features + 1) + self.p.features + more))
        self.p.work = self.work
        return 0

    def taken(self, phi, actions, rewards, ahead):
        """The arguments of an update as arrays that fit."""
        rows = np.ascontiguousarray(np.array(phi, np.float64, ndmin=2))
        n = len(rows)
        chosen, seen = np.array(actions, np.float64, ndmin=1), np.array(rewards, np.float64, ndmin=1)
        after = np.zeros(self.p.features) if ahead is None else np.array(ahead, np.float64, ndmin=1)
        fits = rows.shape[1:] == after.shape == (self.p.features,) and chosen.shape == seen.shape == (n,) and n > 0
        if not (fits and np.all((chosen >= 0) & (chosen < self.p.actions) & (chosen == np.floor(chosen)))):
            raise ValueError(f"a rollout must have rows of {self.p.features} features, and as many actions from 0 to "
                             f"{self.p.actions - 1} and rewards, was {rows.shape}, {chosen.shape}, {seen.shape}")
        return rows, chosen, seen, after

    def probabilities(self, phi):
        """pi(j | phi) of every action."""
        rows, _, _, _ = self.taken(phi, 0, 0.0, None)
        cdef double[:, ::1] x = rows
        cdef double[::1] pi = np.empty(self.p.actions)
        softmax(&self.p, &x[0, 0], &pi[0])
        return np.asarray(pi)

    def value(self, phi):
        """w.phi."""
        return float(self.w @ np.asarray(phi, np.float64))

    def score(self, phi, Py_ssize_t j):
        """Derivatives of ln pi(j | phi) by theta, shape (actions, features)."""
        rows, _, _, _ = self.taken(phi, j, 0.0, None)
        cdef double[:, ::1] x = rows, g = np.zeros_like(self.theta)
        cdef double[::1] pi = self.probabilities(phi)
        add_score(&self.p, &pi[0], j, &x[0, 0], 1.0, &g[0, 0])
        return np.asarray(g)

    def objective_gradient(self, phi, actions, advantages, old, double clip, double ent):
        """Gradient of mean[min(rho A, clip(rho) A) + ent entropy] by theta, rho = pi / old."""
        rows, chosen, seen, _ = self.taken(phi, actions, advantages, None)
        cdef double[:, ::1] x = rows, g = np.zeros_like(self.theta)
        cdef double[::1] a = chosen, r = seen, o = np.array(old, np.float64, ndmin=1)
        if o.shape[0] != a.shape[0]:
            raise ValueError(f"old must have {a.shape[0]} probabilities, had {o.shape[0]}")
        self.room(0)
        policy_gradient(&self.p, x.shape[0], &x[0, 0], &a[0], &r[0], &o[0], clip, ent, &g[0, 0])
        return np.asarray(g)

    def reinforce(self, phi, actions, rewards, double gamma, double alpha):
        """An episode of the policy gradient with its mean return for a baseline."""
        rows, chosen, seen, _ = self.taken(phi, actions, rewards, None)
        cdef double[:, ::1] x = rows
        cdef double[::1] a = chosen, r = seen
        self.room(x.shape[0])
        reinforce(&self.p, x.shape[0], &x[0, 0], &a[0], &r[0], gamma, alpha)

    def actor_critic(self, phi, action, reward, ahead, double gamma, double alpha_w, double alpha_theta):
        """One step of actor and critic; return delta, not cut."""
        rows, chosen, seen, after = self.taken(phi, action, reward, ahead)
        cdef double[:, ::1] x = rows
        cdef double[::1] a = chosen, r = seen, y = after
        self.room(0)
        return actor_critic(&self.p, &x[0, 0], <Py_ssize_t> a[0], r[0], &y[0], gamma, alpha_w, alpha_theta)

    def ppo(self, phi, actions, rewards, ahead, Py_ssize_t epochs, double clip, double gamma, double lam, double alpha,
            double alpha_v, double ent):
        """A rollout of proximal policy optimisation."""
        rows, chosen, seen, after = self.taken(phi, actions, rewards, ahead)
        cdef double[:, ::1] x = rows
        cdef double[::1] a = chosen, r = seen, y = after
        self.room(4 * x.shape[0])
        ppo(&self.p, x.shape[0], &x[0, 0], &a[0], &r[0], &y[0], epochs, clip, gamma, lam, alpha, alpha_v, ent)

    def a2c(self, phi, actions, rewards, ahead, double gamma, double alpha, double c_v, double ent):
        """A batch of the advantage actor-critic."""
        rows, chosen, seen, after = self.taken(phi, actions, rewards, ahead)
        cdef double[:, ::1] x = rows
        cdef double[::1] a = chosen, r = seen, y = after
        self.room(x.shape[0])
        a2c(&self.p, x.shape[0], &x[0, 0], &a[0], &r[0], &y[0], gamma, alpha, c_v, ent)


def advantages(rewards, values, double bootstrap, double gamma, double lam):
    """Generalised advantages A_k = delta_k + gamma lam A_(k+1), delta_k = R_(k+1) + gamma v_(k+1) - v_k."""
    cdef double[::1] r = np.array(rewards, np.float64, ndmin=1), v = np.array(values, np.float64, ndmin=1)
    cdef double[::1] a = np.empty(r.shape[0])
    if v.shape[0] != r.shape[0] or r.shape[0] == 0:
        raise ValueError(f"there must be a value a reward, were {v.shape[0]} and {r.shape[0]}")
    advantages_of(r.shape[0], &r[0], &v[0], bootstrap, gamma, lam, &a[0])
    return np.asarray(a)


def discounted(rewards, double bootstrap, double gamma):
    """G_i = sum of gamma^(j - i) R_(j+1), and what is expected after the last, discounted."""
    cdef double[::1] r = np.array(rewards, np.float64, ndmin=1), g = np.empty(np.size(rewards))
    if r.shape[0] == 0:
        raise ValueError("there must be a reward, was none")
    targets_of(r.shape[0], &r[0], bootstrap, gamma, &g[0])
    return np.asarray(g)


def surrogate(double advantage, double rho, double clip):
    """min(rho A, clip(rho, 1 - clip, 1 + clip) A)."""
    cdef bint clipped = False
    return surrogate_of(advantage, rho, clip, &clipped)


# The formulas' kernels

ctypedef struct agent_t:
    lt_features features
    lt_standard standard
    lt_pcg64 g
    double held, before, s20        # positions now and before, and what a reward is measured in
    int64_t transitions, state, action, steps
    double delta


cdef class Agent(Kernel):
    """Decides at every observation with features what to hold until the next, and sees what that earned."""
    cdef double fee
    cdef int64_t warm
    cdef bint scores
    cdef lt_pcg64 g

    cdef int open(self, words, double fee, int64_t warm, bint scores, size_t slots, Py_ssize_t gives) except -1:
        if words is not None:
            seeded(&self.g, words)
        self.fee, self.warm, self.scores = fee, warm, scores
        self.allocate(sizeof(agent_t), slots, reads=3, gives=gives)
        return 0

    cdef void start(self) noexcept nogil:
        (<agent_t *> self.own).g = self.g

    cdef Py_ssize_t decide(self, agent_t *s, const double *z, double reward, bint first) noexcept nogil:
        """Learn from the transition that ends here unless it is the first, report, and return an action's index."""
        return 0

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef agent_t *s = <agent_t *> self.own
        cdef double z[LT_FEATURES]
        cdef double reward = 0.0
        cdef Py_ssize_t j
        cdef bint first
        if not lt_trade_valid(x[0], x[1]) or lt_features_push(&s.features, x[0], x[1], x[2]) != LT_OK:
            return
        if self.scores:
            lt_standard_push(&s.standard, s.features.x, z)
        first = s.steps == 0
        s.steps += 1
        if not first:
            s.transitions += 1
            if s.s20 > 0.0:
                reward = (s.held * s.features.x[0] - self.fee * fabs(s.held - s.before)) / s.s20
        j = self.decide(s, z, reward, first)
        s.action = j
        s.before, s.held, s.s20 = s.held, position_of(j), s.features.x[4]


cdef inline Py_ssize_t bin_of(double x) noexcept nogil:
    return 0 if x < -1.0 else 2 if x > 1.0 else 1


cdef inline Py_ssize_t place_of(const double *x) noexcept nogil:
    """Momentum over its sd and the z-score, in three classes each."""
    cdef Py_ssize_t momentum = bin_of(x[1] / (x[4] * sqrt(5.0))) if x[4] > 0.0 else 1
    return 3 * momentum + bin_of(x[5])


cdef class TableAgent(Agent):
    """Q-learning, or SARSA where the target is the action that is taken."""
    cdef double alpha, gamma, eps
    cdef bint on_policy
    cdef double *q
    cdef double *updates

    def __cinit__(self, words, bint on_policy, double alpha, double gamma, double eps, double fee, int64_t warm):
        self.on_policy, self.alpha, self.gamma, self.eps = on_policy, alpha, gamma, eps
        self.open(words, fee, warm, False, 2 * STATES * ACTIONS, gives=0)
        self.q = self.array(STATES * ACTIONS)
        self.updates = self.array(STATES * ACTIONS)
        self.reset()

    cdef Py_ssize_t decide(self, agent_t *s, const double *z, double reward, bint first) noexcept nogil:
        cdef Py_ssize_t state = 3 * place_of(s.features.x) + <Py_ssize_t> s.held + 1, g, j = 0
        cdef double *row = self.q + ACTIONS * state
        cdef double n
        if self.on_policy:
            j = explored(&s.g, self.eps, greedy(row, ACTIONS), ACTIONS)
        if not first:
            g = ACTIONS * <Py_ssize_t> s.state + <Py_ssize_t> s.action
            table_update(self.q + g, reward, self.gamma, row[j] if self.on_policy else row[greedy(row, ACTIONS)],
                         self.alpha)
            self.updates[g] += 1.0
        g = greedy(row, ACTIONS)
        if not self.on_policy:
            j = explored(&s.g, self.eps, g, ACTIONS)
        s.state = state
        if s.transitions >= self.warm:
            n = self.updates[ACTIONS * state + g]
            self.report(row[g] - row[0], <int> position_of(g), n / (n + 50.0))
        return j

    @property
    def table(self):
        """Q by state and action, and the last state."""
        q = np.array([self.q[i] for i in range(STATES * ACTIONS)]).reshape(STATES, ACTIONS)
        return q, (<agent_t *> self.own).state


cdef class TraceAgent(Agent):
    """TD(lambda) of the returns themselves; nothing is held."""
    cdef double alpha, gamma, lam, thr
    cdef double *v
    cdef double *e
    cdef double *left

    def __cinit__(self, double alpha, double gamma, double lam, double thr, int64_t warm):
        self.alpha, self.gamma, self.lam, self.thr = alpha, gamma, lam, thr
        self.open(None, 0.0, warm, False, 3 * PLACES, gives=0)
        self.v = self.array(PLACES)
        self.e = self.array(PLACES)
        self.left = self.array(PLACES)
        self.reset()

    cdef Py_ssize_t decide(self, agent_t *s, const double *z, double reward, bint first) noexcept nogil:
        cdef Py_ssize_t state = place_of(s.features.x), was = <Py_ssize_t> s.state
        cdef double v, n
        if not first:
            reward = s.features.x[0] / s.s20 if s.s20 > 0.0 else 0.0
            trace_update(self.v, self.e, PLACES, was, reward, state, self.alpha, self.gamma, self.lam)
            self.left[was] += 1.0
        s.state = state
        if s.transitions >= self.warm:
            v, n = self.v[state], self.left[state]
            self.report(v, (v > self.thr) - (v < -self.thr), n / (n + 50.0))
        return 0

    @property
    def table(self):
        """V by state, and the last state."""
        return np.array([self.v[i] for i in range(PLACES)]), (<agent_t *> self.own).state


cdef class PolicyAgent(Agent):
    """A softmax policy over (1, z, position held) and a linear critic, from a store of the last transitions."""
    cdef policy_t p
    cdef int64_t length
    cdef double *phi            # rows of features, one more than the store is long
    cdef double *actions
    cdef double *rewards

    cdef int open_policy(self, words, double fee, int64_t warm, int64_t length, size_t work,
                         Py_ssize_t gives) except -1:
        cdef size_t weights = (ACTIONS + 1) * FEATURES, own = weights + ACTIONS + work
        self.length = length
        self.p.actions, self.p.features = ACTIONS, FEATURES
        self.open(words, fee, warm, True, weights + own + <size_t> ((length + 1) * FEATURES + 2 * length), gives)
        self.p.theta = self.array(ACTIONS * FEATURES)
        self.p.w = self.array(FEATURES)
        self.p.work = self.array(own)
        self.phi = self.array(<size_t> ((length + 1) * FEATURES))
        self.actions = self.array(<size_t> length)
        self.rewards = self.array(<size_t> length)
        return 0

    cdef void learn(self, agent_t *s) noexcept nogil:
        """Learn from the store, which is full; the row after it has the features of now."""
        pass

    cdef void tell(self, agent_t *s, const double *phi, const double *pi) noexcept nogil:
        cdef Py_ssize_t g = greedy(pi, ACTIONS)
        self.report(pi[1] - pi[2], <int> position_of(g), pi[g] - second(pi, ACTIONS, g))

    cdef Py_ssize_t decide(self, agent_t *s, const double *z, double reward, bint first) noexcept nogil:
        cdef Py_ssize_t at = <Py_ssize_t> (s.transitions % self.length), j, k
        cdef double *phi
        cdef double pi[ACTIONS]
        cdef double u, sum
        if not first and at == 0:
            at = <Py_ssize_t> self.length
        phi = self.phi + at * FEATURES
        phi[0], phi[FEATURES - 1] = 1.0, s.held
        for k in range(LT_FEATURES):
            phi[1 + k] = z[k]
        if not first:
            self.rewards[at - 1] = reward
            if at == self.length:
                self.learn(s)
                memcpy(self.phi, phi, FEATURES * sizeof(double))
                phi, at = self.phi, 0
        softmax(&self.p, phi, pi)
        if s.transitions >= self.warm:
            self.tell(s, phi, pi)
        u, sum, j = lt_pcg64_uniform(&s.g), pi[0], 0
        while sum <= u and j < ACTIONS - 1:
            j += 1
            sum += pi[j]
        self.actions[at] = <double> j
        return j

    @property
    def policy(self):
        """theta, shape (3, 10), and w, shape (10,)."""
        theta = np.array([self.p.theta[i] for i in range(ACTIONS * FEATURES)]).reshape(ACTIONS, FEATURES)
        return theta, np.array([self.p.w[i] for i in range(FEATURES)])


cdef class Reinforce(PolicyAgent):
    cdef double gamma, alpha

    def __cinit__(self, words, int64_t length, double gamma, double alpha, double fee, int64_t warm):
        self.gamma, self.alpha = gamma, alpha
        self.open_policy(words, fee, warm, length, <size_t> length, gives=0)
        self.reset()

    cdef void learn(self, agent_t *s) noexcept nogil:
        reinforce(&self.p, self.length, self.phi, self.actions, self.rewards, self.gamma, self.alpha)


cdef class ActorCritic(PolicyAgent):
    cdef double gamma, alpha_w, alpha_theta

    def __cinit__(self, words, double gamma, double alpha_w, double alpha_theta, double fee, int64_t warm):
        self.gamma, self.alpha_w, self.alpha_theta = gamma, alpha_w, alpha_theta
        self.open_policy(words, fee, warm, 1, 0, gives=3)
        self.reset()

    cdef void learn(self, agent_t *s) noexcept nogil:
        s.delta = actor_critic(&self.p, self.phi, <Py_ssize_t> self.actions[0], self.rewards[0], self.phi + FEATURES,
                               self.gamma, self.alpha_w, self.alpha_theta)

    cdef void tell(self, agent_t *s, const double *phi, const double *pi) noexcept nogil:
        cdef Py_ssize_t g = greedy(pi, ACTIONS)
        self.out[0], self.out[1], self.out[2] = s.delta, pi[1], pi[2]
        self.report(critic(&self.p, phi), <int> position_of(g), pi[g] - second(pi, ACTIONS, g))


cdef class Ppo(PolicyAgent):
    cdef int64_t epochs
    cdef double clip, gamma, lam, alpha, alpha_v, ent

    def __cinit__(self, words, int64_t length, int64_t epochs, double clip, double gamma, double lam, double alpha,
                  double alpha_v, double ent, double fee, int64_t warm):
        self.epochs, self.clip, self.gamma, self.lam = epochs, clip, gamma, lam
        self.alpha, self.alpha_v, self.ent = alpha, alpha_v, ent
        self.open_policy(words, fee, warm, length, 4 * <size_t> length, gives=0)
        self.reset()

    cdef void learn(self, agent_t *s) noexcept nogil:
        ppo(&self.p, self.length, self.phi, self.actions, self.rewards, self.phi + self.length * FEATURES, self.epochs,
            self.clip, self.gamma, self.lam, self.alpha, self.alpha_v, self.ent)


cdef class A2c(PolicyAgent):
    cdef double gamma, alpha, c_v, ent

    def __cinit__(self, words, int64_t length, double gamma, double alpha, double c_v, double ent, double fee,
                  int64_t warm):
        self.gamma, self.alpha, self.c_v, self.ent = gamma, alpha, c_v, ent
        self.open_policy(words, fee, warm, length, <size_t> length, gives=0)
        self.reset()

    cdef void learn(self, agent_t *s) noexcept nogil:
        a2c(&self.p, self.length, self.phi, self.actions, self.rewards, self.phi + self.length * FEATURES, self.gamma,
            self.alpha, self.c_v, self.ent)


# Deep Q

cdef inline double huber_slope(double error) noexcept nogil:
    return 1.0 if error > 1.0 else -1.0 if error < -1.0 else error


cdef inline double huber(double error) noexcept nogil:
    return 0.5 * error * error if fabs(error) <= 1.0 else fabs(error) - 0.5

# What a step of learning works with: weights, target weights, and a transition as (state, action, reward, state after)
ctypedef struct deep_t:
    const lt_net *net
    Py_ssize_t inputs, actions
    double gamma
    double *scratch
    double *by_weights
    double *values


cdef double add_transition(const deep_t *d, const double *w, const double *aim, const double *row,
                           double share) noexcept nogil:
    """Huber loss of one transition; adds its gradient times `share`."""
    cdef Py_ssize_t j = <Py_ssize_t> row[d.inputs], k
    cdef double target, error
    lt_net_forward(d.net, aim, row + d.inputs + 2, d.scratch, d.values)
    target = row[d.inputs + 1] + d.gamma * d.values[greedy(d.values, d.actions)]
    lt_net_forward(d.net, w, row, d.scratch, d.values)
    error = d.values[j] - target
    for k in range(d.actions):
        d.values[k] = 0.0
    d.values[j] = share * huber_slope(error)
    lt_net_backward(d.net, w, row, d.scratch, d.values, d.by_weights)
    return share * huber(error)


def q_loss_grad(Net net not None, weights, target_weights, transitions, double gamma):
    """Mean Huber loss of Q(s, j) against reward + gamma max Q_target(s'), and its derivatives.

    Parameters
    ----------
    net : Net
    weights, target_weights : ndarray of float64, shape (net.weights,)
        In the order of `net.layout`, rows contiguous.
    transitions : ndarray of float64, shape (n, 2 net.inputs + 2)
        State, action's index, reward, state after.
    gamma : float

    Returns
    -------
    loss : float
    gradient : ndarray of float64, shape (net.weights,)
    """
    cdef double[::1] w = net.packed(weights), aim = net.packed(target_weights), values = np.empty(net.outputs)
    cdef double[:, ::1] rows = np.array(transitions, np.float64, ndmin=2)
    cdef double[::1] g = np.zeros(net.weights)
    cdef deep_t d
    cdef double loss = 0.0
    cdef Py_ssize_t i
    if rows.shape[1] != 2 * net.inputs + 2 or rows.shape[0] == 0 or not w.shape[0] == aim.shape[0] == net.weights:
        raise ValueError(f"a transition must have {2 * net.inputs + 2} numbers, had {rows.shape[1]}")
    d.net, d.inputs, d.actions, d.gamma, d.scratch = &net.net, net.inputs, net.outputs, gamma, net.scratch
    d.by_weights, d.values = &g[0], &values[0]
    for i in range(rows.shape[0]):
        if not 0 <= rows[i, net.inputs] < net.outputs:
            raise ValueError(f"an action must be from 0 to {net.outputs - 1}, was {rows[i, net.inputs]}")
        loss += add_transition(&d, &w[0], &aim[0], &rows[i, 0], 1.0 / <double> rows.shape[0])
    return loss, net.unpacked(np.asarray(g))


cdef class DeepQ(Agent):
    """A network of action values that learns from transitions drawn from a store."""
    cdef Net net
    cdef deep_t d
    cdef double eps, eta, clip
    cdef int64_t capacity, batch, every, target_every
    cdef Py_ssize_t row
    cdef size_t weights
    cdef double *initial
    cdef double *values
    cdef double *w
    cdef double *aim
    cdef double *store
    cdef double *now

    def __cinit__(self, words, Net net not None, const double[::1] weights not None, double gamma, double eps,
                  double eta, double clip, int64_t capacity, int64_t batch, int64_t every, int64_t target_every,
                  double fee, int64_t warm):
        cdef size_t inputs = net.inputs
        if weights.shape[0] != net.weights:
            raise ValueError(f"there must be {net.weights} weights, were {weights.shape[0]}")
        self.net, self.eps, self.eta, self.clip = net, eps, eta, clip
        self.capacity, self.batch, self.every, self.target_every = capacity, batch, every, target_every
        self.weights, self.row = net.weights, 2 * net.inputs + 2
        self.initial = copied(weights)
        self.values = vector(<size_t> net.outputs)
        self.d.net, self.d.inputs, self.d.actions, self.d.gamma = &net.net, net.inputs, net.outputs, gamma
        self.d.scratch, self.d.by_weights, self.d.values = net.scratch, net.by_weights, self.values
        self.open(words, fee, warm, True, 2 * self.weights + <size_t> (capacity * self.row) + inputs, gives=0)
        self.w = self.array(self.weights)
        self.aim = self.array(self.weights)
        self.store = self.array(<size_t> (capacity * self.row))
        self.now = self.array(inputs)
        self.reset()

    def __dealloc__(self):
        free(self.initial)
        free(self.values)
        self.initial = self.values = NULL

    cdef void start(self) noexcept nogil:
        (<agent_t *> self.own).g = self.g
        memcpy(self.w, self.initial, self.weights * sizeof(double))
        memcpy(self.aim, self.initial, self.weights * sizeof(double))

    cdef void keep(self, int64_t seen, const double *state, double action, double reward,
                   const double *after) noexcept nogil:
        cdef double *row = self.store + seen % self.capacity * self.row
        cdef size_t size = <size_t> self.d.inputs * sizeof(double)
        memcpy(row, state, size)
        row[self.d.inputs], row[self.d.inputs + 1] = action, reward
        memcpy(row + self.d.inputs + 2, after, size)

    cdef void train(self, agent_t *s, int64_t held) noexcept nogil:
        cdef int64_t _k
        cdef double share = 1.0 / <double> self.batch
        memset(self.d.by_weights, 0, self.weights * sizeof(double))
        for _k in range(self.batch):
            add_transition(&self.d, self.w, self.aim,
                           self.store + <int64_t> lt_pcg64_below(&s.g, <uint32_t> held) * self.row, share)
        lt_descend(self.weights, self.w, self.d.by_weights, self.eta, self.clip)
        s.state += 1                        # steps of training so far
        if s.state % self.target_every == 0:
            memcpy(self.aim, self.w, self.weights * sizeof(double))

    cdef Py_ssize_t decide(self, agent_t *s, const double *z, double reward, bint first) noexcept nogil:
        cdef double state[LT_FEATURES + 1]
        cdef double *q = self.values
        cdef double top, next_
        cdef Py_ssize_t g
        cdef int64_t held = min(s.transitions, self.capacity)
        if self.d.inputs != LT_FEATURES + 1 or self.d.actions != ACTIONS:
            return 0                        # a task of its own, which `learn` feeds
        memcpy(state, z, LT_FEATURES * sizeof(double))
        state[LT_FEATURES] = s.held
        if not first:
            self.keep(s.transitions - 1, self.now, <double> s.action, reward, state)
        memcpy(self.now, state, (LT_FEATURES + 1) * sizeof(double))
        if held >= REPLAYED_LEAST and <int64_t> (s.features.seen - 1) % self.every == 0:
            self.train(s, held)
        lt_net_forward(self.d.net, self.w, state, self.d.scratch, q)
        g = greedy(q, self.d.actions)
        if s.transitions >= self.warm:
            top, next_ = q[g], second(q, self.d.actions, g)
            self.report(top - q[0], <int> position_of(g),
                        fmin((top - next_) / (fabs(top) + fabs(next_) + 1e-12), 1.0))
        return explored(&s.g, self.eps, g, self.d.actions)

    def learn(self, state, Py_ssize_t action, double reward, after):
        """Take one transition of a task of its own: store it, train when that is due, count it as an observation."""
        cdef agent_t *s = <agent_t *> self.own
        cdef double[::1] x = np.ascontiguousarray(state, np.float64), y = np.ascontiguousarray(after, np.float64)
        if not x.shape[0] == y.shape[0] == self.d.inputs or not 0 <= action < self.d.actions:
            raise ValueError(f"a transition must have states of {self.d.inputs} numbers and an action below "
                             f"{self.d.actions}")
        self.keep(s.transitions, &x[0], <double> action, reward, &y[0])
        s.transitions += 1
        if s.transitions >= REPLAYED_LEAST and s.transitions % self.every == 0:
            self.train(s, min(s.transitions, self.capacity))

    def action_values(self, state):
        """Q of every action at a state."""
        cdef double[::1] x = np.ascontiguousarray(state, np.float64), q = np.empty(self.d.actions)
        if x.shape[0] != self.d.inputs:
            raise ValueError(f"a state must have {self.d.inputs} numbers, had {x.shape[0]}")
        lt_net_forward(self.d.net, self.w, &x[0], self.d.scratch, &q[0])
        return np.asarray(q)
