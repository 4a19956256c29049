/* The yardstick of the core: the whole path of `hft` on the chaos market, written by hand for one configuration.
 *
 * bench/limit.py compiles it with the configuration as constants and compares its fills, byte for byte, with the
 * core's. It shares the core's random numbers, elementary functions, Lorenz step and money (csrc), so that equal
 * fills mean equal work; the market's assembly, the formulas, the vote, the sizing, the broker and the loop are its
 * own. It differs from the core in being column by column where the core goes tick by tick: everything up to the
 * vote knows nothing of the trades, so each stage takes a block of ticks, in loops that vectorise where there is no
 * recurrence and that keep the state in registers where there is one.
 *
 *     limit KNOTS TICKS        KNOTS: file of lt_knot from the chain clock
 *
 * Prints one JSON line. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lt_lorenz.h"
#include "lt_math.h"
#include "lt_money.h"
#include "lt_philox.h"
#include "lt_tick.h"
#include "lt_variates.h"

#ifndef LIMIT_SEED
#error "bench/limit.py compiles this file: it defines the configuration"
#endif

#define BLOCK 1024                       /* ticks a stage takes at a time: a multiple of SAMPLE */
#define SAMPLE 16                        /* ticks between two samples of the entry levels */
#define PAST 256                         /* values before the block that windows reach back to */
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
#define SECOND_NS 1000000000
#define VOTERS 7
#define CODES 2187                       /* 3^VOTERS */
#define SETS 128
#define ALIGNED __attribute__((aligned(64)))
#define STAGE static __attribute__((noinline)) void

_Static_assert(WINDOW <= PAST && LEVEL_WINDOW < PAST, "windows fit the past that is kept");
_Static_assert(BLOCK % SAMPLE == 0, "samples fall on the same places of every block");

enum { OFI, Z, DRIFT, LEVEL, MICRO, FLOW, DEVIATION };
enum { ALL_ABSTAIN = 1 + 3 + 9 + 27 + 81 + 243 + 729 };

typedef double column[PAST + BLOCK + PAD] ALIGNED;     /* [PAST] is the first tick of the block */
typedef double wide[BLOCK + PAD] ALIGNED;

static int64_t ticks_done;               /* ticks before this block */

/* Market */

static double noise_table[NOISE], spread_table[QUANTILES], size_table[QUANTILES], trade_table[QUANTILES];
static uint64_t words[4][BLOCK + PAD] ALIGNED;
static wide z0, z1, uniform, exponent, tilt, true_price;
static column bid, ask, bid_size, ask_size, mid;
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

/* High word of a 64-bit product in 32-bit parts: the form that vectorises. */
static inline uint64_t mulhi(uint64_t a, uint64_t b)
{
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t t = a1 * b0 + ((a0 * b0) >> 32), m = a0 * b1 + (uint32_t)t;
    return a1 * b1 + (t >> 32) + (m >> 32);
}

STAGE draw_words(int n)
{
    const uint64_t first = (uint64_t)ticks_done;
    for (int i = 0; i < n; i++) {
        uint64_t x0 = first + (uint64_t)i, x1 = 0, x2 = 0, x3 = 0, seed = LIMIT_SEED, stream = 1;
#pragma GCC unroll 10
        for (int round = 0; round < 10; round++) {
            uint64_t h0 = mulhi(x0, 0xD2E7470EE14C6C93u), l0 = x0 * 0xD2E7470EE14C6C93u;
            uint64_t h1 = mulhi(x2, 0xCA5A826395121157u), l1 = x2 * 0xCA5A826395121157u;
            x0 = h1 ^ x1 ^ seed;
            x1 = l1;
            x2 = h0 ^ x3 ^ stream;
            x3 = l0;
            seed += 0x9E3779B97F4A7C15u;
            stream += 0xBB67AE8584CAA73Bu;
        }
        words[0][i] = x0;
        words[1][i] = x1;
        words[2][i] = x2;
        words[3][i] = x3;
    }
}

/* The two diffusions and the flow of trades: recurrences that hide each other's latency. */
STAGE draw_paths(int n)
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

STAGE draw_quotes(int n)
{
    const double spread = LIMIT_SPREAD_BPS * 1e-4;
    for (int k = 0; k < n;) k = draw_stretch(k, n);
    for (int k = 0; k < n; k++) {
        uint64_t w = words[3][k];
        double price = lt_exp_bounded(exponent[k]) * true_price[k];
        double half = price * spread * spread_table[(w >> 38) & (QUANTILES - 1)];
        half = 0.5 * (half > 0.01 ? half : 0.01);
        double t = 0.5 - 1.0 / (lt_exp_bounded(tilt[k]) + 1.0), b = price - half, a = price + half;
        bid[PAST + k] = b;
        ask[PAST + k] = a;
        mid[PAST + k] = 0.5 * b + 0.5 * a;
        bid_size[PAST + k] = size_table[(w >> 26) & (QUANTILES - 1)] * (1.0 + t);
        ask_size[PAST + k] = size_table[(w >> 14) & (QUANTILES - 1)] * (1.0 - t);
    }
    for (int i = 1; i <= trade_count; i++) {
        int k = trade_tick[i];
        trade_price[i] = trade_side[i] > 0 ? ask[PAST + k] : bid[PAST + k];
        trade_volume[i] = trade_table[(words[3][k] >> 2) & (QUANTILES - 1)];
    }
}

