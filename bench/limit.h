/* What the two yardsticks have in common: limit.c, which goes tick by tick, and limit_columns.c, column by column.
 *
 * The market's recurrences, the formulas that trades feed, the vote's weights, the account and the SHA-256 of its
 * fills. None of it runs on the ticks of a block at once, so it is the same in both. Random numbers, elementary
 * functions, the Lorenz step and money are the core's (csrc), so that equal fills mean equal work.
 *
 *     limit KNOTS TICKS [FILLS]        KNOTS: file of lt_knot from the chain clock
 *
 * Prints one JSON line. */
#ifndef BENCH_LIMIT_H
#define BENCH_LIMIT_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#ifdef __SHA__
#include <immintrin.h>
#endif

#include "lt_lorenz.h"
#include "lt_math.h"
#include "lt_money.h"
#include "lt_philox.h"
#include "lt_tick.h"
#include "lt_variates.h"

#ifndef LIMIT_SEED
#error "bench/limit.py compiles these files: it defines the configuration"
#endif

#define BLOCK 1024                       /* ticks drawn at a time: a multiple of SAMPLE */
#define SAMPLE 16                        /* ticks between two samples of the entry levels */
#define PAD 64                           /* room behind the block, so that the last group may be a whole one */
#define WINDOW LIMIT_WINDOW
#define LEVEL_WINDOW 200
#define EPS 2.220446049250313e-16
#define TOL 1e-10
#define LN2 0.693147180559945309417
#define NOISE 16384
#define QUANTILES 4096
#define CELL_NS 432000000000
#define DAY_NS 86400000000000
#define PERIOD_NS 28800000000000         /* of which three are a day: what borrowing is charged by */
#define SECOND_NS 1000000000
#define VOTERS 7
#define CODES 2187                       /* 3^VOTERS */
#define SETS 128
#define ALIGNED __attribute__((aligned(64)))

enum { OFI, Z, DRIFT, LEVEL, MICRO, FLOW, DEVIATION };
enum { ALL_ABSTAIN = 1 + 3 + 9 + 27 + 81 + 243 + 729 };

typedef double wide[BLOCK + PAD] ALIGNED;
typedef struct { double bid, ask, bid_size, ask_size; } quote;

static int64_t ticks_done;               /* ticks before this block */
static int c_event;                      /* of the filter 218 at the last tick */

/* What a yardstick supplies */
static void open_formulas(void);
static void take(int n);                 /* the next n <= BLOCK ticks */
static quote last_quote(void);           /* of the last tick taken */

static double mid_of(quote q)
{
    return 0.5 * q.bid + 0.5 * q.ask;
}

/* Market */

static double noise_table[NOISE], spread_table[QUANTILES], size_table[QUANTILES], trade_table[QUANTILES];
static uint64_t words[4][BLOCK + PAD] ALIGNED;
static wide z0, z1, uniform, exponent, tilt, true_price;
static lt_knot *knots;
static int64_t knot_count, knot_at;
static lt_lorenz here, there;
static int64_t cell;
static double ou, imbalance, buy_rate, sell_rate;

/* The trades of the block, [0] the last one of the block before */
static int trade_count;
static uint16_t trade_tick[BLOCK + 1 + PAD];           /* place of the trade in the block */
static uint16_t trades_until[BLOCK + PAD];             /* trades up to and with this tick */
static double trade_price[BLOCK + 1 + PAD], trade_volume[BLOCK + 1 + PAD];
static int8_t trade_side[BLOCK + 1 + PAD];

static double midpoint(int k, int n)
{
    return lt_normal_quantile((k + 0.5) / n);
}

static void fill_tables(void)
{
    int wild = NOISE / 20, large = QUANTILES / 100;
    for (int k = 0; k < NOISE; k++)
        noise_table[k] = k < wild ? 4.0 * 1e-4 * midpoint(k, wild) : 1e-4 * midpoint(k - wild, NOISE - wild);
    for (int k = 0; k < QUANTILES; k++) {
        spread_table[k] = lt_exp(0.3 * midpoint(k, QUANTILES));
        size_table[k] = lt_exp(midpoint(k, QUANTILES));
        trade_table[k] = k < large ? 50.0 * 0.02 * lt_exp(1.2 * midpoint(k, large))
                                   : 0.02 * lt_exp(1.2 * midpoint(k - large, QUANTILES - large));
    }
}

static void open_market(void)
{
    lt_words w = lt_philox(LIMIT_SEED, 0, 0);
    double a[2], b[2];
    fill_tables();
    lt_normal_block(2, w.word, w.word + 2, a, b);
    lt_lorenz p = {1.0 + 1e-3 * a[0], 1.0 + 1e-3 * b[0], 1.0 + 1e-3 * a[1]};
    for (int k = 0; k < 6000; k++) p = lt_lorenz_step(p, 0.01);
    here = p;
    there = lt_lorenz_step(p, 0.01);
    ou = b[1];
    buy_rate = sell_rate = 0.2 / (1.0 - 0.5 - 0.2) - 0.2;
}

/* The two diffusions and the flow of trades: recurrences that hide each other's latency. */
static __attribute__((noinline)) void draw_paths(int n)
{
    const double dt = LIMIT_DT_NS * 1e-9, keep = lt_exp(-dt / 259200.0), kick = sqrt(1.0 - keep * keep);
    const double stay = lt_exp(-dt / 60.0), push = sqrt(1.0 - stay * stay), decay = lt_exp(-1.0 * dt);
    const double jump = (1.0 / decay - 1.0) / dt;
    double x = ou, i = imbalance, buy = buy_rate, sell = sell_rate;
    int count = 0;
    for (int k = 0; k < n; k++) {
        x = x * keep + kick * z0[k];
        i = i * stay + push * z1[k];
        exponent[k] = x;
        tilt[k] = 2.0 * i;
        buy *= decay;
        sell *= decay;
        double u = uniform[k], p = (0.2 + buy) * dt, q = p + (0.2 + sell) * dt;
        if (__builtin_expect(u < q, 0)) {
            int up = q <= 1.0 ? u < p : u * q < p;
            count++;
            trade_tick[count] = (uint16_t)k;
            trade_side[count] = up ? 1 : -1;
            buy += (up ? 0.5 : 0.2) * jump;
            sell += (up ? 0.2 : 0.5) * jump;
        }
        trades_until[k] = (uint16_t)count;
    }
    ou = x, imbalance = i, buy_rate = buy, sell_rate = sell;
    trade_count = count;
}

