#undef NDEBUG
#include <assert.h>
#include <stdio.h>

#include "lt_math.h"
#include "lt_philox.h"
#include "lt_variates.h"

static uint64_t drawn;
static uint64_t word(void) { return lt_philox(1, 2, drawn++).word[0]; }
static double uniform(void) { return ((double)(word() >> 11) + 0.5) * 0x1p-53; }

static long double ulps(double got, long double exact)
{
    double near = (double)fabsl(exact);
    return fabsl((long double)got - exact) / (long double)(nextafter(near, INFINITY) - near);
}

static void log_is_within_one_ulp(void)
{
    for (int i = 0; i < 300000; i++) {
        double x = i % 3 == 0 ? 0.5 + 1.5 * uniform() : lt_from_bits(word() >> 1);
        if (!(x >= 2.2250738585072014e-308) || x == INFINITY) continue;
        assert(ulps(lt_log(x), logl(x)) <= 1.0L);
    }
    assert(lt_log(1.0) == 0.0 && lt_log(0.0) == -INFINITY && lt_log(INFINITY) == INFINITY);
    assert(isnan(lt_log(-1.0)) && isnan(lt_log(NAN)) && isnan(lt_log(-INFINITY)));
    assert(ulps(lt_log(5e-324), logl((long double)5e-324)) <= 2.0L);
}

static void exp_is_within_one_ulp(void)
{
    for (int i = 0; i < 300000; i++) {
        double x = i % 2 ? 1400.0 * uniform() - 700.0 : 2.0 * uniform() - 1.0;
        assert(ulps(lt_exp(x), expl(x)) <= 1.0L);
    }
    assert(lt_exp(0.0) == 1.0 && lt_exp(-0.0) == 1.0 && lt_exp(701.0) == INFINITY && lt_exp(-701.0) == 0.0);
    assert(lt_exp(INFINITY) == INFINITY && lt_exp(-INFINITY) == 0.0 && isnan(lt_exp(NAN)));
}

static void sine_and_cosine_of_a_turn(void)
{
    const long double tau = 6.283185307179586476925286766559L;
    double s, c;
    for (int i = 0; i < 300000; i++) {
        double u = uniform();
        lt_sincos_turn(u, &s, &c);
        assert(fabsl(s - sinl(tau * u)) <= 2.3e-16L && fabsl(c - cosl(tau * u)) <= 2.3e-16L);
    }
    for (int q = 0; q <= 4; q++) {
        static const double sine[] = {0, 1, 0, -1, 0};
        lt_sincos_turn(0.25 * q, &s, &c);
        assert(s == sine[q] && c == sine[(q + 1) % 4]);
    }
}

static void log_ratio_keeps_the_digits_of_close_prices(void)
{
    for (int i = 0; i < 300000; i++) {
        double p = exp(60.0 * uniform() - 30.0), q = p;
        if (i % 3 == 0) q = nextafter(p, i % 2 ? INFINITY : 0.0);
        else if (i % 3 == 1) q = p * (1.0 + 1e-4 * (uniform() - 0.5));
        else q = exp(60.0 * uniform() - 30.0);
        if (p == q) continue;
        long double near = log1pl(((long double)p - q) / q), far = logl((long double)p / q);
        long double exact = fabsl(near) < 0.5L ? near : far;
        assert(fabsl(lt_log_ratio(p, q) - exact) <= 4e-16L * fabsl(exact));
    }
    assert(lt_log_ratio(3.0, 3.0) == 0.0);
    assert(lt_log_ratio(1e150, 1e-150) < INFINITY && lt_log_ratio(1e-150, 1e150) > -INFINITY);
}

static void blocks_are_their_elements(void)
{
    enum { N = 1003 };
    static double x[N], y[N], p[N], r[N];
    for (int i = 0; i < N; i++) {
        x[i] = 1400.0 * uniform() - 700.0;
        p[i] = 50000.0 * (1.0 + 1e-4 * uniform()) * (i % 100 == 50 ? 1e6 : 1.0);
    }
    lt_exp_block(N, x, y);
    lt_log_return_block(N, p, 50000.0, r);
    for (int i = 0; i < N; i++) {
        assert(y[i] == lt_exp(x[i]));
        assert(r[i] == lt_log_ratio(p[i], i ? p[i - 1] : 50000.0));
    }
    lt_log_return_block(0, p, 1.0, r);
    lt_log_block(N, p, y);
    for (int i = 0; i < N; i++) assert(y[i] == lt_log(p[i]));
    const double odd[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, -1.0, -1e-310, 5e-324, 2.2250738585072009e-308};
    for (size_t k = 0; k < sizeof odd / sizeof *odd; k++) {   /* one of them among normal numbers */
        double before = p[k * 100], exact = lt_log(odd[k]);
        p[k * 100] = odd[k];
        lt_log_block(N, p, y);
        for (size_t i = 0; i < N; i++) assert(i == k * 100 || y[i] == lt_log(p[i]));
        assert(isnan(exact) ? isnan(y[k * 100]) : y[k * 100] == exact);
        p[k * 100] = before;
    }
}

static void normals_are_box_and_muller(void)
{
    enum { N = 501 };
    static uint64_t w[4 * N];
    static double z0[N], z1[N], u[2 * N];
    lt_philox_block(3, 4, 0, N, w, N);
    lt_normal_block(N, w, w + N, z0, z1);
    lt_uniform_block(2 * N, w, u);
    for (int i = 0; i < N; i++) {
        long double radius = sqrtl(-2.0L * logl(u[i])), turn = 6.283185307179586476925286766559L * u[N + i];
        assert(fabsl(z0[i] - radius * cosl(turn)) <= 4e-15L && fabsl(z1[i] - radius * sinl(turn)) <= 4e-15L);
    }
}

static void masks(void)
{
    assert(lt_where(1, -2.5) == -2.5 && lt_where(7, 3.0) == 3.0 && lt_bits(lt_where(0, NAN)) == 0);
    assert(lt_side(2.0) == 1 && lt_side(-2.0) == -1 && lt_side(0.0) == 1 && lt_side(-0.0) == -1);
}

int main(void)
{
    log_is_within_one_ulp();
    exp_is_within_one_ulp();
    sine_and_cosine_of_a_turn();
    log_ratio_keeps_the_digits_of_close_prices();
    blocks_are_their_elements();
    normals_are_box_and_muller();
    masks();
    puts("math");
    return 0;
}
