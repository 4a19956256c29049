/* The yardstick of the core: the whole path of `hft` on the chaos market as one writes it by hand in C, tick by tick.
 *
 * The market is drawn in blocks by csrc; then one loop takes each tick through validation, formulas, vote, sizing,
 * broker, exits and ledger, for one configuration that bench/limit.py compiles in as constants. Nothing is skipped and
 * no tick waits for another: what a programmer gets who knows the work and uses no trick. What limit_columns.c shares
 * is in limit.h. */
#include "limit.h"
#include "lt_rolling.h"

#define RING 256                         /* the most a window may hold */

_Static_assert(WINDOW <= RING && LEVEL_WINDOW <= RING, "windows fit their rings");

/* The block, [0] the last tick of the block before */
static quote quotes[BLOCK + 1];
static double mids[BLOCK + 1], ret[BLOCK + 1];

/* State. Each formula's is read and written at every tick and nowhere else. */
static double slot[3][2 * RING];
static struct { lt_ring ring; double total; lt_squares squares; } ofi;                       /* 121 */
static lt_moments z;                                                                         /* 141 */
static struct { int64_t count; double a, p, f, gain, inverse_f, squares, recent; } drift;    /* 41 */
static struct { lt_ring ring; lt_squares g0; double g1, residual, p, q, r, f, nu; } level;   /* 201 */
static struct { double alpha, smooth, gap, spread; } micro;                                  /* 260 */
static struct { double up, down; } cusum;                                                    /* 218 */
static struct { double fast, slow; int64_t count; int side; } trend;
static struct { double value; int ready; } vol;
static struct { double level, least; } entry[VOTERS];
static double dev_high, dev_low;         /* exp of the deviation's entry level, and its inverse */
static int vote[VOTERS], z_state;

static void open_formulas(void)
{
    lt_ring_init(&ofi.ring, slot[0], lt_ring_capacity(WINDOW));
    lt_ring_init(&z.ring, slot[1], lt_ring_capacity(WINDOW));
    lt_ring_init(&level.ring, slot[2], lt_ring_capacity(LEVEL_WINDOW));
    z.window = WINDOW;
    z.inverse = 1.0 / WINDOW;
    level.f = NAN;
    micro.alpha = 1.0 - lt_exp(-LN2 / 8.0);
    for (int v = 0; v < VOTERS; v++) {
        entry[v].level = entry_start[v];
        entry[v].least = 0.01 * entry_start[v];
    }
    dev_high = lt_exp(entry[DEVIATION].level);
    dev_low = 1.0 / dev_high;
}

/* Market */

static void draw(int n)
{
    const double spread = LIMIT_SPREAD_BPS * 1e-4;
    lt_philox_block(LIMIT_SEED, 1, (uint64_t)ticks_done, (size_t)n, words[0], BLOCK + PAD);
    lt_normal_block((size_t)n, words[0], words[1], z0, z1);
    lt_uniform_block((size_t)n, words[2], uniform);
    draw_paths(n);
    for (int k = 0; k < n;) k = draw_stretch(k, n);
    double *price = z0, *tilted = z1;    /* spent */
    lt_exp_block((size_t)n, exponent, price);
    lt_exp_block((size_t)n, tilt, tilted);
    for (int k = 0; k < n; k++) {
        uint64_t w = words[3][k];
        double x = price[k] * true_price[k], half = x * spread * spread_table[(w >> 38) & (QUANTILES - 1)];
        double t = 0.5 - 1.0 / (tilted[k] + 1.0);
        half = 0.5 * (half > 0.01 ? half : 0.01);
        quotes[k + 1] = (quote){x - half, x + half, size_table[(w >> 26) & (QUANTILES - 1)] * (1.0 + t),
                                size_table[(w >> 14) & (QUANTILES - 1)] * (1.0 - t)};
        mids[k + 1] = mid_of(quotes[k + 1]);
    }
    for (int i = 1; i <= trade_count; i++) {
        int k = trade_tick[i];
        trade_price[i] = trade_side[i] > 0 ? quotes[k + 1].ask : quotes[k + 1].bid;
        trade_volume[i] = trade_table[(words[3][k] >> 2) & (QUANTILES - 1)];
    }
    lt_log_return_block((size_t)n, mids + 1, ticks_done > 0 ? mids[0] : mids[1], ret + 1);
}

static inline void validate(quote q)
{
    const uint64_t low = 0x3d719799812dea11u, high = 0x430c6bf526340000u;      /* 1e-12 and 1e15 */
    if (lt_outside(q.bid, low, high) | lt_outside(q.ask, low, high) | lt_outside(q.bid_size, 0, high)
        | lt_outside(q.ask_size, 0, high) | (uint64_t)!(q.bid < q.ask))
        exit(fprintf(stderr, "limit: a bad tick in the block from %lld on\n", (long long)ticks_done) > 0);
}

/* Formulas of the quote */