/* Every tick of this market is good; the path looks all the same. */
STAGE validate(int n)
{
    const uint64_t low = 0x3d719799812dea11u, high = 0x430c6bf526340000u;
    uint64_t bad = 0;
    for (int k = PAST; k < PAST + n; k++)
        bad |= lt_outside(bid[k], low, high) | lt_outside(ask[k], low, high) | lt_outside(bid_size[k], 0, high)
             | lt_outside(ask_size[k], 0, high) | (uint64_t)!(bid[k] < ask[k]);
    for (int i = 1; i <= trade_count; i++)
        bad |= lt_outside(trade_price[i], low, high) | lt_outside(trade_volume[i], 0, high);
    if (bad) {
        fprintf(stderr, "limit: a bad tick in the block from %lld on\n", (long long)ticks_done);
        exit(1);
    }
}

/* Formulas. First what needs no state: returns, flow of the quote, weighted mid, and what windows gain and lose. */

static column ret, flow_e;
static wide ofi_gain, ofi_gain2, level_gain0, level_gain1, square, weighted, spread_usd;

STAGE form_inputs(int n)
{
    const uint64_t limit = lt_bits(0.17);
    const int from = ticks_done == 0;
    uint64_t odd = 0;
    for (int k = PAST + from; k < PAST + n; k++) {
        double s = (mid[k] - mid[k - 1]) / (mid[k] + mid[k - 1]);
        ret[k] = lt_two_atanh(s);
        odd |= ((limit - lt_bits(fabs(s))) >> 63) | (uint64_t)(s == 0.0);
    }
    if (odd) {
        fprintf(stderr, "limit: a price stands still or jumps in the block from %lld on\n", (long long)ticks_done);
        exit(1);
    }
    for (int k = PAST + from; k < PAST + n; k++) {
        double b = bid[k], a = ask[k], b0 = bid[k - 1], a0 = ask[k - 1];
        double e = (b >= b0 ? bid_size[k] : 0.0) - (b <= b0 ? bid_size[k - 1] : 0.0);
        flow_e[k] = e + ((a >= a0 ? ask_size[k - 1] : 0.0) - (a <= a0 ? ask_size[k] : 0.0));
    }
    for (int k = 0; k < n; k++) {
        double b = bid[PAST + k], a = ask[PAST + k], p = bid_size[PAST + k], q = ask_size[PAST + k];
        weighted[k] = (b * q + a * p) / (p + q);
        spread_usd[k] = a - b;
    }
    for (int k = 0; k < n; k++) {
        double e = flow_e[PAST + k], old = flow_e[PAST + k - WINDOW];
        ofi_gain[k] = e - old;
        ofi_gain2[k] = e * e - old * old;
        double r = ret[PAST + k], r0 = ret[PAST + k - LEVEL_WINDOW];
        square[k] = r * r;
        level_gain0[k] = r * r - r0 * r0;
        level_gain1[k] = r * ret[PAST + k - 1] - r0 * ret[PAST + k - LEVEL_WINDOW + 1];
    }
}

/* Then the windows: a sum of squares that takes a^2 and drops b^2 is off by at most EPS/2 (2 max(a^2, b^2) + s) more
 * at each update, and a^2 is in the sum s after it, b^2 in the one before: so by 3/2 EPS times the largest sum it has
 * been through; sums of products with a lag are bounded by the same. All start afresh at every block, and where a
 * block's bound passes TOL, at every half of it. */

static wide ofi_total, ofi_squares, z_gap, z_mean, z_m2, level_g0, level_g1, level_r, level_q;

static void level_exact(const double *r, double *g0, double *g1)
{
    double s0 = 0.0, s1 = 0.0;
    for (int i = 1; i < LEVEL_WINDOW; i++) {
        s0 += r[i] * r[i];
        s1 += r[i] * r[i - 1];
    }
    *g0 = s0 + r[0] * r[0];
    *g1 = s1;
}

static void moments_exact(const double *x, double anchor, double *total, double *squares)
{
    double s = 0.0, s2 = 0.0;
    for (int i = 0; i < WINDOW; i++) {
        double a = x[i] - anchor;
        s += a;
        s2 += a * a;
    }
    *total = s;
    *squares = s2;
}

/* Whether `updates` sums like these stay within the tolerance of `share` of the least of them. */
static int close_enough(const double *s, int updates, double share)
{
    uint64_t least = UINT64_MAX, most = 0;               /* positive numbers order like their bits */
    for (int i = 0; i < updates; i++) {
        uint64_t u = lt_bits(s[i]);
        least = u < least ? u : least;
        most = u > most ? u : most;
    }
    return 1.5 * (updates + 1) * EPS * lt_from_bits(most) <= TOL * share * lt_from_bits(least);
}

