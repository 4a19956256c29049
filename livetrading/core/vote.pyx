# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Formula 333: Condorcet's jury with log-odds weights, learnt competence and correlated voters.

References
----------
Condorcet 1785; Nitzan and Paroush 1982, International Economic Review 23; Shapley and Grofman 1984, Public
Choice 43; Ladha 1992, American Journal of Political Science 36.
"""
from libc.math cimport INFINITY, NAN, fabs, sqrt
from libc.stdint cimport int8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from livetrading.core.records cimport LT_PRICE_MAX, LT_PRICE_MIN
from livetrading.core.variates cimport lt_exp, lt_log, lt_log_ratio

import numpy as np

cdef double EIGENVALUE_LEAST = 0.01


cdef void jury_open(jury_t *j, int voters) noexcept nogil:
    cdef int i
    memset(j, 0, sizeof(jury_t))
    j.voters = voters
    j.k_min = 2
    j.correlated = j.clip = True
    j.p_min = 0.55
    j.lam = 0.999
    j.a0 = j.b0 = 10.0
    j.nu = 50.0
    j.cap = 2.0
    for i in range(VOTERS_MAX):
        j.a[i] = j.a0
        j.b[i] = j.b0
    jury_refresh(j)


cdef void votes_of(uint32_t code, int voters, int *s) noexcept nogil:
    cdef int i
    for i in range(voters):
        s[i] = <int> (code % 3) - 1
        code //= 3


cdef void jury_score(jury_t *j, uint32_t code, int truth) noexcept nogil:
    """Lets the resolved votes count: pairs first, with the competence from before this outcome."""
    cdef int s[VOTERS_MAX]
    cdef double cast[VOTERS_MAX]
    cdef double right[VOTERS_MAX]
    cdef int i
    votes_of(code, j.voters, s)
    for i in range(VOTERS_MAX):
        cast[i] = i < j.voters and s[i] != 0
        right[i] = i < j.voters and s[i] == truth
    lt_jury_score(cast, right, j.lam, j.a0, j.b0, j.a, j.b, j.joint, j.cross, j.square)


cdef double correlation_of(const jury_t *j, int i, int k) noexcept nogil:
    cdef double scale = j.square[i][k] * j.square[k][i], n = j.joint[i][k]
    if not scale > 0.0:
        return 0.0
    return j.cross[i][k] / sqrt(scale) * (n / (n + j.nu))


cdef bint cholesky(double m[VOTERS_MAX][VOTERS_MAX], int n) noexcept nogil:
    """Factors in place into the lower triangle; False where the matrix is not positive definite."""
    cdef int i, k, l
    cdef double sum
    for i in range(n):
        for k in range(i + 1):
            sum = m[i][k]
            for l in range(k):
                sum -= m[i][l] * m[k][l]
            if i == k:
                if not sum > 0.0:
                    return False
                m[i][i] = sqrt(sum)
            else:
                m[i][k] = sum / m[k][k]
    return True


cdef bint least_eigenvalue_is_sound(const double r[VOTERS_MAX][VOTERS_MAX], int n) noexcept nogil:
    """Whether every eigenvalue exceeds EIGENVALUE_LEAST: a factorisation costs a tenth of the eigenvalues."""
    cdef double m[VOTERS_MAX][VOTERS_MAX]
    cdef int i, k
    for i in range(n):
        for k in range(i):
            m[i][k] = r[i][k]
        m[i][i] = r[i][i] - EIGENVALUE_LEAST
    return cholesky(m, n)


cdef void tridiagonal(double m[VOTERS_MAX][VOTERS_MAX], int n, double *diagonal, double *beside) noexcept nogil:
    """Householder's reduction (1958) of a symmetric matrix, which it overwrites: the squares of the off-diagonal."""
    cdef double v[VOTERS_MAX]
    cdef double w[VOTERS_MAX]
    cdef double norm2, alpha, scale, dot
    cdef int i, k, l
    for k in range(n - 2):
        norm2 = 0.0
        for i in range(k + 1, n):
            v[i] = m[i][k]
            norm2 += v[i] * v[i]
        beside[k] = norm2
        alpha = sqrt(norm2) if v[k + 1] < 0.0 else -sqrt(norm2)
        v[k + 1] -= alpha
        scale = norm2 - alpha * (alpha + v[k + 1])             # half of |v|^2
        if not scale > 0.0:
            continue
        dot = 0.0
        for i in range(k + 1, n):
            w[i] = 0.0
            for l in range(k + 1, n):
                w[i] += m[i][l] * v[l]
            w[i] /= scale
            dot += w[i] * v[i]
        dot /= 2.0 * scale
        for i in range(k + 1, n):
            w[i] -= dot * v[i]
        for i in range(k + 1, n):
            for l in range(k + 1, n):
                m[i][l] -= v[i] * w[l] + w[i] * v[l]
    if n > 1:
        beside[n - 2] = m[n - 1][n - 2] * m[n - 1][n - 2]
    for i in range(n):
        diagonal[i] = m[i][i]


