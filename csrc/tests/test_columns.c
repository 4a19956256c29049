#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lt_columns.h"
#include "lt_math.h"
#include "lt_philox.h"

#define TICKS 60000

static uint64_t drawn;
static double uniform(void) { return ((double)(lt_philox(11, 11, drawn++).word[0] >> 11) + 0.5) * 0x1p-53; }

static void same(const double *a, const double *b, size_t n) { assert(memcmp(a, b, n * sizeof *a) == 0); }

/* Walks wide or narrow, stands still or creeps by one unit in the last place now and then, seldom jumps. */
static double next(double p)
{
    static int run, kind;
    if (run-- <= 0) {
        run = (int)(400.0 * uniform());
        kind = (int)(6.0 * uniform());
        if (uniform() < 0.05) return p > 1e3 ? p / 1e6 : p * 1e6;
    }
    if (kind == 0) return p;
    if (kind == 1) return nextafter(p, uniform() < 0.5 ? 0.0 : 1e300);
    /* the narrow walk is about as wide as what counts as still */
    return p * (1.0 + (kind == 2 ? 1e-11 : 1e-4) * (uniform() - 0.5));
}

static size_t stretch_length(size_t left)
{
    size_t n = uniform() < 0.3 ? LT_STRETCH : 1 + (size_t)(LT_STRETCH * uniform());
    return n < left ? n : left;
}

static void open_ring(lt_ring *r, uint64_t window)
{
    uint64_t capacity = lt_ring_capacity(window + LT_STRETCH);
    lt_ring_init(r, calloc(2 * capacity, sizeof(double)), capacity);
}

static void open_moments(lt_moments *s, uint64_t window)
{
    memset(s, 0, sizeof *s);
    open_ring(&s->ring, window);
    s->window = window;
    s->inverse = 1.0 / (double)window;
}

static void same_moments(const lt_moments *a, const lt_moments *b)
{
    assert(a->ring.head == b->ring.head);
    same(lt_ring_window(&a->ring, a->window), lt_ring_window(&b->ring, b->window), a->window);
    same(&a->anchor, &b->anchor, 1);
    same(&a->sum, &b->sum, 1);
    same(&a->mean, &b->mean, 1);
    same(&a->m2, &b->m2, 1);
    same(&a->updates, &b->updates, 1);
    same(&a->squares.value, &b->squares.value, 1);
    same(&a->squares.reach, &b->squares.reach, 1);
}

/* Pushes x one by one, with what is read after each; how many of the pushes recomputed. */
static int push_moments(lt_moments *s, size_t n, const double *x, double *gap, double *variance)
{
    int exact = 0;
    for (size_t i = 0; i < n; i++) {
        lt_moments_push(s, x[i]);
        double v = s->m2 * s->inverse, centre = s->anchor + s->mean;
        gap[i] = x[i] - s->anchor - s->mean;
        variance[i] = v > 1e-24 * centre * centre ? v : 0.0;
        exact += s->updates == 0.0;
    }
    return exact;
}

/* A stretch is taken just where no push of it recomputes; what is refused leaves all as it was. */
static void moments(uint64_t window)
{
    static double x[TICKS];
    double gap[LT_STRETCH], variance[LT_STRETCH], gap1[LT_STRETCH], variance1[LT_STRETCH], p = 50000.0;
    lt_moments s, single;
    open_moments(&s, window);
    open_moments(&single, window);
    for (size_t i = 0; i < TICKS; i++) x[i] = p = next(p);
    for (size_t i = 0; i < window; i++) {
        lt_moments_push(&s, x[i]);
        lt_moments_push(&single, x[i]);
    }
    int taken = 0, refused = 0;
    for (size_t i = window, n; i < TICKS; i += n) {
        n = stretch_length(TICKS - i);
        int code = lt_moments_stretch(&s, n, x + i, gap, variance);
        if (code) {
            same_moments(&s, &single);
            push_moments(&s, n, x + i, gap, variance);
        }
        assert((push_moments(&single, n, x + i, gap1, variance1) > 0) == code);
        same(gap, gap1, n);
        same(variance, variance1, n);
        same_moments(&s, &single);
        *(code ? &refused : &taken) += 1;
    }
    assert(taken > 100 && refused > 10);
    free(s.ring.slot);
    free(single.ring.slot);
}

/* A sum and a sum of squares over a window, both exact from time to time. */
typedef struct {
    lt_ring ring;
    uint64_t window;
    double plain, share;
    lt_squares squares;
    int lagged;                  /* products of neighbours in the window instead of the values */
} sums;

static void exact_sums(sums *s)
{
    s->plain = s->squares.value = 0.0;
    for (uint64_t age = s->window; age-- > 0;) {
        double r = lt_ring_at(&s->ring, age);
        s->plain += !s->lagged ? r : age + 1 < s->window ? r * lt_ring_at(&s->ring, age + 1) : 0.0;
        s->squares.value += r * r;
    }
    s->squares.reach = s->squares.value;
}

