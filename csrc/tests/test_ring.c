#undef NDEBUG
#include <assert.h>
#include <stdio.h>

#include "lt_ring.h"

static void capacity_is_the_next_power_of_two(void)
{
    assert(lt_ring_capacity(0) == 1 && lt_ring_capacity(1) == 1 && lt_ring_capacity(2) == 2);
    for (uint64_t n = 2; n < 5000; n++) {
        uint64_t c = lt_ring_capacity(n);
        assert((c & (c - 1)) == 0 && c >= n && c / 2 < n);
    }
}

static void every_window_is_contiguous(uint64_t capacity)
{
    double slot[2 * 64];
    lt_ring r;
    lt_ring_init(&r, slot, capacity);
    for (uint64_t t = 0; t < 5 * capacity + 3; t++) {
        lt_ring_push(&r, (double)t);
        uint64_t held = t + 1 < capacity ? t + 1 : capacity;
        for (uint64_t n = 1; n <= held; n++) {
            const double *w = lt_ring_window(&r, n);
            for (uint64_t i = 0; i < n; i++) assert(w[i] == (double)(t + 1 - n + i));
            assert(lt_ring_at(&r, n - 1) == (double)(t + 1 - n));
        }
    }
}

static void head_may_wrap(void)
{
    double slot[8] = {0};
    lt_ring r;
    lt_ring_init(&r, slot, 4);
    r.head = UINT64_MAX - 5;
    for (int t = 0; t < 12; t++) lt_ring_push(&r, t);
    for (uint64_t age = 0; age < 4; age++) assert(lt_ring_at(&r, age) == (double)(11 - age));
    assert(lt_ring_window(&r, 4)[0] == 8.0);
}

int main(void)
{
    capacity_is_the_next_power_of_two();
    for (uint64_t capacity = 1; capacity <= 64; capacity *= 2) every_window_is_contiguous(capacity);
    head_may_wrap();
    puts("ring");
    return 0;
}
