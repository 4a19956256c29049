#include "lt_bars.h"

static const lt_bars nothing;

void lt_bars_open(lt_bars *s, const lt_bar_rule *rule)
{
    *s = nothing;
    s->expected = rule->expected;
    s->threshold = rule->by == LT_BY_SUM ? rule->threshold : 0.0;
}

/* Counts a bad tick; a good one moves the time. */
static inline int good(lt_bars *s, const lt_tick *t)
{
    if (!lt_tick_plain(t, s->last_ts)) {
        int fault = lt_tick_fault(t, s->last_ts);
        if (fault >= 0) {
            s->rejected[fault]++;
            return 0;
        }
    }
    s->last_ts = t->ts;
    s->ticks++;
    return 1;
}

static inline void see_price(lt_bars *s, double price, int first)
{
    if (first) s->open = s->high = s->low = price;
    if (price > s->high) s->high = price;
    if (price < s->low) s->low = price;
    s->close = price;
}

/* The prices of a bar are its trades', its mids' until there is one. */
static inline void add_trade(lt_bars *s, const lt_tick *t)
{
    see_price(s, t->price, s->trades == 0);
    s->volume += t->volume;
    s->dollar += t->price * t->volume;
    s->buy_volume += t->side > 0 ? t->volume : 0.0;
    s->unsided_volume += t->side == 0 ? t->volume : 0.0;
    s->trades++;
}

static void fill_in(const lt_bars *s, lt_bar *bar)
{
    memset(bar, 0, sizeof *bar);
    bar->ts = s->end;
    bar->start = s->start;
    bar->open = s->open;
    bar->high = s->high;
    bar->low = s->low;
    bar->close = s->close;
    bar->volume = s->volume;
    bar->buy_volume = s->unsided_volume > 0.0 ? NAN : s->buy_volume;
    bar->dollar = s->dollar;
    bar->trades = s->trades;
    bar->flags = s->trades == 0 ? LT_NO_TRADE : 0;
}

/* Writes the bar; the next one begins at its end, at its last price. */
static void close_bar(lt_bars *s, lt_bar_sink *sink, int64_t place, uint8_t flags)
{
    fill_in(s, &sink->bars[sink->made]);
    sink->bars[sink->made].flags |= flags;
    sink->closed_by[sink->made++] = place;
    s->closed++;
    s->start = s->end;
    s->open = s->high = s->low = s->close;
    s->volume = s->buy_volume = s->unsided_volume = s->dollar = 0.0;
    s->theta = s->up = s->down = 0.0;
    s->seen = s->trades = 0;
}

int lt_bars_standing(const lt_bars *s, lt_bar *bar)
{
    if (s->seen == 0) return 0;
    fill_in(s, bar);
    bar->flags |= LT_OPEN;
    return 1;
}

/* Brings the open bar to the one that `ts` is in. 0 where there is no room for what is closed, or LT_EGAP. */
static int turn(lt_bars *s, const lt_bar_rule *rule, int64_t ts, int64_t place, lt_bar_sink *sink)
{
    int64_t start = ts - ts % rule->length;
    if (s->seen) {
        if (rule->fill && (start - s->end) / rule->length > LT_FILL_MAX) return LT_EGAP;
        if (sink->made == sink->room) return 0;
        close_bar(s, sink, place, 0);
    }
    while (rule->fill && s->closed && s->start < start) {
        if (sink->made == sink->room) return 0;
        s->end = s->start + rule->length;
        close_bar(s, sink, place, LT_FILLED);
    }
    s->start = start;
    s->end = start + rule->length;
    return 1;
}

static int push_time(lt_bars *s, const lt_bar_rule *rule, const lt_tick *ticks, int64_t n, lt_bar_sink *sink,
                     int64_t *taken)
{
    for (*taken = 0; *taken < n; ++*taken) {
        const lt_tick *t = &ticks[*taken];
        int64_t last = s->last_ts;
        if (!good(s, t)) continue;
        if (s->seen == 0 || t->ts >= s->end) {
            int turned = turn(s, rule, t->ts, *taken, sink);
            if (turned <= 0) {              /* the tick comes again */
                s->last_ts = last;
                s->ticks--;
                return turned;
            }
        }
        if (t->flags & LT_TRADE)
            add_trade(s, t);
        else if (s->trades == 0)
            see_price(s, 0.5 * t->bid + 0.5 * t->ask, s->seen == 0);
        s->seen++;
    }
    return LT_OK;
}

