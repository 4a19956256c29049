/* Bars of every rule over awkward ticks: what they hold adds up, however the stream is cut and little room there is. */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "lt_bars.h"
#include "lt_philox.h"

enum { TICKS = 4000, ROOM = 4 * TICKS };

static lt_tick ticks[TICKS];
static lt_bar whole[ROOM], cut[ROOM];
static int64_t whole_by[ROOM], cut_by[ROOM];

static double real(uint64_t word) { return (double)(word >> 11) * 0x1p-53; }

/* Quotes and trades at uneven times, one in eight bad. */
static void make_ticks(void)
{
    int64_t ts = 1000000;
    double mid = 100.0;
    memset(ticks, 0, sizeof ticks);
    for (uint64_t i = 0; i < TICKS; i++) {
        lt_words w = lt_philox(7, 7, i);
        lt_tick *t = &ticks[i];
        ts += w.word[0] % 16 ? (int64_t)(w.word[0] % 900) : 20000;
        mid += (double)(int64_t)(w.word[1] % 3) - 1.0;
        if (mid < 10.0) mid = 10.0;
        t->ts = ts;
        t->price = mid;
        t->bid = mid - 0.5;
        t->ask = mid + 0.5;
        t->bid_size = t->ask_size = NAN;
        t->flags = (uint8_t)(1 + w.word[2] % 3);
        if (t->flags & LT_TRADE) {
            t->volume = w.word[2] % 5 ? real(w.word[3]) : 0.0;
            t->side = (int8_t)((int64_t)(w.word[3] % 8 ? w.word[3] % 2 * 2 : 1) - 1);
        }
        switch (w.word[3] % 40) {
        case 0: t->price = NAN; break;
        case 1: t->ask = 1.0; break;
        case 2: t->ts = 1; break;
        case 3: t->volume = -1.0; break;
        case 4: t->flags = LT_TRADE, t->bid = t->ask = NAN; break;
        default: break;
        }
    }
}

static int64_t run(const lt_bar_rule *rule, lt_bars *s, int64_t stride, int64_t room, lt_bar *bars, int64_t *by)
{
    int64_t at = 0, made = 0, taken = 0;
    lt_bars_open(s, rule);
    while (at < TICKS) {
        int64_t n = TICKS - at < stride ? TICKS - at : stride;
        lt_bar_sink sink = {bars + made, by + made, room < ROOM - made ? room : ROOM - made, 0};
        assert(sink.room > 0);
        assert(lt_bars_push(s, rule, ticks + at, n, &sink, &taken) == LT_OK);
        assert(taken == n || sink.made == sink.room);
        for (int64_t k = 0; k < sink.made; k++) by[made + k] += at;
        at += taken;
        made += sink.made;
    }
    return made;
}

static void check(const lt_bar_rule *rule)
{
    lt_bars s, other;
    lt_bar last;
    int64_t n = run(rule, &s, TICKS, ROOM, whole, whole_by), trades = 0, bad = 0;
    double volume = 0.0;
    assert(n > 20 && n == s.closed);
    for (int64_t k = 0; k < n; k++) {
        const lt_bar *b = &whole[k];
        assert(b->low <= b->open && b->open <= b->high && b->low <= b->close && b->close <= b->high);
        assert(b->start <= b->ts && (k == 0 || b->start >= whole[k - 1].ts));
        assert((b->trades == 0) == !!(b->flags & LT_NO_TRADE));
        assert(!(b->buy_volume > b->volume * (1 + 1e-12)));
        trades += b->trades;
        volume += b->volume;
    }
    if (lt_bars_standing(&s, &last)) trades += last.trades, volume += last.volume;
    for (int64_t i = 0, ts = 0; i < TICKS; i++) {
        if (lt_tick_fault(&ticks[i], ts) >= 0) {
            bad++;
            continue;
        }
        ts = ticks[i].ts;
        if (ticks[i].flags & LT_TRADE) trades--, volume -= ticks[i].volume;
    }
    for (int k = 0; k < LT_BAD_KINDS; k++) bad -= s.rejected[k];
    assert(trades == 0 && bad == 0 && fabs(volume) < 1e-9);
    for (int64_t room = 1; room < 8; room += 3) {
        assert(run(rule, &other, 1 + 13 * room, room, cut, cut_by) == n);
        assert(memcmp(whole, cut, (size_t)n * sizeof *cut) == 0);
        assert(memcmp(whole_by, cut_by, (size_t)n * sizeof *cut_by) == 0);
        assert(memcmp(&s, &other, sizeof s) == 0);
    }
}

static void refuse_long_gaps(void)
{
    lt_bar_rule rule = {.by = LT_BY_TIME, .fill = 1, .length = 1000};
    lt_bars s, before;
    lt_bar_sink sink = {whole, whole_by, 1, 0};
    lt_tick two[2] = {ticks[0], ticks[0]};
    int64_t taken;
    two[0].ts = 500;
    two[1].ts = 1000 * (LT_FILL_MAX + 2);
    lt_bars_open(&s, &rule);
    assert(lt_bars_push(&s, &rule, two, 1, &sink, &taken) == LT_OK && taken == 1);
    before = s;
    assert(lt_bars_push(&s, &rule, two + 1, 1, &sink, &taken) == LT_EGAP && taken == 0 && sink.made == 0);
    assert(memcmp(&s, &before, sizeof s) == 0);
    two[1].ts -= 1000;
    assert(lt_bars_push(&s, &rule, two + 1, 1, &sink, &taken) == LT_OK && taken == 0 && sink.made == 1);
}

int main(void)
{
    make_ticks();
    for (int32_t fill = 0; fill < 2; fill++)
        check(&(lt_bar_rule){.by = LT_BY_TIME, .fill = fill, .length = 3000});
    for (int32_t weight = LT_WEIGHT_TRADE; weight <= LT_WEIGHT_USD; weight++) {
        check(&(lt_bar_rule){.by = LT_BY_SUM, .weight = weight, .threshold = 7.25});
        for (int32_t by = LT_BY_IMBALANCE; by <= LT_BY_RUN; by++)
            check(&(lt_bar_rule){.by = by, .weight = weight, .expected = 8.0, .expected_min = 2.0,
                                 .expected_max = 20.0, .alpha_bar = 0.2, .alpha_trade = 0.02});
    }
    refuse_long_gaps();
    puts("bars: ok");
    return 0;
}