STAGE roll(int from, int n)
{
    const double *x = &mid[PAST + from - WINDOW], anchor = x[WINDOW - 1];
    double e, e2, z, zz, g0, g1;
    moments_exact(&flow_e[PAST + from - WINDOW], 0.0, &e, &e2);
    moments_exact(x, anchor, &z, &zz);
    level_exact(&ret[PAST + from - LEVEL_WINDOW], &g0, &g1);
    for (int k = from; k < n; k++) {
        double in = mid[PAST + k] - anchor, out = mid[PAST + k - WINDOW] - anchor;
        z_gap[k] = in - out;
        z_m2[k] = in * in - out * out;
    }
    for (int k = from; k < n; k++) {
        e += ofi_gain[k];
        e2 += ofi_gain2[k];
        z += z_gap[k];
        zz += z_m2[k];
        g0 += level_gain0[k];
        g1 += level_gain1[k];
        ofi_total[k] = e;
        ofi_squares[k] = e2;
        z_mean[k] = z;
        z_m2[k] = zz;
        level_g0[k] = g0;
        level_g1[k] = g1;
    }
    int fine = close_enough(ofi_squares + from, n - from, 1.0) && close_enough(level_g0 + from, n - from, 0.01);
    uint64_t worst = 0;
    for (int k = from; k < n; k++) {
        double squares = z_m2[k], mean = z_mean[k] * (1.0 / WINDOW), m2 = squares - z_mean[k] * mean;
        worst |= lt_bits(TOL * m2 - 1.5 * (BLOCK + 1) * EPS * squares);
        z_gap[k] = mid[PAST + k] - anchor - mean;
        z_mean[k] = anchor + mean;
        z_m2[k] = m2;
    }
    if ((fine && !(worst >> 63)) || n - from <= 1) return;
    roll(from, (from + n) / 2);
    roll((from + n) / 2, n);
}

/* The first block, where windows fill: every one on its own. */
static void roll_first(int n)
{
    for (int k = 0; k < n; k++) {
        if (k >= WINDOW) moments_exact(&flow_e[PAST + k - WINDOW + 1], 0.0, &ofi_total[k], &ofi_squares[k]);
        if (k >= LEVEL_WINDOW) level_exact(&ret[PAST + k - LEVEL_WINDOW + 1], &level_g0[k], &level_g1[k]);
        if (k < WINDOW - 1) continue;
        double total, squares, x = mid[PAST + k];
        moments_exact(&mid[PAST + k - WINDOW + 1], x, &total, &squares);
        z_gap[k] = -total * (1.0 / WINDOW);
        z_mean[k] = x - z_gap[k];
        z_m2[k] = squares - total * total * (1.0 / WINDOW);
    }
}

/* Noise variances of 201 from the autocovariances. */
STAGE level_noise(int n)
{
    for (int k = 0; k < n; k++) {
        double g0 = level_g0[k] * (1.0 / LEVEL_WINDOW), g1 = level_g1[k] * (1.0 / LEVEL_WINDOW), low = 0.01 * g0;
        double r = -g1 > low ? -g1 : low, q;
        r = r < 0.5 * g0 ? r : 0.5 * g0;
        q = g0 - 2.0 * r;
        level_r[k] = r;
        level_q[k] = q > low ? q : low;
    }
}

/* The filters and averages that see every return. */

static wide drift_a, drift_sum2, drift_p, innovation, level_f, vol, trend_gap, smooth;
static double d_a, d_p, d_f, d_gain, d_inverse, d_squares, d_recent;
static double l_residual, l_p, v_now, t_fast, t_slow, m_now;
static double c_up, c_down, c_crossed;
static int c_event;

static void drift_first(int k)                         /* return number k of the run, from 1 on */
{
    double r = ret[PAST + k];
    if (k == 1) {
        d_a = r;
        d_p = 1.0;
    } else {
        double f = d_p + 0.001 + 1.0, nu = r - d_a;
        if (f != d_f) {
            d_f = f;
            d_gain = (d_p + 0.001) / f;
            d_inverse = 1.0 / f;
        }
        d_a += d_gain * nu;
        d_p = d_gain;
        d_recent += nu * nu * d_inverse;
        if ((k & 1023) == 0) {
            d_squares += d_recent;
            d_recent = 0.0;
        }
    }
    drift_a[k] = k >= 50 ? d_a : 0.0;
    drift_sum2[k] = d_squares + d_recent;
    drift_p[k] = d_p;
}

static void cusum_push(double r, double variance)
{
    double h2 = 9.0 * variance, up = c_up + r, down = c_down + r;
    up = up > 0.0 ? up : 0.0;
    down = down < 0.0 ? down : 0.0;
    int fell = (variance > 0.0) & (down * down > h2), rose = !fell & (variance > 0.0) & (up * up > h2);
    c_crossed = fell ? down : rose ? up : c_crossed;
    c_event = rose - fell;
    c_down = fell ? 0.0 : down;
    c_up = rose ? 0.0 : up;
}

static void trend_push(int k, double x)
{
    t_fast += 2.0 / 21.0 * (x - t_fast);
    t_slow += 2.0 / 51.0 * (x - t_slow);
    trend_gap[k] = t_fast - t_slow;
}

static double micro_alpha, flow_alpha, volume_alpha;