static double amplitude_at(int64_t height)
{
    double retarget, halving, unused;
    lt_sincos_turn((double)(height % 2016) / 2016.0, &retarget, &unused);
    lt_sincos_turn((double)(height % 210000) / 210000.0, &unused, &halving);
    return 0.02 * (1.0 + 0.15 * retarget) * (1.0 + 0.25 * halving);
}

/* Deviation plus noise up to the next knot or Lorenz cell; where the stretch ends. */
static int draw_stretch(int first, int n)
{
    int64_t since = (ticks_done + first) * LIMIT_DT_NS, ts = LIMIT_START_NS + since, left;
    while (knots[knot_at + 1].ts <= ts) knot_at++;
    while (since >= (cell + 1) * CELL_NS) {
        cell++;
        here = there;
        there = lt_lorenz_step(there, 0.01);
    }
    left = (knots[knot_at + 1].ts - ts - 1) / LIMIT_DT_NS + 1;
    n = first + left < n ? first + (int)left : n;
    left = ((cell + 1) * CELL_NS - since - 1) / LIMIT_DT_NS + 1;
    n = first + left < n ? first + (int)left : n;
    const double amplitude = amplitude_at(knots[knot_at].height), truth = knots[knot_at].true_price;
    const double chaos = amplitude * sqrt(0.5) / 7.92463, diffusion = amplitude * sqrt(1.0 - 0.5);
    const double d0 = 0.01 * lt_lorenz_slope(here).x, d1 = 0.01 * lt_lorenz_slope(there).x;
    const double c0 = here.x, rise = there.x - here.x;
    const double c2 = 3.0 * rise - 2.0 * d0 - d1, c3 = d0 + d1 - 2.0 * rise;
    const double at = (double)(since - cell * CELL_NS), inverse = 1.0 / (double)CELL_NS;
    for (int k = first; k < n; k++) {
        double s = (at + (double)(k - first) * (double)LIMIT_DT_NS) * inverse;
        exponent[k] = chaos * (c0 + s * (d0 + s * (c2 + s * c3))) + diffusion * exponent[k]
                    + noise_table[words[3][k] >> 50];
        true_price[k] = truth;
    }
    return n;
}

/* The formulas of the trades: flow momentum, VPIN, Kyle's lambda. */

static double flow_alpha, volume_alpha, flow_signed, flow_total;
static int flow_ready, vpin_passes = 1, past_count;
static int64_t vpin_buckets;
static double vpin_fill, vpin_buy, vpin_value;
static double imbalances[64], vpin_past[256], vpin_ordered[256];
static uint64_t past_head;

static int rank_of(double x)
{
    int low = 0, high = past_count;
    while (low < high) {
        int half = (low + high) >> 1;
        if (vpin_ordered[half] < x) low = half + 1;
        else high = half;
    }
    return low;
}

static void vpin_remember(double value)
{
    int at;
    if (past_count == 200) {
        at = rank_of(vpin_past[(past_head - 200) & 255]);
        past_count--;
        memmove(vpin_ordered + at, vpin_ordered + at + 1, (size_t)(past_count - at) * sizeof(double));
    }
    at = rank_of(value);
    memmove(vpin_ordered + at + 1, vpin_ordered + at, (size_t)(past_count - at) * sizeof(double));
    vpin_ordered[at] = value;
    past_count++;
    vpin_past[past_head++ & 255] = value;
}

static double vpin_quantile(void)
{
    double h = 0.9 * (double)(past_count - 1), low = floor(h), share = h - low;
    int i = (int)low;
    double a = vpin_ordered[i], b = vpin_ordered[i + 1 < past_count ? i + 1 : i];
    return share < 0.5 ? a + (b - a) * share : b - (b - a) * (1.0 - share);
}

static void vpin_close(void)
{
    double total = 0.0;
    imbalances[vpin_buckets & 63] = fabs((2.0 * vpin_buy - 1.0) / 1.0);
    vpin_fill = vpin_buy = 0.0;
    vpin_buckets++;
    if (vpin_buckets < 50) return;
    for (int64_t i = vpin_buckets - 50; i < vpin_buckets; i++) total += imbalances[i & 63];
    vpin_value = total / 50.0;
    vpin_passes = past_count < 50 || vpin_value < vpin_quantile() * (1.0 - 1e-12);
    vpin_remember(vpin_value);
}

static __attribute__((noinline)) void vpin_split(double volume, double share)
{
    while (vpin_fill + volume >= 1.0 * (1.0 - 1e-12)) {
        double room = 1.0 - vpin_fill;
        vpin_buy += share * room;
        volume = volume > room ? volume - room : 0.0;
        vpin_close();
    }
    if (volume < 1.0 * 1e-12) volume = 0.0;
    vpin_fill += volume;
    vpin_buy += share * volume;
}

#define KYLE 50
static struct {
    double q[64], d[64];
    uint64_t bars;
    double last, mean_q, mean_d, qq, qd, dd, mean_q_error, mean_d_error, qq_error, qd_error, dd_error, value;
    int ready;
} kyle;

static __attribute__((noinline)) void kyle_exact(void)
{
    double mean_q = 0.0, mean_d = 0.0, qq = 0.0, qd = 0.0, dd = 0.0;
    for (uint64_t i = kyle.bars - KYLE; i < kyle.bars; i++) {
        mean_q += kyle.q[i & 63];
        mean_d += kyle.d[i & 63];
    }
    mean_q *= 1.0 / KYLE;
    mean_d *= 1.0 / KYLE;
    for (uint64_t i = kyle.bars - KYLE; i < kyle.bars; i++) {
        double a = kyle.q[i & 63] - mean_q, b = kyle.d[i & 63] - mean_d;
        qq += a * a;
        qd += a * b;
        dd += b * b;
    }
    kyle.mean_q = mean_q, kyle.mean_d = mean_d, kyle.qq = qq, kyle.qd = qd, kyle.dd = dd;
    kyle.mean_q_error = kyle.mean_d_error = kyle.qq_error = kyle.qd_error = kyle.dd_error = 0.0;
}

