/* What is left to gain: the path of limit.c column by column, which leans on AVX-512 where there is any.
 *
 * Everything up to the vote knows nothing of the trades, so each stage takes a block of ticks, in loops that vectorise
 * where there is no recurrence and that keep the state in registers where there is one; even the random numbers are
 * drawn side by side. What is not columns is in limit.h. Built with LIMIT_STAGES it prints the median cycles of each
 * stage. */
#include "limit.h"

#define PAST 256                         /* values before the block that windows reach back to */
#define STAGE static __attribute__((noinline)) void

_Static_assert(WINDOW <= PAST && LEVEL_WINDOW < PAST, "windows fit the past that is kept");
_Static_assert(BLOCK % SAMPLE == 0, "samples fall on the same places of every block");

typedef double column[PAST + BLOCK + PAD] ALIGNED;     /* [PAST] is the first tick of the block */

static column bid, ask, bid_size, ask_size, mid;

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

static double micro_alpha;

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

/* What the trades' formulas leave after each trade, [0] the last one of the block before. */

static double flow_at[BLOCK + 1 + PAD], volume_at[BLOCK + 1 + PAD];
static uint8_t vpin_open[BLOCK + 1 + PAD] = {1};       /* the gate lets through */
static int flow_ready_before;

STAGE take_trades(void)
{
    for (int i = 1; i <= trade_count; i++) {
        trade_push(trade_price[i], trade_volume[i], trade_side[i]);
        vpin_open[i] = (uint8_t)vpin_lets_through();
        flow_at[i] = flow_signed;
        volume_at[i] = flow_total;
    }
}

/* Entry levels, a group of samples at a time. */

#define SAMPLES (BLOCK / SAMPLE)
/* At sample s voter v exceeds its level x where left > x^power * right * far. */
static double left[SAMPLES][8] ALIGNED, right[SAMPLES][8] ALIGNED, far[SAMPLES][8] ALIGNED;
static double entry[SAMPLES + 1][8] ALIGNED;           /* [s] before sample s of the block */
static double level_least[8] ALIGNED;
static double dev_high[SAMPLES + 1], dev_low[SAMPLES + 1];

#ifdef LIMIT_STAGES
static void print_stages(void);
#endif

static void open_formulas(void)
{
    for (int v = 0; v < 8; v++) {
        entry[0][v] = entry_start[v];
        level_least[v] = 0.01 * entry_start[v];
    }
    for (int s = 0; s < SAMPLES; s++)
        for (int v = 0; v < 8; v++) far[s][v] = 1.0;
    dev_high[0] = lt_exp(entry[0][DEVIATION]);
    dev_low[0] = 1.0 / dev_high[0];
    micro_alpha = 1.0 - lt_exp(-LN2 / 8.0);
#ifdef LIMIT_STAGES
    atexit(print_stages);
#endif
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
        left[s][FLOW] = fabs(flow_at[i]);
        right[s][FLOW] = volume_at[i];
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
        double edge = entry[(trade_tick[i] + SAMPLE - 1) / SAMPLE][FLOW] * volume_at[i];
        flow_code[i] = 243 * ((flow_at[i] > edge) - (flow_at[i] < -edge));
    }
}

static int8_t direction[BLOCK + PAD] ALIGNED;

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

/* The account */

static inline quote quote_at(int k)
{
    return (quote){bid[PAST + k], ask[PAST + k], bid_size[PAST + k], ask_size[PAST + k]};
}

static quote last_quote(void)
{
    return quote_at(-1);
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
        account_tick(ticks_done + k, quote_at(k - 1), quote_at(k), direction[k], code[k], vol[k]);
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
    flow_at[0] = flow_at[trade_count];
    volume_at[0] = volume_at[trade_count];
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