cdef double smallest_eigenvalue(const double r[VOTERS_MAX][VOTERS_MAX], int n) noexcept nogil:
    """Least root of the characteristic polynomial, by Laguerre's iteration from below: monotone, cubic."""
    cdef double m[VOTERS_MAX][VOTERS_MAX]
    cdef double a[VOTERS_MAX]
    cdef double b2[VOTERS_MAX]
    cdef double x = INFINITY, low, p, q, dp, dq, ddp, ddq, c, g, h, step
    cdef int i, k, _round
    for i in range(n):
        for k in range(n):
            m[i][k] = r[i][k]
    tridiagonal(m, n, a, b2)
    for i in range(n):                                          # Gershgorin
        low = a[i] - (sqrt(b2[i - 1]) if i > 0 else 0.0) - (sqrt(b2[i]) if i < n - 1 else 0.0)
        x = low if low < x else x
    x -= 1e-12 + 1e-12 * fabs(x)
    for _round in range(60):
        p, dp, ddp = a[0] - x, -1.0, 0.0
        q, dq, ddq = 1.0, 0.0, 0.0
        for i in range(1, n):
            c = a[i] - x
            g, h = c * p - b2[i - 1] * q, c * dp - p - b2[i - 1] * dq
            step = c * ddp - 2.0 * dp - b2[i - 1] * ddq
            q, dq, ddq = p, dp, ddp
            p, dp, ddp = g, h, step
        if not p > 0.0:                                         # at the root, or past it by a rounding
            break
        g = dp / p
        h = (n - 1) * (n * (g * g - ddp / p) - g * g)
        step = -n / (g - sqrt(h if h > 0.0 else 0.0))
        if not step > 1e-15 * (1.0 + fabs(x)):
            break
        x += step
    return x


cdef void competence(jury_t *j, int i, double a, double b) noexcept nogil:
    """What voter i weighs alone, right with odds a : b."""
    cdef double edge = (a - b) / (a + b)
    j.p[i] = a / (a + b)
    j.log_odds[i] = lt_log(a / b)
    j.z[i] = edge / sqrt(4.0 * j.p[i] * (b / (a + b)))
    j.phi[i] = j.log_odds[i] / j.z[i] if fabs(edge) >= 1e-6 else 2.0


cdef void jury_refresh(jury_t *j) noexcept nogil:
    """Takes what has been learnt as what weighs, and forgets the solved sets."""
    cdef int i, k
    j.generation += 1
    if j.generation == 0:
        memset(j.set_seen, 0, sizeof(j.set_seen))
        memset(j.code_seen, 0, sizeof(j.code_seen))
        j.generation = 1
    for i in range(j.voters):
        competence(j, i, j.a[i], j.b[i])
        j.correlation[i][i] = 1.0
        for k in range(i):
            j.correlation[i][k] = j.correlation[k][i] = correlation_of(j, i, k)
    # eigenvalues interlace: where the whole matrix is sound, so is every set of its voters
    j.sound = least_eigenvalue_is_sound(<const double (*)[VOTERS_MAX]> j.correlation, j.voters)


cdef int members(const jury_t *j, int voters, int *who) noexcept nogil:
    cdef int i, n = 0
    for i in range(j.voters):
        if voters >> i & 1:
            who[n] = i
            n += 1
    return n


