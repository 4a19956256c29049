#undef NDEBUG
#include <assert.h>
#include <stdio.h>

#include "lt_philox.h"
#include "lt_variates.h"

/* numpy.random.Philox(key=[seed, stream], counter=[index - 1, 0, 0, 0]).random_raw(4) */
static const struct { uint64_t seed, stream, index, word[4]; } KNOWN[] = {
    {0, 0, 0, {0x16554d9eca36314cu, 0xdb20fe9d672d0fdcu, 0xd7e772cee186176bu, 0x7e68b68aec7ba23bu}},
    {42, 0, 0, {0xa7687e2d34c89dc6u, 0x4c5818ab9649d53fu, 0xea0add4230dddab5u, 0xe2a142eecee5bb40u}},
    {42, 1, 7, {0x5cdff129fcc84704u, 0x23a0220f2f8dfc7eu, 0x237419d449e15fd3u, 0xe7f37b994ff54ad3u}},
};

static void known_words(void)
{
    for (size_t k = 0; k < sizeof KNOWN / sizeof *KNOWN; k++) {
        lt_words w = lt_philox(KNOWN[k].seed, KNOWN[k].stream, KNOWN[k].index);
        for (int i = 0; i < 4; i++) assert(w.word[i] == KNOWN[k].word[i]);
    }
}

static void multiplication_by_halves(void)
{
    uint64_t a = 0x9E3779B97F4A7C15u, b = UINT64_MAX;
    for (int i = 0; i < 100000; i++) {
        uint64_t lo, hi = lt_mulhi(a, b, &lo);
        uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
        uint64_t t = a1 * b0 + ((a0 * b0) >> 32), m = a0 * b1 + (uint32_t)t;
        assert(lo == a * b && hi == a1 * b1 + (t >> 32) + (m >> 32));
        a = a * 6364136223846793005u + 1442695040888963407u;
        b = i % 3 ? b * 2862933555777941757u + 3037000493u : UINT64_MAX - (uint64_t)i;
    }
}

static void a_block_is_its_draws(void)
{
    enum { N = 37, STRIDE = 40 };
    uint64_t whole[4 * STRIDE], part[4 * STRIDE];
    lt_philox_block(5, 6, UINT64_MAX - 10, N, whole, STRIDE);
    for (uint64_t i = 0; i < N; i++) {
        lt_words w = lt_philox(5, 6, UINT64_MAX - 10 + i);
        for (int k = 0; k < 4; k++) assert(whole[k * STRIDE + i] == w.word[k]);
    }
    lt_philox_block(5, 6, UINT64_MAX - 10, 11, part, STRIDE);
    lt_philox_block(5, 6, 0, N - 11, part + 11, STRIDE);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < 4; k++) assert(whole[k * STRIDE + i] == part[k * STRIDE + i]);
}

static void uniforms_stay_inside(void)
{
    uint64_t w[3] = {0, UINT64_MAX, (uint64_t)1 << 63};
    double u[3];
    lt_uniform_block(3, w, u);
    assert(u[0] == 0x1p-53 && u[1] == 1.0 - 0x1p-53 && u[2] == 0.5 + 0x1p-53);
}

int main(void)
{
    known_words();
    multiplication_by_halves();
    a_block_is_its_draws();
    uniforms_stay_inside();
    puts("philox");
    return 0;
}
