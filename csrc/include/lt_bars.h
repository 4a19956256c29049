/* Bars from ticks, one after the other: by time, by trades, BTC or USD, by their imbalance or runs of one side (Lopez de
 * Prado 2018, Advances in Financial Machine Learning, ch. 2.3). Nothing is allocated, and how a stream is cut changes
 * no bit. */
#ifndef LT_BARS_H
#define LT_BARS_H

#include "lt_tick.h"

/* What closes a bar. */
enum { LT_BY_TIME, LT_BY_SUM, LT_BY_IMBALANCE, LT_BY_RUN };
/* What a trade counts there: 1, its BTC or its USD. */
enum { LT_WEIGHT_TRADE, LT_WEIGHT_BTC, LT_WEIGHT_USD };

#define LT_REACHED (1.0 - 1e-12)            /* a threshold is reached at this share of it */
#define LT_FILL_MAX ((int64_t)1 << 20)      /* the most bars made up for one gap */
#define LT_EGAP (-2)                        /* a gap would need more */

/* Expectations follow exponentially weighted means, alpha = 2 / (span + 1). */
typedef struct {
    int32_t by, weight, fill;
    int64_t length;                                     /* ns, of a bar by time */
    double threshold;                                   /* of a bar by sum */
    double expected, expected_min, expected_max;        /* trades of a bar: at first, least, most */
    double alpha_bar, alpha_trade;
} lt_bar_rule;

/* All that a stream leaves behind: fields of eight bytes, so that they can be listed by name. */
typedef struct {
    int64_t last_ts, ticks, rejected[LT_BAD_KINDS], closed;
    /* the open bar; `seen` is 0 where there is none, and then open to close are the last price */
    int64_t seen, start, end, trades;
    double open, high, low, close, volume, buy_volume, unsided_volume, dollar;
    double theta, up, down, threshold;                  /* what has come together, also by side, and what closes it */
    double closing_theta, closing_threshold;            /* those of the last closed bar */
    double last_price, sign;                            /* of the tick rule */
    double expected, imbalance, mean, square, norm;     /* trades of a bar; of a trade: sign * weight, weight, weight^2 */
} lt_bars;

/* Where bars go, and of each the place of the tick that closed it. */
typedef struct {
    lt_bar *bars;
    int64_t *closed_by, room, made;
} lt_bar_sink;

void lt_bars_open(lt_bars *s, const lt_bar_rule *rule);

/* Takes ticks up to the n-th, or until there is no room; returns LT_OK or LT_EGAP, in `taken` how many. A tick that
 * breaks a rule of validation is counted and changes nothing. */
int lt_bars_push(lt_bars *s, const lt_bar_rule *rule, const lt_tick *ticks, int64_t n, lt_bar_sink *sink,
                 int64_t *taken);

/* The bar that is open, with LT_OPEN; 0 if there is none. */
int lt_bars_standing(const lt_bars *s, lt_bar *bar);

#endif
