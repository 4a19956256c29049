# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Formula 333: Condorcet's jury with log-odds weights, learnt competence and correlated voters.

References
----------
Condorcet 1785; Nitzan and Paroush 1982, International Economic Review 23; Shapley and Grofman 1984, Public Choice
43; Ladha 1992, American Journal of Political Science 36.
"""
from libc.math cimport NAN, fabs, sqrt
from libc.stdint cimport int8_t, uint32_t
from libc.string cimport memset

from livetrading.core.variates cimport lt_exp, lt_log

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
    cdef double d[VOTERS_MAX]
    cdef int i, k
    votes_of(code, j.voters, s)
    for i in range(j.voters):
        if s[i] != 0:
            d[i] = (1.0 if s[i] == truth else 0.0) - j.a[i] / (j.a[i] + j.b[i])
    for i in range(j.voters):
        if s[i] == 0:
            continue
        for k in range(i):
            if s[k] != 0:
                j.joint[i][k] = j.lam * j.joint[i][k] + 1.0
                j.cross[i][k] = j.lam * j.cross[i][k] + d[i] * d[k]
                j.square[i][k] = j.lam * j.square[i][k] + d[i] * d[i]
                j.square[k][i] = j.lam * j.square[k][i] + d[k] * d[k]
        j.a[i] = j.a0 + j.lam * (j.a[i] - j.a0) + (1.0 if s[i] == truth else 0.0)
        j.b[i] = j.b0 + j.lam * (j.b[i] - j.b0) + (0.0 if s[i] == truth else 1.0)


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


cdef double smallest_eigenvalue(const double r[VOTERS_MAX][VOTERS_MAX], int n) noexcept nogil:
    """Cyclic Jacobi rotations (Jacobi 1846) on a copy."""
    cdef double m[VOTERS_MAX][VOTERS_MAX]
    cdef double off, theta, t, c, s, x, y, least
    cdef int i, k, l, sweep
    for i in range(n):
        for k in range(n):
            m[i][k] = r[i][k]
    for sweep in range(30):
        off = 0.0
        for i in range(n):
            for k in range(i):
                off += m[i][k] * m[i][k]
        if off < 1e-30:
            break
        for i in range(n):
            for k in range(i):
                if m[i][k] == 0.0:
                    continue
                theta = (m[i][i] - m[k][k]) / (2.0 * m[i][k])
                t = (1.0 if theta >= 0.0 else -1.0) / (fabs(theta) + sqrt(theta * theta + 1.0))
                c = 1.0 / sqrt(t * t + 1.0)
                s = t * c
                for l in range(n):
                    x = m[l][k]
                    y = m[l][i]
                    m[l][k] = c * x - s * y
                    m[l][i] = s * x + c * y
                for l in range(n):
                    x = m[k][l]
                    y = m[i][l]
                    m[k][l] = c * x - s * y
                    m[i][l] = s * x + c * y
    least = m[0][0]
    for i in range(1, n):
        least = m[i][i] if m[i][i] < least else least
    return least


cdef void jury_refresh(jury_t *j) noexcept nogil:
    """Takes what has been learnt as what weighs, and forgets the solved sets."""
    cdef double m[VOTERS_MAX][VOTERS_MAX]
    cdef double edge
    cdef int i, k
    j.generation += 1
    if j.generation == 0:
        memset(j.set_seen, 0, sizeof(j.set_seen))
        memset(j.code_seen, 0, sizeof(j.code_seen))
        j.generation = 1
    for i in range(j.voters):
        j.p[i] = j.a[i] / (j.a[i] + j.b[i])
        j.log_odds[i] = lt_log(j.a[i] / j.b[i])
        edge = 2.0 * j.p[i] - 1.0
        j.z[i] = edge / sqrt(1.0 - edge * edge)
        j.phi[i] = j.log_odds[i] / j.z[i] if fabs(edge) >= 1e-6 else 2.0
        j.correlation[i][i] = 1.0
        for k in range(i):
            j.correlation[i][k] = j.correlation[k][i] = correlation_of(j, i, k)
    # eigenvalues interlace: where the whole matrix is sound, so is every set of its voters
    for i in range(j.voters):
        for k in range(j.voters):
            m[i][k] = j.correlation[i][k] - (EIGENVALUE_LEAST if i == k else 0.0)
    j.sound = cholesky(m, j.voters)


cdef int members(const jury_t *j, int voters, int *who) noexcept nogil:
    cdef int i, n = 0
    for i in range(j.voters):
        if voters >> i & 1:
            who[n] = i
            n += 1
    return n


cdef void correlation_among(const jury_t *j, const int *who, int n, double r[VOTERS_MAX][VOTERS_MAX]) noexcept nogil:
    """The correlations of these voters, shrunk to the identity until the smallest eigenvalue is 0.01."""
    cdef double least
    cdef int i, k
    for i in range(n):
        for k in range(n):
            r[i][k] = j.correlation[who[i]][who[k]]
    if j.sound or n == 0:
        return
    least = smallest_eigenvalue(<const double (*)[VOTERS_MAX]> r, n)
    if least < EIGENVALUE_LEAST:
        for i in range(n):
            for k in range(n):
                r[i][k] = (r[i][k] + (EIGENVALUE_LEAST - least if i == k else 0.0)) / (1.0 + EIGENVALUE_LEAST - least)


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
    cdef double logit = j.prior_logit, p
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
        p = 1.0 / (1.0 + lt_exp(-logit))
        j.code_direction[code] = 0 if cast < j.k_min else (p >= j.p_min) - (p <= 1.0 - j.p_min)
    j.code_logit[code] = logit
    j.code_seen[code] = j.generation
