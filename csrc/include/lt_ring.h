/* Mirrored ring buffer: each value is stored twice, one capacity apart, so that any window is contiguous. */
#ifndef LT_RING_H
#define LT_RING_H

#include "lt_base.h"

typedef struct {
    double *slot;   /* 2 * (mask + 1) values, owned by the caller */
    uint64_t mask;  /* capacity - 1, capacity a power of two */
    uint64_t head;  /* pushes ever */
} lt_ring;

/* The smallest power of two that holds n values. */
static inline uint64_t lt_ring_capacity(uint64_t n)
{
    uint64_t c = 1;
    while (c < n) c <<= 1;
    return c;
}

static inline void lt_ring_init(lt_ring *r, double *slot, uint64_t capacity)
{
    r->slot = slot;
    r->mask = capacity - 1;
    r->head = 0;
}

static inline void lt_ring_push(lt_ring *r, double x)
{
    uint64_t i = r->head++ & r->mask;
    r->slot[i] = x;
    r->slot[i + r->mask + 1] = x;
}

/* age 0 is the newest; the caller guarantees age < min(head, capacity). */
static inline double lt_ring_at(const lt_ring *r, uint64_t age)
{
    return r->slot[(r->head - 1 - age) & r->mask];
}

/* The last n values, oldest first, contiguous; the caller guarantees n <= min(head, capacity). */
static inline const double *lt_ring_window(const lt_ring *r, uint64_t n)
{
    return r->slot + ((r->head - n) & r->mask);
}

#endif