/* What 240 asks of theta, of weights instead of ones: T |e| as expected, and no less than the standard deviation
 * without imbalance. Of a run the larger side's sum is half of all and of the imbalance, and so is what is asked. */
static double expected_theta(const lt_bars *s, int run, double imbalance)
{
    double level = s->expected * fabs(imbalance), least = sqrt(s->expected) * sqrt(s->square / s->norm);
    if (level < least) level = least;
    return run ? 0.5 * (s->expected * (s->mean / s->norm) + level) : level;
}

static inline double add_signed(lt_bars *s, const lt_bar_rule *rule, int run, double price, double weight)
{
    double alpha = rule->alpha_trade, gain;
    if (s->last_price > 0.0 && price != s->last_price) s->sign = price > s->last_price ? 1.0 : -1.0;
    s->last_price = price;
    gain = s->sign * weight;
    s->imbalance += alpha * (gain - s->imbalance);
    s->mean += alpha * (weight - s->mean);
    s->square += alpha * (weight * weight - s->square);
    s->norm += alpha * (1.0 - s->norm);
    if (s->closed == 0) s->threshold = expected_theta(s, run, 0.0);    /* no weight is known where the first bar opens */
    if (run) {
        if (gain > 0.0) s->up += gain;
        else s->down -= gain;
        s->theta = s->up > s->down ? s->up : s->down;
        return s->theta;
    }
    s->theta += gain;
    return fabs(s->theta);
}

static void expect(lt_bars *s, const lt_bar_rule *rule, int run)
{
    s->expected += rule->alpha_bar * ((double)s->trades - s->expected);
    if (s->expected < rule->expected_min) s->expected = rule->expected_min;
    if (s->expected > rule->expected_max) s->expected = rule->expected_max;
    s->threshold = expected_theta(s, run, s->imbalance);
}

/* `by` and `weight` are constants where this is called, so that each pair has its loop. */
static inline int64_t push_trades(lt_bars *s, const lt_bar_rule *rule, int by, int kind, const lt_tick *ticks,
                                  int64_t n, lt_bar_sink *sink)
{
    int64_t i;
    for (i = 0; i < n && sink->made < sink->room; i++) {
        const lt_tick *t = &ticks[i];
        double weight, reached;
        if (!good(s, t) || !(t->flags & LT_TRADE)) continue;
        if (s->seen++ == 0 && s->closed == 0) s->start = t->ts;
        s->end = t->ts;
        add_trade(s, t);
        weight = kind == LT_WEIGHT_TRADE ? 1.0 : kind == LT_WEIGHT_BTC ? t->volume : t->price * t->volume;
        reached = by == LT_BY_SUM ? (s->theta += weight) : add_signed(s, rule, by == LT_BY_RUN, t->price, weight);
        if (reached < s->threshold * LT_REACHED || !(s->threshold > 0.0)) continue;
        s->closing_theta = s->theta;
        s->closing_threshold = s->threshold;
        if (by != LT_BY_SUM) expect(s, rule, by == LT_BY_RUN);
        close_bar(s, sink, i, 0);
    }
    return i;
}

#define LOOPS(by) \
    kind == LT_WEIGHT_TRADE ? push_trades(s, rule, by, LT_WEIGHT_TRADE, ticks, n, sink) \
    : kind == LT_WEIGHT_BTC ? push_trades(s, rule, by, LT_WEIGHT_BTC, ticks, n, sink) \
                            : push_trades(s, rule, by, LT_WEIGHT_USD, ticks, n, sink)

int lt_bars_push(lt_bars *s, const lt_bar_rule *rule, const lt_tick *ticks, int64_t n, lt_bar_sink *sink,
                 int64_t *taken)
{
    int32_t kind = rule->weight;
    switch (rule->by) {
    case LT_BY_TIME: return push_time(s, rule, ticks, n, sink, taken);
    case LT_BY_SUM: *taken = LOOPS(LT_BY_SUM); break;
    case LT_BY_IMBALANCE: *taken = LOOPS(LT_BY_IMBALANCE); break;
    default: *taken = LOOPS(LT_BY_RUN);
    }
    return LT_OK;
}