static void ofi_exact(void)
{
    const double *e = lt_ring_window(&ofi.ring, WINDOW);
    ofi.total = ofi.squares.value = 0.0;
    for (int i = 0; i < WINDOW; i++) {
        ofi.total += e[i];
        ofi.squares.value += e[i] * e[i];
    }
    ofi.squares.reach = ofi.squares.value;
}

static inline void ofi_push(quote p, quote q)
{
    double e = lt_where(q.bid >= p.bid, q.bid_size) - lt_where(q.bid <= p.bid, p.bid_size);
    e += lt_where(q.ask >= p.ask, p.ask_size) - lt_where(q.ask <= p.ask, q.ask_size);
    if (ofi.ring.head < WINDOW) {
        lt_ring_push(&ofi.ring, e);
        if (ofi.ring.head == WINDOW) ofi_exact();
        return;
    }
    double old = lt_ring_at(&ofi.ring, WINDOW - 1);
    lt_ring_push(&ofi.ring, e);
    ofi.total += e - old;
    lt_squares_slide(&ofi.squares, e * e, old * old);
    if (lt_squares_loose(&ofi.squares, 0.1 * ofi.squares.value)) ofi_exact();
}

static inline void micro_push(quote q, int first)
{
    double w = (q.bid * q.ask_size + q.ask * q.bid_size) / (q.bid_size + q.ask_size);
    micro.smooth = first ? w : micro.smooth + micro.alpha * (w - micro.smooth);
    micro.gap = w - micro.smooth;
    micro.spread = q.ask - q.bid;
}

/* Sign of x where |x| / sqrt(square) is above the level. */
static inline int beyond(double x, double square, double at)
{
    return (x * x > at * at * square) * lt_side(x);
}

/* Where the z-score stands: 1 above the mean, 2 below, 4 beyond its entry level. */
static inline int z_flags(double x)
{
    double v = z.m2 * z.inverse, mean = z.anchor + z.mean, gap = x - z.anchor - z.mean, at = entry[Z].level;
    if (!(v > 1e-24 * mean * mean)) return 0;
    return (gap > 0.0) + 2 * (gap < 0.0) + 4 * (gap * gap >= at * at * v);
}

/* Formulas of the returns */

static inline void drift_push(double r)
{
    if (++drift.count == 1) {
        drift.a = r;
        drift.p = 1.0;
        return;
    }
    double f = drift.p + 0.001 + 1.0, nu = r - drift.a;
    if (f != drift.f) {                  /* settles after some 600 returns */
        drift.f = f;
        drift.gain = (drift.p + 0.001) / f;
        drift.inverse_f = 1.0 / f;
    }
    drift.a += drift.gain * nu;
    drift.p = drift.gain;
    drift.recent += nu * nu * drift.inverse_f;
    if ((drift.count & 1023) == 0) {
        drift.squares += drift.recent;
        drift.recent = 0.0;
    }
}

static inline int drift_vote(void)
{
    double n = (double)(drift.count - 1), sum2 = drift.squares + drift.recent, a = drift.a, at = entry[DRIFT].level;
    return (drift.count >= 50 && sum2 > 1e-24 * n && a != 0.0 && a * a * n >= at * at * (sum2 * drift.p)) * lt_side(a);
}

static void level_exact(void)
{
    const double *r = lt_ring_window(&level.ring, LEVEL_WINDOW);
    double g0 = r[0] * r[0], g1 = 0.0;
    for (int i = 1; i < LEVEL_WINDOW; i++) {
        g0 += r[i] * r[i];
        g1 += r[i] * r[i - 1];
    }
    level.g0.value = level.g0.reach = g0;
    level.g1 = g1;
}

static inline void level_noise(void)
{
    double g0 = level.g0.value * (1.0 / LEVEL_WINDOW), g1 = level.g1 * (1.0 / LEVEL_WINDOW), low = 0.01 * g0;
    double r = -g1 > low ? -g1 : low, q;
    r = r < 0.5 * g0 ? r : 0.5 * g0;
    q = g0 - 2.0 * r;
    level.r = r;
    level.q = q > low ? q : low;
}

static inline void level_push(double r)
{
    if (level.ring.head < LEVEL_WINDOW) {
        lt_ring_push(&level.ring, r);
        if (level.ring.head < LEVEL_WINDOW) return;
        level_exact();
        level_noise();
        level.p = level.r;
        return;
    }
    double old = lt_ring_at(&level.ring, LEVEL_WINDOW - 1), second = lt_ring_at(&level.ring, LEVEL_WINDOW - 2);
    double last = lt_ring_at(&level.ring, 0);
    lt_ring_push(&level.ring, r);
    lt_squares_slide(&level.g0, r * r, old * old);
    level.g1 += r * last - old * second;
    if (lt_squares_loose(&level.g0, 0.01 * level.g0.value)) level_exact();
    level_noise();
    double before = level.p + level.q, inverse;
    level.nu = level.residual + r;
    level.f = before + level.r;
    inverse = 1.0 / level.f;
    level.residual = level.nu * (level.r * inverse);
    level.p = before * inverse * level.r;
}