static int varies(double s, double mean, const double *x)
{
    double largest = 0.0;
    if (s > 1e-20 * mean * mean * KYLE) return 1;
    for (uint64_t i = kyle.bars - KYLE; i < kyle.bars; i++) largest = fmax(largest, fabs(x[i & 63]));
    return s > 1e-24 * largest * largest * KYLE;
}

static void kyle_slide(double q, double d)
{
    double q0 = kyle.q[(kyle.bars - KYLE) & 63], d0 = kyle.d[(kyle.bars - KYLE) & 63];
    double step_q = q - q0, step_d = d - d0, mean_q = kyle.mean_q + step_q * (1.0 / KYLE);
    double mean_d = kyle.mean_d + step_d * (1.0 / KYLE);
    double add_qq = step_q * ((q - mean_q) + (q0 - kyle.mean_q)), add_dd = step_d * ((d - mean_d) + (d0 - kyle.mean_d));
    double in = (q - mean_q) * (d - kyle.mean_d), out = (q0 - mean_q) * (d0 - kyle.mean_d);
    kyle.q[kyle.bars & 63] = q;
    kyle.d[kyle.bars & 63] = d;
    kyle.bars++;
    kyle.mean_q = mean_q;
    kyle.mean_d = mean_d;
    kyle.qq += add_qq;
    kyle.dd += add_dd;
    kyle.qd += in - out;
    kyle.mean_q_error += EPS * (fabs(mean_q) + fabs(q) + fabs(q0));
    kyle.mean_d_error += EPS * (fabs(mean_d) + fabs(d) + fabs(d0));
    kyle.qq_error += EPS * (fabs(kyle.qq) + fabs(add_qq)) + 2.0 * fabs(step_q) * kyle.mean_q_error;
    kyle.dd_error += EPS * (fabs(kyle.dd) + fabs(add_dd)) + 2.0 * fabs(step_d) * kyle.mean_d_error;
    kyle.qd_error += EPS * (fabs(kyle.qd) + fabs((q - mean_q) * (d - mean_d)) + fabs((q0 - mean_q) * (d0 - mean_d)))
                   + fabs(step_q) * kyle.mean_d_error + fabs(step_d) * kyle.mean_q_error;
    if (__builtin_expect(!(kyle.qq_error <= TOL * kyle.qq) | !(kyle.dd_error <= TOL * kyle.dd)
                         | !(kyle.qd_error * kyle.qd_error <= TOL * TOL * kyle.qq * kyle.dd), 0))
        kyle_exact();
}

/* The slope alone: t, R^2 and the intercept are nobody's column. */
static void kyle_push(double q, double d)
{
    if (kyle.bars < KYLE) {
        kyle.q[kyle.bars & 63] = q;
        kyle.d[kyle.bars & 63] = d;
        if (++kyle.bars < KYLE) return;
        kyle_exact();
    } else {
        kyle_slide(q, d);
    }
    if (!varies(kyle.qq, kyle.mean_q, kyle.q)) return;
    kyle.ready = 1;
    kyle.value = varies(kyle.dd, kyle.mean_d, kyle.d) ? kyle.qd / kyle.qq : 0.0;
}

static void open_trades(void)
{
    flow_alpha = 1.0 - lt_exp(-LN2 / 20.0);
    volume_alpha = 1.0 - lt_exp(-LN2 / 200.0);
}

static inline void trade_push(double price, double volume, int side)
{
    double q = side * volume, share = 0.5 + 0.5 * side;
    if (kyle.last > 0.0) kyle_push(q, price - kyle.last);
    kyle.last = price;
    if (vpin_fill + volume < 1.0 * (1.0 - 1e-12)) {
        vpin_fill += volume;
        vpin_buy += share * volume;
    } else {
        vpin_split(volume, share);
    }
    flow_signed = flow_ready ? flow_signed + flow_alpha * (q - flow_signed) : q;
    flow_total = flow_ready ? flow_total + volume_alpha * (volume - flow_total) : volume;
    flow_ready = 1;
}

static inline int vpin_lets_through(void)
{
    return vpin_buckets < 50 || vpin_passes;
}

/* Entry levels: seven quantiles that follow |value| at every SAMPLE-th tick. */

static const double entry_start[8] = {1.5, 2.0, 1.0, 2.0, 0.1, 0.2, 0.02, 1.0};
static double step_up, step_down;

static void open_steps(void)
{
    double step = (1.0 - lt_exp(-LN2 / (4096.0 / SAMPLE))) / 0.33923;
    step_up = 1.0 + 0.9 * step;
    step_down = 1.0 - 0.1 * step;
}

/* Vote (333): rows of eight lanes, the last of them nobody. */

typedef double lanes __attribute__((vector_size(64)));
typedef int64_t mask __attribute__((vector_size(64)));
typedef union { lanes v; double at[8]; } row;

static struct {
    row a, b, joint[8], cross[8], square[8];
    double p[8], log_odds[8], z[8], phi[8], r[8][8];
    int sound;
    uint32_t generation, code_seen[CODES], chance_seen[CODES];
    double logit[CODES], chance[CODES];
    int8_t direction[CODES];
} jury;

/* A set of voters; its Cholesky factor is the one of the set without its last voter, and one row more. */
static struct set {
    double row[8], forward;              /* row[i] right of the diagonal; the diagonal is kept inverted */
    double tested[8];                    /* the same for the correlations less 0.01 on the diagonal */
    double inverse, tested_inverse, weight[8];
    uint32_t factored, weighed;          /* the generation in which it was */
    int sound, n;
    uint8_t who[8], prefix[8];           /* the voters in order, and the set up to each of them */
} sets[SETS];
static int8_t vote_of[CODES][8];
static uint8_t set_of[CODES];
static row cast_of[CODES];                             /* the votes as numbers */
static int64_t next_score, next_refresh;
static int scored, cast_code, z_state;
static double cast_mid, sure;

static inline lanes choose(mask m, lanes x, lanes y)
{
    return (lanes)((m & (mask)x) | (~m & (mask)y));
}

static inline lanes all(double x)
{
    return (lanes){x, x, x, x, x, x, x, x};
}