/* The first block: every formula before it is ready. */
static void filter_first(int n)
{
    t_fast = t_slow = mid[PAST];
    m_now = weighted[0];
    smooth[0] = m_now;
    vol[0] = 0.0;
    for (int k = 1; k < n; k++) {
        double r = ret[PAST + k];
        cusum_push(r, k > 1 ? v_now : NAN);
        v_now = k > 1 ? v_now + 0.06 * (square[k] - v_now) : square[k];
        vol[k] = v_now;
        trend_push(k, mid[PAST + k]);
        if (k + 1 < 50) trend_gap[k] = 0.0;
        drift_first(k);
        m_now += micro_alpha * (weighted[k] - m_now);
        smooth[k] = m_now;
        if (k < LEVEL_WINDOW) continue;
        if (k == LEVEL_WINDOW) {
            l_p = level_r[k];
            level_f[k] = innovation[k] = 0.0;
            continue;
        }
        double before = l_p + level_q[k], f = before + level_r[k], inverse = 1.0 / f;
        innovation[k] = l_residual + r;
        level_f[k] = f;
        l_residual = innovation[k] * (level_r[k] * inverse);
        l_p = before * inverse * level_r[k];
    }
}

STAGE filter(int n)
{
    double a = d_a, recent = d_recent, squares = d_squares, gain = d_gain, inverse_f = d_inverse;
    double residual = l_residual, p = l_p, v = v_now, m = m_now, fast = t_fast, slow = t_slow;
    double up = c_up, down = c_down, crossed = c_crossed;
    int event = 0;
    const double keep_m = micro_alpha;
    for (int k = 0; k < n; k++) {
        double r = ret[PAST + k], x = mid[PAST + k];
        /* 201 */
        double noise = level_r[k], f = p + (level_q[k] + noise), inverse = 1.0 / f, nu = residual + r;
        innovation[k] = nu;
        level_f[k] = f;
        residual = nu * (noise * inverse);
        p = (p + level_q[k]) * noise * inverse;
        /* 41 */
        double e = r - a;
        a += gain * e;
        recent += e * e * inverse_f;
        if (__builtin_expect(((ticks_done + k) & 1023) == 0, 0)) {
            squares += recent;
            recent = 0.0;
        }
        drift_a[k] = a;
        drift_sum2[k] = squares + recent;
        /* 218 before the volatility, trend strength after it */
        double h2 = 9.0 * v, u = up + r, d = down + r;
        u = u > 0.0 ? u : 0.0;
        d = d < 0.0 ? d : 0.0;
        int fell = d * d > h2, rose = !fell & (u * u > h2);
        crossed = fell ? d : rose ? u : crossed;
        event = rose - fell;
        down = fell ? 0.0 : d;
        up = rose ? 0.0 : u;
        v += 0.06 * (square[k] - v);
        vol[k] = v;
        fast += 2.0 / 21.0 * (x - fast);
        slow += 2.0 / 51.0 * (x - slow);
        trend_gap[k] = fast - slow;
        m += keep_m * (weighted[k] - m);
        smooth[k] = m;
    }
    d_a = a, d_recent = recent, d_squares = squares;
    l_residual = residual, l_p = p, v_now = v, m_now = m, t_fast = fast, t_slow = slow;
    c_up = up, c_down = down, c_crossed = crossed, c_event = event;
}

/* The formulas of the trades: flow momentum, VPIN, Kyle's lambda. */

static double flow_signed[BLOCK + 1 + PAD], flow_total[BLOCK + 1 + PAD];
static uint8_t vpin_open[BLOCK + 1 + PAD];             /* the gate lets through, after each trade */
static int flow_ready, flow_ready_before, vpin_passes = 1, past_count;
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

STAGE take_trades(void)
{
    double s = flow_signed[0], t = flow_total[0];
    for (int i = 1; i <= trade_count; i++) {
        double volume = trade_volume[i], q = trade_side[i] * volume, share = 0.5 + 0.5 * trade_side[i];
        if (kyle.last > 0.0) kyle_push(q, trade_price[i] - kyle.last);
        kyle.last = trade_price[i];
        if (vpin_fill + volume < 1.0 * (1.0 - 1e-12)) {
            vpin_fill += volume;
            vpin_buy += share * volume;
        } else {
            vpin_split(volume, share);
        }
        vpin_open[i] = vpin_buckets < 50 || vpin_passes;
        s = flow_ready ? s + flow_alpha * (q - s) : q;
        t = flow_ready ? t + volume_alpha * (volume - t) : volume;
        flow_ready = 1;
        flow_signed[i] = s;
        flow_total[i] = t;
    }
}

/* Entry levels: seven quantiles that follow |value| at every SAMPLE-th tick. */

#define SAMPLES (BLOCK / SAMPLE)
/* At sample s voter v exceeds its level x where left > x^power * right * far. */
static double left[SAMPLES][8] ALIGNED, right[SAMPLES][8] ALIGNED, far[SAMPLES][8] ALIGNED;
static double entry[SAMPLES + 1][8] ALIGNED;           /* [s] before sample s of the block */
static double level_least[8] ALIGNED;
static double dev_high[SAMPLES + 1], dev_low[SAMPLES + 1];
static double step_up, step_down;