cdef void correlation_among(
        const jury_t *j, const int *who, int n, double r[VOTERS_MAX][VOTERS_MAX]) noexcept nogil:
    """The correlations of these voters, shrunk to the identity until the smallest eigenvalue is 0.01."""
    cdef double least, lift
    cdef int i, k
    for i in range(n):
        for k in range(i + 1):                              # a factorisation reads the lower triangle alone
            r[i][k] = j.correlation[who[i]][who[k]]
    if j.sound or n == 0 or least_eigenvalue_is_sound(<const double (*)[VOTERS_MAX]> r, n):
        return
    for i in range(n):
        for k in range(i):
            r[k][i] = r[i][k]
    least = smallest_eigenvalue(<const double (*)[VOTERS_MAX]> r, n)
    if least < EIGENVALUE_LEAST:
        lift = EIGENVALUE_LEAST - least
        for i in range(n):
            for k in range(n):
                r[i][k] = (r[i][k] + (lift if i == k else 0.0)) / (1.0 + lift)


cdef void cholesky_solve(const double m[VOTERS_MAX][VOTERS_MAX], int n, double *x) noexcept nogil:
    """Solves in place for the right-hand side x, m from `cholesky`."""
    cdef int i, k
    for i in range(n):
        for k in range(i):
            x[i] -= m[i][k] * x[k]
        x[i] /= m[i][i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            x[i] -= m[k][i] * x[k]
        x[i] /= m[i][i]


cdef void jury_solve(jury_t *j, int voters) noexcept nogil:
    """The weights of one set of voters, a bit a voter."""
    cdef double r[VOTERS_MAX][VOTERS_MAX]
    cdef double x[VOTERS_MAX]
    cdef int who[VOTERS_MAX]
    cdef int i, n = members(j, voters, who)
    cdef double w, own
    for i in range(n):
        x[i] = j.z[who[i]]
    if j.correlated:
        correlation_among(j, who, n, r)
        cholesky(r, n)
        cholesky_solve(<const double (*)[VOTERS_MAX]> r, n, x)
    for i in range(n):
        own = j.log_odds[who[i]]
        w = j.phi[who[i]] * x[i] if j.correlated else own
        if j.clip and j.correlated:
            if w * own < 0.0:
                w = 0.0
            elif fabs(w) > j.cap * fabs(own):
                w = j.cap * own
        j.weight[voters][who[i]] = w
    j.set_seen[voters] = j.generation


cdef void jury_decide(jury_t *j, uint32_t code) noexcept nogil:
    """Log-odds and direction of one set of votes."""
    cdef int s[VOTERS_MAX]
    cdef int i, voters = 0, cast = 0, sum = 0
    cdef double logit = j.prior_logit, p, against
    votes_of(code, j.voters, s)
    for i in range(j.voters):
        if s[i] != 0:
            voters |= 1 << i
            cast += 1
            sum += s[i]
    if j.majority:
        logit = NAN
        j.code_direction[code] = 0 if cast < j.k_min else (sum > 0) - (sum < 0)
    else:
        if j.set_seen[voters] != j.generation:
            jury_solve(j, voters)
        for i in range(j.voters):
            if s[i] != 0:
                logit += j.weight[voters][i] * s[i]
    against = lt_exp(-fabs(logit))
    if not j.majority:
        p = (1.0 if logit >= 0.0 else against) / (1.0 + against)
        j.code_direction[code] = 0 if cast < j.k_min else (p >= j.p_min) - (p <= 1.0 - j.p_min)
    j.code_logit[code], j.code_against[code] = logit, against
    j.code_seen[code] = j.generation


# Its class

cdef enum:
    HORIZON_MAX = 1 << 20


cdef double effective_voters(const jury_t *j, int voters) noexcept nogil:
    """1' R^-1 1 over this set of voters; their number where correlations do not count."""
    cdef double r[VOTERS_MAX][VOTERS_MAX]
    cdef double x[VOTERS_MAX]
    cdef int who[VOTERS_MAX]
    cdef int i, n = members(j, voters, who)
    cdef double total = 0.0
    if not j.correlated:
        return n
    correlation_among(j, who, n, r)
    cholesky(r, n)
    for i in range(n):
        x[i] = 1.0
    cholesky_solve(<const double (*)[VOTERS_MAX]> r, n, x)
    for i in range(n):
        total += x[i]
    return total


cdef object code_of(const int8_t[:] votes):
    """The number of a set of votes (vote.pxd)."""
    cdef uint32_t code = 0
    cdef Py_ssize_t i
    for i in range(votes.shape[0] - 1, -1, -1):
        if not -1 <= votes[i] <= 1:
            raise ValueError(f"a vote must be -1, 0 or 1, was {votes[i]}")
        code = 3 * code + <uint32_t> (votes[i] + 1)
    return code


def majority_probability(const double[:] p not None):
    """Chance that the simple majority of independent voters is right; a tie counts one half.

    Parameters
    ----------
    p : ndarray of float64, shape (K,)
        Each voter's probability of being right, 0 to 1.

    Returns
    -------
    float
        Upper half of the Poisson-binomial distribution; 0.5 without voters.

    Raises
    ------
    ValueError
        If a probability is outside [0, 1].

    References
    ----------
    Condorcet 1785; Nitzan and Paroush 1982, International Economic Review 23.
    """
    cdef Py_ssize_t i
    right = np.ones(1)
    for i in range(p.shape[0]):
        if not 0.0 <= p[i] <= 1.0:
            raise ValueError(f"a probability must be from 0 to 1, was {p[i]}")
        right = np.convolve(right, (1.0 - p[i], p[i]))
    half, odd = divmod(p.shape[0], 2)
    above = float(right[half + 1:].sum())
    return above if odd else above + 0.5 * float(right[half])


def weigh(const double[:] p not None, correlation, const int8_t[:] votes not None, double prior=0.5,
          bint clip=True, double cap=2.0):
    """Weigh votes of given competence and correlation, by the kernel of `SignalConfluence`.

    Parameters
    ----------
    p : ndarray of float64, shape (K,)
        Each voter's probability of being right, in (0, 1); K is 1 to 8.
    correlation : ndarray of float64, shape (K, K), or None
        Correlations between the voters' being right; None weighs them as independent.
    votes : ndarray of int8, shape (K,)
        -1, 0 or 1; 0 abstains.
    prior : float
        Probability of up before any vote, in (0, 1).
    clip : bool
        Whether correlation may not turn a weight round, nor raise it above `cap` times the independent one.
    cap : float

    Returns
    -------
    probability : float
        Posterior probability of up.
    weights : ndarray of float64, shape (K,)
        Log-odds that each vote carries; 0 for an abstention.

    Raises
    ------
    ValueError
        If shapes disagree or a parameter is out of range.
    """
    cdef jury_t *j
    cdef int i, k, n = <int> p.shape[0]
    cdef uint32_t code
    cdef const double[:, :] r
    if not 1 <= p.shape[0] <= VOTERS_MAX or votes.shape[0] != p.shape[0]:
        raise ValueError(f"there must be 1 to {VOTERS_MAX} voters with a vote each, were {p.shape[0]} "
                         f"and {votes.shape[0]}")
    for i in range(n):
        within(p[i], "a competence", 0.0, 1.0, True)
    within(prior, "prior", 0.0, 1.0, True)
    within(cap, "cap", 0.0, INFINITY)
    r = np.eye(n) if correlation is None else correlation
    if r.shape[0] != n or r.shape[1] != n:
        raise ValueError(f"correlation must be {n} by {n}, was {r.shape[0]} by {r.shape[1]}")
    code = code_of(votes)
    j = <jury_t *> calloc(1, sizeof(jury_t))
    if j == NULL:
        raise MemoryError()
    try:
        jury_open(j, n)
        j.prior_logit = lt_log(prior / (1.0 - prior))
        j.correlated, j.clip, j.cap = correlation is not None, clip, cap
        for i in range(n):
            competence(j, i, p[i], 1.0 - p[i])
            for k in range(n):
                j.correlation[i][k] = r[i, k]
        j.sound = False
        jury_decide(j, code)
        return _answer(j, code), np.array(_weights(j, code))
    finally:
        free(j)


cdef double _answer(const jury_t *j, uint32_t code) noexcept nogil:
    return 1.0 / (1.0 + lt_exp(-j.code_logit[code]))


cdef int voters_of(const jury_t *j, uint32_t code) noexcept nogil:
    """The set of those who did not abstain, a bit a voter."""
    cdef int s[VOTERS_MAX]
    cdef int i, voters = 0
    votes_of(code, j.voters, s)
    for i in range(j.voters):
        voters |= (s[i] != 0) << i
    return voters


cdef list _weights(const jury_t *j, uint32_t code):
    cdef int voters = voters_of(j, code)
    return [j.weight[voters][i] if voters >> i & 1 else 0.0 for i in range(j.voters)]


cdef object within(object x, str name, object low, object high, bint open=False):
    if not (low < x < high if open else low <= x <= high):
        rule = f"between {low} and {high}" if open else f"from {low} to {high}"
        raise ValueError(f"{name} must be {rule}, was {x}")
    return x


cdef class SignalConfluence:
    """Condorcet's jury: votes weighed by the log-odds of their learnt competence (formula 333).

    Voter i is right with probability p_i, the mean of a Beta posterior that forgets; Lambda = logit(prior) +
    sum w_i s_i with w = phi (R^-1 z) over those who vote, R the learnt correlations between being right, z_i
    = (2 p_i - 1) / sqrt(1 - (2 p_i - 1)^2) and phi_i = logit(p_i) / z_i. `value` is 1 / (1 + exp(-Lambda)),
    the probability that the price is higher in h observations; `signal` +1 from p_min on, -1 from 1 - p_min
    down, where at least k_min vote. `outputs` log_odds, voters, k_eff, p_majority, p_i and w_i. Ready after
    the first update.

    An update first scores the votes cast h updates ago (only those whose index, from 0, is a multiple of
    `stride`), then takes what was learnt into use (every `refresh` updates), then weighs the new votes.

    Parameters
    ----------
    k : int
        Voters, 1 to 8.
    h : int
        Horizon in updates, 1 to 2**20.
    eps : float
        Log return up to which an outcome is neither up nor down.
    a0, b0 : float
        Beta prior of being right, above 0.
    lam : float
        What a score keeps of the past, in (0, 1].
    nu : float
        Shrinkage of the correlations, in joint scores.
    prior : float
        Probability of up before any vote, in (0, 1).
    p_min : float
        Least probability of a direction, 0.5 to 1.
    k_min : int
        Least number of voters for a direction.
    use_corr : bool
        False weighs the voters as independent.
    clip : bool
        Whether correlation may not turn a weight round, nor raise it above `cap` times the independent one.
    cap : float
    stride : int
        Updates between scored votes; 0 is h.
    refresh : int
        Updates between two takings of what was learnt; 1 is the formula to the letter.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    Condorcet 1785; Nitzan and Paroush 1982, International Economic Review 23; Shapley and Grofman 1984,
    Public Choice 43; Ladha 1992, American Journal of Political Science 36.
    """

    cdef jury_t _j
    cdef uint64_t _t, _h, _stride, _refresh
    cdef double _eps, _price
    cdef bint _learnt
    cdef uint32_t _code
    cdef uint32_t *_codes       # of the last h updates
    cdef double *_prices

    def __cinit__(self, k, h=10, eps=0.0, a0=10.0, b0=10.0, lam=0.999, nu=50.0, prior=0.5, p_min=0.55,
                  k_min=2, use_corr=True, clip=True, cap=2.0, stride=0, refresh=1):
        cdef int i
        jury_open(&self._j, within(k, "k", 1, VOTERS_MAX))
        self._h = within(h, "h", 1, HORIZON_MAX)
        self._stride = within(stride, "stride", 0, HORIZON_MAX) or self._h
        self._refresh = within(refresh, "refresh", 1, 1 << 30)
        self._eps = within(eps, "eps", 0.0, 1e6)
        self._j.a0 = within(a0, "a0", 1e-6, 1e12)
        self._j.b0 = within(b0, "b0", 1e-6, 1e12)
        self._j.lam = within(lam, "lam", 1e-6, 1.0)
        self._j.nu = within(nu, "nu", 0.0, 1e12)
        self._j.prior_logit = lt_log(within(prior, "prior", 0.0, 1.0, True) / (1.0 - prior))
        self._j.p_min = within(p_min, "p_min", 0.5, 1.0)
        self._j.k_min = within(k_min, "k_min", 0, VOTERS_MAX)
        self._j.correlated, self._j.clip = use_corr, clip
        self._j.cap = within(cap, "cap", 0.0, 1e12)
        for i in range(self._j.voters):
            self._j.a[i], self._j.b[i] = self._j.a0, self._j.b0
        jury_refresh(&self._j)
        self._codes = <uint32_t *> calloc(self._h, sizeof(uint32_t))
        self._prices = <double *> calloc(self._h, sizeof(double))
        if self._codes == NULL or self._prices == NULL:
            raise MemoryError()

    def __dealloc__(self):
        free(self._codes)
        free(self._prices)

    cdef void take(self, uint32_t code, double price) noexcept nogil:
        cdef uint64_t slot = self._t % self._h
        cdef double y
        if LT_PRICE_MIN <= price <= LT_PRICE_MAX:
            self._price = price
        if self._t >= self._h and (self._t - self._h) % self._stride == 0 and self._prices[slot] > 0.0:
            y = lt_log_ratio(self._price, self._prices[slot])
            if fabs(y) > self._eps:
                jury_score(&self._j, self._codes[slot], 1 if y > 0.0 else -1)
                self._learnt = True
        if self._learnt and self._t % self._refresh == 0:
            jury_refresh(&self._j)
            self._learnt = False
        self._codes[slot], self._prices[slot], self._code = code, self._price, code
        jury_vote(&self._j, code)
        self._t += 1

    def update(self, const int8_t[:] signals not None, double price):
        """Observe one vote of each voter and the price in USD per BTC, and return the probability of up.

        A price that is none (not in [1e-12, 1e15]) leaves the last one standing; without any, nothing is
        scored.

        Raises
        ------
        ValueError
            If there are not k votes, or one is not -1, 0 or 1.
        """
        if signals.shape[0] != self._j.voters:
            raise ValueError(f"there must be {self._j.voters} votes, were {signals.shape[0]}")
        self.take(code_of(signals), price)
        return _answer(&self._j, self._code)

    def update_many(self, const int8_t[:, :] signals not None, const double[:] prices not None):
        """Observe votes, shape (n, k), and prices, shape (n,), and return the probability of up after each.

        Raises
        ------
        ValueError
            If shapes disagree or a vote is not -1, 0 or 1; nothing has been observed then.
        """
        cdef Py_ssize_t i, n = prices.shape[0]
        if signals.shape[0] != n or signals.shape[1] != self._j.voters:
            raise ValueError(f"votes must be {n} by {self._j.voters}, were {signals.shape[0]} "
                             f"by {signals.shape[1]}")
        out, coded = np.empty(n), np.empty(n, np.uint32)
        cdef double[::1] o = out
        cdef uint32_t[::1] codes = coded
        for i in range(n):
            codes[i] = code_of(signals[i])
        with nogil:
            for i in range(n):
                self.take(codes[i], prices[i])
                o[i] = _answer(&self._j, self._code)
        return out

    @property
    def ready(self):
        """Whether there has been an update."""
        return self._t > 0

    @property
    def value(self):
        """Probability of up; NaN before `ready`."""
        return _answer(&self._j, self._code) if self._t > 0 else NAN

    @property
    def signal(self):
        """-1, 0 or 1."""
        return self._j.code_direction[self._code] if self._t > 0 else 0

    @property
    def confidence(self):
        """|2 value - 1|."""
        return abs(2.0 * _answer(&self._j, self._code) - 1.0) if self._t > 0 else 0.0

    @property
    def outputs(self):
        """The other quantities by name; empty before `ready`. w_i is 0 for an abstention."""
        cdef int voters
        if self._t == 0:
            return {}
        voters = voters_of(&self._j, self._code)
        competences = [self._j.p[i] for i in range(self._j.voters)]
        cast = np.array([p for i, p in enumerate(competences) if voters >> i & 1])
        out = {"log_odds": self._j.code_logit[self._code], "voters": float(len(cast)),
               "k_eff": effective_voters(&self._j, voters), "p_majority": majority_probability(cast)}
        out |= {f"p_{i}": p for i, p in enumerate(competences)}
        return out | {f"w_{i}": w for i, w in enumerate(_weights(&self._j, self._code))}
