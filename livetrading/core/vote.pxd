# cython: boundscheck=False, wraparound=False, cdivision=True
"""Formula 333: Condorcet's jury with log-odds weights, learnt competence and correlated voters."""
from libc.stdint cimport int8_t, int64_t, uint32_t, uint64_t

cdef enum:
    VOTERS_MAX = 8
    CODES_MAX = 6561            # 3 ** VOTERS_MAX sets of votes
    SETS_MAX = 256              # 2 ** VOTERS_MAX sets of voters

ctypedef struct jury_t:
    int voters, k_min
    bint majority, correlated, clip
    double prior_logit, p_min, lam, a0, b0, nu, cap
    # competence, as learnt so far
    double a[VOTERS_MAX]
    double b[VOTERS_MAX]
    double joint[VOTERS_MAX][VOTERS_MAX]      # N_ij
    double cross[VOTERS_MAX][VOTERS_MAX]      # C_ij
    double square[VOTERS_MAX][VOTERS_MAX]     # U_ij
    # what weighs: a snapshot taken at the last refresh
    double p[VOTERS_MAX]
    double log_odds[VOTERS_MAX]
    double z[VOTERS_MAX]
    double phi[VOTERS_MAX]
    double correlation[VOTERS_MAX][VOTERS_MAX]
    bint sound                                # every principal minor's smallest eigenvalue is at least 0.01
    uint32_t generation
    uint32_t set_seen[SETS_MAX]
    double weight[SETS_MAX][VOTERS_MAX]
    uint32_t code_seen[CODES_MAX]
    double code_logit[CODES_MAX]
    double code_against[CODES_MAX]            # e^-|log-odds|: the odds against the side that the votes favour
    int8_t code_direction[CODES_MAX]

cdef extern from "lt_jury.h" nogil:
    void lt_jury_score(const double *cast, const double *right, double lam, double a0, double b0, double *a, double *b,
                       double joint[8][8], double cross[8][8], double square[8][8]) noexcept

# A set of votes s_i in {-1, 0, 1} is one number: sum of (s_i + 1) 3^i.
cdef void jury_open(jury_t *j, int voters) noexcept nogil
cdef void jury_score(jury_t *j, uint32_t code, int truth) noexcept nogil
cdef void jury_refresh(jury_t *j) noexcept nogil
cdef void jury_decide(jury_t *j, uint32_t code) noexcept nogil


cdef inline int jury_vote(jury_t *j, uint32_t code) noexcept nogil:
    """The direction of this set of votes; solved when it first appears after a refresh."""
    if j.code_seen[code] != j.generation:
        jury_decide(j, code)
    return j.code_direction[code]