static void open_levels(void)
{
    static const double start[8] = {1.5, 2.0, 1.0, 2.0, 0.1, 0.2, 0.02, 1.0};
    double step = (1.0 - lt_exp(-LN2 / (4096.0 / SAMPLE))) / 0.33923;
    for (int v = 0; v < 8; v++) {
        entry[0][v] = start[v];
        level_least[v] = 0.01 * start[v];
    }
    for (int s = 0; s < SAMPLES; s++)
        for (int v = 0; v < 8; v++) far[s][v] = 1.0;
    step_up = 1.0 + 0.9 * step;
    step_down = 1.0 - 0.1 * step;
    dev_high[0] = lt_exp(entry[0][DEVIATION]);
    dev_low[0] = 1.0 / dev_high[0];
    micro_alpha = 1.0 - lt_exp(-LN2 / 8.0);
    flow_alpha = 1.0 - lt_exp(-LN2 / 20.0);
    volume_alpha = 1.0 - lt_exp(-LN2 / 200.0);
}

/* The least number above x >= 0: turns "at least" into "more than". */
static inline double above(double x)
{
    return lt_from_bits(lt_bits(x) + 1);
}

STAGE measure(int samples)
{
    for (int s = 0; s < samples; s++) {
        int k = s * SAMPLE;
        double n = (double)(ticks_done + k - 1), sum2 = drift_sum2[k], a = drift_a[k], m = z_mean[k], d = z_gap[k];
        double v = z_m2[k] * (1.0 / WINDOW);
        v = v > 1e-24 * m * m ? v : 0.0;
        d = v > 0.0 ? d : 0.0;
        left[s][OFI] = ofi_total[k] * ofi_total[k];
        left[s][Z] = d != 0.0 ? above(d * d) : -1.0;
        left[s][DRIFT] = (sum2 > 1e-24 * n) & (a != 0.0) ? above(a * a * n) : -1.0;
        left[s][LEVEL] = innovation[k] * innovation[k];
        left[s][MICRO] = fabs(weighted[k] - smooth[k]);
        left[s][DEVIATION] = fabs(lt_log_normal(mid[PAST + k] / true_price[k]));
        right[s][OFI] = ofi_squares[k];
        right[s][Z] = v;
        right[s][DRIFT] = sum2;
        right[s][LEVEL] = level_f[k];
        right[s][MICRO] = spread_usd[k];
        right[s][DEVIATION] = 1.0;
        far[s][DRIFT] = drift_p[k];
    }
    for (int s = 0; s < samples; s++) {
        int i = trades_until[s * SAMPLE];
        left[s][FLOW] = fabs(flow_signed[i]);
        right[s][FLOW] = flow_total[i];
    }
}

/* Whether the deviation of sample s is beyond its level: to the bit, where the logarithm is too close to tell. */
static __attribute__((noinline)) int deviates(int s, double level)
{
    double high = lt_exp_bounded(level), low = 1.0 / high, x = mid[PAST + s * SAMPLE], truth = true_price[s * SAMPLE];
    return x < truth * low || x > truth * high;
}

/* Samples from `from` on of the voters that are ready. */
STAGE adapt(int samples, const int *ready)
{
    double now[8] ALIGNED;
    memcpy(now, entry[0], sizeof now);
    for (int s = 0; s < samples; s++) {
        if (__builtin_expect(fabs(left[s][DEVIATION] - now[DEVIATION]) < 1e-12, 0))
            left[s][DEVIATION] = deviates(s, now[DEVIATION]) ? 1.0 : -1.0;
        for (int v = 0; v < 8; v++) {
            double x = now[v], power = v <= LEVEL ? x * x : x;
            x *= left[s][v] > power * right[s][v] * far[s][v] ? step_up : step_down;
            x = x > level_least[v] ? x : level_least[v];
            now[v] = s >= ready[v] ? x : now[v];
            entry[s + 1][v] = now[v];
        }
    }
    for (int s = 1; s <= samples; s++) {
        dev_high[s] = lt_exp_bounded(entry[s][DEVIATION]);
        dev_low[s] = 1.0 / dev_high[s];
    }
}

/* Signals: the place of the vote among 3^7 sets, all but the z-score's, which remembers. */

static int32_t code[BLOCK + PAD] ALIGNED;
static int32_t z_flags[BLOCK + PAD] ALIGNED;           /* 1 above the mean, 2 below, 4 beyond the entry level */
static int8_t trend_side[BLOCK + PAD] ALIGNED;
static int32_t flow_code[BLOCK + 1 + PAD];