static void jury_score(int c, int truth)
{
    const lanes lam = all(0.999), one = all(1.0), zero = all(0.0), ten = all(10.0), s = cast_of[c].v;
    const mask voted = s != zero, right = s == all(truth);
    const lanes hit = choose(right, one, zero), a = jury.a.v, b = jury.b.v;
    row d = {.v = hit - a / (a + b)};
    for (unsigned who = set_of[c]; who; who &= who - 1) {
        int i = __builtin_ctz(who);
        lanes di = all(d.at[i]);
        jury.joint[i].v = choose(voted, lam * jury.joint[i].v + one, jury.joint[i].v);
        jury.cross[i].v = choose(voted, lam * jury.cross[i].v + di * d.v, jury.cross[i].v);
        jury.square[i].v = choose(voted, lam * jury.square[i].v + di * di, jury.square[i].v);
    }
    jury.a.v = choose(voted, ten + lam * (a - ten) + hit, a);
    jury.b.v = choose(voted, ten + lam * (b - ten) + choose(right, zero, one), b);
}

static int factors(double m[8][8], int n)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k <= i; k++) {
            double sum = m[i][k];
            for (int l = 0; l < k; l++) sum -= m[i][l] * m[k][l];
            if (i == k) {
                if (!(sum > 0.0)) return 0;
                m[i][i] = sqrt(sum);
            } else {
                m[i][k] = sum / m[k][k];
            }
        }
    return 1;
}

static void jury_refresh(void)
{
    double m[8][8];
    jury.generation++;
    for (int i = 0; i < 8; i++) {
        double a = jury.a.at[i], b = jury.b.at[i], edge = (a - b) / (a + b), p = a / (a + b);
        double odds = lt_log_normal(a / b), z = edge / sqrt(4.0 * p * (b / (a + b)));
        jury.p[i] = p;
        jury.log_odds[i] = odds;
        jury.z[i] = z;
        jury.phi[i] = fabs(edge) >= 1e-6 ? odds / z : 2.0;
    }
    for (int i = 0; i < VOTERS; i++)
        for (int k = 0; k < 8; k++) {
            double scale = jury.square[i].at[k] * jury.square[k].at[i], n = jury.joint[i].at[k];
            jury.r[i][k] = scale > 0.0 ? jury.cross[i].at[k] / sqrt(scale) * (n / (n + 50.0)) : 0.0;
        }
    for (int i = 0; i < VOTERS; i++) {
        for (int k = 0; k < VOTERS; k++) m[i][k] = jury.r[i][k];
        jury.r[i][i] = 1.0;
        m[i][i] = 1.0 - 0.01;
    }
    jury.sound = factors(m, VOTERS);
}

/* The last row of the set's factor, and whether every eigenvalue exceeds 0.01: a factor of the rest exists. */
static void extend(struct set *t)
{
    const int last = t->who[t->n - 1], n = t->n - 1;
    double y = jury.z[last], pivot = 1.0, tested = 1.0 - 0.01;
    t->sound = 1;
    if (n > 0) {
        struct set *before = &sets[t->prefix[n - 1]];
        if (before->factored != jury.generation) extend(before);
        t->sound = before->sound;
    }
    for (int k = 0; k < n; k++) {
        const struct set *p = &sets[t->prefix[k]];
        double sum = jury.r[last][t->who[k]];
        for (int l = 0; l < k; l++) sum -= t->row[l] * p->row[l];
        t->row[k] = sum *= p->inverse;
        y -= sum * p->forward;
        pivot -= sum * sum;
    }
    t->inverse = 1.0 / sqrt(pivot);
    t->forward = y * t->inverse;
    t->factored = jury.generation;
    if (jury.sound || !t->sound) return;
    for (int k = 0; k < n; k++) {
        const struct set *p = &sets[t->prefix[k]];
        double sum = jury.r[last][t->who[k]];
        for (int l = 0; l < k; l++) sum -= t->tested[l] * p->tested[l];
        t->tested[k] = sum *= p->tested_inverse;
        tested -= sum * sum;
    }
    t->sound = tested > 0.0;
    t->tested_inverse = 1.0 / sqrt(tested);
}

/* Householder reduction of a symmetric matrix: diagonal d, squares of the off-diagonal e2[1..n-1]; destroys m. */
static void tridiagonal(double m[8][8], int n, double *d, double *e2)
{
    for (int k = 0; k < n - 2; k++) {
        double v[8] = {0}, w[8] = {0}, norm2 = 0.0, vw = 0.0;
        for (int i = k + 1; i < n; i++) norm2 += m[i][k] * m[i][k];
        e2[k + 1] = norm2;
        if (norm2 == 0.0) continue;
        double alpha = m[k + 1][k] > 0.0 ? -sqrt(norm2) : sqrt(norm2), h = norm2 - alpha * m[k + 1][k], ih = 1.0 / h;
        for (int i = k + 1; i < n; i++) v[i] = m[i][k];
        v[k + 1] -= alpha;
        for (int i = k + 1; i < n; i++) {
            double sum = 0.0;
            for (int l = k + 1; l < n; l++) sum += m[i][l] * v[l];
            w[i] = sum * ih;
            vw += w[i] * v[i];
        }
        for (int i = k + 1; i < n; i++) w[i] -= 0.5 * vw * ih * v[i];
        for (int i = k + 1; i < n; i++)
            for (int l = k + 1; l < n; l++) m[i][l] -= v[i] * w[l] + w[i] * v[l];
    }
    for (int i = 0; i < n; i++) d[i] = m[i][i];
    if (n > 1) e2[n - 1] = m[n - 1][n - 2] * m[n - 1][n - 2];
}

/* Smallest eigenvalue: Laguerre's iteration on the characteristic polynomial, from below, where it is monotone and
 * cubic (Parlett 1998, The Symmetric Eigenvalue Problem, 3.3). */
