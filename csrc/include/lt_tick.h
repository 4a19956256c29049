/* The records that cross the boundary, equal byte for byte to livetrading/core/dtypes.py. */
#ifndef LT_TICK_H
#define LT_TICK_H

#include <math.h>
#include <string.h>

#include "lt_base.h"

enum { LT_QUOTE = 1, LT_TRADE = 2, LT_NO_QUOTE = 4 };

/* Accepted ranges: wide enough for any market, narrow enough that no square or sum in a formula overflows. */
#define LT_PRICE_MIN 1e-12
#define LT_PRICE_MAX 1e15
#define LT_SIZE_MAX 1e15
#define LT_TS_MAX ((int64_t)1 << 62)

typedef struct {
    int64_t ts;
    double price, bid, ask, bid_size, ask_size, volume;
    int8_t side;
    uint8_t flags;
} lt_tick;
_Static_assert(sizeof(lt_tick) == 64, "TICK is 64 bytes");

/* The voter "user": writes the sign of its vote for each of n ticks, 0 before. It sees every good tick once, in order,
 * in stretches of any length; a true price not known is NaN; state is the caller's. It must not touch Python. */
typedef void (*lt_signal)(const lt_tick *ticks, const double *true_price, int64_t n, int8_t *vote, void *state);

typedef struct {
    int64_t ts;
    double true_price, market_price, deviation, ofi, z_score, kalman_level, kalman_velocity, ewma_vol;
    int8_t cusum, regime;
    double kyle_lambda, flow_momentum, vpin, microprice, vote_logodds, vote_probability;
    int8_t direction;
    double kelly_fraction;
    int64_t position, cash;
    double equity, drawdown;
    int64_t trades, wins;
} lt_result;
_Static_assert(sizeof(lt_result) == 192, "RESULT is 192 bytes");

typedef struct {
    uint64_t id;
    int64_t ts;
    uint64_t order_id;
    double price;
    int64_t quantity, fee;
    int8_t side;
    uint8_t reason, book, pad[5];
} lt_fill;
_Static_assert(sizeof(lt_fill) == 56, "FILL is 56 bytes");

enum { LT_FILLED = 1, LT_NO_TRADE = 2, LT_OPEN = 4 };

typedef struct {
    int64_t ts, start;
    double open, high, low, close, volume, buy_volume, dollar;
    int64_t trades;
    uint8_t flags, pad[7];
} lt_bar;
_Static_assert(sizeof(lt_bar) == 88, "BAR is 88 bytes");

/* Why a tick is rejected: the first that applies, in this order. */
enum { LT_BAD_PRICE, LT_BAD_CROSSED, LT_BAD_TIME, LT_BAD_SIZE, LT_BAD_NO_QUOTE, LT_BAD_KINDS };

static inline int lt_bad_price(double p) { return !(p >= LT_PRICE_MIN && p <= LT_PRICE_MAX); }
static inline int lt_bad_size(double q) { return q < 0.0 || q > LT_SIZE_MAX; }   /* NaN: not known */

/* The kind of fault of a tick that follows one at last_ts, or -1. */
static inline int lt_tick_fault(const lt_tick *t, int64_t last_ts)
{
    int unquoted = (t->flags & (LT_QUOTE | LT_NO_QUOTE)) == 0 && isnan(t->bid) && isnan(t->ask);
    if (lt_bad_price(t->price) || (!unquoted && (lt_bad_price(t->bid) || lt_bad_price(t->ask)))) return LT_BAD_PRICE;
    if (t->bid > t->ask) return LT_BAD_CROSSED;
    if (t->ts < last_ts || t->ts > LT_TS_MAX) return LT_BAD_TIME;
    if (lt_bad_size(t->bid_size) || lt_bad_size(t->ask_size) || !(t->volume >= 0.0 && t->volume <= LT_SIZE_MAX))
        return LT_BAD_SIZE;
    return unquoted ? LT_BAD_NO_QUOTE : -1;
}

/* Positive doubles order like their bits, so one unsigned comparison checks a closed range and excludes NaN. */
static inline uint64_t lt_outside(double x, uint64_t low, uint64_t high)
{
    uint64_t u;
    memcpy(&u, &x, 8);
    return (uint64_t)(u - low > high - low);
}

/* True for a good tick with a known quote, without a branch; anything else is for lt_tick_fault to judge. */
static inline int lt_tick_plain(const lt_tick *t, int64_t last_ts)
{
    const uint64_t low = 0x3d719799812dea11u, high = 0x430c6bf526340000u;   /* 1e-12 and 1e15 */
    return (int)(lt_outside(t->price, low, high) | lt_outside(t->bid, low, high) | lt_outside(t->ask, low, high)
                 | lt_outside(t->volume, 0, high) | (uint64_t)(t->bid_size < 0.0) | (uint64_t)(t->bid_size > LT_SIZE_MAX)
                 | (uint64_t)(t->ask_size < 0.0) | (uint64_t)(t->ask_size > LT_SIZE_MAX) | (uint64_t)(t->bid > t->ask) | (uint64_t)(t->ts < last_ts) | (uint64_t)(t->ts > LT_TS_MAX)) == 0;
}

typedef struct {
    int64_t ts, height;
    double true_price;
} lt_knot;

#endif