static inline void signal_group(int from, int count, const double *level, double high, double low)
{
    const double ofi2 = level[OFI] * level[OFI], z2 = level[Z] * level[Z], drift2 = level[DRIFT] * level[DRIFT];
    const double level2 = level[LEVEL] * level[LEVEL], micro = level[MICRO];
    const double tick = (double)(ticks_done - 1);
    for (int i = 0; i < count; i++) {
        int k = from + i;
        double t = ofi_total[k], a = drift_a[k], s = drift_sum2[k], n = tick + (double)k, nu = innovation[k];
        double c = ALL_ABSTAIN - 3, w = weighted[k] - smooth[k], edge = micro * spread_usd[k];
        double x = mid[PAST + k], truth = true_price[k];
        double votes = t * t > ofi2 * ofi_squares[k] ? 1.0 : 0.0;
        c += t < 0.0 ? -votes : votes;
        votes = (a * a * n >= drift2 * s * drift_p[k]) & (s > 1e-24 * n) & (a != 0.0) ? 9.0 : 0.0;
        c += a < 0.0 ? -votes : votes;
        votes = nu * nu > level2 * level_f[k] ? 27.0 : 0.0;
        votes = level_r[k] > level_q[k] ? -votes : votes;
        c += nu < 0.0 ? -votes : votes;
        c += w > edge ? 81.0 : 0.0;
        c -= w < -edge ? 81.0 : 0.0;
        c += x < truth * low ? 729.0 : 0.0;
        c -= x > truth * high ? 729.0 : 0.0;
        code[k] = (int32_t)c;
    }
    for (int i = 0; i < count; i++) {
        int k = from + i;
        double m = z_mean[k], v = z_m2[k] * (1.0 / WINDOW), d = z_gap[k];
        v = v > 1e-24 * m * m ? v : 0.0;
        d = v > 0.0 ? d : 0.0;
        double f = (d > 0.0 ? 1.0 : 0.0) + (d < 0.0 ? 2.0 : 0.0) + (d * d >= z2 * v ? 4.0 : 0.0);
        z_flags[k] = (int32_t)f;
    }
}

STAGE signals(int n)
{
    signal_group(0, 1, entry[0], dev_high[0], dev_low[0]);
    for (int s = 0; s * SAMPLE + 1 < n; s++)
        signal_group(s * SAMPLE + 1, SAMPLE, entry[s + 1], dev_high[s + 1], dev_low[s + 1]);
    for (int k = 0; k < n; k++) {
        double d = trend_gap[k], x = mid[PAST + k];
        int strong = (vol[k] > 1e-24) & (d * d > 4.0 * x * x * vol[k]);
        trend_side[k] = (int8_t)(strong ? (d < 0.0 ? -1 : 1) : 0);
    }
    for (int i = 1; i <= trade_count; i++) {
        double edge = entry[(trade_tick[i] + SAMPLE - 1) / SAMPLE][FLOW] * flow_total[i];
        flow_code[i] = 243 * ((flow_signed[i] > edge) - (flow_signed[i] < -edge));
    }
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
        /* pivots q of the shifted matrix, and the sums of 1/(eigenvalue - x) and of its square from their derivatives */
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
    vpin_open[0] = 1;
}

static int8_t direction[BLOCK + PAD] ALIGNED;

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

/* Directions of the ticks up to the next refresh, which the first of them may be; where they end. */
static __attribute__((noinline)) int vote(int from, int n)
{
    int state = z_state, score_at = (int)(next_score - ticks_done), k = from;
    const int refresh = next_refresh == ticks_done + from;
    const int64_t until = next_refresh + (refresh ? LIMIT_REFRESH : 0) - ticks_done;
    n = until < n ? (int)until : n;
    for (; k < n; k++) {
        state = z_next[state][z_flags[k]];
        int t = trades_until[k], c = code[k] + z_code[state] + flow_code[t];
        code[k] = c;
        if (k == score_at) {
            score(c, mid[PAST + k]);
            score_at += LIMIT_H;
        }
        if (refresh && k == from) jury_refresh();
        if (jury.code_seen[c] != jury.generation) decide(c);
        int to = jury.direction[c];
        if (to != 0 && ((LIMIT_GATE_TREND && trend_side[k] == -to) || (LIMIT_GATE_VPIN && !vpin_open[t]))) to = 0;
        direction[k] = (int8_t)to;
    }
    z_state = state;
    next_score = ticks_done + score_at;
    if (refresh) next_refresh += LIMIT_REFRESH;
    return n;
}

/* SHA-256 (FIPS 180-4) */

static struct { uint32_t h[8]; uint64_t length; uint8_t tail[64]; } sha;
static uint32_t sha_key[64];

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
enum { HALTED, DRAWDOWN, DAILY_LOSS, STALE, LOCKED, RATE, NO_EDGE, REALISED, TOO_SMALL, MAX_POSITION, CAPITAL, SIZE };
enum { REALISED_WINDOW = 100, REALISED_MIN = 100 };

static const double taker = LIMIT_TAKER_BPS * 1e-4, take_profit = LIMIT_TAKE_PROFIT_BPS * 1e-4;
static const double stop = LIMIT_STOP_BPS * 1e-4, trail_gain = LIMIT_TRAIL_ACTIVATE_BPS * 1e-4;
static int64_t cash = LIMIT_CAPITAL_MICRO, position, fees, open_cash, open_notional, net, gross, open_fees;
static uint64_t fills, orders, trades, wins, refused[12];
static FILE *fill_file;
static double entry_price;
static int pending, order_side, order_reason;
static int64_t arrival, order_quantity, order_times[LIMIT_ORDERS_PER_S];
static uint64_t order_id;
static double equity, day_equity, peak, trough, worst, brake_level, release_level;
static int braked, trailing;
static int64_t day_end, entry_index;
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

static void book(lt_fill *f)
{
    int64_t notional = lt_notional(f->price, f->quantity);
    f->fee = lt_fee(notional, LIMIT_FEE_PPB);
    f->id = fills++;
    if (position == 0) open_cash = cash, open_fees = fees, open_notional = 0, entry_price = f->price;
    if (position * f->side >= 0) open_notional += notional;
    cash -= f->side * notional + f->fee;
    position += f->side * f->quantity;
    fees += f->fee;
    if (position == 0) {
        int64_t won = cash - open_cash;
        trades++;
        wins += won > 0;
        net += won;
        gross += won + (fees - open_fees);
        realise((double)won / (double)open_notional);
    }
    sha_update(f, sizeof *f);
    if (fill_file) fwrite(f, sizeof *f, 1, fill_file);
}