static double least_eigenvalue(double m[8][8], int n)
{
    double d[8], e2[8] = {0}, x = INFINITY, reach[9] = {0};
    tridiagonal(m, n, d, e2);
    for (int i = 1; i < n; i++) reach[i] = sqrt(e2[i]);
    for (int i = 0; i < n; i++) {
        double low = d[i] - reach[i] - reach[i + 1];
        x = low < x ? low : x;
    }
    for (int round = 0; round < 50; round++) {
        /* pivots q of the shifted matrix; from their derivatives the sums of 1/(eigenvalue - x) and of its square */
        double q = 1.0, dq = 0.0, ddq = 0.0, s1 = 0.0, s2 = 0.0;
        for (int i = 0; i < n; i++) {
            double inverse = 1.0 / q, t = e2[i] * inverse, u = dq * inverse;
            double next = d[i] - x - t, dn = -1.0 + t * u, ddn = t * (ddq * inverse - 2.0 * u * u);
            q = next, dq = dn, ddq = ddn;
            if (!(q > 0.0)) return x;
            inverse = 1.0 / q;
            s1 -= dq * inverse;
            s2 -= ddq * inverse - dq * inverse * dq * inverse;
        }
        double root = (n - 1.0) * (n * s2 - s1 * s1), step = n / (s1 + sqrt(root > 0.0 ? root : 0.0));
        if (!(x + step > x)) return x;
        x += step;
    }
    return x;
}

/* A set whose correlations are too close to singular is shrunk to the identity first, and shares no factor. */
static void solve_shrunk(const struct set *t, double *x)
{
    const int n = t->n;
    double r[8][8], m[8][8];
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++) r[i][k] = m[i][k] = jury.r[t->who[i]][t->who[k]];
    double lift = 0.01 - least_eigenvalue(m, n);
    lift = lift > 0.0 ? lift : 0.0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++) r[i][k] = i == k ? 1.0 : r[i][k] / (1.0 + lift);
    factors(r, n);
    for (int i = 0; i < n; i++) {
        x[i] = jury.z[t->who[i]];
        for (int k = 0; k < i; k++) x[i] -= r[i][k] * x[k];
        x[i] /= r[i][i];
    }
    for (int i = n - 1; i >= 0; i--) {
        for (int k = i + 1; k < n; k++) x[i] -= r[k][i] * x[k];
        x[i] /= r[i][i];
    }
}

static void weigh(struct set *t)
{
    double x[8];
    t->weighed = jury.generation;
    if (t->n == 0) return;
    if (t->factored != jury.generation) extend(t);
    if (t->sound) {
        for (int i = t->n - 1; i >= 0; i--) {
            x[i] = sets[t->prefix[i]].forward;
            for (int k = i + 1; k < t->n; k++) x[i] -= sets[t->prefix[k]].row[i] * x[k];
            x[i] *= sets[t->prefix[i]].inverse;
        }
    } else {
        solve_shrunk(t, x);
    }
    for (int i = 0; i < t->n; i++) {
        double own = jury.log_odds[t->who[i]], w = jury.phi[t->who[i]] * x[i], cap = 2.0 * own;
        t->weight[i] = w * own < 0.0 ? 0.0 : fabs(w) > fabs(cap) ? cap : w;
    }
}

static __attribute__((noinline)) void decide(int c)
{
    struct set *t = &sets[set_of[c]];
    double logit = 0.0;
    int direction = 0;
    if (t->weighed != jury.generation) weigh(t);
    for (int i = 0; i < t->n; i++) logit += t->weight[i] * vote_of[c][t->who[i]];
    if (t->n >= LIMIT_K_MIN) {
        /* the exponential only where it could decide */
        if (fabs(fabs(logit) - sure) > 1e-9) {
            direction = (logit > sure) - (logit < -sure);
        } else {
            double p = 1.0 / (1.0 + lt_exp(-logit));
            direction = (p >= LIMIT_P_MIN) - (p <= 1.0 - LIMIT_P_MIN);
        }
    }
    jury.logit[c] = logit;
    jury.direction[c] = (int8_t)direction;
    jury.code_seen[c] = jury.generation;
}

static void open_vote(void)
{
    for (int c = 0; c < CODES; c++)
        for (int i = 0, rest = c; i < VOTERS; i++, rest /= 3) {
            vote_of[c][i] = (int8_t)(rest % 3 - 1);
            cast_of[c].at[i] = vote_of[c][i];
            set_of[c] |= (uint8_t)((vote_of[c][i] != 0) << i);
        }
    for (int s = 0; s < SETS; s++)
        for (int i = 0; i < VOTERS; i++)
            if (s >> i & 1) {
                sets[s].who[sets[s].n] = (uint8_t)i;
                sets[s].prefix[sets[s].n++] = (uint8_t)(s & ((2 << i) - 1));
            }
    jury.a.v = jury.b.v = all(10.0);
    sure = lt_log(LIMIT_P_MIN / (1.0 - LIMIT_P_MIN));
    jury_refresh();
}

/* State of the z-score's hysteresis, 0 flat, 1 long, 2 short: the next one by its flags. */
static const uint8_t z_next[3][8] = {{0, 0, 0, 0, 0, 2, 1, 0}, {0, 0, 1, 0, 0, 2, 1, 0}, {0, 2, 0, 0, 0, 2, 1, 0}};
static const int z_code[3] = {3, 6, 0};

static void score(int c, double x)
{
    int truth = (x > cast_mid) - (x < cast_mid);
    if (scored && truth != 0) jury_score(cast_code, truth);
    scored = 1;
    cast_code = c;
    cast_mid = x;
}

/* SHA-256 (FIPS 180-4) */

static struct { uint32_t h[8]; uint64_t length; uint8_t tail[64]; } sha;
static uint32_t sha_key[64];

#ifdef __SHA__
/* Four rounds a turn by the processor's own instructions (Gulley, Gopal, Yap, Feghali and Guilford 2013, Intel SHA
 * Extensions). */