static int push_sums(sums *s, size_t n, const double *x, double *plain, double *squares)
{
    int exact = 0;
    for (size_t i = 0; i < n; i++) {
        double old = lt_ring_at(&s->ring, s->window - 1), second = lt_ring_at(&s->ring, s->window - 2);
        double last = lt_ring_at(&s->ring, 0), r = x[i];
        lt_ring_push(&s->ring, r);
        s->plain += s->lagged ? r * last - old * second : r - old;
        lt_squares_slide(&s->squares, r * r, old * old);
        if (lt_squares_loose(&s->squares, s->share * s->squares.value)) {
            exact_sums(s);
            exact++;
        }
        plain[i] = s->plain;
        squares[i] = s->squares.value;
    }
    return exact;
}

static int stretch_sums(sums *s, size_t n, const double *x, double *plain, double *squares)
{
    double gain[LT_STRETCH], gain2[LT_STRETCH];
    for (size_t i = 0; i < n; i++) lt_ring_push(&s->ring, x[i]);
    const double *new = lt_ring_window(&s->ring, s->window + n) + s->window;
    (s->lagged ? lt_return_gains : lt_flow_gains)(n, new, s->window, gain, gain2);
    int code = lt_sums_stretch(n, gain, gain2, s->share, &s->plain, &s->squares, plain, squares);
    if (code) s->ring.head -= n;
    return code;
}

static void same_sums(const sums *a, const sums *b)
{
    assert(a->ring.head == b->ring.head);
    same(lt_ring_window(&a->ring, a->window), lt_ring_window(&b->ring, b->window), a->window);
    same(&a->plain, &b->plain, 1);
    same(&a->squares.value, &b->squares.value, 1);
    same(&a->squares.reach, &b->squares.reach, 1);
}

/* Mostly of one size, at times of a million times that, at times nothing at all. */
static double shock(void)
{
    static int run;
    static double scale = 1.0;
    if (run-- <= 0) {
        run = (int)(900.0 * uniform());
        scale = uniform() < 0.7 ? 1.0 : uniform() < 0.5 ? 1e6 : 0.0;
    }
    return scale * (uniform() - 0.5);
}

static void open_sums(sums *s, uint64_t window, int lagged, const double *x)
{
    *s = (sums){.window = window, .share = 0.1, .lagged = lagged};
    open_ring(&s->ring, window);
    for (size_t i = 0; i < window; i++) lt_ring_push(&s->ring, x[i]);
    exact_sums(s);
}

static void two_sums(uint64_t window, int lagged)
{
    static double x[TICKS];
    double plain[LT_STRETCH], squares[LT_STRETCH], plain1[LT_STRETCH], squares1[LT_STRETCH];
    sums s, single;
    for (size_t i = 0; i < TICKS; i++) x[i] = shock();
    open_sums(&s, window, lagged, x);
    open_sums(&single, window, lagged, x);
    int taken = 0, refused = 0;
    for (size_t i = window, n; i < TICKS; i += n) {
        n = stretch_length(TICKS - i);
        int code = stretch_sums(&s, n, x + i, plain, squares);
        if (code) {
            same_sums(&s, &single);
            push_sums(&s, n, x + i, plain, squares);
        }
        assert((push_sums(&single, n, x + i, plain1, squares1) > 0) == code);
        same(plain, plain1, n);
        same(squares, squares1, n);
        same_sums(&s, &single);
        *(code ? &refused : &taken) += 1;
    }
    assert(taken > 100 && refused > 10);
    free(s.ring.slot);
    free(single.ring.slot);
}

/* Cont, Kukanov and Stoikov's three cases a side, in words. */
static double flow_of(const double *now, const double *before)
{
    double bought = now[0] > before[0] ? now[2] : now[0] < before[0] ? -before[2] : now[2] - before[2];
    double sold = now[1] < before[1] ? now[3] : now[1] > before[1] ? -before[3] : now[3] - before[3];
    return bought - sold;
}

static void quotes(size_t n)
{
    double bid[LT_STRETCH + 1], ask[LT_STRETCH + 1], bid_size[LT_STRETCH + 1], ask_size[LT_STRETCH + 1];
    double e[LT_STRETCH], weighted[LT_STRETCH], spread[LT_STRETCH];
    for (size_t i = 0; i <= n; i++) {
        bid[i] = 100.0 + (double)(int)(3.0 * uniform());
        ask[i] = 103.0 + (double)(int)(3.0 * uniform());
        bid_size[i] = uniform();
        ask_size[i] = uniform();
    }
    lt_quote_flow(n, bid + 1, ask + 1, bid_size + 1, ask_size + 1, e);
    lt_weighted_mids(n, bid + 1, ask + 1, bid_size + 1, ask_size + 1, weighted, spread);
    for (size_t i = 0; i < n; i++) {
        size_t k = i + 1;
        double now[4] = {bid[k], ask[k], bid_size[k], ask_size[k]};
        double before[4] = {bid[i], ask[i], bid_size[i], ask_size[i]};
        double expected = flow_of(now, before);
        double mid = (bid[k] * ask_size[k] + ask[k] * bid_size[k]) / (bid_size[k] + ask_size[k]);
        same(&e[i], &expected, 1);
        same(&weighted[i], &mid, 1);
        assert(spread[i] == ask[k] - bid[k]);
    }
}

int main(void)
{
    for (uint64_t window = 2; window <= 400; window = window * 3 - 1) {
        moments(window);
        two_sums(window, 0);
        two_sums(window, 1);
    }
    for (size_t n = 1; n <= LT_STRETCH; n++) quotes(n);
    puts("columns");
    return 0;
}