/* Fills the order at the quote of place k in the block, -1 the last of the block before; `now` is the tick it is. */
static void execute(int64_t ts, int k, int64_t now)
{
    int opens = position == 0;
    double shown = (order_side > 0 ? ask_size[PAST + k] : bid_size[PAST + k]) * 1e8 + 1e-6;
    int64_t quantity = order_reason != CLOSE && shown < (double)order_quantity ? (int64_t)shown : order_quantity;
    pending = 0;
    refused[SIZE] += quantity < order_quantity;
    if (quantity == 0) return;
    lt_fill f = {.ts = ts, .order_id = order_id, .price = order_side > 0 ? ask[PAST + k] : bid[PAST + k],
                 .quantity = quantity, .side = (int8_t)order_side, .reason = (uint8_t)order_reason};
    book(&f);
    if (opens) {
        int side = position > 0 ? 1 : -1;
        entry_index = now;
        take_level = side * entry_price * (1.0 + side * take_profit);
        stop_level = side * entry_price * (1.0 - side * stop);
        best = side * entry_price;
        trailing = 0;
    }
    mark(mid[PAST + k]);
}

static void send(int64_t ts, int k, int side, int64_t quantity, int reason)
{
    order_times[orders % LIMIT_ORDERS_PER_S] = ts;
    order_id = orders++;
    pending = 1;
    arrival = ts + LIMIT_LATENCY_NS;
    order_side = side, order_quantity = quantity, order_reason = reason;
    if (LIMIT_LATENCY_NS == 0) execute(ts, k, ticks_done + k);
}

static int limits(int64_t ts)
{
    if (braked) return DRAWDOWN;
    if (equity <= day_equity * (1.0 - LIMIT_DAILY_LOSS)) return DAILY_LOSS;
    if (orders >= LIMIT_ORDERS_PER_S && ts - order_times[orders % LIMIT_ORDERS_PER_S] < SECOND_NS) return RATE;
    return -1;
}

/* The share of the equity to trade, or the refusal as a negative number. */
static double size(int k)
{
    const int c = code[k];
    const double costs = (ask[PAST + k] - bid[PAST + k]) / mid[PAST + k] + 2.0 * taker;
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

static void enter(int64_t ts, int k, int side)
{
    const double touch = side > 0 ? ask[PAST + k] : bid[PAST + k];
    int64_t quantity = 0;
    int why = limits(ts);
    if (why < 0) {
        double f = size(k), spend = f * equity * 100.0 / (touch * (1.0 + taker));
        if (f <= 0.0) why = (int)-f;
        else quantity = spend < (double)LIMIT_MAX_POSITION ? (int64_t)spend : LIMIT_MAX_POSITION + 1;
    }
    if (why < 0) {
        if (quantity < 1) why = TOO_SMALL;
        else if (quantity > LIMIT_MAX_POSITION) why = MAX_POSITION;
        else if ((double)quantity * touch * 0.01 * (1.0 + taker) > equity) why = CAPITAL;
    }
    if (why < 0) send(ts, k, side, quantity, ENTRY);
    else refused[why]++;
}

static int exit_reason(int k, int side)
{
    double touch = side > 0 ? bid[PAST + k] : -ask[PAST + k];
    if (touch <= stop_level) return STOP;
    if (LIMIT_TRAIL) {
        best = touch > best ? touch : best;
        if (!trailing) trailing = touch - side * entry_price >= trail_gain * entry_price;
        if (trailing && best - touch >= LIMIT_TRAIL_VOL * sqrt(vol[k]) * fabs(best)) return TRAILING;
    }
    if (LIMIT_HOLD_TICKS > 0 && ticks_done + k - entry_index >= LIMIT_HOLD_TICKS) return TIME;
    return touch >= take_level ? TAKE_PROFIT : -1;
}

/* While flat and without an order on its way nothing happens until the next direction. */
static int next_direction(int k, int n)
{
    uint64_t eight;
    for (; k + 8 <= n; k += 8) {
        memcpy(&eight, direction + k, 8);
        if (eight) return k + (__builtin_ctzll(eight) >> 3);
    }
    while (k < n && direction[k] == 0) k++;
    return k;
}

static __attribute__((noinline)) void trade(int k, int n)
{
    for (;; k++) {
        if (position == 0 && !pending) k = next_direction(k, n);
        if (k >= n) return;
        int64_t ts = LIMIT_START_NS + (ticks_done + k) * LIMIT_DT_NS;
        if (ts >= day_end) {
            day_end = (ts / DAY_NS + 1) * DAY_NS;
            day_equity = equity;
        }
        if (pending && arrival < ts) execute(arrival, k - 1, ticks_done + k);
        if (position == 0) {
            if (direction[k] != 0 && !pending) enter(ts, k, direction[k]);
            continue;
        }
        mark(mid[PAST + k]);
        if (pending) continue;
        int side = position > 0 ? 1 : -1, reason = exit_reason(k, side);
        if (reason >= 0) send(ts, k, -side, position > 0 ? position : -position, reason);
    }
}

static void first_block(int n)
{
    roll_first(n);
    level_noise(n);
    filter_first(n);
    if (n == BLOCK && (d_p != d_gain || d_p + 0.001 + 1.0 != d_f)) {
        fprintf(stderr, "limit: the gain of 41 has not settled in the first block\n");
        exit(1);
    }
}

/* The sample of this block from which each level moves: none before its formula is ready. */
static const int *first_sample(void)
{
    static int ready[8];
    const int tick[8] = {WINDOW, WINDOW - 1, 50, LEVEL_WINDOW + 1, 0, 0, 0, 0};
    for (int v = 0; v < 8; v++) ready[v] = ticks_done > 0 ? 0 : (tick[v] + SAMPLE - 1) / SAMPLE;
    /* before the first trade */
    for (int k = 0; !flow_ready_before && k < BLOCK && trades_until[k] == 0; k += SAMPLE) ready[FLOW] = k / SAMPLE + 1;
    flow_ready_before |= flow_ready;
    return ready;
}

static void keep_past(int n)
{
    double *const columns[] = {bid, ask, bid_size, ask_size, mid, ret, flow_e};
    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++)
        memmove(columns[c], columns[c] + n, PAST * sizeof(double));
    flow_signed[0] = flow_signed[trade_count];
    flow_total[0] = flow_total[trade_count];
    vpin_open[0] = vpin_open[trade_count];
    flow_code[0] = flow_code[trade_count];
    int samples = (n + SAMPLE - 1) / SAMPLE;
    memcpy(entry[0], entry[samples], sizeof entry[0]);
    dev_high[0] = dev_high[samples];
    dev_low[0] = dev_low[samples];
}