static void sha_block(const uint8_t *p)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    const int *h = (const int *)sha.h;
    __m128i first = _mm_set_epi32(h[0], h[1], h[4], h[5]), second = _mm_set_epi32(h[2], h[3], h[6], h[7]);
    __m128i a = first, c = second, w[4];
    for (int i = 0; i < 16; i++) {
        __m128i *x = &w[i & 3], last = w[(i + 3) & 3];
        if (i < 4) {
            *x = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)p + i), swap);
        } else {
            *x = _mm_add_epi32(_mm_sha256msg1_epu32(*x, w[(i + 1) & 3]), _mm_alignr_epi8(last, w[(i + 2) & 3], 4));
            *x = _mm_sha256msg2_epu32(*x, last);
        }
        __m128i k = _mm_add_epi32(*x, _mm_loadu_si128((const __m128i *)sha_key + i));
        c = _mm_sha256rnds2_epu32(c, a, k);
        a = _mm_sha256rnds2_epu32(a, c, _mm_shuffle_epi32(k, 0x0e));
    }
    uint32_t s[8];
    _mm_storeu_si128((__m128i *)s, _mm_add_epi32(a, first));
    _mm_storeu_si128((__m128i *)s + 1, _mm_add_epi32(c, second));
    memcpy(sha.h, (uint32_t[8]){s[3], s[2], s[7], s[6], s[1], s[0], s[5], s[4]}, sizeof sha.h);
}
#else
#define TURN(x, n) ((x) >> (n) | (x) << (32 - (n)))
#define ROUND(a, b, c, d, e, f, g, h, i) do { \
    h += (TURN(e, 6) ^ TURN(e, 11) ^ TURN(e, 25)) + ((e & f) ^ (~e & g)) + sha_key[i] + w[i]; \
    d += h; \
    h += (TURN(a, 2) ^ TURN(a, 13) ^ TURN(a, 22)) + ((a & b) ^ (a & c) ^ (b & c)); } while (0)