static inline void cusum_push(double r)
{
    double h2 = 9.0 * vol.value, up = cusum.up + r, down = cusum.down + r;
    cusum.up = up > 0.0 ? up : 0.0;
    cusum.down = down < 0.0 ? down : 0.0;
    c_event = 0;
    if (!(vol.value > 0.0)) return;
    if (cusum.down * cusum.down > h2) {
        cusum.down = 0.0;
        c_event = -1;
    } else if (cusum.up * cusum.up > h2) {
        cusum.up = 0.0;
        c_event = 1;
    }
}

static inline void trend_push(double x)
{
    if (++trend.count == 1) trend.fast = trend.slow = x;
    trend.fast += 2.0 / 21.0 * (x - trend.fast);
    trend.slow += 2.0 / 51.0 * (x - trend.slow);
    double d = trend.fast - trend.slow;
    trend.side = (trend.count >= 50 && vol.value > 1e-24 && d * d > 4.0 * x * x * vol.value) * lt_side(d);
}

static inline void return_push(double r, double x)
{
    cusum_push(r);
    vol.value = vol.ready ? vol.value + 0.06 * (r * r - vol.value) : r * r;
    vol.ready = 1;
    trend_push(x);
    drift_push(r);
    level_push(r);
    vote[DRIFT] = drift_vote();
    vote[LEVEL] = beyond(level.nu, level.f, entry[LEVEL].level) * (level.r > level.q ? -1 : 1);
}

/* Entry levels */

static inline void sample(int voter, int exceeded)
{
    double x = entry[voter].level * (exceeded ? step_up : step_down);
    entry[voter].level = x > entry[voter].least ? x : entry[voter].least;
}

static int flow_vote(void)
{
    double edge = entry[FLOW].level * flow_total;
    return (flow_signed > edge) - (flow_signed < -edge);
}

/* A vote under the present level is a |value| above it, but for the z-score's, which remembers. */
static __attribute__((noinline)) void adapt(int flags)
{
    if (ofi.ring.head >= WINDOW) sample(OFI, vote[OFI]);
    if (z.ring.head >= WINDOW) sample(Z, z_next[0][flags]);
    if (drift.count >= 50) sample(DRIFT, vote[DRIFT]);
    if (level.f > 0.0) sample(LEVEL, vote[LEVEL]);
    sample(MICRO, vote[MICRO]);
    if (flow_ready) sample(FLOW, flow_vote());
    sample(DEVIATION, vote[DEVIATION]);
    dev_high = lt_exp(entry[DEVIATION].level);
    dev_low = 1.0 / dev_high;
}

/* The tick */

static inline void quote_push(int64_t now, quote p, quote q, double x, double truth)
{
    const double edge = entry[MICRO].level;
    if (now > 0) ofi_push(p, q);
    lt_moments_push(&z, x);
    micro_push(q, now == 0);
    vote[OFI] = beyond(ofi.total, ofi.squares.value, entry[OFI].level);
    vote[MICRO] = (micro.gap > edge * micro.spread) - (micro.gap < -(edge * micro.spread));
    vote[DEVIATION] = (x < truth * dev_low) - (x > truth * dev_high);
}

/* The direction of the set of votes c after the gates. */
static inline int decided(int64_t now, int c, double x)
{
    if (now == next_score) {
        score(c, x);
        next_score += LIMIT_H;
    }
    if (now == next_refresh) {
        jury_refresh();
        next_refresh += LIMIT_REFRESH;
    }
    if (jury.code_seen[c] != jury.generation) decide(c);
    int to = jury.direction[c];
    if (to != 0 && ((LIMIT_GATE_TREND && trend.side == -to) || (LIMIT_GATE_VPIN && !vpin_lets_through()))) return 0;
    return to;
}

static void take(int n)
{
    int trade = 0;
    draw(n);
    for (int k = 1; k <= n; k++) {
        const quote q = quotes[k];
        const double x = mids[k];
        const int64_t now = ticks_done + k - 1;
        validate(q);
        quote_push(now, quotes[k - 1], q, x, true_price[k - 1]);
        int flags = z.ring.head >= WINDOW ? z_flags(x) : 0;
        z_state = z_next[z_state][flags];
        if (ret[k] != 0.0) return_push(ret[k], x);
        if (trades_until[k - 1] != trade) {
            trade++;
            trade_push(trade_price[trade], trade_volume[trade], trade_side[trade]);
            vote[FLOW] = flow_vote();
        }
        int c = ALL_ABSTAIN - 3 + z_code[z_state] + vote[OFI] + 9 * vote[DRIFT] + 27 * vote[LEVEL] + 81 * vote[MICRO]
              + 243 * vote[FLOW] + 729 * vote[DEVIATION];
        if (now % SAMPLE == 0) adapt(flags);
        account_tick(now, quotes[k - 1], q, decided(now, c, x), c, vol.value);
    }
    quotes[0] = quotes[n];
    mids[0] = mids[n];
    ticks_done += n;
}

static quote last_quote(void)
{
    return quotes[0];
}
