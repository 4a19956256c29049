#include "lt_pcg64.h"

#include <math.h>

#include "lt_ziggurat.h"

/* log1p and exp are libm's here, for numpy's are: the draws have to be the same. */
static double tail(lt_pcg64 *g, int negative)
{
    for (;;) {
        double x = -LT_NORMAL_INVERSE_R * log1p(-lt_pcg64_uniform(g));
        double y = -log1p(-lt_pcg64_uniform(g));
        if (y + y > x * x) return negative ? -(LT_NORMAL_R + x) : LT_NORMAL_R + x;
    }
}

double lt_pcg64_normal(lt_pcg64 *g)
{
    for (;;) {
        uint64_t word = lt_pcg64_word(g), layer = word & 0xff, place = word >> 9 & 0xfffffffffffffu;
        double x = (double)place * lt_normal_width[layer];
        if (word & 0x100) x = -x;
        if (place < lt_normal_inside[layer]) return x;
        if (layer == 0) return tail(g, (int)(place >> 8 & 1));
        double above = lt_normal_height[layer - 1] - lt_normal_height[layer];
        if (above * lt_pcg64_uniform(g) + lt_normal_height[layer] < exp(-0.5 * x * x)) return x;
    }
}