static void sha_block(const uint8_t *p)
{
    uint32_t w[64], a = sha.h[0], b = sha.h[1], c = sha.h[2], d = sha.h[3];
    uint32_t e = sha.h[4], f = sha.h[5], g = sha.h[6], h = sha.h[7];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + (TURN(w[i - 15], 7) ^ TURN(w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 7]
             + (TURN(w[i - 2], 17) ^ TURN(w[i - 2], 19) ^ w[i - 2] >> 10);
    for (int i = 0; i < 64; i += 8) {
        ROUND(a, b, c, d, e, f, g, h, i);
        ROUND(h, a, b, c, d, e, f, g, i + 1);
        ROUND(g, h, a, b, c, d, e, f, i + 2);
        ROUND(f, g, h, a, b, c, d, e, i + 3);
        ROUND(e, f, g, h, a, b, c, d, i + 4);
        ROUND(d, e, f, g, h, a, b, c, i + 5);
        ROUND(c, d, e, f, g, h, a, b, i + 6);
        ROUND(b, c, d, e, f, g, h, a, i + 7);
    }
    sha.h[0] += a, sha.h[1] += b, sha.h[2] += c, sha.h[3] += d;
    sha.h[4] += e, sha.h[5] += f, sha.h[6] += g, sha.h[7] += h;
}
#endif

/* The constants are the first 32 bits of the fractions of roots of primes. */
static void sha_open(void)
{
    for (int n = 2, i = 0; i < 64; n++) {
        int prime = 1;
        for (int d = 2; d * d <= n; d++) prime &= n % d != 0;
        if (!prime) continue;
        if (i < 8) sha.h[i] = (uint32_t)(int64_t)ldexp(sqrt(n) - floor(sqrt(n)), 32);
        sha_key[i++] = (uint32_t)(int64_t)floorl(ldexpl(cbrtl(n) - floorl(cbrtl(n)), 32));
    }
}

static void sha_update(const void *data, size_t n)
{
    const uint8_t *p = data;
    while (n > 0) {
        size_t at = sha.length & 63, part = n < 64 - at ? n : 64 - at;
        memcpy(sha.tail + at, p, part);
        sha.length += part, p += part, n -= part;
        if (at + part == 64) sha_block(sha.tail);
    }
}

static void sha_close(char *hex)
{
    uint64_t bits = 8 * sha.length;
    uint8_t end[8];
    sha_update("\x80", 1);
    while ((sha.length & 63) != 56) sha_update("", 1);
    for (int i = 0; i < 8; i++) end[i] = (uint8_t)(bits >> (56 - 8 * i));
    sha_update(end, 8);
    for (int i = 0; i < 8; i++) sprintf(hex + 8 * i, "%08x", sha.h[i]);
}

/* The account and its one order */

enum { ENTRY, TAKE_PROFIT, STOP, TRAILING, TIME, REVERSE, CLOSE };
enum { HALTED, DRAWDOWN, DAILY_LOSS, STALE, LOCKED, RATE, NO_EDGE, REALISED, TOO_SMALL, MAX_POSITION, CAPITAL, LEDGER };
enum { REALISED_WINDOW = 100, REALISED_MIN = 100 };

static const double taker = LIMIT_TAKER_BPS * 1e-4, take_profit = LIMIT_TAKE_PROFIT_BPS * 1e-4;
static const double stop = LIMIT_STOP_BPS * 1e-4, trail_gain = LIMIT_TRAIL_ACTIVATE_BPS * 1e-4;
static int64_t cash = LIMIT_CAPITAL_MICRO, position, charges, open_cash, open_notional, net, gross, open_charges;
static uint64_t fills, orders, trades, wins, refused[12];
static FILE *fill_file;
static double entry_price;
static int pending, order_side, order_reason;
static int64_t arrival, order_quantity, order_times[LIMIT_ORDERS_PER_S];
static uint64_t order_id;
static double equity, day_equity, peak, trough, worst, brake_level, release_level;
static int braked, trailing;
static int64_t period_end, borrow_ts, entry_index;
static double take_level, stop_level, best;
static double returns[REALISED_WINDOW], kelly_realised;
static uint64_t closed_trades;

static void peaked(void)
{
    peak = trough = equity;
    brake_level = (1.0 - LIMIT_MAX_DRAWDOWN) * peak;
    release_level = 0.9 * peak;
    braked = 0;
}

static void open_account(void)
{
    sha_open();
    equity = day_equity = (double)LIMIT_CAPITAL_MICRO;
    peaked();
}

static void mark(double x)
{
    equity = (double)cash + (double)position * 0.01 * x;
    if (equity > peak) {
        peaked();
    } else if (equity < trough) {
        trough = equity;
        if (peak - equity > worst * peak) worst = 1.0 - equity / peak;
    }
    if (equity <= brake_level) braked = 1;
    else if (braked && equity >= release_level) braked = 0;
}

static void realise(double outcome)
{
    double gain = 0.0, loss = 0.0;
    int won = 0, lost = 0;
    returns[closed_trades++ % REALISED_WINDOW] = outcome;
    if (closed_trades < REALISED_MIN) return;
    uint64_t n = closed_trades < REALISED_WINDOW ? closed_trades : REALISED_WINDOW;
    for (uint64_t i = closed_trades - n; i < closed_trades; i++) {
        double t = returns[i % REALISED_WINDOW];
        won += t > 0.0, lost += t < 0.0;
        if (t > 0.0) gain += t;
        else if (t < 0.0) loss -= t;
    }
    double p = (double)won / (double)n;
    kelly_realised = won == 0 ? 0.0 : lost == 0 ? p : p - (1.0 - p) / ((gain / won) / (loss / lost));
}

/* A short pays for the time up to `ts`, at the mid of the quote that stands then. */
static void pay_borrow(int64_t ts, quote q)
{
    if (LIMIT_BORROW_PPB > 0 && position < 0 && ts > borrow_ts) {
        int64_t due = lt_borrow(lt_notional(mid_of(q), -position), LIMIT_BORROW_PPB, ts - borrow_ts);
        cash -= due;
        charges += due;
    }
    borrow_ts = ts;
}

static void fill(int64_t ts, quote q, double price, int64_t quantity)
{
    lt_fill f = {.ts = ts, .id = fills++, .order_id = order_id, .price = price, .quantity = quantity,
                 .side = (int8_t)order_side, .reason = (uint8_t)order_reason};
    int64_t notional = lt_notional(price, quantity), before = position;
    f.fee = lt_fee(notional, LIMIT_FEE_PPB);
    if (before == 0) open_cash = cash, open_charges = charges, open_notional = 0;
    pay_borrow(ts, q);
    cash -= order_side * notional + f.fee;
    charges += f.fee;
    position += order_side * quantity;
    if (before == 0) {
        entry_price = price;
    } else if (before * order_side > 0) {
        entry_price = entry_price * (double)(order_side * before) + price * (double)quantity;
        entry_price /= (double)(order_side * position);
    }
    if (before * order_side >= 0) open_notional += notional;
    if (position == 0) {
        int64_t won = cash - open_cash;
        trades++;
        wins += won > 0;
        net += won;
        gross += won + (charges - open_charges);
        realise((double)won / (double)open_notional);
    }
    sha_update(&f, sizeof f);
    if (fill_file) fwrite(&f, sizeof f, 1, fill_file);
}

/* Fills the order at the quote q, what is beyond the displayed size at a price of its own; `now` is the tick it is. An
 * account with one order at a time finds no quote that it has taken from before. */
static __attribute__((noinline)) void execute(int64_t ts, quote q, int64_t now)
{
    int opens = position == 0;
    double touch = order_side > 0 ? q.ask : q.bid, shown = (order_side > 0 ? q.ask_size : q.bid_size) * 1e8 + 1e-6;
    int64_t most = order_quantity;
    if (LIMIT_IMPACT > 0.0 && order_reason != CLOSE && shown < (double)most) most = (int64_t)shown;
    pending = 0;
    if (most > 0) fill(ts, q, touch, most);
    if (most < order_quantity) {
        double factor = 1.0 + LIMIT_IMPACT * sqrt((double)(order_quantity - most) * 1e-8);
        fill(ts, q, order_side > 0 ? touch * factor : touch / factor, order_quantity - most);
    }
    if (opens) {
        int side = position > 0 ? 1 : -1;
        entry_index = now;
        take_level = side * entry_price * (1.0 + side * take_profit);
        stop_level = side * entry_price * (1.0 - side * stop);
        best = side * entry_price;
        trailing = 0;
    }
    mark(mid_of(q));
}

static void send(int64_t ts, quote q, int64_t now, int side, int64_t quantity, int reason)
{
    order_times[orders % LIMIT_ORDERS_PER_S] = ts;
    order_id = orders++;
    pending = 1;
    arrival = ts + LIMIT_LATENCY_NS;
    order_side = side, order_quantity = quantity, order_reason = reason;
    if (LIMIT_LATENCY_NS == 0) execute(ts, q, now);
}

static int limits(int64_t ts)
{
    if (braked) return DRAWDOWN;
    if (equity <= day_equity * (1.0 - LIMIT_DAILY_LOSS)) return DAILY_LOSS;
    if (orders >= LIMIT_ORDERS_PER_S && ts - order_times[orders % LIMIT_ORDERS_PER_S] < SECOND_NS) return RATE;
    return -1;
}

/* The share of the equity to trade on the set of votes c, or the refusal as a negative number. */
static double size(int c, double costs)
{
    const double b = (take_profit - costs) / (stop + costs);
    if (jury.chance_seen[c] != jury.generation) {
        jury.chance[c] = 1.0 / (1.0 + lt_exp(-(lt_log(stop / take_profit) + fabs(jury.logit[c]))));
        jury.chance_seen[c] = jury.generation;
    }
    double p = jury.chance[c], f = b > 0.0 ? p - (1.0 - p) / b : 0.0;
    f = LIMIT_KELLY * (f > 0.0 ? f : 0.0);
    if (!(f > 0.0)) return -NO_EDGE;
    if (closed_trades >= REALISED_MIN) {
        if (!(kelly_realised > 0.0)) return -REALISED;
        double cap = 0.5 * kelly_realised < 0.25 ? 0.5 * kelly_realised : 0.25;
        f = f < cap ? f : cap;
    }
    f = f < LIMIT_MAX_FRACTION ? f : LIMIT_MAX_FRACTION;
    double drawdown = 1.0 - equity / peak, alpha = 1.0 - LIMIT_MAX_DRAWDOWN;
    double g = drawdown < 1.0 ? (1.0 - alpha / (1.0 - drawdown)) / (1.0 - alpha) : 0.0;
    f *= g > 0.0 ? g : 0.0;
    return f > 0.0 ? f : -DRAWDOWN;
}

/* The satoshi of an entry, or the refusal as a negative number. */
static int64_t entry_quantity(quote q, int side, int c)
{
    const double touch = side > 0 ? q.ask : q.bid, shown = side > 0 ? q.ask_size : q.bid_size;
    const double costs = (q.ask - q.bid) / mid_of(q) + 2.0 * taker;
    double slip = 0.0;
    int64_t quantity;
    for (;;) {
        double f = size(c, costs + slip), spend = f * equity * 100.0 / (touch * (1.0 + taker)), wanted, beyond;
        if (f <= 0.0) return (int64_t)f;
        quantity = spend < (double)LIMIT_MAX_POSITION ? (int64_t)spend : LIMIT_MAX_POSITION + 1;
        wanted = (double)quantity * 1e-8, beyond = wanted - shown;
        if (!(LIMIT_IMPACT > 0.0) || slip > 0.0 || !(beyond > 0.0)) break;
        slip = 2.0 * LIMIT_IMPACT * sqrt(beyond) * (beyond / wanted);      /* beyond the touch, both ways */
    }
    if (quantity < 1) return -TOO_SMALL;
    if (quantity > LIMIT_MAX_POSITION) return -MAX_POSITION;
    const double beyond = (double)quantity * 1e-8 - shown, share = beyond / ((double)quantity * 1e-8);
    const double worse = beyond > 0.0 ? 1.0 + LIMIT_IMPACT * sqrt(beyond) * share : 1.0;
    return (double)quantity * (touch * worse) * 0.01 * (1.0 + taker) > equity ? -CAPITAL : quantity;
}

static __attribute__((noinline)) void enter(int64_t ts, quote q, int64_t now, int side, int c)
{
    int why = limits(ts);
    int64_t quantity = why < 0 ? entry_quantity(q, side, c) : -why;
    if (quantity > 0) send(ts, q, now, side, quantity, ENTRY);
    else refused[-quantity]++;
}

static inline int exit_reason(quote q, int64_t now, int side, double variance)
{
    double touch = side > 0 ? q.bid : -q.ask;
    if (touch <= stop_level) return STOP;
    if (LIMIT_TRAIL) {
        best = touch > best ? touch : best;
        if (!trailing) trailing = touch - side * entry_price >= trail_gain * entry_price;
        if (trailing && best - touch >= LIMIT_TRAIL_VOL * sqrt(variance) * fabs(best)) return TRAILING;
    }
    if (LIMIT_HOLD_TICKS > 0 && now - entry_index >= LIMIT_HOLD_TICKS) return TIME;
    return touch >= take_level ? TAKE_PROFIT : -1;
}

/* The first tick of eight hours: a day's equity is taken at its first, and a short pays for the time up to here. */
static __attribute__((noinline)) void begin_period(int64_t ts, quote before, int64_t now)
{
    if (ts / DAY_NS != (period_end - 1) / DAY_NS || period_end == 0) day_equity = equity;
    period_end = (ts / PERIOD_NS + 1) * PERIOD_NS;
    if (pending && arrival < ts) execute(arrival, before, now);
    pay_borrow(ts, before);
}

/* The account's part of tick `now`: what arrived since the quote before, then the direction and the set of votes c that
 * it comes from, or the exits under the variance of the returns. */
static inline __attribute__((always_inline)) void account_tick(int64_t now, quote before, quote q, int direction, int c,
                                                               double variance)
{
    int64_t ts = LIMIT_START_NS + now * LIMIT_DT_NS;
    if (ts >= period_end) begin_period(ts, before, now);
    if (pending && arrival < ts) execute(arrival, before, now);
    if (position == 0) {
        if (direction != 0 && !pending) enter(ts, q, now, direction, c);
        return;
    }
    mark(mid_of(q));
    if (pending) return;
    int side = position > 0 ? 1 : -1, reason = exit_reason(q, now, side, variance);
    if (reason >= 0) send(ts, q, now, -side, position > 0 ? position : -position, reason);
}

static void close_position(void)
{
    pending = 0;
    if (position == 0) return;
    order_id = orders++;
    order_side = position > 0 ? -1 : 1;
    order_quantity = position > 0 ? position : -position;
    order_reason = CLOSE;
    execute(LIMIT_START_NS + (ticks_done - 1) * LIMIT_DT_NS, last_quote(), ticks_done);
}

static void read_knots(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END)) exit(fprintf(stderr, "limit: cannot read %s\n", path) > 0);
    knot_count = ftell(f) / (long)sizeof *knots;
    knots = malloc((size_t)knot_count * sizeof *knots);
    rewind(f);
    if (!knots || fread(knots, sizeof *knots, (size_t)knot_count, f) != (size_t)knot_count) exit(1);
    fclose(f);
}