#ifdef LIMIT_STAGES                      /* median cycles of the time stamp counter a tick, by stage, on stderr */
#include <x86intrin.h>
static uint32_t stage_cycles[20][1 << 16];
static const char *stage_name[20];
#define DO(i, call) \
    do { \
        uint64_t t = __rdtsc(); \
        call; \
        stage_cycles[i][(ticks_done / BLOCK) & 65535] += (uint32_t)(__rdtsc() - t); \
        stage_name[i] = #call; \
    } while (0)

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print_stages(void)
{
    size_t blocks = (size_t)(ticks_done / BLOCK < 65536 ? ticks_done / BLOCK : 65536);
    for (int i = 0; i < 20; i++) {
        if (!stage_name[i] || blocks == 0) continue;
        qsort(stage_cycles[i], blocks, sizeof(uint32_t), ascending);
        fprintf(stderr, "%6.2f %s\n", (double)stage_cycles[i][blocks / 2] / BLOCK, stage_name[i]);
    }
}

#else
#define DO(i, call) call
#endif

static void take(int n)
{
    const int samples = (n + SAMPLE - 1) / SAMPLE;
    DO(0, draw_words(n));
    DO(1, lt_normal_block((size_t)n, words[0], words[1], z0, z1));
    DO(2, lt_uniform_block((size_t)n, words[2], uniform));
    DO(3, draw_paths(n));
    DO(4, draw_quotes(n));
    DO(5, validate(n));
    DO(6, form_inputs(n));
    if (ticks_done == 0) {
        first_block(n);
    } else {
        DO(7, roll(0, n));
        DO(10, level_noise(n));
        DO(11, filter(n));
    }
    DO(12, take_trades());
    DO(13, measure(samples));
    DO(14, adapt(samples, first_sample()));
    DO(15, signals(n));
    for (int k = 0, end; k < n; k = end) {
        DO(16, end = vote(k, n));
        DO(17, trade(k, end));
    }
    if (ticks_done == 0 && n == BLOCK)
        for (int k = 0; k < BLOCK; k++) drift_p[k] = d_p;
    keep_past(n);
    ticks_done += n;
}

static void close_position(void)
{
    pending = 0;
    if (position == 0) return;
    order_id = orders++;
    order_side = position > 0 ? -1 : 1;
    order_quantity = position > 0 ? position : -position;
    order_reason = CLOSE;
    execute(LIMIT_START_NS + (ticks_done - 1) * LIMIT_DT_NS, -1, ticks_done);
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
    for (int i = 0; i <= SIZE; i++) printf("%s%llu", i ? ", " : "", (unsigned long long)refused[i]);
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
    if (argc == 4 && !(fill_file = fopen(argv[3], "wb"))) exit(fprintf(stderr, "limit: cannot write %s\n", argv[3]) > 0);
    open_market();
    open_levels();
    open_vote();
    open_account();
    clock_gettime(CLOCK_MONOTONIC, &begun);
    while (ticks_done < ticks) take(ticks - ticks_done < BLOCK ? (int)(ticks - ticks_done) : BLOCK);
    close_position();
    sha_close(hex);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    if (fill_file) fclose(fill_file);
    print((double)(ended.tv_sec - begun.tv_sec) + 1e-9 * (double)(ended.tv_nsec - begun.tv_nsec), hex);
#ifdef LIMIT_STAGES
    print_stages();
#endif
    return 0;
}