static void print(double seconds, const char *hex)
{
    printf("{\"ticks\": %lld, \"seconds\": %.6f, \"ticks_per_second\": %.0f, \"fills\": %llu, \"trades\": %llu, "
           "\"wins\": %llu, \"net_micro\": %lld, \"gross_micro\": %lld, \"max_drawdown\": %.17g, \"cusum\": %d, "
           "\"kyle_lambda\": %.17g, \"vpin\": %.17g, \"refused\": [", (long long)ticks_done, seconds,
           (double)ticks_done / seconds, (unsigned long long)fills, (unsigned long long)trades,
           (unsigned long long)wins, (long long)net, (long long)gross, worst, c_event, kyle.value, vpin_value);
    for (int i = 0; i <= LEDGER; i++) printf("%s%llu", i ? ", " : "", (unsigned long long)refused[i]);
    printf("], \"fills_sha256\": \"%s\"}\n", hex);
}

int main(int argc, char **argv)
{
    struct timespec begun, ended;
    char hex[65] = "";
    if (argc != 3 && argc != 4) exit(fprintf(stderr, "usage: limit KNOTS TICKS [FILLS]\n") > 0);
    const int64_t ticks = atoll(argv[2]);
    read_knots(argv[1]);
    if (ticks < 1 || knots[knot_count - 1].ts <= LIMIT_START_NS + (ticks - 1) * LIMIT_DT_NS)
        exit(fprintf(stderr, "limit: the knots end before the last tick\n") > 0);
    if (argc == 4 && !(fill_file = fopen(argv[3], "wb")))
        exit(fprintf(stderr, "limit: cannot write %s\n", argv[3]) > 0);
    open_market();
    open_trades();
    open_steps();
    open_formulas();
    open_vote();
    open_account();
    clock_gettime(CLOCK_MONOTONIC, &begun);
    while (ticks_done < ticks) take(ticks - ticks_done < BLOCK ? (int)(ticks - ticks_done) : BLOCK);
    close_position();
    sha_close(hex);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    if (fill_file) fclose(fill_file);
    print((double)(ended.tv_sec - begun.tv_sec) + 1e-9 * (double)(ended.tv_nsec - begun.tv_nsec), hex);
    return 0;
}

#endif
